// SPDX-License-Identifier: GPL-2.0-or-later
// What becomes of the calls in the call table without a message: they expire, are counted by RTPProxy, and are
// forgotten with an RTPProxy that has lost its sessions.
//
// NO TRAP (3 in this file): a count of entries, which is not negative.

import Bytes
import ControlProtocol
import SharedState
import Transport

/// The look at the call table that is under way in the module's own process, a part at a time.
struct CallSweep {
    /// The entry to go on with.
    var place = 0
    /// When this round began, in nanoseconds.
    var began: UInt64 = 0
    /// Calls of each node that this round has seen.
    var counts: [UInt32]
    /// When the last round that is finished began; 0: none is.
    var lastBegan: UInt64 = 0

    init(nodeCount: Int) { counts = [UInt32](repeating: 0, count: nodeCount) }
}

/// What the module's own process knows of a node that gets no new calls.
struct Parting {
    /// Since when, in nanoseconds; 0: it gets them.
    var since: UInt64 = 0
    /// Whether it was told that no call is left.
    var isToldEmpty = false
}

extension Worker {
    /// Entries that are looked at in one go: a moment's work.
    private static var sweepPart: Int { 65_536 }
    /// Time between the beginnings of two rounds, in nanoseconds.
    private static var sweepPause: UInt64 { 1_000_000_000 }
    /// How long a node that has left the sets may be down before it is given up, in seconds, where
    /// rtpproxy_disable_tout says nothing.
    private static var patienceWithTheGone: UInt32 { 60 }

    /// Goes on with the round, or begins one where it is time.
    @_optimize(size)
    func sweepCalls<Host: ServerHost>(_ host: Host, _ sweep: inout CallSweep, now: UInt64) {
        if sweep.place == 0 {
            guard sweep.began == 0 || now &- sweep.began >= Self.sweepPause else { return }
            sweep.began = now
            // NO TRAP: node is one of the indices of the counts.
            for node in sweep.counts.indices { sweep.counts[node] = 0 }
        }
        var counts: [UInt32] = []
        swap(&counts, &sweep.counts)
        calls?.sweep(from: sweep.place, count: Self.sweepPart, now: host.ticks) { node in
            if counts.indices.contains(node) { counts[node] &+= 1 }
            return true
        }
        swap(&counts, &sweep.counts)
        sweep.place &+= Self.sweepPart
        guard sweep.place >= callCapacity else { return }
        sweep.place = 0
        sweep.lastBegan = sweep.began
        for node in 0..<table.count where sweep.counts.indices.contains(node) {
            // NO TRAP: the loop lets only nodes through that are indices of the counts.
            table.setCalls(node, sweep.counts[node])
        }
    }

    /// Looks after the nodes that get no new calls: says of one when its last call has ended, and lets one go that has
    /// left the sets, once it has no calls or cannot be expected back.
    @_optimize(size)
    mutating func releaseNodes<Host: EventHost>(
        _ host: Host, _ partings: inout [Parting], _ sweep: borrowing CallSweep, now: UInt64
    ) {
        for node in 0..<table.count where partings.indices.contains(node) {
            let isLeaving = table.life(node) == .leaving
            guard isLeaving || (table.life(node) == .member && table.isDraining(node)) else {
                // NO TRAP (6): the loop lets only nodes through that are indices of the partings.
                partings[node] = Parting()
                continue
            }
            if partings[node].since == 0 { partings[node].since = now }
            // What was under way when it left has ended.
            let grace = settings.budgetNanoseconds.addingReportingOverflow(1_000_000_000).partialValue
            let (end, overflow) = partings[node].since.addingReportingOverflow(grace)
            guard !overflow, now > end else { continue }
            let isGivenUp = isLeaving && isGone(node, host.ticks)
            let isEmpty = callCapacity == 0 || (sweep.lastBegan > end && table.figures(node).calls == 0)
            guard isEmpty || isGivenUp else { continue }
            if callCapacity > 0, !partings[node].isToldEmpty {
                partings[node].isToldEmpty = true
                tellEmpty(host, node, forgotten: isEmpty ? 0 : forgetCalls(of: [node], host))
            }
            guard isLeaving, table.lockPool(now: host.ticks, patience: Self.lockPatience) else { continue }
            table.release(node)
            table.unlockPool()
            partings[node] = Parting()
        }
    }

    /// Whether a node has been down for so long that its sessions have ended.
    private func isGone(_ node: Int, _ now: UInt32) -> Bool {
        guard case .down = table.condition(node) else { return false }
        let patience =
            settings.disableSeconds >= 0 ? UInt32(clamping: settings.disableSeconds) : Self.patienceWithTheGone
        return now &- table.figures(node).since > max(patience, 1)
    }

    @_optimize(size)
    private mutating func tellEmpty<Host: EventHost>(_ host: Host, _ node: Int, forgotten: Int) {
        line.removeAll(keepingCapacity: true)
        appendName(of: node)
        if forgotten > 0 {
            line.append("has left the sets and does not answer, its calls are forgotten: ")
            line.append(decimal: UInt64(forgotten))
        } else {
            line.append("has no call left")
        }
        reportNode(.nodeDrained, .notice, node)
        tell(host)
        raise(host, .nodeDrained, node, reason: forgotten > 0 ? "does not answer" : "no call left")
    }

    /// Forgets the calls of these nodes; returns how many those were.
    @_optimize(size)
    mutating func forgetCalls<Host: ServerHost>(of nodes: [Int], _ host: Host) -> Int {
        var count = 0
        var isMeant = [Bool](repeating: false, count: table.capacity)
        for node in nodes where isMeant.indices.contains(node) { isMeant[node] = true }
        calls?.sweep(from: 0, count: .max, now: host.ticks) { node in
            guard isMeant.indices.contains(node), isMeant[node] else { return true }
            count &+= 1
            return false
        }
        for node in nodes { table.setCalls(node, 0) }
        return count
    }

    /// Forgets the calls of every node that `text` means, by `selected`; nil: there is none. Their next message goes
    /// where the balancing rule says.
    @_optimize(size)
    package mutating func forgetCalls<Host: ServerHost>(_ host: Host, _ text: Span<UInt8>) -> Int? {
        // NO TRAP: selected() gives indices of the list, which nobody changes in between.
        let nodes = selected(text).map { directory.listed[$0] }
        guard !nodes.isEmpty else { return nil }
        let count = forgetCalls(of: nodes, host)
        line.removeAll(keepingCapacity: true)
        line.append("calls of ")
        line.append(printable: text, text.all, limit: 255)
        line.append(" forgotten, by RPC: ")
        line.append(decimal: UInt64(count))
        host.log(.notice, line.span)
        return count
    }

    /// Calls that the table has room for, 0 where there is none.
    private var callCapacity: Int {
        switch calls {
        case .some(let table): table.capacity
        case nil: 0
        }
    }

    // MARK: - Restarts

    /// Compares what a node has counted with what it had when it was asked before: one that has been started again has
    /// lost its sessions, and the calls that it held with them.
    @_optimize(size)
    mutating func compareCounters<Host: EventHost>(
        _ host: Host, _ node: Int, _ counters: RelayCounters, _ last: inout RelayCounters?
    ) {
        defer { last = counters }
        guard let before = last, counters.showsRestart(since: before) else { return }
        let count = forgetCalls(of: [node], host)
        table.noteRestart(node)
        // It may have been started with other modules.
        let modules: Capabilities = [.dtls, .ice, .modulesKnown]
        table.setCapabilities(node, capabilities(node).subtracting(modules).rawValue)
        outbox.count(.nodeRestarts)
        line.removeAll(keepingCapacity: true)
        appendName(of: node)
        line.append("has been restarted, its sessions are lost, calls forgotten: ")
        line.append(decimal: UInt64(count))
        reportNode(.nodeRestarted, .warning, node)
        tell(host)
        raise(host, .nodeRestarted, node, reason: "its counters have fallen")
    }
}
