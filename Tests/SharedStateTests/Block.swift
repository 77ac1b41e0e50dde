// SPDX-License-Identifier: GPL-2.0-or-later
// Memory like the host's: zeroed, aligned to 64 bytes, and fenced so that a write beside it shows.

import Bytes
import SharedState

/// A block of memory with a fence behind it, freed at the end.
final class Block: @unchecked Sendable {
    let memory: UnsafeMutableRawPointer
    let size: Int
    private let allocation: UnsafeMutableRawPointer
    private static let fence = 64

    init(size: Int) {
        self.size = size
        allocation = .allocate(byteCount: size + 2 * Self.fence, alignment: 64)
        memory = allocation + Self.fence
        allocation.initializeMemory(as: UInt8.self, repeating: 0xA5, count: size + 2 * Self.fence)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: size)
    }

    /// A block of just the size that `definitions` need, laid out.
    convenience init(_ definitions: [NodeDefinition]) throws {
        self.init(size: NodeTableLayout(capacity: definitions.count).size)
        try NodeTable.create(in: memory, size: size, definitions)
    }

    deinit { allocation.deallocate() }

    /// Whether nobody has written beside the block.
    var isFenceWhole: Bool {
        (0..<Self.fence).allSatisfy {
            allocation.load(fromByteOffset: $0, as: UInt8.self) == 0xA5
                && memory.load(fromByteOffset: size + $0, as: UInt8.self) == 0xA5
        }
    }

    func table() throws -> NodeTable { try NodeTable(attaching: memory, size: size) }
}

/// An entry with the URL `url`.
func definition(
    _ url: String, set: UInt32 = 0, weight: UInt32 = 1, disabled: Bool = false, index: UInt32 = 0
) -> NodeDefinition {
    NodeDefinition(setID: set, url: Array(url.utf8), weight: weight, startsDisabled: disabled, index: index)
}

/// The URL of node `index` as text.
func url(_ table: borrowing NodeTable, _ index: Int) -> String {
    table.withURL(index) { span in
        var bytes: [UInt8] = []
        for offset in span.indices { bytes.append(span[offset]) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
