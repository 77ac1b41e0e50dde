// SPDX-License-Identifier: GPL-2.0-or-later
// Entry points that check the configuration before the first call: where faults stand, what a script writes out.
//
// SAFETY (17 in this file): enter() refuses NULL and a call in the middle of another; what the glue passes is looked at
// and lent for the call.

import Bytes
import CallControl
public import RTPProxyABI

@_optimize(size) @c @implementation
public func rtpp_set_place(_ handle: OpaquePointer?, _ place: rtpp_bytes) -> rtpp_status {
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT) { module in
        guard unsafe place.isPossible else { return .RTPP_BAD_ARGUMENT }
        // SAFETY: the glue lends the text for the call.
        unsafe module.settings.setPlace(Span(_unsafeElements: place.buffer))
        return .RTPP_OK
    }
}

@_optimize(size) @c @implementation
public func rtpp_report_faults(_ handle: OpaquePointer?) -> Int {
    unsafe enter(handle, refused: 0) { $0.reportFaults() }
}

@_optimize(size) @c @implementation
public func rtpp_fault_id() -> rtpp_bytes {
    // SAFETY: a static text stays where it is while the library is loaded.
    unsafe rtpp_bytes(static: ReportKind.badParameter.id)
}

/// `NAME: "TEXT": REASON`.
private func line(_ name: UnsafePointer<CChar>, _ text: Span<UInt8>, _ reason: Span<UInt8>) -> [UInt8] {
    var line: [UInt8] = []
    // SAFETY: up to the terminator, which the literals of the glue have.
    unsafe withText(name) { line.append($0) }
    line.append(": \"")
    line.append(printable: text, text.all, limit: 300)
    line.append("\": ")
    line.append(reason)
    return line
}

extension FlagFunction {
    @_optimize(size)
    fileprivate init(_ function: rtpp_function) {
        self =
            switch function {
            case .RTPP_FUNCTION_OFFER: .offer
            case .RTPP_FUNCTION_ANSWER: .answer
            case .RTPP_FUNCTION_MANAGE: .manage
            case .RTPP_FUNCTION_DELETE: .delete
            case .RTPP_FUNCTION_ENGAGE: .engage
            }
    }
}

@_optimize(size) @c @implementation
public func rtpp_check_flags(
    _ handle: OpaquePointer?, _ function: rtpp_function, _ name: UnsafePointer<CChar>?, _ flags: rtpp_bytes,
    _ hasExtraID: Bool
) -> rtpp_status {
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT) { module in
        guard let name = unsafe name, unsafe flags.isPossible else { return .RTPP_BAD_ARGUMENT }
        // SAFETY: the glue lends name and flags for the call.
        let text = unsafe Span(_unsafeElements: flags.buffer)
        let host = Host(module.host)
        if let fault = ScriptCheck.fault(text, of: FlagFunction(function)) {
            host.report(.badParameter, .error, unsafe line(name, text, fault.span).span)
            return .RTPP_BAD_CONFIGURATION
        }
        if ScriptCheck.usesExtraID(text) { module.usesExtraID = true }
        if let reason = ScriptCheck.vain(text, hasExtraID: hasExtraID) {
            var words: [UInt8] = []
            words.append(reason)
            host.log(.warning, unsafe line(name, text, words.span).span)
        }
        return .RTPP_OK
    }
}

@_optimize(size) @c @implementation
public func rtpp_check_address(
    _ handle: OpaquePointer?, _ name: UnsafePointer<CChar>?, _ address: rtpp_bytes
) -> rtpp_status {
    unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT) { module in
        guard let name = unsafe name, unsafe address.isPossible else { return .RTPP_BAD_ARGUMENT }
        // SAFETY: the glue lends name and address for the call.
        let text = unsafe Span(_unsafeElements: address.buffer)
        let host = Host(module.host)
        if let fault = ScriptCheck.fault(address: text) {
            host.report(.badParameter, .error, unsafe line(name, text, fault.span).span)
            return .RTPP_BAD_CONFIGURATION
        }
        if !ScriptCheck.isAddress(text) {
            var words: [UInt8] = []
            words.append("is no IP address: it goes into the SDP as a name")
            host.log(.warning, unsafe line(name, text, words.span).span)
        }
        return .RTPP_OK
    }
}

@_optimize(size) @c @implementation
public func rtpp_check_script(
    _ handle: OpaquePointer?, _ script: UnsafePointer<rtpp_script>?, _ knowsNodes: Bool
) {
    unsafe enter(handle, refused: ()) { module in
        guard let script = unsafe script else { return }
        var use = ScriptUse()
        use.hasTimeoutRoute = unsafe script.pointee.has_timeout_route
        use.hearsTimeouts = unsafe script.pointee.hears_timeouts
        use.hasCallback = unsafe script.pointee.has_callback
        use.hasEngine = unsafe script.pointee.has_engine
        use.hasTimeoutTag = unsafe script.pointee.has_timeout_tag
        use.hasUnusedExtraID =
            unsafe script.pointee.has_extra_id && script.pointee.knows_flags && !module.usesExtraID
        use.choosesSets = unsafe script.pointee.chooses_sets
        use.hearsHosts = unsafe script.pointee.hears_hosts
        let host = Host(module.host)
        for reason in ScriptCheck.warnings(module.settings, use, knowsNodes: knowsNodes) {
            var line: [UInt8] = []
            line.append(reason)
            host.log(.warning, line.span)
        }
    }
}
