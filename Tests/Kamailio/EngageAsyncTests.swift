// SPDX-License-Identifier: GPL-2.0-or-later
// rtpproxy_engage_async: the first INVITE waits, and no SIP worker does.

import TestSupport
import Testing

@Suite struct EngageAsyncTests {
    private static let waiting = """
        request_route {
            if (has_totag()) dlg_manage(); else record_route();
            if (is_method("CANCEL")) {
                if (t_check_trans()) t_relay();
                exit;
            }
            if (is_method("INVITE") && !has_totag()) {
                $var(code) = rtpproxy_engage_async("ENGAGED", "co");
                xlog("L_NOTICE", "ran at once $var(code) $rtpp_engaged $ci\\n");
            }
            t_relay();
        }
        route[ENGAGED] {
            xlog("L_NOTICE", "ran engaged $rtpp_rc $rtpp_engaged $ci\\n");
            t_relay();
        }
        """

    @Test func theFirstINVITEWaitsWithoutAWorker() throws {
        try Engaged.run("", Self.waiting) { kamailio, relay in
            let call = try kamailio.call()
            let invite = try call.invite()
            #expect(kamailio.ran(call.id) == ["engaged 1 1"])
            let answer = try call.reply(to: invite, sdp: SDPText.audio(port: 6000))
            try call.ack()
            #expect([invite, answer].allSatisfy { $0.lines.last == "a=nortpproxy:yes" })
            let again = try call.invite(from: .callee, inDialog: true)
            #expect(again.lines.last == "a=nortpproxy:yes")
            try call.reply(488, to: again, from: .caller)
            try call.bye()
            expectEnd(call, relay, ["U", "L", "U"], "\(call.fromTag) \(call.toTag)")
            // Without an offer nothing waits.
            let late = try kamailio.call()
            let offer = try late.reply(to: late.invite(sdp: nil), sdp: SDPText.audio(port: 6000))
            #expect(offer.lines.last == "a=nortpproxy:yes" && kamailio.ran(late.id) == ["at once 1 1"])
        }
    }

    @Test func anOfferThatFailsAfterItHasWaitedEngagesNothing() throws {
        try Engaged.run("", Self.waiting) { kamailio, relay in
            let call = try kamailio.call()
            relay.on(call: call.id) { $0.verb == "U" ? .reply("E98") : nil }
            let invite = try call.invite()
            #expect(kamailio.ran(call.id) == ["engaged -1 0"])
            let answer = try call.reply(to: invite, sdp: SDPText.audio(port: 6000))
            #expect([invite.text, answer.text] == [SDPText.audio(), SDPText.audio(port: 6000)])
            #expect(relay.commands(of: call.id).map(\.verb) == ["U"])
        }
    }

    @Test func aCallThatIsCancelledWhileItWaitsLeavesNoSession() throws {
        try Engaged.run("", Self.waiting) { kamailio, relay in
            let call = try kamailio.call()
            relay.on(call: call.id) { $0.verb == "U" ? .delay(300, .normal) : nil }
            let request = call.request("INVITE", sdp: SDPText.audio())
            call.send(request)
            #expect(waitUntil(3) { !relay.texts(of: call.id, "U").isEmpty })
            var cancel = call.request("CANCEL")
            cancel["Via"] = request["Via"]
            call.send(cancel)
            #expect(call.caller.receive { $0.status == 487 } != nil)
            #expect(waitUntil(5) { relay.texts(of: call.id).last == "D \(call.id) \(call.fromTag)" })
            #expect(kamailio.ran(call.id, count: 0).isEmpty)
        }
    }
}
