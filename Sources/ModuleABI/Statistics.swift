// SPDX-License-Identifier: GPL-2.0-or-later
// What is counted: the contract's names for it, and the entry points that show it.

import Bytes
public import RTPProxyABI
import Relay
import SharedState

extension rtpp_counter {
    init(_ which: RelayCounter) {
        self =
            switch which {
            case .commandsSent: .RTPP_COUNT_COMMANDS_SENT
            case .commandsAnswered: .RTPP_COUNT_COMMANDS_ANSWERED
            case .commandsTimedOut: .RTPP_COUNT_COMMANDS_TIMED_OUT
            case .retransmissions: .RTPP_COUNT_RETRANSMISSIONS
            case .errorsOfCommand: .RTPP_COUNT_ERRORS_COMMAND
            case .errorsInside: .RTPP_COUNT_ERRORS_INTERNAL
            case .errorsOfSession: .RTPP_COUNT_ERRORS_SESSION
            case .errorsOfFunction: .RTPP_COUNT_ERRORS_FUNCTION
            case .errorsOfPorts: .RTPP_COUNT_ERRORS_PORTS
            case .errorsOfMemory: .RTPP_COUNT_ERRORS_MEMORY
            case .errorsOfOverload: .RTPP_COUNT_ERRORS_OVERLOAD
            case .errorsOfDraining: .RTPP_COUNT_ERRORS_DRAINING
            case .otherErrors: .RTPP_COUNT_ERRORS_OTHER
            case .failovers: .RTPP_COUNT_FAILOVERS
            case .hedges: .RTPP_COUNT_HEDGES
            case .nodeFailures: .RTPP_COUNT_NODE_FAILURES
            case .sessionsCreated: .RTPP_COUNT_SESSIONS_CREATED
            case .sessionsDeleted: .RTPP_COUNT_SESSIONS_DELETED
            case .streams: .RTPP_COUNT_STREAMS
            case .bodiesRewritten: .RTPP_COUNT_BODIES_REWRITTEN
            case .refusedWithoutBody: .RTPP_COUNT_REFUSED_NO_BODY
            case .refusedNotSDP: .RTPP_COUNT_REFUSED_NOT_SDP
            case .refusedMalformed: .RTPP_COUNT_REFUSED_MALFORMED
            case .refusedMarked: .RTPP_COUNT_REFUSED_MARKED
            case .refusedRewritten: .RTPP_COUNT_REFUSED_REWRITTEN
            case .refusedParameters: .RTPP_COUNT_REFUSED_PARAMETERS
            case .refusedHeaders: .RTPP_COUNT_REFUSED_HEADERS
            case .withoutNode: .RTPP_COUNT_WITHOUT_NODE
            }
    }
}

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
    guard let found = unsafe module.pointee.relay?.nodeStatistics(host, position),
        let memory = unsafe module.pointee.relay?.urlMemory(position)
    else { return .RTPP_NOT_FOUND }
    // SAFETY: the glue lends the URL for the call.
    let isWanted =
        unsafe !url.isPresent || module.pointee.relay?.hasURL(position, Span(_unsafeElements: url.buffer)) ?? false
    guard isWanted else { return .RTPP_NO_VALUE }
    var node = unsafe rtpp_node_figures()
    unsafe node.url = rtpp_bytes(data: memory.baseAddress, length: memory.count)
    unsafe node.set_id = found.setID
    unsafe node.index = found.index
    unsafe node.weight = found.weight
    unsafe node.state = rtpp_bytes(static: found.standing.text)
    unsafe node.state_seconds = found.standingSeconds
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
    unsafe module.pointee.relay?.writeMetrics(Host(module.pointee.host), into: &text)
    unsafe length.pointee = text.count
    guard text.count <= capacity else { return .RTPP_TOO_SMALL }
    // SAFETY: `output` has room for `capacity` bytes, and that is enough.
    for index in text.indices { unsafe output[index] = text[index] }
    return .RTPP_OK
}

@c @implementation
public func rtpp_reset_statistics(_ handle: OpaquePointer?) {
    guard let module = unsafe module(handle) else { return }
    unsafe module.pointee.relay?.resetStatistics()
}
