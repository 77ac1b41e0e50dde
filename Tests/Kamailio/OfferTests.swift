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

import TestSupport
import Testing

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

    @Test func onlyPortAddressAndMarkerDifferFromWhatCame() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "U" ? .reply("40000 192.0.2.99") : nil }
        let before = SDPText.audio("192.0.2.10", port: 4000, extra: ["a=sendrecv", "a=unknown: \u{1}\u{7F}odd"])
        let invite = try call.invite(sdp: before, run: .offer())
        let after =
            before.replacingOccurrences(of: "c=IN IP4 192.0.2.10", with: "c=IN IP4 192.0.2.99")
            .replacingOccurrences(of: "m=audio 4000", with: "m=audio 40000") + "a=nortpproxy:yes\r\n"
        #expect(invite.text == after)
    }

    @Test func offerInAReInviteNamesBothTags() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer(), inDialog: true)
        #expect(invite.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id) == [
                "Uc0,8,101 \(call.id) 127.0.0.1 5004 \(call.fromTag);1 \(call.toTag);1"
            ])
    }

    @Test func offerFromTheCalleeHasItsTagFirst() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer(), from: .callee, inDialog: true)
        #expect(invite.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id) == [
                "Uc0,8,101 \(call.id) 127.0.0.1 5004 \(call.toTag);1 \(call.fromTag);1"
            ])
    }

    @Test func offerInAReplySwapsTheTags() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: nil)
        let answered = try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: .offer())
        #expect(answered.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id) == [
                "Uc0,8,101 \(call.id) 127.0.0.1 6000 \(call.toTag);1 \(call.fromTag);1"
            ])
    }

    @Test func offerWithoutABodyFailsAndSendsNothing() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: nil, run: .offer())
        #expect(invite.returnCodes == [-1])
        #expect(stage.relay.texts(of: call.id).isEmpty)
    }

    @Test func addressParameterIsWrittenInPlaceOfTheRelays() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer("", ip: "203.0.113.9"))
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.contains("c=IN IP4 203.0.113.9"))
    }

    @Test func emptyAddressParameterFails() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer("", ip: ""))
        #expect(invite.returnCodes == [-1])
        #expect(invite.text == SDPText.audio())
    }

    @Test func relayWithoutAnAddressMeansTheAddressThatTheMessageCameTo() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "U" ? .reply("40000") : nil }
        let invite = try call.invite(run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.contains("c=IN IP4 127.0.0.1"))
        #expect(invite.lines.contains("m=audio 40000 RTP/AVP 0 8 101"))
    }

    @Test func furtherWordsOfTheReplyAreIgnored() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "U" ? .reply("40000 192.0.2.99 4 more words") : nil }
        let invite = try call.invite(run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.contains("c=IN IP4 192.0.2.99"))
    }

    @Test func secondOfferOnTheSameMessageIsRefused() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer().then("offer"))
        #expect(invite.returnCodes == [1, -2])
        #expect(stage.relay.texts(of: call.id, "U").count == 1)
        #expect(invite.lines.filter { $0 == "a=nortpproxy:yes" }.count == 1)
    }

    @Test func bodyMarkedByAnotherProxyIsLeftAlone() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let sdp = SDPText.audio(extra: ["a=nortpproxy:yes"])
        let invite = try call.invite(sdp: sdp, run: .offer())
        #expect(invite.returnCodes == [-2])
        #expect(invite.text == sdp)
        #expect(stage.relay.texts(of: call.id).isEmpty)
    }

    @Test func markerCountsOnlyAtTheBeginningOfALine() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: SDPText.audio(extra: ["a=tool:a=nortpproxy:yes"]), run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.last == "a=nortpproxy:yes")
    }

    @Test func payloadTypesAreLeftOutForARelayThatDoesNotKnowThem() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer(set: 20))
        #expect(invite.returnCodes == [1])
        let relay = try #require(stage.relays[20])
        #expect(relay.texts(of: call.id) == ["U \(call.id) 127.0.0.1 5004 \(call.fromTag);1"])
    }

    @Test func payloadTypesAreLeftOutForOtherProfiles() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let sdp = SDPText.session(streams: [["m=image 4000 udptl t38"]])
        let invite = try call.invite(sdp: sdp, run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id) == ["U \(call.id) 127.0.0.1 4000 \(call.fromTag);1"])
    }

    @Test(arguments: ["RTP/SAVP", "RTP/AVPF", "RTP/SAVPF", "UDP/TLS/RTP/SAVPF"])
    func payloadTypesOfEachRTPProfileAreNamed(profile: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: SDPText.session(streams: [["m=audio 4000 \(profile) 9 96"]]), run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id) == ["Uc9,96 \(call.id) 127.0.0.1 4000 \(call.fromTag);1"])
    }
}
