// SPDX-License-Identifier: GPL-2.0-or-later
// Choosing a node for a call.

import Bytes
import ControlProtocol
import SharedState
import Transport

extension Worker {
    /// Time until a command to a node without a known round trip is sent again, in nanoseconds.
    private static var firstWaitUnknown: UInt64 { 100_000_000 }
    /// The shortest such time, whatever the round trip.
    private static var shortestFirstWait: UInt64 { 10_000_000 }
    /// Derives the sets anew where the pool has changed.
    mutating func refreshDirectory() {
        if directory.membership != table.membership { directory = NodeDirectory(table) }
    }

    /// The next node to ask. Nil where there is none yet: one that has not answered since start may still do so.
    mutating func nextNode(_ call: inout Call) throws(CallFailure) -> Int? {
        let setID = call.run.terms.setID
        guard let set = directory.position(ofSet: setID) else { throw .noNode(setID: setID, setExists: false) }
        if call.run.isSearching {
            guard let node = unaskedNode(&call, set) else { throw .noNode(setID) }
            return node
        }
        if let node = remembered(&call) ?? choose(&call, set) {
            outbox.choose(node)
            return node
        }
        guard hasUnproven(set, isBridged: call.isBridged) else {
            throw call.isBridged && call.run.tried.isEmpty && hasAny(set) ? .noWebRTC(setID: setID) : .noNode(setID)
        }
        return nil
    }

    /// Whether a node of the set at `position` takes new calls, whatever it can do.
    private func hasAny(_ position: Int) -> Bool {
        // NO TRAP: position is from position(ofSet:), and the directory is not refreshed in between.
        directory.sets[position].nodes.contains { table.takesNewCalls($0) }
    }

    /// Whether there is a node to ask, now or after it has answered for the first time.
    mutating func hasNode(_ call: inout Call, _ set: Int) -> Bool {
        remembered(&call) != nil || choose(&call, set) != nil || hasUnproven(set, isBridged: call.isBridged)
    }

    /// The node of the set at `position` that the balancing rule gives the call, among those not tried yet.
    private mutating func choose(_ call: inout Call, _ position: Int) -> Int? {
        directory.refresh(position, table)
        let needsSeveral = needsSeveralStreams(&call)
        if call.run.tried.isEmpty {
            // NO TRAP: whoever calls it has the position from position(ofSet:).
            let (candidates, weightSums) = (directory.sets[position].candidates, directory.sets[position].weightSums)
            let node = choose(&call, candidates, weightSums)
            guard needsSeveral || call.isBridged, let node else { return node }
            let known = capabilities(node)
            if !needsSeveral || known.servesSeveralStreams, !call.isBridged || known.isSuperset(of: .webRTC) {
                return node
            }
        }
        // After a failure, which is rare: the same rule among the rest. Before that, where several streams would come to
        // a node that serves one: the same rule among those that serve them, and where there are none among all.
        // NO TRAP: position is from position(ofSet:), and the directory is not refreshed in between.
        let set = directory.sets[position]
        if needsSeveral, let node = chooseAmongRest(&call, set, servingSeveral: true) { return node }
        return chooseAmongRest(&call, set, servingSeveral: false)
    }

    /// The node that the balancing rule gives the call among those that have not been tried.
    private mutating func chooseAmongRest(_ call: inout Call, _ set: NodeSet, servingSeveral: Bool) -> Int? {
        var (nodes, weightSums) = ([Int](), [UInt64]())
        for reserves in [false, true] where nodes.isEmpty {
            for node in set.nodes where table.takesNewCalls(node) && !call.run.tried.contains(node) {
                guard (table.weight(node) == 0) == reserves else { continue }
                if call.isBridged, !capabilities(node).isSuperset(of: .webRTC) { continue }
                if servingSeveral, !capabilities(node).servesSeveralStreams { continue }
                nodes.append(node)
                weightSums.append((weightSums.last ?? 0) &+ UInt64(widening: max(table.weight(node), 1)))
            }
        }
        return choose(&call, nodes, weightSums)
    }

    private mutating func choose(_ call: inout Call, _ nodes: [Int], _ weightSums: [UInt64]) -> Int? {
        let (callID, text) = (call.identity.bareCallID, call.identity.text)
        switch settings.balancing {
        case .callID:
            return CallIDBalancing.choose(
                nodes, weightSums: weightSums, hash: CallIDBalancing.hash(text.memory.span, callID))
        case .rendezvous:
            // NO TRAP: the directory has a hash for each node that it lists.
            return RendezvousBalancing.choose(
                nodes, callHash: RendezvousBalancing.callHash(text.memory.span, callID),
                nodeHash: { directory.nodeHashes[$0] }, weight: { table.weight($0) })
        }
    }

    /// Whether a node of the set at `position` has still to say what it can do.
    private func hasUnproven(_ position: Int, isBridged: Bool) -> Bool {
        // NO TRAP: position is from position(ofSet:), and the directory is not refreshed in between.
        for node in directory.sets[position].nodes
        where table.life(node) == .member {
            if table.condition(node) == .unproven || (isBridged && table.takesNewCalls(node) && lacksModules(node)) {
                return true
            }
        }
        return false
    }

    // MARK: - The call's node

    /// What the call table knows a call by: the set, and the Call-ID with what the flags append.
    static func key(_ callHash: UInt64, _ setID: UInt32) -> UInt64 {
        Hash64.mixed(callHash &+ UInt64(truncatingIfNeeded: setID))
    }

    /// The node that holds the call, if it takes commands and has not been tried.
    private mutating func remembered(_ call: inout Call) -> Int? {
        let key = Self.key(call.identity.hash, call.run.terms.setID)
        let listed = calls?.place(for: key, now: ticks)
        if let listed {
            call.run.isInTable = true
            call.run.hasMoved = listed.hasMoved
        }
        guard let found = listed?.node ?? nodeOfEngagement(call.run.terms.setID),
            let node = fleet == nil || found < CallTable.firstForeign ? found : foreign(found)
        else { return nil }
        guard table.setID(node) == call.run.terms.setID, !call.run.tried.contains(node) else { return nil }
        guard serves(node) else {
            call.run.lost = node
            return nil
        }
        return node
    }

    /// Puts a call into the table that is not there, before its offer or answer goes to `node`. So another process that
    /// deletes the call while this one waits finds something to forget, and `remember` leaves it at that. Where hosts share
    /// calls, another one may have begun this one: they hear where it has been found, and of no guess.
    mutating func putInTable(_ call: inout Call, _ node: Int) {
        guard !call.run.isInTable, case .media(let media) = call.command else { return }
        keepTime()
        let isGuess = fleet != nil && !media.createsSession
        call.run.isInTable =
            calls?.remember(
                Self.key(call.identity.hash, call.run.terms.setID), node: node, now: ticks,
                isFirst: media.createsSession, isGuess: isGuess) ?? true
        if call.run.isInTable { call.run.putInTable = node }
    }

    /// Takes a call out again that has come to nothing.
    mutating func takeFromTable(_ call: inout Call) {
        guard call.run.putInTable >= 0 else { return }
        if fleet == nil || call.run.terms.createsSession { return forget(call) }
        calls?.takeBack(Self.key(call.identity.hash, call.run.terms.setID))
    }

    /// Remembers that `node` holds the call; not of one that was in the table and has been forgotten since. Others that
    /// were asked beside it are told to delete what they have made, and nobody waits for that: it may get lost, so that
    /// the call counts as one that they have had.
    mutating func remember(_ call: inout Call, _ node: Int) {
        keepTime()
        let key = Self.key(call.identity.hash, call.run.terms.setID)
        if call.run.isInTable {
            let isFirst = call.run.terms.createsSession
            calls?.move(
                key, to: node, now: ticks, unused: isFirst ? call.run.putInTable : -1,
                hasMoved: isFirst && call.run.askedNodes.asking > 0)
        } else {
            calls?.remember(key, node: node, now: ticks)
        }
    }

    /// Forgets the call.
    func forget(_ call: borrowing Call) {
        keepTime()
        calls?.forget(Self.key(call.identity.hash, call.run.terms.setID), now: ticks)
    }

    /// What follows is stamped with the time that it is, however long ago the process that shares calls has looked: where
    /// that is kept waiting, a deletion must not seem older than what another host has begun before.
    func keepTime() { fleet?.advance(to: WallClock.microseconds()) }

    /// What `node` can do; of one that has been switched on before it was ever asked, what is usual.
    func capabilities(_ node: Int) -> Capabilities {
        let known = Capabilities(rawValue: table.capabilities(node))
        return known.isEmpty ? .usual : known
    }

    /// Time until a command to `node` is sent again, in nanoseconds: what its round trips let expect, at most a quarter
    /// of rtpproxy_tout.
    mutating func firstWait(_ node: Int) -> UInt64 {
        let expected = table.roundTrip(node)?.timeoutNanoseconds ?? Self.firstWaitUnknown
        return min(max(expected, Self.shortestFirstWait), settings.longestFirstWait)
    }
}
