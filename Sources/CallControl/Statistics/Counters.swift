// SPDX-License-Identifier: GPL-2.0-or-later
// The table of what is counted for the whole server, and which failure of a function is counted as what.

import ControlProtocol
import SDP

/// How the operator sees a counter or gauge of the whole server. This is the only place that says so.
package struct CounterRow: Sendable {
    /// In Kamailio's group "rtpproxy".
    package let name: StaticString
    package let help: StaticString

    /// What `position` counts, the counters first; nil behind the last of the gauges.
    @inline(never)
    package static func at(_ position: Int) -> (row: CounterRow, gauge: ServerGauge?)? {
        if let counter = ServerCounter(rawValue: position) { return (counter.row, nil) }
        guard let gauge = ServerGauge(rawValue: position &- ServerCounter.allCases.count) else { return nil }
        return (gauge.row, gauge)
    }

    init(_ name: StaticString, _ help: StaticString) {
        self.name = name
        self.help = help
    }
}

/// What the host counts, over all nodes and processes, in the order in which it is listed.
package enum ServerCounter: Int, Sendable, CaseIterable, BitwiseCopyable {
    case commandsSent, commandsAnswered, commandsTimedOut, retransmissions
    case errorsOfCommand, errorsInside, errorsOfSession, errorsOfFunction
    case errorsOfPorts, errorsOfMemory, errorsOfOverload, errorsOfDraining
    case otherErrors, failovers, hedges, nodeFailures, nodeRestarts
    case sessionsCreated, sessionsDeleted, streams, bodiesRewritten
    case refusedWithoutBody, refusedNotSDP, refusedMalformed, refusedMarked
    case refusedRewritten, refusedParameters, refusedHeaders, withoutNode
    case dmqSent, dmqReceived, dmqRefused, dmqLost, dmqAsked
    case withoutCandidate, silentBrowsers

    package var row: CounterRow {
        switch self {
        case .commandsSent: CounterRow("commands_sent", "commands of calls, each once however often it was sent")
        case .commandsAnswered: CounterRow("commands_answered", "commands that were answered, errors among the answers")
        case .commandsTimedOut: CounterRow("commands_timed_out", "commands given up because they had no answer in time")
        case .retransmissions: CounterRow("retransmissions", "times that a command was sent again")
        case .errorsOfCommand:
            CounterRow(
                "errors_command", "answers E0 to E6, E11 to E19, E25, E26, E31 to E37: the command was not understood")
        case .errorsInside: CounterRow("errors_internal", "answers E7 to E10: faults inside RTPProxy 1.x")
        case .errorsOfSession:
            CounterRow("errors_no_session", "answers E50 to other commands than deletes: no such session")
        case .errorsOfFunction:
            CounterRow("errors_function", "answers E60, E62, E65, E68, E75: playing, statistics, copying, notification")
        case .errorsOfPorts: CounterRow("errors_ports", "answers E71, E72: no ports or descriptors left")
        case .errorsOfMemory: CounterRow("errors_memory", "answers E81 to E89: no memory left")
        case .errorsOfOverload: CounterRow("errors_overload", "answers E98: too much to do")
        case .errorsOfDraining: CounterRow("errors_draining", "answers E99: no new sessions")
        case .otherErrors: CounterRow("errors_other", "any other error answer")
        case .failovers: CounterRow("failovers", "times that a call asked another RTPProxy because one had failed")
        case .hedges: CounterRow("hedges", "times that an offer asked another RTPProxy, too, because one was slow")
        case .nodeFailures: CounterRow("node_failures", "times that an RTPProxy was disabled because it had failed")
        case .nodeRestarts: CounterRow("node_restarts", "times that an RTPProxy was seen to have lost its sessions")
        case .sessionsCreated: CounterRow("sessions_created", "sessions that offers began")
        case .sessionsDeleted: CounterRow("sessions_deleted", "sessions that were deleted")
        case .streams: CounterRow("streams", "media streams of offers and answers that got ports")
        case .bodiesRewritten: CounterRow("bodies_rewritten", "bodies whose SDP was changed")
        case .refusedWithoutBody: CounterRow("refused_no_body", "offers and answers without a body")
        case .refusedNotSDP: CounterRow("refused_not_sdp", "offers and answers whose body is no SDP")
        case .refusedMalformed: CounterRow("refused_malformed", "offers and answers whose body is malformed")
        case .refusedMarked: CounterRow("refused_marked", "offers and answers that another proxy had marked")
        case .refusedRewritten:
            CounterRow("refused_rewritten", "offers and answers on a body that was rewritten already")
        case .refusedParameters: CounterRow("refused_parameters", "functions refused for what the script gave them")
        case .refusedHeaders:
            CounterRow("refused_headers", "functions refused for a header or address that is missing or unfit")
        case .withoutNode: CounterRow("no_rtpproxy", "functions that found no RTPProxy available")
        case .dmqSent: CounterRow("dmq_sent", "changes of calls that the other hosts were told of")
        case .dmqReceived: CounterRow("dmq_received", "changes of calls that other hosts told, and that were news")
        case .dmqRefused: CounterRow("dmq_refused", "messages of other hosts that were refused")
        case .dmqLost:
            CounterRow("dmq_lost", "changes of calls that were too many to tell at once: others ask for them")
        case .dmqAsked: CounterRow("dmq_asked", "times that another host was asked for what was missed")
        case .withoutCandidate:
            CounterRow("webrtc_no_candidate", "WebRTC streams without a candidate that an RTPProxy can use")
        case .silentBrowsers:
            CounterRow(
                "webrtc_silent", "WebRTC streams of which nothing had come rtpproxy_webrtc_silence s after the answer")
        }
    }
}

/// What the host asks for when somebody looks, listed behind the counters.
package enum ServerGauge: Int, Sendable, CaseIterable {
    case nodes, nodesUp, callsRemembered, callsForgotten, asyncUnderWay, asyncRefused, dmqHosts, dmqLag

    /// Whether it only grows, from the start on.
    var isTotal: Bool { self == .callsForgotten || self == .asyncRefused }

    package var row: CounterRow {
        switch self {
        case .nodes: CounterRow("nodes", "RTPProxies of all sets")
        case .nodesUp: CounterRow("nodes_up", "RTPProxies that are up")
        case .callsRemembered: CounterRow("calls_remembered", "calls in the table that says which RTPProxy has them")
        case .callsForgotten: CounterRow("calls_forgotten", "calls that gave way because that table was full")
        case .asyncUnderWay: CounterRow("async_under_way", "calls that asynchronous processes are waiting for")
        case .asyncRefused: CounterRow("async_refused", "calls refused because rtpproxy_async_max were under way")
        case .dmqHosts: CounterRow("dmq_hosts", "other hosts that share calls and were heard in the last 3 s")
        case .dmqLag: CounterRow("dmq_lag", "milliseconds since the other host was heard that is silent for longest")
        }
    }
}

extension ServerHost {
    /// Counts one.
    func count(_ which: ServerCounter) { count(which, 1) }
}

extension ServerCounter {
    /// What an `E` code is counted as.
    init(_ group: ErrorGroup) {
        self =
            switch group {
            case .command, .address: .errorsOfCommand
            case .inside: .errorsInside
            case .session: .errorsOfSession
            case .function: .errorsOfFunction
            case .ports: .errorsOfPorts
            case .memory: .errorsOfMemory
            case .overload: .errorsOfOverload
            case .draining: .errorsOfDraining
            case .other: .otherErrors
            }
    }
}

extension CallFailure {
    /// What the end of a function is counted as; nil where it is counted elsewhere, or not.
    var counter: ServerCounter? {
        switch self {
        case .body(let fault):
            switch fault.reason {
            case .empty: .refusedWithoutBody
            case .notSDP, .noSDPPart: .refusedNotSDP
            case .lengthDoesNotFit, .noBoundary, .secondSDPPart, .badDelimiter, .badPartHeaders, .nestedTooDeep:
                .refusedMalformed
            }
        case .sdp, .security, .peerIsLite, .isSecured: .refusedMalformed
        case .alreadyMarked: .refusedMarked
        case .alreadyRewritten, .editedBody: .refusedRewritten
        case .unknownFlag, .flagsTooLong, .severalBridges, .badRepacketization, .lookupOfAnswer, .answerInRequest,
            .emptyAddress,
            .badICEPriority, .unknownSet, .badSet:
            .refusedParameters
        case .missing, .unfit: .refusedHeaders
        case .noNode, .noWebRTC, .crowded: .withoutNode
        // Counted where the answer was read, or a matter of this machine that the log tells of.
        case .relayError, .noPort, .noAddress, .nullAddress, .echo, .unknownSession, .streamRefused, .unknownCall,
            .unanswered,
            .unsupported, .noStatistics, .noRecording, .unrecordable, .streamsUnasked, .commandTooLong,
            .exchange, .system, .notApplied,
            .tooManyCalls, .noAsyncProcess, .earlierCommandsWait, .noMemory, .notSuspended, .refusalCannotWait,
            .madeUpMessage, .nothingToManage, .nodeWithoutWebRTC, .moduleRefused, .badModuleReply:
            nil
        }
    }
}
