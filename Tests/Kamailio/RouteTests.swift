// SPDX-License-Identifier: GPL-2.0-or-later
// The functions in kinds of route outside of a proxied transaction, and without tm.

import Foundation
import TestSupport
import Testing

@Suite struct RouteTests {
    /// A Kamailio that runs stage.cfg and routes.cfg.
    private func withRoutes(_ body: (Kamailio, ScriptedRelay) throws -> Void) throws {
        let relay = try ScriptedRelay()
        let more = try PackageFolder.fixture("kamailio/routes.cfg")
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.modules.append("async")
            configuration.parameters.append(("async", "workers", "1"))
            configuration.routes = configuration.routes.replacingOccurrences(
                of: "    t_on_reply(\"STAGE\");\n",
                with:
                    "    t_on_reply(\"STAGE\");\n    if (is_present_hf(\"X-Resume-Do\")) async_route(\"RESUME\", \"1\");\n"
            )
            configuration.routes += "\n" + more
        }
        try Stage.own([relay], change) { kamailio in try body(kamailio, relay) }
    }

    @Test func coreReplyRouteAnswers() throws {
        try withRoutes { kamailio, relay in
            let call = try kamailio.call()
            let invite = try call.invite(run: .manage())
            let run = Run("manage", route: "Core")
            let answered = try call.reply(183, to: invite, sdp: SDPText.audio(port: 6000), run: run)
            #expect(answered.returnCodes == [1])
            #expect(answered.lines.last == "a=nortpproxy:yes")
            // Once for the message, though another route comes behind.
            let final = try call.reply(
                200, to: invite, sdp: SDPText.audio(port: 6000), run: Run("answer").and(Run("answer", route: "Core")))
            #expect(final.returnCodes == [1, -2])
            #expect(final.text == answered.text)
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L", "L"])
        }
    }

    /// In reply_route no transaction is known yet, and without tm there never is one.
    @Test(arguments: [true, false]) func withoutATransactionAReplyIsAnAnswer(isStateless: Bool) throws {
        try withRoutes { kamailio, relay in
            let call = try kamailio.call()
            relay.on { $0.verb == "L" ? .reply("40000 192.0.2.77") : nil }
            let run = isStateless ? Run.manage().with("X-Stateless", "yes") : .manage()
            let invite = try call.invite(sdp: nil, run: run)
            let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: Run("manage", route: "Core"))
            #expect(answered.returnCodes == [1])
            #expect(relay.commands(of: call.id).map(\.verb) == ["L"])
        }
    }

    /// Nobody says there whether an answer is the first one: what a module refuses of it ends no session.
    @Test(arguments: [true, false]) func withoutATransactionARefusedAnswerEndsNothing(isStateless: Bool) throws {
        try withRoutes { kamailio, relay in
            WebRTCNodeTests.refuseAnswers(kamailio, relay)
            let call = try kamailio.call()
            let invite = try call.invite(run: isStateless ? Run.offer().with("X-Stateless", "yes") : .offer())
            let answered = try call.reply(
                to: invite, sdp: SDPText.audio(), run: Run("answer", "d", route: "Core"))
            #expect(answered.text == SDPText.audio())
            try call.ack()
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L"])
        }
    }

    @Test func replyToACancelDeletes() throws {
        try withRoutes { kamailio, relay in
            let call = try kamailio.call()
            let request = call.request("INVITE", sdp: SDPText.audio())
            let invite = try call.deliver(request)
            try call.reply(180, to: invite)
            var cancel = call.request("CANCEL")
            cancel["Via"] = request["Via"]
            let got = try call.deliver(cancel)
            call.send(call.response(200, to: got, run: Run("manage", route: "Core")), from: .callee)
            #expect(kamailio.ran(call.id) == ["manage 1"])
            #expect(relay.texts(of: call.id) == ["D \(call.id) \(call.fromTag) \(call.toTag)"])
        }
    }

    @Test(arguments: ["manage", "destroy", "unforce"])
    func sendRouteDeletes(function: String) throws {
        try withRoutes { kamailio, relay in
            let call = try kamailio.call()
            try call.invite(run: .offer())
            try call.bye(run: Run(function, route: "Send"))
            #expect(kamailio.ran(call.id, count: 2) == ["offer 1", "\(function) 1"])
            #expect(relay.texts(of: call.id, "D") == ["D \(call.id) \(call.fromTag) \(call.toTag)"])
        }
    }

    @Test func requestOfKamailiosOwnIsOffered() throws {
        try withRoutes { kamailio, relay in
            for (function, flags) in [("offer", "r"), ("manage", "r"), ("offer", "")] {
                let callee = try UserAgent("bob")
                let id = UUID().uuidString
                let headers = [
                    "From: <sip:kamailio@127.0.0.1>", "To: <\(callee.uri)>", "Call-ID: \(id)",
                    "Contact: <sip:127.0.0.1:\(kamailio.port)>", "Content-Type: application/sdp",
                    "X-Local-Do: \(function)", "X-Flags: \(flags)",
                ]
                let head = headers.map { $0 + "\r\n" }.joined()
                _ = try kamailio.kamcmd("tm.t_uac_start", "INVITE", callee.uri, ".", ".", head, SDPText.audio())
                let invite = try #require(callee.receive { $0.method == "INVITE" })
                let tag = try #require(invite.fromTag)
                #expect(kamailio.ran(id) == ["\(function) 1"])
                let address = flags == "r" ? "192.0.2.10" : "127.0.0.1"
                #expect(relay.texts(of: id) == ["Uc0,8,101 \(id) \(address) 5004 \(tag);1"])
                #expect(invite.lines.last == "a=nortpproxy:yes")
                #expect(invite["Content-Length"] == "\(invite.body.count)")
            }
        }
    }

    @Test func aRequestThatAnotherModuleLetsGoOnIsOfferedByManage() throws {
        try withRoutes { kamailio, relay in
            let call = try kamailio.call()
            let invite = try call.invite(run: Run("manage", route: "Resume"))
            #expect(invite.returnCodes == [1])
            #expect(relay.commands(of: call.id).map(\.verb) == ["U"])
            #expect(invite.lines.last == "a=nortpproxy:yes")
        }
    }

    @Test func wholeCallWithoutTM() throws {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.modules = ["kex", "sl", "pv", "textops", "siputils", "xlog", "ctl"]
            configuration.routes = """
                request_route { rtpproxy_manage(); append_hf("X-RC: $rc\\r\\n"); forward(); }
                reply_route { rtpproxy_manage(); append_hf("X-RC: $rc\\r\\n"); }
                """
        }
        try Stage.own([relay], change) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite()
            let ringing = try call.reply(180, to: invite)
            let answered = try call.reply(to: invite, sdp: SDPText.audio(port: 6000))
            let ack = try call.ack()
            let bye = try call.bye()
            #expect([invite, ringing, answered, ack, bye].map(\.returnCodes) == [[1], [-1], [1], [-1], [1]])
            // BYE and its reply delete.
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L", "D", "D"])
            let refused = try kamailio.call()
            try refused.reply(486, to: refused.invite())
            #expect(relay.commands(of: refused.id).map(\.verb) == ["U", "D"])
        }
    }
}
