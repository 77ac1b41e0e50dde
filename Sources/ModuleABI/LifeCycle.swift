// SPDX-License-Identifier: GPL-2.0-or-later
// Entry points of the life cycle: create, parameters, configure, share, attach, destroy, and the module's own process.
// What each promises stands in rtpp_abi.h; `@implementation` holds the signatures to it.

import Bytes
public import RTPProxyABI
import CallControl
import SharedState

@c @implementation
public func rtpp_abi_version() -> UInt32 { UInt32(RTPP_ABI_VERSION) }

@c @implementation
public func rtpp_create(
    _ host: UnsafePointer<rtpp_host>?, _ handle: UnsafeMutablePointer<OpaquePointer?>?
) -> rtpp_status {
    guard let host = unsafe host, let handle = unsafe handle else { return .RTPP_BAD_ARGUMENT }
    guard unsafe host.pointee.abi_version == rtpp_abi_version() else { return .RTPP_BAD_VERSION }
    guard unsafe host.pointee.isComplete else { return .RTPP_BAD_ARGUMENT }
    let module = UnsafeMutablePointer<Module>.allocate(capacity: 1)
    unsafe module.initialize(to: Module(host: host.pointee))
    unsafe handle.pointee = OpaquePointer(module)
    return .RTPP_OK
}

extension rtpp_host {
    /// Whether every service is there.
    fileprivate var isComplete: Bool {
        let hasProcessServices = unsafe log != nil && report != nil && ticks != nil && count != nil && is_wanted != nil
        let hasMessageServices =
            unsafe variable != nil && set_instance != nil && body_state != nil && apply_edits != nil
        let hasTransactions = unsafe transaction != nil && is_within_dialog != nil && mark_transaction != nil
        let canPostpone = unsafe postpone != nil && take_postponed != nil
        let canWait = unsafe allocate != nil && release != nil && suspend != nil && resume != nil && resume_again != nil
        let canRaise = unsafe raise != nil
        // A record without a place for it is one that no transaction waits for.
        let hasPlace = continuation_size > 0
        return hasProcessServices && hasMessageServices && hasTransactions && canPostpone && canWait && canRaise
            && hasPlace
    }
}

/// Lends a C string.
private func withText<Result>(_ text: UnsafePointer<CChar>, _ body: (Span<UInt8>) -> Result) -> Result {
    // SAFETY: the glue passes a literal, which is terminated.
    var length = 0
    while unsafe text[length] != 0 { length &+= 1 }
    return unsafe text.withMemoryRebound(to: UInt8.self, capacity: length) {
        unsafe body(Span(_unsafeStart: $0, count: length))
    }
}

@c @implementation
public func rtpp_set_text(
    _ handle: OpaquePointer?, _ parameter: UnsafePointer<CChar>?, _ value: rtpp_bytes
) -> rtpp_status {
    guard let module = unsafe module(handle), let parameter = unsafe parameter, unsafe value.isPossible else {
        return .RTPP_BAD_ARGUMENT
    }
    return unsafe withText(parameter) { name in
        // SAFETY: the glue lends the value for the call.
        unsafe module.pointee.settings.set(name, text: Span(_unsafeElements: value.buffer))
            ? .RTPP_OK : .RTPP_NOT_FOUND
    }
}

@c @implementation
public func rtpp_set_number(
    _ handle: OpaquePointer?, _ parameter: UnsafePointer<CChar>?, _ value: Int64
) -> rtpp_status {
    guard let module = unsafe module(handle), let parameter = unsafe parameter else { return .RTPP_BAD_ARGUMENT }
    return unsafe withText(parameter) { name in
        unsafe module.pointee.settings.set(name, number: Int(value)) ? .RTPP_OK : .RTPP_NOT_FOUND
    }
}

@c @implementation
public func rtpp_check_set(_ handle: OpaquePointer?, _ id: Int64) -> rtpp_status {
    guard let module = unsafe module(handle) else { return .RTPP_BAD_ARGUMENT }
    if unsafe module.pointee.settings.hasSet(id) { return .RTPP_OK }
    var line: [UInt8] = []
    line.append("set_rtp_proxy_set: there is no set ")
    line.append(decimal: Int(id))
    unsafe Host(module.pointee.host).report(.badParameter, .error, line.span)
    return .RTPP_NOT_FOUND
}

@c @implementation
public func rtpp_add_row(
    _ handle: OpaquePointer?, _ row: Int, _ setID: rtpp_bytes, _ url: rtpp_bytes,
    _ weight: UnsafePointer<Int64>?, _ flags: UnsafePointer<Int64>?
) -> rtpp_status {
    guard let module = unsafe module(handle) else { return .RTPP_BAD_ARGUMENT }
    // SAFETY: the glue lends the row's values for the call.
    let (weightValue, flagsValue) = unsafe (weight.map { unsafe Int($0.pointee) }, flags.map { unsafe Int($0.pointee) })
    let isReload = unsafe module.pointee.reload != nil
    let isTaken =
        unsafe isReload
        ? module.pointee.reload?.addRow(
            row, setID: Span(_unsafeElements: setID.buffer), url: Span(_unsafeElements: url.buffer),
            weight: weightValue, flags: flagsValue) ?? false
        : module.pointee.settings.addRow(
            row, setID: Span(_unsafeElements: setID.buffer), url: Span(_unsafeElements: url.buffer),
            weight: weightValue, flags: flagsValue)
    if isReload, !isTaken { unsafe module.pointee.skippedRows &+= 1 }
    return isTaken ? .RTPP_OK : .RTPP_BAD_ARGUMENT
}

@c @implementation
public func rtpp_configure(_ handle: OpaquePointer?) -> rtpp_status {
    guard let module = unsafe module(handle) else { return .RTPP_BAD_ARGUMENT }
    unsafe module.pointee.settings.finish()
    let host = unsafe Host(module.pointee.host)
    for warning in unsafe module.pointee.settings.warnings { host.log(.warning, warning.span) }
    for fault in unsafe module.pointee.settings.faults { host.report(.badParameter, .error, fault.span) }
    guard unsafe module.pointee.settings.faults.isEmpty else { return .RTPP_BAD_CONFIGURATION }
    unsafe module.pointee.isConfigured = true
    return .RTPP_OK
}

@c @implementation
public func rtpp_shared_size(_ handle: OpaquePointer?) -> Int {
    guard let module = unsafe module(handle) else { return 0 }
    return unsafe SharedBlock(module.pointee.settings).size
}

@c @implementation
public func rtpp_share(_ handle: OpaquePointer?, _ block: UnsafeMutableRawPointer?, _ size: Int) -> rtpp_status {
    guard let module = unsafe module(handle), let block = unsafe block, unsafe module.pointee.isConfigured else {
        return .RTPP_BAD_ARGUMENT
    }
    do throws(SharedStateError) {
        // SAFETY: the glue gives a block of `size` bytes that stays mapped while the server runs.
        let signals = unsafe try SharedBlock(module.pointee.settings).create(
            in: block, size: size, module.pointee.settings.nodes,
            tick: Host(module.pointee.host).ticks)
        guard let signals else { return .RTPP_NO_MEMORY }
        unsafe module.pointee.signals = signals
    } catch {
        return .RTPP_BAD_SHARED_MEMORY
    }
    unsafe module.pointee.block = block
    unsafe module.pointee.blockSize = size
    return .RTPP_OK
}

@c @implementation
public func rtpp_attach(_ handle: OpaquePointer?) -> rtpp_status {
    guard let module = unsafe module(handle), let block = unsafe module.pointee.block else {
        return .RTPP_BAD_ARGUMENT
    }
    do throws(SharedStateError) {
        let (parts, size) = unsafe (SharedBlock(module.pointee.settings), module.pointee.blockSize)
        unsafe module.pointee.worker = Worker(
            settings: module.pointee.settings, table: try parts.nodes(block, size: size),
            calls: try parts.calls(block, size: size))
        unsafe module.pointee.delivery = try parts.delivery(block, size: size, signals: module.pointee.signals)
    } catch {
        return .RTPP_BAD_SHARED_MEMORY
    }
    return .RTPP_OK
}

@c @implementation
public func rtpp_destroy(_ handle: OpaquePointer?) {
    guard let module = unsafe module(handle) else { return }
    unsafe module.deinitialize(count: 1)
    unsafe module.deallocate()
}

@c @implementation
public func rtpp_run_monitor(_ handle: OpaquePointer?) {
    guard let module = unsafe module(handle), let block = unsafe module.pointee.block,
        unsafe module.pointee.worker != nil
    else { return }
    let (parts, size) = unsafe (SharedBlock(module.pointee.settings), module.pointee.blockSize)
    guard let table = unsafe try? parts.nodes(block, size: size) else { return }
    let calls = unsafe (try? parts.calls(block, size: size)) ?? nil
    // Of its own: the routes of its events call functions, and those use the other one.
    var worker = unsafe Worker(settings: module.pointee.settings, table: table, calls: calls)
    let host = unsafe Host(module.pointee.host)
    // By now nothing can keep the server from starting.
    var line: [UInt8] = []
    line.append("RTPProxies configured: ")
    line.append(decimal: unsafe module.pointee.settings.nodes.count)
    host.report(.started, .info, line.span)
    worker.monitor(host, while: { host.isWanted })
}
