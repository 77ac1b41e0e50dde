// SPDX-License-Identifier: GPL-2.0-or-later
// How the one block of shared memory is divided: the node table, the call table, and the delivery to asynchronous
// processes.

import CallControl
import SharedState

/// The parts of the block that a configuration needs.
struct SharedBlock {
    private let nodesSize: Int
    private let callsSize: Int
    private let entries: Int
    private let capacity: Int
    private let processes: Int

    init(_ settings: borrowing Settings) {
        // The second part begins at a cache line, too.
        capacity = settings.nodeCapacity
        nodesSize = (NodeTableLayout(capacity: capacity).size &+ 63) & ~63
        entries = settings.callTableSize
        callsSize = (CallTable.size(entries: entries) &+ 63) & ~63
        processes = settings.asyncProcesses
    }

    /// Bytes of all.
    var size: Int { nodesSize &+ callsSize &+ JobDelivery.size(processes) }

    private var linesStart: Int { nodesSize &+ callsSize }

    /// Lays all out in `block`, which is zeroed and shared, at `tick`. Once, before the fork. Returns what the
    /// asynchronous processes' signals are found by; nil where the system has no descriptors left.
    func create(
        in block: UnsafeMutableRawPointer, size: Int, _ nodes: [NodeDefinition], tick: UInt32
    ) throws(SharedStateError) -> [Int32]? {
        guard size >= self.size else { throw .tooSmall }
        // SAFETY: every part lies within `size`, checked above.
        unsafe try NodeTable.create(in: block, size: nodesSize, nodes, capacity: capacity, tick: tick)
        if callsSize > 0 { unsafe try CallTable.create(in: block + nodesSize, size: callsSize, entries: entries) }
        return unsafe JobDelivery.create(in: block + linesStart, count: processes)
    }

    /// One process's view of the nodes.
    func nodes(_ block: UnsafeMutableRawPointer, size: Int) throws(SharedStateError) -> NodeTable {
        guard size >= self.size else { throw .tooSmall }
        // SAFETY: it lies within `size`, checked above, and stays mapped while the server runs.
        return unsafe try NodeTable(attaching: block, size: nodesSize)
    }

    /// One process's view of the calls; nil where they are not remembered.
    func calls(_ block: UnsafeMutableRawPointer, size: Int) throws(SharedStateError) -> CallTable? {
        guard size >= self.size else { throw .tooSmall }
        guard callsSize > 0 else { return nil }
        // SAFETY: as above.
        return unsafe try CallTable(attaching: block + nodesSize, size: callsSize)
    }

    /// One process's end of the delivery to the asynchronous processes.
    func delivery(_ block: UnsafeMutableRawPointer, size: Int, signals: [Int32]) throws(SharedStateError) -> JobDelivery
    {
        guard size >= self.size else { throw .tooSmall }
        // SAFETY: as above.
        return unsafe JobDelivery(attaching: block + linesStart, signals: signals)
    }
}
