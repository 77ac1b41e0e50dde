// SPDX-License-Identifier: GPL-2.0-or-later
// The call table: what it remembers, for how long, and what gives way.

import Bytes
import Foundation
import Testing

@testable import SharedState

@Suite struct CallTableTests {
    /// Lends a table of `entries` in memory of its own.
    private func with<Result>(_ entries: Int, _ body: (borrowing CallTable) throws -> Result) throws -> Result {
        try withMemory(entries) { _, table in try body(table) }
    }

    /// The same with the memory, in which words can be written as a torn or full one would stand there.
    private func withMemory<Result>(
        _ entries: Int, _ body: (UnsafeMutableRawPointer, borrowing CallTable) throws -> Result
    ) throws -> Result {
        let size = CallTable.size(entries: entries)
        let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        defer { block.deallocate() }
        block.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        try CallTable.create(in: block, size: size, entries: entries)
        let table = try CallTable(attaching: block, size: size)
        return try body(block, table)
    }

    private func hash(_ number: Int) -> UInt64 { Hash64.mixed(UInt64(number) &+ 1) }

    @Test func aCallIsRememberedAndForgotten() throws {
        try with(100) { table in
            #expect(table.node(for: hash(1), now: 5) == nil)
            table.remember(hash(1), node: 7, now: 5)
            #expect(table.node(for: hash(1), now: 6) == 7)
            #expect(table.node(for: hash(2), now: 6) == nil)
            #expect(table.count == 1)
            table.remember(hash(1), node: 8, now: 7)
            #expect(table.node(for: hash(1), now: 8) == 8)
            #expect(table.count == 1)
            table.forget(hash(1))
            #expect(table.node(for: hash(1), now: 9) == nil)
            #expect(table.count == 0)
        }
    }

    /// Its session at the node before may still be there; until the call ends that is known.
    @Test func aCallThatHasMovedIsKnownAsOne() throws {
        try with(100) { table in
            table.remember(hash(1), node: 7, now: 5)
            table.move(hash(1), to: 7, now: 6)
            #expect(table.place(for: hash(1), now: 6)?.hasMoved == false)
            table.move(hash(1), to: 8, now: 7)
            table.move(hash(1), to: 8, now: 8)
            let moved = table.place(for: hash(1), now: 9)
            #expect(moved?.node == 8 && moved?.hasMoved == true)
            // Put there for a node that then had no session.
            table.remember(hash(2), node: 7, now: 9)
            table.move(hash(2), to: 8, now: 9, unused: 7)
            let first = table.place(for: hash(2), now: 9)
            #expect(first?.node == 8 && first?.hasMoved == false)
            table.forget(hash(1))
            table.remember(hash(1), node: 7, now: 10)
            #expect(table.place(for: hash(1), now: 10)?.hasMoved == false)
        }
    }

    @Test func aCallThatMovesIsOneThatIsThere() throws {
        try with(100) { table in
            table.move(hash(1), to: 7, now: 5)
            #expect(table.count == 0)
            #expect(table.node(for: hash(1), now: 5) == nil)
            table.remember(hash(1), node: 7, now: 5)
            let late = 5 + UInt32(CallTable.usualLifetime) - 8
            table.move(hash(1), to: 9, now: late)
            #expect(table.node(for: hash(1), now: late + 16) == 9)
            #expect(table.count == 1)
            for node in [-1, CallTable.maximumNodes, .max, .min] { table.move(hash(1), to: node, now: late) }
            #expect(table.node(for: hash(1), now: late) == 9)
            table.forget(hash(1))
            table.move(hash(1), to: 9, now: late)
            #expect(table.node(for: hash(1), now: late) == nil)
            #expect(table.count == 0)
        }
    }

    @Test(arguments: [0, 1000, UInt32.max - 20_000, UInt32.max - 3])
    func anEntryExpiresAndUseKeepsItAlive(_ start: UInt32) throws {
        try with(8) { table in
            table.remember(hash(1), node: 3, now: start)
            let late = start &+ UInt32(CallTable.usualLifetime)
            #expect(table.node(for: hash(1), now: late &- 8) == 3)
            table.remember(hash(1), node: 3, now: late &- 8)
            #expect(table.node(for: hash(1), now: late &+ 8) == 3)
            #expect(table.node(for: hash(1), now: late &+ UInt32(CallTable.usualLifetime)) == nil)
        }
    }

    @Test func inAFullTableTheOldestGivesWay() throws {
        try with(16) { table in
            #expect(table.capacity == 16)
            for call in 0..<16 { table.remember(hash(call), node: call, now: UInt32(100 + call * 8)) }
            #expect(table.evictions == 0)
            table.remember(hash(16), node: 80, now: 300)
            #expect(table.evictions == 1)
            #expect(table.node(for: hash(0), now: 300) == nil)
            for call in 1..<16 { #expect(table.node(for: hash(call), now: 300) == call) }
            #expect(table.node(for: hash(16), now: 300) == 80)
            #expect(table.count == 16)
        }
    }

    @Test func expiredEntriesGiveWayFirstAndAreNoLoss() throws {
        try with(16) { table in
            for call in 0..<16 { table.remember(hash(call), node: call, now: 100) }
            let later = 100 &+ UInt32(CallTable.usualLifetime) &+ 100
            table.remember(hash(99), node: 9, now: later)
            #expect(table.evictions == 0)
            #expect(table.node(for: hash(99), now: later) == 9)
        }
    }

    /// How many entries of each node a sweep finds.
    private static func nodes(
        _ table: borrowing CallTable, from start: Int = 0, _ length: Int = .max, now: UInt32
    ) -> [Int: Int] {
        var nodes: [Int: Int] = [:]
        table.sweep(from: start, count: length, now: now) { node in
            nodes[node, default: 0] += 1
            return true
        }
        return nodes
    }

    @Test("A sweep counts by node, empties what has expired, and forgets what it is told")
    func aSweep() throws {
        try with(64) { table in
            for call in 0..<30 { table.remember(hash(call), node: call % 3, now: call < 6 ? 100 : 200) }
            #expect(Self.nodes(table, now: 201) == [0: 10, 1: 10, 2: 10])
            // In parts, none twice, and whatever the ends are.
            var parts = 0
            for start in stride(from: 0, to: table.capacity, by: 5) {
                parts += Self.nodes(table, from: start, 5, now: 201).values.reduce(0, +)
            }
            #expect(parts == 30)
            for (start, length) in [(64, 5), (.max, .max), (-5, -1), (3, 0), (.min, .max), (70, .max)] {
                #expect(Self.nodes(table, from: start, length, now: 201).isEmpty || start < 0)
            }
            #expect(Self.nodes(table, now: 100 + UInt32(CallTable.usualLifetime) + 4) == [0: 8, 1: 8, 2: 8])
            #expect(table.count == 24)
            table.sweep(from: 0, count: .max, now: 201) { $0 != 1 }
            #expect(Self.nodes(table, now: 201) == [0: 8, 2: 8] && table.count == 16)
            for call in 6..<30 { #expect(table.node(for: hash(call), now: 201) == (call % 3 == 1 ? nil : call % 3)) }
        }
    }

    @Test func theLifetimeIsTheConfiguredOne() throws {
        let size = CallTable.size(entries: 16)
        let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        defer { block.deallocate() }
        block.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        try CallTable.create(in: block, size: size, entries: 16)
        for (wanted, seconds) in [(60, 60), (600, 600), (0, 60), (.max, 2_592_000)] as [(Int, UInt32)] {
            let table = try CallTable(attaching: block, size: size, lifetime: wanted)
            table.remember(hash(1), node: 3, now: 1000)
            #expect(table.node(for: hash(1), now: 1000 + seconds - 4) == 3)
            #expect(table.node(for: hash(1), now: 1000 + seconds + 4) == nil)
        }
    }

    @Test func aHundredThousandCallsFitAndAreFound() throws {
        try with(131_072) { table in
            for call in 0..<100_000 { table.remember(hash(call), node: call % 64, now: 50) }
            var found = 0
            for call in 0..<100_000 where table.node(for: hash(call), now: 60) == call % 64 { found += 1 }
            // Buckets of sixteen at three quarters full: few calls find theirs full.
            #expect(found > 97_000)
            #expect(UInt64(100_000 - found) == table.evictions)
        }
    }

    /// A process that dies between its two stores leaves a value that fits no key.
    @Test func anEntryThatIsHalfWrittenBelongsToNobody() throws {
        try withMemory(16) { block, table in
            table.remember(hash(1), node: 3, now: 10)
            for way in 0..<16 {
                let value = block + 64 + way * 16 + 8
                if value.load(as: UInt64.self) != 0 { value.storeBytes(of: 0xFFFF_FFFF_FFFF_0005, as: UInt64.self) }
            }
            #expect(table.node(for: hash(1), now: 11) == nil)
            table.remember(hash(1), node: 4, now: 12)
            #expect(table.node(for: hash(1), now: 13) == 4)
        }
    }

    /// Whatever stands in the words that are counted with: a trap would end the server.
    @Test(arguments: [Int64.max, .min])
    func countsThatAreFullBeginAnew(_ used: Int64) throws {
        try withMemory(16) { block, table in
            (block + 16).storeBytes(of: used, as: Int64.self)
            (block + 24).storeBytes(of: .max, as: UInt64.self)
            #expect(table.evictions == .max)
            for call in 0...16 { table.remember(hash(call), node: call, now: 100) }
            #expect(table.evictions == 0)
            for call in 0...16 { table.forget(hash(call)) }
            #expect(table.count == Int(max(used, 0)))
            (block + 16).storeBytes(of: Int64.min, as: Int64.self)
            table.remember(hash(1), node: 1, now: 100)
            (block + 16).storeBytes(of: Int64.min, as: Int64.self)
            table.forget(hash(1))
            #expect(table.count == Int.max)
        }
    }

    @Test func nodesOutOfRangeAreNotRemembered() throws {
        try with(8) { table in
            table.remember(hash(1), node: -1, now: 1)
            table.remember(hash(1), node: CallTable.maximumNodes, now: 1)
            #expect(table.count == 0)
        }
    }

    @Test func processesThatWriteAtOnceNeverSeeEachOthersNodes() throws {
        let size = CallTable.size(entries: 4096)
        let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        defer { block.deallocate() }
        block.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        try CallTable.create(in: block, size: size, entries: 4096)
        nonisolated(unsafe) let shared = block
        let group = DispatchGroup()
        for worker in 0..<4 {
            DispatchQueue.global().async(group: group) {
                guard let table = try? CallTable(attaching: shared, size: size) else {
                    Issue.record("cannot attach")
                    return
                }
                for round in 0..<20_000 {
                    let call = Hash64.mixed(UInt64(worker * 1000 + round % 500) &+ 1)
                    table.remember(call, node: worker, now: 10)
                    if let node = table.node(for: call, now: 11), node != worker {
                        Issue.record("another worker's node")
                    }
                    if round % 7 == 0 { table.forget(call) }
                }
            }
        }
        group.wait()
        #expect(try CallTable(attaching: block, size: size).count <= 4096)
    }

    @Test func blocksThatCannotBeAreRefused() {
        let block = UnsafeMutableRawPointer.allocate(byteCount: 4096, alignment: 64)
        defer { block.deallocate() }
        block.initializeMemory(as: UInt8.self, repeating: 0, count: 4096)
        #expect(throws: SharedStateError.tooSmall) { try CallTable.create(in: block, size: 64, entries: 8) }
        #expect(throws: SharedStateError.misaligned) { try CallTable.create(in: block + 8, size: 4000, entries: 8) }
        #expect(throws: SharedStateError.foreign) { _ = try CallTable(attaching: block, size: 4096) }
    }
}
