// SPDX-License-Identifier: GPL-2.0-or-later
// Entry points for calls that are shared with other hosts.
//
// SAFETY (5 in this file): enter() refuses NULL, a call in the middle of another, and a process that is not attached;
// what the glue passes is looked at and lent for the call.

import Bytes
public import RTPProxyABI
import CallControl
import SharedState

@_optimize(size) @c @implementation
public func rtpp_shares_calls(_ handle: OpaquePointer?) -> Bool {
    unsafe enter(handle, refused: false) { $0.settings.sharesCalls }
}

@_optimize(size) @c @implementation
public func rtpp_run_fleet(_ handle: OpaquePointer?) {
    // SAFETY: module() gives nil for NULL and in the middle of a call.
    guard let module = unsafe module(handle), let attached = unsafe module.pointee.lifeCycle.attached else { return }
    let memory = unsafe attached.pointee.memory
    guard let table = try? memory.nodes() else { return }
    let calls = (try? memory.calls()) ?? nil
    // SAFETY: as above.
    var worker = unsafe Worker(settings: module.pointee.settings, table: table, calls: calls)
    let host = unsafe Host(module.pointee.host)
    worker.shareCalls(host, while: { host.isWanted })
}

@_optimize(size) @c @implementation
public func rtpp_fleet_message(
    _ handle: OpaquePointer?, _ address: rtpp_bytes, _ message: rtpp_bytes, _ output: UnsafeMutablePointer<UInt8>?,
    _ capacity: Int, _ length: UnsafeMutablePointer<Int>?
) -> rtpp_status {
    guard let output = unsafe output, let length = unsafe length else { return .RTPP_BAD_ARGUMENT }
    unsafe length.pointee = 0
    return unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT, early: .RTPP_BAD_ARGUMENT) { attached, host in
        // SAFETY: the glue lends both for the call.
        let (address, message) = unsafe (Span(_unsafeElements: address.buffer), Span(_unsafeElements: message.buffer))
        switch attached.worker.receive(host, from: address, message) {
        case .taken: return .RTPP_OK
        case .refused: return .RTPP_BAD_ARGUMENT
        case .tooMany: return .RTPP_BUSY
        case .answered:
            return attached.worker.withFleetAnswer { answer in
                guard answer.count <= capacity else { return .RTPP_TOO_SMALL }
                // SAFETY (1): `output` has room for `capacity` bytes, and that is enough.
                for index in answer.indices { unsafe output[index] = answer[index] }
                unsafe length.pointee = answer.count
                return .RTPP_OK
            }
        }
    }
}

@_optimize(size) @c @implementation
public func rtpp_fleet_answer(_ handle: OpaquePointer?, _ tag: UInt64, _ isAnswer: Bool, _ answer: rtpp_bytes) {
    guard let tag = FleetQuestionTag(tag) else { return }
    unsafe enter(handle, refused: (), early: ()) { attached, host in
        // SAFETY: the glue lends it for the call.
        let bytes = unsafe Span(_unsafeElements: answer.buffer)
        attached.worker.takeAnswer(host, peer: tag.peer, question: tag.question, bytes, isAnswer: isAnswer)
    }
}
