// SPDX-License-Identifier: GPL-2.0-or-later
// The figures of a node: counted by many at once, seen by all, and set back.

import Foundation
import Testing

@testable import SharedState

@Suite struct NodeFiguresTests {
    private func counts(
        _ commands: UInt32, answered: UInt32 = 0, timeouts: UInt32 = 0, retransmissions: UInt32 = 0
    ) -> ExchangeCounts {
        var counts = ExchangeCounts()
        counts.commands = commands
        counts.answered = answered
        counts.timeouts = timeouts
        counts.retransmissions = retransmissions
        return counts
    }

    @Test func whatOneProcessCountsEveryProcessSees() throws {
        let block = try Block([definition("a"), definition("b")])
        defer { withExtendedLifetime(block) {} }
        let mine = try block.table()
        let other = try block.table()
        mine.count(counts(5, answered: 3, timeouts: 2, retransmissions: 4), 1)
        mine.noteFault(1, .errorReply(71), tick: 40)
        mine.noteFault(1, .timeout, tick: 50)
        mine.noteCondition(1, tick: 50)
        mine.sampleRoundTrip(1, nanoseconds: 20_000)
        let found = other.figures(1)
        #expect(
            [found.commands, found.answered, found.errors, found.timeouts, found.retransmissions] == [5, 3, 1, 2, 4])
        #expect(found.lastFault?.fault == .timeout && found.lastFault?.tick == 50)
        #expect(found.since == 50)
        #expect(found.roundTrips.samples == 1 && found.roundTrips.p99Microseconds == 20)
        let neighbour = other.figures(0)
        #expect(neighbour.commands == 0 && neighbour.lastFault == nil && neighbour.roundTrips.samples == 0)
        #expect(block.isFenceWhole)
    }

    @Test(arguments: [
        NodeFault.errorReply(0), .errorReply(999_999), .timeout, .refused, .malformed, .system(111), .tooOld,
        .unresolved,
    ])
    func everyFaultIsOneWord(_ fault: NodeFault) throws {
        let block = try Block([definition("a")])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        #expect(table.figures(0).lastFault == nil)
        table.noteFault(0, fault, tick: .max)
        #expect(table.figures(0).lastFault?.fault == fault)
        #expect(table.figures(0).lastFault?.tick == .max)
    }

    /// Whatever stands in the words that are counted with: a trap would end the server.
    @Test func figuresThatAreFullBeginAnew() throws {
        let block = try Block([definition("a")])
        defer { withExtendedLifetime(block) {} }
        let figures = block.memory + NodeTableLayout(capacity: 1).figuresStart
        let words = MemoryLayout<NodeFigures>.size / 8
        for word in 0..<words { (figures + word * 8).storeBytes(of: .max, as: UInt64.self) }
        let table = try block.table()
        table.count(counts(1, answered: 2, timeouts: 3, retransmissions: 4), 0)
        table.noteFault(0, .errorReply(7), tick: 1)
        table.sampleRoundTrip(0, nanoseconds: 20_000)
        let found = table.figures(0)
        #expect(
            [found.commands, found.answered, found.errors, found.timeouts, found.retransmissions] == [0, 1, 0, 2, 3])
        #expect(table.spread(0).counts[21] > 0)
        #expect(block.isFenceWhole)
    }

    @Test func nothingIsLostWhereManyCountAtOnce() throws {
        let block = try Block([definition("a")])
        // Long enough that they run beside each other also where there are few processors.
        let (threads, rounds) = (4, 400_000)
        DispatchQueue.concurrentPerform(iterations: threads) { thread in
            guard let table = try? block.table() else { return }
            for round in 0..<rounds {
                table.count(counts(3, answered: 2, timeouts: 1, retransmissions: 1), 0)
                table.noteFault(0, .errorReply(UInt32(thread)), tick: UInt32(thread))
                table.sampleRoundTrip(0, nanoseconds: UInt64(round % 20 + 1) * 1000)
            }
        }
        let found = try block.table().figures(0)
        let all = UInt64(threads * rounds)
        #expect([found.commands, found.answered, found.timeouts] == [3 * all, 2 * all, all])
        #expect(found.retransmissions == all && found.errors == all)
        #expect(found.roundTrips.samples == all && found.roundTrips.p50Microseconds == 10)
        // Error and time are those of one process.
        #expect(found.lastFault?.fault == .errorReply(found.lastFault?.tick ?? 99))
        withExtendedLifetime(block) {}
    }

    @Test func resetForgetsAllButSinceWhen() throws {
        let block = try Block([definition("a"), definition("b")])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        for node in 0..<2 {
            table.count(counts(5, answered: 3, timeouts: 2, retransmissions: 4), node)
            table.noteFault(node, .errorReply(71), tick: 40)
            table.noteCondition(node, tick: 50)
            table.sampleRoundTrip(node, nanoseconds: 20_000)
        }
        table.resetFigures()
        for node in 0..<2 {
            let found = table.figures(node)
            #expect([found.commands, found.answered, found.errors, found.timeouts, found.retransmissions].max() == 0)
            #expect(found.lastFault == nil && found.roundTrips == RoundTripPercentiles(samples: 0))
            #expect(found.since == 50)
            // What a node is judged by is no statistics.
            #expect(table.roundTrip(node) != nil)
        }
    }

    @Test func aNodeThatIsNoneHasNoFigures() throws {
        let block = try Block([definition("a")])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        for node in [-1, 1, Int.max, Int.min] {
            table.count(counts(1), node)
            table.noteFault(node, .timeout, tick: 1)
            table.noteCondition(node, tick: 1)
            table.sampleRoundTrip(node, nanoseconds: 1)
            #expect(table.figures(node).commands == 0)
        }
        #expect(block.isFenceWhole && table.figures(0).commands == 0)
    }

    @Test func anotherNodeInTheSamePlaceBeginsAnew() throws {
        let block = try Block([definition("a")])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        table.count(counts(7), 0)
        table.retire(0)
        table.release(0)
        #expect(table.add(definition("b")) == 0)
        #expect(table.figures(0).commands == 0)
    }
}
