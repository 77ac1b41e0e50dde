// SPDX-License-Identifier: GPL-2.0-or-later
// What is remembered of a leg: another ICE, another device, and the next device of a call.

import Foundation
import TestSupport
import Testing

@testable import CallControl

@Suite struct LegMemoryTests {
    @Test func whatIsSaidAgainIsToldAgain() throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(body: Browser.audio()), "p") == .done)
        #expect(worker.offer(FakeCall(toTag: "tt", body: Browser.audio()), "p") == .done)
        #expect(responder.commands[1] == "U \(WebRTCBench.cid) 198.51.100.5 9 ft;1 tt;1" + WebRTCBench.peer)
    }

    /// The relay's ufrag has to change, too; the certificate stays, and so does what was negotiated with it.
    @Test func aRestartOfICEEndsWhatTheLegHad() throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(body: Browser.audio()), "p") == .done)
        #expect(worker.offer(FakeCall(toTag: "tt", body: Browser.audio(ufrag: "other")), "p") == .done)
        let agent = " && M5:1 A other \(Browser.password)"
        #expect(responder.commands[1].contains("\(agent) && M5:1 D\(agent) && M5:1 C"))
        #expect(!responder.commands[1].contains("M4:1 D"))
        #expect(worker.offer(FakeCall(toTag: "tt", body: Browser.audio(ufrag: "other")), "p") == .done)
        #expect(!responder.commands[2].contains("M5:1 D"))
    }

    /// Who has begun the call is another one than who has answered, whoever gets what the relay says of its own half first.
    @Test(arguments: [Body.audio, Browser.audio(ufrag: "callee", fingerprint: Browser.otherFingerprint)])
    func aRestartBehindTheAnswerEndsWhatTheLegHad(_ answer: String) throws {
        let (responder, worker) = try WebRTCBench.stage()
        let flags = answer == Body.audio ? "p" : "d"
        #expect(worker.offer(FakeCall(body: Browser.audio()), flags) == .done)
        #expect(worker.answer(WebRTCBench.answerer(answer), "d") == .done)
        #expect(worker.offer(FakeCall(toTag: "tt", body: Browser.audio(ufrag: "other")), flags) == .done)
        let agent = " && M5:1 A other \(Browser.password)"
        #expect(responder.commands[2].contains("\(agent) && M5:1 D\(agent) && M5:1 C"))
        #expect(!responder.commands[2].contains("M4:1 D"))
        #expect(worker.answer(WebRTCBench.answerer(answer), "d") == .done)
        #expect(!responder.commands[3].contains(":1 D"))
    }

    /// It answers a re-INVITE with another certificate.
    @Test func anotherDeviceOfWhoHasBegunTheCallEndsBoth() throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(body: Browser.audio()), "p") == .done)
        #expect(worker.answer(WebRTCBench.answerer(Body.audio), "d") == .done)
        let again = FakeCall(toTag: "ft")
        again[.fromTag] = "tt"
        #expect(worker.offer(again, "d") == .done)
        #expect(!responder.commands[2].contains(":1 D"))
        let other = WebRTCBench.answerer(
            Browser.audio(ufrag: "other", fingerprint: Browser.otherFingerprint), "ft")
        other[.fromTag] = "tt"
        #expect(worker.answer(other, "p") == .done)
        #expect(responder.commands[3].contains("M4:1 D") && responder.commands[3].contains("M5:1 D"))
    }

    /// With flag `g`, whoever has offered WebRTC is answered so, and offered so later.
    @Test func whoHasOfferedWebRTCOverUDPGetsItWithFlagG() throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(body: Browser.audio()), "g") == .done)
        let answer = WebRTCBench.answerer(Body.audio)
        #expect(worker.answer(answer, "g") == .done && answer.body.contains("UDP/TLS/RTP/SAVPF"))
        let again = FakeCall(toTag: "ft")
        again[.fromTag] = "tt"
        #expect(worker.offer(again, "g") == .done && again.body.contains("UDP/TLS/RTP/SAVPF"))
        #expect(responder.commands.suffix(2).allSatisfy { $0.hasSuffix(" && M4:1 S && M5:1 S") })
        // A phone that is tried next is none.
        let next = FakeCall(.invite, body: Browser.audio())
        #expect(worker.offer(next, "g") == .done && next.body.contains("RTP/AVP"))
    }

    /// A browser takes no description in which a group is missing that it has had, nor one in which it comes anew.
    @Test func whatALegHasBegunWithItGoesOnWith() throws {
        let (responder, worker) = try WebRTCBench.stage()
        let two = Body.audio + "m=video 5006 RTP/AVP 96\r\n"
        func offer(_ body: String, to tag: String = "tt") -> FakeCall {
            let call = FakeCall(toTag: tag, body: body)
            #expect(worker.offer(call, "d") == .done, "\(call.errors)")
            return call
        }
        // The first description is for whoever answers it.
        #expect(!offer(two, to: "").body.contains("a=group:"))
        #expect(offer(Body.audio, to: "").body.contains("a=group:BUNDLE 0\r\n"))
        let grouped = offer(two)
        #expect(grouped.body.contains("a=group:BUNDLE 0\r\n") && grouped.body.contains("m=video 0 "))
        #expect(grouped.errors.count == 1 && grouped.errors[0].contains("media stream 2"))
        #expect(responder.commands.last == "Q \(WebRTCBench.cid) ft;2 tt;2 && M5:1 U && D")
        // Answers, too, whoever has begun.
        #expect(worker.offer(FakeCall(body: Browser.audio()), "p") == .done)
        let answer = WebRTCBench.answerer(Body.audio, "uu")
        #expect(worker.answer(answer, "d") == .done && answer.body.contains("a=group:BUNDLE 0\r\n"))
        let added = FakeCall(toTag: "ft", body: two)
        added[.fromTag] = "uu"
        #expect(worker.offer(added, "d") == .done && added.body.contains("a=group:BUNDLE 0\r\n"))
        #expect(added.body.contains("m=video 0 "))
    }

    @Test func whoHasBegunWithoutAGroupGetsNone() throws {
        let (responder, worker) = try WebRTCBench.stage()
        let two = Body.audio + "m=video 5006 RTP/AVP 96\r\n"
        for (body, tag) in [(two, ""), (Body.audio, "tt"), (two, "tt")] {
            let call = FakeCall(toTag: tag, body: body)
            #expect(worker.offer(call, "d") == .done && !call.body.contains("a=group:") && call.errors == [])
            #expect(!call.body.contains("m=video 0"))
        }
        #expect(responder.commands.count == 5)
    }

    /// RTPProxy has forgotten the old credentials when it refuses the new ones, or the answer of it is lost: the client,
    /// which goes back to the old ones, is told to it as one that restarts.
    @Test(arguments: ["other", "abcd"])
    func aRestartThatFailsIsRepeatedWithWhateverIsOfferedNext(_ ufrag: String) throws {
        let (responder, worker) = try WebRTCBench.stage { command in
            if command.contains("refused") { return "35002 192.0.2.77 && 0 && 0 && 0 && 0 && -1" }
            return ModuleRelay.answer(command)
        }
        let offer = { (ufrag: String) in
            let call = FakeCall(toTag: "tt", body: Browser.audio(ufrag: ufrag))
            return worker.offer(call, "p")
        }
        #expect(worker.offer(FakeCall(body: Browser.audio()), "p") == .done)
        #expect(offer("refused") == .error)
        #expect(responder.commands.count == 2 && responder.commands[1].contains("M5:1 D"))
        #expect(offer(ufrag) == .done)
        let agent = " && M5:1 A \(ufrag) \(Browser.password)"
        #expect(responder.commands[2].contains("\(agent) && M5:1 D\(agent) && M5:1 C"))
        #expect(!responder.commands[2].contains("M4:1 D"))
        #expect(offer(ufrag) == .done && !responder.commands[3].contains(":1 D"))
    }

    @Test func anotherDeviceOnTheLegEndsBoth() throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(), "d") == .done)
        #expect(worker.answer(WebRTCBench.answerer(Browser.audio()), "p") == .done)
        #expect(!responder.commands[1].contains(":1 D"))
        let second = Browser.audio(ufrag: "second", fingerprint: Browser.otherFingerprint)
        #expect(worker.answer(WebRTCBench.answerer(second, "uu"), "p") == .done)
        #expect(responder.commands[2].contains("M4:1 D") && responder.commands[2].contains("M5:1 D"))
    }

    /// The first one has answered early, so the relay has its credentials and a handshake with it: the next one is offered
    /// what the relay says then, and its answer ends nothing.
    @Test func theNextDeviceBehindEarlyMediaIsOfferedALegOfItsOwn() throws {
        let question = " && M4:1 S && M5:1 S"
        let (responder, worker) = try WebRTCBench.stage { command in
            let answer = ModuleRelay.answer(command)
            guard command.contains(" U"), let last = answer?.range(of: "&& relay ", options: .backwards) else {
                return answer
            }
            return answer?.replacingCharacters(in: last, with: "&& again ")
        }
        func offer() -> FakeCall {
            let call = FakeCall()
            #expect(worker.offer(call, "d") == .done, "\(call.errors)")
            return call
        }
        #expect(offer().body.contains("a=ice-ufrag:relay\r\n"))
        #expect(offer().body.contains("a=ice-ufrag:relay\r\n"))
        #expect(responder.commands.allSatisfy { !$0.contains(" U") })
        #expect(
            worker.answer(FakeCall(.invite, status: 183, toTag: "one", body: Browser.audio()), "p") == .done)
        let body = offer().body
        #expect(responder.commands.last?.hasSuffix("ft;1\(question) && M4:1 U && M5:1 U\(question)") ?? false)
        #expect(body.contains("a=ice-ufrag:again\r\n") && !body.contains("relay"))
        let second = Browser.audio(ufrag: "second", fingerprint: Browser.otherFingerprint)
        #expect(worker.answer(WebRTCBench.answerer(second, "two"), "p") == .done)
        #expect(!(responder.commands.last?.contains(":1 D") ?? true))
        // A re-INVITE is for the device that is there.
        #expect(worker.offer(FakeCall(toTag: "two"), "d") == .done)
        #expect(responder.commands.last?.hasSuffix(question) ?? false)
        #expect(!(responder.commands.last?.contains(" U") ?? true))
    }

    /// What a command can hold is shared with what a browser says that calls.
    @Test func aBrowserThatCallsTheNextOneHasRoomForItsCandidates() throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(body: Browser.audio(candidates: 20)), "d") == .done)
        #expect(
            worker.answer(FakeCall(.invite, status: 183, toTag: "one", body: Browser.audio()), "d") == .done)
        #expect(worker.offer(FakeCall(body: Browser.audio(candidates: 20)), "d") == .done)
        let command = try #require(responder.commands.last)
        #expect(command.hasSuffix(" && M4:1 U && M5:1 U && M4:1 S && M5:1 S"))
        #expect(command.components(separatedBy: " && ").count == 16)
    }

    /// It was offered WebRTC, or has had it.
    @Test func aPhoneOnABrowsersLegEndsBoth() throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(), "d") == .done)
        #expect(worker.answer(WebRTCBench.answerer(Body.audio), "p") == .done)
        #expect(responder.commands[1].hasSuffix(" && M4:1 D && M5:1 D"))
        #expect(worker.answer(WebRTCBench.answerer(Body.audio), "p") == .done)
        #expect(!responder.commands[2].contains("&&"))
    }

    /// A relay that was restarted has nothing that could be ended.
    @Test func thatThereIsNothingToEndForAPhoneIsNoFailure() throws {
        let (responder, worker) = try WebRTCBench.stage {
            $0.contains("M4:1 D") ? "36002 192.0.2.77 && -1" : ModuleRelay.answer($0)
        }
        #expect(worker.offer(FakeCall(), "d") == .done)
        #expect(worker.answer(WebRTCBench.answerer(Body.audio), "p") == .done)
        #expect(responder.commands.count == 2)
    }
}
