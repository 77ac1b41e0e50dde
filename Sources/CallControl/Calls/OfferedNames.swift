// SPDX-License-Identifier: GPL-2.0-or-later
// By which `a=mid:` who offers WebRTC knows its streams. An answer has to name them so, and so has every later offer, and
// an answer may have only those in a group BUNDLE that the offer had in one (RFC 9143 section 7.3, RFC 8829 section 5.3.1).
//
// A phone names none. Browsers number their streams from 0 and have them in one group: of these nothing is remembered, and
// what has been lost counts as such. The rest stands in the table of legs, whose entries have 16 bits: one for the length
// and the group, one for each two bytes of the name.

import Bytes
import ControlProtocol
import SDP
import SharedState

extension WebRTCFacts {
    /// Twice the length of the name of the stream at `index`, where that is not the index, and 1 where it is in no group.
    fileprivate func nameNumber(_ body: Span<UInt8>, index: Int) -> Int {
        let isIndex = mid.count == 1 && body.byte(at: mid.start) == UInt8(truncatingIfNeeded: 0x30 &+ index)
        return (isIndex ? 0 : mid.count &* 2) &+ (isBundled(body) ? 0 : 1)
    }
}

extension Worker {
    /// What the table knows a part of a stream's name by. Of the numbers of a leg the first four and the last two are other ones.
    private func nameKey(_ call: inout Call, _ tag: ByteRange, _ stream: MediaStream, _ part: Int) -> UInt64 {
        legKey(&call, tag, stream.number, part: UInt64(truncatingIfNeeded: part &+ 4))
    }

    /// What is remembered of how `tag` has named a stream, by parts; nil: nothing.
    @inline(never)
    func namePart(_ call: inout Call, _ tag: ByteRange, _ stream: MediaStream, _ part: Int) -> Int? {
        legs?.node(for: nameKey(&call, tag, stream, part), now: ticks)
    }

    /// Remembers how an offer names its streams.
    @inline(never)
    mutating func rememberNames(_ call: inout Call, _ own: ByteRange, _ body: Span<UInt8>) {
        for index in call.description.streams.indices {
            // NO TRAP: an index of its own.
            let stream = call.description.streams[index]
            let facts = call.description.webRTCFacts(of: index)
            var value = facts.nameNumber(body, index: index)
            var (place, part) = (facts.mid.start, 0)
            let end = place &+ value >> 1
            guard value > 0 || namePart(&call, own, stream, 0) != nil else { continue }
            while true {
                legs?.remember(nameKey(&call, own, stream, part), node: value, now: ticks)
                guard place < end else { break }
                value = Int(widening: body.byte(at: place) ?? 0) | Int(widening: body.byte(at: place &+ 1) ?? 0) << 8
                place &+= 2
                part &+= 1
            }
        }
    }

    /// Whether the first stream that is on was in a group of what `tag` has offered.
    @inline(never)
    func isBundled(_ call: inout Call, _ tag: ByteRange) -> Bool {
        guard let first = call.description.streams.first(where: { $0.wantsRelay && $0.isRTP }) else { return true }
        return (namePart(&call, tag, first, 0) ?? 0) & 1 == 0
    }

    /// Adds the `a=mid:` that a stream gets to the addresses of the answer: what `tag` has called it. Empty: as the
    /// description has it.
    @inline(never)
    mutating func addMid(
        _ call: inout Call, _ tag: ByteRange, _ stream: MediaStream, numbers: Bool
    ) -> ByteRange {
        let start = answer.addresses.count
        let end = start &+ (namePart(&call, tag, stream, 0) ?? 0) >> 1
        var part = 0
        while answer.addresses.count < end {
            part &+= 1
            let bytes = namePart(&call, tag, stream, part) ?? 0
            answer.addresses.append(
                UInt64(truncatingIfNeeded: bytes), count: Swift.min(2, end &- answer.addresses.count))
        }
        let name = ByteRange(from: start, to: end)
        // A part may have been lost.
        if StreamName.isMid(answer.addresses.memory.span, name) { return name }
        // NO TRAP: that of Scratch, which takes any number.
        answer.addresses.removeLast(name.count)
        if numbers { answer.addresses.append(decimal: stream.number &- 1) }
        return ByteRange(from: start, to: answer.addresses.count)
    }
}
