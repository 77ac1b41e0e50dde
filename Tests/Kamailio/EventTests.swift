// SPDX-License-Identifier: GPL-2.0-or-later
// Event routes: when they run, how often, in which process, and what they see.

import Foundation
import TestSupport
import Testing

@Suite struct EventTests {
    /// Routes that say what they see; everything else is the stage's.
    private static let routes = """

        event_route[rtpproxy:node-down] {
            $avp(left) = $avp(left) + "x";
            xlog("L_NOTICE", "event down $rtpp_node(url) $rtpp_node(setid) ($rtpp_node(reason)) pid $pp $avp(left)\\n");
            exit;
        }
        event_route[rtpproxy:node-up] {
            xlog("L_NOTICE", "event up $rtpp_node(url) $rtpp_node(setid) ($rtpp_node(reason)) pid $pp\\n");
            drop;
        }
        """

    private static func withEvents(_ configuration: inout KamailioConfiguration) {
        configuration.routes += routes
        configuration.children = 6
        configuration.set("rtpproxy_tout_ms", 200)
        configuration.set("rtpproxy_retr", 1)
        configuration.set("rtpproxy_disable_tout", 1)
        configuration.set("rtpproxy_ping_interval", 0)
    }

    /// What stands behind `event ` in the log, without the process.
    private func events(_ kamailio: Kamailio) -> [String] {
        kamailio.logLines(": event ").compactMap { line in
            line.components(separatedBy: ": event ").last?.components(separatedBy: " pid ").first
        }
    }

    @Test("Each change is raised once, however many workers meet it, and in the module's own process")
    func eachChangeIsRaisedOnce() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], Self.withEvents) { kamailio in
            #expect(events(kamailio).isEmpty, "an ordinary start is no event")
            let calls = try (0..<6).map { _ in try kamailio.call() }
            relay.on { _ in .drop }
            for call in calls { call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer())) }
            #expect(waitUntil(10) { events(kamailio).count == 1 })
            #expect(events(kamailio) == ["down \(relay.url) 0 (no answer in time)"])
            relay.removeRules()
            #expect(waitUntil(10) { events(kamailio).count == 2 })
            #expect(events(kamailio).last == "up \(relay.url) 0 (answers)")
            let monitor = try #require(try kamailio.processes().first { $0.name == "RTPProxy monitor" }?.pid)
            #expect(kamailio.logLines(": event ").allSatisfy { $0.contains(" pid \(monitor)") })
            #expect(kamailio.diedBySignal.isEmpty)
        }
    }

    @Test func theOperatorsCommandsAreEventsAndNothingOfTheLastOneIsLeft() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], Self.withEvents) { kamailio in
            for round in 1...3 {
                _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0")
                #expect(waitUntil(5) { events(kamailio).count == round * 2 - 1 })
                _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "1")
                #expect(waitUntil(5) { events(kamailio).count == round * 2 })
            }
            let (down, up) = ("disabled by the operator", "enabled by the operator")
            let both = ["down \(relay.url) 0 (\(down))", "up \(relay.url) 0 (\(up))"]
            #expect(events(kamailio) == both + both + both)
            // An $avp of the event before would have been lengthened.
            #expect(kamailio.logLines(": event down").allSatisfy { !$0.hasSuffix("xx") })
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }

    /// In the process that watches the RTPProxies, in the middle of its work.
    @Test func theRouteOfAnEventMayAskTheModule() throws {
        let relays = try (0..<3).map { _ in try ScriptedRelay() }
        try Stage.own(relays) {
            Self.withEvents(&$0)
            $0.routes = $0.routes.replacing(
                "exit;", with: "xlog(\"L_NOTICE\", \"metrics $(rtpp_metrics{s.len})\\n\"); rtpproxy_destroy(); exit;")
        } _: { kamailio in
            for round in 1...10 {
                let before = events(kamailio).count
                for relay in relays { _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0") }
                #expect(waitUntil(5) { events(kamailio).count == before + 3 })
                for relay in relays { _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "1") }
                #expect(waitUntil(5) { events(kamailio).count == before + 6 })
                #expect(kamailio.logLines("metrics ").count == round * 3)
            }
            #expect(Set(events(kamailio)).count == 6)
            #expect(kamailio.diedBySignal.isEmpty)
        }
    }

    /// Whichever event it is that the script has a route for: every module is initialised where the route runs. Those
    /// that talk to a database have a connection there.
    @Test(arguments: ["drained", "restarted", "down", "up"])
    func theOnlyRouteOfTheScriptMayUseOtherModules(_ event: String) throws {
        let relay = try ScriptedRelay()
        let folder = try TemporaryFolder()
        try Stage.own([relay]) {
            $0.modules += ["db_sqlite", "sqlops"]
            $0.parameters.append(("sqlops", "sqlcon", "\"database=>sqlite:///\(folder.file("database"))\""))
            $0.set("rtpproxy_tout_ms", 200)
            $0.set("rtpproxy_retr", 1)
            $0.set("rtpproxy_disable_tout", 1)
            $0.set("rtpproxy_ping_interval", 1)
            $0.routes += """

                event_route[rtpproxy:node-\(event)] {
                    sql_query("database", "select 40 + 2", "result");
                    xlog("L_NOTICE", "event $rtpp_node(url): $dbr(result=>[0,0])\\n");
                }
                """
        } _: { kamailio in
            #expect(kamailio.waitUntilUp())
            switch event {
            case "drained": _ = try kamailio.kamcmd("rtpproxy.drain", relay.url, "1")
            case "restarted":
                #expect(waitUntil(5) { relay.log.contains { $0.verb == "G" && $0.attempt == 1 } })
                relay.on { $0.verb == "G" ? .reply("0 0") : nil }
            default:
                _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0")
                usleep(500_000)
                _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "1")
            }
            #expect(kamailio.waitForLog("event \(relay.url): 42", seconds: 8) != nil)
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [event == "drained" ? -3 : 1])
        }
    }

    @Test func aRelayThatIsNotThereAtTheStartIsAnEvent() throws {
        let url = "udp:127.0.0.1:9"
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            Self.withEvents(&$0)
            $0.set("rtpproxy_sock", "7 == \(url)")
        } _: { kamailio in
            #expect(waitUntil(10) { !events(kamailio).isEmpty })
            #expect(events(kamailio) == ["down \(url) 7 (connection refused or no address)"])
        }
    }

    @Test func aThousandEventsLeaveNoMemoryBehind() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], Self.withEvents) { kamailio in
            let monitor = try #require(try kamailio.processes().first { $0.name == "RTPProxy monitor" }?.pid)
            func resident() throws -> Int {
                let text = try String(contentsOfFile: "/proc/\(monitor)/statm", encoding: .utf8)
                return Int(text.split(separator: " ")[1]) ?? 0
            }
            func round(_ count: Int) throws {
                let before = events(kamailio).count
                for index in 0..<count {
                    _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, index % 2 == 0 ? "0" : "1")
                    #expect(waitUntil(5, every: 5) { events(kamailio).count > before + index })
                }
            }
            try round(10)
            let warm = try resident()
            try round(60)
            // Pages of 4 KiB.
            #expect(try resident() - warm < 32)
        }
    }

    @Test func aVariableOfAnotherNameIsRefusedAtStart() throws {
        for name in ["rtpp_node(urls)", "rtpp_node()", "rtpp_node(tag)", "rtpp_notify(url)"] {
            var configuration = KamailioConfiguration()
            configuration.routes = "request_route { xlog(\"$\(name)\\n\"); }"
            configuration.modules.append("xlog")
            #expect(try !Kamailio.starts(configuration), "\(name)")
        }
    }

    @Test func kemiGetsTheNameOfTheEvent() throws {
        try KEMIStage.run {
            $0.set("event_callback", "ksr_rtpproxy_event")
        } _: { stage in
            _ = try stage.kamailio.kamcmd("rtpproxy.enable", stage.other.url, "0")
            let line = stage.kamailio.waitForLog("event rtpproxy:node-down \(stage.other.url) 4")
            #expect(line?.contains("disabled by the operator") == true)
        }
    }
}
