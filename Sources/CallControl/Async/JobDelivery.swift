// SPDX-License-Identifier: GPL-2.0-or-later
// The way from all processes to the asynchronous ones: a queue and a signal for each.

import Bytes
import SharedState
import Transport

/// One process's end of all of them.
@safe package struct JobDelivery {
    let queues: JobQueues
    private let signals: [Int32]

    /// Bytes of shared memory for so many processes.
    package static func size(_ count: Int) -> Int { JobQueues.size(count: count) }

    /// Lays the queues out in `block`, which is zeroed, aligned to 64 and shared, and makes the signals, by which
    /// forked processes find them; nil where the system has no descriptor left. Once, before the fork.
    package static func create(in block: UnsafeMutableRawPointer, count: Int) -> [Int32]? {
        // SAFETY: the caller's block has room for `count` queues.
        unsafe JobQueues.create(in: block, count: count)
        var signals: [Int32] = []
        for _ in 0..<max(count, 0) {
            guard let signal = WakeSignal() else { return nil }
            signals.append(signal.number)
        }
        return signals
    }

    /// Attaches to what `create` has made.
    package init(attaching block: UnsafeMutableRawPointer, signals: [Int32]) {
        // SAFETY: the caller's block has room for `count` queues.
        queues = unsafe JobQueues(attaching: block, count: signals.count)
        self.signals = signals
    }

    var count: Int { signals.count }
    /// Whether there are any.
    package var hasProcesses: Bool { !signals.isEmpty }

    func signal(_ index: Int) -> WakeSignal {
        WakeSignal(inherited: signals.indices.contains(index) ? signals[index] : -1)
    }

    /// Hands a record to process `index`; false where that cannot be.
    func push(_ record: JobRecord, to index: Int) -> Bool {
        // SAFETY: the record is the caller's until it is queued.
        guard case .queued(let wasEmpty) = unsafe queues.push(record.base, to: index) else { return false }
        if wasEmpty { signal(index).send() }
        return true
    }

    /// Calls that the processes have under way.
    package var underWay: Int {
        var sum = 0
        for index in 0..<count { sum &+= queues.underWay(index) }
        return sum
    }

    /// Calls that were refused since start because too many were under way.
    package var refusals: UInt64 { queues.refusals }

    /// A transaction for which an offer created something is gone: hands the record over once more, for deleting that.
    /// False where that cannot be: the record is the caller's.
    package func undo(_ record: JobRecord) -> Bool {
        record.becomeUndo() && push(record, to: record.with(.callID) { Self.process(for: $0, of: count) })
    }

    /// The transaction of a record that was handed over to the host is held up: hands the record to its process, which
    /// will try again. False where that cannot be: the record is still the host's.
    package func holdUp(_ record: JobRecord) -> Bool {
        record.header.isHeldUp = true
        return push(record, to: record.with(.callID) { Self.process(for: $0, of: count) })
    }

    /// The process for a Call-ID: always the same, so that a call's commands keep their order.
    static func process(for callID: Span<UInt8>, of count: Int) -> Int {
        guard count > 1 else { return 0 }
        var hash = Hash64()
        hash.combine(callID, callID.all)
        // NO TRAP: count > 1, checked by the guard above.
        return Int(truncatingIfNeeded: hash.value % UInt64(count))
    }
}
