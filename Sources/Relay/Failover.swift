// SPDX-License-Identifier: GPL-2.0-or-later
// Choosing a node for a call, and what happens to one that does not answer.

import Bytes
import ControlProtocol
import SharedState
import Transport

extension Relay {
    /// Time until a command to a node without a known round trip is sent again, in nanoseconds.
    private static var firstWaitUnknown: UInt64 { 100_000_000 }
    /// The shortest such time, whatever the round trip.
    private static var shortestFirstWait: UInt64 { 10_000_000 }
    /// Derives the sets anew where the pool has changed.
    mutating func refreshDirectory() {
        if directory.membership != table.membership { directory = NodeDirectory(table) }
    }

    /// The next node to ask. Nil where there is none yet: one that has not answered since start may still do so.
    mutating func nextNode<Host: CallHost>(_ race: Race, _ host: Host) throws(CallFailure) -> Int? {
        let setID = race.run.terms.setID
        guard let set = directory.position(ofSet: setID) else { throw .noNode(setID: setID, setExists: false) }
        if race.run.isSearching {
            guard let node = unaskedNode(race, set) else { throw .noNode(setID) }
            return node
        }
        if let node = remembered(race, host) ?? choose(race, set) {
            table.withURL(node) { host.setInstance($0) }
            return node
        }
        guard hasUnproven(set) else { throw .noNode(setID) }
        return nil
    }

    /// Whether there is a node to ask, now or after it has answered for the first time.
    mutating func hasNode<Host: CallHost>(_ race: Race, _ host: Host, _ set: Int) -> Bool {
        remembered(race, host) != nil || choose(race, set) != nil || hasUnproven(set)
    }

    /// The node of the set at `position` that the balancing rule gives the call, among those not tried yet.
    private mutating func choose(_ race: Race, _ position: Int) -> Int? {
        directory.refresh(position, table)
        let set = directory.sets[position]
        let needsSeveral = needsSeveralStreams(race.errand)
        if race.run.tried.isEmpty {
            let node = choose(set.takers, set.sums)
            guard needsSeveral, let node, !capabilities(node).servesSeveralStreams else { return node }
        }
        // After a failure, which is rare: the same rule among the rest. Before that, where several streams would come to
        // a node that serves one: the same rule among those that serve them, and where there are none among all.
        if needsSeveral, let node = chooseAmongRest(race, set, servingSeveral: true) { return node }
        return chooseAmongRest(race, set, servingSeveral: false)
    }

    /// The node that the balancing rule gives the call among those that have not been tried.
    private func chooseAmongRest(_ race: Race, _ set: NodeSet, servingSeveral: Bool) -> Int? {
        var (nodes, sums) = ([Int](), [UInt64]())
        for reserves in [false, true] where nodes.isEmpty {
            for node in set.nodes where table.takesNewCalls(node) && !race.run.tried.contains(node) {
                guard (table.weight(node) == 0) == reserves else { continue }
                if servingSeveral, !capabilities(node).servesSeveralStreams { continue }
                nodes.append(node)
                sums.append((sums.last ?? 0) &+ UInt64(max(table.weight(node), 1)))
            }
        }
        return choose(nodes, sums)
    }

    private func choose(_ nodes: [Int], _ sums: [UInt64]) -> Int? {
        let (callID, text) = (identity.bareCallID, identity.text)
        switch settings.balancing {
        case .callID:
            return CallIDBalancing.choose(nodes, sums: sums, hash: CallIDBalancing.hash(text.span, callID))
        case .rendezvous:
            return RendezvousBalancing.choose(
                nodes, callHash: RendezvousBalancing.callHash(text.span, callID),
                nodeHash: { directory.nodeHashes[$0] }, weight: { table.weight($0) })
        }
    }

    private func hasUnproven(_ position: Int) -> Bool {
        for node in directory.sets[position].nodes
        where table.condition(node) == .unproven && table.life(node) == .member {
            return true
        }
        return false
    }

    // MARK: - The call's node

    /// What the call table knows a call by: the set, and the Call-ID with what the flags append.
    private func callKey(_ setID: UInt32) -> UInt64 {
        var hash = Hash64()
        hash.combine(UInt64(setID))
        let text = identity.text
        hash.combine(text.span, identity.callID)
        return hash.value
    }

    /// The node that holds the call, if it takes commands and has not been tried.
    private func remembered<Host: RelayHost>(_ race: Race, _ host: Host) -> Int? {
        guard let node = calls?.node(for: callKey(race.run.terms.setID), now: host.ticks),
            table.setID(node) == race.run.terms.setID,
            table.takesCommands(node), !race.run.tried.contains(node)
        else { return nil }
        return node
    }

    /// Remembers that `node` holds the call.
    func remember<Host: RelayHost>(_ host: Host, _ node: Int, _ setID: UInt32) {
        calls?.remember(callKey(setID), node: node, now: host.ticks)
    }

    /// Forgets the call.
    func forget(_ setID: UInt32) { calls?.forget(callKey(setID)) }

    /// What `node` can do; of one that has been switched on before it was ever asked, what is usual.
    func capabilities(_ node: Int) -> Capabilities {
        let known = Capabilities(rawValue: table.capabilities(node))
        return known.isEmpty ? .usual : known
    }

    /// Time until a command to `node` is sent again, in nanoseconds: what its round trips let expect, at most a quarter
    /// of rtpproxy_tout.
    func firstWait(_ node: Int) -> UInt64 {
        let expected = table.roundTrip(node)?.timeoutNanoseconds ?? Self.firstWaitUnknown
        return min(max(expected, Self.shortestFirstWait), settings.longestFirstWait)
    }

    /// The tick at which a node that fails now is tried again.
    func recheckTick<Host: RelayHost>(_ host: Host) -> UInt32 {
        guard settings.disableSeconds >= 0 else { return NodeTable.never }
        let (tick, overflow) = host.ticks.addingReportingOverflow(UInt32(clamping: settings.disableSeconds))
        return overflow ? NodeTable.never : tick
    }

    /// Takes a node out, and writes the line if it was this process that did. False where it was out already.
    mutating func takeOut<Host: RelayHost>(
        _ host: Host, _ node: Int, _ recheck: UInt32, _ reason: StaticString, _ fault: NodeFault
    ) -> Bool {
        table.noteFault(node, fault, tick: host.ticks)
        guard table.fail(node, recheck: recheck) else { return false }
        table.noteCondition(node, tick: host.ticks)
        host.count(.nodeFailures)
        line.removeAll(keepingCapacity: true)
        appendName(of: node)
        line.append(reason)
        if recheck == NodeTable.never {
            line.append(", disabled until it is enabled by RPC")
        } else {
            line.append(", disabled for ")
            line.append(decimal: settings.disableSeconds)
            line.append(" s")
        }
        reportNode(host, .nodeDown, .error, node)
        return true
    }

    /// `RTPProxy URL (set N) `
    mutating func appendName(of node: Int) {
        line.append("RTPProxy ")
        table.withURL(node) { line.append(printable: $0, $0.all, limit: 255) }
        line.append(" (set ")
        line.append(decimal: UInt64(table.setID(node)))
        line.append(") ")
    }
}

extension ExchangeOutcome {
    /// What the node did, for a log line.
    var reason: StaticString {
        switch self {
        case .complete: "answered"
        case .timedOut: "does not answer in time"
        case .refused: "is not there, connection refused or no address"
        case .malformed: "answers what is no control protocol"
        case .failed(let error): error.text
        }
    }
}
