// SPDX-License-Identifier: GPL-2.0-or-later
// Where an asynchronous function may be called, and what survives until its transaction goes on.

import Foundation
import TestSupport
import Testing

@Suite struct AsyncRouteTests {
    /// Runs `body` with a Kamailio of these routes.
    private func run(_ routes: String, _ body: (Kamailio, ScriptedRelay) throws -> Void) throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], { $0.routes = routes }, { try body($0, relay) })
    }

    private static let resumed = """
        route[RESUMED] {
            append_hf("X-Resumed: $rtpp_rc\\r\\n");
            xlog("L_NOTICE", "resumed $rtpp_rc $ci\\n");
            if (is_request()) t_relay();
        }
        """

    @Test(arguments: ["rtpproxy_answer_async", "rtpproxy_manage_async"]) func acknowledgementIsAnsweredAtOnce(
        function: String
    ) throws {
        try run(
            """
            request_route {
                \(function)("RESUMED");
                append_hf("X-RC: $rc\\r\\n");
                t_relay();
            }
            \(Self.resumed)
            """
        ) { kamailio, relay in
            let call = try kamailio.call()
            relay.on(call: call.id) { $0.verb == "L" ? .reply("40000 192.0.2.77") : nil }
            let ack = try call.ack(sdp: SDPText.audio())
            #expect(ack.returnCodes == [1])
            #expect(ack["X-Resumed"] == nil)
            #expect(ack.lines.contains("c=IN IP4 192.0.2.77"))
            #expect(relay.commands(of: call.id).map(\.verb) == ["L"])
        }
    }

    @Test func routeOfAVariableIsLookedForWhenItIsNeeded() throws {
        try run(
            """
            request_route {
                rtpproxy_offer_async("$hdr(X-Route)");
                append_hf("X-RC: $rc\\r\\n");
                t_relay();
            }
            \(Self.resumed)
            """
        ) { kamailio, _ in
            for (name, isThere) in [("RESUMED", true), ("NOWHERE", false), ("", false)] {
                let call = try kamailio.call()
                let invite = try call.invite(run: .offer().with("X-Route", name))
                #expect(invite["X-Resumed"] == (isThere ? "1" : nil))
                #expect(invite.returnCodes == (isThere ? [] : [-1]))
            }
        }
    }

    @Test func whatTheScriptHasSetUpSurvives() throws {
        try run(
            """
            request_route {
                $avp(kept) = "avp";
                $xavp(kept=>too) = "xavp";
                setflag(5);
                $ru = $hdr(X-Target);
                t_on_reply("SEEN");
                rtpproxy_offer_async("RESUMED");
                exit;
            }
            route[RESUMED] {
                append_hf("X-Kept: $avp(kept) $xavp(kept=>too)\\r\\n");
                if (isflagset(5)) append_hf("X-Flag: 5\\r\\n");
                t_relay();
            }
            onreply_route[SEEN] {
                append_hf("X-Seen: $avp(kept)\\r\\n");
            }
            """
        ) { kamailio, _ in
            let call = try kamailio.call()
            var invite = call.request("INVITE", sdp: SDPText.audio())
            invite.startLine = "INVITE sip:nobody@127.0.0.1:9 SIP/2.0"
            invite["X-Target"] = call.callee.uri
            let received = try call.deliver(invite)
            #expect(received["X-Kept"] == "avp xavp")
            #expect(received["X-Flag"] == "5")
            #expect(try call.reply(180, to: received)["X-Seen"] == "avp")
        }
    }

    @Test func requestThatIsLeftAloneIsAnsweredByTheServer() throws {
        try run("request_route { rtpproxy_offer_async(\"RESUMED\"); exit; }\nroute[RESUMED] { exit; }") { kamailio, _ in
            let call = try kamailio.call()
            call.send(call.request("INVITE", sdp: SDPText.audio()))
            #expect(call.caller.receive { $0.status > 100 && $0.callID == call.id }?.status == 500)
        }
    }

    /// A route block that is called from there is compiled as one for requests.
    @Test(arguments: ["t_on_branch", "t_on_branch_failure"]) func branchesCannotWait(arm: String) throws {
        try run(
            """
            request_route {
                \(arm)("BRANCH");
                t_relay();
            }
            route[OFFER] {
                rtpproxy_offer_async("RESUMED");
                xlog("L_NOTICE", "branch $rc $ci\\n");
            }
            branch_route[BRANCH] { route(OFFER); }
            event_route[tm:branch-failure:BRANCH] { route(OFFER); }
            \(Self.resumed)
            """
        ) { kamailio, relay in
            let call = try kamailio.call()
            let invite = try call.invite()
            #expect(invite.text == SDPText.audio())
            try call.reply(486, to: invite)
            #expect(kamailio.waitForLog("branch -1 \(call.id)") != nil, "\(kamailio.log.suffix(1000))")
            usleep(200_000)
            #expect(kamailio.logLines("resumed", call.id).isEmpty)
            #expect(relay.commands(of: call.id).isEmpty)
        }
    }

    /// The others do: a script with them is refused, see PlantedMistakeTests.
    @Test func deletionNeedsNoTransactions() throws {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.modules.removeAll { ["tm", "tmx"].contains($0) }
            configuration.routes = """
                request_route {
                    if (is_method("INVITE")) rtpproxy_offer();
                    else rtpproxy_destroy_async();
                    append_hf("X-RC: $rc\\r\\n");
                    forward();
                }
                """
        }
        try Stage.own([relay], change) { (kamailio) throws in
            let call = try kamailio.call()
            #expect(try call.invite().returnCodes == [1])
            #expect(try call.bye().returnCodes == [1])
            waitUntil(3) { !relay.commands(of: call.id, "D").isEmpty }
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "D"])
        }
    }
}
