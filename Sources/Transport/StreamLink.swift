// SPDX-License-Identifier: GPL-2.0-or-later
// The one stream connection that a process keeps to a node: commands go in one behind the other, replies come in order.

internal import Bytes

/// Whose reply comes next on a connection.
struct Ticket: Equatable {
    var member: Int
    /// Of the member's exchanges the one that it was; another one no longer waits for it.
    var generation: UInt32
    var command: Int

    /// Of a command that nobody waits for.
    static let nobody = Ticket(member: -1, generation: 0, command: 0)
}

/// Where a persistent connection leads.
enum LinkDestination {
    case nowhere, network(SocketAddress)
    /// The path is kept by the link.
    case unix
}

/// A node's persistent connection (control-protocol: cunix, tcp). What is written stands here, not in the exchanges, so
/// that one that is abandoned in the middle of a command leaves whole lines behind.
struct StreamLink<Calls: SystemCalls>: ~Copyable {
    /// Replies to come that no exchange waits for: with more than this the node hangs, and the connection is given up.
    static var mostForsaken: Int { 64 }
    private static var inputSize: Int { 4096 }
    private static var firstPause: UInt64 { 1_000_000 }
    private static var longestPause: UInt64 { 32_000_000 }
    /// Answered tickets and written output are removed from the front once there is this much of them, and at least as
    /// much as of the rest: so a connection that is never idle keeps no more, and moving the rest costs little for
    /// each.
    private static var mostTicketsKept: Int { 64 }
    private static var mostOutputKept: Int { 16_384 }

    private var socket: StreamSocket<Calls>?
    private var destination = LinkDestination.nowhere
    private var path: [UInt8] = []
    private(set) var output: [UInt8] = []
    private var written = 0
    private var input: [UInt8] = []
    private var filled = 0
    private var parsed = 0
    /// Commands on their way, in order; those before `head` have been answered.
    private(set) var tickets: [Ticket] = []
    private(set) var head = 0
    /// While there is no socket: when to connect, and how long to pause if that fails.
    private var connectAt: UInt64 = 0
    private var pause = StreamLink.firstPause

    /// Replies that are still to come.
    var waiting: Int { tickets.count &- head }
    var descriptor: Int32 {
        switch socket {
        case .some(let socket): socket.descriptor
        case nil: -1
        }
    }
    private var hasOutput: Bool { written < output.count }

    // MARK: - Where to

    /// Sets where it leads; false where it leads there already. Otherwise what is connected is to be closed.
    mutating func aim(at address: SocketAddress) -> Bool {
        if case .network(address) = destination { return false }
        destination = .network(address)
        return true
    }

    mutating func aim(at bytes: Span<UInt8>, path range: ByteRange) -> Bool {
        if case .unix = destination, path.span.equals(path.span.all, bytes, range) { return false }
        destination = .unix
        path.removeAll(keepingCapacity: true)
        path.append(bytes, range)
        return true
    }

    /// Closes the connection and forgets what was to be written; `tickets` stay, for sending their commands again.
    mutating func disconnect() {
        socket = nil
        output.removeAll(keepingCapacity: true)
        written = 0
        filled = 0
        parsed = 0
        connectAt = 0
    }

    /// As new, its destination apart.
    mutating func reset() {
        disconnect()
        tickets.removeAll(keepingCapacity: true)
        head = 0
        pause = Self.firstPause
    }

    // MARK: - Out

    /// Closes a connection on which nothing is awaited and something has come all the same: its end, or a reply too
    /// many, which would be taken for that of the next command.
    private mutating func leaveIfStale() {
        guard waiting == 0, socket != nil else { return }
        if filled == 0, case .later = receive().attempt { return }
        disconnect()
    }

    /// Adds what is due of `exchange`; `flush` writes it.
    mutating func enqueueDue(_ exchange: inout Exchange, generation: UInt32, now: UInt64) {
        while let command = exchange.due(now: now) {
            leaveIfStale()
            output.append(exchange.outgoing.memory.span, exchange.wire(command))
            tickets.append(Ticket(member: exchange.member, generation: generation, command: command))
        }
    }

    /// Adds one command with its LF, for whose reply nobody waits.
    mutating func enqueueOnce(_ bytes: Span<UInt8>, _ command: ByteRange) {
        leaveIfStale()
        output.append(bytes, command)
        output.append(0x0A)
        tickets.append(.nobody)
    }

    /// Takes the ticket at `index` into the new queue of which there are `kept` so far, and adds its command again.
    mutating func requeue(_ index: Int, kept: Int, of exchange: inout Exchange) {
        guard tickets.indices.contains(index), tickets.indices.contains(kept) else { return }
        // NO TRAP (2): both are among tickets.indices, checked by the guard above.
        let ticket = tickets[index]
        tickets[kept] = ticket
        output.append(exchange.outgoing.memory.span, exchange.wire(ticket.command))
        exchange.sentAgain(ticket.command)
    }

    /// Ends the requeueing: `kept` tickets are left.
    mutating func requeued(kept: Int) {
        head = 0
        // NO TRAP: 0...tickets.count.
        tickets.removeLast(max(0, tickets.count &- max(0, kept)))
    }

    /// Connects if it is time and there is something to write, and writes what goes at once.
    mutating func flush(now: UInt64) throws(SystemError) {
        guard hasOutput else { return }
        if socket == nil {
            guard connectAt <= now else { return }
            try connect(now: now)
        }
        switch socket?.send(output.span, ByteRange(from: written, to: output.count)) ?? .later {
        case .later: return
        case .failed(let error): throw error
        case .done(let count): written &+= count
        }
        guard !hasOutput else {
            if written >= Self.mostOutputKept, written >= output.count / 2 {
                // NO TRAP: hasOutput: written is below the count.
                output.removeFirst(written)
                written = 0
            }
            return
        }
        output.removeAll(keepingCapacity: true)
        written = 0
    }

    private mutating func connect(now: UInt64) throws(SystemError) {
        do throws(SystemError) {
            switch destination {
            case .nowhere: throw .invalid
            case .network(let address): socket = try StreamSocket(to: address)
            case .unix: socket = try StreamSocket(path.span, path: path.span.all)
            }
        } catch {
            guard error == .again else { throw error }
            // The listener's queue is full, and no event tells when it has room again.
            connectLater(now: now)
        }
    }

    /// Pauses before the next attempt to connect.
    mutating func connectLater(now: UInt64) {
        let (time, overflow) = now.addingReportingOverflow(pause)
        connectAt = overflow ? .max : time
        pause = min(pause &* 2, Self.longestPause)
    }

    /// When to connect; `.max` where nothing waits for that.
    var wake: UInt64 { socket == nil && hasOutput ? connectAt : .max }

    var entry: PollEntry {
        PollEntry(
            descriptor: descriptor, events: hasOutput ? PollEntry.readable | PollEntry.writable : PollEntry.readable)
    }

    // MARK: - In

    /// Reads what has come. `isDrained` says whether that was all.
    mutating func receive() -> (attempt: Attempt, isDrained: Bool) {
        // NO TRAP: a positive constant.
        if input.isEmpty { input = [UInt8](repeating: 0, count: Self.inputSize) }
        let space = ByteRange(from: filled, to: input.count)
        let attempt = socket?.receive(into: &input, space) ?? .later
        guard case .done(let count) = attempt else { return (attempt, true) }
        filled = min(filled &+ count, input.count)
        pause = Self.firstPause
        return (attempt, count < space.count)
    }

    /// The next whole reply in `input`, with its LF or, where it fills all there is, without; nil where none is whole.
    mutating func nextReply() -> ByteRange? {
        let rest = ByteRange(from: parsed, to: filled)
        if let lineFeed = input.span.firstIndex(of: 0x0A, in: rest) {
            parsed = lineFeed &+ 1
            return ByteRange(from: rest.start, to: parsed)
        }
        if parsed == 0, filled == input.count, filled > 0 {
            parsed = filled
            return rest
        }
        // What is left moves to the front: a part of one reply at most.
        if parsed > 0 {
            // NO TRAP: parsed <= filled <= input.count, so that rest lies within the input and is no longer than it.
            for offset in 0..<rest.count { input[offset] = input[rest.start &+ offset] }
            filled = rest.count
            parsed = 0
        }
        return nil
    }

    /// Hands the reply that stands at `range` to the exchange that waits for it.
    mutating func deliver(_ range: ByteRange, to exchange: inout Exchange, _ command: Int, now: UInt64) {
        _ = exchange.receive(input.span, range, for: command, now: now)
    }

    /// Whose reply comes next; nil where none is waited for.
    mutating func takeTicket() -> Ticket? {
        guard head < tickets.count else { return nil }
        // NO TRAP: head < tickets.count, checked by the guard above.
        let ticket = tickets[head]
        head &+= 1
        if head == tickets.count {
            tickets.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= Self.mostTicketsKept, head >= tickets.count / 2 {
            // NO TRAP: head is below the count, as the branch before has seen.
            tickets.removeFirst(head)
            head = 0
        }
        return ticket
    }
}
