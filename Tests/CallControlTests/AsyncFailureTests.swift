// SPDX-License-Identifier: GPL-2.0-or-later
// Calls that are handed over to nodes that are slow, silent or gone, and for transactions that are gone themselves.

import Foundation
import SharedState
import Synchronization
import TestSupport
import Testing

@testable import CallControl

@Suite struct AsyncFailureTests {
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
        #expect(bench.world.errors == ["call half: RTPProxy \(responder.url) \(refusal(1))"])
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
        #expect(bench.world.errors == ["call refused: RTPProxy \(refusing.url) \(refusal(1))"])
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

    /// What was created for nothing is deleted before the next offer of the same Call-ID, not behind it.
    @Test func aSessionForNobodyIsDeletedBeforeTheNextOffer() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.world.answer(.gone)
        for _ in 0..<2 { #expect(bench.offer(bench.call(FakeCall(), "again")).isSuspended) }
        #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "again")) == .done)
        bench.run()
        #expect(eventually { responder.commands.count == 4 })
        #expect(responder.commands.map { $0.prefix(1) } == ["U", "D", "U", "D"])
        #expect(bench.isClean())
    }

    /// What tm says of the transaction is only seen where the answer is handed over.
    @Test(arguments: [true, false]) func anAnswerThatAModuleRefusesEndsTheSessionOfTheFirst(_ isFirst: Bool) throws {
        let responder = try Responder { $0.hasPrefix("L") ? "35002 && -1" : ModuleRelay.answer($0) }
        let bench = try AsyncBench([responder.url])
        bench.worker.prove(0, [.webRTC])
        bench.run()
        let answer = FakeCall.ok(Browser.audio(setup: "active"))
        answer.isFirstAnswer = isFirst
        #expect(bench.answer(bench.call(answer, "answer"), "p").isSuspended)
        #expect(bench.resumed(1).map(\.code) == [.error])
        #expect(responder.commands.dropFirst() == (isFirst ? ["D answer ft tt"] : []))
        #expect(bench.isClean())
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
}
