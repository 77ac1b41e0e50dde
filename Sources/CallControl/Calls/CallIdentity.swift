// SPDX-License-Identifier: GPL-2.0-or-later
// Which call a message belongs to, as RTPProxy knows it: Call-ID and tags, checked and copied once.

import Bytes
import ControlProtocol
import SharedState

/// The words that name a call. The memory is kept from call to call.
struct CallIdentity {
    /// What the ranges are of.
    private(set) var text = Scratch<UInt8>()
    /// The Call-ID as it stands in the message.
    private(set) var bareCallID = ByteRange.empty
    /// With what the flags append to it.
    private(set) var callID = ByteRange.empty
    private(set) var fromTag = ByteRange.empty
    /// Empty where the message has none.
    private(set) var toTag = ByteRange.empty
    /// Of `callID`, for a table of this process and its siblings.
    private(set) var hash: UInt64 = 0

    /// Room for the words of an ordinary call.
    mutating func reserve() { text.reserveCapacity(1024) }

    /// Reads the words of a message. No word holds a byte that could make it two on the wire.
    mutating func read<Host: CallHost>(_ host: Host, _ flags: CallFlags) throws(CallFailure) {
        text.clear()
        hash = 0
        bareCallID = try append(host, .callID, as: .callID)
        guard !bareCallID.isEmpty else { throw .missing(.callID) }
        let joined = try appendSuffix(host, flags)
        callID = ByteRange(start: bareCallID.start, count: bareCallID.count &+ joined)
        fromTag = try append(host, .fromTag, as: .fromTag)
        guard !fromTag.isEmpty else { throw .missing(.fromTag) }
        toTag = try append(host, .toTag, as: .toTag)
        var hash = Hash64()
        hash.combineWords(text.memory.span, callID)
        self.hash = hash.value
    }

    /// Takes a stream that is due at `tick` out of a list, and its words; nil: none is.
    mutating func take(_ watched: WatchedStreams, _ tick: UInt32) -> (WatchedStream, SessionWords)? {
        text.clear()
        guard let stream = watched.takeDue(tick, into: &text) else { return nil }
        var words = SessionWords()
        var end = 0
        for index in stream.lengths.indices {
            // NO TRAP: an index of its own.
            let range = ByteRange(start: end, count: Int(widening: stream.lengths[index]))
            end = range.end
            switch index {
            case 0: words.callID = range
            case 1: words.firstTag = range
            default: words.secondTag = range
            }
        }
        (callID, bareCallID) = (words.callID, words.callID)
        var hash = Hash64()
        hash.combineWords(text.memory.span, callID)
        self.hash = hash.value
        return (stream, words)
    }

    /// The words in the order of the wire: the to-tag first where they change places, and left out where not wanted.
    func words(swapped: Bool, withToTag: Bool = true) throws(CallFailure) -> SessionWords {
        var words = SessionWords()
        words.callID = callID
        if swapped {
            guard !toTag.isEmpty else { throw .missing(.toTag) }
            words.firstTag = toTag
            words.secondTag = fromTag
        } else {
            words.firstTag = fromTag
            words.secondTag = withToTag ? toTag : .empty
        }
        return words
    }

    /// Appends `;` and the branch or the extra id, as the flags say; returns how many bytes that are.
    private mutating func appendSuffix<Host: CallHost>(_ host: Host, _ flags: CallFlags) throws(CallFailure) -> Int {
        let start = text.count
        let field: MessageField
        switch flags.branch {
        // In a branch route the first Via of what will be sent is not there yet, and that of its replies will be it.
        case .first: field = host.with(.ownBranch) { $0.isEmpty } ? .via1Branch : .ownBranch
        case .second: field = .via2Branch
        case .byDirection: field = host.facts.isRequest ? .via1Branch : .via2Branch
        case .none:
            guard flags.usesExtraID else { return 0 }
            let isFit = host.withVariable(.extraID) { value, _ in
                text.append(UInt8(ascii: ";"))
                text.append(value)
                return Command.isWord(value, value.all)
            }
            guard isFit ?? true else { throw .unfit(.extraID) }
            return text.count &- start
        }
        text.append(UInt8(ascii: ";"))
        guard try !append(host, field, as: .branch).isEmpty else { throw .missing(.branch) }
        return text.count &- start
    }

    private mutating func append<Host: CallHost>(
        _ host: Host, _ field: MessageField, as word: WireWord
    ) throws(CallFailure) -> ByteRange {
        let start = text.count
        let isFit = host.with(field) { bytes in
            text.append(bytes)
            return Command.isWord(bytes, bytes.all)
        }
        guard isFit else { throw .unfit(word) }
        return ByteRange(from: start, to: text.count)
    }
}
