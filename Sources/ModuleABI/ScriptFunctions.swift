// SPDX-License-Identifier: GPL-2.0-or-later
// Entry points of the script functions: borrowed bytes in, return codes out. A NULL handle or message is -1.
//
// SAFETY (15 in this file): enter() refuses NULL, a call in the middle of another, and a process that is not attached;
// what the glue passes is looked at and lent for the call.

import Bytes
public import RTPProxyABI
import CallControl

@c @implementation
public func rtpp_offer(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes, _ address: rtpp_bytes
) -> rtpp_code {
    unsafe enter(handle, message, flags, address) { attached, message, flags, address, hasAddress in
        attached.worker.offer(message, flags: flags, address: address, hasAddress: hasAddress).rawValue
    }
}

@c @implementation
public func rtpp_answer(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes, _ address: rtpp_bytes
) -> rtpp_code {
    unsafe enter(handle, message, flags, address) { attached, message, flags, address, hasAddress in
        attached.worker.answer(message, flags: flags, address: address, hasAddress: hasAddress).rawValue
    }
}

@c @implementation
public func rtpp_manage(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes, _ address: rtpp_bytes
) -> rtpp_code {
    unsafe enter(handle, message, flags, address) { attached, message, flags, address, hasAddress in
        attached.worker.manage(message, flags: flags, address: address, hasAddress: hasAddress).rawValue
    }
}

@c @implementation
public func rtpp_delete(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes
) -> rtpp_code {
    guard unsafe flags.isPossible else { return noCall }
    return unsafe enter(handle, message, flags) { $0.worker.delete($1, flags: $2).rawValue }
}

@c @implementation
public func rtpp_select_set(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ id: Int64
) -> rtpp_code {
    unsafe enter(handle, message) { $0.worker.selectSet($1, id: id).rawValue }
}

@c @implementation
public func rtpp_select_set_text(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ text: rtpp_bytes
) -> rtpp_code {
    unsafe enter(handle, message, text) { $0.worker.selectSet($1, text: $2).rawValue }
}

@c @implementation
public func rtpp_play(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ prompt: rtpp_bytes, _ count: Int64,
    _ toUAS: Bool
) -> rtpp_code {
    unsafe enter(handle, message, prompt) { attached, message, prompt in
        attached.worker.play(message, prompt: prompt, count: Int(widening: count), toCallee: toUAS).rawValue
    }
}

@c @implementation
public func rtpp_stop_play(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ toUAS: Bool
) -> rtpp_code {
    unsafe enter(handle, message) { $0.worker.stopPlay($1, toCallee: toUAS).rawValue }
}

@c @implementation
public func rtpp_record(_ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?) -> rtpp_code {
    unsafe enter(handle, message) { $0.worker.record($1).rawValue }
}

@c @implementation
public func rtpp_statistics(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ output: UnsafeMutablePointer<UInt8>?,
    _ capacity: Int, _ length: UnsafeMutablePointer<Int>?
) -> rtpp_status {
    guard let output = unsafe output, let length = unsafe length else { return .RTPP_BAD_ARGUMENT }
    return unsafe enter(handle, message, refused: .RTPP_BAD_ARGUMENT, early: .RTPP_NO_VALUE) { attached, message in
        attached.worker.statistics(message) { text -> rtpp_status in
            // SAFETY: the output is the glue's, looked at first.
            unsafe length.pointee = text.count
            guard text.count <= capacity else { return .RTPP_TOO_SMALL }
            // SAFETY (1): `output` has room for `capacity` bytes, and that is enough.
            for index in text.indices { unsafe output[index] = text[index] }
            return .RTPP_OK
        } ?? .RTPP_NO_VALUE
    }
}

@c @implementation
public func rtpp_figure_index(_ handle: OpaquePointer?, _ name: rtpp_bytes) -> Int32 {
    unsafe enter(handle, refused: -1) { module in
        // SAFETY: the glue lends the name for the call.
        let index = unsafe Worker.figureIndex(of: Span(_unsafeElements: name.buffer))
        module.settings.noteFigure(index)
        return Int32(truncatingIfNeeded: index ?? -1)
    }
}

@c @implementation
public func rtpp_figure(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ index: Int32,
    _ value: UnsafeMutablePointer<rtpp_figure_value>?
) -> rtpp_status {
    guard let value = unsafe value else { return .RTPP_BAD_ARGUMENT }
    return unsafe enter(handle, message, refused: .RTPP_BAD_ARGUMENT, early: .RTPP_NO_VALUE) { attached, message in
        attached.worker.figure(message, Int(widening: index)) { text, number -> rtpp_status in
            var found = rtpp_figure_value()
            // SAFETY: the output is the glue's, looked at first.
            let isShort = unsafe withUnsafeMutableBytes(of: &found.text) { output in
                guard text.count <= output.count else { return false }
                // SAFETY (1): the output is at least as long as the text, checked by the guard above.
                for index in text.indices { unsafe output[index] = text[index] }
                return true
            }
            guard isShort else { return .RTPP_NO_VALUE }
            found.length = text.count
            found.is_whole = number != nil
            found.number = number ?? 0
            unsafe value.pointee = found
            return .RTPP_OK
        } ?? .RTPP_NO_VALUE
    }
}
