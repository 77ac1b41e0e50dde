// SPDX-License-Identifier: GPL-2.0-or-later
// The value of a Content-Type header, as SIP and MIME write it.

internal import Bytes

/// A media type and its parameters (RFC 2045 section 5.1, RFC 3261 section 20.15), as ranges.
/// Line ends of folded headers count as blanks.
struct ContentType {
    /// Such as `application`.
    let type: ByteRange
    /// Such as `sdp`.
    let subtype: ByteRange
    /// What stands behind the first semicolon.
    private let parameters: ByteRange

    /// Reads `value`; what is no media type matches none.
    init(_ bytes: Span<UInt8>, _ value: ByteRange) {
        let whole = bytes.clamped(value)
        let typeEnd = bytes.firstIndex(of: UInt8(ascii: ";"), in: whole) ?? whole.end
        let media = ByteRange(from: whole.start, to: typeEnd)
        let slash = bytes.firstIndex(of: UInt8(ascii: "/"), in: media) ?? media.end
        type = ContentType.stripped(bytes, ByteRange(from: media.start, to: slash))
        subtype = ContentType.stripped(bytes, ByteRange(from: slash &+ 1, to: media.end))
        parameters = ByteRange(from: typeEnd &+ 1, to: whole.end)
    }

    /// `application/sdp`, in any letter case. What follows the name and is no part of one, such as a comment, is passed
    /// over.
    func isSDP(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.equalsIgnoringCase(type, "application"), bytes.hasPrefixIgnoringCase(subtype, "sdp") else {
            return false
        }
        // NO TRAP: subtype comes from stripped(), which clamps it, and has more than the three bytes of its prefix.
        return subtype.count == 3 || !ContentType.isToken(bytes[subtype.start &+ 3])
    }

    /// Whether a name may hold `byte` (RFC 2045 section 5.1, token).
    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0...0x20, 0x7F...0xFF: false
        case UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: "@"),
            UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: ":"), UInt8(ascii: "\\"), UInt8(ascii: "\""),
            UInt8(ascii: "/"), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "?"), UInt8(ascii: "="):
            false
        default: true
        }
    }

    /// `multipart/` and anything.
    func isMultipart(_ bytes: Span<UInt8>) -> Bool {
        bytes.equalsIgnoringCase(type, "multipart") && !subtype.isEmpty
    }

    /// Whether a reader that passes over blanks within a type, and over what is no letter in front of it, takes it for
    /// `multipart`, or for `application/sdp`.
    func mayBeMore(_ bytes: Span<UInt8>) -> Bool {
        var start = type.start
        while start < type.end, let byte = bytes.byte(at: start), !ContentType.isLetter(byte) { start &+= 1 }
        let name = ByteRange(from: start, to: type.end)
        if ContentType.reads(bytes, name, "multipart") == name.end { return true }
        return ContentType.reads(bytes, name, "application") == name.end
            && ContentType.reads(bytes, subtype, "sdp") != nil
    }

    /// Where `text`, small letters, ends in `range`, in any letter case and with blanks amid or behind it; nil where the
    /// range begins with something else.
    private static func reads(_ bytes: Span<UInt8>, _ range: ByteRange, _ text: StaticString) -> Int? {
        var index = range.start
        // NO TRAP (2): a literal has a pointer representation, and the place is below its count.
        for place in 0..<text.utf8CodeUnitCount {
            while index < range.end, let byte = bytes.byte(at: index), byte <= 0x20 { index &+= 1 }
            // SAFETY: a literal has a pointer representation, and the place is below its count.
            let wanted = unsafe text.utf8Start[place]
            guard index < range.end, let byte = bytes.byte(at: index), lowercased(byte) == wanted else { return nil }
            index &+= 1
        }
        while index < range.end, let byte = bytes.byte(at: index), byte <= 0x20 { index &+= 1 }
        return index
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        let letter = lowercased(byte)
        return letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "z")
    }

    /// The `boundary` parameter without its quotes (RFC 2046 section 5.1.1), or nil where there is none of 1 byte or
    /// more, or several, or one that can be read in several ways: with blanks at its ends, without quotes also within,
    /// with a quote or backslash, none of which a boundary may hold.
    func boundary(_ bytes: Span<UInt8>) -> ByteRange? {
        var rest = parameters
        var found: ByteRange?
        while !rest.isEmpty {
            let end = ContentType.parameterEnd(bytes, rest)
            let parameter = ByteRange(from: rest.start, to: end)
            rest = ByteRange(from: end &+ 1, to: rest.end)
            guard let equals = bytes.firstIndex(of: UInt8(ascii: "="), in: parameter) else { continue }
            let name = ContentType.stripped(bytes, ByteRange(from: parameter.start, to: equals))
            guard bytes.equalsIgnoringCase(name, "boundary") else { continue }
            let value = ContentType.stripped(bytes, ByteRange(from: equals &+ 1, to: parameter.end))
            let boundary = ContentType.unquoted(bytes, value)
            guard found == nil, ContentType.isClear(bytes, boundary, isQuoted: boundary != value) else { return nil }
            found = boundary
        }
        return found
    }

    /// Whether all readers read `boundary` as it is.
    private static func isClear(_ bytes: Span<UInt8>, _ boundary: ByteRange, isQuoted: Bool) -> Bool {
        guard !boundary.isEmpty, stripped(bytes, boundary) == boundary else { return false }
        // NO TRAP (2): boundary is what stripped() makes of it, which is clamped.
        for index in boundary.start..<boundary.end {
            let byte = bytes[index]
            let isBlankInside = byte == 0x20 && isQuoted
            guard byte > 0x20 || isBlankInside, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") else {
                return false
            }
        }
        return true
    }

    /// Offset of the semicolon that ends the parameter at the start of `range`, quoted ones aside, or of the end.
    private static func parameterEnd(_ bytes: Span<UInt8>, _ range: ByteRange) -> Int {
        var index = range.start
        var isQuoted = false
        while index < range.end, let byte = bytes.byte(at: index) {
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            if byte == UInt8(ascii: "\\"), isQuoted { index &+= 1 }
            if byte == UInt8(ascii: ";"), !isQuoted { return index }
            index &+= 1
        }
        return range.end
    }

    /// `range` between its quotes; as it is where it has none or only one.
    private static func unquoted(_ bytes: Span<UInt8>, _ range: ByteRange) -> ByteRange {
        let quote = UInt8(ascii: "\"")
        guard range.count >= 2, bytes.byte(at: range.start) == quote, bytes.byte(at: range.end &- 1) == quote
        else { return range }
        return ByteRange(start: range.start &+ 1, count: range.count &- 2)
    }

    /// `range` without blanks and line ends at both ends.
    private static func stripped(_ bytes: Span<UInt8>, _ range: ByteRange) -> ByteRange {
        let inside = bytes.clamped(range)
        var start = inside.start
        var end = inside.end
        // NO TRAP (2): inside is clamped, and start < end holds before each look.
        while start < end, isBlankOrLineEnd(bytes[start]) { start &+= 1 }
        while end > start, isBlankOrLineEnd(bytes[end &- 1]) { end &-= 1 }
        return ByteRange(from: start, to: end)
    }

    private static func isBlankOrLineEnd(_ byte: UInt8) -> Bool { isBlank(byte) || byte == 0x0D || byte == 0x0A }
}
