// SPDX-License-Identifier: GPL-2.0-or-later
// rtpproxy_offer in a real Kamailio.
//
// How to write a test here. A message says in its own X- headers what the script shall do with it, and `Run` writes
// those headers; what the callee gets tells the return code and holds the new body; the relay tells the commands.
//
//     @Test func offerOfOneStream() throws {
//         let stage = try Stage.shared()                          // one Kamailio for all tests, a relay per set
//         let call = try stage.call()                             // two user agents, a Call-ID of its own
//         let invite = try call.invite(sdp: SDPText.audio(port: 4000), run: .offer("r"))   // as the callee got it
//         #expect(invite.returnCodes == [1])
//         #expect(stage.relay.texts(of: call.id) == ["Uc0,8,101 \(call.id) 192.0.2.10 4000 \(call.fromTag);1"])
//     }
//
// A test that needs its own modparams, or a relay that is silent or dies, starts a Kamailio of its own with
// `Stage.own([relay]) { $0.set("rtpproxy_tout", 1) } _: { kamailio in ... }`. A start-up error is awaited with
// `Kamailio.startUpFailure(configuration)`. RTPPROXY_MODULE=stock runs the tests on the distribution's own module.

import Testing
import TestSupport

@Suite struct OfferTests {
    @Test func offerOfOneStreamSendsOneCommandAndRewritesPortAndAddress() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: SDPText.audio("192.0.2.10", port: 4000), run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id) == ["Uc0,8,101 \(call.id) 127.0.0.1 4000 \(call.fromTag);1"])
        #expect(invite.lines.contains("c=IN IP4 192.0.2.77"))
        #expect(invite.lines.contains { $0.hasPrefix("m=audio 3") && $0.hasSuffix(" RTP/AVP 0 8 101") })
        #expect(invite.lines.last == "a=nortpproxy:yes")
        #expect(invite["Content-Length"] == "\(invite.body.count)")
    }
}
