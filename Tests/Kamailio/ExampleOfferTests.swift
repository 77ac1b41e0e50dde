// SPDX-License-Identifier: GPL-2.0-or-later
// The examples of one network with both real relays: offers in the INVITE and in the 200, phones that signal over either
// family, and the audio of all of them.

import Foundation
import TestSupport
import Testing

@Suite struct ExampleOfferTests {
    private static let relay = "127.0.0.4"

    /// Kamailio listens on IPv6, too: phones of both families have media over IPv4 and may signal over IPv6.
    private static let dual = [
        (old: "listen=udp:192.0.2.1:5060", new: "listen=udp:192.0.2.1:5060\nlisten=udp:[::1]:5060")
    ]

    /// The families that caller and callee signal over.
    private static let families: [(Family, Family)] = [(.ipv4, .ipv4), (.ipv6, .ipv4), (.ipv4, .ipv6)]

    /// A caller who signals over this family, its media over IPv4.
    private static func alice(_ family: Family) throws -> UserAgent {
        try UserAgent("alice", family, address: family == .ipv4 ? "127.0.0.2" : nil)
    }

    /// Early and late offers between phones of each pair of families. `body` gets the calls when their audio flows.
    private func placeCalls(
        _ kamailio: Kamailio, _ hosts: [String] = [relay, relay],
        _ body: (PlacedCall, Comment) throws -> Void = { _, _ in }
    ) throws {
        for (calling, called) in Self.families {
            // Over IPv4 the signalling comes from where the media is: the relays are told that.
            let callee = try UserAgent("bob", called, address: called == .ipv4 ? "127.0.0.5" : nil)
            try Example.register(callee, kamailio)
            for isLate in [false, true] {
                let way: Comment = "\(calling) to \(called), late: \(isLate)"
                let call = try Call(through: { kamailio.endpoint($0) }, caller: Self.alice(calling), callee: callee)
                let phones = try PhoneCall(call, media: [.caller: "127.0.0.2", .callee: "127.0.0.5"])
                let placed = try PlacedCall(kamailio, phones, isLate: isLate)
                try placed.expect(hosts, way)
                for side in [Call.Side.callee, .caller] {
                    try placed.reINVITE(from: side, isLate: isLate)
                    try placed.expect(hosts, way)
                }
                try body(placed, way)
                try placed.hangUp()
            }
            // The next one is the only phone of its name.
            try Example.register(callee, kamailio, seconds: 0)
        }
    }

    /// Its phones have IPv4 alone: the network that may call is one of IPv4.
    @Test(arguments: RelayKind.allCases)
    func smallOfficeCarriesEarlyAndLateOffersToAndFromTheProvider(_ kind: RelayKind) throws {
        let provider = try UserAgent("provider", address: "127.0.0.9")
        let (alice, bob) = (try UserAgent("alice"), try UserAgent("bob", address: "127.0.0.2"))
        let changes = ExampleTests.office("192.168.1.0/24", provider)
        try Example.run("small-office.cfg", real: kind.start(Self.relay), changes) { kamailio in
            for phone in [alice, bob] { try Example.register(phone, kamailio) }
            for (caller, callee) in [(alice, provider), (provider, bob), (alice, bob)] {
                for isLate in [false, true] {
                    let way: Comment = "\(caller.name) to \(callee.name), late: \(isLate)"
                    let call = try Call(through: { kamailio.endpoint($0) }, caller: caller, callee: callee)
                    let placed = try PlacedCall(kamailio, PhoneCall(call), isLate: isLate)
                    for side in [Call.Side.callee, .caller] {
                        try placed.expect([Self.relay, Self.relay], way)
                        try placed.reINVITE(from: side, isLate: !isLate)
                    }
                    try placed.expect([Self.relay, Self.relay], way)
                    try placed.hangUp()
                }
            }
        }
    }

    /// Each site has a relay of the other kind.
    @Test(arguments: RelayKind.allCases)
    func setsOfTheDatabaseCarryEarlyAndLateOffers(_ kind: RelayKind) throws {
        let other: RelayKind = kind == .rtpproxy ? .rtpengine : .rtpproxy
        let relays = [try kind.start(Self.relay), try other.start("127.0.0.7")]
        let folder = try TemporaryFolder()
        let changes = try ExampleTests.sites(folder, relays.map(\.url)) + Self.dual
        try Example.run("sets-database.cfg", real: relays, changes) { kamailio in
            try placeCalls(kamailio)
            // The second site: the set is chosen by the address of who is called.
            let phone = try UserAgent("carol", address: "127.0.0.3")
            try Example.register(phone, kamailio)
            for (family, isLate) in [(Family.ipv4, false), (.ipv4, true), (.ipv6, false), (.ipv6, true)] {
                let call = try Call(through: { kamailio.endpoint($0) }, caller: Self.alice(family), callee: phone)
                let phones = try PhoneCall(call, media: [.caller: "127.0.0.2"])
                let placed = try PlacedCall(kamailio, phones, isLate: isLate)
                try placed.expect(["127.0.0.7", "127.0.0.7"])
                try placed.hangUp()
            }
        }
    }

    /// The other examples at which phones register.
    @Test(arguments: ["asynchronous.cfg", "media-timeout.cfg", "status-page.cfg"], RelayKind.allCases)
    func registrarsCarryEarlyAndLateOffers(_ name: String, _ kind: RelayKind) throws {
        let folder = try TemporaryFolder()
        let notices = "unix:\(folder.file("media"))"
        let hasNotices = name == "media-timeout.cfg"
        let changes = Self.dual + (hasNotices ? [(old: "unix:/run/kamailio/media-timeout", new: notices)] : [])
        var relays: [any MediaRelay] = [
            hasNotices && kind == .rtpproxy
                ? try RealRelay(Self.relay, options: ["-n", notices]) : try kind.start(Self.relay)
        ]
        if name == "status-page.cfg" { relays.append(try kind.start(Self.relay)) }
        try Example.run(name, real: relays, changes) { try placeCalls($0) }
    }

    /// Those that send every call on to one place.
    @Test(arguments: ["late-offer.cfg", "call-records.cfg"], RelayKind.allCases)
    func callsToOnePlaceHaveEarlyAndLateOffers(_ name: String, _ kind: RelayKind) throws {
        for (calling, called) in Self.families {
            let pbx = try UserAgent("pbx", called, address: called == .ipv4 ? "127.0.0.5" : nil)
            let changes = Self.dual + [(old: "192.0.2.20:5060", new: "\(pbx.endpoint)")]
            try Example.run(name, real: kind.start(Self.relay), changes) { kamailio in
                for isLate in [false, true] {
                    let way: Comment = "\(calling) to \(called), late: \(isLate)"
                    let call = try Call(through: { kamailio.endpoint($0) }, caller: Self.alice(calling), callee: pbx)
                    let phones = try PhoneCall(call, media: [.caller: "127.0.0.2", .callee: "127.0.0.5"])
                    let placed = try PlacedCall(kamailio, phones, isLate: isLate)
                    for side in [Call.Side.callee, .caller] {
                        try placed.expect([Self.relay, Self.relay], way)
                        try placed.reINVITE(from: side, isLate: isLate)
                    }
                    try placed.expect([Self.relay, Self.relay], way)
                    try placed.hangUp()
                }
            }
        }
    }

    /// rtpengine plays nothing. Held by an offer or by the answer to a late one, and back by either.
    @Test func musicPlaysWhileACallIsHeldWhoeverOffers() throws {
        let folder = try TemporaryFolder()
        try Data(repeating: 0x55, count: 80_000).write(to: URL(fileURLWithPath: folder.file("music.0")))
        let changes = [(old: "/var/lib/rtpproxy/music", new: folder.file("music"))] + Self.dual
        try Example.run("music-on-hold.cfg", real: RealRelay(Self.relay), changes) { kamailio in
            try placeCalls(kamailio) { placed, way in
                for (holdsLate, returnsLate) in [(false, false), (true, true), (false, true), (true, false)] {
                    try placed.reINVITE(from: .caller, isLate: holdsLate, extra: ["a=sendonly"])
                    #expect(placed.phones.hears(0x55, at: .callee), way)
                    try placed.reINVITE(from: .caller, isLate: returnsLate)
                    #expect(placed.phones.fallsSilent(at: .callee), way)
                    try placed.expect([Self.relay, Self.relay], way)
                }
            }
        }
    }

    @Test(arguments: RelayKind.allCases)
    func monitoringHasALineForEachCallWhoeverOffers(_ kind: RelayKind) throws {
        let other: RelayKind = kind == .rtpproxy ? .rtpengine : .rtpproxy
        let relays = [try kind.start(Self.relay), try other.start("127.0.0.7")]
        try Example.run("monitoring.cfg", real: relays, Self.dual) { kamailio in
            var ids: [String] = []
            try placeCalls(kamailio) { placed, way in
                ids.append(placed.phones.call.id)
                #expect(kamailio.waitForLog("media of \(placed.phones.call.id): \(relays[0].url)") != nil, way)
            }
            for id in ids {
                let line = kamailio.waitForLog("media of \(id) ends: ")
                #expect(line?.hasSuffix("<null>") == (kind == .rtpengine), "\(line ?? "none")")
            }
        }
    }
}
