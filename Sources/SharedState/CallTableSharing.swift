// SPDX-License-Identifier: GPL-2.0-or-later
// The call table where several hosts share their calls: changes that the others are told of, and changes that they tell.
//
// Of two changes of a call the later one counts, on every host and in whatever order they come: each has a stamp, and one
// that is not later than what the entry has is refused. So a message may come late or twice, and a deletion before what
// it deletes. A call that has ended leaves its entry behind as one that is gone, for an hour or until the place is
// needed: without it a message that comes late would bring the call back. Whoever writes has the bucket's lock
// (`FleetState.lock`), so that no two processes put the same call into two places, or the node of one beside the stamp of
// the other. Whoever reads needs none.
//
// SAFETY (48 in this file): bucket() stays within the block, which is mapped as long as the table lives, and way and place
// are below 16, the size of a bucket; an entry is one of a bucket, and atomics wrap.

import Bytes
import Synchronization

/// A call as other hosts are told of it.
package struct SharedCall: Equatable, Sendable {
    /// What the table knows it by, never 0.
    package let key: UInt64
    /// The node that has it, or from `CallTable.firstForeign` on one that only other hosts know; nil: it has ended.
    package let node: Int?
    /// It has had another one, which may still have a session of it.
    package let hasMoved: Bool
    /// When that was found.
    package let stamp: UInt64

    package init(key: UInt64, node: Int?, hasMoved: Bool = false, stamp: UInt64) {
        self.key = key
        self.node = node
        self.hasMoved = hasMoved
        self.stamp = stamp
    }
}

extension CallTable {
    /// From this number on a node is `FleetState.foreignHash` of what is behind it. Nodes of this host are below.
    package static let firstForeign = 0xFE00
    /// The node of a call that has ended.
    static let gone = 0xFFFF
    /// Seconds for which it is known that a call has ended.
    package static let memoryOfEnds: UInt32 = 3600
    /// Entries that `page` looks at in one go: a moment's work.
    private static let pagePart = 262_144

    /// Whether a value says that the call has ended. Only where calls are shared.
    @inline(__always)
    func isGone(_ value: UInt64) -> Bool { Self.node(value) == Self.gone && fleet != nil }

    /// Puts this host's `value` into an entry that the call has. The others are told where it says something new: another
    /// node, or that there may be one, that it was a guess, or that the call goes on long after they were told last.
    @_optimize(size)
    func share(
        _ entry: UnsafeMutablePointer<CallEntry>, _ key: UInt64, _ value: UInt64, _ now: UInt32, _ fleet: FleetState
    ) {
        let former = unsafe entry.pointee.value.exchange(value, ordering: .acquiringAndReleasing)
        if isGone(former) { unsafe header.pointee.used.wrappingAdd(1, ordering: .relaxed) }
        let isGuess = unsafe fleet.entryStamp(index(of: entry)) == 0
        let isOld = Self.rest(former, now) < Self.rest(value, now) &- Self.rest(value, now) / 8
        let hasMoved = ~former & value & Self.moved != 0
        guard Self.node(former) != Self.node(value) || hasMoved || isOld || isGuess else { return }
        unsafe fleet.setEntryStamp(index(of: entry), fleet.stamp())
        fleet.push(key)
    }

    /// Takes a guess back that came to nothing, unless it is none any more.
    @_optimize(size)
    package func takeBack(_ hash: UInt64) {
        guard let fleet else { return }
        let key = Self.key(hash)
        let bucket = unsafe bucket(key)
        fleet.lock(bucket: bucketNumber(key))
        defer { fleet.unlock(bucket: bucketNumber(key)) }
        for way in 0..<16 {
            let entry = unsafe bucket + way
            guard unsafe entry.pointee.key.load(ordering: .acquiring) == key else { continue }
            if unsafe fleet.entryStamp(index(of: entry)) == 0 { unsafe remove(entry, key) }
        }
    }

    /// Leaves behind that the call has ended, and tells the others; also of one that is not in the table, but may be in
    /// theirs.
    @_optimize(size)
    func bury(_ key: UInt64, now: UInt32, _ fleet: FleetState) {
        let value = Self.word(key, node: Self.gone, expires: now &+ min(lifetime, Self.memoryOfEnds))
        let bucket = unsafe bucket(key)
        fleet.lock(bucket: bucketNumber(key))
        defer { fleet.unlock(bucket: bucketNumber(key)) }
        var isBuried = false
        for way in 0..<16 {
            let entry = unsafe bucket + way
            guard unsafe entry.pointee.key.load(ordering: .acquiring) == key else { continue }
            unsafe end(entry, value, fleet.stamp(), fleet)
            isBuried = true
        }
        if !isBuried { _ = unsafe buryAnew(bucket, key, value, now, fleet.stamp(), fleet) }
        fleet.push(key)
    }

    /// Makes an entry one of a call that has ended.
    private func end(
        _ entry: UnsafeMutablePointer<CallEntry>, _ value: UInt64, _ stamp: UInt64, _ fleet: FleetState
    ) {
        let former = unsafe entry.pointee.value.exchange(value, ordering: .acquiringAndReleasing)
        if !isGone(former) { unsafe header.pointee.used.wrappingSubtract(1, ordering: .relaxed) }
        unsafe fleet.setEntryStamp(index(of: entry), stamp)
    }

    /// Takes an entry that is empty, else the one of a call that has ended longest ago, for another one that has. False:
    /// there is none; no call gives way.
    @_optimize(size)
    private func buryAnew(
        _ bucket: UnsafeMutablePointer<CallEntry>, _ key: UInt64, _ value: UInt64, _ now: UInt32, _ stamp: UInt64,
        _ fleet: FleetState
    ) -> Bool {
        var place = -1
        var placeKey: UInt64 = 0
        var least = UInt64.max
        for way in 0..<16 {
            let entry = unsafe bucket + way
            let present = unsafe entry.pointee.key.load(ordering: .acquiring)
            let former = unsafe entry.pointee.value.load(ordering: .acquiring)
            guard present == 0 || isGone(former) else { continue }
            let rest = present == 0 ? 0 : Self.rest(former, now) &+ 1
            if rest < least { (place, placeKey, least) = (way, present, rest) }
        }
        guard place >= 0 else { return false }
        let entry = unsafe bucket + place
        let (isOurs, _) = unsafe entry.pointee.key.compareExchange(
            expected: placeKey, desired: key, ordering: .acquiringAndReleasing)
        guard isOurs else { return false }
        unsafe fleet.setEntryStamp(index(of: entry), 0)
        let former = unsafe entry.pointee.value.exchange(value, ordering: .acquiringAndReleasing)
        unsafe fleet.setEntryStamp(index(of: entry), stamp)
        if placeKey != 0, !isGone(former) { unsafe header.pointee.used.wrappingSubtract(1, ordering: .relaxed) }
        return true
    }

    /// An entry in a sweep: one that has expired, or that `body` lets go, is gone from now on, and one that is gone is
    /// emptied when that has expired. The others are not told: they see for themselves.
    @_optimize(size)
    func sweep(
        _ entry: UnsafeMutablePointer<CallEntry>, _ key: UInt64, _ value: UInt64, _ now: UInt32, _ fleet: FleetState,
        _ body: (Int) -> Bool
    ) {
        let rest = Self.rest(value, now)
        if rest > 0, isGone(value) || body(Self.node(value)) { return }
        fleet.lock(bucket: bucketNumber(key))
        defer { fleet.unlock(bucket: bucketNumber(key)) }
        if isGone(value) {
            let isUnchanged = unsafe entry.pointee.value.load(ordering: .acquiring) == value
            if isUnchanged { unsafe remove(entry, key, isCounted: false) }
            return
        }
        let (isDone, _) = unsafe entry.pointee.value.compareExchange(
            expected: value, desired: Self.word(key, node: Self.gone, expires: now &+ 60),
            ordering: .acquiringAndReleasing)
        guard isDone else { return }
        unsafe header.pointee.used.wrappingSubtract(1, ordering: .relaxed)
        if rest > 0 { unsafe fleet.setEntryStamp(index(of: entry), fleet.stamp()) }
    }

    // MARK: What other hosts tell

    /// The number, from `firstForeign` on, of a node that only other hosts know, from `now` on for a lifetime of entries;
    /// nil: there are too many.
    package func foreignNode(_ hash: UInt64, now: UInt32) -> Int? {
        fleet?.foreignNumber(hash, tick: now, lifetime: lifetime).map { Self.firstForeign &+ $0 }
    }

    /// Takes a change of another host that was made `age` seconds ago. False: there is a later one, it is too old to
    /// matter, or the table has no place for it.
    @_optimize(size)
    package func apply(_ call: SharedCall, age: UInt32, now: UInt32) -> Bool {
        guard let fleet, call.key != 0, call.node ?? 0 >= 0, call.node ?? 0 < Self.gone else { return false }
        let life = call.node == nil ? min(lifetime, Self.memoryOfEnds) : lifetime
        guard age < life else { return false }
        let value =
            Self.word(call.key, node: call.node ?? Self.gone, expires: now &+ (life &- age))
            | (call.hasMoved ? Self.moved : 0)
        let bucket = unsafe bucket(call.key)
        fleet.lock(bucket: bucketNumber(call.key))
        defer { fleet.unlock(bucket: bucketNumber(call.key)) }
        var empty = -1
        for way in 0..<16 {
            let entry = unsafe bucket + way
            let present = unsafe entry.pointee.key.load(ordering: .acquiring)
            if present == call.key {
                // Of two hosts that chose before they had heard of each other both have made a session, perhaps.
                let known = unsafe entry.pointee.value.load(ordering: .acquiring)
                let moved = call.node == nil ? 0 : Self.moved(known, value) | value & Self.moved
                guard unsafe fleet.entryStamp(index(of: entry)) < call.stamp else {
                    if !isGone(known) { unsafe entry.pointee.value.bitwiseOr(moved, ordering: .acquiringAndReleasing) }
                    return false
                }
                let former = unsafe entry.pointee.value.exchange(value | moved, ordering: .acquiringAndReleasing)
                unsafe fleet.setEntryStamp(index(of: entry), call.stamp)
                switch (isGone(former), call.node == nil) {
                case (true, false): unsafe header.pointee.used.wrappingAdd(1, ordering: .relaxed)
                case (false, true): unsafe header.pointee.used.wrappingSubtract(1, ordering: .relaxed)
                case (true, true), (false, false): break
                }
                return true
            }
            if present == 0, empty < 0 { empty = way }
        }
        if call.node != nil { return unsafe put(call.key, value, bucket, empty, now, stamp: call.stamp) }
        return unsafe buryAnew(bucket, call.key, value, now, call.stamp, fleet)
    }

    /// What the table has of a call that has changed; nil: nothing any more.
    @_optimize(size)
    package func shared(_ key: UInt64) -> SharedCall? {
        let bucket = unsafe bucket(key)
        for way in 0..<16 {
            let entry = unsafe bucket + way
            guard unsafe entry.pointee.key.load(ordering: .acquiring) == key else { continue }
            return unsafe shared(entry, key)
        }
        return nil
    }

    private func shared(_ entry: UnsafeMutablePointer<CallEntry>, _ key: UInt64) -> SharedCall? {
        let stamp = unsafe fleet?.entryStamp(index(of: entry)) ?? 0
        let value = unsafe entry.pointee.value.load(ordering: .acquiring)
        guard Self.isOf(value, key), stamp != 0 else { return nil }
        let isOver = isGone(value)
        return SharedCall(
            key: key, node: isOver ? nil : Self.node(value), hasMoved: !isOver && value & Self.moved != 0, stamp: stamp)
    }

    /// Hands every call that has changed since `time` to `body`, from entry `place` on, until that wants no more. Returns
    /// the entry to go on with, nil where there is none left. Looks at so many that it takes a moment.
    @_optimize(size)
    package func page(from place: Int, since time: UInt64, now: UInt32, _ body: (SharedCall) -> Bool) -> Int? {
        var place = max(place, 0)
        guard place < capacity else { return nil }
        let end = place &+ min(Self.pagePart, capacity &- place)
        while place < end {
            // SAFETY (1): bucketSize is 16.
            let entry = unsafe bucket(UInt64(truncatingIfNeeded: place / 16)) + place % 16
            let key = unsafe entry.pointee.key.load(ordering: .acquiring)
            if key != 0, let call = unsafe shared(entry, key), call.stamp >= time {
                let isExpired = unsafe Self.rest(entry.pointee.value.load(ordering: .acquiring), now) == 0
                if !isExpired, !body(call) { return place }
            }
            place &+= 1
        }
        return place < capacity ? place : nil
    }
}
