// SPDX-License-Identifier: GPL-2.0-or-later
// Calls with a browser that go to several devices, or past an RTPProxy that has gone, through a real Kamailio and real
// RTPProxies.

import Foundation
import TestSupport
import Testing

@Suite(.serialized, .enabled(if: WebRTCAgent.isInstalled, "\(WebRTCAgent.need)")) struct WebRTCForkTests {
    private func target(_ name: String, _ stage: WebRTCStage) -> String {
        "sip:\(name)@127.0.0.1:\(stage.kamailio.port)"
    }

    /// Carol has both, and each gets what it can take: a session for each branch.
    @Test func aPhoneAndABrowserRingAtOnceAndTheBrowserAnswers() throws {
        let stage = try WebRTCStage(flags: "g1")
        let (browser, desk) = (try stage.browser(options: ["--auto"]), try stage.phone("carol", tone: 900))
        let caller = try stage.phone()
        try caller.call(target("carol", stage), registrar: stage.registrar)
        #expect(caller.media.hears(440) && browser.hears(700), "\(stage.kamailio.log.suffix(2000))")
        let rung = try #require(desk.phone.agent.receive(where: { $0.method == "INVITE" && $0.isRequest }))
        #expect(rung.text.contains(" RTP/AVP 0") && !rung.text.contains("fingerprint"))
        #expect(browser.descriptions(sent: false).first?.contains("UDP/TLS/RTP/SAVPF") ?? false)
    }

    @Test func aPhoneAndABrowserRingAtOnceAndThePhoneAnswers() throws {
        let stage = try WebRTCStage(flags: "g1")
        let (browser, desk) = (try stage.browser(), try stage.phone("carol", tone: 900))
        let caller = try stage.phone()
        try desk.answers { try caller.call(target("carol", stage), registrar: stage.registrar) }
        #expect(caller.media.hears(900) && desk.media.hears(700), "\(stage.kamailio.log.suffix(2000))")
        #expect(browser.wait { $0.state == "ended" })
    }

    @Test func aBrowserCallsAPhoneAndABrowserAtOnceAndThePhoneAnswers() throws {
        let stage = try WebRTCStage(flags: "g1")
        let (browser, desk) = (try stage.browser(), try stage.phone("carol", tone: 900))
        let caller = try stage.browser("erin", tone: 600)
        try caller.command("call \(target("carol", stage))")
        try desk.answer()
        #expect(caller.hears(900) && desk.media.hears(600), "\(stage.kamailio.log.suffix(2000))")
        #expect(browser.wait { $0.state == "ended" })
    }

    /// The first one has been heard already, and says no. Who is next needs a session of its own, by a flag or by engaging
    /// the branch. A browser that chooses its pair of candidates behind its answer may share the first one's: RTPProxy
    /// forgets what is chosen before.
    @Test(arguments: [
        (WebRTCWay.managed, "g", true), (.managed, "g1", true), (.managed, "g1", false), (.engaged, "g", true),
        (.engaged, "g", false),
    ])
    func whoIsNextBehindEarlyMediaOfABrowserIsHeard(_ way: WebRTCWay, _ flags: String, _ isBrowser: Bool) throws {
        let stage = try WebRTCStage(way, flags: flags, definitions: ["NEXT"])
        let (first, caller) = (try stage.browser(), try stage.phone())
        let isShared = flags == "g" && way == .managed
        let options = isShared ? ["--auto", "--late-ice", "3"] : ["--auto"]
        let browser = isBrowser ? try stage.browser("erin", tone: 600, options: options) : nil
        let desk = isBrowser ? nil : try stage.phone("erin", tone: 600)
        try caller.begin(target("carol", stage), registrar: stage.registrar)
        #expect(first.wait { $0.state == "ringing" }, "\(stage.kamailio.log.suffix(2000))")
        try first.command("early 1")
        try caller.expectEarly()
        #expect(
            caller.media.hears(440) && first.hears(700),
            "\(caller.media) \(stage.kamailio.log.suffix(2000)) \(first.events())")
        try first.command("reject 1 480")
        if let desk { try desk.answers { try caller.expectAnswer() } } else { try caller.expectAnswer() }
        #expect(
            caller.media.hears(600) && (browser?.hears(700) ?? true) && (desk?.media.hears(700) ?? true),
            "\(caller.media) \(stage.kamailio.log.suffix(2000)) \(browser?.events() ?? [])")
        if isShared { #expect(try stage.relay.sessions().hasSuffix(" 1")) }
    }

    /// One that is gone when the offer comes is passed over, and the call is WebRTC at the next.
    @Test(arguments: WebRTCWay.allCases)
    func aCallGoesToTheNextRTPProxyWhereOneHasGone(_ way: WebRTCWay) throws {
        let stage = try WebRTCStage(way, relays: 2, settings: ["modparam(\"rtpproxy\", \"rtpproxy_retr\", 1)"])
        let (browser, phone) = (try stage.browser(), try stage.phone())
        #expect(stage.kamailio.waitUntilUp())
        stage.relays[0].stop()
        // Each has its own choice of the two.
        for number in 1...3 {
            #expect(try browser.command("call \(target("dave", stage))") == number)
            try phone.answer()
            #expect(
                phone.media.hears(440) && browser.hears(700, call: number),
                "\(stage.kamailio.log.suffix(2000)) \(browser.events())")
            #expect(try stage.relays[1].sessions().hasSuffix(" \(number)"))
        }
        #expect(stage.kamailio.log.contains(stage.relays[0].url))
    }

    /// No other one has the certificate and the port that were offered: the answer fails, and the log says
    /// what is missing.
    @Test func anRTPProxyThatGoesBeforeTheAnswerFailsTheAnswer() throws {
        let stage = try WebRTCStage(relays: 2, settings: ["modparam(\"rtpproxy\", \"rtpproxy_retr\", 1)"])
        let (browser, phone) = (try stage.browser(), try stage.phone())
        #expect(stage.kamailio.waitUntilUp())
        try browser.command("call \(target("dave", stage))")
        let invite = try #require(phone.phone.agent.receive(5000, where: { $0.method == "INVITE" && $0.isRequest }))
        let holder = try #require(stage.relays.first { (try? $0.sessions().hasSuffix(" 1")) ?? false })
        holder.stop()
        try phone.phone.send(phone.phone.response(200, to: invite, sdp: phone.description()), to: invite)
        #expect(waitUntil(15) { stage.kamailio.log.contains("media of the reply failed") })
        #expect(stage.kamailio.log.contains("session unknown at the relay"))
        #expect(waitUntil(15) { browser.events().contains { $0.what == "200 INVITE" } })
        let answered = browser.events().first { $0.what == "200 INVITE" }
        #expect(answered?.sdp?.contains("fingerprint") == false, "\(answered?.sdp ?? "no answer")")
    }

    /// Where the only one with the modules has gone, nothing goes to one without them.
    @Test func aCallWithABrowserDoesNotGoToAnRTPProxyWithoutTheModules() throws {
        let without = try ScriptedRelay()
        without.on { $0.text.contains("M4:1 S") || $0.text.contains("M5:1 S") ? .reply("E3") : nil }
        let stage = try WebRTCStage(settings: [
            "modparam(\"rtpproxy\", \"rtpproxy_sock\", \"\(without.url)\")",
            "modparam(\"rtpproxy\", \"rtpproxy_retr\", 1)",
        ])
        let (browser, phone, other) = (try stage.browser(), try stage.phone(), try stage.phone("frank", tone: 900))
        #expect(stage.kamailio.waitUntilUp())
        try browser.command("call \(target("dave", stage))")
        try phone.answer()
        #expect(phone.media.hears(440) && browser.hears(700), "\(stage.kamailio.log.suffix(2000))")
        stage.relay.stop()
        let number = try browser.command("call \(target("dave", stage))")
        #expect(browser.wait(number) { $0.state == "ended" && $0.code >= 400 }, "\(browser.events())")
        #expect(stage.kamailio.log.contains("media failed -"))
        #expect(without.log.allSatisfy { !$0.text.contains("M5:1 A") })
        // Phones go on.
        try other.answers { try phone.call(target("frank", stage), registrar: stage.registrar) }
        #expect(without.log.contains { $0.text.hasPrefix("U") })
    }

    /// Where the transaction goes on: in the process that has waited, or in a SIP worker.
    @Test(arguments: ["process", "workers"])
    func theAsynchronousFunctionsServeABrowserWhereverTheyGoOn(_ place: String) throws {
        let stage = try WebRTCStage(
            .waiting,
            settings: ["async_workers=2", "modparam(\"rtpproxy\", \"rtpproxy_async_continue\", \"\(place)\")"])
        let (browser, phone) = (try stage.browser(options: ["--auto", "--mids", "audio"]), try stage.phone())
        try browser.command("call \(target("dave", stage))")
        try phone.answer()
        #expect(phone.media.hears(440) && browser.hears(700), "\(stage.kamailio.log.suffix(2000)) \(browser.events())")
        try browser.command("bye 1")
        try phone.call(target("carol", stage), registrar: stage.registrar)
        #expect(phone.media.hears(440) && browser.hears(700, call: 2), "\(stage.kamailio.log.suffix(2000))")
        try browser.command("bye 2")
        #expect(
            waitUntil(10) { (try? stage.relay.sessions())?.hasSuffix(" 0") ?? false },
            "\(stage.kamailio.log.suffix(2000)) \(browser.events())")
    }
}
