// SPDX-License-Identifier: GPL-2.0-or-later
// The line that says that a proxy has changed this session description already.

package import Bytes

extension SessionDescription {
    /// Offset behind the last line of `range` that is not empty: where a further line belongs. Empty lines at the end,
    /// as some user agents send them, stay behind it, for a reader may stop at them.
    static func endOfLastLine(_ body: Span<UInt8>, _ range: ByteRange) -> Int {
        let inside = body.clamped(range)
        var end = inside.end
        while end > inside.start, body.byte(at: end &- 1) == 0x0A {
            var content = end &- 1
            while content > inside.start, body.byte(at: content &- 1) == 0x0D { content &-= 1 }
            guard content > inside.start, body.byte(at: content &- 1) == 0x0A else { break }
            end = content
        }
        return end
    }

    /// Whether a line in `range` of `body` begins with `marker`, which is given without its line end; false for an
    /// empty one. What follows on that line does not matter: an attribute that goes on is still a proxy's mark.
    package static func carriesMarker(_ body: Span<UInt8>, _ range: ByteRange, marker: Span<UInt8>) -> Bool {
        guard !marker.isEmpty else { return false }
        let inside = body.clamped(range)
        var lines = LineCursor(in: inside)
        while let line = lines.next(in: body) {
            if begins(body, at: line.content.start, upTo: inside.end, marker) { return true }
        }
        return false
    }

    /// Whether `marker` stands at `offset`, before `end`.
    static func begins(_ body: Span<UInt8>, at offset: Int, upTo end: Int, _ marker: Span<UInt8>) -> Bool {
        let start = ByteRange(start: offset, count: marker.count)
        return start.end <= end && body.equals(start, marker, marker.all)
    }
}

/// What lines begin with, as words of eight bytes, the first one lowest.
struct LineStart {
    /// `a=`
    static var attribute: UInt64 { 0x3D61 }
    /// `candid`, of `candidate:`
    static var candidate: UInt64 { 0x6469_646E_6163 }
    /// `rtcp`
    static var rtcp: UInt64 { 0x7063_7472 }
    /// What makes small letters of four capitals.
    static var smallLetters: UInt64 { 0x2020_2020 }

    /// `b`, `e`, `k`, `p`, `r`, `s`, `t`, `u` and `z`: the types of lines that nobody looks at, by their lowest five bits.
    private static var otherTypes: UInt32 {
        1 &<< 2 | 1 &<< 5 | 1 &<< 11 | 1 &<< 16 | 1 &<< 18 | 1 &<< 19 | 1 &<< 20 | 1 &<< 21 | 1 &<< 26
    }

    /// Whether nobody looks at a line that begins with these eight bytes: its type says so, or it is an attribute and no
    /// `candidate` and no `rtcp`; `withAttributes`: any attribute. False where that is not certain.
    @inline(__always)
    static func isOther(_ word: UInt64, withAttributes: Bool) -> Bool {
        guard word & 0xFFFF == attribute else {
            return word & 0xFFE0 == 0x3D60 && otherTypes &>> UInt32(truncatingIfNeeded: word & 0x1F) & 1 != 0
        }
        if withAttributes { return true }
        let name = word &>> 16
        switch name & 0xFF {
        case 0...0x20: return false
        case 0x63: return name != candidate
        case 0x52, 0x72:
            let behind = name &>> 32 & 0xFF
            return name & 0xFFFF_FFFF | smallLetters != rtcp || (behind > 0x20 && behind != 0x3A)
        default: return true
        }
    }

    /// Whether a line has begun with the marker.
    private(set) var isFound = false
    private let word: UInt64
    private let mask: UInt64

    /// Looks for `marker`, unless it is empty.
    init(of marker: Span<UInt8>) {
        let start = ByteRange(from: 0, to: min(marker.count, 8))
        let word = marker.word(start)
        let mask = start.isEmpty ? 0 : UInt64.max &>> UInt64(truncatingIfNeeded: 64 &- 8 &* start.count)
        // For an empty one no line is worth a closer look, unless it is eight such bytes.
        self.word = mask == 0 ? .max : word
        self.mask = mask == 0 ? .max : mask
    }

    /// Whether a line that begins with `word` may begin with the marker.
    @inline(__always)
    func fits(_ word: UInt64) -> Bool { (word ^ self.word) & mask == 0 }

    /// Looks at the line at `offset` that begins with `word`; 0 says that fewer than eight bytes are left.
    @inline(__always)
    mutating func look(_ body: Span<UInt8>, at offset: Int, _ word: UInt64, upTo end: Int, _ marker: Span<UInt8>) {
        guard fits(word) || word == 0 else { return }
        if !marker.isEmpty, SessionDescription.begins(body, at: offset, upTo: end, marker) { isFound = true }
    }
}

extension Span where Element == UInt8 {
    /// Walks over lines that nobody looks at, as most are: those that `LineStart` calls others, end in CRLF and hold no
    /// control character. Offset of the first other one, from `start` up to `end`, which lies within; it may be such a
    /// line, too. Adds to `number` how many they are.
    @inline(never)
    func skippingOtherLines(
        from start: Int, to end: Int, _ marks: LineStart, withAttributes: Bool, number: inout Int
    ) -> Int {
        guard start >= 0, end >= start, end <= count else { return start }
        let lastWord = end &- 8
        var start = start
        while start <= lastWord {
            // SAFETY (here and below): neither `start` nor `index` is negative or above `lastWord`, and `end`, eight bytes
            // behind that, lies within the span.
            let first = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: start, as: UInt64.self)
            let word = UInt64(littleEndian: first)
            guard LineStart.isOther(word, withAttributes: withAttributes), !marks.fits(word) else { break }
            var index = start
            var found = controlCharacters(in: word)
            while found == 0 {
                index &+= 8
                if index > lastWord {
                    // The last eight bytes, some of which have been looked at.
                    guard index < end else { return start }
                    index = lastWord
                }
                let next = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
                found = controlCharacters(in: UInt64(littleEndian: next))
            }
            let lineEnd = index &+ found.trailingZeroBitCount &>> 3
            guard lineEnd <= end &- 2 else { break }
            // SAFETY: it is not below `index`, and two bytes stand between it and `end`.
            let ending = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: lineEnd, as: UInt16.self)
            guard UInt16(littleEndian: ending) == 0x0A0D else { break }
            start = lineEnd &+ 2
            number &+= 1
        }
        return start
    }
}
