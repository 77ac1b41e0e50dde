// SPDX-License-Identifier: GPL-2.0-or-later
// rtpproxy.probe: what it says, how long it takes, and what it changes.

import Foundation
import TestSupport
import Testing

@Suite struct ProbeTests {
    /// A command takes four seconds before its relay counts as dead, so that one on a busy machine does not, and nobody
    /// but the operator asks.
    private static func quiet(_ configuration: inout KamailioConfiguration) {
        configuration.set("rtpproxy_tout", 4)
        configuration.set("rtpproxy_retr", 1)
        configuration.set("rtpproxy_ping_interval", 0)
    }

    /// Whether an entry of the answer says that the relay answered: with a round trip, and without a reason.
    private func isPresent(_ entry: [String: String]?) -> Bool {
        guard let entry, entry["answered"] == "1", entry["reason"] == nil else { return false }
        return entry["rtt_us"].flatMap { Int($0) }.map { $0 > 0 } ?? false
    }

    @Test(arguments: [ScriptedRelay.Transport.udp, .udp6, .unix, .cunix, .tcp])
    func oneRelaySaysThatItIsThere(_ transport: ScriptedRelay.Transport) throws {
        let relay = try ScriptedRelay(transport)
        try Stage.own([relay], Self.quiet) { kamailio in
            let before = relay.log.count
            for probe in 1...2 {
                let found = try kamailio.probe(relay.url)
                #expect(found.count == 1 && isPresent(found.first), "\(found)")
                #expect(found.first?["url"] == relay.url)
                #expect(relay.log.dropFirst(before).map(\.text) == [String](repeating: "V", count: probe))
            }
        }
    }

    @Test("The answer has an entry per relay in the order of the list, with its keys in order")
    func answerHasAnEntryPerRelayInTheOrderOfTheList() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(.tcp), try ScriptedRelay(.unix)]
        let change = { (c: inout KamailioConfiguration) in
            c.set("rtpproxy_sock", "7 == \(relays[2].url)")
            c.set("rtpproxy_sock", "\(relays[0].url) \(relays[1].url)")
            c.set("rtpproxy_sock", "7 == \(relays[0].url)")
        }
        try Stage.own([], change) { kamailio in
            try waitUntil(5) { try kamailio.probe().allSatisfy { isPresent($0) } }
            let (found, list) = (try kamailio.probe(), try kamailio.relays())
            for key in ["url", "setid", "index"] { #expect(found.map { $0[key] } == list.map { $0[key] }) }
            #expect(found.map { $0["index"] } == ["0", "3", "1", "2"])
            #expect(found.allSatisfy { isPresent($0) }, "\(found)")
            #expect(try kamailio.probe(relays[0].url).map { $0["index"] } == ["3", "1"])
            let printed = try kamailio.kamcmd("rtpproxy.probe", relays[1].url)
            let keys = printed.split(separator: "\n").compactMap {
                $0.split(separator: ":").first?.trimmingCharacters(in: .whitespaces)
            }
            #expect(keys == ["{", "url", "setid", "index", "answered", "rtt_us", "}"])
            // The list keeps its form.
            #expect(Set(list[0].keys) == ["setid", "url", "index", "disabled", "weight", "recheck"])
        }
    }

    @Test func silentRelaysCostOneBudgetInAllAndTheOthersHaveTheirRoundTrip() throws {
        let relays = try (0..<4).map { _ in try ScriptedRelay() } + [ScriptedRelay(.tcp), ScriptedRelay(.unix)]
        try Stage.own(relays, Self.quiet) { kamailio in
            for silent in [0, 1, 4, 5] { relays[silent].on { _ in .drop } }
            relays[3].on { _ in .delay(40, .normal) }
            let start = monotonicMilliseconds()
            let found = try kamailio.probe()
            let waited = monotonicMilliseconds() - start
            #expect(waited >= 3950 && waited < 8000, "\(waited)")
            #expect(found.map { $0["answered"] } == ["0", "0", "1", "1", "0", "0"], "\(found)")
            for silent in [0, 1, 4, 5] {
                #expect(found[silent]["reason"] == "does not answer in time")
                #expect(found[silent]["rtt_us"] == nil)
                let lines = kamailio.logLines(relays[silent].url, "does not answer in time, disabled for 60 s")
                #expect(lines.count == 1)
            }
            let (quick, slow) = (Int(found[2]["rtt_us"] ?? "") ?? 0, Int(found[3]["rtt_us"] ?? "") ?? 0)
            #expect(quick > 0 && quick < 3_900_000 && slow >= 39_000 && slow < 3_900_000, "\(quick), \(slow)")
            #expect(try kamailio.relays().map { $0["disabled"] } == ["1", "1", "0", "0", "1", "1"])
        }
    }

    @Test(arguments: [ScriptedRelay.Transport.udp, .unix, .cunix, .tcp])
    func relayThatIsDownComesBackAtOnce(_ transport: ScriptedRelay.Transport) throws {
        let relay = try ScriptedRelay(transport)
        try Stage.own([relay], Self.quiet) { kamailio in
            relay.shut()
            let gone = try kamailio.probe()
            #expect(gone.first?["answered"] == "0" && gone.first?["reason"]?.isEmpty == false, "\(gone)")
            #expect(try kamailio.relays().first?["disabled"] == "1")
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            try relay.reopen()
            let back = try kamailio.probe(relay.url)
            #expect(isPresent(back.first), "\(back)")
            #expect(try kamailio.relays().first?["disabled"] == "0")
            #expect(kamailio.logLines("RTPProxy \(relay.url) (set 0) is back").count == 1)
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }

    @Test func whatARelayCanDoIsLearnedWhenItComesBack() throws {
        let relay = try ScriptedRelay(capabilities: ScriptedRelay.allCapabilities.subtracting(["20071116"]))
        try Stage.own([relay], Self.quiet) { kamailio in
            #expect(try kamailio.call().invite(run: .offer("z20")).returnCodes == [1])
            #expect(relay.log.filter { $0.verb == "U" }.allSatisfy { !$0.text.contains("Z20") })
            relay.shut()
            #expect(try kamailio.probe().first?["answered"] == "0")
            relay.set(capabilities: ScriptedRelay.allCapabilities)
            try relay.reopen()
            #expect(try isPresent(kamailio.probe().first))
            let call = try kamailio.call()
            #expect(try call.invite(run: .offer("z20")).returnCodes == [1])
            #expect(relay.texts(of: call.id).first?.contains("Z20") == true)
        }
    }

    @Test func disabledRelayIsAskedAndStaysDisabled() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, Self.quiet) { kamailio in
            relays[1].shut()
            for relay in relays { _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0") }
            let found = try kamailio.probe()
            #expect(isPresent(found.first), "\(found)")
            #expect(found.last?["answered"] == "0")
            let list = try kamailio.relays()
            #expect(list.allSatisfy { $0["disabled"] == "1" && $0["recheck"] == "-1" }, "\(list)")
            #expect(kamailio.logLines("is back").isEmpty && kamailio.logLines(", disabled for").isEmpty)
        }
    }

    @Test func unknownURLIsNotFound() throws {
        let stage = try Stage.shared()
        let url = stage.relay.url
        for wrong in ["udp:nowhere:1", url + "0", String(url.dropLast()), url.uppercased(), "5060"] {
            #expect(try stage.kamailio.kamcmd("rtpproxy.probe", wrong).contains("404 - RTPProxy not found"), "\(wrong)")
        }
    }

    @Test func withoutRelaysThereIsNoOutput() throws {
        try Stage.own([]) { kamailio in
            let printed = try kamailio.kamcmd("rtpproxy.probe")
            #expect(printed.trimmingCharacters(in: .newlines).isEmpty)
        }
    }

    /// Names are looked up by the module's own process alone, which publishes what it has found.
    @Test func namedRelayIsAskedAtItsAddressAndOneWithoutIsReported() throws {
        let relay = try ScriptedRelay()
        let named = "udp:localhost:\(relay.endpoint.port)"
        let nowhere = "udp:no-such-host.invalid:22222"
        try Stage.own([], settled: false) {
            $0.set("rtpproxy_sock", "\(named) \(nowhere)")
        } _: { kamailio in
            try waitUntil(15) { try kamailio.relays().map { $0["disabled"] } == ["0", "1"] }
            waitUntil(5) { relay.log.contains { $0.text == "VF 20081102" } }
            let start = monotonicMilliseconds()
            let found = try kamailio.probe()
            #expect(monotonicMilliseconds() - start < 2500)
            #expect(found.map { $0["url"] } == [named, nowhere])
            #expect(isPresent(found.first), "\(found)")
            #expect(found.last?["answered"] == "0")
            #expect(found.last?["reason"] == "has no address yet")
        }
    }

    /// A SIP worker asks, in the middle of a call's routing, and the probe does not disturb the call's own exchanges.
    @Test func anyProcessMayAskAndTheAnswerReadsWellAsJSON() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let routes = """
            request_route {
                if (is_method("INVITE")) rtpproxy_offer();
                jsonrpc_exec('{"jsonrpc": "2.0", "method": "rtpproxy.probe", "id": 1}');
                if (is_method("INVITE")) rtpproxy_answer();
                sl_send_reply("200", "$jsonrpl(body)");
            }
            """
        var configuration = KamailioConfiguration(routes: routes)
        Self.quiet(&configuration)
        configuration.modules.append("jsonrpcs")
        configuration.set("rtpproxy_sock", "\(relays[0].url) \(relays[1].url)")
        try Kamailio.with(configuration) { kamailio in
            kamailio.waitUntilUp()
            relays[1].on { $0.verb == "V" ? .drop : nil }
            let call = try kamailio.call()
            call.send(call.request("INVITE", sdp: SDPText.audio()))
            let line = call.caller.receive(6000) { $0.status == 200 && $0.callID == call.id }?.startLine ?? ""
            let text = line.replacingOccurrences(of: "SIP/2.0 200 ", with: "")
            let json = try #require(
                try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], "\(line)")
            let found = try #require(json["result"] as? [[String: Any]], "\(line)")
            #expect(found.map { $0["url"] as? String } == relays.map(\.url))
            #expect(found.map { $0["answered"] as? Int } == [1, 0])
            #expect(found.first?["rtt_us"] as? Int ?? 0 > 0)
            #expect(found.last?["reason"] as? String == "does not answer in time")
            #expect(relays.flatMap { $0.commands(of: call.id) }.map(\.verb).contains("U"))
        }
    }
}
