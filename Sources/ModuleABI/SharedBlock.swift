// SPDX-License-Identifier: GPL-2.0-or-later
// How the one block of shared memory is divided: the node table, and behind it the call table.

import Relay
import SharedState

/// The parts of the block that a configuration needs.
struct SharedBlock {
    private let nodesSize: Int
    private let callsSize: Int
    private let entries: Int
    private let capacity: Int

    init(_ settings: borrowing Settings) {
        // The second part begins at a cache line, too.
        capacity = settings.nodeCapacity
        nodesSize = (NodeTableLayout(capacity: capacity).size &+ 63) & ~63
        entries = settings.callTableSize
        callsSize = CallTable.size(entries: entries)
    }

    /// Bytes of both.
    var size: Int { nodesSize &+ callsSize }

    /// Lays both out in `block`, which is zeroed and shared. Once, before the fork.
    func create(
        in block: UnsafeMutableRawPointer, size: Int, _ nodes: [NodeDefinition]
    ) throws(SharedStateError) {
        guard size >= self.size else { throw .tooSmall }
        // SAFETY: both parts lie within `size`, checked above.
        unsafe try NodeTable.create(in: block, size: nodesSize, nodes, capacity: capacity)
        guard callsSize > 0 else { return }
        unsafe try CallTable.create(in: block + nodesSize, size: callsSize, entries: entries)
    }

    /// One process's view of both.
    func attach(
        _ block: UnsafeMutableRawPointer, size: Int, settings: Settings
    ) throws(SharedStateError) -> Relay {
        guard size >= self.size else { throw .tooSmall }
        // SAFETY: both parts lie within `size`, checked above, and stay mapped while the server runs.
        let table = unsafe try NodeTable(attaching: block, size: nodesSize)
        guard callsSize > 0 else { return Relay(settings: settings, table: table) }
        let calls = unsafe try CallTable(attaching: block + nodesSize, size: callsSize)
        return Relay(settings: settings, table: table, calls: calls)
    }
}
