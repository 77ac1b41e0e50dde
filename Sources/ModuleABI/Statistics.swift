// SPDX-License-Identifier: GPL-2.0-or-later
// What is counted: the entry points that show it.

import Bytes
public import RTPProxyABI
import CallControl
import SharedState

extension rtpp_bytes {
    /// Lends a text that is part of the library.
    init(static text: StaticString) {
        // SAFETY: a static text stays where it is while the library is loaded.
        unsafe self =
            text.hasPointerRepresentation
            ? rtpp_bytes(data: text.utf8Start, length: text.utf8CodeUnitCount) : rtpp_bytes(data: nil, length: 0)
    }
}

@c @implementation
public func rtpp_node_statistics(
    _ handle: OpaquePointer?, _ position: Int, _ url: rtpp_bytes, _ figures: UnsafeMutablePointer<rtpp_node_figures>?
) -> rtpp_status {
    guard let module = unsafe module(handle), let figures = unsafe figures else { return .RTPP_BAD_ARGUMENT }
    let host = unsafe Host(module.pointee.host)
    guard let found = unsafe module.pointee.worker?.nodeStatistics(host, position),
        let memory = unsafe module.pointee.worker?.urlMemory(position)
    else { return .RTPP_NOT_FOUND }
    // SAFETY: the glue lends the URL for the call.
    let isWanted =
        unsafe !url.isPresent || module.pointee.worker?.hasURL(position, Span(_unsafeElements: url.buffer)) ?? false
    guard isWanted else { return .RTPP_NO_VALUE }
    var node = unsafe rtpp_node_figures()
    unsafe node.url = rtpp_bytes(data: memory.baseAddress, length: memory.count)
    unsafe node.set_id = found.setID
    unsafe node.index = found.index
    unsafe node.weight = found.weight
    unsafe node.state = rtpp_bytes(static: found.state.text)
    unsafe node.state_seconds = found.stateSeconds
    unsafe node.commands = found.figures.commands
    unsafe node.answered = found.figures.answered
    unsafe node.errors = found.figures.errors
    unsafe node.timeouts = found.figures.timeouts
    unsafe node.retransmissions = found.figures.retransmissions
    unsafe node.round_trip_us = found.smoothedMicroseconds
    unsafe node.round_trip_p50_us = found.figures.roundTrips.p50Microseconds
    unsafe node.round_trip_p90_us = found.figures.roundTrips.p90Microseconds
    unsafe node.round_trip_p99_us = found.figures.roundTrips.p99Microseconds
    unsafe withUnsafeMutableBytes(of: &node.round_trips) { output in
        for part in 0..<RoundTripSpread.parts {
            unsafe output.storeBytes(
                of: found.spread.counts[part], toByteOffset: part &* MemoryLayout<UInt64>.stride, as: UInt64.self)
        }
    }
    if let (fault, _) = found.figures.lastFault {
        var text: [UInt8] = []
        fault.describe(into: &text)
        unsafe node.last_error_seconds = found.lastFaultSeconds ?? 0
        unsafe node.last_error_length = unsafe withUnsafeMutableBytes(of: &node.last_error) { output in
            let length = min(text.count, output.count)
            for index in 0..<length { unsafe output[index] = text[index] }
            return length
        }
    }
    unsafe figures.pointee = node
    return .RTPP_OK
}

@c @implementation
public func rtpp_metrics(
    _ handle: OpaquePointer?, _ output: UnsafeMutablePointer<UInt8>?, _ capacity: Int,
    _ length: UnsafeMutablePointer<Int>?
) -> rtpp_status {
    guard let module = unsafe module(handle), let output = unsafe output, let length = unsafe length else {
        return .RTPP_BAD_ARGUMENT
    }
    // Asked for once in some seconds: memory of its own, which goes again.
    var text: [UInt8] = []
    unsafe module.pointee.worker?.writeMetrics(Host(module.pointee.host), into: &text)
    unsafe length.pointee = text.count
    guard text.count <= capacity else { return .RTPP_TOO_SMALL }
    // SAFETY: `output` has room for `capacity` bytes, and that is enough.
    for index in text.indices { unsafe output[index] = text[index] }
    return .RTPP_OK
}

@c @implementation
public func rtpp_reset_statistics(_ handle: OpaquePointer?) {
    guard let module = unsafe module(handle) else { return }
    unsafe module.pointee.worker?.resetStatistics()
}

@c @implementation
public func rtpp_counter_at(_ position: Int, _ output: UnsafeMutablePointer<rtpp_counter_row>?) -> Bool {
    guard let output = unsafe output else { return false }
    let gauge = ServerGauge(rawValue: position &- ServerCounter.allCases.count)
    guard let row = ServerCounter(rawValue: position)?.row ?? gauge?.row, row.name.hasPointerRepresentation,
        row.help.hasPointerRepresentation
    else { return false }
    // SAFETY: a static text ends in a NUL byte, and stays where it is while the library is loaded.
    unsafe output.pointee = rtpp_counter_row(
        name: UnsafeRawPointer(row.name.utf8Start).assumingMemoryBound(to: CChar.self),
        help: UnsafeRawPointer(row.help.utf8Start).assumingMemoryBound(to: CChar.self), is_gauge: gauge != nil)
    return true
}

@c @implementation
public func rtpp_gauge_value(_ handle: OpaquePointer?, _ position: Int) -> UInt64 {
    guard let module = unsafe module(handle),
        let gauge = ServerGauge(rawValue: position &- ServerCounter.allCases.count)
    else { return 0 }
    return switch gauge {
    case .nodes: UInt64(clamping: unsafe module.pointee.worker?.nodesConfigured() ?? 0)
    case .nodesUp: UInt64(clamping: unsafe module.pointee.worker?.nodesUp() ?? 0)
    case .callsRemembered: UInt64(clamping: unsafe module.pointee.worker?.rememberedCalls() ?? 0)
    case .callsForgotten: unsafe module.pointee.worker?.forgottenCalls() ?? 0
    case .asyncUnderWay: UInt64(clamping: unsafe module.pointee.delivery?.underWay ?? 0)
    case .asyncRefused: unsafe module.pointee.delivery?.refusals ?? 0
    }
}
