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

    private func remembered(_ kamailio: Kamailio, _ count: Int) throws -> Bool {
        try kamailio.kamcmd("stats.get_statistics", "rtpproxy:").contains("calls_remembered = \(count)\n")
    }

    /// Another process deletes the call while this one waits for what it has asked before: the call is not learned anew
    /// from the answer.
    @Test(arguments: ["answer", "re-INVITE", "first offer", "first offer, elsewhere"])
    func whatIsAnsweredAfterTheDeletionBringsNoCallBack(_ kind: String) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays) {
            $0.children = 4
            $0.set("rtpproxy_tout", 3)
        } _: { kamailio in
            #expect(kamailio.waitUntilUp())
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            let invite = kind.hasPrefix("first") ? nil : try call.invite(run: .offer())
            #expect(try remembered(kamailio, invite == nil ? 0 : 1))
            let wait: ScriptedRelay.Rule = { command in
                "UL".contains(command.verb) ? .delay(1500, .normal) : nil
            }
            relays[1].on(call: call.id, wait)
            // One that is slow: the offer asks the other one, too.
            relays[0].on(call: call.id) { kind.hasSuffix("elsewhere") && $0.verb == "U" ? .drop : wait($0) }
            let late: SIPMessage
            if let invite, kind == "answer" {
                late = call.response(200, to: invite, sdp: SDPText.audio(), run: .answer())
                call.send(late, from: .callee)
            } else {
                late = call.request("INVITE", sdp: SDPText.audio(), run: .offer(), inDialog: invite != nil)
                call.send(late)
            }
            let verb = kind == "answer" ? "L" : "U"
            let (asked, count) = (relays[kind.hasSuffix("elsewhere") ? 1 : 0], kind == "re-INVITE" ? 2 : 1)
            #expect(waitUntil(3, every: 10) { asked.commands(of: call.id, verb).count == count })
            #expect(try call.invite(run: .destroy(), inDialog: true).returnCodes == [1])
            #expect(try remembered(kamailio, 0))
            // It has its media all the same: RTPProxy says so.
            let got =
                kind == "answer"
                ? call.caller.receive { $0.status == 200 && $0.sequence == late.sequence }
                : call.callee.receive { $0.method == "INVITE" && $0.sequence == late.sequence }
            #expect(got?.returnCodes == [1])
            #expect(try remembered(kamailio, 0))
        }
    }

    @Test func anAnswerToACallThatNobodyHasMakesNoEntry() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays) { (kamailio) throws in
            #expect(kamailio.waitUntilUp())
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            _ = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            let again = try call.invite(run: .offer(), inDialog: true)
            #expect(try remembered(kamailio, 1))
            #expect(try call.invite(sdp: nil, run: .destroy(), from: .callee, inDialog: true).returnCodes == [1])
            #expect(try remembered(kamailio, 0))
            for relay in relays { relay.on(call: call.id) { $0.verb == "L" ? .reply("0") : nil } }
            #expect(try call.reply(to: again, sdp: SDPText.audio(), run: .answer()).returnCodes == [-1])
            #expect(try remembered(kamailio, 0))
        }
    }

    /// Of an offer that came to nothing nothing is left; what its call had before stays.
    @Test func anOfferThatFailsLeavesTheTableAsItWas() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.set("rtpproxy_tout", 1)
            $0.set("rtpproxy_retr", 1)
        } _: { kamailio in
            #expect(kamailio.waitUntilUp())
            let (old, new) = (try kamailio.call(), try kamailio.call())
            #expect(try old.invite(run: .offer()).returnCodes == [1])
            for answer in [RelayAnswer.reply("E72"), .reply("nonsense"), .drop] {
                relay.on { $0.verb == "U" ? answer : nil }
                for call in [old, new] {
                    #expect(try call.invite(run: .offer()).returnCodes != [1])
                    #expect(try remembered(kamailio, 1))
                }
                _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "1")
            }
        }
    }

    /// After a restart of Kamailio an answer is what it learns a call from.
    @Test func anAnswerOfACallThatTheTableDoesNotKnowMakesAnEntry() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, Self.ready) { (kamailio) throws in
            let call = try calls(kamailio, 1, at: 0, of: relays)[0]
            let invite = try call.invite(run: .offer(), inDialog: true)
            _ = try kamailio.kamcmd("rtpproxy.forget", "all")
            #expect(try remembered(kamailio, 0))
            // It has moved on: the rule says the first.
            relays[0].on(call: call.id) { $0.verb == "L" ? .reply("0") : nil }
            relays[1].on(call: call.id) { $0.verb == "L" ? .reply("40000 192.0.2.77") : nil }
            let answer = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(answer.returnCodes == [1] && answer.instance == relays[1].url)
            #expect(try counts(kamailio, ["0", "1"]) && remembered(kamailio, 1))
            #expect(try call.invite(run: .offer(), inDialog: true).instance == relays[1].url)
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

    /// It is asked what it has counted when it comes back, and that is compared with what it says the next time.
    @Test func withoutPingsARestartIsNoticedFromTheSecondFailureOn() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            Self.ready(&$0)
            $0.set("rtpproxy_ping_interval", 0)
        } _: { kamailio in
            func failAndComeBack() throws {
                relay.on { _ in .drop }
                #expect(try kamailio.call().invite(run: .offer()).returnCodes != [1])
                #expect(try waitUntil(5) { try values(kamailio, "state") == ["down"] })
                relay.removeRules()
            }
            #expect(kamailio.waitUntilUp())
            _ = try calls(kamailio, 2, at: 0, of: [relay])
            #expect(try counts(kamailio, ["2"]))
            #expect(!relay.log.contains { $0.verb == "G" })
            try failAndComeBack()
            #expect(kamailio.waitUntilUp())
            #expect(waitUntil(5) { relay.log.contains { $0.verb == "G" && $0.attempt == 1 } })
            #expect(try values(kamailio, "restarts") == ["0"] && values(kamailio, "calls") == ["2"])
            #expect(try kamailio.kamcmd("rtpproxy.status").contains("restarts: 0"))
            try failAndComeBack()
            relay.on { $0.verb == "G" ? .reply("0 0") : nil }
            #expect(kamailio.waitForLog(relay.url, "has been restarted", seconds: 10) != nil)
            #expect(try values(kamailio, "restarts") == ["1"] && counts(kamailio, ["0"]))
            #expect(try kamailio.kamcmd("rtpproxy.status").contains("restarts: 1"))
            #expect(try !kamailio.kamcmd("rtpproxy.list").contains("restart"))
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
