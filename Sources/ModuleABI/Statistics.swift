// SPDX-License-Identifier: GPL-2.0-or-later
// What is counted: the entry points that show it.
//
// SAFETY (7 in this file): enter() refuses NULL, a call in the middle of another, and a process that is not attached;
// what the glue passes is looked at and lent for the call.

import Bytes
public import RTPProxyABI
import CallControl
import SharedState

extension rtpp_bytes {
    /// Lends a text that is part of the library.
    init(static text: StaticString) {
        // SAFETY: a static text stays where it is while the library is loaded.
        // NO TRAP: only where there is a pointer representation.
        unsafe self =
            text.hasPointerRepresentation
            ? rtpp_bytes(data: text.utf8Start, length: text.utf8CodeUnitCount) : rtpp_bytes(data: nil, length: 0)
    }
}

@_optimize(size) @c @implementation
public func rtpp_node_statistics(
    _ handle: OpaquePointer?, _ position: Int, _ url: rtpp_bytes, _ figures: UnsafeMutablePointer<rtpp_node_figures>?
) -> rtpp_status {
    guard let figures = unsafe figures else { return .RTPP_BAD_ARGUMENT }
    return unsafe enter(handle, refused: .RTPP_BAD_ARGUMENT, early: .RTPP_NOT_FOUND) { attached, host in
        guard let found = attached.worker.nodeStatistics(host, position) else { return .RTPP_NOT_FOUND }
        // SAFETY: the glue lends the URL for the call.
        let isWanted =
            unsafe !url.isPresent || attached.worker.isSelected(position, Span(_unsafeElements: url.buffer))
        guard isWanted else { return .RTPP_NO_VALUE }
        unsafe figures.pointee = rtpp_node_figures(found, url: attached.worker.urlMemory(position))
        return .RTPP_OK
    }
}

extension rtpp_node_figures {
    /// What has been counted of one RTPProxy; `url`: memory that stays.
    @_optimize(size)
    fileprivate init(_ found: NodeStatistics, url: UnsafeBufferPointer<UInt8>) {
        // SAFETY: the structure is being made, and is nobody else's; sums and texts are copied as they are.
        unsafe self.init()
        unsafe self.url = rtpp_bytes(data: url.baseAddress, length: url.count)
        unsafe set_id = found.setID
        unsafe index = found.index
        unsafe weight = found.weight
        unsafe state = rtpp_bytes(static: found.state.text)
        unsafe state_seconds = found.stateSeconds
        unsafe calls = found.figures.calls
        unsafe restarts = found.figures.restarts
        unsafe commands = found.figures.commands
        unsafe answered = found.figures.answered
        // SAFETY: the structure is being made, and is nobody else's; sums and texts are copied as they are.
        unsafe errors = found.figures.errors
        unsafe timeouts = found.figures.timeouts
        unsafe retransmissions = found.figures.retransmissions
        unsafe round_trip_us = found.smoothedMicroseconds
        unsafe round_trip_p50_us = found.figures.roundTrips.p50Microseconds
        unsafe round_trip_p90_us = found.figures.roundTrips.p90Microseconds
        unsafe round_trip_p99_us = found.figures.roundTrips.p99Microseconds
        unsafe withUnsafeMutableBytes(of: &round_trips) { output in
            // NO TRAP (2): the header's array has as many counts as there are parts, RTPP_SPREAD.
            for part in 0..<RoundTripSpread.parts {
                // SAFETY: the header's array has as many counts as there are parts, RTPP_SPREAD.
                unsafe output.storeBytes(
                    of: found.spread.counts[part], toByteOffset: part &* MemoryLayout<UInt64>.stride, as: UInt64.self)
            }
        }
        guard let (fault, _) = found.figures.lastFault else { return }
        var text: [UInt8] = []
        fault.describe(into: &text)
        // SAFETY: the structure is being made, and is nobody else's; sums and texts are copied as they are.
        unsafe last_error_seconds = found.lastFaultSeconds ?? 0
        unsafe last_error_length = unsafe withUnsafeMutableBytes(of: &last_error) { output in
            let length = min(text.count, output.count)
            // SAFETY (1): length is the least of both.
            for index in 0..<length { unsafe output[index] = text[index] }
            return length
        }
    }
}

@_optimize(size) @c @implementation
public func rtpp_metrics(
    _ handle: OpaquePointer?, _ values: UnsafePointer<UInt64>?, _ count: Int, _ page: Int,
    _ output: UnsafeMutablePointer<UInt8>?, _ capacity: Int, _ length: UnsafeMutablePointer<Int>?,
    _ pages: UnsafeMutablePointer<Int>?
) -> rtpp_status {
    guard let values = unsafe values, count >= 0, let output = unsafe output, let length = unsafe length,
        let pages = unsafe pages
    else { return .RTPP_BAD_ARGUMENT }
    // Asked for once in some seconds: memory of its own, which goes again.
    var text: [UInt8] = []
    let found = unsafe enter(handle, refused: -1, early: -1) { attached, host in
        // SAFETY: the glue lends `count` values for the call.
        let values = unsafe Span(_unsafeElements: UnsafeBufferPointer(start: values, count: count))
        return attached.worker.writeMetrics(host, values, page: page, room: capacity, into: &text)
    }
    guard found >= 0 else { return .RTPP_BAD_ARGUMENT }
    unsafe length.pointee = text.count
    unsafe pages.pointee = found
    guard found > 0, text.count <= capacity else { return .RTPP_TOO_SMALL }
    // SAFETY (1): `output` has room for `capacity` bytes, and that is enough.
    for index in text.indices { unsafe output[index] = text[index] }
    return text.isEmpty ? .RTPP_NOT_FOUND : .RTPP_OK
}

@_optimize(size) @c @implementation
public func rtpp_reset_statistics(_ handle: OpaquePointer?) {
    unsafe enter(handle, refused: (), early: ()) { attached, _ in attached.worker.resetStatistics() }
}

@_optimize(size) @c @implementation
public func rtpp_counter_at(_ position: Int, _ output: UnsafeMutablePointer<rtpp_counter_row>?) -> Bool {
    // SAFETY: checked for NULL, and the glue lends it for the call.
    guard let output = unsafe output else { return false }
    guard let (row, gauge) = CounterRow.at(position), row.name.hasPointerRepresentation,
        row.help.hasPointerRepresentation
    else { return false }
    // SAFETY: a static text ends in a NUL byte, and stays where it is while the library is loaded.
    // NO TRAP (2): a static text has a pointer, checked by the guard above, and a NUL byte at its end.
    unsafe output.pointee = rtpp_counter_row(
        name: UnsafeRawPointer(row.name.utf8Start).assumingMemoryBound(to: CChar.self),
        help: UnsafeRawPointer(row.help.utf8Start).assumingMemoryBound(to: CChar.self), is_gauge: gauge != nil)
    return true
}

@_optimize(size) @c @implementation
public func rtpp_gauge_value(_ handle: OpaquePointer?, _ position: Int) -> UInt64 {
    guard let gauge = ServerGauge(rawValue: position &- ServerCounter.allCases.count) else { return 0 }
    return unsafe enter(handle, refused: 0, early: 0) { attached, _ in
        switch gauge {
        case .nodes: UInt64(clamping: attached.worker.nodesConfigured())
        case .nodesUp: UInt64(clamping: attached.worker.nodesUp())
        case .callsRemembered: UInt64(clamping: attached.worker.rememberedCalls())
        case .callsForgotten: attached.worker.forgottenCalls()
        case .asyncUnderWay: UInt64(clamping: attached.delivery.underWay)
        case .asyncRefused: attached.delivery.refusals
        case .dmqHosts: attached.worker.fleetHosts().count
        case .dmqLag: attached.worker.fleetHosts().lag
        }
    }
}
