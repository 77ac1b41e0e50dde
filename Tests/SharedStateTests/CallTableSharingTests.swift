// SPDX-License-Identifier: GPL-2.0-or-later
// The call table of hosts that share their calls: of two changes the later one counts, in whatever order they come.

import Bytes
import Foundation
import Testing

@testable import SharedState

@Suite struct CallTableSharingTests {
    private func hash(_ number: Int) -> UInt64 { Hash64.mixed(UInt64(number) &+ 1) }

    @Test func aChangeIsToldOnceAndOnlyWhereItIsOne() throws {
        let host = try SharingHost()
        host.remember(hash(1), node: 3, now: 100)
        host.move(hash(1), to: 3, now: 101)
        host.remember(hash(1), node: 3, now: 102)
        #expect(host.changes().map(\.node) == [3])
        // Nothing new.
        host.move(hash(1), to: 3, now: 200)
        #expect(host.changes() == [])
        // After an eighth of its life the others are told that it goes on.
        host.move(hash(1), to: 3, now: 100 + UInt32(CallTable.usualLifetime) / 7)
        #expect(host.changes().count == 1)
        host.move(hash(1), to: 4, now: 10_000)
        #expect(host.changes().map(\.node) == [4])
        host.forget(hash(1), now: 10_001)
        #expect(host.node(for: hash(1), now: 10_001) == nil && host.count == 0)
        #expect(host.changes().map(\.node) == [nil])
        // What has ended is not found again at its old place.
        host.move(hash(1), to: 4, now: 10_002)
        #expect(host.node(for: hash(1), now: 10_002) == nil)
        #expect(host.changes() == [])
        // But it may begin anew.
        host.remember(hash(1), node: 5, now: 10_003)
        #expect(host.node(for: hash(1), now: 10_003) == 5 && host.count == 1)
        #expect(host.changes().map(\.node) == [5])
    }

    @Test func aDeletionMayComeBeforeWhatItDeletes() throws {
        let (one, other) = (try SharingHost(), try SharingHost())
        one.remember(hash(1), node: 2, now: 5)
        let made = try #require(one.changes().first)
        one.forget(hash(1), now: 6)
        let ended = try #require(one.changes().first)
        #expect(other.apply(ended, age: 0, now: 7))
        #expect(!other.apply(made, age: 0, now: 7))
        #expect(!other.apply(ended, age: 0, now: 8))
        #expect(other.node(for: hash(1), now: 8) == nil && other.count == 0)
    }

    /// A BYE may come before the host has heard of the call.
    @Test func aCallThatIsNotKnownHereCanBeEnded() throws {
        let (one, other) = (try SharingHost(), try SharingHost(time: 2_000_000_000))
        one.remember(hash(1), node: 2, now: 5)
        let made = try #require(one.changes().first)
        other.forget(hash(1), now: 9)
        #expect(!other.apply(made, age: 0, now: 9))
        #expect(other.node(for: hash(1), now: 9) == nil)
        let ended = try #require(other.changes().first)
        #expect(one.apply(ended, age: 0, now: 9))
        #expect(one.node(for: hash(1), now: 9) == nil && one.count == 0)
    }

    /// Whatever is lost is told again at the end: each host's present state. All come to the same, and to what was last.
    @Test(arguments: 0..<20)
    func hostsAgreeInWhateverOrderMessagesCome(seed: UInt64) throws {
        var random = Seeded(seed)
        let hosts = try (0..<3).map { _ in try SharingHost(256) }
        var flying: [(to: Int, call: SharedCall)] = []
        func spread(_ from: Int, _ calls: [SharedCall]) {
            for call in calls {
                for to in hosts.indices where to != from {
                    // Late, twice, or never.
                    for _ in 0..<Int.random(in: 0...2, using: &random) { flying.append((to, call)) }
                }
            }
        }
        for _ in 0..<400 {
            let (at, call) = (Int.random(in: 0..<3, using: &random), Int.random(in: 0..<30, using: &random))
            // The clocks are about the same: what is later has a later stamp.
            let time = hosts.map { $0.fleet.now }.max() ?? 0
            for host in hosts { host.fleet.advance(to: time) }
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                hosts[at].forget(hash(call), now: 100)
            default:
                let node = Int.random(in: 0..<8, using: &random)
                hosts[at].remember(hash(call), node: node, now: 100)
            }
            spread(at, hosts[at].changes())
            flying.shuffle(using: &random)
            for _ in 0..<min(3, flying.count) {
                let (to, call) = flying.removeLast()
                _ = hosts[to].apply(call, age: 0, now: 100)
            }
        }
        // What a host is asked for.
        for (from, host) in hosts.enumerated() {
            var page: [SharedCall] = []
            var place: Int? = 0
            while let next = place {
                place = host.page(from: next, since: 0) {
                    page.append($0)
                    return true
                }
            }
            for to in hosts.indices where to != from {
                for call in page { _ = hosts[to].apply(call, age: 0, now: 100) }
            }
        }
        for call in 0..<30 {
            let nodes = hosts.map { $0.node(for: hash(call), now: 100) }
            #expect(Set(nodes).count == 1, "\(call): \(nodes)")
        }
        let counts = hosts.map(\.count)
        let found = (0..<30).filter { hosts[0].node(for: hash($0), now: 100) != nil }.count
        #expect(counts == [found, found, found])
    }

    @Test func noCallGivesWayForOneThatHasEnded() throws {
        let host = try SharingHost(16)
        for call in 0..<16 { host.remember(hash(call), node: 1, now: 10) }
        host.forget(hash(99), now: 10)
        #expect(!host.apply(SharedCall(key: hash(98), node: nil, stamp: host.fleet.stamp()), age: 0, now: 10))
        #expect(host.count == 16)
        for call in 0..<16 { #expect(host.node(for: hash(call), now: 10) == 1) }
        // One that has ended gives way.
        host.forget(hash(3), now: 11)
        #expect(host.count == 15)
        host.remember(hash(50), node: 2, now: 11)
        #expect(host.count == 16 && host.evictions == 0)
        #expect(host.node(for: hash(50), now: 11) == 2)
        #expect(host.apply(SharedCall(key: hash(60), node: 4, stamp: host.fleet.stamp()), age: 0, now: 12))
        #expect(host.count == 16 && host.evictions == 1)
    }

    /// As long as there is room, each end is remembered: what comes late brings no call back.
    @Test func anEndDoesNotTakeThePlaceOfAnother() throws {
        let (one, other) = (try SharingHost(16), try SharingHost(16))
        for call in 0..<16 { one.remember(hash(call), node: 1, now: 10) }
        let made = one.changes()
        other.fleet.advance(to: one.fleet.now)
        for call in 0..<16 { other.forget(hash(call), now: 10) }
        for call in made { #expect(!other.apply(call, age: 0, now: 11)) }
        #expect(other.count == 0)
        // Where there is none, the oldest gives way.
        other.forget(hash(99), now: 50)
        // That one last: where it comes back, the next oldest gives way.
        let left = made.reversed().filter { !other.apply($0, age: 0, now: 51) }
        #expect(left.count == 15)
    }

    @Test func whatIsGoneIsSweptAfterAWhile() throws {
        let host = try SharingHost(lifetime: 600)
        host.remember(hash(1), node: 1, now: 10)
        host.remember(hash(2), node: 1, now: 10)
        host.forget(hash(1), now: 20)
        var seen: [Int] = []
        func sweep(_ now: UInt32) {
            host.sweep(now: now) {
                seen.append($0)
                return true
            }
        }
        sweep(30)
        #expect(seen == [1] && host.count == 1)
        sweep(700)
        #expect(host.count == 0)
        #expect(host.shared(hash(1)) == nil)
        sweep(800)
        #expect(host.shared(hash(2)) == nil)
        // What the node of a call has lost is not remembered, and nobody else brings it back.
        host.remember(hash(3), node: 1, now: 800)
        let made = try #require(host.shared(hash(3)))
        host.sweep(now: 801) { _ in false }
        #expect(host.count == 0)
        #expect(!host.apply(made, age: 0, now: 802))
    }

    @Test func aRingThatIsFullCountsAndNobodyWaits() throws {
        let host = try SharingHost(65_536)
        for call in 0..<(FleetState.ringSize + 100) { host.remember(hash(call), node: 1, now: 10) }
        #expect(host.fleet.lost == 100)
        #expect(host.changes().count == FleetState.ringSize)
        #expect(!host.fleet.hasChange(host.reader))
        // All of it is in the host.
        var count = 0
        let rest = host.page(from: 0, since: 0) { _ in
            count += 1
            return true
        }
        #expect(rest == nil)
        #expect(count == FleetState.ringSize + 100)
    }

    @Test func aPageGoesOnWhereItHasEnded() throws {
        let host = try SharingHost(4096)
        for call in 0..<1000 { host.remember(hash(call), node: 1, now: 10) }
        let later = host.fleet.now
        for call in 1000..<1100 { host.remember(hash(call), node: 1, now: 10) }
        var seen: [UInt64] = []
        var place: Int? = 0
        var pages = 0
        while let next = place {
            var room = 64
            place = host.page(from: next, since: 0) {
                guard room > 0 else { return false }
                room -= 1
                seen.append($0.key)
                return true
            }
            pages += 1
        }
        #expect(Set(seen).count == 1100 && seen.count == 1100 && pages > 16)
        var recent = 0
        _ = host.page(from: 0, since: later + 1) { _ in
            recent += 1
            return true
        }
        #expect(recent == 100)
        for place in [-1, .min, .max, 4096] { _ = host.page(from: place, since: 0) { _ in false } }
    }

    // MARK: - Hosts

    @Test func aWindowSeesWhatIsMissing() {
        var window = FleetWindow(base: 10)
        func takes(_ sequence: UInt32) -> FleetWindow.Arrival { window.take(sequence) }
        #expect(takes(11) == .expected)
        #expect(window.base == 11 && window.mask == 0)
        #expect(takes(11) == .repeated)
        #expect(takes(3) == .repeated)
        #expect(takes(13) == .expected)
        #expect(window.mask != 0)
        #expect(takes(13) == .repeated)
        #expect(takes(12) == .expected)
        #expect(window == FleetWindow(base: 13))
        for sequence: UInt32 in [15, 20] { #expect(takes(sequence) == .expected) }
        window.giveUp()
        #expect(window == FleetWindow(base: 20))
        #expect(takes(53) == .ahead)
        #expect(window == FleetWindow(base: 53))
        // Numbers go round.
        window = FleetWindow(base: .max)
        #expect(takes(0) == .expected)
        #expect(window.base == 0)
        for sequence in UInt32(2)...32 { #expect(takes(sequence) == .expected) }
        #expect(takes(1) == .expected)
        #expect(window == FleetWindow(base: 32))
    }

    @Test func whatAHostHasMissedItAsksFor() throws {
        let host = try SharingHost(time: 5_000_000)
        let fleet = host.fleet
        let peer = try #require(host.peer("sip:10.0.0.2:5060"))
        #expect(host.peer("sip:10.0.0.2:5060") == peer)
        #expect(host.peer("sip:10.0.0.3:5060") != peer)
        // One that was there before this one may know everything.
        fleet.hear(peer, epoch: 1_000_000, sequence: 7, sentAt: 6_000_000, now: 1)
        #expect(fleet.takeWanted(peer) == 0 && fleet.takeWanted(peer) == nil && fleet.takeGreeting())
        fleet.hear(peer, epoch: 1_000_000, sequence: 8, sentAt: 7_000_000, now: 1)
        #expect(fleet.missing(peer) == 0 && fleet.takeWanted(peer) == nil)
        fleet.hear(peer, epoch: 1_000_000, sequence: 10, sentAt: 8_000_000, now: 1)
        let missing = fleet.missing(peer)
        #expect(missing != 0 && fleet.takeWanted(peer) == nil)
        fleet.giveUpMissing(peer, missing)
        #expect(fleet.missing(peer) == 0 && fleet.takeWanted(peer) == 7_000_000)
        fleet.hear(peer, epoch: 1_000_000, sequence: 100, sentAt: 9_000_000, now: 1)
        #expect(fleet.takeWanted(peer) == 7_000_000)
        // It has been started again: it tells all that it does from then on.
        fleet.hear(peer, epoch: 9_500_000, sequence: 1, sentAt: 9_600_000, now: 2)
        #expect(fleet.takeWanted(peer) == 9_500_000)
        // From before that: its process has gone.
        fleet.hear(peer, epoch: 1_000_000, sequence: 101, sentAt: 9_100_000, now: 3)
        #expect(fleet.peerEpoch(peer) == 9_500_000 && fleet.takeWanted(peer) == nil)
        for number in 0..<40 { _ = host.peer("sip:host\(number)") }
        #expect(host.peer("sip:one-more") == nil)
        fleet.forgetPeer(peer)
        #expect(host.peer("sip:one-more") == peer)
        let length = fleet.withAddress(peer) { $0.count }
        #expect(length == 12)
        #expect(host.peer(String(repeating: "a", count: 129)) == nil && host.peer("") == nil)
    }

    @Test func aHostKeepsItsPlaceWhereOneBeforeItGoes() throws {
        let host = try SharingHost()
        let (one, other) = (try #require(host.peer("sip:one")), try #require(host.peer("sip:other")))
        host.fleet.forgetPeer(one)
        #expect(host.peer("sip:other") == other && host.peer("sip:third") == one)
    }

    /// One whose clock was set back before it was started again is heard, as soon as what it said before is over.
    @Test func aHostThatStartsWithItsClockSetBackIsHeard() throws {
        let host = try SharingHost(time: 5_000_000)
        let fleet = host.fleet
        let peer = try #require(host.peer("sip:one"))
        let second: UInt64 = 1_000_000_000
        fleet.hear(peer, epoch: 300_000_000, sequence: 1, sentAt: 300_000_000, now: second)
        #expect(fleet.takeWanted(peer) == 300_000_000)
        for at in UInt64(2)...6 {
            fleet.hear(peer, epoch: 6_000_000, sequence: UInt32(at), sentAt: 7_000_000, now: at * second)
            #expect(fleet.peerEpoch(peer) == 300_000_000 && fleet.takeWanted(peer) == nil)
        }
        fleet.hear(peer, epoch: 6_000_000, sequence: 7, sentAt: 8_000_000, now: 7 * second)
        #expect(fleet.peerEpoch(peer) == 6_000_000 && fleet.takeWanted(peer) == 6_000_000)
        #expect(fleet.heardAt(peer) == 7 * second)
    }

    @Test func nodesThatNobodyKnowsHaveNumbersWhileTheyAreNamed() throws {
        let fleet = try SharingHost().fleet
        func number(_ hash: UInt64, at tick: UInt32) -> Int? { fleet.foreignNumber(hash, tick: tick, lifetime: 60) }
        #expect(number(77, at: 1) == 0 && number(78, at: 1) == 1 && number(77, at: 1) == 0)
        #expect(fleet.foreignHash(0) == 77 && fleet.foreignHash(5) == 0 && fleet.foreignHash(-1) == 0)
        #expect(fleet.isToTell(ofForeign: 77) && !fleet.isToTell(ofForeign: 77) && !fleet.isToTell(ofForeign: 99))
        for hash in UInt64(100)..<500 { _ = number(hash, at: 20) }
        #expect(number(999, at: 20) == nil && number(0, at: 20) == nil && number(78, at: 20) == 1)
        // Named again at 20 and 70, 78 stays. 77 was not since 1, so that it gives way once it has no entry any more.
        #expect(number(999, at: 61) == nil && number(78, at: 70) == 1)
        #expect(number(999, at: 70) == 0 && fleet.foreignHash(0) == 999 && fleet.isToTell(ofForeign: 999))
        #expect(number(1000, at: 70) == nil && number(1000, at: 81) == 2 && number(78, at: 81) == 1)
    }
}

/// Random numbers that are the same each time.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Hash64.mixed(state)
    }
}
