// SPDX-License-Identifier: GPL-2.0-or-later
// The histogram of round trips: how far off its answers are, over the whole range, and that no sample is lost.

import Testing

@testable import SharedState

@Suite struct HistogramTests {
    /// How far a percentile may be off.
    private static let bound = 0.05

    /// Every microsecond up to 100,000, then ever larger steps, each with the values around it, to beyond the range.
    private static let values: [UInt64] = {
        var values = Array(UInt64(1)...100_000)
        var value: UInt64 = 100_000
        while value < RoundTripBucket.longest {
            values += [value - 1, value, value + 1]
            value += value / 997 + 1
        }
        for power in 0..<26 { values += [UInt64(1) << power, (UInt64(1) << power) + 1] }
        return values.filter { $0 <= RoundTripBucket.longest }.sorted()
    }()

    @Test func everyValueIsWithinFivePercentOfItsBucketsMiddle() {
        for value in Self.values {
            let middle = Double(RoundTripBucket.middle(RoundTripBucket.index(microseconds: value)))
            let isWithin = abs(middle - Double(value)) <= Self.bound * Double(value)
            if !isWithin { Issue.record("\(value) us is told as \(middle) us") }
        }
    }

    @Test func bucketsGrowWithTheValueAndNoneIsSkipped() {
        var last = 1
        var seen: Set<Int> = []
        for value in Self.values {
            let index = RoundTripBucket.index(microseconds: value)
            #expect(index >= last && index < RoundTripBucket.count)
            (last, _) = (index, seen.insert(index))
        }
        #expect(seen.contains(1) && seen == Set(1...last))
        #expect(RoundTripBucket.index(microseconds: RoundTripBucket.longest) == last)
    }

    @Test func whatIsOutsideTheRangeIsCountedAtItsEnds() throws {
        #expect(RoundTripBucket.index(microseconds: 0) == RoundTripBucket.index(microseconds: 1))
        let longest = RoundTripBucket.index(microseconds: RoundTripBucket.longest)
        for value in [RoundTripBucket.longest + 1, 1 << 40, .max] {
            #expect(RoundTripBucket.index(microseconds: value) == longest)
        }
        #expect(longest < RoundTripBucket.count)
        let histogram = RoundTripHistogram()
        for value in [0, 999, UInt64.max] { histogram.count(nanoseconds: value) }
        #expect(histogram.percentiles.samples == 3)
    }

    @Test func percentilesOfAnyDistributionAreWithinFivePercent() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<60 {
            let histogram = RoundTripHistogram()
            let top = UInt64(1) << UInt64.random(in: 4...25, using: &random)
            let samples = (0..<Int.random(in: 1...700, using: &random)).map { _ in
                Bool.random(using: &random)
                    ? UInt64.random(in: 1...top, using: &random) : UInt64.random(in: 1...(top / 8), using: &random)
            }
            for sample in samples { histogram.count(nanoseconds: sample * 1000 + 999) }
            let sorted = samples.sorted()
            let found = histogram.percentiles
            #expect(found.samples == UInt64(samples.count))
            let told = [(50, found.p50Microseconds), (90, found.p90Microseconds), (99, found.p99Microseconds)]
            for (percent, microseconds) in told {
                let exact = Double(sorted[(samples.count * percent + 99) / 100 - 1])
                let isWithin = abs(Double(microseconds) - exact) <= Self.bound * exact
                #expect(isWithin, "percentile \(percent) of \(samples.count): \(microseconds), not \(exact)")
            }
        }
    }

    @Test func withoutASampleThereIsNoPercentile() {
        let histogram = RoundTripHistogram()
        #expect(histogram.percentiles == RoundTripPercentiles(samples: 0))
        histogram.count(nanoseconds: 5_000_000)
        histogram.reset()
        #expect(histogram.percentiles == RoundTripPercentiles(samples: 0))
    }
}
