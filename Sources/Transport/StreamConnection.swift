// SPDX-License-Identifier: GPL-2.0-or-later
// One command on its own unix connection: connect, write, read up to the line end, close.
//
// A connection that ends before the reply is there is made anew after a pause: RTPProxy closes what comes when it has as
// many connections as it takes, and it may be restarting. A command may thereby run twice, see `linkBroke`.

internal import Bytes

enum StreamReply {
    /// Bytes kept for one reply: the longest, and its line end.
    // NO TRAP: a constant: 1026.
    static let space = Exchange.maximumReplyLength + 2
}

/// The connection of one command of an exchange.
struct StreamConnection<Calls: SystemCalls>: ~Copyable {
    private var socket: StreamSocket<Calls>?
    /// Index of the command, -1 where the connection is free.
    private var command = -1
    private var written = 0
    private var received = 0
    /// While there is no socket: when to connect, and how long to pause if that fails.
    private var connectAt: UInt64 = 0
    private var pause: UInt64 = 1_000_000

    static var longestPause: UInt64 { 32_000_000 }

    var isFree: Bool { command < 0 }

    mutating func start(_ command: Int, now: UInt64) {
        self = StreamConnection()
        self.command = command
        connectAt = now
    }

    /// When to connect; nil where nothing waits for that.
    var wake: UInt64? { isFree || socket != nil ? nil : connectAt }

    /// What to wait for; an entry without descriptor where there is nothing.
    func entry(_ exchange: borrowing Exchange) -> PollEntry {
        let isWritten = written >= exchange.wire(command).count
        return PollEntry(descriptor: descriptor, events: isWritten ? PollEntry.readable : PollEntry.writable)
    }

    private var descriptor: Int32 {
        switch socket {
        case .some(let socket): socket.descriptor
        case nil: -1
        }
    }

    /// Connects if it is time, and writes what goes at once. An outcome ends the exchange.
    mutating func connectIfDue(
        _ exchange: inout Exchange, _ bytes: Span<UInt8>, _ path: ByteRange, _ now: UInt64
    ) -> ExchangeOutcome? {
        guard let wake, wake <= now else { return nil }
        do throws(SystemError) {
            socket = try StreamSocket(bytes, path: path)
        } catch {
            switch error {
            case .again: break
            case .refused where exchange.answered > 0: break
            case .refused: return .refused
            default: return .failed(error)
            }
            connectLater(now: now)
            return nil
        }
        return write(&exchange, now)
    }

    /// No event tells when a listener's queue has room again, hence the clock.
    private mutating func connectLater(now: UInt64) {
        let (time, overflow) = now.addingReportingOverflow(pause)
        connectAt = overflow ? .max : time
        pause = min(pause &* 2, Self.longestPause)
    }

    /// Goes on after an event: writes the rest, or reads into `space` of `buffer`.
    mutating func advance(
        _ exchange: inout Exchange, _ buffer: inout [UInt8], _ space: ByteRange, _ now: UInt64
    ) -> ExchangeOutcome? {
        if written < exchange.wire(command).count { return write(&exchange, now) }
        return read(&exchange, &buffer, space, now)
    }

    private mutating func write(_ exchange: inout Exchange, _ now: UInt64) -> ExchangeOutcome? {
        let wire = exchange.wire(command)
        let rest = ByteRange(from: wire.start &+ written, to: wire.end)
        switch socket?.send(exchange.outgoing.memory.span, rest) ?? .later {
        case .done(let count): written &+= count
        case .later: break
        case .failed(let error): return ended(error, &exchange, now)
        }
        return nil
    }

    /// The connection is gone and there is no reply.
    private mutating func ended(
        _ error: SystemError, _ exchange: inout Exchange, _ now: UInt64
    ) -> ExchangeOutcome? {
        guard error == .reset || error == .brokenPipe else { return .failed(error) }
        socket = nil
        written = 0
        received = 0
        exchange.sentAgain(command)
        connectLater(now: now)
        return nil
    }

    private mutating func read(
        _ exchange: inout Exchange, _ buffer: inout [UInt8], _ space: ByteRange, _ now: UInt64
    ) -> ExchangeOutcome? {
        let rest = ByteRange(from: space.start &+ received, to: space.end)
        switch socket?.receive(into: &buffer, rest) ?? .later {
        case .later: return nil
        case .failed(let error): return ended(error, &exchange, now)
        case .done(let count):
            guard count > 0 || received > 0 else { return ended(.reset, &exchange, now) }
            received &+= count
            let gathered = ByteRange(start: space.start, count: received)
            let lineFeed = buffer.span.firstIndex(of: 0x0A, in: gathered)
            guard lineFeed != nil || count == 0 || gathered.end >= space.end else { return nil }
            let reply = ByteRange(from: gathered.start, to: lineFeed ?? gathered.end)
            _ = exchange.receive(buffer.span, reply, for: command, now: now)
            command = -1
            socket = nil
            return nil
        }
    }
}
