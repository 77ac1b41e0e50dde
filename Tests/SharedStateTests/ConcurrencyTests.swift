// SPDX-License-Identifier: GPL-2.0-or-later
// Threads that hammer one node: every transition has exactly one winner, and no address is seen half.

import Foundation
import Synchronization
import Testing

@testable import SharedState

/// Runs `body` on so many threads at once, each with its number, and waits for all of them.
private func together(_ threads: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let ready = Counter()
    let done = DispatchSemaphore(value: 0)
    for number in 0..<threads {
        Thread.detachNewThread {
            ready.value.add(1, ordering: .acquiringAndReleasing)
            // Together as far as the machine has processors; bounded, because it need not have them.
            for _ in 0..<100_000 where ready.value.load(ordering: .acquiring) < threads {}
            body(number)
            done.signal()
        }
    }
    for _ in 0..<threads { done.wait() }
}

/// Holds threads until all of them are there, and lets them go in the same moment.
private final class Barrier: Sendable {
    private let threads: Int
    private let arrivals = Atomic<Int>(0)

    init(_ threads: Int) { self.threads = threads }

    func wait() {
        let mine = arrivals.add(1, ordering: .acquiringAndReleasing).newValue
        let all = (mine + threads - 1) / threads * threads
        for look in 0..<100_000_000 {
            if arrivals.load(ordering: .acquiring) >= all { return }
            // A system call takes longer than what is to be raced for: only where the others do not run at all.
            if look > 20_000 { sched_yield() }
        }
    }
}

private final class Counter: Sendable {
    let value = Atomic<Int>(0)
}

@Suite struct ConcurrencyTests {
    /// As many as even a small machine runs at the same time.
    private static let racers = 2
    private static let threads = 4
    private static let rounds = 1000

    /// Each round all threads want the same transition at the same moment.
    private func expectOneWinner(
        _ prepare: @escaping @Sendable (borrowing NodeTable) -> Void,
        _ attempt: @escaping @Sendable (borrowing NodeTable, Int) -> Bool
    ) throws {
        let block = try Block([definition("a")])
        let winners = Guarded([Int](repeating: 0, count: Self.rounds))
        let barrier = Barrier(Self.racers)
        together(Self.racers) { thread in
            guard let mine = try? block.table() else { return }
            for round in 0..<Self.rounds {
                if thread == 0 { prepare(mine) }
                barrier.wait()
                let isWon = attempt(mine, thread)
                if isWon { winners.withLock { $0[round] += 1 } }
                barrier.wait()
            }
        }
        #expect(winners.withLock { $0.filter { $0 != 1 }.count } == 0)
    }

    @Test func aFailureHasExactlyOneWinner() throws {
        try expectOneWinner {
            _ = $0.revive(0)
        } _: {
            $0.fail(0, recheck: UInt32($1))
        }
    }

    @Test func aRevivalHasExactlyOneWinner() throws {
        try expectOneWinner {
            _ = $0.fail(0, recheck: 9)
        } _: { table, _ in
            table.revive(0) != nil
        }
    }

    /// Failures and revivals take turns, so they cannot differ by more than one, and each is counted as a change.
    @Test func failuresAndRevivalsBalance() throws {
        let block = try Block([definition("a")])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        _ = table.revive(0)
        let before = table.changes
        let failures = Atomic<Int>(0)
        let revivals = Atomic<Int>(0)
        together(Self.threads) { thread in
            guard let mine = try? block.table() else { return }
            for _ in 0..<2000 {
                if thread % 2 == 0 {
                    if mine.fail(0, recheck: 1) { failures.add(1, ordering: .relaxed) }
                } else if mine.revive(0) != nil {
                    revivals.add(1, ordering: .relaxed)
                }
            }
        }
        let (failed, revived) = (failures.load(ordering: .relaxed), revivals.load(ordering: .relaxed))
        let isDown = table.condition(0) == .down(recheck: 1)
        #expect(failed > 0)
        #expect(failed - revived == (isDown ? 1 : 0))
        #expect(table.changes - before == UInt64(failed + revived))
    }

    /// Whatever is still under way: a node that the operator has switched off stays off.
    @Test func nothingUndoesWhatTheOperatorDisabled() throws {
        let block = try Block([definition("a")])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        for _ in 0..<Self.rounds {
            table.setEnabled(0, true)
            together(Self.threads) { thread in
                guard let mine = try? block.table() else { return }
                switch thread {
                case 0: mine.setEnabled(0, false)
                case 1: _ = mine.fail(0, recheck: 4)
                case 2: mine.postpone(0, recheck: 8)
                default: _ = mine.revive(0)
                }
            }
            #expect(table.condition(0) == .disabled)
        }
    }

    /// The three words always belong together: a reader sees one publication, or none.
    @Test func anAddressIsNeverSeenHalf() throws {
        let block = try Block([definition("a")])
        defer { withExtendedLifetime(block) {} }
        let torn = Atomic<Int>(0)
        let seen = Atomic<Int>(0)
        let last = Atomic<UInt64>(0)
        together(3) { thread in
            guard let mine = try? block.table() else { return }
            if thread == 0 {
                // Until enough of them were seen to change; bounded, as nobody may be reading beside this thread.
                for value in 1...2_000_000 as ClosedRange<UInt64> {
                    if seen.load(ordering: .relaxed) >= 20_000 { break }
                    mine.publishAddress(0, NodeAddress(words: (value, ~value, value &* 3)))
                    last.store(value, ordering: .releasing)
                }
                return
            }
            var previous: UInt64 = 0
            for _ in 0..<4_000_000 {
                if seen.load(ordering: .relaxed) >= 20_000 { break }
                guard let words = mine.address(0)?.words else { continue }
                if words.1 != ~words.0 || words.2 != words.0 &* 3 { torn.add(1, ordering: .relaxed) }
                if words.0 != previous { seen.add(1, ordering: .relaxed) }
                previous = words.0
            }
        }
        #expect(torn.load(ordering: .relaxed) == 0)
        #expect(try block.table().address(0)?.words.0 == last.load(ordering: .acquiring))
    }
}
