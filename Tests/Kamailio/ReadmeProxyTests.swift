// SPDX-License-Identifier: GPL-2.0-or-later
// Calls through the complete kamailio.cfg of the documentation.

import Foundation
import TestSupport
import Testing

@Suite struct ReadmeProxyTests {
    private static let relayURL = "udp:127.0.0.1:22222"

    private func withProxy(_ relay: ScriptedRelay, body: (Kamailio) throws -> Void) throws {
        try ReadmeExample.run("kamailio.cfg", relays: [Self.relayURL: relay], body: body)
    }

    @Test func audioOfACallGoesThroughTheRealRelayBothWays() throws {
        let relay = try RealRelay()
        defer { relay.stop() }
        try Kamailio.with(ReadmeExample.configuration("kamailio.cfg", [Self.relayURL: relay.url])) { kamailio in
            kamailio.waitUntilUp()
            let (atCaller, atCallee) = (try RTPEndpoint(), try RTPEndpoint())
            var call = try ProxiedCall(kamailio)
            let invite = try call.invite(sdp: SDPText.audio("127.0.0.1", port: Int(atCaller.port)))
            let answer = try call.call.reply(
                to: invite, sdp: SDPText.audio("127.0.0.1", port: Int(atCallee.port)))
            _ = try call.deliver("ACK")
            for (here, there, sdp) in [(atCaller, atCallee, answer), (atCallee, atCaller, invite)] {
                let media = try #require(sdp.lines.first { $0.hasPrefix("m=audio ") }?.split(separator: " "))
                let port = try #require(UInt16(media[1]))
                #expect(port != there.port)
                here.send(20, to: Endpoint("127.0.0.1", port))
                #expect(there.count(expecting: 20) == 20)
            }
            try call.hangUp()
            let query = "Q \(call.call.id) \(call.call.fromTag);1 \(call.call.toTag);1"
            #expect(try relay.command(query) == "E50")
        }
    }

    @Test func earlyOfferIsAnsweredInTheReplyAndDeletedAtBYE() throws {
        let relay = try ScriptedRelay()
        try withProxy(relay) { kamailio in
            var call = try ProxiedCall(kamailio)
            let invite = try call.invite(sdp: SDPText.audio())
            #expect(invite.lines.contains("c=IN IP4 192.0.2.77"))
            #expect(try call.call.reply(to: invite, sdp: SDPText.audio()).lines.contains("c=IN IP4 192.0.2.77"))
            _ = try call.deliver("ACK")
            try call.hangUp()
            #expect(relay.commands(of: call.call.id).map(\.verb) == ["U", "L", "D"])
        }
    }

    @Test func lateOfferIsAnsweredInTheACK() throws {
        let relay = try ScriptedRelay()
        try withProxy(relay) { kamailio in
            var call = try ProxiedCall(kamailio)
            let invite = try call.invite(sdp: nil)
            let offer = try call.call.reply(to: invite, sdp: SDPText.audio())
            let answer = try call.deliver("ACK", sdp: SDPText.audio())
            for message in [offer, answer] { #expect(message.lines.contains("c=IN IP4 192.0.2.77")) }
            try call.hangUp()
            #expect(relay.commands(of: call.call.id).map(\.verb) == ["U", "L", "D"])
        }
    }

    @Test func refusedCallIsDeletedAndARefusedReinviteIsNot() throws {
        let relay = try ScriptedRelay()
        try withProxy(relay) { kamailio in
            var refused = try ProxiedCall(kamailio)
            try refused.call.reply(486, to: refused.invite(sdp: SDPText.audio()))
            waitUntil { relay.commands(of: refused.call.id).count == 2 }
            #expect(relay.commands(of: refused.call.id).map(\.verb) == ["U", "D"])

            var call = try ProxiedCall(kamailio)
            try call.call.reply(to: call.invite(sdp: SDPText.audio()), sdp: SDPText.audio())
            _ = try call.deliver("ACK")
            try call.call.reply(486, to: call.deliver("INVITE", sdp: SDPText.audio()))
            usleep(300_000)
            #expect(relay.commands(of: call.call.id).map(\.verb) == ["U", "L", "U"])
        }
    }

    @Test func cancelledCallIsDeleted() throws {
        let relay = try ScriptedRelay()
        try withProxy(relay) { kamailio in
            let proxied = try ProxiedCall(kamailio)
            let call = proxied.call
            let sent = call.request("INVITE", sdp: SDPText.audio())
            let received = try call.deliver(sent)
            try call.reply(180, to: received)
            var cancel = call.request("CANCEL")
            cancel["Via"] = sent["Via"]
            cancel.startLine = sent.startLine.replacingOccurrences(of: "INVITE", with: "CANCEL")
            let arrived = try call.deliver(cancel)
            call.send(call.response(200, to: arrived), from: .callee)
            try call.reply(487, to: received)
            waitUntil { relay.commands(of: call.id).count == 2 }
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "D"])
        }
    }

    @Test func callWithoutARelayIsRefused() throws {
        let relay = try ScriptedRelay()
        try withProxy(relay) { kamailio in
            relay.shut()
            let proxied = try ProxiedCall(kamailio)
            proxied.call.send(proxied.call.request("INVITE", sdp: SDPText.audio()))
            let reply = proxied.call.caller.receive { $0.status >= 300 }
            #expect(reply?.startLine == "SIP/2.0 503 No Media Relay")
        }
    }
}
