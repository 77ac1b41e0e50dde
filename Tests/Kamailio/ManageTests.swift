// SPDX-License-Identifier: GPL-2.0-or-later
// rtpproxy_manage: what it becomes for each message and route.

import TestSupport
import Testing

@Suite struct ManageTests {
    /// The letters of the commands that a call caused, in order.
    private func letters(_ stage: Stage, _ call: Call) -> [String] {
        stage.relay.commands(of: call.id).map(\.verb)
    }

    @Test func wholeCallWithManageAlone() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .manage())
        let answered = try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: .manage())
        try call.ack()
        let bye = try call.bye(run: .manage())
        #expect([invite, answered, bye].map(\.returnCodes) == [[1], [1], [1]])
        #expect(letters(stage, call) == ["U", "L", "D"])
    }

    @Test func lateOfferIsOfferedInThe200AndAnsweredInTheACK() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: nil, run: .manage())
        let offered = try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: .manage())
        let ack = try call.ack(sdp: SDPText.audio(port: 7000), run: .manage())
        #expect([invite, offered, ack].map(\.returnCodes) == [[-1], [1], [1]])
        #expect(
            stage.relay.texts(of: call.id) == [
                "Uc0,8,101 \(call.id) 127.0.0.1 6000 \(call.toTag);1 \(call.fromTag);1",
                "Lc0,8,101 \(call.id) 127.0.0.1 7000 \(call.toTag);1 \(call.fromTag);1",
            ])
    }

    @Test func lateOfferIsRecognisedWithTmLoadedBehindTheModule() throws {
        let relay = try ScriptedRelay()
        let behind = { (configuration: inout KamailioConfiguration) in
            configuration.modules.removeAll { ["tm", "tmx"].contains($0) }
            configuration.modulesBehind += ["tm", "tmx"]
        }
        try Stage.own([relay], behind) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(sdp: nil, run: .manage())
            let offered = try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: .manage())
            #expect(offered.returnCodes == [1])
            #expect(relay.texts(of: call.id).map { $0.prefix(1) } == ["U"])
        }
    }

    @Test(arguments: ["INVITE", "UPDATE", "PRACK"])
    func requestsWithADescriptionAreOffers(method: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let got = try call.deliver(call.request(method, sdp: SDPText.audio(), run: .manage(), inDialog: true))
        #expect(got.returnCodes == [1])
        #expect(letters(stage, call) == ["U"])
    }

    @Test(arguments: ["INVITE", "UPDATE", "PRACK", "ACK"])
    func requestsWithoutADescriptionFail(method: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let got = try call.deliver(call.request(method, run: .manage(), inDialog: true))
        #expect(got.returnCodes == [-1])
        #expect(letters(stage, call).isEmpty)
    }

    @Test(arguments: ["OPTIONS", "INFO", "MESSAGE", "REFER"])
    func otherMethodsFail(method: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let got = try call.deliver(call.request(method, sdp: SDPText.audio(), run: .manage()))
        #expect(got.returnCodes == [-1])
        #expect(letters(stage, call).isEmpty)
    }

    @Test(arguments: [300, 404, 486, 603])
    func refusalOfAnInviteDeletes(status: Int) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .manage())
        call.send(call.response(status, to: invite, run: .manage()), from: .callee)
        #expect(stage.kamailio.ran(call.id, count: 2) == ["manage 1", "manage 1"])
        #expect(letters(stage, call) == ["U", "D"])
    }

    @Test(arguments: ["UPDATE", "PRACK"])
    func refusalOfAnUpdateLeavesTheCallAlone(method: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let got = try call.deliver(call.request(method, sdp: SDPText.audio(), run: .manage()))
        let refused = try call.reply(488, to: got, run: .manage())
        #expect(refused.returnCodes == [-1])
        #expect(letters(stage, call) == ["U"])
    }

    @Test(arguments: ["UPDATE", "PRACK"])
    func replyToAnUpdateIsAnAnswer(method: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let got = try call.deliver(call.request(method, sdp: SDPText.audio(), run: .manage()))
        let answered = try call.reply(to: got, sdp: SDPText.audio(), run: .manage())
        #expect(answered.returnCodes == [1])
        #expect(letters(stage, call) == ["U", "L"])
    }

    @Test(arguments: ["BYE", "CANCEL"])
    func endOfTheCallDeletes(method: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let request = call.request("INVITE", sdp: SDPText.audio(), run: .manage())
        try call.deliver(request)
        var last = call.request(method, run: .manage())
        if method == "CANCEL" { last["Via"] = request["Via"] }
        call.send(last)
        #expect(stage.kamailio.ran(call.id, count: 2) == ["manage 1", "manage 1"])
        #expect(letters(stage, call) == ["U", "D"])
    }

    @Test func replyToAByeDeletes() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let bye = try call.deliver(call.request("BYE"))
        let answered = try call.reply(to: bye, run: .manage())
        #expect(answered.returnCodes == [1])
        #expect(letters(stage, call) == ["D"])
    }

    @Test func failureRouteDeletes() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .manage().and(Run("manage", route: "Failure")))
        try call.reply(486, to: invite)
        #expect(stage.kamailio.ran(call.id, count: 2) == ["manage 1", "manage 1"])
        #expect(letters(stage, call) == ["U", "D"])
    }

    @Test func branchRouteOffers() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: Run("manage", route: "Branch"))
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.last == "a=nortpproxy:yes")
        #expect(letters(stage, call) == ["U"])
    }

    @Test func branchFailureRouteDoesNothing() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .manage().and(Run("manage", route: "BranchFailure")))
        try call.reply(486, to: invite)
        #expect(stage.kamailio.ran(call.id, count: 2) == ["manage 1", "manage 1"])
        #expect(letters(stage, call) == ["U"])
    }

    @Test func replyWithoutADescriptionFails() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .manage())
        let ringing = try call.reply(180, to: invite, run: .manage())
        #expect(ringing.returnCodes == [-1])
        #expect(letters(stage, call) == ["U"])
    }

    @Test func flagsAndAddressGoToWhatItBecomes() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .manage("rwie", ip: "203.0.113.5"))
        let bye = try call.bye(run: .manage("rwie", ip: "203.0.113.5"))
        #expect(invite.lines.contains("c=IN IP4 203.0.113.5"))
        #expect(bye.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id) == [
                "USIEc0,8,101 \(call.id) 192.0.2.10 5004 \(call.fromTag);1",
                "D \(call.id) \(call.fromTag) \(call.toTag)",
            ])
    }

    @Test func withoutTMAReplyIsAlwaysAnAnswer() throws {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.modules = ["kex", "sl", "pv", "textops", "siputils", "xlog", "ctl"]
            configuration.routes = """
                request_route { forward(); }
                reply_route { rtpproxy_manage(); append_hf("X-RC: $rc\\r\\n"); }
                """
        }
        try Stage.own([relay], change) { kamailio in
            let call = try kamailio.call()
            relay.on(call: call.id) { $0.verb == "L" ? .reply("40000 192.0.2.77") : nil }
            let invite = try call.invite(sdp: nil)
            let answered = try call.reply(to: invite, sdp: SDPText.audio())
            #expect(answered.returnCodes == [1])
            #expect(relay.commands(of: call.id).map(\.verb) == ["L"])
        }
    }

    /// Replies: method, whether the request had a description, status, whether the reply has one, what is sent for the
    /// reply, and the return code.
    @Test(arguments: [
        ("INVITE", true, 180, false, "", -1), ("INVITE", true, 183, true, "L", 1), ("INVITE", true, 200, true, "L", 1),
        ("INVITE", true, 200, false, "", -1), ("INVITE", true, 488, true, "D", 1), ("INVITE", false, 183, true, "U", 1),
        ("INVITE", false, 200, true, "U", 1), ("INVITE", false, 486, false, "D", 1),
        ("UPDATE", true, 200, true, "L", 1),
        ("UPDATE", true, 200, false, "", -1), ("UPDATE", true, 488, true, "", -1), ("PRACK", true, 200, true, "L", 1),
        ("PRACK", false, 200, false, "", -1), ("PRACK", true, 500, true, "", -1), ("INFO", true, 200, true, "", -1),
        ("OPTIONS", false, 200, true, "", -1), ("MESSAGE", false, 404, false, "", -1),
        ("BYE", false, 200, false, "D", 1),
        ("BYE", false, 200, true, "D", 1), ("BYE", false, 481, false, "D", 1),
    ])
    func whatAReplyBecomes(
        method: String, isOffer: Bool, status: Int, hasSDP: Bool, sent: String, code: Int
    ) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        // A re-INVITE has rows of its own, see ReInviteTests.
        let request = call.request(
            method, sdp: isOffer ? SDPText.audio() : nil, run: .manage(), inDialog: method != "INVITE")
        let got = try call.deliver(request)
        let before = letters(stage, call)
        let sdp = hasSDP ? SDPText.audio(port: 6000) : nil
        call.send(call.response(status, to: got, sdp: sdp, run: .manage()), from: .callee)
        #expect(stage.kamailio.ran(call.id, count: 2).last == "manage \(code)")
        #expect(letters(stage, call) == before + sent.map(String.init))
    }

    @Test(arguments: ["INVITE", "UPDATE", "OPTIONS", "INFO"], [true, false])
    func failureRouteDeletesWhateverTheMessageIs(method: String, hasSDP: Bool) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        // What is refused within a dialog leaves the call as it is, see ReInviteTests.
        let request = call.request(
            method, sdp: hasSDP ? SDPText.audio() : nil, run: Run("manage", route: "Failure"), inDialog: false)
        let got = try call.deliver(request)
        call.send(call.response(488, to: got), from: .callee)
        #expect(stage.kamailio.ran(call.id) == ["manage 1"])
        #expect(waitUntil(3) { stage.relay.texts(of: call.id) == ["D \(call.id) \(call.fromTag)"] })
    }

    @Test(arguments: ["INVITE", "BYE"], [true, false])
    func branchFailureRouteDoesNothingWhateverTheMessageIs(method: String, hasSDP: Bool) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let request = call.request(
            method, sdp: hasSDP ? SDPText.audio() : nil, run: Run("manage", route: "BranchFailure"), inDialog: true)
        let got = try call.deliver(request)
        call.send(call.response(486, to: got), from: .callee)
        #expect(stage.kamailio.ran(call.id) == ["manage 1"])
        #expect(letters(stage, call).isEmpty)
    }
}
