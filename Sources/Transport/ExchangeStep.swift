// SPDX-License-Identifier: GPL-2.0-or-later
// The loop of a group: one wait, then what has arrived, then what is due.

internal import Bytes

/// What an entry of the wait belongs to.
enum EventSource {
    case datagrams(node: Int)
    case link(node: Int)
    case stream(member: Int, slot: Int)
    case watched
}

extension ExchangeCore {
    /// Receiving calls on one socket per step, so that a flood keeps no deadline from being seen.
    private static var mostRounds: Int { 16 }

    mutating func step(until deadline: UInt64) {
        finished.clear()
        let wake = min(deadline, listEntries())
        let before = Calls.now()
        let attempt = Attempt(Calls.wait(&entries, nanoseconds: wake > before ? wake &- before : 0))
        let now = Calls.now()
        switch attempt {
        case .failed(.interrupted), .later: break
        case .failed(let error):
            // NO TRAP (5): this only marks members, and start() is not called in a step.
            for position in running.indices { finish(running[position], .failed(error)) }
            return
        case .done(let count):
            if count > 0 {
                for position in entries.indices where entries[position].arrived != 0 {
                    // NO TRAP: entries and sources are added to in pairs.
                    take(sources[position], entries[position].arrived, now)
                }
            }
        }
        unawaited.closeOld(now: now)
        for position in busy.indices where nodes[at: busy[position]].link.wake <= now { flush(busy[position], now) }
        for position in running.indices where members[at: running[position]].wake <= now {
            pump(running[position], now)
        }
    }

    /// Lists what to wait for, and says until when. Members and nodes that are done with leave their lists.
    private mutating func listEntries() -> UInt64 {
        var wake = UInt64.max
        entries.clear()
        sources.clear()
        var position = 0
        while position < running.count {
            // NO TRAP (2): the loop's condition: position < count.
            let member = running[position]
            guard members[at: member].isRunning else {
                members[at: member].isListed = false
                // NO TRAP (4): position < count, so that there is a last one.
                running.swapAt(position, running.count &- 1)
                running.removeLast()
                continue
            }
            wake = min(wake, members[at: member].wake)
            if members[at: member].exchange.framing == .stream { listStreams(of: member) }
            position &+= 1
        }
        position = 0
        while position < busy.count {
            let node = busy[position]
            guard nodes[at: node].isBusy else {
                nodes[at: node].isListed = false
                busy.swapAt(position, busy.count &- 1)
                busy.removeLast()
                continue
            }
            wake = min(wake, nodes[at: node].link.wake)
            let datagrams = nodes[at: node].datagrams.descriptor
            if datagrams >= 0, nodes[at: node].users > 0 {
                entries.append(PollEntry(descriptor: datagrams, events: PollEntry.readable))
                sources.append(.datagrams(node: node))
            }
            if nodes[at: node].link.descriptor >= 0 {
                entries.append(nodes[at: node].link.entry)
                sources.append(.link(node: node))
            }
            position &+= 1
        }
        if watched >= 0 {
            entries.append(PollEntry(descriptor: watched, events: PollEntry.readable))
            sources.append(.watched)
        }
        return wake
    }

    private mutating func listStreams(of member: Int) {
        // NO TRAP: 0 to a constant that is above it.
        for slot in 0..<OneShotStreams<Calls>.count {
            guard let entry = members[at: member].streams.entry(slot, members[at: member].exchange) else { continue }
            entries.append(entry)
            sources.append(.stream(member: member, slot: slot))
        }
    }

    // MARK: - Out

    /// Sends what is due of a member, and says when to look after it next.
    mutating func pump(_ member: Int, _ now: UInt64) {
        guard members[at: member].isRunning else { return }
        let node = members[at: member].node
        var outcome: ExchangeOutcome?
        var wake = UInt64.max
        switch members[at: member].exchange.framing {
        case .datagram:
            outcome = members[at: member].sendDue(over: &nodes[at: node].datagrams, &batch, now: now)
        case .stream:
            outcome = members[at: member].pumpStreams(now: now)
            wake = members[at: member].streams.wake
        case .pipeline:
            let generation = members[at: member].generation
            nodes[at: node].link.enqueueDue(&members[at: member].exchange, generation: generation, now: now)
            if members[at: member].exchange.phase == .running { flush(node, now) }
            // Its connection may have been its end.
            guard members[at: member].isRunning else { return }
        }
        if let outcome = outcome ?? ExchangeOutcome(members[at: member].exchange.phase) {
            return finish(member, outcome)
        }
        members[at: member].wake = min(wake, members[at: member].exchange.nextDeadline)
    }

    // MARK: - In

    private mutating func take(_ source: EventSource, _ events: Int16, _ now: UInt64) {
        switch source {
        case .watched: break
        case .datagrams(let node): takeDatagrams(node, now)
        case .link(let node): takeReplies(node, events, now)
        case .stream(let member, let slot):
            guard members[at: member].isRunning else { return }
            if let outcome = members[at: member].advanceStream(slot, now: now) { return finish(member, outcome) }
            members[at: member].wake = 0
        }
    }

    private mutating func takeDatagrams(_ node: Int, _ now: UInt64) {
        // NO TRAP: 0 to a constant that is above it.
        for round in 0..<Self.mostRounds {
            // No more than can have come: the kernel would look once more, in vain.
            let awaited = awaitedReplies(of: node)
            let most = round == 0 ? max(awaited, 1) : awaited
            if most == 0 { return }
            switch nodes[at: node].datagrams.receive(into: &arrivals, atMost: most) {
            case .later: return
            case .failed(let error):
                // NO TRAP: this only marks members, and start() is not called in a step.
                for position in running.indices { fault(running[position], at: node, error) }
                if (error != .refused && error != .tooLarge) || nodes[at: node].users == 0 { return }
            case .done(let count):
                // NO TRAP: Attempt.done is never negative, and range() looks at the index itself.
                for index in 0..<min(count, ArrivalBuffer.capacity) { route(arrivals.range(index), from: node, now) }
                if count < most { return }
            }
        }
    }

    /// How many datagrams to ask a node's socket for at once: as many as its one exchange waits for, or what fits.
    private func awaitedReplies(of node: Int) -> Int {
        guard nodes[at: node].users == 1, running.count == 1, let member = running.first,
            members[at: member].node == node,
            members[at: member].isRunning
        else { return nodes[at: node].users > 0 ? ArrivalBuffer.capacity : 0 }
        return min(members[at: member].exchange.awaited, ArrivalBuffer.capacity)
    }

    /// Hands a datagram to the exchange that its cookie names; that one compares the cookie.
    private mutating func route(_ datagram: ByteRange, from node: Int, _ now: UInt64) {
        guard let tag = CookieSource.tag(arrivals.bytes.span, datagram), members.contains(tag.member),
            members[at: tag.member].isRunning, members[at: tag.member].node == node
        else { return }
        members[at: tag.member].take(datagram, of: &arrivals, now: now)
    }

    /// What an error of a node's datagram socket means for a member. A node that refuses after it has answered may be
    /// restarting: it gets the rest of the budget. That a datagram was too large for the way is a loss: when it is sent
    /// again, the kernel cuts it up.
    private mutating func fault(_ member: Int, at node: Int, _ error: SystemError) {
        guard members[at: member].isRunning, members[at: member].node == node,
            members[at: member].exchange.framing == .datagram,
            error != .tooLarge, error != .refused || members[at: member].exchange.answered == 0
        else { return }
        finish(member, ExchangeOutcome(error))
    }
}
