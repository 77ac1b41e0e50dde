// SPDX-License-Identifier: GPL-2.0-or-later
// Calls that are handed over: they end as those that wait do, and whatever happens, each record is released once.

import Foundation
import SharedState
import Synchronization
import TestSupport
import Testing

@testable import Relay

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

@Suite struct AsyncDeskTests {
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
            JobLines.process(for: Array("p\(number)".utf8).span, of: 3)
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
        for count in [-1, 0, 1] { #expect(JobLines.process(for: callID.span, of: count) == 0) }
        for count in 2..<17 {
            let process = JobLines.process(for: callID.span, of: count)
            #expect(process >= 0 && process < count)
            #expect(JobLines.process(for: Array(callID).span, of: count) == process)
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

    // MARK: - Nodes that fail

    /// A call whose Call-ID goes to the first of two nodes of equal weight.
    private func first(_ bench: AsyncBench) -> AsyncCall { bench.call(FakeCall(), "b") }

    @Test func aSilentNodeGetsCompanyAndItsSessionIsDeleted() throws {
        let (silent, other) = (try Responder { _ in nil }, try Responder())
        let bench = try AsyncBench([silent.url, other.url])
        bench.run()
        #expect(bench.offer(first(bench)).isSuspended)
        let resumed = try #require(bench.resumed(1).first)
        #expect(resumed.code == .done && resumed.instance == other.url)
        #expect(eventually { silent.commands.last == "D b ft" })
        #expect(other.commands.count == 1)
        #expect(try bench.worker.table().silences(0) == 1)
        #expect(bench.isClean() && bench.world.errors == [])
    }

    @Test func aNodeThatRefusesIsTakenOutAndTheNextOneAsked() throws {
        let dead = "udp:127.0.0.1:\(try Responder.closedPort())"
        let other = try Responder()
        let bench = try AsyncBench([dead, other.url])
        bench.run()
        #expect(bench.offer(first(bench)).isSuspended)
        let resumed = try #require(bench.resumed(1).first)
        #expect(resumed.code == .done && resumed.instance == other.url)
        #expect(bench.worker.condition(0) == .down(recheck: 1060))
        #expect(bench.world.errors.count == 1 && bench.isClean())
    }

    @Test func aLostCommandIsSentAgain() throws {
        let counter = Counter()
        let responder = try Responder { counter.next() % 3 == 1 ? nil : Responder.usual($0) }
        let bench = try AsyncBench([responder.url], numbers: ["rtpproxy_tout": 20])
        bench.run()
        for number in 0..<20 { #expect(bench.offer(bench.call(FakeCall(), "l\(number)")).isSuspended) }
        #expect(bench.resumed(20).map(\.code) == [ReturnCode](repeating: .done, count: 20))
        #expect(responder.commands.count == 20 && bench.isClean())
    }

    @Test func callsEndWithinTheBudgetWhileEveryNodeIsSilent() throws {
        let silent = try [Responder { _ in nil }, Responder { _ in nil }]
        let bench = try AsyncBench(silent.map(\.url))
        bench.run()
        let start = Date()
        for number in 0..<40 { _ = bench.offer(bench.call(FakeCall(), "s\(number)")) }
        #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "bye")) == .done)
        let resumed = bench.resumed(40)
        #expect(resumed.count == 40 && resumed.allSatisfy { $0.code == .noNode && $0.body == Body.audio })
        #expect(Date().timeIntervalSince(start) < 15)
        #expect(bench.isClean())
        // From now on nobody is suspended for nothing.
        let late = bench.call(FakeCall(), "late")
        #expect(bench.offer(late).code == .noNode && late.suspensions == 0)
    }

    @Test func nodesThatHaveNotAnsweredSinceStartAreWaitedFor() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url], numbers: ["rtpproxy_tout": 30], isProven: false)
        bench.run()
        for number in 0..<5 { #expect(bench.offer(bench.call(FakeCall(), "u\(number)")).isSuspended) }
        usleep(50_000)
        #expect(bench.world.resumed.isEmpty)
        bench.worker.prove(0)
        #expect(bench.resumed(5).map(\.code) == [ReturnCode](repeating: .done, count: 5))
        #expect(bench.isClean())
    }

    @Test func nodesThatNeverAnswerAreWaitedForNoLongerThanTheBudget() throws {
        let bench = try AsyncBench(["udp:127.0.0.1:1"], isProven: false)
        bench.run()
        let start = Date()
        #expect(bench.offer(bench.call(FakeCall(), "never")).isSuspended)
        #expect(bench.resumed(1).map(\.code) == [.noNode])
        let waited = Date().timeIntervalSince(start)
        #expect(waited > 0.9 && waited < 15)
        #expect(bench.isClean())
    }

    // MARK: - What was created for nothing

    /// The second stream gets no port: what the first got is deleted before the transaction goes on.
    @Test func anOfferThatFailsHalfwayIsUndone() throws {
        let responder = try Responder { command in
            command.hasPrefix("U") && Responder.stream(command) == 2 ? "E1" : Responder.usual(command)
        }
        let bench = try AsyncBench([responder.url])
        bench.run()
        #expect(bench.offer(bench.call(FakeCall(body: Body.audioVideo), "half")).isSuspended)
        let resumed = try #require(bench.resumed(1).first)
        #expect(resumed.code == .error && resumed.body == Body.audioVideo)
        #expect(responder.commands.last == "D half ft" && responder.commands.count == 3)
        #expect(bench.world.errors == ["call half: RTPProxy \(responder.url) answered with error E1"])
        #expect(bench.isClean())
    }

    /// It is gone before the delete: there is nobody to wait for.
    @Test func aNodeThatIsGoneBeforeTheDeleteHoldsNobodyUp() throws {
        let relay = try ScriptedRelay(.unix)
        let path = String(relay.url.dropFirst("unix:".count))
        relay.on { command in
            guard command.verb == "U", Responder.stream(command.text) == 2 else { return nil }
            unlink(path)
            return .reply("E1")
        }
        let bench = try AsyncBench([relay.url])
        bench.run()
        #expect(bench.offer(bench.call(FakeCall(body: Body.audioVideo), "nobody")).isSuspended)
        #expect(bench.resumed(1).map(\.code) == [.error])
        #expect(bench.isClean())
    }

    /// While a delete is under way other calls are driven: the log names the node that refused, not theirs.
    @Test func theLogNamesTheNodeThatRefused() throws {
        let (refusing, other) = (try ScriptedRelay(.udp), try ScriptedRelay(.udp))
        refusing.on { command in
            switch command.verb {
            case "U": .reply(Responder.stream(command.text) == 2 ? "E1" : "35000")
            case "D": .delay(300, .reply("0"))
            default: nil
            }
        }
        let bench = try AsyncBench([refusing.url, "5 == \(other.url)"], numbers: ["rtpproxy_tout": 10])
        bench.run()
        #expect(bench.offer(bench.call(FakeCall(body: Body.audioVideo), "refused")).isSuspended)
        #expect(eventually { !refusing.commands(of: "refused", "D").isEmpty })
        let call = bench.call(FakeCall(), "other")
        _ = bench.selectSet(call, 5)
        #expect(bench.offer(call).isSuspended)
        #expect(bench.resumed(2).map(\.callID) == ["other", "refused"])
        #expect(bench.world.errors == ["call refused: RTPProxy \(refusing.url) answered with error E1"])
    }

    @Test(arguments: [true, false])
    func aSessionForATransactionThatIsGoneIsDeleted(_ remembers: Bool) throws {
        let deletions = Counter()
        let responder = try Responder { command in
            // The first two are lost.
            command.hasPrefix("D") && deletions.next() < 3 ? nil : Responder.usual(command)
        }
        let bench = try AsyncBench([responder.url], remembers: remembers)
        bench.world.answer(.gone)
        bench.run()
        #expect(bench.offer(bench.call(FakeCall(), "gone")).isSuspended)
        #expect(bench.isClean())
        #expect(bench.world.resumed.count == 1)
        #expect(responder.commands.count == 2 && responder.commands.last == "D gone ft")
        #expect(deletions.next() > 3)
    }

    /// It goes to the node that has the session, also where that is not the one that the balancing rule gives.
    @Test(arguments: [true, false])
    func theSessionIsDeletedWhereItIs(_ remembers: Bool) throws {
        // It knows no offer, and any deletion is fine with it.
        let silent = try Responder { $0.hasPrefix("U") ? nil : Responder.usual($0) }
        let other = try Responder()
        let bench = try AsyncBench([silent.url, other.url], remembers: remembers)
        bench.world.answer(.gone)
        bench.run()
        #expect(bench.offer(first(bench)).isSuspended)
        #expect(bench.resumed(1).first?.instance == other.url)
        #expect(bench.isClean())
        #expect(other.commands.last == "D b ft")
    }

    /// An answer, or an offer within a dialog, has created nothing: the session is the call's.
    @Test func onlyWhatWasCreatedIsDeleted() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.world.answer(.gone, .gone)
        bench.run()
        #expect(bench.answer(bench.call(.ok(), "answer")).isSuspended)
        #expect(bench.offer(bench.call(FakeCall(toTag: "tt"), "again")).isSuspended)
        _ = bench.resumed(2)
        #expect(bench.isClean())
        #expect(!responder.commands.contains { $0.hasPrefix("D") })
    }

    /// A call that failed has nothing to delete either.
    @Test func aFailedCallWhoseTransactionIsGoneIsReleased() throws {
        let responder = try Responder { command in command.hasPrefix("U") ? "E1" : Responder.usual(command) }
        let bench = try AsyncBench([responder.url])
        bench.world.answer(.gone)
        bench.run()
        #expect(bench.offer(bench.call(FakeCall(), "failed")).isSuspended)
        #expect(bench.resumed(1).map(\.code) == [.error])
        #expect(bench.isClean())
        #expect(responder.commands.count == 1)
    }

    // MARK: - Handed over

    @Test func aRecordThatAnotherProcessHasIsNotReleased() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.world.answer(.handedOver)
        bench.run()
        #expect(bench.offer(bench.call(FakeCall(), "handed")).isSuspended)
        #expect(eventually { bench.world.handedOver.count == 1 && bench.lines.queues.underWay(0) == 0 })
        usleep(100_000)
        #expect(bench.world.live == 1 && bench.world.strangers == 0)
        // The other process finds the transaction gone.
        let record = try #require(bench.world.handedOver.first)
        #expect(bench.lines.undo(record))
        #expect(bench.isClean())
        #expect(responder.commands.last == "D handed ft")
    }

    @Test func aFailureIsHandedOverToo() throws {
        let responder = try Responder { command in command.hasPrefix("L") ? "E1" : Responder.usual(command) }
        let bench = try AsyncBench([responder.url])
        bench.world.answer(.handedOver)
        bench.run()
        #expect(bench.answer(bench.call(.ok(), "handed")).isSuspended)
        #expect(eventually { bench.world.handedOver.count == 1 && bench.lines.queues.underWay(0) == 0 })
        #expect(bench.world.resumed.map(\.code) == [.error])
        let record = try #require(bench.world.handedOver.first)
        #expect(!bench.lines.undo(record) && bench.world.live == 1)
        bench.world.release(record)
        #expect(bench.isClean())
    }

    // MARK: - Refused at once

    @Test func beyondTheBoundACallIsRefusedAndCounted() throws {
        let silent = try Responder { _ in nil }
        let bench = try AsyncBench(
            [silent.url], numbers: ["rtpproxy_async_max": 2, "rtpproxy_tout": 3])
        // Before anybody takes them: what is queued counts.
        #expect(bench.offer(bench.call(FakeCall(), "one")).isSuspended)
        #expect(bench.offer(bench.call(FakeCall(), "two")).isSuspended)
        let third = bench.call(FakeCall(), "three")
        #expect(bench.offer(third).code == .error && third.suspensions == 0)
        #expect(bench.lines.refusals == 1)
        #expect(bench.world.errors == ["call three: rtpproxy_async_max calls are under way"])
        bench.run()
        // And what is under way.
        #expect(eventually { bench.lines.queues.underWay(0) == 2 })
        #expect(bench.answer(bench.call(.ok(), "four")).code == .error)
        #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "five")) == .error)
        #expect(bench.lines.refusals == 3 && bench.world.allocations == 2)
        #expect(bench.resumed(2).count == 2 && bench.isClean())
    }

    @Test func withoutANodeNobodyIsSuspended() throws {
        let bench = try AsyncBench([try Responder().url])
        #expect(bench.worker.setEnabled(bench.worker.url(0), false))
        bench.run()
        for call in [bench.call(FakeCall(), "b"), bench.call(.ok(), "b")] {
            let result = call.message.facts.isRequest ? bench.offer(call) : bench.answer(call)
            #expect(result.code == .noNode && call.suspensions == 0)
        }
        #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "b")) == .error)
        let nowhere = try AsyncBench(["7 == udp:127.0.0.1:1"])
        #expect(nowhere.offer(nowhere.call()).code == .noNode)
        #expect(bench.world.allocations == 0 && nowhere.world.allocations == 0)
    }

    @Test func whatCanBeRefusedAtOnceIs() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.run()
        #expect(bench.offer(bench.call(FakeCall(body: Body.marked), "marked")).code == .marked)
        #expect(bench.offer(bench.call(FakeCall(body: nil), "no-body")).code == .error)
        #expect(bench.offer(bench.call(FakeCall(), "flag"), "?").code == .error)
        #expect(bench.offer(bench.call(FakeCall(), "address"), address: "").code == .error)
        #expect(bench.answer(bench.call(FakeCall(), "request")).code == .error)
        #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "flag"), "?") == .error)
        #expect(bench.world.allocations == 0 && responder.commands.isEmpty)
    }

    @Test func aRetransmissionWaitsWithoutAJob() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.run()
        let call = bench.call(FakeCall(), "again")
        call.suspension = .retransmission
        #expect(bench.offer(call).isSuspended && call.suspensions == 1)
        #expect(bench.isClean())
        usleep(100_000)
        #expect(responder.commands.isEmpty && bench.world.resumed.isEmpty && bench.world.allocations == 1)
    }

    @Test func aTransactionThatCannotWaitIsAnError() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.run()
        let call = bench.call(FakeCall(), "refused")
        call.suspension = .refused
        #expect(bench.offer(call).code == .error)
        #expect(bench.isClean())
        #expect(bench.world.errors == ["call refused: its transaction cannot be suspended"])
        #expect(responder.commands.isEmpty && bench.world.allocations == 1)
    }

    @Test func withoutSharedMemoryNobodyIsSuspended() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.run()
        bench.world.runOutOfMemory()
        let call = bench.call(FakeCall(), "memory")
        #expect(bench.offer(call).code == .error && call.suspensions == 0)
        #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "memory")) == .error)
        let line = "call memory: no shared memory to hand the call over"
        #expect(bench.world.errors == [line, line] && responder.commands.isEmpty)
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
