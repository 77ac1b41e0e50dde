// SPDX-License-Identifier: GPL-2.0-or-later
// A second reader of multipart bodies, which takes whatever some user agent may take for a session description.

/// Finds all session descriptions of a body, as loosely as can be, and shares nothing with the module: lines end at CR,
/// LF or CRLF, a delimiter is a line that begins with it, none is the last one, and of several headers or boundaries each
/// may count.
enum LenientParts {
    /// Where the session descriptions of `body` stand, given its Content-Type.
    static func descriptions(_ body: [UInt8], type: [UInt8]) -> [ArraySlice<UInt8>] {
        descriptions(body[...], type: lowercased(type[...]), original: type[...], depth: 0)
    }

    private static func descriptions(
        _ body: ArraySlice<UInt8>, type: String, original: ArraySlice<UInt8>, depth: Int
    ) -> [ArraySlice<UInt8>] {
        if names(type, "application/sdp") { return [body] }
        guard type.drop(while: { !$0.isLetter }).hasPrefix("multipart/"), depth < 8 else { return [] }
        return boundaries(original).flatMap { boundary in
            parts(of: body, boundary).flatMap { part in
                part.types.flatMap {
                    descriptions(part.content, type: lowercased($0), original: $0, depth: depth + 1)
                }
            }
        }
    }

    private static func lowercased(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.filter { $0 > 0x20 }, as: UTF8.self).lowercased()
    }

    /// Whether `text`, a type without its blanks, is `type`, with whatever behind it that is no further letter.
    private static func names(_ text: String, _ type: String) -> Bool {
        guard text.hasPrefix(type) else { return false }
        guard let next = text.dropFirst(type.count).first else { return true }
        return !next.isLetter && !next.isNumber && !"!#$%&'*+-.^_`|~".contains(next)
    }

    /// Every value that a parameter `boundary` may be read to have.
    private static func boundaries(_ type: ArraySlice<UInt8>) -> Set<[UInt8]> {
        let name = Array("boundary".utf8)
        var found: Set<[UInt8]> = []
        for start in type.indices where type[start...].count > name.count {
            let word = type[start..<(start + name.count)].map { $0 | 0x20 }
            guard word == name else { continue }
            let sign = type[(start + name.count)...].drop { $0 <= 0x20 }
            guard sign.first == UInt8(ascii: "=") else { continue }
            let value = sign.dropFirst().drop { $0 <= 0x20 }
            if value.first == UInt8(ascii: "\"") {
                found.insert(value.dropFirst().prefix { $0 != UInt8(ascii: "\"") }.filter { $0 != UInt8(ascii: "\\") })
            } else {
                let text = value.prefix { $0 != UInt8(ascii: ";") }
                found.insert(Array(text.prefix { $0 > 0x20 }))
                found.insert(Array(text.reversed().drop { $0 <= 0x20 }.reversed()))
            }
        }
        found.remove([])
        return found
    }

    private struct Part {
        var types: [ArraySlice<UInt8>] = []
        var content: ArraySlice<UInt8> = []
    }

    private static func parts(of body: ArraySlice<UInt8>, _ boundary: [UInt8]) -> [Part] {
        let delimiter = Array("--".utf8) + boundary
        let lines = LenientReader.lines(body)
        let starts = lines.indices.filter { lines[$0].starts(with: delimiter) }
        return starts.enumerated().map { place, start in
            let isLast = place + 1 == starts.count
            let end = isLast ? lines.endIndex : starts[place + 1]
            let bytes = isLast ? body.endIndex : lines[end].startIndex
            return part(lines[(start + 1)..<end], end: bytes, of: body)
        }
    }

    /// A part of these lines: headers, an empty line, and the content up to `end`.
    private static func part(_ lines: ArraySlice<ArraySlice<UInt8>>, end: Int, of body: ArraySlice<UInt8>) -> Part {
        var part = Part()
        var header: ArraySlice<UInt8> = []
        func close() {
            let name = header.prefix { $0 != UInt8(ascii: ":") }
            if ["content-type", "c"].contains(lowercased(name)) {
                part.types.append(header.dropFirst(name.count + 1))
            }
        }
        for (place, line) in zip(lines.indices, lines) {
            if line.isEmpty {
                let next = place + 1 < lines.endIndex ? lines[place + 1].startIndex : end
                part.content = body[next..<max(next, end)]
                break
            }
            if let first = line.first, first <= 0x20, !header.isEmpty {
                header = body[header.startIndex..<line.endIndex]
            } else {
                close()
                header = line
            }
        }
        close()
        return part
    }
}
