// SPDX-License-Identifier: GPL-2.0-or-later
// IPv4 and IPv6: on the SIP side, in the description, on the wire, and in what is written back.

import TestSupport
import Testing

@Suite struct FamilyTests {
    @Test func messageOverIPv6SendsItsAddressWithThe6() throws {
        let stage = try Stage.shared()
        let call = try stage.call(.ipv6)
        stage.relay.on(call: call.id) { $0.verb == "U" ? .reply("40000 2001:db8::77 6") : nil }
        let invite = try call.invite(sdp: SDPText.audio("2001:db8::10", port: 4000), run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.contains("c=IN IP6 2001:db8::77"))
        let command = try #require(stage.relay.commands(of: call.id).first)
        #expect(command.words[0] == "U6c0,8,101")
        #expect(["::1", "0:0:0:0:0:0:0:1"].contains(command.words[2]))
    }

    /// The source is no hint where signalling and media are of two families.
    @Test func aStreamOfAnotherFamilyThanTheMessageSendsItsOwnAddress() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: SDPText.audio("2001:db8::10", port: 4000), run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id) == ["U6c0,8,101 \(call.id) 2001:db8::10 4000 \(call.fromTag);1"])
        #expect(invite.lines.contains("c=IN IP4 192.0.2.77"))
        let answered = try call.reply(to: invite, sdp: SDPText.audio("2001:db8::20", port: 6000), run: .answer())
        #expect(answered.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id, "L") == [
                "L6c0,8,101 \(call.id) 2001:db8::20 6000 \(call.fromTag);1 \(call.toTag);1"
            ])
    }

    /// A phone of two families: SIP over IPv6, media over IPv4, and a relay that has IPv4 alone.
    @Test func signallingOverIPv6AndMediaOverIPv4GoThroughTheRealRelay() throws {
        let relay = try RealRelay()
        defer { relay.stop() }
        try Kamailio.with(Stage.configuration { $0.set("rtpproxy_sock", relay.url) }) { kamailio in
            kamailio.waitUntilUp()
            let call = try kamailio.call(.ipv6)
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1] && invite.lines.contains("c=IN IP4 127.0.0.1"))
            let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(answered.returnCodes == [1] && answered.lines.contains("c=IN IP4 127.0.0.1"))
            let hold = try call.invite(sdp: SDPText.audio("0.0.0.0"), run: .offer(), inDialog: true)
            #expect(hold.returnCodes == [1] && hold.lines.contains("c=IN IP4 0.0.0.0"))
        }
    }

    @Test(arguments: Continuation.allCases)
    func theSameWithoutWaiting(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            let call = try kamailio.call(.ipv6)
            let invite = try call.invite(run: .offer())
            let answered = try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: .answer())
            #expect(invite.returnCodes == [1] && answered.returnCodes == [1])
            #expect(relay.commands(of: call.id).map { $0.words[2] } == ["192.0.2.10", "192.0.2.10"])
            #expect(relay.commands(of: call.id).allSatisfy { !$0.modifiers.hasPrefix("6") })
            try call.ack()
        }
    }

    @Test func trustedIPv6AddressIsSentWithThe6() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: SDPText.audio("2001:db8::10", port: 4000), run: .offer("r"))
        #expect(invite.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id) == ["U6c0,8,101 \(call.id) 2001:db8::10 4000 \(call.fromTag);1"])
    }

    @Test func mixedStreamsHaveTheirOwnFamilies() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let streams = [
            SDPText.media("audio", 4000, address: "192.0.2.11"), SDPText.media("audio", 4002, address: "2001:db8::11"),
        ]
        let invite = try call.invite(sdp: SDPText.session(streams: streams), run: .offer("r"))
        #expect(invite.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id).sorted() == [
                "U6c0,8,101 \(call.id) 2001:db8::11 4002 \(call.fromTag);2",
                "Uc0,8,101 \(call.id) 192.0.2.11 4000 \(call.fromTag);1",
            ])
    }

    @Test func addressParameterBringsItsFamily() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer("o", ip: "2001:db8::99"))
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.contains("c=IN IP6 2001:db8::99"))
        #expect(invite.lines.contains("o=- 1 1 IN IP6 2001:db8::99"))
    }

    @Test func familyOfTheReplysAddressIsItsOwnEvenWithoutTheWord6() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "U" ? .reply("40000 2001:db8::77") : nil }
        let invite = try call.invite(run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.contains("c=IN IP6 2001:db8::77"))
    }

    @Test func flagXFollowsTheDescriptionsFamily() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: SDPText.audio("2001:db8::10", port: 4000), run: .offer("xr"))
        #expect(invite.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id) == ["UEI6c0,8,101 \(call.id) 2001:db8::10 4000 \(call.fromTag);1"])
    }

    @Test func callFromIPv4ToIPv6() throws {
        let stage = try Stage.shared()
        let call = try stage.call(.ipv4, calleeFamily: .ipv6)
        stage.relay.on(call: call.id) { command in
            switch command.verb {
            case "U": .reply("40000 2001:db8::77 6")
            case "L": .reply("40002 192.0.2.77")
            default: nil
            }
        }
        let invite = try call.invite(run: .offer("x"))
        let answered = try call.reply(to: invite, sdp: SDPText.audio("2001:db8::20", port: 6000), run: .answer("x"))
        #expect(invite.lines.contains("c=IN IP6 2001:db8::77"))
        #expect(answered.lines.contains("c=IN IP4 192.0.2.77"))
        let commands = stage.relay.commands(of: call.id)
        #expect(commands.map { $0.words[0] } == ["UIEc0,8,101", "LEI6c0,8,101"])
    }
}
