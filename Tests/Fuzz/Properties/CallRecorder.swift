// SPDX-License-Identifier: GPL-2.0-or-later
// The host's services, and all that the module has asked of them: they have no context, so there is one record of it.

import Glibc
import RTPProxyABI
import Synchronization

/// An edit as the host got it.
struct HostEdit {
    let offset: Int
    let removed: Int
    let text: [UInt8]
}

/// A transaction that was let go on.
struct Resumed {
    let record: UInt
    let code: rtpp_code
    let edits: [HostEdit]
    let body: [UInt8]
}

/// What the module has asked its host for, since `begin`.
enum CallRecorder {
    struct State {
        /// Times that edits came in, and the last ones.
        var applications = 0
        var edits: [HostEdit] = []
        var instances: [[UInt8]] = []
        /// Records that were allocated and not released.
        var records: Set<UInt> = []
        var resumed: [Resumed] = []
        var resumption = rtpp_resumption.RTPP_TAKEN
        /// A line that forges another one, or a release of memory that was not allocated.
        var broken: String?
    }

    static let state = Mutex(State())
    /// Looks that a process of the module's own may still take.
    static let looks = Atomic<Int>(0)

    static func begin(_ resumption: rtpp_resumption) {
        state.withLock {
            $0 = State()
            $0.resumption = resumption
        }
    }

    private static func note(_ line: rtpp_bytes) {
        let line = Array(UnsafeBufferPointer(start: line.data, count: line.length))
        if !isPrintable(line) { state.withLock { $0.broken = "the log gets \(line.shown)" } }
    }

    private static func copies(_ edits: UnsafePointer<rtpp_edit>?, _ count: Int) -> [HostEdit] {
        UnsafeBufferPointer(start: edits, count: count).map {
            HostEdit(
                offset: $0.offset, removed: $0.removed,
                text: Array(UnsafeBufferPointer(start: $0.text.data, count: $0.text.length)))
        }
    }

    static func services() -> rtpp_host {
        rtpp_host(
            abi_version: UInt32(RTPP_ABI_VERSION),
            log: { CallRecorder.note($1) },
            report: { report in
                guard let report = report?.pointee else { return }
                for text in [report.line, report.url, report.state, report.call_id, report.file] {
                    CallRecorder.note(text)
                }
            },
            wants_debug: { false },
            tuning: { _ in false },
            ticks: { 1000 },
            count: { _, _ in },
            variable: { context, which, value, isNull in
                guard let message = LentMessage.of(context), let text = message.script.variables[which] else {
                    return false
                }
                value?.pointee = message.lend(text ?? Array("<null>".utf8))
                isNull?.pointee = text == nil
                return true
            },
            set_instance: { _, url in
                let url = Array(UnsafeBufferPointer(start: url.data, count: url.length))
                CallRecorder.state.withLock { $0.instances.append(url) }
            },
            body_state: {
                LentMessage.of($0)?.script.isEdited == true ? .RTPP_BODY_REWRITTEN : .RTPP_BODY_AS_IT_CAME
            },
            apply_edits: { context, edits, count in
                guard LentMessage.of(context)?.script.acceptsEdits ?? false else { return false }
                let copies = CallRecorder.copies(edits, count)
                CallRecorder.state.withLock {
                    $0.applications += 1
                    $0.edits = copies
                }
                return true
            },
            transaction: { LentMessage.of($0)?.script.transaction ?? .RTPP_TRANSACTION_NONE },
            is_within_dialog: { _ in false },
            is_first_answer: { LentMessage.of($0)?.script.transaction == .RTPP_TRANSACTION_OFFERED },
            goes_to_websocket: { (LentMessage.of($0)?.script["S"]?.count ?? 0) % 2 == 0 }, mark_transaction: { _ in },
            postpone: { _, _ in false }, take_postponed: { _ in nil },
            is_wanted: { CallRecorder.looks.wrappingSubtract(1, ordering: .relaxed).newValue > 0 },
            raise: { _ in },
            allocate: { size in
                let memory = malloc(size)
                CallRecorder.state.withLock { _ = $0.records.insert(UInt(bitPattern: memory)) }
                return memory
            },
            release: { memory in
                let isKnown = CallRecorder.state.withLock { state in
                    if state.records.remove(UInt(bitPattern: memory)) != nil { return true }
                    state.broken = "a record is released that nobody has"
                    return false
                }
                if isKnown { free(memory) }
            },
            continuation_size: 40,
            suspend: { context, _, continuation in
                continuation?.initializeMemory(as: UInt8.self, repeating: 0x5A, count: 40)
                return LentMessage.of(context)?.script.suspension ?? .RTPP_NOT_SUSPENDED
            },
            resume: { record, continuation, code, edits, count, body, _ in
                let note = UnsafeRawBufferPointer(start: continuation, count: 40)
                let isWhole = note.allSatisfy { $0 == 0x5A }
                let resumed = Resumed(
                    record: UInt(bitPattern: record), code: code, edits: CallRecorder.copies(edits, count),
                    body: Array(UnsafeBufferPointer(start: body.data, count: body.length)))
                return CallRecorder.state.withLock {
                    if !isWhole { $0.broken = "the host's part of a record has changed" }
                    $0.resumed.append(resumed)
                    return $0.resumption
                }
            },
            resume_again: { _, _ in .RTPP_TAKEN },
            take_deletion: { nil }, fleet_broadcast: nil, fleet_send: nil)
    }
}
