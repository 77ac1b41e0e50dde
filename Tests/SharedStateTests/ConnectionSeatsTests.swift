// SPDX-License-Identifier: GPL-2.0-or-later
// Connections to a node: never more than there are seats, given back when they close, or free once their time is over.

import Foundation
import Synchronization
import Testing

@testable import SharedState

@Suite struct ConnectionSeatsTests {
    private let block: Block

    init() throws { block = try Block([definition("a"), definition("b")]) }

    private func take(_ node: Int, _ count: Int, at now: UInt64, until end: UInt64 = 1000) throws -> CommandRoom? {
        let table = try block.table()
        return table.takeConnections(node, atMost: count, now: now, until: end)
    }

    @Test func thereAreFourOfANode() throws {
        #expect(try take(0, 2, at: 1)?.count == 2)
        #expect(try take(0, 1, at: 1)?.count == 1)
        // What is left is better than nothing.
        #expect(try take(0, 8, at: 1)?.count == 1)
        #expect(try take(0, 1, at: 1) == nil)
        #expect(try take(1, 8, at: 1)?.count == 4)
        #expect(try take(2, 1, at: 1) == nil, "there is no such node")
        #expect(block.isFenceWhole)
    }

    @Test func whatIsGivenBackIsFree() throws {
        let table = try block.table()
        let first = try #require(try take(0, 3, at: 1))
        _ = try take(0, 1, at: 1)
        table.giveBack(first, 0)
        table.giveBack(first, 0)
        #expect(try take(0, 16, at: 2)?.count == 3)
    }

    @Test func whatAProcessThatDiedHeldIsFreeOnceItsTimeIsOver() throws {
        _ = try take(0, 16, at: 1, until: 100)
        #expect(try take(0, 1, at: 99, until: 200) == nil)
        #expect(try take(0, 16, at: 100, until: 200)?.count == 4)
    }

    @Test func whatOthersHaveTakenMeanwhileIsNotGivenBack() throws {
        let table = try block.table()
        let late = try #require(try take(0, 16, at: 1, until: 100))
        _ = try take(0, 16, at: 100, until: 200)
        table.giveBack(late, 0)
        #expect(try take(0, 1, at: 101, until: 201) == nil)
    }

    @Test func anotherNodeBeginsWithAllOfThem() throws {
        let table = try block.table()
        _ = try take(0, 16, at: 1)
        table.retire(0)
        table.release(0)
        #expect(table.add(definition("c")) == 0)
        #expect(try take(0, 16, at: 2)?.count == 4)
    }

    @Test func manyAtOnceNeverHaveMoreThanThereAre() throws {
        let block = block
        let counts = Counts()
        DispatchQueue.concurrentPerform(iterations: 4) { process in
            guard let table = try? block.table() else { return }
            for round in 1..<20_000 {
                // Each has an end of its own, as processes with clocks of nanoseconds have.
                let end = UInt64(1_000_000_000 + 4 * round + process)
                guard let room = table.takeConnections(0, atMost: 3, now: UInt64(round), until: end) else { continue }
                let now = counts.taken.add(room.count, ordering: .sequentiallyConsistent).newValue
                counts.most.max(now, ordering: .relaxed)
                counts.taken.subtract(room.count, ordering: .sequentiallyConsistent)
                table.giveBack(room, 0)
            }
        }
        #expect(counts.most.load(ordering: .relaxed) <= 4)
        #expect(try take(0, 16, at: 1)?.count == 4)
    }
}

private final class Counts: Sendable {
    let taken = Atomic<Int>(0)
    let most = Atomic<Int>(0)
}
