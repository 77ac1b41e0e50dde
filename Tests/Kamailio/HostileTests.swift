// SPDX-License-Identifier: GPL-2.0-or-later
// What stands in a message must never become a further argument or command.

import TestSupport
import Testing

@Suite struct HostileTests {
    /// No relay of the shared stage saw anything with this text in it.
    private func expectNothingSent(_ text: String) throws {
        let stage = try Stage.shared()
        for relay in stage.relays.values { #expect(!relay.log.contains { $0.text.contains(text) }) }
    }

    @Test(arguments: [" x", "\tx", " && D * x", "\u{1}", "\u{7F}"])
    func callIDWithABlankOrAControlByteFails(insertion: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let unique = call.id
        call.id += "\(insertion)end"
        let invite = try call.invite(run: .offer())
        #expect(invite.returnCodes == [-1])
        #expect(invite.text == SDPText.audio())
        try expectNothingSent(unique)
        #expect(stage.kamailio.waitForLog(" rtpproxy [", unique, "Call-ID") != nil)
    }

    @Test(arguments: ["offer", "destroy", "stream2uac", "stop2uac", "record", "stat"])
    func everyFunctionChecksTheCallID(function: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let unique = call.id
        call.id += " x"
        let got = try call.invite(run: Run(function, prompt: "/p"))
        #expect(got.returnCodes == [function == "stat" ? 1 : -1])
        try expectNothingSent(unique)
    }

    @Test(arguments: ["\"a b\"", "\"a\tb\"", "a\u{1}b", "a\u{7F}b"])
    func tagsWithABlankOrAControlByteFail(tag: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        call.fromTag = tag
        var request = call.request("INVITE", sdp: SDPText.audio(), run: .offer())
        call.send(request)
        // Kamailio itself may refuse such a header; where it does not, the function must.
        let got = call.callee.receive(700) { $0.method == "INVITE" && $0.callID == call.id }
        if let got { #expect(got.returnCodes == [-1]) }
        #expect(stage.relay.texts(of: call.id).isEmpty)
        call.fromTag = "plain"
        call.toTag = tag
        request = call.request("INVITE", sdp: SDPText.audio(), run: .offer(), inDialog: true)
        call.send(request)
        let second = call.callee.receive(700) { $0.method == "INVITE" && $0.callID == call.id }
        if let second { #expect(second.returnCodes == [-1]) }
        #expect(stage.relay.texts(of: call.id).isEmpty)
    }

    @Test(arguments: ["a b", "a\tb", "a\u{7F}"])
    func extraVariableWithABlankFails(extra: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: Run("offer", "b", extra: extra))
        #expect(invite.returnCodes == [-1])
        #expect(stage.relay.texts(of: call.id).isEmpty)
    }

    @Test(arguments: ["192.0.2.1 6", "1.2.3.4\tx"])
    func addressOfTheDescriptionWithMoreBehindItFails(address: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let sdp = SDPText.audio().replacingOccurrences(of: "c=IN IP4 192.0.2.10", with: "c=IN IP4 \(address)")
        let invite = try call.invite(sdp: sdp, run: .offer("r"))
        if invite.returnCodes == [1] {
            #expect(stage.relay.commands(of: call.id).allSatisfy { $0.words.count == 5 })
        } else {
            #expect(stage.relay.texts(of: call.id).isEmpty)
        }
    }

    @Test(arguments: ["/p x", "/p\tx"])
    func promptWithABlankFails(prompt: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        try call.invite(run: .offer())
        let got = try call.invite(run: Run("stream2uac", prompt: prompt), inDialog: true)
        #expect(got.returnCodes == [-1])
        #expect(stage.relay.texts(of: call.id, "P").isEmpty)
    }

    @Test(arguments: [
        "0", "65536", "99999999999", "-5", "x", "", "40000x", "40000 not/an/address", "40000 1.2.3.4\rv=0",
    ])
    func repliesThatAreNoPortFailAndChangeNothing(reply: String) throws {
        let relay = try ScriptedRelay()
        relay.on { $0.verb == "U" ? .reply(reply) : nil }
        try Stage.own([relay]) {
            $0.set("rtpproxy_tout", 1); $0.set("rtpproxy_retr", 1)
        } _: { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes.allSatisfy { $0 < 0 } && invite.returnCodes.count == 1)
            #expect(invite.text == SDPText.audio())
        }
    }

    @Test func bytesOfEveryKindInABodyLeaveKamailioAlive() throws {
        let stage = try Stage.shared()
        var random = SystemRandomNumberGenerator()
        let template = Array(
            SDPText.session(streams: [SDPText.media("audio", 4000), SDPText.media("video", 4002)]).utf8)
        for _ in 0..<60 {
            let call = try stage.call()
            var request = call.request("INVITE", sdp: "x", run: .offer("rco"))
            request.body = template
            for _ in 0..<4 { request.body[Int.random(in: 0..<template.count, using: &random)] = .random(in: 0...255) }
            request.body.removeLast(Int.random(in: 0..<40, using: &random))
            let got = try call.deliver(request)
            #expect(got.returnCodes == [1] || got.body == request.body)
        }
        #expect(stage.kamailio.process.isRunning)
        #expect(stage.kamailio.diedBySignal.isEmpty)
    }
}
