// SPDX-License-Identifier: GPL-2.0-or-later
// An RTPProxy on loopback that answers by script.

import Foundation
import Synchronization

/// A UDP socket on a free port, served by a thread until the responder goes.
final class Responder: Sendable {
    /// What to answer to a command, nil: nothing.
    typealias Script = @Sendable (String) -> String?

    /// What the thread holds on to.
    private final class Shared: Sendable {
        let seen = Mutex<[(cookie: String, command: String)]>([])
        let isOver = Atomic<Bool>(false)
    }

    let port: UInt16
    private let shared = Shared()

    var url: String { "udp:127.0.0.1:\(port)" }

    /// The commands, each once however often it was sent, in the order of their arrival.
    var commands: [String] {
        shared.seen.withLock { seen in
            var cookies: Set<String> = []
            return seen.filter { cookies.insert($0.cookie).inserted }.map(\.command)
        }
    }

    /// Without a script it answers as RTPProxy does.
    init(_ script: @escaping Script = Responder.usual) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard descriptor >= 0, isBound else { throw POSIXError(.EADDRNOTAVAIL) }
        port = UInt16(bigEndian: address.sin_port)
        let shared = shared
        Thread.detachNewThread { Self.serve(descriptor, shared, script) }
    }

    deinit { shared.isOver.store(true, ordering: .releasing) }

    private static func serve(_ descriptor: Int32, _ shared: Shared, _ script: Script) {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while !shared.isOver.load(ordering: .acquiring) {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 20) > 0 else { continue }
            var from = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            withUnsafeMutablePointer(to: &from) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { sender in
                    let count = recvfrom(descriptor, &buffer, buffer.count, 0, sender, &length)
                    guard count > 0 else { return }
                    let text = String(decoding: buffer[..<count], as: UTF8.self)
                    let parts = text.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
                    let command = parts.count > 1 ? String(parts[1]) : ""
                    shared.seen.withLock { $0.append((String(parts[0]), command)) }
                    guard let reply = script(command) else { return }
                    let bytes = Array("\(parts[0]) \(reply)\n".utf8)
                    sendto(descriptor, bytes, bytes.count, 0, sender, length)
                }
            }
        }
        close(descriptor)
    }

    /// What RTPProxy answers: stream n of an offer gets port 35000 + 2n, that of a lookup 36000 + 2n.
    @Sendable static func usual(_ command: String) -> String? {
        let words = command.split(separator: " ", omittingEmptySubsequences: false)
        switch command.first {
        case "V": return command == "V" ? "20040107" : "1"
        case "U", "L":
            guard let stream = stream(command) else { return "E1" }
            return "\((command.first == "U" ? 35000 : 36000) + 2 * stream) 192.0.2.77"
        case "Q": return "60 11 22 33 0"
        case "D", "P", "S", "R": return words.count > 2 ? "0" : "E1"
        default: return "E0"
        }
    }

    /// The number of the media stream that a command is about.
    static func stream(_ command: String) -> Int? {
        let words = command.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count > 4 else { return nil }
        return words[4].split(separator: ";").last.flatMap { Int($0) }
    }

    /// A port of loopback on which nothing listens: one that was given out and is closed again.
    static func closedPort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw POSIXError(.EADDRNOTAVAIL) }
        return UInt16(bigEndian: address.sin_port)
    }
}

/// Counts from 1, on any thread.
final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}
