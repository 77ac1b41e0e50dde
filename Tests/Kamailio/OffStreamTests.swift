// SPDX-License-Identifier: GPL-2.0-or-later
// Streams that are off in a real Kamailio: they cost nothing, fail nothing, and are deleted where a re-offer turns them
// off.

import TestSupport
import Testing

@Suite struct OffStreamTests {
    /// A relay of one stream a call.
    private static let few: Set<String> = ["20040107", "20050322", "20060704"]
    private static let both = SDPText.session(streams: [SDPText.media("audio", 5004), SDPText.media("video", 5006)])
    private static let videoOff = SDPText.session(streams: [SDPText.media("audio", 5004), SDPText.media("video", 0)])

    @Test func anAnswerThatRefusesTheVideoIsRewrittenWithoutAskingForIt() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "L" && $0.stream == 2 ? .reply("0") : nil }
        let invite = try call.invite(sdp: Self.both, run: .offer())
        let answered = try call.reply(to: invite, sdp: Self.videoOff, run: .answer())
        #expect(answered.returnCodes == [1])
        #expect(answered.lines.contains("c=IN IP4 192.0.2.77"))
        #expect(answered.lines.contains { $0.hasPrefix("m=video 0 ") })
        #expect(stage.relay.commands(of: call.id, "L").map(\.stream) == [1])
    }

    @Test func aStreamThatIsOffNeedsNoAddressAndNoPort() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.stream == 1 ? .reply("E71") : nil }
        let lines = [
            "v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", "t=0 0", "m=video 0 RTP/AVP 31", "m=audio 5004 RTP/AVP 0",
            "c=IN IP4 192.0.2.10",
        ]
        let invite = try call.invite(sdp: SDPText.text(lines), run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.contains("c=IN IP4 192.0.2.77") && invite.lines.contains("m=video 0 RTP/AVP 31"))
        #expect(stage.relay.commands(of: call.id).map(\.stream) == [2])
    }

    @Test func aMessageWithNothingOnIsDoneWithoutARelay() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let off = SDPText.session(streams: [SDPText.media("audio", 0)])
        let invite = try call.invite(sdp: off, run: .offer(set: 66))
        #expect(invite.returnCodes == [1])
        #expect(invite.text == off + "a=nortpproxy:yes\r\n")
    }

    /// The route that was named runs, whatever there is to ask.
    @Test(arguments: Continuation.allCases)
    func aTransactionGoesOnInItsRouteWithNothingOn(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            let call = try kamailio.call()
            let off = SDPText.session(streams: [SDPText.media("audio", 0)])
            let invite = try call.invite(sdp: off, run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite.lines.last == "a=nortpproxy:yes")
            let answered = try call.reply(to: invite, sdp: off, run: .answer())
            #expect(answered.returnCodes == [1] && answered.lines.last == "a=nortpproxy:yes")
            #expect(relay.commands(of: call.id).isEmpty)
            try call.ack()
        }
    }

    @Test func aReofferDeletesWhatItTurnsOffAtTheRealRelay() throws {
        let relay = try RealRelay()
        defer { relay.stop() }
        try Kamailio.with(Stage.configuration { $0.set("rtpproxy_sock", relay.url) }) { kamailio in
            kamailio.waitUntilUp()
            let call = try kamailio.call()
            let invite = try call.invite(sdp: Self.both, run: .offer())
            _ = try call.reply(to: invite, sdp: Self.both, run: .answer())
            try call.ack()
            func knows(_ stream: Int) throws -> Bool {
                try relay.command("Q \(call.id) \(call.fromTag);\(stream) \(call.toTag);\(stream)") != "E50"
            }
            #expect(try knows(1) && knows(2))
            // By either side.
            let again = try call.invite(sdp: Self.videoOff, run: .offer(), from: .callee, inDialog: true)
            #expect(again.returnCodes == [1])
            #expect(try knows(1) && !knows(2))
            // It is off already: nothing fails, nothing is logged.
            let third = try call.invite(sdp: Self.videoOff, run: .offer(), inDialog: true)
            #expect(third.returnCodes == [1])
            #expect(try knows(1))
            #expect(kamailio.logLines("call \(call.id)").isEmpty)
        }
    }

    /// No relay is asked for a port then, and the deletions are not waited for.
    @Test(arguments: [true, false])
    func aReofferThatTurnsEverythingOffDeletesEachStream(_ servesSeveral: Bool) throws {
        let relay = try ScriptedRelay(.udp, capabilities: servesSeveral ? ScriptedRelay.allCapabilities : Self.few)
        try Stage.own([relay]) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(sdp: Self.both, run: .offer())
            _ = try call.reply(to: invite, sdp: Self.both, run: .answer())
            let off = SDPText.session(streams: [SDPText.media("audio", 0), SDPText.media("video", 0)])
            let again = try call.invite(sdp: off, run: .offer(), inDialog: true)
            #expect(again.returnCodes == [1])
            #expect(again.lines.filter { $0.hasPrefix("m=") }.allSatisfy { $0.contains(" 0 RTP/AVP") })
            let streams = servesSeveral ? ["1", "2"] : []
            let deleted = streams.map { "D \(call.id) \(call.fromTag);\($0) \(call.toTag);\($0)" }
            #expect(waitUntil(3) { relay.texts(of: call.id, "D").count == deleted.count })
            // What ends the call comes behind anything that was not waited for.
            #expect(try call.bye(run: .destroy()).returnCodes == [1])
            #expect(
                relay.texts(of: call.id, "D").sorted()
                    == (deleted + ["D \(call.id) \(call.fromTag) \(call.toTag)"]).sorted())
        }
    }

    @Test(arguments: [true, false])
    func aRelayOfOneStreamACallIsNotAskedToDeleteOne(_ servesSeveral: Bool) throws {
        let relay = try ScriptedRelay(.udp, capabilities: servesSeveral ? Self.few.union(["20071116"]) : Self.few)
        try Stage.own([relay]) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            _ = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(try call.invite(sdp: Self.videoOff, run: .offer(), inDialog: true).returnCodes == [1])
            let deleted = servesSeveral ? ["D \(call.id) \(call.fromTag);2 \(call.toTag);2"] : []
            #expect(relay.texts(of: call.id, "D") == deleted)
        }
    }

    @Test func moreStreamsThanTheParameterAllowsAreRefused() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let many = SDPText.session(streams: (0..<33).map { SDPText.media("audio", 5000 + 2 * $0) })
        let invite = try call.invite(sdp: many, run: .offer())
        #expect(invite.returnCodes == [-1] && invite.text == many)
        #expect(stage.relay.commands(of: call.id).isEmpty)
        #expect(stage.kamailio.waitForLog("call \(call.id)", "too many media streams", "rtpproxy_max_streams") != nil)
        let most = SDPText.session(streams: (0..<32).map { SDPText.media("audio", 5000 + 2 * $0) })
        #expect(try stage.call().invite(sdp: most, run: .offer()).returnCodes == [1])
    }
}
