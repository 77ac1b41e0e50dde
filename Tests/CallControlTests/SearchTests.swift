// SPDX-License-Identifier: GPL-2.0-or-later
// A call that its node does not know is asked for at the other nodes of the set.

import Foundation
import SharedState
import Synchronization
import TestSupport
import Testing
import Transport

@testable import CallControl

@Suite struct SearchTests {
    /// What a function sends, and what a node that does not know the call says to it.
    enum Function: CaseIterable {
        case answer, lookup, delete, statistics, figure, play, stop, record

        var unknown: String { self == .answer || self == .lookup ? "0" : "E50" }
        /// How many commands each node is sent.
        var commands: Int {
            switch self {
            case .figure: 8
            case .record: 2
            default: 1
            }
        }
        var verb: Character {
            switch self {
            case .answer, .lookup: "L"
            case .delete: "D"
            case .statistics, .figure: "Q"
            case .play: "P"
            case .stop: "S"
            case .record: "R"
            }
        }

        /// Calls it for the call `b`, whose default choice is the first node; whether it did what it should.
        func succeeds(_ worker: SIPWorker, _ call: FakeCall) -> Bool {
            call[.callID] = "b"
            call[.toTag] = "tt"
            switch self {
            case .answer:
                call.facts.isRequest = false
                call.facts.status = 200
                return worker.answer(call) == .done
            case .lookup: return worker.offer(call, "l") == .done
            case .delete: return worker.delete(call) == .done
            case .statistics: return worker.statistics(call) != nil
            case .figure: return worker.figure(call, "nrelayed") != nil
            case .play: return worker.play(call, "p", 1, toCallee: true) == .done
            case .stop: return worker.stopPlay(call, toCallee: true) == .done
            case .record: return worker.record(call) == .done
            }
        }
    }

    private static let features: [SIPWorker.Feature] = [
        .codecLists, .statistics, .namedFigures, .lostPackets, .jitter,
    ]

    /// A node that knows no call, and one that knows any.
    private func stranger(_ reply: String) throws -> Responder { try Responder { _ in reply } }
    private func holder() throws -> Responder {
        try Responder { command in
            guard command.hasPrefix("Qv") else { return Responder.usual(command) }
            let words = command.split(separator: " ")
            return words[2].hasSuffix(";1") ? words[4...].map { "\($0)=7" }.joined(separator: " ") : "E50"
        }
    }

    @Test(arguments: Function.allCases)
    func aCallThatItsNodeDoesNotKnowIsFoundWhereItIs(_ function: Function) throws {
        let strangers = try (0..<11).map { _ in try stranger(function.unknown) }
        let holder = try holder()
        let urls = strangers[..<7].map(\.url) + [holder.url] + strangers[7...].map(\.url)
        let worker = try SIPWorker(urls, features: Self.features, remembers: true)
        let call = FakeCall()
        #expect(function.succeeds(worker, call), "\(call.errors)")
        #expect(call.errors == [] && call.instances.last == holder.url)
        #expect(holder.commands.allSatisfy { $0.first == function.verb })
        for stranger in strangers { #expect(stranger.commands.count <= function.commands) }
        for node in 0..<12 { #expect(worker.condition(node) == .up(recheck: 0)) }
        // From now on it is known who has it; of a call that is deleted nobody needs to know.
        guard function != .delete else { return }
        // What was sent has arrived when nothing more comes.
        var asked: [Int] = []
        waitUntil(5, every: 100) {
            defer { asked = strangers.map { $0.commands.count } }
            return asked == strangers.map { $0.commands.count }
        }
        let again = FakeCall(id: 2)
        #expect(function.succeeds(worker, again))
        usleep(100_000)
        #expect(strangers.map { $0.commands.count } == asked)
        #expect(again.instances == [holder.url])
    }

    @Test(arguments: Function.allCases)
    func aCallThatNobodyKnowsIsUnknown(_ function: Function) throws {
        let strangers = try (0..<12).map { _ in try stranger(function.unknown) }
        let worker = try SIPWorker(strangers.map(\.url), features: Self.features)
        let call = FakeCall()
        // What nobody knows is as good as deleted.
        #expect(function.succeeds(worker, call) == (function == .delete))
        for stranger in strangers { #expect(stranger.commands.count == function.commands) }
        switch function {
        case .lookup, .delete, .statistics, .figure: #expect(call.errors == [])
        case .answer:
            let url = strangers[Int(UInt8(ascii: "b")) % 12].url
            #expect(call.errors == ["call b: RTPProxy \(url) media stream 1 (line 6): session unknown at the relay"])
        case .play, .stop, .record:
            let url = strangers[Int(UInt8(ascii: "b")) % 12].url
            let reason = "does not know the call's session, nor does any other RTPProxy of its set that was asked"
            #expect(call.errors == ["call b: RTPProxy \(url) \(reason)"])
        }
        for node in 0..<12 { #expect(worker.condition(node) == .up(recheck: 0)) }
    }

    /// E8 means that where the present codes are not known, and a parse error where they are.
    @Test(arguments: [(true, 1), (false, 2)])
    func e8IsUnknownWhereOlderCodesAreSpoken(_ isNew: Bool, _ asked: Int) throws {
        let nodes = try [stranger("E8"), stranger("E8")]
        let worker = try SIPWorker(nodes.map(\.url), features: isNew ? [.namedFigures] : [])
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        call[.callID] = "b"
        #expect(worker.delete(call) == (isNew ? .error : .done))
        let commands = nodes.reduce(0) { $0 + $1.commands.count }
        #expect(commands == asked)
    }

    @Test func noMoreThanEightAreAskedAtOnce() throws {
        let busy = Busy()
        let nodes = try (0..<20).map { _ in
            try Responder { _ in
                busy.enter()
                usleep(60_000)
                busy.leave()
                return "E50"
            }
        }
        let worker = try SIPWorker(nodes.map(\.url), numbers: ["rtpproxy_tout": 20])
        let start = Date()
        #expect(worker.delete(FakeCall(.bye, toTag: "tt", body: nil)) == .done)
        #expect(Date().timeIntervalSince(start) < 1.2)
        #expect(nodes.allSatisfy { $0.commands.count == 1 })
        #expect(busy.most <= 8 && busy.most > 2)
    }

    private final class Busy: Sendable {
        private let state = Mutex((now: 0, most: 0))
        var most: Int { state.withLock { $0.most } }
        func enter() {
            state.withLock {
                $0.now += 1
                $0.most = max($0.most, $0.now)
            }
        }
        func leave() { state.withLock { $0.now -= 1 } }
    }

    /// Those that are down, off, or of another set are not asked; one that fails is taken out, and the others decide.
    @Test func onlyNodesOfTheSetThatTakeCommandsAreAsked() throws {
        let (first, off, drained, foreign) = (try stranger("E50"), try stranger("0"), try holder(), try holder())
        let dead = "udp:127.0.0.1:\(try Responder.closedPort())"
        let worker = try SIPWorker([first.url, off.url, drained.url, dead, "5 == \(foreign.url)"])
        #expect(worker.setEnabled(off.url, false) && worker.setDraining(drained.url, true))
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        call[.callID] = "a"
        while worker.delete(call) == .done, first.commands.isEmpty { call[.callID] += "a" }
        #expect(off.commands.isEmpty && foreign.commands.isEmpty && !drained.commands.isEmpty)
        #expect(worker.condition(3) == .down(recheck: 1060))
    }

    /// Silence in a search is no reason to try a node last: it has been asked just now.
    @Test func theOthersAreNotWaitedForOnceTheCallIsFound() throws {
        let (first, slow, holder) = (try stranger("0"), try ScriptedRelay(.udp), try holder())
        slow.on { _ in .delay(2000, .reply("0")) }
        let worker = try SIPWorker([first.url, slow.url, holder.url], numbers: ["rtpproxy_tout": 10])
        let reply = FakeCall.ok()
        reply[.callID] = "c"
        let start = Date()
        #expect(worker.answer(reply) == .done)
        #expect(Date().timeIntervalSince(start) < 1.5)
        #expect(first.commands.count == 1 && holder.commands.count == 1)
        #expect(try worker.table().silences(1) == 0)
    }

    // MARK: - Where another session may be

    /// A worker with four nodes, of which the second has the call `b`, and the deletion of that.
    private func talking(_ nodes: [Responder]) throws -> (worker: SIPWorker, bye: FakeCall) {
        let worker = try SIPWorker(nodes.map(\.url), remembers: true)
        let (offer, bye) = (FakeCall(), FakeCall(.bye, toTag: "tt", body: nil))
        (offer[.callID], bye[.callID]) = ("b", "b")
        for node in [0, 2, 3] { #expect(worker.setEnabled(nodes[node].url, false)) }
        #expect(worker.offer(offer) == .done)
        for node in [0, 2, 3] { #expect(worker.setEnabled(nodes[node].url, true)) }
        return (worker, bye)
    }

    private func deletions(_ nodes: [Responder]) -> [Int] {
        nodes.map { $0.commands.count { $0.hasPrefix("D ") } }
    }

    /// A node that was taken for gone, and has its calls still: what a re-INVITE has put elsewhere ends at both.
    @Test func aCallThatHasMovedEndsWhereItWas() throws {
        let nodes = try (0..<4).map { _ in try Responder() }
        let (worker, bye) = try talking(nodes)
        let again = FakeCall(toTag: "tt")
        again[.callID] = "b"
        #expect(try worker.table().fail(1, recheck: 2000))
        #expect(worker.offer(again) == .done)
        #expect(try worker.table().revive(1) != nil)
        let has = try #require([0, 2, 3].first { nodes[$0].commands.contains { $0.hasPrefix("U") } })
        let off = has == 3 ? 2 : 3
        #expect(worker.setEnabled(nodes[off].url, false))
        #expect(worker.delete(bye) == .done)
        #expect(eventually { deletions(nodes).count { $0 == 1 } == 3 })
        #expect(deletions(nodes)[off] == 0 && bye.errors == [])
        // Nobody waits for a node that does not answer, and no other call is deleted there.
        bye[.callID] = "c"
        #expect(worker.delete(bye) == .done)
        #expect(deletions(nodes).reduce(0, +) == 4)
    }

    /// It may be back, and this host has not looked yet.
    @Test func aCallWhoseNodeIsTakenForGoneEndsThereToo() throws {
        let nodes = try (0..<4).map { _ in try Responder() }
        let (worker, bye) = try talking(nodes)
        #expect(try worker.table().fail(1, recheck: 2000))
        #expect(worker.delete(bye) == .done)
        #expect(eventually { deletions(nodes)[1] == 1 })
        usleep(50_000)
        #expect(deletions(nodes).reduce(0, +) == 2)
    }

    /// RTPProxy may end where a browser's session is deleted before its ICE: what cannot be ended so is left to time out.
    @Test func aBrowsersSessionIsNotDeletedElsewhere() throws {
        let nodes = try (0..<2).map { _ in try Responder(ModuleRelay.answer) }
        let worker = try SIPWorker(nodes.map(\.url), features: [.webRTC, .figuresAndDelete], remembers: true)
        let (offer, bye) = (FakeCall(body: Browser.audio()), FakeCall(.bye, toTag: "tt", body: nil))
        #expect(worker.offer(offer, "p") == .done)
        let has = try #require(nodes.firstIndex { !$0.commands.isEmpty })
        #expect(try worker.table().fail(has, recheck: 2000))
        #expect(worker.delete(bye) == .done)
        usleep(50_000)
        #expect(deletions(nodes)[has] == 0 && deletions(nodes)[1 - has] == 1)
    }

    /// A search finds it at a node that gets no new calls, too: there it is deleted once, and its figures are not lost.
    @Test func nothingIsDeletedElsewhereBeforeItIsSearchedFor() throws {
        let (stranger, holder) = (try stranger("E50"), try holder())
        let worker = try SIPWorker([stranger.url, holder.url], remembers: true, shares: true)
        #expect(worker.setDraining(holder.url, true))
        #expect(worker.delete(FakeCall(.bye, toTag: "tt", body: nil)) == .done)
        usleep(50_000)
        #expect(deletions([stranger, holder]) == [1, 1])
    }

    /// Nobody waits for what becomes of the deletion at a node that was asked beside the one that has the call.
    @Test func aCallThatWasOfferedToTwoNodesEndsAtBoth() throws {
        let (slow, node) = (try ScriptedRelay(.udp), try Responder())
        slow.on { $0.verb == "U" ? .delay(600, .normal) : nil }
        let worker = try SIPWorker(
            [slow.url, node.url], numbers: ["rtpproxy_tout": 10], remembers: true)
        let (offer, bye) = (FakeCall(), FakeCall(.bye, toTag: "tt", body: nil))
        (offer[.callID], bye[.callID]) = ("b", "b")
        #expect(worker.setEnabled(node.url, false))
        #expect(worker.offer(FakeCall()) == .done)
        #expect(worker.setEnabled(node.url, true))
        #expect(worker.offer(offer) == .done && offer.instances.last == node.url)
        let deletions = { slow.commands(of: "b", "D").count }
        #expect(eventually { deletions() == 1 })
        #expect(worker.delete(bye) == .done)
        #expect(eventually { deletions() == 2 })
        #expect(node.commands.count { $0.hasPrefix("D ") } == 1 && bye.errors == [])
    }

    /// What was asked after one that failed is no second session.
    @Test func anOfferThatFailedOverEndsWhereItIs() throws {
        let (refusing, node) = (try Responder { _ in "E71" }, try Responder())
        let third = try Responder { _ in "E71" }
        let worker = try SIPWorker([refusing.url, node.url, third.url], remembers: true)
        for number in 0..<8 {
            let (offer, bye) = (FakeCall(), FakeCall(.bye, toTag: "tt", body: nil))
            (offer[.callID], bye[.callID]) = ("over-\(number)", "over-\(number)")
            #expect(worker.offer(offer) == .done && worker.delete(bye) == .done)
        }
        #expect(!refusing.commands.isEmpty && deletions([refusing, node, third]) == [0, 8, 0])
    }

    /// Another host may have begun a call that this one has not heard of, at a node that gets none of this one: it is taken
    /// for gone here, whether it answers again or not.
    @Test(arguments: [true, false], [true, false])
    func whatIsNotHeardOfEndsAtNodesWithoutNewCallsToo(_ shares: Bool, _ answers: Bool) throws {
        let nodes = try (0..<3).map { _ in try Responder() }
        let worker = try SIPWorker(nodes.map(\.url), remembers: true, shares: shares)
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(try worker.table().fail(1, recheck: 2000))
        if answers { try worker.table().noteAnswer(1, at: MonotonicClock.now()) }
        #expect(worker.delete(bye) == .done && worker.delete(bye) == .done)
        #expect(eventually { deletions(nodes)[1] == (shares ? 2 : 0) })
        usleep(50_000)
        #expect(deletions(nodes)[1] == (shares ? 2 : 0) && deletions(nodes)[0] + deletions(nodes)[2] == 2)
    }

    /// It would count as later than what the host said that has begun the call.
    @Test func otherHostsHearOfNoGuess() throws {
        let (stranger, holder) = (try stranger("0"), try holder())
        let worker = try SIPWorker([stranger.url, holder.url], remembers: true, shares: true)
        var (reader, fleet) = (FleetRingReader(), try #require(worker.fleet))
        let reply = FakeCall.ok()
        reply[.callID] = "b"
        #expect(worker.setEnabled(holder.url, false) && worker.answer(reply) == .error)
        #expect(!stranger.commands.isEmpty && fleet.takeChange(&reader, isPatient: false) == nil)
        #expect(worker.setEnabled(holder.url, true) && worker.answer(reply) == .done)
        let key = try #require(fleet.takeChange(&reader, isPatient: false))
        #expect(try worker.shared(key)?.node == 1 && fleet.takeChange(&reader, isPatient: false) == nil)
        // What it has begun itself it may tell.
        let offer = FakeCall()
        offer[.callID] = "c"
        #expect(worker.offer(offer) == .done && fleet.takeChange(&reader, isPatient: false) != nil)
    }

    /// An offer that belongs to a call creates its session where it is asked for it: there is nothing to search.
    @Test func anOfferIsNotSearchedFor() throws {
        let nodes = try [stranger("0"), holder()]
        let worker = try SIPWorker(nodes.map(\.url))
        let offer = FakeCall(toTag: "tt")
        offer[.callID] = "b"
        #expect(worker.offer(offer) == .error)
        #expect(nodes.map(\.commands.count) == [1, 0])
    }

    // MARK: - By another process

    @Test func asynchronousAnswersAndDeletionsSearchToo() throws {
        let strangers = try (0..<9).map { _ in try Responder { $0.hasPrefix("L") ? "0" : "E50" } }
        let holder = try holder()
        let bench = try AsyncBench((strangers.map(\.url) + [holder.url]), numbers: ["rtpproxy_tout": 10])
        bench.run()
        for number in 0..<20 { #expect(bench.answer(bench.call(.ok(), "answer-\(number)")).isSuspended) }
        let resumed = bench.resumed(20)
        #expect(resumed.allSatisfy { $0.code == .done && $0.instance == holder.url })
        let before = holder.commands.count
        for number in 0..<20 {
            #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "bye-\(number)")) == .done)
        }
        #expect(eventually { holder.commands.count == before + 20 })
        #expect(bench.isClean() && bench.world.errors == [])
    }
}
