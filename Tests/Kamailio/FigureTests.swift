// SPDX-License-Identifier: GPL-2.0-or-later
// The counter group rtpproxy, rtpproxy.stats and rtpproxy.reset_stats.

import Foundation
import TestSupport
import Testing

extension Kamailio {
    /// The counters of the group, by name.
    fileprivate func counters() throws -> [String: Int] {
        var found: [String: Int] = [:]
        for line in try kamcmd("stats.get_statistics", "rtpproxy:").split(separator: "\n") {
            let parts = line.split(separator: "=").map { $0.trimmingCharacters(in: .whitespaces) }
            if parts.count == 2, parts[0].hasPrefix("rtpproxy:") {
                found[String(parts[0].dropFirst(9))] = Int(parts[1])
            }
        }
        return found
    }

    /// Those of them that count, without the figures of the moment, where they are not 0.
    fileprivate func counted() throws -> [String: Int] {
        try counters().filter { $0.value != 0 && !["calls_remembered", "nodes", "nodes_up"].contains($0.key) }
    }
}

@Suite struct FigureTests {
    /// A command takes a second before its relay counts as dead, and nobody but calls asks.
    private static func impatient(_ configuration: inout KamailioConfiguration) {
        configuration.set("rtpproxy_tout", 1)
        configuration.set("rtpproxy_retr", 1)
        configuration.set("rtpproxy_ping_interval", 0)
    }

    private func number(_ entry: [String: String], _ key: String) -> Int { entry[key].flatMap { Int($0) } ?? -1 }

    @Test func aCallIsCountedWhicheverProcessDidIt() throws {
        // Over a connection nothing is sent twice, however slow the machine is.
        let relay = try ScriptedRelay(.cunix)
        try Stage.own([relay]) {
            Self.impatient(&$0)
            $0.modules.append("counters")
        } _: { kamailio in
            #expect(try kamailio.counted().isEmpty)
            #expect(try [kamailio.counters()["nodes"], kamailio.counters()["nodes_up"]] == [1, 1])
            for _ in 0..<4 {
                let call = try kamailio.call()
                let invite = try call.invite(run: .offer())
                _ = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
                try call.ack()
                #expect(try kamailio.counters()["calls_remembered"] == 1)
                try call.bye(run: .destroy())
            }
            #expect(
                try kamailio.counted() == [
                    "commands_sent": 12, "commands_answered": 12, "sessions_created": 4, "sessions_deleted": 4,
                    "streams": 8, "bodies_rewritten": 8,
                ])
            let found = try kamailio.statistics()
            #expect(found.map { $0["url"] } == [relay.url] && found.map { $0["state"] } == ["up"])
            #expect(number(found[0], "commands") == 12 && number(found[0], "answered") == 12)
            for key in ["errors", "timeouts", "retransmissions"] { #expect(found[0][key] == "0", "\(key)") }
            #expect(found[0]["last_error"] == nil && found[0]["last_error_ago"] == nil)
            let (p50, p90, p99) = (
                number(found[0], "rtt_p50_us"), number(found[0], "rtt_p90_us"), number(found[0], "rtt_p99_us")
            )
            #expect(p50 > 0 && p50 <= p90 && p90 <= p99 && p99 < 5_000_000 && number(found[0], "rtt_us") > 0)
            // Each counter says what it is.
            #expect(try kamailio.kamcmd("cnt.help", "rtpproxy", "failovers").contains("another RTPProxy"))
            #expect(try kamailio.kamcmd("cnt.grps_list").contains("rtpproxy"))
        }
    }

    @Test(arguments: Continuation.allCases)
    func anAsynchronousCallIsCountedLikeAnother(_ continuation: Continuation) throws {
        // Over a connection nothing is sent twice, however slow the machine is.
        let relay = try ScriptedRelay(.cunix)
        try withAsyncStage([relay], continuation, Self.impatient) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            _ = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            try call.ack()
            try call.bye(run: .destroy())
            let expected = [
                "commands_sent": 3, "commands_answered": 3, "sessions_created": 1, "sessions_deleted": 1, "streams": 2,
                "bodies_rewritten": 2,
            ]
            _ = try waitUntil(10) { try kamailio.counted() == expected }
            let found = try kamailio.counted()
            #expect(found == expected)
            #expect(try number(kamailio.statistics()[0], "commands") == 3)
            // What the worker refuses at once, and what RTPProxy refuses while the transaction waits.
            let marked = try kamailio.call()
            _ = try marked.invite(sdp: SDPText.audio(extra: ["a=nortpproxy:yes"]), run: .offer())
            let full = try kamailio.call()
            relay.on(call: full.id) { $0.verb == "U" ? .reply("E72") : nil }
            #expect(try full.invite(run: .offer()).returnCodes == [-1])
            let counted = try kamailio.counted()
            #expect(counted["refused_marked"] == 1 && counted["errors_ports"] == 1)
            #expect(counted["bodies_rewritten"] == 2 && counted["sessions_created"] == 1)
            #expect(try kamailio.statistics()[0]["last_error"] == "E72")
        }
    }

    /// A transaction that is gone leaves no body that was rewritten, and its session is deleted.
    @Test(arguments: Continuation.allCases)
    func aTransactionThatIsGoneIsCountedAsWhatItWas(_ continuation: Continuation) throws {
        // Over a connection nothing is sent twice, however slow the machine is.
        let relay = try ScriptedRelay(.cunix)
        try withAsyncStage([relay], continuation) { kamailio in
            let call = try kamailio.call()
            #expect(try call.invite(run: Run.offer().with("X-New-Body", "1")).returnCodes == [-1])
            let expected = [
                "commands_sent": 2, "commands_answered": 2, "sessions_created": 1, "sessions_deleted": 1, "streams": 1,
            ]
            _ = try waitUntil(10) { try kamailio.counted() == expected }
            let found = try kamailio.counted()
            #expect(found == expected)
        }
    }

    @Test func failuresShowWhereTheyHappened() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, Self.impatient) { kamailio in
            let full = try kamailio.call()
            full.choose(0, of: [1, 1, 1])
            relays[0].on(call: full.id) { $0.verb == "U" ? .reply("E71") : nil }
            #expect(try full.invite(run: .offer()).returnCodes == [1])
            let existing = try kamailio.call()
            existing.choose(1, of: [1, 1, 1])
            let invite = try existing.invite(run: .offer())
            relays[1].on { _ in .drop }
            _ = try existing.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            let counted = try kamailio.counted()
            #expect(counted["errors_ports"] == 1 && counted["failovers"] ?? 0 >= 2)
            #expect(counted["commands_timed_out"] == 1 && counted["node_failures"] == 1)
            #expect(counted["retransmissions"] ?? 0 >= 1)
            #expect(try kamailio.counters()["nodes_up"] == 2)
            let found = try kamailio.statistics()
            #expect(found.map { $0["state"] } == ["up", "down", "up"])
            #expect(found.map { $0["timeouts"] } == ["0", "1", "0"])
            #expect(found.map { $0["errors"] } == ["1", "0", "0"])
            #expect(found.map { $0["last_error"] } == ["E71", "no answer in time", nil])
            #expect(number(found[1], "retransmissions") >= 1)
            #expect(
                (0...60).contains(number(found[1], "last_error_ago")) && (0...60).contains(number(found[1], "since")))
        }
    }

    @Test func refusedBodiesAreCountedByTheirReason() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], Self.impatient) { kamailio in
            #expect(try kamailio.call().invite(sdp: nil, run: .offer()).returnCodes == [-1])
            #expect(try kamailio.call().invite(sdp: "v=0\r\n", run: .offer()).returnCodes == [-1])
            let marked = SDPText.audio(extra: ["a=nortpproxy:yes"])
            #expect(try kamailio.call().invite(sdp: marked, run: .offer()).returnCodes == [-2])
            #expect(try kamailio.call().invite(run: Run.offer().then("offer")).returnCodes == [1, -2])
            #expect(try kamailio.call().invite(run: .offer("q")).returnCodes == [-1])
            let counted = try kamailio.counted().filter { $0.key.hasPrefix("refused") }
            #expect(
                counted == [
                    "refused_no_body": 1, "refused_malformed": 1, "refused_marked": 1, "refused_rewritten": 1,
                    "refused_parameters": 1,
                ])
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0")
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            #expect(try kamailio.counted()["no_rtpproxy"] == 1)
        }
    }

    @Test func statsHasAnEntryPerRelayInTheOrderOfTheListWithItsKeysInOrder() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        let change = { (c: inout KamailioConfiguration) in
            Self.impatient(&c)
            c.set("rtpproxy_sock", "7 == \(relays[2].url)")
            c.set("rtpproxy_sock", "\(relays[0].url) \(relays[1].url)")
            c.set("rtpproxy_sock", "7 == \(relays[0].url)")
        }
        try Stage.own([], change) { kamailio in
            #expect(try waitUntil(5) { try kamailio.statistics().allSatisfy { $0["state"] == "up" } })
            let (found, list) = (try kamailio.statistics(), try kamailio.relays())
            for key in ["url", "setid"] { #expect(found.map { $0[key] } == list.map { $0[key] }) }
            #expect(try kamailio.statistics(relays[0].url).map { $0["setid"] } == ["7", "0"])
            // Which calls time out does not matter here: the last error has its keys behind the others.
            relays[1].shut()
            _ = try kamailio.probe(relays[1].url)
            let printed = try kamailio.kamcmd("rtpproxy.stats", relays[1].url)
            let keys = printed.split(separator: "\n").compactMap {
                $0.split(separator: ":").first?.trimmingCharacters(in: .whitespaces)
            }
            #expect(
                keys == [
                    "{", "url", "setid", "state", "since", "commands", "answered", "errors", "timeouts",
                    "retransmissions", "rtt_us", "rtt_p50_us", "rtt_p90_us", "rtt_p99_us", "calls",
                    "restarts", "last_error", "last_error_ago", "}",
                ])
            // The list keeps its form.
            #expect(Set(list[0].keys) == ["setid", "url", "index", "disabled", "weight", "recheck"])
            #expect(try kamailio.kamcmd("rtpproxy.stats", "udp:nowhere:1").contains("404 - RTPProxy not found"))
        }
    }

    @Test func stateFollowsWhatTheOperatorDoes() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, Self.impatient) { kamailio in
            #expect(try waitUntil(5) { try number(kamailio.statistics()[0], "since") >= 2 })
            _ = try kamailio.kamcmd("rtpproxy.drain", relays[0].url, "1")
            #expect(try kamailio.statistics().map { $0["state"] } == ["draining", "up"])
            #expect(try number(kamailio.statistics()[0], "since") <= 1)
            _ = try kamailio.kamcmd("rtpproxy.enable", relays[0].url, "0")
            #expect(try kamailio.statistics().map { $0["state"] } == ["disabled", "up"])
            #expect(try kamailio.counters()["nodes_up"] == 1)
            _ = try kamailio.kamcmd("rtpproxy.enable", relays[0].url, "1")
            _ = try kamailio.kamcmd("rtpproxy.drain", relays[0].url, "0")
            #expect(try kamailio.statistics().map { $0["state"] } == ["up", "up"])
        }
    }

    @Test func resetSetsFiguresAndCountersBackAndLeavesTheRest() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], Self.impatient) { kamailio in
            let call = try kamailio.call()
            relay.on(call: call.id) { $0.verb == "L" ? .reply("E50") : nil }
            let invite = try call.invite(run: .offer())
            _ = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(try kamailio.counted()["errors_no_session"] == 1)
            #expect(try kamailio.statistics()[0]["last_error"] == "E50")
            #expect(try kamailio.kamcmd("rtpproxy.reset_stats").isEmpty)
            #expect(try kamailio.counted().isEmpty)
            #expect(try [kamailio.counters()["calls_remembered"], kamailio.counters()["nodes_up"]] == [1, 1])
            let found = try kamailio.statistics()[0]
            for key in ["commands", "answered", "errors", "timeouts", "retransmissions", "rtt_p50_us", "rtt_p99_us"] {
                #expect(found[key] == "0", "\(key)")
            }
            #expect(found["last_error"] == nil && found["state"] == "up")
            _ = try kamailio.call().invite(run: .offer())
            #expect(try kamailio.counted()["commands_sent"] == 1)
            #expect(try kamailio.statistics()[0]["commands"] == "1")
        }
    }

    @Test func nothingConfiguredIsAnEmptyAnswer() throws {
        try Stage.own([], Self.impatient) { kamailio in
            let found = try kamailio.statistics()
            #expect(found.isEmpty)
            #expect(try kamailio.kamcmd("rtpproxy.reset_stats").isEmpty)
            #expect(try kamailio.counters()["nodes"] == 0)
        }
    }
}
