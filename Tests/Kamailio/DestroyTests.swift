// SPDX-License-Identifier: GPL-2.0-or-later
// rtpproxy_destroy and unforce_rtp_proxy in a real Kamailio.

import TestSupport
import Testing

@Suite struct DestroyTests {
    @Test(arguments: ["destroy", "unforce"])
    func deletionNamesBothTags(function: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        try call.invite(run: .offer())
        let bye = try call.deliver(call.request("BYE", run: Run(function)))
        #expect(bye.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id, "D") == ["D \(call.id) \(call.fromTag) \(call.toTag)"])
    }

    @Test func deletionBeforeAnAnswerNamesTheFromTagAlone() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .destroy())
        #expect(invite.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id) == ["D \(call.id) \(call.fromTag)"])
    }

    @Test func nothingToDeleteIsSuccess() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let bye = try call.deliver(call.request("BYE", run: .destroy()))
        #expect(bye.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id) == ["D \(call.id) \(call.fromTag) \(call.toTag)"])
    }

    @Test func tagsAreNeverSwapped() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer())
        let refused = try call.reply(486, to: invite, run: .destroy())
        #expect(refused.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id, "D") == ["D \(call.id) \(call.fromTag) \(call.toTag)"])
    }

    @Test func byeOfTheCalleeHasItsTagFirst() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let bye = try call.deliver(call.request("BYE", from: .callee, run: .destroy()), from: .callee)
        #expect(bye.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id, "D") == ["D \(call.id) \(call.toTag) \(call.fromTag)"])
    }

    @Test func flagTLeavesTheToTagOut() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let bye = try call.deliver(call.request("BYE", run: .destroy("t")))
        #expect(bye.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id, "D") == ["D \(call.id) \(call.fromTag)"])
    }

    @Test func flag1AppendsTheBranch() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let request = call.request("BYE", run: .destroy("1"))
        let bye = try call.deliver(request)
        #expect(bye.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id, "D") == [
                "D \(call.id);\(request.viaBranches[0]) \(call.fromTag) \(call.toTag)"
            ])
    }

    @Test(arguments: ["a", "l", "i", "e", "x", "f", "r", "c", "o", "w", "z20", "z", "ROIE", "z20w"])
    func flagsThatMeanNothingHereAreIgnored(flags: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let bye = try call.deliver(call.request("BYE", run: .destroy(flags)))
        #expect(bye.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id) == ["D \(call.id) \(call.fromTag) \(call.toTag)"])
    }

    @Test(arguments: ["k", "r?", "5", "r e"])
    func unknownFlagsFailAndSendNothing(flags: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let bye = try call.deliver(call.request("BYE", run: .destroy(flags)))
        #expect(bye.returnCodes == [-1])
        #expect(stage.relay.texts(of: call.id).isEmpty)
    }

    @Test func deletionFailsWhereNobodyAnswers() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let bye = try call.deliver(call.request("BYE", run: .destroy(set: 66)))
        #expect(bye.returnCodes == [-1])
    }
}
