// SPDX-License-Identifier: GPL-2.0-or-later
// The asynchronous examples of the documentation at work: calls through each of its three files.

import Foundation
import TestSupport
import Testing

@Suite struct ReadmeAsyncTests {
    private static let relayURL = "udp:127.0.0.1:22222"

    /// The example files. The last two send a refusal where there is no RTPProxy.
    static let names = ["async.cfg", "async-by-hand.cfg", "async-kemi.cfg"]

    private func run(_ name: String, _ body: (Kamailio, ScriptedRelay) throws -> Void) throws {
        let script = "\(PackageFolder.root)/Tests/Fixtures/readme/async-kemi.js"
        let paths = name == "async-kemi.cfg" ? ["/etc/kamailio/async-kemi.js": script] : [:]
        let relay = try ScriptedRelay()
        try ReadmeExample.run(name, relays: [Self.relayURL: relay], paths) { try body($0, relay) }
    }

    /// The letters of the commands for a call, once there are `count` of them.
    private func verbs(_ relay: ScriptedRelay, _ call: Call, _ count: Int) -> [String] {
        waitUntil(3) { relay.commands(of: call.id).count >= count }
        return relay.commands(of: call.id).map(\.verb)
    }

    private func isRewritten(_ message: SIPMessage) -> Bool {
        message.lines.contains("c=IN IP4 192.0.2.77") && message.lines.contains("a=nortpproxy:yes")
    }

    @Test(arguments: names) func earlyOfferIsAnsweredInTheReplyAndDeletedAtBYE(name: String) throws {
        try run(name) { kamailio, relay in
            let call = try kamailio.call()
            relay.on(call: call.id) { "UL".contains($0.verb) ? .delay(100, .normal) : nil }
            let invite = try call.invite()
            #expect(isRewritten(invite))
            // Meanwhile the caller has got its 100.
            #expect(call.caller.receive { $0.status == 100 && $0.callID == call.id } != nil)
            #expect(invite.all("Record-Route").count == (name == "async-by-hand.cfg" ? 1 : 0))
            try call.reply(180, to: invite)
            #expect(isRewritten(try call.reply(183, to: invite, sdp: SDPText.audio())))
            #expect(isRewritten(try call.reply(to: invite, sdp: SDPText.audio())))
            try call.ack()
            if name != "async-kemi.cfg" { try call.bye() }
            let expected = ["U", "L", "L"] + (name == "async-kemi.cfg" ? [] : ["D"])
            #expect(verbs(relay, call, expected.count) == expected)
        }
    }

    @Test(arguments: names) func lateOfferIsAnsweredInTheACK(name: String) throws {
        try run(name) { kamailio, relay in
            let call = try kamailio.call()
            let invite = try call.invite(sdp: nil)
            #expect(isRewritten(try call.reply(to: invite, sdp: SDPText.audio())))
            #expect(isRewritten(try call.ack(sdp: SDPText.audio())))
            try call.bye()
            #expect(verbs(relay, call, 3) == ["U", "L", "D"])
        }
    }

    @Test("A refused call is deleted in the failure_route, and a refused re-INVITE is not")
    func refusedCallIsDeletedInTheFailureRoute() throws {
        try run("async-by-hand.cfg") { kamailio, relay in
            let refused = try kamailio.call()
            try refused.reply(486, to: refused.invite())
            #expect(verbs(relay, refused, 2) == ["U", "D"])

            let call = try kamailio.call()
            try call.reply(to: call.invite(), sdp: SDPText.audio())
            try call.ack()
            try call.reply(486, to: call.invite(inDialog: true))
            usleep(300_000)
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L", "U"])
        }
    }

    @Test(arguments: ["async-by-hand.cfg", "async-kemi.cfg"]) func callIsRefusedWhereTheRelayFallsSilent(
        name: String
    ) throws {
        try run(name) { kamailio, relay in
            let call = try kamailio.call()
            relay.on { _ in .drop }
            // The first one waits for its answer in vain, the next one is refused at once.
            call.send(call.request("INVITE", sdp: SDPText.audio()))
            let late = call.caller.receive(15_000) { $0.status >= 300 && $0.callID == call.id }
            #expect(late?.startLine == "SIP/2.0 503 No Media Relay")
        }
    }

    @Test func whatIsRefusedAtOnceIsAnsweredAtOnce() throws {
        try run("async-by-hand.cfg") { kamailio, relay in
            let broken = try kamailio.call()
            broken.send(broken.request("INVITE", sdp: "v=0\r\n"))
            #expect(broken.caller.receive { $0.status >= 300 }?.status == 488)
            // What another proxy has marked goes through untouched.
            let marked = SDPText.audio(extra: ["a=nortpproxy:yes"])
            let passed = try kamailio.call()
            #expect(try passed.invite(sdp: marked).text == marked)
            #expect(relay.commands(of: passed.id).isEmpty)
            // What the relay itself refuses is known later, in the route.
            let refused = try kamailio.call()
            relay.on(call: refused.id) { $0.verb == "U" ? .reply("E13") : nil }
            refused.send(refused.request("INVITE", sdp: SDPText.audio()))
            #expect(refused.caller.receive { $0.status >= 300 }?.status == 488)
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0")
            let lost = try kamailio.call()
            lost.send(lost.request("INVITE", sdp: SDPText.audio()))
            #expect(lost.caller.receive { $0.status >= 300 }?.startLine == "SIP/2.0 503 No Media Relay")
        }
    }

    @Test func answerThatFailsGoesOutAsItCameAndIsLogged() throws {
        try run("async-by-hand.cfg") { kamailio, relay in
            let call = try kamailio.call()
            let invite = try call.invite()
            relay.on(call: call.id) { $0.verb == "L" ? .reply("E13") : nil }
            let answer = try call.reply(to: invite, sdp: SDPText.audio())
            #expect(answer.text == SDPText.audio())
            #expect(kamailio.waitForLog("call \(call.id): the SDP is left as it came, -1") != nil)
            let broken = try call.reply(183, to: call.invite(inDialog: true), sdp: "v=0\r\n")
            #expect(broken.text == "v=0\r\n")
            #expect(kamailio.waitForLog("call \(call.id): the answer is left as it came, -1") != nil)
        }
    }

    @Test func callGoesOnWithoutARelayWhereFailuresAreNotLookedAt() throws {
        try run("async.cfg") { kamailio, relay in
            let call = try kamailio.call()
            relay.on(call: call.id) { $0.verb == "U" ? .reply("E13") : nil }
            #expect(try call.invite().text == SDPText.audio())
        }
    }

    @Test func cancelledCallIsDeleted() throws {
        try run("async-by-hand.cfg") { kamailio, relay in
            let call = try kamailio.call()
            let sent = call.request("INVITE", sdp: SDPText.audio())
            let received = try call.deliver(sent)
            try call.reply(180, to: received)
            var cancel = call.request("CANCEL")
            cancel["Via"] = sent["Via"]
            let arrived = try call.deliver(cancel)
            call.send(call.response(200, to: arrived), from: .callee)
            try call.reply(487, to: received)
            #expect(verbs(relay, call, 2) == ["U", "D"])
        }
    }
}
