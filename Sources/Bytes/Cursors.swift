// SPDX-License-Identifier: GPL-2.0-or-later
// Walks over lines and fields. A cursor holds offsets only; the bytes are passed at each step.

/// One line of a text.
package struct Line: Equatable, Sendable {
    /// The line without its line end.
    package let content: ByteRange
    /// Offset behind the line end, or of the text's end.
    package let next: Int
    /// From 1.
    package let number: Int
    /// Whether a CR stands in the content, which some readers take for a line end.
    package let holdsReturn: Bool
    /// Whether a NUL stands in the content, at which some readers stop.
    package let holdsNUL: Bool
    /// Whether a control character other than a tab stands in the content.
    package let holdsControlCharacter: Bool

    /// Whether it ends in more than one CR before the LF, which some readers take for an empty line behind it.
    package var endsTwice: Bool { next &- content.end > 2 }
}

/// Cuts a text into lines that end in LF or in any number of CRs and LF (CR CR LF is what some systems make of CRLF), the
/// last one with or without. A CR that neither LF nor the end follows belongs to the line's content.
package struct LineCursor: Sendable {
    private var offset: Int
    private let end: Int
    private var number = 0

    package init(in range: ByteRange) {
        offset = range.start
        end = range.end
    }

    /// The next line, or nil at the end.
    package mutating func next(in bytes: Span<UInt8>) -> Line? {
        let rest = bytes.clamped(ByteRange(from: offset, to: end))
        guard !rest.isEmpty else { return nil }
        number &+= 1
        let lineEnd = bytes.lineEnd(from: rest.start, to: rest.end)
        offset = lineEnd.next
        return Line(lineEnd, from: rest.start, number: number)
    }
}

extension Line {
    /// The line from `start` up to an end.
    package init(_ end: LineEnd, from start: Int, number: Int) {
        content = ByteRange(from: start, to: end.content)
        next = end.next
        self.number = number
        holdsReturn = end.flags & LineEnd.holdsReturn != 0
        holdsNUL = end.flags & LineEnd.holdsNUL != 0
        holdsControlCharacter = end.flags & LineEnd.holdsControlCharacter != 0
    }
}

/// Where a line ends, and what of note it holds.
package struct LineEnd: Sendable {
    /// Offset behind the line's content.
    package var content: Int
    /// Offset behind the line end, or of the text's end.
    package var next: Int
    /// Some of those below.
    package var flags: UInt8 = 0

    /// It ends in LF without CR.
    package static var isLineFeedAlone: UInt8 { 1 }
    /// As `Line.holdsReturn`.
    package static var holdsReturn: UInt8 { 2 }
    /// As `Line.holdsNUL`.
    package static var holdsNUL: UInt8 { 4 }
    /// As `Line.holdsControlCharacter`.
    package static var holdsControlCharacter: UInt8 { 8 }
}

extension Span where Element == UInt8 {
    /// Where the line that begins at `start` ends, in a text up to `end`; both lie within.
    @inline(__always)
    package func lineEnd(from start: Int, to end: Int) -> LineEnd {
        let found = firstControl(from: start, to: end)
        guard found < end else { return LineEnd(content: found, next: end) }
        // SAFETY (2): it was found between `start`, which is not negative, and `end`, which lies within.
        let byte = unsafe self[unchecked: found]
        if byte == 0x0A { return LineEnd(content: found, next: found &+ 1, flags: LineEnd.isLineFeedAlone) }
        if byte == 0x0D, found &+ 1 < end, unsafe self[unchecked: found &+ 1] == 0x0A {
            return LineEnd(content: found, next: found &+ 2)
        }
        return oddLineEnd(from: found, to: end)
    }

    /// The same for a line whose first control character, at `start`, is neither LF nor the CR of CRLF.
    @inline(never)
    private func oddLineEnd(from start: Int, to end: Int) -> LineEnd {
        var flags: UInt8 = 0
        var index = start
        while true {
            let found = firstControl(from: index, to: end)
            index = found
            while index < end, byte(at: index) == 0x0D { index &+= 1 }
            guard index < end, let byte = byte(at: index) else {
                return LineEnd(content: found, next: end, flags: flags)
            }
            if byte == 0x0A {
                if index == found { flags |= LineEnd.isLineFeedAlone }
                return LineEnd(content: found, next: index &+ 1, flags: flags)
            }
            if index > found {
                flags |= LineEnd.holdsReturn | LineEnd.holdsControlCharacter
            } else {
                if byte == 0 { flags |= LineEnd.holdsNUL }
                if byte != 0x09 { flags |= LineEnd.holdsControlCharacter }
                index &+= 1
            }
        }
    }
}

/// Cuts a range into fields separated by runs of space and tab.
package struct FieldCursor: Sendable {
    private var offset: Int
    private let end: Int

    package init(in range: ByteRange) {
        offset = range.start
        end = range.end
    }

    /// The next field, never empty, or nil at the end.
    package mutating func next(in bytes: Span<UInt8>) -> ByteRange? {
        let last = Swift.min(end, bytes.count)
        var start = offset
        var word = bytes.eightBytes(at: start)
        // One space, as between most fields.
        if word & 0xFF == 0x20 {
            start &+= 1
            word = bytes.eightBytes(at: start)
        }
        let bits = UInt64(truncatingIfNeeded: EightBytes(word: word).bytes(below: 0x21).trailingZeroBitCount & ~7)
        let length = Int(truncatingIfNeeded: bits &>> 3)
        let stop = start &+ length
        // A short field, with a blank or the end behind it.
        guard length > 0, length < 8, stop <= last,
            stop == last || isBlank(UInt8(truncatingIfNeeded: word &>> bits))
        else { return nextOfAny(in: bytes) }
        offset = stop
        return ByteRange(start: start, count: length)
    }

    /// The same for any field.
    @inline(never)
    private mutating func nextOfAny(in bytes: Span<UInt8>) -> ByteRange? {
        let last = Swift.min(end, bytes.count)
        var start = Swift.max(offset, 0)
        while start < last, let byte = bytes.byte(at: start), isBlank(byte) { start &+= 1 }
        guard start < last else { return nil }
        var stop = bytes.firstControlOrSpace(from: start, to: last)
        // Other control characters belong to a field.
        while stop < last, let byte = bytes.byte(at: stop), !isBlank(byte) {
            stop = bytes.firstControlOrSpace(from: stop &+ 1, to: last)
        }
        offset = stop
        return ByteRange(from: start, to: stop)
    }
}

/// Decimal numbers: digits alone, without sign and blanks.
package enum Decimal {
    /// The number that `range` holds: digits only, at least one, at most `maximum`; else nil.
    package static func parse(_ bytes: Span<UInt8>, _ range: ByteRange, maximum: UInt32) -> UInt32? {
        let inside = bytes.clamped(range)
        guard !inside.isEmpty else { return nil }
        var value: UInt64 = 0
        var index = inside.start
        let end = inside.end
        while index < end {
            // SAFETY (1): the index is within `inside`, which clamped(_:) keeps within the span.
            let digit = unsafe UInt64(widening: bytes[unchecked: index] &- 0x30)
            value = value &* 10 &+ digit
            guard digit <= 9, value <= UInt64(widening: maximum) else { return nil }
            index &+= 1
        }
        return UInt32(truncatingIfNeeded: value)
    }
}
