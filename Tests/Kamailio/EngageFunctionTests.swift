// SPDX-License-Identifier: GPL-2.0-or-later
// rtpproxy_engage as a function of the script: what it returns, where it fails, and what its parameters are for the dialog.

import Foundation
import TestSupport
import Testing

@Suite struct EngageFunctionTests {
    /// In a failure route nothing would be offered, and in a branch route to one branch alone.
    @Test(arguments: ["failure", "branch"]) func inOtherRoutesItFails(kind: String) throws {
        let routes = """
            request_route {
                if (has_totag()) dlg_manage(); else record_route();
                if (is_method("INVITE")) {
                    t_on_failure("F");
                    t_on_branch("B");
                }
                t_relay();
            }
            route[ENGAGE] {
                rtpproxy_engage();
                xlog("L_NOTICE", "ran engage $rc $rtpp_engaged $ci\\n");
            }
            failure_route[F] { FAILURE }
            branch_route[B] { BRANCH }
            """
            .replacingOccurrences(of: "FAILURE", with: kind == "failure" ? "route(ENGAGE); t_relay();" : "exit;")
            .replacingOccurrences(of: "BRANCH", with: kind == "branch" ? "route(ENGAGE);" : "exit;")
        try Engaged.run("", routes) { kamailio, relay in
            let call = try kamailio.call()
            let invite = try call.deliver(call.request("INVITE", sdp: SDPText.audio()))
            call.send(call.response(486, to: invite), from: .callee)
            #expect(kamailio.ran(call.id) == ["engage -1 0"])
            #expect(relay.commands(of: call.id).isEmpty)
            #expect(kamailio.waitForLog("rtpproxy_engage: to be called in a request route") != nil)
        }
    }

    @Test func aFirstINVITEThatComesOnceMoreIsNotOfferedAgain() throws {
        try Engaged.run { kamailio, relay in
            let call = try kamailio.call()
            let request = call.request("INVITE", sdp: SDPText.audio())
            let invite = try call.deliver(request)
            call.send(request)
            #expect(kamailio.ran(call.id, count: 2) == ["engage 1 1", "engage 1 1"])
            // An answer that comes once more is the same.
            let answers = try [0, 1].map { _ in try call.reply(to: invite, sdp: SDPText.audio(port: 6000)).text }
            #expect(answers[0] == answers[1])
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L", "L"])
        }
    }

    /// Forked before this proxy: for dialog it is the same dialog, and nothing would tell of its replies.
    @Test func anotherINVITEOfTheCallIsRefused() throws {
        try Engaged.run { kamailio, relay in
            let call = try kamailio.call()
            let first = try call.deliver(call.request("INVITE", sdp: SDPText.audio()))
            #expect(first.lines.last == "a=nortpproxy:yes")
            let second = try call.deliver(call.request("INVITE", sdp: SDPText.audio()))
            #expect(second.text == SDPText.audio())
            #expect(kamailio.ran(call.id, count: 2) == ["engage 1 1", "engage -1 1"])
            #expect(kamailio.waitForLog("call \(call.id) has been forked before this proxy") != nil)
            #expect(relay.commands(of: call.id).map(\.verb) == ["U"])
        }
    }

    @Test func otherFunctionsHaveNothingToDoUntilTheDialogIsDisengaged() throws {
        let functions = ["offer", "answer", "manage", "destroy"].map { "rtpproxy_\($0)()" } + ["unforce_rtp_proxy()"]
        let calls = functions.map { "\($0); xlog(\"L_NOTICE\", \"ran $rc $ci\\n\");" }.joined(separator: "\n")
        let routes = """
            request_route {
                rtpproxy_engage();
                \(calls)
                rtpproxy_disengage();
                xlog("L_NOTICE", "ran disengage $rc $rtpp_engaged $ci\\n");
                rtpproxy_disengage();
                xlog("L_NOTICE", "ran disengage $rc $rtpp_engaged $ci\\n");
                rtpproxy_destroy();
                xlog("L_NOTICE", "ran destroy $rc $ci\\n");
                t_relay();
            }
            """
        try Engaged.run("", routes) { kamailio, relay in
            let call = try kamailio.call()
            let invite = try call.invite()
            let refused = functions.map { _ in "-2" }
            #expect(kamailio.ran(call.id, count: 8) == refused + ["disengage 1 0", "disengage -1 0", "destroy 1"])
            #expect(kamailio.waitForLog("WARNING", "this dialog is engaged", seconds: 3) != nil)
            // Nobody looks after it any more.
            let answer = try call.reply(to: invite, sdp: SDPText.audio(port: 6000))
            #expect(answer.lines.last != "a=nortpproxy:yes")
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "D"])
        }
    }

    /// dialog has told of the end before the script goes on. Others would ask all RTPProxies for a session that is gone.
    @Test func otherFunctionsHaveNothingToDoWhereTheDialogHasEnded() throws {
        let functions = ["manage", "destroy"].map { "rtpproxy_\($0)()" } + ["unforce_rtp_proxy()"]
        let calls = functions.map { "\($0); xlog(\"L_NOTICE\", \"ran \(Self.kind) $rc $rtpp_engaged $ci\\n\");" }
            .joined(separator: "\n")
        let events = ["end", "failed"].map { event in
            "event_route[dialog:\(event)] {\n\(calls.replacingOccurrences(of: Self.kind, with: event))\n}\n"
        }
        let routes = """
            request_route {
                if (has_totag()) dlg_manage(); else record_route();
                if (is_method("BYE")) {
                    \(calls.replacingOccurrences(of: Self.kind, with: "bye"))
                }
                if (is_method("INVITE") && !has_totag()) {
                    if ($hdr(X-Hand) == $null) rtpproxy_engage(); else rtpproxy_offer();
                    xlog("L_NOTICE", "ran engage $rc $rtpp_engaged $ci\\n");
                }
                if (has_totag() && is_method("UPDATE")) {
                    rtpproxy_disengage();
                    xlog("L_NOTICE", "ran disengage $rc $rtpp_engaged $ci\\n");
                }
                t_relay();
            }
            \(events.joined())
            """
        try Engaged.run("", routes) { kamailio, relay in
            let refused = functions.map { _ in "-2 1" }
            // Hung up by both sides.
            let call = try kamailio.call()
            try call.beginEngaged(kamailio)
            let byes = try [Call.Side.caller, .callee].map { try call.deliver(call.request("BYE", from: $0), from: $0) }
            try call.reply(to: byes[0])
            try call.reply(to: byes[1], from: .caller)
            expectEnd(call, relay, ["U", "L"], "\(call.fromTag) \(call.toTag)")
            let ran = kamailio.ran(call.id, count: 10)
            #expect(ran.filter { $0.hasPrefix("bye ") } == (refused + refused).map { "bye \($0)" })
            #expect(ran.filter { $0.hasPrefix("end ") } == refused.map { "end \($0)" })
            #expect(kamailio.waitForLog("WARNING", "this dialog is engaged", seconds: 3) != nil)
            // Refused. When the caller tries again, and the script does it by hand, that is another dialog.
            let other = try kamailio.call()
            try other.reply(486, to: other.invite())
            expectEnd(other, relay, ["U"], other.fromTag)
            let failed = kamailio.ran(other.id, count: 4).filter { $0.hasPrefix("failed ") }
            #expect(failed == refused.map { "failed \($0)" })
            var again = other.request("INVITE", sdp: SDPText.audio())
            again["X-Hand"] = "yes"
            let invite = try other.deliver(again)
            #expect(invite.lines.last == "a=nortpproxy:yes")
            #expect(kamailio.ran(other.id, count: 5).last == "engage 1 0")
            #expect(relay.commands(of: other.id).map(\.verb) == ["U", "D", "U"])
            // What was disengaged is left to the script, at its end as well.
            let left = try kamailio.call()
            try left.beginEngaged(kamailio)
            try left.reply(to: left.deliver(left.request("UPDATE")))
            try left.bye()
            let codes = kamailio.ran(left.id, count: 8)
            #expect(codes.contains("disengage 1 0"))
            #expect(codes.filter { $0.hasPrefix("bye 1 0") }.count == functions.count)
            #expect(waitUntil(3) { relay.commands(of: left.id, "D").count == 2 * functions.count })
        }
    }

    private static let kind = "KIND"

    @Test func anOfferThatFailsEngagesNothing() throws {
        try Engaged.run { kamailio, relay in
            let call = try kamailio.call()
            relay.on(call: call.id) { $0.verb == "U" ? .reply("E98") : nil }
            let invite = try call.invite()
            #expect(kamailio.ran(call.id) == ["engage -1 0"])
            #expect(invite.text == SDPText.audio())
            let answer = try call.reply(to: invite, sdp: SDPText.audio(port: 6000))
            #expect(answer.text == SDPText.audio(port: 6000))
            #expect(relay.commands(of: call.id).map(\.verb) == ["U"])
        }
    }

    /// What joins the Call-ID at the beginning does so to the end, whatever the messages say.
    @Test(arguments: ["1", "2", "3", "b"]) func whatJoinsTheCallIDStays(flag: String) throws {
        let routes = Engaged.routes.replacingOccurrences(
            of: "request_route {", with: "request_route {\n    $avp(extra) = $rm;")
        try Engaged.run("\"\(flag)\"", routes) { kamailio, relay in
            let call = try kamailio.call()
            var request = call.request("INVITE", sdp: SDPText.audio())
            request.headers.insert(("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKsecond"), at: 1)
            let branch = flag == "b" ? "INVITE" : flag == "2" ? "z9hG4bKsecond" : request.viaBranches[0]
            let invite = try call.deliver(request)
            try call.reply(to: invite, sdp: SDPText.audio(port: 6000))
            try call.ack()
            let again = try call.invite(from: .callee, inDialog: true)
            try call.reply(to: again, sdp: SDPText.audio(), from: .caller)
            try call.bye()
            #expect(waitUntil(3) { relay.commands(of: call.id).count == 5 })
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L", "U", "L", "D"])
            #expect(relay.commands(of: call.id).allSatisfy { $0.callID == "\(call.id);\(branch)" })
        }
    }

    @Test func theLettersOfTheInterfacesTurnWithTheDirection() throws {
        try Engaged.run("\"iew\"") { kamailio, relay in
            let call = try kamailio.call()
            try call.beginEngaged(kamailio)
            let again = try call.invite(from: .callee, inDialog: true)
            try call.reply(to: again, sdp: SDPText.audio(), from: .caller)
            let late = try call.invite(sdp: nil, inDialog: true)
            try call.reply(to: late, sdp: SDPText.audio(port: 6000))
            try call.ack(sdp: SDPText.audio())
            let modifiers = relay.texts(of: call.id).map { String($0.prefix { $0 != "c" }) }
            #expect(modifiers == ["UIES", "LEIS", "UEIS", "LIES", "UEIS", "LIES"])
        }
    }

    @Test func theSetOfTheFirstINVITEIsThatOfTheDialog() throws {
        let (relay, other) = (try ScriptedRelay(), try ScriptedRelay())
        let routes = Engaged.routes.replacingOccurrences(
            of: "    rtpproxy_engage", with: "    set_rtp_proxy_set(\"3\");\n    rtpproxy_engage")
        let change = Engaged.change("", routes) {
            $0.set("rtpproxy_sock", "3 == \(other.url)")
            // Whoever has it is not looked for.
            $0.set("rtpproxy_call_table_size", 0)
        }
        try Stage.own([relay], settled: false, change) { kamailio in
            kamailio.waitUntilUp([relay, other])
            let call = try kamailio.call()
            try call.beginEngaged(kamailio)
            let again = try call.invite(inDialog: true)
            try call.reply(to: again, sdp: SDPText.audio())
            try call.bye()
            #expect(waitUntil(3) { other.commands(of: call.id).map(\.verb) == ["U", "L", "U", "L", "D"] })
            #expect(relay.commands(of: call.id).isEmpty)
        }
    }

    /// A challenge or a refusal behind the function, and an INVITE that the script drops: the next one begins anew.
    @Test(arguments: ["sl_send_reply(\"480\", \"No\");", "send_reply(\"480\", \"No\");", "drop;"], [false, true])
    func anINVITEThatGetsNoTransactionIsNotLookedAfter(refusal: String, isLate: Bool) throws {
        let routes = """
            request_route {
                if (has_totag()) dlg_manage(); else record_route();
                if (is_method("INVITE") && !has_totag()) {
                    rtpproxy_engage();
                    xlog("L_NOTICE", "ran engage $rc $rtpp_engaged $ci\\n");
                    if ($hdr(X-Refuse) != $null) {
                        \(refusal)
                        exit;
                    }
                }
                t_relay();
            }
            """
        try Engaged.run("", routes) { kamailio, relay in
            let call = try kamailio.call()
            let sdp = isLate ? nil : SDPText.audio()
            var before: [String] = []
            for _ in 0..<2 {
                var refused = call.request("INVITE", sdp: sdp)
                refused["X-Refuse"] = "yes"
                call.send(refused)
                if refusal != "drop;" {
                    let id = call.id
                    #expect(call.caller.receive { $0.status == 480 && $0.callID == id } != nil)
                }
                // Whether a late offer has been made nobody knows, and there it is deleted as well.
                before += isLate ? ["D"] : ["U", "D"]
                #expect(waitUntil(5) { relay.commands(of: call.id).map(\.verb) == before })
            }
            #expect(kamailio.ran(call.id, count: 2) == ["engage 1 1", "engage 1 1"])
            let invite = try call.invite(sdp: sdp)
            _ = try call.reply(to: invite, sdp: SDPText.audio(port: 6000))
            try call.ack(sdp: isLate ? SDPText.audio() : nil)
            try call.bye()
            #expect(kamailio.ran(call.id, count: 3).last == "engage 1 1")
            #expect(waitUntil(5) { relay.commands(of: call.id).map(\.verb) == before + ["U", "L", "D"] })
        }
    }

    @Test func whatIsNoFirstINVITEIsNotEngaged() throws {
        let routes = """
            request_route {
                rtpproxy_engage();
                xlog("L_NOTICE", "ran $rc $rtpp_engaged $ci\\n");
                t_relay();
            }
            """
        try Engaged.run("", routes) { kamailio, relay in
            for (method, inDialog) in [("INVITE", true), ("OPTIONS", false), ("UPDATE", true), ("MESSAGE", false)] {
                let call = try kamailio.call()
                let request = call.request(method, sdp: SDPText.audio(), inDialog: inDialog)
                #expect(try call.deliver(request).text == SDPText.audio())
                #expect(kamailio.ran(call.id) == ["-1 0"])
                #expect(relay.commands(of: call.id).isEmpty)
            }
        }
    }

    @Test func scriptsOfKEMIEngage() throws {
        let more = { (configuration: inout KamailioConfiguration) in
            configuration.modules.append("app_jsdt")
            let script = "\"\(PackageFolder.root)/Tests/Fixtures/kamailio/kemi-engage.js\""
            configuration.parameters.append(("app_jsdt", "load", script))
        }
        try Engaged.run("", "cfgengine \"jsdt\"", more) { kamailio, relay in
            let names = [("0", "", "192.0.2.77"), ("", "IE", "192.0.2.77"), ("_ip", "IE", "203.0.113.5")]
            for (name, modifiers, address) in names {
                let call = try kamailio.call()
                let run = Run("rtpproxy_engage\(name)", "ie", ip: "203.0.113.5")
                let invite = try call.invite(run: run)
                let answer = try call.reply(to: invite, sdp: SDPText.audio(port: 6000))
                try call.ack()
                try call.bye()
                #expect([invite, answer].allSatisfy { $0.lines.contains("c=IN IP4 \(address)") }, "\(name)")
                #expect(kamailio.ran(call.id) == ["engage 1 1"])
                #expect(waitUntil(3) { relay.commands(of: call.id).map(\.verb) == ["U", "L", "D"] })
                #expect(relay.texts(of: call.id, "U").allSatisfy { $0.hasPrefix("U\(modifiers)c0,8,101 ") })
            }
            let call = try kamailio.call()
            let invite = try call.invite(run: Run("rtpproxy_engage0").then("rtpproxy_disengage"))
            #expect(try call.reply(to: invite, sdp: SDPText.audio(port: 6000)).text == SDPText.audio(port: 6000))
        }
    }
}
