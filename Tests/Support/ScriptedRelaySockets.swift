// SPDX-License-Identifier: GPL-2.0-or-later
// The sockets under a scripted relay: datagrams with cookies, and streams with one or many commands.

import Foundation

extension ScriptedRelay {
    /// Opens the listening socket of the relay's transport.
    func open() throws -> Int32 {
        let isDatagram = transport == .udp || transport == .udp6
        let isUnix = transport == .unix || transport == .cunix
        let kind = Int32((isDatagram ? SOCK_DGRAM : SOCK_STREAM).rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let made = socket(isUnix ? AF_UNIX : endpoint.family.domain, kind, 0)
        guard made >= 0 else { throw HarnessError.system("socket") }
        var yes: Int32 = 1
        if !isDatagram { setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size)) }
        let bound: Int32
        if isUnix {
            unlink(path)
            bound = withUnixAddress(path) { bind(made, $0, $1) }
            // The workers of a Kamailio that gave up its privileges must reach it.
            chmod(path, 0o777)
        } else {
            bound = endpoint.withSocketAddress { bind(made, $0, $1) }
        }
        guard bound == 0, isDatagram || listen(made, 64) == 0 else {
            let error = HarnessError.system("listen on \(url)")
            close(made)
            throw error
        }
        return made
    }

    /// Reads what arrived on a listener or a connection.
    func arrived(on descriptor: Int32) {
        let isListener = state.withLock { $0.listener == descriptor }
        if isListener && (transport == .udp || transport == .udp6) { return datagram(descriptor) }
        if isListener {
            let connection = accept(descriptor, nil, nil)
            closeOnExec(connection)
            if connection >= 0 { state.withLock { $0.connections[connection] = [] } }
            return
        }
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        guard count > 0 else { return hangUp(descriptor) }
        let commands: [String] = state.withLock { state in
            guard var buffer = state.connections[descriptor] else { return [] }
            buffer += bytes[0..<count]
            var commands: [String] = []
            while let end = buffer.firstIndex(of: 10) {
                commands.append(String(decoding: buffer[..<end], as: UTF8.self))
                buffer.removeSubrange(...end)
            }
            // Without a line end: a whole command on the one-shot socket, nothing yet on the lasting ones.
            if transport == .unix && !buffer.isEmpty {
                commands.append(String(decoding: buffer, as: UTF8.self))
                buffer = []
            }
            state.connections[descriptor] = buffer
            return commands
        }
        for command in commands { handle("", command, channel: descriptor, from: nil) }
    }

    private func datagram(_ descriptor: Int32) {
        var bytes = [UInt8](repeating: 0, count: 16_384)
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let count = withUnsafeMutablePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT), $0, &length)
            }
        }
        guard count > 0 else { return }
        var line = String(decoding: bytes[0..<count], as: UTF8.self)
        while line.last == "\n" || line.last == "\r" || line.last == "\r\n" { line.removeLast() }
        let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        handle(parts[0], parts.count > 1 ? parts[1] : "", channel: descriptor, from: Endpoint(storage))
    }

    /// Sends bytes to where the command came from; on the one-shot socket the connection ends with that.
    func transmit(_ bytes: [UInt8], _ channel: Int32, _ to: Endpoint?, more: Bool = false) {
        guard state.withLock({ $0.listener == channel || $0.connections[channel] != nil }) else { return }
        if let to {
            _ = to.withSocketAddress { sendto(channel, bytes, bytes.count, 0, $0, $1) }
        } else {
            _ = Foundation.send(channel, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            if transport == .unix && !more { hangUp(channel) }
        }
    }

    /// Unix sockets: connects until the queue of those that wait to be accepted is full. They are to be closed.
    public func fillQueue() throws -> [Int32] {
        var crowd: [Int32] = []
        for _ in 0..<1000 {
            let made = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            guard made >= 0 else { throw HarnessError.system("socket") }
            closeOnExec(made)
            crowd.append(made)
            guard withUnixAddress(path, { connect(made, $0, $1) }) != 0 else { continue }
            guard errno == EAGAIN else { throw HarnessError.system("connect to \(path)") }
            return crowd
        }
        throw HarnessError("the queue of \(path) is never full")
    }

    func hangUp(_ connection: Int32) {
        state.withLock { state in
            guard state.connections.removeValue(forKey: connection) != nil else { return }
            // The next connection may get the same descriptor: what was to be sent here is not for that one.
            state.scheduled.removeAll { $0.channel == connection }
            close(connection)
        }
    }
}

/// Hands the address of a unix socket to `body`.
func withUnixAddress<R>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8.prefix(107))) }
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_un>.size)) }
    }
}
