// SPDX-License-Identifier: GPL-2.0-or-later
// Before the session of a browser is deleted, RTPProxy is told to end ICE on its leg, which RTPProxy of rtp.io 1.1.1 takes
// better. It costs no round trip.
//
// NO TRAP (3 in this file): SessionLegs knows nothing of a stream that there is no room for.

import Bytes
import ControlProtocol
import SharedState

/// The legs of a stream at which the relay does ICE.
struct ICELegs: OptionSet, BitwiseCopyable {
    let rawValue: UInt8

    /// The leg of who is named first by a command, and the other one.
    static let first = ICELegs(rawValue: 1)
    static let second = ICELegs(rawValue: 2)
}

/// The same of the streams of a session that is to be deleted.
struct SessionLegs: BitwiseCopyable {
    /// Streams that are looked at, from 1, whatever is known of those before.
    private static let usualStreams = 4
    /// The last one that there is room for.
    static let lastStream = 32
    /// Two bits for each stream.
    private var bits: UInt64 = 0

    /// Of `stream`, from 1 on; beyond `lastStream` nothing is known.
    subscript(stream: Int) -> ICELegs {
        get {
            guard stream <= Self.lastStream else { return [] }
            return ICELegs(rawValue: UInt8(truncatingIfNeeded: bits &>> Self.place(stream)) & 3)
        }
        set {
            guard stream <= Self.lastStream else { return }
            bits |= UInt64(widening: newValue.rawValue) &<< Self.place(stream)
        }
    }

    private static func place(_ stream: Int) -> UInt64 { UInt64(truncatingIfNeeded: stream &- 1) &* 2 }

    var isEmpty: Bool { bits == 0 }

    /// How many streams have any.
    var count: Int { ((bits | bits &>> 1) & 0x5555_5555_5555_5555).nonzeroBitCount }

    /// Whether streams from `stream` on are looked at.
    func mayKnow(_ stream: Int) -> Bool {
        stream <= Self.usualStreams || (stream <= Self.lastStream && !self[stream &- 1].isEmpty)
    }
}

extension Worker {
    /// Whether anything is remembered of any leg.
    private var hasLegs: Bool {
        switch legs {
        case .some(let table): table.count > 0
        case nil: false
        }
    }

    /// What is remembered of the legs of a session that is to be deleted, if it is to be.
    @_optimize(size) @inline(never)
    mutating func beginWithoutMedia(_ call: inout Call) {
        call.isBridged = false
        readLegs(&call, call.command.deleted)
    }

    /// What is remembered of the legs of the session that `words` name; nil: none is deleted.
    @_optimize(size) @inline(never)
    mutating func readLegs(_ call: inout Call, _ words: SessionWords?) {
        call.legs = SessionLegs()
        guard let words, hasLegs else { return }
        var stream = 1
        while call.legs.mayKnow(stream) {
            call.legs[stream] = iceLegs(&call, words, stream: stream)
            stream &+= 1
        }
    }

    /// How many commands end ICE at `node` before a session is deleted: one for each stream that has it. A node that was
    /// lost for a while has its modules before it is known again that it has; one without refuses, which changes nothing.
    @_optimize(size) @inline(never)
    func endCount(_ call: inout Call, _ node: Int) -> Int {
        capabilities(node).contains(.subCommands) ? call.legs.count : 0
    }

    /// Adds these commands to the exchange of `member` with `node`.
    @_optimize(size) @inline(never)
    mutating func addEnds(
        _ call: inout Call, _ words: SessionWords, _ node: Int, _ member: Int
    ) throws(CallFailure) {
        var left = endCount(&call, node)
        var stream = 1
        while left > 0 {
            let legs = call.legs[stream]
            if !legs.isEmpty {
                left &-= 1
                writeEnd(of: legs, call, words, stream: stream)
                try addCommand(&call, node, member)
            }
            stream &+= 1
        }
    }

    /// Writes `command`: asks for the figures of a stream, which nobody wants, because a question may end ICE and changes
    /// nothing else.
    @_optimize(size) @inline(never)
    mutating func writeEnd(of legs: ICELegs, _ call: borrowing Call, _ words: SessionWords, stream: Int) {
        command.clear()
        Command.writeQuery(
            identity: call.identity.text.memory.span, words: words, stream: stream, into: &command)
        joinEnd(of: legs)
    }

    /// Adds to `command` that ICE ends at the legs of its stream. RTPProxy carries out nothing behind what it refuses, as
    /// it does where a leg has none.
    @_optimize(size) @inline(never)
    mutating func joinEnd(of legs: ICELegs) {
        var joined = JoinedCommand()
        // They have no words that could be unfit, and are two at most.
        if legs.contains(.first) { try? joined.append(.iceEnd, Span(), to: &command) }
        if legs.contains(.second) { try? joined.append(.iceSelfEnd, Span(), to: &command) }
    }
}
