// SPDX-License-Identifier: GPL-2.0-or-later
// The exchange over unix streams: one command per connection, several connections side by side.
//
// NO TRAP (4 in this file): slot is one of connections.indices.

internal import Bytes

/// The connections of one exchange.
struct OneShotStreams<Calls: SystemCalls>: ~Copyable {
    static var count: Int { 8 }

    private var connections = InlineArray<8, StreamConnection<Calls>> { _ in StreamConnection() }
    private var path: [UInt8] = []
    /// Where the replies are gathered, one space per connection; made at first use.
    private var replies: [UInt8] = []

    /// Begins with the node whose socket is at `path`.
    mutating func begin(_ bytes: Span<UInt8>, path: ByteRange) {
        close()
        self.path.removeAll(keepingCapacity: true)
        self.path.append(bytes, path)
        // NO TRAP: constants: 8 times 1026.
        if replies.isEmpty { replies = [UInt8](repeating: 0, count: Self.count * StreamReply.space) }
    }

    mutating func close() {
        for slot in connections.indices where !connections[slot].isFree { connections[slot] = StreamConnection() }
    }

    /// Connects and writes what is due. An outcome ends the exchange.
    mutating func pump(_ exchange: inout Exchange, now: UInt64) -> ExchangeOutcome? {
        for slot in connections.indices where connections[slot].isFree {
            guard let command = exchange.due(now: now) else { break }
            connections[slot].start(command, now: now)
        }
        // Also where every connection is taken, the deadline is to be seen.
        if now >= exchange.deadline { _ = exchange.due(now: now) }
        guard exchange.phase == .running else { return nil }
        let path = path
        for slot in connections.indices {
            // NO TRAP: slot runs over the connections' own indices.
            if let outcome = connections[slot].connectIfDue(&exchange, path.span, path.span.all, now) { return outcome }
        }
        return nil
    }

    /// When a connection is to be tried again.
    var wake: UInt64 {
        var wake = UInt64.max
        for slot in connections.indices {
            if let time = connections[slot].wake { wake = min(wake, time) }
        }
        return wake
    }

    /// What to wait for on a connection; nil where there is nothing.
    func entry(_ slot: Int, _ exchange: borrowing Exchange) -> PollEntry? {
        // NO TRAP (2): slot is 0..<8, compared first.
        guard slot >= 0, slot < Self.count, !connections[slot].isFree else { return nil }
        let entry = connections[slot].entry(exchange)
        return entry.descriptor >= 0 ? entry : nil
    }

    /// Goes on with a connection after an event. An outcome ends the exchange.
    mutating func advance(_ slot: Int, _ exchange: inout Exchange, now: UInt64) -> ExchangeOutcome? {
        // NO TRAP (2): slot is 0..<8, compared first.
        guard slot >= 0, slot < Self.count, !connections[slot].isFree else { return nil }
        let space = ByteRange(start: slot &* StreamReply.space, count: StreamReply.space)
        return connections[slot].advance(&exchange, &replies, space, now)
    }
}

/// A place for one of `UnawaitedStreams`.
struct UnawaitedStream<Calls: SystemCalls>: ~Copyable {
    var socket: StreamSocket<Calls>?
    /// When it is closed, answered or not.
    var closeAt = UInt64.max
}

/// Unix connections with one command each whose reply nobody waits for. They stay open for a while: RTPProxy does not
/// run a command whose sender has closed before it came to read (confirmed with 3.x), and closes its own end once it has.
struct UnawaitedStreams<Calls: SystemCalls>: ~Copyable {
    static var count: Int { 16 }
    /// How long one stays open at most, in nanoseconds.
    static var patience: UInt64 { 1_000_000_000 }

    /// How many may be open.
    private var open = 0
    private var slots = FixedArray(count: UnawaitedStreams.count) { _ in UnawaitedStream<Calls>() }
    private var next = 0

    /// Sends one command with its LF; the oldest of the connections gives way.
    mutating func send(_ path: Span<UInt8>, _ range: ByteRange, _ wire: inout [UInt8], now: UInt64) -> Bool {
        do throws(SystemError) {
            let socket = try StreamSocket<Calls>(path, path: range)
            let isSent = socket.send(wire.span, wire.span.all) == .done(wire.count)
            slots[at: next].socket = consume socket
            slots[at: next].closeAt = now &+ Self.patience
            open = min(open &+ 1, Self.count)
            // NO TRAP: 16 is not 0.
            next = (next &+ 1) % Self.count
            return isSent
        } catch {
            return false
        }
    }

    /// Closes those whose time is over.
    mutating func closeOld(now: UInt64) {
        guard open > 0 else { return }
        var left = 0
        for slot in 0..<slots.count where slots[at: slot].closeAt < .max {
            if slots[at: slot].closeAt <= now {
                slots[at: slot] = UnawaitedStream()
            } else {
                left &+= 1
            }
        }
        open = left
    }

    mutating func close() {
        open = 0
        for slot in 0..<slots.count { slots[at: slot] = UnawaitedStream() }
    }
}
