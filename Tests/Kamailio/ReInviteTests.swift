// SPDX-License-Identifier: GPL-2.0-or-later
// What may go wrong with a re-INVITE, and with what else changes a call that has been answered: the call goes on.

import TestSupport
import Testing

@Suite struct ReInviteTests {
    /// A call that has been answered, and how it ends: with one deletion, whatever has happened in between.
    private func answered(
        _ kamailio: Kamailio, _ relay: ScriptedRelay, _ body: (Call) throws -> [String]
    ) throws {
        let call = try kamailio.call()
        let invite = try call.invite(run: .manage())
        try call.reply(to: invite, sdp: SDPText.audio(), run: .manage())
        try call.ack()
        let between = try body(call)
        #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L"] + between)
        try call.bye(run: .manage())
        #expect(waitUntil(3) { relay.commands(of: call.id).map(\.verb) == ["U", "L"] + between + ["D"] })
    }

    @Test(arguments: [488, 491, 500, 603]) func refusedByAReply(status: Int) throws {
        let stage = try Stage.shared()
        try answered(stage.kamailio, stage.relay) { call in
            let again = try call.invite(run: .manage(), inDialog: true)
            let refused = try call.reply(status, to: again, run: .manage())
            #expect(refused.returnCodes == [-1])
            return ["U"]
        }
    }

    @Test(arguments: [true, false]) func refusedInItsFailureRoute(hasSDP: Bool) throws {
        let stage = try Stage.shared()
        try answered(stage.kamailio, stage.relay) { call in
            let sdp = hasSDP ? SDPText.audio() : nil
            let run = Run.manage().and(Run("manage", route: "Failure"))
            let again = try call.invite(sdp: sdp, run: run, inDialog: true)
            try call.reply(491, to: again)
            #expect(stage.kamailio.ran(call.id, count: 5).last == "manage -1")
            return hasSDP ? ["U"] : []
        }
    }

    @Test(arguments: ["UPDATE", "INFO", "REFER"]) func anotherRequestRefusedInItsFailureRoute(method: String) throws {
        let stage = try Stage.shared()
        try answered(stage.kamailio, stage.relay) { call in
            let sdp = method == "UPDATE" ? SDPText.audio() : nil
            let run = Run.manage().and(Run("manage", route: "Failure"))
            let request = call.request(method, sdp: sdp, run: run, inDialog: true)
            try call.reply(488, to: call.deliver(request))
            #expect(stage.kamailio.ran(call.id, count: 5).last == "manage -1")
            return sdp == nil ? [] : ["U"]
        }
    }

    @Test(arguments: Continuation.allCases) func refusedWithTheAsynchronousFunctions(
        continuation: Continuation
    ) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            try answered(kamailio, relay) { call in
                let run = Run.manage().with("X-Failure-Do", "manage")
                let again = try call.invite(run: run, inDialog: true)
                let refused = try call.reply(488, to: again, run: .manage())
                #expect(refused.returnCodes == [-1])
                #expect(kamailio.ran(call.id, count: 4).last == "manage -1")
                return ["U"]
            }
        }
    }

    @Test func cancelled() throws {
        let stage = try Stage.shared()
        try answered(stage.kamailio, stage.relay) { call in
            let request = call.request(
                "INVITE", sdp: SDPText.audio(), run: Run.manage().and(Run("manage", route: "Failure")), inDialog: true)
            let again = try call.deliver(request)
            try call.reply(180, to: again)
            var cancel = call.request("CANCEL", run: .manage(), inDialog: true)
            cancel["Via"] = request["Via"]
            cancel.startLine = request.startLine.replacingOccurrences(of: "INVITE", with: "CANCEL")
            call.send(cancel)
            try call.reply(487, to: again, run: .manage())
            #expect(stage.kamailio.ran(call.id, count: 6).suffix(3).allSatisfy { $0 == "manage -1" })
            return ["U"]
        }
    }

    /// RFC 3262 section 5: a reliable 1xx with an offer is answered in its PRACK.
    @Test func answerInAPRACK() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: nil)
        try call.reply(183, to: invite, sdp: SDPText.audio(port: 6000), run: .offer())
        let prack = try call.deliver(call.request("PRACK", sdp: SDPText.audio(port: 7000), run: .answer()))
        #expect(prack.returnCodes == [1])
        #expect(prack.lines.contains("c=IN IP4 192.0.2.77"))
        #expect(
            stage.relay.texts(of: call.id) == [
                "Uc0,8,101 \(call.id) 127.0.0.1 6000 \(call.toTag);1 \(call.fromTag);1",
                "Lc0,8,101 \(call.id) 127.0.0.1 7000 \(call.toTag);1 \(call.fromTag);1",
            ])
    }

    @Test(arguments: Continuation.allCases) func answerInAPRACKThatWaits(continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(sdp: nil)
            try call.reply(183, to: invite, sdp: SDPText.audio(port: 6000), run: .offer())
            let prack = try call.deliver(call.request("PRACK", sdp: SDPText.audio(port: 7000), run: .answer()))
            #expect(prack.returnCodes == [1])
            #expect(prack.lines.contains("c=IN IP4 192.0.2.77"))
            try call.reply(to: prack)
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L"])
        }
    }
}
