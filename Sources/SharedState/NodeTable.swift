// SPDX-License-Identifier: GPL-2.0-or-later
// The table of all RTPProxies in shared memory: laid out once before the fork, attached by each process.
//
// SAFETY (37 in this file): slot() gives nil outside, and the block stays mapped as long as the table lives.

import Bytes
import Synchronization

/// Why a block of memory is not taken.
package enum SharedStateError: Error, Equatable {
    /// Smaller than the layout needs.
    case tooSmall
    /// Not aligned to 64 bytes.
    case misaligned
    /// Not laid out, or by another build: magic, version, stride or counts differ.
    case foreign
}

/// One entry of the configuration, to be laid out.
package struct NodeDefinition: Equatable, Sendable {
    /// Id of the set it belongs to.
    package let setID: UInt32
    /// As written in the configuration, at most `NodeTableLayout.maximumURLLength` bytes.
    package let url: [UInt8]
    /// 0: used only while no entry of its set with a weight is up.
    package let weight: UInt32
    /// Switched off until the operator switches it on.
    package let startsDisabled: Bool
    /// Its position among all entries, in order of definition, from 0.
    package let index: UInt32

    package init(setID: UInt32, url: [UInt8], weight: UInt32 = 1, startsDisabled: Bool = false, index: UInt32 = 0) {
        self.setID = setID
        self.url = url
        self.weight = weight
        self.startsDisabled = startsDisabled
        self.index = index
    }
}

/// How a table lies in its block: header, slots, texts of the URLs, figures.
package struct NodeTableLayout: Sendable {
    /// Longest URL that is taken, in bytes.
    package static let maximumURLLength = 255
    static let magic: UInt64 = 0x7274_7070_6E6F_6465
    static let version: UInt32 = 3
    static let headerSize = 64
    static var slotStride: Int { (MemoryLayout<NodeSlot>.stride &+ 63) & ~63 }
    static let textStride = 256
    /// Beside the slots: what calls look at for choosing a node stays close together.
    static var figuresStride: Int { (MemoryLayout<NodeFigures>.stride &+ 63) & ~63 }

    /// How many nodes the table holds.
    package let capacity: Int

    package init(capacity: Int) { self.capacity = capacity > 0 ? capacity : 0 }

    /// Bytes that the block needs.
    package var size: Int { Self.headerSize &+ capacity &* (Self.slotStride &+ Self.textStride &+ Self.figuresStride) }

    var textStart: Int { Self.headerSize &+ capacity &* Self.slotStride }

    var figuresStart: Int { textStart &+ capacity &* Self.textStride }
}

struct NodeTableHeader: ~Copyable {
    var magic: UInt64
    var version: UInt32
    var slotStride: UInt32
    var capacity: UInt32
    /// Slots that have ever held a node, or were about to: those behind are free.
    let used = Atomic<UInt32>(0)
    /// Grows with each change of a condition or of the pool, so that a process can keep what it derived from them.
    let changes = Atomic<UInt64>(1)
    /// Grows with each change of the pool.
    let membership = Atomic<UInt64>(1)
    /// Tick plus one at which the pool's lock was taken; 0: nobody has it.
    let lock = Atomic<UInt64>(0)
    var figuresStride: UInt32
}

/// The table as one process sees it. Looks are bounded: an index outside is an absent node.
@safe package struct NodeTable: ~Copyable {
    let base: UnsafeMutableRawPointer
    let layout: NodeTableLayout

    /// Lays `definitions` out in `block`, which is zeroed and shared, with room for `capacity` nodes (at least as
    /// many as there are). `tick`: now. Once, before the fork.
    package static func create(
        in block: UnsafeMutableRawPointer, size: Int, _ definitions: [NodeDefinition], capacity: Int = 0,
        tick: UInt32 = 0
    ) throws(SharedStateError) {
        let layout = NodeTableLayout(capacity: max(capacity, definitions.count))
        guard size >= layout.size else { throw .tooSmall }
        guard UInt(bitPattern: block) & 63 == 0 else { throw .misaligned }
        // SAFETY: the block has layout.size bytes, checked above, and nobody else sees it yet.
        // NO TRAP (5): the block has layout.size bytes, checked above, which holds `capacity` of each; capacity is at
        // least 0.
        unsafe block.bindMemory(to: NodeTableHeader.self, capacity: 1).initialize(
            to: NodeTableHeader(
                magic: NodeTableLayout.magic, version: NodeTableLayout.version,
                slotStride: UInt32(truncatingIfNeeded: NodeTableLayout.slotStride),
                capacity: UInt32(truncatingIfNeeded: layout.capacity),
                figuresStride: UInt32(truncatingIfNeeded: NodeTableLayout.figuresStride)))
        for index in 0..<layout.capacity {
            // SAFETY: index < capacity, so slot and figures lie within layout.size.
            unsafe (block + NodeTableLayout.headerSize + index * NodeTableLayout.slotStride)
                .bindMemory(to: NodeSlot.self, capacity: 1).initialize(to: NodeSlot())
            unsafe (block + layout.figuresStart + index * NodeTableLayout.figuresStride)
                .bindMemory(to: NodeFigures.self, capacity: 1).initialize(to: NodeFigures())
        }
        let table = unsafe try NodeTable(attaching: block, size: size)
        for definition in definitions {
            if let node = table.add(definition) { table.noteCondition(node, tick: tick) }
        }
    }

    /// Attaches to a block that `create` has laid out; it stays mapped as long as the table lives.
    package init(attaching block: UnsafeMutableRawPointer, size: Int) throws(SharedStateError) {
        guard size >= NodeTableLayout.headerSize else { throw .tooSmall }
        guard UInt(bitPattern: block) & 63 == 0 else { throw .misaligned }
        // SAFETY: the block holds a header, compared first.
        let header = unsafe block.assumingMemoryBound(to: NodeTableHeader.self)
        let layout = unsafe NodeTableLayout(capacity: Int(widening: header.pointee.capacity))
        guard unsafe header.pointee.magic == NodeTableLayout.magic,
            unsafe header.pointee.version == NodeTableLayout.version,
            unsafe header.pointee.slotStride == UInt32(truncatingIfNeeded: NodeTableLayout.slotStride),
            unsafe header.pointee.figuresStride == UInt32(truncatingIfNeeded: NodeTableLayout.figuresStride),
            unsafe header.pointee.used.load(ordering: .acquiring) <= header.pointee.capacity
        else { throw .foreign }
        guard size >= layout.size else { throw .tooSmall }
        unsafe self.base = block
        self.layout = layout
    }

    /// Nodes there is room for.
    package var capacity: Int { layout.capacity }

    /// Slots to look at: the nodes are among the first `count`.
    // SAFETY: it is there as long as the table lives.
    package var count: Int { unsafe min(Int(widening: header.pointee.used.load(ordering: .acquiring)), capacity) }

    // SAFETY: create() has initialised the header, and attaching has checked it.
    var header: UnsafeMutablePointer<NodeTableHeader> {
        unsafe base.assumingMemoryBound(to: NodeTableHeader.self)
    }

    // SAFETY: create() has initialised `capacity` slots; an index outside gives nil.
    func slot(_ index: Int) -> UnsafeMutablePointer<NodeSlot>? {
        guard index >= 0, index < capacity else { return nil }
        // NO TRAP: 0 <= index < capacity, checked by the guard above, and attaching has checked that all of them fit.
        return unsafe (base + NodeTableLayout.headerSize + index * NodeTableLayout.slotStride)
            .assumingMemoryBound(to: NodeSlot.self)
    }

    // SAFETY: as for the slots.
    func figuresMemory(_ index: Int) -> UnsafeMutablePointer<NodeFigures>? {
        guard index >= 0, index < capacity else { return nil }
        // NO TRAP: 0 <= index < capacity, checked by the guard above, and attaching has checked that all of them fit.
        return unsafe (base + layout.figuresStart + index * NodeTableLayout.figuresStride)
            .assumingMemoryBound(to: NodeFigures.self)
    }

    // MARK: What the pool says of a node

    /// Whether node `index` is one.
    package func life(_ index: Int) -> NodeMembership {
        NodeMembership(rawValue: unsafe slot(index)?.pointee.life.load(ordering: .acquiring) ?? 0) ?? .free
    }
    /// Id of the set that it belongs to.
    package func setID(_ index: Int) -> UInt32 { unsafe slot(index)?.pointee.setID.load(ordering: .relaxed) ?? 0 }
    /// Its weight.
    package func weight(_ index: Int) -> UInt32 { unsafe slot(index)?.pointee.weight.load(ordering: .relaxed) ?? 0 }
    /// Whether its definition, as read last, switches it off.
    package func startsDisabled(_ index: Int) -> Bool {
        unsafe slot(index)?.pointee.startsDisabled.load(ordering: .relaxed) ?? 0 != 0
    }
    /// Its position in order of definition, from 0.
    package func definitionIndex(_ index: Int) -> UInt32 {
        unsafe slot(index)?.pointee.definitionIndex.load(ordering: .relaxed) ?? 0
    }

    /// Lends the URL of node `index` as configured; empty where there is no such node.
    package func withURL<Result>(_ index: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        // SAFETY: urlMemory() never reaches beyond the place of the slot's text.
        let memory = unsafe urlMemory(index)
        return unsafe body(Span(_unsafeElements: memory))
    }

    /// Where the URL of node `index` stands: for lending it beyond a call, it never moves while the node is one.
    package func urlMemory(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        guard let slot = unsafe slot(index) else { return unsafe UnsafeBufferPointer(start: nil, count: 0) }
        // SAFETY: it is there as long as the table lives.
        let length = unsafe min(
            Int(widening: slot.pointee.urlLength.load(ordering: .relaxed)), NodeTableLayout.maximumURLLength)
        // SAFETY: the text of each slot has its place of textStride bytes in the block.
        // NO TRAP: slot() was not nil: index < capacity.
        let start = unsafe base + layout.textStart + index * NodeTableLayout.textStride
        return unsafe UnsafeBufferPointer(start: start.assumingMemoryBound(to: UInt8.self), count: length)
    }

    // MARK: Condition

    /// Whether node `index` gets no new calls while existing ones go on.
    package func isDraining(_ index: Int) -> Bool {
        unsafe slot(index)?.pointee.isDraining.load(ordering: .acquiring) ?? 0 != 0
    }
    /// The operator wants no new calls on it, or wants them again.
    package func setDraining(_ index: Int, _ isDraining: Bool) {
        unsafe slot(index)?.pointee.isDraining.store(isDraining ? 1 : 0, ordering: .releasing)
        noteChange()
    }

    /// A tick that does not come: a node that is down until then waits for the operator.
    package static var never: UInt32 { NodeSlot.never }

    /// Whether it takes commands; an absent node is disabled.
    package func condition(_ index: Int) -> NodeCondition { unsafe slot(index)?.pointee.condition ?? .disabled }

    /// See `NodeSlot.fail(recheck:)`: true for the winner.
    package func fail(_ index: Int, recheck: UInt32) -> Bool {
        let won = unsafe slot(index)?.pointee.fail(recheck: recheck) ?? false
        if won { noteChange() }
        return won
    }

    /// See `NodeSlot.postpone(recheck:)`.
    package func postpone(_ index: Int, recheck: UInt32) { unsafe slot(index)?.pointee.postpone(recheck: recheck) }

    /// See `NodeSlot.revive()`: what the node was before, nil where nothing changed.
    package func revive(_ index: Int) -> NodeCondition? {
        let previous = unsafe slot(index)?.pointee.revive()
        if previous != nil { noteChange() }
        return previous
    }

    /// The operator switches it off for good, or on.
    package func setEnabled(_ index: Int, _ isEnabled: Bool) {
        if isEnabled { unsafe slot(index)?.pointee.enable() } else { unsafe slot(index)?.pointee.disable() }
        noteChange()
    }

    /// Grows with each change of a condition.
    // SAFETY: the header is there as long as the table lives.
    package var changes: UInt64 { unsafe header.pointee.changes.load(ordering: .acquiring) }

    // SAFETY: the header is there as long as the table lives.
    func noteChange() { unsafe header.pointee.changes.wrappingAdd(1, ordering: .releasing) }

    // MARK: What exchanges tell

    /// How long node `index` takes to answer, nil without a sample.
    package func roundTrip(_ index: Int) -> RoundTrip? { unsafe slot(index)?.pointee.roundTrip.value }
    /// Takes the time, in nanoseconds, that a command took which was sent once.
    package func sampleRoundTrip(_ index: Int, nanoseconds: UInt64) {
        unsafe slot(index)?.pointee.roundTrip.sample(nanoseconds)
        unsafe figuresMemory(index)?.pointee.roundTrips.count(nanoseconds: nanoseconds)
    }

    /// Takes room for `commands` to node `index`; nil where so many are under way that its buffer may not hold them.
    /// `now`: nanoseconds of the monotonic clock.
    package func takeRoom(_ index: Int, commands: Int, now: UInt64) -> CommandRoom? {
        guard let slot = unsafe slot(index) else { return CommandRoom(commands: 0, slot: 0) }
        let limit = unsafe CommandsInFlight.limit(shortestRoundTrip: slot.pointee.roundTrip.shortest)
        return unsafe slot.pointee.inFlight.take(UInt32(clamping: commands), limit: limit, now: now)
    }
    /// Connections with a command each that all processes together have open to a node at most.
    package static var connections: Int { ConnectionSeats.count }

    /// Takes room for connections to node `index` with a command each, at most `count`; nil where there is none. They
    /// are closed by `end` in any case.
    package func takeConnections(_ index: Int, atMost count: Int, now: UInt64, until end: UInt64) -> CommandRoom? {
        guard let slot = unsafe slot(index) else { return nil }
        return unsafe slot.pointee.seats.take(atMost: UInt32(clamping: count), now: now, until: end)
    }
    /// Gives room back once the commands have been answered, or the connections are closed.
    package func giveBack(_ room: CommandRoom, _ index: Int) {
        guard let slot = unsafe slot(index) else { return }
        if room.isConnections {
            unsafe slot.pointee.seats.giveBack(room)
        } else {
            unsafe slot.pointee.inFlight.giveBack(room)
        }
    }

    /// When node `index` answered last, in nanoseconds of the monotonic clock; 0: never, as far as is known.
    package func answeredAt(_ index: Int) -> UInt64 {
        unsafe slot(index)?.pointee.answeredAt.load(ordering: .relaxed) ?? 0
    }
    /// Node `index` has answered, at `time`. One store: of two processes that note it at once either will do.
    package func noteAnswer(_ index: Int, at time: UInt64) {
        unsafe slot(index)?.pointee.answeredAt.store(time, ordering: .relaxed)
    }

    /// Whether somebody wants to know at once whether node `index` is there.
    package func isLookWanted(_ index: Int) -> Bool {
        unsafe slot(index)?.pointee.isLookWanted.load(ordering: .relaxed) ?? 0 != 0
    }
    /// Somebody wants to know that, or the question is on its way.
    package func setLookWanted(_ index: Int, _ isWanted: Bool) {
        unsafe slot(index)?.pointee.isLookWanted.store(isWanted ? 1 : 0, ordering: .relaxed)
    }

    /// Calls in a row from which a node is tried last.
    package static var suspicion: UInt32 { 3 }

    /// Calls in a row that did not wait for an answer of node `index` any longer.
    package func silences(_ index: Int) -> UInt32 {
        unsafe slot(index)?.pointee.silences.load(ordering: .relaxed) ?? 0
    }

    /// A call went on without an answer of node `index`. True: from now on it is tried last.
    @discardableResult
    package func noteSilence(_ index: Int) -> Bool {
        let now = unsafe slot(index)?.pointee.silences.wrappingAdd(1, ordering: .relaxed).newValue
        guard now == Self.suspicion else { return false }
        noteChange()
        return true
    }

    /// Node `index` has answered. True: it was tried last, and is no longer.
    @discardableResult
    package func noteAnswer(_ index: Int) -> Bool {
        guard silences(index) != 0 else { return false }
        let before = unsafe slot(index)?.pointee.silences.exchange(0, ordering: .relaxed) ?? 0
        guard before >= Self.suspicion else { return false }
        noteChange()
        return true
    }

    // MARK: What probes find out, and the address, which only the module's own process writes

    /// Raw value of the capabilities that it has shown, 0 before.
    package func capabilities(_ index: Int) -> UInt32 { unsafe slot(index)?.pointee.capabilities ?? 0 }
    package func setCapabilities(_ index: Int, _ value: UInt32) { unsafe slot(index)?.pointee.capabilities = value }

    /// Its address, nil while there is none.
    package func address(_ index: Int) -> NodeAddress? { unsafe slot(index)?.pointee.address }
    /// Version of the address, 0 never published.
    package func addressVersion(_ index: Int) -> UInt32 { unsafe slot(index)?.pointee.version ?? 0 }
    /// Gives it an address, about which nothing is known yet.
    package func publishAddress(_ index: Int, _ address: NodeAddress) {
        unsafe slot(index)?.pointee.publish(address)
        unsafe slot(index)?.pointee.roundTrip.reset()
        noteAnswer(index, at: 0)
    }
}
