// SPDX-License-Identifier: GPL-2.0-or-later
// What happens when a node fails: errors, silence, refusal, garbage, and who says so.

import Foundation
import SharedState
import Testing

@testable import Relay

@Suite struct FailoverTests {
    private static let cid = "call-1@example.org"
    /// Of two nodes of equal weight the first is the one that a Call-ID of an even sum goes to.
    private static let even = "b"

    private func call(_ toTag: String = "", body: String = Body.audio) -> FakeCall {
        let call = FakeCall(toTag: toTag, body: body)
        call[.callID] = Self.even
        return call
    }

    // MARK: - Errors

    @Test(arguments: ["E71", "E72", "E81", "E85", "E89", "E98", "E99", "E7", "E8", "E9", "E10"])
    func aShortageTriesAnotherNode(_ error: String) throws {
        let short = try Responder { _ in error }
        let other = try Responder()
        let worker = try SIPWorker(short, other)
        let call = call()
        #expect(worker.offer(call) == .done)
        #expect(call.body.contains("m=audio 35002 "))
        #expect(short.commands.count == 1 && other.commands.count == 1)
        #expect(call.instances == [short.url, other.url])
        // It is not dead: the next call asks it again.
        #expect(worker.condition(0) == .up(recheck: 0))
    }

    @Test func aShortageEverywhereIsAnError() throws {
        let short = try [Responder { _ in "E71" }, Responder { _ in "E72" }]
        let worker = try SIPWorker(short.map(\.url))
        let call = call()
        #expect(worker.offer(call) == .error)
        #expect(short.map(\.commands.count) == [1, 1])
        #expect(call.errors == ["call b: RTPProxy \(short[1].url) answered with error E72"])
        #expect(call.body == Body.audio)
    }

    @Test(arguments: ["E0", "E13", "E35", "E50", "E60", "E75", "E100", "0", "70000"])
    func anotherErrorFailsAtOnce(_ reply: String) throws {
        let first = try Responder { _ in reply }
        let other = try Responder()
        let worker = try SIPWorker(first, other)
        let call = call()
        #expect(worker.offer(call) == .error)
        #expect(first.commands.count == 1 && other.commands.isEmpty)
        #expect(worker.condition(0) == .up(recheck: 0))
        #expect(call.errors.count == 1)
        #expect(call.errors.allSatisfy { $0.hasPrefix("call b: RTPProxy \(first.url) answered ") })
    }

    /// Another node does not know the session that is there already.
    @Test func aShortageOfASessionThatExistsIsAnError() throws {
        let first = try Responder { _ in "E71" }
        let other = try Responder()
        let worker = try SIPWorker(first, other)
        #expect(worker.offer(call("tt")) == .error)
        let answer = FakeCall.ok()
        answer[.callID] = Self.even
        #expect(worker.answer(answer) == .error)
        #expect(first.commands.count == 2 && other.commands.isEmpty)
    }

    @Test func aLookupWithoutASessionFailsQuietly() throws {
        let responder = try Responder { _ in "0" }
        let worker = try SIPWorker(responder)
        let call = call("tt")
        #expect(worker.offer(call, "l") == .error)
        #expect(call.lines.isEmpty)
        // An answer without a session is another matter.
        let answer = FakeCall.ok()
        #expect(worker.answer(answer) == .error)
        #expect(answer.errors.count == 1)
    }

    // MARK: - All or nothing

    @Test(arguments: ["E35", "0", "99999"])
    func aSecondStreamThatFailsTakesTheFirstAlong(_ reply: String) throws {
        let responder = try Responder { Responder.stream($0) == 2 ? reply : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        let call = call(body: Body.audioVideo)
        #expect(worker.offer(call, "1") == .error)
        #expect(call.body == Body.audioVideo && call.applications == 0)
        #expect(responder.commands.dropFirst(2) == ["D b;z9hG4bK1 ft"])
        #expect(call.errors.count == 1)
    }

    @Test func aSessionThatExistedIsNotDeleted() throws {
        let responder = try Responder { Responder.stream($0) == 2 ? "E35" : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        let call = call("tt", body: Body.audioVideo)
        #expect(worker.offer(call) == .error)
        #expect(call.body == Body.audioVideo)
        #expect(responder.commands.map(\.first) == ["U", "U"])
    }

    @Test func whatWasNotCreatedIsNotDeleted() throws {
        let responder = try Responder { _ in "E35" }
        let worker = try SIPWorker(responder)
        #expect(worker.offer(call(body: Body.audioVideo)) == .error)
        #expect(responder.commands.map(\.first) == ["U", "U"])
    }

    /// A shortage at the second stream: what the first has got is given back, then another node gets both.
    @Test func allStreamsComeFromOneNode() throws {
        let first = try Responder { Responder.stream($0) == 2 ? "E71" : Responder.usual($0) }
        let other = try Responder { $0.hasPrefix("U") ? "41000 192.0.2.99" : "0" }
        let worker = try SIPWorker(first, other)
        let call = call(body: Body.audioVideo)
        #expect(worker.offer(call) == .done)
        #expect(first.commands.map(\.first) == ["U", "U", "D"])
        #expect(other.commands.map(\.first) == ["U", "U"])
        #expect(!call.body.contains("192.0.2.77") && call.body.components(of: " 41000 ") == 2)
    }

    // MARK: - Nodes that fail

    private func expectTakenOut(_ worker: SIPWorker, _ call: FakeCall, _ url: String, _ reason: String) {
        #expect(worker.condition(0) == .down(recheck: 1060))
        #expect(call.errors == ["RTPProxy \(url) (set 0) \(reason), disabled for 60 s"])
        #expect(call.body.contains("m=audio 35002 "))
    }

    @Test func aSilentNodeIsDisabledAndTheNextOneIsAsked() throws {
        let silent = try Responder { _ in nil }
        let other = try Responder()
        let worker = try SIPWorker(silent, other)
        let first = call()
        #expect(worker.offer(first) == .done)
        expectTakenOut(worker, first, silent.url, "does not answer in time")
        let commands = silent.commands.count
        // Nobody asks it again, also in other processes, and nobody says it twice.
        for next in [worker, try SIPWorker(beside: worker)] {
            let call = call()
            #expect(next.offer(call) == .done)
            #expect(call.lines.isEmpty)
            #expect(call.instances == [other.url])
        }
        #expect(silent.commands.count == commands)
    }

    @Test func aNodeThatRefusesIsDisabledAtOnce() throws {
        let port = try Responder.closedPort()
        let other = try Responder()
        let worker = try SIPWorker(["udp:127.0.0.1:\(port)", other.url])
        let call = call()
        #expect(worker.offer(call) == .done)
        expectTakenOut(
            worker, call, "udp:127.0.0.1:\(port)", "is not there, connection refused or no address")
    }

    @Test func aNodeWithoutAnAddressIsDisabledAtOnce() throws {
        let other = try Responder()
        let worker = try SIPWorker(["udp:no-such-host.invalid:1", other.url])
        let call = call()
        #expect(worker.offer(call) == .done)
        expectTakenOut(
            worker, call, "udp:no-such-host.invalid:1", "is not there, connection refused or no address")
    }

    @Test(arguments: ["hello", "", "35000 not-an-address", "-1", "E", String(repeating: "9", count: 2000)])
    func aNodeThatAnswersNonsenseIsDisabled(_ reply: String) throws {
        let wrong = try Responder { _ in reply }
        let other = try Responder()
        let worker = try SIPWorker(wrong, other)
        let call = call()
        #expect(worker.offer(call) == .done)
        expectTakenOut(worker, call, wrong.url, "answers what is no control protocol")
    }

    /// Each at most once, then -3; the functions that change no message give -1.
    @Test func withoutAnyNodeOffersSayThatThereIsNone() throws {
        let ports = try [Responder.closedPort(), Responder.closedPort()]
        let worker = try SIPWorker(ports.map { "udp:127.0.0.1:\($0)" })
        let first = call()
        #expect(worker.offer(first) == .noNode)
        #expect(first.instances.count == 2 && Set(first.instances).count == 2)
        #expect(first.body == Body.audio)
        #expect(first.errors.count == 3)
        #expect(first.errors.last == "call b: no RTPProxy available in set 0")
        let answer = FakeCall.ok()
        #expect(worker.answer(answer) == .noNode)
        #expect(answer.errors == ["call \(Self.cid): no RTPProxy available in set 0"])
        #expect(worker.manage(call()) == .noNode)
        #expect(worker.delete(call()) == .error)
        #expect(worker.record(call()) == .error)
        #expect(worker.play(call(), "p", 1, toCallee: false) == .error)
        #expect(worker.statistics(call()) == nil)
    }

    @Test func withoutAnyConfiguredNodeThereIsNone() throws {
        for sockets in [[], [""], ["7 == udp:127.0.0.1:1"]] {
            let worker = try SIPWorker(sockets)
            let call = call()
            #expect(worker.offer(call) == .noNode)
            #expect(worker.delete(call) == .error)
            #expect(call.errors.first == "call b: no RTPProxy is configured in set 0")
        }
    }

    @Test func aNodeThatTheOperatorDisabledIsNotAsked() throws {
        let first = try Responder()
        let other = try Responder()
        let worker = try SIPWorker(first, other)
        #expect(worker.setEnabled(first.url, false))
        #expect(worker.offer(call()) == .done)
        #expect(first.commands.isEmpty && other.commands.count == 1)
        #expect(worker.setEnabled(other.url, false))
        #expect(worker.offer(call()) == .noNode)
        #expect(worker.setEnabled(first.url, true))
        #expect(worker.offer(call()) == .done)
        #expect(first.commands.count == 1)
    }

    @Test(arguments: [(60, 1060), (0, 1000), (1 << 40, UInt32.max), (-1, UInt32.max), (Int.min, UInt32.max)])
    func aFailedNodeIsTriedAgainWhenTheTimeIsOver(_ seconds: Int, _ tick: UInt32) throws {
        let worker = try SIPWorker(
            ["udp:127.0.0.1:\(Responder.closedPort())"], numbers: ["rtpproxy_disable_tout": seconds])
        let call = call()
        #expect(worker.offer(call) == .noNode)
        #expect(worker.condition(0) == .down(recheck: tick))
        #expect(worker.listing(0)?.recheck == (tick == .max ? -1 : Int32(tick)))
        if tick == .max {
            #expect(call.errors.first?.hasSuffix("disabled until it is enabled by RPC") == true)
        }
    }

    @Test func ticksDoNotOverflow() throws {
        let worker = try SIPWorker(["udp:127.0.0.1:\(Responder.closedPort())"])
        let call = call()
        call.ticks = .max - 3
        #expect(worker.offer(call) == .noNode)
        #expect(worker.condition(0) == .down(recheck: .max))
    }

    // MARK: - Start-up

    @Test func aCallWaitsForTheFirstAnswerNoLongerThanACommandMayTake() throws {
        let worker = try SIPWorker(["udp:127.0.0.1:1"], isProven: false)
        let start = Date()
        #expect(worker.offer(call()) == .noNode)
        let waited = Date().timeIntervalSince(start)
        #expect(waited > 0.9 && waited < 20)
        #expect(worker.condition(0) == .unproven)
    }

    @Test func aCallGoesOnAsSoonAsANodeHasAnswered() throws {
        let responder = try Responder()
        let worker = try SIPWorker([responder.url], numbers: ["rtpproxy_tout": 30], isProven: false)
        let other = try SIPWorker(beside: worker)
        nonisolated(unsafe) let prover = other
        Thread.detachNewThread {
            usleep(50_000)
            prover.prove(0)
        }
        #expect(worker.offer(call()) == .done)
        withExtendedLifetime(other) {}
    }

    /// Another one of the set is up: nobody waits for those that are not yet.
    @Test func nobodyWaitsWhereAnotherNodeIsUp() throws {
        let responder = try Responder()
        let worker = try SIPWorker(["udp:127.0.0.1:1", responder.url], numbers: ["rtpproxy_tout": 30], isProven: false)
        worker.prove(1)
        #expect(worker.offer(call()) == .done)
        #expect(responder.commands.count == 1)
    }

    /// A first datagram that is lost is sent again within the budget, and runs once.
    @Test func aLostCommandIsSentAgain() throws {
        let counter = Counter()
        let responder = try Responder { counter.next() == 1 ? nil : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        #expect(worker.offer(call()) == .done)
        #expect(responder.commands.count == 1)
        #expect(counter.next() >= 3)
    }
}
