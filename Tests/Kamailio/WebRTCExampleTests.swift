// SPDX-License-Identifier: GPL-2.0-or-later
// examples/webrtc.cfg where there is no call: who has sent the INVITE hears whether it was the relay or the description.

import Foundation
import TestSupport
import Testing

@Suite struct WebRTCExampleTests {
    @Test func whoCallsHearsWhetherItWasTheRelayOrTheDescription() throws {
        let relay = try ScriptedRelay()
        try Kamailio.with(Example.configuration("webrtc.cfg", [relay.url], [])) { kamailio in
            #expect(kamailio.waitUntilUp([relay]))
            let (alice, bob) = (try UserAgent("alice"), try UserAgent("bob"))
            for phone in [alice, bob] { try Example.register(phone, kamailio) }
            func refusal(_ sdp: String) throws -> String? {
                let call = try Call(through: kamailio.endpoint, caller: alice, callee: bob)
                call.send(call.request("INVITE", sdp: sdp))
                return alice.receive { $0.status >= 300 && $0.callID == call.id }?.startLine
            }
            let weak = SDPText.audio(
                extra: [
                    "a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", "a=setup:actpass",
                    "a=fingerprint:sha-1 " + String(repeating: "AB:", count: 19) + "AB",
                ]
            ).replacingOccurrences(of: "RTP/AVP", with: "UDP/TLS/RTP/SAVPF")
            #expect(try refusal(weak) == "SIP/2.0 488 Not Acceptable Here")
            #expect(relay.log.allSatisfy { $0.verb != "U" })
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0")
            #expect(try refusal(SDPText.audio()) == "SIP/2.0 503 No Media Relay")
        }
    }
}
