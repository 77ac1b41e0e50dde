// SPDX-License-Identifier: GPL-2.0-or-later
// Asking RTPProxies whether they are there: the questions, and what the answers make of a node.

import Bytes
import ControlProtocol
import SharedState
import Transport

/// What a node is asked.
enum ProbeKind {
    /// Whether it is there, and what it can do.
    case everything
    /// Which modules it has, of one that takes sub-commands.
    case modules
    /// Whether it is there.
    case presence
    /// The same of one that takes no commands, once: another look follows in a moment.
    case glance
}

/// The questions that a process has under way, each node's as an exchange of its own.
struct ProbeExchanges: ~Copyable {
    var exchanges: ExchangeGroup
    /// What each node is asked just now.
    var kinds: [ProbeKind]
    /// How many questions that is; behind them stands that for its counters, where it tells those.
    var questions: [Int]
    /// When each node was asked last.
    var askedAt: [UInt64]

    init(nodeCount: Int) {
        exchanges = ExchangeGroup(members: nodeCount, nodes: nodeCount)
        kinds = [ProbeKind](repeating: .everything, count: nodeCount)
        questions = [Int](repeating: 0, count: nodeCount)
        askedAt = [UInt64](repeating: 0, count: nodeCount)
    }
}

/// What a node's answers to a probe come to.
enum ProbeFinding {
    /// It answers as it should: what it can do, where it was asked that, how long it took in nanoseconds, where that
    /// is known, and what it has counted, where it tells.
    case present(Capabilities?, roundTrip: UInt64?, RelayCounters?)
    /// It does not answer, or what it says is no use.
    case failed(StaticString, NodeFault)
    /// This process could not ask, which says nothing about the node.
    case unknown(StaticString)
}

extension Worker {
    /// What to ask a node of which nothing is known: one that is up is only asked whether it is there.
    func probeKind(_ node: Int) -> ProbeKind {
        if case .up = table.condition(node), hasAnswered(node) { return .presence }
        return .everything
    }

    /// Whether `node` has ever answered as it should, since the start or since it joined the sets.
    func hasAnswered(_ node: Int) -> Bool { table.capabilities(node) != 0 }

    /// Asks `node`, from `now` on and no longer than `budget`, in nanoseconds; `withCounters`: also for its counters,
    /// where it tells those. Nil: it is under way; otherwise why not.
    @_optimize(size)
    mutating func ask(
        _ probes: inout ProbeExchanges, _ node: Int, _ kind: ProbeKind, withCounters: Bool = false, now: UInt64,
        budget: UInt64
    ) -> StaticString? {
        guard let url = directory.url(node), probes.questions.indices.contains(node) else { return "is unknown" }
        let questions =
            switch kind {
            case .everything: settings.figures.isEmpty ? Probe.basicCount : Probe.count
            case .modules: ModuleProbe.count
            case .presence, .glance: 1
            }
        // NO TRAP (3): the indices contain node, checked by the guard above.
        probes.kinds[node] = kind
        probes.questions[node] = questions
        probes.askedAt[node] = now
        probes.exchanges.begin(
            node, now: now, budget: budget, firstRetransmission: kind == .glance ? budget : firstWait(node),
            framing: url.scheme.framing,
            // Beside the connections that calls share: one.
            window: url.scheme.framing == .stream ? 1 : Exchange.maximumWindow)
        // NO TRAP: a number of questions, which is not negative.
        for question in 0...questions {
            var text: [UInt8] = []
            if question < questions, kind == .modules {
                ModuleProbe.write(question, into: &text)
            } else if question < questions {
                Probe.write(question, into: &text)
            } else if withCounters, kind != .glance, kind != .modules, capabilities(node).contains(.serverCounters) {
                RelayCounters.write(into: &text)
            } else {
                break
            }
            do throws(ExchangeError) {
                try probes.exchanges.add(node, text.span, cookies: &cookies)
            } catch {
                return error.text
            }
        }
        table.setLookWanted(node, false)
        if url.scheme.isUnix {
            table.withURL(node) { probes.exchanges.start(node, node: node, unixSocket: $0, path: url.target) }
        } else if let words = table.address(node)?.words, let address = SocketAddress(words: words) {
            probes.exchanges.start(node, node: node, address: address)
        } else {
            return "has no address yet"
        }
        return nil
    }

    /// What the end of `node`'s exchange comes to.
    @_optimize(size)
    func finding(_ probes: borrowing ProbeExchanges, _ node: Int, _ outcome: ExchangeOutcome) -> ProbeFinding {
        if case .failed(let error) = outcome, error.isLocal { return .unknown(error.text) }
        if let time = probes.exchanges.answeredAt(node) { table.noteAnswer(node, at: time) }
        let incoming = probes.exchanges.incoming(node)
        // It is there, whatever became of the question for its counters.
        // NO TRAP: ask() has compared the node with the indices.
        let isPresent =
            probes.questions[node] == 1
            && probes.exchanges.reply(node, 0).map { Probe.capability(0, incoming.span, $0) == .base } ?? false
        if outcome == .timedOut, isPresent { return .present(nil, roundTrip: nil, nil) }
        guard outcome == .complete else {
            // A node that has answered other processes meanwhile is there, whatever became of this question.
            // NO TRAP (2): only members that ask() has started end, and there are as many questions as members.
            if outcome == .timedOut, case .up = table.condition(node), table.capabilities(node) != 0,
                table.answeredAt(node) >= probes.askedAt[node]
            {
                return .unknown("does not answer in time, but answers others")
            }
            return .failed(outcome.reason, outcome.fault)
        }
        let questions = probes.questions[node]
        var found: Capabilities = []
        // NO TRAP: 1, 6 or 8 questions, 0 before the first.
        for question in 0..<questions {
            guard let reply = probes.exchanges.reply(node, question),
                let capability = Probe.capability(question, incoming.span, reply)
            else { return .failed(ExchangeOutcome.malformed.reason, .malformed) }
            found.formUnion(capability)
        }
        let roundTrip = probes.exchanges.roundTrip(node)
        let counters = probes.exchanges.reply(node, questions).flatMap { RelayCounters(incoming.span, $0) }
        guard questions >= Probe.basicCount else { return .present(nil, roundTrip: roundTrip, counters) }
        guard found.isSuperset(of: .required) else {
            return .failed("is too old: it lacks protocol 20040107 or 20050322", .tooOld)
        }
        return .present(found, roundTrip: roundTrip, counters)
    }

    /// What a node can do, with what it has just said of its modules.
    @_optimize(size)
    func modules(_ probes: borrowing ProbeExchanges, _ node: Int) -> Capabilities {
        let incoming = probes.exchanges.incoming(node)
        var found = capabilities(node).union(.modulesKnown)
        for question in 0..<ModuleProbe.count {
            guard let reply = probes.exchanges.reply(node, question) else { continue }
            found.formUnion(ModuleProbe.capability(question, incoming.span, reply))
        }
        return found
    }

    private mutating func warnOfNoNotices(_ node: Int) {
        line.removeAll(keepingCapacity: true)
        appendName(of: node)
        line.append("does not report stopped media, timeout_socket is left out for it: ")
        line.append("RTPProxy does since 1.2 (protocol 20081224), started with -n")
        outbox.log(.warning, line)
    }

    /// Makes of a node, for all processes, what was found. The process that changes its condition writes the line.
    mutating func conclude<Host: ServerHost>(_ host: Host, _ node: Int, _ finding: ProbeFinding) {
        ticks = host.ticks
        conclude(node, finding)
        tell(host)
    }

    @_optimize(size)
    private mutating func conclude(_ node: Int, _ finding: ProbeFinding) {
        switch finding {
        case .unknown: return
        case .failed(let reason, let fault):
            let recheck = recheckTick(node)
            let isNews = takeOut(node, recheck, reason, fault)
            // The tick means nothing for a node that has never answered.
            if !isNews, hasAnswered(node) { table.postpone(node, recheck: recheck) }
        case .present(let capabilities, let roundTrip, _):
            if let roundTrip { table.sampleRoundTrip(node, nanoseconds: roundTrip) }
            noteAnswer(node)
            guard let capabilities else { return }
            table.setCapabilities(node, capabilities.rawValue)
            guard let before = table.revive(node) else { return }
            table.noteCondition(node, tick: ticks)
            line.removeAll(keepingCapacity: true)
            appendName(of: node)
            if case .unproven = before { line.append("is up") } else { line.append("is back") }
            reportNode(.nodeUp, .info, node)
            if !settings.timeoutSocket.isEmpty, !capabilities.contains(.notices) { warnOfNoNotices(node) }
        }
    }
}
