// SPDX-License-Identifier: GPL-2.0-or-later
// The scripted RTPProxy as these tests use it: each answer depends on the text of the command alone.

import Synchronization
import TestSupport

/// A scripted RTPProxy over UDP.
final class Responder: Sendable {
    /// What to answer to a command, nil: nothing.
    typealias Script = @Sendable (String) -> String?

    private let relay: ScriptedRelay

    var port: UInt16 { relay.endpoint.port }
    var url: String { relay.url }

    /// The commands, each once however often it was sent, in the order of their arrival.
    var commands: [String] { relay.log.filter { $0.attempt == 1 }.map(\.line) }

    /// Without a script it answers as `usual` says.
    init(_ script: @escaping Script = Responder.usual) throws {
        relay = try ScriptedRelay()
        relay.on { command in script(command.line).map { .reply($0) } ?? .drop }
    }

    deinit { relay.stop() }

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

    /// A port of loopback on which nothing listens.
    static func closedPort() throws -> UInt16 { try FreePort.next() }
}

/// Counts from 1, on any thread.
final class Counter: Sendable {
    private let count = Atomic<Int>(0)

    func next() -> Int { count.add(1, ordering: .relaxed).newValue }
}
