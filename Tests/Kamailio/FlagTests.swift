// SPDX-License-Identifier: GPL-2.0-or-later
// Each flag of offer and answer, on the wire and in the body.

import Foundation
import TestSupport
import Testing

@Suite struct FlagTests {
    /// Offers with these flags; returns the call, what the callee got and the commands.
    private func offer(
        _ flags: String, sdp: String = SDPText.audio(), inDialog: Bool = false, extra: String? = nil
    ) throws -> (call: Call, invite: SIPMessage, commands: [String]) {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: sdp, run: Run("offer", flags, extra: extra), inDialog: inDialog)
        return (call, invite, stage.relay.texts(of: call.id))
    }

    /// Flags without an argument, the modifiers they become, and the address that is sent.
    @Test(arguments: [
        ("", "U", "127.0.0.1"), ("r", "U", "192.0.2.10"), ("R", "U", "192.0.2.10"), ("a", "UA", "192.0.2.10"),
        ("ie", "UIE", "127.0.0.1"), ("ei", "UEI", "127.0.0.1"), ("ii", "UII", "127.0.0.1"), ("ee", "UEE", "127.0.0.1"),
        ("w", "US", "127.0.0.1"), ("iwe", "UISE", "127.0.0.1"), ("x", "UIE", "127.0.0.1"), ("xw", "USIE", "127.0.0.1"),
        ("z20", "UZ20", "127.0.0.1"), ("z100ie", "UIEZ100", "127.0.0.1"), ("f", "U", "127.0.0.1"),
        ("t", "U", "127.0.0.1"), ("rco", "U", "192.0.2.10"),
    ])
    func flagsBecomeModifiers(flags: String, letters: String, address: String) throws {
        let (call, invite, commands) = try offer(flags)
        #expect(invite.returnCodes == [1])
        #expect(commands == ["\(letters)c0,8,101 \(call.id) \(address) 5004 \(call.fromTag);1"])
    }

    @Test(arguments: ["k", "5", "r k", "z", "rz", "B", "-", "r,o"])
    func unknownFlagsFailAndSendNothing(flags: String) throws {
        let (_, invite, commands) = try offer(flags)
        #expect(invite.returnCodes == [-1])
        #expect(commands.isEmpty)
        #expect(invite.text == SDPText.audio())
    }

    @Test func flag1AppendsTheBranchOfTheFirstVia() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let request = call.request("INVITE", sdp: SDPText.audio(), run: .offer("1"))
        let invite = try call.deliver(request)
        #expect(invite.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id) == [
                "Uc0,8,101 \(call.id);\(request.viaBranches[0]) 127.0.0.1 5004 \(call.fromTag);1"
            ])
    }

    @Test func flag2NeedsASecondVia() throws {
        let (_, invite, commands) = try offer("2")
        #expect(invite.returnCodes == [-1])
        #expect(commands.isEmpty)
    }

    @Test(arguments: ["2", "3"])
    func offerAndAnswerMeetUnderTheBranchOfTheCallersVia(answerFlag: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let request = call.request("INVITE", sdp: SDPText.audio(), run: .offer(answerFlag == "3" ? "3" : "1"))
        let invite = try call.deliver(request)
        let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer(answerFlag))
        #expect(invite.returnCodes == [1])
        #expect(answered.returnCodes == [1])
        #expect(Set(stage.relay.commands(of: call.id).map(\.callID)) == ["\(call.id);\(request.viaBranches[0])"])
    }

    @Test func viaWithoutABranchFails() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        var request = call.request("INVITE", sdp: SDPText.audio(), run: .offer("1"))
        request["Via"] = "SIP/2.0/UDP \(call.caller.endpoint);rport"
        let invite = try call.deliver(request)
        #expect(invite.returnCodes == [-1])
        #expect(stage.relay.texts(of: call.id).isEmpty)
    }

    @Test func flagBAppendsTheExtraVariable() throws {
        let (call, invite, commands) = try offer("b", extra: "leg-7")
        #expect(invite.returnCodes == [1])
        #expect(commands == ["Uc0,8,101 \(call.id);leg-7 127.0.0.1 5004 \(call.fromTag);1"])
    }

    @Test func flagBWithAnUnsetVariableAppendsNull() throws {
        let (call, invite, commands) = try offer("b")
        #expect(invite.returnCodes == [1])
        #expect(commands == ["Uc0,8,101 \(call.id);<null> 127.0.0.1 5004 \(call.fromTag);1"])
    }

    @Test(arguments: ["b1", "1b"])
    func branchWinsOverTheExtraVariable(flags: String) throws {
        let (_, invite, commands) = try offer(flags, extra: "leg-7")
        #expect(invite.returnCodes == [1])
        #expect(commands.count == 1)
        #expect(commands.allSatisfy { $0.contains(";z9hG4bK") && !$0.contains("leg-7") })
    }

    @Test func flagLLooksUpWithSwappedTags() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "L" ? .reply("40000 192.0.2.77") : nil }
        let invite = try call.invite(run: .offer("l"), inDialog: true)
        #expect(invite.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id) == [
                "Lc0,8,101 \(call.id) 127.0.0.1 5004 \(call.toTag);1 \(call.fromTag);1"
            ])
    }

    @Test func flagLNeedsAToTag() throws {
        let (_, invite, commands) = try offer("l")
        #expect(invite.returnCodes == [-1])
        #expect(commands.isEmpty)
    }

    @Test func lookupOfAnUnknownSessionFailsQuietly() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer("l"), inDialog: true)
        #expect(invite.returnCodes == [-1])
        #expect(invite.text == SDPText.audio())
    }

    @Test func flagFTakesAMarkedBodyAndAddsNoSecondMarker() throws {
        let (_, invite, commands) = try offer("f", sdp: SDPText.audio(extra: ["a=nortpproxy:yes"]))
        #expect(invite.returnCodes == [1])
        #expect(commands.count == 1)
        #expect(invite.lines.filter { $0 == "a=nortpproxy:yes" }.count == 1)
    }

    @Test func originIsLeftAloneWithoutFlagO() throws {
        let (_, invite, _) = try offer("")
        #expect(invite.lines.contains("o=- 1 1 IN IP4 192.0.2.10"))
    }

    @Test func flagOChangesTheOrigin() throws {
        let (_, invite, _) = try offer("o")
        #expect(invite.lines.contains("o=- 1 1 IN IP4 192.0.2.77"))
    }

    @Test(arguments: [("", "c=IN IP4 192.0.2.10"), ("c", "c=IN IP4 192.0.2.77")])
    func sessionConnectionIsChangedWithFlagCWhereStreamsHaveTheirOwn(flags: String, session: String) throws {
        let sdp = SDPText.session(streams: [SDPText.media("audio", 4000, address: "192.0.2.11")])
        let (_, invite, _) = try offer(flags, sdp: sdp)
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.filter { $0.hasPrefix("c=") } == [session, "c=IN IP4 192.0.2.77"])
    }

    @Test func flagRTakesTheStreamsOwnAddress() throws {
        let streams = [SDPText.media("audio", 4000, address: "192.0.2.11"), SDPText.media("video", 4002)]
        let (_, invite, commands) = try offer("r", sdp: SDPText.session(streams: streams))
        #expect(invite.returnCodes == [1])
        #expect(
            Set(commands.compactMap { $0.split(separator: " ").dropFirst(2).first }) == ["192.0.2.11", "192.0.2.10"])
    }

    @Test func flagRSendsANameAsItIs() throws {
        let sdp = SDPText.audio().replacingOccurrences(of: "c=IN IP4 192.0.2.10", with: "c=IN IP4 media.example.org")
        let (call, invite, commands) = try offer("r", sdp: sdp)
        #expect(invite.returnCodes == [1])
        #expect(commands == ["Uc0,8,101 \(call.id) media.example.org 5004 \(call.fromTag);1"])
    }

    @Test func repacketizationIsNamedForEveryStream() throws {
        let sdp = SDPText.session(streams: [SDPText.media("audio", 4000), SDPText.media("audio", 4002)])
        let (_, invite, commands) = try offer("z30", sdp: sdp)
        #expect(invite.returnCodes == [1])
        #expect(commands.count == 2)
        #expect(commands.allSatisfy { $0.hasPrefix("UZ30c0,8,101 ") })
    }

    @Test func repacketizationIsLeftOutForARelayThatCannot() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer("z20", set: 20))
        #expect(invite.returnCodes == [1])
        let relay = try #require(stage.relays[20])
        #expect(relay.texts(of: call.id) == ["U \(call.id) 127.0.0.1 5004 \(call.fromTag);1"])
    }

    @Test func flagsOfAnswerAreSentToo() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer("ie"))
        let answered = try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: .answer("rwei"))
        #expect(answered.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id, "L") == [
                "LSEIc0,8,101 \(call.id) 192.0.2.10 6000 \(call.fromTag);1 \(call.toTag);1"
            ])
    }
}
