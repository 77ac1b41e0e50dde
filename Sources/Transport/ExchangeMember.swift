// SPDX-License-Identifier: GPL-2.0-or-later
// One exchange of a group and how it stands, and what a group has open to one node.

internal import Bytes

/// An exchange of a group.
struct ExchangeMember<Calls: SystemCalls>: ~Copyable {
    var exchange: Exchange
    /// The node that it runs with.
    var node = -1
    /// Counts the exchanges of this member, so that a late reply on a stream is not taken for one of the present
    /// exchange.
    var generation: UInt32 = 0
    var isRunning = false
    /// Whether the group's list of running members has it.
    var isListed = false
    /// Whether a datagram of this exchange has gone out.
    var hasSent = false
    /// Connections that broke while this exchange had a command on them, and the last of them.
    var breaks = 0
    var lastBreak: UInt64 = 0
    /// When to look after it next; 0 at once.
    var wake = UInt64.max
    var outcome: ExchangeOutcome?
    var streams = OneShotStreams<Calls>()

    init(_ index: Int, reserves: Bool) { exchange = Exchange(member: index, reserves: reserves) }

    mutating func begin(node: Int) {
        self.node = node
        generation &+= 1
        isRunning = true
        hasSent = false
        breaks = 0
        lastBreak = 0
        wake = 0
        outcome = nil
    }

    /// Sends what is due over a node's datagram socket. An outcome ends the exchange.
    mutating func sendDue(
        over port: inout DatagramPort<Calls>, _ batch: inout DatagramBatch, now: UInt64
    ) -> ExchangeOutcome? {
        port.sendDue(&exchange, &batch, now: now, hasSent: &hasSent)
    }

    /// Writes what is due on connections of its own. An outcome ends the exchange.
    mutating func pumpStreams(now: UInt64) -> ExchangeOutcome? { streams.pump(&exchange, now: now) }

    /// Goes on with one of its connections after an event. An outcome ends the exchange.
    mutating func advanceStream(_ slot: Int, now: UInt64) -> ExchangeOutcome? {
        streams.advance(slot, &exchange, now: now)
    }

    /// Takes a datagram.
    mutating func take(_ datagram: ByteRange, of arrivals: inout ArrivalBuffer, now: UInt64) {
        switch exchange.receive(arrivals.bytes.span, datagram: datagram, now: now) {
        case .matched, .malformed: wake = 0
        case .duplicate, .foreign: break
        }
    }

    /// Whether it waits for what `ticket` stands for.
    func holds(_ ticket: Ticket) -> Bool {
        isRunning && generation == ticket.generation && exchange.isUnanswered(ticket.command)
    }
}

/// What a process has open to one node.
struct NodePort<Calls: SystemCalls>: ~Copyable {
    var datagrams = DatagramPort<Calls>()
    var link = StreamLink<Calls>()
    /// Members that run with it.
    var users = 0
    /// Whether the group's list of busy nodes has it.
    var isListed = false

    /// Whether something may happen on it.
    var isBusy: Bool { users > 0 || link.waiting > 0 }

    mutating func closeAll() {
        datagrams.close()
        link.reset()
        users = 0
        isListed = false
    }
}
