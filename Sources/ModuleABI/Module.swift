// SPDX-License-Identifier: GPL-2.0-or-later
// What one opaque handle of the contract stands for, how far its process has come, and C's bytes as Swift's.

import Bytes
import RTPProxyABI
import CallControl
import SDP
import SharedState

/// The module in one process: gathered before the fork, attached after it.
@safe struct Module: ~Copyable {
    let host: rtpp_host
    var settings = Settings()
    /// How many of its faults are in the log.
    private var reportedFaults = 0
    var lifeCycle = LifeCycle.gathering
    /// Where notifications arrive, until the process that listens takes it.
    var notifications: Notifications?
    /// Whether flags that the script writes out have the letter of extra_id_pv.
    var usesExtraID = false
    /// Whether the script asks which stream a notification is about.
    var tellsStreams = false
    /// What a reload is gathering.
    var reload: Reload?
    /// Memory for handing edits to the host, kept from call to call.
    // SAFETY: an empty one, no memory is looked at.
    var edits = unsafe Scratch<rtpp_edit>()

    /// The host is reading or setting a variable for a call. Were that variable one of this module, say $rtpstat, it
    /// would change memory that the call is using: such a use is refused.
    var isInCallback = false

    init(host: rtpp_host) { self.host = host }

    /// Logs the faults of the parameters that have not been logged, and says how many.
    @discardableResult mutating func reportFaults() -> Int {
        // NO TRAP: a count, 0 or more.
        let faults = settings.faults.dropFirst(reportedFaults)
        for fault in faults { Host(host).report(.badParameter, .error, fault.span) }
        reportedFaults = settings.faults.count
        return faults.count
    }
}

/// How far a process has come. It only ever goes on, and ends with rtpp_destroy.
enum LifeCycle: ~Copyable {
    /// The main process reads parameters and the database, or there is a fault in them.
    case gathering
    /// They are checked: the shared memory can be laid out.
    case configured
    /// It is laid out: the server may fork.
    case shared(SharedMemory)
    /// A process of the server serves calls. The monitor, the asynchronous processes and the one that listens are such
    /// ones, too: their routes call functions. What else they work with, they have while they run.
    case attached(AttachedPlace)

    /// Whether the configuration is checked.
    var isConfigured: Bool {
        switch self {
        case .gathering: false
        case .configured: true
        case .shared: true
        case .attached: true
        }
    }

    /// The memory that all processes share, once it is laid out.
    var memory: SharedMemory? {
        switch self {
        case .gathering: nil
        case .configured: nil
        case .shared(let memory): memory
        // SAFETY: one value, initialised in init and deinitialised in deinit; the pointer is its own.
        case .attached(let attached): unsafe attached.pointer.pointee.memory
        }
    }

    /// What calls are served with, once the process is attached.
    var attached: UnsafeMutablePointer<Attached>? {
        switch self {
        case .gathering: nil
        case .configured: nil
        case .shared: nil
        // SAFETY: one value, initialised in init and deinitialised in deinit; the pointer is its own.
        case .attached(let attached): unsafe attached.pointer
        }
    }
}

/// What a process serves calls with.
struct Attached: ~Copyable {
    let memory: SharedMemory
    var worker: Worker
    let delivery: JobDelivery
    /// What the last probe on demand found.
    var probed: [ProbeResult] = []
}

/// Memory of its own for that: a call changes it in place while callbacks look at the rest of the module.
@safe struct AttachedPlace: ~Copyable {
    let pointer: UnsafeMutablePointer<Attached>

    init(_ attached: consuming Attached) {
        // SAFETY: initialised here and deinitialised in deinit, in between it is a whole value.
        // NO TRAP: one value, initialised in init and deinitialised in deinit; the pointer is its own.
        unsafe pointer = .allocate(capacity: 1)
        unsafe pointer.initialize(to: attached)
    }

    deinit {
        // SAFETY: initialised in init; all who got the pointer from it have left the module again.
        // NO TRAP: one value, initialised in init and deinitialised in deinit; the pointer is its own.
        unsafe pointer.deinitialize(count: 1)
        unsafe pointer.deallocate()
    }
}

/// The pool that a reload gathers, and the rows that it leaves out.
struct Reload {
    var settings: Settings
    var skippedRows: UInt32 = 0

    /// One row of the database; false: it is left out.
    mutating func addRow(_ row: Int, setID: Span<UInt8>, url: Span<UInt8>, weight: Int?, flags: Int?) -> Bool {
        if settings.addRow(row, setID: setID, url: url, weight: weight, flags: flags) { return true }
        skippedRows &+= 1
        return false
    }
}

extension rtpp_bytes {
    /// The bytes; empty where the pointer or the length cannot be.
    var buffer: UnsafeBufferPointer<UInt8> {
        // SAFETY: data is there and length is neither negative nor beyond memory; the glue's bytes hold that many.
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
