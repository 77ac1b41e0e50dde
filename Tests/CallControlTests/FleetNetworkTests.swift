// SPDX-License-Identifier: GPL-2.0-or-later
// Hosts that share calls agree, whatever their network and their clocks do.

import Bytes
import Foundation
import SharedState
import Transport
import Testing

@testable import CallControl

@Suite struct FleetNetworkTests {
    @Test func aChangeIsEverywhereAfterOneLook() throws {
        let network = try FleetNetwork()
        network.pass(1100)
        network.members[0].remember(7, 1)
        network.pass(40)
        #expect(network.members.map { $0.place(7) } == ["udp:10.0.0.2:2", "udp:10.0.0.2:2", "udp:10.0.0.2:2"])
        network.members[1].forget(7)
        network.pass(40)
        #expect(network.members.map(\.count) == [0, 0, 0])
        #expect(network.members[0].counts[.dmqSent] == 1 && network.members[1].counts[.dmqReceived] == 1)
    }

    /// A call takes two of them: made and ended.
    @Test func aChangeTakesFifteenBytes() throws {
        let network = try FleetNetwork()
        network.pass(1100)
        var bytes = 0
        for call in UInt64(0)..<60 { network.members[0].remember(call, Int(call % 3)) }
        network.now += 20_000_000
        network.members[0].step(wall: network.wall + 40_000, now: network.now)
        for message in network.members[0].flying where message.to == 1 { bytes += message.bytes.count }
        print("60 calls in \(bytes) bytes")
        #expect(bytes <= 60 * 15 + 40 + 3 * 8 + 1)
    }

    @Test(arguments: 0..<8)
    func whatIsLostIsMadeUp(seed: UInt64) throws {
        let network = try FleetNetwork(skews: [0, 3_000_000, 500_000])
        network.random = Seeded(seed)
        network.pass(2500)
        network.loss = 30
        var live: Set<UInt64> = []
        for round in UInt64(0)..<400 {
            let member = network.members[Int.random(in: 0..<3, using: &network.random)]
            member.remember(round, Int(round % 3))
            live.insert(round)
            if round > 30, let ended = live.min(), Bool.random(using: &network.random) {
                network.members[Int.random(in: 0..<3, using: &network.random)].forget(ended)
                live.remove(ended)
            }
            network.pass(20)
        }
        network.loss = 0
        network.pass(12_000)
        #expect(network.agree(0..<400))
        #expect(network.members.map(\.count) == [live.count, live.count, live.count])
        for call in live { #expect(network.members[0].place(call) != nil) }
        #expect(network.members.allSatisfy { $0.counts[.dmqRefused] == nil })
    }

    @Test func aHostThatStartsHasTheWholeTableWithinSeconds() throws {
        let network = try FleetNetwork(entries: 1_048_576)
        network.pass(1100)
        for call in UInt64(0)..<100_000 {
            network.members[Int(call % 2)].remember(call, Int(call % 3))
            if call % 5000 == 0 { network.pass(20) }
        }
        network.pass(2000)
        let full = network.members[0].count
        #expect(full == 100_000 && network.members[1].count == full)
        try network.restart(2)
        var milliseconds = 0
        let start = Date()
        while network.members[2].count < full, milliseconds < 10_000 {
            network.pass(20)
            milliseconds += 20
        }
        print("\(full) calls after \(milliseconds) ms, \(Date().timeIntervalSince(start)) s of work")
        #expect(milliseconds < 5000)
        #expect(network.agree(0..<1000))
    }

    @Test func aHostThatStoodStillAndOneThatWasCutOffAskForWhatTheyMissed() throws {
        let network = try FleetNetwork()
        network.pass(2000)
        for call in UInt64(0)..<50 { network.members[0].remember(call, 0) }
        network.pass(100)
        network.isCut[1] = true
        network.isFrozen[2] = true
        for call in UInt64(50)..<100 {
            network.members[0].remember(call, 1)
            network.members[1].remember(call + 100, 2)
            network.pass(100)
        }
        for call in UInt64(0)..<20 { network.members[0].forget(call) }
        for call in UInt64(20)..<30 { network.members[1].forget(call) }
        network.pass(8000)
        #expect(network.members[1].count == 90 && network.members[2].count == 50)
        network.isCut[1] = false
        network.isFrozen[2] = false
        network.pass(6000)
        #expect(network.agree(0..<300))
        #expect(network.members.map(\.count) == [120, 120, 120])
    }

    /// More changes at once than are kept: who has not been told asks.
    @Test func changesThatAreTooManyAreAskedFor() throws {
        let network = try FleetNetwork(entries: 524_288)
        network.pass(1100)
        for call in UInt64(0)..<30_000 { network.members[0].remember(call, 0) }
        network.pass(6000)
        #expect(network.members[0].counts[.dmqLost] ?? 0 > 10_000)
        #expect(network.members.map(\.count) == [30_000, 30_000, 30_000])
    }

    @Test func whatTheOperatorHasSaidLastHoldsEverywhere() throws {
        let network = try FleetNetwork()
        network.pass(1100)
        network.members[0].setEnabled("udp:10.0.0.1:1", false)
        network.members[1].setDraining("udp:10.0.0.2:2", true)
        network.pass(60)
        // The second host has them in another order.
        #expect(network.members.map { $0.state($0.number == 1 ? 1 : 0) } == [.disabled, .disabled, .disabled])
        #expect(network.members.map { $0.state($0.number == 1 ? 2 : 1) } == [.draining, .draining, .draining])
        network.isCut[2] = true
        network.members[2].setEnabled("udp:10.0.0.1:1", true)
        network.pass(3000)
        network.members[0].setDraining("udp:10.0.0.1:1", true)
        network.pass(3000)
        network.isCut[2] = false
        network.pass(3000)
        #expect(network.members.map { $0.state($0.number == 1 ? 1 : 0) } == [.disabled, .disabled, .disabled])
        try network.restart(1)
        network.pass(3000)
        #expect(network.members[1].state(1) == .disabled && network.members[1].state(2) == .draining)
        #expect(network.members[1].lines.contains { $0.contains("is disabled, as on sip:10.0.0.") })
    }

    /// Several messages say it, one soon after the other, and no more often than that.
    @Test func whatIsSaidOfMoreThanOneMessageHoldsIsHeardEverywhere() throws {
        let network = try FleetNetwork()
        let count = 600
        let sockets = (0..<count).map { "udp:10.1.\($0 / 250).\($0 % 250 + 1):1" }.joined(separator: " ")
        for number in 0..<3 {
            network.members[number] = try FleetMember(number, sockets, wall: network.wall, entries: 4096)
        }
        network.pass(1500)
        network.members[0].setEnabled("all", false)
        network.pass(260)
        for member in network.members { #expect((0..<count).allSatisfy { member.state($0) == .disabled }) }
        // Where each message is full, what is new has its turn as well.
        network.members[1].setEnabled("all", true)
        network.pass(260)
        network.members[2].lose(count - 1)
        network.pass(260)
        #expect(network.members[0].isLookWanted(count - 1) && network.members[1].isLookWanted(count - 1))
        network.members[0] = try FleetMember(0, sockets, wall: network.wall, entries: 4096)
        network.members[1].setDraining("all", true)
        network.pass(1300)
        #expect((0..<count).allSatisfy { network.members[0].state($0) == .draining })
        network.pass(2000)
        var greetings = 0
        for _ in 0..<120 {
            network.now += 20_000_000
            network.wall += 20_000
            network.members[1].step(wall: network.wall, now: network.now)
            for message in network.members[1].flying where message.to == 0 {
                #expect(message.bytes.count <= FleetMessage.mostBytes)
                greetings += 1
            }
            network.members[1].flying = []
        }
        // Three each 1.2 s.
        #expect((5...7).contains(greetings), "\(greetings)")
    }

    /// Within the time of one look.
    @Test func ofTwoThatSpeakAtOnceTheLaterOneIsHeardEverywhere() throws {
        let network = try FleetNetwork()
        network.pass(1100)
        let url = "udp:10.0.0.2:2"
        // The second one's word comes, and the operator of the first takes it back before its process has looked.
        network.members[1].setDraining(url, true)
        network.members[1].step(wall: network.wall, now: network.now + 1)
        for message in network.members[1].flying where message.to == 0 {
            _ = network.members[0].take(message, now: network.now, wall: network.wall)
        }
        #expect(network.members[0].state(1) == .draining)
        network.members[0].setDraining(url, false)
        network.pass(3000)
        #expect(network.members.map { $0.state($0.number == 1 ? 2 : 1) } == [.up, .up, .up])
        // Each of both before it has heard of the other.
        network.members[0].setEnabled(url, false)
        network.members[1].setEnabled(url, true)
        network.pass(3000)
        #expect(Set(network.members.map { $0.state($0.number == 1 ? 2 : 1) }).count == 1)
    }

    @Test func aHintLeadsToALookAndNoMore() throws {
        let network = try FleetNetwork()
        network.pass(1100)
        network.members[0].lose(2)
        network.pass(60)
        #expect(network.members[1].state(0) == .up && network.members[1].isLookWanted(0))
        #expect(network.members[2].state(2) == .up && network.members[2].isLookWanted(2))
        #expect(!network.members[2].isLookWanted(1))
    }

    /// The others may get calls at it before they have looked.
    @Test func oneThatIsBackIsLookedAtByTheOthers() throws {
        let network = try FleetNetwork()
        network.pass(1100)
        for member in network.members { member.lose(2) }
        network.pass(4000)
        for member in network.members { member.noteLook(2) }
        network.pass(2000)
        #expect(!network.members[2].isLookWanted(2))
        network.members[0].find(2)
        network.pass(60)
        #expect(network.members[2].isLookWanted(2))
    }

    /// What another host has begun there goes on here, whatever the time without calls that this one has given it.
    @Test func oneThatAnswersServesTheCallsThatItHas() throws {
        let network = try FleetNetwork()
        let member = network.members[0]
        member.noteAnswer(1, 0)
        #expect(member.serves(1))
        member.lose(1)
        #expect(!member.serves(1))
        member.noteAnswer(1, 0)
        #expect(member.serves(1) && member.state(1) == .down)
        member.noteAnswer(1, 4_000_000_000)
        #expect(!member.serves(1))
    }

    @Test func aNodeThatIsUnknownHereIsKeptAndNamed() throws {
        let network = try FleetNetwork()
        network.members[2] = try FleetMember(2, "udp:10.0.0.1:1", wall: network.wall, entries: 4096)
        network.pass(1100)
        network.members[0].remember(5, 2)
        network.pass(60)
        #expect(network.members[2].place(5) == "unknown")
        network.pass(12_000)
        let told = network.members[2].lines.filter {
            $0.contains("udp:10.0.0.3:3 of set 0, which is not configured here")
        }
        #expect(told.count == 1)
        // It passes on what it does not know.
        network.members[0].forget(6)
        network.members[1] = try FleetMember(1, FleetNetwork.sockets[1], wall: network.wall + 1, entries: 4096)
        network.isCut[0] = true
        network.pass(5000)
        #expect(network.members[1].place(5) == "udp:10.0.0.3:3")
    }

    /// Nobody's clock is moved by one that is wrong by more than ten minutes.
    @Test func aClockThatIsFarAheadIsRefused() throws {
        let network = try FleetNetwork(skews: [0, 660_000_000, 0])
        network.pass(1100)
        network.members[1].remember(5, 0)
        network.pass(100)
        #expect(network.members[0].place(5) == nil)
        #expect(network.members[0].counts[.dmqRefused] ?? 0 > 0)
        #expect(network.members[0].lines.filter { $0.contains("its clock is more than ten minutes ahead") }.count == 1)
        #expect(network.members[0].fleet.now < network.wall + 1_000_000)
    }

    /// A greeting of somebody who says what he likes.
    private func greeting(_ epoch: UInt64, _ sequence: UInt32, sentAt: UInt64) -> Flying {
        var output = Scratch<UInt8>()
        FleetMessage.begin(&output, .greeting, epoch: epoch, sequence: sequence)
        FleetMessage.end(&output, sentAt: sentAt)
        return Flying(from: 1, to: 0, bytes: Array(output), tag: 0)
    }

    @Test func oneHostTooManyIsNamed() throws {
        let network = try FleetNetwork()
        let host = network.members[0]
        var refused: [Int] = []
        for number in 1...18 {
            let bytes = greeting(network.wall, 1, sentAt: network.wall).bytes
            let message = Flying(from: number, to: 0, bytes: bytes, tag: 0)
            if host.take(message, now: network.now, wall: network.wall) == nil { refused.append(number) }
        }
        #expect(refused == [17, 18] && host.counts[.dmqRefused] == 2)
        let line = "calls are not shared with sip:10.0.0.17:5060: there are 16 other hosts already"
        #expect(host.lines == ["\(line), the most there can be"])
        host.ticks += 60
        let message = Flying(from: 18, to: 0, bytes: greeting(network.wall, 2, sentAt: network.wall).bytes, tag: 0)
        #expect(host.take(message, now: network.now, wall: network.wall) == nil && host.lines.count == 2)
    }

    /// Each of many is ahead of the clock that the one before has moved.
    @Test func noClockIsLedOnAndOn() throws {
        let network = try FleetNetwork()
        let host = network.members[0]
        var refused = 0
        for step in UInt32(1)...1000 {
            let message = greeting(network.wall, step, sentAt: host.fleet.now + 500_000_000)
            if host.take(message, now: network.now, wall: network.wall) == nil { refused += 1 }
        }
        #expect(refused == 999 && host.counts[.dmqRefused] == 999)
        #expect(host.fleet.now < network.wall + 600_000_000)
        let far = greeting(.max, 1, sentAt: .max)
        #expect(host.take(far, now: network.now, wall: network.wall) == nil)
        #expect(host.lines.filter { $0.contains("its clock is more than ten minutes ahead") }.count == 1)
    }

    /// The process that shares calls is kept waiting on the host that ends a call, and so is what the other one tells.
    @Test func aDeletionIsLaterThanWhatHasBegunBefore() throws {
        let network = try FleetNetwork()
        network.wall = WallClock.microseconds() - 1_200_000
        for number in 0..<3 { try network.restart(number) }
        network.pass(1100)
        let (first, second) = (network.members[0], network.members[1])
        // The clock of the one that begins the call is ahead of what the other one has looked at.
        network.now += 20_000_000
        network.wall = WallClock.microseconds() + 1_000
        first.step(wall: network.wall, now: network.now)
        first.remember(7, 1)
        usleep(5000)
        second.keepTime()
        second.forget(7)
        network.pass(100)
        #expect(network.members.map(\.count) == [0, 0, 0])
    }

    /// And hosts that keep up with each other come back to the time together.
    @Test func aClockThatWasLedAstrayComesBack() throws {
        let network = try FleetNetwork()
        network.pass(1100)
        let message = greeting(network.wall, 1, sentAt: network.wall + 60_000_000)
        #expect(network.members[0].take(message, now: network.now, wall: network.wall) != nil)
        network.pass(10_000)
        for member in network.members { #expect(member.fleet.now > network.wall + 50_000_000) }
        network.members[2].remember(7, 1)
        network.pass(40)
        #expect(network.members.map { $0.place(7) } == ["udp:10.0.0.2:2", "udp:10.0.0.2:2", "udp:10.0.0.2:2"])
        network.pass(115_000)
        for member in network.members { #expect(member.fleet.now < network.wall + 1_000_000) }
    }

    /// One whose answers do not go on is asked no more.
    @Test func answersThatHaveNoEndAreLeft() throws {
        let network = try FleetNetwork()
        let (host, epoch) = (network.members[0], network.wall - 5_000_000)
        _ = host.take(greeting(epoch, 1, sentAt: network.wall), now: network.now, wall: network.wall)
        var questions = 0
        for _ in 0..<100 {
            network.now += 20_000_000
            network.wall += 20_000
            host.step(wall: network.wall, now: network.now)
            for question in host.flying where question.tag != 0 {
                questions += 1
                var page = Scratch<UInt8>()
                FleetMessage.begin(&page, .page, epoch: epoch, sequence: 0)
                FleetMessage.end(&page, sentAt: network.wall, next: 5)
                host.takeAnswer(question.tag, Array(page), wall: network.wall)
            }
            host.flying = []
        }
        #expect(questions == 2 && host.counts[.dmqRefused] == 1)
    }
}
