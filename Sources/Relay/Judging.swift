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
        guard isEnough(race.errand, leg, outcome) else { return nodeFailed(&race, leg.node, outcome, host) }
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
        return hasEveryAnswer(leg.member)
    }

    /// Takes a node out for all processes, unless the fault is this machine's.
    mutating func nodeFailed<Host: CallHost>(
        _ race: inout Race, _ node: Int, _ outcome: ExchangeOutcome, _ host: Host
    ) {
        if case .failed(let error) = outcome, error.isLocal { return decide(&race, host, .failed(.system(error))) }
        _ = takeOut(host, node, recheckTick(host), outcome.reason, outcome.fault)
        race.failure = nil
    }

    private mutating func judgeMedia<Host: CallHost>(
        _ race: inout Race, _ leg: Leg, _ call: MediaCall, _ host: Host, _ body: Span<UInt8>, _ address: Span<UInt8>
    ) {
        switch read(leg.member, leg.node, host, call, address) {
        case .malformed: nodeFailed(&race, leg.node, .malformed, host)
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
            decide(&race, host, .failed(failure))
        case .failure(let failure, let hasCreated):
            if call.createsSession, case .relayError(let code) = failure, code.isWorthAnotherNode {
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
        guard let reply = exchanges.reply(leg.member, 0) else { return nodeFailed(&race, leg.node, .malformed, host) }
        switch PlainReply.parse(incoming.span, reply) {
        case .malformed: nodeFailed(&race, leg.node, .malformed, host)
        case .error(let code):
            // A session that is gone is as good as deleted.
            if case .delete = kind, code == .noSession { return decide(&race, host, .done) }
            account(host, leg.node, code)
            decide(&race, host, .failed(.relayError(code)))
        case .done:
            if case .delete = kind { host.count(.sessionsDeleted) }
            line.removeAll(keepingCapacity: true)
            line.append(incoming.span, reply)
            decide(&race, host, .done)
        }
    }
}
