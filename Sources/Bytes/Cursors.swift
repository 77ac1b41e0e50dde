// SPDX-License-Identifier: GPL-2.0-or-later
// Walks over lines and fields. A cursor holds offsets only; the bytes are passed at each step.

/// One line of a text.
public struct Line: Equatable, Sendable {
    /// The line without its line end.
    public let content: ByteRange
    /// Offset behind the line end, or of the text's end.
    public let next: Int
    /// From 1.
    public let number: Int
    /// Whether a CR stands in the content, which some readers take for a line end.
    public let holdsReturn: Bool
    /// Whether a NUL stands in the content, at which some readers stop.
    public let holdsNUL: Bool

    /// Whether it ends in more than one CR before the LF, which some readers take for an empty line behind it.
    public var endsTwice: Bool { next &- content.end > 2 }
}

/// Cuts a text into lines that end in LF or in any number of CRs and LF (CR CR LF is what some systems make of CRLF), the
/// last one with or without. A CR that neither LF nor the end follows belongs to the line's content.
public struct LineCursor: Sendable {
    private var offset: Int
    private let end: Int
    private var number = 0

    public init(in range: ByteRange) {
        offset = range.start
        end = range.end
    }

    /// The next line, or nil at the end.
    public mutating func next(in bytes: Span<UInt8>) -> Line? {
        let rest = bytes.clamped(ByteRange(from: offset, to: end))
        guard !rest.isEmpty else { return nil }
        number &+= 1
        var contentEnd = rest.end
        var next = rest.end
        var holdsReturn = false
        var holdsNUL = false
        var index = rest.start
        while let found = bytes.firstLineBreaker(in: ByteRange(from: index, to: rest.end)) {
            index = found
            while index < rest.end, bytes[index] == 0x0D { index &+= 1 }
            guard index < rest.end else {
                contentEnd = found
                break
            }
            if bytes[index] == 0x0A {
                contentEnd = found
                next = index &+ 1
                break
            }
            if index > found {
                holdsReturn = true
            } else {
                holdsNUL = true
                index &+= 1
            }
        }
        offset = next
        return Line(
            content: ByteRange(from: rest.start, to: contentEnd), next: next, number: number,
            holdsReturn: holdsReturn, holdsNUL: holdsNUL)
    }
}

/// Cuts a range into fields separated by runs of space and tab.
public struct FieldCursor: Sendable {
    private var offset: Int
    private let end: Int

    public init(in range: ByteRange) {
        offset = range.start
        end = range.end
    }

    /// The next field, never empty, or nil at the end.
    public mutating func next(in bytes: Span<UInt8>) -> ByteRange? {
        let rest = bytes.clamped(ByteRange(from: offset, to: end))
        var start = rest.start
        while start < rest.end, isBlank(bytes[start]) { start &+= 1 }
        var stop = start
        while stop < rest.end, !isBlank(bytes[stop]) { stop &+= 1 }
        offset = stop
        return stop > start ? ByteRange(from: start, to: stop) : nil
    }
}

/// Decimal numbers without sign, blanks or surprises.
public enum Decimal {
    /// The number that `range` holds: digits only, at least one, at most `maximum`; else nil.
    public static func parse(_ bytes: Span<UInt8>, _ range: ByteRange, maximum: UInt32) -> UInt32? {
        let inside = bytes.clamped(range)
        guard !inside.isEmpty else { return nil }
        var value: UInt64 = 0
        for index in inside.start..<inside.end {
            guard isDigit(bytes[index]) else { return nil }
            value = value &* 10 &+ UInt64(bytes[index] &- 0x30)
            guard value <= UInt64(maximum) else { return nil }
        }
        return UInt32(truncatingIfNeeded: value)
    }
}
