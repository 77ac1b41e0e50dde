// SPDX-License-Identifier: GPL-2.0-or-later
// Room for commands to a node: never more than its buffer holds, given back with the answer, or gone by itself.

import Foundation
import Synchronization
import Testing

@testable import SharedState

private final class Counts: Sendable {
    let taken = Atomic<Int>(0)
    let most = Atomic<Int>(0)
}

@Suite struct CommandsInFlightTests {
    /// A slot, in nanoseconds.
    private let slot: UInt64 = 1 << 28

    private let block: Block

    private func take(_ node: Int, _ commands: Int, at now: UInt64) throws -> CommandRoom? {
        let table = try block.table()
        return table.takeRoom(node, commands: commands, now: now)
    }

    init() throws { block = try Block([definition("a"), definition("b")]) }

    @Test func thereIsRoomFor16Commands() throws {
        #expect(try take(0, 8, at: 1) != nil)
        #expect(try take(0, 8, at: 1) != nil)
        #expect(try take(0, 1, at: 1) == nil)
        #expect(try take(1, 8, at: 1) != nil)
    }

    @Test func answersGiveRoomBack() throws {
        let table = try block.table()
        let room = try #require(try take(0, 16, at: 1))
        #expect(try take(0, 1, at: 2) == nil)
        table.giveBack(room, 0)
        #expect(try take(0, 16, at: 3) != nil)
    }

    @Test func roomThatNobodyGivesBackIsFreeAfterAWhile() throws {
        _ = try take(0, 16, at: slot &* 10)
        #expect(try take(0, 1, at: slot &* 12) == nil)
        #expect(try take(0, 16, at: slot &* 13) != nil)
    }

    @Test func roomGivenBackTooLateIsNoRoomOfOthers() throws {
        let table = try block.table()
        let old = try #require(try take(0, 16, at: slot &* 10))
        // The same place in memory, four slots later.
        _ = try take(0, 16, at: slot &* 14)
        table.giveBack(old, 0)
        #expect(try take(0, 1, at: slot &* 14) == nil)
    }

    @Test func theLongerTheWayTheMoreMayBeOnIt() throws {
        let table = try block.table()
        table.sampleRoundTrip(0, nanoseconds: 5_000_000)
        #expect(try take(0, 116, at: 1) != nil)
        #expect(try take(0, 1, at: 1) == nil)
        // The shortest time counts: the others have waited.
        table.sampleRoundTrip(1, nanoseconds: 100_000)
        table.sampleRoundTrip(1, nanoseconds: 5_000_000)
        #expect(try take(1, 19, at: 1) == nil)
        #expect(try take(1, 18, at: 1) != nil)
    }

    @Test func anotherAddressIsAnotherWay() throws {
        let table = try block.table()
        table.sampleRoundTrip(0, nanoseconds: 5_000_000)
        table.publishAddress(0, NodeAddress(words: (1, 2, 3)))
        #expect(try take(0, 17, at: 1) == nil)
    }

    @Test func manyAtOnceNeverHaveMoreThanThereIs() throws {
        let block = block
        let counts = Counts()
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            guard let table = try? block.table() else { return }
            for round in 0..<20_000 {
                guard let room = table.takeRoom(0, commands: 5, now: UInt64(round) &* 1000) else {
                    continue
                }
                let now = counts.taken.add(5, ordering: .sequentiallyConsistent).newValue
                counts.most.max(now, ordering: .relaxed)
                counts.taken.subtract(5, ordering: .sequentiallyConsistent)
                table.giveBack(room, 0)
            }
        }
        #expect(counts.most.load(ordering: .relaxed) <= 16)
        #expect(try take(0, 16, at: 20_000_000) != nil)
    }
}
