// SPDX-License-Identifier: GPL-2.0-or-later
// Values of rtpproxy_sock: what is taken can be written down and read again, what is refused is quoted.
//
// Input: a value per line, `\n` and the like in it escaped.

import Bytes
import Transport

@testable import CallControl
@testable import SharedState

final class SockProperties: Properties {
    private static let mostNodes = 24
    private let block: UnsafeMutableRawPointer
    private let size: Int

    init() {
        size = NodeTableLayout(capacity: Self.mostNodes).size
        block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    }

    deinit { block.deallocate() }

    func check(_ input: [UInt8]) throws(Broken) {
        var settings = Settings()
        var entries: [NodeDefinition] = []
        var isFaultless = true
        let parameter = Array("rtpproxy_sock".utf8)
        for line in input.split(separator: 0x0A) {
            let value = Sections.unescaped(line)
            // Line breaks separate as blanks do.
            switch parse(value.map { [0x0A, 0x0D].contains($0) ? 0x20 : $0 }, firstIndex: entries.count) {
            case .success(let found):
                try checkEntries(found, value)
                entries += found
            case .failure(let fault):
                isFaultless = false
                let range = fault.range
                try require(range.start >= 0 && range.end <= value.count, "a fault that cannot be quoted")
            }
            try require(settings.set(parameter.span, text: value.span), "there is no rtpproxy_sock")
            try checkRow(value, &settings)
        }
        settings.finish()
        try require(settings.faults.isEmpty == isFaultless, "\(settings.faults.count) faults")
        for fault in settings.faults + settings.warnings { try require(isPrintable(fault), fault.shown) }
        try checkNodes(settings.nodes)
    }

    private func parse(_ value: [UInt8], firstIndex: Int) -> Result<[NodeDefinition], NodeLineFault> {
        do throws(NodeLineFault) {
            return .success(try NodeLine.parse(value.span, firstIndex: firstIndex))
        } catch {
            return .failure(error)
        }
    }

    /// Written down one by one, entries are read as what they were.
    private func checkEntries(_ entries: [NodeDefinition], _ value: [UInt8]) throws(Broken) {
        for entry in entries {
            try require(entry.setID <= NodeLine.maximumSetID, "set \(entry.setID)")
            try require(entry.weight <= NodeLine.maximumWeight, "weight \(entry.weight)")
            try require(entry.url.count <= NodeTableLayout.maximumURLLength, "a URL of \(entry.url.count) bytes")
            try require(NodeLine.urlFault(entry.url.span, entry.url.span.all) == nil, entry.url.shown)
            let text = Array("\(entry.setID) == ".utf8) + entry.url + Array("=\(entry.weight)".utf8)
            guard case .success(let again) = parse(text, firstIndex: Int(entry.index)), again.count == 1 else {
                throw Broken("\(text.shown) is refused")
            }
            try require(again[0].url == entry.url && again[0].index == entry.index, text.shown)
            try require(again[0].setID == entry.setID && again[0].weight == entry.weight, text.shown)
        }
    }

    /// The same text as the URL of a row of the database: taken or left out.
    private func checkRow(_ value: [UInt8], _ settings: inout Settings) throws(Broken) {
        let set = Array("1".utf8)
        let before = settings.nodes.count
        let isTaken = settings.addRow(1, setID: set.span, url: value.span, weight: 1, flags: 0)
        try require(settings.nodes.count == before + (isTaken ? 1 : 0), "a row that is taken or not")
    }

    /// The nodes of a set stand side by side, also as the processes see them.
    private func checkNodes(_ nodes: [NodeDefinition]) throws(Broken) {
        var sets: [UInt32] = []
        for node in nodes where sets.last != node.setID {
            try require(!sets.contains(node.setID), "set \(node.setID) is in two places")
            sets.append(node.setID)
        }
        guard !nodes.isEmpty, nodes.count <= Self.mostNodes else { return }
        block.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        guard (try? NodeTable.create(in: block, size: size, nodes)) != nil,
            let table = try? NodeTable(attaching: block, size: size)
        else { throw Broken("nodes without a table") }
        for (place, node) in nodes.enumerated() {
            let isSame = table.withURL(place) { $0.equals($0.all, node.url.span, node.url.span.all) }
            try require(isSame && table.setID(place) == node.setID, "node \(place) is another")
        }
        let directory = NodeDirectory(table)
        try require(directory.listed.count == nodes.count, "\(directory.listed.count) nodes are listed")
        try require(Set(directory.sets.map(\.id)) == Set(sets), "sets are missing")
    }
}

/// Whether a line of the log holds nothing that could forge another one.
func isPrintable(_ line: [UInt8]) -> Bool { line.allSatisfy { $0 >= 0x20 && $0 < 0x7F } }
