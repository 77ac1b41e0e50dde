// SPDX-License-Identifier: GPL-2.0-or-later
// Persistent connections under the exchanges of a group: replies to their owners, and what happens when one breaks.

internal import Bytes

extension ExchangeCore {
    private static var mostRounds: Int { 16 }

    /// Writes what stands ready for a node's connection.
    mutating func flush(_ node: Int, _ now: UInt64) {
        do throws(SystemError) {
            try nodes[at: node].link.flush(now: now)
        } catch {
            linkBroke(node, error, now)
        }
    }

    /// Goes on with a node's connection after an event.
    mutating func takeReplies(_ node: Int, _ events: Int16, _ now: UInt64) {
        if events & PollEntry.writable != 0 { flush(node, now) }
        guard events & ~PollEntry.writable != 0 else { return }
        // NO TRAP: 0 to a constant that is above it.
        for _ in 0..<Self.mostRounds {
            let (attempt, isDrained) = nodes[at: node].link.receive()
            switch attempt {
            case .later: return
            case .failed(let error): return linkBroke(node, error, now)
            case .done(0): return linkBroke(node, .reset, now)
            case .done:
                guard deliver(node, now) else { return linkBroke(node, .reset, now) }
                if isDrained { return }
            }
        }
    }

    /// Hands whole replies to the exchanges that wait for them; false where a reply belongs to no command.
    private mutating func deliver(_ node: Int, _ now: UInt64) -> Bool {
        while let reply = nodes[at: node].link.nextReply() {
            guard let ticket = nodes[at: node].link.takeTicket() else { return false }
            guard members.contains(ticket.member), members[at: ticket.member].holds(ticket) else { continue }
            nodes[at: node].link.deliver(reply, to: &members[at: ticket.member].exchange, ticket.command, now: now)
            members[at: ticket.member].wake = 0
        }
        return true
    }

    /// A connection is gone. Commands without an answer are sent again over a new one, once per exchange: the node may
    /// have closed it while it was idle, or have been restarted. A command may thereby run twice, which does no harm:
    /// U and L of the same tags give the same ports, Q only reads, and a second D gets the `E50` of any session that is
    /// gone.
    mutating func linkBroke(_ node: Int, _ error: SystemError, _ now: UInt64) {
        nodes[at: node].link.disconnect()
        breaks &+= 1
        let isBroken = error == .reset || error == .brokenPipe
        var kept = 0
        var index = nodes[at: node].link.head
        while index < nodes[at: node].link.tickets.count {
            // NO TRAP: the loop's condition: index < tickets.count, and head is never negative.
            let ticket = nodes[at: node].link.tickets[index]
            if members.contains(ticket.member), members[at: ticket.member].holds(ticket),
                survives(ticket.member, isBroken: isBroken, error)
            {
                nodes[at: node].link.requeue(index, kept: kept, of: &members[at: ticket.member].exchange)
                kept &+= 1
            }
            index &+= 1
        }
        nodes[at: node].link.requeued(kept: kept)
        guard kept > 0 else { return }
        // A node that refuses is asked again after a pause. Otherwise the new connection is made at once, by `step`.
        if !isBroken { nodes[at: node].link.connectLater(now: now) }
    }

    /// Whether an exchange goes on although a connection is gone. Where it does not, it is over.
    private mutating func survives(_ member: Int, isBroken: Bool, _ error: SystemError) -> Bool {
        if members[at: member].lastBreak != breaks {
            members[at: member].lastBreak = breaks
            if isBroken { members[at: member].breaks &+= 1 }
        }
        let goesOn =
            isBroken ? members[at: member].breaks <= 1 : error == .refused && members[at: member].exchange.answered > 0
        if !goesOn { finish(member, ExchangeOutcome(error)) }
        return goesOn
    }
}
