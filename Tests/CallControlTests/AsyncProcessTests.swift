// SPDX-License-Identifier: GPL-2.0-or-later
// Calls that are handed over: they end as those that wait do, and whatever happens, each record is released once.

import Foundation
import SharedState
import Synchronization
import TestSupport
import Testing

@testable import CallControl

extension AsyncBench {
    /// Whether nothing is left: every record was released, once.
    func isClean() -> Bool {
        eventually { world.live == 0 && lines.queues.underWay(0) == 0 } && world.strangers == 0
    }

    /// The transactions that have gone on, once there are so many.
    func resumed(_ count: Int) -> [AsyncWorld.Resumed] {
        _ = eventually { world.resumed.count >= count }
        return world.resumed
    }
}

@Suite struct AsyncProcessTests {
    // MARK: - The functions

    @Test func anOfferGoesOnWithItsEdits() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.run()
        let call = bench.call(FakeCall(body: Body.audioVideo), "offer")
        #expect(bench.offer(call).isSuspended)
        let resumed = try #require(bench.resumed(1).first)
        #expect(resumed.callID == "offer" && resumed.code == .done && resumed.instance == responder.url)
        let twin = FakeCall(body: Body.audioVideo)
        twin[.callID] = "offer"
        #expect(bench.worker.offer(twin) == .done)
        #expect(resumed.body == twin.body && twin.body != Body.audioVideo)
        #expect(bench.isClean())
        #expect(call.suspensions == 1 && bench.world.allocations == 1 && bench.world.errors == [])
        // Nothing was done to the worker's message.
        #expect(call.message.body == Body.audioVideo && call.message.instances == [])
    }

    @Test func flagsAddressAndVariablesGoAlong() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url], texts: ["timeout_socket": "unix:/run/t"])
        bench.run()
        let message = FakeCall()
        message.variables = [.extraID: Array("leg".utf8), .timeoutTag: Array("tag".utf8)]
        #expect(bench.offer(bench.call(message, "flags"), "bo", address: "2001:db8::1").isSuspended)
        let resumed = try #require(bench.resumed(1).first)
        #expect(resumed.body?.contains("o=alice 1 2 IN IP6 2001:db8::1\r\n") == true)
        #expect(responder.commands == ["U flags;leg 198.51.100.5 5004 ft;1 unix:/run/t tag"])
        #expect(bench.isClean())
    }

    @Test func anAnswerGoesOnWithItsEdits() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.run()
        #expect(bench.answer(bench.call(.ok(), "answer")).isSuspended)
        let resumed = try #require(bench.resumed(1).first)
        #expect(resumed.code == .done && resumed.body?.contains("m=audio 36002 ") == true)
        #expect(bench.isClean())
    }

    @Test func aDeletionSuspendsNothing() throws {
        let counter = Counter()
        // The first one is lost.
        let responder = try Responder { counter.next() == 1 ? nil : Responder.usual($0) }
        let bench = try AsyncBench([responder.url])
        bench.run()
        let call = bench.call(FakeCall(.bye, toTag: "tt", body: nil), "bye")
        #expect(bench.delete(call) == .done)
        #expect(eventually { counter.next() > 0 && responder.commands == ["D bye ft tt"] })
        #expect(bench.isClean())
        #expect(call.suspensions == 0 && bench.world.resumed.isEmpty && bench.world.allocations == 1)
    }

    @Test func manageHandsOverWhatTheMessageAsksFor() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.run()
        let invite = bench.call(FakeCall(), "invite")
        #expect(bench.manage(invite).isSuspended && invite.message.marks == 1)
        #expect(bench.manage(bench.call(.ok(), "ok")).isSuspended)
        #expect(bench.manage(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "bye")).code == .done)
        #expect(bench.manage(bench.call(FakeCall(.other, body: nil), "other")).code == .error)
        #expect(bench.resumed(2).map(\.code) == [.done, .done])
        #expect(eventually { responder.commands.count == 3 })
        #expect(responder.commands.map { $0.prefix(4) }.sorted() == ["D by", "L ok", "U in"])
        #expect(bench.isClean())
    }

    @Test func theSetThatWasSelectedIsAsked() throws {
        let (first, other) = (try Responder(), try Responder())
        let bench = try AsyncBench([first.url, "5 == \(other.url)"])
        bench.run()
        let call = bench.call(FakeCall(), "set")
        #expect(bench.selectSet(call, 5) == .done)
        #expect(bench.offer(call).isSuspended)
        #expect(bench.resumed(1).first?.instance == other.url)
        #expect(first.commands.isEmpty && bench.isClean())
    }

    @Test func aCallOverConnectionsIsDrivenToo() throws {
        for transport in [ScriptedRelay.Transport.unix, .cunix, .tcp] {
            let relay = try ScriptedRelay(transport)
            let bench = try AsyncBench([relay.url])
            bench.run()
            for number in 0..<30 {
                #expect(bench.offer(bench.call(FakeCall(body: Body.audioVideo), "c\(number)")).isSuspended)
            }
            #expect(bench.resumed(30).map(\.code) == [ReturnCode](repeating: .done, count: 30), "\(transport)")
            #expect(bench.isClean())
        }
    }

    // MARK: - Many at once

    /// Each call has a port of its own, and none gets another one's.
    @Test func manyCallsAtOnceGetTheirOwnAnswers() throws {
        let relay = try ScriptedRelay(.udp)
        relay.on { command in
            guard command.verb == "U", let number = Int(command.callID.dropFirst()) else { return nil }
            // In another order than they came.
            return .delay(5 + number * 7 % 40, .reply("\(10_000 + 2 * number) 192.0.2.77"))
        }
        let bench = try AsyncBench([relay.url], numbers: ["rtpproxy_tout": 20])
        bench.run()
        for number in 0..<300 { #expect(bench.offer(bench.call(FakeCall(), "n\(number)")).isSuspended) }
        let resumed = bench.resumed(300)
        #expect(resumed.count == 300 && Set(resumed.map(\.callID)).count == 300)
        for call in resumed {
            let number = Int(call.callID.dropFirst()) ?? 0
            #expect(call.code == .done && call.body?.contains("m=audio \(10_000 + 2 * number) ") == true)
        }
        #expect(resumed.map(\.callID) != (0..<300).map { "n\($0)" })
        #expect(bench.isClean())
    }

    @Test func severalProcessesShareTheCalls() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url], numbers: ["rtpproxy_tout": 20], processes: 3)
        let used = (0..<60).map { number in
            JobDelivery.process(for: Array("p\(number)".utf8).span, of: 3)
        }
        #expect(Set(used) == [0, 1, 2])
        bench.run()
        for number in 0..<60 { #expect(bench.offer(bench.call(FakeCall(), "p\(number)")).isSuspended) }
        #expect(Set(bench.resumed(60).map(\.callID)).count == 60)
        #expect(bench.isClean())
        #expect(bench.stop())
    }

    @Test func oneCallIDAlwaysGoesToOneProcess() {
        let callID = Array("a-call@example.org".utf8)
        for count in [-1, 0, 1] { #expect(JobDelivery.process(for: callID.span, of: count) == 0) }
        for count in 2..<17 {
            let process = JobDelivery.process(for: callID.span, of: count)
            #expect(process >= 0 && process < count)
            #expect(JobDelivery.process(for: Array(callID).span, of: count) == process)
        }
    }

    /// They are all there before anybody takes them, so the order is the queue's; as many as a node's buffer holds.
    @Test func theJobsOfACallKeepTheirOrder() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url], numbers: ["rtpproxy_tout": 20], processes: 2)
        for number in 0..<5 {
            #expect(bench.offer(bench.call(FakeCall(), "o\(number)")).isSuspended)
            #expect(bench.answer(bench.call(.ok(), "o\(number)")).isSuspended)
            #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "o\(number)")) == .done)
        }
        bench.run()
        #expect(eventually { responder.commands.count >= 15 })
        for number in 0..<5 {
            let verbs = responder.commands.filter { $0.split(separator: " ")[1] == "o\(number)" }.map { $0.prefix(1) }
            #expect(verbs == ["U", "L", "D"])
        }
        #expect(bench.isClean())
    }

    /// Each command begins when the one before has its answer, also where a datagram is lost.
    @Test func aLostDatagramReversesNothing() throws {
        let counter = Counter()
        // Of each command the first copy is lost.
        let responder = try Responder { counter.next() % 2 == 1 ? nil : Responder.usual($0) }
        let bench = try AsyncBench([responder.url], numbers: ["rtpproxy_tout": 20])
        bench.run()
        #expect(bench.offer(bench.call(FakeCall(), "lost")).isSuspended)
        for _ in 0..<3 { #expect(bench.answer(bench.call(.ok(), "lost")).isSuspended) }
        #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "lost")) == .done)
        #expect(bench.resumed(4).map(\.code) == [ReturnCode](repeating: .done, count: 4))
        #expect(bench.isClean())
        #expect(responder.commands.map { $0.prefix(1) } == ["U", "L", "L", "L", "D"])
    }

    /// Thousands of calls with three commands each, some answered late: each in its order, and nothing is left.
    @Test func everyCallKeepsItsOwnOrder() throws {
        let relay = try ScriptedRelay(.udp)
        relay.on { .delay($0.callID.utf8.reduce(0) { $0 + Int($1) } % 7 * 3, .normal) }
        let bench = try AsyncBench([relay.url], numbers: ["rtpproxy_tout": 30, "rtpproxy_async_max": 20_000])
        bench.run()
        for number in 0..<1000 {
            #expect(bench.offer(bench.call(FakeCall(), "k\(number)")).isSuspended)
            #expect(bench.answer(bench.call(.ok(), "k\(number)")).isSuspended)
            #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "k\(number)")) == .done)
        }
        #expect(eventually(60) { bench.world.resumed.count == 2000 })
        #expect(bench.isClean())
        let verbs = Dictionary(grouping: relay.log.filter { "ULD".contains($0.verb) }, by: \.callID)
        #expect(verbs.count == 1000)
        // On a busy machine all copies of a command may be lost, which fails its call; of a deletion the log alone tells.
        let failed = Set(bench.world.resumed.filter { $0.code != .done }.map(\.callID))
        let errors = bench.world.errors
        #expect(failed.count + errors.count < 500)
        for (call, commands) in verbs {
            // One that was sent again comes before the next one.
            let order = commands.map(\.verb).reduce(into: [String]()) { if $0.last != $1 { $0.append($1) } }
            let isWhole = !failed.contains(call) && !errors.contains { $0.contains("call \(call): ") }
            #expect(order == ["U", "L", "D"].filter { order.contains($0) || !isWhole })
        }
    }

    /// Behind commands that get no answer a transaction waits about as long as for an answer of its own.
    @Test func nobodyWaitsLongForEarlierCommands() throws {
        let responder = try Responder { $0.hasPrefix("L") ? nil : Responder.usual($0) }
        let others = try (0..<3).map { _ in try Responder { $0.hasPrefix("L") ? nil : Responder.usual($0) } }
        let bench = try AsyncBench(
            ([responder] + others).map(\.url), numbers: ["rtpproxy_tout": 1, "rtpproxy_retr": 1])
        bench.run()
        let start = Date()
        for _ in 0..<5 { #expect(bench.answer(bench.call(.ok(), "b")).isSuspended) }
        #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "b")) == .done)
        // All but the first, which asks one after the other.
        let resumed = bench.resumed(4)
        #expect(resumed.map(\.code) == [ReturnCode](repeating: .error, count: 4))
        #expect(resumed.allSatisfy { $0.body == FakeCall.ok().body })
        #expect(Date().timeIntervalSince(start) < 2.5)
        #expect(
            bench.world.errors.contains("call b: earlier commands of this call still wait for their RTPProxy"))
        #expect(bench.resumed(5).count == 5)
        #expect(bench.isClean())
    }

    /// As many as may be at once, with a Call-ID that all share and nobody to ask.
    @Test func aLineOfManyEndsAtOnce() throws {
        let bench = try AsyncBench([try Responder().url], numbers: ["rtpproxy_async_max": 20_000])
        for _ in 0..<5000 { #expect(bench.offer(bench.call(FakeCall(), "same")).isSuspended) }
        #expect(bench.worker.setEnabled(bench.worker.url(0), false))
        bench.run()
        #expect(bench.resumed(5000).allSatisfy { $0.code == .noNode })
        #expect(bench.isClean())
    }

    // MARK: - Transactions that other processes are at

    @Test func oneThatIsHeldUpIsTriedAgainAtGrowingPausesAndTheOthersGoOn() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url], numbers: ["rtpproxy_tout": 20])
        bench.world.answer(.heldUp, .heldUp, .heldUp, .heldUp)
        bench.run()
        #expect(bench.offer(bench.call(FakeCall(), "held")).isSuspended)
        #expect(eventually { bench.world.tries.count == 4 })
        #expect(bench.world.tries.allSatisfy { $0.callID == "held" })
        let pauses = zip(bench.world.tries, bench.world.tries.dropFirst()).map { $1.time - $0.time }
        for (pause, least) in zip(pauses, [0.0019, 0.0038, 0.0075]) { #expect(pause >= least) }
        #expect(bench.resumed(1).count == 1 && bench.isClean())
        #expect(bench.offer(bench.call(FakeCall(), "other")).isSuspended)
        #expect(bench.resumed(2).last?.callID == "other" && bench.isClean())
    }

    @Test func whatIsGoneWhenItIsTriedAgainIsDeleted() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.world.answer(.heldUp, .gone)
        bench.run()
        #expect(bench.offer(bench.call(FakeCall(), "held")).isSuspended)
        #expect(eventually { responder.commands.last == "D held ft" } && bench.isClean())
    }

    // MARK: - Refusals

    @Test func whatRefusesNeverWaitsAndTheLogTellsOfItOnceAMinute() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.run()
        for (status, ticks) in [(300, 1000), (486, 1001), (699, 1059), (404, 1060), (488, 1119)] {
            let refusal = bench.call(.ok(status: status), "refusal-\(status)")
            refusal.message.ticks = UInt32(ticks)
            #expect(bench.answer(refusal).code == .error && bench.offer(refusal).code == .error)
            #expect(refusal.suspensions == 0)
        }
        let lines = bench.world.errors
        #expect(lines.map { $0.prefix(17) } == ["call refusal-300:", "call refusal-404:"])
        #expect(bench.world.allocations == 0 && responder.commands.isEmpty)
    }

    // MARK: - The end

    @Test func aProcessThatIsNoLongerWantedEndsWithCallsUnderWay() throws {
        let silent = try Responder { _ in nil }
        let bench = try AsyncBench([silent.url], numbers: ["rtpproxy_tout": 60])
        bench.run()
        for number in 0..<20 { #expect(bench.offer(bench.call(FakeCall(), "e\(number)")).isSuspended) }
        #expect(eventually { bench.lines.queues.underWay(0) == 20 })
        let start = Date()
        #expect(bench.stop())
        #expect(Date().timeIntervalSince(start) < 10)
        #expect(bench.world.resumed.isEmpty)
    }
}
