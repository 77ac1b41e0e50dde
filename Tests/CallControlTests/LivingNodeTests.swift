// SPDX-License-Identifier: GPL-2.0-or-later
// Commands that come to nothing at nodes that live: whoever answers anything is not taken out for one of them.

import Foundation
import SharedState
import Synchronization
import TestSupport
import Testing

@testable import CallControl

@Suite struct LivingNodeTests {
    /// Answers all but what is about the call `lost`.
    private static func losing(_ command: String) -> String? {
        command.contains(" lost ") ? nil : Responder.usual(command)
    }

    private func call(_ id: String) -> FakeCall {
        let call = FakeCall()
        call[.callID] = id
        return call
    }

    /// Has another process offer calls until `body` is done.
    private func whileOthersCall(_ worker: SIPWorker, _ body: () -> Void) throws {
        nonisolated(unsafe) let other = try SIPWorker(beside: worker)
        let (isOver, end) = (Flag(), DispatchSemaphore(value: 0))
        Thread.detachNewThread {
            var number = 0
            while !isOver.value.load(ordering: .acquiring) {
                let call = FakeCall()
                call[.callID] = "other-\(number)"
                #expect(other.offer(call) == .done)
                number += 1
                usleep(20_000)
            }
            end.signal()
        }
        body()
        isOver.value.store(true, ordering: .releasing)
        end.wait()
    }

    private final class Flag: Sendable {
        let value = Atomic<Bool>(false)
    }

    @Test(arguments: [true, false])
    func aCommandThatIsLostTakesNobodyOutWhoAnswersOthers(_ remembers: Bool) throws {
        let responders = try (0..<4).map { _ in try Responder(Self.losing) }
        let worker = try SIPWorker(responders.map(\.url), remembers: remembers)
        let lost = call("lost")
        try whileOthersCall(worker) {
            let start = Date()
            #expect(worker.offer(lost) == .noNode)
            #expect(Date().timeIntervalSince(start) < 3)
        }
        for node in 0..<4 { #expect(worker.condition(node) == .up(recheck: 0)) }
        #expect(lost.errors.count == 1)
        #expect(lost.errors.first?.contains("does not answer in time, but answers others") == true)
        // It is looked at.
        let table = try worker.table()
        #expect((0..<4).contains { table.isLookWanted($0) })
    }

    /// No other node is asked, which would not know the call: it lives where it is.
    @Test func aLostCommandOfACallThatIsThereFailsAtItsNode() throws {
        let responders = try [Responder(Self.losing), Responder(Self.losing)]
        let worker = try SIPWorker(responders.map(\.url))
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        bye[.callID] = "lost"
        try whileOthersCall(worker) { #expect(worker.delete(bye) == .error) }
        #expect(worker.condition(0) == .up(recheck: 0) && worker.condition(1) == .up(recheck: 0))
        let sent = responders.flatMap { $0.commands }.filter { $0.contains(" lost ") }
        #expect(sent == ["D lost ft tt"])
        #expect(bye.errors.count == 1)
    }

    /// Of the streams of one message, too.
    @Test func aNodeThatAnswersSomeStreamsIsNotTakenOut() throws {
        let responder = try Responder { Responder.stream($0) == 2 ? nil : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        #expect(worker.offer(FakeCall(body: Body.audioVideo)) == .noNode)
        #expect(worker.condition(0) == .up(recheck: 0))
    }

    @Test func aNodeThatAnswersNobodyIsTakenOut() throws {
        let counter = Counter()
        let responder = try Responder { counter.next() < 3 ? Responder.usual($0) : nil }
        let worker = try SIPWorker(responder)
        #expect(worker.offer(call("a")) == .done && worker.offer(call("b")) == .done)
        #expect(worker.offer(call("c")) == .noNode)
        #expect(worker.condition(0) == .down(recheck: 1060))
    }

    /// One that has ever answered is looked at by the module's own process, and the call goes on at once.
    @Test func aRefusedDatagramIsNotBelieved() throws {
        let (port, other) = (try Responder.closedPort(), try Responder())
        let worker = try SIPWorker(["udp:127.0.0.1:\(port)", other.url])
        try worker.table().noteAnswer(0, at: 1)
        let offer = call("b")
        let start = Date()
        #expect(worker.offer(offer) == .done)
        #expect(Date().timeIntervalSince(start) < 0.5)
        #expect(offer.instances.last == other.url && offer.errors == [])
        #expect(worker.condition(0) == .up(recheck: 0))
        #expect(try worker.table().isLookWanted(0) && !worker.table().isLookWanted(1))
    }

    /// Who is silent for some round trips is looked at long before its time is over: what that brings decides.
    @Test func aSilentNodeIsLookedAtBeforeTheTimeIsOver() throws {
        let responder = try Responder(Self.losing)
        let worker = try SIPWorker([responder.url], numbers: ["rtpproxy_tout": 3])
        nonisolated(unsafe) let blocked = worker
        let end = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            #expect(blocked.offer(FakeCall.named("lost")) == .noNode)
            end.signal()
        }
        let table = try worker.table()
        #expect(eventually(1.5) { table.isLookWanted(0) })
        // The module's own process hears of it.
        table.noteAnswer(0, at: DispatchTime.now().uptimeNanoseconds)
        end.wait()
        #expect(worker.condition(0) == .up(recheck: 0))
    }

    // MARK: - Without hedging

    @Test(arguments: [(true, 0), (false, 1), (false, 0)])
    func anOfferAsksOneNodeAfterTheOther(_ remembers: Bool, _ hedging: Int) throws {
        let (slow, other) = (try ScriptedRelay(.udp), try ScriptedRelay(.udp))
        slow.on { $0.verb == "U" ? .delay(600, .normal) : nil }
        let worker = try SIPWorker(
            [slow.url, other.url], numbers: ["rtpproxy_tout": 10, "rtpproxy_hedging": hedging], remembers: remembers)
        let offer = call("b")
        #expect(worker.offer(offer) == .done)
        #expect(offer.instances == [slow.url] && other.log.isEmpty)
        #expect(offer.counts[.hedges] == nil)
    }

    /// Each has the time of one command.
    @Test func withoutHedgingADeadNodeLeavesTheNextItsTime() throws {
        let (silent, other) = (try Responder { _ in nil }, try Responder())
        let worker = try SIPWorker(silent, other)
        let offer = call("b")
        #expect(worker.offer(offer) == .done)
        #expect(offer.instances == [silent.url, other.url])
        #expect(worker.condition(0) == .down(recheck: 1060))
    }
}

extension FakeCall {
    /// An offer with this Call-ID.
    fileprivate static func named(_ id: String) -> FakeCall {
        let call = FakeCall()
        call[.callID] = id
        return call
    }
}
