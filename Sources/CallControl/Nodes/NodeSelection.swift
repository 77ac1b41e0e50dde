// SPDX-License-Identifier: GPL-2.0-or-later
// Which RTPProxies a command of the operator is about: a URL as configured, `all`, or `set:N`.

import Bytes
import SharedState

extension Worker {
    /// Places in the list of the nodes that `text` means. A URL comes first: one may be called like a word.
    mutating func selected(_ text: Span<UInt8>) -> [Int] {
        refreshDirectory()
        let places = directory.listed.indices.filter { hasURL($0, text) }
        guard places.isEmpty else { return places }
        if text.equals(text.all, "all") { return Array(directory.listed.indices) }
        guard let setID = Self.setID(text) else { return [] }
        // NO TRAP: an index of the list that is filtered.
        return directory.listed.indices.filter { table.setID(directory.listed[$0]) == setID }
    }

    /// Whether the node at `position` is among those that `text` means.
    package mutating func isSelected(_ position: Int, _ text: Span<UInt8>) -> Bool {
        selected(text).contains(position)
    }

    /// The number behind `set:`; nil where it is something else.
    private static func setID(_ text: Span<UInt8>) -> UInt32? {
        let word: StaticString = "set:"
        // NO TRAP: a literal has a pointer representation.
        let length = word.utf8CodeUnitCount
        guard text.count > length, text.equals(ByteRange(from: 0, to: length), word) else { return nil }
        return Decimal.parse(text, ByteRange(from: length, to: text.count), maximum: .max)
    }

    /// Whether the node at `position` of the list has this URL, exactly as configured.
    private func hasURL(_ position: Int, _ url: Span<UInt8>) -> Bool {
        guard let node = listedNode(position) else { return false }
        return table.withURL(node) { $0.equals($0.all, url, url.all) }
    }
}
