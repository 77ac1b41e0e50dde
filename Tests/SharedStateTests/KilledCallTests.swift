// SPDX-License-Identifier: GPL-2.0-or-later
// What a process leaves of the call table and of the queues that is killed while it changes them, and that others go on.

import Foundation
import Testing

@testable import SharedState

@Suite struct KilledCallTests {
    private static let now: UInt32 = 1000
    /// One bucket: all calls share it.
    private static let ways = 16

    /// The hash of a call; its high bits differ from those of the others.
    private static func hash(_ call: Int) -> UInt64 { UInt64(call + 1) << 40 | UInt64(call + 1) }

    private func withTable(_ calls: Int, _ body: (SharedBlock, borrowing CallTable) throws -> Void) throws {
        let block = try SharedBlock(size: CallTable.size(entries: Self.ways))
        try CallTable.create(in: block.memory, size: block.size, entries: Self.ways)
        let table = try CallTable(attaching: block.memory, size: block.size)
        // The first one is the one that expires first.
        for call in 0..<calls { table.remember(Self.hash(call), node: call, now: Self.now + UInt32(call) * 8) }
        try body(block, table)
    }

    /// Entries that are in use.
    private static func entries(_ block: SharedBlock) -> Int {
        (0..<ways).count { block.memory.load(fromByteOffset: 64 + $0 * 16, as: UInt64.self) != 0 }
    }

    /// That `calls` are where they are, or are unknown where `mayGo` says so, and that the figures are right but for
    /// one that the dead one did not count.
    private static func expect(
        _ block: SharedBlock, _ table: borrowing CallTable, _ calls: Range<Int>, mayGo: Int? = nil
    ) {
        for call in calls {
            let node = table.node(for: hash(call), now: now)
            #expect(node == call || (call == mayGo && node == nil))
        }
        #expect(abs(table.count - entries(block)) <= 1)
    }

    /// In an empty place, in the one that it has, and in that of the call that expires first.
    @Test(arguments: [(calls: 4, call: 9), (calls: 16, call: 3), (calls: 16, call: 20)])
    func aCallIsRememberedOrNotAndTheOthersStay(calls: Int, call: Int) throws {
        try withTable(calls) { block, table in
            let old = call < calls ? call : nil
            let victim = call >= calls && calls == Self.ways ? 0 : nil
            let changes = try block.killAtEachChange {
                table.remember(Self.hash(call), node: 77, now: Self.now + 400)
            } _: { _ in
                let others = (0..<calls).filter { $0 != call }
                for other in others { Self.expect(block, table, other..<(other + 1), mayGo: victim) }
                let node = table.node(for: Self.hash(call), now: Self.now)
                #expect(node == old || node == 77)
                // Others go on with this call, with the one that gave way, and with a new one.
                table.remember(Self.hash(call), node: 78, now: Self.now + 500)
                #expect(table.node(for: Self.hash(call), now: Self.now) == 78)
                table.remember(Self.hash(0), node: 5, now: Self.now + 500)
                #expect(table.node(for: Self.hash(0), now: Self.now) == 5)
                table.remember(Self.hash(30), node: 6, now: Self.now + 500)
                #expect(table.node(for: Self.hash(30), now: Self.now) == 6)
                table.forget(Self.hash(30))
                #expect(table.node(for: Self.hash(30), now: Self.now) == nil)
                #expect(Self.entries(block) <= Self.ways && abs(table.count - Self.entries(block)) <= 1)
            }
            #expect(changes >= 1)
        }
    }

    @Test func aCallIsForgottenOrNotAndTheOthersStay() throws {
        try withTable(Self.ways) { block, table in
            try block.killAtEachChange {
                table.forget(Self.hash(5))
            } _: { _ in
                Self.expect(block, table, 0..<Self.ways, mayGo: 5)
                table.forget(Self.hash(5))
                #expect(table.node(for: Self.hash(5), now: Self.now) == nil)
                table.remember(Self.hash(5), node: 9, now: Self.now)
                #expect(table.node(for: Self.hash(5), now: Self.now) == 9)
                var nodes: Set<Int> = []
                table.sweep(from: 0, count: .max, now: Self.now) { node in
                    nodes.insert(node)
                    return true
                }
                for node in 0..<Self.ways where node != 5 { #expect(nodes.contains(node)) }
            }
        }
    }

    /// An entry of which only one word was written belongs to nobody, and its place is used again.
    @Test func whatManyDeadLeaveIsUsedAgain() throws {
        try withTable(Self.ways) { block, table in
            for victim in 0..<20 {
                var left: [UInt8] = []
                try block.killAtEachChange(kills: 0) {
                    table.remember(Self.hash(100 + victim), node: 1, now: Self.now)
                } _: { killed in
                    if killed.changes <= 1 { left = block.image }
                }
                block.restore(left)
            }
            for call in 0..<200 {
                table.remember(Self.hash(1000 + call), node: call, now: Self.now)
                #expect(table.node(for: Self.hash(1000 + call), now: Self.now) == call)
            }
        }
    }

    /// The records of queue 0, the newest first, by their numbers.
    private static func taken(_ queues: JobQueues, _ records: UnsafeMutableRawPointer) -> [Int] {
        var numbers: [Int] = []
        var next = queues.takeAll(0)
        while let record = next, numbers.count < 100 {
            numbers.append((record - records) / 64)
            next = JobQueues.next(after: record)
        }
        return numbers
    }

    private func withQueue(_ body: (SharedBlock, JobQueues, UnsafeMutableRawPointer) throws -> Void) throws {
        let block = try SharedBlock(size: 64 * 20)
        JobQueues.create(in: block.memory, count: 2)
        try body(block, JobQueues(attaching: block.memory, count: 2), block.memory + 128)
    }

    @Test(arguments: [0, 3])
    func aJobIsQueuedOrNotAndTheOthersComeInOrder(queued: Int) throws {
        try withQueue { block, queues, records in
            for number in 0..<queued { _ = queues.push(records + number * 64, to: 0) }
            let others = Array((0..<queued).reversed())
            var seen: Set<[Int]> = []
            try block.killAtEachChange {
                _ = queues.push(records + 9 * 64, to: 0)
            } _: { _ in
                let left = block.image
                let numbers = Self.taken(queues, records)
                #expect(numbers == others || numbers == [9] + others)
                seen.insert(numbers)
                // Others push on top of what is there.
                block.restore(left)
                #expect(queues.push(records + 10 * 64, to: 0) == .queued(wasEmpty: numbers.isEmpty))
                #expect(Self.taken(queues, records) == [10] + numbers)
                #expect(queues.push(records + 11 * 64, to: 0) == .queued(wasEmpty: true))
                #expect(queues.hasRoom(0, limit: 2))
            }
            #expect(seen.count == 2)
        }
    }

    /// Whoever takes takes all of them at once: they are gone with it, or all there.
    @Test func jobsAreTakenTogetherOrNotAtAll() throws {
        try withQueue { block, queues, records in
            for number in 0..<3 { _ = queues.push(records + number * 64, to: 0) }
            try block.killAtEachChange {
                _ = queues.takeAll(0)
                queues.setUnderWay(0, 3)
                _ = queues.hasRoom(1, limit: 0)
            } _: { _ in
                #expect([[2, 1, 0], []].contains(Self.taken(queues, records)))
                #expect([0, 3].contains(queues.underWay(0)))
                #expect(queues.refusals <= 1)
                #expect(queues.push(records, to: 0) == .queued(wasEmpty: true))
                #expect(Self.taken(queues, records) == [0])
            }
        }
    }
}
