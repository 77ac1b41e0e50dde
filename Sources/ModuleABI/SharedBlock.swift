// SPDX-License-Identifier: GPL-2.0-or-later
// How the one block of shared memory is divided: the node table, the call table, the table of legs that are WebRTC, the
// list of streams that are to be looked at, the delivery to asynchronous processes, and what is shared with other hosts.

import CallControl
import SharedState
import Transport

/// The parts of the block that a configuration needs.
struct SharedBlock {
    fileprivate let nodesSize: Int
    fileprivate let callsSize: Int
    fileprivate let legsSize: Int
    /// Seconds that a call is remembered.
    fileprivate let callLifetime: Int
    fileprivate let entries: Int
    fileprivate let capacity: Int
    fileprivate let sharesCalls: Bool
    private let processes: Int

    @_optimize(size)
    init(_ settings: borrowing Settings) {
        // The second part begins at a cache line, too.
        capacity = settings.nodeCapacity
        nodesSize = (NodeTableLayout(capacity: capacity).size &+ 63) & ~63
        entries = settings.callTableSize
        callsSize = (CallTable.size(entries: entries) &+ 63) & ~63
        legsSize = (CallTable.size(entries: Self.legs) &+ 63) & ~63
        callLifetime = settings.callLifetime
        processes = settings.asyncProcesses
        sharesCalls = settings.sharesCalls
    }

    /// Entries of the table of legs that are WebRTC, in 1 MiB: two or four for each media stream of one, two for its group,
    /// and some more where a stream has a name of its own. That is enough for 10,000 calls between a browser and a phone.
    private static var legs: Int { 65_536 }

    /// Bytes of all.
    var size: Int { fleetStart &+ (sharesCalls ? FleetState.size(nodes: capacity, entries: roundedEntries) : 0) }

    fileprivate var legsStart: Int { nodesSize &+ callsSize }
    fileprivate var watchedStart: Int { legsStart &+ legsSize }
    fileprivate var linesStart: Int { watchedStart &+ WatchedStreams.size }

    fileprivate var fleetStart: Int { (linesStart &+ JobDelivery.size(processes) &+ 63) & ~63 }

    /// As many as the call table has room for: it rounds up.
    fileprivate var roundedEntries: Int { max(entries, 0) &+ 16 }

    /// Lays all out in `block`, which is zeroed and shared, at `tick`. Once, before the fork. nil where the system has
    /// no descriptors left.
    @_optimize(size)
    func create(
        in block: UnsafeMutableRawPointer, size: Int, _ nodes: [NodeDefinition], tick: UInt32
    ) throws(SharedStateError) -> SharedMemory? {
        guard size >= self.size else { throw .tooSmall }
        // SAFETY: every part lies within `size`, checked above.
        unsafe try NodeTable.create(in: block, size: nodesSize, nodes, capacity: capacity, tick: tick)
        // NO TRAP: every part lies within `size`, checked above.
        if callsSize > 0 { unsafe try CallTable.create(in: block + nodesSize, size: callsSize, entries: entries) }
        // NO TRAP: every part lies within `size`, checked above.
        unsafe try CallTable.create(in: block + legsStart, size: legsSize, entries: Self.legs)
        // NO TRAP: every part lies within what create has compared with the size.
        let memory = unsafe SharedMemory(block: block, parts: self, signals: [])
        memory.fleet?.start(at: WallClock.microseconds())
        guard let signals = unsafe JobDelivery.create(in: block + linesStart, count: processes) else { return nil }
        return unsafe SharedMemory(block: block, parts: self, signals: signals)
    }
}

/// A block that is laid out, as each process attaches to it.
@safe struct SharedMemory {
    private let block: UnsafeMutableRawPointer
    private let parts: SharedBlock
    /// What the asynchronous processes' signals are found by.
    private let signals: [Int32]

    fileprivate init(block: UnsafeMutableRawPointer, parts: SharedBlock, signals: [Int32]) {
        // SAFETY: every part lies within what create has compared with the size.
        unsafe self.block = block
        self.parts = parts
        self.signals = signals
    }

    /// One process's view of the nodes.
    func nodes() throws(SharedStateError) -> NodeTable {
        // SAFETY (here and below): it lies within what `create` has laid out, and stays mapped while the server runs.
        unsafe try NodeTable(attaching: block, size: parts.nodesSize)
    }

    /// One process's view of the calls; nil where they are not remembered.
    func calls() throws(SharedStateError) -> CallTable? {
        guard parts.callsSize > 0 else { return nil }
        // SAFETY: the parts lie within the block, which is mapped as long as the server runs.
        // NO TRAP: the parts lie within the block, which is mapped as long as the server runs.
        return unsafe try CallTable(
            attaching: block + parts.nodesSize, size: parts.callsSize, lifetime: parts.callLifetime, fleet: fleet)
    }

    /// What calls are shared with other hosts by; nil: they are not.
    var fleet: FleetState? {
        guard parts.sharesCalls else { return nil }
        // SAFETY: the parts lie within the block, which is mapped as long as the server runs.
        // NO TRAP: the parts lie within the block.
        return unsafe FleetState(
            attaching: block + parts.fleetStart, nodes: parts.capacity, entries: parts.roundedEntries)
    }

    /// One process's view of the legs that are WebRTC.
    func legs() throws(SharedStateError) -> CallTable {
        // SAFETY: the parts lie within the block, which is mapped as long as the server runs.
        // NO TRAP: the parts lie within the block, which is mapped as long as the server runs.
        unsafe try CallTable(
            attaching: block + parts.legsStart, size: parts.legsSize, lifetime: parts.callLifetime)
    }

    /// The streams of browsers that are to be looked at.
    var watched: WatchedStreams {
        // SAFETY (1): every part lies within what create has compared with the size.
        unsafe WatchedStreams(attaching: block + parts.watchedStart)
    }

    /// One process's end of the delivery to the asynchronous processes.
    func delivery() -> JobDelivery {
        // SAFETY (1): every part lies within what create has compared with the size.
        unsafe JobDelivery(attaching: block + parts.linesStart, signals: signals)
    }
}
