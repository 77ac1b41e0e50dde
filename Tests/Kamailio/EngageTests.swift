// SPDX-License-Identifier: GPL-2.0-or-later
// rtpproxy_engage: what becomes of a dialog's messages and sessions behind that one call.

import Foundation
import TestSupport
import Testing

/// A Kamailio whose script does nothing but engage.
enum Engaged {
    static let routes = """
        request_route {
            if (has_totag()) dlg_manage(); else record_route();
            if (is_method("INVITE") && !has_totag()) {
                rtpproxy_engage(PARAMETERS);
                xlog("L_NOTICE", "ran engage $rc $rtpp_engaged $ci\\n");
            }
            t_relay();
        }
        """

    static func change(
        _ parameters: String = "", _ routes: String = routes,
        _ more: @escaping (inout KamailioConfiguration) -> Void = { _ in }
    ) -> (inout KamailioConfiguration) -> Void {
        { configuration in
            configuration.routes = routes.replacingOccurrences(of: "PARAMETERS", with: parameters)
            configuration.modules.append("dialog")
            configuration.parameters.append(("dialog", "enable_stats", "0"))
            more(&configuration)
        }
    }

    /// Runs `body` with such a Kamailio and its relay.
    static func run(
        _ parameters: String = "", _ routes: String = routes,
        _ more: @escaping (inout KamailioConfiguration) -> Void = { _ in },
        _ body: (Kamailio, ScriptedRelay) throws -> Void
    ) throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], change(parameters, routes, more)) { try body($0, relay) }
    }
}

extension Call {
    /// INVITE, 200 and ACK, both descriptions rewritten.
    func beginEngaged(_ kamailio: Kamailio, late: Bool = false) throws {
        let invite = try invite(sdp: late ? nil : SDPText.audio())
        let answer = try reply(to: invite, sdp: SDPText.audio(port: 6000))
        let ack = try ack(sdp: late ? SDPText.audio() : nil)
        #expect(answer.lines.last == "a=nortpproxy:yes" && (late ? ack : invite).lines.last == "a=nortpproxy:yes")
        #expect(kamailio.ran(id) == ["engage 1 1"])
    }
}

/// These commands, and one deletion with these tags.
func expectEnd(_ call: Call, _ relay: ScriptedRelay, _ verbs: [String], _ deletion: String) {
    #expect(waitUntil(5) { relay.commands(of: call.id).map(\.verb) == verbs + ["D"] })
    #expect(relay.commands(of: call.id).map(\.verb) == verbs + ["D"])
    #expect(relay.texts(of: call.id, "D") == ["D \(call.id) \(deletion)"])
}

@Suite struct EngageTests {
    @Test(arguments: [false, true]) func theSideThatHangsUpIsNamedFirst(isCallee: Bool) throws {
        try Engaged.run { kamailio, relay in
            let call = try kamailio.call()
            try call.beginEngaged(kamailio)
            let side = isCallee ? Call.Side.callee : .caller
            let bye = try call.deliver(call.request("BYE", from: side), from: side)
            // Gone before it is answered, and once.
            let tags = [call.fromTag, call.toTag]
            expectEnd(call, relay, ["U", "L"], (isCallee ? tags.reversed() : tags).joined(separator: " "))
            try call.reply(to: bye, from: isCallee ? .caller : .callee)
            #expect(relay.commands(of: call.id).count == 3)
        }
    }

    @Test func theAnswerToAnOfferInAProvisionalReplyComesInThePRACK() throws {
        try Engaged.run { kamailio, relay in
            let call = try kamailio.call()
            let invite = try call.invite(sdp: nil)
            let offer = try call.reply(183, to: invite, sdp: SDPText.audio(port: 6000))
            let prack = try call.deliver(call.request("PRACK", sdp: SDPText.audio()))
            try call.reply(to: prack)
            #expect(offer.lines.last == "a=nortpproxy:yes" && prack.lines.last == "a=nortpproxy:yes")
            // What comes in another one is an offer again.
            let another = try call.deliver(call.request("PRACK", sdp: SDPText.audio(port: 5006)))
            let answer = try call.reply(to: another, sdp: SDPText.audio(port: 6002))
            #expect(answer.lines.last == "a=nortpproxy:yes")
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L", "U", "L"])
            #expect(
                relay.texts(of: call.id).prefix(2) == [
                    "Uc0,8,101 \(call.id) 127.0.0.1 6000 \(call.toTag);1 \(call.fromTag);1",
                    "Lc0,8,101 \(call.id) 127.0.0.1 5004 \(call.toTag);1 \(call.fromTag);1",
                ])
        }
    }

    @Test(arguments: [486, 487]) func aCallThatNobodyTakesIsDeletedOnce(status: Int) throws {
        try Engaged.run { kamailio, relay in
            let call = try kamailio.call()
            let request = call.request("INVITE", sdp: SDPText.audio())
            let invite = try call.deliver(request)
            try call.reply(183, to: invite, sdp: SDPText.audio(port: 6000))
            if status == 487 {
                var cancel = call.request("CANCEL")
                cancel["Via"] = request["Via"]
                try call.reply(to: call.deliver(cancel))
                // It may cross a 200.
                #expect(relay.texts(of: call.id, "D").isEmpty)
            }
            try call.reply(status, to: invite)
            expectEnd(call, relay, ["U", "L"], call.fromTag)
        }
    }

    /// tm's timer answers, and must not wait for anybody: a process of the module's own deletes.
    @Test(arguments: [0, 1]) func aCallThatNobodyAnswersIsDeletedByAProcessOfTheModulesOwn(processes: Int) throws {
        let more = { (configuration: inout KamailioConfiguration) in
            configuration.parameters.append(("tm", "fr_timer", "1000"))
            configuration.parameters.append(("tm", "fr_inv_timer", "1000"))
            configuration.set("rtpproxy_async_processes", processes)
            configuration.debug = 3
        }
        try Engaged.run("", Engaged.routes, more) { kamailio, relay in
            let call = try kamailio.call()
            _ = try call.invite()
            expectEnd(call, relay, ["U"], call.fromTag)
            let name = processes > 0 ? "RTPProxy async" : "RTPProxy monitor"
            let own = try #require(try kamailio.processes().first { $0.name.contains(name) })
            let lines = kamailio.logLines("D \(call.id)")
            #expect(!lines.isEmpty && lines.allSatisfy { $0.contains("(\(own.pid))") }, "\(lines)")
        }
    }

    @Test func eachForkHasTheSessionAndWhoeverAnswersIsAnswered() throws {
        let routes = """
            request_route {
                if (has_totag()) dlg_manage(); else record_route();
                if (is_method("INVITE") && !has_totag()) {
                    append_branch("$hdr(X-Fork)");
                    rtpproxy_engage();
                }
                t_relay();
            }
            """
        try Engaged.run("", routes) { kamailio, relay in
            let call = try kamailio.call()
            let other = try UserAgent("carol")
            var request = call.request("INVITE", sdp: SDPText.audio())
            request["X-Fork"] = other.uri
            let invite = try call.deliver(request)
            let forked = try #require(other.receive { $0.method == "INVITE" })
            #expect(forked.text == invite.text)
            let early = try call.reply(183, to: invite, sdp: SDPText.audio(port: 6000))
            #expect(early.lines.last == "a=nortpproxy:yes")
            let first = call.toTag
            // The other one takes it, and so does the first one a moment later.
            call.toTag = "to-of-carol"
            other.send(call.response(200, to: forked, sdp: SDPText.audio(port: 7000)), to: kamailio.endpoint(.ipv4))
            let taken = try #require(call.caller.receive { $0.status == 200 })
            #expect(taken.lines.last == "a=nortpproxy:yes")
            call.toTag = first
            let late = try call.reply(to: invite, sdp: SDPText.audio(port: 6000))
            #expect(late.lines.last == "a=nortpproxy:yes")
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L", "L", "L"])
        }
    }

    @Test func theNextDestinationHasTheLivingSession() throws {
        let routes = """
            request_route {
                if (has_totag()) dlg_manage(); else record_route();
                if (is_method("INVITE") && !has_totag()) {
                    rtpproxy_engage();
                    t_on_failure("NEXT");
                }
                t_relay();
            }
            failure_route[NEXT] {
                $ru = $hdr(X-Next);
                t_relay();
            }
            """
        try Engaged.run("", routes) { kamailio, relay in
            for isTaken in [true, false] {
                let call = try kamailio.call()
                let other = try UserAgent("carol")
                var request = call.request("INVITE", sdp: SDPText.audio())
                request["X-Next"] = other.uri
                let invite = try call.deliver(request)
                call.send(call.response(486, to: invite), from: .callee)
                let next = try #require(other.receive { $0.method == "INVITE" })
                #expect(next.text == invite.text)
                #expect(relay.texts(of: call.id, "D").isEmpty)
                let reply = call.response(
                    isTaken ? 200 : 480, to: next, sdp: isTaken ? SDPText.audio(port: 7000) : nil)
                other.send(reply, to: kamailio.endpoint(.ipv4))
                let got = try #require(call.caller.receive { $0.status == (isTaken ? 200 : 480) })
                if isTaken {
                    #expect(got.lines.last == "a=nortpproxy:yes")
                    #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L"])
                } else {
                    expectEnd(call, relay, ["U"], call.fromTag)
                }
            }
        }
    }

    @Test func theDialogsTimeoutDeletes() throws {
        try Engaged.run("", Engaged.routes, { $0.parameters.append(("dialog", "default_timeout", "2")) }) {
            kamailio, relay in
            let call = try kamailio.call()
            try call.beginEngaged(kamailio)
            expectEnd(call, relay, ["U", "L"], "\(call.fromTag) \(call.toTag)")
        }
    }

    @Test func whoEndsTheDialogByRPCHasItDeleted() throws {
        try Engaged.run { kamailio, relay in
            let call = try kamailio.call()
            try call.beginEngaged(kamailio)
            let list = try kamailio.kamcmd("dlg.list")
            let numbers = ["h_entry", "h_id"].compactMap { name in
                list.range(of: "\(name): ").map { list[$0.upperBound...].prefix { $0.isNumber } }
            }
            try #require(numbers.count == 2)
            _ = try kamailio.kamcmd("dlg.end_dlg", String(numbers[0]), String(numbers[1]))
            // Its BYE goes to both, and is answered.
            for (agent, side) in [(call.caller, Call.Side.caller), (call.callee, .callee)] {
                let bye = try #require(agent.receive { $0.method == "BYE" })
                call.send(call.response(200, to: bye), from: side)
            }
            expectEnd(call, relay, ["U", "L"], "\(call.fromTag) \(call.toTag)")
        }
    }

    /// Nothing is told of this but that the BYE has been answered.
    @Test func whoHangsUpForOneSideByTheScriptHasItDeleted() throws {
        let routes = """
            request_route {
                if (is_method("OPTIONS")) {
                    if (dlg_get("$hdr(X-Call)", "$hdr(X-From)", "$hdr(X-To)")) dlg_bye("callee");
                    sl_send_reply("200", "OK");
                    exit;
                }
                if (has_totag()) dlg_manage(); else record_route();
                if (is_method("INVITE") && !has_totag()) {
                    rtpproxy_engage();
                    xlog("L_NOTICE", "ran engage $rc $rtpp_engaged $ci\\n");
                }
                t_relay();
            }
            """
        try Engaged.run("", routes) { kamailio, relay in
            let call = try kamailio.call()
            try call.beginEngaged(kamailio)
            let other = try kamailio.call()
            var options = other.request("OPTIONS")
            (options["X-Call"], options["X-From"], options["X-To"]) = (call.id, call.fromTag, call.toTag)
            other.send(options)
            let bye = try #require(call.callee.receive { $0.method == "BYE" })
            #expect(relay.texts(of: call.id, "D").isEmpty)
            call.send(call.response(200, to: bye), from: .callee)
            expectEnd(call, relay, ["U", "L"], "\(call.fromTag) \(call.toTag)")
        }
    }

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
