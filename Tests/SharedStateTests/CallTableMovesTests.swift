// SPDX-License-Identifier: GPL-2.0-or-later
// The call table of hosts that share their calls: what may have had two nodes, and what is only guessed.

import Bytes
import Testing

@testable import SharedState

@Suite struct CallTableMovesTests {
    private func hash(_ number: Int) -> UInt64 { Hash64.mixed(UInt64(number) &+ 1) }

    /// Two hosts choose before they have heard of each other, and both have made a session. Whichever counts, every host
    /// knows it, in whatever order it hears of them, until the call ends.
    @Test func aCallThatTwoHostsHavePutOnTwoNodesIsKnownAsOne() throws {
        let hosts = try [SharingHost(), SharingHost(time: 1_000_000_500), SharingHost(), SharingHost()]
        hosts[0].remember(hash(1), node: 2, now: 5)
        hosts[1].remember(hash(1), node: 3, now: 5)
        let changes = try hosts[0...1].map { try #require($0.changes().first) }
        #expect(changes[0].stamp < changes[1].stamp)
        #expect(hosts[0].apply(changes[1], age: 0, now: 6) && !hosts[1].apply(changes[0], age: 0, now: 6))
        #expect(hosts[2].apply(changes[0], age: 0, now: 6) && hosts[2].hasMoved(hash(1), now: 6) == false)
        #expect(hosts[2].apply(changes[1], age: 0, now: 6))
        #expect(hosts[3].apply(changes[1], age: 0, now: 6) && hosts[3].hasMoved(hash(1), now: 6) == false)
        #expect(!hosts[3].apply(changes[1], age: 0, now: 6) && hosts[3].hasMoved(hash(1), now: 6) == false)
        #expect(!hosts[3].apply(changes[0], age: 0, now: 6))
        for host in hosts {
            #expect(host.node(for: hash(1), now: 7) == 3 && host.hasMoved(hash(1), now: 7) == true)
            host.move(hash(1), to: 3, now: 8)
            #expect(host.hasMoved(hash(1), now: 8) == true)
        }
        hosts[1].forget(hash(1), now: 9)
        let end = try #require(hosts[1].changes().last)
        #expect(hosts[3].apply(end, age: 0, now: 9) && !hosts[3].apply(changes[0], age: 0, now: 9))
        hosts[3].remember(hash(1), node: 4, now: 10, isFirst: true)
        #expect(hosts[3].hasMoved(hash(1), now: 10) == false)
    }

    /// What this host has begun, another one has put elsewhere before the answer came.
    @Test func whatAnotherHostSaidMeanwhileIsNotLost() throws {
        let (one, other) = (try SharingHost(), try SharingHost(time: 1_000_000_500))
        one.remember(hash(1), node: 2, now: 5, isFirst: true)
        other.remember(hash(1), node: 3, now: 5)
        let change = try #require(other.changes().first)
        #expect(one.apply(change, age: 0, now: 5))
        one.move(hash(1), to: 2, now: 6, unused: 2)
        #expect(one.node(for: hash(1), now: 6) == 2 && one.hasMoved(hash(1), now: 6) == true)
        // Without that, what it has tried first is not where the call was.
        one.remember(hash(2), node: 2, now: 5, isFirst: true)
        one.move(hash(2), to: 4, now: 6, unused: 2)
        #expect(one.hasMoved(hash(2), now: 6) == false)
    }

    /// The node stays the same, and another one may have a session of it.
    @Test func othersHearOfASecondSession() throws {
        let (one, other) = (try SharingHost(), try SharingHost())
        one.remember(hash(1), node: 2, now: 5, isFirst: true)
        #expect(other.apply(try #require(one.changes().first), age: 0, now: 5))
        one.move(hash(1), to: 2, now: 5, unused: 2)
        #expect(one.changes() == [])
        one.move(hash(1), to: 2, now: 5, unused: 2, hasMoved: true)
        #expect(other.apply(try #require(one.changes().first), age: 0, now: 5))
        #expect(one.hasMoved(hash(1), now: 5) == true && other.hasMoved(hash(1), now: 5) == true)
        one.move(hash(1), to: 2, now: 6, hasMoved: true)
        #expect(one.changes() == [])
    }

    /// Until it is known to be right: then the others hear of it, as of an end. What they have told counts, and a guess
    /// that was wrong leaves nothing behind.
    @Test func othersHearOfNoGuess() throws {
        let (one, other) = (try SharingHost(), try SharingHost())
        #expect(one.remember(hash(1), node: 2, now: 5, isGuess: true))
        #expect(one.shared(hash(1)) == nil && one.changes() == [] && one.node(for: hash(1), now: 5) == 2)
        one.move(hash(1), to: 2, now: 6)
        #expect(one.changes().map(\.node) == [2])
        one.takeBack(hash(1))
        #expect(one.node(for: hash(1), now: 6) == 2)
        one.remember(hash(2), node: 2, now: 5, isGuess: true)
        one.takeBack(hash(2))
        #expect(one.node(for: hash(2), now: 5) == nil && one.count == 1 && one.changes() == [])
        // Whatever the stamp of the one that knows.
        other.remember(hash(3), node: 4, now: 5)
        one.remember(hash(3), node: 2, now: 5, isGuess: true)
        #expect(one.apply(try #require(other.changes().first), age: 0, now: 5))
        one.takeBack(hash(3))
        #expect(one.node(for: hash(3), now: 5) == 4)
        #expect(one.remember(hash(3), node: 2, now: 5, isGuess: true) && one.node(for: hash(3), now: 5) == 4)
        // The call ends while the answer is waited for: it stays ended. One that had ended before goes on, if it does.
        one.remember(hash(4), node: 2, now: 5, isGuess: true)
        one.forget(hash(4), now: 6)
        one.move(hash(4), to: 2, now: 7)
        #expect(one.node(for: hash(4), now: 7) == nil)
        #expect(!one.remember(hash(4), node: 2, now: 8, isGuess: true) && one.node(for: hash(4), now: 8) == nil)
    }

    /// A host forgets the calls of a node that was started again, among them one that has begun since: so one that goes on
    /// may have a session there.
    @Test func aCallThatGoesOnAfterItsEndMayHaveHadAnotherNode() throws {
        let (one, other) = (try SharingHost(), try SharingHost())
        for host in [one, other] {
            host.remember(hash(1), node: 2, now: 5)
            host.sweep(now: 5) { _ in false }
            #expect(host.node(for: hash(1), now: 5) == nil)
            _ = host.changes()
        }
        one.remember(hash(1), node: 3, now: 6)
        #expect(one.hasMoved(hash(1), now: 6) == true)
        let change = try #require(one.changes().last)
        #expect(other.apply(change, age: 0, now: 6) && other.hasMoved(hash(1), now: 6) == true)
    }

    /// A host that starts has heard of one node alone.
    @Test func aHostThatStartsHearsThatACallHasMoved() throws {
        let (one, other, third) = (try SharingHost(), try SharingHost(), try SharingHost())
        one.remember(hash(1), node: 2, now: 5)
        one.remember(hash(2), node: 2, now: 5)
        one.move(hash(1), to: 3, now: 6)
        var page: [SharedCall] = []
        #expect(
            one.page(from: 0, since: 0) {
                page.append($0)
                return true
            } == nil)
        for call in page { #expect(other.apply(call, age: 0, now: 6)) }
        #expect(other.hasMoved(hash(1), now: 6) == true && other.hasMoved(hash(2), now: 6) == false)
        // Also one that knows the same node as the last.
        third.remember(hash(1), node: 3, now: 6)
        third.move(hash(1), to: 3, now: 6)
        for call in page { _ = third.apply(call, age: 0, now: 6) }
        #expect(third.hasMoved(hash(1), now: 6) == true)
        // One that has ended, has.
        one.forget(hash(1), now: 7)
        #expect(one.shared(hash(1))?.hasMoved == false)
    }
}
