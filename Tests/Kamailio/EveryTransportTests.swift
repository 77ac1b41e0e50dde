// SPDX-License-Identifier: GPL-2.0-or-later
// The same calls over every transport, and the same outages.

import Foundation
import TestSupport
import Testing

@Suite struct EveryTransportTests {
    /// Three media streams, the second one with an address of its own.
    private static let streams = SDPText.session(
        streams: [
            SDPText.media("audio", 5000), SDPText.media("video", 5002, address: "192.0.2.11"),
            SDPText.media("audio", 5004),
        ])

    /// One worker, so that its connection has been used before; a relay that failed is asked again after a second.
    private static func quick(_ configuration: inout KamailioConfiguration) {
        configuration.children = 1
        configuration.set("rtpproxy_tout", 2)
        configuration.set("rtpproxy_retr", 1)
        configuration.set("rtpproxy_disable_tout", 1)
    }

    @Test(arguments: ScriptedRelay.Transport.allCases)
    func aCallFromItsOfferToItsDeletion(_ transport: ScriptedRelay.Transport) throws {
        let relay = try ScriptedRelay(transport)
        try Stage.own([relay], Self.quick) { kamailio in
            let call = try kamailio.call()
            relay.on(call: call.id) { command in
                switch command.verb {
                case "U": .reply("\(40_000 + 2 * command.stream) 192.0.2.77")
                case "L": .reply("\(41_000 + 2 * command.stream) 192.0.2.78")
                case "Q": .reply("60 11 22 33 0")
                default: nil
                }
            }
            let invite = try call.invite(sdp: Self.streams, run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite.instance == relay.url)
            #expect(Self.ports(invite) == ["40002", "40004", "40006"])
            #expect(invite.lines.filter { $0.hasPrefix("c=") } == ["c=IN IP4 192.0.2.77", "c=IN IP4 192.0.2.77"])

            let answered = try call.reply(to: invite, sdp: Self.streams, run: .answer())
            #expect(answered.returnCodes == [1])
            #expect(Self.ports(answered) == ["41002", "41004", "41006"])
            #expect(answered.lines.filter { $0.hasPrefix("c=") } == ["c=IN IP4 192.0.2.78", "c=IN IP4 192.0.2.78"])

            let asked = try call.invite(run: Run("stat"), inDialog: true)
            #expect(asked.statistics == "60 11 22 33 0")
            let bye = try call.bye(run: .destroy())
            #expect(bye.returnCodes == [1])

            let (from, to) = (call.fromTag, call.toTag)
            let offers = (1...3).map { "Uc0,8,101 \(call.id) 127.0.0.1 \(4998 + 2 * $0) \(from);\($0)" }
            let answers = (1...3).map { "Lc0,8,101 \(call.id) 127.0.0.1 \(4998 + 2 * $0) \(from);\($0) \(to);\($0)" }
            #expect(relay.texts(of: call.id, "U").sorted() == offers)
            #expect(relay.texts(of: call.id, "L").sorted() == answers)
            #expect(Set(relay.texts(of: call.id, "Q")) == ["Q \(call.id) \(from);1 \(to);1"])
            #expect(relay.texts(of: call.id, "D") == ["D \(call.id) \(from) \(to)"])
        }
    }

    @Test(arguments: ScriptedRelay.Transport.allCases)
    func errorsAreAnswersAndNoOutage(_ transport: ScriptedRelay.Transport) throws {
        let relays = [try ScriptedRelay(transport), try ScriptedRelay(transport)]
        try Stage.own(
            relays,
            {
                Self.quick(&$0)
                // On a busy machine an answer may come so late that the other relay would be asked too.
                $0.set("rtpproxy_hedging", 0)
            }
        ) { kamailio in
            let full = try Self.callOfTheFirst(kamailio)
            relays[0].on(call: full.id) { $0.verb == "U" && $0.stream == 2 ? .reply("E72") : nil }
            let invite = try full.invite(sdp: Self.streams, run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite.instance == relays[1].url)
            let refused = try Self.callOfTheFirst(kamailio)
            relays[0].on(call: refused.id) { $0.verb == "U" ? .reply("E14") : nil }
            #expect(try refused.invite(run: .offer()).returnCodes == [-1])
            // Nothing of the answers that came with the errors is left for the next call.
            let next = try Self.callOfTheFirst(kamailio)
            relays[0].on(call: next.id) { $0.verb == "U" ? .reply("\(50_000 + 2 * $0.stream) 192.0.2.79") : nil }
            #expect(Self.ports(try next.invite(sdp: Self.streams, run: .offer())) == ["50002", "50004", "50006"])
            #expect(try kamailio.relays().map { $0["disabled"] } == ["0", "0"])
        }
    }

    @Test(arguments: ScriptedRelay.Transport.allCases)
    func anotherRelayTakesOverFromOneThatIsSilent(_ transport: ScriptedRelay.Transport) throws {
        let relays = [try ScriptedRelay(transport), try ScriptedRelay(transport)]
        try Stage.own(relays, Self.quick) { kamailio in
            let call = try Self.callOfTheFirst(kamailio)
            relays[0].on(call: call.id) { $0.verb == "U" ? .drop : nil }
            relays[1].on(call: call.id) {
                "UL".contains($0.verb) ? .reply("\(42_000 + 2 * $0.stream) 192.0.2.88") : nil
            }
            let invite = try call.invite(sdp: Self.streams, run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite.instance == relays[1].url)
            #expect(Self.ports(invite) == ["42002", "42004", "42006"])
            #expect(invite.lines.filter { $0 == "c=IN IP4 192.0.2.88" }.count == 2)
            // What the silent one may have created is deleted there.
            #expect(waitUntil(5) { relays[0].texts(of: call.id, "D") == ["D \(call.id) \(call.fromTag)"] })
            let answered = try call.reply(to: invite, sdp: Self.streams, run: .answer())
            #expect(answered.returnCodes == [1])
            #expect(answered.instance == relays[1].url)
        }
    }

    @Test(arguments: ScriptedRelay.Transport.allCases)
    func aRelayThatIsGoneIsLeftAloneUntilItIsBack(_ transport: ScriptedRelay.Transport) throws {
        let relays = [try ScriptedRelay(transport), try ScriptedRelay(transport)]
        try Stage.own(relays, Self.quick) { kamailio in
            #expect(try Self.callOfTheFirst(kamailio).invite(run: .offer()).instance == relays[0].url)
            relays[0].shut()
            let call = try Self.callOfTheFirst(kamailio)
            let invite = try call.invite(sdp: Self.streams, run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite.instance == relays[1].url)
            // A refused datagram is looked into, a refused connection is believed: a moment later at most.
            #expect(try waitUntil(5, every: 10) { try kamailio.relays().map { $0["disabled"] } == ["1", "0"] })
            #expect(kamailio.logLines("ERROR", relays[0].url, "disabled for 1 s").count == 1)

            relays[1].shut()
            let lost = try Self.callOfTheFirst(kamailio).invite(sdp: Self.streams, run: .offer())
            #expect(lost.returnCodes == [-3])
            #expect(lost.text == Self.streams)
            #expect(try waitUntil(5, every: 10) { try kamailio.relays().map { $0["disabled"] } == ["1", "1"] })

            for relay in relays { try relay.reopen() }
            #expect(kamailio.waitUntilUp(within: 15))
            let back = try Self.callOfTheFirst(kamailio).invite(sdp: Self.streams, run: .offer())
            #expect(back.returnCodes == [1])
            #expect(back.instance == relays[0].url)
            #expect(kamailio.logLines("is back", relays[0].url).count == 1)
        }
    }

    /// A call for which the default choice falls on the first of two relays.
    private static func callOfTheFirst(_ kamailio: Kamailio) throws -> Call {
        let call = try kamailio.call()
        call.choose(0, of: [1, 1])
        return call
    }

    /// The ports of the message's media streams.
    private static func ports(_ message: SIPMessage) -> [String] {
        message.lines.filter { $0.hasPrefix("m=") }.map {
            $0.split(separator: " ").dropFirst().first.map(String.init) ?? ""
        }
    }
}
