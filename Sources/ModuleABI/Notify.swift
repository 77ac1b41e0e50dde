// SPDX-License-Identifier: GPL-2.0-or-later
// Entry points for RTPProxy's notifications: the listening socket, and the process that reads from it.

import Bytes
public import RTPProxyABI
import CallControl

/// The host of the process that listens.
@safe private struct NotifyHost: NotificationHost {
    let host: Host
    let services: rtpp_host
    let tagIsCallID: Bool
    let module: UnsafeMutablePointer<Module>

    /// Under KEMI a script asks for the first time when its function runs.
    // SAFETY: module() gives nil for NULL and in the middle of a call; the module outlives its processes' work.
    var tellsStreams: Bool { unsafe module.pointee.tellsStreams }

    var ticks: UInt32 { host.ticks }

    func log(_ level: LogLevel, _ line: Span<UInt8>) { host.log(level, line) }

    func count(_ which: ServerCounter, _ amount: UInt32) { host.count(which, amount) }

    @_optimize(size)
    func mediaStopped(tag: Span<UInt8>, stream: Int?) {
        // SAFETY: what is lent lives for the call, and create has checked that the service is there.
        var raised = unsafe rtpp_event()
        unsafe raised.kind = .RTPP_EVENT_TIMEOUT
        unsafe raised.tag = rtpp_bytes(lending: tag)
        // RTPProxy has decoded it.
        if tagIsCallID { unsafe raised.call_id = raised.tag }
        // SAFETY: what is raised is this function's own.
        unsafe raised.stream = UInt32(clamping: stream ?? 0)
        unsafe services.raise?(&raised)
    }
}

@_optimize(size) @c @implementation
public func rtpp_listen(_ handle: OpaquePointer?, _ user: Int32, _ group: Int32) -> rtpp_status {
    // SAFETY: enter() refuses NULL, a call in the middle of another, and a process that is not attached; what the glue
    // passes is looked at and lent for the call.
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT) { module in
        guard module.lifeCycle.isConfigured else { return .RTPP_BAD_ARGUMENT }
        do throws(NotifyError) {
            module.notifications = try Notifications(module.settings, user: user, group: group)
            return module.notifications == nil ? .RTPP_NO_VALUE : .RTPP_OK
        } catch {
            Host(module.host).report(.badParameter, .error, error.line.span)
            return .RTPP_BAD_CONFIGURATION
        }
    }
}

@_optimize(size) @c @implementation
public func rtpp_tell_streams(_ handle: OpaquePointer?) {
    // SAFETY: enter() refuses NULL, a call in the middle of another, and a process that is not attached; what the glue
    // passes is looked at and lent for the call.
    unsafe enter(handle, refused: ()) { $0.tellsStreams = true }
}

@_optimize(size) @c @implementation
public func rtpp_run_notify(_ handle: OpaquePointer?, _ tagIsCallID: Bool) {
    // SAFETY: module() gives nil for NULL and in the middle of a call.
    guard let module = unsafe module(handle), var notifications = unsafe module.pointee.notifications.take() else {
        return
    }
    let services = unsafe module.pointee.host
    // SAFETY: module() gives nil for NULL and in the middle of a call; the module outlives its processes' work.
    let host = unsafe NotifyHost(
        host: Host(services), services: services, tagIsCallID: tagIsCallID, module: module)
    notifications.run(host, while: { host.host.isWanted })
}
