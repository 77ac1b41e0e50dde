// SPDX-License-Identifier: GPL-2.0-or-later
// Entry points of the life cycle: create, parameters, configure, share, attach, destroy, and the module's own process.
// What each promises stands in rtpp_abi.h; `@implementation` holds the signatures to it.
//
// SAFETY (13 in this file): enter() refuses NULL, a call in the middle of another, and a process that is not attached;
// what the glue passes is looked at and lent for the call.
//
// SAFETY (2 in this file): module() gives nil for NULL and in the middle of a call.

import Bytes
public import RTPProxyABI
import CallControl
import SharedState

// NO TRAP: a constant.
@_optimize(size) @c @implementation
public func rtpp_abi_version() -> UInt32 { UInt32(RTPP_ABI_VERSION) }

@_optimize(size) @c @implementation
public func rtpp_create(
    _ host: UnsafePointer<rtpp_host>?, _ handle: UnsafeMutablePointer<OpaquePointer?>?
) -> rtpp_status {
    // SAFETY: nil is looked at, and the glue's pointers hold what they say.
    guard let host = unsafe host, let handle = unsafe handle else { return .RTPP_BAD_ARGUMENT }
    guard unsafe host.pointee.abi_version == rtpp_abi_version() else { return .RTPP_BAD_VERSION }
    guard unsafe host.pointee.isComplete else { return .RTPP_BAD_ARGUMENT }
    // NO TRAP: one module, initialised at once.
    let module = UnsafeMutablePointer<Module>.allocate(capacity: 1)
    // SAFETY: one module, initialised at once.
    unsafe module.initialize(to: Module(host: host.pointee))
    unsafe handle.pointee = OpaquePointer(module)
    return .RTPP_OK
}

extension rtpp_host {
    /// Whether every service is there.
    fileprivate var isComplete: Bool {
        // SAFETY: the structure has been handed over for the call, and its version is the right one.
        let hasProcessServices =
            unsafe log != nil && report != nil && ticks != nil && count != nil && is_wanted != nil
            && wants_debug != nil && tuning != nil
        // SAFETY: nil is looked at, and the glue's pointers hold what they say.
        let hasMessageServices =
            unsafe variable != nil && set_instance != nil && body_state != nil && apply_edits != nil
        let hasTransactions =
            unsafe transaction != nil && is_within_dialog != nil && is_first_answer != nil
            && mark_transaction != nil && goes_to_websocket != nil
        let canPostpone = unsafe postpone != nil && take_postponed != nil && take_deletion != nil
        let canWait = unsafe allocate != nil && release != nil && suspend != nil && resume != nil && resume_again != nil
        let canRaise = unsafe raise != nil
        // Size 0 would mean that no transaction waits for a record.
        let hasPlace = continuation_size > 0
        return hasProcessServices && hasMessageServices && hasTransactions && canPostpone && canWait && canRaise
            && hasPlace
    }
}

/// Lends a C string.
func withText<Result>(_ text: UnsafePointer<CChar>, _ body: (Span<UInt8>) -> Result) -> Result {
    // SAFETY: the glue passes a literal, which is terminated.
    var length = 0
    // NO TRAP (2): up to the terminator, which a literal of the glue has.
    while unsafe text[length] != 0 { length &+= 1 }
    return unsafe text.withMemoryRebound(to: UInt8.self, capacity: length) {
        unsafe body(Span(_unsafeStart: $0, count: length))
    }
}

@_optimize(size) @c @implementation
public func rtpp_set_text(
    _ handle: OpaquePointer?, _ parameter: UnsafePointer<CChar>?, _ value: rtpp_bytes
) -> rtpp_status {
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT) { module in
        guard let parameter = unsafe parameter, unsafe value.isPossible else { return .RTPP_BAD_ARGUMENT }
        return unsafe withText(parameter) { name in
            // SAFETY: the glue lends the value for the call.
            unsafe module.settings.set(name, text: Span(_unsafeElements: value.buffer)) ? .RTPP_OK : .RTPP_NOT_FOUND
        }
    }
}

@_optimize(size) @c @implementation
public func rtpp_set_number(
    _ handle: OpaquePointer?, _ parameter: UnsafePointer<CChar>?, _ value: Int64
) -> rtpp_status {
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT) { module in
        guard let parameter = unsafe parameter else { return .RTPP_BAD_ARGUMENT }
        return unsafe withText(parameter) { name in
            module.settings.set(name, number: Int(widening: value)) ? .RTPP_OK : .RTPP_NOT_FOUND
        }
    }
}

@_optimize(size) @c @implementation
public func rtpp_check_set(_ handle: OpaquePointer?, _ id: Int64) -> rtpp_status {
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT) { module in
        if module.settings.hasSet(id) { return .RTPP_OK }
        var line: [UInt8] = []
        line.append("set_rtp_proxy_set: there is no set ")
        line.append(decimal: Int(widening: id))
        Host(module.host).report(.badParameter, .error, line.span)
        return .RTPP_NOT_FOUND
    }
}

@_optimize(size) @c @implementation
public func rtpp_add_row(
    _ handle: OpaquePointer?, _ row: Int, _ setID: rtpp_bytes, _ url: rtpp_bytes,
    _ weight: UnsafePointer<Int64>?, _ flags: UnsafePointer<Int64>?
) -> rtpp_status {
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT) { module in
        // SAFETY: the glue lends the row's values for the call.
        let (setID, url) = unsafe (Span(_unsafeElements: setID.buffer), Span(_unsafeElements: url.buffer))
        let (weight, flags) = unsafe (
            weight.map { unsafe Int(widening: $0.pointee) }, flags.map { unsafe Int(widening: $0.pointee) }
        )
        let isTaken: Bool
        if module.reload != nil {
            isTaken = module.reload?.addRow(row, setID: setID, url: url, weight: weight, flags: flags) ?? false
        } else {
            isTaken = module.settings.addRow(row, setID: setID, url: url, weight: weight, flags: flags)
        }
        return isTaken ? .RTPP_OK : .RTPP_BAD_ARGUMENT
    }
}

@_optimize(size) @c @implementation
public func rtpp_configured_tuning(_ handle: OpaquePointer?, _ output: UnsafeMutablePointer<rtpp_tuning>?) {
    // SAFETY: the glue hands over a handle of ours and the address of a result of its own, or NULL, which is refused.
    guard let output = unsafe output else { return }
    let tuning = unsafe enter(handle, refused: Settings().tuning) { $0.settings.tuning }
    unsafe output.pointee = rtpp_tuning(
        timeout_ms: tuning.timeoutMilliseconds, tries: tuning.tries, disable_seconds: tuning.disableSeconds,
        ping_seconds: tuning.pingSeconds, hedges: tuning.isHedging)
}

@_optimize(size) @c @implementation
public func rtpp_configure(_ handle: OpaquePointer?) -> rtpp_status {
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT) { module in
        module.settings.finish()
        let host = Host(module.host)
        for warning in module.settings.warnings { host.log(.warning, warning.span) }
        module.reportFaults()
        guard module.settings.faults.isEmpty else { return .RTPP_BAD_CONFIGURATION }
        if !module.lifeCycle.isConfigured { module.lifeCycle = .configured }
        return .RTPP_OK
    }
}

@_optimize(size) @c @implementation
public func rtpp_shared_size(_ handle: OpaquePointer?) -> Int {
    unsafe enter(handle, refused: 0) { SharedBlock($0.settings).size }
}

@_optimize(size) @c @implementation
public func rtpp_share(_ handle: OpaquePointer?, _ block: UnsafeMutableRawPointer?, _ size: Int) -> rtpp_status {
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT) { module in
        guard let block = unsafe block, module.lifeCycle.isConfigured else { return .RTPP_BAD_ARGUMENT }
        do throws(SharedStateError) {
            // SAFETY: the glue gives a block of `size` bytes that stays mapped while the server runs.
            let memory = unsafe try SharedBlock(module.settings).create(
                in: block, size: size, module.settings.nodes, tick: Host(module.host).ticks)
            guard let memory else { return .RTPP_NO_MEMORY }
            module.lifeCycle = .shared(memory)
            return .RTPP_OK
        } catch {
            return .RTPP_BAD_SHARED_MEMORY
        }
    }
}

@_optimize(size) @c @implementation
public func rtpp_attach(_ handle: OpaquePointer?) -> rtpp_status {
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT) { module in
        guard let memory = module.lifeCycle.memory else { return .RTPP_BAD_ARGUMENT }
        do throws(SharedStateError) {
            let worker = Worker(
                settings: module.settings, table: try memory.nodes(), calls: try memory.calls(),
                legs: try memory.legs(), watched: memory.watched)
            let attached = Attached(memory: memory, worker: worker, delivery: memory.delivery())
            module.lifeCycle = .attached(AttachedPlace(attached))
            return .RTPP_OK
        } catch {
            return .RTPP_BAD_SHARED_MEMORY
        }
    }
}

@_optimize(size) @c @implementation
public func rtpp_destroy(_ handle: OpaquePointer?) {
    // SAFETY (1): rtpp_create made it, and the glue forgets it.
    guard let module = unsafe module(handle) else { return }
    unsafe module.deinitialize(count: 1)
    unsafe module.deallocate()
}

@_optimize(size) @c @implementation
public func rtpp_run_monitor(_ handle: OpaquePointer?) {
    guard let module = unsafe module(handle), let attached = unsafe module.pointee.lifeCycle.attached else { return }
    let memory = unsafe attached.pointee.memory
    guard let table = try? memory.nodes() else { return }
    let calls = (try? memory.calls()) ?? nil
    // A worker of its own: the routes of its events call functions, and these use the other one.
    // SAFETY: the block is the server's, of blockSize bytes, which SharedBlock compares with what it needs.
    var worker = unsafe Worker(
        settings: module.pointee.settings, table: table, calls: calls, legs: try? memory.legs(), watched: memory.watched
    )
    let host = unsafe Host(module.pointee.host)
    // By now nothing can keep the server from starting.
    var line: [UInt8] = []
    line.append("RTPProxies configured: ")
    line.append(decimal: unsafe module.pointee.settings.nodes.count)
    host.report(.started, .info, line.span)
    worker.monitor(host, unsafe attached.pointee.delivery, while: { host.isWanted })
}
