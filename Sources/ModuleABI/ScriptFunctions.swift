// SPDX-License-Identifier: GPL-2.0-or-later
// Entry points of the script functions: borrowed bytes in, return codes out. A NULL handle or message is -1.

import Bytes
public import RTPProxyABI
import CallControl

private let error = ReturnCode.error

@c @implementation
public func rtpp_offer(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes, _ address: rtpp_bytes
) -> rtpp_code {
    guard let module = unsafe module(handle), let call = unsafe SIPMessage(module, message), unsafe flags.isPossible
    else {
        return error.rawValue
    }
    // SAFETY (here and below): the glue lends every argument for the call.
    let code = unsafe module.pointee.worker?.offer(
        call, flags: Span(_unsafeElements: flags.buffer), address: Span(_unsafeElements: address.buffer),
        hasAddress: address.isPresent)
    return (code ?? error).rawValue
}

@c @implementation
public func rtpp_answer(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes, _ address: rtpp_bytes
) -> rtpp_code {
    guard let module = unsafe module(handle), let call = unsafe SIPMessage(module, message), unsafe flags.isPossible
    else {
        return error.rawValue
    }
    let code = unsafe module.pointee.worker?.answer(
        call, flags: Span(_unsafeElements: flags.buffer), address: Span(_unsafeElements: address.buffer),
        hasAddress: address.isPresent)
    return (code ?? error).rawValue
}

@c @implementation
public func rtpp_manage(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes, _ address: rtpp_bytes
) -> rtpp_code {
    guard let module = unsafe module(handle), let call = unsafe SIPMessage(module, message), unsafe flags.isPossible
    else {
        return error.rawValue
    }
    let code = unsafe module.pointee.worker?.manage(
        call, flags: Span(_unsafeElements: flags.buffer), address: Span(_unsafeElements: address.buffer),
        hasAddress: address.isPresent)
    return (code ?? error).rawValue
}

@c @implementation
public func rtpp_delete(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes
) -> rtpp_code {
    guard let module = unsafe module(handle), let call = unsafe SIPMessage(module, message), unsafe flags.isPossible
    else {
        return error.rawValue
    }
    let code = unsafe module.pointee.worker?.delete(call, flags: Span(_unsafeElements: flags.buffer))
    return (code ?? error).rawValue
}

@c @implementation
public func rtpp_select_set(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ id: Int64
) -> rtpp_code {
    guard let module = unsafe module(handle), let call = unsafe SIPMessage(module, message) else {
        return error.rawValue
    }
    let code = unsafe module.pointee.worker?.selectSet(call, id: id)
    return (code ?? error).rawValue
}

@c @implementation
public func rtpp_select_set_text(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ text: rtpp_bytes
) -> rtpp_code {
    guard let module = unsafe module(handle), let call = unsafe SIPMessage(module, message) else {
        return error.rawValue
    }
    let code = unsafe module.pointee.worker?.selectSet(call, text: Span(_unsafeElements: text.buffer))
    return (code ?? error).rawValue
}

@c @implementation
public func rtpp_play(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ prompt: rtpp_bytes, _ count: Int64,
    _ toUAS: Bool
) -> rtpp_code {
    guard let module = unsafe module(handle), let call = unsafe SIPMessage(module, message) else {
        return error.rawValue
    }
    let code = unsafe module.pointee.worker?.play(
        call, prompt: Span(_unsafeElements: prompt.buffer), count: Int(count), toCallee: toUAS)
    return (code ?? error).rawValue
}

@c @implementation
public func rtpp_stop_play(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ toUAS: Bool
) -> rtpp_code {
    guard let module = unsafe module(handle), let call = unsafe SIPMessage(module, message) else {
        return error.rawValue
    }
    let code = unsafe module.pointee.worker?.stopPlay(call, toCallee: toUAS)
    return (code ?? error).rawValue
}

@c @implementation
public func rtpp_record(_ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?) -> rtpp_code {
    guard let module = unsafe module(handle), let call = unsafe SIPMessage(module, message) else {
        return error.rawValue
    }
    let code = unsafe module.pointee.worker?.record(call)
    return (code ?? error).rawValue
}

@c @implementation
public func rtpp_statistics(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ output: UnsafeMutablePointer<UInt8>?,
    _ capacity: Int, _ length: UnsafeMutablePointer<Int>?
) -> rtpp_status {
    guard let module = unsafe module(handle), let call = unsafe SIPMessage(module, message), let output = unsafe output,
        let length = unsafe length
    else { return .RTPP_BAD_ARGUMENT }
    let status = unsafe module.pointee.worker?.statistics(call) { text -> rtpp_status in
        unsafe length.pointee = text.count
        guard text.count <= capacity else { return .RTPP_TOO_SMALL }
        // SAFETY: `output` has room for `capacity` bytes, and that is enough.
        for index in text.indices { unsafe output[index] = text[index] }
        return .RTPP_OK
    }
    return status.flatMap { $0 } ?? .RTPP_NO_VALUE
}

@c @implementation
public func rtpp_figure_index(_ handle: OpaquePointer?, _ name: rtpp_bytes) -> Int32 {
    guard let module = unsafe module(handle) else { return -1 }
    unsafe module.pointee.settings.asksFigures = true
    // SAFETY: the glue lends the name for the call.
    return Int32(truncatingIfNeeded: unsafe Worker.figureIndex(of: Span(_unsafeElements: name.buffer)) ?? -1)
}

@c @implementation
public func rtpp_figure(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ index: Int32,
    _ value: UnsafeMutablePointer<rtpp_figure_value>?
) -> rtpp_status {
    guard let module = unsafe module(handle), let call = unsafe SIPMessage(module, message), let value = unsafe value
    else { return .RTPP_BAD_ARGUMENT }
    let status = unsafe module.pointee.worker?.figure(call, Int(index)) { text, number -> rtpp_status in
        var found = rtpp_figure_value()
        let isShort = unsafe withUnsafeMutableBytes(of: &found.text) { output in
            guard text.count <= output.count else { return false }
            for index in text.indices { unsafe output[index] = text[index] }
            return true
        }
        guard isShort else { return .RTPP_NO_VALUE }
        found.length = text.count
        found.is_whole = number != nil
        found.number = number ?? 0
        unsafe value.pointee = found
        return .RTPP_OK
    }
    return status.flatMap { $0 } ?? .RTPP_NO_VALUE
}
