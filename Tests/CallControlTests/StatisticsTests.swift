// SPDX-License-Identifier: GPL-2.0-or-later
// What is counted of offers, failures, failovers and deletions: for the whole server, and per node.

import Bytes
import SharedState
import Testing

@testable import CallControl

@Suite struct StatisticsTests {
    private func call(_ toTag: String = "", body: String? = Body.audio) -> FakeCall {
        let call = FakeCall(toTag: toTag, body: body)
        // Of two nodes of equal weight it goes to the first.
        call[.callID] = "b"
        return call
    }

    private func text(_ fault: NodeFault?) -> String? {
        guard let fault else { return nil }
        var bytes: [UInt8] = []
        fault.describe(into: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func aWholeCallIsCounted() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let offer = call(body: Body.audioVideo)
        #expect(worker.offer(offer) == .done)
        #expect(
            offer.counts == [
                .commandsSent: 2, .commandsAnswered: 2, .sessionsCreated: 1, .streams: 2, .bodiesRewritten: 1,
            ])
        let answer = FakeCall.ok()
        #expect(worker.answer(answer) == .done)
        #expect(answer.counts == [.commandsSent: 1, .commandsAnswered: 1, .streams: 1, .bodiesRewritten: 1])
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.delete(bye) == .done)
        #expect(bye.counts == [.commandsSent: 1, .commandsAnswered: 1, .sessionsDeleted: 1])
        let found = try worker.nodeStatistics()
        #expect(found.state == .up && found.lastFaultSeconds == nil)
        #expect(found.figures.commands == 4 && found.figures.answered == 4)
        #expect(found.figures.errors == 0 && found.figures.timeouts == 0)
        #expect(found.figures.roundTrips.samples == 3)
        #expect(found.figures.roundTrips.p50Microseconds > 0 && found.smoothedMicroseconds > 0)
    }

    @Test func aSessionThatExistsIsNotCreated() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let again = call("tt")
        #expect(worker.offer(again) == .done)
        #expect(again.counts[.sessionsCreated] == nil && again.counts[.bodiesRewritten] == 1)
    }

    @Test func whatIsGoneIsNotDeletedAndNoError() throws {
        let responder = try Responder { _ in "E50" }
        let worker = try SIPWorker(responder)
        let bye = call("tt", body: nil)
        #expect(worker.delete(bye) == .done)
        #expect(bye.counts == [.commandsSent: 1, .commandsAnswered: 1])
        #expect(try worker.nodeStatistics().figures.errors == 0)
    }

    @Test(arguments: [
        ("E0", ServerCounter.errorsOfCommand), ("E6", .errorsOfCommand), ("E7", .errorsInside), ("E10", .errorsInside),
        ("E13", .errorsOfCommand), ("E25", .errorsOfCommand), ("E37", .errorsOfCommand), ("E50", .errorsOfSession),
        ("E60", .errorsOfFunction), ("E75", .errorsOfFunction), ("E71", .errorsOfPorts), ("E72", .errorsOfPorts),
        ("E81", .errorsOfMemory), ("E89", .errorsOfMemory), ("E98", .errorsOfOverload), ("E99", .errorsOfDraining),
        ("E90", .otherErrors), ("E999999", .otherErrors),
    ])
    func anErrorReplyIsCountedByItsGroup(_ reply: String, _ counter: ServerCounter) throws {
        let responder = try Responder { _ in reply }
        let worker = try SIPWorker(responder)
        let offer = call()
        #expect(worker.offer(offer) == .error)
        #expect(offer.counts == [.commandsSent: 1, .commandsAnswered: 1, counter: 1])
        let found = try worker.nodeStatistics(at: 1007)
        #expect(found.figures.errors == 1 && found.figures.answered == 1)
        #expect(text(found.figures.lastFault?.fault) == reply && found.lastFaultSeconds == 7)
        #expect(found.state == .up)
    }

    @Test func aShortageIsAFailover() throws {
        let short = try Responder { _ in "E71" }
        let other = try Responder()
        let worker = try SIPWorker(short, other)
        let offer = call()
        #expect(worker.offer(offer) == .done)
        #expect(offer.counts[.failovers] == 1 && offer.counts[.hedges] == nil)
        #expect(offer.counts[.errorsOfPorts] == 1 && offer.counts[.sessionsCreated] == 1)
        #expect(offer.counts[.nodeFailures] == nil)
        #expect(try worker.nodeStatistics(1).figures.errors == 0)
    }

    @Test func aSilentNodeTimesOutAndIsDown() throws {
        let silent = try Responder { _ in nil }
        let worker = try SIPWorker(silent)
        let offer = call(body: Body.audioVideo)
        #expect(worker.offer(offer) == .noNode)
        #expect(offer.counts[.commandsSent] == 2 && offer.counts[.commandsAnswered] == nil)
        #expect(offer.counts[.commandsTimedOut] == 2)
        let again = try #require(offer.counts[.retransmissions])
        #expect(again >= 2)
        #expect(offer.counts[.nodeFailures] == 1 && offer.counts[.withoutNode] == 1)
        let found = try worker.nodeStatistics(at: 1005)
        #expect(found.figures.commands == 2 && found.figures.timeouts == 2 && found.figures.answered == 0)
        #expect(found.figures.retransmissions == UInt64(again))
        #expect(found.state == .down && found.stateSeconds == 5)
        #expect(text(found.figures.lastFault?.fault) == "no answer in time" && found.lastFaultSeconds == 5)
        #expect(found.figures.roundTrips.samples == 0 && found.smoothedMicroseconds == 0)
        #expect(worker.nodesUp == 0)
    }

    @Test func onlyWhatHasNoAnswerTimesOut() throws {
        let deaf = try Responder { Responder.stream($0) == 2 ? nil : Responder.usual($0) }
        let worker = try SIPWorker(deaf)
        let offer = call("tt", body: Body.audioVideo)
        #expect(worker.offer(offer) == .noNode)
        #expect(offer.counts[.commandsSent] == 2 && offer.counts[.commandsAnswered] == 1)
        #expect(offer.counts[.commandsTimedOut] == 1)
    }

    @Test func aLostCommandIsARetransmission() throws {
        let counter = Counter()
        let responder = try Responder { counter.next() == 1 ? nil : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        let offer = call()
        #expect(worker.offer(offer) == .done)
        #expect(offer.counts[.commandsSent] == 1 && offer.counts[.commandsAnswered] == 1)
        #expect(offer.counts[.retransmissions] ?? 0 >= 1)
        #expect(try worker.nodeStatistics().figures.commands == 1)
    }

    @Test func aNodeThatRefusesIsAFailover() throws {
        let other = try Responder()
        let worker = try SIPWorker(["udp:127.0.0.1:\(Responder.closedPort())", other.url])
        let offer = call()
        #expect(worker.offer(offer) == .done)
        #expect(offer.counts[.failovers] == 1 && offer.counts[.nodeFailures] == 1)
        #expect(offer.counts[.commandsTimedOut] == nil)
        let found = try worker.nodeStatistics()
        #expect(text(found.figures.lastFault?.fault) == "connection refused or no address")
        #expect(found.state == .down && found.figures.timeouts == 0)
        #expect(worker.nodesUp == 1)
    }

    @Test func aSlowNodeIsNoFailoverAndSuspectInTheEnd() throws {
        let silent = try Responder { _ in nil }
        let other = try Responder()
        let worker = try SIPWorker(silent, other, remembers: true)
        for round in 1...Int(NodeTable.suspicion) {
            let offer = call()
            // Another call each time, of which nobody remembers a node; the first is asked for all of them.
            offer.variables[.extraID] = Array("\(round)".utf8)
            offer.ticks = 1000 + UInt32(round)
            #expect(worker.offer(offer, "b") == .done)
            #expect(offer.counts[.hedges] == 1 && offer.counts[.failovers] == nil)
            #expect(offer.counts[.commandsTimedOut] == nil)
            // The offer and the deletion to the slow one, the offer to the other one.
            #expect(offer.counts[.commandsSent] == 3 && offer.counts[.commandsAnswered] == 1)
            let isLast = round == Int(NodeTable.suspicion)
            #expect(try worker.nodeStatistics().state == (isLast ? .suspect : .up))
        }
        #expect(try worker.nodeStatistics(at: 1010).stateSeconds == 1010 - 1000 - NodeTable.suspicion)
        #expect(try worker.nodeStatistics().lastFaultSeconds == nil)
        #expect(worker.nodesUp == 2)
    }

    @Test func refusalsAreCountedByTheirReason() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        func refused(_ call: FakeCall, _ flags: String = "", address: String? = nil) -> [ServerCounter: Int] {
            #expect(worker.offer(call, flags, address: address) != .done)
            return call.counts
        }
        #expect(refused(call(body: nil)) == [.refusedWithoutBody: 1])
        let text = call(body: "hello")
        text[.contentType] = "text/plain"
        #expect(refused(text) == [.refusedNotSDP: 1])
        #expect(refused(call(body: "v=0\r\n")) == [.refusedMalformed: 1])
        #expect(refused(call(body: Body.marked)) == [.refusedMarked: 1])
        let edited = call()
        edited.bodyState = .rewritten
        #expect(refused(edited) == [.refusedRewritten: 1])
        #expect(refused(call(), "?") == [.refusedParameters: 1])
        #expect(refused(call(), address: "") == [.refusedParameters: 1])
        let unnamed = call()
        unnamed[.callID] = ""
        #expect(refused(unnamed) == [.refusedHeaders: 1])
        #expect(worker.selectSet(call(), 7) == .error)
        #expect(responder.commands.isEmpty)
        #expect(try worker.nodeStatistics().figures.commands == 0)
    }

    @Test func aSessionThatWasUndoneIsNeitherCreatedNorDeleted() throws {
        let responder = try Responder { Responder.stream($0) == 2 ? "E35" : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        let offer = call(body: Body.audioVideo)
        #expect(worker.offer(offer) == .error)
        #expect(offer.counts == [.commandsSent: 3, .commandsAnswered: 3, .errorsOfCommand: 1])
    }

    @Test func whatTheOperatorDoesShowsInTheState() throws {
        let responder = try Responder()
        let worker = try SIPWorker([responder.url], isProven: false)
        #expect(try worker.nodeStatistics().state == .starting)
        worker.prove(0)
        #expect(try worker.nodeStatistics().state == .up)
        #expect(worker.setDraining(responder.url, true, at: 1100))
        #expect(try worker.nodeStatistics(at: 1104).state == .draining)
        #expect(try worker.nodeStatistics(at: 1104).stateSeconds == 4)
        // The same again changes nothing.
        #expect(worker.setDraining(responder.url, true, at: 1103))
        #expect(try worker.nodeStatistics(at: 1104).stateSeconds == 4)
        #expect(worker.setEnabled(responder.url, false))
        #expect(try worker.nodeStatistics().state == .disabled)
        #expect(try worker.nodeStatistics().state.text.description == "disabled")
        // Another process's clock may be a moment ahead.
        #expect(try worker.nodeStatistics(at: 999).stateSeconds == 0)
    }

    @Test func resetSetsTheFiguresOfAllNodesBack() throws {
        let responders = try [Responder(), Responder()]
        let worker = try SIPWorker(responders.map(\.url))
        for name in ["a", "b", "c"] {
            let offer = call()
            offer[.callID] = name
            #expect(worker.offer(offer) == .done)
        }
        #expect(try (0..<2).allSatisfy { try worker.nodeStatistics($0).figures.commands > 0 })
        worker.resetStatistics()
        for node in 0..<2 {
            let found = try worker.nodeStatistics(node)
            #expect(found.figures.commands == 0 && found.figures.roundTrips.samples == 0)
            #expect(found.state == .up)
        }
        #expect(worker.offer(call()) == .done)
        #expect(try worker.nodeStatistics(0).figures.commands == 1)
    }

    @Test func aProbeIsNoCommandOfACallButItsFailureIsTheLastError() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let host = FakeCall()
        _ = worker.probe(nil, host)
        #expect(host.counts.isEmpty)
        #expect(try worker.nodeStatistics().figures.commands == 0)
        let gone = try SIPWorker(["udp:127.0.0.1:\(Responder.closedPort())"])
        let prober = FakeCall()
        _ = gone.probe(nil, prober)
        #expect(prober.counts == [.nodeFailures: 1])
        #expect(try gone.nodeStatistics().state == .down)
        #expect(text(try gone.nodeStatistics().figures.lastFault?.fault) == "connection refused or no address")
    }
}
