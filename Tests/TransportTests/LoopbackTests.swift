// SPDX-License-Identifier: GPL-2.0-or-later
// Real sockets on loopback: what goes over the wire, and that nothing blocks beyond its budget.

import Bytes
import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Transport

/// Serialized: the sockets of one test must not take the descriptors or the port that another has just let go.
@Suite(.serialized) struct Loopback {
    static let second: UInt64 = 1_000_000_000

    /// `count` commands `V0`, `V1`, ... begun now.
    func begin(
        _ count: Int, budget: UInt64 = 5 * second, first: UInt64 = second / 50, framing: Framing = .datagram
    ) throws -> Exchange {
        var cookies = CookieSource()
        var exchange = Exchange()
        exchange.begin(now: MonotonicClock.now(), budget: budget, firstRetransmission: first, framing: framing)
        for index in 0..<count { try exchange.add(Array("V\(index)".utf8).span, cookies: &cookies) }
        return exchange
    }

    func replies(_ exchange: borrowing Exchange) -> [String?] {
        var replies: [String?] = []
        for index in 0..<exchange.count {
            replies.append(
                exchange.reply(index).map { String(decoding: exchange.incoming[$0.start..<$0.end], as: UTF8.self) })
        }
        return replies
    }

    @Test(arguments: [false, true])
    func eightCommandsTakeOneRoundTrip(_ isIPv6: Bool) throws {
        let held = Mutex<[RelayCommand]>([])
        try withDatagrams(isIPv6: isIPv6) { _, command in
            // Answers only when all eight are there, the last one first.
            held.withLock { held in
                held.append(command)
                guard held.count == 8 else { return [] }
                return held.reversed().map { "\($0.cookie) re\($0.text)\n" }
            }
        } _: { address, relay in
            var group = ExchangeGroup(members: 1, nodes: 1)
            var exchange = try begin(8, first: 5 * Self.second)
            let outcome = group.drive(&exchange, node: 0, address: address)
            #expect(outcome == .complete)
            #expect(replies(exchange) == (0..<8).map { "reV\($0)" })
            #expect(relay.log.count == 8)
            #expect(exchange.roundTrip != nil)
        }
    }

    @Test func aLostCommandIsSentAgainWithTheSameCookie() throws {
        try withDatagrams { number, command in
            number < 2 ? [] : ["\(command.cookie) 0\n"]
        } _: { address, relay in
            var group = ExchangeGroup(members: 1, nodes: 1)
            var exchange = try begin(1)
            let outcome = group.drive(&exchange, node: 0, address: address)
            #expect(outcome == .complete)
            #expect(relay.log.count >= 3)
            #expect(Set(relay.log.map { "\($0.cookie) \($0.line)" }).count == 1)
            #expect(exchange.roundTrip == nil)
        }
    }

    @Test func garbageForeignAndDoubleRepliesDoNotDisturb() throws {
        try withDatagrams { _, command in
            let cookie = command.cookie
            return [
                "", " ", "garbage", cookie, cookie + "0", String(repeating: "x", count: 5000), "\u{0}\u{FF}",
                String(cookie.reversed()) + " 1\n", cookie + " 0\n", cookie + " 2\n",
            ]
        } _: { address, _ in
            var group = ExchangeGroup(members: 1, nodes: 1)
            for _ in 0..<3 {
                var exchange = try begin(4)
                let outcome = group.drive(&exchange, node: 0, address: address)
                #expect(outcome == .complete)
                #expect(replies(exchange) == ["0", "0", "0", "0"])
            }
        }
    }

    @Test func moreCommandsThanTheWindowAreAllAnswered() throws {
        try withDatagrams { _, command in
            ["\(command.cookie) \(command.text)"]
        } _: { address, _ in
            var group = ExchangeGroup(members: 1, nodes: 1)
            var exchange = try begin(100)
            let outcome = group.drive(&exchange, node: 0, address: address)
            #expect(outcome == .complete)
            #expect(replies(exchange) == (0..<100).map { "V\($0)" })
        }
    }

    @Test func theLongestCommandArrivesWholeOverBothTransports() throws {
        let command = [UInt8](repeating: 0x56, count: Exchange.maximumCommandLength)
        var cookies = CookieSource()
        var group = ExchangeGroup(members: 1, nodes: 1)
        try withDatagrams { _, command in
            ["\(command.cookie) \(command.line.utf8.count)\n"]
        } _: { address, _ in
            var exchange = try begin(0)
            try exchange.add(command.span, cookies: &cookies)
            _ = group.drive(&exchange, node: 0, address: address)
            #expect(replies(exchange) == ["8191"])
        }
        try withRelay(.unix) { _, command in
            .reply("\(command.line.utf8.count)")
        } _: { place, _ in
            var exchange = try begin(0, framing: .stream)
            try exchange.add(command.span, cookies: &cookies)
            _ = group.drive(&exchange, node: 0, unixSocket: place.path.span, path: place.path.span.all)
            #expect(replies(exchange) == ["8192"], "with its LF")
        }
    }

    @Test(arguments: [1, 8])
    func whereNothingListensTheRefusalIsSeenAtOnce(_ commands: Int) throws {
        let (descriptor, address) = try bindLoopback()
        Glibc.close(descriptor)
        var group = ExchangeGroup(members: 1, nodes: 1)
        for _ in 0..<2 {
            var exchange = try begin(commands, budget: 60 * Self.second, first: 60 * Self.second)
            let outcome = group.drive(&exchange, node: 0, address: address)
            #expect(outcome == .refused)
            #expect(MonotonicClock.now() < exchange.deadline)
        }
    }

    @Test func aSilentNodeTakesTheBudgetAndNoLonger() throws {
        try withDatagrams { _, _ in
            []
        } _: { address, _ in
            var group = ExchangeGroup(members: 1, nodes: 1)
            var exchange = try begin(2, budget: Self.second / 4)
            let outcome = group.drive(&exchange, node: 0, address: address)
            let end = MonotonicClock.now()
            #expect(outcome == .timedOut)
            #expect(end >= exchange.deadline)
            #expect(end < exchange.deadline + 2 * Self.second, "generous: the machine may be busy")
            #expect(exchange.retransmitted > 0)
            #expect(replies(exchange) == [nil, nil])
        }
    }

    @Test func anotherSourceIsNotHeard() throws {
        let (stranger, _) = try bindLoopback()
        defer { Glibc.close(stranger) }
        let (silent, address) = try bindLoopback()
        defer { Glibc.close(silent) }
        let socket = try DatagramSocket<Kernel>(to: address)
        var mine = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let sent = withUnsafeMutablePointer(to: &mine) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                getsockname(socket.descriptor, $0, &length)
                return sendto(stranger, "hello", 5, 0, $0, length)
            }
        }
        #expect(sent == 5)
        var arrivals = ArrivalBuffer()
        usleep(20_000)
        #expect(socket.receive(into: &arrivals, atMost: ArrivalBuffer.capacity) == .later)
    }

    @Test func socketsAreNonBlockingAndClosedOnExec() throws {
        let (silent, address) = try bindLoopback()
        defer { Glibc.close(silent) }
        let socket = try DatagramSocket<Kernel>(to: address)
        #expect(fcntl(socket.descriptor, F_GETFD) & FD_CLOEXEC != 0)
        #expect(fcntl(socket.descriptor, F_GETFL) & O_NONBLOCK != 0)
    }

    @Test func aUnixSocketGetsOneCommandPerConnection() throws {
        try withRelay(.unix) { _, command in
            .reply("re" + command.text)
        } _: { place, relay in
            let path = place.path
            var group = ExchangeGroup(members: 1, nodes: 1)
            for count in [1, 8, 30] {
                var exchange = try begin(count, framing: .stream)
                let outcome = group.drive(&exchange, node: 0, unixSocket: path.span, path: path.span.all)
                #expect(outcome == .complete)
                #expect(replies(exchange) == (0..<count).map { "reV\($0)" })
                #expect(exchange.retransmitted == 0)
            }
            #expect(relay.log.count == 39 && relay.connectionCount == 39)
            #expect(relay.log.allSatisfy { $0.text.hasPrefix("V") && $0.isTerminated })
        }
    }

    @Test func upToEightConnectionsAreOpenSideBySide() throws {
        let relay = try ScriptedRelay(.unix)
        defer { relay.stop() }
        relay.on { [weak relay] _ in
            // Each is answered only when all eight are there.
            if relay?.log.count == 8 { relay?.release() }
            return relay?.log.count == 8 ? .reply("0") : .hold(.reply("0"))
        }
        let path = relay.place.path
        var group = ExchangeGroup(members: 1, nodes: 1)
        var exchange = try begin(8, budget: 20 * Self.second, framing: .stream)
        let outcome = group.drive(&exchange, node: 0, unixSocket: path.span, path: path.span.all)
        #expect(outcome == .complete)
    }

    @Test(arguments: [
        (dripped("20000 127.0.0.1\r\n"), ExchangeOutcome.complete), (whole("20000"), .complete),
        (.hangUp, .timedOut), (.drop, .timedOut), (dripped("2000"), .timedOut), (whole("\n"), .malformed),
        (whole(String(repeating: "7", count: 100_000)), .malformed),
    ])
    func aUnixNodeAnswersAsItLikes(_ answer: RelayAnswer, _ expected: ExchangeOutcome) throws {
        try expectNothingStaysOpen {
            try withRelay(.unix) { _, _ in
                answer
            } _: { place, _ in
                let path = place.path
                var group = ExchangeGroup(members: 1, nodes: 1)
                let isSlow = expected == .timedOut
                var exchange = try begin(3, budget: isSlow ? Self.second / 4 : 20 * Self.second, framing: .stream)
                let outcome = group.drive(&exchange, node: 0, unixSocket: path.span, path: path.span.all)
                #expect(outcome == expected)
                #expect(MonotonicClock.now() < exchange.deadline + 2 * Self.second)
            }
        }
    }

    /// These bytes, and then the end of the connection.
    private static func whole(_ text: String) -> RelayAnswer { .raw(Array(text.utf8)) }
    /// One byte after the other, then nothing.
    private static func dripped(_ text: String) -> RelayAnswer { .drip(1, whole(text)) }

    @Test func aUnixNodeThatNeverAcceptsTakesTheBudgetAndNoLonger() throws {
        for backlog in [Int32(0), 64] {
            let (descriptor, path, folder) = try bindUnix()
            defer {
                Glibc.close(descriptor)
                try? FileManager.default.removeItem(at: folder)
            }
            try #require(listen(descriptor, backlog) == 0)
            var group = ExchangeGroup(members: 1, nodes: 1)
            var exchange = try begin(5, budget: Self.second / 4, framing: .stream)
            let outcome = group.drive(&exchange, node: 0, unixSocket: path.span, path: path.span.all)
            #expect(outcome == .timedOut)
            #expect(MonotonicClock.now() < exchange.deadline + 2 * Self.second)
        }
    }

    @Test func aMissingADeadAndAnImpossibleUnixSocketFailAtOnce() throws {
        let (descriptor, path, folder) = try bindUnix()
        Glibc.close(descriptor)
        var group = ExchangeGroup(members: 1, nodes: 1)
        var exchange = try begin(3, budget: 60 * Self.second, framing: .stream)
        let dead = group.drive(&exchange, node: 0, unixSocket: path.span, path: path.span.all)
        #expect(dead == .refused)
        try FileManager.default.removeItem(at: folder)
        exchange = try begin(3, budget: 60 * Self.second, framing: .stream)
        let missing = group.drive(&exchange, node: 0, unixSocket: path.span, path: path.span.all)
        #expect(missing == .failed(.noFile))
        for impossible in [[UInt8](repeating: 0x2F, count: 108), []] {
            exchange = try begin(1, framing: .stream)
            let outcome = group.drive(&exchange, node: 0, unixSocket: impossible.span, path: impossible.span.all)
            #expect(outcome == .failed(SystemError(code: ENAMETOOLONG)))
        }
    }

    @Test func everythingIsClosedInTheEnd() throws {
        try expectNothingStaysOpen {
            let (silent, address) = try bindLoopback()
            do {
                var group = ExchangeGroup(members: 1, nodes: 3)
                for node in 0..<3 {
                    var exchange = try begin(1, budget: 1)
                    _ = group.drive(&exchange, node: node, address: address)
                }
            }
            Glibc.close(silent)
        }
    }
}
