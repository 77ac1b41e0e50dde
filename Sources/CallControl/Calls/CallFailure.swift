// SPDX-License-Identifier: GPL-2.0-or-later
// Everything that ends a script function without success: what the script gets, and what the log says.

import Bytes
import ControlProtocol
import SDP
import SharedState
import Transport

/// What a script function returns.
package enum ReturnCode: Int32, Sendable {
    case done = 1
    case error = -1
    /// Another proxy has marked the body, or this message has been rewritten already.
    case marked = -2
    /// No RTPProxy is available.
    case noNode = -3
}

/// A word that goes on the wire.
enum WireWord {
    case callID, fromTag, toTag, branch, extraID, address, source, timeoutSocket, timeoutTag, prompt

    var name: StaticString {
        switch self {
        case .callID: "Call-ID"
        case .fromTag: "from-tag"
        case .toTag: "to-tag"
        case .branch: "Via branch"
        case .extraID: "extra_id_pv"
        case .address: "address"
        case .source: "source address"
        case .timeoutSocket: "timeout_socket"
        case .timeoutTag: "timeout_tag_pv"
        case .prompt: "prompt name"
        }
    }
}

/// Why a script function fails.
enum CallFailure: Error, Equatable {
    case unknownFlag(UInt8)
    case flagsTooLong
    case badRepacketization
    /// More than one of `d`, `p` and `g`.
    case severalBridges
    /// `l` given to an answer.
    case lookupOfAnswer
    /// An answer in a request other than ACK and PRACK.
    case answerInRequest
    /// ip_address given, and empty.
    case emptyAddress
    case body(BodyFault)
    case missing(WireWord)
    /// A byte in the word would make it another argument or command.
    case unfit(WireWord)
    case alreadyMarked
    case alreadyRewritten
    /// Edits of the body by other functions are not made yet.
    case editedBody
    case sdp(SDPFault)
    case badICEPriority
    /// No node of this set is up; false: there is no such set.
    case noNode(setID: UInt32, setExists: Bool)
    /// No node of this set that is up can serve a browser.
    case noWebRTC(setID: UInt32)
    /// The node that has the call cannot.
    case nodeWithoutWebRTC
    /// The peer is an agent of ICE that waits, as the relay does.
    case peerIsLite
    /// A stream is encrypted and has no ICE: it cannot become WebRTC.
    case isSecured(line: Int)
    /// What the description says of DTLS or ICE cannot be sent.
    case security(SubCommandFault)
    /// One of the node's modules has refused what it was told.
    case moduleRefused
    /// A module's answer is not what may stand in a description.
    case badModuleReply
    case relayError(ErrorCode)
    /// `0`, or a port that is none.
    case noPort
    /// A port without an address, and the message came in on a socket that has none either.
    case noAddress
    /// The null address, for a stream that is not on hold.
    case nullAddress
    /// A lookup found no session.
    case unknownSession
    /// No stream is left; this is why the first one is not.
    case streamRefused(StreamRefusal)
    /// None of so many nodes knows the call.
    case unknownCall(asked: Int)
    /// A node that answers others has not answered this: what it did instead.
    case unanswered(ExchangeOutcome)
    case unsupported(WireWord)
    /// The node counts nothing that it could tell.
    case noStatistics
    /// An error reply to a recording whose Call-ID cannot be a file's name.
    case unrecordable(ErrorCode)
    /// The answer is what was sent, address and port.
    case echo
    /// The node does not record.
    case noRecording
    /// A call has more streams than could be asked for.
    case streamsUnasked
    case commandTooLong
    /// No connection to the node was free in time.
    case crowded
    case exchange(ExchangeError)
    /// This machine is short of something; no node is to blame.
    case system(SystemError)
    case notApplied
    /// rtpproxy_async_processes is 0.
    case noAsyncProcess
    /// Too many asynchronous calls are under way.
    case tooManyCalls
    /// An asynchronous call has waited as long as may be for earlier ones of its Call-ID.
    case earlierCommandsWait
    /// No shared memory for a job.
    case noMemory
    /// The host cannot suspend this message.
    case notSuspended
    /// A deletion on a message that nobody has sent.
    case madeUpMessage
    /// An asynchronous function was called on a reply of 300 or more.
    case refusalCannotWait
    /// manage has nothing to do here.
    case nothingToManage
    case unknownSet(Int64)
    case badSet

    /// No node of this set, which exists, is up.
    static func noNode(_ setID: UInt32) -> CallFailure { .noNode(setID: setID, setExists: true) }

    var isNoNode: Bool {
        if case .noNode = self { return true }
        return false
    }

    /// Whether there is no session, which is an everyday answer to a question.
    var isUnknownCall: Bool {
        switch self {
        case .unknownCall, .relayError(.noSession): true
        default: false
        }
    }

    /// Whether a module of the relay has refused the description, or answered with what cannot stand in one.
    var isOfModule: Bool {
        switch self {
        case .moduleRefused, .badModuleReply: true
        default: false
        }
    }

    /// The set that it is about; nil where it is about none.
    var setID: UInt32? {
        if case .noNode(let setID, _) = self { return setID }
        return nil
    }

    /// Whether it is about the node that was asked last.
    var isAboutANode: Bool {
        switch self {
        case .relayError, .noPort, .noAddress, .nullAddress, .echo, .streamRefused, .unsupported, .unrecordable,
            .noRecording, .unknownCall, .unanswered, .crowded, .nodeWithoutWebRTC, .moduleRefused, .badModuleReply:
            true
        default: false
        }
    }

    var returnCode: ReturnCode {
        switch self {
        case .alreadyMarked, .alreadyRewritten: .marked
        case .noNode, .unanswered, .crowded: .noNode
        default: .error
        }
    }

    /// Whether another node may do better on a call that begins.
    var isWorthAnotherNode: Bool {
        switch self {
        case .relayError(let code): code.isWorthAnotherNode
        case .echo, .nullAddress: true
        default: false
        }
    }

    /// Whether it is logged: an everyday outcome that the script asked about is not.
    var isLogged: Bool {
        switch self {
        case .alreadyMarked, .alreadyRewritten, .unknownSession, .nothingToManage, .noStatistics: false
        default: true
        }
    }

    /// The outage that it belongs to: while an RTPProxy fails many calls do, and not each gets a line. nil: it belongs
    /// to none.
    var outage: OutageCause? {
        switch self {
        case .noNode(_, setExists: true), .crowded: .noNode
        case .unanswered, .exchange: .unanswered
        case .relayError(let code):
            switch code.group {
            case .inside, .ports, .memory, .overload, .draining: .refused
            case .command, .address, .session, .function, .other: nil
            }
        default: nil
        }
    }

    /// Whether the line is a warning: nothing has gone wrong with a call.
    var isWarning: Bool { self == .madeUpMessage }

    /// Adds the reason in words.
    @_optimize(size)
    func describe(into line: inout [UInt8]) {
        switch self {
        case .unknownFlag(let letter):
            line.append("unknown flag '")
            line.append(letter >= 0x20 && letter < 0x7F ? letter : UInt8(ascii: "?"))
            line.append("'")
        case .flagsTooLong: line.append("more than 255 flags")
        case .badRepacketization: line.append("flag 'z' needs a number of 1..999 milliseconds behind it")
        case .severalBridges: line.append("flags 'd', 'g' and 'p' exclude each other, and each is given once")
        case .lookupOfAnswer: line.append("flag 'l' means nothing to an answer")
        case .answerInRequest: line.append("an answer comes in a reply, an ACK or a PRACK, not in another request")
        case .emptyAddress: line.append("the ip_address parameter is empty")
        case .body(let fault):
            line.append(fault.reason.text)
            Self.append(lineNumber: fault.line, to: &line)
        case .missing(let word):
            line.append("no ")
            line.append(word.name)
        case .unfit(let word):
            line.append(word.name)
            line.append(" holds a blank or control character, or is &&")
        case .alreadyMarked: line.append("marked by another proxy")
        case .alreadyRewritten: line.append("already rewritten")
        case .editedBody: line.append("the body has been edited: call msg_apply_changes() first")
        case .sdp(let fault):
            line.append("SDP: ")
            line.append(fault.reason.text)
            Self.append(lineNumber: fault.line, to: &line)
            if fault.reason == .tooManyStreams { line.append(", the limit is rtpproxy_max_streams") }
        case .badICEPriority: line.append("ice_candidate_priority_avp is not 0, 1 or 2")
        case .noNode(let setID, let setExists):
            line.append(setExists ? "no RTPProxy available in set " : "no RTPProxy is configured in set ")
            line.append(decimal: UInt64(widening: setID))
        case .noWebRTC(let setID):
            line.append("no RTPProxy of set ")
            line.append(decimal: UInt64(widening: setID))
            line.append(" that is up can serve WebRTC: start RTPProxy 3 with its modules dtls_gw and ice_lite")
        case .nodeWithoutWebRTC:
            line.append("has the call and cannot serve WebRTC: start RTPProxy 3 with its modules dtls_gw and ice_lite")
        case .peerIsLite: line.append("SDP: a=ice-lite, and RTPProxy is an agent of that kind itself: one has to begin")
        case .isSecured(let number):
            line.append("SDP: media are encrypted without ICE or a fingerprint, which cannot be WebRTC")
            Self.append(lineNumber: number, to: &line)
        case .security(let fault): line.append(fault.text)
        case .moduleRefused:
            line.append("refused what the description says of DTLS or ICE")
        case .badModuleReply: line.append("answered with DTLS or ICE words that cannot stand in a description")
        case .relayError(let code):
            line.append("answered with error E")
            line.append(decimal: UInt64(widening: code.number))
            // NO TRAP: a literal has a pointer representation.
            if code.explanation.utf8CodeUnitCount > 0 {
                line.append(": ")
                line.append(code.explanation)
            }
        case .noPort: line.append("answered without a port")
        case .noAddress:
            line.append("answered a port without an address, and the socket that the message came in on has none")
            line.append(" either: start RTPProxy with -l ADDRESS, or give the ip_address parameter")
        case .nullAddress:
            line.append("answered a null address: start RTPProxy with -l ADDRESS, or give the ip_address parameter")
        case .unknownSession: line.append("the session does not exist")
        case .streamRefused(let refusal): refusal.append(to: &line)
        case .unknownCall(let asked):
            line.append("does not know the call's session")
            if asked > 1 { line.append(", nor does any other RTPProxy of its set that was asked") }
        case .unanswered(let outcome):
            line.append(outcome.reason)
            line.append(
                outcome == .timedOut
                    ? ", but answers others: are long datagrams or fragments lost on the way?"
                    : "; it has answered before, and is asked whether it still does")
        case .unsupported(let word):
            line.append("too old to take a ")
            line.append(word.name)
        case .noStatistics: line.append("too old to tell statistics")
        case .unrecordable(let code):
            CallFailure.relayError(code).describe(into: &line)
            line.append(
                ": there is no session, or it cannot be recorded for the '/' in its Call-ID, which names the file")
        case .echo: line.append("answered with the address and port that it was sent, so there is no session")
        case .noRecording:
            line.append("does not record: rtpengine's legacy port never does, RTPProxy since 1.1 (protocol 20071218)")
        case .streamsUnasked: line.append("not all of its streams could be asked for statistics")
        case .crowded:
            line.append("had no connection free in time, ")
            // NO TRAP: a small constant.
            line.append(decimal: UInt64(NodeTable.connections))
            line.append(" commands are under way: use cunix:, which takes more")
        case .commandTooLong: line.append("the command is too long")
        case .exchange(let error): line.append(error.text)
        case .system(let error):
            line.append(error.text)
            line.append(" (errno ")
            line.append(decimal: Int(widening: error.code))
            line.append(")")
        case .notApplied: line.append("the message could not be changed, out of memory")
        case .noAsyncProcess: line.append("there is no asynchronous process, rtpproxy_async_processes is 0")
        case .tooManyCalls: line.append("too many asynchronous calls are under way, the limit is rtpproxy_async_max")
        case .earlierCommandsWait: line.append("earlier commands of this call still wait for their RTPProxy")
        case .noMemory: line.append("no shared memory to hand the call over")
        case .notSuspended: line.append("its transaction cannot be suspended")
        case .madeUpMessage:
            line.append("this message is Kamailio's own and names no call:")
            line.append(" only in event routes of the module dialog there is one")
        case .refusalCannotWait:
            line.append(
                "a reply of 300 or more cannot wait: call the function where the status is below (not logged again")
            line.append(" for a minute)")
        case .nothingToManage: line.append("nothing to manage in this message")
        case .unknownSet(let id):
            line.append("there is no set ")
            line.append(decimal: Int(truncatingIfNeeded: id))
        case .badSet: line.append("the set is not a number")
        }
    }

    /// Adds the number of a line of the body, where there is one.
    static func append(lineNumber: Int, to line: inout [UInt8]) {
        guard lineNumber > 0 else { return }
        line.append(" (line ")
        line.append(decimal: lineNumber)
        line.append(")")
    }
}
