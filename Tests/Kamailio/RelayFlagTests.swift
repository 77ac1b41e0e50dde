// SPDX-License-Identifier: GPL-2.0-or-later
// Flags with a real RTPProxy and a real rtpengine: what becomes of the media, not what is sent. i, e and x are in
// BothRelaysTests.

import Foundation
import TestSupport
import Testing

@Suite struct RelayFlagTests {
    private static let both = [20, 20]

    private func run(_ kind: RelayKind, outside: String? = nil, _ body: (Kamailio) throws -> Void) throws {
        try RelaySetting(kind: kind, isAsynchronous: false).run(outside: outside, body)
    }

    /// The caller describes one port and sends from another. How much of the callee's audio comes to the one, and
    /// to the other.
    private func arrivals(_ kamailio: Kamailio, _ flags: String) throws -> [Int] {
        let phones = try PhoneCall(kamailio)
        let other = try RTPEndpoint("127.0.0.2")
        try phones.connect(offer: .offer(flags), answer: .answer(flags.contains("i") ? "ei" : ""))
        let (described, callee) = (try #require(phones.media[.caller]), try #require(phones.media[.callee]))
        try other.send(20, to: #require(phones.destinations[.caller]))
        #expect(callee.count(expecting: 20) == 20)
        try callee.send(20, to: #require(phones.destinations[.callee]))
        // Whatever arrives is at one of them.
        var counts = [0, 0]
        waitUntil(5) {
            for (index, endpoint) in [described, other].enumerated() {
                counts[index] += endpoint.count(expecting: 20, within: 20)
            }
            return counts[0] + counts[1] >= 20
        }
        return counts
    }

    /// RTPProxy keeps to what `a` describes; rtpengine follows who sends, whatever the flags.
    @Test(arguments: RelayKind.allCases)
    func whoIsNotSymmetricIsSentToWhereItSaysByRTPProxyAlone(_ kind: RelayKind) throws {
        try run(kind) { kamailio in
            let found = [try arrivals(kamailio, ""), try arrivals(kamailio, "a")]
            #expect(found == [[0, 20], kind == .rtpproxy ? [20, 0] : [0, 20]])
        }
    }

    /// In bridging mode RTPProxy keeps to the description unless `w` is given.
    @Test(arguments: RelayKind.allCases)
    func whoIsSymmetricForCertainIsFollowedInBridgingModeToo(_ kind: RelayKind) throws {
        try run(kind, outside: "127.0.0.6") { kamailio in
            let found = [try arrivals(kamailio, "ie"), try arrivals(kamailio, "iew")]
            #expect(found == [kind == .rtpproxy ? [20, 0] : [0, 20], [0, 20]])
        }
    }

    /// The caller's media is not where its signalling comes from, and it says nothing yet.
    @Test(arguments: RelayKind.allCases)
    func theAddressInTheDescriptionIsTrustedWithR(_ kind: RelayKind) throws {
        try run(kind) { kamailio in
            for flags in ["", "r"] {
                let phones = try PhoneCall(kamailio, media: [.caller: "127.0.0.12"])
                try phones.connect(offer: .offer(flags))
                #expect(try phones.packets(from: .callee, within: 300) == (flags == "r" ? 20 : 0))
                // Once the caller has sent, the relay knows where to send to.
                #expect(try phones.packets(from: .caller) == 20)
                #expect(try phones.packets(from: .callee) == 20)
            }
        }
    }

    /// Packets of 20 ms go on as packets of 40; rtpengine is not asked to, and its audio comes as it was sent.
    @Test(arguments: RelayKind.allCases)
    func packetsAreMadeLargerByRTPProxyAlone(_ kind: RelayKind) throws {
        try run(kind) { kamailio in
            let phones = try PhoneCall(kamailio)
            let (invite, _) = try phones.connect(offer: .offer("z40"))
            #expect(invite.returnCodes == [1])
            let (caller, callee) = (try #require(phones.media[.caller]), try #require(phones.media[.callee]))
            try caller.send(20, to: #require(phones.destinations[.caller]), spacing: 20)
            var sizes: [Int] = []
            let whole = 20 * 160
            waitUntil(10) {
                if let (bytes, _) = callee.socket.receive(500) { sizes.append(bytes.count - 12) }
                return sizes.reduce(0, +) >= whole - 320
            }
            #expect(sizes.allSatisfy { $0 == (kind == .rtpproxy ? 320 : 160) }, "\(sizes)")
            #expect(sizes.reduce(0, +) >= whole - 320)
            if kind == .rtpengine { #expect(kamailio.waitForLog("WARNING", "z") != nil) }
        }
    }

    /// What the module itself does of the flags, with whatever the relay answers.
    @Test(arguments: RelayKind.allCases)
    func flagsOfTheDescriptionNeedNothingOfTheRelay(_ kind: RelayKind) throws {
        try run(kind) { kamailio in
            let own = SDPText.session(streams: [SDPText.media("audio", 5004, address: "192.0.2.11")])
            func offered(_ run: Run, _ sdp: String = own, inDialog: Bool = false) throws -> SIPMessage {
                try kamailio.call().invite(sdp: sdp, run: run, inDialog: inDialog)
            }
            let (old, new) = ("IN IP4 192.0.2.10", "IN IP4 127.0.0.4")
            let plain = try offered(.offer())
            #expect(plain.lines.filter { $0.hasPrefix("c=") } == ["c=\(old)", "c=\(new)"])
            #expect(plain.lines.contains("o=- 1 1 \(old)"))
            #expect(try offered(.offer("o")).lines.contains("o=- 1 1 \(new)"))
            #expect(try offered(.offer("c")).lines.filter { $0.hasPrefix("c=") } == ["c=\(new)", "c=\(new)"])
            let given = try offered(.offer("", ip: "198.51.100.7"))
            #expect(given.lines.contains("c=IN IP4 198.51.100.7"))
            // Somebody else's mark.
            #expect(try offered(.offer(), plain.text).returnCodes == [-2])
            #expect(try offered(.offer("f"), plain.text).returnCodes == [1])
        }
    }

    @Test(arguments: RelayKind.allCases)
    func aForcedLookupNeedsASession(_ kind: RelayKind) throws {
        try run(kind) { kamailio in
            #expect(try kamailio.call().invite(run: .offer("l"), inDialog: true).returnCodes == [-1])
            let phones = try PhoneCall(kamailio)
            try phones.connect()
            let (invite, answer) = try phones.connect(inDialog: true, offer: .offer("l"))
            #expect([invite, answer].map(\.returnCodes) == [[1], [1]])
            #expect(try phones.audio() == Self.both)
        }
    }

    /// Where one branch answers, a suffix of the Call-ID is nothing that either relay minds.
    @Test(arguments: RelayKind.allCases, [("1", "2"), ("3", "3"), ("b", "b")])
    func aCallUnderABranchHasItsAudio(_ kind: RelayKind, flags: (offer: String, answer: String)) throws {
        let relay = try kind.start("127.0.0.4")
        try RelaySetting(kind: kind, isAsynchronous: false).run([relay]) { kamailio in
            let phones = try PhoneCall(kamailio)
            let extra = flags.offer == "b" ? "leg" : nil
            let (invite, answer) = try phones.connect(
                offer: Run("offer", flags.offer, extra: extra), answer: Run("answer", flags.answer, extra: extra))
            #expect([invite, answer].map(\.returnCodes) == [[1], [1]])
            #expect(try phones.audio() == Self.both)
            guard flags.offer == "b" else { return }
            #expect(try phones.call.bye(run: Run("destroy", "b", extra: extra)).returnCodes == [1])
            #expect(relay.hasForgotten(phones.call, suffix: ";leg"))
        }
    }

    /// Two branches by their Vias: as with `b`, rtpengine has one session for both.
    @Test(arguments: RelayKind.allCases, ["1", "3"])
    func viaBranchesHaveSessionsOfTheirOwnAtRTPProxyAlone(_ kind: RelayKind, flag: String) throws {
        try run(kind) { kamailio in
            let call = try kamailio.call()
            let ports = try (0..<2).map { _ in
                let invite = try call.invite(run: .offer(flag))
                #expect(invite.returnCodes == [1])
                return try SDPText.mediaAddress(of: invite.text).port
            }
            #expect((ports[0] == ports[1]) == (kind == .rtpengine))
        }
    }

    /// A deletion of one branch; with rtpengine it is that of the call (docs/operator/relays.md, Parallel forks).
    @Test func oneBranchAloneIsDeletedAtRTPProxy() throws {
        try run(.rtpproxy) { kamailio in
            let phones = try PhoneCall(kamailio)
            let call = phones.call
            let legs = ["one", "two"].map { leg in { (function: String) in Run(function, "b", extra: leg) } }
            #expect(try call.invite(sdp: phones.description(of: .caller), run: legs[0]("offer")).returnCodes == [1])
            try phones.connect(offer: legs[1]("offer"), answer: legs[1]("answer"))
            #expect(try call.deliver(call.request("INFO", run: legs[0]("destroy"))).returnCodes == [1])
            #expect(try phones.audio() == Self.both)
        }
    }
}
