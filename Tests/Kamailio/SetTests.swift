// SPDX-License-Identifier: GPL-2.0-or-later
// Sets, weights, the chosen relay's variable, and the ways to reach a relay.

import Foundation
import TestSupport
import Testing

@Suite struct SetTests {
    @Test(arguments: [0, 1, 6, 9])
    func eachSetReachesItsRelayOverItsTransport(set: Int) throws {
        let stage = try Stage.shared()
        let relay = try #require(stage.relays[set])
        let call = try stage.call()
        let invite = try call.invite(run: .offer(set: set))
        let answered = try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: .answer(set: set))
        let bye = try call.bye(run: .destroy(set: set))
        #expect([invite, answered, bye].map(\.returnCodes) == [[1], [1], [1]])
        #expect([invite, answered, bye].map(\.instance) == [relay.url, relay.url, relay.url])
        #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L", "D"])
    }

    @Test func unixSocketGetsOneCommandPerConnectionWithoutACookie() throws {
        let stage = try Stage.shared()
        let relay = try #require(stage.relays[9])
        let call = try stage.call()
        let streams = (0..<4).map { SDPText.media("audio", 5000 + 2 * $0) }
        let invite = try call.invite(sdp: SDPText.session(streams: streams), run: .offer(set: 9))
        #expect(invite.returnCodes == [1])
        #expect(relay.texts(of: call.id).allSatisfy { $0.hasPrefix("Uc0,8,101 \(call.id) ") })
        #expect(relay.texts(of: call.id).count == 4)
    }

    @Test func barePathIsAUnixSocket() throws {
        let relay = try ScriptedRelay(.unix)
        let path = String(relay.url.dropFirst("unix:".count))
        try Stage.own([], { $0.set("rtpproxy_sock", path) }) { kamailio in
            let invite = try kamailio.call().invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite.instance == path)
        }
    }

    /// As people write it: one in a line, RTPProxy's own asterisk, a path without a slash.
    @Test func entriesAreWrittenAsForTheOtherModule() throws {
        let relays = try [ScriptedRelay(), ScriptedRelay(), ScriptedRelay(.unix)]
        let folder = try TemporaryFolder()
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("x.sock"), withDestinationPath: String(relays[2].url.dropFirst("unix:".count)))
        let all = "udp:*:\(relays[1].endpoint.port)"
        let value = "\n    \(relays[0].url)=1\r\n    \(all)\n    x.sock=2\n"
        try Stage.own([], settled: false) {
            $0.set("rtpproxy_sock", value)
            $0.set("rtpproxy_sock", "5 ==\n\(relays[0].url)")
            $0.options = ["-w", folder.path]
        } _: { kamailio in
            let list = try kamailio.relays()
            #expect(list.map { $0["url"] } == [relays[0].url, all, "x.sock", relays[0].url])
            #expect(list.map { $0["weight"] } == ["1", "1", "2", "1"] && list.last?["setid"] == "5")
            #expect(kamailio.waitUntilUp())
            for place in 0..<4 {
                let call = try kamailio.call()
                call.choose(place, of: [1, 1, 1, 1])
                #expect(try call.invite(run: .offer()).instance == [relays[0].url, all, "x.sock", "x.sock"][place])
            }
        }
    }

    /// A port may be the name of a service of this system.
    @Test(.enabled(if: getservbyname("sip", "udp") != nil))
    func aPortMayBeTheNameOfAService() throws {
        let place = Endpoint("127.0.0.7", 5060)
        let relay = try ScriptedRelay(.udp, at: place)
        try Stage.own([], settled: false) {
            $0.set("rtpproxy_sock", "udp:127.0.0.7:sip")
        } _: { kamailio in
            #expect(kamailio.waitUntilUp())
            let invite = try kamailio.call().invite(run: .offer())
            #expect(invite.instance == "udp:127.0.0.7:sip")
        }
    }

    @Test func silentUnixSocketHasATimeLimit() throws {
        let relay = try ScriptedRelay(.unix)
        let change = { (c: inout KamailioConfiguration) in
            c.set("rtpproxy_tout", 1)
            c.set("rtpproxy_retr", 1)
        }
        try Stage.own([relay], change) { kamailio in
            relay.on { $0.verb == "U" ? .drop : nil }
            let invite = try kamailio.call().invite(run: .offer())
            #expect(invite.returnCodes == [-3])
        }
    }

    @Test func answerOfAUnixSocketMayComeByteByByte() throws {
        let stage = try Stage.shared()
        let relay = try #require(stage.relays[9])
        let call = try stage.call()
        relay.on(call: call.id) { $0.verb == "U" ? .drip(5, .reply("40000 192.0.2.77")) : nil }
        let invite = try call.invite(run: .offer(set: 9))
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.contains("m=audio 40000 RTP/AVP 0 8 101"))
    }

    @Test(arguments: ["[::1]", "::1"])
    func waysToWriteAnIPv6Relay(host: String) throws {
        let relay = try ScriptedRelay(.udp6)
        let url = "udp6:\(host):\(relay.endpoint.port)"
        try Stage.own([], { $0.set("rtpproxy_sock", url) }) { kamailio in
            let invite = try kamailio.call().invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite.instance == url)
            #expect(relay.log.contains { $0.verb == "U" })
        }
    }

    @Test func nameOfARelayIsResolved() throws {
        let relay = try ScriptedRelay()
        try Stage.own([], { $0.set("rtpproxy_sock", "udp:localhost:\(relay.endpoint.port)") }) { (kamailio) throws in
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }

    @Test func setHoldsForTheRestOfTheMessageOnly() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let first = try call.invite(run: Run.offer(set: 1).then("destroy"))
        #expect(first.returnCodes == [1, 1])
        #expect(try #require(stage.relays[1]).commands(of: call.id).map(\.verb) == ["U", "D"])
        try call.bye(run: .destroy())
        #expect(stage.relay.commands(of: call.id).map(\.verb) == ["D"])
    }

    @Test func unknownSetInAVariableFailsAndTheSetStays0() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer(set: 555))
        #expect(stage.kamailio.ran(call.id, count: 2).first == "set -1")
        #expect(invite.returnCodes == [1])
        #expect(stage.relay.texts(of: call.id).count == 1)
    }

    @Test func setInAStringOfDigits() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: Run("offer", setText: "1"))
        #expect(stage.kamailio.ran(call.id, count: 2).first == "set 1")
        #expect(invite.instance == stage.relays[1]?.url)
    }

    @Test func choiceFollowsTheCallIDAndTheWeights() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        let weights = [1, 3, 2]
        let line = zip(relays, weights).map { "\($0.url)=\($1)" }.joined(separator: " ")
        // A relay that does not get to run is slow, and another would be asked, too.
        let change = { (c: inout KamailioConfiguration) in
            c.set("rtpproxy_sock", line)
            c.set("rtpproxy_hedging", 0)
        }
        try Stage.own([], change) { kamailio in
            kamailio.waitUntilUp(relays)
            var used: Set<Int> = []
            for _ in 0..<40 {
                let call = try kamailio.call()
                let index = try #require(Call.choice(call.id, of: weights))
                let invite = try call.invite(run: .offer())
                #expect(invite.instance == relays[index].url)
                used.insert(index)
            }
            #expect(used.count == 3)
        }
    }

    @Test func disabledRelaysWeightDoesNotCount() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, { $0.set("rtpproxy_hedging", 0) }) { kamailio in
            kamailio.waitUntilUp(relays)
            _ = try kamailio.kamcmd("rtpproxy.enable", relays[1].url, "0")
            for _ in 0..<20 {
                let call = try kamailio.call()
                let index = try #require(Call.choice(call.id, of: [1, 1]))
                #expect(try call.invite(run: .offer()).instance == [relays[0], relays[2]][index].url)
            }
        }
    }

    @Test func weight0IsUsedOnlyWhileNobodyElseIsUp() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let line = "\(relays[0].url)=0 \(relays[1].url)=1"
        try Stage.own([], { $0.set("rtpproxy_sock", line) }) { kamailio in
            for _ in 0..<6 { #expect(try kamailio.call().invite(run: .offer()).instance == relays[1].url) }
            _ = try kamailio.kamcmd("rtpproxy.enable", relays[1].url, "0")
            #expect(try kamailio.call().invite(run: .offer()).instance == relays[0].url)
        }
    }

    /// Texts in a variable that are no set, and ones that are.
    @Test(arguments: [
        ("1", 1), ("9", 9), ("0", 0), (" 1 ", 1), ("", nil), ("x", nil), ("1x", nil), ("-1", nil), ("+1", nil),
        ("0x1", nil),
        ("2", nil), ("4294967297", nil), ("18446744073709551617", nil), ("1 9", nil),
    ])
    func textsInAVariable(text: String, set: Int?) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: Run("offer", setText: text))
        #expect(stage.kamailio.ran(call.id, count: 2) == ["set \(set == nil ? -1 : 1)", "offer 1"])
        #expect(invite.instance == stage.relays[set ?? 0]?.url)
    }

    @Test(arguments: [-1, 2, 2_147_483_647]) func numbersInAVariableThatAreNoSet(number: Int) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: .offer(set: number))
        #expect(stage.kamailio.ran(call.id, count: 2) == ["set -1", "offer 1"])
        #expect(invite.instance == stage.relay.url)
    }

    @Test func literalsAndVariablesHoldInTheBranchesAndNotInTheReply() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        let change = { (configuration: inout KamailioConfiguration) in
            for (set, relay) in relays.enumerated() { configuration.set("rtpproxy_sock", "\(set) == \(relay.url)") }
            configuration.routes = """
                request_route {
                    $var(number) = 2;
                    $avp(text) = "2";
                    if ($rU == "bob") set_rtp_proxy_set("1");
                    if ($hdr(X-Case) == "int") set_rtp_proxy_set("$var(number)");
                    if ($hdr(X-Case) == "text") set_rtp_proxy_set("$avp(text)");
                    if ($hdr(X-Case) == "unset") set_rtp_proxy_set("$avp(nothing)");
                    if ($hdr(X-Case) == "header") set_rtp_proxy_set("$hdr(X-Nothing)");
                    append_hf("X-RC: $rc\\r\\n");
                    t_on_branch("STAGE");
                    t_on_reply("STAGE");
                    t_relay();
                }
                branch_route[STAGE] { rtpproxy_offer(); append_hf("X-RC: $rc\\r\\n"); }
                onreply_route[STAGE] { rtpproxy_destroy(); append_hf("X-RC: $rc\\r\\n"); }
                """
        }
        try Stage.own([], settled: false, change) { kamailio in
            kamailio.waitUntilUp(relays)
            // A set that fails takes an earlier one of the message back.
            for (name, code, set) in [
                ("literal", 1, 1), ("int", 1, 2), ("text", 1, 2), ("unset", -1, 0), ("header", -1, 0),
            ] {
                let call = try kamailio.call()
                let invite = try call.invite(run: Run("").with("X-Case", name))
                if name != "literal" { #expect(invite.returnCodes == [code, 1], "\(name)") }
                #expect(relays[set].commands(of: call.id).map(\.verb) == ["U"], "\(name)")
                try call.reply(to: invite)
                #expect(relays[0].commands(of: call.id).map(\.verb).last == "D", "\(name)")
            }
        }
    }
}
