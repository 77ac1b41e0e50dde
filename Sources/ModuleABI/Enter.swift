// SPDX-License-Identifier: GPL-2.0-or-later
// The one way into the module: what every entry point checks before it does anything.
//
// SAFETY (9 in this file): module() gives nil for NULL and in the middle of a call, attached nil before rtpp_attach;
// what the glue passes is lent for the call.

import RTPProxyABI
import CallControl

/// The module behind a handle; nil for NULL, and in the middle of a call, see `isInCallback`.
@inline(__always)
func module(_ handle: OpaquePointer?) -> UnsafeMutablePointer<Module>? {
    // SAFETY: rtpp_create made the handle from such a pointer, and the glue passes no other.
    guard let module = unsafe handle.map({ unsafe UnsafeMutablePointer<Module>($0) }) else { return nil }
    return unsafe module.pointee.isInCallback ? nil : module
}

/// Enters the module, however far it has come. `refused` where `module` gives nil.
@inline(__always)
func enter<Result>(_ handle: OpaquePointer?, refused: Result, _ body: (inout Module) -> Result) -> Result {
    guard let module = unsafe module(handle) else { return refused }
    // SAFETY: one thread, and nothing that `body` does enters again but by a callback of a call: `module` refuses that.
    return unsafe body(&module.pointee)
}

/// Enters what an attached process has. `refused` as above, `early` before it is attached.
@inline(__always)
func enter<Result>(
    _ handle: OpaquePointer?, refused: Result, early: Result, _ body: (inout Attached, Host) -> Result
) -> Result {
    guard let module = unsafe module(handle) else { return refused }
    guard let attached = unsafe module.pointee.lifeCycle.attached else { return early }
    // SAFETY: as above.
    return unsafe body(&attached.pointee, Host(module.pointee.host))
}

/// Enters with a message. `refused` where it is NULL, too.
@inline(__always)
func enter<Result>(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, refused: Result, early: Result,
    _ body: (inout Attached, SIPMessage) -> Result
) -> Result {
    guard let module = unsafe module(handle), let message = unsafe SIPMessage(module, message) else { return refused }
    guard let attached = unsafe module.pointee.lifeCycle.attached else { return early }
    // SAFETY: as above; what SIPMessage touches of the module is no part of `attached`.
    return unsafe body(&attached.pointee, message)
}

/// Enters with a message, for a function of the script: -1 where it cannot.
@inline(__always)
func enter(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?,
    _ body: (inout Attached, SIPMessage) -> rtpp_code
) -> rtpp_code {
    unsafe enter(handle, message, refused: noCall, early: noCall, body)
}

/// Enters with a message and a text, for such a function. A text whose pointer or length is impossible is empty.
@inline(__always)
func enter(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ text: rtpp_bytes,
    _ body: (inout Attached, SIPMessage, Span<UInt8>) -> rtpp_code
) -> rtpp_code {
    unsafe enter(handle, message) { attached, message in
        // SAFETY: the glue lends every argument for the call.
        unsafe body(&attached, message, Span(_unsafeElements: text.buffer))
    }
}

/// The same with flags and an address, and whether the address was given; -1 for flags of an impossible length, too.
@inline(__always)
func enter(
    _ handle: OpaquePointer?, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes, _ address: rtpp_bytes,
    _ body: (inout Attached, SIPMessage, Span<UInt8>, Span<UInt8>, Bool) -> rtpp_code
) -> rtpp_code {
    guard unsafe flags.isPossible else { return noCall }
    return unsafe enter(handle, message, flags) { attached, message, flags in
        // SAFETY: as above.
        unsafe body(&attached, message, flags, Span(_unsafeElements: address.buffer), address.isPresent)
    }
}

/// What a function of the script returns where it cannot enter.
let noCall = ReturnCode.error.rawValue
