// SPDX-License-Identifier: GPL-2.0-or-later
// Engaged calls whose branches have sessions of their own: other flags, other sets, in a branch route or a failure route.

import Foundation
import TestSupport
import Testing

@Suite struct EngageForkTests {
    @Test func aBranchWithOtherFlagsHasASessionOfItsOwnAndTheOneThatIsTakenStays() throws {
        for isOwnTaken in [true, false] {
            try Forks.run("rtpproxy_engage(\"ei\");", flags: "ie") { kamailio, relay in
                let forked = try ForkedCall(kamailio)
                let call = forked.call
                #expect(Forks.port(forked.first) == "40000" && Forks.port(forked.second) == "41000")
                #expect(forked.second.lines.filter { $0 == "a=nortpproxy:yes" }.count == 1)
                #expect(kamailio.ran(call.id) == ["own 1"])
                #expect(sessions(relay, call) == ["UIE", "UEI own"])
                // Each rings with media of its own.
                #expect(try Forks.port(call.reply(183, to: forked.first, sdp: SDPText.audio(port: 6000))) == "40002")
                #expect(try Forks.port(forked.answer(183)) == "41002")
                #expect(sessions(relay, call) == ["UIE", "UEI own", "LEI", "LIE own"])
                if isOwnTaken {
                    #expect(try Forks.port(forked.answer(200)) == "41002")
                    try forked.firstIsCancelled()
                    #expect(relay.commands(of: call.id, "D").isEmpty)
                    _ = try forked.within("ACK")
                    // The other one's is deleted, and by the caller's tag alone.
                    #expect(waitUntil(3) { relay.texts(of: call.id, "D") == ["D \(call.id) \(call.fromTag)"] })
                    #expect(try Forks.port(forked.within("INVITE", SDPText.audio())) == "41000")
                    _ = try forked.within("BYE")
                    #expect(waitUntil(3) { sessions(relay, call, "D") == ["D", "D own"] })
                } else {
                    #expect(try Forks.port(call.reply(to: forked.first, sdp: SDPText.audio(port: 6000))) == "40002")
                    try call.ack()
                    #expect(waitUntil(3) { sessions(relay, call, "D") == ["D own"] })
                    #expect(try Forks.port(call.invite(inDialog: true)) == "40000")
                    try call.bye()
                    #expect(waitUntil(3) { sessions(relay, call, "D") == ["D own", "D"] })
                }
                usleep(100_000)
                #expect(sessions(relay, call, "D").count == 2)
            }
        }
    }

    /// What stock configurations do in a branch route: a part of the branch joins the Call-ID.
    @Test(arguments: ["1", "b"]) func whatTheFlagsJoinIsThatOfTheBranch(flag: String) throws {
        try Forks.run("$avp(extra) = \"two\"; rtpproxy_engage(\"\(flag)\");", flags: flag) { kamailio, relay in
            let forked = try ForkedCall(kamailio)
            let call = forked.call
            let names = relay.commands(of: call.id).compactMap { $0.callID.split(separator: ";").last.map(String.init) }
            let own = flag == "b" ? "two" : forked.second.viaBranches[0]
            #expect(names == [flag == "b" ? "one" : forked.sent.viaBranches[0], own])
            _ = try forked.answer(200)
            try forked.firstIsCancelled()
            _ = try forked.within("ACK")
            _ = try forked.within("BYE")
            #expect(
                waitUntil(3) {
                    relay.commands(of: call.id, "D").map(\.callID) == [names[0], own].map { "\(call.id);\($0)" }
                })
            #expect(relay.commands(of: call.id, "L").map(\.callID) == ["\(call.id);\(own)"])
        }
    }

    /// Prompts, recording and figures: of the branch while it rings, and of the dialog when that has taken the call.
    @Test(arguments: ["1", "b"]) func whatAsksForTheSessionAsksForThatOfTheBranch(flag: String) throws {
        let ask = """
            set_rtp_proxy_set("0");
            start_recording();
            rtpproxy_stream2uas("/prompt", "-1");
            rtpproxy_stop_stream2uas();
            xlog("L_NOTICE", "ran ask $rtpstat $rtpp_stat(mos) $ci\\n");
            """
        let other = try ScriptedRelay()
        let own = "$avp(extra) = \"two\"; set_rtp_proxy_set(\"3\"); rtpproxy_engage(\"\(flag)\"); t_on_reply(\"ASK\");"
        let routes =
            Forks.routes(own).replacingOccurrences(
                of: "        dlg_manage();",
                with: "        dlg_manage(); $avp(extra) = \"three\";\n        if (is_method(\"INFO\")) {\n\(ask)\n}"
            ).replacingOccurrences(of: "FLAGS", with: "") + "\nonreply_route[ASK] {\n\(ask)\n}\n"
        let change = Engaged.change("", routes) { $0.set("rtpproxy_sock", "3 == \(other.url)") }
        let relay = try ScriptedRelay()
        try Stage.own([relay], settled: false, change) { kamailio in
            kamailio.waitUntilUp([relay, other])
            let forked = try ForkedCall(kamailio)
            let id = forked.call.id
            let name = "\(id);\(flag == "b" ? "two" : forked.second.viaBranches[0])"
            let asked = { Set(other.commands(of: id).map(\.verb)) }
            _ = try forked.answer(183)
            #expect(waitUntil(3) { asked().isSuperset(of: ["R", "P", "S", "Q"]) }, "\(other.texts(of: id))")
            _ = try forked.answer(200)
            try forked.firstIsCancelled()
            _ = try forked.within("ACK")
            #expect(waitUntil(3) { relay.texts(of: id).last?.first == "D" })
            let before = other.commands(of: id).count
            _ = try forked.within("INFO")
            #expect(kamailio.ran(id, count: 4).count >= 4)
            let within = other.commands(of: id).dropFirst(before).map(\.verb)
            #expect(Set(within).isSuperset(of: ["R", "P", "S", "Q"]), "\(within)")
            // Nobody asks the other set, or for the bare session.
            #expect(other.commands(of: id).allSatisfy { $0.callID == name }, "\(other.texts(of: id))")
            #expect(relay.commands(of: id).map(\.verb) == ["U", "D"])
        }
    }

    @Test func aBranchThatWantsTheSameHasTheSame() throws {
        try Forks.run("rtpproxy_engage(\"r\");", flags: "r") { kamailio, relay in
            let forked = try ForkedCall(kamailio)
            #expect(kamailio.ran(forked.call.id) == ["own 1"])
            #expect(forked.first.text == forked.second.text)
            #expect(sessions(relay, forked.call) == ["U"])
        }
    }

    @Test(arguments: [true, false]) func theNextDestinationHasASessionOfAnotherSet(isTaken: Bool) throws {
        let other = try ScriptedRelay()
        other.on { $0.verb == "U" ? .reply("42000 192.0.2.78") : $0.verb == "L" ? .reply("42002 192.0.2.78") : nil }
        let next = "set_rtp_proxy_set(\"3\"); rtpproxy_engage(\"w\");"
        let change = Engaged.change("", Forks.routes("", next: next).replacingOccurrences(of: "FLAGS", with: "")) {
            $0.set("rtpproxy_sock", "3 == \(other.url)")
        }
        let relay = try ScriptedRelay()
        try Stage.own([relay], settled: false, change) { kamailio in
            kamailio.waitUntilUp([relay, other])
            let forked = try ForkedCall(kamailio, next: true)
            let call = forked.call
            #expect(Forks.port(forked.second) == "42000")
            #expect(forked.second.lines.filter { $0 == "a=nortpproxy:yes" }.count == 1)
            let end = try forked.answer(isTaken ? 200 : 480, isTaken ? SDPText.audio(port: 7000) : nil)
            #expect(end.text.contains("a=nortpproxy:yes") == isTaken)
            if isTaken {
                _ = try forked.within("ACK")
                #expect(waitUntil(3) { relay.texts(of: call.id).last == "D \(call.id) \(call.fromTag)" })
                #expect(try Forks.port(forked.within("INVITE", SDPText.audio())) == "42000")
                _ = try forked.within("BYE")
            }
            #expect(waitUntil(3) { other.commands(of: call.id).last?.verb == "D" })
            #expect(waitUntil(3) { relay.commands(of: call.id).last?.verb == "D" })
            #expect(other.commands(of: call.id).map(\.verb) == (isTaken ? ["U", "L", "U", "D"] : ["U", "D"]))
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "D"])
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    @Test func aLateOfferIsThatOfItsBranch() throws {
        try Forks.run("rtpproxy_engage(\"ei\");", flags: "ie") { kamailio, relay in
            let forked = try ForkedCall(kamailio, sdp: nil)
            #expect(relay.commands(of: forked.call.id).isEmpty)
            #expect(try Forks.port(forked.answer(200)) == "41000")
            try forked.firstIsCancelled()
            #expect(try Forks.port(forked.within("ACK", SDPText.audio())) == "41002")
            #expect(sessions(relay, forked.call).prefix(2) == ["UIE own", "LEI own"])
            _ = try forked.within("BYE")
            #expect(waitUntil(3) { sessions(relay, forked.call, "D").contains("D own") })
        }
    }

    @Test func requestsOfAnEarlyDialogAreThoseOfItsBranch() throws {
        try Forks.run("rtpproxy_engage(\"ei\");", flags: "ie") { kamailio, relay in
            let forked = try ForkedCall(kamailio)
            let call = forked.call
            try call.reply(183, to: forked.first, sdp: SDPText.audio(port: 6000))
            _ = try forked.answer(183)
            #expect(try Forks.port(forked.within("UPDATE", SDPText.audio())) == "41000")
            let update = try call.deliver(call.request("UPDATE", sdp: SDPText.audio()))
            #expect(Forks.port(update) == "40000")
            #expect(sessions(relay, call).suffix(2) == ["UEI own", "UIE"])
        }
    }

    /// The caller ends one early dialog, and the other one takes the call.
    @Test(arguments: ["", "rtpproxy_engage(\"ei\");"]) func aBYEToOneForkDeletesNothingOfTheOthers(own: String) throws {
        try Forks.run(own, flags: "ie") { kamailio, relay in
            let forked = try ForkedCall(kamailio)
            let call = forked.call
            try call.reply(183, to: forked.first, sdp: SDPText.audio(port: 6000))
            _ = try forked.answer(183)
            let bye = try forked.within("BYE")
            forked.other.send(call.response(200, to: bye), to: kamailio.endpoint())
            forked.other.send(call.response(487, to: forked.second), to: kamailio.endpoint())
            usleep(200_000)
            #expect(relay.commands(of: call.id, "D").isEmpty)
            #expect(try Forks.port(call.reply(to: forked.first, sdp: SDPText.audio(port: 6000))) == "40002")
            try call.ack()
            try call.bye()
            let expected = own.isEmpty ? ["D"] : ["D own", "D"]
            #expect(waitUntil(3) { sessions(relay, call, "D") == expected })
        }
    }

    @Test(arguments: [486, 487]) func whereNobodyTakesItAllAreDeletedOnce(status: Int) throws {
        try Forks.run("rtpproxy_engage(\"ei\");", flags: "ie") { kamailio, relay in
            let forked = try ForkedCall(kamailio)
            let call = forked.call
            _ = try forked.answer(183)
            if status == 487 {
                var cancel = call.request("CANCEL")
                cancel["Via"] = forked.sent["Via"]
                call.send(cancel)
                try forked.firstIsCancelled()
                forked.other.send(call.response(487, to: forked.second), to: kamailio.endpoint())
            } else {
                call.send(call.response(486, to: forked.first), from: .callee)
                forked.other.send(call.response(486, to: forked.second), to: kamailio.endpoint())
            }
            #expect(waitUntil(3) { Set(sessions(relay, call, "D")) == ["D", "D own"] })
            usleep(100_000)
            #expect(sessions(relay, call, "D").count == 2)
        }
    }

    /// What the destination behind the next one has, where the next one has had a session of its own.
    @Test(arguments: ["", "rtpproxy_engage(\"ie\");", "rtpproxy_engage(\"ii\");"], [false, true])
    func theDestinationAfterTheNextHasWhatItsOwnRouteSays(then: String, isOfBranch: Bool) throws {
        let next = """
            if ($hdr(X-Third) == $null) { t_relay(); exit; }
            if ($avp(stage) == $null) {
                $avp(stage) = 1;
                rtpproxy_engage("ei");
                \(isOfBranch ? "t_on_branch_failure(\"LAST\")" : "t_on_failure(\"NEXT\")");
            } else {
                $ru = $hdr(X-Third);
                \(then)
            }
            """
        let last = """

            event_route[tm:branch-failure:LAST] {
                $ru = $hdr(X-Third);
                \(then)
                t_relay();
            }
            """
        let routes = (Forks.routes("", next: next) + last).replacingOccurrences(of: "FLAGS", with: "ie")
        try Engaged.run("", routes) { kamailio, relay in
            let isOwn = then.contains("ii")
            // Each session has ports of its own.
            relay.on { command in
                let place = !command.callID.contains(";") ? 0 : command.modifiers.hasPrefix("II") ? 2 : 1
                return "UL".contains(command.verb) ? .reply("\(40_000 + 1000 * place) 192.0.2.77") : nil
            }
            let call = try kamailio.call()
            let (carol, dave) = (try UserAgent("carol"), try UserAgent("dave"))
            var sent = call.request("INVITE", sdp: SDPText.audio())
            sent["X-Next"] = carol.uri
            sent["X-Third"] = dave.uri
            let first = try call.deliver(sent)
            call.send(call.response(486, to: first), from: .callee)
            let second = try #require(carol.receive { $0.method == "INVITE" && $0.callID == call.id })
            carol.send(call.response(486, to: second), to: kamailio.endpoint())
            let third = try #require(dave.receive { $0.method == "INVITE" && $0.callID == call.id })
            #expect([first, second, third].map(Forks.port) == ["40000", "41000", isOwn ? "42000" : "40000"])
            var reply = call.response(200, to: third, sdp: SDPText.audio(port: 7000))
            reply["To"] = "\(third["To"] ?? "");tag=third"
            dave.send(reply, to: kamailio.endpoint())
            _ = try #require(call.caller.receive { $0.status == 200 && $0.callID == call.id })
            let names = Dictionary(
                relay.commands(of: call.id, "U").map { ($0.modifiers.prefix { $0 != "c" }, $0.callID) },
                uniquingKeysWith: { first, _ in first })
            let taken = names[isOwn ? "II" : "IE"]
            #expect(relay.commands(of: call.id, "L").map(\.callID) == [taken])
            var ack = call.request("ACK", inDialog: true)
            ack.startLine = "ACK \(dave.uri) SIP/2.0"
            ack["To"] = "<\(dave.uri)>;tag=third"
            call.send(ack)
            let others = Set(names.values.filter { $0 != taken })
            #expect(waitUntil(3) { relay.commands(of: call.id, "D").count == others.count })
            usleep(100_000)
            #expect(relay.commands(of: call.id, "D").map(\.callID).count == others.count)
            #expect(Set(relay.commands(of: call.id, "D").map(\.callID)) == others)
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    /// What the script leaves alone from there on has no name for the sessions of the branches.
    @Test func disengagingDeletesTheSessionsOfBranches() throws {
        let next = "rtpproxy_disengage(); rtpproxy_destroy(); t_reply(\"480\", \"Gone\"); exit;"
        let routes = Forks.routes("rtpproxy_engage(\"ei\");", next: next).replacingOccurrences(of: "FLAGS", with: "ie")
            .replacingOccurrences(of: "if ($hdr(X-Next) != $null)", with: "")
        try Engaged.run("", routes) { kamailio, relay in
            let forked = try ForkedCall(kamailio)
            let call = forked.call
            call.send(call.response(486, to: forked.first), from: .callee)
            forked.other.send(call.response(486, to: forked.second), to: kamailio.endpoint())
            #expect(call.caller.receive { $0.status == 480 && $0.callID == call.id } != nil)
            #expect(waitUntil(3) { Set(sessions(relay, call, "D")) == ["D", "D own"] })
            usleep(100_000)
            #expect(sessions(relay, call, "D").count == 2)
        }
    }

    @Test func aBranchOfAnINVITEThatHasWaitedHasASessionOfItsOwn() throws {
        let routes =
            Forks.routes("rtpproxy_engage(\"ei\");")
            .replacingOccurrences(
                of: "rtpproxy_engage(\"FLAGS\");", with: "rtpproxy_engage_async(\"GO\", \"ie\"); exit;"
            )
            .replacingOccurrences(of: "if ($hdr(X-Fork) != $null) append_branch(\"$hdr(X-Fork)\");", with: "") + """

                route[GO] {
                    append_branch("$hdr(X-Fork)");
                    t_on_branch("BRANCH");
                    t_relay();
                }
                """
        try Engaged.run("", routes) { kamailio, relay in
            relay.on { command in
                let isOwn = command.callID.contains(";")
                return "UL".contains(command.verb) ? .reply("\(isOwn ? 41_000 : 40_000) 192.0.2.77") : nil
            }
            let forked = try ForkedCall(kamailio)
            #expect(Forks.port(forked.first) == "40000" && Forks.port(forked.second) == "41000")
            #expect(forked.second.lines.filter { $0 == "a=nortpproxy:yes" }.count == 1)
            #expect(try Forks.port(forked.answer(200)) == "41000")
            try forked.firstIsCancelled()
            _ = try forked.within("ACK")
            #expect(waitUntil(3) { sessions(relay, forked.call, "D") == ["D"] })
            _ = try forked.within("BYE")
            #expect(waitUntil(3) { sessions(relay, forked.call, "D") == ["D", "D own"] })
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }
}
