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

extension Worker {
    /// Takes the end of an exchange with `asked` into account. The run goes on where another node may do better. True:
    /// the host is to make the edits first, `finishEdits` goes on.
    mutating func judge(
        _ call: inout Call, _ asked: AskedNode, _ member: Int, _ outcome: ExchangeOutcome, _ body: Span<UInt8>
    ) -> Bool {
        guard isEnough(&call, asked.node, member, outcome) else {
            let finding = CommandRun.Finding.lost(
                outcome, answeredAt: table.answeredAt(asked.node),
                isDatagram: directory.url(asked.node)?.scheme.framing == .datagram)
            conclude(&call, finding, asked, outcome)
            return false
        }
        noteAnswer(asked.node)
        let finding: CommandRun.Finding
        switch call.command {
        case .media(let media):
            switch read(member, asked.node, &call, media, body) {
            case .malformed: finding = .malformed
            case .success:
                do throws(CallFailure) {
                    try makeEdits(&call, body, media.options)
                    call.editing = Call.Editing(node: asked, member: member)
                    return true
                } catch {
                    finding = .failure(error, hasCreated: true)
                }
            case .unknown(let failure): finding = .unknownSession(failure, ifAlone: failure)
            case .failure(let failure, let hasCreated): finding = .failure(failure, hasCreated: hasCreated)
            }
        case .simple(let kind, _): finding = findSimple(&call, asked.node, member, kind)
        case .figures(let query): finding = findFigures(&call, query, asked.node, member)
        }
        conclude(&call, finding, asked, .malformed)
        return false
    }

    /// The host has made the edits, or could not.
    mutating func finishEdits(_ call: inout Call) {
        guard let editing = call.editing else { return }
        call.editing = nil
        guard let asked = editing.node, case .media(let media) = call.command else {
            return settle(&call, isDone: editing.isDone)
        }
        if editing.isDone {
            if call.run.latest != asked.node { outbox.choose(asked.node) }
            remember(&call, asked.node)
            if media.isBridged {
                rememberLegs(&call, media)
                watch(&call, media, asked.node)
            }
            if media.createsSession { outbox.count(.sessionsCreated) }
            outbox.count(.streams, UInt32(clamping: answer.verdicts.count { $0.destination != nil }))
            warnOfRefusals(&call)
            conclude(&call, .success, asked, .complete)
        } else {
            conclude(&call, .failure(.notApplied, hasCreated: true), asked, .complete)
        }
        release(&call, editing.member, asked.node)
    }

    /// Tells the run what has been found, and does to the node what that means. `cause`: why it counts as failed.
    private mutating func conclude(
        _ call: inout Call, _ finding: CommandRun.Finding, _ asked: AskedNode, _ cause: ExchangeOutcome
    ) {
        switch call.run.take(finding, of: asked) {
        case .none: break
        case .look:
            table.setLookWanted(asked.node, true)
            table.noteFault(asked.node, cause.fault, tick: ticks)
        case .takeOut: _ = takeOut(asked.node, recheckTick(asked.node), cause.reason, cause.fault)
        }
        if call.run.isEnding { carryOutEnds(&call) }
    }

    /// Whether the answers of an exchange that has ended tell what becomes of the call.
    private mutating func isEnough(
        _ call: inout Call, _ node: Int, _ member: Int, _ outcome: ExchangeOutcome
    ) -> Bool {
        guard outcome == .timedOut else { return outcome == .complete }
        if call.command.isDelete { return exchanges.reply(member, exchanges.count(member) &- 1) != nil }
        guard case .media = call.command else { return false }
        return hasEveryAnswer(&call, member, capabilities(node))
    }

    private mutating func findSimple(
        _ call: inout Call, _ node: Int, _ member: Int, _ kind: SimpleCommand
    ) -> CommandRun.Finding {
        let incoming = exchanges.incoming(member)
        let count = exchanges.count(member)
        // Of a deletion only the last one counts, whatever became of what was to end before.
        var index = kind.isDelete ? max(count &- 1, 0) : 0
        while index < count {
            defer { index &+= 1 }
            guard let reply = exchanges.reply(member, index) else { return .malformed }
            switch PlainReply.parse(incoming.span, reply) {
            case .malformed: return .malformed
            case .error(let code):
                let isUnknown = code.isUnknownSession(capabilities(node))
                // In answer to a deletion or a search it is no error.
                if !isUnknown || !(call.run.isSearching || call.command.isDelete) { account(node, code) }
                guard isUnknown else { return .failure(.relayError(code), hasCreated: false) }
                let unrecordable = unrecordable(call, kind, code)
                return .unknownSession(unrecordable, ifAlone: unrecordable ?? .relayError(code))
            case .done:
                call.reply.removeAll(keepingCapacity: true)
                call.reply.append(incoming.span, reply)
            }
        }
        if case .delete = kind { outbox.count(.sessionsDeleted) }
        noteFound(&call, node)
        return .success
    }

    /// What a script is told of an error reply to a recording whose Call-ID cannot be a file's name; nil for others.
    private func unrecordable(_ call: borrowing Call, _ kind: SimpleCommand, _ code: ErrorCode) -> CallFailure? {
        let slash = call.identity.text.memory.span.firstIndex(of: UInt8(ascii: "/"), in: call.identity.callID)
        guard case .record = kind, slash != nil else { return nil }
        return .unrecordable(code)
    }
}
