// SPDX-License-Identifier: GPL-2.0-or-later
// A member's exchange from outside: filled and read piece by piece, without lending it to a closure.

package import Bytes

extension ExchangeGroup {
    /// Begins the exchange of `member` anew; see `Exchange.begin`.
    package mutating func begin(
        _ member: Int, now: UInt64, budget: UInt64, firstRetransmission: UInt64, framing: Framing,
        window: Int = Exchange.maximumWindow
    ) {
        guard core.value.members.contains(member) else { return }
        core.value.members[at: member].exchange.begin(
            now: now, budget: budget, firstRetransmission: firstRetransmission, window: window, framing: framing)
    }

    /// Adds a command to the exchange of `member`; see `Exchange.add`.
    package mutating func add(
        _ member: Int, _ command: Span<UInt8>, cookies: inout CookieSource
    ) throws(ExchangeError) {
        guard core.value.members.contains(member) else { return }
        try core.value.members[at: member].exchange.add(command, cookies: &cookies)
    }

    /// Ends the exchange of `member` as refused, without asking: its node has no address.
    package mutating func refuse(_ member: Int) {
        guard core.value.members.contains(member) else { return }
        core.value.abandon(member)
        core.value.members[at: member].outcome = .refused
    }

    /// How many commands the exchange of `member` has.
    package func count(_ member: Int) -> Int {
        core.value.members.contains(member) ? core.value.members[at: member].exchange.count : 0
    }

    /// The bytes that the replies of `member` are ranges of.
    package func incoming(_ member: Int) -> [UInt8] {
        core.value.members.contains(member) ? core.value.members[at: member].exchange.incoming.memory : []
    }

    /// Where the reply to a command of `member` stands; nil while there is none.
    package func reply(_ member: Int, _ index: Int) -> ByteRange? {
        core.value.members.contains(member) ? core.value.members[at: member].exchange.reply(index) : nil
    }

    /// What the exchange of `member` has put on the wire and got back.
    package func tally(_ member: Int) -> ExchangeTally {
        guard core.value.members.contains(member) else { return ExchangeTally(sent: 0, retransmitted: 0, answered: 0) }
        return ExchangeTally(
            sent: core.value.members[at: member].exchange.sent,
            retransmitted: core.value.members[at: member].exchange.retransmitted,
            answered: core.value.members[at: member].exchange.answered)
    }

    /// When the last reply to `member` came; see `Exchange.answeredAt`.
    package func answeredAt(_ member: Int) -> UInt64? {
        core.value.members.contains(member) ? core.value.members[at: member].exchange.answeredAt : nil
    }

    /// How long `member`'s node took, in nanoseconds; see `Exchange.roundTrip`.
    package func roundTrip(_ member: Int) -> UInt64? {
        core.value.members.contains(member) ? core.value.members[at: member].exchange.roundTrip : nil
    }
}

/// How much an exchange has put on the wire, and how much came back.
package struct ExchangeTally: Equatable, Sendable {
    /// Datagrams and stream commands, retransmissions among them.
    package let sent: Int
    /// Those that were sent before.
    package let retransmitted: Int
    /// Commands that have their reply.
    package let answered: Int
}
