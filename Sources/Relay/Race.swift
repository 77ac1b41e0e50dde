// SPDX-License-Identifier: GPL-2.0-or-later
// Asking RTPProxies for the ports of an offer or answer: one after the other, or two at once where the first is slow.

import Bytes
import ControlProtocol
import SDP
import SharedState
import Transport

/// Who has been asked and has not answered yet, by member of the exchange group; -1: nobody.
private struct Legs {
    private var nodes: InlineArray<4, Int> = .init(repeating: -1)

    subscript(member: Int) -> Int {
        get { member >= 0 && member < nodes.count ? nodes[member] : -1 }
        set { if member >= 0, member < nodes.count { nodes[member] = newValue } }
    }

    static var count: Int { 4 }

    /// A member that asks nobody, nil where all are busy.
    var free: Int? {
        for member in nodes.indices where nodes[member] < 0 { return member }
        return nil
    }

    var isEmpty: Bool {
        for member in nodes.indices where nodes[member] >= 0 { return false }
        return true
    }
}

extension Relay {
    /// A node that has been silent for so long, in nanoseconds, gets company: four smoothed round trips, within bounds.
    private func patience(_ node: Int) -> UInt64 {
        let expected = table.roundTrip(node).map { 4_000 &* UInt64($0.smoothedMicroseconds) }
        return min(max(expected ?? 250_000_000, 50_000_000), 250_000_000)
    }

    /// Asks nodes until one has answered for every stream, and makes the edits. An offer that creates a session asks
    /// the next node too where the one before is silent, and takes whoever answers first; all of it within one budget.
    /// Any other call asks one node after the other, each within a budget of its own.
    mutating func rewrite<Host: CallHost>(
        _ host: Host, _ body: Span<UInt8>, _ call: MediaCall, _ address: Span<UInt8>
    ) throws(CallFailure) {
        beginCall()
        var deadline: UInt64?
        var legs = Legs()
        var failure: CallFailure?
        var askNextAt: UInt64 = 0
        while true {
            let now = MonotonicClock.now()
            if let member = legs.free, legs.isEmpty || (call.createsSession && now >= askNextAt) {
                do throws(CallFailure) {
                    if call.createsSession, let deadline, now >= deadline { throw .noNode(selectedSetID(host)) }
                    let node = try nextNode(host, waiting: legs.isEmpty)
                    let start = MonotonicClock.now()
                    askNextAt = start &+ patience(node)
                    let end = start.addingReportingOverflow(settings.budgetNanoseconds).partialValue
                    if deadline == nil || !call.createsSession { deadline = end }
                    try ask(member, node, host, body, call, from: start, until: deadline ?? end)
                    legs[member] = node
                } catch {
                    // Nobody else to ask: those who have been asked may still answer.
                    if error.isNoNode, !legs.isEmpty {
                        askNextAt = .max
                    } else {
                        abandon(legs, call)
                        throw error.isNoNode ? failure ?? error : error
                    }
                }
            }
            var hasEnded = false
            for member in 0..<Legs.count where legs[member] >= 0 {
                guard let outcome = ended(member) else { continue }
                hasEnded = true
                let node = legs[member]
                legs[member] = -1
                do throws(CallFailure) {
                    guard
                        let verdict = try judge(
                            member, node, outcome, host, body, call, address, isAlone: legs.isEmpty)
                    else {
                        return abandon(legs, call)
                    }
                    failure = verdict.failure
                } catch {
                    abandon(legs, call)
                    throw error
                }
            }
            if hasEnded {
                // Whoever failed makes room for the next at once.
                askNextAt = min(askNextAt, MonotonicClock.now())
            } else {
                let isAlone = legs.free == nil || !call.createsSession
                exchanges.step(until: isAlone ? .max : askNextAt)
            }
        }
    }

    /// How the exchange of `member` ended, nil while it is under way.
    private mutating func ended(_ member: Int) -> ExchangeOutcome? {
        if let outcome = exchanges.takeOutcome(member) { return outcome }
        return exchanges.isRunning(member) ? nil : .failed(.invalid)
    }

    /// Sends the commands of all streams to `node`.
    private mutating func ask<Host: CallHost>(
        _ member: Int, _ node: Int, _ host: Host, _ body: Span<UInt8>, _ call: MediaCall,
        from start: UInt64, until deadline: UInt64
    ) throws(CallFailure) {
        guard let url = directory.url(node) else { return }
        if call.flags.repacketizationMilliseconds > 0, !capabilities(node).contains(.repacketization) {
            lastAsked = node
            warn(host, "is too old for flag 'z', which is left out")
        }
        exchanges.begin(
            member, now: start, budget: deadline > start ? deadline &- start : 1, firstRetransmission: firstWait(node),
            framing: url.scheme.framing)
        for stream in description.streams {
            write(stream, call, host, body, capabilities(node))
            let text = command
            do throws(ExchangeError) {
                try exchanges.add(member, text.span, cookies: &cookies)
            } catch {
                throw error == .tooLong ? .commandTooLong : .exchange(error)
            }
        }
        startExchange(member, node, url)
    }

    /// Starts the exchange of `member`. One with a node whose name has no address ends at once.
    private mutating func startExchange(_ member: Int, _ node: Int, _ url: NodeURL) {
        if url.scheme.isUnix {
            table.withURL(node) { exchanges.start(member, node: node, unixSocket: $0, path: url.target) }
        } else if let words = table.address(node)?.words, let address = SocketAddress(words: words) {
            exchanges.start(member, node: node, address: address)
        } else {
            exchanges.refuse(member)
        }
    }

    /// Why a node's answer is not the end of the call.
    private struct Verdict {
        /// What the script gets if nobody else is left; nil: that nobody is available.
        let failure: CallFailure?
    }

    /// What the end of an exchange comes to: nil where the message has been rewritten. Throws what no other node
    /// would change.
    private mutating func judge<Host: CallHost>(
        _ member: Int, _ node: Int, _ outcome: ExchangeOutcome, _ host: Host, _ body: Span<UInt8>, _ call: MediaCall,
        _ address: Span<UInt8>, isAlone: Bool
    ) throws(CallFailure) -> Verdict? {
        if let sample = exchanges.roundTrip(member) { table.sampleRoundTrip(node, nanoseconds: sample) }
        guard outcome == .complete else {
            try nodeFailed(host, node, outcome)
            return Verdict(failure: nil)
        }
        table.noteAnswer(node)
        switch read(member, host, address, call.address) {
        case .success:
            do throws(CallFailure) {
                try makeEdits(body, call.options)
                guard host.apply(edits) else { throw .notApplied }
            } catch {
                if call.createsSession { undo(node, call, isAlone: isAlone) }
                throw error
            }
            if tried.last != node { table.withURL(node) { host.setInstance($0) } }
            remember(host, node)
            return nil
        case .malformed:
            try nodeFailed(host, node, .malformed)
            return Verdict(failure: nil)
        case .failure(let failure, let hasCreated):
            lastAsked = node
            if call.createsSession, hasCreated { undo(node, call, isAlone: isAlone) }
            guard call.createsSession, case .relayError(let code) = failure, code.isWorthAnotherNode else {
                throw failure == .noPort && call.flags.looksUpOnly ? .unknownSession : failure
            }
            return Verdict(failure: failure)
        }
    }

    /// Ends what is still under way. What a node that was too slow may have created is deleted, and its silence noted.
    private mutating func abandon(_ legs: Legs, _ call: MediaCall) {
        for member in 0..<Legs.count where legs[member] >= 0 {
            let node = legs[member]
            exchanges.abandon(member)
            table.noteSilence(node)
            guard call.createsSession else { continue }
            deleteOnce(node, call)
        }
    }

    /// Deletes what has been created on `node`. While others are still asked nobody waits for the answer.
    private mutating func undo(_ node: Int, _ call: MediaCall, isAlone: Bool) {
        if isAlone {
            deleteCreated(node, call.words, budget: settings.budgetNanoseconds)
        } else {
            deleteOnce(node, call)
        }
    }

    private mutating func deleteOnce(_ node: Int, _ call: MediaCall) {
        command.removeAll(keepingCapacity: true)
        let text = identity.text
        Command.writeDelete(identity: text.span, words: call.words, into: &command)
        sendOnce(node)
    }

    /// Sends `command` to `node` and waits for nothing.
    private mutating func sendOnce(_ node: Int) {
        guard let url = directory.url(node) else { return }
        let text = command
        if url.scheme.isUnix {
            _ = table.withURL(node) {
                exchanges.sendOnce(node, unixSocket: $0, path: url.target, framing: url.scheme.framing, text.span)
            }
        } else if let words = table.address(node)?.words, let address = SocketAddress(words: words) {
            _ = exchanges.sendOnce(
                node, address: address, framing: url.scheme.framing, text.span, cookies: &cookies)
        }
    }
}
