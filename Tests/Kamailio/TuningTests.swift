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

    @Test func valuesOutOfRangeAreRefusedAndNothingChanges() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], Self.tunable) { (kamailio) throws in
            for (name, value) in [("tout_ms", "0"), ("retr", "-1"), ("ping_interval", "86401"), ("hedging", "2")] {
                let before = try kamailio.kamcmd("cfg.get", "rtpproxy", name)
                _ = try kamailio.kamcmd("cfg.set_now_int", "rtpproxy", name, value)
                #expect(try kamailio.kamcmd("cfg.get", "rtpproxy", name) == before)
            }
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }
}
