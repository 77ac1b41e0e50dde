// SPDX-License-Identifier: GPL-2.0-or-later
// $rtpp_stat(name): what a call's media was like, in a real Kamailio.

import Foundation
import TestSupport
import Testing

@Suite struct MediaFiguresTests {
    private static let names = [
        "ttl", "npkts_ina", "npkts_ino", "nrelayed", "ndropped", "rtpa_nsent", "rtpa_nrcvd", "rtpa_ndups", "rtpa_nlost",
        "rtpa_perrs", "longest_ipi", "rtpa_jlast", "rtpa_jmax", "rtpa_javg", "mos",
    ]
    /// What the scripted relay counts of one stream, and the score of 2 packets lost of 24 with 1 ms of jitter.
    private static let oneStream = "60 22 24 46 0 24 22 1 2 0 0.060915 9.500000 16.250000 8.000000 3.56"
    private static let nothing = names.map { _ in "<null>" }.joined(separator: " ")
    private static let read = Run("nothing").with("X-Read", "1")

    /// A Kamailio that runs figures.cfg, with these values of rtpproxy_sock.
    private func run(_ sockets: [String], _ body: (Kamailio) throws -> Void) throws {
        var configuration = KamailioConfiguration(routes: try PackageFolder.fixture("kamailio/figures.cfg"))
        for socket in sockets { configuration.set("rtpproxy_sock", socket) }
        try Kamailio.with(configuration) { kamailio in
            kamailio.waitUntilUp()
            try body(kamailio)
        }
    }

    private func run(_ relay: ScriptedRelay, _ body: (Kamailio) throws -> Void) throws {
        try run([relay.url], body)
    }

    /// An answered call with these descriptions, and its BYE.
    private func wholeCall(
        _ kamailio: Kamailio, sdp: String = SDPText.audio(), run: Run = read
    ) throws -> (call: Call, bye: SIPMessage) {
        let call = try kamailio.call()
        try call.reply(to: call.invite(sdp: sdp, run: run), sdp: sdp)
        return (call, try call.bye(run: run))
    }

    @Test func figuresAreReadByNameAndCountAsNumbers() throws {
        let relay = try ScriptedRelay()
        try run(relay) { kamailio in
            let (_, bye) = try wholeCall(kamailio)
            // Before the deletion and after it.
            #expect(bye.all("X-Figures") == [Self.oneStream, Self.oneStream])
            #expect(bye.all("X-Sum") == ["46", "46"] && bye.all("X-Lossy") == ["yes", "yes"])
        }
    }

    @Test func streamsAreSummedUp() throws {
        let relay = try ScriptedRelay()
        try run(relay) { kamailio in
            let media = (0..<5).map { SDPText.media("audio", 5004 + 2 * $0) }
            for count in [2, 5] {
                let sdp = SDPText.session(streams: Array(media[..<count]))
                let (call, bye) = try wholeCall(kamailio, sdp: sdp)
                let found = bye["X-Figures"]?.split(separator: " ").map(String.init) ?? []
                let sums = [22, 24, 46, 0, 24, 22, 1, 2, 0].map { String($0 * count) }
                #expect(found == ["60"] + sums + ["0.060915", "9.500000", "16.250000", "8.000000", "3.56"])
                let streams = Set(relay.texts(of: call.id, "Q").compactMap { $0.split(separator: " ")[2].last })
                #expect(streams.count == (count < 4 ? 4 : 8))
            }
        }
    }

    /// Nobody waits for an answer before the last question is out, and nothing is asked twice.
    @Test func oneMessageCostsOneRoundTrip() throws {
        let relay = try ScriptedRelay()
        relay.on { $0.verb == "Q" ? .delay(300, .normal) : nil }
        try run(relay) { kamailio in
            // The INVITE is not read: only the BYE asks.
            let call = try kamailio.call()
            try call.reply(to: call.invite(), sdp: SDPText.audio())
            let start = monotonicMilliseconds()
            let bye = try call.bye(run: Self.read)
            #expect(bye.all("X-Figures").count == 2 && bye["X-Figures"] == Self.oneStream)
            #expect(monotonicMilliseconds() - start < 2 * 300 + 250)
            let asked = relay.commands(of: call.id, "Q")
            #expect(asked.count == 8)
            let times = asked.map(\.time)
            #expect((times.max() ?? 0) - (times.min() ?? 0) < 300, "\(times)")
        }
    }

    @Test func theNextMessageAsksAgain() throws {
        let relay = try ScriptedRelay()
        try run(relay) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: Self.read)
            #expect(invite["X-Figures"] == Self.oneStream)
            // Without a to-tag the from-tag stands in its place.
            let tag = call.fromTag
            #expect(relay.texts(of: call.id, "Q").first?.hasPrefix("Qv \(call.id) \(tag);1 \(tag);1 ttl ") == true)
            let answered = try call.reply(180, to: invite, run: Self.read)
            #expect(answered["X-Figures"] == Self.oneStream)
            let asked = relay.texts(of: call.id, "Q")
            #expect(asked.count == 16)
            #expect(asked.last?.hasPrefix("Qv \(call.id) \(call.toTag);4 \(tag);4 ") == true)
        }
    }

    @Test func whatTheRelaysVersionLacksIsNull() throws {
        let versions: [Set<String>] = [
            ["20230424"], ["20230424", "20230205"], ["20150420"], ["20150420", "20080403"],
        ]
        let relays = try versions.map {
            try ScriptedRelay(capabilities: ScriptedRelay.allCapabilities.subtracting($0))
        }
        let sockets = relays.enumerated().map { "\($0.offset) == \($0.element.url)" }
        try run(sockets) { kamailio in
            func figures(_ set: Int) throws -> String? {
                let call = try kamailio.call()
                try call.invite(run: Self.read.with("X-Set", String(set)))
                return try call.bye(run: Self.read.with("X-Set", String(set)))["X-Figures"]
            }
            let null = "<null>"
            let found = try (0..<4).map(figures)
            // 2 of 24 lost, no jitter.
            #expect(found[0] == "60 22 24 46 0 24 22 1 2 0 0.060915 \(null) \(null) \(null) 3.56")
            #expect(found[1] == "60 22 24 46 0 24 22 1 \(null) 0 0.060915 \(null) \(null) \(null) \(null)")
            #expect(found[2] == "60 11 22 33 0" + String(repeating: " \(null)", count: 10))
            #expect(found[3] == Self.nothing)
            #expect(!relays[3].log.contains { $0.verb == "Q" })
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    @Test func withoutASessionThereIsNothing() throws {
        let relay = try ScriptedRelay()
        try run(relay) { kamailio in
            let call = try kamailio.call()
            let bye = try call.bye(run: Self.read)
            #expect(bye.all("X-Figures") == [Self.nothing, Self.nothing] && bye["X-Lossy"] == nil)
            #expect(relay.commands(of: call.id, "Q").count == 8)
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    /// What no RTPProxy says takes the whole answer or a figure, and never Kamailio.
    @Test func hostileAnswersAreNull() throws {
        let relay = try ScriptedRelay()
        try run(relay) { kamailio in
            let long = "ttl=" + String(repeating: "9", count: 900)
            let fields = String(repeating: "ttl=1 ", count: 160)
            let answers: [(String, String)] = [
                (long, "<null>"), (fields, "1"), ("ttl=-60", "<null>"), ("ttl=6e1 npkts_ina=7", "<null>"),
                ("ttl=9223372036854775807", "9223372036854775807"), ("ttl=9223372036854775808", "<null>"),
                ("=", "<null>"), ("==== = =", "<null>"), ("ttl= ttl=3", "3"), ("ttl=%s%n", "<null>"), ("E62", "<null>"),
                ("\u{1}=\u{2}", "<null>"), ("60 22", "<null>"),
            ]
            for (answer, expected) in answers {
                let call = try kamailio.call()
                relay.on(call: call.id) {
                    $0.verb == "Q" ? ($0.text.contains(";1 ") ? .reply(answer) : .reply("E50")) : nil
                }
                try call.reply(to: call.invite(), sdp: SDPText.audio())
                let found = try call.bye(run: Self.read)["X-Figures"]
                #expect(found?.split(separator: " ").first.map(String.init) == expected, "\(answer.prefix(40))")
            }
            #expect(kamailio.process.isRunning)
            #expect(try kamailio.relays().first?["disabled"] == "0")
        }
    }

    /// Something else listens there: the answer takes it out, as any other would.
    @Test(arguments: ["hello", "E99999999", "-1 0 0 0 0", "\u{1}"])
    func whatIsNoProtocolTakesTheRelayOut(answer: String) throws {
        let relay = try ScriptedRelay()
        try run(relay) { (kamailio) throws in
            let call = try kamailio.call()
            relay.on(call: call.id) { $0.verb == "Q" ? .reply(answer) : nil }
            try call.reply(to: call.invite(), sdp: SDPText.audio())
            #expect(try call.bye(run: Self.read).all("X-Figures") == [Self.nothing, Self.nothing])
            #expect(kamailio.waitForLog(relay.url, "disabled") != nil)
        }
    }

    @Test func figuresLargerThanANumberOfKamailiosAreTexts() throws {
        let relay = try ScriptedRelay()
        try run(relay) { kamailio in
            let call = try kamailio.call()
            relay.on(call: call.id) {
                guard $0.verb == "Q" else { return nil }
                return $0.text.contains(";1 ") ? .reply("npkts_ina=4294967297 npkts_ino=1") : .reply("E50")
            }
            try call.reply(to: call.invite(), sdp: SDPText.audio())
            #expect(try call.bye(run: Self.read)["X-Figures"]?.contains("<null> 4294967297 1 <null>") == true)
        }
    }

    @Test(arguments: ["xyz", "MOS", "$ci", "$var(name)", "ttl,mos"])
    func anUnknownNameIsRefusedAtStart(name: String) throws {
        var configuration = KamailioConfiguration(
            routes: "request_route { if ($rtpp_stat(\(name)) > 1) exit; t_relay(); }")
        configuration.set("rtpproxy_sock", "udp:127.0.0.1:9")
        let log = try Kamailio.startUpFailure(configuration)
        let lines = log.split(separator: "\n").filter { $0.contains("ERROR") && $0.contains("rtpp_stat(\(name)") }
        #expect(!lines.isEmpty, "\(log.suffix(2000))")
    }

    @Test func withoutANameItIsRefusedToo() throws {
        var configuration = KamailioConfiguration(routes: "request_route { xlog(\"$rtpp_stat\\n\"); t_relay(); }")
        configuration.set("rtpproxy_sock", "udp:127.0.0.1:9")
        _ = try Kamailio.startUpFailure(configuration)
    }

    @Test func figuresUnderKEMI() throws {
        try KEMIStage.run { stage in
            let call = try stage.kamailio.call()
            try call.reply(to: call.invite(run: script("rtpproxy_offer0")))
            let bye = try call.bye(run: Run("rtpproxy_destroy0").with("X-Figure", "1"))
            // A whole number is one there, too.
            #expect(bye["X-Figure"] == "2 3.56 number string")
        }
    }

    /// Forty packets, a gap of ten, forty packets, by the real RTPProxy.
    @Test func lossesOfRealMediaAreSeen() throws {
        let relay = try RealRelay("127.0.0.1")
        defer { relay.stop() }
        try run([relay.url]) { kamailio in
            let call = try kamailio.call()
            let (atCaller, atCallee) = (try RTPEndpoint(), try RTPEndpoint())
            let offer = try call.invite(sdp: SDPText.audio("127.0.0.1", port: Int(atCaller.port)))
            let answer = try call.reply(to: offer, sdp: SDPText.audio("127.0.0.1", port: Int(atCallee.port)))
            let ports = [offer, answer].map { message in
                message.lines.first { $0.hasPrefix("m=") }?.split(separator: " ")[1] ?? ""
            }
            let towardsCallee = Endpoint(.ipv4, UInt16(ports[1]) ?? 0)
            let towardsCaller = Endpoint(.ipv4, UInt16(ports[0]) ?? 0)
            atCaller.send(40, to: towardsCallee, spacing: 20)
            atCaller.send(40, to: towardsCallee, spacing: 20, firstSequence: 50)
            atCallee.send(30, to: towardsCaller, spacing: 20)
            #expect(atCallee.count(expecting: 80) == 80 && atCaller.count(expecting: 30) == 30)

            let bye = try call.request("BYE", run: Self.read)
            let found = try figures(call.deliver(bye))
            #expect(Self.names[1..<5].map { found[$0] } == ["80", "30", "110", "0"])
            #expect(
                ["rtpa_nsent", "rtpa_nrcvd", "rtpa_nlost", "rtpa_ndups"].map { found[$0] } == ["90", "80", "10", "0"])
            for name in ["longest_ipi", "rtpa_jlast", "rtpa_jmax", "rtpa_javg"] {
                #expect((found[name].flatMap { Double($0) } ?? 0) > 0, "\(name) \(found)")
            }
            let score = found["mos"].flatMap { Double($0) } ?? 0
            // 10 of 90 lost is 3.29 without jitter.
            #expect(score > 2.5 && score <= 3.30, "\(found)")
            print("real figures: \(found)")
        }
    }

    /// The INVITE has no to-tag, which RTPProxy has to bear; in the reply it is the callee's media.
    @Test func theRealRelayTakesTheTagsAsTheyAreSent() throws {
        let relay = try RealRelay("127.0.0.1")
        defer { relay.stop() }
        try run([relay.url]) { kamailio in
            let call = try kamailio.call()
            let atCallee = try RTPEndpoint()
            let invite = try call.invite(run: Self.read)
            #expect(try figures(invite)["npkts_ina"] == "0")
            try call.reply(to: invite, sdp: SDPText.audio("127.0.0.1", port: Int(atCallee.port)))
            let port = invite.lines.first { $0.hasPrefix("m=") }?.split(separator: " ")[1] ?? ""
            atCallee.send(20, to: Endpoint(.ipv4, UInt16(port) ?? 0))
            let reinvite = try call.invite(run: Self.read, inDialog: true)
            #expect(try figures(reinvite)["npkts_ino"] == "20")
            let answered = try figures(call.reply(180, to: reinvite, run: Self.read))
            #expect(answered["npkts_ina"] == "20" && answered["rtpa_nrcvd"] == "20" && answered["rtpa_nlost"] == "0")
        }
    }

    /// The figures of a message by name.
    private func figures(_ message: SIPMessage) throws -> [String: String] {
        let values = try #require(message["X-Figures"]).split(separator: " ").map(String.init)
        return Dictionary(zip(Self.names, values)) { first, _ in first }
    }
}
