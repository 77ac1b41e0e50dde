// SPDX-License-Identifier: GPL-2.0-or-later
// Parameters that are changed while Kamailio runs, in every kind of process.

import Foundation
import TestSupport
import Testing

@Suite struct TuningTests {
    private static func tunable(_ configuration: inout KamailioConfiguration) {
        configuration.modules.append("cfg_rpc")
        configuration.set("rtpproxy_tout_ms", 3000)
        configuration.set("rtpproxy_retr", 1)
        configuration.set("rtpproxy_ping_interval", 0)
    }

    /// Milliseconds until an offer to a relay that is silent has failed.
    private func failure(_ kamailio: Kamailio) throws -> Int {
        let call = try kamailio.call()
        let start = monotonicMilliseconds()
        #expect(try call.invite(run: .offer()).returnCodes == [-3])
        return Int(monotonicMilliseconds() - start)
    }

    @Test func workersTakeANewTimeLimitWithTheNextMessage() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], Self.tunable) { (kamailio) throws in
            #expect(try kamailio.kamcmd("cfg.get", "rtpproxy", "tout_ms") == "3000\n")
            #expect(try kamailio.kamcmd("cfg.set_now_int", "rtpproxy", "tout_ms", "300").isEmpty)
            #expect(try kamailio.kamcmd("cfg.set_now_int", "rtpproxy", "disable_tout", "1").isEmpty)
            relay.on { $0.verb == "U" || $0.verb == "V" ? .drop : nil }
            #expect(try failure(kamailio) < 2000)
            #expect(kamailio.waitForLog(relay.url, "disabled for 1 s") != nil)
        }
    }

    @Test func theModulesOwnProcessTakesThemToo() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], Self.tunable) { (kamailio) throws in
            #expect(kamailio.waitUntilUp())
            usleep(500_000)
            let before = relay.log.count
            usleep(2_000_000)
            #expect(relay.log.count == before)
            #expect(try kamailio.kamcmd("cfg.set_now_int", "rtpproxy", "ping_interval", "1").isEmpty)
            #expect(waitUntil(5) { relay.log.count > before })
        }
    }

    @Test func hedgingIsSwitchedOff() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, Self.tunable) { (kamailio) throws in
            #expect(try kamailio.kamcmd("cfg.set_now_int", "rtpproxy", "hedging", "0").isEmpty)
            relays[0].on { $0.verb == "U" ? .delay(600, .normal) : nil }
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            #expect(try call.invite(run: .offer()).instance == relays[0].url)
            #expect(relays[1].commands(of: call.id).isEmpty)
        }
    }

    @Test func thePageListsEach() throws {
        let text = try #require(
            Readme.chapter("Parameters").components(separatedBy: "be changed while Kamailio runs").dropFirst().first)
        let page = try #require(text.components(separatedBy: "\n\n").first)
        try Stage.own([try ScriptedRelay()], Self.tunable) { (kamailio) throws in
            let names = try Readme.matches(#"rtpproxy: (\w+)"#, in: kamailio.kamcmd("cfg.list", "rtpproxy"))
            #expect(names.count >= 5)
            for name in names { #expect(page.contains("`\(name)`"), "\(name)") }
        }
    }

    @Test func asynchronousProcessesTakeThem() throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay]) {
            Self.tunable(&$0)
        } _: { (kamailio) throws in
            #expect(try kamailio.kamcmd("cfg.set_now_int", "rtpproxy", "tout_ms", "300").isEmpty)
            usleep(500_000)
            relay.on { $0.verb == "U" || $0.verb == "V" ? .drop : nil }
            #expect(try failure(kamailio) < 2000)
        }
    }

    /// Whether the commands of a call are lines of the log.
    private func showsCommands(_ kamailio: Kamailio, _ relay: ScriptedRelay) throws -> Bool {
        let call = try kamailio.call()
        #expect(try call.invite(run: .offer()).returnCodes == [1])
        let end = try kamailio.call()
        _ = try end.invite(sdp: "v=0\r\nnonsense\r\n", run: .offer())
        return !kamailio.logLines("call \(call.id): to \(relay.url): U").isEmpty
    }

    @Test func theLogLevelIsTheModulesAlone() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], Self.tunable) { (kamailio) throws in
            #expect(try kamailio.kamcmd("cfg.get", "rtpproxy", "log_level") == "-6\n")
            #expect(try !showsCommands(kamailio, relay))
            #expect(try kamailio.kamcmd("cfg.set_now_int", "rtpproxy", "log_level", "3").isEmpty)
            #expect(try showsCommands(kamailio, relay))
            #expect(kamailio.logLines(" DEBUG: ").allSatisfy { $0.contains(" DEBUG: rtpproxy") })
            // Fewer lines than Kamailio's.
            #expect(try kamailio.kamcmd("--", "cfg.set_now_int", "rtpproxy", "log_level", "-2").isEmpty)
            let quiet = try kamailio.call()
            #expect(try quiet.invite(sdp: "v=0\r\nnonsense\r\n", run: .offer()).returnCodes == [-1])
            #expect(try kamailio.kamcmd("--", "cfg.set_now_int", "rtpproxy", "log_level", "-6").isEmpty)
            let loud = try kamailio.call()
            #expect(try loud.invite(sdp: "v=0\r\nnonsense\r\n", run: .offer()).returnCodes == [-1])
            #expect(kamailio.waitForLog("call \(loud.id): ") != nil)
            #expect(kamailio.logLines("call \(quiet.id): ").isEmpty)
            #expect(try !showsCommands(kamailio, relay))
        }
    }

    @Test func theLogLevelHoldsInTheModulesOwnProcesses() throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], .process) {
            Self.tunable(&$0)
            $0.set("rtpproxy_disable_tout", 1)
            $0.set("rtpproxy_ping_interval", 1)
        } _: { (kamailio) throws in
            #expect(kamailio.waitUntilUp())
            #expect(try kamailio.kamcmd("cfg.set_now_int", "rtpproxy", "log_level", "3").isEmpty)
            usleep(500_000)
            #expect(try showsCommands(kamailio, relay))
            #expect(try kamailio.kamcmd("--", "cfg.set_now_int", "rtpproxy", "log_level", "-1").isEmpty)
            usleep(500_000)
            let before = kamailio.logLines("is back").count
            for (level, count) in [("-1", 0), ("2", 1)] {
                #expect(try kamailio.kamcmd("--", "cfg.set_now_int", "rtpproxy", "log_level", level).isEmpty)
                relay.on { _ in .drop }
                _ = try kamailio.kamcmd("rtpproxy.probe", relay.url)
                #expect(waitUntil(5) { (try? kamailio.kamcmd("rtpproxy.stats").contains("state: down")) == true })
                relay.removeRules()
                #expect(kamailio.waitUntilUp())
                usleep(300_000)
                #expect(kamailio.logLines("is back").count == before + count, "\(level)")
            }
        }
    }

    @Test func theLogLevelOfTheConfigurationHoldsFromTheStart() throws {
        let relay = try ScriptedRelay()
        for (level, shown) in [(3, true), (0, false)] {
            try Stage.own([relay]) {
                Self.tunable(&$0)
                $0.set("rtpproxy_log_level", level)
            } _: { (kamailio) throws in
                #expect(kamailio.waitUntilUp())
                #expect(try kamailio.kamcmd("cfg.get", "rtpproxy", "log_level") == "\(level)\n")
                #expect(kamailio.logLines("RTPProxies configured: 1").count == (shown ? 1 : 0))
                #expect(kamailio.logLines(" INFO: rtpproxy").isEmpty == !shown)
                #expect(try showsCommands(kamailio, relay) == shown)
            }
        }
    }

    /// In either order.
    @Test func theDebuggersLevelForTheModuleCountsMore() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            Self.tunable(&$0)
            $0.set("rtpproxy_log_level", 1)
            $0.modules.append("debugger")
            $0.parameters.append(("debugger", "mod_hash_size", "4"))
            $0.parameters.append(("debugger", "mod_level_mode", "1"))
        } _: { (kamailio) throws in
            #expect(try !showsCommands(kamailio, relay))
            #expect(try !kamailio.kamcmd("dbg.set_mod_level", "rtpproxy", "3").contains("error"))
            #expect(try showsCommands(kamailio, relay))
            #expect(try kamailio.kamcmd("cfg.set_now_int", "rtpproxy", "log_level", "0").isEmpty)
            #expect(try showsCommands(kamailio, relay))
            #expect(try kamailio.kamcmd("cfg.set_now_int", "rtpproxy", "log_level", "3").isEmpty)
            #expect(try !kamailio.kamcmd("dbg.set_mod_level", "rtpproxy", "0").contains("error"))
            #expect(try !showsCommands(kamailio, relay))
            // As Kamailio's own, which is all that takes it back.
            #expect(try !kamailio.kamcmd("dbg.set_mod_level", "rtpproxy", "2").contains("error"))
            #expect(try showsCommands(kamailio, relay))
        }
    }

    @Test func valuesOutOfRangeAreRefusedAndNothingChanges() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], Self.tunable) { (kamailio) throws in
            for (name, value) in [
                ("tout_ms", "0"), ("retr", "-1"), ("ping_interval", "86401"), ("hedging", "2"), ("log_level", "4"),
                ("log_level", "-7"),
            ] {
                let before = try kamailio.kamcmd("cfg.get", "rtpproxy", name)
                // `--`: a negative number is no option of kamcmd.
                _ = try kamailio.kamcmd("--", "cfg.set_now_int", "rtpproxy", name, value)
                #expect(try kamailio.kamcmd("cfg.get", "rtpproxy", name) == before)
            }
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }
}
