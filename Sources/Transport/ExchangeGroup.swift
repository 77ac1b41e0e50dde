// SPDX-License-Identifier: GPL-2.0-or-later
// Exchanges with nodes, one or many side by side, driven by one wait: what a process has open to its nodes.

package import Bytes

/// The exchanges of one process, and its sockets: per datagram node one, opened at first use and kept, per `cunix`,
/// `tcp` and `tcp6` node one connection, and for `unix` one connection per command. What was opened before a fork is
/// closed in the child and opened anew.
///
/// A member is one exchange at a time. Any number of members may run at once, with the same node or with others: fill
/// the exchange by `withExchange`, `start` it, `step` until `takeOutcome` says how it ended, read the replies by
/// `withExchange`. Members and nodes are numbered from 0; what is outside is refused and traps nothing.
package struct ExchangeGroup: ~Copyable {
    var core: Allocated<ExchangeCore<Kernel>>

    /// At most 131,071 members. `reserves`: each with room for an ordinary exchange; else they take it as they need it.
    package init(members: Int, nodes: Int, reserves: Bool = true) {
        core = Allocated(ExchangeCore(members: members, nodes: nodes, reserves: reserves))
    }

    /// Lends the exchange of `member`, for beginning it and adding commands, or for reading its replies; nil where
    /// there is no such member. Not to be begun anew while it runs.
    package mutating func withExchange<Result, Failure: Error>(
        _ member: Int, _ body: (inout Exchange) throws(Failure) -> Result
    ) throws(Failure) -> Result? {
        guard core.value.members.contains(member) else { return nil }
        return try body(&core.value.members[at: member].exchange)
    }

    /// Starts an exchange of framing `datagram` (UDP) or `pipeline` (TCP) with `node` at `address`, and sends what goes
    /// at once. One that runs is abandoned.
    package mutating func start(_ member: Int, node: Int, address: SocketAddress) {
        core.value.start(member, node: node, address: address)
    }

    /// Starts an exchange of framing `stream` or `pipeline` with `node`, whose unix socket is at `path`.
    package mutating func start(_ member: Int, node: Int, unixSocket bytes: Span<UInt8>, path: ByteRange) {
        core.value.start(member, node: node, bytes, path: path)
    }

    /// Whether an exchange of `member` is under way.
    package func isRunning(_ member: Int) -> Bool { core.value.members[at: member].isRunning }

    /// How the exchange of `member` ended, once; nil while it runs or where none was started.
    package mutating func takeOutcome(_ member: Int) -> ExchangeOutcome? { core.value.takeOutcome(member) }

    /// Waits, once, until something arrives, something is to be sent, or `deadline` has come, and does what is to be
    /// done. Replies are read before deadlines expire, so that a scheduling delay is no timeout.
    package mutating func step(until deadline: UInt64) { core.value.step(until: deadline) }

    /// Has `step` end, too, when `signal` is sent.
    package mutating func watch(_ signal: borrowing WakeSignal) { core.value.watched = signal.descriptor }

    /// Where a signal is watched: a member whose exchange has ended since the last step began, each once; nil where
    /// there is no other.
    package mutating func takeFinished() -> Int? { core.value.finished.popLast() }

    /// Ends the exchange of `member` without outcome; late answers to it are ignored.
    package mutating func abandon(_ member: Int) { core.value.abandon(member) }

    /// How long a connection of one command that nobody waits for stays open at most, in nanoseconds.
    package static var unawaitedPatience: UInt64 { UnawaitedStreams<Kernel>.patience }

    /// Sends one command to `node` at `address` and waits for nothing; false where that is known to have failed.
    package mutating func sendOnce(
        _ node: Int, address: SocketAddress, framing: Framing, _ command: Span<UInt8>, cookies: inout CookieSource
    ) -> Bool {
        core.value.sendOnce(node, address: address, framing: framing, command, command.all, &cookies)
    }

    /// The same to a node whose unix socket is at `path`.
    package mutating func sendOnce(
        _ node: Int, unixSocket bytes: Span<UInt8>, path: ByteRange, framing: Framing, _ command: Span<UInt8>
    ) -> Bool {
        core.value.sendOnce(node, bytes, path: path, framing: framing, command, command.all)
    }
}
