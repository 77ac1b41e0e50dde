// SPDX-License-Identifier: GPL-2.0-or-later
// Engaged calls whose branches have sessions of their own: other flags, other sets, in a branch route or a failure route.

import Foundation
import TestSupport
import Testing

/// A call whose second destination is treated in another way than the first one.
private final class ForkedCall {
    let kamailio: Kamailio
    let call: Call
    let other: UserAgent
    private(set) var sent: SIPMessage
    /// What the two of them got.
    private(set) var first: SIPMessage
    private(set) var second: SIPMessage

    /// `next`: the second one comes when the first has refused.
    init(_ kamailio: Kamailio, next: Bool = false, sdp: String? = SDPText.audio()) throws {
        self.kamailio = kamailio
        call = try kamailio.call()
        other = try UserAgent("carol")
        sent = call.request("INVITE", sdp: sdp)
        sent[next ? "X-Next" : "X-Fork"] = other.uri
        first = try call.deliver(sent)
        let id = call.id
        if next {
            call.send(call.response(486, to: first), from: .callee)
            _ = try #require(call.callee.receive { $0.method == "ACK" && $0.callID == id })
        }
        second = try #require(other.receive { $0.method == "INVITE" && $0.callID == id })
        // tm cancels nobody who has said nothing.
        if !next { try call.reply(180, to: first) }
    }

    /// What the second one answers, as the caller gets it.
    func answer(_ status: Int, _ sdp: String? = SDPText.audio(port: 7000)) throws -> SIPMessage {
        var reply = call.response(status, to: second, sdp: sdp)
        reply["To"] = "\(second["To"] ?? "");tag=other"
        reply["Contact"] = "<\(other.uri)>"
        other.send(reply, to: kamailio.endpoint())
        let id = call.id
        return try #require(call.caller.receive { $0.status == status && $0.callID == id && $0.method == "INVITE" })
    }

    /// tm cancels the first one, which says so.
    func firstIsCancelled() throws {
        let id = call.id
        let cancel = try #require(call.callee.receive { $0.method == "CANCEL" && $0.callID == id })
        call.send(call.response(200, to: cancel), from: .callee)
        call.send(call.response(487, to: first), from: .callee)
    }

    /// A request within the dialog of the second one.
    func within(_ method: String, _ sdp: String? = nil) throws -> SIPMessage {
        var request = call.request(method, sdp: sdp, inDialog: true)
        request.startLine = "\(method) \(other.uri) SIP/2.0"
        request["To"] = "<\(other.uri)>;tag=other"
        call.send(request)
        let id = call.id
        return try #require(other.receive { $0.method == method && $0.callID == id && $0.sequence == request.sequence })
    }
}

/// Where the branches of the sessions are seen: the Call-ID of a command without the call's own.
private func sessions(_ relay: ScriptedRelay, _ call: Call, _ verb: String? = nil) -> [String] {
    (verb.map { relay.commands(of: call.id, $0) } ?? relay.commands(of: call.id)).map {
        $0.verb + $0.modifiers.prefix { $0 != "c" } + ($0.callID == call.id ? "" : " own")
    }
}

@Suite struct EngageForkTests {
    /// OWN is called for carol.
    private static func routes(_ own: String, next: String = "") -> String {
        """
        request_route {
            $avp(extra) = "one";
            if (has_totag()) {
                dlg_manage();
            } else {
                record_route();
                if (is_method("INVITE")) {
                    if ($hdr(X-Fork) != $null) append_branch("$hdr(X-Fork)");
                    if ($hdr(X-Next) != $null) t_on_failure("NEXT");
                    t_on_branch("BRANCH");
                    rtpproxy_engage("FLAGS");
                }
            }
            t_relay();
        }
        branch_route[BRANCH] {
            if ($rU == "carol") {
                \(own.isEmpty ? "return;" : own)
                xlog("L_NOTICE", "ran own $rc $ci\\n");
            }
        }
        failure_route[NEXT] {
            $ru = $hdr(X-Next);
            t_on_branch("BRANCH");
            \(next)
            t_relay();
        }
        """
    }

    private func run(
        _ own: String, next: String = "", flags: String = "", _ body: (Kamailio, ScriptedRelay) throws -> Void
    ) throws {
        let routes = Self.routes(own, next: next).replacingOccurrences(of: "FLAGS", with: flags)
        try Engaged.run("", routes) { kamailio, relay in
            // Each session has ports of its own.
            relay.on { command in
                let isOwn = command.callID.contains(";")
                return switch command.verb {
                case "U": .reply("\(isOwn ? 41_000 : 40_000) 192.0.2.77")
                case "L": .reply("\(isOwn ? 41_002 : 40_002) 192.0.2.77")
                default: nil
                }
            }
            try body(kamailio, relay)
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    private static func port(_ message: SIPMessage) -> String? {
        message.lines.first { $0.hasPrefix("m=") }.map { String($0.split(separator: " ")[1]) }
    }

    @Test func aBranchWithOtherFlagsHasASessionOfItsOwnAndTheOneThatIsTakenStays() throws {
        for isOwnTaken in [true, false] {
            try run("rtpproxy_engage(\"ei\");", flags: "ie") { kamailio, relay in
                let forked = try ForkedCall(kamailio)
                let call = forked.call
                #expect(Self.port(forked.first) == "40000" && Self.port(forked.second) == "41000")
                #expect(forked.second.lines.filter { $0 == "a=nortpproxy:yes" }.count == 1)
                #expect(kamailio.ran(call.id) == ["own 1"])
                #expect(sessions(relay, call) == ["UIE", "UEI own"])
                // Each rings with media of its own.
                #expect(try Self.port(call.reply(183, to: forked.first, sdp: SDPText.audio(port: 6000))) == "40002")
                #expect(try Self.port(forked.answer(183)) == "41002")
                #expect(sessions(relay, call) == ["UIE", "UEI own", "LEI", "LIE own"])
                if isOwnTaken {
                    #expect(try Self.port(forked.answer(200)) == "41002")
                    try forked.firstIsCancelled()
                    #expect(relay.commands(of: call.id, "D").isEmpty)
                    _ = try forked.within("ACK")
                    // The other one's is deleted, and by the caller's tag alone.
                    #expect(waitUntil(3) { relay.texts(of: call.id, "D") == ["D \(call.id) \(call.fromTag)"] })
                    #expect(try Self.port(forked.within("INVITE", SDPText.audio())) == "41000")
                    _ = try forked.within("BYE")
                    #expect(waitUntil(3) { sessions(relay, call, "D") == ["D", "D own"] })
                } else {
                    #expect(try Self.port(call.reply(to: forked.first, sdp: SDPText.audio(port: 6000))) == "40002")
                    try call.ack()
                    #expect(waitUntil(3) { sessions(relay, call, "D") == ["D own"] })
                    #expect(try Self.port(call.invite(inDialog: true)) == "40000")
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
        try run("$avp(extra) = \"two\"; rtpproxy_engage(\"\(flag)\");", flags: flag) { kamailio, relay in
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

    @Test func aBranchThatWantsTheSameHasTheSame() throws {
        try run("rtpproxy_engage(\"r\");", flags: "r") { kamailio, relay in
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
        let change = Engaged.change("", Self.routes("", next: next).replacingOccurrences(of: "FLAGS", with: "")) {
            $0.set("rtpproxy_sock", "3 == \(other.url)")
        }
        let relay = try ScriptedRelay()
        try Stage.own([relay], settled: false, change) { kamailio in
            kamailio.waitUntilUp([relay, other])
            let forked = try ForkedCall(kamailio, next: true)
            let call = forked.call
            #expect(Self.port(forked.second) == "42000")
            #expect(forked.second.lines.filter { $0 == "a=nortpproxy:yes" }.count == 1)
            let end = try forked.answer(isTaken ? 200 : 480, isTaken ? SDPText.audio(port: 7000) : nil)
            #expect(end.text.contains("a=nortpproxy:yes") == isTaken)
            if isTaken {
                _ = try forked.within("ACK")
                #expect(waitUntil(3) { relay.texts(of: call.id).last == "D \(call.id) \(call.fromTag)" })
                #expect(try Self.port(forked.within("INVITE", SDPText.audio())) == "42000")
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
        try run("rtpproxy_engage(\"ei\");", flags: "ie") { kamailio, relay in
            let forked = try ForkedCall(kamailio, sdp: nil)
            #expect(relay.commands(of: forked.call.id).isEmpty)
            #expect(try Self.port(forked.answer(200)) == "41000")
            try forked.firstIsCancelled()
            #expect(try Self.port(forked.within("ACK", SDPText.audio())) == "41002")
            #expect(sessions(relay, forked.call).prefix(2) == ["UIE own", "LEI own"])
            _ = try forked.within("BYE")
            #expect(waitUntil(3) { sessions(relay, forked.call, "D").contains("D own") })
        }
    }

    @Test func requestsOfAnEarlyDialogAreThoseOfItsBranch() throws {
        try run("rtpproxy_engage(\"ei\");", flags: "ie") { kamailio, relay in
            let forked = try ForkedCall(kamailio)
            let call = forked.call
            try call.reply(183, to: forked.first, sdp: SDPText.audio(port: 6000))
            _ = try forked.answer(183)
            #expect(try Self.port(forked.within("UPDATE", SDPText.audio())) == "41000")
            let update = try call.deliver(call.request("UPDATE", sdp: SDPText.audio()))
            #expect(Self.port(update) == "40000")
            #expect(sessions(relay, call).suffix(2) == ["UEI own", "UIE"])
        }
    }

    /// The caller ends one early dialog, and the other one takes the call.
    @Test(arguments: ["", "rtpproxy_engage(\"ei\");"]) func aBYEToOneForkDeletesNothingOfTheOthers(own: String) throws {
        try run(own, flags: "ie") { kamailio, relay in
            let forked = try ForkedCall(kamailio)
            let call = forked.call
            try call.reply(183, to: forked.first, sdp: SDPText.audio(port: 6000))
            _ = try forked.answer(183)
            let bye = try forked.within("BYE")
            forked.other.send(call.response(200, to: bye), to: kamailio.endpoint())
            forked.other.send(call.response(487, to: forked.second), to: kamailio.endpoint())
            usleep(200_000)
            #expect(relay.commands(of: call.id, "D").isEmpty)
            #expect(try Self.port(call.reply(to: forked.first, sdp: SDPText.audio(port: 6000))) == "40002")
            try call.ack()
            try call.bye()
            let expected = own.isEmpty ? ["D"] : ["D own", "D"]
            #expect(waitUntil(3) { sessions(relay, call, "D") == expected })
        }
    }

    @Test(arguments: [486, 487]) func whereNobodyTakesItAllAreDeletedOnce(status: Int) throws {
        try run("rtpproxy_engage(\"ei\");", flags: "ie") { kamailio, relay in
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

    /// It comes when the other one has the call: what that one has stays as it is.
    @Test func anAnswerThatComesTooLateChangesNothing() throws {
        try run("rtpproxy_engage(\"ei\");", flags: "ie") { kamailio, relay in
            let forked = try ForkedCall(kamailio)
            let call = forked.call
            try call.reply(to: forked.first, sdp: SDPText.audio(port: 6000))
            try call.ack()
            #expect(waitUntil(3) { sessions(relay, call, "D") == ["D own"] })
            let late = try forked.answer(200)
            #expect(late.text == SDPText.audio(port: 7000))
            #expect(sessions(relay, call, "L") == ["LEI"])
        }
    }

    /// Then the branch has what the others have.
    @Test func aBranchWhoseSessionFailsHasThatOfTheDialog() throws {
        let routes = Self.routes("rtpproxy_engage(\"ei\");").replacingOccurrences(of: "FLAGS", with: "ie")
        try Engaged.run("", routes) { kamailio, relay in
            relay.on { $0.verb == "U" && $0.callID.contains(";") ? .reply("E98") : nil }
            let forked = try ForkedCall(kamailio)
            #expect(kamailio.ran(forked.call.id) == ["own -1"])
            #expect(forked.second.text == forked.first.text)
            #expect(try forked.answer(200).lines.last == "a=nortpproxy:yes")
            #expect(relay.commands(of: forked.call.id, "L").map(\.callID) == [forked.call.id])
        }
    }

    /// What Kamailio has in use: of shared memory, and of that of its workers.
    private static func inUse(_ kamailio: Kamailio) throws -> [Int] {
        let number = { (line: Substring) in Int(line.split(separator: " ").last ?? "") }
        let shared = try kamailio.kamcmd("core.shmmem").split(separator: "\n").filter { $0.contains("real_used") }
        let own = try kamailio.kamcmd("pkg.stats").split(separator: "\n").filter { $0.contains("real_used") }
        return try [#require(shared.compactMap(number).first), own.compactMap(number).reduce(0, +)]
    }

    @Test func sessionsOfForksLeaveNoMemoryBehind() throws {
        let routes = Self.routes("rtpproxy_engage(\"ei\");").replacingOccurrences(of: "FLAGS", with: "ie")
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.parameters.append(("tm", "wt_timer", "500"))
        }
        try Engaged.run("", routes, change) { kamailio, relay in
            let round = { (count: Int) in
                for _ in 0..<count {
                    let forked = try ForkedCall(kamailio)
                    _ = try forked.answer(183)
                    _ = try forked.answer(200)
                    try forked.firstIsCancelled()
                    _ = try forked.within("ACK")
                    let bye = try forked.within("BYE")
                    forked.other.send(forked.call.response(200, to: bye), to: kamailio.endpoint())
                }
                // dialog keeps those that are over for some seconds.
                #expect(waitUntil(30) { (try? kamailio.kamcmd("dlg.list"))?.contains("call-id") == false })
                usleep(3_000_000)
            }
            try round(40)
            let before = try Self.inUse(kamailio)
            try round(40)
            let after = try Self.inUse(kamailio)
            // Forty calls that keep 100 bytes each would have 4000 more.
            #expect(after[0] - before[0] < 4000 && after[1] - before[1] < 4000, "\(before) \(after)")
        }
    }

    /// tm counts its branches in hexadecimal, the last digit first: "a" is the tenth, "01" the sixteenth.
    @Test(arguments: [10, 16]) func aBranchOfAHighNumberIsNoOther(number: Int) throws {
        let fill = (1..<number).map { _ in "append_branch(\"sip:filler@127.0.0.1:9\");" }.joined(separator: " ")
        let routes = Self.routes("rtpproxy_engage(\"ei\");")
            .replacingOccurrences(of: "FLAGS", with: "ie")
            .replacingOccurrences(of: "if ($rU == \"carol\")", with: "if ($rU == \"carol\" || $rU == \"filler\")")
            .replacingOccurrences(of: "if ($hdr(X-Fork) != $null) app", with: "\(fill) app")
        try Engaged.run("", routes, { $0.preamble = "max_branches=20\n" }) { kamailio, relay in
            relay.on { command in
                let isOwn = command.callID.contains(";")
                return "UL".contains(command.verb) ? .reply("\(isOwn ? 41_000 : 40_000) 192.0.2.77") : nil
            }
            let forked = try ForkedCall(kamailio)
            #expect(forked.second.viaBranches[0].hasSuffix(number == 10 ? ".a" : ".01"))
            #expect(Self.port(forked.second) == "41000")
            _ = try forked.answer(200)
            try forked.firstIsCancelled()
            _ = try forked.within("ACK")
            let own = "\(forked.call.id);\(forked.second.viaBranches[0])"
            #expect(relay.commands(of: forked.call.id, "L").map(\.callID) == [own])
            #expect(waitUntil(3) { sessions(relay, forked.call, "D").count == number })
            #expect(!relay.commands(of: forked.call.id, "D").map(\.callID).contains(own))
            _ = try forked.within("BYE")
            #expect(waitUntil(3) { relay.commands(of: forked.call.id, "D").last?.callID == own })
            #expect(kamailio.logLines("ERROR").isEmpty)
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
        let routes = (Self.routes("", next: next) + last).replacingOccurrences(of: "FLAGS", with: "ie")
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
            #expect([first, second, third].map(Self.port) == ["40000", "41000", isOwn ? "42000" : "40000"])
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

    /// What a proxy before this one has forked is no other call to dialog: the second one's branches get nothing.
    @Test func theBranchesOfAnotherINVITEOfTheCallAreNotEngaged() throws {
        let routes = Self.routes("rtpproxy_engage(\"ei\");").replacingOccurrences(of: "FLAGS", with: "ie")
        try Engaged.run("", routes) { kamailio, relay in
            let forked = try ForkedCall(kamailio)
            #expect(kamailio.ran(forked.call.id) == ["own 1"])
            var again = forked.sent
            again["Via"] = (again["Via"] ?? "").replacingOccurrences(of: "branch=z9hG4bK", with: "branch=z9hG4bKagain")
            forked.call.send(again)
            #expect(waitUntil(3) { kamailio.ran(forked.call.id) == ["own 1", "own -1"] })
            #expect(kamailio.logLines("ERROR").count == 2 && sessions(relay, forked.call) == ["UIE", "UEI own"])
        }
    }

    @Test func noSessionIsMadeWhereTheTransactionTakesNoMoreBranches() throws {
        let next = "rtpproxy_engage(\"w\"); xlog(\"L_NOTICE\", \"ran next $rc $ci\\n\"); exit;"
        let routes = Self.routes("", next: next).replacingOccurrences(of: "FLAGS", with: "")
        try Engaged.run("", routes, { $0.preamble = "max_branches=1\n" }) { kamailio, relay in
            let call = try kamailio.call()
            var sent = call.request("INVITE", sdp: SDPText.audio())
            sent["X-Next"] = call.callee.uri
            let first = try call.deliver(sent)
            try call.reply(486, to: first)
            #expect(kamailio.ran(call.id) == ["next -1"])
            #expect(waitUntil(3) { sessions(relay, call) == ["U", "D"] })
        }
    }

    /// Two take it at once, and the caller acknowledges one while dialog still takes the other for the call.
    @Test func anACKBeforeItIsKnownWhoHasTheCallDeletesNothingOfIt() throws {
        let routes =
            Self.routes("rtpproxy_engage(\"ei\");").replacingOccurrences(of: "FLAGS", with: "ie") + """

                event_route[dialog:start] {
                    xlog("L_NOTICE", "ran start $ci\\n");
                    usleep("1000000");
                }
                """
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.modules.append("cfgutils")
            configuration.children = 4
        }
        try Engaged.run("", routes, change) { kamailio, relay in
            let forked = try ForkedCall(kamailio)
            let call = forked.call
            var reply = call.response(200, to: forked.second, sdp: SDPText.audio(port: 7000))
            reply["To"] = "\(forked.second["To"] ?? "");tag=other"
            reply["Contact"] = "<\(forked.other.uri)>"
            forked.other.send(reply, to: kamailio.endpoint())
            #expect(waitUntil(3) { kamailio.ran(call.id).contains("start") })
            try call.reply(to: forked.first, sdp: SDPText.audio(port: 6000))
            try call.ack()
            _ = try #require(call.caller.receive { $0.status == 200 && $0.toTag == "other" })
            _ = try forked.within("ACK")
            #expect(waitUntil(3) { sessions(relay, call, "D") == ["D"] })
            _ = try forked.within("BYE")
            #expect(waitUntil(3) { sessions(relay, call, "D") == ["D", "D own"] })
        }
    }

    /// What the script leaves alone from there on has no name for the sessions of the branches.
    @Test func disengagingDeletesTheSessionsOfBranches() throws {
        let next = "rtpproxy_disengage(); rtpproxy_destroy(); t_reply(\"480\", \"Gone\"); exit;"
        let routes = Self.routes("rtpproxy_engage(\"ei\");", next: next).replacingOccurrences(of: "FLAGS", with: "ie")
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
            Self.routes("rtpproxy_engage(\"ei\");")
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
            #expect(Self.port(forked.first) == "40000" && Self.port(forked.second) == "41000")
            #expect(forked.second.lines.filter { $0 == "a=nortpproxy:yes" }.count == 1)
            #expect(try Self.port(forked.answer(200)) == "41000")
            try forked.firstIsCancelled()
            _ = try forked.within("ACK")
            #expect(waitUntil(3) { sessions(relay, forked.call, "D") == ["D"] })
            _ = try forked.within("BYE")
            #expect(waitUntil(3) { sessions(relay, forked.call, "D") == ["D", "D own"] })
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }
}
