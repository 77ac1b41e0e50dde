// SPDX-License-Identifier: GPL-2.0-or-later
// How many calls each RTPProxy has, and what becomes of them when it drains, restarts, dies or leaves the sets.

import Foundation
import TestSupport
import Testing

@Suite struct CallsOfRelaysTests {
    private static let routes = """

        event_route[rtpproxy:node-drained] {
            xlog("L_NOTICE", "event drained $rtpp_node(url) $rtpp_node(setid) ($rtpp_node(reason))\\n");
        }
        event_route[rtpproxy:node-restarted] {
            xlog("L_NOTICE", "event restarted $rtpp_node(url) $rtpp_node(setid) ($rtpp_node(reason))\\n");
        }
        """

    private static func ready(_ configuration: inout KamailioConfiguration) {
        configuration.routes += routes
        configuration.set("rtpproxy_tout_ms", 200)
        configuration.set("rtpproxy_retr", 1)
        configuration.set("rtpproxy_disable_tout", 1)
        configuration.set("rtpproxy_ping_interval", 1)
    }

    /// The statistics' `key` of each relay, in order.
    private func values(_ kamailio: Kamailio, _ key: String) throws -> [String?] {
        try kamailio.statistics().map { $0[key] }
    }

    private func counts(_ kamailio: Kamailio, _ expected: [String]) throws -> Bool {
        try waitUntil(6, every: 100) { try values(kamailio, "calls") == expected }
    }

    /// Begins `count` calls at the relay in place `place` of `relays`.
    private func calls(_ kamailio: Kamailio, _ count: Int, at place: Int, of relays: [ScriptedRelay]) throws -> [Call] {
        try (0..<count).map { _ in
            let call = try kamailio.call()
            call.choose(place, of: relays.map { _ in 1 })
            #expect(try call.invite(run: .offer()).instance == relays[place].url)
            return call
        }
    }

    @Test func eachRelaysCallsAreCounted() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, Self.ready) { kamailio in
            let first = try calls(kamailio, 3, at: 0, of: relays)
            let second = try calls(kamailio, 2, at: 1, of: relays)
            #expect(try counts(kamailio, ["3", "2"]))
            #expect(try kamailio.kamcmd("rtpproxy.status").contains("calls: 3"))
            #expect(try second[0].invite(run: .destroy(), inDialog: true).returnCodes == [1])
            #expect(try counts(kamailio, ["3", "1"]))
            #expect(try kamailio.kamcmd("rtpproxy.forget", relays[0].url).contains("forgotten: 3"))
            #expect(try values(kamailio, "calls") == ["0", "1"])
            #expect(kamailio.waitForLog("calls of \(relays[0].url) forgotten, by RPC: 3") != nil)
            // Forgotten calls go where the rule says, and are remembered again.
            #expect(try first[0].invite(run: .offer(), inDialog: true).instance == relays[0].url)
            #expect(try counts(kamailio, ["1", "1"]))
        }
    }

    @Test func commandsOfTheOperatorTakeAllAndSets() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays) {
            Self.ready(&$0)
            $0.set("rtpproxy_sock", "1 == \(relays[0].url)")
            $0.set("rtpproxy_sock", "2 == \(relays[1].url) \(relays[2].url)")
        } _: { kamailio in
            func disabled() throws -> [String?] { try kamailio.relays().map { $0["disabled"] } }
            #expect(kamailio.waitUntilUp())
            let all = try kamailio.relays().count
            let ofSet2 = try kamailio.relays().map { $0["setid"] == "2" ? "1" : "0" }
            #expect(try kamailio.kamcmd("rtpproxy.enable", "set:2", "0").isEmpty)
            #expect(try disabled() == ofSet2)
            #expect(try kamailio.kamcmd("rtpproxy.enable", "all", "0").isEmpty)
            #expect(try disabled() == [String](repeating: "1", count: all))
            #expect(try kamailio.kamcmd("rtpproxy.enable", "all", "1").isEmpty)
            #expect(try disabled() == [String](repeating: "0", count: all))
            #expect(try kamailio.kamcmd("rtpproxy.drain", "set:2", "1").isEmpty)
            #expect(try values(kamailio, "state") == ofSet2.map { $0 == "1" ? "draining" : "up" })
            #expect(try kamailio.probe("set:2").count == 2)
            #expect(try kamailio.probe("all").count == all)
            #expect(try kamailio.statistics("set:1").count == 1)
            #expect(try kamailio.kamcmd("rtpproxy.forget", "all").contains("forgotten: 0"))
            for wrong in ["set:3", "set:", "set:2 ", "set:-1", "set:4294967296", "ALL", "all ", "set"] {
                for arguments in [
                    ["rtpproxy.enable", wrong, "1"], ["rtpproxy.drain", wrong, "1"], ["rtpproxy.forget", wrong],
                    ["rtpproxy.probe", wrong], ["rtpproxy.stats", wrong],
                ] {
                    #expect(try kamailio.kamcmd(arguments).contains("404"), "\(arguments)")
                }
            }
            #expect(try kamailio.kamcmd("rtpproxy.forget").contains("500"))
        }
    }

    @Test func aDrainingRelayIsReportedOnceWhenItsLastCallHasEnded() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, Self.ready) { kamailio in
            let old = try calls(kamailio, 2, at: 0, of: relays)
            _ = try kamailio.kamcmd("rtpproxy.drain", relays[0].url, "1")
            #expect(try counts(kamailio, ["2", "0"]))
            _ = try old[0].invite(run: .destroy(), inDialog: true)
            #expect(try counts(kamailio, ["1", "0"]))
            usleep(3_000_000)
            #expect(kamailio.logLines("has no call left").isEmpty)
            _ = try old[1].invite(run: .destroy(), inDialog: true)
            #expect(kamailio.waitForLog(relays[0].url, "has no call left", seconds: 6) != nil)
            #expect(kamailio.waitForLog("event drained \(relays[0].url) 0 (no call left)", seconds: 2) != nil)
            usleep(2_500_000)
            #expect(kamailio.logLines("has no call left").count == 1)
            // Once more after it has had calls again.
            _ = try kamailio.kamcmd("rtpproxy.drain", relays[0].url, "0")
            usleep(500_000)
            _ = try kamailio.kamcmd("rtpproxy.drain", relays[0].url, "1")
            #expect(waitUntil(6) { kamailio.logLines("has no call left").count == 2 })
        }
    }

    @Test func aRestartIsNoticedThoughNoCommandWasLost() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, Self.ready) { kamailio in
            let old = try calls(kamailio, 3, at: 0, of: relays)
            _ = try calls(kamailio, 1, at: 1, of: relays)
            #expect(try counts(kamailio, ["3", "1"]))
            #expect(waitUntil(5) { relays[0].log.contains { $0.verb == "G" && $0.attempt == 1 } })
            usleep(2_500_000)
            #expect(kamailio.logLines("has been restarted").isEmpty)
            relays[0].on { $0.verb == "G" ? .reply("0 3") : nil }
            let line = kamailio.waitForLog(relays[0].url, "has been restarted, its sessions are lost", seconds: 6)
            #expect(line?.hasSuffix("calls forgotten: 3") == true)
            #expect(kamailio.waitForLog("event restarted \(relays[0].url) 0", seconds: 2) != nil)
            #expect(try counts(kamailio, ["0", "1"]))
            #expect(try values(kamailio, "restarts") == ["1", "0"])
            #expect(try kamailio.kamcmd("stats.get_statistics", "rtpproxy:").contains("node_restarts = 1"))
            usleep(2_500_000)
            #expect(kamailio.logLines("has been restarted").count == 1)
            #expect(try old[0].invite(run: .offer(), inDialog: true).returnCodes == [1])
        }
    }

    @Test(arguments: [RealWay.udp, .unix]) func aRealRelaysRestartIsNoticed(_ way: RealWay) throws {
        let relay = try FragileRelay(way)
        defer { relay.stop() }
        let configuration = try Stage.configuration {
            Self.ready(&$0)
            $0.set("rtpproxy_sock", relay.url)
        }
        try Kamailio.with(configuration) { kamailio in
            #expect(kamailio.waitUntilUp())
            for _ in 0..<4 { #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1]) }
            #expect(try counts(kamailio, ["4"]))
            usleep(2_500_000)
            relay.crash()
            try relay.start()
            #expect(kamailio.waitForLog(relay.url, "has been restarted, its sessions are lost", seconds: 10) != nil)
            #expect(try counts(kamailio, ["0"]))
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }

    /// A relay that announces counters and never tells them is there all the same.
    @Test func aRelayThatDoesNotTellItsCountersIsUp() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        relays[0].on { $0.verb == "G" ? .drop : nil }
        relays[1].on { $0.verb == "G" ? .reply("E8") : nil }
        try Stage.own(relays, Self.ready) { (kamailio) throws in
            usleep(4_000_000)
            #expect(try values(kamailio, "state") == ["up", "up"])
            #expect(kamailio.logLines("disabled for").isEmpty && kamailio.logLines("restarted").isEmpty)
            // Asked with each ping, and no more often.
            #expect(relays[1].log.filter { $0.verb == "G" }.count <= 8)
        }
    }

    @Test func aCallThatNobodyRenewsIsForgottenWhenItsTimeIsOver() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            Self.ready(&$0)
            $0.set("rtpproxy_call_lifetime", 60)
        } _: { kamailio in
            _ = try calls(kamailio, 2, at: 0, of: [relay])
            let start = monotonicMilliseconds()
            #expect(try counts(kamailio, ["2"]))
            #expect(try waitUntil(90, every: 500) { try values(kamailio, "calls") == ["0"] })
            #expect(monotonicMilliseconds() - start > 50_000)
        }
    }

    @Test func callsThatEndDuringAnOutageAreForgotten() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            Self.ready(&$0)
            $0.set("rtpproxy_disable_tout", 60)
        } _: { kamailio in
            let old = try calls(kamailio, 3, at: 0, of: [relay])
            #expect(try counts(kamailio, ["3"]))
            relay.shut()
            #expect(kamailio.waitForLog(relay.url, "disabled for 60 s") != nil)
            for call in old { _ = try call.invite(run: .destroy(), inDialog: true) }
            #expect(try counts(kamailio, ["0"]))
        }
    }
}
