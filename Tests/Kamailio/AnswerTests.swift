// SPDX-License-Identifier: GPL-2.0-or-later
// rtpproxy_answer in a real Kamailio.

import TestSupport
import Testing

@Suite struct AnswerTests {
    @Test func answerInAReplyLooksUpTheSessionOfTheOffer() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer())
        let answered = try call.reply(to: invite, sdp: SDPText.audio("192.0.2.20", port: 6000), run: .answer())
        #expect(answered.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id, "L") == [
                "Lc0,8,101 \(call.id) 127.0.0.1 6000 \(call.fromTag);1 \(call.toTag);1"
            ])
        #expect(answered.lines.contains("c=IN IP4 192.0.2.77"))
        #expect(answered.lines.last == "a=nortpproxy:yes")
    }

    @Test func answerInAnACKSwapsTheTags() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: nil)
        try call.reply(to: invite, sdp: SDPText.audio(), run: .offer())
        let ack = try call.ack(sdp: SDPText.audio(port: 7000), run: .answer())
        #expect(ack.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id, "L") == [
                "Lc0,8,101 \(call.id) 127.0.0.1 7000 \(call.toTag);1 \(call.fromTag);1"
            ])
    }

    @Test func answerInAnyOtherRequestFails() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .answer(), inDialog: true)
        #expect(invite.returnCodes == [-1])
        #expect(stage.relay.texts(of: call.id).isEmpty)
    }

    @Test func answerWithForcedLookupFails() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer())
        let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer("l"))
        #expect(answered.returnCodes == [-1])
        #expect(stage.relay.texts(of: call.id, "L").isEmpty)
    }

    @Test func answerOfAnUnknownSessionFailsAndLeavesTheBody() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite()
        let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
        #expect(answered.returnCodes == [-1])
        #expect(answered.text == SDPText.audio())
    }

    @Test func answerMarkedByAnotherProxyIsLeftAlone() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer())
        let sdp = SDPText.audio(extra: ["a=nortpproxy:yes"])
        let answered = try call.reply(to: invite, sdp: sdp, run: .answer())
        #expect(answered.returnCodes == [-2])
        #expect(answered.text == sdp)
    }

    @Test func answerInEarlyMediaAndAgainInThe200() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer())
        let early = try call.reply(183, to: invite, sdp: SDPText.audio(port: 6000), run: .answer())
        let final = try call.reply(200, to: invite, sdp: SDPText.audio(port: 6000), run: .answer())
        #expect(early.returnCodes == [1])
        #expect(final.returnCodes == [1])
        #expect(early.text == final.text)
    }
}
