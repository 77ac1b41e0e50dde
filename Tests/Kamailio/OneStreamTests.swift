// SPDX-License-Identifier: GPL-2.0-or-later
// Relays of one stream a call, and answers that are none: another node is asked, or the call goes without the rest.

import TestSupport
import Testing

@Suite struct OneStreamTests {
    /// What rtpengine's legacy port announces.
    private static let few: Set<String> = ["20040107", "20050322", "20060704"]

    private static let video = SDPText.session(streams: [SDPText.media("audio", 5004), SDPText.media("video", 5006)])

    private func run(_ relays: [ScriptedRelay], _ body: (Kamailio) throws -> Void) throws {
        try Stage.own(relays) { kamailio in
            try body(kamailio)
        }
    }

    @Test func severalStreamsGoToANodeThatServesThem() throws {
        let (one, several) = (try ScriptedRelay(capabilities: Self.few), try ScriptedRelay())
        try run([one, several]) { kamailio in
            for place in [0, 1] {
                let call = try kamailio.call()
                call.choose(place, of: [1, 1])
                let invite = try call.invite(sdp: Self.video, run: .offer())
                #expect(invite.returnCodes == [1])
                #expect(invite.instance == several.url)
                #expect(several.commands(of: call.id, "U").count == 2)
                #expect(!invite.lines.contains { $0.hasPrefix("m=video 0 ") })
                // With one stream the choice is the usual one.
                let plain = try kamailio.call()
                plain.choose(place, of: [1, 1])
                #expect(try plain.invite(run: .offer()).instance == [one, several][place].url)
            }
        }
    }

    /// Whichever comes first, the audio is relayed, and what a relay of one stream cannot take is refused.
    @Test(arguments: [["audio", "video"], ["video", "audio"], ["audio", "audio", "video"]])
    func whereNobodyServesThemTheFirstAudioIsRelayed(_ kinds: [String]) throws {
        let relay = try ScriptedRelay(capabilities: Self.few)
        try run([relay]) { kamailio in
            let call = try kamailio.call()
            let streams = kinds.enumerated().map { SDPText.media($1, 5004 + 2 * $0) }
            let invite = try call.invite(sdp: SDPText.session(streams: streams), run: .offer())
            #expect(invite.returnCodes == [1])
            let place = try #require(kinds.firstIndex(of: "audio"))
            let offer = "U \(call.id) 127.0.0.1 \(5004 + 2 * place) \(call.fromTag);1"
            #expect(relay.texts(of: call.id) == [offer])
            let ports = invite.lines.filter { $0.hasPrefix("m=") }.map { $0.split(separator: " ")[1] }
            #expect(ports.map { $0 != "0" } == kinds.indices.map { $0 == place })
            #expect(kamailio.logLines("WARNING", call.id, relay.url, "one stream of a call").count == kinds.count - 1)
            let answer = try call.reply(to: invite, sdp: invite.text, run: .answer("f"))
            #expect(answer.returnCodes == [1])
            #expect(relay.commands(of: call.id, "L").map { $0.words[4] } == ["\(call.fromTag);1"])
        }
    }

    /// What was sent comes back, or a null address: the next node is asked, and where there is none the offer fails.
    @Test(arguments: ["5004 127.0.0.1", "40000 0.0.0.0", "40000 0.0.0.0 4"])
    func answersThatAreNoneAreFailures(_ answer: String) throws {
        let (bad, good) = (try ScriptedRelay(), try ScriptedRelay())
        bad.on { $0.verb == "U" ? .reply(answer) : nil }
        try run([bad, good]) { kamailio in
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite.instance == good.url)
            #expect(bad.commands(of: call.id, "U").count == 1)
            #expect(invite.lines.contains("c=IN IP4 192.0.2.77"))
            good.on { $0.verb == "U" ? .reply(answer) : nil }
            let other = try kamailio.call()
            let refused = try other.invite(run: .offer())
            #expect(refused.returnCodes == [-1])
            #expect(refused.lines.contains("c=IN IP4 192.0.2.10"))
            #expect(kamailio.logLines("ERROR", other.id).count == 1)
            #expect(try kamailio.relays().allSatisfy { $0["disabled"] == "0" })
        }
    }

    @Test func answersThatAreNoneFailInAReplyToo() throws {
        let relay = try ScriptedRelay()
        relay.on { $0.verb == "L" ? .reply("5004 127.0.0.1") : nil }
        try run([relay]) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(answered.returnCodes == [-1])
            #expect(kamailio.logLines("ERROR", call.id, relay.url, "address and port that it was sent").count == 1)
        }
    }

    /// rtpengine answers a null address with one: hold, and nothing of it goes into `o=` or the session's `c=`.
    @Test func aNullAddressInAReplyStaysWithItsStream() throws {
        let relay = try ScriptedRelay()
        relay.on { $0.verb == "U" && $0.words[2] == "0.0.0.0" ? .reply("40000 0.0.0.0 4") : nil }
        try run([relay]) { kamailio in
            let call = try kamailio.call()
            let held = try call.invite(sdp: SDPText.audio("0.0.0.0"), run: .offer("roc"))
            #expect(held.returnCodes == [1])
            #expect(held.lines.contains("c=IN IP4 0.0.0.0"))
            #expect(held.lines.contains { $0.hasPrefix("m=audio 40000 ") })
            let other = try kamailio.call()
            let streams = [SDPText.media("audio", 5004, address: "0.0.0.0"), SDPText.media("video", 5006)]
            let part = try other.invite(sdp: SDPText.session(streams: streams), run: .offer("roc"))
            #expect(part.returnCodes == [1])
            #expect(part.lines.filter { $0.hasPrefix("c=") } == ["c=IN IP4 192.0.2.77", "c=IN IP4 0.0.0.0"])
            #expect(part.lines.contains("o=- 1 1 IN IP4 192.0.2.77"))
        }
    }

    @Test func originOfACallThatIsHeldAltogetherStays() throws {
        let relay = try ScriptedRelay()
        relay.on { $0.verb == "U" ? .reply("40000 0.0.0.0 4") : nil }
        try run([relay]) { kamailio in
            let call = try kamailio.call()
            let sdp = SDPText.audio("0.0.0.0").replacing("IN IP4 0.0.0.0\r\ns=", with: "IN IP4 192.0.2.10\r\ns=")
            let held = try call.invite(sdp: sdp, run: .offer("ro"))
            #expect(held.returnCodes == [1])
            #expect(held.lines.contains("o=- 1 1 IN IP4 192.0.2.10"))
        }
    }
}
