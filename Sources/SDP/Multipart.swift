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
    /// the closing delimiter. A last part that no delimiter ends goes up to the end. Throws for a line that is a
    /// delimiter to other readers alone, up to the end.
    mutating func next(
        in body: Span<UInt8>, boundary: ByteRange, of names: Span<UInt8>
    ) throws(BodyFault) -> ByteRange? {
        while let line = lines.next(in: body) {
            let kind = Delimiter(body, line, boundary, names)
            guard kind != .none else { continue }
            guard !isClosed, kind != .doubtful else {
                throw BodyFault(.badDelimiter, in: body, at: line.content.start)
            }
            let start = partStart
            partStart = line.next
            isClosed = kind == .closing
            guard let start else { continue }
            return ByteRange(from: start, to: PartCursor.contentEnd(body, line.content.start))
        }
        guard let start = partStart else { return nil }
        partStart = nil
        if isClosed {
            if describesMedia(body, ByteRange(from: start, to: end)) {
                throw BodyFault(.badDelimiter, in: body, at: start)
            }
            return nil
        }
        isClosed = true
        return ByteRange(from: start, to: end)
    }

    /// Whether what stands behind the closing delimiter, which is to be ignored (RFC 2046 section 5.1.1), holds what
    /// may be `m=` or `c=`: a reader that takes the delimiter for a dividing one finds a description there.
    private func describesMedia(_ body: Span<UInt8>, _ epilogue: ByteRange) -> Bool {
        var offset = epilogue.start
        var letter: UInt8 = 0
        while offset < epilogue.end, let byte = body.byte(at: offset) {
            if byte == UInt8(ascii: "="), letter == UInt8(ascii: "m") || letter == UInt8(ascii: "c") { return true }
            if byte > 0x20 { letter = lowercased(byte) }
            offset &+= 1
        }
        return false
    }

    /// `delimiter` without the line end before it, which belongs to the delimiter. Where a part is empty this may lie
    /// before its start: still an empty range.
    private static func contentEnd(_ body: Span<UInt8>, _ delimiter: Int) -> Int {
        guard body.byte(at: delimiter &- 1) == 0x0A else { return delimiter }
        return body.byte(at: delimiter &- 2) == 0x0D ? delimiter &- 2 : delimiter &- 1
    }
}

/// Whether a line divides parts.
private enum Delimiter {
    case none
    case dividing
    case closing
    /// It begins with the delimiter and goes on (for RFC 2046 section 5.1.2 that is one too), or does so behind a CR.
    case doubtful

    /// Two hyphens and the boundary, two more for the closing one, then blanks only.
    init(_ body: Span<UInt8>, _ line: Line, _ boundary: ByteRange, _ names: Span<UInt8>) {
        if line.holdsReturn, Delimiter.standsBehindReturn(body, line.content, boundary, names) {
            self = .doubtful
            return
        }
        guard let end = Delimiter.end(body, line.content, boundary, names) else {
            self = .none
            return
        }
        let rest = body.trimmed(ByteRange(from: end, to: line.content.end))
        if rest.isEmpty {
            self = line.endsTwice ? .doubtful : .dividing
        } else if body.byte(at: end) == UInt8(ascii: "-"), body.equals(rest, "--") {
            self = .closing
        } else {
            self = .doubtful
        }
    }

    /// Offset behind the boundary that `text` begins with, its two hyphens first, or nil.
    private static func end(
        _ body: Span<UInt8>, _ text: ByteRange, _ boundary: ByteRange, _ names: Span<UInt8>
    ) -> Int? {
        guard text.count >= boundary.count &+ 2, body.hasPrefix(text, "--") else { return nil }
        let name = ByteRange(start: text.start &+ 2, count: boundary.count)
        return body.equals(name, names, boundary) ? name.end : nil
    }

    /// Whether a delimiter stands behind a CR within `text`.
    private static func standsBehindReturn(
        _ body: Span<UInt8>, _ text: ByteRange, _ boundary: ByteRange, _ names: Span<UInt8>
    ) -> Bool {
        var rest = text
        while let found = body.firstIndex(of: 0x0D, in: rest) {
            rest = ByteRange(from: found &+ 1, to: text.end)
            if end(body, rest, boundary, names) != nil { return true }
        }
        return false
    }
}

/// One part: what its headers say, and its content.
struct Part {
    /// The value of its Content-Type; nil: none, which means `text/plain` (RFC 2046 section 5.1).
    let contentType: ByteRange?
    /// Whether its content is to be decoded first.
    let isEncoded: Bool
    /// What stands behind the empty line that ends the headers.
    let content: ByteRange

    /// Throws for headers that other readers may read differently.
    init(_ body: Span<UInt8>, _ range: ByteRange) throws(BodyFault) {
        var lines = LineCursor(in: range)
        var contentStart = range.end
        var type: ByteRange?
        var isEncoded = false
        var isInType = false
        while let line = lines.next(in: body) {
            if line.holdsReturn || line.endsTwice || line.holdsControlCharacter {
                throw BodyFault(.badPartHeaders, in: body, at: line.content.start)
            }
            if line.content.isEmpty {
                contentStart = line.next
                break
            }
            if let first = body.byte(at: line.content.start), isBlank(first) {
                if isInType, let begun = type { type = ByteRange(from: begun.start, to: line.content.end) }
                continue
            }
            isInType = false
            guard let colon = body.firstIndex(of: UInt8(ascii: ":"), in: line.content) else { continue }
            let name = body.trimmed(ByteRange(from: line.content.start, to: colon))
            let value = ByteRange(from: colon &+ 1, to: line.content.end)
            // `c` is what SIP calls it too (RFC 3261 section 20.15).
            if body.equalsIgnoringCase(name, "Content-Type") || body.equalsIgnoringCase(name, "c") {
                guard type == nil else { throw BodyFault(.badPartHeaders, in: body, at: line.content.start) }
                isInType = true
                type = value
            } else if body.equalsIgnoringCase(name, "Content-Transfer-Encoding") {
                isEncoded = isEncoded || !Part.isPlain(body, value)
            }
        }
        contentType = type
        self.isEncoded = isEncoded
        content = ByteRange(from: contentStart, to: range.end)
    }

    /// Whether `value` is a transfer encoding that changes nothing (RFC 2045 section 6.2).
    private static func isPlain(_ body: Span<UInt8>, _ value: ByteRange) -> Bool {
        let encoding = body.trimmed(value)
        return body.equalsIgnoringCase(encoding, "binary") || body.equalsIgnoringCase(encoding, "8bit")
            || body.equalsIgnoringCase(encoding, "7bit")
    }
}

extension BodyPart {
    /// Finds the content of the part of type `application/sdp` in `range`, multipart bodies inside it included down
    /// to `depth` levels in all; throws where there is a second one. `boundary` is a range of `names`.
    @_optimize(size)
    static func findSDP(
        in body: Span<UInt8>, _ range: ByteRange, boundary: ByteRange, of names: Span<UInt8>, depth: Int,
        found: inout ByteRange?
    ) throws(BodyFault) {
        var parts = PartCursor(in: range)
        while let next = try parts.next(in: body, boundary: boundary, of: names) {
            let part = try Part(body, next)
            guard let value = part.contentType else { continue }
            let type = ContentType(body, value)
            if type.isSDP(body) {
                guard found == nil else { throw BodyFault(.secondSDPPart, in: body, at: next.start) }
                guard !part.isEncoded else { throw BodyFault(.badPartHeaders, in: body, at: next.start) }
                found = part.content
            } else if type.isMultipart(body) {
                guard depth > 1 else { throw BodyFault(.nestedTooDeep, in: body, at: next.start) }
                guard let inner = type.boundary(body) else {
                    throw BodyFault(.noBoundary, in: body, at: next.start)
                }
                try findSDP(in: body, part.content, boundary: inner, of: body, depth: depth &- 1, found: &found)
            } else if type.mayBeMore(body) {
                throw BodyFault(.badPartHeaders, in: body, at: next.start)
            }
        }
    }
}
