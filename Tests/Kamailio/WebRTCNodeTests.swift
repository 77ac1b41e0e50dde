// SPDX-License-Identifier: GPL-2.0-or-later
// Which RTPProxies are asked for their modules, and which of them get calls with a browser on one side.

import TestSupport
import Testing

@Suite struct WebRTCNodeTests {
    private static let questions = ["L nosuch 127.0.0.1 9 ft tt && M4:1 S", "L nosuch 127.0.0.1 9 ft tt && M5:1 S"]

    private func questions(_ relay: ScriptedRelay) -> [String] {
        relay.log.filter { $0.attempt == 1 && $0.text.contains("&&") }.map(\.text).sorted()
    }

    static let browser = SDPText.text([
        "v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "m=audio 9 UDP/TLS/RTP/SAVPF 0", "c=IN IP4 0.0.0.0",
        "a=mid:0", "a=rtcp-mux", "a=ice-ufrag:abcd", "a=ice-pwd:pppppppppppppppppppppp",
        "a=fingerprint:sha-256 \(String(repeating: "AB:", count: 31))CD", "a=setup:actpass",
        "a=candidate:1 1 udp 2113937151 192.0.2.1 5555 typ host",
    ])

    @Test func anRTPProxyIsAskedForItsModulesOnce() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) { kamailio in
            #expect(waitUntil(5) { questions(relay) == Self.questions })
            _ = try kamailio.call().invite(run: .offer())
            #expect(questions(relay) == Self.questions)
            // An operator who probes it does not make it tell again.
            _ = try kamailio.kamcmd("rtpproxy.probe")
            #expect(questions(relay) == Self.questions)
        }
    }

    /// It would take the words for tags.
    @Test func oneWithoutSubCommandsIsNeverSentAny() throws {
        let old = try ScriptedRelay(capabilities: ScriptedRelay.allCapabilities.subtracting(["20191015"]))
        try Stage.own([old]) { kamailio in
            let call = try kamailio.call()
            let sent = call.request("INVITE", sdp: Self.browser, run: .offer("p"))
            call.send(sent)
            #expect(waitUntil(5) { kamailio.log.contains("start RTPProxy 3 with its modules dtls_gw and ice_lite") })
            #expect(questions(old).isEmpty && old.commands(of: call.id).isEmpty)
        }
    }

    @Test func callsWithABrowserGoToOneThatHasTheModules() throws {
        let (without, with) = (try ScriptedRelay(), try ScriptedRelay())
        without.on { $0.text.contains("M4:1 S") || $0.text.contains("M5:1 S") ? .reply("E3") : nil }
        try Stage.own([without, with]) { kamailio in
            for _ in 0..<6 {
                let call = try kamailio.call()
                let invite = try call.invite(sdp: Self.browser, run: .offer("p"))
                #expect(invite.text.contains(" RTP/AVP 0") && !invite.text.contains("fingerprint"))
                #expect(without.commands(of: call.id).isEmpty && with.commands(of: call.id).count == 1)
            }
        }
    }

    /// Waits until the relay has shown that it has the modules, and has it refuse from then on what an answer asks them.
    static func refuseAnswers(_ kamailio: Kamailio, _ relay: ScriptedRelay) {
        let isBridged = {
            try? kamailio.call().invite(sdp: browser, run: .offer("p")).text.contains(" RTP/AVP 0")
        }
        #expect(waitUntil(5) { isBridged() ?? false })
        relay.on { $0.text.contains(" && M4:1 S") ? .reply("35000 127.0.0.1 && -1") : nil }
    }

    /// What its modules refuse of the first 200 of a call ends the session; of another one, and of a re-INVITE's, the call
    /// goes on as it was. Asked for WebRTC, because two phones are enough to see it.
    private func theFirstEndsTheSession(_ kamailio: Kamailio, _ relay: ScriptedRelay) throws {
        Self.refuseAnswers(kamailio, relay)
        let call = try kamailio.call()
        let answer = { (invite: SIPMessage) in
            let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer("d"))
            #expect(answered.returnCodes == [-1] && answered.text == SDPText.audio())
            return relay.commands(of: call.id).map(\.verb)
        }
        let first = try call.invite(run: .offer())
        #expect(try answer(first) == ["U", "L", "D"])
        #expect(try answer(first) == ["U", "L", "D", "L"])
        try call.ack()
        let again = try call.invite(run: .offer(), inDialog: true)
        #expect(try answer(again) == ["U", "L", "D", "L", "U", "L"])
        #expect(relay.texts(of: call.id, "D") == ["D \(call.id) \(call.fromTag) \(call.toTag)"])
        try call.ack()
        try call.bye(run: .destroy())
    }

    @Test func anAnswerThatTheModulesRefuseEndsTheSessionOfTheFirst() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) { try theFirstEndsTheSession($0, relay) }
    }

    @Test(arguments: Continuation.allCases)
    func anAnswerThatWaitsAndThatTheModulesRefuseEndsTheSessionOfTheFirst(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { try theFirstEndsTheSession($0, relay) }
    }

    /// One that had no time for the question, or whose answers were lost, has its modules all the same.
    @Test func oneThatHasNotAnsweredIsAskedAgain() throws {
        let relay = try ScriptedRelay()
        relay.on { $0.text.hasPrefix("L nosuch ") ? .drop : nil }
        let hasGivenUp = { relay.log.contains { $0.text.hasPrefix("G ") } }
        try Stage.own([relay], { $0.set("rtpproxy_retr", 1) }) { kamailio in
            // What follows is the question whether it is there at all.
            #expect(waitUntil(15) { hasGivenUp() } && questions(relay) == Self.questions)
            relay.removeRules()
            #expect(waitUntil(20) { questions(relay).count == 4 })
            #expect(
                waitUntil(5) {
                    guard let call = try? kamailio.call() else { return false }
                    let invite = try? call.invite(sdp: Self.browser, run: .offer("p"))
                    return invite?.text.contains(" RTP/AVP 0") ?? false && relay.commands(of: call.id).count == 1
                })
        }
    }
}
