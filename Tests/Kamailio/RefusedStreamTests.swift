// SPDX-License-Identifier: GPL-2.0-or-later
// Streams that a relay does not know any more, or cannot serve, in a real Kamailio: they are refused alone.

import TestSupport
import Testing

@Suite struct RefusedStreamTests {
    private static let both = SDPText.session(streams: [SDPText.media("audio", 5004), SDPText.media("video", 5006)])

    /// Each stream of RTPProxy times out alone: the video that nobody has sent while it rang is gone.
    @Test func aStreamThatTheRealRelayHasForgottenIsRefusedAlone() throws {
        let relay = try RealRelay()
        defer { relay.stop() }
        try Kamailio.with(Stage.configuration { $0.set("rtpproxy_sock", relay.url) }) { kamailio in
            kamailio.waitUntilUp()
            let call = try kamailio.call()
            let invite = try call.invite(sdp: Self.both, run: .offer())
            #expect(try relay.command("D \(call.id) \(call.fromTag);2") == "0")
            let answered = try call.reply(to: invite, sdp: Self.both, run: .answer())
            #expect(answered.returnCodes == [1])
            #expect(answered.lines.contains("c=IN IP4 127.0.0.1"))
            #expect(answered.lines.contains { $0.hasPrefix("m=audio ") && !$0.hasPrefix("m=audio 5004 ") })
            #expect(answered.lines.contains { $0.hasPrefix("m=video 0 ") })
            let warning = "media stream 2 (line 8): session unknown at the relay, it is refused"
            #expect(kamailio.waitForLog("WARNING", "call \(call.id)", relay.url, warning) != nil)

            // Where none is left, the answer stays as it came.
            #expect(try relay.command("D \(call.id) \(call.fromTag)") == "0")
            let late = try call.reply(to: invite, sdp: Self.both, run: .answer())
            #expect(late.returnCodes == [-1] && late.text == Self.both)
            #expect(kamailio.waitForLog("ERROR", "call \(call.id)", "media stream 1 (line 6): session unknown") != nil)
        }
    }

    @Test(arguments: Continuation.allCases)
    func anAnswerThatWaitsRefusesTheStreamToo(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            let call = try kamailio.call()
            relay.on(call: call.id) { $0.verb == "L" && $0.stream == 1 ? .reply("0") : nil }
            let invite = try call.invite(sdp: Self.both, run: .offer())
            let answered = try call.reply(to: invite, sdp: Self.both, run: .answer())
            #expect(answered.returnCodes == [1])
            #expect(answered.lines.contains { $0.hasPrefix("m=audio 0 ") })
            #expect(answered.lines.contains("c=IN IP4 192.0.2.77"))
            #expect(kamailio.waitForLog("media stream 1 (line 6): session unknown at the relay, it is refused") != nil)
            try call.ack()
        }
    }

    /// Two families in one offer (RFC 4091), and a relay that has one of them.
    @Test func anAlternativeOfAFamilyThatTheRealRelayHasNotIsRefusedAlone() throws {
        let relay = try RealRelay()
        defer { relay.stop() }
        try Kamailio.with(Stage.configuration { $0.set("rtpproxy_sock", relay.url) }) { kamailio in
            kamailio.waitUntilUp()
            let streams = [
                ["a=group:ANAT 1 2"], SDPText.media("audio", 5004, address: "192.0.2.10") + ["a=mid:1"],
                SDPText.media("audio", 5006, address: "2001:db8::10") + ["a=mid:2"],
            ]
            for flags in [nil, "r"] {
                let call = try kamailio.call()
                let invite = try call.invite(sdp: SDPText.session(streams: streams), run: .offer(flags))
                #expect(invite.returnCodes == [1])
                #expect(invite.lines.filter { $0.hasPrefix("m=audio 0 ") }.count == 1)
                #expect(!invite.text.contains("2001:db8"))
                #expect(kamailio.waitForLog("call \(call.id)", "media stream 2 (line 11)", "E36: ", "-6") != nil)
                // The answer has the alternative off, its address of the other family.
                var answer = streams
                answer[2] = SDPText.media("audio", 0, address: "2001:db8::20") + ["a=mid:2"]
                let answered = try call.reply(to: invite, sdp: SDPText.session(streams: answer), run: .answer(flags))
                #expect(answered.returnCodes == [1])
                #expect(answered.lines.contains { $0.hasPrefix("m=audio 0 ") })
            }
            let alone = try kamailio.call()
            let sdp = SDPText.audio("2001:db8::10", port: 5006)
            let invite = try alone.invite(sdp: sdp, run: .offer())
            #expect(invite.returnCodes == [-1] && invite.text == sdp)
        }
    }

    @Test func anErrorSaysWhatItMeansAndWhatToDo() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "U" ? .reply("E75") : nil }
        #expect(try call.invite(run: .offer()).returnCodes == [-1])
        #expect(stage.kamailio.waitForLog("call \(call.id)", "answered with error E75: ", "-n ") != nil)
    }
}
