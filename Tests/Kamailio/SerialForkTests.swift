// SPDX-License-Identifier: GPL-2.0-or-later
// One destination after the other: each gets an offer of its own or the one that lives, and the call one deletion.

import Foundation
import TestSupport
import Testing

/// What a script does with the media of a call that goes from one destination to the next.
private struct Script: Sendable, CustomTestStringConvertible {
    var testDescription: String
    /// On the INVITE, before it is relayed.
    var first = ""
    /// In the failure route, before the next destination.
    var failed = ""
    var branch = ""
    var reply = "if (status =~ \"[12][0-9][0-9]\" && has_body(\"application/sdp\")) rtpproxy_answer();"
    /// In the failure route of the last destination.
    var last = ""
    var rearms = true
    /// The letters of the commands for a call that three destinations refuse, and the fourth takes: without the BYE's.
    var taken: String
    /// The same for one that the fourth refuses, too.
    var refused: String

    var routes: String {
        """
        request_route {
            if (!is_method("INVITE") || has_totag()) {
                if (is_method("BYE")) rtpproxy_destroy();
                t_relay();
                exit;
            }
            $avp(n) = 0;
            t_on_reply("REPLY");
            t_on_failure("FAILED");
            t_on_branch("BRANCH");
            \(first)
            t_relay();
        }
        route[OFFERED] {
            # What a failure route has said of the next destination is gone after the wait.
            if ($avp(n) > 0) route(NEXT);
            t_relay();
        }
        route[NEXT] {
            $ru = $(hdr(X-Next){s.select,$avp(n),,});
            t_on_reply("REPLY");
            t_on_branch("BRANCH");
            \(rearms ? "t_on_failure(\"FAILED\");" : "")
        }
        branch_route[BRANCH] { \(branch.isEmpty ? "return;" : branch) }
        onreply_route[REPLY] { \(reply) }
        failure_route[FAILED] {
            $avp(n) = $avp(n) + 1;
            if ($avp(n) > 3) {
                \(last)
                exit;
            }
            route(NEXT);
            \(failed)
            t_relay();
        }
        """
    }
}

private let scripts: [Script] = [
    Script(
        testDescription: "destroy and offer", first: "rtpproxy_offer();",
        failed: "rtpproxy_destroy(); rtpproxy_offer();",
        last: "rtpproxy_destroy();", taken: "UDUDUDUL", refused: "UDUDUDUD"),
    Script(
        testDescription: "offer alone", first: "rtpproxy_offer();", failed: "rtpproxy_offer();",
        last: "rtpproxy_destroy();", taken: "UUUUL", refused: "UUUUD"),
    Script(
        testDescription: "destroy, and an offer in the branch route", first: "rtpproxy_offer();",
        failed: "rtpproxy_destroy();", branch: "if ($avp(n) > 0) rtpproxy_offer();", last: "rtpproxy_destroy();",
        taken: "UDUDUDUL", refused: "UDUDUDUD"),
    Script(
        testDescription: "all in the branch route", failed: "rtpproxy_destroy();", branch: "rtpproxy_offer();",
        last: "rtpproxy_destroy();", taken: "UDUDUDUL", refused: "UDUDUDUD"),
    Script(
        testDescription: "asynchronous", first: "rtpproxy_offer_async(\"OFFERED\");",
        failed: "rtpproxy_destroy_async(); rtpproxy_offer_async(\"OFFERED\");", last: "rtpproxy_destroy_async();",
        taken: "UDUDUDUL", refused: "UDUDUDUD"),
    Script(
        testDescription: "asynchronous first", first: "rtpproxy_offer_async(\"OFFERED\");",
        failed: "rtpproxy_destroy(); rtpproxy_offer();", last: "rtpproxy_destroy();", taken: "UDUDUDUL",
        refused: "UDUDUDUD"),
    Script(
        testDescription: "asynchronous afterwards", first: "rtpproxy_offer();",
        failed: "rtpproxy_destroy(); rtpproxy_offer_async(\"OFFERED\");", last: "rtpproxy_destroy_async();",
        taken: "UDUDUDUL", refused: "UDUDUDUD"),
    Script(
        testDescription: "by turns", first: "rtpproxy_offer();",
        failed: "rtpproxy_destroy(); if ($avp(n) == 2) rtpproxy_offer_async(\"OFFERED\"); else rtpproxy_offer();",
        last: "rtpproxy_destroy_async();", taken: "UDUDUDUL", refused: "UDUDUDUD"),
    Script(
        testDescription: "manage alone", first: "rtpproxy_manage();", failed: "rtpproxy_manage();",
        reply: "if (status =~ \"[12][0-9][0-9]\") rtpproxy_manage();", last: "rtpproxy_manage();", taken: "UL",
        refused: "UD"),
    Script(
        testDescription: "manage, and nothing at the end", first: "rtpproxy_manage();", failed: "rtpproxy_manage();",
        taken: "UL", refused: "UD"),
    Script(
        testDescription: "manage and offer", first: "rtpproxy_manage();",
        failed: "rtpproxy_manage(); rtpproxy_offer();",
        last: "rtpproxy_manage();", taken: "UUUUL", refused: "UUUUD"),
    Script(
        testDescription: "manage in the branch route", failed: "rtpproxy_manage();", branch: "rtpproxy_manage();",
        last: "rtpproxy_manage();", taken: "UUUUL", refused: "UUUUD"),
    Script(
        testDescription: "manage, destroyed at the end", first: "rtpproxy_manage();", failed: "rtpproxy_manage();",
        last: "rtpproxy_destroy();", taken: "UL", refused: "UD"),
    Script(
        testDescription: "asynchronous manage", first: "rtpproxy_manage_async(\"OFFERED\");",
        failed: "rtpproxy_manage_async(\"OFFERED\");", last: "rtpproxy_manage_async(\"OFFERED\");", taken: "UL",
        refused: "UD"),
    Script(
        testDescription: "asynchronous manage and offer", first: "rtpproxy_manage_async(\"OFFERED\");",
        failed: "rtpproxy_manage_async(\"OFFERED\"); rtpproxy_offer_async(\"OFFERED\");",
        last: "rtpproxy_manage_async(\"OFFERED\");", taken: "UUUUL", refused: "UUUUD"),
    Script(
        testDescription: "manage, answered by the script at the end", first: "rtpproxy_manage();",
        failed: "rtpproxy_manage();", last: "rtpproxy_manage(); t_reply(\"486\", \"Nobody\");", taken: "UL",
        refused: "UD"),
]

private let unarmed = [
    Script(
        testDescription: "manage once", first: "rtpproxy_manage();", failed: "rtpproxy_manage();", rearms: false,
        taken: "UL", refused: "UD"),
    Script(
        testDescription: "asynchronous manage once", first: "rtpproxy_manage_async(\"OFFERED\");",
        failed: "rtpproxy_manage_async(\"OFFERED\");", rearms: false, taken: "UL", refused: "UD"),
    Script(
        testDescription: "another session", first: "rtpproxy_manage();",
        failed: "rtpproxy_manage(); $avp(extra) = \"second\"; rtpproxy_offer(\"b\");",
        reply: "if (status =~ \"2[0-9][0-9]\") rtpproxy_answer(\"b\");", rearms: false, taken: "UUDL",
        refused: "UUDD"),
    Script(
        testDescription: "another set", first: "rtpproxy_manage();",
        failed: "rtpproxy_manage(); set_rtp_proxy_set(\"1\"); rtpproxy_offer();",
        reply: "set_rtp_proxy_set(\"1\"); if (status =~ \"2[0-9][0-9]\") rtpproxy_answer();", rearms: false,
        taken: "UUDL", refused: "UUDD"),
]

@Suite struct SerialForkTests {
    /// Runs a Kamailio with one of the scripts.
    private func withScript(
        _ script: Script, _ continuation: Continuation = .process, _ relays: [ScriptedRelay] = [],
        _ body: (Kamailio, ScriptedRelay) throws -> Void
    ) throws {
        let relay = try relays.first ?? ScriptedRelay()
        SerialFork.answer(relay)
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.routes = script.routes
            configuration.set("rtpproxy_sock", "1 == \(relay.url)")
            continuation.apply(&configuration)
            configuration.parameters.append(("tm", "wt_timer", "1000"))
        }
        try Stage.own([relay], change) { kamailio in
            try body(kamailio, relay)
            #expect(SerialFork.ended(kamailio))
        }
    }

    @Test(arguments: scripts, Continuation.allCases)
    fileprivate func eachDestinationHasTheNewestOffer(script: Script, continuation: Continuation) throws {
        try withScript(script, continuation) { kamailio, relay in
            for _ in 0..<2 {
                let call = try kamailio.call()
                let others = try (0..<3).map { try UserAgent("next\($0)") }
                let last = try SerialFork.refusedThrice(kamailio, relay, call, others)
                let answer = call.response(200, to: last, sdp: SDPText.audio(port: 7000))
                others[2].send(answer, to: kamailio.endpoint())
                let answered = try #require(call.caller.receive { $0.status == 200 && $0.callID == call.id })
                #expect(answered.lines.contains("c=IN IP4 192.0.2.77"))
                #expect(
                    waitUntil(3) { SerialFork.letters(relay, call) == script.taken },
                    "\(SerialFork.letters(relay, call))")
            }
        }
    }

    /// The failure route is set for the first destination only: the deletion has to come when the second refuses, too.
    @Test(arguments: unarmed, [true, false])
    fileprivate func routeThatIsNotArmedAgain(script: Script, isTaken: Bool) throws {
        try withScript(script) { kamailio, relay in
            let call = try kamailio.call()
            let next = try UserAgent("next")
            var invite = call.request("INVITE", sdp: SDPText.audio())
            invite["X-Next"] = "\(call.callee.uri),\(next.uri)"
            call.send(try call.response(486, to: call.deliver(invite)), from: .callee)
            let second = try #require(next.receive { $0.method == "INVITE" && $0.callID == call.id })
            let end = call.response(isTaken ? 200 : 486, to: second, sdp: isTaken ? SDPText.audio(port: 7000) : nil)
            next.send(end, to: kamailio.endpoint())
            #expect(call.caller.receive { $0.status == end.status && $0.callID == call.id } != nil)
            let expected = isTaken ? script.taken : script.refused
            #expect(waitUntil(3) { SerialFork.letters(relay, call) == expected }, "\(SerialFork.letters(relay, call))")
            usleep(100_000)
            #expect(SerialFork.letters(relay, call) == expected)
            if script.testDescription == "another session" {
                #expect(relay.commands(of: call.id, "D").map(\.callID).first == call.id)
                #expect(isTaken || relay.commands(of: call.id, "D").last?.callID == "\(call.id);second")
            }
        }
    }

    /// The caller gives up while the second destination rings.
    @Test func cancelBehindAManagedFailureDeletesOnce() throws {
        try withScript(scripts.first { $0.testDescription == "manage alone" } ?? scripts[0]) { kamailio, relay in
            let call = try kamailio.call()
            let next = try UserAgent("next")
            var invite = call.request("INVITE", sdp: SDPText.audio())
            invite["X-Next"] = "\(call.callee.uri),\(next.uri)"
            call.send(try call.response(486, to: call.deliver(invite)), from: .callee)
            let second = try #require(next.receive { $0.method == "INVITE" && $0.callID == call.id })
            next.send(call.response(180, to: second), to: kamailio.endpoint())
            #expect(call.caller.receive { $0.status == 180 } != nil)
            #expect(SerialFork.letters(relay, call) == "U")
            var cancel = call.request("CANCEL")
            cancel["Via"] = invite["Via"]
            call.send(cancel)
            next.send(call.response(487, to: second), to: kamailio.endpoint())
            #expect(call.caller.receive { $0.status == 487 } != nil)
            #expect(waitUntil(3) { SerialFork.letters(relay, call) == "UD" }, "\(SerialFork.letters(relay, call))")
        }
    }

    @Test(arguments: scripts, Continuation.allCases)
    fileprivate func aCallThatNobodyTakesIsDeletedOnce(script: Script, continuation: Continuation) throws {
        try withScript(script, continuation) { kamailio, relay in
            let call = try kamailio.call()
            let others = try (0..<3).map { try UserAgent("next\($0)") }
            let last = try SerialFork.refusedThrice(kamailio, relay, call, others)
            others[2].send(call.response(486, to: last), to: kamailio.endpoint())
            #expect(call.caller.receive { $0.status == 486 && $0.callID == call.id } != nil)
            #expect(
                waitUntil(3) { SerialFork.letters(relay, call) == script.refused }, "\(SerialFork.letters(relay, call))"
            )
        }
    }
}
