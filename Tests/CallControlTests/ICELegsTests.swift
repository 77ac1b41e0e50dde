// SPDX-License-Identifier: GPL-2.0-or-later
// Sessions of browsers are deleted with their ICE ended before.

import Foundation
import TestSupport
import Testing

@testable import CallControl

@Suite struct ICELegsTests {
    private let cid = WebRTCBench.cid

    /// Who hangs up, and what is on which leg.
    @Test(arguments: [
        (Body.audio, Browser.audio(), "ft", "tt", "M5:1 U"), (Body.audio, Browser.audio(), "tt", "ft", "M5:1 D"),
        (Browser.audio(), Body.audio, "ft", "tt", "M5:1 D"), (Browser.audio(), Body.audio, "tt", "ft", "M5:1 U"),
        (Browser.audio(), Browser.audio(ufrag: "callee"), "tt", "ft", "M5:1 D && M5:1 U"),
    ])
    func aDeletionEndsTheICEOfBothLegsFirst(
        _ offer: String, _ answer: String, _ from: String, _ to: String, _ ends: String
    ) throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(body: offer), answer == Body.audio ? "p" : "d") == .done)
        #expect(worker.answer(WebRTCBench.answerer(answer), offer == Body.audio ? "p" : "d") == .done)
        let bye = FakeCall(.bye, toTag: to)
        bye[.fromTag] = from
        #expect(worker.delete(bye) == .done)
        #expect(
            responder.commands.suffix(2) == ["Q \(cid) \(from);1 \(to);1 && \(ends)", "D \(cid) \(from) \(to)"])
        #expect(bye.counts[.sessionsDeleted] == 1)
    }

    /// It has not looked at the time before, which begins anywhere.
    @Test func aProcessThatHasServedNothingYetKnowsTheLegs() throws {
        let (responder, worker) = try WebRTCBench.stage()
        let (offer, bye) = (FakeCall(), FakeCall(.bye, toTag: "tt"))
        for call in [offer, bye] { call.ticks = 0x0240_0000 }
        #expect(worker.offer(offer, "d") == .done)
        #expect(try SIPWorker(beside: worker).delete(bye) == .done)
        #expect(responder.commands.suffix(2) == ["Q \(cid) ft;1 tt;1 && M5:1 U", "D \(cid) ft tt"])
    }

    /// A CANCEL knows one tag.
    @Test func whoHasAnsweredEarlyIsKnownByTheOtherTag() throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(), "d") == .done)
        #expect(worker.answer(FakeCall(.invite, status: 183, toTag: "tt", body: Browser.audio()), "p") == .done)
        #expect(worker.delete(FakeCall(.cancel)) == .done)
        #expect(responder.commands.suffix(2) == ["Q \(cid) ft;1 && M5:1 U", "D \(cid) ft"])
    }

    @Test func eachStreamHasItsOwn() throws {
        let (responder, worker) = try WebRTCBench.stage()
        let body = (0..<6).reduce(Body.audio) { text, place in text + "m=video \(5006 + place * 2) RTP/AVP 96\r\n" }
        #expect(worker.offer(FakeCall(body: body), "d") == .done)
        #expect(worker.delete(FakeCall(.bye, toTag: "tt")) == .done)
        let ends = (1...7).map { "Q \(cid) ft;\($0) tt;\($0) && M5:1 U" }
        #expect(responder.commands.suffix(8) == ends + ["D \(cid) ft tt"])
    }

    /// Between phones nothing is asked, and a phone that has taken a browser's place has no ICE.
    @Test(arguments: [("p", ""), ("d", "p"), ("", "")])
    func phonesHaveNone(_ flags: String, _ answered: String) throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(), flags) == .done)
        #expect(worker.answer(WebRTCBench.answerer(Body.audio), answered) == .done)
        let before = responder.commands.count
        #expect(worker.delete(FakeCall(.bye, toTag: "tt")) == .done)
        #expect(responder.commands.suffix(from: before) == ["D \(cid) ft tt"])
    }

    /// What becomes of the end of ICE says nothing of the deletion.
    @Test(arguments: ["E50", "60 0 0 0 0 && -1", "E3", "60 0 0 0 0"])
    func theDeletionAloneCounts(_ answer: String) throws {
        for (deletion, count) in [("0", 1), ("E50", nil)] as [(String, Int?)] {
            let (responder, worker) = try WebRTCBench.stage {
                $0.hasPrefix("Q") ? answer : $0.hasPrefix("D") ? deletion : ModuleRelay.answer($0)
            }
            #expect(worker.offer(FakeCall(), "d") == .done)
            let bye = FakeCall(.bye, toTag: "tt")
            #expect(worker.delete(bye) == .done && bye.errors == [])
            #expect(bye.counts[.sessionsDeleted] == count)
            #expect(responder.commands.count == 3)
        }
    }

    /// Figures and deletion of a stream are one command, and the end of its ICE joins it.
    @Test(arguments: [true, false])
    func theFiguresComeWithIt(_ canEnd: Bool) throws {
        let responder = try Responder { command in
            guard command.hasPrefix("Qv") else { return ModuleRelay.answer(command) }
            guard command.contains(";1 ") else { return "E50" }
            let names = command.components(separatedBy: " && ")[0].split(separator: " ").dropFirst(4)
            return names.map { "\($0)=5" }.joined(separator: " ") + (canEnd ? "" : " && -1")
        }
        let worker = try SIPWorker(
            [responder.url], features: [.webRTC, .statistics, .namedFigures, .figuresAndDelete], remembers: true,
            figures: .plain)
        #expect(worker.offer(FakeCall(), "d") == .done)
        let bye = FakeCall(.bye, toTag: "tt")
        #expect(worker.delete(bye, "s") == .done && bye.errors == [])
        let questions = responder.commands.filter { $0.hasPrefix("Qv \(cid) ft;1 tt;1") }
        #expect(questions.count == 1 && questions[0].hasSuffix(" && M5:1 U && D"))
        #expect(responder.commands.filter { $0.hasPrefix("Qv \(cid) ft;2") }.allSatisfy { !$0.contains("M5") })
        // Where it could not end, nothing was deleted.
        #expect(responder.commands.contains("D \(cid) ft tt") == !canEnd)
        #expect(bye.counts[.sessionsDeleted] == 1)
    }

    /// A browser has been heard behind early media when what comes next is refused, and the session deleted.
    @Test(arguments: [true, false]) func theyEndBeforeWhatIsRefusedBehindEarlyMedia(_ isOffer: Bool) throws {
        let isRefused = Counter()
        let (responder, worker) = try WebRTCBench.stage {
            $0.hasPrefix(isOffer ? "U" : "L") && isRefused.next() == 2
                ? "35002 192.0.2.77 && -1" : ModuleRelay.answer($0)
        }
        let answer = { (status: Int) in
            let answer = FakeCall(.invite, status: status, toTag: "tt", body: Browser.audio(setup: "active"))
            answer.isFirstAnswer = true
            return worker.answer(answer, "p")
        }
        #expect(worker.offer(FakeCall(), "d") == .done && answer(183) == .done)
        #expect((isOffer ? worker.offer(FakeCall(), "d") : answer(200)) == .error)
        let (tags, ends) = isOffer ? ("ft", "Q \(cid) ft;1 && M5:1 U") : ("ft tt", "Q \(cid) ft;1 tt;1 && M5:1 U")
        #expect(responder.commands.dropFirst(3) == [ends, "D \(cid) \(tags)"])
    }

    /// Over `unix:` a call has taken as many connections as its own commands need, and others wait for the rest.
    @Test func anUndoWaitsForItsOnlyConnection() throws {
        let relay = try ScriptedRelay(.unix)
        relay.on { command in
            switch command.verb {
            case "U": ModuleRelay.answer(command.text).map { .reply($0) }
            case "L": .reply("35002 192.0.2.77 && -1")
            case "Q": .delay(100, .reply("60 0 0 0 0"))
            default: nil
            }
        }
        let worker = try SIPWorker([relay.url], features: [.webRTC], remembers: true)
        #expect(worker.offer(FakeCall(), "d") == .done)
        let answer = WebRTCBench.answerer(Browser.audio(setup: "active"))
        answer.isFirstAnswer = true
        #expect(worker.answer(answer, "p") == .error)
        #expect(relay.log.map(\.verb) == ["U", "L", "Q", "D"])
        let (question, deletion) = (try #require(relay.log.dropLast().last), try #require(relay.log.last))
        #expect(deletion.time - question.time >= 100)
    }

    /// It is waited for until its time is over; what was to be deleted is.
    @Test func anEndWithoutAnAnswerFailsNoDeletion() throws {
        let responder = try Responder { $0.hasPrefix("Q") ? nil : ModuleRelay.answer($0) }
        let worker = try SIPWorker(
            [responder.url], numbers: ["rtpproxy_retr": 1], features: [.webRTC], remembers: true)
        #expect(worker.offer(FakeCall(), "d") == .done)
        let bye = FakeCall(.bye, toTag: "tt")
        #expect(worker.delete(bye) == .done && bye.errors == [])
        #expect(bye.counts[.sessionsDeleted] == 1)
    }

    /// With all streams off no side is WebRTC any more, and one of them may still send. What cannot take both at once is
    /// told to delete.
    @Test(arguments: [true, false]) func streamsThatAreTurnedOffEndTheirs(_ takesBoth: Bool) throws {
        let responder = try Responder(ModuleRelay.answer)
        let worker = try SIPWorker(
            [responder.url], features: takesBoth ? [.webRTC, .figuresAndDelete] : [.webRTC], remembers: true)
        #expect(worker.offer(FakeCall(body: Browser.audio()), "p") == .done)
        #expect(worker.answer(WebRTCBench.answerer(Body.audio), "d") == .done)
        let off = Browser.audio().replacingOccurrences(of: "m=audio 9 ", with: "m=audio 0 ")
        #expect(worker.offer(FakeCall(toTag: "tt", body: off), "p") == .done)
        let deletion = takesBoth ? "Q \(cid) ft;1 tt;1 && M5:1 D && D" : "D \(cid) ft;1 tt;1"
        #expect(eventually { responder.commands.last == deletion }, "\(responder.commands)")
    }

    /// One that was lost for a while is back before it is known to have its modules.
    @Test(arguments: [true, false]) func aNodeIsToldThatTakesSubCommands(_ takesThem: Bool) throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(), "d") == .done)
        worker.prove(0, takesThem ? [.subCommands] : [])
        #expect(worker.delete(FakeCall(.bye, toTag: "tt")) == .done)
        let ends = takesThem ? ["Q \(cid) ft;1 tt;1 && M5:1 U"] : []
        #expect(Array(responder.commands.dropFirst()) == ends + ["D \(cid) ft tt"])
    }

    @Test func legsAreKeptByStream() throws {
        var legs = SessionLegs()
        #expect(legs.isEmpty && legs.count == 0 && legs.mayKnow(4) && !legs.mayKnow(5))
        legs[4] = .second
        legs[SessionLegs.lastStream] = [.first, .second]
        #expect(legs.count == 2 && legs.mayKnow(5) && !legs.mayKnow(6) && !legs.mayKnow(33))
        #expect(legs[4] == .second && legs[5].isEmpty && legs[32] == [.first, .second] && legs[36].isEmpty)
    }
}
