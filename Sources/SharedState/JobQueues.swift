// SPDX-License-Identifier: GPL-2.0-or-later
// Jobs from any process to the module's asynchronous ones: a stack of records per process, in shared memory.
//
// A record is memory that both see, whose first word is the stack's. A process with a job puts its record on top by one
// compare-exchange; the asynchronous process takes all of them by one exchange. There is no lock that a dying process
// could hold: a worker that is killed has either handed its record over or not. The word on top holds the address (48
// bits) and how many records there are (16 bits), so that the bound is exact. A process that pushes never reads a
// record that was taken off, so that it does no harm when memory is used again at the same address.
//
// SAFETY (6 in this file): queue() gives nil outside.

import Bytes
import Synchronization

/// What became of a job.
package enum JobPush: Equatable, Sendable {
    /// It is queued. `wasEmpty`: the process has to be woken, because no other push has done it.
    case queued(wasEmpty: Bool)
    /// It is not: more than 65,535 are queued, or its address has more than 48 bits.
    case refused
}

/// The queue of one process: a cache line of the block.
struct JobQueue: ~Copyable {
    private let top = Atomic<UInt64>(0)
    let underWay = Atomic<UInt32>(0)
    let refusals = Atomic<UInt32>(0)

    // NO TRAP: a constant.
    private static let addressMask: UInt64 = (1 << 48) - 1
    private static let mostQueued: UInt64 = 0xFFFF

    init() {}

    /// Puts a record on top.
    func push(_ record: UnsafeMutableRawPointer) -> JobPush {
        let address = UInt64(widening: UInt(bitPattern: record))
        var present = top.load(ordering: .relaxed)
        while true {
            let queued = present >> 48
            guard address & ~Self.addressMask == 0, queued < Self.mostQueued else { return .refused }
            // SAFETY: the record is the caller's until it is queued, and begins with the stack's word.
            unsafe record.storeBytes(of: present & Self.addressMask, as: UInt64.self)
            let (exchanged, original) = top.compareExchange(
                expected: present, desired: address | (queued &+ 1) << 48, ordering: .acquiringAndReleasing)
            if exchanged { return .queued(wasEmpty: queued == 0) }
            present = original
        }
    }

    /// Whether fewer than `limit` are queued and under way. Where not, that counts as a refusal.
    func hasRoom(_ limit: Int) -> Bool {
        // NO TRAP: what is shifted by 48 has 16 bits.
        let queued = Int(top.load(ordering: .relaxed) >> 48)
        if queued &+ Int(widening: underWay.load(ordering: .relaxed)) < limit { return true }
        refusals.wrappingAdd(1, ordering: .relaxed)
        return false
    }

    /// Takes all records: the one on top, the others behind it by `next`. Nil where there is none.
    func takeAll() -> UnsafeMutableRawPointer? {
        guard top.load(ordering: .relaxed) != 0 else { return nil }
        let word = top.exchange(0, ordering: .acquiringAndReleasing)
        // SAFETY: push() has put the address of a record there.
        return unsafe UnsafeMutableRawPointer(bitPattern: UInt(widening: word & Self.addressMask))
    }
}

/// The queues of all asynchronous processes, as one process sees them.
@safe package struct JobQueues {
    /// Bytes of one queue: a cache line.
    private static let stride = 64
    private let base: UnsafeMutableRawPointer
    /// How many there are.
    package let count: Int

    /// Bytes that so many queues need.
    package static func size(count: Int) -> Int { max(count, 0) &* stride }

    /// Lays `count` queues out in `block`, which is zeroed, aligned to 64 and shared. Once, before the fork.
    package static func create(in block: UnsafeMutableRawPointer, count: Int) {
        for index in 0..<max(count, 0) {
            // SAFETY: the caller's block has size(count:) bytes.
            // NO TRAP: max() keeps it from being negative; the block has room for `count` of them, of which there are
            // at most 16.
            unsafe (block + index * stride).bindMemory(to: JobQueue.self, capacity: 1).initialize(to: JobQueue())
        }
    }

    /// Attaches to a block that `create` has laid out.
    package init(attaching block: UnsafeMutableRawPointer, count: Int) {
        // SAFETY: create() has laid the block out, and it stays mapped.
        unsafe base = block
        self.count = max(count, 0)
    }

    // SAFETY: create() has initialised `count` queues; an index outside gives nil.
    private func queue(_ index: Int) -> UnsafeMutablePointer<JobQueue>? {
        guard index >= 0, index < count else { return nil }
        // NO TRAP: 0 <= index < count, checked by the guard above.
        return unsafe (base + index * Self.stride).assumingMemoryBound(to: JobQueue.self)
    }

    /// Hands a record, which begins with a word for the queue, to process `index`.
    package func push(_ record: UnsafeMutableRawPointer, to index: Int) -> JobPush {
        unsafe queue(index)?.pointee.push(record) ?? .refused
    }

    /// Whether process `index` has room for another one; where it has not, that is counted.
    package func hasRoom(_ index: Int, limit: Int) -> Bool { unsafe queue(index)?.pointee.hasRoom(limit) ?? false }

    /// Takes all records for process `index`: the newest, and behind it the others by `next(after:)`.
    package func takeAll(_ index: Int) -> UnsafeMutableRawPointer? { unsafe queue(index)?.pointee.takeAll() }

    /// The record that was queued before this one.
    package static func next(after record: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        // SAFETY: push() has written the word.
        unsafe UnsafeMutableRawPointer(bitPattern: UInt(widening: record.load(as: UInt64.self)))
    }

    /// Process `index` says how many it has under way.
    package func setUnderWay(_ index: Int, _ calls: Int) {
        unsafe queue(index)?.pointee.underWay.store(UInt32(clamping: calls), ordering: .relaxed)
    }

    /// How many process `index` has under way.
    package func underWay(_ index: Int) -> Int {
        Int(widening: unsafe queue(index)?.pointee.underWay.load(ordering: .relaxed) ?? 0)
    }

    /// How many were refused since start, over all processes.
    package var refusals: UInt64 {
        var sum: UInt64 = 0
        for index in 0..<count {
            sum &+= UInt64(widening: unsafe queue(index)?.pointee.refusals.load(ordering: .relaxed) ?? 0)
        }
        return sum
    }
}
