// SPDX-License-Identifier: GPL-2.0-or-later
// Entry points of the RPC commands.

import Bytes
public import RTPProxyABI
import Relay

@c @implementation
public func rtpp_node_count(_ handle: OpaquePointer?) -> Int {
    guard let module = unsafe module(handle) else { return 0 }
    return unsafe module.pointee.relay?.nodeCount() ?? 0
}

@c @implementation
public func rtpp_node(
    _ handle: OpaquePointer?, _ position: Int, _ info: UnsafeMutablePointer<rtpp_node_info>?
) -> rtpp_status {
    guard let module = unsafe module(handle), let info = unsafe info else { return .RTPP_BAD_ARGUMENT }
    guard let node = unsafe module.pointee.relay?.listing(position),
        let url = unsafe module.pointee.relay?.urlMemory(position)
    else { return .RTPP_NOT_FOUND }
    unsafe info.pointee = rtpp_node_info(
        url: rtpp_bytes(data: url.baseAddress, length: url.count), set_id: node.setID, index: node.index,
        disabled: node.isDisabled, weight: node.weight, recheck: node.recheck)
    return .RTPP_OK
}

@c @implementation
public func rtpp_enable(_ handle: OpaquePointer?, _ url: rtpp_bytes, _ isEnabled: Bool) -> rtpp_status {
    guard let module = unsafe module(handle) else { return .RTPP_BAD_ARGUMENT }
    // SAFETY: the glue lends the URL for the call.
    let isFound = unsafe module.pointee.relay?.setEnabled(Span(_unsafeElements: url.buffer), isEnabled) ?? false
    return isFound ? .RTPP_OK : .RTPP_NOT_FOUND
}

@c @implementation
public func rtpp_drain(_ handle: OpaquePointer?, _ url: rtpp_bytes, _ isDraining: Bool) -> rtpp_status {
    guard let module = unsafe module(handle) else { return .RTPP_BAD_ARGUMENT }
    // SAFETY: the glue lends the URL for the call.
    let isFound = unsafe module.pointee.relay?.setDraining(Span(_unsafeElements: url.buffer), isDraining) ?? false
    return isFound ? .RTPP_OK : .RTPP_NOT_FOUND
}

// MARK: - Reload

@c @implementation
public func rtpp_begin_reload(_ handle: OpaquePointer?) -> rtpp_status {
    guard let module = unsafe module(handle), unsafe module.pointee.relay != nil else { return .RTPP_BAD_ARGUMENT }
    guard let empty = unsafe module.pointee.settings.emptied() else { return .RTPP_NO_VALUE }
    unsafe module.pointee.reload = empty
    unsafe module.pointee.skippedRows = 0
    return .RTPP_OK
}

@c @implementation
public func rtpp_commit_reload(
    _ handle: OpaquePointer?, _ change: UnsafeMutablePointer<rtpp_pool_change>?
) -> rtpp_status {
    guard let module = unsafe module(handle), let change = unsafe change, let reload = unsafe module.pointee.reload
    else { return .RTPP_BAD_ARGUMENT }
    unsafe module.pointee.reload = nil
    let host = unsafe Host(module.pointee.host)
    for warning in reload.warnings { host.log(.warning, warning.span) }
    do throws(PoolError) {
        guard let done = try unsafe module.pointee.relay?.changePool(host, to: reload.nodes) else {
            return .RTPP_BAD_ARGUMENT
        }
        unsafe change.pointee = rtpp_pool_change(
            added: UInt32(clamping: done.added), kept: UInt32(clamping: done.kept),
            removed: UInt32(clamping: done.removed), refused: UInt32(clamping: done.refused),
            skipped: module.pointee.skippedRows)
        return .RTPP_OK
    } catch {
        return .RTPP_BUSY
    }
}

@c @implementation
public func rtpp_abandon_reload(_ handle: OpaquePointer?) {
    guard let module = unsafe module(handle) else { return }
    unsafe module.pointee.reload = nil
}
