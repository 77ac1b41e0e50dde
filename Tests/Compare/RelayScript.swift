// SPDX-License-Identifier: GPL-2.0-or-later
// How the relays answer in one case. The same command always gets the same answer, whichever module asks.

import Foundation
import TestSupport

/// Answers by command letter. In a text `%p` becomes the port of the stream.
struct RelayScript: Sendable {
    enum Reply: Sendable {
        case text(String)
        case raw(String)
        case drop
        case hangUp

        var name: String {
            switch self {
            case .text(let text): text.isEmpty ? "empty" : text
            case .raw(let text): "raw " + text
            case .drop: "silence"
            case .hangUp: "hang up"
            }
        }
    }

    /// By `U`, or by `a.U` for the relay called a alone: one per stream, the last for all further ones.
    var replies: [String: [Reply]]

    init(_ replies: [String: [Reply]] = [:]) {
        self.replies = replies
    }

    /// The same answer to U and L.
    static func media(_ replies: Reply...) -> RelayScript {
        RelayScript(["U": replies, "L": replies])
    }

    /// The port of each stream's answer differs, and U's from L's.
    func answer(_ command: RelayCommand, from relay: String) -> RelayAnswer {
        let verb = command.verb
        if command.asksForTheRelay { return .normal }
        let standard: [String: Reply] = [
            "U": .text("%p 198.51.100.7"), "L": .text("%p 198.51.100.7"), "D": .text("0"), "P": .text("0"),
            "S": .text("0"), "R": .text("0"), "Q": .text("60 11 22 33 0"),
        ]
        let words = command.words
        let stream = words.count > 4 ? words[4].split(separator: ";").last.flatMap { Int($0) } ?? 1 : 1
        let list = replies["\(relay).\(verb)"] ?? replies[verb] ?? standard[verb].map { [$0] } ?? [.text("E0")]
        let reply = list[min(max(stream, 1), list.count) - 1]
        switch reply {
        case .text(let text):
            let port = (verb == "U" ? 30_000 : 40_000) + 2 * stream
            return .reply(text.replacingOccurrences(of: "%p", with: String(port)))
        case .raw(let text): return .raw(Array(text.utf8))
        case .drop: return .drop
        case .hangUp: return .hangUp
        }
    }
}
