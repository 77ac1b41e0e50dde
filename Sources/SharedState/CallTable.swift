// SPDX-License-Identifier: GPL-2.0-or-later
// Which RTPProxy holds a call: a table of fixed size that all processes share, and read without a lock.
//
// Why this is sound. An entry is two words. `key` is the call's 64-bit hash, 0 empty. `value` is the node, the time the
// entry expires, whether the call has had another node before and 23 bits of the same hash. Whoever wants a place
// exchanges `key`, provided that it is what was seen there, and then stores `value`; who comes second has written nothing
// and looks for another place. Whoever reads takes an entry only where the key is the call's and the bits in the value
// are, too. So a process that dies between the two leaves an entry that belongs to nobody, and the worst that a lost
// entry costs is that the balancing rule decides.
//
// Where hosts share calls, a third word says when the entry was changed last, a call that has ended leaves an entry behind
// that says so, and whoever writes locks the bucket: `Sources/SharedState/CallTableSharing.swift`.
//
// SAFETY (25 in this file): bucket() stays within the block, which is mapped as long as the table lives, and way is below
// 16, the size of a bucket, as is the victim; atomics wrap.

import Bytes
import Synchronization

struct CallEntry: ~Copyable {
    let key = Atomic<UInt64>(0)
    let value = Atomic<UInt64>(0)
}

struct CallTableHeader: ~Copyable {
    var magic: UInt64
    var version: UInt32
    var bucketCount: UInt32
    let used = Atomic<Int64>(0)
    let evicted = Atomic<UInt64>(0)
}

/// The table as one process sees it. Buckets of sixteen entries; in a full one the entry that expires first gives way.
@safe
package struct CallTable: ~Copyable {
    /// Seconds that an entry may live after it was last used: what the time in it can tell.
    package static let lifetimes: ClosedRange<Int> = 60...2_592_000
    /// The default: longer than any call without a message in between.
    package static let usualLifetime = 43_200
    /// Entries that share a place.
    static let bucketSize = 16
    /// Nodes are numbered below this.
    package static let maximumNodes = 65_536
    private static let magic: UInt64 = 0x7274_7070_6361_6C6C
    private static let version: UInt32 = 1
    private static let headerSize = 64
    /// Ticks are kept in units of this many seconds.
    private static let tickUnit: UInt32 = 4

    private let base: UnsafeMutableRawPointer
    private let bucketCount: Int
    /// Seconds that an entry lives after it was last used.
    let lifetime: UInt32
    /// What calls are shared with other hosts by; nil: they are not.
    package let fleet: FleetState?

    /// Bytes that a table of `entries` needs, 0 for none: a whole number of buckets, at least as many.
    package static func size(entries: Int) -> Int {
        entries > 0 ? headerSize &+ buckets(entries) &* bucketSize &* MemoryLayout<CallEntry>.stride : 0
    }

    // NO TRAP: constants: bucketSize is 16, tickUnit 4.
    private static func buckets(_ entries: Int) -> Int { (min(entries, 1 << 28) &+ bucketSize &- 1) / bucketSize }

    /// Lays a table out in `block`, which is zeroed and shared. Once, before the fork.
    package static func create(
        in block: UnsafeMutableRawPointer, size: Int, entries: Int
    ) throws(SharedStateError) {
        guard entries > 0, size >= Self.size(entries: entries) else { throw .tooSmall }
        guard UInt(bitPattern: block) & 63 == 0 else { throw .misaligned }
        // SAFETY: the block has room for header and entries, checked above, and nobody else sees it yet. Zero is an
        // empty entry, and the block is zeroed.
        // NO TRAP: create() has checked that the block is large enough, and that it is aligned.
        unsafe block.bindMemory(to: CallTableHeader.self, capacity: 1).initialize(
            to: CallTableHeader(
                magic: magic, version: version, bucketCount: UInt32(truncatingIfNeeded: buckets(entries))))
    }

    /// Attaches to a block that `create` has laid out; it stays mapped as long as the table lives. `lifetime`: seconds
    /// that an entry lives after it was last used, within `lifetimes`. `fleet`: where calls are shared with other hosts.
    package init(
        attaching block: UnsafeMutableRawPointer, size: Int, lifetime: Int = usualLifetime, fleet: FleetState? = nil
    ) throws(SharedStateError) {
        guard size >= Self.headerSize else { throw .tooSmall }
        guard UInt(bitPattern: block) & 63 == 0 else { throw .misaligned }
        // SAFETY: the header fits the block, and its first words are those of create().
        let header = unsafe block.assumingMemoryBound(to: CallTableHeader.self)
        guard unsafe header.pointee.magic == Self.magic, unsafe header.pointee.version == Self.version,
            unsafe header.pointee.bucketCount > 0
        else { throw .foreign }
        let buckets = unsafe Int(widening: header.pointee.bucketCount)
        guard size >= Self.size(entries: buckets &* Self.bucketSize) else { throw .tooSmall }
        bucketCount = buckets
        // NO TRAP: clamped to a range of positive numbers.
        self.lifetime = UInt32(min(max(lifetime, Self.lifetimes.lowerBound), Self.lifetimes.upperBound))
        unsafe base = block
        self.fleet = fleet
    }

    // SAFETY: create() has initialised the header, and attaching has checked it.
    var header: UnsafeMutablePointer<CallTableHeader> {
        unsafe base.assumingMemoryBound(to: CallTableHeader.self)
    }

    /// The number of the bucket that the key belongs to.
    // NO TRAP: bucketCount is above 0, checked when attaching.
    func bucketNumber(_ key: UInt64) -> Int { Int(truncatingIfNeeded: key % UInt64(bucketCount)) }

    // SAFETY: the bucket is taken modulo their number, and has `bucketSize` entries.
    func bucket(_ key: UInt64) -> UnsafeMutablePointer<CallEntry> {
        let bucket = bucketNumber(key)
        // NO TRAP: the bucket is below their number, and attaching has checked that all of them fit.
        return unsafe (base + Self.headerSize + bucket &* Self.bucketSize &* MemoryLayout<CallEntry>.stride)
            .assumingMemoryBound(to: CallEntry.self)
    }

    // MARK: Words: bits 0..15 the node, 16..39 when it expires, 40 whether the call has had another node, 41..63 the high
    // bits of the hash.

    /// The bit of a call that has had another node: a failover, or hosts chose before they had heard of each other.
    static let moved: UInt64 = 1 << 40

    /// Whether a value is that of a key, and not another process's, half written.
    static func isOf(_ value: UInt64, _ key: UInt64) -> Bool { value >> 41 == key >> 41 }

    /// The bit of a value that comes after `former`. A call that goes on after it has ended here, as where its node was
    /// started again, has had another one, perhaps. `unused`: a node, or `gone`, that had no session of it.
    static func moved(_ former: UInt64, _ value: UInt64, unused: Int = -1) -> UInt64 {
        node(former) == node(value) || node(former) == unused ? former & moved : moved
    }

    // NO TRAP: constants: bucketSize is 16, tickUnit 4.
    private static func stamp(_ tick: UInt32) -> UInt64 { UInt64(widening: tick / tickUnit) & 0xFF_FFFF }

    static func word(_ key: UInt64, node: Int, expires tick: UInt32) -> UInt64 {
        UInt64(truncatingIfNeeded: node) & 0xFFFF | stamp(tick) << 16 | (key & ~0x1FF_FFFF_FFFF)
    }

    /// Seconds, in steps, from `now` until `value` expires; 0 where it has.
    static func rest(_ value: UInt64, _ now: UInt32) -> UInt64 {
        let distance = ((value >> 16) &- stamp(now)) & 0xFF_FFFF
        return distance < 0x80_0000 ? distance : 0
    }

    /// The node of a value.
    static func node(_ value: UInt64) -> Int { Int(truncatingIfNeeded: value & 0xFFFF) }

    /// A key that is not the empty one.
    static func key(_ hash: UInt64) -> UInt64 { hash == 0 ? 1 : hash }

    // MARK: Use

    /// The node that holds the call with this hash; nil where the table knows nothing.
    package func node(for hash: UInt64, now: UInt32) -> Int? { place(for: hash, now: now)?.node }

    /// Likewise, and whether the call has had another one, which may still have a session of it.
    package func place(for hash: UInt64, now: UInt32) -> (node: Int, hasMoved: Bool)? {
        let key = Self.key(hash)
        let bucket = unsafe bucket(key)
        var next = unsafe way(of: key, in: bucket)
        while let way = next {
            let value = unsafe (bucket + way).pointee.value.load(ordering: .acquiring)
            if Self.isOf(value, key), Self.rest(value, now) > 0, !isGone(value) {
                return (Self.node(value), value & Self.moved != 0)
            }
            next = unsafe self.way(of: key, in: bucket, from: way &+ 1)
        }
        return nil
    }

    /// The first entry from `start` on that has `key`, nil where there is none.
    @inline(__always)
    private func way(of key: UInt64, in bucket: UnsafeMutablePointer<CallEntry>, from start: Int = 0) -> Int? {
        var way = start
        while way < Self.bucketSize {
            if unsafe (bucket + way).pointee.key.load(ordering: .acquiring) == key { return way }
            way &+= 1
        }
        return nil
    }

    /// Remembers that `node` holds the call with this hash, from `now` on for another lifetime. `isFirst`: the call begins.
    /// `isGuess`: other hosts hear of it once it is moved or remembered again, and what they have told counts. False where
    /// it has ended as far as is known, and of a guess nothing is changed.
    @discardableResult
    package func remember(
        _ hash: UInt64, node: Int, now: UInt32, isFirst: Bool = false, isGuess: Bool = false
    ) -> Bool {
        guard node >= 0, node < Self.maximumNodes else { return true }
        let key = Self.key(hash)
        let value = Self.word(key, node: node, expires: now &+ lifetime)
        let bucket = unsafe bucket(key)
        fleet?.lock(bucket: bucketNumber(key))
        defer { fleet?.unlock(bucket: bucketNumber(key)) }
        // Where another process takes the same place at once, there is another one.
        // NO TRAP: 0 to a constant that is above it.
        for _ in 0..<Self.bucketSize {
            if let way = unsafe way(of: key, in: bucket) {
                if isGuess { return unsafe !isGone((bucket + way).pointee.value.load(ordering: .acquiring)) }
                unsafe replace(bucket + way, key, value, now, unused: isFirst ? Self.gone : -1)
                return true
            }
            // The first empty one, else the one that expires first.
            if unsafe put(key, value, bucket, way(of: 0, in: bucket) ?? -1, now, stamp: isGuess ? 0 : nil) {
                if let fleet, !isGuess { fleet.push(key) }
                return true
            }
        }
        return true
    }

    /// Puts the value into an entry that the call has. `unused`: see `moved`.
    private func replace(
        _ entry: UnsafeMutablePointer<CallEntry>, _ key: UInt64, _ value: UInt64, _ now: UInt32, unused: Int
    ) {
        let former = unsafe entry.pointee.value.load(ordering: .acquiring)
        let value = value | Self.moved(former, value, unused: unused)
        guard let fleet else { return unsafe entry.pointee.value.store(value, ordering: .releasing) }
        unsafe share(entry, key, value, now, fleet)
    }

    /// Puts a call that the bucket does not have into its entry `empty`, or where that is below 0 in the place of the one
    /// that expires first. False: another process was faster, and nothing is changed.
    func put(
        _ key: UInt64, _ value: UInt64, _ bucket: UnsafeMutablePointer<CallEntry>, _ empty: Int, _ now: UInt32,
        stamp: UInt64? = nil
    ) -> Bool {
        var victim = empty
        var victimRest: UInt64 = 0
        var victimKey: UInt64 = 0
        // One that is gone gives way before any other, the one that has been so longest first.
        let living: UInt64 = 1 << 32
        if victim < 0 {
            victimRest = .max
            // NO TRAP: 0 to a constant that is above it.
            for way in 0..<Self.bucketSize {
                let entry = unsafe bucket + way
                let present = unsafe entry.pointee.key.load(ordering: .acquiring)
                let former = unsafe entry.pointee.value.load(ordering: .acquiring)
                let rest = present == 0 ? 0 : Self.rest(former, now) &+ (isGone(former) ? 0 : living)
                if rest < victimRest {
                    (victim, victimRest, victimKey) = (way, rest, present)
                }
            }
        }
        // SAFETY (1): victim is a way of the bucket: an empty one, or found in a loop over them all, whose first one is
        // taken.
        let entry = unsafe bucket + victim
        let (isOurs, _) = unsafe entry.pointee.key.compareExchange(
            expected: victimKey, desired: key, ordering: .acquiringAndReleasing)
        guard isOurs else { return false }
        if let fleet { unsafe fleet.setEntryStamp(index(of: entry), 0) }
        let former = unsafe entry.pointee.value.exchange(value, ordering: .acquiringAndReleasing)
        if let fleet { unsafe fleet.setEntryStamp(index(of: entry), stamp ?? fleet.stamp()) }
        let wasCounted = victimKey != 0 && !isGone(former)
        if wasCounted, victimRest > living { unsafe header.pointee.evicted.wrappingAdd(1, ordering: .relaxed) }
        if !wasCounted { unsafe header.pointee.used.wrappingAdd(1, ordering: .relaxed) }
        return true
    }

    /// The number of an entry.
    func index(of entry: UnsafeMutablePointer<CallEntry>) -> Int {
        // SAFETY: the entry is one of the block, behind the header.
        // NO TRAP: both lie within the block.
        unsafe entry - (base + Self.headerSize).assumingMemoryBound(to: CallEntry.self)
    }

    /// Has `node` hold the call with this hash, from `now` on for another lifetime. A call that the table does not know,
    /// or that has been forgotten meanwhile, is none it learns of. `unused`: the node, if it is the one it had, has no
    /// session of it. `hasMoved`: another one may have, in any case.
    package func move(_ hash: UInt64, to node: Int, now: UInt32, unused: Int = -1, hasMoved: Bool = false) {
        guard node >= 0, node < Self.maximumNodes else { return }
        let key = Self.key(hash)
        let value = Self.word(key, node: node, expires: now &+ lifetime) | (hasMoved ? Self.moved : 0)
        let bucket = unsafe bucket(key)
        fleet?.lock(bucket: bucketNumber(key))
        defer { fleet?.unlock(bucket: bucketNumber(key)) }
        // NO TRAP: 0 to a constant that is above it.
        for way in 0..<Self.bucketSize {
            let entry = unsafe bucket + way
            guard unsafe entry.pointee.key.load(ordering: .acquiring) == key else { continue }
            if unsafe isGone(entry.pointee.value.load(ordering: .acquiring)) { return }
            return unsafe replace(entry, key, value, now, unused: unused)
        }
    }

    /// Forgets the call with this hash. `now` matters where calls are shared.
    package func forget(_ hash: UInt64, now: UInt32 = 0) {
        let key = Self.key(hash)
        if let fleet { return bury(key, now: now, fleet) }
        let bucket = unsafe bucket(key)
        // NO TRAP: 0 to a constant that is above it.
        for way in 0..<Self.bucketSize {
            unsafe remove(bucket + way, key)
        }
    }

    /// Looks at `count` entries from `start` on, as many as there are: empties those that have expired as of `now`, and
    /// hands the node of each other one to `body`, which says whether the entry may stay.
    package func sweep(from start: Int, count: Int, now: UInt32, _ body: (Int) -> Bool) {
        let first = min(max(start, 0), capacity)
        // NO TRAP: first is 0 or more and at most the capacity, the length at most what is left.
        for index in first..<(first &+ min(max(count, 0), capacity &- first)) {
            // SAFETY (1): bucketSize is 16.
            let entry = unsafe bucket(UInt64(index / Self.bucketSize)) + index % Self.bucketSize
            let key = unsafe entry.pointee.key.load(ordering: .acquiring)
            guard key != 0 else { continue }
            let value = unsafe entry.pointee.value.load(ordering: .acquiring)
            // Half written: another process may be writing it.
            guard Self.isOf(value, key) else { continue }
            if let fleet {
                unsafe sweep(entry, key, value, now, fleet, body)
            } else if Self.rest(value, now) == 0 || !body(Self.node(value)) {
                unsafe remove(entry, key)
            }
        }
    }

    func remove(_ entry: UnsafeMutablePointer<CallEntry>, _ key: UInt64, isCounted: Bool = true) {
        let (isOurs, _) = unsafe entry.pointee.key.compareExchange(
            expected: key, desired: 0, ordering: .acquiringAndReleasing)
        if isOurs, isCounted { unsafe header.pointee.used.wrappingSubtract(1, ordering: .relaxed) }
    }

    /// Entries in use; expired ones among them until they are swept.
    // SAFETY (1): the block is mapped as long as the table lives, and a count of 64 bits is one of an Int.
    package var count: Int { unsafe max(0, Int(header.pointee.used.load(ordering: .relaxed))) }
    /// Entries that gave way before they expired.
    package var evictions: UInt64 { unsafe header.pointee.evicted.load(ordering: .relaxed) }
    /// Entries there is room for.
    package var capacity: Int { bucketCount &* Self.bucketSize }
}
