// SPDX-License-Identifier: GPL-2.0-or-later
// Threads that hammer one node: every transition has exactly one winner, and no address is seen half.

import Dispatch
import Synchronization
import Testing

@testable import SharedState

/// Runs `body` on so many threads at once, each with its number, and waits for all of them.
private func together(_ threads: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let ready = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: threads) { number in
        ready.add(1, ordering: .acquiringAndReleasing)
        // Together as far as the machine has processors; bounded, because it need not have them.
        for _ in 0..<10_000 where ready.load(ordering: .acquiring) < threads {}
        body(number)
    }
}

@Suite struct ConcurrencyTests {
    private static let threads = 8
    private static let rounds = 300

    @Test func aFailureHasExactlyOneWinner() throws {
        let block = try Block([definition("a")])
        let table = try block.table()
        for round in 0..<Self.rounds {
            _ = table.revive(0)
            let winners = Mutex<[Int]>([])
            together(Self.threads) { thread in
                guard let mine = try? block.table() else { return }
                if mine.fail(0, recheck: UInt32(thread)) { winners.withLock { $0.append(thread) } }
            }
            let won = winners.withLock { $0 }
            #expect(won.count == 1, "round \(round)")
            #expect(table.condition(0) == .down(recheck: UInt32(won.first ?? Self.threads)))
        }
    }

    @Test func aRevivalHasExactlyOneWinner() throws {
        let block = try Block([definition("a")])
        let table = try block.table()
        for _ in 0..<Self.rounds {
            _ = table.fail(0, recheck: 9)
            let winners = Atomic<Int>(0)
            together(Self.threads) { _ in
                guard let mine = try? block.table() else { return }
                if mine.revive(0) != nil { winners.add(1, ordering: .relaxed) }
            }
            #expect(winners.load(ordering: .relaxed) == 1)
        }
    }

    /// Failures and revivals take turns, so they cannot differ by more than one, and each is counted as a change.
    @Test func failuresAndRevivalsBalance() throws {
        let block = try Block([definition("a")])
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
        let table = try block.table()
        for _ in 0..<Self.rounds {
            table.setEnabled(0, true)
            together(Self.threads) { thread in
                guard let mine = try? block.table() else { return }
                switch thread {
                case 0: mine.setEnabled(0, false)
                case 1, 2: _ = mine.fail(0, recheck: 4)
                case 3: mine.postpone(0, recheck: 8)
                default: _ = mine.revive(0)
                }
            }
            #expect(table.condition(0) == .disabled)
        }
    }

    /// The three words always belong together: a reader sees one publication, or none.
    @Test func anAddressIsNeverSeenHalf() throws {
        let block = try Block([definition("a")])
        let torn = Atomic<Int>(0)
        let isOver = Atomic<Bool>(false)
        together(4) { thread in
            guard let mine = try? block.table() else { return }
            if thread == 0 {
                for value in 1...100_000 as ClosedRange<UInt64> {
                    mine.publishAddress(0, NodeAddress(words: (value, ~value, value &* 3)))
                }
                isOver.store(true, ordering: .releasing)
                return
            }
            for _ in 0..<2_000_000 {
                if isOver.load(ordering: .acquiring) { break }
                guard let words = mine.address(0)?.words else { continue }
                if words.1 != ~words.0 || words.2 != words.0 &* 3 { torn.add(1, ordering: .relaxed) }
            }
        }
        #expect(torn.load(ordering: .relaxed) == 0)
        #expect(try block.table().address(0)?.words.0 == 100_000)
    }
}
