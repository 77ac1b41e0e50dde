// SPDX-License-Identifier: GPL-2.0-or-later
// Entry points of the RPC commands.
//
// SAFETY (16 in this file): enter() refuses NULL, a call in the middle of another, and a process that is not attached;
// what the glue passes is looked at and lent for the call.
//
// SAFETY (10 in this file): module() gives nil for NULL and in the middle of a call; the glue's output is checked for
// NULL and lent for the call.

import Bytes
public import RTPProxyABI
import CallControl

@_optimize(size) @c @implementation
public func rtpp_node_count(_ handle: OpaquePointer?) -> Int {
    unsafe enter(handle, refused: 0, early: 0) { attached, _ in attached.worker.nodeCount() }
}

@_optimize(size) @c @implementation
public func rtpp_node(
    _ handle: OpaquePointer?, _ position: Int, _ info: UnsafeMutablePointer<rtpp_node_info>?
) -> rtpp_status {
    guard let info = unsafe info else { return .RTPP_BAD_ARGUMENT }
    return unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT, early: .RTPP_NOT_FOUND) { attached, _ in
        guard let node = attached.worker.listing(position) else { return .RTPP_NOT_FOUND }
        let url = unsafe attached.worker.urlMemory(position)
        unsafe info.pointee = rtpp_node_info(
            url: rtpp_bytes(data: url.baseAddress, length: url.count), set_id: node.setID, index: node.index,
            disabled: node.isDisabled, weight: node.weight, recheck: node.recheck)
        return .RTPP_OK
    }
}

@_optimize(size) @c @implementation
public func rtpp_read_switch(_ number: rtpp_bytes, _ isOn: UnsafeMutablePointer<Bool>?) -> rtpp_status {
    // SAFETY: the pointer is looked at first; what the glue passes is lent for the call.
    guard let isOn = unsafe isOn, unsafe number.isPossible else { return .RTPP_BAD_ARGUMENT }
    // SAFETY: the glue lends the text for the call.
    let text = unsafe Span(_unsafeElements: number.buffer)
    var digits = text.trimmed(text.all)
    let isNegative = text.byte(at: digits.start) == UInt8(ascii: "-")
    if isNegative { digits = ByteRange(from: digits.start &+ 1, to: digits.end) }
    guard let size = Decimal.parse(text, digits, maximum: .max) else { return .RTPP_BAD_ARGUMENT }
    unsafe isOn.pointee = size > 0 && !isNegative
    return .RTPP_OK
}

@_optimize(size) @c @implementation
public func rtpp_enable(_ handle: OpaquePointer?, _ url: rtpp_bytes, _ isEnabled: Bool) -> rtpp_status {
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT, early: .RTPP_NOT_FOUND) { attached, host in
        // SAFETY: the glue lends the URL for the call.
        unsafe attached.worker.setEnabled(host, Span(_unsafeElements: url.buffer), isEnabled)
            ? .RTPP_OK : .RTPP_NOT_FOUND
    }
}

@_optimize(size) @c @implementation
public func rtpp_drain(_ handle: OpaquePointer?, _ url: rtpp_bytes, _ isDraining: Bool) -> rtpp_status {
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT, early: .RTPP_NOT_FOUND) { attached, host in
        // SAFETY: the glue lends the URL for the call.
        unsafe attached.worker.setDraining(host, Span(_unsafeElements: url.buffer), isDraining)
            ? .RTPP_OK : .RTPP_NOT_FOUND
    }
}

@_optimize(size) @c @implementation
public func rtpp_forget(
    _ handle: OpaquePointer?, _ nodes: rtpp_bytes, _ count: UnsafeMutablePointer<Int>?
) -> rtpp_status {
    guard let count = unsafe count else { return .RTPP_BAD_ARGUMENT }
    // SAFETY: the glue hands over a handle of ours and the address of a result of its own, or NULL, which is refused.
    return unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT, early: .RTPP_NOT_FOUND) { attached, host in
        // SAFETY: the glue lends the text for the call.
        guard let forgotten = unsafe attached.worker.forgetCalls(host, Span(_unsafeElements: nodes.buffer)) else {
            return .RTPP_NOT_FOUND
        }
        unsafe count.pointee = forgotten
        return .RTPP_OK
    }
}

// MARK: - Probe

@_optimize(size) @c @implementation
public func rtpp_probe(
    _ handle: OpaquePointer?, _ url: rtpp_bytes, _ count: UnsafeMutablePointer<Int>?
) -> rtpp_status {
    // SAFETY: the glue hands over a handle of ours and the address of a result of its own, or NULL, which is refused.
    guard let count = unsafe count else { return .RTPP_BAD_ARGUMENT }
    return unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT, early: .RTPP_BAD_ARGUMENT) { attached, host in
        // SAFETY: the glue lends the URL for the call.
        attached.probed =
            unsafe url.isPresent
            ? attached.worker.probe(host, Span(_unsafeElements: url.buffer)) : attached.worker.probeAll(host)
        unsafe count.pointee = attached.probed.count
        return unsafe url.isPresent && attached.probed.isEmpty ? .RTPP_NOT_FOUND : .RTPP_OK
    }
}

@_optimize(size) @c @implementation
public func rtpp_probed(
    _ handle: OpaquePointer?, _ index: Int, _ info: UnsafeMutablePointer<rtpp_probe_info>?
) -> rtpp_status {
    guard let info = unsafe info else { return .RTPP_BAD_ARGUMENT }
    return unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT, early: .RTPP_NOT_FOUND) { attached, _ in
        guard attached.probed.indices.contains(index) else { return .RTPP_NOT_FOUND }
        // NO TRAP: the indices contain it, checked by the guard above.
        let result = attached.probed[index]
        guard let node = attached.worker.listing(result.position) else { return .RTPP_NOT_FOUND }
        let url = unsafe attached.worker.urlMemory(result.position)
        var found = unsafe rtpp_probe_info()
        unsafe found.url = rtpp_bytes(data: url.baseAddress, length: url.count)
        unsafe found.set_id = node.setID
        unsafe found.index = node.index
        switch result.answer {
        case .present(let microseconds):
            unsafe found.answered = true
            unsafe found.round_trip_us = microseconds
        case .absent(let reason):
            unsafe found.reason = rtpp_bytes(static: reason)
        }
        unsafe info.pointee = found
        return .RTPP_OK
    }
}

// MARK: - Reload

@_optimize(size) @c @implementation
public func rtpp_begin_reload(_ handle: OpaquePointer?) -> rtpp_status {
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT) { module in
        guard unsafe module.lifeCycle.attached != nil else { return .RTPP_BAD_ARGUMENT }
        guard let empty = module.settings.emptied() else { return .RTPP_NO_VALUE }
        module.reload = Reload(settings: empty)
        return .RTPP_OK
    }
}

@_optimize(size) @c @implementation
public func rtpp_commit_reload(
    _ handle: OpaquePointer?, _ change: UnsafeMutablePointer<rtpp_pool_change>?
) -> rtpp_status {
    guard let change = unsafe change,
        let reload = unsafe enter(handle, refused: Reload?.none, { $0.reload.take() })
    else { return .RTPP_BAD_ARGUMENT }
    return unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT, early: .RTPP_BAD_ARGUMENT) { attached, host in
        for warning in reload.settings.warnings { host.log(.warning, warning.span) }
        do throws(PoolError) {
            let done = try attached.worker.changePool(host, to: reload.settings.nodes)
            unsafe change.pointee = rtpp_pool_change(
                added: UInt32(clamping: done.added), kept: UInt32(clamping: done.kept),
                removed: UInt32(clamping: done.removed), refused: UInt32(clamping: done.refused),
                skipped: reload.skippedRows)
            var line: [UInt8] = []
            line.append("the sets are read again: ")
            line.append(decimal: done.added)
            line.append(" RTPProxies added, ")
            line.append(decimal: done.kept)
            line.append(" kept, ")
            line.append(decimal: done.removed)
            line.append(" removed")
            host.report(.reloaded, .notice, line.span)
            return .RTPP_OK
        } catch {
            return .RTPP_BUSY
        }
    }
}

@_optimize(size) @c @implementation
public func rtpp_abandon_reload(_ handle: OpaquePointer?) {
    unsafe enter(handle, refused: ()) { $0.reload = nil }
}
