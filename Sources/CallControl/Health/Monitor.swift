// SPDX-License-Identifier: GPL-2.0-or-later
// The module's own process: it keeps asking RTPProxies whether they are there, and it alone publishes their addresses.
//
// NO TRAP (25 in this file): each list has the table's capacity, and node is below the table's count.

import Bytes
import ControlProtocol
import SharedState
import Transport

/// What the module's own process remembers of the nodes.
struct MonitorState: ~Copyable {
    var probes: ProbeExchanges
    /// What is known of the names of those that are given by name, and what is being looked up.
    var names: [NodeName]
    var lookUps: NameLookUps
    /// Until when a node that refuses may still be starting, by the monotonic clock in nanoseconds.
    let startDeadline: UInt64
    /// When each node may be asked again.
    var notBefore: [UInt64]
    /// When each node that is up is looked at next.
    var pingAt: [UInt64]
    /// What is known of each node that takes no commands.
    var absences: [Absence]
    /// Since when each node that is up has refused, as far as is known; 0: it has not.
    var refusingSince: [UInt64]
    /// What is known of each node that gets no new calls.
    var partings: [Parting]
    /// What each node had counted when it was asked last; nil: nothing that can be compared.
    var counters: [RelayCounters?]
    /// Hash of the URL that each node had when that was read: a place may have another node after a reload.
    var urlHashes: [UInt64]
    var sweep: CallSweep
    /// What the script knows of each node.
    var announced: [Announced]
    /// When each node that has not answered what modules it has is asked again; 0: it has answered.
    var modulesAgainAt: [UInt64]

    @_optimize(size)
    init(nodeCount: Int, startDeadline: UInt64) {
        probes = ProbeExchanges(nodeCount: nodeCount)
        names = [NodeName](repeating: NodeName(), count: nodeCount)
        lookUps = NameLookUps(nodes: nodeCount)
        probes.exchanges.watch(lookUps.signal)
        self.startDeadline = startDeadline
        notBefore = [UInt64](repeating: 0, count: nodeCount)
        refusingSince = [UInt64](repeating: 0, count: nodeCount)
        partings = [Parting](repeating: Parting(), count: nodeCount)
        counters = [RelayCounters?](repeating: nil, count: nodeCount)
        urlHashes = [UInt64](repeating: 0, count: nodeCount)
        sweep = CallSweep(nodeCount: nodeCount)
        announced = [Announced](repeating: .nothing, count: nodeCount)
        modulesAgainAt = [UInt64](repeating: 0, count: nodeCount)
        pingAt = [UInt64](repeating: 0, count: nodeCount)
        absences = [Absence](repeating: Absence(), count: nodeCount)
    }
}

/// What the module's own process knows of a node that takes no commands.
struct Absence {
    /// When it is looked at next.
    var glanceAt: UInt64 = 0
    /// Whether it has answered a glance and is to be asked what it can do.
    var isBack = false
    /// The end of the time in which it gets no calls, as a tick, of which the log has that it answers before; 0: none.
    var toldOf: UInt32 = 0
}

extension Worker {
    /// The longest time without a look at the nodes' conditions, in nanoseconds.
    static var longestPause: UInt64 { 100_000_000 }
    /// A node that has answered within this time, in nanoseconds, is asked again where it refuses.
    private static var liveliness: UInt64 { 1_000_000_000 }
    /// Time between two looks at a node that takes no commands, in nanoseconds, and how long it may take to answer one.
    private static var glancePause: UInt64 { 1_000_000_000 }

    /// Time until a node is asked again for its modules that has not answered, in nanoseconds.
    private static var modulesPause: UInt64 { 10_000_000_000 }

    /// How many deletions of other processes are carried out before the nodes are looked at again.
    private static var deletionsAtOnce: Int { 16 }

    /// Looks after all nodes until `isWanted` says no. Runs in a process of its own. `delivery`: the asynchronous
    /// processes, where there are any.
    @_optimize(size)
    package mutating func monitor<Host: EventHost>(
        _ host: Host, _ delivery: JobDelivery? = nil, while isWanted: () -> Bool
    ) {
        let start = MonotonicClock.now()
        var state = MonitorState(
            nodeCount: table.capacity,
            startDeadline: start.addingReportingOverflow(settings.budgetNanoseconds).partialValue)
        while isWanted() {
            look(host)
            if table.membership != directory.membership {
                refreshDirectory()
                // Probes that are under way may be about nodes whose places other nodes have by now.
                for node in 0..<table.count {
                    state.probes.exchanges.abandon(node)
                    state.lookUps.forget(node)
                    // NO TRAP (3): node is below the table's count, and the arrays are of its capacity.
                    state.names[node] = NodeName()
                    state.modulesAgainAt[node] = 0
                    // What a node that stays has counted still counts.
                    if state.urlHashes[node] != urlHash(node) { state.counters[node] = nil }
                }
            }
            announceChanges(host, &state.announced)
            let now = MonotonicClock.now()
            for node in directory.listed {
                guard isNamed(node) else {
                    // One that is switched off gets its address, too: it may be switched on.
                    if resolveNumeric(node), let kind = dueProbe(node, host.ticks, state, now) {
                        _ = ask(&state.probes, node, kind, withCounters: true, now: now, budget: budget(of: kind))
                    }
                    continue
                }
                followName(host, node, &state, now: now)
                if let kind = dueProbe(node, host.ticks, state, now), hasAddress(host, node, &state, now: now) {
                    let share = noteAsked(node, &state)
                    _ = ask(
                        &state.probes, node, kind, withCounters: true, now: now,
                        budget: min(share, budget(of: kind)))
                }
            }
            sweepCalls(host, &state.sweep, now: now)
            releaseNodes(host, &state.partings, state.sweep, now: now)
            tellOfSilentCalls(host)
            carryOutDeletions(host, delivery)
            lookAtBrowsers(host)
            state.probes.exchanges.step(until: MonotonicClock.now() &+ Self.longestPause)
            state.lookUps.signal.clear()
            for node in 0..<table.count {
                guard let outcome = state.probes.exchanges.takeOutcome(node) else { continue }
                // Before a node may be brought back: a failure that another process has found must not be missed.
                announceChanges(host, &state.announced)
                judge(host, node, outcome, &state)
            }
        }
    }

    /// Carries out what processes have left that must not wait for an answer. Those that an RTPProxy keeps waiting leave
    /// the others to the next time, so that nodes and signals are looked at in between.
    @_optimize(size)
    private mutating func carryOutDeletions<Host: EventHost>(_ host: Host, _ delivery: JobDelivery?) {
        // NO TRAP: a constant above 0.
        let end = MonotonicClock.now() &+ Self.longestPause
        for _ in 0..<Self.deletionsAtOnce {
            guard let record = host.takeDeletion() else { return }
            if !deletePostponed(record, host, delivery) { host.release(record) }
            if MonotonicClock.now() > end { return }
        }
    }

    /// What `node` is to be asked now; nil: nothing.
    @_optimize(size)
    private func dueProbe(
        _ node: Int, _ ticks: UInt32, _ state: borrowing MonitorState, _ now: UInt64
    ) -> ProbeKind? {
        guard table.life(node) != .free, !state.probes.exchanges.isRunning(node), state.notBefore[node] <= now else {
            return nil
        }
        switch table.condition(node) {
        case .unproven: return .everything
        case .down(let recheck):
            if hasAnswered(node), recheck == NodeTable.never { return nil }
            let isBack = state.absences[node].isBack && mayComeBack(node, recheck, ticks)
            // NO TRAP: node is below the table's count, and the arrays are of its capacity.
            if isBack || state.names[node].isPressing { return .everything }
            // Another host that shares calls has it up again.
            let isWanted = fleet != nil && table.isLookWanted(node)
            return isWanted || state.absences[node].glanceAt <= now ? .glance : nil
        // Enabled by the operator before it has ever answered: what it can do is not known yet.
        case .up:
            guard hasAnswered(node) else { return .everything }
            let isPingDue = settings.pingSeconds > 0 && state.pingAt[node] <= now
            if table.silences(node) > 0 || table.isLookWanted(node) || isPingDue { return .presence }
            let again = state.modulesAgainAt[node]
            return lacksModules(node) || (again > 0 && again <= now) ? .modules : nil
        case .disabled: return nil
        }
    }

    /// Whether `node` is still to be asked for its modules.
    func lacksModules(_ node: Int) -> Bool {
        let known = capabilities(node)
        return known.contains(.subCommands) && !known.contains(.modulesKnown)
    }

    /// Whether a node that is down until `recheck` gets calls where it answers: its time is over, or it has never had one.
    private func mayComeBack(_ node: Int, _ recheck: UInt32, _ ticks: UInt32) -> Bool {
        !hasAnswered(node) || ticks >= recheck
    }

    /// How long a node has for its answers, in nanoseconds.
    private func budget(of kind: ProbeKind) -> UInt64 {
        switch kind {
        case .everything, .modules, .presence: settings.budgetNanoseconds
        case .glance: min(settings.budgetNanoseconds, Self.glancePause)
        }
    }

    /// Whether a node that is given in digits, or by a path, has the address to ask it at.
    private mutating func resolveNumeric(_ node: Int) -> Bool {
        if table.address(node) != nil { return true }
        guard let url = directory.url(node) else { return false }
        if url.scheme.isUnix { return true }
        guard let address = table.withURL(node, { Resolver.numeric($0, url) }) else { return false }
        table.publishAddress(node, NodeAddress(words: address.words))
        return true
    }

    // MARK: - Verdicts

    /// Whether a node that is up refuses and may live all the same: a single datagram may be refused on the way. It
    /// counts as gone where it refuses once more, a moment later, and has answered nobody meanwhile.
    @_optimize(size)
    private func isDoubtful(_ node: Int, _ outcome: ExchangeOutcome, _ state: inout MonitorState) -> Bool {
        let before = state.refusingSince[node]
        state.refusingSince[node] = 0
        if case .failed(let error) = outcome, error.isLocal { return false }
        guard outcome.isAbsence, case .up = table.condition(node), table.capabilities(node) != 0,
            directory.url(node)?.scheme.framing == .datagram
        else { return false }
        let (answered, asked) = (table.answeredAt(node), state.probes.askedAt[node])
        let isLively =
            before == 0
            ? answered != 0 && answered &+ Self.liveliness > asked : answered >= before
        if isLively { state.refusingSince[node] = asked }
        return isLively
    }

    /// A hash of the node's URL, 0 where the place has no node.
    private func urlHash(_ node: Int) -> UInt64 {
        directory.nodeHashes.indices.contains(node) ? directory.nodeHashes[node] : 0
    }

    /// What the answers to a probe make of a node.
    @_optimize(size)
    private mutating func judge<Host: EventHost>(
        _ host: Host, _ node: Int, _ outcome: ExchangeOutcome, _ state: inout MonitorState
    ) {
        let now = MonotonicClock.now()
        state.notBefore[node] = now &+ Self.longestPause
        if case .modules = state.probes.kinds[node] { return judgeModules(node, outcome, &state, now) }
        state.pingAt[node] = now &+ UInt64(settings.pingSeconds) &* 1_000_000_000
        let found = finding(state.probes, node, outcome)
        if case .glance = state.probes.kinds[node] { return judgeGlance(host, node, found, &state) }
        state.absences[node] = Absence(glanceAt: state.probes.askedAt[node] &+ Self.glancePause)
        // A node that is up is first taken out, and reported, before another address is tried.
        if case .failed = found, !isUp(node), tryNextAddress(node, &state) { return }
        // At start-up both may be starting: one that is not there yet is asked again while the time lasts.
        let isStarting = table.condition(node) == .unproven && now < state.startDeadline
        if isStarting, outcome.isAbsence { return }
        if isDoubtful(node, outcome, &state) { return table.setLookWanted(node, true) }
        conclude(host, node, found)
        guard case .present(_, _, let counters) = found else { return }
        if let counters {
            state.urlHashes[node] = urlHash(node)
            compareCounters(host, node, counters, &state.counters[node])
        }
        if lacksModules(node) {
            state.notBefore[node] = 0
        } else if counters == nil, case .everything = state.probes.kinds[node], settings.pingSeconds > 0,
            capabilities(node).contains(.serverCounters)
        {
            // What it counts from here on is compared with what it has counted now.
            table.setLookWanted(node, true)
        }
    }

    /// What a node has said of its modules. One that takes sub-commands and does not answer this question has none until
    /// it is asked again; one that is not there is asked whether it is.
    @_optimize(size)
    private mutating func judgeModules(
        _ node: Int, _ outcome: ExchangeOutcome, _ state: inout MonitorState, _ now: UInt64
    ) {
        state.modulesAgainAt[node] = outcome == .timedOut ? now &+ Self.modulesPause : 0
        switch outcome {
        case .complete, .timedOut:
            table.setCapabilities(node, modules(state.probes, node).rawValue)
            // What it counts from here on is compared with what it has counted now.
            if settings.pingSeconds > 0, state.counters[node] == nil, capabilities(node).contains(.serverCounters) {
                table.setLookWanted(node, true)
            }
        case .refused, .malformed, .failed: table.setLookWanted(node, true)
        }
    }

    /// What a glance at a node that takes no commands has shown. One that has never answered, or whose time is over,
    /// is asked at once what it can do, and gets calls again then.
    @_optimize(size)
    private mutating func judgeGlance<Host: ServerHost>(
        _ host: Host, _ node: Int, _ found: ProbeFinding, _ state: inout MonitorState
    ) {
        state.absences[node].glanceAt = state.probes.askedAt[node] &+ Self.glancePause
        guard case .down(let recheck) = table.condition(node) else { return }
        let now = host.ticks
        let mayComeBack = mayComeBack(node, recheck, now)
        switch found {
        case .present:
            if mayComeBack {
                state.absences[node].isBack = true
                state.notBefore[node] = 0
            } else if state.absences[node].toldOf != recheck {
                state.absences[node].toldOf = recheck
                tellOfEarlyAnswer(host, node, seconds: recheck &- now)
            }
        case .failed(_, let fault):
            if mayComeBack, tryNextAddress(node, &state) { return }
            table.noteFault(node, fault, tick: now)
        case .unknown: break
        }
    }

    @_optimize(size)
    private mutating func tellOfEarlyAnswer<Host: ServerHost>(_ host: Host, _ node: Int, seconds: UInt32) {
        line.removeAll(keepingCapacity: true)
        appendName(of: node)
        line.append("answers again, gets calls in ")
        line.append(decimal: UInt64(widening: seconds))
        line.append(" s, or at once with rtpproxy.enable ")
        table.withURL(node) { line.append(printable: $0, $0.all, limit: 255) }
        line.append(" 1")
        host.log(.notice, line.span)
    }
}

extension ExchangeOutcome {
    /// Whether nothing was there to ask.
    fileprivate var isAbsence: Bool {
        switch self {
        case .refused, .failed: true
        case .complete, .timedOut, .malformed: false
        }
    }
}
