// SPDX-License-Identifier: GPL-2.0-or-later
// The examples of two networks and of two families with both real relays: early and late offers, phones of one family
// and of both, and the audio of all of them.

import TestSupport
import Testing

/// A call of an example with its media.
struct PlacedCall {
    let phones: PhoneCall
    private let routed: RoutedCall

    /// INVITE, 200 and ACK, with the offer in the INVITE or in the 200.
    init(_ kamailio: Kamailio, _ phones: PhoneCall, isLate: Bool) throws {
        self.phones = phones
        let (offer, answer) = (try phones.description(of: .caller), try phones.description(of: .callee))
        routed = try RoutedCall(phones.call, late: isLate, sdp: offer, answer: answer)
        if !isLate { try phones.take(routed.invite, at: .callee) }
        try phones.take(routed.answer, at: .caller)
        if isLate { try phones.take(routed.deliver("ACK", sdp: offer), at: .callee) }
    }

    /// A re-INVITE and its answer, or, where it is late, the offer in its 200 and the answer in the ACK. `extra`: further
    /// lines of what `side` describes.
    func reINVITE(from side: Call.Side, isLate: Bool = false, extra: [String] = []) throws {
        let other: Call.Side = side == .caller ? .callee : .caller
        let own = try phones.description(of: side, extra: extra)
        let invite = try routed.deliver("INVITE", sdp: isLate ? nil : own, from: side)
        if !isLate { try phones.take(invite, at: other) }
        let taken = try phones.call.reply(to: invite, sdp: phones.description(of: other), from: other)
        try phones.take(taken, at: side)
        let ack = try routed.deliver("ACK", sdp: isLate ? own : nil, from: side)
        if isLate { try phones.take(ack, at: other) }
    }

    /// Where the caller and the callee send to, and how much of their audio arrives.
    func expect(_ hosts: [String], _ comment: Comment? = nil) throws {
        #expect([Call.Side.caller, .callee].map { phones.destinations[$0]?.host } == hosts, comment)
        #expect(try phones.audio() == [20, 20], comment)
    }

    func hangUp() throws { try routed.hangUp() }
}

@Suite struct ExampleRelayTests {
    @Test(arguments: RelayKind.allCases)
    func bridgeCarriesCallsBothWaysWhoeverOffers(_ kind: RelayKind) throws {
        let provider = try UserAgent("provider", address: "127.0.0.9")
        let (alice, bob) = (try UserAgent("alice"), try UserAgent("bob", address: "127.0.0.2"))
        let changes =
            ExampleTests.office("192.168.1.0/24", provider) + [
                ("listen=udp:203.0.113.2", "listen=udp:127.0.0.8"), ("listen=udp:192.168.1.2", "listen=udp:127.0.0.1"),
            ]
        let (inside, outside) = ("127.0.0.4", "127.0.0.10")
        try Example.run("bridge.cfg", real: kind.start(inside, outside: outside), changes) { kamailio in
            for phone in [alice, bob] { try Example.register(phone, kamailio) }
            let ways: [(caller: UserAgent, callee: UserAgent, hosts: [String])] = [
                (alice, provider, [inside, outside]), (provider, bob, [outside, inside]),
                (alice, bob, [inside, inside]),
            ]
            for (caller, callee, hosts) in ways {
                for isLate in [false, true] {
                    let way: Comment = "\(caller.name) to \(callee.name), late: \(isLate)"
                    // The provider comes in on the outer address.
                    let through = caller === provider ? Endpoint("127.0.0.8", kamailio.port) : kamailio.endpoint()
                    let call = try Call(through: { _ in through }, caller: caller, callee: callee)
                    let placed = try PlacedCall(kamailio, PhoneCall(call), isLate: isLate)
                    try placed.expect(hosts, way)
                    for side in [Call.Side.callee, .caller] {
                        try placed.reINVITE(from: side)
                        try placed.expect(hosts, way)
                    }
                    try placed.hangUp()
                }
            }
        }
    }

    /// Phones by the families of their signalling and of their descriptions.
    private struct Phone {
        let name: String
        let signalling: Family
        let media: Family

        var address: String { media.loopback }
    }

    @Test(arguments: RelayKind.allCases)
    func eachPhoneGetsTheFamilyOfItsDescription(_ kind: RelayKind) throws {
        let phones = [
            Phone(name: "four", signalling: .ipv4, media: .ipv4), Phone(name: "six", signalling: .ipv6, media: .ipv6),
            Phone(name: "mixed4", signalling: .ipv6, media: .ipv4),
            Phone(name: "mixed6", signalling: .ipv4, media: .ipv6),
        ]
        let changes = [("listen=udp:[2001:db8::1]", "listen=udp:[::1]")]
        try Example.run("ipv4-ipv6.cfg", real: kind.start("127.0.0.4", outside: "::1"), changes) { kamailio in
            for isLate in [false, true] {
                for caller in phones {
                    for callee in phones {
                        // Of the one that is offered only its signalling is known.
                        let offered = isLate ? caller : callee
                        guard offered.signalling == offered.media else { continue }
                        try place(caller, callee, isLate: isLate, kamailio)
                    }
                }
            }
        }
    }

    private func place(_ caller: Phone, _ callee: Phone, isLate: Bool, _ kamailio: Kamailio) throws {
        let agents = [try UserAgent(caller.name, caller.signalling), try UserAgent(callee.name, callee.signalling)]
        try Example.register(agents[1], kamailio)
        let call = try Call(through: { kamailio.endpoint($0) }, caller: agents[0], callee: agents[1])
        let media = [Call.Side.caller: caller.address, .callee: callee.address]
        let placed = try PlacedCall(kamailio, PhoneCall(call, media: media), isLate: isLate)
        let hosts = [caller, callee].map { $0.media == .ipv6 ? "::1" : "127.0.0.4" }
        let way: Comment = "\(caller.name) to \(callee.name), late: \(isLate)"
        try placed.expect(hosts, way)
        for side in [Call.Side.callee, .caller] {
            try placed.reINVITE(from: side)
            try placed.expect(hosts, way)
        }
        try placed.hangUp()
    }
}
