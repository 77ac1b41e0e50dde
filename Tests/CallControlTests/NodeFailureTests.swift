// SPDX-License-Identifier: GPL-2.0-or-later
// Nodes that fall silent, refuse or talk nonsense: taken out for all processes, said once, and waited for at start-up.

import Foundation
import SharedState
import TestSupport
import Testing

@testable import CallControl

@Suite struct NodeFailureTests {
    private static let cid = "call-1@example.org"

    /// A call whose Call-ID goes to the first of two nodes of equal weight. Another `extra` makes it another one, with
    /// flag `b`.
    private func call(_ extra: Int = 0) -> FakeCall {
        let call = FakeCall()
        call[.callID] = "b"
        call.variables[.extraID] = Array("\(extra)".utf8)
        return call
    }

    private func expectTakenOut(_ worker: SIPWorker, _ call: FakeCall, _ url: String, _ reason: String) {
        #expect(worker.condition(0) == .down(recheck: 1060))
        #expect(call.errors == ["RTPProxy \(url) (set 0) \(reason), disabled for 60 s"])
        #expect(call.body.contains("m=audio 35002 "))
    }

    @Test func aSilentNodeThatIsAloneIsDisabled() throws {
        let silent = try Responder { _ in nil }
        let worker = try SIPWorker(silent)
        let first = call()
        #expect(worker.offer(first) == .noNode)
        #expect(worker.condition(0) == .down(recheck: 1060))
        #expect(
            first.errors.first == "RTPProxy \(silent.url) (set 0) does not answer in time, disabled for 60 s")
        let commands = silent.commands.count
        // Nobody asks it again, also in other processes, and nobody says it twice.
        for next in [worker, try SIPWorker(beside: worker)] {
            let call = call()
            #expect(next.offer(call) == .noNode)
            #expect(!call.errors.contains { $0.contains("in time") })
        }
        #expect(silent.commands.count == commands)
    }

    @Test func aSilentNodeGetsCompanyAndLosesTheCall() throws {
        let silent = try Responder { _ in nil }
        let other = try Responder()
        let worker = try SIPWorker(silent, other, remembers: true)
        let call = call()
        #expect(worker.offer(call) == .done)
        #expect(call.body.contains("m=audio 35002 "))
        #expect(call.instances.last == other.url)
        #expect(call.errors.isEmpty)
        // Its verdict is out: it is up until somebody has waited for it in vain.
        #expect(worker.condition(0) == .up(recheck: 0))
        #expect(try worker.table().silences(0) == 1)
        for _ in 0..<100 where silent.commands.last != "D b ft" { usleep(10_000) }
        #expect(silent.commands.last == "D b ft")
    }

    @Test func aNodeThatWasSilentToSeveralCallsIsTriedLast() throws {
        let silent = try Responder { _ in nil }
        let other = try Responder()
        let worker = try SIPWorker(silent, other, remembers: true)
        var asked: Int { silent.commands.filter { $0.hasPrefix("U") }.count }
        for extra in 1...Int(NodeTable.suspicion) { #expect(worker.offer(call(extra), "b") == .done) }
        let before = asked
        #expect(before > 0)
        #expect(worker.offer(call(100), "b") == .done)
        #expect(asked == before)
        // An answer clears it.
        try worker.table().noteAnswer(0)
        #expect(worker.offer(call(101), "b") == .done)
        #expect(asked > before)
    }

    @Test func anAnswerToAnExistingSessionWaitsForItsOwnNode() throws {
        let slow = try Responder { command in
            usleep(400_000)
            return command.hasPrefix("L") ? "35010 192.0.2.1" : "0"
        }
        let other = try Responder()
        let worker = try SIPWorker(slow, other)
        let reply = FakeCall(.invite, status: 200)
        reply[.callID] = "b"
        reply[.toTag] = "tt"
        #expect(worker.answer(reply) == .done)
        #expect(other.commands.isEmpty)
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
        expectTakenOut(worker, call, wrong.url, "answers with something that is no reply of an RTPProxy")
    }

    /// Two processes wait for the same node at once: one of them writes the line.
    @Test func aFailureThatTwoProcessesSeeIsLoggedOnce() throws {
        let silent = try Responder { _ in nil }
        let worker = try SIPWorker(silent)
        nonisolated(unsafe) let workers = [worker, try SIPWorker(beside: worker)]
        nonisolated(unsafe) let calls = [call(), call()]
        DispatchQueue.concurrentPerform(iterations: 2) { _ = workers[$0].offer(calls[$0]) }
        #expect(calls.flatMap(\.errors).filter { $0.contains("in time") }.count == 1)
    }

    /// One node is short and the other one dead: what the last one tried has shown is what the script gets.
    @Test func theLastNodeDecidesWhatTheScriptGets() throws {
        let short = try Responder { _ in "E71" }
        let dead = "udp:127.0.0.1:\(try Responder.closedPort())"
        let shortFirst = try SIPWorker([short.url, dead])
        #expect(shortFirst.offer(call()) == .noNode)
        #expect(shortFirst.condition(0) == .up(recheck: 0))
        let deadFirst = try SIPWorker([dead, short.url])
        #expect(deadFirst.offer(call()) == .error)
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

    /// It refuses the second stream, and is gone before what the first one got is deleted: nobody is waited for.
    @Test func aNodeThatIsGoneBeforeTheDeleteHoldsNobodyUp() throws {
        let relay = try ScriptedRelay(.unix)
        let path = String(relay.url.dropFirst("unix:".count))
        relay.on { command in
            guard command.verb == "U", Responder.stream(command.text) == 2 else { return nil }
            unlink(path)
            return .reply("E1")
        }
        nonisolated(unsafe) let worker = try SIPWorker([relay.url])
        let isOver = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            #expect(worker.offer(FakeCall(body: Body.audioVideo)) == .error)
            isOver.signal()
        }
        #expect(isOver.wait(timeout: .now() + 15) == .success)
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
