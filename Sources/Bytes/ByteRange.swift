// SPDX-License-Identifier: GPL-2.0-or-later
// Ranges of bytes and checked looks at them: what the parsers hand out instead of copies.
//
// NO TRAP (3 in this file): a literal has a pointer representation, and the argument of every call is one.

/// A range of byte offsets. Unlike `Range<Int>` it cannot trap when it is made.
package struct ByteRange: Equatable, Sendable, BitwiseCopyable {
    /// Offset of the first byte.
    package let start: Int
    /// Number of bytes, never negative.
    package let count: Int

    package init(start: Int, count: Int) {
        self.start = start
        self.count = count > 0 ? count : 0
    }

    /// The bytes from `start` up to, not including, `end`; empty where `end` lies before `start`.
    package init(from start: Int, to end: Int) {
        self.init(start: start, count: end &- start)
    }

    package static let empty = ByteRange(start: 0, count: 0)

    /// Offset behind the last byte.
    package var end: Int { start &+ count }
    package var isEmpty: Bool { count == 0 }
}

extension Span where Element == UInt8 {
    /// All of it, as a range.
    package var all: ByteRange { ByteRange(start: 0, count: count) }

    /// The byte at `offset`, or nil where there is none.
    @inline(__always)
    package func byte(at offset: Int) -> UInt8? {
        guard UInt(bitPattern: offset) < UInt(bitPattern: count) else { return nil }
        // SAFETY (1): as an unsigned number an offset below 0 would be beyond any count, which is never negative.
        return unsafe self[unchecked: offset]
    }

    /// The part of `range` that lies inside.
    @inline(__always)
    package func clamped(_ range: ByteRange) -> ByteRange {
        // Nearly all ranges lie inside. As an unsigned number a start below 0 is beyond any count.
        let start = UInt(bitPattern: range.start)
        if start <= UInt(bitPattern: count), range.count <= count &- range.start { return range }
        return clampedOutside(range)
    }

    @inline(never)
    private func clampedOutside(_ range: ByteRange) -> ByteRange {
        let start = Swift.min(Swift.max(range.start, 0), count)
        return ByteRange(from: start, to: Swift.min(Swift.max(range.end, start), count))
    }

    /// Whether the bytes of `range` are exactly those of `text`.
    package func equals(_ range: ByteRange, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        return hasPrefix(range, text)
    }

    /// Whether the bytes of `range` begin with those of `text`.
    package func hasPrefix(_ range: ByteRange, _ text: StaticString) -> Bool {
        text.withUTF8Buffer { bytes in
            // SAFETY: a literal's bytes are always there.
            let expected = unsafe Span(_unsafeElements: bytes)
            return range.count >= expected.count
                && equals(ByteRange(start: range.start, count: expected.count), expected, expected.all)
        }
    }

    /// As `equals`, ASCII letters in either case.
    package func equalsIgnoringCase(_ range: ByteRange, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        return hasPrefixIgnoringCase(range, text)
    }

    /// As `hasPrefix`, ASCII letters in either case.
    package func hasPrefixIgnoringCase(_ range: ByteRange, _ text: StaticString) -> Bool {
        let inside = clamped(range)
        guard inside.count >= text.utf8CodeUnitCount else { return false }
        return text.withUTF8Buffer { expected in
            var index = 0
            // SAFETY: `inside` lies within, as clamped(_:) upholds, and is no shorter than `expected`.
            while index < expected.count {
                // NO TRAP: expected is no longer than inside, which clamped() keeps within the span.
                let (mine, theirs) = unsafe (self[unchecked: inside.start &+ index], expected[index])
                guard mine == theirs || lowercased(mine) == lowercased(theirs) else { return false }
                index &+= 1
            }
            return true
        }
    }

    /// Whether the bytes of `range` are those of `otherRange` in `other`.
    package func equals(_ range: ByteRange, _ other: Span<UInt8>, _ otherRange: ByteRange) -> Bool {
        let mine = clamped(range)
        let theirs = other.clamped(otherRange)
        guard mine.count == theirs.count else { return false }
        let last = mine.count &- 8
        guard last >= 0 else { return word(mine) == other.word(theirs) }
        var index = 0
        while true {
            // SAFETY: both are so long from here on, as `index` is at most `last`.
            let (word, otherWord) = unsafe (
                bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: mine.start &+ index, as: UInt64.self),
                other.bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: theirs.start &+ index, as: UInt64.self)
            )
            guard word == otherWord else { return false }
            guard index < last else { return true }
            // Of the last eight bytes some may have been compared.
            index = Swift.min(index &+ 8, last)
        }
    }

    /// Offset of the first `byte` in `range`, or nil. Looks at eight bytes at once.
    @inline(never)
    package func firstIndex(of byte: UInt8, in range: ByteRange) -> Int? {
        let inside = clamped(range)
        let found = first(
            from: inside.start, to: inside.end, where: { $0 == byte }, in: { $0.zeros(byte) },
            among: { $0.hasByte(byte) })
        return found < inside.end ? found : nil
    }

    /// Offset of the first NUL, CR or LF in `range`, or nil: all that the text of a line does not hold (RFC 8866
    /// section 9, byte-string). Looks at eight bytes at once: most lines are walked over.
    package func firstLineBreaker(in range: ByteRange) -> Int? {
        let inside = clamped(range)
        var index = firstControl(from: inside.start, to: inside.end)
        while index < inside.end {
            // NO TRAP: the loop keeps the index between the clamped start and end.
            if self[index] == 0x0A || self[index] == 0x0D || self[index] == 0 { return index }
            index = firstControl(from: index &+ 1, to: inside.end)
        }
        return nil
    }

    /// Offset of the first byte below 0x20 from `start` up to `end`, or `end`. Both lie within, as in what
    /// `clamped` returns.
    @inline(__always)
    func firstControl(from start: Int, to end: Int) -> Int {
        first(
            from: start, to: end, where: { $0 < 0x20 }, in: { $0.bytes(below: 0x20) },
            among: { $0.hasByte(below: 0x20) })
    }

    /// As `firstControl`, a space too.
    @inline(never)
    func firstControlOrSpace(from start: Int, to end: Int) -> Int {
        first(
            from: start, to: end, where: { $0 < 0x21 }, in: { $0.bytes(below: 0x21) },
            among: { $0.hasByte(below: 0x21) })
    }

    /// Offset of the first byte from `start` up to `end` that fits, or `end`; `marks` has the high bit of such a byte
    /// set in a word, and `some` says whether there is one among sixteen.
    @inline(__always)
    private func first(
        from start: Int, to end: Int, where fits: (UInt8) -> Bool, in marks: (EightBytes) -> UInt64,
        among some: (SixteenBytes) -> Bool
    ) -> Int {
        guard start >= 0, end <= count else { return end }
        var index = start
        while end &- index >= 16 {
            // SAFETY (here and below): `index` began at 0 or above and only grows; sixteen bytes stand behind it.
            let next = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: SIMD16<UInt8>.self)
            if some(SixteenBytes(bytes: next)) { break }
            index &+= 16
        }
        let lastWord = Swift.min(count &- 8, end &- 1)
        while index <= lastWord {
            // Eight bytes stand behind it.
            let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: index, as: UInt64.self)
            let found = marks(EightBytes(word: UInt64(littleEndian: word)))
            if found != 0 { return Swift.min(index &+ found.trailingZeroBitCount &>> 3, end) }
            index &+= 8
        }
        if index < end, count >= 8 {
            // Fewer than eight are left: the span's last ones, without those that have been looked at. What fits behind
            // them stands behind `end`.
            let behind = UInt64(truncatingIfNeeded: 8 &* (index &- (count &- 8)))
            let found = marks(EightBytes(word: eightBytes(at: count &- 8) &>> behind))
            return found == 0 ? end : Swift.min(index &+ found.trailingZeroBitCount &>> 3, end)
        }
        while index < end {
            // It is below `end`, which is within the span.
            // SAFETY (1): the loop keeps the index between start, which the guard has compared with 0, and end,
            // compared with count.
            if fits(unsafe self[unchecked: index]) { return index }
            index &+= 1
        }
        return end
    }

    /// The eight bytes at `offset`, the first one lowest; 0 where there are fewer.
    @inline(__always)
    package func eightBytes(at offset: Int) -> UInt64 {
        guard offset >= 0, count &- offset >= 8 else { return 0 }
        // SAFETY: the guard has found eight bytes between `offset` and the end.
        let word = unsafe bytes.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
        return UInt64(littleEndian: word)
    }

    /// The bytes of `range`, up to eight of them, the first one lowest; 0 where it is empty or longer, or lies outside.
    @inline(__always)
    package func word(_ range: ByteRange) -> UInt64 {
        guard range.count > 0, range.count <= 8, range.start >= 0 else { return 0 }
        let left = count &- range.start
        let mask = UInt64.max &>> UInt64(truncatingIfNeeded: 64 &- 8 &* range.count)
        if left >= 8 { return eightBytes(at: range.start) & mask }
        guard left >= range.count, count >= 8 else { return lastWord(range) }
        // Of the span's last eight bytes those that are left.
        return eightBytes(at: count &- 8) &>> UInt64(truncatingIfNeeded: 64 &- 8 &* left) & mask
    }

    /// The same in a span of fewer than eight bytes.
    @inline(never)
    private func lastWord(_ range: ByteRange) -> UInt64 {
        guard clamped(range) == range else { return 0 }
        var word: UInt64 = 0
        var index = range.end
        while index > range.start {
            index &-= 1
            word = word &<< 8 | UInt64(widening: byte(at: index) ?? 0)
        }
        return word
    }

    /// `range` without the blanks (space and tab) at both ends.
    package func trimmed(_ range: ByteRange) -> ByteRange {
        let inside = clamped(range)
        var start = inside.start
        var end = inside.end
        // NO TRAP (2): the loop keeps the index between the clamped start and end.
        while start < end, isBlank(self[start]) { start &+= 1 }
        while end > start, isBlank(self[end &- 1]) { end &-= 1 }
        return ByteRange(from: start, to: end)
    }

    /// Offset of the first byte in `range` that a word of the control protocol cannot hold
    /// (control-protocol: words end at space, tab, CR and LF, a NUL is `E5`), or nil: every byte up to 0x20, and 0x7F.
    package func firstUnfitForWord(in range: ByteRange) -> Int? {
        let inside = clamped(range)
        let found = first(
            from: inside.start, to: inside.end, where: { $0 <= 0x20 || $0 == 0x7F },
            in: { $0.bytes(below: 0x21) | $0.zeros(0x7F) }, among: { $0.hasByte(below: 0x21) || $0.hasByte(0x7F) })
        return found < inside.end ? found : nil
    }
}

/// The high bits of the bytes of `word` that are below 0x20, up to the first one at least; the first byte is the lowest.
@inline(__always)
package func controlCharacters(in word: UInt64) -> UInt64 { EightBytes(word: word).bytes(below: 0x20) }

/// Eight bytes in one word, the first one lowest.
struct EightBytes {
    let word: UInt64

    /// The high bits of the bytes that are `byte`, up to the first one at least: a byte that is the one looked for
    /// becomes 0; the lowest high bit that is left then marks the first one.
    @inline(__always)
    func zeros(_ byte: UInt8) -> UInt64 {
        let difference = word ^ (UInt64(widening: byte) &* EightBytes.ones)
        return (difference &- EightBytes.ones) & ~difference & (EightBytes.ones &<< 7)
    }

    /// The high bits of the bytes below `limit`, which is at most 0x80, up to the first one at least: to subtract it
    /// from such a byte borrows.
    @inline(__always)
    func bytes(below limit: UInt8) -> UInt64 {
        (word &- UInt64(widening: limit) &* EightBytes.ones) & ~word & (EightBytes.ones &<< 7)
    }

    @inline(__always)
    fileprivate static var ones: UInt64 { 0x0101_0101_0101_0101 }
}

/// Sixteen bytes, looked at all at once.
struct SixteenBytes {
    let bytes: SIMD16<UInt8>

    /// Whether one of them is `byte`.
    @inline(__always)
    func hasByte(_ byte: UInt8) -> Bool { any(bytes .== SIMD16<UInt8>(repeating: byte)) }

    /// Whether one of them is below `limit`.
    @inline(__always)
    func hasByte(below limit: UInt8) -> Bool { any(bytes .< SIMD16<UInt8>(repeating: limit)) }
}

/// `byte`, an ASCII capital as its small letter.
@inline(__always)
package func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
}

/// Space or tab.
@inline(__always)
package func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

/// An ASCII digit.
@inline(__always)
package func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

/// An ASCII hexadecimal digit, letters in either case.
@inline(__always)
package func isHexDigit(_ byte: UInt8) -> Bool {
    isDigit(byte) || (lowercased(byte) >= UInt8(ascii: "a") && lowercased(byte) <= UInt8(ascii: "f"))
}
