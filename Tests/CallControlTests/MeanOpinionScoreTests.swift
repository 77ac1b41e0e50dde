// SPDX-License-Identifier: GPL-2.0-or-later
// The E-model at points that are known, and with figures that cannot be.

import Testing

@testable import CallControl

@Suite struct MeanOpinionScoreTests {
    /// G.107 annex B; R 93.2 is its default (4.41), 50, 60, 70, 80 and 90 are the bounds of G.109's table 1.
    @Test(arguments: [
        (-5.0, 1.0), (0, 1), (3, 1), (50, 2.58), (60, 3.10), (70, 3.60), (80, 4.02), (90, 4.34), (93.2, 4.41),
        (100, 4.5),
        (500, 4.5), (.infinity, 4.5), (.nan, 1),
    ])
    func aRatingHasItsScore(_ rating: Double, _ score: Double) {
        let found = MeanOpinionScore.score(rating: rating)
        #expect(abs(found - score) < 0.006, "\(found)")
    }

    /// Worked out by hand: lost and received packets, milliseconds of jitter, hundredths.
    @Test(arguments: [
        // R = 93.2 - 0.24
        (UInt64(0), UInt64(1000), 0.0, 440),
        // Ie,eff = 95 * 1 / 26.1 = 3.64, R = 89.32
        (10, 990, 0, 432),
        // Ie,eff = 95 * 5 / 30.1 = 15.78, R = 77.18
        (50, 950, 0, 391),
        // Ie,eff = 95 * 10 / 35.1 = 27.07, R = 65.89
        (100, 900, 0, 340),
        // d = 10 + 80, R = 93.2 - 2.16 = 91.04
        (0, 1000, 40, 436),
        // d = 10 + 400, Id = 9.84 + 25.597, R = 57.76
        (0, 1000, 200, 298),
        // Everything but one packet: Ie,eff = 95 * 99.9 / 125 = 75.92, R = 17.04
        (999, 1, 0, 117),
    ])
    func lossAndJitterMakeAScore(_ lost: UInt64, _ received: UInt64, _ jitter: Double, _ score: Int) {
        #expect(MeanOpinionScore.hundredths(lost: lost, received: received, jitter: jitter) == score)
    }

    @Test func withoutAPacketThereIsNone() {
        #expect(MeanOpinionScore.hundredths(lost: 0, received: 0, jitter: 0) == nil)
        #expect(MeanOpinionScore.hundredths(lost: .max, received: 0, jitter: 0) == nil)
    }

    @Test(arguments: [0, 1, UInt64(Int64.max), .max], [1, 2, UInt64(Int64.max), .max])
    func noFigureLeavesTheScale(_ lost: UInt64, _ received: UInt64) throws {
        for jitter in [0, -1, 1e300, -.infinity, .infinity, .nan, 1e-300] {
            let score = try #require(MeanOpinionScore.hundredths(lost: lost, received: received, jitter: jitter))
            #expect((100...450).contains(score), "\(jitter)")
        }
    }

    @Test func moreLossAndMoreJitterAreNeverBetter() throws {
        func score(_ lost: UInt64, _ jitter: Double) -> Int {
            MeanOpinionScore.hundredths(lost: lost, received: 1000, jitter: jitter) ?? 0
        }
        for step in 0..<200 {
            #expect(score(UInt64(step) * 10, 0) >= score(UInt64(step + 1) * 10, 0))
            #expect(score(0, Double(step) * 5) >= score(0, Double(step + 1) * 5))
        }
    }
}
