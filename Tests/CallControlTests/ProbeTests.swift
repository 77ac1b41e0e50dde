// SPDX-License-Identifier: GPL-2.0-or-later
// Probing on demand: who is asked, what the operator is told, and what becomes of the nodes.

import Foundation
import SharedState
import Testing
import Transport

@testable import CallControl

@Suite struct ProbeTests {
    /// One line per result: `position up`, or `position reason`.
    private func texts(_ results: [ProbeResult]) -> [String] {
        results.map { result in
            switch result.answer {
            case .present(let microseconds): "\(result.position) \(microseconds > 0 ? "up" : "no time")"
            case .absent(let reason): "\(result.position) \(reason)"
            }
        }
    }

    private func microseconds(_ result: ProbeResult?) -> UInt32? {
        if case .present(let microseconds) = result?.answer { return microseconds }
        return nil
    }

    /// A call has found the node out.
    private func takeOut(_ worker: SIPWorker, _ node: Int, recheck: UInt32) throws {
        let isWinner = try worker.table().fail(node, recheck: recheck)
        #expect(isWinner)
    }

    private static let silence = "does not answer in time"

    @Test func aNodeThatIsUpIsOnlyAskedWhetherItIsThere() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let call = FakeCall()
        // A process that is never asked to needs no memory and no sockets for it.
        #expect(!worker.canProbe)
        #expect(texts(worker.probe(responder.url, call)) == ["0 up"])
        #expect(worker.canProbe)
        #expect(responder.commands == ["V"])
        #expect(call.lines.isEmpty)
        #expect(worker.condition(0) == .up(recheck: 0))
    }

    @Test func theRoundTripIsThatOfThisProbe() throws {
        let slow = try Responder { command in
            usleep(60_000)
            return Responder.usual(command)
        }
        let quick = try Responder()
        let worker = try SIPWorker(slow, quick)
        let results = worker.probe(nil)
        let (first, second) = (try #require(microseconds(results.first)), try #require(microseconds(results.last)))
        #expect(first >= 60_000)
        #expect(second < first)
        // The estimate of all processes has it, too.
        #expect(try worker.table().roundTrip(0)?.smoothedMicroseconds == first)
    }

    /// Every copy of the question but the last is lost: nobody knows whose answer that is, but it is not instant.
    @Test func anAnswerToARepeatedQuestionCountsFromTheFirstTime() throws {
        let counter = Counter()
        let responder = try Responder { counter.next() == 1 ? nil : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        let waited = try #require(microseconds(worker.probe(nil).first))
        #expect(waited >= 10_000)
        #expect(try worker.table().roundTrip(0) == nil)
    }

    @Test func onlyNodesOfTheURLAreAskedAndAllEntriesOfIt() throws {
        let (first, other) = (try Responder(), try Responder())
        let worker = try SIPWorker(["\(first.url) \(other.url)", "7 == \(first.url)"])
        #expect(texts(worker.probe(first.url)) == ["0 up", "2 up"])
        #expect(first.commands == ["V", "V"] && other.commands.isEmpty)
        #expect(texts(worker.probe(nil)) == ["0 up", "1 up", "2 up"])
    }

    @Test(arguments: ["", "udp:127.0.0.1", "UDP:127.0.0.1:1", "udp:127.0.0.1:11"])
    func anotherURLGivesNothing(_ url: String) throws {
        #expect(try SIPWorker(["udp:127.0.0.1:1"]).probe(url).isEmpty)
    }

    @Test func withoutNodesThereIsNothingToAsk() throws {
        let worker = try SIPWorker([])
        #expect(worker.probe(nil).isEmpty)
        #expect(worker.probe("").isEmpty)
    }

    /// Three that are silent cost one budget, not three, and those that answer are not kept waiting for their verdict.
    @Test func silentNodesCostOneBudgetAndTheOthersHaveTheirRoundTrip() throws {
        let silent = try (0..<3).map { _ in try Responder { _ in nil } }
        let down = try Responder()
        let worker = try SIPWorker(
            [(silent.map(\.url) + [down.url]).joined(separator: " ")], numbers: ["rtpproxy_tout": 2])
        try takeOut(worker, 3, recheck: 5000)
        nonisolated(unsafe) let prober = worker
        nonisolated(unsafe) var results: [ProbeResult] = []
        let done = DispatchSemaphore(value: 0)
        let start = Date()
        Thread.detachNewThread {
            results = prober.probe(nil)
            done.signal()
        }
        for _ in 0..<1200 where worker.condition(3) != .up(recheck: 5000) { usleep(1000) }
        #expect(worker.condition(3) == .up(recheck: 5000))
        #expect(worker.condition(0) == .up(recheck: 0))
        done.wait()
        let waited = Date().timeIntervalSince(start)
        #expect(waited > 1.9 && waited < 4)
        #expect(texts(results) == (0..<3).map { "\($0) \(Self.silence)" } + ["3 up"])
        #expect(try #require(microseconds(results.last)) < 1_900_000)
    }

    @Test func aNodeThatIsUpAndSilentIsTakenOutWithOneLine() throws {
        let silent = try Responder { _ in nil }
        let worker = try SIPWorker([silent.url])
        nonisolated(unsafe) let workers = [worker, try SIPWorker(beside: worker)]
        nonisolated(unsafe) let calls = [FakeCall(), FakeCall()]
        DispatchQueue.concurrentPerform(iterations: 2) { _ = workers[$0].probe(nil, calls[$0]) }
        #expect(worker.condition(0) == .down(recheck: 1060))
        #expect(
            calls.flatMap(\.errors) == ["RTPProxy \(silent.url) (set 0) \(Self.silence), disabled for 60 s"])
    }

    @Test func aNodeThatIsStillDownIsLeftAloneForAnotherWhile() throws {
        let worker = try SIPWorker(["udp:127.0.0.1:\(Responder.closedPort())"])
        try takeOut(worker, 0, recheck: 7)
        let call = FakeCall()
        #expect(texts(worker.probe(nil, call)) == ["0 is not there, connection refused or no address"])
        #expect(worker.condition(0) == .down(recheck: 1060))
        #expect(call.lines.isEmpty)
    }

    @Test func aNodeThatIsDownAndAnswersIsBackAndShowsWhatItCanDo() throws {
        let responder = try Responder { $0 == "VF 20071116" ? "0" : Responder.usual($0) }
        let worker = try SIPWorker([responder.url])
        let table = try worker.table()
        table.setCapabilities(0, 0)
        try takeOut(worker, 0, recheck: .max)
        let call = FakeCall()
        #expect(texts(worker.probe(nil, call)) == ["0 up"])
        #expect(
            responder.commands.sorted() == [
                "V", "VF 20050322", "VF 20060704", "VF 20071116", "VF 20071218", "VF 20080403", "VF 20081102",
                "VF 20081224", "VF 20141004", "VF 20150420", "VF 20191015", "VF 20230205", "VF 20230314",
                "VF 20230424",
            ])
        let capabilities = table.capabilities(0)
        #expect(capabilities == 0x11FFF & ~4)
        #expect(worker.condition(0) == .up(recheck: .max))
        #expect(call.lines.map(\.text) == ["RTPProxy \(responder.url) (set 0) is back"])
        #expect(call.lines.first?.level == .info)
    }

    @Test func aNodeThatTheOperatorDisabledIsAskedAndStaysDisabled() throws {
        let (responder, silent) = (try Responder(), try Responder { _ in nil })
        let worker = try SIPWorker(responder, silent)
        #expect(worker.setEnabled(responder.url, false) && worker.setEnabled(silent.url, false))
        let call = FakeCall()
        #expect(texts(worker.probe(nil, call)) == ["0 up", "1 \(Self.silence)"])
        #expect(worker.condition(0) == .disabled && worker.condition(1) == .disabled)
        #expect(call.lines.isEmpty)
    }

    @Test(arguments: [
        ("V", "hello", "answers with something that is no reply of an RTPProxy"),
        ("V", "", "answers with something that is no reply of an RTPProxy"),
        ("VF 20050322", "0", "is too old: it lacks protocol 20040107 or 20050322"),
    ])
    func aNodeThatDoesNotAnswerProperlyDoesNotComeBack(_ question: String, _ reply: String, _ reason: String) throws {
        let wrong = try Responder { $0 == question ? reply : Responder.usual($0) }
        let worker = try SIPWorker([wrong.url])
        try takeOut(worker, 0, recheck: 7)
        #expect(texts(worker.probe(nil)) == ["0 \(reason)"])
        #expect(worker.condition(0) == .down(recheck: 1060))
    }

    /// It may be starting; the process that watches the nodes knows how long that may take.
    @Test func aNodeThatHasNotAnsweredSinceStartComesUpButIsNotGivenUp() throws {
        let responder = try Responder()
        let dead = "udp:127.0.0.1:\(try Responder.closedPort())"
        let worker = try SIPWorker([responder.url, dead], isProven: false)
        let call = FakeCall()
        #expect(texts(worker.probe(nil, call)) == ["0 up", "1 is not there, connection refused or no address"])
        #expect(worker.condition(0) == .up(recheck: 0) && worker.condition(1) == .unproven)
        #expect(call.lines.map(\.text) == ["RTPProxy \(responder.url) (set 0) is up"])
    }

    /// The name is one that does not resolve: only the address that was published can lead there.
    @Test func aNamedNodeIsAskedAtTheAddressThatWasPublished() throws {
        let responder = try Responder()
        let url = "udp:no-such-host.invalid:\(responder.port)"
        let worker = try SIPWorker([url])
        #expect(texts(worker.probe(url)) == ["0 has no address yet"])
        #expect(worker.condition(0) == .up(recheck: 0))
        let text = Array(responder.url.utf8)
        let address = try #require(try Resolver.numeric(text.span, NodeURL(text.span, text.span.all)))
        try worker.table().publishAddress(0, NodeAddress(words: address.words))
        #expect(texts(worker.probe(url)) == ["0 up"])
        #expect(responder.commands == ["V"])
    }

    /// Its place in the table may be another node's by now.
    @Test func whatIsFoundWhileThePoolChangesIsOnlyReported() throws {
        let counter = Counter()
        let slow = try Responder { command in
            if counter.next() == 1 { usleep(300_000) }
            return Responder.usual(command)
        }
        let worker = try SIPWorker(slow)
        try takeOut(worker, 0, recheck: 7)
        nonisolated(unsafe) let prober = worker
        nonisolated(unsafe) var results: [ProbeResult] = []
        let done = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            results = prober.probe(nil)
            done.signal()
        }
        for _ in 0..<1000 where slow.commands.isEmpty { usleep(1000) }
        let table = try worker.table()
        let isLocked = table.lockPool(now: 1000, patience: 10)
        table.unlockPool()
        done.wait()
        #expect(isLocked && texts(results) == ["0 up"])
        #expect(worker.condition(0) == .down(recheck: 7))
        #expect(texts(worker.probe(nil)) == ["0 up"])
        #expect(worker.condition(0) == .up(recheck: 7))
    }

    /// What a probe left open, late answers included, is nothing to a call, nor to the next probe.
    @Test func probesAndCallsDoNotMeet() throws {
        let counter = Counter()
        let late = try Responder { command in
            guard command == "V" else { return Responder.usual(command) }
            if counter.next() == 1 { usleep(1_200_000) }
            return "20040107"
        }
        let worker = try SIPWorker(late)
        #expect(texts(worker.probe(nil)) == ["0 \(Self.silence)"])
        #expect(texts(worker.probe(nil)) == ["0 up"])
        let call = FakeCall()
        #expect(worker.offer(call) == .done)
        #expect(call.body.contains("m=audio 35002 "))
        #expect(texts(worker.probe(nil)) == ["0 up"])
    }
}
