// SPDX-License-Identifier: GPL-2.0-or-later
// How the round trips of a node are spread: a log-linear histogram of fixed size, in shared memory.
//
// Why this is sound. Each bucket is one word that only grows, by atomic additions in no order: a process that dies has
// counted a sample or has not. A reader adds the buckets up while others count, so that it may miss the newest; a
// percentile among thousands does not show that.
//
// NO TRAP (6 in this file): index is one of the 368 indices.

import Bytes
import Synchronization

/// Where a sample is counted. Up to 31 us each microsecond has a bucket of its own; beyond, each power of two is
/// divided into sixteen, so that the middle of a bucket is off by less than 3.2 % of whatever it holds.
enum RoundTripBucket {
    /// The longest round trip that is told from a longer one, in microseconds.
    static let longest: UInt64 = 60_000_000
    /// The buckets of a power of two, as a power of two.
    private static let shift = 4
    /// Values below this are buckets.
    private static let linear: UInt64 = 32
    /// How many there are: 32, and sixteen for each power of two from 2^5 to 2^25, where `longest` is.
    static let count = 368

    /// The bucket of a round trip, below `count`.
    static func index(microseconds: UInt64) -> Int {
        let value = min(max(microseconds, 1), longest)
        guard value >= linear else { return Int(truncatingIfNeeded: value) }
        let power = 63 &- value.leadingZeroBitCount
        // NO TRAP: power is 5...25 for a value from 32 to 60,000,000.
        let place = (value >> UInt64(power &- shift)) & 15
        return 32 &+ (power &- 5) &* 16 &+ Int(truncatingIfNeeded: place)
    }

    /// Which part of a `RoundTripSpread` a bucket belongs to.
    static func part(_ index: Int) -> Int { index < 32 ? 0 : min((index &- 32) / 16 &+ 1, RoundTripSpread.parts &- 1) }

    /// What stands for all samples of a bucket: its middle, in microseconds.
    static func middle(_ index: Int) -> UInt32 {
        guard index >= 32, index < count else { return UInt32(clamping: index) }
        let power = UInt32(truncatingIfNeeded: (index &- 32) / 16 &+ 5)
        let place = UInt32(truncatingIfNeeded: (index &- 32) % 16)
        let width: UInt32 = 1 << (power &- 4)
        return (16 &+ place) &* width &+ width / 2
    }
}

/// The record in shared memory.
struct RoundTripHistogram: ~Copyable {
    private let buckets: InlineArray<368, Atomic<UInt64>>

    init() { buckets = InlineArray { _ in Atomic<UInt64>(0) } }

    /// Counts a round trip.
    func count(nanoseconds: UInt64) {
        // NO TRAP (2): index() is never negative, and below count, compared before.
        let index = RoundTripBucket.index(microseconds: nanoseconds / 1000)
        guard index < buckets.count else { return }
        buckets[index].wrappingAdd(1, ordering: .relaxed)
    }

    /// Sets all buckets to 0. What is counted meanwhile may be kept or lost.
    func reset() {
        for index in buckets.indices { buckets[index].store(0, ordering: .relaxed) }
    }

    /// How many round trips are in each power of two, and their sum.
    var spread: RoundTripSpread {
        var spread = RoundTripSpread()
        for index in buckets.indices {
            let samples = buckets[index].load(ordering: .relaxed)
            guard samples > 0 else { continue }
            // NO TRAP: part() is 0...21, for an index below 368.
            spread.counts[RoundTripBucket.part(index)] &+= samples
            spread.sumMicroseconds &+= samples &* UInt64(widening: RoundTripBucket.middle(index))
        }
        return spread
    }

    /// The round trips below which 50, 90 and 99 of a hundred are.
    var percentiles: RoundTripPercentiles {
        // A copy: what is counted meanwhile must not make the sum another one.
        var counts = InlineArray<368, UInt64>(repeating: 0)
        var total: UInt64 = 0
        for index in buckets.indices {
            counts[index] = buckets[index].load(ordering: .relaxed)
            total &+= counts[index]
        }
        var found = RoundTripPercentiles(samples: total)
        guard total > 0 else { return found }
        var sum: UInt64 = 0
        for index in counts.indices where counts[index] > 0 {
            let before = sum
            sum &+= counts[index]
            let middle = RoundTripBucket.middle(index)
            if Self.isWithin(50, of: total, before, sum) { found.p50Microseconds = middle }
            if Self.isWithin(90, of: total, before, sum) { found.p90Microseconds = middle }
            if Self.isWithin(99, of: total, before, sum) { found.p99Microseconds = middle }
        }
        return found
    }

    /// Whether the sample of that rank is among those behind `before`, up to `sum`.
    private static func isWithin(_ percent: UInt64, of total: UInt64, _ before: UInt64, _ sum: UInt64) -> Bool {
        // Rounded up, without a product that could overflow.
        let rank = total / 100 &* percent &+ (total % 100 &* percent &+ 99) / 100
        return before < rank && rank <= sum
    }
}

/// What a histogram says.
package struct RoundTripPercentiles: Equatable, Sendable {
    /// How many round trips were counted.
    package let samples: UInt64
    /// In microseconds, within 5 %; 0 without a sample.
    package internal(set) var p50Microseconds: UInt32 = 0
    /// In microseconds, within 5 %; 0 without a sample.
    package internal(set) var p90Microseconds: UInt32 = 0
    /// In microseconds, within 5 %; 0 without a sample.
    package internal(set) var p99Microseconds: UInt32 = 0

    init(samples: UInt64) { self.samples = samples }
}

/// How round trips are spread over powers of two.
package struct RoundTripSpread: Sendable {
    /// How many parts there are.
    package static let parts = 22

    /// Part 0: below 32 us. Part n: from 2^(n+4) us to below 2^(n+5) us. The last one: 2^25 us and above.
    package internal(set) var counts = InlineArray<22, UInt64>(repeating: 0)
    /// The sum of all round trips in microseconds, within 5 %.
    package internal(set) var sumMicroseconds: UInt64 = 0

    init() {}

    /// The end of a part in microseconds, nil for the last one, which has none.
    package static func end(ofPart part: Int) -> UInt64? {
        part >= 0 && part < parts &- 1 ? 1 << UInt64(truncatingIfNeeded: part &+ 5) : nil
    }
}
