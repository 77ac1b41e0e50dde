// SPDX-License-Identifier: GPL-2.0-or-later
// A signal wakes whoever waits, and a group says of each exchange once that it has ended.

import Bytes
import Foundation
import Synchronization
import Testing

@testable import Transport

@Suite(.serialized) struct WakeSignalTests {
    private static let second: UInt64 = 1_000_000_000

    private static func made() throws -> WakeSignal {
        guard let signal = WakeSignal() else { throw POSIXError(.EMFILE) }
        return signal
    }

    /// Seconds that a step takes which may take `limit`.
    private func step(_ group: inout ExchangeGroup, limit: Double) -> Double {
        let start = Date()
        group.step(until: MonotonicClock.now() + UInt64(limit * 1_000_000_000))
        return Date().timeIntervalSince(start)
    }

    private func expectWoken(_ group: inout ExchangeGroup, sourceLocation: SourceLocation = #_sourceLocation) {
        let taken = step(&group, limit: 20)
        #expect(taken < 10, sourceLocation: sourceLocation)
    }

    private func expectNotWoken(_ group: inout ExchangeGroup, sourceLocation: SourceLocation = #_sourceLocation) {
        let taken = step(&group, limit: 0.05)
        #expect(taken > 0.04, sourceLocation: sourceLocation)
    }

    @Test func aSignalEndsAStepThatWaits() throws {
        let signal = try Self.made()
        var group = ExchangeGroup(members: 1, nodes: 1)
        group.watch(signal)
        let number = signal.number
        // As another process does that has inherited it.
        Thread.detachNewThread {
            usleep(50_000)
            WakeSignal(inherited: number).send()
        }
        expectWoken(&group)
        signal.clear()
        expectNotWoken(&group)
    }

    @Test func aSignalThatWasSentBeforeIsReceived() throws {
        let signal = try Self.made()
        var group = ExchangeGroup(members: 1, nodes: 1)
        group.watch(signal)
        for _ in 0..<1000 { signal.send() }
        // Until somebody quietens it; that once is enough.
        for _ in 0..<2 { expectWoken(&group) }
        signal.clear()
        expectNotWoken(&group)
        signal.clear()
        signal.send()
        expectWoken(&group)
    }

    @Test func aGroupHearsItsOwnBellOnly() throws {
        let mine = try Self.made()
        let other = try Self.made()
        let areTwo = mine.number != other.number
        #expect(areTwo)
        var group = ExchangeGroup(members: 1, nodes: 1)
        other.send()
        expectNotWoken(&group)
        group.watch(mine)
        expectNotWoken(&group)
        mine.send()
        expectWoken(&group)
    }

    @Test func aBellThatIsNoneDisturbsNobody() {
        let signal = WakeSignal(inherited: -1)
        var group = ExchangeGroup(members: 1, nodes: 1)
        group.watch(signal)
        signal.send()
        signal.clear()
        expectNotWoken(&group)
    }

    // MARK: - Exchanges that have ended

    private func start(
        _ group: inout ExchangeGroup, _ member: Int, node: Int = 0, _ address: SocketAddress, _ commands: Int = 1
    ) throws {
        var cookies = CookieSource()
        group.begin(
            member, now: MonotonicClock.now(), budget: 10 * Self.second, firstRetransmission: Self.second / 20,
            framing: .datagram)
        for index in 0..<commands { try group.add(member, Array("V\(index)".utf8).span, cookies: &cookies) }
        group.start(member, node: node, address: address)
    }

    /// All members that end, in the order of their ends.
    private func ends(_ group: inout ExchangeGroup, _ count: Int) -> [Int] {
        var members: [Int] = []
        let deadline = MonotonicClock.now() + 10 * Self.second
        while members.count < count, MonotonicClock.now() < deadline {
            group.step(until: deadline)
            while let member = group.takeFinished() { members.append(member) }
        }
        return members
    }

    @Test(arguments: [true, false])
    func eachExchangeThatEndsIsToldOnce(_ reserves: Bool) throws {
        try withDatagrams { number, command in
            number % 5 == 0 ? [] : ["\(command.cookie) re\(command.text)\n"]
        } _: { address, _ in
            guard let signal = WakeSignal() else { throw POSIXError(.EMFILE) }
            var group = ExchangeGroup(members: 6, nodes: 1, reserves: reserves)
            group.watch(signal)
            for round in 0..<3 {
                for member in 0..<6 { try start(&group, member, address, 1 + round * member) }
                // Nobody is told of this one.
                group.abandon(3)
                let members = ends(&group, 5)
                #expect(members.sorted() == [0, 1, 2, 4, 5])
                let isMore = group.takeFinished() != nil
                #expect(!isMore)
                for member in members {
                    let outcome = group.takeOutcome(member)
                    let count = group.count(member)
                    #expect(outcome == .complete && count == 1 + round * member)
                    for index in 0..<count {
                        guard let reply = group.reply(member, index) else {
                            Issue.record("no reply")
                            continue
                        }
                        let bytes = group.incoming(member)[reply.start..<reply.end]
                        #expect(String(decoding: bytes, as: UTF8.self) == "reV\(index)")
                    }
                }
                let isAbandoned = group.takeOutcome(3) == nil && !group.isRunning(3)
                #expect(isAbandoned)
            }
        }
    }

    @Test func aStepForgetsWhatNobodyHasTaken() throws {
        try withDatagrams { _, command in
            ["\(command.cookie) 0\n"]
        } _: { address, _ in
            var group = ExchangeGroup(members: 2, nodes: 1)
            try start(&group, 0, address)
            while group.isRunning(0) { group.step(until: MonotonicClock.now() + 10 * Self.second) }
            _ = step(&group, limit: 0)
            let isLeft = group.takeFinished() != nil
            #expect(!isLeft)
            // The outcome waits all the same.
            let outcome = group.takeOutcome(0)
            #expect(outcome == .complete)
        }
    }

    @Test(arguments: [true, false])
    func oneThatEndsAtItsStartIsToldWithoutAStep(_ reserves: Bool) throws {
        let address = try #require(SocketAddress(words: (4 | 9 << 16, 0x7F00_0001, 0)))
        guard let signal = WakeSignal() else { throw POSIXError(.EMFILE) }
        var group = ExchangeGroup(members: 2, nodes: 1, reserves: reserves)
        group.watch(signal)
        try start(&group, 1, node: 7, address)
        let told = (group.takeFinished(), group.takeFinished())
        #expect(told == (1, nil))
        let outcome = group.takeOutcome(1)
        #expect(outcome == .failed(.invalid))
    }
}
