// SPDX-License-Identifier: GPL-2.0-or-later
// Forks, serial and parallel, and what of an offer is still there in the next route.

import Foundation
import TestSupport
import Testing

@Suite struct TransactionTests {
    /// A second callee of a call.
    private struct Fork {
        let call: Call
        let agent: UserAgent

        init(_ call: Call) throws {
            self.call = call
            agent = try UserAgent("carol")
        }

        func receive(_ method: String) throws -> SIPMessage {
            try #require(agent.receive { $0.isRequest && $0.method == method && $0.callID == call.id })
        }
    }

    @Test func eachForkHasABodyOfItsOwn() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let fork = try Fork(call)
        stage.relay.on(call: call.id) { command in
            command.verb == "U" ? .reply(command.callID.hasSuffix(";leg-1") ? "40004" : "40002") : nil
        }
        let run = Run("offer", "b", route: "Branch").with("X-Fork", fork.agent.uri).with("X-Leg", "yes")
        let bodies = [try call.invite(run: run), try fork.receive("INVITE")]
        #expect(bodies.map(\.returnCodes) == [[1], [1]])
        #expect(
            stage.relay.texts(of: call.id).sorted() == [
                "Uc0,8,101 \(call.id);leg-0 127.0.0.1 5004 \(call.fromTag);1",
                "Uc0,8,101 \(call.id);leg-1 127.0.0.1 5004 \(call.fromTag);1",
            ])
        #expect(bodies[0].lines.contains("m=audio 40002 RTP/AVP 0 8 101"))
        #expect(bodies[1].lines.contains("m=audio 40004 RTP/AVP 0 8 101"))
        for body in bodies {
            #expect(body.lines.filter { $0 == "a=nortpproxy:yes" }.count == 1)
            #expect(body["Content-Length"] == "\(body.body.count)")
        }
    }

    @Test func answersOfForksMeetTheirOwnOffers() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let fork = try Fork(call)
        let run = Run("manage", "b", route: "Branch").with("X-Fork", fork.agent.uri).with("X-Leg", "yes")
        let first = try call.invite(run: run)
        let second = try fork.receive("INVITE")
        let answer = Run.manage("b").with("X-Leg", "yes")
        let early = call.response(183, to: first, sdp: SDPText.audio(port: 6000), run: answer)
        let final = call.response(200, to: second, sdp: SDPText.audio(port: 7000), run: answer)
        let got = [
            try call.deliver(response: early),
            try {
                fork.agent.send(final, to: stage.kamailio.endpoint())
                return try #require(call.caller.receive { $0.status == 200 })
            }(),
        ]
        #expect(got.map(\.returnCodes) == [[1], [1]])
        #expect(
            stage.relay.texts(of: call.id, "L") == [
                "Lc0,8,101 \(call.id);leg-0 127.0.0.1 6000 \(call.fromTag);1 \(call.toTag);1",
                "Lc0,8,101 \(call.id);leg-1 127.0.0.1 7000 \(call.fromTag);1 \(call.toTag);1",
            ])
    }

    /// Flag 1 is the first Via of what is sent, and of its replies: this proxy's own.
    @Test func eachForkHasASessionOfItsOwnByFlag1() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let fork = try Fork(call)
        let run = Run("offer", "1", route: "Branch").and(Run("destroy", route: "BranchFailure"))
            .with("X-Fork", fork.agent.uri)
        let bodies = [try call.invite(run: run), try fork.receive("INVITE")]
        #expect(bodies.map(\.returnCodes) == [[1], [1]])
        let sessions = bodies.map { "\(call.id);\($0.viaBranches[0])" }
        #expect(sessions[0] != sessions[1])
        let offers = sessions.map { "Uc0,8,101 \($0) 127.0.0.1 5004 \(call.fromTag);1" }
        #expect(stage.relay.texts(of: call.id).sorted() == offers.sorted())
        // One refuses, the other one answers.
        fork.agent.send(call.response(486, to: bodies[1]), to: stage.kamailio.endpoint())
        #expect(waitUntil(3) { stage.relay.texts(of: call.id, "D") == ["D \(sessions[1]) \(call.fromTag)"] })
        let answered = try call.reply(to: bodies[0], sdp: SDPText.audio(port: 6000), run: .answer("1"))
        #expect(answered.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id, "L") == [
                "Lc0,8,101 \(sessions[0]) 127.0.0.1 6000 \(call.fromTag);1 \(call.toTag);1"
            ])
    }

    @Test(arguments: ["3"]) func forksShareTheCallersBranch(flag: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let fork = try Fork(call)
        let run = Run("offer", flag, route: "Branch").with("X-Fork", fork.agent.uri)
        let request = call.request("INVITE", sdp: SDPText.audio(), run: run)
        #expect(try call.deliver(request).returnCodes == [1])
        #expect(try fork.receive("INVITE").returnCodes == [1])
        let expected = "Uc0,8,101 \(call.id);\(request.viaBranches[0]) 127.0.0.1 5004 \(call.fromTag);1"
        #expect(stage.relay.texts(of: call.id) == [expected, expected])
    }

    @Test func offerBeforeTheForkIsNotRepeatedInItsBranches() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let fork = try Fork(call)
        let run = Run.offer().and(Run("offer", route: "Branch")).with("X-Fork", fork.agent.uri)
        let bodies = [try call.invite(run: run), try fork.receive("INVITE")]
        #expect(bodies.map(\.returnCodes) == [[1, -2], [1, -2]])
        #expect(bodies[0].text == bodies[1].text)
        #expect(bodies[0].lines.last == "a=nortpproxy:yes")
        #expect(stage.relay.texts(of: call.id).count == 1)
    }

    @Test func offerAfterAFailureReplacesTheFirst() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let fork = try Fork(call)
        let run = Run.offer().and(Run("offer", route: "Failure")).with("X-Retry", fork.agent.uri)
        let first = try call.invite(run: run)
        call.send(call.response(486, to: first), from: .callee)
        let second = try fork.receive("INVITE")
        #expect(second.returnCodes == [1, 1])
        #expect(second.text == first.text)
        #expect(stage.relay.texts(of: call.id).count == 2)
    }

    @Test func nextBranchAfterAFailureHasAnOfferOfItsOwn() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let fork = try Fork(call)
        let run = Run("manage", route: "Branch").and(Run("manage", route: "Failure"))
            .with("X-Retry", fork.agent.uri)
        let first = try call.invite(run: run)
        #expect(first.returnCodes == [1])
        call.send(call.response(486, to: first), from: .callee)
        let second = try fork.receive("INVITE")
        // 1 of the failure route, 1 of the branch.
        #expect(second.returnCodes == [1, 1])
        #expect(stage.relay.commands(of: call.id).map(\.verb) == ["U", "U"])
        #expect(second.lines.last == "a=nortpproxy:yes")
        #expect(second.lines.filter { $0.hasPrefix("m=audio ") } != ["m=audio 5004 RTP/AVP 0 8 101"])
        let answer = call.response(200, to: second, sdp: SDPText.audio(port: 7000), run: .manage())
        fork.agent.send(answer, to: stage.kamailio.endpoint())
        #expect(call.caller.receive { $0.status == 200 }?.returnCodes == [1])
        #expect(stage.relay.commands(of: call.id).map(\.verb) == ["U", "U", "L"])
    }

    /// It is manage that marks the transaction of a request with a description: after an offer of its own, the script
    /// must call answer itself.
    @Test(arguments: [("manage", "L"), ("offer", "U")])
    func managedRequestHasAManagedReply(function: String, verb: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: Run(function))
        let answered = try call.reply(183, to: invite, sdp: SDPText.audio(port: 6000), run: .manage())
        #expect(answered.returnCodes == [1])
        #expect(stage.relay.commands(of: call.id).map(\.verb) == ["U", verb])
    }

    @Test func earlyAndFinalRepliesToALateOfferAreBothOffers() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: nil, run: .manage())
        for status in [183, 200] {
            let offered = try call.reply(status, to: invite, sdp: SDPText.audio(port: 6000), run: .manage())
            #expect(offered.returnCodes == [1])
        }
        let command = "Uc0,8,101 \(call.id) 127.0.0.1 6000 \(call.toTag);1 \(call.fromTag);1"
        #expect(stage.relay.texts(of: call.id) == [command, command])
    }

    @Test func reInviteHasATransactionOfItsOwn() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .manage())
        try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: .manage())
        let again = try call.invite(sdp: nil, run: .manage(), inDialog: true)
        let offered = try call.reply(to: again, sdp: SDPText.audio(port: 6002), run: .manage())
        let ack = try call.ack(sdp: SDPText.audio(port: 5006), run: .manage())
        #expect([again, offered, ack].map(\.returnCodes) == [[-1], [1], [1]])
        #expect(stage.relay.commands(of: call.id).map(\.verb) == ["U", "L", "U", "L"])
    }
}
