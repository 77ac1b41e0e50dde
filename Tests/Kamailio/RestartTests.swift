// SPDX-License-Identifier: GPL-2.0-or-later
// A real RTPProxy that crashes in the middle of a call and is started again.

import Foundation
import TestSupport
import Testing

/// How Kamailio reaches the real RTPProxy.
enum RealWay: CaseIterable, Sendable { case udp, unix, cunix, tcp }

/// A real RTPProxy that a test crashes and starts again.
struct FragileRelay {
    let url: String
    let relay: RealRelay
    /// Kamailio's connection ends here where it is TCP: RTPProxy itself cannot take its port again for a minute, as
    /// its system still knows the connections that it had.
    private let front: ScriptedRelay?

    init(_ way: RealWay) throws {
        let relay = try RealRelay()
        self.relay = relay
        let front = way == .tcp ? try ScriptedRelay(.tcp) : nil
        front?.on { command in (try? relay.command(command.text)).map { .reply($0) } ?? .drop }
        self.front = front
        url =
            switch way {
            case .udp: relay.url
            case .unix: relay.unixURL
            case .cunix: relay.lastingURL
            case .tcp: front?.url ?? ""
            }
    }

    func crash() {
        front?.shut()
        relay.crash()
    }

    func start() throws {
        try relay.start()
        try front?.reopen()
    }

    func stop() {
        front?.stop()
        relay.stop()
    }
}

@Suite struct RestartTests {
    /// Runs `body` with a Kamailio of one worker, whose connection stays, once the relay is up.
    private static func with(_ relay: FragileRelay, _ body: (Kamailio) throws -> Void) throws {
        defer { relay.stop() }
        let configuration = try Stage.configuration {
            $0.children = 1
            $0.set("rtpproxy_sock", relay.url)
            $0.set("rtpproxy_tout", 2)
            $0.set("rtpproxy_retr", 1)
            $0.set("rtpproxy_disable_tout", 1)
            $0.set("rtpproxy_ping_interval", 0)
        }
        try Kamailio.with(configuration) { kamailio in
            try #require(try isUp(kamailio))
            try body(kamailio)
        }
    }

    private static func isUp(_ kamailio: Kamailio) throws -> Bool {
        try waitUntil(15, every: 50) {
            try kamailio.waitForLog("is up", seconds: 0.1) != nil && kamailio.relays().first?["disabled"] == "0"
        }
    }

    /// A call through the relay, from the offer to the deletion.
    private static func expectACall(_ kamailio: Kamailio, _ relay: FragileRelay) throws {
        let call = try kamailio.call()
        let invite = try call.invite(run: .offer())
        let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
        #expect([invite, answered].map(\.returnCodes) == [[1], [1]])
        #expect(invite.lines.contains("c=IN IP4 127.0.0.1"))
        #expect(try call.bye(run: .destroy()).returnCodes == [1])
        #expect(try relay.relay.command("Q \(call.id) \(call.fromTag);1 \(call.toTag);1") == "E50")
    }

    @Test(arguments: RealWay.allCases)
    func whatAnEarlierRelayHadIsGoneAndTheNextCallGoesThrough(_ way: RealWay) throws {
        let relay = try FragileRelay(way)
        try Self.with(relay) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1])
            relay.crash()
            try relay.start()
            // The session is unknown to it: the answer fails and is left as it came.
            let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(answered.returnCodes == [-1])
            #expect(answered.text == SDPText.audio())
            // Nothing to delete is as good as deleted.
            #expect(try call.bye(run: .destroy()).returnCodes == [1])
            // It was never silent and never refused: nobody took it out.
            #expect(kamailio.logLines("disabled for").isEmpty)
            try Self.expectACall(kamailio, relay)
        }
    }

    @Test("Messages during the outage fail, and later calls go through by themselves", arguments: RealWay.allCases)
    func messagesDuringTheOutageFailAndLaterCallsGoThrough(_ way: RealWay) throws {
        let relay = try FragileRelay(way)
        try Self.with(relay) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1])
            relay.crash()
            let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(answered.returnCodes == [-3])
            #expect(answered.text == SDPText.audio())
            #expect(try call.bye(run: .destroy()).returnCodes == [-1])
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            #expect(kamailio.waitForLog("disabled for 1 s") != nil)
            #expect(kamailio.logLines("disabled for 1 s").count == 1)
            try relay.start()
            #expect(kamailio.waitUntilUp(within: 15))
            try Self.expectACall(kamailio, relay)
        }
    }
}
