// SPDX-License-Identifier: GPL-2.0-or-later
// The exchange over unix streams: one command per connection, several connections side by side.

internal import Bytes

enum StreamReply {
    /// Bytes kept for one reply: the longest, and its line end.
    static let space = Exchange.maximumReplyLength + 2
}

/// One command's connection.
private struct StreamConnection<Calls: SystemCalls>: ~Copyable {
    var socket: StreamSocket<Calls>?
    /// Index of the command, -1 where the connection is free.
    var command = -1
    var written = 0
    var received = 0
    /// While there is no socket: when to connect, and how long to pause if that fails.
    var connectAt: UInt64 = 0
    var pause: UInt64 = 1_000_000

    static var longestPause: UInt64 { 32_000_000 }

    mutating func start(_ command: Int, now: UInt64) {
        self = StreamConnection()
        self.command = command
        connectAt = now
    }

    /// No event tells when a listener's queue has room again, hence the clock.
    mutating func connectLater(now: UInt64) {
        let (time, overflow) = now.addingReportingOverflow(pause)
        connectAt = overflow ? .max : time
        pause = min(pause &* 2, Self.longestPause)
    }
}

extension ConnectionTable {
    /// Where the replies of one connection are gathered.
    private static func space(_ slot: Int) -> ByteRange {
        ByteRange(start: slot &* StreamReply.space, count: StreamReply.space)
    }

    mutating func drive(_ exchange: inout Exchange, _ bytes: Span<UInt8>, path: ByteRange) -> ExchangeOutcome {
        guard exchange.framing == .stream else { return .failed(.invalid) }
        var connections = InlineArray<8, StreamConnection<Calls>> { _ in StreamConnection() }
        var now = Calls.now()
        while true {
            for slot in connections.indices where connections[slot].command < 0 {
                guard let command = exchange.due(now: now) else { break }
                connections[slot].start(command, now: now)
            }
            // Also where every slot is taken, the deadline is to be seen.
            if now >= exchange.deadline { _ = exchange.due(now: now) }
            if let outcome = ExchangeOutcome(exchange.phase) { return outcome }

            var wake = exchange.nextDeadline
            for slot in connections.indices {
                entries[slot] = PollEntry()
                guard connections[slot].command >= 0 else { continue }
                if connections[slot].socket == nil, connections[slot].connectAt <= now {
                    let outcome = connect(&connections[slot], exchange, bytes, path, now)
                    if let outcome { return outcome }
                }
                guard connections[slot].socket != nil else {
                    wake = min(wake, connections[slot].connectAt)
                    continue
                }
                entries[slot] = entry(&connections[slot], exchange)
            }
            let ready = wait(until: wake, now)
            now = Calls.now()
            if case .failed(let error) = ready { return .failed(error) }
            for slot in connections.indices where entries[slot].arrived != 0 {
                if let outcome = advance(&connections[slot], slot, &exchange, now) { return outcome }
            }
        }
    }

    private func connect(
        _ connection: inout StreamConnection<Calls>, _ exchange: borrowing Exchange,
        _ bytes: Span<UInt8>, _ path: ByteRange, _ now: UInt64
    ) -> ExchangeOutcome? {
        do throws(SystemError) {
            connection.socket = try StreamSocket(bytes, path: path)
        } catch {
            switch error {
            case .again: break
            case .refused where exchange.answered > 0: break
            case .refused: return .refused
            default: return .failed(error)
            }
            connection.connectLater(now: now)
            return nil
        }
        return write(&connection, exchange)
    }

    private func entry(
        _ connection: inout StreamConnection<Calls>, _ exchange: borrowing Exchange
    ) -> PollEntry {
        let isWritten = connection.written >= exchange.wire(connection.command).count
        return PollEntry(
            descriptor: connection.socket?.descriptor ?? -1,
            events: isWritten ? PollEntry.readable : PollEntry.writable)
    }

    private mutating func advance(
        _ connection: inout StreamConnection<Calls>, _ slot: Int, _ exchange: inout Exchange, _ now: UInt64
    ) -> ExchangeOutcome? {
        if connection.written < exchange.wire(connection.command).count { return write(&connection, exchange) }
        return read(&connection, slot, &exchange, now)
    }

    private func write(
        _ connection: inout StreamConnection<Calls>, _ exchange: borrowing Exchange
    ) -> ExchangeOutcome? {
        let wire = exchange.wire(connection.command)
        let rest = ByteRange(from: wire.start &+ connection.written, to: wire.end)
        switch connection.socket?.send(exchange.outgoing.span, rest) ?? .later {
        case .done(let count): connection.written &+= count
        case .later: break
        case .failed(let error): return .failed(error)
        }
        return nil
    }

    private mutating func read(
        _ connection: inout StreamConnection<Calls>, _ slot: Int, _ exchange: inout Exchange, _ now: UInt64
    ) -> ExchangeOutcome? {
        let space = Self.space(slot)
        let rest = ByteRange(from: space.start &+ connection.received, to: space.end)
        switch connection.socket?.receive(into: &buffer, rest) ?? .later {
        case .later: return nil
        case .failed(let error): return .failed(error)
        case .done(let count):
            guard count > 0 || connection.received > 0 else { return .failed(.reset) }
            connection.received &+= count
            let gathered = ByteRange(start: space.start, count: connection.received)
            let lineFeed = buffer.span.firstIndex(of: 0x0A, in: gathered)
            guard lineFeed != nil || count == 0 || gathered.end >= space.end else { return nil }
            let reply = ByteRange(from: gathered.start, to: lineFeed ?? gathered.end)
            _ = exchange.receive(buffer.span, reply, for: connection.command, now: now)
            connection.command = -1
            connection.socket = nil
            return nil
        }
    }
}
