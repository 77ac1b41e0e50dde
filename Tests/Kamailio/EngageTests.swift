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

    @Test func eachForkHasItsPRACK() throws {
        try Forks.run("") { kamailio, relay in
            let forked = try ForkedCall(kamailio, sdp: nil)
            let call = forked.call
            try call.reply(183, to: forked.first, sdp: SDPText.audio(port: 6000))
            _ = try forked.answer(183)
            let prack = try call.deliver(call.request("PRACK", sdp: SDPText.audio()))
            try call.reply(to: prack)
            _ = try forked.within("PRACK", SDPText.audio())
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "U", "L", "L"])
        }
    }

    /// The offer of the 183 has come to nothing with its re-INVITE, and what the next PRACK has is an offer.
    @Test(arguments: [false, true]) func aRefusedINVITEAwaitsNoPRACK(isOfCallee: Bool) throws {
        try Engaged.run { kamailio, relay in
            let call = try kamailio.call()
            try call.beginEngaged(kamailio)
            let (side, other): (Call.Side, Call.Side) = isOfCallee ? (.callee, .caller) : (.caller, .callee)
            let late = try call.invite(sdp: nil, from: side, inDialog: true)
            try call.reply(183, to: late, sdp: SDPText.audio(port: 6200), from: other)
            try call.reply(488, to: late, from: other)
            let again = try call.invite(sdp: SDPText.audio(port: 5300), from: side, inDialog: true)
            try call.reply(183, to: again, sdp: SDPText.audio(port: 6300), from: other)
            let request = call.request("PRACK", from: side, sdp: SDPText.audio(port: 5400), inDialog: true)
            let prack = try call.deliver(request, from: side)
            let answer = try call.reply(to: prack, sdp: SDPText.audio(port: 6400), from: other)
            #expect(prack.lines.last == "a=nortpproxy:yes" && answer.lines.last == "a=nortpproxy:yes")
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L", "U", "U", "L", "U", "L"])
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

    /// tm takes the edits of the first branch away with it. Nobody is asked again where tm holds a lock.
    @Test(arguments: ["INVITE", "UPDATE"], ["failure", "branch failure"])
    func aRequestThatIsSentOnOnceMoreIsWhatItWasTheFirstTime(method: String, kind: String) throws {
        let again = """
                if ($hdr(X-Disengage) != $null) rtpproxy_disengage();
                $ru = $hdr(X-Next);
                t_relay();
            }
            """
        let routes =
            Engaged.routes.replacingOccurrences(
                of: "    t_relay();",
                with: "    t_on_\(kind == "failure" ? "failure" : "branch_failure")(\"AGAIN\");\n    t_relay();")
            + (kind == "failure" ? "\nfailure_route[AGAIN] {\n" : "\nevent_route[tm:branch-failure:AGAIN] {\n") + again
        try Engaged.run("", routes) { kamailio, relay in
            let other = try UserAgent("carol")
            for (isServed, isLeft) in [(true, false), (false, false), (true, true)] {
                let call = try kamailio.call()
                try call.beginEngaged(kamailio)
                relay.on(call: call.id) { $0.verb == "U" && !isServed ? .reply("E98") : nil }
                var request = call.request(method, sdp: SDPText.audio(port: 5100), inDialog: true)
                request["X-Next"] = other.uri
                if isLeft { request["X-Disengage"] = "yes" }
                let first = try call.deliver(request)
                #expect((first.lines.last == "a=nortpproxy:yes") == isServed)
                call.send(call.response(503, to: first), from: .callee)
                let second = try #require(other.receive { $0.method == method && $0.callID == call.id })
                #expect(second.text == (isLeft ? SDPText.audio(port: 5100) : first.text))
                #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L", "U"])
                other.send(call.response(200, to: second, sdp: SDPText.audio(port: 7000)), to: kamailio.endpoint())
                let answer = try #require(
                    call.caller.receive { $0.status == 200 && $0.callID == call.id && $0.method == method })
                if isServed { #expect((answer.lines.last == "a=nortpproxy:yes") != isLeft) }
                // Only what was not changed is worth a line.
                #expect(kamailio.logLines("is sent on once more").isEmpty == isServed || isLeft)
                if isLeft { continue }
                if method == "INVITE" { try call.ack() }
                try call.bye()
                #expect(waitUntil(3) { relay.commands(of: call.id, "D").count == 1 })
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

    /// Whichever process has to do it: one of the asynchronous ones, or the module's own where there is none.
    @Test(arguments: [1, 0]) func theDialogsTimeoutEndsTheICEOfABrowserFirst(processes: Int) throws {
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.parameters.append(("dialog", "default_timeout", "2"))
            configuration.set("rtpproxy_async_processes", processes)
        }
        try Engaged.run("\"g\"", Engaged.routes, change) { kamailio, relay in
            #expect(waitUntil(5) { relay.log.contains { $0.text.hasSuffix(" && M5:1 S") } })
            let call = try kamailio.call()
            let fingerprint = String(repeating: "AB:", count: 31) + "CD"
            relay.on(call: call.id) {
                guard $0.verb == "L" else { return nil }
                return .reply(
                    "40002 192.0.2.77 && passive SHA-256 \(fingerprint) && relay \(String(repeating: "p", count: 24)) c:1"
                )
            }
            let invite = try call.invite(sdp: WebRTCNodeTests.browser)
            let answer = try call.reply(to: invite, sdp: SDPText.audio(port: 6000))
            #expect(answer.text.contains("a=fingerprint:sha-256 \(fingerprint)"), "\(answer.text)")
            try call.ack()
            let tags = "\(call.fromTag);1 \(call.toTag);1"
            #expect(waitUntil(10) { relay.commands(of: call.id, "D").count == 1 })
            #expect(relay.texts(of: call.id, "Q") == ["Q \(call.id) \(tags) && M5:1 D"])
        }
    }

    @Test func aFirstAnswerThatTheModulesRefuseEndsTheSession() throws {
        try Engaged.run("\"g\"") { kamailio, relay in
            #expect(waitUntil(5) { relay.log.contains { $0.text.hasSuffix(" && M5:1 S") } })
            let call = try kamailio.call()
            relay.on(call: call.id) { $0.verb == "L" ? .reply("40002 192.0.2.77 && -1") : nil }
            let invite = try call.invite(sdp: WebRTCNodeTests.browser)
            let answer = try call.reply(to: invite, sdp: SDPText.audio(port: 6000))
            #expect(answer.text == SDPText.audio(port: 6000))
            try call.ack()
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L", "Q", "D"])
        }
    }

    @Test func whoEndsTheDialogByRPCHasItDeleted() throws {
        let end = """

            event_route[dialog:end] {
                rtpproxy_destroy();
                xlog("L_NOTICE", "event destroy $rc");
            }
            """
        try Engaged.run("", Engaged.routes + end) { kamailio, relay in
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
            // What the script does of it by hand comes too late.
            #expect(kamailio.waitForLog("event destroy -2", seconds: 3) != nil)
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
}
