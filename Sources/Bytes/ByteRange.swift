// SPDX-License-Identifier: GPL-2.0-or-later
// Ranges of bytes and checked looks at them: what the parsers hand out instead of copies.

/// A range of byte offsets. Unlike `Range<Int>` it cannot trap when it is made.
public struct ByteRange: Equatable, Sendable {
    /// Offset of the first byte.
    public let start: Int
    /// Number of bytes, never negative.
    public let count: Int

    public init(start: Int, count: Int) {
        self.start = start
        self.count = count > 0 ? count : 0
    }

    /// The bytes from `start` up to, not including, `end`; empty where `end` lies before `start`.
    public init(from start: Int, to end: Int) {
        self.init(start: start, count: end &- start)
    }

    public static let empty = ByteRange(start: 0, count: 0)

    /// Offset behind the last byte.
    public var end: Int { start &+ count }
    public var isEmpty: Bool { count == 0 }
}

extension Span where Element == UInt8 {
    /// All of it, as a range.
    public var all: ByteRange { ByteRange(start: 0, count: count) }

    /// The byte at `offset`, or nil where there is none.
    @inline(__always)
    public func byte(at offset: Int) -> UInt8? {
        guard offset >= 0, offset < count else { return nil }
        return self[offset]
    }

    /// The part of `range` that lies inside.
    public func clamped(_ range: ByteRange) -> ByteRange {
        let start = Swift.min(Swift.max(range.start, 0), count)
        return ByteRange(from: start, to: Swift.min(Swift.max(range.end, start), count))
    }

    /// Whether the bytes of `range` are exactly those of `text`.
    public func equals(_ range: ByteRange, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        return hasPrefix(range, text)
    }

    /// Whether the bytes of `range` begin with those of `text`.
    public func hasPrefix(_ range: ByteRange, _ text: StaticString) -> Bool {
        matches(range, text) { $0 == $1 }
    }

    /// As `equals`, ASCII letters in either case.
    public func equalsIgnoringCase(_ range: ByteRange, _ text: StaticString) -> Bool {
        guard range.count == text.utf8CodeUnitCount else { return false }
        return hasPrefixIgnoringCase(range, text)
    }

    /// As `hasPrefix`, ASCII letters in either case.
    public func hasPrefixIgnoringCase(_ range: ByteRange, _ text: StaticString) -> Bool {
        matches(range, text) { lowercased($0) == lowercased($1) }
    }

    private func matches(
        _ range: ByteRange, _ text: StaticString, _ same: (UInt8, UInt8) -> Bool
    ) -> Bool {
        let inside = clamped(range)
        guard inside.count >= text.utf8CodeUnitCount else { return false }
        return text.withUTF8Buffer { expected in
            for index in expected.indices {
                guard unsafe same(self[inside.start &+ index], expected[index]) else { return false }
            }
            return true
        }
    }

    /// Whether the bytes of `range` are those of `otherRange` in `other`.
    public func equals(_ range: ByteRange, _ other: Span<UInt8>, _ otherRange: ByteRange) -> Bool {
        let mine = clamped(range)
        let theirs = other.clamped(otherRange)
        guard mine.count == theirs.count else { return false }
        for index in 0..<mine.count where self[mine.start &+ index] != other[theirs.start &+ index] {
            return false
        }
        return true
    }

    /// Offset of the first `byte` in `range`, or nil. Looks at eight bytes at once.
    public func firstIndex(of byte: UInt8, in range: ByteRange) -> Int? {
        firstIndex(in: range, where: { $0 == byte }, in: { $0.zeros(byte) })
    }

    /// Offset of the first NUL, CR or LF in `range`, or nil: all that the text of a line does not hold (RFC 8866
    /// section 9, byte-string). Looks at eight bytes at once: most lines are walked over.
    public func firstLineBreaker(in range: ByteRange) -> Int? {
        firstIndex(
            in: range, where: { $0 == 0x0A || $0 == 0x0D || $0 == 0 },
            in: { $0.zeros(0x0A) | $0.zeros(0x0D) | $0.zeros(0) })
    }

    /// Offset of the first byte in `range` that fits; `marks` has the high bit of such a byte set in a word.
    @inline(__always)
    private func firstIndex(
        in range: ByteRange, where fits: (UInt8) -> Bool, in marks: (EightBytes) -> UInt64
    ) -> Int? {
        let inside = clamped(range)
        var index = inside.start
        while inside.end &- index >= 8 {
            // SAFETY: the eight bytes at `index` lie within `inside`, and that within the span, as clamped(_:) upholds.
            let word = unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self)
            let found = marks(EightBytes(word: UInt64(littleEndian: word)))
            if found != 0 { return index &+ found.trailingZeroBitCount / 8 }
            index &+= 8
        }
        while index < inside.end {
            if fits(self[index]) { return index }
            index &+= 1
        }
        return nil
    }

    /// `range` without the blanks (space and tab) at both ends.
    public func trimmed(_ range: ByteRange) -> ByteRange {
        let inside = clamped(range)
        var start = inside.start
        var end = inside.end
        while start < end, isBlank(self[start]) { start &+= 1 }
        while end > start, isBlank(self[end &- 1]) { end &-= 1 }
        return ByteRange(from: start, to: end)
    }

    /// Offset of the first byte in `range` that a word of the control protocol cannot hold
    /// (control-protocol: words end at space, tab, CR and LF, a NUL is `E5`), or nil: every byte up to 0x20, and 0x7F.
    public func firstUnfitForWord(in range: ByteRange) -> Int? {
        let inside = clamped(range)
        var index = inside.start
        while index < inside.end {
            if self[index] <= 0x20 || self[index] == 0x7F { return index }
            index &+= 1
        }
        return nil
    }
}

/// Eight bytes in one word, the first one lowest.
private struct EightBytes {
    let word: UInt64

    /// The high bits of the bytes that are `byte`, up to the first one at least: a byte that is the one looked for
    /// becomes 0; the lowest high bit that is left then marks the first one.
    @inline(__always)
    func zeros(_ byte: UInt8) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let difference = word ^ (UInt64(byte) &* ones)
        return (difference &- ones) & ~difference & (ones &<< 7)
    }
}

/// `byte`, an ASCII capital as its small letter.
@inline(__always)
public func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
}

/// Space or tab.
@inline(__always)
public func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

/// An ASCII digit.
@inline(__always)
public func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
