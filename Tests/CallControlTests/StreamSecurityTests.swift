// SPDX-License-Identifier: GPL-2.0-or-later
// What a relay is told and asked where one of the sides is a browser, and what the description becomes.

import Foundation
import TestSupport
import Testing

@testable import CallControl

@Suite struct StreamSecurityTests {
    @Test func whatABrowserSaysIsToldToTheRelayAndLeftOutForAPhone() throws {
        let (responder, worker) = try WebRTCBench.stage()
        for flags in ["p", "P", "g"] {
            let call = FakeCall(body: Browser.audio())
            #expect(worker.offer(call, flags) == .done, "\(call.errors)")
            #expect(responder.commands.last == "U \(WebRTCBench.cid) 198.51.100.5 9 ft;1" + WebRTCBench.peer)
            #expect(call.body.contains("m=audio 35002 RTP/AVP 0\r\nc=IN IP4 192.0.2.77\r\n"))
            for word in ["ice-", "candidate", "fingerprint", "setup", "mid", "group", "rtcp-mux"] {
                #expect(!call.body.contains(word), "\(word)")
            }
        }
    }

    @Test func aBrowserGetsTheRelaysHalf() throws {
        let (responder, worker) = try WebRTCBench.stage()
        for flags in ["d", "g"] {
            let call = FakeCall()
            call.goesToWebSocket = flags == "g"
            #expect(worker.offer(call, flags) == .done, "\(call.errors)")
            #expect(responder.commands.last == "U \(WebRTCBench.cid) 198.51.100.5 5004 ft;1 && M4:1 S && M5:1 S")
            for line in [
                "a=setup:actpass", "a=ice-ufrag:relay", "a=ice-pwd:pppppppppppppppppppppppp", "a=rtcp-mux",
                "a=ice-lite",
            ] {
                #expect(call.body.contains("\(line)\r\n"), "\(line) \(call.body)")
            }
            #expect(call.body.contains("\(ModuleRelay.fingerprint)\r\n"))
            // Of the address and port that go into the SDP, whatever the module says of itself.
            #expect(call.body.contains(" 192.0.2.77 35002 typ host"))
            #expect(call.body.contains("m=audio 35002 UDP/TLS/RTP/SAVPF "))
        }
    }

    @Test func betweenTwoBrowsersTheRelayIsToldAndAsked() throws {
        let (responder, worker) = try WebRTCBench.stage()
        let call = FakeCall(body: Browser.audio())
        #expect(worker.offer(call, "d") == .done)
        #expect(
            responder.commands == ["U \(WebRTCBench.cid) 198.51.100.5 9 ft;1\(WebRTCBench.peer) && M4:1 S && M5:1 S"])
        #expect(call.body.contains("a=ice-ufrag:relay\r\n") && !call.body.contains("abcd"))
    }

    @Test func betweenTwoPhonesNothingChanges() throws {
        let (responder, worker) = try WebRTCBench.stage()
        let plain = FakeCall()
        #expect(worker.offer(plain) == .done)
        for flags in ["g", "p"] {
            let flagged = FakeCall()
            #expect(worker.offer(flagged, flags) == .done)
            #expect(responder.commands.first == responder.commands.last && plain.body == flagged.body)
        }
    }

    @Test func anAnswerSaysWhichSideBegins() throws {
        for (role, expected) in [("passive", "passive"), ("active", "active"), ("actpass", "passive")] {
            let (responder, worker) = try WebRTCBench.stage { ModuleRelay.answer($0, setup: role) }
            let call = WebRTCBench.answerer(Body.audio)
            #expect(worker.answer(call, "d") == .done, "\(call.errors)")
            #expect(call.body.contains("a=setup:\(expected)\r\n") && responder.commands.count == 1)
        }
    }

    @Test func aPeerThatWaitsIsCalled() throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.answer(WebRTCBench.answerer(Browser.audio(setup: "passive")), "p") == .done)
        #expect(responder.commands[0].contains(" && M4:1 P sha-256 "))
        #expect(worker.answer(WebRTCBench.answerer(Browser.audio(setup: "active")), "p") == .done)
        #expect(responder.commands[1].contains(" && M4:1 A sha-256 "))
    }

    /// RTPProxy refuses `A` of a peer that it has had as `P` before: an offer of such a peer would fail.
    @Test func aPeerThatWaitsKeepsWaitingWhereItsOfferLeavesTheChoice() throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(), "d") == .done)
        #expect(worker.answer(WebRTCBench.answerer(Browser.audio(setup: "passive")), "p") == .done)
        let hold = FakeCall(toTag: "ft", body: Browser.audio())
        hold[.fromTag] = "tt"
        #expect(worker.offer(hold, "p") == .done)
        #expect(responder.commands[2].contains(" && M4:1 P sha-256 ") && !responder.commands[2].contains("M4:1 A"))
        // Another device of the leg, which begins.
        let other = WebRTCBench.answerer(Browser.audio(fingerprint: Browser.otherFingerprint, setup: "active"), "uu")
        #expect(worker.answer(other, "p") == .done)
        #expect(
            responder.commands[3].contains(
                " && M4:1 P sha-256 \(Browser.otherFingerprint) && M4:1 D && M4:1 A sha-256 \(Browser.otherFingerprint)"
            ))
        let again = WebRTCBench.answerer(Browser.audio(fingerprint: Browser.otherFingerprint, setup: "active"), "uu")
        #expect(worker.answer(again, "p") == .done)
        #expect(responder.commands[4].contains(" && M4:1 A ") && !responder.commands[4].contains("M4:1 D"))
    }

    @Test func aPeerThatBeginsAfterAllHasAHandshakeOfItsOwn() throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.answer(WebRTCBench.answerer(Browser.audio(setup: "passive")), "p") == .done)
        #expect(worker.answer(WebRTCBench.answerer(Browser.audio(setup: "active")), "p") == .done)
        let (fingerprint, command) = (Browser.fingerprint, responder.commands[1])
        #expect(command.contains(" && M4:1 P sha-256 \(fingerprint) && M4:1 D && M4:1 A sha-256 \(fingerprint)"))
    }

    @Test func eightCandidatesAreEnough() throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(body: Browser.audio(candidates: 20)), "d") == .done)
        #expect(responder.commands[0].components(separatedBy: "M5:1 C").count == 9)
        #expect(responder.commands[0].components(separatedBy: " && ").count == 13)
    }

    /// RTPProxy reads no octets with zeros in front, and refuses all candidates for one.
    @Test func aCandidateThatTheRelayWouldRefuseIsNotTold() throws {
        let (responder, worker) = try WebRTCBench.stage()
        let odd = ["010.1.1.1", "192.0.2.01", "192.00.2.1", "::ffff:192.000.2.1"]
        let lines = odd.map { "a=candidate:7 1 udp 2113937151 \($0) 5555 typ host" }
        #expect(worker.offer(FakeCall(body: Browser.audio(lines: lines)), "p") == .done)
        #expect(responder.commands == ["U \(WebRTCBench.cid) 198.51.100.5 9 ft;1" + WebRTCBench.peer])
    }

    /// The session is there, and nobody wants it.
    @Test(arguments: ["M4:1 A", "M5:1 A", "M5:1 C"])
    func whatAModuleRefusesFailsTheMessageAndIsDeleted(_ refused: String) throws {
        let (responder, worker) = try WebRTCBench.stage { command in
            let parts = command.components(separatedBy: " && ")
            guard let place = parts.firstIndex(where: { $0.hasPrefix(refused) }) else {
                return Responder.usual(command)
            }
            return (["35002 192.0.2.77"] + Array(repeating: "0", count: place - 1) + ["-1"]).joined(separator: " && ")
        }
        let call = FakeCall(body: Browser.audio())
        let before = call.body
        #expect(worker.offer(call, "p") == .error)
        #expect(call.body == before)
        #expect(responder.commands.count == 2 && responder.commands.last == "D \(WebRTCBench.cid) ft")
        #expect(call.errors.count == 1 && call.errors[0].contains("refused what the description says of DTLS or ICE"))
    }

    /// As long as it is certain that nobody talks over it.
    @Test(arguments: [(200, true, true), (200, false, false), (183, true, false)])
    func whatAModuleRefusesOfAnAnswerEndsTheSessionOfTheFirst(_ status: Int, _ isFirst: Bool, _ ends: Bool) throws {
        for refusal in ["0 && -1", "-1"] {
            let (responder, worker) = try WebRTCBench.stage {
                $0.hasPrefix("L") ? "35002 192.0.2.77 && \(refusal)" : ModuleRelay.answer($0)
            }
            #expect(worker.offer(FakeCall(), "d") == .done)
            let answer = FakeCall(.invite, status: status, toTag: "tt", body: Browser.audio(setup: "active"))
            answer.isFirstAnswer = isFirst
            let before = answer.body
            #expect(worker.answer(answer, "p") == .error && answer.body == before)
            let end = ["Q \(WebRTCBench.cid) ft;1 tt;1 && M5:1 U", "D \(WebRTCBench.cid) ft tt"]
            #expect(responder.commands.dropFirst(2) == (ends ? end[...] : []))
            #expect(answer.errors.count == 1)
        }
    }

    /// Whatever else fails an answer ends nothing: the next one may do.
    @Test func noOtherFaultOfAFirstAnswerEndsTheSession() throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(), "d") == .done)
        let answer = WebRTCBench.answerer(Browser.audio(setup: "active"))
        (answer.isFirstAnswer, answer.acceptsEdits) = (true, false)
        #expect(worker.answer(answer, "p") == .error)
        #expect(responder.commands.map { $0.prefix(1) } == ["U", "L"])
    }

    @Test(arguments: [
        "35002 192.0.2.77", "35002 192.0.2.77 && 0", "35002 192.0.2.77 && passive SHA-256 AB && \(ModuleRelay.ice)",
        "35002 192.0.2.77 && passive SHA-256 \(ModuleRelay.fingerprint)",
        "35002 192.0.2.77 && passive SHA-1 \(ModuleRelay.fingerprint) && \(ModuleRelay.ice)",
        "35002 192.0.2.77 && passive SHA-256 \(ModuleRelay.fingerprint) && u p",
        "35002 192.0.2.77 && passive SHA-256 \(ModuleRelay.fingerprint)\ra=x && \(ModuleRelay.ice)",
    ])
    func whatIsNoAnswerOfAModuleIsNoDescription(_ answer: String) throws {
        let (responder, worker) = try WebRTCBench.stage { $0.hasPrefix("U") ? answer : Responder.usual($0) }
        let call = FakeCall()
        let before = call.body
        #expect(worker.offer(call, "d") == .error)
        #expect(call.body == before && responder.commands.last == "D \(WebRTCBench.cid) ft")
    }

    @Test func aNodeWithTheModulesIsChosen() throws {
        let (plain, both) = (try Responder(ModuleRelay.answer), try Responder(ModuleRelay.answer))
        let worker = try SIPWorker([plain.url, both.url].map { "\($0)" }, remembers: true)
        worker.prove(1, [.webRTC])
        for id in 0..<20 {
            let call = FakeCall(body: Browser.audio())
            call[.callID] = "call-\(id)"
            #expect(worker.offer(call, "p") == .done)
        }
        #expect(plain.commands.isEmpty && both.commands.count == 20)
    }

    @Test func whereNoNodeHasTheModulesTheLogSaysWhatIsMissing() throws {
        let responder = try Responder()
        let worker = try SIPWorker([responder.url])
        let call = FakeCall(body: Browser.audio())
        #expect(worker.offer(call, "p") == .error)
        #expect(responder.commands.isEmpty)
        #expect(
            call.errors.count == 1 && call.errors[0].contains("start RTPProxy 3 with its modules dtls_gw and ice_lite"))
    }

    @Test(arguments: ["dp", "gd", "pg", "dd"])
    func theFlagsExcludeEachOther(_ flags: String) throws {
        let (responder, worker) = try WebRTCBench.stage()
        #expect(worker.offer(FakeCall(), flags) == .error && responder.commands.isEmpty)
        #expect(worker.delete(FakeCall(.bye, toTag: "tt", body: nil), flags) == .done)
    }

    @Test func whatNobodyCouldServeIsRefused() throws {
        let (responder, worker) = try WebRTCBench.stage()
        for (body, flags) in [
            (
                Browser.audio().replacing("v=0\r\n", with: "v=0\r\n").replacing("t=0 0", with: "t=0 0\r\na=ice-lite"),
                "p"
            ),
            (Browser.audio(fingerprint: "AB:CD"), "p"), (Browser.audio(ufrag: "a b"), "p"),
            (Body.audio.replacing("RTP/AVP", with: "RTP/SAVP"), "d"),
        ] {
            let call = FakeCall(body: body)
            #expect(worker.offer(call, flags) == .error, "\(body)")
            #expect(call.errors.count == 1 && call.body == body)
        }
        #expect(responder.commands.isEmpty)
    }

    private func pictures(_ transport: String) -> String {
        Browser.audio() + "m=video 9 \(transport) 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=ice-ufrag:abcd\r\n"
            + "a=ice-pwd:\(Browser.password)\r\na=candidate:1 1 udp 2113937151 192.0.2.9 5555 typ host\r\n"
    }

    /// All media of a browser are encrypted by DTLS (RFC 8827 section 6.5): a phone could make nothing of this, either.
    @Test(arguments: ["p", "g", "d"], ["UDP/TLS/RTP/SAVPF", "RTP/SAVPF"])
    func anEncryptedStreamWithoutAFingerprintBesideWebRTCIsRefused(_ flags: String, _ transport: String) throws {
        let (responder, worker) = try WebRTCBench.stage()
        let call = FakeCall(body: pictures(transport))
        #expect(worker.offer(call, flags) == .error && responder.commands.isEmpty)
        #expect(call.body == pictures(transport) && call.errors.count == 1)
        #expect(call.errors[0].contains("encrypted without ICE or a fingerprint") && call.errors[0].contains("line 17"))
    }

    @Test func aPlainStreamBesideWebRTCLosesItsICE() throws {
        let (responder, worker) = try WebRTCBench.stage()
        let call = FakeCall(body: pictures("RTP/AVPF"))
        #expect(worker.offer(call, "p") == .done, "\(call.errors)")
        #expect(responder.commands.count == 2 && !responder.commands[1].contains("&&"))
        #expect(call.body.contains("m=video 35004 RTP/AVP 96\r\n"), "\(call.body)")
        for word in ["ice-", "candidate", "mid"] { #expect(!call.body.contains(word), "\(call.body)") }
    }

    private static let newer = "a=candidate:3 1 udp 5 2001:db8::7 5556 typ host"

    /// `0.0.0.0` stands there where the addresses are those of the candidates. Of a browser that has both families the
    /// message's counts, and where it says itself which it means, that one.
    @Test(arguments: [
        ("198.51.100.5", 1, "0.0.0.0", "UIE", "198.51.100.5"), ("2001:db8::5", 0, "0.0.0.0", "UEI6", "2001:db8::5"),
        ("2001:db8::5", 1, "0.0.0.0", "UEI6", "2001:db8::5"), ("2001:db8::5", 1, "192.0.2.0", "UIE", "192.0.2.0"),
        ("198.51.100.5", 0, "192.0.2.0", "UEI6", "2001:db8::7"),
    ])
    func theFamilyOfABrowserIsThatOfItsCandidates(
        _ source: String, _ older: Int, _ connection: String, _ expected: String, _ address: String
    ) throws {
        let (responder, worker) = try WebRTCBench.stage()
        for flags in ["px", "dx", "gxr"] {
            let call = FakeCall(
                body: Browser.audio(candidates: older, lines: [Self.newer])
                    .replacing("c=IN IP4 0.0.0.0", with: "c=IN IP4 \(connection)"))
            call[.source] = source
            #expect(worker.offer(call, flags) == .done, "\(call.errors)")
            let command = try #require(responder.commands.last)
            #expect(command.hasPrefix("\(expected) \(WebRTCBench.cid) \(address) 9 ft;1 && "), "\(command)")
            #expect(command.contains("2001:db8::7 5556") == expected.hasSuffix("6"))
            #expect(command.contains("192.0.2.0 5555") == !expected.hasSuffix("6"))
            #expect(!call.body.contains("0.0.0.0"))
        }
    }

    /// SIP over IPv6, and a browser that has no such address for its media.
    @Test func aBrowserOfTheOtherFamilyIsReachedByItsCandidate() throws {
        let (responder, worker) = try WebRTCBench.stage()
        let call = FakeCall(body: Browser.audio())
        call[.source] = "2001:db8::5"
        #expect(worker.offer(call, "p") == .done, "\(call.errors)")
        #expect(responder.commands.last == "U \(WebRTCBench.cid) 192.0.2.0 9 ft;1" + WebRTCBench.peer)
    }

    /// A machine with many interfaces has its address for the world behind those of all of them.
    @Test func ofManyCandidatesThoseThatOthersSeeComeAlong() throws {
        let (responder, worker) = try WebRTCBench.stage()
        let reflexive = (1...2).map {
            "a=candidate:4 1 udp 9 203.0.113.\($0) 6000 typ srflx raddr 192.0.2.1 rport 5555"
        }
        let call = FakeCall(body: Browser.audio(candidates: 11, lines: reflexive))
        #expect(worker.offer(call, "p") == .done, "\(call.errors)")
        let addresses = try #require(responder.commands.last).split(separator: " && ").filter { $0.hasPrefix("M5:1 C") }
            .map { String($0.split(separator: " ")[6]) }
        #expect(
            addresses == (0...3).map { "192.0.2.\($0)" } + (1...2).map { "203.0.113.\($0)" }
                + (4...5).map { "192.0.2.\($0)" })
    }

    /// As a browser offers that has one transport for all: RTPProxy has a port for each stream.
    @Test(arguments: ["p", "d"])
    func aStreamThatSharesATransportIsRefusedAlone(_ flags: String) throws {
        let (responder, worker) = try WebRTCBench.stage()
        let offer = sharing()
        let call = FakeCall(body: offer)
        #expect(worker.offer(call, flags) == .done, "\(call.errors)")
        #expect(responder.commands.count == 1 && call.body.contains("m=video 0 "), "\(call.body)")
        #expect(call.errors.count == 1)
        #expect(call.errors.first?.contains("media stream 2 (line 17): it would share the transport") ?? false)
        // It had a transport of its own before, so the relay may have a session of it.
        #expect(worker.offer(FakeCall(toTag: "tt", body: offer), flags) == .done)
        #expect(responder.commands.count == 3 && responder.commands[2] == "D \(WebRTCBench.cid) ft;2 tt;2")
        // In no group, or with candidates, it has one.
        let alone = offer.replacing("BUNDLE 0 1", with: "BUNDLE 0")
        let full = offer + "a=candidate:1 1 udp 5 192.0.2.9 5557 typ host\r\n"
        for body in [alone, full] {
            let before = responder.commands.count
            let call = FakeCall(body: body)
            #expect(worker.offer(call, flags) == .done && responder.commands.count == before + 2)
            #expect(!call.body.contains("m=video 0 "))
        }
    }

    private func sharing() -> String {
        Browser.audio().replacing("BUNDLE 0", with: "BUNDLE 0 1")
            + SDPText.text([
                "m=video 9 UDP/TLS/RTP/SAVPF 96", "c=IN IP4 0.0.0.0", "a=mid:1", "a=ice-ufrag:abcd",
                "a=ice-pwd:\(Browser.password)", "a=fingerprint:sha-256 \(Browser.fingerprint)", "a=setup:actpass",
            ])
    }

    @Test func aDataChannelIsRefusedAlone() throws {
        let (responder, worker) = try WebRTCBench.stage()
        let call = FakeCall(
            body: Browser.audio()
                + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=sctp-port:5000\r\n"
        )
        #expect(worker.offer(call, "p") == .done, "\(call.errors)")
        #expect(responder.commands.count == 1 && call.body.contains("m=application 0 "))
        #expect(call.errors.count == 1 && call.errors[0].contains("no data channel"))
    }

    /// Nobody is asked for it, so that nobody is waited for, and nobody is taken for silent.
    @Test(arguments: ["p", "d", "g"])
    func aDataChannelWithoutAnythingElseCostsNoRelay(_ flags: String) throws {
        let (responder, worker) = try WebRTCBench.stage()
        let call = FakeCall(
            body: Browser.audio().replacing(
                "m=audio 9 UDP/TLS/RTP/SAVPF 0", with: "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"))
        let start = ContinuousClock.now
        #expect(worker.offer(call, flags) == .done, "\(call.errors)")
        #expect(ContinuousClock.now - start < .milliseconds(300))
        #expect(responder.commands.isEmpty && worker.condition(0) == .up(recheck: 0))
        #expect(call.body.contains("m=application 0 "))
    }

    /// One that lacks the modules would end the search where another one has the call.
    @Test func aCallWithABrowserIsSearchedForWhereTheModulesAre() throws {
        let (stranger, holder) = (try Responder { _ in "0" }, try Responder(ModuleRelay.answer))
        let without = try Responder()
        let worker = try SIPWorker([stranger.url, without.url, holder.url], remembers: true)
        worker.prove(0, [.webRTC])
        worker.prove(2, [.webRTC])
        for id in 0..<8 {
            let call = WebRTCBench.answerer(Browser.audio(setup: "active"))
            call[.callID] = "call-\(id)"
            #expect(worker.answer(call, "p") == .done, "\(call.errors)")
        }
        #expect(without.commands.isEmpty && holder.commands.count == 8)
    }

    @Test func anotherProcessGetsTheLetterThatWasDecidedOn() {
        func decided(_ flags: String, _ isToWebRTC: Bool) -> String {
            var letters: [UInt8] = []
            Bridging.decide(Array(flags.utf8).span, isToWebRTC: isToWebRTC, into: &letters)
            return String(decoding: letters, as: UTF8.self)
        }
        #expect(decided("rgo", true) == "rdo" && decided("G", false) == "p" && decided("zr", true) == "zr")
    }
}
