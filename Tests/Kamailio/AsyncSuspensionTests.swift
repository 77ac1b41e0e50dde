// SPDX-License-Identifier: GPL-2.0-or-later
// Transactions of which something changes while they wait: branches are refused, other modules suspend them too,
// somebody answers them, a callback of another module is in the way.

import Foundation
import TestSupport
import Testing

@Suite struct AsyncSuspensionTests {
    /// Runs `body` with a Kamailio of these routes, which has the modules async and cfgutils.
    private func run(
        _ routes: String, _ continuation: Continuation = .process,
        _ change: (inout KamailioConfiguration) -> Void = { _ in },
        _ body: (Kamailio, ScriptedRelay) throws -> Void
    ) throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.routes = routes
            $0.modules += ["async", "cfgutils"]
            $0.parameters.append(("async", "workers", "2"))
            $0.parameters.append(("async", "ms_timer", "20"))
            $0.parameters.append(("tm", "wt_timer", "1000"))
            if continuation == .process { $0.preamble = "async_workers=2\n" }
            continuation.apply(&$0)
            change(&$0)
        } _: { kamailio in
            try body(kamailio, relay)
            #expect(waitUntil(20) { (try? kamailio.kamcmd("tm.stats").contains("current: 0\n")) ?? false })
            #expect(kamailio.logLines("not suspended").isEmpty && kamailio.diedBySignal.isEmpty)
        }
    }

    // MARK: - Replies that refuse

    /// A script that does not look at the status, as many are.
    private static let careless = """
        request_route {
            t_on_reply("ANY");
            t_on_failure("NEXT");
            rtpproxy_offer();
            t_relay();
        }
        onreply_route[ANY] {
            if (has_body("application/sdp")) {
                rtpproxy_%_async("ANSWERED");
                xlog("L_NOTICE", "at once $rc $ci\\n");
            }
        }
        route[ANSWERED] { append_hf("X-RC: $rtpp_rc\\r\\n"); }
        failure_route[NEXT] {
            if (t_check_status("486") && is_present_hf("X-Retry")) {
                $ru = $hdr(X-Retry);
                t_on_failure("NEXT");
                t_relay();
            }
        }
        """

    @Test(
        "A refusal with a description does not wait, and the next destination is tried",
        arguments: ["answer", "offer"], Continuation.allCases)
    func aRefusalWithADescriptionDoesNotWait(
        function: String, continuation: Continuation
    ) throws {
        try run(Self.careless.replacingOccurrences(of: "%", with: function), continuation) { kamailio, relay in
            relay.on { "UL".contains($0.verb) ? .delay(50, .normal) : nil }
            for _ in 0..<4 {
                let call = try kamailio.call()
                let next = try UserAgent("carol")
                let first = try call.invite(run: Run.destroy().with("X-Retry", next.uri))
                call.send(call.response(486, to: first, sdp: SDPText.audio()), from: .callee)
                let second = try #require(next.receive { $0.method == "INVITE" && $0.callID == call.id })
                next.send(call.response(200, to: second, sdp: SDPText.audio()), to: kamailio.endpoint())
                let answered = call.caller.receive { $0.status == 200 && $0.callID == call.id }
                #expect(answered?.returnCodes == [1])
                #expect(kamailio.logLines("at once -1", call.id).count == 1)
            }
            // A line for each worker at most.
            let lines = kamailio.logLines("a reply of 300 or more cannot wait").count
            #expect(lines >= 1 && lines <= 4)
        }
    }

    // MARK: - Other modules' suspensions

    /// The first gateway is slow; the next one is tried a second after it was given up.
    private static let patient = """
        request_route {
            t_on_reply("ANY");
            t_on_failure("NEXT");
            t_set_fr(0, 300);
            rtpproxy_offer();
            t_relay();
        }
        onreply_route[ANY] {
            if (is_present_hf("X-Plain")) {
                rtpproxy_answer();
                xlog("L_NOTICE", "answered $rc $ci\\n");
                exit;
            }
            if (status =~ "[12].." && has_body("application/sdp")) rtpproxy_answer_async("ANSWERED");
        }
        route[ANSWERED] {
            append_hf("X-RC: $rtpp_rc\\r\\n");
            xlog("L_NOTICE", "answered $rtpp_rc $ci\\n");
            if (is_present_hf("X-Slow")) usleep("1200000");
        }
        failure_route[NEXT] {
            if (!is_present_hf("X-Retry")) exit;
            xlog("L_NOTICE", "given up $ci\\n");
            t_set_fr(0, 10000);
            async_route("SECOND", "1");
        }
        route[SECOND] {
            xlog("L_NOTICE", "second $ci\\n");
            $ru = $hdr(X-Retry);
            t_relay();
        }
        """

    /// With X-Slow the other module's time comes while the reply's route is being run; with X-Plain nothing waits.
    @Test(arguments: ["X-Async", "X-Slow", "X-Plain"], Continuation.allCases)
    func aReplyThatGoesOnLeavesAnotherModulesSuspensionAlone(kind: String, continuation: Continuation) throws {
        try run(Self.patient, continuation) { kamailio, relay in
            relay.on { $0.verb == "L" ? .delay(100, .normal) : nil }
            let call = try kamailio.call()
            let next = try UserAgent("carol")
            var request = call.request("INVITE", sdp: SDPText.audio())
            request["X-Retry"] = next.uri
            let first = try call.deliver(request)
            try #require(kamailio.waitForLog("given up \(call.id)") != nil)
            usleep(400_000)
            let late = call.response(
                200, to: first, sdp: SDPText.audio(), run: Run.answer().with(kind, "1"))
            call.send(late, from: .callee)
            #expect(kamailio.waitForLog("answered 1 \(call.id)") != nil)
            #expect(kamailio.waitForLog("second \(call.id)", seconds: 4) != nil)
            // tm does not relay a 200 of a branch that it has given up, whether that has waited or not.
            let second = try #require(next.receive { $0.method == "INVITE" && $0.callID == call.id })
            next.send(call.response(486, to: second), to: kamailio.endpoint())
            #expect(call.caller.receive { $0.status == 486 && $0.callID == call.id } != nil)
        }
    }

    // MARK: - Requests that other modules let go on

    private static let waiting = """
        request_route {
            if (is_present_hf("X-Fail-Late")) t_on_failure("LATE");
            else t_on_failure("FAILED");
            async_ms_route("GO", "100");
        }
        route[GO] {
            rtpproxy_manage%("co");
            append_hf("X-RC: $rc\\r\\n");
            t_relay();
        }
        route[RELAY] {
            append_hf("X-RC: $rtpp_rc\\r\\n");
            t_relay();
        }
        failure_route[FAILED] {
            rtpproxy_manage();
            xlog("L_NOTICE", "failed $rc $ci\\n");
        }
        failure_route[LATE] { async_ms_route("REALLY", "100"); }
        route[REALLY] {
            rtpproxy_manage();
            xlog("L_NOTICE", "failed late $rc $ci\\n");
            t_reply("480", "Given Up");
        }
        """

    @Test(arguments: ["", "_async"], [false, true])
    func manageOffersWhereARequestGoesOnAndDeletesWhereItHasFailed(kind: String, isLate: Bool) throws {
        var routes = Self.waiting.replacingOccurrences(of: "%(", with: kind.isEmpty ? "(" : "_async(\"RELAY\", ")
        routes += "\n"
        try run(routes) { kamailio, relay in
            for _ in 0..<3 {
                let call = try kamailio.call()
                let invite = try call.invite(run: isLate ? Run.offer().with("X-Fail-Late", "1") : nil)
                #expect(invite.returnCodes == [1])
                #expect(invite.lines.contains("c=IN IP4 192.0.2.77"))
                #expect(relay.commands(of: call.id).map(\.verb) == ["U"])
                call.send(call.response(486, to: invite), from: .callee)
                let status = isLate ? 480 : 486
                #expect(call.caller.receive { $0.status == status && $0.callID == call.id } != nil)
                #expect(kamailio.waitForLog(isLate ? "failed late 1 \(call.id)" : "failed 1 \(call.id)") != nil)
                #expect(waitUntil(3) { relay.commands(of: call.id).map(\.verb) == ["U", "D"] })
            }
        }
    }

    // MARK: - Answered meanwhile

    @Test(arguments: Continuation.allCases)
    func aRequestThatSomebodyAnswersMeanwhileDoesNotGoOn(continuation: Continuation) throws {
        try run(
            """
            request_route {
                t_newtran();
                xlog("L_NOTICE", "transaction $T(id_index):$T(id_label) of $ci\\n");
                rtpproxy_offer_async("GO");
            }
            route[GO] {
                xlog("L_NOTICE", "goes on $ci\\n");
                t_relay();
            }
            """, continuation
        ) { kamailio, relay in
            relay.on { $0.verb == "U" ? .delay(700, .normal) : nil }
            let call = try kamailio.call()
            call.send(call.request("INVITE", sdp: SDPText.audio()))
            let line = try #require(kamailio.waitForLog("transaction ", " of \(call.id)"))
            let number = try #require(line.components(separatedBy: "transaction ").last?.split(separator: " ").first)
            _ = try kamailio.kamcmd("tm.reply", "480", "Enough", String(number), "tag-of-somebody")
            #expect(call.caller.receive { $0.status == 480 && $0.callID == call.id } != nil)
            #expect(waitUntil(4) { relay.commands(of: call.id).map(\.verb) == ["U", "D"] })
            #expect(call.callee.receive(200) { $0.callID == call.id } == nil)
            #expect(kamailio.logLines("goes on", call.id).isEmpty)
        }
    }

    // MARK: - Callbacks of other modules

    /// A module whose callback before routes refuses what has waited, and nothing else.
    private func refusingModule(_ folder: TemporaryFolder) throws -> String {
        let module = try RTPProxyModule.underTest.path(in: KamailioInstallation.find())
        let output = URL(fileURLWithPath: module).deletingLastPathComponent().path
        try #require(FileManager.default.fileExists(atPath: "\(output)/kamailio.h"))
        let (built, source) = (folder.file("refusing.so"), "\(PackageFolder.root)/Tests/Host/Programs/refusing.c")
        let arguments = ["-shared", "-fPIC", "-isystem", "\(output)/headers", "-include", "\(output)/kamailio.h"]
        let compiled = try ChildProcess.run("gcc", arguments + ["-o", built, source])
        try #require(FileManager.default.fileExists(atPath: built), "\(compiled.output)")
        return folder.file("refusing")
    }

    @Test(arguments: Continuation.allCases)
    func whatACallbackRefusesGoesOnUnchangedAndIsFreedOnce(continuation: Continuation) throws {
        let folder = try TemporaryFolder()
        let module = try refusingModule(folder)
        try run(Self.careless.replacingOccurrences(of: "%", with: "answer"), continuation) {
            $0.modules.append(module)
        } _: { kamailio, relay in
            let call = try kamailio.call()
            for _ in 0..<20 {
                let invite = try call.invite()
                for status in [183, 200] {
                    let reply = try call.reply(status, to: invite, sdp: SDPText.audio())
                    #expect(reply.returnCodes.isEmpty && reply.text == SDPText.audio())
                }
                try call.ack()
            }
            #expect(relay.commands(of: call.id, "L").count == 40)
        }
    }
}
