// SPDX-License-Identifier: GPL-2.0-or-later
// How a call will have sounded: the mean opinion score of the E-model, from lost packets and jitter.

/// The E-model (ITU-T G.107) as far as a media relay can fill it in.
///
/// R = R0 - Id - Ie,eff. What is simplified:
/// - R0 is 93.2, with every parameter that is not named here at its default (G.107 section 7.7).
/// - Id knows nothing but the one-way delay d in milliseconds, 0.024 d + 0.11 (d - 177.3) where d is above 177.3 (Cole
///   and Rosenbluth's fit of G.107). The network's delay is unknown and taken as 0; d is a jitter buffer of twice the
///   average jitter, and 10 ms for the codec.
/// - Ie,eff is that of G.711 with concealment of random losses: Ie 0, Bpl 25.1 (G.113 appendix I), whatever the codec is.
/// - MOS from R is that of G.107 annex B.
package enum MeanOpinionScore {
    /// R without any impairment.
    private static var bestRating: Double { 93.2 }
    /// Packet-loss robustness factor.
    private static var robustness: Double { 25.1 }
    /// Milliseconds that coding takes.
    private static var codecDelay: Double { 10 }

    /// The score in hundredths, 100...450; nil where nothing was `received`. `lost` and `received` are packets,
    /// `jitter` is milliseconds; anything below 0, or no number, counts as 0.
    @_optimize(size)
    package static func hundredths(lost: UInt64, received: UInt64, jitter: Double) -> Int? {
        guard received > 0 else { return nil }
        // NO TRAP (4): floating point does not trap.
        let lossPercent = 100 * Double(lost) / (Double(lost) + Double(received))
        let delay = codecDelay + (jitter > 0 ? 2 * jitter : 0)
        var rating = bestRating - 0.024 * delay - 95 * lossPercent / (lossPercent + robustness)
        if delay > 177.3 { rating -= 0.11 * (delay - 177.3) }
        let score = score(rating: rating)
        // Within 1...4.5, so that the number fits.
        // NO TRAP: score() is within 1...4.5, also for what is no number.
        return Int((score * 100).rounded())
    }

    /// MOS of the rating R (G.107 annex B), 1...4.5.
    static func score(rating: Double) -> Double {
        guard rating > 0 else { return 1 }
        guard rating < 100 else { return 4.5 }
        // NO TRAP: floating point does not trap.
        let score = 1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6
        // Just above 0 the polynomial dips below 1.
        return min(max(score, 1), 4.5)
    }
}
