// SPDX-License-Identifier: GPL-2.0-or-later
// The examples of single functions in the documentation: what each sends to RTPProxy.

import Foundation
import TestSupport
import Testing

@Suite struct ReadmeFunctionTests {
    private func withRelays(_ body: (Kamailio, ScriptedRelay, ScriptedRelay) throws -> Void) throws {
        let relay = try ScriptedRelay()
        let other = try ScriptedRelay(address: "192.0.2.88")
        let urls = ["udp:127.0.0.1:22222": relay, "udp:127.0.0.1:22223": other]
        try ReadmeExample.run("functions.cfg", relays: urls) { try body($0, relay, other) }
    }

    /// A request that asks for one of the examples.
    private func request(
        _ example: String, _ call: Call, _ method: String = "INVITE", sdp: String? = SDPText.audio(),
        inDialog: Bool? = nil
    ) -> SIPMessage {
        var request = call.request(method, sdp: sdp, inDialog: inDialog)
        request["X-Example"] = example
        return request
    }

    /// INVITE and a reply to it, whose `lines` are the commands that are expected of RTPProxy.
    private func expect(
        _ example: String, _ kamailio: Kamailio, _ relay: ScriptedRelay, status: Int = 200,
        _ lines: (Call) -> [String]
    ) throws {
        let call = try kamailio.call()
        let invite = try call.deliver(request(example, call))
        try call.reply(status, to: invite, sdp: status < 300 ? SDPText.audio() : nil)
        let expected = lines(call)
        waitUntil { relay.texts(of: call.id).count >= expected.count }
        #expect(relay.texts(of: call.id) == expected, "\(example)")
    }

    @Test func setIsChosenByTheDomain() throws {
        try withRelays { kamailio, relay, other in
            let call = try kamailio.call()
            var invite = request("SITE", call)
            invite.startLine = "INVITE sip:bob@site2.example.com SIP/2.0"
            // The way to the callee all the same.
            invite["Route"] = "<\(call.callee.uri);lr>"
            call.send(invite)
            waitUntil { !other.texts(of: call.id).isEmpty }
            #expect(other.texts(of: call.id).count == 1)
            #expect(relay.texts(of: call.id).isEmpty)
        }
    }

    @Test func bridgeTurnsTheLettersOfTheReply() throws {
        try withRelays { kamailio, relay, _ in
            try expect("BRIDGE", kamailio, relay) { call in
                [
                    "UIESc0,8,101 \(call.id) 127.0.0.1 5004 \(call.fromTag);1",
                    "LEISc0,8,101 \(call.id) 127.0.0.1 5004 \(call.fromTag);1 \(call.toTag);1",
                ]
            }
        }
    }

    @Test func addressOfTheParameterGoesIntoTheDescription() throws {
        try withRelays { kamailio, _, _ in
            let call = try kamailio.call()
            let invite = try call.deliver(request("PUBLIC", call))
            #expect(invite.lines.contains("c=IN IP4 198.51.100.7"))
            #expect(invite.lines.contains("o=- 1 1 IN IP4 198.51.100.7"))
        }
    }

    @Test func editsAreMadeBeforeTheOffer() throws {
        try withRelays { kamailio, relay, _ in
            let call = try kamailio.call()
            let sdp = SDPText.audio(extra: ["a=ptime:60"])
            let invite = try call.deliver(request("NAT", call, sdp: sdp))
            #expect(invite.lines.contains("a=ptime:20"))
            #expect(invite.lines.contains("c=IN IP4 192.0.2.77"))
        }
    }

    @Test func nextDestinationHasAnOfferOfItsOwn() throws {
        try withRelays { kamailio, relay, _ in
            let call = try kamailio.call()
            let next = try UserAgent("next")
            relay.on(call: call.id) { $0.verb == "U" ? .reply("\(40_000 + 2 * $0.number) 192.0.2.77") : nil }
            var invite = request("NEXT", call)
            invite["X-Next"] = next.uri
            call.send(try call.response(486, to: call.deliver(invite)), from: .callee)
            let second = next.receive { $0.method == "INVITE" }
            #expect(second?.lines.contains("m=audio 40004 RTP/AVP 0 8 101") == true)
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "D", "U"])
        }
    }

    @Test func sessionOfABranchIsDeletedWithTheBranch() throws {
        try withRelays { kamailio, relay, _ in
            try expect("FORK", kamailio, relay, status: 486) { call in
                [
                    "Uc0,8,101 \(call.id);branch-0 127.0.0.1 5004 \(call.fromTag);1",
                    "D \(call.id);branch-0 \(call.fromTag)",
                ]
            }
        }
    }

    @Test func wholeCallIsDeletedWithoutTheToTag() throws {
        try withRelays { kamailio, relay, _ in
            try expect("DIRECT", kamailio, relay) { call in
                ["Uc0,8,101 \(call.id) 127.0.0.1 5004 \(call.fromTag);1", "D \(call.id) \(call.fromTag)"]
            }
        }
    }

    @Test func musicPlaysWhileTheCallerHolds() throws {
        try withRelays { kamailio, relay, _ in
            let call = try kamailio.call()
            let hold = SDPText.audio(extra: ["a=sendonly"])
            try call.reply(to: call.deliver(request("HOLD", call, sdp: hold, inDialog: true)))
            try call.reply(to: call.deliver(request("HOLD", call, inDialog: true)))
            #expect(
                relay.texts(of: call.id).filter { !$0.hasPrefix("U") } == [
                    "P-1 \(call.id) /var/lib/rtpproxy/music_on_hold session \(call.toTag);1 \(call.fromTag);1",
                    "S \(call.id) \(call.toTag);1 \(call.fromTag);1",
                ])
        }
    }

    @Test func announcementEndsWithTheAnswer() throws {
        try withRelays { kamailio, relay, _ in
            let call = try kamailio.call()
            let invite = try call.deliver(request("ANNOUNCE", call))
            try call.reply(183, to: invite)
            try call.reply(to: invite)
            let tags = "\(call.fromTag);1 \(call.toTag);1"
            #expect(
                relay.texts(of: call.id).dropFirst() == [
                    "P1 \(call.id) /var/lib/rtpproxy/please_wait session \(tags)", "S \(call.id) \(tags)",
                ])
        }
    }

    @Test func recordingBeginsWithTheAnswer() throws {
        try withRelays { kamailio, relay, _ in
            try expect("RECORD", kamailio, relay) { call in
                [
                    "Uc0,8,101 \(call.id) 127.0.0.1 5004 \(call.fromTag);1",
                    "Lc0,8,101 \(call.id) 127.0.0.1 5004 \(call.fromTag);1 \(call.toTag);1",
                    "R \(call.id) \(call.toTag) \(call.fromTag)",
                    "R \(call.id) \(call.fromTag) \(call.toTag)",
                ]
            }
        }
    }

    @Test func statisticsAreLoggedBeforeTheDeletion() throws {
        try withRelays { kamailio, relay, _ in
            let call = try kamailio.call()
            try call.deliver(request("CODES", call))
            try call.deliver(request("HANGUP", call, "BYE", sdp: nil))
            #expect(kamailio.waitForLog("call \(call.id): RTP 60 11 22 33 0") != nil)
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "Q", "D"])
        }
    }

    @Test func qualityIsLoggedBeforeTheDeletion() throws {
        try withRelays { kamailio, relay, _ in
            let call = try kamailio.call()
            try call.deliver(request("CODES", call))
            try call.deliver(request("QUALITY", call, "BYE", sdp: nil))
            #expect(kamailio.waitForLog("call \(call.id): MOS 3.56, 2 of 24 packets lost") != nil)
            #expect(kamailio.waitForLog("call \(call.id): a bad line to 127.0.0.1") != nil)
            #expect(Set(relay.commands(of: call.id).map(\.verb)) == ["U", "Q", "D"])
        }
    }

    @Test func theDeletionBringsTheFiguresAlong() throws {
        try withRelays { kamailio, relay, _ in
            let call = try kamailio.call()
            try call.deliver(request("CODES", call))
            try call.deliver(request("LAST", call, "BYE", sdp: nil))
            #expect(kamailio.waitForLog("call \(call.id): MOS 3.56, 2 lost, RTP 60 22 24 46 0") != nil)
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "Q", "Q", "Q", "Q"])
            #expect(relay.texts(of: call.id, "Q").allSatisfy { $0.hasSuffix(" && D") })
            // Nothing is left of it.
            try call.deliver(request("HANGUP", call, "BYE", sdp: nil))
            #expect(kamailio.waitForLog("call \(call.id): RTP <null>") != nil)
        }
    }

    @Test func returnCodesAreToldApart() throws {
        try withRelays { kamailio, relay, _ in
            let broken = try kamailio.call()
            broken.send(request("CODES", broken, sdp: "v=0\r\n"))
            #expect(broken.caller.receive { $0.status >= 300 }?.status == 488)
            relay.shut()
            let call = try kamailio.call()
            call.send(request("CODES", call))
            #expect(call.caller.receive { $0.status >= 300 }?.status == 503)
        }
    }
}
