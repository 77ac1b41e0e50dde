// SPDX-License-Identifier: GPL-2.0-or-later
// The call table of hosts that share their calls: of two changes the later one counts, in whatever order they come.

import Bytes
import Foundation
import Testing

@testable import SharedState

/// A table with what sharing needs, in memory of its own, which stays: `fleet` may be used longer than this object.
final class SharingHost {
    private let tableBlock: UnsafeMutableRawPointer
    private let fleetBlock: UnsafeMutableRawPointer
    private let size: Int
    let fleet: FleetState
    var reader = FleetRingReader()
    private let lifetime: Int

    init(_ entries: Int = 1024, nodes: Int = 8, time: UInt64 = 1_000_000_000, lifetime: Int = CallTable.usualLifetime)
        throws
    {
        size = CallTable.size(entries: entries)
        self.lifetime = lifetime
        tableBlock = .allocate(byteCount: size, alignment: 64)
        tableBlock.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        try CallTable.create(in: tableBlock, size: size, entries: entries)
        let fleetSize = FleetState.size(nodes: nodes, entries: entries + 16)
        fleetBlock = .allocate(byteCount: fleetSize, alignment: 64)
        fleetBlock.initializeMemory(as: UInt8.self, repeating: 0, count: fleetSize)
        fleet = FleetState(attaching: fleetBlock, nodes: nodes, entries: entries + 16)
        fleet.start(at: time)
    }

    private func with<R>(_ body: (borrowing CallTable) -> R) -> R? {
        guard let table = try? CallTable(attaching: tableBlock, size: size, lifetime: lifetime, fleet: fleet) else {
            return nil
        }
        return body(table)
    }

    @discardableResult
    func remember(_ hash: UInt64, node: Int, now: UInt32, isFirst: Bool = false, isGuess: Bool = false) -> Bool {
        with { $0.remember(hash, node: node, now: now, isFirst: isFirst, isGuess: isGuess) } ?? false
    }
    func takeBack(_ hash: UInt64) { with { $0.takeBack(hash) } }
    func move(_ hash: UInt64, to node: Int, now: UInt32, unused: Int = -1) {
        with { $0.move(hash, to: node, now: now, unused: unused) }
    }
    func forget(_ hash: UInt64, now: UInt32) { with { $0.forget(hash, now: now) } }
    func hasMoved(_ hash: UInt64, now: UInt32) -> Bool? { with { $0.place(for: hash, now: now)?.hasMoved } ?? nil }
    func node(for hash: UInt64, now: UInt32) -> Int? { with { $0.node(for: hash, now: now) } ?? nil }
    var count: Int { with { $0.count } ?? -1 }
    var evictions: UInt64 { with { $0.evictions } ?? 99 }
    func apply(_ call: SharedCall, age: UInt32, now: UInt32) -> Bool {
        with { $0.apply(call, age: age, now: now) } ?? false
    }
    func shared(_ hash: UInt64) -> SharedCall? { with { $0.shared(hash) } ?? nil }
    func sweep(now: UInt32, _ body: (Int) -> Bool) { with { $0.sweep(from: 0, count: .max, now: now, body) } }
    func page(from place: Int, since time: UInt64, _ body: (SharedCall) -> Bool) -> Int? {
        with { $0.page(from: place, since: time, now: 10, body) } ?? nil
    }

    /// What has changed here since it was last asked, each call as it is now.
    func changes() -> [SharedCall] {
        var found: [SharedCall] = []
        while let key = fleet.takeChange(&reader, isPatient: true) {
            if let call = shared(key) { found.append(call) }
        }
        return found
    }

    func peer(_ address: String) -> Int? { fleet.peer(Array(address.utf8).span) }
}

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
