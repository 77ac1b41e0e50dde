// SPDX-License-Identifier: GPL-2.0-or-later
// Relays that are not there, silent, wrong or overloaded.

import Foundation
import TestSupport
import Testing

@Suite struct FailureTests {
    /// A command takes one second before its relay counts as dead.
    private static func impatient(_ configuration: inout KamailioConfiguration) {
        configuration.set("rtpproxy_tout", 1)
        configuration.set("rtpproxy_retr", 1)
    }

    /// Waits until the first relay, which refuses, is disabled: a refused datagram alone is not believed, the module's
    /// own process looks.
    private static func waitForTheVerdict(_ kamailio: Kamailio) throws {
        #expect(try waitUntil(5, every: 10) { try kamailio.relays().first?["disabled"] == "1" })
    }

    @Test func offerWithoutARelayIsMinus3AndTheOtherFunctionsMinus1() throws {
        let stage = try Stage.shared()
        for (function, code) in [("offer", -3), ("destroy", -1), ("record", -1), ("stop2uac", -1)] {
            let invite = try stage.call().invite(run: Run(function, set: 66), inDialog: true)
            #expect(invite.returnCodes == [code], "\(function)")
            #expect(invite.text == SDPText.audio())
        }
        let call = try stage.call()
        let answered = try call.reply(to: call.invite(), sdp: SDPText.audio(), run: .answer(set: 66))
        #expect(answered.returnCodes == [-3])
    }

    @Test func withoutAnyRelayConfiguredOffersAreMinus3() throws {
        for value in [nil, "", " \t"] {
            try Stage.own([]) {
                if let value { $0.set("rtpproxy_sock", value) }
            } _: { kamailio in
                let invite = try kamailio.call().invite(run: .offer())
                #expect(invite.returnCodes == [-3])
                #expect(try kamailio.relays().isEmpty)
            }
        }
    }

    /// Ten seconds of patience, which must not be needed.
    private static func patient(_ configuration: inout KamailioConfiguration) {
        configuration.set("rtpproxy_tout", 5)
        configuration.set("rtpproxy_retr", 2)
    }

    @Test func silentRelayGetsCompanyAndTheOtherTakesOver() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, Self.patient) { kamailio in
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            relays[0].on { $0.verb == "U" ? .drop : nil }
            let start = ContinuousClock.now
            let invite = try call.invite(run: .offer())
            #expect(ContinuousClock.now - start < .seconds(4))
            #expect(invite.returnCodes == [1])
            #expect(relays[1].texts(of: call.id, "U").count == 1)
            #expect(invite.instance == relays[1].url)
            // What the slow one may have created is deleted, and the call stays with the one that answered.
            #expect(waitUntil(2) { relays[0].texts(of: call.id, "D").count == 1 })
            #expect(relays[1].texts(of: call.id, "D").isEmpty)
            let reply = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(reply.instance == relays[1].url)
        }
    }

    @Test func relayThatIsSilentToAllIsTriedLastAndThenDisabled() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, Self.impatient) { kamailio in
            relays[0].on { _ in .drop }
            var asked = 0
            for _ in 0..<12 {
                let call = try kamailio.call()
                call.choose(0, of: [1, 1])
                #expect(try call.invite(run: .offer()).instance == relays[1].url)
                if !relays[0].texts(of: call.id).isEmpty { asked += 1 }
            }
            #expect(asked < 12)
            #expect(try waitUntil(5, every: 50) { try kamailio.relays().map { $0["disabled"] } == ["1", "0"] })
            #expect(kamailio.logLines(relays[0].url).filter { $0.contains("ERROR") }.count == 1)
        }
    }

    @Test func relaysThatAreAllSilentCostOneBudgetInAll() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, Self.impatient) { kamailio in
            for relay in relays { relay.on { $0.verb == "U" ? .drop : nil } }
            let call = try kamailio.call()
            let start = ContinuousClock.now
            #expect(try call.invite(run: .offer()).returnCodes == [-3])
            #expect(ContinuousClock.now - start < .seconds(2.5))
            for relay in relays { #expect(Set(relay.commands(of: call.id).map(\.cookie)).count >= 1) }
        }
    }

    @Test func refusedConnectionsLeadToTheOtherAtOnce() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        // Ten seconds of patience, which must not be needed.
        let patient = { (c: inout KamailioConfiguration) in c.set("rtpproxy_tout", 10) }
        try Stage.own(relays, patient) { kamailio in
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            relays[0].shut()
            let start = monotonicMilliseconds()
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(monotonicMilliseconds() - start < 4000)
            try Self.waitForTheVerdict(kamailio)
            #expect(try kamailio.relays().map { $0["disabled"] } == ["1", "0"])
        }
    }

    @Test func lastRelaysSilenceIsMinus3() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], Self.impatient) { kamailio in
            relay.on { $0.verb == "U" ? .drop : nil }
            let invite = try kamailio.call().invite(run: .offer())
            #expect(invite.returnCodes == [-3])
            #expect(invite.text == SDPText.audio())
        }
    }

    @Test func lostCommandIsSentAgainWellBeforeTheTimeIsUp() throws {
        let relay = try ScriptedRelay()
        let patient = { (c: inout KamailioConfiguration) in
            c.set("rtpproxy_tout", 4)
            c.set("rtpproxy_retr", 1)
        }
        try Stage.own([relay], patient) { kamailio in
            let call = try kamailio.call()
            relay.on { $0.verb == "U" && $0.attempt == 1 ? .drop : nil }
            let start = monotonicMilliseconds()
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(monotonicMilliseconds() - start < 3500)
            #expect(relay.log.contains { $0.verb == "U" && $0.attempt == 2 })
        }
    }

    @Test func retransmissionDoesNotRunTheCommandTwice() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.set("rtpproxy_tout", 3)
        } _: { kamailio in
            let call = try kamailio.call()
            relay.on { $0.verb == "U" ? .delay(700, .normal) : nil }
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(Set(relay.log.filter { $0.callID == call.id }.map(\.cookie)).count == 1)
        }
    }

    @Test func duplicateAnswersAreOfNoConsequence() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { _ in .twice(.normal) }
        let invite = try call.invite(run: .offer())
        let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
        #expect(invite.returnCodes == [1])
        #expect(answered.returnCodes == [1])
    }

    @Test func answersUnderAnotherCookieAreIgnored() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { command in
            let other = String(command.cookie.reversed()) + "x 1111 203.0.113.1\n"
            return command.verb == "U" ? .several([.raw(Array(other.utf8)), .reply("40000 192.0.2.77")]) : nil
        }
        let invite = try call.invite(run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.contains("m=audio 40000 RTP/AVP 0 8 101"))
    }

    @Test func lateAnswerOfAnEarlierCallIsNotTakenForThisOne() throws {
        let relay = try ScriptedRelay()
        let change = { (c: inout KamailioConfiguration) in
            Self.impatient(&c)
            c.children = 1
            c.set("rtpproxy_disable_tout", 0)
        }
        try Stage.own([relay], change) { kamailio in
            relay.on {
                $0.verb == "U" && $0.number == 1 && $0.text.contains(" 4444 ") ? .delay(1300, .reply("1111")) : nil
            }
            let first = try kamailio.call()
            #expect(try first.invite(sdp: SDPText.audio(port: 4444), run: .offer()).returnCodes == [-3])
            kamailio.waitUntilUp()
            usleep(400_000)
            let second = try kamailio.call().invite(run: .offer())
            #expect(!second.lines.contains { $0.hasPrefix("m=audio 1111 ") })
        }
    }

    @Test(arguments: ["E71", "E72", "E81", "E89", "E98", "E99", "E7", "E10"])
    func fullRelayLeadsToAnotherButIsNotDead(error: String) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, Self.impatient) { kamailio in
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            relays[0].on { $0.verb == "U" ? .reply(error) : nil }
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite.instance == relays[1].url)
            #expect(try kamailio.relays().map { $0["disabled"] } == ["0", "0"])
            relays[1].on { $0.verb == "U" ? .reply(error) : nil }
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-1])
            #expect(try kamailio.relays().map { $0["disabled"] } == ["0", "0"])
        }
    }

    @Test(arguments: ["E0", "E1", "E14", "E36", "E50"])
    func otherErrorsFailTheFunctionAndAskNobodyElse(error: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "U" ? .reply(error) : nil }
        let invite = try call.invite(run: .offer())
        #expect(invite.returnCodes == [-1])
        #expect(stage.relay.texts(of: call.id, "U").count == 1)
        #expect(try stage.kamailio.relays().first { $0["url"] == stage.relay.url }?["disabled"] == "0")
    }

    @Test("All streams of a message go to one relay, even where the first fails halfway")
    func allStreamsOfAMessageGoToOneRelay() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays, Self.impatient) { kamailio in
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            relays[0].on { $0.verb == "U" && $0.text.contains(";2") ? .reply("E72") : nil }
            relays[1].set(address: "192.0.2.88")
            let sdp = SDPText.session(
                streams: [
                    SDPText.media("audio", 4000, address: "192.0.2.11"),
                    SDPText.media("video", 4002, address: "192.0.2.12"),
                ])
            let invite = try call.invite(sdp: sdp, run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite.lines.filter { $0 == "c=IN IP4 192.0.2.88" }.count == 2)
            #expect(relays[1].texts(of: call.id, "U").count == 2)
        }
    }

    @Test func deadRelayComesBackByItself() throws {
        let relay = try ScriptedRelay()
        let change = { (c: inout KamailioConfiguration) in
            Self.impatient(&c)
            c.set("rtpproxy_disable_tout", 1)
        }
        try Stage.own([relay], change) { kamailio in
            relay.shut()
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            try Self.waitForTheVerdict(kamailio)
            try relay.reopen()
            // Nobody calls: it is found again all the same.
            #expect(kamailio.waitUntilUp(within: 10))
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }

    @Test func relayWithoutTheRequiredCapabilityIsNotUsed() throws {
        let relay = try ScriptedRelay(.udp, capabilities: ["20040107"])
        try Stage.own([relay], settled: false, Self.impatient) { (kamailio) throws in
            #expect(try waitUntil(8) { try kamailio.relays().first?["disabled"] == "1" })
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
        }
    }

    @Test func failureIsLoggedOnceForAllProcesses() throws {
        let relay = try ScriptedRelay()
        let change = { (c: inout KamailioConfiguration) in
            Self.impatient(&c)
            c.children = 4
        }
        try Stage.own([relay], change) { kamailio in
            relay.shut()
            for _ in 0..<6 { _ = try kamailio.call().invite(run: .offer()) }
            try Self.waitForTheVerdict(kamailio)
            for _ in 0..<6 { _ = try kamailio.call().invite(run: .offer()) }
            let lines = kamailio.logLines(relay.url, "disabled for")
            #expect(lines.count == 1, "\(lines)")
        }
    }

    @Test func manyWorkersThatFailAtTheSameTimeLogOneLine() throws {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.children = 20
            configuration.listensOnIPv6 = false
            // Long enough for all of them to have asked before the first gives up.
            configuration.set("rtpproxy_tout", 3)
            configuration.set("rtpproxy_retr", 1)
            // Nobody but a call finds that the relay is silent.
            configuration.set("rtpproxy_ping_interval", 0)
        }
        try Stage.own([relay], change) { kamailio in
            relay.on { _ in .drop }
            let calls = try (0..<20).map { _ in try kamailio.call() }
            for call in calls { call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer())) }
            for call in calls {
                let invite = call.callee.receive(12_000) { $0.method == "INVITE" && $0.callID == call.id }
                #expect(invite?.returnCodes == [-3])
            }
            #expect(Set(relay.log.filter { $0.verb == "U" }.map(\.sender)).count == 20)
            let lines = kamailio.logLines(relay.url).filter { $0.contains("WARNING") || $0.contains("ERROR") }
            #expect(lines.count == 1, "\(lines)")
        }
    }

    @Test func negativeDisableTimeMeansNeverByItself() throws {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            Self.impatient(&configuration)
            configuration.set("rtpproxy_disable_tout", -1)
        }
        try Stage.own([relay], change) { kamailio in
            relay.shut()
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            try Self.waitForTheVerdict(kamailio)
            try relay.reopen()
            let asked = relay.log.count
            usleep(2_500_000)
            #expect(relay.log.count == asked)
            #expect(try kamailio.relays().first?["disabled"] == "1")
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "1")
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }

    @Test func relayIsAskedAgainByTheModulesOwnProcessWhenItsTimeIsOver() throws {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            Self.impatient(&configuration)
            configuration.children = 1
            configuration.set("rtpproxy_disable_tout", 3)
        }
        try Stage.own([relay], change) { kamailio in
            _ = try kamailio.call().invite(run: .offer())
            let worker = try #require(relay.log.first { $0.verb == "U" }).sender
            relay.shut()
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            try Self.waitForTheVerdict(kamailio)
            let start = monotonicMilliseconds()
            try relay.reopen()
            let asked = relay.log.count
            // Calls meanwhile neither ask it nor wait for it.
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            #expect(kamailio.waitUntilUp(within: 12))
            let probes = relay.log.dropFirst(asked)
            #expect(Set(probes.map(\.verb)).isSubset(of: ["V", "VF", "L", "G"]))
            #expect(probes.allSatisfy { $0.sender != worker })
            // That it is there again is seen before, what it can do is asked when its time is over.
            #expect((probes.first { $0.verb == "VF" }?.time ?? start) - start > 1000)
            #expect(kamailio.waitForLog("is back", relay.url) != nil)
        }
    }

    @Test func unresolvableNameStartsDisabled() throws {
        let relay = try ScriptedRelay()
        let dead = "udp:no-such-host.invalid:22222"
        try Stage.own([], settled: false) {
            $0.set("rtpproxy_sock", "\(dead) \(relay.url)")
        } _: { (kamailio) throws in
            #expect(try waitUntil(8) { try kamailio.relays().map { $0["disabled"] } == ["1", "0"] })
            #expect(kamailio.waitForLog("no-such-host.invalid") != nil)
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }
}
