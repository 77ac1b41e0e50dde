// SPDX-License-Identifier: GPL-2.0-or-later
// A transaction whose reply lock another process holds: it goes on when the lock is free, and all others meanwhile.

import Foundation
import TestSupport
import Testing

@Suite struct AsyncLockTests {
    /// tm holds the lock while a route for a branch that has failed is run.
    private static let routes = """
        request_route {
            if (!is_method("INVITE")) { t_relay(); exit; }
            t_on_reply("ANY");
            if (is_present_hf("X-Retry")) {
                t_on_failure("NEXT");
                t_relay();
                exit;
            }
            rtpproxy_offer_async("GO");
        }
        route[GO] {
            append_hf("X-RC: $rtpp_rc\\r\\n");
            if (is_present_hf("X-Fork")) {
                t_on_branch_failure("BLOCK");
                append_branch("$hdr(X-Fork)");
            }
            t_relay();
        }
        onreply_route[ANY] {
            xlog("L_NOTICE", "reply $rs $ci\n");
            if (status =~ "[12].." && has_body("application/sdp")) rtpproxy_answer_async("ANSWERED");
        }
        route[ANSWERED] { append_hf("X-RC: $rtpp_rc\\r\\n"); }
        event_route[tm:branch-failure:BLOCK] {
            xlog("L_NOTICE", "blocks $ci\\n");
            usleep("2000000");
            xlog("L_NOTICE", "blocks no more $ci\\n");
        }
        # What is offered here waits while the process that has offered it still has the lock.
        failure_route[NEXT] {
            rtpproxy_offer_async("RETRY");
        }
        route[RETRY] {
            append_hf("X-RC: $rtpp_rc\\r\\n");
            $ru = $hdr(X-Retry);
            t_relay();
        }
        """

    private func run(_ continuation: Continuation, _ body: (Kamailio, ScriptedRelay) throws -> Void) throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.routes = Self.routes
            $0.modules.append("cfgutils")
            $0.children = 6
            $0.parameters.append(("tm", "wt_timer", "1000"))
            continuation.apply(&$0)
        } _: { kamailio in
            try body(kamailio, relay)
            #expect(waitUntil(20) { (try? kamailio.kamcmd("tm.stats").contains("current: 0\n")) ?? false })
            #expect(kamailio.diedBySignal.isEmpty)

        }
    }

    /// More of them than there are workers that go on.
    @Test(arguments: Continuation.allCases)
    func aTransactionThatIsLockedHoldsUpNoOther(continuation: Continuation) throws {
        try run(continuation) { kamailio, relay in
            relay.on { $0.verb == "L" ? .delay(300, .normal) : nil }
            let calls = try (0..<3).map { _ in try kamailio.call() }
            var invites: [SIPMessage] = []
            for call in calls {
                let other = try UserAgent("carol")
                let first = try call.invite(run: Run.destroy().with("X-Fork", other.uri))
                let second = try #require(other.receive { $0.method == "INVITE" && $0.callID == call.id })
                call.send(call.response(183, to: first, sdp: SDPText.audio()), from: .callee)
                #expect(waitUntil(3, every: 1) { !relay.commands(of: call.id, "L").isEmpty })
                other.send(call.response(486, to: second), to: kamailio.endpoint())
                invites.append(first)
            }
            for call in calls { #expect(kamailio.waitForLog("blocks \(call.id)", seconds: 3) != nil) }
            // Their answers are there, and they cannot go on.
            usleep(500_000)
            for _ in 0..<10 {
                let call = try kamailio.call()
                let start = monotonicMilliseconds()
                let invite = try call.invite()
                #expect(monotonicMilliseconds() - start < 250)
                #expect(invite.returnCodes == [1])
                try call.reply(486, to: invite)
            }
            #expect(kamailio.logLines("blocks no more").isEmpty, "the other calls came too late to tell")
            for (call, invite) in zip(calls, invites) {
                var early: SIPMessage?
                while early?.status != 183, let got = call.caller.receive(where: { $0.callID == call.id }) {
                    early = got
                }
                #expect(early?.returnCodes == [1])
                #expect(try call.reply(200, to: invite, sdp: SDPText.audio()).returnCodes == [1])
                try call.ack()
            }
        }
    }

    /// The answer is there long before the failure route that has asked for it is through.
    @Test(arguments: Continuation.allCases)
    func anOfferOfAFailureRouteGoesOnWhenThatIsThrough(continuation: Continuation) throws {
        try run(continuation) { kamailio, relay in
            for _ in 0..<3 {
                let call = try kamailio.call()
                let next = try UserAgent("carol")
                let first = try call.invite(sdp: SDPText.audio(), run: Run.offer().with("X-Retry", next.uri))
                call.send(call.response(404, to: first), from: .callee)
                let second = try #require(next.receive { $0.method == "INVITE" && $0.callID == call.id })
                #expect(second.lines.contains("c=IN IP4 192.0.2.77"))
                next.send(call.response(486, to: second), to: kamailio.endpoint())
            }
        }
    }
}
