// SPDX-License-Identifier: GPL-2.0-or-later
// $rtpstat and $rtppstat.

import TestSupport
import Testing

@Suite struct StatisticsTests {
    @Test func bothVariablesHoldTheAnswerToQ() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        try call.invite(run: .offer())
        let bye = try call.bye(run: Run("stat").then("destroy"))
        #expect(bye["X-Stat"] == "60 11 22 33 0")
        #expect(bye["X-Stat-2"] == "60 11 22 33 0")
        #expect(
            stage.relay.texts(of: call.id, "Q")
                == [String](
                    repeating: "Q \(call.id) \(call.fromTag);1 \(call.toTag);1", count: 2))
    }

    @Test func withoutAToTagTheFromTagAloneIsNamed() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer().then("stat"))
        #expect(invite.statistics == "60 11 22 33 0")
        #expect(stage.relay.texts(of: call.id, "Q").first == "Q \(call.id) \(call.fromTag);1")
    }

    @Test func inAReplyTheToTagComesFirst() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer())
        let answered = try call.reply(to: invite, run: Run("stat"))
        #expect(answered.statistics == "60 11 22 33 0")
        #expect(stage.relay.texts(of: call.id, "Q").first == "Q \(call.id) \(call.toTag);1 \(call.fromTag);1")
    }

    @Test func errorOrNoRelayIsNull() throws {
        let stage = try Stage.shared()
        let unknown = try stage.call().bye(run: Run("stat"))
        #expect(unknown.statistics == "<null>")
        let nobody = try stage.call().bye(run: Run("stat", set: 66))
        #expect(nobody.statistics == "<null>")
    }
}
