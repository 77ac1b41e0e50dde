// SPDX-License-Identifier: GPL-2.0-or-later
// Control datagrams that are lost, repeated, overtaken, spoiled or late.

import Foundation
import TestSupport
import Testing

/// What is done to datagrams, and what is expected all the same.
struct PacketFault: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let impairment: Impairment
    /// Of ten calls no more than so many fail.
    let mayFail: Int

    static let all = [
        PacketFault(testDescription: "loss of 10 %", impairment: Impairment { $0.loss = 0.1 }, mayFail: 0),
        // 30 % there and 30 % back: with nine attempts in the time of a command one in four hundred gets no answer.
        PacketFault(testDescription: "loss of 30 %", impairment: Impairment { $0.loss = 0.3 }, mayFail: 2),
        PacketFault(testDescription: "all twice", impairment: Impairment { $0.duplication = 1 }, mayFail: 0),
        PacketFault(testDescription: "half overtaken", impairment: Impairment { $0.reordering = 0.5 }, mayFail: 0),
        PacketFault(testDescription: "late by up to 500 ms", impairment: Impairment { $0.jitter = 500 }, mayFail: 0),
        PacketFault(
            testDescription: "all of it",
            impairment: Impairment {
                $0.loss = 0.1
                $0.duplication = 0.3
                $0.reordering = 0.3
                $0.jitter = 100
            }, mayFail: 1),
    ]
}

@Suite struct FaultPacketTests {
    private static let calls = 10

    private static func patiently(_ configuration: inout KamailioConfiguration) {
        briefly(&configuration)
        configuration.set("rtpproxy_tout", 5)
    }

    /// Calls with two streams, one after the other, that may fail as often as the fault permits.
    private static func callsGoOn(_ fault: PacketFault, _ kamailio: Kamailio, _ relay: ScriptedRelay) throws {
        let sdp = SDPText.session(streams: [SDPText.media("audio", 5004), SDPText.media("video", 5006)])
        var failed = 0
        for _ in 0..<calls {
            let offer = try kamailio.offer(sdp)
            #expect(offer.milliseconds < 7500)
            guard offer.code == 1 else {
                #expect(offer.code == -3)
                failed += 1
                // The relay counts as dead now, and is found again without help.
                #expect(kamailio.waitUntilUp())
                continue
            }
            // Each stream has the port that the relay gave this stream, in whichever order the answers came.
            let commands = relay.commands(of: offer.call.id, "U").sorted { $0.stream < $1.stream }
            #expect(commands.map(\.stream) == [1, 2])
            let ports = offer.invite.lines.filter { $0.hasPrefix("m=") }.compactMap { $0.split(separator: " ")[1] }
                .compactMap { Int($0) }
            #expect(ports.count == 2 && Set(ports).isDisjoint(with: [5004, 5006]))
            #expect(ports == relay.ports(of: offer.call.id))
            // What is sent again is not run again.
            #expect(Set(commands.map(\.cookie)).count == 2)
        }
        #expect(failed <= fault.mayFail)
    }

    @Test(arguments: PacketFault.all)
    func callsGoOnOverABadNetwork(_ fault: PacketFault) throws {
        let relay = try ScriptedRelay()
        let forwarder = try ImpairedForwarder(to: relay.endpoint, seed: 20_260_101)
        try Stage.own([], settled: false) {
            Self.patiently(&$0)
            $0.set("rtpproxy_sock", forwarder.url)
        } _: { kamailio in
            try #require(kamailio.waitForLog("is up", forwarder.url) != nil)
            forwarder.set(fault.impairment)
            try Self.callsGoOn(fault, kamailio, relay)
            forwarder.set()
            #expect(try kamailio.recovers())
            #expect(kamailio.faultLines.count <= fault.mayFail, "\(kamailio.faultLines)")
            // The network was as bad as it is said to be.
            let figures = forwarder.figures
            #expect((figures.lost > 0) == (fault.impairment.loss > 0))
            #expect((figures.repeated > 0) == (fault.impairment.duplication > 0))
            #expect((figures.overtaken > 0) == (fault.impairment.reordering > 0))
        }
    }

    @Test(
        .enabled(if: NetworkCable.isAvailable, "\(NetworkCable.need)"),
        .enabled(if: NetworkCable.hasNetem, "needs the kernel's netem (sch_netem)"), arguments: PacketFault.all)
    func callsGoOnOverACableThatTheKernelSpoils(_ fault: PacketFault) throws {
        try acrossACable(configured: Self.patiently) { kamailio, relay, cable in
            try cable.near.run("tc qdisc add dev cable root netem \(fault.impairment.netem)")
            try cable.far.run("tc qdisc add dev cable root netem \(fault.impairment.netem)")
            try Self.callsGoOn(fault, kamailio, relay)
            try cable.near.run("tc qdisc del dev cable root")
            try cable.far.run("tc qdisc del dev cable root")
            #expect(try kamailio.recovers())
            #expect(kamailio.faultLines.count <= fault.mayFail, "\(kamailio.faultLines)")
        }
    }

    /// Worse than any network: the checksums of UDP let one spoiled datagram in 65,536 through.
    @Test func spoiledDatagramsFailACallAtMostAndNothingElse() throws {
        let relay = try ScriptedRelay()
        let forwarder = try ImpairedForwarder(to: relay.endpoint, seed: 20_260_102)
        try Stage.own([], settled: false) {
            briefly(&$0)
            $0.set("rtpproxy_sock", forwarder.url)
        } _: { kamailio in
            try #require(kamailio.waitForLog("is up", forwarder.url) != nil)
            forwarder.set(Impairment { $0.corruption = 0.5 })
            for _ in 0..<30 {
                let offer = try kamailio.offer()
                #expect([1, -1, -3].contains(offer.code))
                #expect(offer.milliseconds < brieflyInMilliseconds)
                // Whatever was answered: what is written is a port and an address.
                guard offer.code == 1 else { continue }
                let media = offer.invite.lines.first { $0.hasPrefix("m=audio ") } ?? ""
                #expect(media.wholeMatch(of: /m=audio [0-9]{1,5} RTP\/AVP 0 8 101/) != nil, "\(media)")
                let connections = offer.invite.lines.filter { $0.hasPrefix("c=") }
                #expect(connections.count == 1)
                #expect(connections.allSatisfy { $0.wholeMatch(of: /c=IN IP4 [0-9.]+/) != nil }, "\(connections)")
            }
            #expect(forwarder.figures.spoiled > 10)
            forwarder.set()
            #expect(try kamailio.recovers())
            // One line for each time that the relay went out.
            #expect(kamailio.faultLines.count <= 30)
        }
    }
}
