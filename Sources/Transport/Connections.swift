// SPDX-License-Identifier: GPL-2.0-or-later
// What one process has open to its nodes, and the exchange driven over it with one blocking wait.

public import Bytes

/// How an exchange with a node ended.
public enum ExchangeOutcome: Equatable, Sendable {
    /// Every command has its reply.
    case complete
    /// The budget is over.
    case timedOut
    /// Nothing listens there, and nothing of this exchange was answered.
    case refused
    /// The system says no; `SystemError.isLocal` tells whose fault it is.
    case failed(SystemError)
    /// A reply that is none: empty, or longer than 1024 bytes.
    case malformed
}

/// The sockets of one process, one per datagram node, opened at first use. What was opened before a fork is closed
/// in the child and opened anew: a shared socket would mix the replies of two processes up.
public struct Connections: ~Copyable {
    private var table: ConnectionTable<Kernel>

    /// Slots for the datagram nodes 0 up to `nodeCount`.
    public init(nodeCount: Int) { table = ConnectionTable(nodeCount: nodeCount) }

    /// Drives `exchange`, begun with `Framing.datagram`, with `node` at `address`, until it ends. Blocks, in one wait
    /// at a time, never beyond the exchange's deadline. The socket is opened anew when the address has changed or
    /// when the last exchange over it did not complete.
    public mutating func drive(_ exchange: inout Exchange, node: Int, address: SocketAddress) -> ExchangeOutcome {
        table.drive(&exchange, node: node, address: address)
    }

    /// Drives `exchange`, begun with `Framing.stream`, with the node whose unix socket is at `path`, until it ends:
    /// one connection per command, at most the window's at once. Blocks as above.
    public mutating func drive(
        _ exchange: inout Exchange, unixSocket bytes: Span<UInt8>, path: ByteRange
    ) -> ExchangeOutcome {
        table.drive(&exchange, bytes, path: path)
    }

    /// Closes the socket to `node`, if one is open.
    public mutating func close(node: Int) { table.slots.close(node) }
}

/// As `Connections`, over any `SystemCalls`.
struct ConnectionTable<Calls: SystemCalls>: ~Copyable {
    var slots: DatagramSlots<Calls>
    /// Room for one datagram, or for the replies of a window's streams.
    var buffer: [UInt8]
    var entries = [PollEntry](repeating: PollEntry(), count: Exchange.maximumWindow)
    private var owner: Int64 = -1

    init(nodeCount: Int) {
        slots = DatagramSlots(count: nodeCount)
        buffer = [UInt8](repeating: 0, count: Exchange.maximumWindow * StreamReply.space)
    }

    mutating func drive(_ exchange: inout Exchange, node: Int, address: SocketAddress) -> ExchangeOutcome {
        guard exchange.framing == .datagram, node >= 0, node < slots.count else { return .failed(.invalid) }
        let process = Calls.processID()
        if process != owner {
            slots.closeAll()
            owner = process
        }
        do throws(SystemError) {
            try slots.open(node, address, &buffer)
        } catch {
            return .failed(error)
        }
        let outcome = run(&exchange, node)
        if outcome != .complete { slots.close(node) }
        return outcome
    }

    private mutating func run(_ exchange: inout Exchange, _ node: Int) -> ExchangeOutcome {
        var now = Calls.now()
        while true {
            while let index = exchange.due(now: now) {
                let attempt = slots.send(node, exchange.outgoing.span, exchange.wire(index))
                // A packet for which there was no room is a lost one: its time to be sent again comes.
                if case .failed(let error) = attempt, error != .noBuffers,
                    let outcome = fault(error, exchange.answered)
                {
                    return outcome
                }
            }
            if let outcome = ExchangeOutcome(exchange.phase) { return outcome }
            entries[0] = PollEntry(descriptor: slots.descriptor(node), events: PollEntry.readable)
            for index in 1..<entries.count { entries[index].descriptor = -1 }
            let ready = wait(until: exchange.nextDeadline, now)
            now = Calls.now()
            switch ready {
            case .failed(let error): return .failed(error)
            case .done(let count) where count > 0:
                if let outcome = drain(&exchange, node, now) { return outcome }
            case .done, .later: break
            }
        }
    }

    /// Takes what has arrived, but not more than comes of one exchange, lest a flood keep the deadline from being seen.
    private mutating func drain(_ exchange: inout Exchange, _ node: Int, _ now: UInt64) -> ExchangeOutcome? {
        for _ in 0..<Exchange.maximumCommands where exchange.phase == .running {
            switch slots.receive(node, &buffer) {
            case .later: return nil
            case .failed(let error):
                if let outcome = fault(error, exchange.answered) { return outcome }
            case .done(let length):
                _ = exchange.receive(datagram: buffer.span.extracting(first: length), now: now)
            }
        }
        return nil
    }

    /// What a socket's error means. A node that refuses after it has answered may be restarting: it gets the rest of
    /// the budget.
    private func fault(_ error: SystemError, _ answered: Int) -> ExchangeOutcome? {
        guard error == .refused else { return .failed(error) }
        return answered > 0 ? nil : .refused
    }

    /// Waits for `entries`; a signal only ends the wait early.
    mutating func wait(until deadline: UInt64, _ now: UInt64) -> Attempt {
        let attempt = Attempt(Calls.wait(&entries, nanoseconds: deadline > now ? deadline &- now : 0))
        return attempt == .failed(.interrupted) ? .later : attempt
    }
}

extension ExchangeOutcome {
    /// The outcome of an exchange that is over; nil while it runs.
    init?(_ phase: ExchangePhase) {
        switch phase {
        case .running: return nil
        case .complete: self = .complete
        case .expired: self = .timedOut
        case .malformed: self = .malformed
        }
    }
}
