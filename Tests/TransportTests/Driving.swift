// SPDX-License-Identifier: GPL-2.0-or-later
// One exchange from its beginning to its end, as a test wants it.

import Bytes

@testable import Transport

extension ExchangeGroup {
    /// Drives `exchange`, which the caller keeps, as member 0 until it ends. Blocks, never beyond its deadline.
    mutating func drive(_ exchange: inout Exchange, node: Int, address: SocketAddress) -> ExchangeOutcome {
        core.value.drive(&exchange, node: node, address: address)
    }

    /// The same with a node whose unix socket is at `path`.
    mutating func drive(
        _ exchange: inout Exchange, node: Int, unixSocket bytes: Span<UInt8>, path: ByteRange
    ) -> ExchangeOutcome {
        core.value.drive(&exchange, node: node, bytes, path: path)
    }
}

extension ExchangeCore {
    mutating func drive(_ exchange: inout Exchange, node: Int, address: SocketAddress) -> ExchangeOutcome {
        guard exchange.member == 0, members.contains(0) else { return .failed(.invalid) }
        swap(&exchange, &members[at: 0].exchange)
        start(0, node: node, address: address)
        let outcome = finishFirst()
        swap(&exchange, &members[at: 0].exchange)
        return outcome
    }

    mutating func drive(
        _ exchange: inout Exchange, node: Int, _ bytes: Span<UInt8>, path: ByteRange
    ) -> ExchangeOutcome {
        guard exchange.member == 0, members.contains(0) else { return .failed(.invalid) }
        swap(&exchange, &members[at: 0].exchange)
        start(0, node: node, bytes, path: path)
        let outcome = finishFirst()
        swap(&exchange, &members[at: 0].exchange)
        return outcome
    }

    private mutating func finishFirst() -> ExchangeOutcome {
        while members[at: 0].isRunning { step(until: .max) }
        return takeOutcome(0) ?? .failed(.invalid)
    }
}
