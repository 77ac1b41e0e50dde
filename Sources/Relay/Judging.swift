// SPDX-License-Identifier: GPL-2.0-or-later
// What an RTPProxy's answers come to: read, counted, and told to the run.

import Bytes
import ControlProtocol
import SDP
import SharedState
import Transport

extension CommandRun.Finding {
    /// An answer is no control protocol.
    static var malformed: Self { .lost(.malformed, answeredAt: 0, isDatagram: false) }
}

extension Relay {
    /// Takes the end of an exchange into account. The race goes on where another node may do better.
    mutating func judge<Host: CallHost>(
        _ race: inout Race, _ askedNode: AskedNode, _ member: Int, _ outcome: ExchangeOutcome, _ host: Host,
        _ body: Span<UInt8>, _ address: Span<UInt8>
    ) {
        let node = askedNode.node
        var finding = CommandRun.Finding.lost(
            outcome, answeredAt: table.answeredAt(node),
            isDatagram: directory.url(node)?.scheme.framing == .datagram)
        var cause = outcome
        if isEnough(race.errand, node, member, outcome) {
            noteAnswer(host, node)
            switch race.errand {
            case .media(let call): finding = findMedia(race, node, member, call, host, body, address)
            case .simple(let kind, _): finding = findSimple(race, node, member, kind, host)
            case .figures: finding = findFigures(race, node, member, host)
            }
            cause = .malformed
        }
        switch race.run.take(finding, of: askedNode) {
        case .none: break
        case .look:
            table.setLookWanted(node, true)
            table.noteFault(node, cause.fault, tick: host.ticks)
        case .takeOut: _ = takeOut(host, node, recheckTick(host), cause.reason, cause.fault)
        }
    }

    /// Whether the answers of an exchange that has ended tell what becomes of the errand.
    private func isEnough(_ errand: Errand, _ node: Int, _ member: Int, _ outcome: ExchangeOutcome) -> Bool {
        guard case .media = errand, outcome == .timedOut else { return outcome == .complete }
        return hasEveryAnswer(member, capabilities(node))
    }

    private mutating func findMedia<Host: CallHost>(
        _ race: Race, _ node: Int, _ member: Int, _ call: MediaCall, _ host: Host, _ body: Span<UInt8>,
        _ address: Span<UInt8>
    ) -> CommandRun.Finding {
        switch read(member, node, host, call, body, address) {
        case .malformed: return .malformed
        case .success:
            do throws(CallFailure) {
                try makeEdits(body, call.options)
                guard host.apply(edits) else { throw .notApplied }
            } catch {
                return .failure(error, hasCreated: true)
            }
            if race.run.latest != node { table.withURL(node) { host.setInstance($0) } }
            remember(host, node, race.run.terms.setID)
            if call.createsSession { host.count(.sessionsCreated) }
            host.count(.streams, UInt32(clamping: verdicts.count { $0.destination != nil }))
            warnOfRefusals(host)
            return .success
        case .unknown(let failure): return .unknownSession(failure, ifAlone: failure)
        case .failure(let failure, let hasCreated): return .failure(failure, hasCreated: hasCreated)
        }
    }

    private mutating func findSimple<Host: CallHost>(
        _ race: Race, _ node: Int, _ member: Int, _ kind: SimpleCommand, _ host: Host
    ) -> CommandRun.Finding {
        let incoming = exchanges.incoming(member)
        for index in 0..<exchanges.count(member) {
            guard let reply = exchanges.reply(member, index) else { return .malformed }
            switch PlainReply.parse(incoming.span, reply) {
            case .malformed: return .malformed
            case .error(let code):
                let isUnknown = code.isUnknownSession(capabilities(node))
                // To a deletion, and from those that may have the call, it is no error.
                if !isUnknown || !(race.run.isSearching || race.errand.isDelete) { account(host, node, code) }
                guard isUnknown else { return .failure(.relayError(code), hasCreated: false) }
                let unrecordable = unrecordable(kind, code)
                return .unknownSession(unrecordable, ifAlone: unrecordable ?? .relayError(code))
            case .done:
                line.removeAll(keepingCapacity: true)
                line.append(incoming.span, reply)
            }
        }
        if case .delete = kind { host.count(.sessionsDeleted) }
        noteFound(race, node, host)
        return .success
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
