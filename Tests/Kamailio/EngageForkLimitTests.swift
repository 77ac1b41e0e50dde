// SPDX-License-Identifier: GPL-2.0-or-later
// Branches with sessions of their own: what fails, comes too late or is too much, and the memory that it takes.

import Foundation
import TestSupport
import Testing

@Suite struct EngageForkLimitTests {
    /// It comes when the other one has the call: what that one has stays as it is.
    @Test func anAnswerThatComesTooLateChangesNothing() throws {
        try Forks.run("rtpproxy_engage(\"ei\");", flags: "ie") { kamailio, relay in
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
        let routes = Forks.routes("rtpproxy_engage(\"ei\");").replacingOccurrences(of: "FLAGS", with: "ie")
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
        let routes = Forks.routes("rtpproxy_engage(\"ei\");").replacingOccurrences(of: "FLAGS", with: "ie")
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
        let routes = Forks.routes("rtpproxy_engage(\"ei\");")
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
            #expect(Forks.port(forked.second) == "41000")
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

    /// What a proxy before this one has forked is no other call to dialog: the second one's branches get nothing.
    @Test func theBranchesOfAnotherINVITEOfTheCallAreNotEngaged() throws {
        let routes = Forks.routes("rtpproxy_engage(\"ei\");").replacingOccurrences(of: "FLAGS", with: "ie")
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
        let routes = Forks.routes("", next: next).replacingOccurrences(of: "FLAGS", with: "")
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
            Forks.routes("rtpproxy_engage(\"ei\");").replacingOccurrences(of: "FLAGS", with: "ie") + """

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
}
