// SPDX-License-Identifier: GPL-2.0-or-later
// Answers that come twice, in another order, seconds too late, or from somebody else.

import Foundation
import Synchronization
import TestSupport
import Testing

@Suite struct StrayAnswerTests {
    /// One worker, so that what is left of one call meets the next; a relay that failed is asked again at once.
    private static func alone(_ configuration: inout KamailioConfiguration) {
        configuration.children = 1
        configuration.set("rtpproxy_tout", 2)
        configuration.set("rtpproxy_retr", 1)
        configuration.set("rtpproxy_disable_tout", 0)
    }

    @Test(arguments: [ScriptedRelay.Transport.udp, .udp6])
    func anAnswerFromAForeignPortIsNone(_ transport: ScriptedRelay.Transport) throws {
        let relay = try ScriptedRelay(transport)
        try Stage.own([relay], Self.alone) { kamailio in
            let call = try kamailio.call()
            // First from elsewhere under the right cookie, then from the relay.
            relay.on(call: call.id) { command in
                guard command.verb == "U" else { return nil }
                return .several([
                    .fromOtherPort(.reply("1111 203.0.113.1")), .delay(300, .reply("40000 192.0.2.77")),
                ])
            }
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite.lines.contains("m=audio 40000 RTP/AVP 0 8 101"))
            #expect(invite.lines.contains("c=IN IP4 192.0.2.77"))
            // Answers from elsewhere alone are as good as none.
            let silent = try kamailio.call()
            relay.on(call: silent.id) { $0.verb == "U" ? .fromOtherPort(.reply("1111 203.0.113.1")) : nil }
            let unanswered = try silent.invite(run: .offer())
            #expect(unanswered.returnCodes == [-3])
            #expect(unanswered.text == SDPText.audio())
        }
    }

    /// The one-shot socket has a connection for each answer, and no room for a second one.
    @Test(arguments: [ScriptedRelay.Transport.udp, .udp6, .unix])
    func answersOfManyStreamsTwiceAndInReverseOrder(_ transport: ScriptedRelay.Transport) throws {
        let relay = try ScriptedRelay(transport)
        try Stage.own([relay], Self.alone) { kamailio in
            let sdp = SDPText.session(streams: (1...8).map { SDPText.media("audio", 5000 + 2 * $0) })
            // The second copies of one call's answers come while the next call waits for its own.
            for round in 1...4 {
                let call = try kamailio.call()
                relay.on(call: call.id) { command in
                    guard command.verb == "U" else { return nil }
                    let answer = RelayAnswer.reply("\(round * 10_000 + 2 * command.stream) 192.0.2.77")
                    let wait = 20 * (9 - command.stream)
                    return transport == .unix
                        ? .delay(wait, answer) : .several([.delay(wait, answer), .delay(wait + 170, answer)])
                }
                let invite = try call.invite(sdp: sdp, run: .offer())
                #expect(invite.returnCodes == [1])
                let ports = invite.lines.filter { $0.hasPrefix("m=") }.map { $0.split(separator: " ")[1] }
                #expect(ports == (1...8).map { "\(round * 10_000 + 2 * $0)" })
            }
        }
    }

    /// Over a connection that stays nothing but its place says whose an answer is: a surplus one must not be taken for
    /// that of the next call.
    @Test(arguments: [ScriptedRelay.Transport.cunix, .tcp, .tcp6])
    func aSurplusAnswerOverAConnectionThatStaysIsNobodys(_ transport: ScriptedRelay.Transport) throws {
        let relay = try ScriptedRelay(transport)
        try Stage.own([relay], Self.alone) { kamailio in
            for round in 1...4 {
                let call = try kamailio.call()
                relay.on(call: call.id) { command in
                    guard command.verb == "U" else { return nil }
                    // At once, or when the worker has turned to something else.
                    let surplus = RelayAnswer.reply("1111 203.0.113.1")
                    return .several([
                        .reply("\(round * 10_000) 192.0.2.77"), round.isMultiple(of: 2) ? surplus : .delay(50, surplus),
                    ])
                }
                let invite = try call.invite(run: .offer())
                #expect(invite.returnCodes == [1])
                #expect(invite.lines.contains("m=audio \(round * 10_000) RTP/AVP 0 8 101"))
                usleep(200_000)
            }
            #expect(kamailio.logLines("disabled for").isEmpty)
        }
    }

    /// Another relay has taken the call over: the answers of the first one still come, in their places.
    @Test(arguments: [ScriptedRelay.Transport.cunix, .tcp, .tcp6])
    func anAnswerThatAnOfferDidNotWaitForIsNotTheNextCalls(_ transport: ScriptedRelay.Transport) throws {
        let relays = [try ScriptedRelay(transport), try ScriptedRelay(transport)]
        let patient = { (c: inout KamailioConfiguration) in
            Self.alone(&c)
            // The connection of the unanswered offer is still there when the second call comes, on a slow machine too.
            c.set("rtpproxy_tout", 15)
        }
        try Stage.own(relays, patient) { kamailio in
            let first = try kamailio.call()
            first.choose(0, of: [1, 1])
            relays[0].on(call: first.id) { _ in .drop }
            #expect(try first.invite(run: .offer()).instance == relays[1].url)
            try #require(waitUntil(5) { relays[0].texts(of: first.id).count == 2 })
            #expect(relays[0].texts(of: first.id).map { $0.prefix(1) } == ["U", "D"])
            usleep(1_500_000)
            let second = try kamailio.call()
            second.choose(0, of: [1, 1])
            relays[0].on(call: second.id) { command in
                guard command.verb == "U" else { return nil }
                // To the offer, to the deletion, and then to this.
                return .several([
                    .reply("1111 203.0.113.1"), .delay(20, .reply("0")), .delay(40, .reply("20000 192.0.2.77")),
                ])
            }
            let invite = try second.invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite.instance == relays[0].url)
            #expect(invite.lines.contains("m=audio 20000 RTP/AVP 0 8 101"))
            let senders = Set(relays[0].log.filter { $0.callID == first.id || $0.callID == second.id }.map(\.sender))
            #expect(senders.count == 1)
        }
    }

    /// The answer to the first call comes more than a second after that was given up, while the second call waits.
    @Test(arguments: ScriptedRelay.Transport.allCases)
    func anAnswerSecondsLateIsNotTheNextCalls(_ transport: ScriptedRelay.Transport) throws {
        let relay = try ScriptedRelay(transport)
        try Stage.own([relay], Self.alone) { kamailio in
            let first = try kamailio.call()
            relay.on(call: first.id) { $0.verb == "U" ? .delay(3500, .reply("1111 203.0.113.1")) : nil }
            let start = monotonicMilliseconds()
            #expect(try first.invite(run: .offer()).returnCodes == [-3])
            #expect(kamailio.waitUntilUp(within: 10))
            waitUntil(5) { monotonicMilliseconds() - start > 3000 }
            for round in 1...2 {
                let call = try kamailio.call()
                relay.on(call: call.id) { command in
                    guard command.verb == "U" else { return nil }
                    let own = RelayAnswer.reply("\(round * 20_000) 192.0.2.77")
                    return round == 1 ? .delay(1000, own) : own
                }
                let invite = try call.invite(run: .offer())
                #expect(invite.returnCodes == [1])
                #expect(invite.lines.contains("m=audio \(round * 20_000) RTP/AVP 0 8 101"))
            }
        }
    }
}
