// SPDX-License-Identifier: GPL-2.0-or-later
// What all processes have counted of one node: commands, answers, failures, round trips.
//
// Why this is sound. Each figure is a word of its own, added to atomically and in no order: two processes that count at
// once are both counted, and one that dies has counted or has not. Nothing is decided by these figures, so that it
// does no harm that a reader sees one of them a moment before another. The last error and its time, which belong
// together, are one word. `since` is written after the change of the condition: a process that dies in between leaves
// the time of the change before, until the next change corrects it.
//
// SAFETY (8 in this file): figuresMemory() gives nil outside.

import Bytes
import Synchronization

/// What went wrong with a node.
package enum NodeFault: Equatable, Sendable {
    /// It answered with this `E` code.
    case errorReply(UInt32)
    /// No answer within the budget.
    case timeout
    /// Nothing listens there, or it has no address.
    case refused
    /// An answer that is no control protocol.
    case malformed
    /// The system said no: errno(3).
    case system(UInt32)
    /// It lacks what is required.
    case tooOld
    /// Its name does not resolve.
    case unresolved

    /// Bits 0..7 which, bits 8..31 the number.
    var word: UInt64 {
        switch self {
        case .errorReply(let code): 1 | UInt64(widening: code & 0xFF_FFFF) << 8
        case .timeout: 2
        case .refused: 3
        case .malformed: 4
        case .system(let code): 5 | UInt64(widening: code & 0xFF_FFFF) << 8
        case .tooOld: 6
        case .unresolved: 7
        }
    }

    init?(word: UInt64) {
        let number = UInt32(truncatingIfNeeded: word >> 8) & 0xFF_FFFF
        switch word & 0xFF {
        case 1: self = .errorReply(number)
        case 2: self = .timeout
        case 3: self = .refused
        case 4: self = .malformed
        case 5: self = .system(number)
        case 6: self = .tooOld
        case 7: self = .unresolved
        default: return nil
        }
    }
}

/// What of an exchange is counted.
package struct ExchangeCounts: Equatable, Sendable {
    /// Commands that went out, each once.
    package var commands: UInt32 = 0
    /// Of these, those that were answered, be it with an error.
    package var answered: UInt32 = 0
    /// Of these, those that were given up because they had no answer in time.
    package var timeouts: UInt32 = 0
    /// Times that a command went out again.
    package var retransmissions: UInt32 = 0

    package init() {}
}

/// The figures of a node, as of one look.
package struct NodeFigureValues: Sendable {
    /// Commands of calls that went out, each once.
    package var commands: UInt64 = 0
    /// Commands that were answered, be it with an error.
    package var answered: UInt64 = 0
    /// Answers that were an `E` code.
    package var errors: UInt64 = 0
    /// Commands that were given up because they had no answer in time.
    package var timeouts: UInt64 = 0
    /// Times that a command went out again.
    package var retransmissions: UInt64 = 0
    /// How the round trips are spread.
    package var roundTrips = RoundTripPercentiles(samples: 0)
    /// What went wrong last, and the tick at which it did; nil: nothing has.
    package var lastFault: (fault: NodeFault, tick: UInt32)?
    /// The tick since which its condition is what it is.
    package var since: UInt32 = 0
    /// Times that it was seen to have been restarted.
    package var restarts: UInt64 = 0
    /// Calls of the call table that it holds, as of the last look at the whole of it.
    package var calls: UInt32 = 0
}

/// The record in shared memory. Its stride is the layout's, checked at attach.
struct NodeFigures: ~Copyable {
    private let commands = Atomic<UInt64>(0)
    private let answered = Atomic<UInt64>(0)
    private let errors = Atomic<UInt64>(0)
    private let timeouts = Atomic<UInt64>(0)
    private let retransmissions = Atomic<UInt64>(0)
    /// `NodeFault.word`, the tick in bits 32..63; 0: none.
    private let lastFault = Atomic<UInt64>(0)
    private let since = Atomic<UInt32>(0)
    private let calls = Atomic<UInt32>(0)
    private let restarts = Atomic<UInt64>(0)
    let lines = OutageLines()
    let roundTrips = RoundTripHistogram()

    init() {}

    /// Counts what came of an exchange.
    func count(_ counts: ExchangeCounts) {
        // Most often two of them are 0, and adding that costs as much.
        if counts.commands > 0 { commands.wrappingAdd(UInt64(widening: counts.commands), ordering: .relaxed) }
        if counts.answered > 0 { answered.wrappingAdd(UInt64(widening: counts.answered), ordering: .relaxed) }
        if counts.timeouts > 0 { timeouts.wrappingAdd(UInt64(widening: counts.timeouts), ordering: .relaxed) }
        if counts.retransmissions > 0 {
            retransmissions.wrappingAdd(UInt64(widening: counts.retransmissions), ordering: .relaxed)
        }
    }

    /// Notes what went wrong; an `E` code is counted as well.
    func note(_ fault: NodeFault, tick: UInt32) {
        if case .errorReply = fault { errors.wrappingAdd(1, ordering: .relaxed) }
        lastFault.store(fault.word | UInt64(widening: tick) << 32, ordering: .relaxed)
    }

    /// Notes that it was restarted.
    func noteRestart() { restarts.wrappingAdd(1, ordering: .relaxed) }

    /// How many calls it holds.
    func set(calls count: UInt32) { calls.store(count, ordering: .relaxed) }

    /// Notes that the condition has changed.
    func changed(tick: UInt32) { since.store(tick, ordering: .relaxed) }

    var values: NodeFigureValues {
        var values = NodeFigureValues()
        values.commands = commands.load(ordering: .relaxed)
        values.answered = answered.load(ordering: .relaxed)
        values.errors = errors.load(ordering: .relaxed)
        values.timeouts = timeouts.load(ordering: .relaxed)
        values.retransmissions = retransmissions.load(ordering: .relaxed)
        values.roundTrips = roundTrips.percentiles
        values.since = since.load(ordering: .relaxed)
        values.restarts = restarts.load(ordering: .relaxed)
        values.calls = calls.load(ordering: .relaxed)
        let word = lastFault.load(ordering: .relaxed)
        if let fault = NodeFault(word: word) {
            values.lastFault = (fault, UInt32(truncatingIfNeeded: word >> 32))
        }
        return values
    }

    /// Sets all figures to 0, except `since` and the calls. What is counted meanwhile may be kept or lost.
    func reset() {
        commands.store(0, ordering: .relaxed)
        answered.store(0, ordering: .relaxed)
        errors.store(0, ordering: .relaxed)
        timeouts.store(0, ordering: .relaxed)
        retransmissions.store(0, ordering: .relaxed)
        lastFault.store(0, ordering: .relaxed)
        restarts.store(0, ordering: .relaxed)
        roundTrips.reset()
    }
}

extension NodeTable {
    /// What has been counted of node `index`.
    package func figures(_ index: Int) -> NodeFigureValues {
        unsafe figuresMemory(index)?.pointee.values ?? NodeFigureValues()
    }
    /// How the round trips of node `index` are spread.
    package func spread(_ index: Int) -> RoundTripSpread {
        unsafe figuresMemory(index)?.pointee.roundTrips.spread ?? RoundTripSpread()
    }
    /// Counts what came of an exchange with node `index`.
    package func count(_ counts: ExchangeCounts, _ index: Int) { unsafe figuresMemory(index)?.pointee.count(counts) }
    /// Notes at `tick` what went wrong with node `index`.
    package func noteFault(_ index: Int, _ fault: NodeFault, tick: UInt32) {
        unsafe figuresMemory(index)?.pointee.note(fault, tick: tick)
    }
    /// Notes that node `index` was restarted.
    package func noteRestart(_ index: Int) { unsafe figuresMemory(index)?.pointee.noteRestart() }
    /// Notes how many calls of the call table node `index` holds.
    package func setCalls(_ index: Int, _ count: UInt32) { unsafe figuresMemory(index)?.pointee.set(calls: count) }
    /// Notes that the condition of node `index`, as an operator sees it, has become another one at `tick`.
    package func noteCondition(_ index: Int, tick: UInt32) { unsafe figuresMemory(index)?.pointee.changed(tick: tick) }
    /// Sets what has been counted of every node back to nothing.
    package func resetFigures() {
        for index in 0..<capacity { unsafe figuresMemory(index)?.pointee.reset() }
    }
}
