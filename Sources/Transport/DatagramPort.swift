// SPDX-License-Identifier: GPL-2.0-or-later
// The one datagram socket that a process has for a node, and many datagrams with one system call.

internal import Bytes

/// Datagrams that are due at once: which commands, and where they stand.
struct DatagramBatch: ~Copyable {
    private(set) var commands = Scratch<Int>()
    private(set) var ranges = Scratch<ByteRange>()

    init() {
        commands.reserveCapacity(Exchange.maximumWindow)
        ranges.reserveCapacity(Exchange.maximumWindow)
    }

    var count: Int { commands.count }

    mutating func gather(_ exchange: inout Exchange, now: UInt64) {
        commands.clear()
        ranges.clear()
        while let command = exchange.due(now: now) {
            commands.append(command)
            ranges.append(exchange.wire(command))
        }
    }
}

/// A node's socket, open from its first use on.
struct DatagramPort<Calls: SystemCalls>: ~Copyable {
    private var socket: DatagramSocket<Calls>?
    private var address: SocketAddress?
    /// The last exchange over it did not complete: the socket may be to blame, say because this host has lost its
    /// source address.
    var isSuspect = false
    /// Something has gone out over it: from a source address that this host had then.
    private var hasWorked = false

    /// The descriptor, -1 where none is open.
    var descriptor: Int32 {
        switch socket {
        case .some(let socket): socket.descriptor
        case nil: -1
        }
    }

    /// Opens a socket to `address`, unless one to it is open that is in use or not suspect.
    mutating func open(_ address: SocketAddress, isInUse: Bool) throws(SystemError) {
        if descriptor >= 0, self.address == address, isInUse || !isSuspect { return }
        close()
        socket = try DatagramSocket(to: address)
        self.address = address
        isSuspect = false
        hasWorked = false
    }

    /// Replaces a socket that has worked and no longer does: this host may have lost its source address. False where
    /// that cannot be the reason.
    private mutating func renew() -> Bool {
        guard hasWorked, let address else { return false }
        do throws(SystemError) {
            socket = try DatagramSocket(to: address)
            hasWorked = false
            return true
        } catch {
            return false
        }
    }

    mutating func close() { socket = nil }

    /// Sends what is due of `exchange`, all with one call. An outcome ends the exchange. `hasSent` says, and learns,
    /// whether something of this exchange has gone out.
    mutating func sendDue(
        _ exchange: inout Exchange, _ batch: inout DatagramBatch, now: UInt64, hasSent: inout Bool
    ) -> ExchangeOutcome? {
        batch.gather(&exchange, now: now)
        var next = 0
        var hasRetried = false
        while next < batch.count {
            // NO TRAP: next is below batch.count, compared by the loop; counts are not negative.
            let attempt = socket?.send(
                exchange.outgoing.memory.span,
                batch.ranges.memory.span.extracting(first: batch.count).extracting(droppingFirst: next))
            switch attempt ?? .later {
            case .done(let count) where count > 0:
                next &+= count
                hasSent = true
                hasWorked = true
            case .done, .later, .failed(.noBuffers):
                while next < batch.count {
                    // NO TRAP: next < batch.count, checked by the loop.
                    exchange.holdBack(batch.commands[next], now: now)
                    next &+= 1
                }
            case .failed(.refused) where !hasSent && !hasRetried:
                // The refusal of an earlier exchange, which the kernel reports with the next call.
                hasRetried = true
            case .failed(.tooLarge) where !hasRetried:
                // A report about an earlier packet, too: the path takes none of that size, and from now on the kernel
                // fragments it.
                hasRetried = true
            case .failed(.refused) where exchange.answered > 0:
                // The node may be restarting: it gets the rest of the budget, and this datagram counts as lost.
                next &+= 1
            case .failed(let error):
                guard error != .refused, renew() else { return ExchangeOutcome(error) }
            }
        }
        return nil
    }

    /// Sends one datagram whose answer is not waited for.
    mutating func sendOnce(_ datagram: inout [UInt8]) -> Bool {
        let whole = InlineArray<1, ByteRange>(repeating: datagram.span.all)
        for _ in 0..<2 {
            switch socket?.send(datagram.span, whole.span) ?? .later {
            case .done(let count): return count > 0
            case .failed(.refused), .failed(.tooLarge): continue
            case .later: return false
            case .failed: guard renew() else { return false }
            }
        }
        return false
    }

    mutating func receive(into arrivals: inout ArrivalBuffer, atMost count: Int) -> Attempt {
        socket?.receive(into: &arrivals, atMost: count) ?? .later
    }
}
