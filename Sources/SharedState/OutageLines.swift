// SPDX-License-Identifier: GPL-2.0-or-later
// How often the log tells of calls that find no RTPProxy, or one that fails: few at first, then one a second, with how
// many more there were.
//
// Why this is sound. Each set and cause has one word, kept with the set's first node: how many lines may be written,
// since when, and how many were not. It is changed by compare-exchange, so that of all processes one at a time writes a
// line or is counted. Nothing is decided by it but whether a line is written.

import Bytes
import Synchronization

/// Why calls of a set fail while its RTPProxies fail.
package enum OutageCause: Int, CaseIterable, Sendable {
    /// None is up, or none has room.
    case noNode
    /// One does not answer.
    case unanswered
    /// One answers an error.
    case refused
}

/// The words of one node, one for each cause: bits 0..31 the tick of the last line, 32..38 how many lines may follow at
/// once, 39 set, 40..63 how many calls had none. 0: nothing was ever told.
struct OutageLines: ~Copyable {
    /// Lines that may be written at once after a rest.
    static let burst: UInt64 = 10
    private static let mostSilent: UInt64 = 0xFF_FFFF
    private static let isUsed: UInt64 = 1 << 39

    private let noNode = Atomic<UInt64>(0)
    private let unanswered = Atomic<UInt64>(0)
    private let refused = Atomic<UInt64>(0)

    /// Whether a line may be written at `tick`: how many calls had none since the last one; nil: it may not, and the
    /// call is counted.
    func mayTell(_ cause: OutageCause, tick: UInt32) -> UInt32? {
        switch cause {
        case .noNode: Self.mayTell(noNode, tick)
        case .unanswered: Self.mayTell(unanswered, tick)
        case .refused: Self.mayTell(refused, tick)
        }
    }

    /// How many calls had no line, once the last line is some seconds old; they count as told then. nil: none.
    func takeSilent(_ cause: OutageCause, tick: UInt32) -> UInt32? {
        switch cause {
        case .noNode: Self.takeSilent(noNode, tick)
        case .unanswered: Self.takeSilent(unanswered, tick)
        case .refused: Self.takeSilent(refused, tick)
        }
    }

    @_optimize(size)
    private static func mayTell(_ word: borrowing Atomic<UInt64>, _ tick: UInt32) -> UInt32? {
        var current = word.load(ordering: .relaxed)
        while true {
            let passed = UInt64(widening: tick &- UInt32(truncatingIfNeeded: current))
            // A clock of another process may be ahead by one.
            let isOlder = passed < 0x8000_0000
            let left = current == 0 ? burst : min(burst, (current >> 32 & 0x7F) &+ (isOlder ? passed : 0))
            let silent = current >> 40
            let mayTell = left > 0
            let tick = isOlder || current == 0 ? UInt64(widening: tick) : current & 0xFFFF_FFFF
            let next =
                mayTell
                ? tick | (left &- 1) << 32 | isUsed
                : tick | isUsed | min(silent &+ 1, mostSilent) << 40
            let (isDone, original) = word.compareExchange(expected: current, desired: next, ordering: .relaxed)
            if isDone { return mayTell ? UInt32(truncatingIfNeeded: silent) : nil }
            current = original
        }
    }

    @_optimize(size)
    private static func takeSilent(_ word: borrowing Atomic<UInt64>, _ tick: UInt32) -> UInt32? {
        let current = word.load(ordering: .relaxed)
        let passed = UInt64(widening: tick &- UInt32(truncatingIfNeeded: current))
        let silent = current >> 40
        guard silent > 0, (2..<0x8000_0000).contains(passed) else { return nil }
        let (isDone, _) = word.compareExchange(
            expected: current, desired: UInt64(widening: tick) | 1 << 32 | isUsed, ordering: .relaxed)
        return isDone ? UInt32(truncatingIfNeeded: silent) : nil
    }
}

extension NodeTable {
    /// Whether a line about a call of the set whose first node is `index` may be written at `tick`: how many calls have
    /// had none since the last one; nil: it may not, and the call is counted. Ten at once, then one a second.
    package func mayTell(_ index: Int, _ cause: OutageCause, tick: UInt32) -> UInt32? {
        // SAFETY: figuresMemory() gives nil outside.
        guard let figures = unsafe figuresMemory(index) else { return 0 }
        return unsafe figures.pointee.lines.mayTell(cause, tick: tick)
    }

    /// Calls of the set whose first node is `index` that have had no line, where none has followed for two seconds.
    package func takeSilent(_ index: Int, _ cause: OutageCause, tick: UInt32) -> UInt32? {
        // SAFETY: figuresMemory() gives nil outside.
        unsafe figuresMemory(index)?.pointee.lines.takeSilent(cause, tick: tick)
    }
}
