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
