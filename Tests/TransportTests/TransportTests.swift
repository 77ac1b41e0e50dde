// SPDX-License-Identifier: GPL-2.0-or-later
// What holds over every transport, over real sockets on loopback.

import Bytes
import Foundation
import Glibc
import Synchronization
import TestSupport
import Testing

@testable import Transport

extension Loopback {
    /// Within `Loopback`, which is serialized: all these tests look at the descriptors of one process.
    @Suite struct EveryTransport {
        static let second: UInt64 = 1_000_000_000

        @Test(arguments: Way.allCases)
        func commandsGetTheirReplies(_ way: Way) throws {
            try withPeer(way) { _, command in
                .reply("re" + command)
            } _: { place, relay in
                var caller = Caller()
                for count in [1, 8, 30, 100] {
                    caller.start(place, count)
                    #expect(caller.end() == .complete)
                    #expect(caller.replies() == (0..<count).map { "reV\($0)" })
                }
                if way.framing == .pipeline { #expect(relay.connectionCount == 1) }
                if way.framing != .datagram { #expect(relay.seen.count == 139) }
            }
        }

        @Test(arguments: Way.allCases)
        func theLongestCommandArrivesWhole(_ way: Way) throws {
            try withPeer(way) { _, command in
                .reply("\(command.utf8.count)")
            } _: { place, _ in
                var caller = Caller()
                let name = String(repeating: "V", count: Exchange.maximumCommandLength - 1)
                caller.start(place, 9, name: name)
                #expect(caller.end() == .complete)
                #expect(caller.replies() == Array(repeating: "8191", count: 9))
            }
        }

        @Test(arguments: Way.allCases)
        func aSilentNodeTakesTheBudgetAndTheNextExchangeIsUnharmed(_ way: Way) throws {
            try withPeer(way) { _, command in
                command.hasPrefix("S") ? .drop : .reply(command)
            } _: { place, _ in
                var caller = Caller()
                caller.start(place, 1)
                #expect(caller.end() == .complete)
                caller.start(place, 2, name: "S", budget: Self.second / 5)
                #expect(caller.end() == .timedOut)
                #expect(caller.replies() == [nil, nil])
                caller.start(place, 3)
                #expect(caller.end() == .complete)
                #expect(caller.replies() == ["V0", "V1", "V2"])
            }
        }

        @Test(arguments: Way.allCases)
        func whereNothingListensTheRefusalIsSeenAtOnce(_ way: Way) throws {
            let place = try deserted(way)
            var caller = Caller()
            for _ in 0..<2 {
                caller.start(place, 3, budget: 60 * Self.second)
                #expect(caller.end() == .refused)
            }
        }

        @Test(arguments: Way.allCases, ["", String(repeating: "7", count: 1025)])
        func whatIsNoReplyIsToldApart(_ way: Way, _ reply: String) throws {
            try withPeer(way) { number, command in
                .reply(number == 0 ? reply : command)
            } _: { place, _ in
                var caller = Caller()
                caller.start(place, 1)
                #expect(caller.end() == .malformed)
                caller.start(place, 1)
                #expect(caller.end() == .complete)
                #expect(caller.replies() == ["V0"])
            }
        }

        @Test(arguments: Way.allCases)
        func manyExchangesRunSideBySideWithOneNode(_ way: Way) throws {
            try withPeer(way) { _, command in
                .reply("re" + command)
            } _: { place, relay in
                var caller = Caller(members: 20)
                for member in 0..<20 {
                    caller.start(place, 5, as: member, name: "M\(member)c", budget: 60 * Self.second)
                }
                for member in 0..<20 {
                    #expect(caller.end(member) == .complete)
                    #expect(caller.replies(member) == (0..<5).map { "reM\(member)c\($0)" })
                }
                if way.framing == .pipeline { #expect(relay.connectionCount == 1) }
            }
        }

        @Test(arguments: Way.allCases)
        func theFirstOfTwoNodesWinsAndTheLosersLateRepliesAreIgnored(_ way: Way) throws {
            let isHeld = Mutex(true)
            try withPeer(way) { _, command in
                // The loser: silent until its exchange has been abandoned.
                for _ in 0..<500 where isHeld.withLock({ $0 }) { usleep(10_000) }
                return .reply("late" + command)
            } _: { loser, relay in
                try withPeer(way) { _, command in
                    .reply("won" + command)
                } _: { winner, _ in
                    var caller = Caller(members: 4, nodes: 2)
                    caller.start(loser, 2, as: 0, node: 0)
                    caller.group.step(until: MonotonicClock.now() + 20_000_000)
                    #expect(caller.group.isRunning(0) == true)
                    caller.start(winner, 2, as: 1, node: 1)
                    #expect(caller.end(1) == .complete)
                    #expect(caller.replies(1) == ["wonV0", "wonV1"])
                    caller.group.abandon(0)
                    #expect(caller.group.isRunning(0) == false)
                    #expect(caller.group.takeOutcome(0) == nil)
                    isHeld.withLock { $0 = false }
                    caller.start(loser, 2, as: 0, node: 0, name: "N")
                    #expect(caller.end(0) == .complete)
                    #expect(caller.replies(0) == ["lateN0", "lateN1"])
                    #expect(relay.seen.contains("V0"))
                }
            }
        }

        @Test(arguments: Way.allCases)
        func aCommandThatNobodyWaitsForArrivesAndDisturbsNothing(_ way: Way) throws {
            try withPeer(way) { _, command in
                .reply("re" + command)
            } _: { place, relay in
                var caller = Caller()
                #expect(caller.sendOnce(place, "D call from") == true)
                caller.start(place, 3)
                #expect(caller.end() == .complete)
                #expect(caller.replies() == ["reV0", "reV1", "reV2"])
                #expect(caller.sendOnce(place, "D call to") == true)
                for _ in 0..<300 where relay.seen.count < 5 { usleep(10_000) }
                #expect(Set(relay.seen) == ["D call from", "V0", "V1", "V2", "D call to"])
            }
        }

        @Test(arguments: Way.allCases)
        func everythingIsClosedInTheEnd(_ way: Way) throws {
            try expectNothingStaysOpen {
                try withPeer(way) { _, _ in
                    .drop
                } _: { place, _ in
                    var caller = Caller(members: 2, nodes: 2)
                    caller.start(place, 8, as: 0, node: 0, budget: Self.second / 20)
                    caller.start(place, 8, as: 1, node: 1, budget: 60 * Self.second)
                    #expect(caller.end(0) == .timedOut)
                    caller.group.abandon(1)
                }
            }
        }

        @Test(arguments: Way.persistent)
        func aConnectionThatWasClosedWhileIdleCostsNothing(_ way: Way) throws {
            try withPeer(way) { _, command in
                command == "V2" ? .several([.reply(command), .hangUp]) : .reply(command)
            } _: { place, relay in
                var caller = Caller()
                for round in 1...4 {
                    caller.start(place, 3)
                    #expect(caller.end() == .complete)
                    #expect(caller.replies() == ["V0", "V1", "V2"])
                    #expect(relay.connectionCount == round)
                    usleep(5_000)
                }
            }
        }

        @Test(arguments: Way.persistent)
        func onlyWhatHasNoAnswerIsSentAgain(_ way: Way) throws {
            try withPeer(way) { number, command in
                number == 2 ? .hangUp : .reply(command)
            } _: { place, relay in
                var caller = Caller()
                caller.start(place, 5)
                #expect(caller.end() == .complete)
                #expect(caller.replies() == (0..<5).map { "V\($0)" })
                #expect(relay.connectionCount == 2)
                // What the peer had not read when it closed takes unread replies along (a reset), so which are sent again
                // is the system's choice; V2 is among them.
                #expect(relay.seen.filter { $0 == "V2" }.count == 2)
            }
        }

        @Test(arguments: Way.persistent)
        func aNodeThatClosesEachConnectionIsGivenUp(_ way: Way) throws {
            try withPeer(way) { _, _ in
                .hangUp
            } _: { place, relay in
                var caller = Caller()
                caller.start(place, 1, budget: 60 * Self.second)
                #expect(caller.end() == .failed(.reset))
                #expect(relay.connectionCount == 2)
            }
        }
    }
}
