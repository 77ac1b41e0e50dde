// SPDX-License-Identifier: GPL-2.0-or-later
// One value of rtpproxy_sock: `[SETID ==] URL[=WEIGHT] URL[=WEIGHT] ...`.

import Bytes
import SharedState
import Transport

/// What of a value is wrong, and why.
struct NodeLineFault: Error {
    let range: ByteRange
    let reason: StaticString
}

/// Reads values of rtpproxy_sock.
enum NodeLine {
    static let maximumSetID: UInt32 = 2_147_483_647
    /// Far above any use, and small enough that sums cannot overflow.
    static let maximumWeight: UInt32 = 1_000_000

    /// The entries of one value, in order; the first has the index `firstIndex`.
    @_optimize(size)
    static func parse(_ text: Span<UInt8>, firstIndex: Int) throws(NodeLineFault) -> [NodeDefinition] {
        var rest = text.trimmed(text.all)
        var setID: UInt32 = 0
        if let separator = separator(text, rest) {
            let name = text.trimmed(ByteRange(from: rest.start, to: separator))
            guard let number = Decimal.parse(text, name, maximum: maximumSetID) else {
                throw NodeLineFault(range: rest, reason: "the set id before == is not a number")
            }
            setID = number
            rest = text.trimmed(ByteRange(from: separator &+ 2, to: rest.end))
            guard !rest.isEmpty else {
                throw NodeLineFault(range: text.trimmed(text.all), reason: "no RTPProxy behind ==")
            }
        } else if hasSingleEquals(text, rest) {
            throw NodeLineFault(range: rest, reason: "a set id is followed by ==, not =")
        }
        var entries: [NodeDefinition] = []
        var fields = FieldCursor(in: rest)
        while let field = fields.next(in: text) {
            entries.append(try entry(text, field, setID: setID, index: firstIndex &+ entries.count))
        }
        return entries
    }

    @_optimize(size)
    private static func entry(
        _ text: Span<UInt8>, _ field: ByteRange, setID: UInt32, index: Int
    ) throws(NodeLineFault) -> NodeDefinition {
        var urlEnd = field.end
        var weight: UInt32 = 1
        if let equals = lastIndex(of: UInt8(ascii: "="), text, field) {
            urlEnd = equals
            let digits = ByteRange(from: equals &+ 1, to: field.end)
            guard let number = Decimal.parse(text, digits, maximum: maximumWeight) else {
                throw NodeLineFault(
                    range: field,
                    reason: separatorFault(text, field) ?? "the weight behind = is not a number of 0..1000000")
            }
            weight = number
        }
        let url = ByteRange(from: field.start, to: urlEnd)
        if let reason = urlFault(text, url) {
            throw NodeLineFault(range: field, reason: separatorFault(text, field) ?? reason)
        }
        var bytes: [UInt8] = []
        bytes.append(text, url)
        return NodeDefinition(setID: setID, url: bytes, weight: weight, index: UInt32(clamping: index))
    }

    /// Why the text at `range` is no URL, or nil where it is one.
    static func urlFault(_ text: Span<UInt8>, _ range: ByteRange) -> StaticString? {
        do throws(NodeURLError) {
            _ = try NodeURL(text, range)
            return nil
        } catch {
            return error.text
        }
    }

    /// What to say of an entry that is wrong and looks like several of them.
    private static func separatorFault(_ text: Span<UInt8>, _ field: ByteRange) -> StaticString? {
        let separators = [UInt8(ascii: ","), UInt8(ascii: ";")]
        guard separators.contains(where: { text.firstIndex(of: $0, in: field) != nil }) else { return nil }
        return "RTPProxies are separated by blanks, not by , or ;"
    }

    /// Whether a number and one `=` stand in front of something that is no weight.
    private static func hasSingleEquals(_ text: Span<UInt8>, _ range: ByteRange) -> Bool {
        guard let equals = text.firstIndex(of: UInt8(ascii: "="), in: range) else { return false }
        let name = text.trimmed(ByteRange(from: range.start, to: equals))
        guard Decimal.parse(text, name, maximum: maximumSetID) != nil else { return false }
        var behind = FieldCursor(in: ByteRange(from: equals &+ 1, to: range.end))
        guard let first = behind.next(in: text) else { return false }
        return Decimal.parse(text, first, maximum: maximumWeight) == nil
    }

    /// Offset of the first `==`.
    @_optimize(size)
    private static func separator(_ text: Span<UInt8>, _ range: ByteRange) -> Int? {
        var offset = range.start
        while offset &+ 1 < range.end {
            // NO TRAP: offset + 1 < range.end, and the range is trimmed(), so within the text.
            if text[offset] == UInt8(ascii: "="), text[offset &+ 1] == UInt8(ascii: "=") { return offset }
            offset &+= 1
        }
        return nil
    }

    @_optimize(size)
    private static func lastIndex(of byte: UInt8, _ text: Span<UInt8>, _ range: ByteRange) -> Int? {
        var offset = range.end &- 1
        while offset >= range.start {
            // NO TRAP: range.start <= offset < range.end, and a field lies within the text.
            if text[offset] == byte { return offset }
            offset &-= 1
        }
        return nil
    }
}
