// SPDX-License-Identifier: GPL-2.0-or-later
// The exchange: many commands out at once, their answers in by cookie. No socket and no clock in here.

package import Bytes

/// Commands under way to one node, as a state machine: commands, arrivals and the time go in; what to send and when
/// to wake up comes out. Times are nanoseconds of one monotonic clock. Reuse keeps all capacity.
///
/// `begin`, `add` for each command; then, until `phase` is no longer running: send every `wire` that `due` names, wait
/// until `nextDeadline` or an arrival, `receive` what arrived. `ExchangeGroup` is that loop for any number of them.
package struct Exchange: ~Copyable {
    /// The commands of one exchange.
    package static let maximumCommands = 256
    /// Unanswered commands on the wire: RTPProxy's receive buffer holds some forty of them (control-protocol: Sizes).
    package static let maximumWindow = 8
    /// Bytes of a command, without cookie.
    package static let maximumCommandLength = 8191
    /// Bytes of a reply, without cookie and line end.
    package static let maximumReplyLength = 1024
    /// The shortest time to a first retransmission, in nanoseconds; what is less counts as this.
    package static let minimumRetransmission: UInt64 = 1_000_000

    /// All replies' bytes; `reply(_:)` says which are whose.
    package private(set) var incoming = Scratch<UInt8>()
    /// All commands as they go on the wire; `wire(_:)` says which are whose.
    package private(set) var outgoing = Scratch<UInt8>()
    package private(set) var framing = Framing.datagram
    package private(set) var phase = ExchangePhase.complete
    /// When the budget is over.
    package private(set) var deadline: UInt64 = 0
    /// Commands that have their reply.
    package private(set) var answered = 0
    /// Datagrams and stream commands handed out, retransmissions among them.
    package private(set) var sent = 0
    package private(set) var retransmitted = 0
    /// Arrivals with none of this exchange's cookies.
    package private(set) var foreign = 0
    /// The longest round trip among commands that were sent once, in nanoseconds: of one that was sent again, nobody
    /// knows which copy was answered (RFC 6298 section 3). Nil where there is none.
    package private(set) var roundTrip: UInt64?
    /// When the last reply came; nil while there is none.
    package private(set) var answeredAt: UInt64?

    /// The member of a group that this is, which its cookies name.
    let member: Int
    private var commands = Scratch<Command>()
    private var unsent = 0
    private var firstRetransmission: UInt64 = 0
    private var window = 0

    private struct Command {
        var wire: ByteRange
        var reply: ByteRange?
        var sentAt: UInt64 = 0
        var resendAt: UInt64 = .max
        var interval: UInt64 = 0
        var wasRetransmitted = false
        /// Handed out, but the system did not take it.
        var isHeldBack = false
    }

    /// An exchange without commands, with room for an ordinary one.
    package init() { self.init(member: 0) }

    /// `reserves`: with room for an ordinary exchange from the beginning.
    init(member: Int, reserves: Bool = true) {
        self.member = member
        guard reserves else { return }
        incoming.reserveCapacity(1024)
        outgoing.reserveCapacity(4096)
        commands.reserveCapacity(Self.maximumWindow)
    }

    /// Starts anew without commands. `budget`, from `now` to the end of all of it, and `firstRetransmission`, after
    /// which the intervals double, are nanoseconds; `window` is 1...8.
    package mutating func begin(
        now: UInt64, budget: UInt64, firstRetransmission: UInt64, window: Int = Exchange.maximumWindow,
        framing: Framing = .datagram
    ) {
        incoming.clear()
        outgoing.clear()
        commands.clear()
        self.framing = framing
        self.firstRetransmission = max(firstRetransmission, Self.minimumRetransmission)
        self.window = min(max(window, 1), Self.maximumWindow)
        deadline = saturating(now, budget)
        phase = .complete
        unsent = 0
        answered = 0
        sent = 0
        retransmitted = 0
        foreign = 0
        roundTrip = nil
        answeredAt = nil
    }

    /// Adds a command; it is sent when `due(now:)` says so. Nothing is added where an error is thrown.
    package mutating func add(
        _ bytes: Span<UInt8>, _ command: ByteRange, cookies: inout CookieSource
    ) throws(ExchangeError) {
        let inside = bytes.clamped(command)
        guard commands.count < Self.maximumCommands else { throw .tooMany }
        guard inside.count <= Self.maximumCommandLength else { throw .tooLong }
        guard !inside.isEmpty else { throw .unfit }
        guard bytes.firstLineBreaker(in: inside) == nil else { throw .unfit }
        let start = outgoing.count
        switch framing {
        case .datagram:
            if commands.isEmpty { cookies.beginExchange() }
            let tag = CookieTag(member: member, command: commands.count)
            guard cookies.append(to: &outgoing, tag) else { throw .noCookie }
            outgoing.append(0x20)
            outgoing.append(bytes, inside)
        case .stream, .pipeline:
            outgoing.append(bytes, inside)
            outgoing.append(0x0A)
        }
        commands.append(Command(wire: ByteRange(from: start, to: outgoing.count)))
        if phase == .complete { phase = .running }
    }

    /// As above, the whole of `command`.
    package mutating func add(_ command: Span<UInt8>, cookies: inout CookieSource) throws(ExchangeError) {
        try add(command, command.all, cookies: &cookies)
    }

    /// Commands that are on the wire and have no reply.
    var awaited: Int { unsent &- answered }

    /// Commands that were added.
    package var count: Int { commands.count }

    /// What of `outgoing` to put on the wire for a command; empty where there is no such command.
    package func wire(_ index: Int) -> ByteRange {
        guard index >= 0, index < commands.count else { return .empty }
        // NO TRAP: checked by the guard above.
        return commands[index].wire
    }

    /// What of `incoming` is the reply to a command, without its line end; nil while there is none.
    package func reply(_ index: Int) -> ByteRange? {
        guard index >= 0, index < commands.count else { return nil }
        // NO TRAP: checked by the guard above.
        return commands[index].reply
    }
}

// MARK: - Out

extension Exchange {
    /// The command to put on the wire now, which counts as sent; nil where there is nothing more to send at `now`.
    /// At the deadline the exchange expires.
    package mutating func due(now: UInt64) -> Int? {
        guard phase == .running else { return nil }
        guard now < deadline else {
            phase = .expired
            return nil
        }
        if unsent < commands.count, unsent &- answered < window {
            let index = unsent
            unsent &+= 1
            // NO TRAP: unsent < commands.count, just compared.
            commands[index].sentAt = now
            schedule(index, now, interval: firstRetransmission)
            return index
        }
        guard framing == .datagram else { return nil }
        // NO TRAP (7): unsent grows only where it is below commands.count, and begin() sets both to 0.
        for index in 0..<unsent where commands[index].reply == nil && commands[index].resendAt <= now {
            if commands[index].isHeldBack {
                commands[index].isHeldBack = false
                commands[index].sentAt = now
                schedule(index, now, interval: commands[index].interval)
                return index
            }
            commands[index].wasRetransmitted = true
            retransmitted &+= 1
            schedule(index, now, interval: saturating(commands[index].interval, commands[index].interval))
            return index
        }
        return nil
    }

    /// Takes back that a command was sent: the system had no room for it. It is due again a little later, and that is
    /// no retransmission.
    mutating func holdBack(_ index: Int, now: UInt64) {
        // NO TRAP (3): 0 <= index < unsent, compared first.
        guard index >= 0, index < unsent, commands[index].reply == nil else { return }
        sent &-= 1
        commands[index].isHeldBack = true
        commands[index].resendAt = saturating(now, Self.minimumRetransmission)
    }

    /// Whether a command was handed out and has no reply.
    func isUnanswered(_ index: Int) -> Bool {
        // NO TRAP: 0 <= index < unsent, compared first.
        index >= 0 && index < unsent && commands[index].reply == nil
    }

    /// Notes that a command is sent again over another connection.
    mutating func sentAgain(_ index: Int) {
        guard isUnanswered(index) else { return }
        // NO TRAP: checked by the guard above.
        commands[index].wasRetransmitted = true
        retransmitted &+= 1
        sent &+= 1
    }

    private mutating func schedule(_ index: Int, _ now: UInt64, interval: UInt64) {
        sent &+= 1
        // NO TRAP (2): due() passes an index below unsent.
        commands[index].interval = interval
        commands[index].resendAt = saturating(now, interval)
    }

    /// When to call `due(now:)` next if nothing arrives before: never later than the deadline.
    package var nextDeadline: UInt64 {
        guard framing == .datagram else { return deadline }
        var next = deadline
        // NO TRAP (2): unsent grows only where it is below commands.count, and begin() sets both to 0.
        for index in 0..<unsent where commands[index].reply == nil {
            next = min(next, commands[index].resendAt)
        }
        return next
    }

    private func saturating(_ time: UInt64, _ duration: UInt64) -> UInt64 {
        let (sum, overflow) = time.addingReportingOverflow(duration)
        return overflow ? .max : sum
    }
}

// MARK: - In

extension Exchange {
    /// Takes a datagram: `COOKIE SP reply`, trailing CR and LF ignored.
    package mutating func receive(datagram: Span<UInt8>, now: UInt64) -> Arrival {
        receive(datagram, datagram: datagram.all, now: now)
    }

    /// As above, the datagram that stands at `range`, which lies within `bytes`.
    mutating func receive(_ bytes: Span<UInt8>, datagram range: ByteRange, now: UInt64) -> Arrival {
        guard phase == .running, framing == .datagram,
            let index = commandOf(bytes, range),
            bytes.byte(at: range.start &+ CookieSource.length) == 0x20
        else {
            foreign &+= 1
            return .foreign
        }
        let reply = ByteRange(from: range.start &+ CookieSource.length &+ 1, to: range.end)
        return take(bytes, reply, for: index, now)
    }

    /// Takes what a stream brought for a command, trailing CR and LF ignored.
    package mutating func receive(
        _ bytes: Span<UInt8>, _ reply: ByteRange, for index: Int, now: UInt64
    ) -> Arrival {
        guard phase == .running, framing != .datagram, index >= 0, index < unsent else {
            foreign &+= 1
            return .foreign
        }
        return take(bytes, reply, for: index, now)
    }

    /// The sent command with the cookie that a datagram of more than a cookie's length begins with.
    private func commandOf(_ bytes: Span<UInt8>, _ datagram: ByteRange) -> Int? {
        guard datagram.count > CookieSource.length, let tag = CookieSource.tag(bytes, datagram),
            tag.member == member, tag.command < unsent
        else { return nil }
        let cookie = ByteRange(start: datagram.start, count: CookieSource.length)
        // NO TRAP: tag.command is 0...255 by its mask and below unsent, just compared.
        let mine = ByteRange(start: commands[tag.command].wire.start, count: CookieSource.length)
        return bytes.equals(cookie, outgoing.memory.span, mine) ? tag.command : nil
    }

    private mutating func take(_ bytes: Span<UInt8>, _ range: ByteRange, for index: Int, _ now: UInt64) -> Arrival {
        // NO TRAP (4): both receive() pass an index below unsent.
        guard commands[index].reply == nil else { return .duplicate(index) }
        let whole = bytes.clamped(range)
        var end = whole.end
        // NO TRAP: whole is clamped, and end > whole.start is compared first.
        while end > whole.start, bytes[end &- 1] == 0x0A || bytes[end &- 1] == 0x0D { end &-= 1 }
        let reply = ByteRange(from: whole.start, to: end)
        guard !reply.isEmpty, reply.count <= Self.maximumReplyLength else {
            phase = .malformed
            return .malformed(index)
        }
        commands[index].reply = ByteRange(start: incoming.count, count: reply.count)
        incoming.append(bytes, reply)
        answered &+= 1
        answeredAt = now
        if answered == commands.count { phase = .complete }
        if !commands[index].wasRetransmitted {
            let sample = now > commands[index].sentAt ? now &- commands[index].sentAt : 0
            roundTrip = max(roundTrip ?? 0, sample)
        }
        return .matched(index)
    }
}
