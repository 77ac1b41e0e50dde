// SPDX-License-Identifier: GPL-2.0-or-later
// How long a node takes to answer, as all processes have seen it: one word of shared memory.

import Bytes
import Synchronization

/// The smoothed round trip and its variation (RFC 6298 section 2, with alpha 1/8, beta 1/4 and K 4).
package struct RoundTrip: Equatable, Sendable {
    /// In microseconds, 1 or more.
    package let smoothedMicroseconds: UInt32
    /// In microseconds.
    package let variationMicroseconds: UInt32

    /// Time until a command may count as lost, in nanoseconds: the smoothed round trip and four variations.
    package var timeoutNanoseconds: UInt64 {
        (UInt64(widening: smoothedMicroseconds) &+ 4 &* UInt64(widening: variationMicroseconds)) &* 1000
    }

    /// From one word: the round trip in the high half, 0 for none.
    init?(word: UInt64) {
        guard word >> 32 > 0 else { return nil }
        smoothedMicroseconds = UInt32(truncatingIfNeeded: word >> 32)
        variationMicroseconds = UInt32(truncatingIfNeeded: word)
    }

    private init(smoothed: Int64, variation: Int64) {
        smoothedMicroseconds = UInt32(clamping: max(smoothed, 1))
        variationMicroseconds = UInt32(clamping: variation)
    }

    var word: UInt64 { UInt64(widening: smoothedMicroseconds) << 32 | UInt64(widening: variationMicroseconds) }

    /// The estimate after a first sample, in nanoseconds.
    static func first(_ nanoseconds: UInt64) -> RoundTrip {
        let sample = microseconds(nanoseconds)
        return RoundTrip(smoothed: sample, variation: sample / 2)
    }

    /// The estimate after another sample, in nanoseconds.
    func after(_ nanoseconds: UInt64) -> RoundTrip {
        let sample = Self.microseconds(nanoseconds)
        let smoothed = Int64(widening: smoothedMicroseconds)
        let variation = Int64(widening: variationMicroseconds)
        // NO TRAP (2): all three are within 0...4,294,967,295, so that no sum or difference comes near 2^63.
        return RoundTrip(
            smoothed: smoothed + (sample - smoothed) / 8,
            variation: variation + (abs(smoothed - sample) - variation) / 4)
    }

    /// At most an hour, so that the sums above cannot overflow.
    private static func microseconds(_ nanoseconds: UInt64) -> Int64 {
        Int64(truncatingIfNeeded: min(nanoseconds / 1000, 3_600_000_000))
    }
}

/// The word in shared memory.
struct SharedRoundTrip: ~Copyable {
    private let word = Atomic<UInt64>(0)
    /// In microseconds, 0 for none.
    private let shortestSample = Atomic<UInt32>(0)

    /// The estimate, nil without a sample.
    var value: RoundTrip? { RoundTrip(word: word.load(ordering: .relaxed)) }

    /// The shortest sample, in microseconds: what the way takes, without any waiting. Nil without a sample.
    var shortest: UInt32? {
        let microseconds = shortestSample.load(ordering: .relaxed)
        return microseconds > 0 ? microseconds : nil
    }

    /// Takes a sample of a command that was sent once (Karn's rule is the caller's), in nanoseconds.
    func sample(_ nanoseconds: UInt64) {
        let present = word.load(ordering: .relaxed)
        let next = RoundTrip(word: present)?.after(nanoseconds) ?? .first(nanoseconds)
        // A sample that another process overtakes is one of many: it may go.
        _ = word.compareExchange(expected: present, desired: next.word, ordering: .relaxed)
        let microseconds = max(UInt32(clamping: nanoseconds / 1000), 1)
        if microseconds < shortest ?? .max { shortestSample.store(microseconds, ordering: .relaxed) }
    }

    /// Forgets everything: the node has another address.
    func reset() {
        word.store(0, ordering: .relaxed)
        shortestSample.store(0, ordering: .relaxed)
    }
}
