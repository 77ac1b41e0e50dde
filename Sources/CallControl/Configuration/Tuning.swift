// SPDX-License-Identifier: GPL-2.0-or-later
// Parameters that can be changed while the server runs.

/// Parameters that can be changed while the server runs.
package struct Tuning: Equatable, Sendable {
    /// rtpproxy_tout_ms, 1 or more.
    package var timeoutMilliseconds: Int32
    /// rtpproxy_retr, 1 or more.
    package var tries: Int32
    /// rtpproxy_disable_tout; negative: for good.
    package var disableSeconds: Int32
    /// rtpproxy_ping_interval; 0: none.
    package var pingSeconds: Int32
    /// rtpproxy_hedging.
    package var isHedging: Bool

    @_optimize(size)
    package init(
        timeoutMilliseconds: Int32, tries: Int32, disableSeconds: Int32, pingSeconds: Int32, isHedging: Bool
    ) {
        self.timeoutMilliseconds = timeoutMilliseconds
        self.tries = tries
        self.disableSeconds = disableSeconds
        self.pingSeconds = pingSeconds
        self.isHedging = isHedging
    }
}
