// SPDX-License-Identifier: GPL-2.0-or-later
// What the process that shares calls has of its host.

import Bytes
import Transport

/// The host of that process.
package protocol FleetHost: ServerHost {
    /// Sends a message to all hosts that are known to Kamailio.
    @_optimize(size)
    func broadcast(_ message: Span<UInt8>)
    /// Sends a message to one; `tag` comes back with its answer to a question.
    @_optimize(size)
    func send(_ message: Span<UInt8>, to address: Span<UInt8>, tag: UInt64)
}

/// A question, and who it is for: what a message's tag says.
package struct FleetQuestionTag: Equatable, Sendable {
    package let peer: Int
    package let question: UInt32

    init(peer: Int, question: UInt32) {
        self.peer = peer
        self.question = question
    }

    /// The tag of a message that is no question is 0.
    package init?(_ tag: UInt64) {
        guard tag != 0 else { return nil }
        peer = Int(widening: UInt8(truncatingIfNeeded: tag))
        question = UInt32(truncatingIfNeeded: tag >> 8)
    }

    var word: UInt64 { UInt64(widening: question) << 8 | UInt64(widening: UInt8(truncatingIfNeeded: peer)) }
}
