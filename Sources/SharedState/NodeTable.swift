// SPDX-License-Identifier: GPL-2.0-or-later
// The table of all RTPProxies in shared memory: laid out once before the fork, attached by each process.

import Synchronization

/// Why a block of memory is not taken.
public enum SharedStateError: Error, Equatable {
    /// Smaller than the layout needs.
    case tooSmall
    /// Not aligned to 64 bytes.
    case misaligned
    /// Not laid out, or by another build: magic, version, stride or counts differ.
    case foreign
}

/// One entry of the configuration, to be laid out.
public struct NodeDefinition: Equatable, Sendable {
    /// Id of the set it belongs to.
    public let setID: UInt32
    /// As written in the configuration, at most `NodeTableLayout.maximumURLLength` bytes.
    public let url: [UInt8]
    /// 0: used only while no entry of its set with a weight is up.
    public let weight: UInt32
    /// Switched off until the operator switches it on.
    public let startsDisabled: Bool
    /// Its position among all entries, in order of definition, from 0.
    public let index: UInt32

    public init(setID: UInt32, url: [UInt8], weight: UInt32 = 1, startsDisabled: Bool = false, index: UInt32 = 0) {
        self.setID = setID
        self.url = url
        self.weight = weight
        self.startsDisabled = startsDisabled
        self.index = index
    }
}

/// How a table lies in its block: header, slots, texts of the URLs.
public struct NodeTableLayout: Sendable {
    /// Longest URL that is taken, in bytes.
    public static let maximumURLLength = 255
    static let magic: UInt64 = 0x7274_7070_6E6F_6465
    static let version: UInt32 = 1
    static let headerSize = 64
    static var slotStride: Int { (MemoryLayout<NodeSlot>.stride &+ 63) & ~63 }
    static let textStride = 256

    /// How many nodes the table holds.
    public let capacity: Int

    public init(capacity: Int) { self.capacity = capacity > 0 ? capacity : 0 }

    /// Bytes that the block needs.
    public var size: Int { Self.headerSize &+ capacity &* (Self.slotStride &+ Self.textStride) }

    var textStart: Int { Self.headerSize &+ capacity &* Self.slotStride }
}

struct NodeTableHeader: ~Copyable {
    var magic: UInt64
    var version: UInt32
    var slotStride: UInt32
    var capacity: UInt32
    var count: UInt32
    /// Grows with each change of a condition, so that a process can keep what it derived from all of them.
    let changes = Atomic<UInt64>(1)
}

/// The table as one process sees it. Looks are bounded: an index outside is an absent node.
@safe public struct NodeTable: ~Copyable {
    private let base: UnsafeMutableRawPointer
    private let layout: NodeTableLayout
    /// Number of nodes.
    public let count: Int

    /// Lays `definitions` out in `block`, which is zeroed and shared. Once, before the fork.
    public static func create(
        in block: UnsafeMutableRawPointer, size: Int, _ definitions: [NodeDefinition]
    ) throws(SharedStateError) {
        let layout = NodeTableLayout(capacity: definitions.count)
        guard size >= layout.size else { throw .tooSmall }
        guard UInt(bitPattern: block) & 63 == 0 else { throw .misaligned }
        // SAFETY: the block has layout.size bytes, checked above, and nobody else sees it yet.
        unsafe block.bindMemory(to: NodeTableHeader.self, capacity: 1).initialize(
            to: NodeTableHeader(
                magic: NodeTableLayout.magic, version: NodeTableLayout.version,
                slotStride: UInt32(truncatingIfNeeded: NodeTableLayout.slotStride),
                capacity: UInt32(truncatingIfNeeded: layout.capacity),
                count: UInt32(truncatingIfNeeded: definitions.count)))
        for (index, definition) in definitions.enumerated() {
            let length = min(definition.url.count, NodeTableLayout.maximumURLLength)
            let textOffset = layout.textStart &+ index &* NodeTableLayout.textStride
            var slot = NodeSlot()
            slot.setID = definition.setID
            slot.weight = definition.weight
            slot.definitionIndex = definition.index
            slot.urlOffset = UInt32(truncatingIfNeeded: textOffset)
            slot.urlLength = UInt32(truncatingIfNeeded: length)
            if definition.startsDisabled { slot.disable() }
            // SAFETY: index < capacity, so slot and text lie within layout.size.
            unsafe (block + NodeTableLayout.headerSize + index * NodeTableLayout.slotStride)
                .bindMemory(to: NodeSlot.self, capacity: 1).initialize(to: slot)
            for position in 0..<length {
                unsafe block.storeBytes(
                    of: definition.url[position], toByteOffset: textOffset &+ position, as: UInt8.self)
            }
        }
    }

    /// Attaches to a block that `create` has laid out; it stays mapped as long as the table lives.
    public init(attaching block: UnsafeMutableRawPointer, size: Int) throws(SharedStateError) {
        guard size >= NodeTableLayout.headerSize else { throw .tooSmall }
        guard UInt(bitPattern: block) & 63 == 0 else { throw .misaligned }
        let header = unsafe block.assumingMemoryBound(to: NodeTableHeader.self)
        let count = unsafe Int(header.pointee.count)
        let layout = unsafe NodeTableLayout(capacity: Int(header.pointee.capacity))
        guard unsafe header.pointee.magic == NodeTableLayout.magic,
            unsafe header.pointee.version == NodeTableLayout.version,
            unsafe header.pointee.slotStride == UInt32(truncatingIfNeeded: NodeTableLayout.slotStride),
            count <= layout.capacity
        else { throw .foreign }
        guard size >= layout.size else { throw .tooSmall }
        unsafe self.base = block
        self.layout = layout
        self.count = count
    }

    // SAFETY: create() has initialised the header, and attaching has checked it.
    private var header: UnsafeMutablePointer<NodeTableHeader> {
        unsafe base.assumingMemoryBound(to: NodeTableHeader.self)
    }

    // SAFETY: create() has initialised `count` slots; an index outside gives nil.
    private func slot(_ index: Int) -> UnsafeMutablePointer<NodeSlot>? {
        guard index >= 0, index < count else { return nil }
        return unsafe (base + NodeTableLayout.headerSize + index * NodeTableLayout.slotStride)
            .assumingMemoryBound(to: NodeSlot.self)
    }

    // MARK: What does not change

    /// Id of the set that node `index` belongs to.
    public func setID(_ index: Int) -> UInt32 { unsafe slot(index)?.pointee.setID ?? 0 }
    /// Its weight.
    public func weight(_ index: Int) -> UInt32 { unsafe slot(index)?.pointee.weight ?? 0 }
    /// Its position in order of definition, from 0.
    public func definitionIndex(_ index: Int) -> UInt32 { unsafe slot(index)?.pointee.definitionIndex ?? 0 }

    /// Lends the URL of node `index` as configured; empty where there is no such node.
    public func withURL<Result>(_ index: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        guard let slot = unsafe slot(index) else { return body(Span()) }
        // SAFETY: create() has written urlLength <= maximumURLLength bytes at urlOffset, inside the block.
        let start = unsafe base + Int(slot.pointee.urlOffset)
        return unsafe body(
            Span(_unsafeStart: start.assumingMemoryBound(to: UInt8.self), count: Int(slot.pointee.urlLength)))
    }

    /// Where the URL of node `index` stands: for lending it beyond a call, it never moves.
    public func urlMemory(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        guard let slot = unsafe slot(index) else { return unsafe UnsafeBufferPointer(start: nil, count: 0) }
        let start = unsafe base + Int(slot.pointee.urlOffset)
        return unsafe UnsafeBufferPointer(
            start: start.assumingMemoryBound(to: UInt8.self), count: Int(slot.pointee.urlLength))
    }

    // MARK: Condition

    /// A tick that does not come: a node that is down until then waits for the operator.
    public static var never: UInt32 { NodeSlot.never }

    /// Whether it takes commands; an absent node is disabled.
    public func condition(_ index: Int) -> NodeCondition { unsafe slot(index)?.pointee.condition ?? .disabled }

    /// See `NodeSlot.fail(recheck:)`: true for the winner.
    public func fail(_ index: Int, recheck: UInt32) -> Bool {
        let won = unsafe slot(index)?.pointee.fail(recheck: recheck) ?? false
        if won { noteChange() }
        return won
    }

    /// See `NodeSlot.postpone(recheck:)`.
    public func postpone(_ index: Int, recheck: UInt32) { unsafe slot(index)?.pointee.postpone(recheck: recheck) }

    /// See `NodeSlot.revive()`: what the node was before, nil where nothing changed.
    public func revive(_ index: Int) -> NodeCondition? {
        let previous = unsafe slot(index)?.pointee.revive()
        if previous != nil { noteChange() }
        return previous
    }

    /// The operator switches it off for good, or on.
    public func setEnabled(_ index: Int, _ isEnabled: Bool) {
        if isEnabled { unsafe slot(index)?.pointee.enable() } else { unsafe slot(index)?.pointee.disable() }
        noteChange()
    }

    /// Grows with each change of a condition.
    public var changes: UInt64 { unsafe header.pointee.changes.load(ordering: .acquiring) }

    private func noteChange() { unsafe header.pointee.changes.add(1, ordering: .releasing) }

    // MARK: What exchanges tell

    /// How long node `index` takes to answer, nil without a sample.
    public func roundTrip(_ index: Int) -> RoundTrip? { unsafe slot(index)?.pointee.roundTrip.value }
    /// Takes the time, in nanoseconds, that a command took which was sent once.
    public func sampleRoundTrip(_ index: Int, nanoseconds: UInt64) {
        unsafe slot(index)?.pointee.roundTrip.sample(nanoseconds)
    }

    // MARK: What the module's own process writes

    /// Raw value of the capabilities that it has shown, 0 before.
    public func capabilities(_ index: Int) -> UInt32 { unsafe slot(index)?.pointee.capabilities ?? 0 }
    public func setCapabilities(_ index: Int, _ value: UInt32) { unsafe slot(index)?.pointee.capabilities = value }

    /// Its address, nil while there is none.
    public func address(_ index: Int) -> NodeAddress? { unsafe slot(index)?.pointee.address }
    /// Version of the address, 0 never published.
    public func addressVersion(_ index: Int) -> UInt32 { unsafe slot(index)?.pointee.version ?? 0 }
    /// Leaves it without an address.
    public func forgetAddress(_ index: Int) { publishAddress(index, NodeAddress(words: (0, 0, 0))) }
    /// Gives it an address, about which nothing is known yet.
    public func publishAddress(_ index: Int, _ address: NodeAddress) {
        unsafe slot(index)?.pointee.publish(address)
        unsafe slot(index)?.pointee.roundTrip.reset()
    }
}
