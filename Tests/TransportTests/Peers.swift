// SPDX-License-Identifier: GPL-2.0-or-later
// A scripted RTPProxy over any transport, and a group's way to it, so that one test body serves all of them.

import Bytes
import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Transport

/// How a peer is reached.
typealias Way = ScriptedRelay.Transport

extension ScriptedRelay.Transport {
    static let persistent: [Self] = [.cunix, .tcp, .tcp6]

    var framing: Framing {
        switch self {
        case .udp, .udp6: .datagram
        case .unix: .stream
        case .cunix, .tcp, .tcp6: .pipeline
        }
    }
    var isIPv6: Bool { self == .udp6 || self == .tcp6 }
}

/// Where a peer is.
struct Place {
    let framing: Framing
    var address: SocketAddress?
    var path: [UInt8] = []
}

extension ScriptedRelay {
    var place: Place {
        switch transport {
        case .unix, .cunix: Place(framing: transport.framing, path: Array(path.utf8))
        case .udp, .udp6, .tcp, .tcp6:
            Place(
                framing: transport.framing, address: .loopback(port: endpoint.port, isIPv6: transport.isIPv6))
        }
    }

    /// The commands without their cookies, each as often as it came; without line ends where there have to be some.
    var seen: [String] { log.map { transport.framing == .datagram ? $0.line : $0.text } }
}

extension SocketAddress {
    /// A port of 127.0.0.1 or ::1.
    static func loopback(port: UInt16, isIPv6: Bool) -> SocketAddress? {
        let place = UInt64(port) << 16
        return SocketAddress(words: isIPv6 ? (6 | place, 0, 1) : (4 | place, 0x7F00_0001, 0))
    }
}

/// Runs a scripted RTPProxy on loopback. `answer` gets the number of the command, retransmissions counted, and the
/// command.
func withRelay(
    _ way: Way = .udp, _ answer: @escaping @Sendable (Int, RelayCommand) -> RelayAnswer,
    _ body: (Place, ScriptedRelay) throws -> Void
) throws {
    let relay = try ScriptedRelay(way)
    defer { relay.stop() }
    let count = Atomic<Int>(-1)
    relay.on { command in answer(count.add(1, ordering: .relaxed).newValue, command) }
    try body(relay.place, relay)
}

/// The same, where `answer` looks at the text alone.
func withPeer(
    _ way: Way, _ answer: @escaping @Sendable (Int, String) -> RelayAnswer,
    _ body: (Place, ScriptedRelay) throws -> Void
) throws {
    try withRelay(way, { answer($0, $1.text) }, body)
}

/// The same over UDP, where `answer` says each datagram that is sent, cookie and line end included.
func withDatagrams(
    isIPv6: Bool = false, _ answer: @escaping @Sendable (Int, RelayCommand) -> [String],
    _ body: (SocketAddress, ScriptedRelay) throws -> Void
) throws {
    try withRelay(isIPv6 ? .udp6 : .udp) { number, command in
        .several(answer(number, command).map { .raw(Array($0.utf8)) })
    } _: { place, relay in
        try body(#require(place.address), relay)
    }
}

/// A group, and exchanges of `V0`, `V1`, ... with it.
struct Caller: ~Copyable {
    static let second: UInt64 = 1_000_000_000
    var group: ExchangeGroup
    var cookies = CookieSource()

    init(members: Int = 1, nodes: Int = 1) { group = ExchangeGroup(members: members, nodes: nodes) }

    mutating func start(
        _ place: Place, _ commands: Int = 1, as member: Int = 0, node: Int = 0, name: String = "V",
        budget: UInt64 = 10 * second
    ) {
        _ = group.withExchange(member) { exchange in
            exchange.begin(
                now: MonotonicClock.now(), budget: budget, firstRetransmission: Self.second / 50,
                framing: place.framing)
            for index in 0..<commands { try? exchange.add(Array("\(name)\(index)".utf8).span, cookies: &cookies) }
        }
        if let address = place.address {
            group.start(member, node: node, address: address)
        } else {
            group.start(member, node: node, unixSocket: place.path.span, path: place.path.span.all)
        }
    }

    mutating func end(_ member: Int = 0) -> ExchangeOutcome? {
        while group.isRunning(member) { group.step(until: .max) }
        return group.takeOutcome(member)
    }

    mutating func sendOnce(_ place: Place, _ command: String) -> Bool {
        let bytes = Array(command.utf8)
        if let address = place.address {
            return group.sendOnce(0, address: address, framing: place.framing, bytes.span, cookies: &cookies)
        }
        return group.sendOnce(
            0, unixSocket: place.path.span, path: place.path.span.all, framing: place.framing, bytes.span)
    }

    mutating func replies(_ member: Int = 0) -> [String?] {
        group.withExchange(member) { exchange in
            var replies: [String?] = []
            for index in 0..<exchange.count {
                let incoming = exchange.incoming
                replies.append(
                    exchange.reply(index).map { String(decoding: incoming[$0.start..<$0.end], as: UTF8.self) })
            }
            return replies
        } ?? []
    }
}
