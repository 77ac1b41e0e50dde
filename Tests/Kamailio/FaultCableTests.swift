// SPDX-License-Identifier: GPL-2.0-or-later
// The way to a relay breaks: links, routes, addresses, and packets that are too large.

import Foundation
import TestSupport
import Testing

@Suite(.enabled(if: NetworkCable.isAvailable, "\(NetworkCable.need)")) struct FaultCableTests {
    /// Sends an offer, to which the relay is silent until `action` is done, and returns what came of it.
    private static func offer(
        _ kamailio: Kamailio, _ relay: ScriptedRelay, while action: () throws -> Void
    ) throws -> (code: Int?, milliseconds: Int, call: Call) {
        let call = try kamailio.call()
        relay.on(call: call.id) { $0.verb == "U" ? .drop : nil }
        let start = monotonicMilliseconds()
        call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer()))
        try #require(waitUntil(5) { relay.log.contains { $0.callID == call.id } })
        try action()
        relay.removeRules()
        let invite = try #require(call.callee.receive(20_000) { $0.isRequest && $0.method == "INVITE" })
        if invite.returnCodes != [1] { #expect(invite.text == SDPText.audio()) }
        return (invite.returnCodes.first, monotonicMilliseconds() - start, call)
    }

    private static func patiently(_ configuration: inout KamailioConfiguration) {
        briefly(&configuration)
        configuration.set("rtpproxy_tout", 5)
    }

    @Test("A link that is down for a moment in the middle of an exchange costs the call nothing")
    func aLinkThatIsDownForAMomentCostsTheCallNothing() throws {
        try acrossACable(configured: Self.patiently) { kamailio, relay, cable in
            let offer = try Self.offer(kamailio, relay) {
                try cable.far.run("ip link set cable down; sleep 0.3; ip link set cable up")
            }
            #expect(offer.code == 1)
            #expect(try kamailio.completesACall())
            #expect(kamailio.faultLines.isEmpty, "\(kamailio.faultLines)")
        }
    }

    @Test(
        "A link that stays down fails the call in its time, and service comes back with the link",
        arguments: ["far", "near"])
    func aLinkThatStaysDownFailsTheCallInItsTime(end: String) throws {
        try acrossACable { kamailio, relay, cable in
            let place = end == "far" ? cable.far : cable.near
            let offer = try Self.offer(kamailio, relay) { try place.run("ip link set cable down") }
            #expect(offer.code == -3)
            #expect(offer.milliseconds < brieflyInMilliseconds)
            // Nobody waits for it now; a busy machine may take its time all the same.
            let next = try (0..<3).map { _ in try kamailio.offer() }
            #expect(next.allSatisfy { $0.code == -3 })
            #expect(next.contains { $0.milliseconds < 1500 }, "\(next.map(\.milliseconds))")
            #expect(kamailio.waitForLog("disabled for", relay.url) != nil)
            #expect(kamailio.logLines("disabled for", relay.url).count == 1)
            try place.run("ip link set cable up")
            #expect(try kamailio.recovers())
            #expect(kamailio.logLines("is back", relay.url).count == 1)
            #expect(kamailio.faultLines.count == 1, "\(kamailio.faultLines)")
        }
    }

    @Test(arguments: ["unreachable", "prohibit", "blackhole"])
    func aRouteThatIsGoneHereFailsTheCallAndServiceComesBackWithIt(kind: String) throws {
        try acrossACable { kamailio, relay, cable in
            try cable.near.run("ip route add \(kind) \(NetworkCable.farAddress)")
            let offer = try kamailio.offer()
            // A blackhole route is a setting of this host and says nothing about the relay, which is not disabled.
            #expect(offer.code == (kind == "blackhole" ? -1 : -3))
            #expect(offer.milliseconds < brieflyInMilliseconds)
            try cable.near.run("ip route del \(kind) \(NetworkCable.farAddress)")
            #expect(try kamailio.recovers())
            #expect(kamailio.faultLines.count <= 2, "\(kamailio.faultLines)")
        }
    }

    /// The far end stands for a router, the relay behind it.
    private static let behind = "10.78.0.2"
    private static func routes(_ cable: NetworkCable) throws {
        try cable.far.run("ip addr add \(behind)/32 dev lo; echo 1 >/proc/sys/net/ipv4/ip_forward")
        try cable.near.run("ip route add \(behind) via \(NetworkCable.farAddress)")
    }

    /// ICMP says "host unreachable" of what a router may find again the next moment, and "prohibited" of what it will not.
    @Test(arguments: [("unreachable", false), ("prohibit", true)])
    func whatARouterSaysIsBelievedWhereItIsFinal(kind: String, isFinal: Bool) throws {
        let configured = isFinal ? Self.patiently : briefly
        try acrossACable(at: Self.behind, prepare: Self.routes, configured: configured) { kamailio, relay, cable in
            let lost = "ip addr del \(Self.behind)/32 dev lo; ip route add \(kind) \(Self.behind)"
            let found = "ip route del \(kind) \(Self.behind); ip addr add \(Self.behind)/32 dev lo"
            if !isFinal {
                let brief = try Self.offer(kamailio, relay) { try cable.far.run("\(lost); sleep 0.3; \(found)") }
                #expect(brief.code == 1)
            }
            try cable.far.run(lost)
            let offer = try kamailio.offer()
            #expect(offer.code == -3)
            // What is final needs none of the five seconds, however busy the machine is.
            #expect(offer.milliseconds < brieflyInMilliseconds)
            #expect(kamailio.waitForLog("disabled for", relay.url) != nil)
            #expect(kamailio.logLines("disabled for", relay.url).count == 1)
            try cable.far.run(found)
            #expect(try kamailio.recovers())
        }
    }

    @Test func aClosedPortIsFoundOutAtOnceAndServiceComesBackWithIt() throws {
        try acrossACable { kamailio, relay, cable in
            relay.shut()
            let offer = try kamailio.offer()
            #expect(offer.code == -3)
            #expect(offer.milliseconds < 1900)
            #expect(kamailio.logLines("connection refused", relay.url).count == 1)
            try cable.far.inside { try relay.reopen() }
            #expect(try kamailio.recovers())
        }
    }

    /// Kamailio's own address changes: connections from the old one are made anew.
    @Test(arguments: [ScriptedRelay.Transport.udp, .tcp])
    func anAddressOfThisHostThatChangesCostsACallAtMost(_ transport: ScriptedRelay.Transport) throws {
        let configured = { (configuration: inout KamailioConfiguration) in
            briefly(&configuration)
            configuration.children = 3
        }
        try acrossACable(transport, configured: configured) { kamailio, relay, cable in
            for _ in 0..<6 { #expect(try kamailio.offer().code == 1) }
            try cable.near.run("ip addr del 10.77.0.1/24 dev cable; ip addr add 10.77.0.3/24 dev cable")
            if transport == .udp {
                // A datagram socket says so at once, and another one is opened in its place.
                for _ in 0..<9 {
                    let offer = try kamailio.offer()
                    #expect(offer.code == 1)
                    #expect(offer.milliseconds < 1500)
                }
                #expect(try kamailio.relays().first?["disabled"] == "0")
                #expect(kamailio.faultLines.isEmpty, "\(kamailio.faultLines)")
            } else {
                // A connection says nothing: it is given up when a command has had its time.
                let isBack = try waitUntil(30, every: 50) {
                    let offer = try kamailio.offer()
                    #expect(offer.milliseconds < brieflyInMilliseconds)
                    return offer.code == 1
                }
                #expect(isBack)
                #expect(try waitUntil(30, every: 50) { try (0..<6).allSatisfy { _ in try kamailio.completesACall() } })
            }
        }
    }

    // MARK: - Packets that are too large

    private static let large = 1200

    /// The interface takes no packet of that size: the kernel cuts it up.
    @Test func commandsLargerThanTheInterfaceTakesGetThrough() throws {
        try acrossACable { kamailio, relay, cable in
            try cable.near.run("ip link set cable mtu 576")
            let offer = try kamailio.offer(manyStreams(), id: longCallID(Self.large))
            #expect(offer.code == 1)
            #expect(offer.milliseconds < 1900)
            #expect(relay.commands(of: offer.call.id, "U").count == 8)
            #expect(kamailio.faultLines.isEmpty, "\(kamailio.faultLines)")
        }
    }

    /// A router takes no packet of that size and says so: nothing of it is lost but time.
    @Test(arguments: [ScriptedRelay.Transport.udp, .tcp])
    func commandsLargerThanTheWayTakesGetThroughOnceARouterHasSaidSo(_ transport: ScriptedRelay.Transport) throws {
        let beyond = try NetworkNamespace()
        let cable = try NetworkCable()
        try cable.far.run(
            """
            echo 1 >/proc/sys/net/ipv4/ip_forward
            ip link add on type veth peer name cable netns \(beyond.processID)
            ip addr add 10.79.0.1/24 dev on
            ip link set on mtu 576 up
            """)
        try beyond.run(
            "ip addr add 10.79.0.2/24 dev cable; ip link set cable mtu 576 up; ip route add default via 10.79.0.1")
        try cable.near.run("ip route add 10.79.0.0/24 via \(NetworkCable.farAddress)")
        let relay = try beyond.inside { try ScriptedRelay(transport, at: Endpoint("10.79.0.2", FreePort.next())) }
        try withExtendedLifetime((beyond, cable)) {
            try cable.near.inside {
                try Stage.own([relay], briefly) { kamailio in
                    // What the router says is met when the worker waits for an answer, or when it sends the next one.
                    for (sdp, streams) in [(SDPText.audio(), 1), (manyStreams(), 8)] {
                        let offer = try kamailio.offer(sdp, id: longCallID(Self.large))
                        #expect(offer.code == 1)
                        #expect(offer.milliseconds < 1900)
                        #expect(relay.commands(of: offer.call.id, "U").count == streams)
                    }
                    #expect(kamailio.faultLines.isEmpty, "\(kamailio.faultLines)")
                }
            }
        }
    }

    /// The path takes no packet of that size and reports nothing: large commands fail in their time, the others go on.
    @Test("Commands that disappear for their size fail in their time, and the others go on")
    func commandsThatDisappearForTheirSizeFailInTheirTime() throws {
        try acrossACable { kamailio, relay, cable in
            try cable.far.run("ip link set cable mtu 576")
            #expect(try kamailio.completesACall())
            let offer = try kamailio.offer(manyStreams(), id: longCallID(Self.large))
            #expect(offer.code == -3)
            #expect(offer.milliseconds < brieflyInMilliseconds)
            #expect(try kamailio.recovers())
            #expect(kamailio.faultLines.count <= 2, "\(kamailio.faultLines)")
        }
    }
}
