// SPDX-License-Identifier: GPL-2.0-or-later
// Entry points for dialogs that the module looks after by itself. A message without an engagement is -1.
//
// SAFETY (15 in this file): enter() refuses NULL, a call in the middle of another, and a process that is not attached;
// what the glue passes is looked at and lent for the call.

import Bytes
public import RTPProxyABI
import CallControl

@c @implementation
public func rtpp_engage(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes, _ address: rtpp_bytes,
    _ ofBranch: Bool, _ output: UnsafeMutablePointer<UInt8>?, _ capacity: Int, _ length: UnsafeMutablePointer<Int>?
) -> rtpp_code {
    guard let output = unsafe output, let length = unsafe length else { return noCall }
    unsafe length.pointee = 0
    return unsafe enter(handle, message, flags, address) { attached, call, flags, address, hasAddress in
        let (code, isWritten) = attached.worker.beginEngagement(
            call, flags: flags, address: address, hasAddress: hasAddress, ofBranch: ofBranch
        ) { text in
            guard text.count <= capacity else { return false }
            // SAFETY (1): `output` has room for `capacity` bytes, and that is enough.
            for index in text.indices { unsafe output[index] = text[index] }
            unsafe length.pointee = text.count
            return true
        }
        guard isWritten ?? true else {
            var line: [UInt8] = []
            line.append("rtpproxy_engage: flags, address and what joins the Call-ID are too long together")
            call.log(.error, line.span)
            return noCall
        }
        return code.rawValue
    }
}

@c @implementation
public func rtpp_read_engagement(_ text: rtpp_bytes, _ output: UnsafeMutablePointer<rtpp_engagement>?) -> rtpp_status {
    guard let output = unsafe output else { return .RTPP_BAD_ARGUMENT }
    // SAFETY: the glue lends the text for the call.
    guard let engagement = Engagement(unsafe Span(_unsafeElements: text.buffer)) else { return .RTPP_BAD_ARGUMENT }
    var read = unsafe rtpp_engagement()
    unsafe read.set_id = engagement.setID
    unsafe read.flags = text.part(engagement.flags)
    unsafe read.address = text.part(engagement.address)
    unsafe read.branch = text.part(engagement.branch)
    unsafe read.extra_id = text.part(engagement.extraID)
    unsafe read.node = text.part(engagement.node)
    unsafe read.length = engagement.end
    unsafe output.pointee = read
    return .RTPP_OK
}

@c @implementation
public func rtpp_engagement_at(
    _ text: rtpp_bytes, _ node: rtpp_bytes, _ output: UnsafeMutablePointer<UInt8>?, _ capacity: Int,
    _ length: UnsafeMutablePointer<Int>?
) -> rtpp_status {
    guard let output = unsafe output, let length = unsafe length else { return .RTPP_BAD_ARGUMENT }
    unsafe length.pointee = 0
    // SAFETY: the glue lends both for the call.
    let (text, node) = unsafe (Span(_unsafeElements: text.buffer), Span(_unsafeElements: node.buffer))
    guard let engagement = Engagement(text) else { return .RTPP_BAD_ARGUMENT }
    guard let written = engagement.text(text, at: node) else { return .RTPP_NO_VALUE }
    guard written.count <= capacity else { return .RTPP_TOO_SMALL }
    // SAFETY (1): `output` has room for `capacity` bytes, and that is enough.
    for index in written.indices { unsafe output[index] = written[index] }
    unsafe length.pointee = written.count
    return .RTPP_OK
}

extension rtpp_bytes {
    /// What of a text lies in `range`; absent for nil.
    fileprivate func part(_ range: ByteRange?) -> rtpp_bytes {
        guard let range, let data = unsafe data, unsafe range.end <= length else {
            return unsafe rtpp_bytes(data: nil, length: 0)
        }
        // SAFETY (1): within the text, checked above.
        return unsafe rtpp_bytes(data: data + range.start, length: range.count)
    }
}

@c @implementation
public func rtpp_engaged(_ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?) -> rtpp_code {
    unsafe engagement(of: handle, message, refused: noCall) { attached, call, engagement in
        // SAFETY: the glue lends all of the engagement with its message.
        let (flags, address) = unsafe (engagement.pointee.flags.buffer, engagement.pointee.address.buffer)
        return unsafe attached.worker.engaged(
            call, setID: engagement.pointee.set_id, flags: Span(_unsafeElements: flags),
            address: Span(_unsafeElements: address), hasAddress: engagement.pointee.address.isPresent,
            node: Span(_unsafeElements: engagement.pointee.node.buffer), isFromCallee: engagement.pointee.from_callee,
            awaitsPRACK: &engagement.pointee.awaits_prack
        ).rawValue
    }
}

@c @implementation
public func rtpp_engaged_async(_ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?) -> rtpp_code {
    unsafe engagement(of: handle, message, refused: noCall) { attached, call, engagement in
        // SAFETY: as above.
        let (flags, address) = unsafe (engagement.pointee.flags.buffer, engagement.pointee.address.buffer)
        return unsafe attached.worker.submitEngaged(
            call, attached.delivery, setID: engagement.pointee.set_id, flags: Span(_unsafeElements: flags),
            address: Span(_unsafeElements: address), hasAddress: engagement.pointee.address.isPresent
        ).code
    }
}

@c @implementation
public func rtpp_end_engagement(_ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?) -> rtpp_code {
    unsafe engagement(of: handle, message, refused: noCall) { attached, call, engagement in
        // SAFETY: as above.
        unsafe attached.worker.endEngagement(
            call, setID: engagement.pointee.set_id, flags: Span(_unsafeElements: engagement.pointee.flags.buffer),
            node: Span(_unsafeElements: engagement.pointee.node.buffer)
        ).rawValue
    }
}

@c @implementation
public func rtpp_end_engagement_later(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?
) -> UnsafeMutableRawPointer? {
    unsafe engagement(of: handle, message, refused: nil) { attached, call, engagement in
        // SAFETY: as above.
        unsafe attached.worker.endEngagementLater(
            call, setID: engagement.pointee.set_id, flags: Span(_unsafeElements: engagement.pointee.flags.buffer),
            node: Span(_unsafeElements: engagement.pointee.node.buffer), isAsync: attached.delivery.hasProcesses)?.base
    }
}

/// Enters with a message and its engagement. `refused` where there is none.
private func engagement<Result>(
    of handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, refused: Result,
    _ body: (inout Attached, SIPMessage, UnsafeMutablePointer<rtpp_engagement>) -> Result
) -> Result {
    guard let lent = unsafe message, let engagement = unsafe lent.pointee.engagement else { return refused }
    return unsafe enter(handle, message, refused: refused, early: refused) { attached, call in
        unsafe body(&attached, call, engagement)
    }
}
