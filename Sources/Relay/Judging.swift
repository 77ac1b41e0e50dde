// SPDX-License-Identifier: GPL-2.0-or-later
// What an RTPProxy's answer means for the call: done, failed, or that another one is to be asked.

import Bytes
import ControlProtocol
import SDP
import SharedState
import Transport

extension Relay {
    /// Takes the end of a leg into account. The race goes on where another node may do better.
    mutating func judge<Host: CallHost>(
        _ race: inout Race, _ leg: Leg, _ outcome: ExchangeOutcome, _ host: Host, _ body: Span<UInt8>,
        _ address: Span<UInt8>
    ) {
        lastAsked = leg.node
        race.subject = leg.node
        guard isEnough(race.errand, leg, outcome) else { return nodeFailed(&race, leg, outcome, host) }
        noteAnswer(host, leg.node)
        switch race.errand {
        case .media(let call): judgeMedia(&race, leg, call, host, body, address)
        case .simple(let kind, _): judgeSimple(&race, leg, kind, host)
        case .figures: judgeFigures(&race, leg, host)
        }
    }

    /// Whether the answers of a leg that has ended tell what becomes of the errand.
    private func isEnough(_ errand: Errand, _ leg: Leg, _ outcome: ExchangeOutcome) -> Bool {
        guard case .media = errand, outcome == .timedOut else { return outcome == .complete }
        return hasEveryAnswer(leg.member, capabilities(leg.node))
    }

    /// Takes the node of `leg` out for all processes, unless it lives or the fault is this machine's.
    mutating func nodeFailed<Host: CallHost>(
        _ race: inout Race, _ leg: Leg, _ outcome: ExchangeOutcome, _ host: Host
    ) {
        if case .failed(let error) = outcome, error.isLocal {
            if !race.isSearching { decide(&race, host, .failed(.system(error))) }
            return
        }
        let isAlive = isAlive(leg, outcome)
        if isAlive {
            table.setLookWanted(leg.node, true)
            table.noteFault(leg.node, outcome.fault, tick: host.ticks)
        } else {
            _ = takeOut(host, leg.node, recheckTick(host), outcome.reason, outcome.fault)
        }
        // Those who did answer decide.
        if race.isSearching { return }
        race.failure = isAlive ? .unanswered(outcome) : nil
        if race.errand.createsSession {
            // The time of one command is all that living nodes may cost such an offer.
            if !isAlive, !hedges { race.deadline = nil }
        } else if isAlive, outcome == .timedOut {
            decide(&race, host, .failed(.unanswered(outcome)))
        }
    }

    /// Whether the node of `leg`, whose command has come to nothing, lives all the same: it has answered something,
    /// to whatever process, since the command was sent. That a datagram was refused says nothing of a node that has
    /// ever answered: the module's own process looks.
    private func isAlive(_ leg: Leg, _ outcome: ExchangeOutcome) -> Bool {
        switch outcome {
        case .timedOut: table.answeredAt(leg.node) >= leg.askedAt
        case .refused, .failed:
            directory.url(leg.node)?.scheme.framing == .datagram && table.answeredAt(leg.node) != 0
        case .complete, .malformed: false
        }
    }

    private mutating func judgeMedia<Host: CallHost>(
        _ race: inout Race, _ leg: Leg, _ call: MediaCall, _ host: Host, _ body: Span<UInt8>, _ address: Span<UInt8>
    ) {
        switch read(leg.member, leg.node, host, call, body, address) {
        case .malformed: nodeFailed(&race, leg, .malformed, host)
        case .success:
            do throws(CallFailure) {
                try makeEdits(body, call.options)
                guard host.apply(edits) else { throw .notApplied }
            } catch {
                decide(&race, host, .failed(error))
                if call.createsSession { undo(&race, host, leg.node, call.words) }
                return
            }
            if race.latest != leg.node { table.withURL(leg.node) { host.setInstance($0) } }
            race.latest = leg.node
            remember(host, leg.node, race.setID)
            if call.createsSession { host.count(.sessionsCreated) }
            host.count(.streams, UInt32(clamping: verdicts.count { $0.destination != nil }))
            warnOfRefusals(host)
            decide(&race, host, .done)
        case .unknown(let failure):
            // This node knows none of the streams: it does not have the call.
            if race.mayAskOthers { search(&race, leg, failure) } else { decide(&race, host, .failed(failure)) }
        case .failure(let failure, let hasCreated):
            if call.createsSession, failure.isWorthAnotherNode {
                race.failure = failure
            } else {
                decide(&race, host, .failed(failure))
            }
            if call.createsSession, hasCreated { undo(&race, host, leg.node, call.words) }
        }
    }

    private mutating func judgeSimple<Host: CallHost>(
        _ race: inout Race, _ leg: Leg, _ kind: SimpleCommand, _ host: Host
    ) {
        let incoming = exchanges.incoming(leg.member)
        for index in 0..<exchanges.count(leg.member) {
            guard let reply = exchanges.reply(leg.member, index) else {
                return nodeFailed(&race, leg, .malformed, host)
            }
            switch PlainReply.parse(incoming.span, reply) {
            case .malformed: return nodeFailed(&race, leg, .malformed, host)
            case .error(let code):
                let isUnknown = code.isUnknownSession(capabilities(leg.node))
                // To a deletion, and from those that may have the call, it is no error.
                if !isUnknown || !(race.isSearching || race.errand.isDelete) { account(host, leg.node, code) }
                let unrecordable = isUnknown ? unrecordable(kind, code) : nil
                if isUnknown, race.mayAskOthers { return search(&race, leg, unrecordable) }
                // A session that is gone is as good as deleted.
                let isDone = isUnknown && race.errand.isDelete
                return decide(&race, host, isDone ? .done : .failed(unrecordable ?? .relayError(code)))
            case .done:
                line.removeAll(keepingCapacity: true)
                line.append(incoming.span, reply)
            }
        }
        if case .delete = kind { host.count(.sessionsDeleted) }
        noteFound(&race, leg, host)
        decide(&race, host, .done)
    }

    /// What a script is told of an error reply to a recording whose Call-ID cannot be a file's name; nil for others.
    private func unrecordable(_ kind: SimpleCommand, _ code: ErrorCode) -> CallFailure? {
        let text = identity.text
        guard case .record = kind, text.span.firstIndex(of: UInt8(ascii: "/"), in: identity.callID) != nil else {
            return nil
        }
        return .unrecordable(code)
    }
}
