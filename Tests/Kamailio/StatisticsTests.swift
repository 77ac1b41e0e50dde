// SPDX-License-Identifier: GPL-2.0-or-later
// $rtpstat and $rtppstat, prompts, and recording.

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

@Suite struct PromptTests {
    @Test func promptToTheCallerAndItsEnd() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        try call.invite(run: .offer())
        let started = try call.invite(run: Run("stream2uac", prompt: "/prompts/hello"), inDialog: true)
        let stopped = try call.invite(run: Run("stop2uac"), inDialog: true)
        #expect([started, stopped].map(\.returnCodes) == [[1], [1]])
        #expect(
            stage.relay.texts(of: call.id).dropFirst() == [
                "P5 \(call.id) /prompts/hello session \(call.fromTag);1 \(call.toTag);1",
                "S \(call.id) \(call.fromTag);1 \(call.toTag);1",
            ])
    }

    @Test func promptToTheCalleeSwapsTheTags() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        try call.invite(run: .offer())
        let started = try call.invite(run: Run("stream2uas", prompt: "moh"), inDialog: true)
        let stopped = try call.invite(run: Run("stop2uas"), inDialog: true)
        #expect([started, stopped].map(\.returnCodes) == [[1], [1]])
        #expect(
            stage.relay.texts(of: call.id).dropFirst() == [
                "P-1 \(call.id) moh session \(call.toTag);1 \(call.fromTag);1",
                "S \(call.id) \(call.toTag);1 \(call.fromTag);1",
            ])
    }

    @Test func promptToTheCallerNeedsNoToTagButTheOneToTheCalleeDoes() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let caller = try call.invite(run: .offer().and(Run("nothing", prompt: "p")).then("stream2uac"))
        #expect(caller.returnCodes == [1, 1])
        #expect(stage.relay.texts(of: call.id, "P") == ["P5 \(call.id) p session \(call.fromTag);1"])
        let callee = try call.invite(run: Run("stream2uas", prompt: "p"))
        #expect(callee.returnCodes == [-1])
        #expect(try call.invite(run: Run("stop2uas")).returnCodes == [-1])
    }

    @Test(arguments: ["stream2uac", "stream2uas", "stop2uac", "stop2uas"])
    func relayWithoutTheCapabilityIsNotAsked(function: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let got = try call.invite(run: Run(function, set: 20, prompt: "p"), inDialog: true)
        #expect(got.returnCodes == [-1])
        #expect(try #require(stage.relays[20]).texts(of: call.id).isEmpty)
    }

    @Test func errorOfTheRelayFails() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { "PS".contains($0.verb) ? .reply("E60") : nil }
        #expect(try call.invite(run: Run("stream2uac", prompt: "p"), inDialog: true).returnCodes == [-1])
        #expect(try call.invite(run: Run("stop2uac"), inDialog: true).returnCodes == [-1])
    }

    @Test func recordingNamesTheTagsAndInAReplyTheToTagFirst() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer().then("record"))
        let answered = try call.reply(to: invite, run: Run("record"))
        let later = try call.invite(run: Run("record"), inDialog: true)
        #expect(invite.returnCodes == [1, 1])
        #expect([answered, later].map(\.returnCodes) == [[1], [1]])
        #expect(
            stage.relay.texts(of: call.id, "R") == [
                "R \(call.id) \(call.fromTag)", "R \(call.id) \(call.toTag) \(call.fromTag)",
                "R \(call.id) \(call.fromTag) \(call.toTag)",
            ])
    }
}
