// SPDX-License-Identifier: GPL-2.0-or-later
// Entry points of the asynchronous functions, and of the processes that do their waiting.
//
// SAFETY (15 in this file): enter() refuses NULL, a call in the middle of another, and a process that is not attached;
// what the glue passes is looked at and lent for the call.

import Bytes
public import RTPProxyABI
import CallControl
import SDP
import SharedState

@c @implementation
public func rtpp_async_processes(_ handle: OpaquePointer?) -> Int {
    unsafe enter(handle, refused: 0) { $0.settings.asyncProcesses }
}

@c @implementation
public func rtpp_async_in_workers(_ handle: OpaquePointer?) -> Bool {
    unsafe enter(handle, refused: false) { $0.settings.continuesInWorkers }
}

extension SubmissionResult {
    var code: rtpp_code {
        switch self {
        case .suspended: 0
        case .code(let code): code.rawValue
        }
    }
}

@c @implementation
public func rtpp_offer_async(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes, _ address: rtpp_bytes
) -> rtpp_code {
    unsafe enter(handle, message, flags, address) { attached, message, flags, address, hasAddress in
        attached.worker.submitOffer(
            message, attached.delivery, flags: flags, address: address, hasAddress: hasAddress
        ).code
    }
}

@c @implementation
public func rtpp_answer_async(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes, _ address: rtpp_bytes
) -> rtpp_code {
    unsafe enter(handle, message, flags, address) { attached, message, flags, address, hasAddress in
        attached.worker.submitAnswer(
            message, attached.delivery, flags: flags, address: address, hasAddress: hasAddress
        ).code
    }
}

@c @implementation
public func rtpp_manage_async(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes, _ address: rtpp_bytes
) -> rtpp_code {
    unsafe enter(handle, message, flags, address) { attached, message, flags, address, hasAddress in
        attached.worker.submitManage(
            message, attached.delivery, flags: flags, address: address, hasAddress: hasAddress
        ).code
    }
}

@c @implementation
public func rtpp_delete_async(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes
) -> rtpp_code {
    guard unsafe flags.isPossible else { return noCall }
    return unsafe enter(handle, message, flags) { attached, message, flags in
        attached.worker.submitDelete(message, attached.delivery, flags: flags).rawValue
    }
}

// MARK: - The processes

/// The host of an asynchronous process.
@safe private struct AsyncProcessHost: JobHost {
    let services: rtpp_host
    /// Memory for handing edits over.
    let edits: UnsafeMutablePointer<Scratch<rtpp_edit>>

    func log(_ level: LogLevel, _ line: Span<UInt8>) { Host(services).log(level, line) }

    func report(
        _ kind: ReportKind, _ level: LogLevel, _ line: Span<UInt8>, url: Span<UInt8>, setID: UInt32?,
        state: StaticString, callID: Span<UInt8>, file: StaticString
    ) {
        Host(services).report(
            kind, level, line, url: url, setID: setID, state: state, callID: callID, file: file)
    }

    var wantsDebug: Bool { Host(services).wantsDebug }
    var news: Tuning? { Host(services).news }
    var ticks: UInt32 { Host(services).ticks }

    func count(_ which: ServerCounter, _ amount: UInt32) { Host(services).count(which, amount) }

    func release(_ record: JobRecord) { Host(services).release(record) }

    func resume(
        _ record: JobRecord, _ code: ReturnCode, _ list: borrowing EditList, instance: Span<UInt8>
    ) -> Resumption {
        // SAFETY: edits is rtpp_run_async's own, and the record is held until the host has taken it.
        let resumption = unsafe lend(list, through: &edits.pointee) { edits, count in
            record.withBody { body in
                unsafe services.resume?(
                    record.base, record.continuation, code.rawValue, edits, count, rtpp_bytes(lending: body),
                    rtpp_bytes(lending: instance))
            }
        }
        return Resumption(resumption.flatMap { $0 } ?? .RTPP_GONE)
    }

    func resumeAgain(_ record: JobRecord) -> Resumption {
        // SAFETY: a record of the module's own, which the asynchronous process has.
        unsafe Resumption(services.resume_again?(record.base, record.continuation) ?? .RTPP_GONE)
    }
}

extension Resumption {
    fileprivate init(_ resumption: rtpp_resumption) {
        self =
            switch resumption {
            case .RTPP_TAKEN: .taken
            case .RTPP_GONE: .gone
            case .RTPP_HANDED_OVER: .handedOver
            case .RTPP_HELD_UP: .heldUp
            }
    }
}

@c @implementation
public func rtpp_run_async(_ handle: OpaquePointer?, _ process: Int) {
    guard let module = unsafe module(handle), let attached = unsafe module.pointee.lifeCycle.attached else { return }
    // Views of its own: routes that go on in this process call functions, and these use those of `attached`.
    let (memory, delivery) = unsafe (attached.pointee.memory, attached.pointee.delivery)
    guard let table = try? memory.nodes() else { return }
    let calls = (try? memory.calls()) ?? nil
    var running = unsafe AsyncProcess(
        process: process, settings: module.pointee.settings, table: table, calls: calls, legs: try? memory.legs(),
        watched: memory.watched)
    // SAFETY: an empty one, no memory is looked at.
    var edits = unsafe Scratch<rtpp_edit>()
    // SAFETY: the block is the server's, of blockSize bytes, which SharedBlock compares with what it needs; edits
    // outlives the run.
    let services = unsafe module.pointee.host
    unsafe withUnsafeMutablePointer(to: &edits) { memory in
        let host = unsafe AsyncProcessHost(services: services, edits: memory)
        running.run(host, delivery, while: { Host(services).isWanted })
    }
}

@c @implementation
public func rtpp_goes_on(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ memory: UnsafeRawPointer?
) {
    guard let memory = unsafe memory else { return }
    unsafe enter(handle, message, refused: (), early: ()) { attached, message in
        // SAFETY: the record is the host's while its route runs, and is only read.
        attached.worker.keepSet(message, of: unsafe JobRecord(UnsafeMutableRawPointer(mutating: memory)))
    }
}

@c @implementation
public func rtpp_delete_postponed(_ handle: OpaquePointer?, _ memory: UnsafeMutableRawPointer?) {
    // SAFETY: the glue gives back a record of ours, once.
    guard let module = unsafe module(handle), let memory = unsafe memory else { return }
    let record = unsafe JobRecord(memory)
    let isTaken = unsafe enter(handle, refused: false, early: false) { attached, host in
        attached.worker.deletePostponed(record, host, attached.delivery)
    }
    if !isTaken { unsafe Host(module.pointee.host).release(record) }
}

@c @implementation
public func rtpp_resumed(_ handle: OpaquePointer?, _ memory: UnsafeMutableRawPointer?, _ resumption: rtpp_resumption) {
    // SAFETY: the glue gives back a record of ours, once.
    guard let module = unsafe module(handle), let memory = unsafe memory else { return }
    let record = unsafe JobRecord(memory)
    if case .RTPP_GONE = resumption, record.isRewritten {
        let isTaken = unsafe enter(handle, refused: false, early: false) { attached, _ in
            attached.delivery.undo(record)
        }
        if isTaken { return }
    }
    let host = unsafe Host(module.pointee.host)
    if case .RTPP_TAKEN = resumption, record.isRewritten { host.count(.bodiesRewritten, 1) }
    host.release(record)
}

@c @implementation
public func rtpp_held_up(_ handle: OpaquePointer?, _ memory: UnsafeMutableRawPointer?) -> Bool {
    guard let memory = unsafe memory else { return false }
    return unsafe enter(handle, refused: false, early: false) { attached, _ in
        attached.delivery.holdUp(unsafe JobRecord(memory))
    }
}
