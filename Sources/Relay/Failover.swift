// SPDX-License-Identifier: GPL-2.0-or-later
// Choosing a node for a call, talking to it, and what happens when it does not answer.

import Bytes
import ControlProtocol
import SharedState
import Transport

extension Relay {
    /// Time until a command to a node without a known round trip is sent again, in nanoseconds.
    private static var firstWaitUnknown: UInt64 { 100_000_000 }
    /// The shortest such time, whatever the round trip.
    private static var shortestFirstWait: UInt64 { 10_000_000 }
    /// Time between two looks at a node that has not yet answered since start, in nanoseconds.
    private static var unprovenPause: UInt64 { 2_000_000 }

    /// Starts a call: no node has been tried, and the pool is that of now.
    mutating func beginCall() {
        tried.removeAll(keepingCapacity: true)
        lastAsked = nil
        refreshDirectory()
    }

    /// Derives the sets anew where the pool has changed.
    mutating func refreshDirectory() {
        if directory.membership != table.membership { directory = NodeDirectory(table) }
    }

    /// The next node to ask, which counts as tried from now on. At start-up it waits, no longer than one command may
    /// take, for nodes that have not answered yet.
    mutating func nextNode<Host: CallHost>(_ host: Host, waiting: Bool = true) throws(CallFailure) -> Int {
        let setID = selectedSetID(host)
        guard let set = directory.position(ofSet: setID) else { throw .noNode(setID: setID, setExists: false) }
        var deadline: UInt64?
        while true {
            if let node = remembered(host, setID) ?? choose(set) {
                tried.append(node)
                table.withURL(node) { host.setInstance($0) }
                return node
            }
            guard waiting, hasUnproven(set) else { break }
            let now = MonotonicClock.now()
            let end = deadline ?? now.addingReportingOverflow(settings.budgetNanoseconds).partialValue
            deadline = end
            guard now < end else { break }
            MonotonicClock.sleep(nanoseconds: Self.unprovenPause)
        }
        throw .noNode(setID)
    }

    /// The node of the set at `position` that the balancing rule gives the call, among those not tried yet.
    private mutating func choose(_ position: Int) -> Int? {
        directory.refresh(position, table)
        let set = directory.sets[position]
        if tried.isEmpty { return choose(set.takers, set.sums) }
        // After a failure, which is rare: the same rule among the rest.
        var (nodes, sums) = ([Int](), [UInt64]())
        for reserves in [false, true] where nodes.isEmpty {
            for node in set.nodes where table.takesNewCalls(node) && !tried.contains(node) {
                guard (table.weight(node) == 0) == reserves else { continue }
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
    private func remembered<Host: RelayHost>(_ host: Host, _ setID: UInt32) -> Int? {
        guard let node = calls?.node(for: callKey(setID), now: host.ticks), table.setID(node) == setID,
            table.takesCommands(node), !tried.contains(node)
        else { return nil }
        return node
    }

    /// Remembers that `node` holds the call.
    func remember<Host: CallHost>(_ host: Host, _ node: Int) {
        calls?.remember(callKey(selectedSetID(host)), node: node, now: host.ticks)
    }

    /// Forgets the call.
    func forget<Host: CallHost>(_ host: Host) { calls?.forget(callKey(selectedSetID(host))) }

    /// What `node` can do, as far as it has been asked.
    func capabilities(_ node: Int) -> Capabilities { Capabilities(rawValue: table.capabilities(node)) }

    /// Time until a command to `node` is sent again, in nanoseconds: what its round trips let expect, at most a quarter
    /// of rtpproxy_tout.
    func firstWait(_ node: Int) -> UInt64 {
        let expected = table.roundTrip(node)?.timeoutNanoseconds ?? Self.firstWaitUnknown
        return min(max(expected, Self.shortestFirstWait), settings.longestFirstWait)
    }

    /// Begins an exchange with `node`.
    mutating func beginExchange(_ node: Int, budget: UInt64) {
        exchange.begin(
            now: MonotonicClock.now(), budget: budget,
            firstRetransmission: firstWait(node),
            framing: directory.url(node)?.scheme.framing ?? .datagram)
    }

    /// Adds `command` to the exchange.
    mutating func addCommand() throws(CallFailure) {
        let text = command
        do throws(ExchangeError) {
            try exchange.add(text.span, cookies: &cookies)
        } catch {
            throw error == .tooLong ? .commandTooLong : .exchange(error)
        }
    }

    /// Drives the exchange with `node` to its end.
    mutating func drive(_ node: Int) -> ExchangeOutcome {
        let outcome = driveExchange(node)
        if let sample = exchange.roundTrip { table.sampleRoundTrip(node, nanoseconds: sample) }
        if outcome == .complete { table.noteAnswer(node) }
        return outcome
    }

    private mutating func driveExchange(_ node: Int) -> ExchangeOutcome {
        guard let url = directory.url(node) else { return .refused }
        if url.scheme.isUnix {
            return table.withURL(node) { exchanges.drive(&exchange, node: node, unixSocket: $0, path: url.target) }
        }
        // Without an address its name has not been resolved.
        guard let words = table.address(node)?.words, let address = SocketAddress(words: words) else {
            return .refused
        }
        return exchanges.drive(&exchange, node: node, address: address)
    }

    /// Takes a node that failed out for all processes; the process that does it writes the line. Throws where the
    /// fault is this machine's and not the node's.
    mutating func nodeFailed<Host: RelayHost>(
        _ host: Host, _ node: Int, _ outcome: ExchangeOutcome
    ) throws(CallFailure) {
        if case .failed(let error) = outcome, error.isLocal { throw .system(error) }
        _ = takeOut(host, node, recheckTick(host), outcome.reason)
    }

    /// The tick at which a node that fails now is tried again.
    func recheckTick<Host: RelayHost>(_ host: Host) -> UInt32 {
        guard settings.disableSeconds >= 0 else { return NodeTable.never }
        let (tick, overflow) = host.ticks.addingReportingOverflow(UInt32(clamping: settings.disableSeconds))
        return overflow ? NodeTable.never : tick
    }

    /// Takes a node out, and writes the line if it was this process that did. False where it was out already.
    mutating func takeOut<Host: RelayHost>(
        _ host: Host, _ node: Int, _ recheck: UInt32, _ reason: StaticString
    ) -> Bool {
        guard table.fail(node, recheck: recheck) else { return false }
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
        host.log(.error, line.span)
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
