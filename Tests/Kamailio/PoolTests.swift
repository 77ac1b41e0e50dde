// SPDX-License-Identifier: GPL-2.0-or-later
// A call stays with the RTPProxy that holds it, whatever happens to the others.

import Foundation
import TestSupport
import Testing

@Suite struct PoolTests {
    private func deletion(_ call: Call) throws {
        _ = try call.invite(run: .destroy(), inDialog: true)
    }

    @Test func aCallStaysWhereItIsWhenAnotherRelayComesBack() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays) { kamailio in
            _ = try kamailio.kamcmd("rtpproxy.enable", relays[0].url, "0")
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            #expect(try call.invite(run: .offer()).instance == relays[1].url)
            _ = try kamailio.kamcmd("rtpproxy.enable", relays[0].url, "1")
            // The rule alone would choose the other one now.
            let reply = try call.reply(to: call.invite(), sdp: SDPText.audio(), run: .answer())
            #expect(reply.instance == relays[1].url)
            #expect(try call.invite(run: .offer(), inDialog: true).instance == relays[1].url)
            try deletion(call)
            #expect(relays[1].texts(of: call.id).map { $0.prefix(1) } == ["U", "L", "U", "D"])
            #expect(relays[0].texts(of: call.id).isEmpty)
            // Deleted is forgotten.
            #expect(try call.invite(run: .offer()).instance == relays[0].url)
        }
    }

    @Test func withoutATableTheRuleDecides() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays) {
            $0.set("rtpproxy_call_table_size", 0)
        } _: { kamailio in
            _ = try kamailio.kamcmd("rtpproxy.enable", relays[0].url, "0")
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            #expect(try call.invite(run: .offer()).instance == relays[1].url)
            _ = try kamailio.kamcmd("rtpproxy.enable", relays[0].url, "1")
            try deletion(call)
            #expect(relays[0].texts(of: call.id, "D").count == 1)
        }
    }

    @Test func drainingGivesNoNewCallsAndKeepsTheOld() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays) { kamailio in
            let old = try kamailio.call()
            old.choose(0, of: [1, 1])
            #expect(try old.invite(run: .offer()).instance == relays[0].url)
            #expect(try kamailio.kamcmd("rtpproxy.drain", relays[0].url, "1").isEmpty)
            let new = try kamailio.call()
            new.choose(0, of: [1, 1])
            #expect(try new.invite(run: .offer()).instance == relays[1].url)
            #expect(try old.invite(run: .offer(), inDialog: true).instance == relays[0].url)
            try deletion(old)
            #expect(relays[0].texts(of: old.id, "D").count == 1)
            #expect(try kamailio.relays().map { $0["disabled"] } == ["0", "0"])
            #expect(try kamailio.kamcmd("rtpproxy.drain", relays[0].url, "0").isEmpty)
            let newest = try kamailio.call()
            newest.choose(0, of: [1, 1])
            #expect(try newest.invite(run: .offer()).instance == relays[0].url)
        }
    }

    @Test func faultsOfDrain() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) { kamailio in
            let unknown = try kamailio.kamcmd("rtpproxy.drain", "udp:nobody:1", "1")
            #expect(unknown.contains("404"))
            let incomplete = try kamailio.kamcmd("rtpproxy.drain", relay.url)
            #expect(incomplete.contains("500"))
            let reload = try kamailio.kamcmd("rtpproxy.reload")
            #expect(reload.contains("do not come from a database"))
        }
    }

    @Test func rendezvousMovesOnlyTheCallsOfTheRelayThatLeaves() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays) {
            $0.set("rtpproxy_balancing", "rendezvous")
            $0.set("rtpproxy_call_table_size", 0)
        } _: { kamailio in
            let calls = try (0..<30).map { _ in try kamailio.call() }
            let before = try calls.map { try $0.invite(run: .offer()).instance }
            #expect(Set(before).count == 3)
            _ = try kamailio.kamcmd("rtpproxy.enable", relays[2].url, "0")
            for (call, url) in zip(calls, before) {
                let now = try call.invite(run: .offer()).instance
                #expect(url == relays[2].url ? now != url : now == url)
            }
        }
    }

    @Test func aRelayThatDiesIsFoundBeforeACallFindsIt() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays) {
            $0.set("rtpproxy_ping_interval", 1)
            $0.set("rtpproxy_tout_ms", 200)
            $0.set("rtpproxy_retr", 2)
        } _: { kamailio in
            relays[0].on { _ in .drop }
            #expect(try waitUntil(8, every: 100) { try kamailio.relays().first?["disabled"] == "1" })
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            #expect(try call.invite(run: .offer()).instance == relays[1].url)
            #expect(relays[0].texts(of: call.id).isEmpty)
            #expect(kamailio.logLines("does not answer in time").count == 1)
        }
    }

    @Test func withoutAPingIntervalNobodyLooks() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.set("rtpproxy_ping_interval", 0)
        } _: { _ in
            let before = relay.log.count
            usleep(2_000_000)
            #expect(relay.log.count == before)
        }
    }
}
