// SPDX-License-Identifier: GPL-2.0-or-later
// What is counted for the whole server, and which failure of a function is counted as what.

import ControlProtocol
import SDP

/// What the host counts, over all nodes and processes.
public enum RelayCounter: Sendable, CaseIterable {
    /// Commands of calls that went out, each once; answered; given up without an answer in time; times they went out
    /// again.
    case commandsSent, commandsAnswered, commandsTimedOut, retransmissions
    /// Answers that were an `E` code, by group (control-protocol: Errors).
    case errorsOfCommand, errorsInside, errorsOfSession, errorsOfFunction, errorsOfPorts, errorsOfMemory
    case errorsOfOverload, errorsOfDraining, otherErrors
    /// Times that another node was asked because one had failed; because one was slow; that a node was taken out.
    case failovers, hedges, nodeFailures
    /// Sessions that offers began; sessions that were deleted; streams that got ports; bodies that were rewritten.
    case sessionsCreated, sessionsDeleted, streams, bodiesRewritten
    /// Offers and answers refused for their body: it is not there, is no SDP, is malformed SDP, is marked by another
    /// proxy, has been rewritten before.
    case refusedWithoutBody, refusedNotSDP, refusedMalformed, refusedMarked, refusedRewritten
    /// Functions refused for what the script gave, and for what else the message has or lacks.
    case refusedParameters, refusedHeaders
    /// Functions that found no node up.
    case withoutNode
}

extension RelayHost {
    /// Counts one.
    func count(_ which: RelayCounter) { count(which, 1) }
}

extension RelayCounter {
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
    var counter: RelayCounter? {
        switch self {
        case .body(let fault):
            switch fault.reason {
            case .empty: .refusedWithoutBody
            case .notSDP, .noSDPPart: .refusedNotSDP
            case .lengthDoesNotFit, .noBoundary, .secondSDPPart, .badDelimiter, .badPartHeaders, .nestedTooDeep:
                .refusedMalformed
            }
        case .sdp: .refusedMalformed
        case .alreadyMarked: .refusedMarked
        case .alreadyRewritten, .editedBody: .refusedRewritten
        case .unknownFlag, .flagsTooLong, .badRepacketization, .lookupOfAnswer, .answerInRequest, .emptyAddress,
            .badICEPriority, .unknownSet, .badSet:
            .refusedParameters
        case .missing, .unfit: .refusedHeaders
        case .noNode, .crowded: .withoutNode
        // Counted where the answer was read, or a matter of this machine that the log tells of.
        case .relayError, .noPort, .noAddress, .nullAddress, .echo, .unknownSession, .streamRefused, .unknownCall,
            .unanswered,
            .unsupported, .noStatistics, .noRecording, .unrecordable, .streamsUnasked, .commandTooLong,
            .exchange, .system, .notApplied,
            .tooManyCalls, .noAsyncProcess, .earlierCommandsWait, .noMemory, .notSuspended, .refusalCannotWait,
            .madeUpMessage, .nothingToManage:
            nil
        }
    }
}
