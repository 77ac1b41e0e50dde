// SPDX-License-Identifier: GPL-2.0-or-later
// Relays that come late or come back: how soon they are seen, and when they get calls.

import Foundation
import TestSupport
import Testing

@Suite struct ReturnTests {
    private static func impatient(_ configuration: inout KamailioConfiguration) {
        configuration.set("rtpproxy_tout", 1)
        configuration.set("rtpproxy_retr", 1)
    }

    @Test(arguments: [ScriptedRelay.Transport.udp, .unix, .cunix, .tcp], [60, -1])
    func aRelayThatStartsAfterKamailioGetsCallsFromTheNextSecondOn(
        _ transport: ScriptedRelay.Transport, _ disableSeconds: Int
    ) throws {
        let relay = try ScriptedRelay(transport)
        relay.shut()
        try Stage.own([relay], settled: false) {
            Self.impatient(&$0)
            $0.set("rtpproxy_disable_tout", disableSeconds)
        } _: { (kamailio) throws in
            #expect(kamailio.waitForLog(relay.url, "has not answered yet and is asked each second") != nil)
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            usleep(1_500_000)
            let start = monotonicMilliseconds()
            try relay.reopen()
            #expect(kamailio.waitUntilUp())
            #expect(monotonicMilliseconds() - start < 2000)
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
            #expect(kamailio.logLines("disabled for").isEmpty)
        }
    }

    /// A machine that is not there answers nothing, where a program that is not there refuses.
    @Test func aRelayThatIsSilentAtTheStartIsAskedOnceASecond() throws {
        let relay = try ScriptedRelay()
        relay.on { _ in .drop }
        try Stage.own([relay], settled: false, Self.impatient) { (kamailio) throws in
            #expect(kamailio.waitForLog(relay.url, "has not answered yet and is asked each second") != nil)
            usleep(200_000)
            let before = relay.log.count
            usleep(4_000_000)
            let looks = relay.log.dropFirst(before)
            #expect((3...5).contains(looks.count) && looks.allSatisfy { $0.text == "V" && $0.attempt == 1 })
            let start = monotonicMilliseconds()
            relay.removeRules()
            #expect(kamailio.waitUntilUp())
            #expect(monotonicMilliseconds() - start < 2500)
        }
    }

    @Test("A relay that has failed is looked at each second, and gets calls when its time is over")
    func aRelayThatHasFailedIsLookedAtEachSecond() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            Self.impatient(&$0)
            $0.set("rtpproxy_disable_tout", 6)
        } _: { kamailio in
            relay.shut()
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            #expect(kamailio.waitForLog(relay.url, "disabled for 6 s") != nil)
            let start = monotonicMilliseconds()
            let before = relay.log.count
            try relay.reopen()
            let line = kamailio.waitForLog(relay.url, "answers again, gets calls in ", seconds: 3)
            #expect(line?.contains(" s, or at once with rtpproxy.enable \(relay.url) 1") == true)
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            #expect(kamailio.waitUntilUp())
            #expect((4000...8500).contains(monotonicMilliseconds() - start))
            let looks = relay.log.dropFirst(before).prefix { $0.verb != "VF" }
            #expect((3...8).contains(looks.count) && looks.allSatisfy { $0.text == "V" })
            #expect(kamailio.logLines("answers again").count == 1)
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }

    @Test func whatTheLogSaysOfAnEarlyAnswerIsTrue() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], Self.impatient) { kamailio in
            relay.shut()
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            #expect(kamailio.waitForLog(relay.url, "disabled for 60 s") != nil)
            try relay.reopen()
            #expect(kamailio.waitForLog(relay.url, "answers again, gets calls in ", seconds: 3) != nil)
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "1")
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }

    /// Its time is over long ago: it is not kept waiting for another one.
    @Test func aRelayThatIsGoneForLongGetsCallsAsSoonAsItAnswers() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            Self.impatient(&$0)
            $0.set("rtpproxy_disable_tout", 5)
        } _: { kamailio in
            relay.shut()
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            #expect(kamailio.waitForLog(relay.url, "disabled for 5 s") != nil)
            usleep(6_000_000)
            let start = monotonicMilliseconds()
            try relay.reopen()
            #expect(kamailio.waitUntilUp())
            #expect(monotonicMilliseconds() - start < 2000)
            #expect(kamailio.logLines("answers again").isEmpty)
        }
    }
}
