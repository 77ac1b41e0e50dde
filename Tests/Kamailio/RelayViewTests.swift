// SPDX-License-Identifier: GPL-2.0-or-later
// Variables, events and RPC commands with a real RTPProxy and a real rtpengine.

import Foundation
import TestSupport
import Testing

@Suite struct RelayViewTests {
    /// Packets from who asks and from the other, relayed, dropped; rtpengine keeps no such counts.
    @Test(arguments: RelayKind.allCases)
    func bothNamesOfTheStatisticsHaveTheRelaysCounts(_ kind: RelayKind) throws {
        try RelaySetting(kind: kind, isAsynchronous: false).run { kamailio in
            let phones = try PhoneCall(kamailio)
            try phones.connect()
            #expect(try phones.packets(from: .caller, count: 20) == 20)
            #expect(try phones.packets(from: .callee, count: 10) == 10)
            for (side, counts) in [(Call.Side.caller, "20 10 30 0"), (.callee, "10 20 30 0")] {
                let asked = try phones.call.deliver(
                    phones.call.request("INFO", from: side, run: Run("stat")), from: side)
                for name in ["X-Stat", "X-Stat-2"] {
                    let value = asked[name] ?? ""
                    #expect(kind == .rtpproxy ? value.hasSuffix(" \(counts)") : value == "<null>", "\(name): \(value)")
                }
            }
        }
    }

    /// MediaFiguresTests has what RTPProxy counts.
    @Test func everyFigureOfRTPEngineIsNull() throws {
        let relay = try RTPEngine(["127.0.0.4"])
        defer { relay.stop() }
        var configuration = KamailioConfiguration(routes: try PackageFolder.fixture("kamailio/figures.cfg"))
        configuration.set("rtpproxy_sock", relay.url)
        try Kamailio.with(configuration) { kamailio in
            try kamailio.find()
            let phones = try PhoneCall(kamailio)
            let none = Run("nothing")
            try phones.connect(offer: none, answer: none)
            #expect(try phones.audio() == [20, 20])
            let bye = try phones.call.bye(run: none.with("X-Read", "1"))
            let figures = bye["X-Figures"]?.split(separator: " ") ?? []
            #expect(figures.count == 15 && figures.allSatisfy { $0 == "<null>" }, "\(figures)")
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    private static let routes = """

        event_route[rtpproxy:node-down] {
            xlog("L_NOTICE", "event down $rtpp_node(url) $rtpp_node(setid)\\n");
        }
        event_route[rtpproxy:node-up] {
            xlog("L_NOTICE", "event up $rtpp_node(url) $rtpp_node(setid)\\n");
            xlog("L_NOTICE", "metrics $rtpp_metrics\\n");
        }
        """

    @Test(arguments: RelayKind.allCases)
    func aCrashAndAReturnAreEventsAndInTheMetrics(_ kind: RelayKind) throws {
        let relay = try kind.start("127.0.0.4")
        defer { relay.stop() }
        var configuration = try RelaySetting(kind: kind, isAsynchronous: false).configuration([relay])
        configuration.routes += Self.routes
        configuration.parameters.append(("xlog", "buf_size", "65536"))
        configuration.preamble += "pv_buffer_size=65536\n"
        configuration.set("rtpproxy_ping_interval", 1)
        configuration.set("rtpproxy_disable_tout", 1)
        try Kamailio.with(configuration) { kamailio in
            try kamailio.find()
            let phones = try PhoneCall(kamailio)
            try phones.connect()
            relay.crash()
            #expect(kamailio.waitForLog("event down \(relay.url) 0") != nil)
            try relay.start()
            #expect(kamailio.waitForLog("event up \(relay.url) 0") != nil)
            #expect(kamailio.waitForLog("rtpproxy_node_up{url=\"\(relay.url)\",set=\"0\"", "} 1") != nil)
            let again = try PhoneCall(kamailio)
            try again.connect()
            #expect(try again.audio() == [20, 20])
        }
    }

    @Test(arguments: RelayKind.allCases)
    func commandsSeeAndRuleARelayOfEitherKind(_ kind: RelayKind) throws {
        let relay = try kind.start("127.0.0.4")
        try RelaySetting(kind: kind, isAsynchronous: false).run([relay]) { kamailio in
            func offered() throws -> [Int] { try kamailio.call().invite(run: .offer()).returnCodes }
            let phones = try PhoneCall(kamailio)
            try phones.connect()
            #expect(try kamailio.relays().map { [$0["url"], $0["disabled"]] } == [[relay.url, "0"]])
            #expect(try kamailio.probe(relay.url).map { $0["answered"] } == ["1"])
            let statistics = try #require(try kamailio.statistics().first)
            #expect(["state", "commands", "answered", "errors"].map { statistics[$0] } == ["up", "2", "2", "0"])
            #expect(try kamailio.kamcmd("rtpproxy.status").contains(relay.url))
            // No new calls, and those that there are go on.
            #expect(try kamailio.kamcmd("rtpproxy.drain", relay.url, "1").isEmpty)
            #expect(try offered() == [-3])
            try phones.connect(from: .callee, inDialog: true)
            #expect(try phones.audio() == [20, 20])
            #expect(try kamailio.kamcmd("rtpproxy.drain", relay.url, "0").isEmpty)
            #expect(try offered() == [1])
            #expect(try kamailio.kamcmd("rtpproxy.enable", relay.url, "0").isEmpty)
            #expect(try offered() == [-3])
            #expect(try kamailio.kamcmd("rtpproxy.enable", relay.url, "1").isEmpty)
            #expect(try offered() == [1])
            #expect(try kamailio.kamcmd("rtpproxy.reset_stats").isEmpty)
            #expect(try kamailio.statistics().first?["commands"] == "0")
        } allowingErrors: {
            $0.contains("no RTPProxy available")
        }
    }

    /// The relay's own address, beside the candidates of the phone.
    @Test(arguments: RelayKind.allCases)
    func candidatesOfTheRelayAreAdded(_ kind: RelayKind) throws {
        let relay = try kind.start("127.0.0.4")
        defer { relay.stop() }
        var configuration = try RelaySetting(kind: kind, isAsynchronous: false).configuration([relay])
        configuration.set("ice_candidate_priority_avp", "$avp(priority)")
        try Kamailio.with(configuration) { kamailio in
            try kamailio.find()
            let candidate = "a=candidate:1 1 UDP 2130706431 192.0.2.10 5004 typ host"
            let invite = try kamailio.call().invite(
                sdp: SDPText.audio(extra: [candidate]), run: Run("manage", priority: 1))
            let port = try SDPText.mediaAddress(of: invite.text).port
            let added = invite.lines.filter { $0.hasPrefix("a=candidate:") && $0.contains(" 127.0.0.4 \(port) ") }
            #expect(invite.returnCodes == [1])
            #expect(added.count == 1 && invite.lines.contains(candidate), "\(invite.lines)")
        }
    }
}
