// SPDX-License-Identifier: GPL-2.0-or-later
// The exchange over unix streams: one command per connection, several connections side by side.

internal import Bytes

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
            for slot in connections.indices where connections[slot].isFree {
                guard let command = exchange.due(now: now) else { break }
                connections[slot].start(command, now: now)
            }
            // Also where every slot is taken, the deadline is to be seen.
            if now >= exchange.deadline { _ = exchange.due(now: now) }
            if let outcome = ExchangeOutcome(exchange.phase) { return outcome }

            var wake = exchange.nextDeadline
            for slot in connections.indices {
                if let outcome = connections[slot].connectIfDue(exchange, bytes, path, now) { return outcome }
                entries[slot] = connections[slot].entry(exchange)
                if let time = connections[slot].wake { wake = min(wake, time) }
            }
            let ready = wait(until: wake, now)
            now = Calls.now()
            if case .failed(let error) = ready { return .failed(error) }
            for slot in connections.indices where entries[slot].arrived != 0 {
                let outcome = connections[slot].advance(&exchange, &buffer, Self.space(slot), now)
                if let outcome { return outcome }
            }
        }
    }
}
