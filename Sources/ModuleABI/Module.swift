// SPDX-License-Identifier: GPL-2.0-or-later
// What one opaque handle of the contract stands for, and the way from C's bytes to Swift's.

import Bytes
import RTPProxyABI
import CallControl
import SDP
import SharedState

/// The module in one process: gathered before the fork, attached after it.
@safe struct Module: ~Copyable {
    let host: rtpp_host
    var settings = Settings()
    var isConfigured = false
    /// The block that was laid out, and its size.
    var block: UnsafeMutableRawPointer?
    var blockSize = 0
    var worker: Worker?
    /// What the asynchronous processes' signals are found by.
    var signals: [Int32] = []
    var delivery: JobDelivery?
    /// Where notifications arrive, until the process that listens takes it.
    var notifications: Notifications?
    /// Whether the script asks which stream a notification is about.
    var tellsStreams = false
    /// The pool that a reload is gathering, and the rows that it leaves out.
    var reload: Settings?
    var skippedRows: UInt32 = 0
    /// What the last probe on demand found.
    var probed: [ProbeResult] = []
    /// Memory for handing edits to the host, kept from call to call.
    var edits: [rtpp_edit] = unsafe []

    /// A call has the host look at or set a variable just now. What that asks of the module in turn, say by $rtpstat,
    /// would change what the call stands on.
    var isInCallback = false

    init(host: rtpp_host) { self.host = host }
}

extension rtpp_bytes {
    /// The bytes; empty where the pointer or the length cannot be.
    var buffer: UnsafeBufferPointer<UInt8> {
        guard let data = unsafe data, unsafe isPossible else { return unsafe UnsafeBufferPointer(start: nil, count: 0) }
        return unsafe UnsafeBufferPointer(start: data, count: length)
    }

    /// Whether so many bytes can be; C's size_t is a signed number here, so that the largest ones are negative.
    var isPossible: Bool { unsafe length >= 0 && length <= Int.max >> 1 }

    /// Whether it was given at all, if only as an empty text.
    var isPresent: Bool { unsafe data != nil }

    init(lending span: borrowing Span<UInt8>) {
        // SAFETY: the host reads it during the call only, while the span is alive.
        unsafe self = span.withUnsafeBufferPointer { unsafe rtpp_bytes(data: $0.baseAddress, length: $0.count) }
    }
}

/// The module behind a handle; nil for NULL, and in the middle of a call, see `isInCallback`.
func module(_ handle: OpaquePointer?) -> UnsafeMutablePointer<Module>? {
    // SAFETY: rtpp_create made the handle from such a pointer, and the glue passes no other.
    guard let module = unsafe handle.map({ unsafe UnsafeMutablePointer<Module>($0) }) else { return nil }
    return unsafe module.pointee.isInCallback ? nil : module
}
