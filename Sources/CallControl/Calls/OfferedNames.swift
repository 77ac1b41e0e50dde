// SPDX-License-Identifier: GPL-2.0-or-later
// By which `a=mid:` who offers WebRTC knows its streams, and what else an answer has as the offer had it. An answer has to
// name them so, and so has every later offer, and an answer may have only those in a group BUNDLE that the offer had in one
// (RFC 9143 section 7.3, RFC 8829 section 5.3.1). It has the offer's transport protocol (RFC 3264 section 6), and
// `a=rtcp-mux` only where the offer has (RFC 5761 section 5.1.1).
//
// A phone names none. Browsers number their streams from 0, have them in one group, and all of them in the same way: of
// these nothing is remembered, and what has been lost counts as such. The rest stands in the table of legs, whose entries
// have 16 bits: one as `OfferedStream` has it, one for each two bytes of the name.

import Bytes
import ControlProtocol
import SDP
import SharedState

/// How a stream was offered. What browsers offer is 0: bit 0 where it is in no group, bits 1..6 the length of a name that is
/// not the stream's number, bit 7 where it has no `a=rtcp-mux`, bits 8..10 the transport protocol.
private struct OfferedStream {
    let number: Int

    init(_ number: Int?) { self.number = number ?? 0 }

    /// That of the stream at `index`.
    init(_ stream: MediaStream, _ facts: WebRTCFacts, _ body: Span<UInt8>, index: Int) {
        let isIndex = facts.mid.count == 1 && body.byte(at: facts.mid.start) == UInt8(truncatingIfNeeded: 0x30 &+ index)
        let isBundled = facts.isBundled(body)
        var number = (isIndex ? 0 : facts.mid.count &* 2) &+ (isBundled ? 0 : 1)
        if stream.wantsRelay, stream.isRTP {
            // In a group it stands in one stream for all.
            if !facts.multiplexes, !isBundled { number &+= 128 }
            number &+= Int(widening: SecureTransport(body, stream.transport).rawValue) &* 256
        }
        self.number = number
    }

    var isBundled: Bool { number & 1 == 0 }
    var nameLength: Int { (number & 127) >> 1 }
    var multiplexes: Bool { number & 128 == 0 }
    var transport: SecureTransport {
        SecureTransport(rawValue: UInt8(truncatingIfNeeded: number >> 8) & 7) ?? .browsers
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

    /// Remembers how an offer names its streams, and how it has them.
    @inline(never)
    mutating func rememberNames(_ call: inout Call, _ own: ByteRange, _ body: Span<UInt8>) {
        for index in call.description.streams.indices {
            // NO TRAP: an index of its own.
            let stream = call.description.streams[index]
            let facts = call.description.webRTCFacts(of: index)
            let offered = OfferedStream(stream, facts, body, index: index)
            var (value, place, part) = (offered.number, facts.mid.start, 0)
            let end = place &+ offered.nameLength
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
        return OfferedStream(namePart(&call, tag, first, 0)).isBundled
    }

    /// What is known of the relay's end before the relay has said anything: how `tag` has offered the stream. Its name goes
    /// into the addresses of the answer. `numbers`: whether one without is named by its number, not as the description
    /// has it.
    @inline(never)
    mutating func end(_ call: inout Call, _ tag: ByteRange, _ stream: MediaStream, numbers: Bool) -> WebRTCEnd {
        let offered = OfferedStream(namePart(&call, tag, stream, 0))
        var end = WebRTCEnd()
        (end.transport, end.multiplexes) = (offered.transport, offered.multiplexes)
        end.mid = addMid(&call, tag, stream, length: offered.nameLength, numbers: numbers)
        return end
    }

    /// Adds the `a=mid:` that a stream gets to the addresses of the answer: what `tag` has called it, of this length. Empty:
    /// as the description has it.
    private mutating func addMid(
        _ call: inout Call, _ tag: ByteRange, _ stream: MediaStream, length: Int, numbers: Bool
    ) -> ByteRange {
        let start = answer.addresses.count
        let end = start &+ length
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
