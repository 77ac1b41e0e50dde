// SPDX-License-Identifier: GPL-2.0-or-later
// Multipart bodies: from boundary to boundary, and what the parts say they are.

internal import Bytes

/// A walk over the parts of a multipart body (RFC 2046 section 5.1).
struct PartCursor {
    private var lines: LineCursor
    private var isClosed = false
    /// Offset behind the delimiter line of the next part; nil before the first.
    private var partStart: Int?
    private let end: Int

    init(in range: ByteRange) {
        lines = LineCursor(in: range)
        end = range.end
    }

    /// The next part, its headers included and without the line end in front of the delimiter behind it; nil behind
    /// the closing delimiter. A last part that no delimiter ends goes up to the end.
    mutating func next(in body: Span<UInt8>, boundary: ByteRange, of names: Span<UInt8>) -> ByteRange? {
        while !isClosed, let line = lines.next(in: body) {
            guard let delimiter = Delimiter(body, line.content, boundary, names) else { continue }
            let start = partStart
            partStart = line.next
            isClosed = delimiter == .closing
            guard let start else { continue }
            return ByteRange(from: start, to: PartCursor.contentEnd(body, line.content.start))
        }
        guard !isClosed, let start = partStart else { return nil }
        isClosed = true
        return ByteRange(from: start, to: end)
    }

    /// `delimiter` without the line end before it, which belongs to the delimiter. Where a part is empty this may lie
    /// before its start: still an empty range.
    private static func contentEnd(_ body: Span<UInt8>, _ delimiter: Int) -> Int {
        guard body.byte(at: delimiter &- 1) == 0x0A else { return delimiter }
        return body.byte(at: delimiter &- 2) == 0x0D ? delimiter &- 2 : delimiter &- 1
    }
}

/// A line that divides parts.
private enum Delimiter {
    case dividing
    case closing

    /// Two hyphens and the boundary, two more for the closing one, then blanks only; nil for any other line.
    /// The whole line has to fit, so that a boundary that begins with another one is not taken for it.
    init?(_ body: Span<UInt8>, _ line: ByteRange, _ boundary: ByteRange, _ names: Span<UInt8>) {
        guard line.count >= boundary.count &+ 2, body.hasPrefix(line, "--") else { return nil }
        let name = ByteRange(start: line.start &+ 2, count: boundary.count)
        guard body.equals(name, names, boundary) else { return nil }
        let rest = body.trimmed(ByteRange(from: name.end, to: line.end))
        if rest.isEmpty {
            self = .dividing
        } else if body.byte(at: name.end) == UInt8(ascii: "-"), body.equals(rest, "--") {
            self = .closing
        } else {
            return nil
        }
    }
}

/// One part: what its headers say, and its content.
struct Part {
    /// The value of its Content-Type; nil: none, which means `text/plain` (RFC 2046 section 5.1).
    let contentType: ByteRange?
    /// What stands behind the empty line that ends the headers.
    let content: ByteRange

    init(_ body: Span<UInt8>, _ range: ByteRange) {
        var lines = LineCursor(in: range)
        var contentStart = range.end
        var type: ByteRange?
        var isInType = false
        while let line = lines.next(in: body) {
            if line.content.isEmpty {
                contentStart = line.next
                break
            }
            if let first = body.byte(at: line.content.start), isBlank(first) {
                if isInType, let begun = type { type = ByteRange(from: begun.start, to: line.content.end) }
                continue
            }
            let value = Part.contentTypeValue(body, line.content)
            isInType = type == nil && value != nil
            type = type ?? value
        }
        contentType = type
        content = ByteRange(from: contentStart, to: range.end)
    }

    /// What stands behind the colon where `line` is a Content-Type header.
    private static func contentTypeValue(_ body: Span<UInt8>, _ line: ByteRange) -> ByteRange? {
        guard let colon = body.firstIndex(of: UInt8(ascii: ":"), in: line) else { return nil }
        let name = body.trimmed(ByteRange(from: line.start, to: colon))
        guard body.equalsIgnoringCase(name, "Content-Type") else { return nil }
        return ByteRange(from: colon &+ 1, to: line.end)
    }
}

extension BodyPart {
    /// The content of the first part of type `application/sdp` in `range`, multipart bodies inside it included down
    /// to `depth` levels in all; nil where there is none. `boundary` is a range of `names`.
    static func firstSDP(
        in body: Span<UInt8>, _ range: ByteRange, boundary: ByteRange, of names: Span<UInt8>, depth: Int
    ) -> ByteRange? {
        var parts = PartCursor(in: range)
        while let next = parts.next(in: body, boundary: boundary, of: names) {
            let part = Part(body, next)
            guard let value = part.contentType else { continue }
            let type = ContentType(body, value)
            if type.isSDP(body) { return part.content }
            guard depth > 1, type.isMultipart(body), let inner = type.boundary(body) else { continue }
            if let found = firstSDP(in: body, part.content, boundary: inner, of: body, depth: depth &- 1) {
                return found
            }
        }
        return nil
    }
}
