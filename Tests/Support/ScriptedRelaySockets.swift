// SPDX-License-Identifier: GPL-2.0-or-later
// The sockets under a scripted relay: datagrams with cookies, and streams with one or many commands.

import Foundation

extension ScriptedRelay {
    /// One line that arrived.
    struct Line {
        var text: String
        /// Whether a line end stood behind it.
        var isTerminated: Bool
    }

    /// Opens the listening socket of the relay's transport.
    func open() throws -> Int32 {
        let isDatagram = transport == .udp || transport == .udp6
        let isUnix = transport == .unix || transport == .cunix
        // Without blocking: a connection that has gone again is not waited for.
        let kind = (isDatagram ? SOCK_DGRAM : SOCK_STREAM).rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue
        let made = socket(isUnix ? AF_UNIX : endpoint.family.domain, Int32(kind), 0)
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

    /// Reads what arrived on a listener or a connection. Each is read within the lock: `shut` closes them, and their
    /// numbers may be used again at once.
    func arrived(on descriptor: Int32) {
        let isListener = state.withLock { $0.listener == descriptor }
        if isListener && (transport == .udp || transport == .udp6) { return datagram(descriptor) }
        if isListener {
            return state.withLock { state in
                guard state.listener == descriptor else { return }
                let connection = accept(descriptor, nil, nil)
                guard connection >= 0 else { return }
                closeOnExec(connection)
                state.connections[connection] = []
                state.accepted += 1
            }
        }
        var bytes = [UInt8](repeating: 0, count: 16_384)
        var isOver = false
        let lines: [Line] = state.withLock { state in
            guard var buffer = state.connections[descriptor] else { return [] }
            let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
            isOver = count <= 0
            guard count > 0 else { return [] }
            buffer += bytes[0..<count]
            var lines: [Line] = []
            while let end = buffer.firstIndex(of: 10) {
                lines.append(Line(text: String(decoding: buffer[..<end], as: UTF8.self), isTerminated: true))
                buffer.removeSubrange(...end)
            }
            // Without a line end: a whole command on the one-shot socket, nothing yet on the lasting ones.
            if transport == .unix && !buffer.isEmpty {
                lines.append(Line(text: String(decoding: buffer, as: UTF8.self), isTerminated: false))
                buffer = []
            }
            state.connections[descriptor] = buffer
            return lines
        }
        if isOver { return hangUp(descriptor) }
        for line in lines { handle("", line, channel: descriptor, from: nil) }
    }

    private func datagram(_ descriptor: Int32) {
        var bytes = [UInt8](repeating: 0, count: 16_384)
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let count = state.withLock { state in
            guard state.listener == descriptor else { return 0 }
            return withUnsafeMutablePointer(to: &storage) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT), $0, &length)
                }
            }
        }
        guard count > 0 else { return }
        var line = String(decoding: bytes[0..<count], as: UTF8.self)
        let isTerminated = line.last == "\n" || line.last == "\r\n"
        while line.last == "\n" || line.last == "\r" || line.last == "\r\n" { line.removeLast() }
        let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let command = Line(text: parts.count > 1 ? parts[1] : "", isTerminated: isTerminated)
        handle(parts[0], command, channel: descriptor, from: Endpoint(storage))
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
