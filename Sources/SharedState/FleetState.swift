// SPDX-License-Identifier: GPL-2.0-or-later
// What hosts that share calls need beside the tables: a clock, the calls that have changed, when each entry of the call
// table was changed, and names of nodes that only other hosts know.
//
// Why this is sound. Each word stands alone. A process that changes an entry of the call table stamps it and puts its key
// into the ring, by one addition and one exchange: it never waits, and whoever dies in between leaves an empty place that
// the reader passes by after a while. What the ring holds is only that a call has changed; what it has become is read
// from the table when it is sent, so that two changes may be told of in one go and in any order. A ring that is full
// loses keys and counts them, and the other hosts ask for what they have missed.
//
// One thing is locked: a bucket of the call table, for the moment in which a call's key, value and stamp are written.
// Whoever finds it locked looks again, for some milliseconds at most, and then goes on as if it was free: its holder has
// died, or has not run for so long. What two that write at once cost is a question to the wrong RTPProxy, or an entry that
// nobody needs.
//
// SAFETY (46 in this file): each index is taken modulo the size of its part, or compared with it, and the block is mapped
// as long as the server runs.

import Bytes
import Synchronization

/// A word that processes share.
struct SharedWord: ~Copyable {
    let value = Atomic<UInt64>(0)
}

struct FleetHeader: ~Copyable {
    /// Microseconds since 1970 or later: see `FleetState.now`.
    let clock = Atomic<UInt64>(0)
    /// When this server started, by that clock.
    let epoch = Atomic<UInt64>(0)
    /// Keys that were put into the ring since start.
    let pushed = Atomic<UInt64>(0)
    /// Keys of the ring that were lost because it was full.
    let lost = Atomic<UInt64>(0)
    /// Whether the other hosts are to hear of this one at once: 1 yes.
    let isGreetingWanted = Atomic<UInt32>(0)
}

/// What hosts share calls by, as one process sees it.
@safe package struct FleetState {
    /// Changes that the ring holds.
    package static let ringSize = 16_384
    /// Other hosts.
    package static let mostPeers = 16
    /// Nodes that only other hosts know.
    package static let mostForeign = 256
    private static let headerSize = 64
    static let peerStride = 256

    private let base: UnsafeMutableRawPointer
    /// Nodes of the node table.
    private let nodes: Int
    /// Entries of the call table.
    private let entries: Int

    private static var fixedSize: Int {
        headerSize &+ ringSize &* 8 &+ mostPeers &* peerStride &+ mostForeign &* 16
    }

    /// Bytes that are needed for so many nodes and entries of the call table.
    package static func size(nodes: Int, entries: Int) -> Int {
        (fixedSize &+ max(nodes, 0) &* 8 &+ max(entries, 0) &* 8 &+ locks(max(entries, 0)) &* 8 &+ 63) & ~63
    }

    /// Locks of the buckets of so many entries.
    private static func locks(_ entries: Int) -> Int { entries / CallTable.bucketSize &+ 1 }

    /// Attaches to a block of that size, which was zeroed before the fork, and is aligned to 64.
    package init(attaching block: UnsafeMutableRawPointer, nodes: Int, entries: Int) {
        unsafe base = block
        self.nodes = max(nodes, 0)
        self.entries = max(entries, 0)
    }

    // Zero is what every word begins with.
    var header: UnsafeMutablePointer<FleetHeader> { unsafe base.assumingMemoryBound(to: FleetHeader.self) }

    private func word(at offset: Int) -> UnsafeMutablePointer<SharedWord> {
        // NO TRAP: callers give an offset within the block.
        unsafe (base + offset).assumingMemoryBound(to: SharedWord.self)
    }

    private func ringPlace(_ number: UInt64) -> UnsafeMutablePointer<SharedWord> {
        let place = Int(truncatingIfNeeded: number & UInt64(truncatingIfNeeded: Self.ringSize &- 1))
        return unsafe word(at: Self.headerSize &+ place &* 8)
    }

    func peerSlot(_ peer: Int) -> UnsafeMutablePointer<FleetPeer>? {
        guard peer >= 0, peer < Self.mostPeers else { return nil }
        // NO TRAP: compared first.
        return unsafe (base + Self.headerSize + Self.ringSize &* 8 + peer &* Self.peerStride)
            .assumingMemoryBound(to: FleetPeer.self)
    }

    private func foreignWord(_ place: Int) -> UnsafeMutablePointer<SharedWord>? {
        guard place >= 0, place < Self.mostForeign else { return nil }
        let start = Self.headerSize &+ Self.ringSize &* 8 &+ Self.mostPeers &* Self.peerStride
        return unsafe word(at: start &+ place &* 16)
    }

    private func nodeWord(_ node: Int) -> UnsafeMutablePointer<SharedWord>? {
        guard node >= 0, node < nodes else { return nil }
        return unsafe word(at: Self.fixedSize &+ node &* 8)
    }

    private func stampWord(_ entry: Int) -> UnsafeMutablePointer<SharedWord>? {
        guard entry >= 0, entry < entries else { return nil }
        return unsafe word(at: Self.fixedSize &+ nodes &* 8 &+ entry &* 8)
    }

    private func lockWord(_ bucket: Int) -> UnsafeMutablePointer<SharedWord>? {
        guard bucket >= 0, bucket < Self.locks(entries) else { return nil }
        return unsafe word(at: Self.fixedSize &+ nodes &* 8 &+ entries &* 8 &+ bucket &* 8)
    }

    // MARK: The clock

    /// Begins: `time` is that of the wall, in microseconds since 1970. Once, before the fork.
    package func start(at time: UInt64) {
        unsafe header.pointee.clock.store(max(time, 1), ordering: .relaxed)
        unsafe header.pointee.epoch.store(max(time, 1), ordering: .releasing)
    }

    /// When this server started.
    package var epoch: UInt64 { unsafe header.pointee.epoch.load(ordering: .acquiring) }

    /// A time that nobody on this host has had before, and later than all that this host has heard of: microseconds since
    /// 1970, or what another host whose clock is ahead has said.
    package func stamp() -> UInt64 {
        unsafe header.pointee.clock.wrappingAdd(1, ordering: .acquiringAndReleasing).newValue
    }

    /// The time, without making it later.
    package var now: UInt64 { unsafe header.pointee.clock.load(ordering: .acquiring) }

    /// Moves the clock to `time`, if that is later.
    package func advance(to time: UInt64) { unsafe header.pointee.clock.max(time, ordering: .acquiringAndReleasing) }

    // MARK: Changed calls

    /// Notes that the call with this key has changed. Never waits.
    func push(_ key: UInt64) {
        let number = unsafe header.pointee.pushed.wrappingAdd(1, ordering: .acquiringAndReleasing).oldValue
        let before = unsafe ringPlace(number).pointee.value.exchange(key, ordering: .acquiringAndReleasing)
        if before != 0 { unsafe header.pointee.lost.wrappingAdd(1, ordering: .relaxed) }
    }

    /// Keys that were lost because the ring was full.
    package var lost: UInt64 { unsafe header.pointee.lost.load(ordering: .acquiring) }

    /// The key of a call that has changed, by the one process that reads them; nil: there is none, or the next one is
    /// being written. `isPatient`: whether that one is waited for.
    @_optimize(size)
    package func takeChange(_ reader: inout FleetRingReader, isPatient: Bool) -> UInt64? {
        let pushed = unsafe header.pointee.pushed.load(ordering: .acquiring)
        if pushed &- reader.next > UInt64(truncatingIfNeeded: Self.ringSize) {
            reader.next = pushed &- UInt64(truncatingIfNeeded: Self.ringSize)
        }
        while reader.next != pushed {
            let key = unsafe ringPlace(reader.next).pointee.value.exchange(0, ordering: .acquiringAndReleasing)
            if key == 0, isPatient { return nil }
            reader.next &+= 1
            if key != 0 { return key }
        }
        return nil
    }

    /// Whether the reader has more to take.
    package func hasChange(_ reader: FleetRingReader) -> Bool {
        unsafe header.pointee.pushed.load(ordering: .acquiring) != reader.next
    }

    // MARK: Stamps

    /// When an entry of the call table was changed last; 0: never.
    func entryStamp(_ entry: Int) -> UInt64 { unsafe stampWord(entry)?.pointee.value.load(ordering: .acquiring) ?? 0 }

    /// It was changed at `stamp`; 0: it is about to have another call. After its value was written: who reads the stamp
    /// first then never takes an old value for a new one.
    func setEntryStamp(_ entry: Int, _ stamp: UInt64) {
        unsafe stampWord(entry)?.pointee.value.store(stamp, ordering: .releasing)
    }

    /// Looks at a bucket that is locked: of some nanoseconds each.
    private static let patience = 4_000_000

    /// Keeps other processes from writing into a bucket of the call table.
    @_optimize(size)
    func lock(bucket: Int) {
        guard let word = unsafe lockWord(bucket) else { return }
        for _ in 0..<Self.patience where unsafe word.pointee.value.load(ordering: .relaxed) == 0 {
            let isOurs = unsafe word.pointee.value.compareExchange(
                expected: 0, desired: 1, ordering: .acquiringAndReleasing
            ).exchanged
            if isOurs { return }
        }
    }

    func unlock(bucket: Int) { unsafe lockWord(bucket)?.pointee.value.store(0, ordering: .releasing) }

    /// What the operator, or that of another host, has said of a node last.
    package func nodeSwitch(_ node: Int) -> NodeSwitch {
        NodeSwitch(word: unsafe nodeWord(node)?.pointee.value.load(ordering: .acquiring) ?? 0)
    }

    /// It was said; false: something else was said later, or the same.
    package func take(_ node: Int, _ said: NodeSwitch) -> Bool {
        guard let word = unsafe nodeWord(node) else { return false }
        return unsafe word.pointee.value.max(said.word, ordering: .acquiringAndReleasing).oldValue < said.word
    }

    /// Another node has this place, or none has.
    package func clearNodeStamp(_ node: Int) { unsafe nodeWord(node)?.pointee.value.store(0, ordering: .releasing) }

    // MARK: Nodes that only other hosts know

    /// The number, from 0, of a node that is known by its hash alone, from `tick` on (in seconds) for another `lifetime`;
    /// nil where there are too many. One that nobody has named for longer has no entry of the call table any more, and
    /// gives its number to another one.
    @_optimize(size)
    package func foreignNumber(_ hash: UInt64, tick: UInt32, lifetime: UInt32) -> Int? {
        guard hash != 0 else { return nil }
        for place in 0..<Self.mostForeign where foreignHash(place) == hash {
            noteForeign(place, tick)
            return place
        }
        for place in 0..<Self.mostForeign where take(place, for: hash, tick, lifetime) { return place }
        return nil
    }

    /// What was noted of a node that only other hosts know: when it was named last, in seconds, and whether the log has
    /// told of it.
    private func foreignNote(_ place: Int) -> UnsafeMutablePointer<SharedWord>? {
        // SAFETY (1): each has a second word.
        unsafe foreignWord(place).map { unsafe $0 + 1 }
    }

    private static let told: UInt64 = 1

    private func noteForeign(_ place: Int, _ tick: UInt32) {
        guard let note = unsafe foreignNote(place) else { return }
        let former = unsafe note.pointee.value.load(ordering: .relaxed)
        guard former >> 1 != UInt64(widening: tick) else { return }
        unsafe note.pointee.value.store(UInt64(widening: tick) << 1 | former & Self.told, ordering: .relaxed)
    }

    /// Takes a place that nobody has, or that nobody has named for so long. Of two that want it one gets it.
    @_optimize(size)
    private func take(_ place: Int, for hash: UInt64, _ tick: UInt32, _ lifetime: UInt32) -> Bool {
        guard let word = unsafe foreignWord(place), let note = unsafe foreignNote(place) else { return false }
        let (former, holder) = unsafe (
            note.pointee.value.load(ordering: .relaxed), word.pointee.value.load(ordering: .acquiring)
        )
        let named = UInt32(truncatingIfNeeded: former >> 1)
        guard holder == 0 || (tick > named && tick &- named > lifetime) else { return false }
        let taken = unsafe word.pointee.value.compareExchange(
            expected: holder, desired: hash, ordering: .acquiringAndReleasing)
        // Another process may have given it to the same node.
        guard taken.exchanged || taken.original == hash else { return false }
        unsafe note.pointee.value.store(UInt64(widening: tick) << 1, ordering: .relaxed)
        return true
    }

    /// The hash of the node with this number; 0: there is none.
    package func foreignHash(_ number: Int) -> UInt64 {
        unsafe foreignWord(number)?.pointee.value.load(ordering: .acquiring) ?? 0
    }

    /// Whether nobody has told of the node with this hash, and this process is to.
    package func isToTell(ofForeign hash: UInt64) -> Bool {
        for place in 0..<Self.mostForeign where hash != 0 && foreignHash(place) == hash {
            guard let note = unsafe foreignNote(place) else { return false }
            return unsafe note.pointee.value.bitwiseOr(Self.told, ordering: .relaxed).oldValue & Self.told == 0
        }
        return false
    }

    // MARK: Greetings

    /// The other hosts are to hear of this one at once.
    package func wantGreeting() { unsafe header.pointee.isGreetingWanted.store(1, ordering: .releasing) }

    /// Whether they are; not asked for again until somebody wants it.
    package func takeGreeting() -> Bool {
        unsafe header.pointee.isGreetingWanted.exchange(0, ordering: .acquiringAndReleasing) != 0
    }
}

/// What an operator has said of a node: one word, so that of two sayings one holds, and the same on every host.
package struct NodeSwitch: Equatable, Sendable {
    /// When; 0: never. Below 2^62.
    package let stamp: UInt64
    package let isDisabled: Bool
    package let isDraining: Bool

    package init(stamp: UInt64, isDisabled: Bool, isDraining: Bool) {
        self.stamp = stamp & (UInt64.max >> 2)
        self.isDisabled = isDisabled
        self.isDraining = isDraining
    }

    /// The stamp above two bits, so that the later one is the greater one.
    init(word: UInt64) { self.init(stamp: word >> 2, isDisabled: word & 1 != 0, isDraining: word & 2 != 0) }

    var word: UInt64 { stamp << 2 | (isDisabled ? 1 : 0) | (isDraining ? 2 : 0) }
}

/// How far the ring of changed calls has been read.
package struct FleetRingReader {
    var next: UInt64 = 0

    package init() {}
}
