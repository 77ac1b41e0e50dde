// SPDX-License-Identifier: GPL-2.0-or-later
// One message whose commands are lost, or refused, on the way does not disable a relay that answers others.

import Foundation
import TestSupport
import Testing

@Suite struct LivingNodeTests {
    /// A Call-ID of 3 kB: the commands are longer than a packet.
    private static func longCall(_ kamailio: Kamailio) throws -> Call {
        let call = try kamailio.call()
        call.id = longCallID(3000)
        return call
    }

    /// A command takes a second; the default is five.
    private static func quick(_ configuration: inout KamailioConfiguration) {
        configuration.set("rtpproxy_tout", 1)
        configuration.set("rtpproxy_retr", 1)
    }

    private static func relays() throws -> [ScriptedRelay] {
        try (0..<4).map { _ in
            let relay = try ScriptedRelay()
            // As where fragments are dropped on the way.
            relay.on { $0.text.utf8.count > 1400 ? .drop : nil }
            return relay
        }
    }

    private static func expectAllServe(_ kamailio: Kamailio, _ relays: [ScriptedRelay]) throws {
        usleep(500_000)
        #expect(try kamailio.relays().map { $0["disabled"] } == relays.map { _ in "0" })
        #expect(kamailio.logLines("disabled for").isEmpty)
        for place in relays.indices {
            let call = try kamailio.call()
            call.choose(place, of: relays.map { _ in 1 })
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1] && invite.instance == relays[place].url)
        }
    }

    /// There are no other calls: the answers to the module's own process show that the relays live.
    @Test(arguments: ["", "rtpproxy_hedging", "rtpproxy_call_table_size"])
    func anOfferThatIsLostEverywhereDisablesNobody(off: String) throws {
        let relays = try Self.relays()
        try Stage.own(relays) {
            Self.quick(&$0)
            if !off.isEmpty { $0.set(off, 0) }
        } _: { kamailio in
            let call = try Self.longCall(kamailio)
            let start = monotonicMilliseconds()
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [-3] && invite.text == SDPText.audio())
            #expect(monotonicMilliseconds() - start < 3500)
            try Self.expectAllServe(kamailio, relays)
            #expect(kamailio.logLines("but answers others", call.id.prefix(36).description).count == 1)
        }
    }

    @Test func aDeletionThatIsLostDisablesNobody() throws {
        let relays = try Self.relays()
        try Stage.own(relays, Self.quick) { kamailio in
            let call = try Self.longCall(kamailio)
            let start = monotonicMilliseconds()
            #expect(try call.invite(run: .destroy(), inDialog: true).returnCodes == [-1])
            // It is not asked for at the others, each for as long again.
            #expect(monotonicMilliseconds() - start < 3500)
            try Self.expectAllServe(kamailio, relays)
        }
    }

    /// The same for calls that the asynchronous process drives, while it drives others.
    @Test func asynchronousCallsThatAreLostDisableNobody() throws {
        let relays = try Self.relays()
        try withAsyncStage(relays, .process, Self.quick) { kamailio in
            let call = try Self.longCall(kamailio)
            call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer()))
            for _ in 0..<10 {
                let other = try kamailio.call()
                #expect(try other.invite(run: .offer()).text.contains("192.0.2.77"))
                usleep(50_000)
            }
            let lost = try #require(call.callee.receive(10_000) { $0.isRequest && $0.callID == call.id })
            #expect(lost.text == SDPText.audio())
            usleep(500_000)
            #expect(try kamailio.relays().map { $0["disabled"] } == relays.map { _ in "0" })
            #expect(kamailio.logLines("disabled for").isEmpty)
        }
    }

    /// A relay that is dead is still found out, whoever meets it first.
    @Test func aRelayThatDiesIsDisabledAllTheSame() throws {
        let relays = try Self.relays()
        try Stage.own(relays) {
            Self.quick(&$0)
            $0.set("rtpproxy_hedging", 0)
        } _: { kamailio in
            relays[0].removeRules()
            relays[0].on { _ in .drop }
            let call = try kamailio.call()
            call.choose(0, of: [1, 1, 1, 1])
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1] && invite.instance != relays[0].url)
            #expect(try waitUntil(5, every: 20) { try kamailio.relays().first?["disabled"] == "1" })
            #expect(kamailio.logLines("does not answer in time", relays[0].url).count == 1)
        }
    }

    // MARK: - ICMP

    /// What a firewall on the way does with long datagrams: it says that nothing listens there.
    private static let refuse =
        "iptables -A INPUT -p udp -m length --length 1000:65535 -j REJECT --reject-with icmp-port-unreachable"
    private static let canRefuse =
        (try? NetworkCable()).map { cable in (try? cable.far.run(Self.refuse)) != nil } ?? false

    @Test(.enabled(if: canRefuse, "needs network namespaces and iptables"))
    func aRefusedDatagramOfARelayThatAnswersOthersDisablesNobody() throws {
        let refusing = { (cable: NetworkCable) in
            try cable.far.run(Self.refuse)
            return ()
        }
        try acrossACable(prepare: refusing, configured: { Self.quick(&$0) }) { kamailio, relay, _ in
            for _ in 0..<3 {
                let call = try Self.longCall(kamailio)
                let start = monotonicMilliseconds()
                #expect(try call.invite(run: .offer()).returnCodes == [-3])
                #expect(monotonicMilliseconds() - start < 900)
                #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
            }
            try Self.expectAllServe(kamailio, [relay])
            #expect(kamailio.logLines("it has answered before, and is asked whether it still does").count == 3)
        }
    }

    /// Nothing listens there any more: found out at once, beside calls that were answered a moment ago.
    @Test func aRelayThatIsGoneIsDisabledAtOnce() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays) {
            $0.set("rtpproxy_tout", 10)
        } _: { kamailio in
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
            relays[0].shut()
            let start = monotonicMilliseconds()
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            #expect(try call.invite(run: .offer()).instance == relays[1].url)
            #expect(try waitUntil(5, every: 10) { try kamailio.relays().first?["disabled"] == "1" })
            #expect(monotonicMilliseconds() - start < 1500)
            #expect(kamailio.logLines("connection refused", relays[0].url, "disabled for").count == 1)
        }
    }
}
