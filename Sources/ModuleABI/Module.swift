// SPDX-License-Identifier: GPL-2.0-or-later
// What one opaque handle of the contract stands for, and the way from C's bytes to Swift's.

import Bytes
internal import RTPProxyABI
import Relay
import SDP
import SharedState

/// The module in one process: gathered before the fork, attached after it.
struct Module: ~Copyable {
    let host: rtpp_host
    var settings = Settings()
    var isConfigured = false
    var block: UnsafeMutableRawPointer?
    var blockSize = 0
    var relay: Relay?

    init(host: rtpp_host) { unsafe self.host = host }
}
