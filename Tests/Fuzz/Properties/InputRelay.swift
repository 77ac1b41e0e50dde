// SPDX-License-Identifier: GPL-2.0-or-later
// RTPProxies on loopback whose answers an input says: two by datagrams, one by TCP, one by a unix socket, all in one
// thread.

import Glibc
import Synchronization

final class InputRelay: @unchecked Sendable {
    private struct State {
        var replies: [[UInt8]] = []
        var next = 0
        var commands: [[UInt8]] = []
        /// What was answered to a cookie: a command that is sent again gets the same.
        var answers: [[UInt8]: [UInt8]] = [:]
    }

    private struct Connection {
        let descriptor: Int32
        var pending: [UInt8] = []
    }

    private let state = Mutex(State())
    private let datagrams: [Int32]
    private let listeners: [Int32]
    private let folder: String
    /// By the first the thread is asked whether it is through, by the second it says so.
    private let question: (read: Int32, write: Int32)
    private let answer: (read: Int32, write: Int32)
    let datagramURLs: [String]
    let tcpURL: String
    let unixURL: String

    /// Nil where the system does not give what is needed.
    init?() {
        var template = Array("\(getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp")/fuzz-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { return nil }
        folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let path = folder + "/s"
        let ports = [InputRelay.inet(SOCK_DGRAM), InputRelay.inet(SOCK_DGRAM), InputRelay.inet(SOCK_STREAM)]
        let unixListener = InputRelay.unix(path)
        guard ports.allSatisfy({ $0.descriptor >= 0 }), unixListener >= 0, let question = InputRelay.makePipe(),
            let answer = InputRelay.makePipe()
        else { return nil }
        datagrams = ports.prefix(2).map(\.descriptor)
        listeners = [ports[2].descriptor, unixListener]
        (self.question, self.answer) = (question, answer)
        datagramURLs = ports.prefix(2).map { "udp:127.0.0.1:\($0.port)" }
        tcpURL = "tcp:127.0.0.1:\(ports[2].port)"
        unixURL = "unix:\(path)"
        startThread { [self] in serve() }
        InputRelay.left = folder
        atexit {
            guard let folder = InputRelay.left else { return }
            unlink(folder + "/s")
            rmdir(folder)
        }
    }

    /// The folder that is to go when the process ends.
    nonisolated(unsafe) private static var left: String?

    /// Answers commands as `replies` say, one after the other, and then as an RTPProxy does.
    func begin(_ replies: [[UInt8]]) {
        state.withLock {
            $0 = State()
            $0.replies = replies
        }
    }

    /// The commands since `begin`, once all that were sent are there.
    func commands() -> [[UInt8]] {
        var byte: UInt8 = 1
        guard write(question.write, &byte, 1) == 1, read(answer.read, &byte, 1) == 1 else { return [] }
        return state.withLock { $0.commands }
    }

    // MARK: - The thread

    private func serve() {
        var connections: [Connection] = []
        var isAsked = false
        // A loop with an end: where it has none, the optimizer (6.3.1, loop-invariant code motion) has none, either.
        var isOver = false
        while !isOver {
            let fixed = [question.read] + datagrams + listeners
            var entries = (fixed + connections.map(\.descriptor)).map {
                pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
            }
            // The caller waits until nothing is left to read.
            if poll(&entries, nfds_t(entries.count), isAsked ? 0 : -1) <= 0, isAsked {
                var byte: UInt8 = 1
                _ = write(answer.write, &byte, 1)
                isAsked = false
                continue
            }
            if entries[0].revents != 0 {
                var byte: UInt8 = 0
                isAsked = read(question.read, &byte, 1) == 1
                isOver = !isAsked
            }
            for (place, descriptor) in datagrams.enumerated() where entries[1 + place].revents != 0 {
                serveDatagrams(descriptor)
            }
            let first = fixed.count
            for place in connections.indices.reversed() where entries[first + place].revents != 0 {
                if !serveStream(&connections[place]) {
                    close(connections[place].descriptor)
                    connections.remove(at: place)
                }
            }
            for (place, listener) in listeners.enumerated() where entries[3 + place].revents != 0 {
                let descriptor = accept(listener, nil, nil)
                if descriptor >= 0 { connections.append(Connection(descriptor: descriptor)) }
            }
        }
    }

    private func serveDatagrams(_ descriptor: Int32) {
        var buffer = [UInt8](repeating: 0, count: 16384)
        var peer = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let got = withUnsafeMutablePointer(to: &peer) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT), $0, &size)
            }
        }
        guard got >= 0 else { return }
        let datagram = buffer[..<got]
        let cookie = Array(datagram.prefix { $0 != 0x20 })
        let command = Array(datagram.dropFirst(cookie.count + 1))
        let reply = state.withLock { state in
            if let known = state.answers[cookie] { return known }
            let reply = InputRelay.next(&state, command)
            state.answers[cookie] = reply
            return reply
        }
        for text in InputRelay.texts(reply) {
            let isWhole = text.first == UInt8(ascii: "!")
            let datagram = isWhole ? Array(text.dropFirst()) : cookie + [0x20] + text
            withUnsafePointer(to: &peer) {
                _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(descriptor, datagram, datagram.count, Int32(MSG_DONTWAIT), $0, size)
                }
            }
        }
    }

    /// Whether the connection goes on.
    private func serveStream(_ connection: inout Connection) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 16384)
        let got = recv(connection.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        guard got > 0 else { return false }
        connection.pending += buffer[..<got]
        while let end = connection.pending.firstIndex(of: 0x0A) {
            let command = Array(connection.pending[..<end])
            connection.pending.removeFirst(end + 1)
            let reply = state.withLock { InputRelay.next(&$0, command) }
            for text in InputRelay.texts(reply) {
                // Without its line end an answer may go on, or the connection may end in it.
                let isOpen = text.first == UInt8(ascii: "!")
                let bytes = isOpen ? Array(text.dropFirst()) : text + [0x0A]
                let sent = send(
                    connection.descriptor, bytes, bytes.count,
                    Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
                if sent < 0 || (isOpen && bytes.isEmpty) { return false }
            }
        }
        return true
    }

    private static func next(_ state: inout State, _ command: [UInt8]) -> [UInt8] {
        state.commands.append(command)
        if state.next < state.replies.count {
            state.next += 1
            return state.replies[state.next - 1]
        }
        return sensible(command)
    }

    /// What an RTPProxy that can everything says.
    private static func sensible(_ command: [UInt8]) -> [UInt8] {
        let second = command.count > 1 ? command[1] : 0x20
        switch command.first {
        case UInt8(ascii: "V"): return Array((second == UInt8(ascii: "F") ? "1" : "20040107").utf8)
        case UInt8(ascii: "U"), UInt8(ascii: "L"): return Array("35000 192.0.2.77".utf8)
        case UInt8(ascii: "Q"):
            return Array((second == UInt8(ascii: "v") ? "ttl=60 rtpa_nrcvd=9 rtpa_jmax=16.0" : "60 10 20 30 0").utf8)
        default: return [UInt8(ascii: "0")]
        }
    }

    /// What one line of the input makes RTPProxy send.
    private static func texts(_ reply: [UInt8]) -> [[UInt8]] {
        if reply == [UInt8(ascii: "-")] { return [] }
        guard reply.first == UInt8(ascii: "+") else { return [reply] }
        return [Array(reply.dropFirst()), Array(reply.dropFirst())]
    }

    // MARK: - Sockets

    private static func inet(_ type: __socket_type) -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(type.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        if type == SOCK_STREAM { listen(descriptor, 64) }
        return (isBound ? descriptor : -1, Int(UInt16(bigEndian: address.sin_port)))
    }

    private static func unix(_ path: String) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return -1 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let isBound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        return isBound && listen(descriptor, 64) == 0 ? descriptor : -1
    }

    private static func makePipe() -> (read: Int32, write: Int32)? {
        var ends: [Int32] = [-1, -1]
        return pipe(&ends) == 0 ? (ends[0], ends[1]) : nil
    }
}

/// Runs `body` in a thread of its own.
func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Work {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let work = Unmanaged.passRetained(Work(body))
    let result = pthread_create(
        &thread, nil,
        { context in
            if let context { Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body() }
            return nil
        }, work.toOpaque())
    if result == 0 { pthread_detach(thread) } else { work.release() }
}
