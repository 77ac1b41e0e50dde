// SPDX-License-Identifier: GPL-2.0-or-later
// RTPProxies with a connection for each command: never more of them than the relay takes, and one that ends early does
// not disable it.

import Foundation
import TestSupport
import Testing

@Suite struct UnixRelayTests {
    private static var workers: Int { 24 }
    /// Milliseconds that a command takes: eight of 24 calls over four connections together half of tm's fr_timer.
    private static var delay: Int { 30 }

    /// `count` calls of eight streams begin at once. How many of them were offered.
    private func burst(_ calls: [Call]) -> Int {
        let sdp = SDPText.session(streams: (0..<8).map { SDPText.media("audio", 5000 + 2 * $0) })
        for call in calls {
            call.id = UUID().uuidString
            call.send(call.request("INVITE", sdp: sdp, run: .offer()))
        }
        let invites = calls.map { call in call.callee.receive { $0.method == "INVITE" && $0.callID == call.id } }
        return invites.filter { $0?.returnCodes == [1] }.count
    }

    /// How many offers a relay that takes `milliseconds` for each had under way at once at most.
    private func crowd(_ relay: ScriptedRelay, _ milliseconds: Int) -> Int {
        let times = relay.log.filter { $0.verb == "U" }.map(\.time)
        return times.indices.map { first in
            times[first...].filter { $0 < times[first] + milliseconds - 1 }.count
        }.max() ?? 0
    }

    @Test func allWorkersTogetherHaveNoMoreThanFourConnections() throws {
        let relay = try ScriptedRelay(.unix)
        try Stage.own([relay]) {
            $0.children = Self.workers
        } _: { kamailio in
            relay.on { $0.verb == "U" ? .delay(Self.delay, .normal) : nil }
            let calls = try (0..<Self.workers).map { _ in try kamailio.call() }
            #expect(burst(calls) == Self.workers)
            let most = crowd(relay, Self.delay)
            #expect(most <= 4)
            // And they are made use of.
            #expect(most > 2)
            #expect(kamailio.logLines("disabled for").isEmpty)
        }
    }

    @Test func anAsynchronousProcessHasNoMoreThanFourConnections() throws {
        let relay = try ScriptedRelay(.unix)
        try withAsyncStage([relay], .process) { kamailio in
            relay.on { $0.verb == "U" ? .delay(Self.delay, .normal) : nil }
            let calls = try (0..<Self.workers).map { _ in try kamailio.call() }
            #expect(burst(calls) == Self.workers)
            let most = crowd(relay, Self.delay)
            #expect(most <= 4)
            #expect(most > 2)
            #expect(kamailio.logLines("disabled for").isEmpty)
        }
    }

    @Test(arguments: [false, true])
    func burstsAtARealRelayLoseNoCall(isAsync: Bool) throws {
        let relay = try RealRelay()
        defer { relay.stop() }
        func run(_ kamailio: Kamailio) throws {
            try #require(kamailio.waitUntilUp())
            let calls = try (0..<Self.workers).map { _ in try kamailio.call() }
            for _ in 0..<3 {
                #expect(burst(calls) == calls.count)
                for call in calls { call.send(call.request("BYE", run: .destroy())) }
                for call in calls {
                    let bye = call.callee.receive { $0.method == "BYE" && $0.callID == call.id }
                    #expect(bye?.returnCodes == [1])
                }
            }
            #expect(kamailio.logLines("disabled for").isEmpty)
        }
        if isAsync {
            try withAsyncStage([], .process) {
                $0.set("rtpproxy_sock", relay.unixURL)
            } _: {
                try run($0)
            }
        } else {
            try Stage.own([], settled: false) {
                $0.children = Self.workers
                $0.set("rtpproxy_sock", relay.unixURL)
            } _: {
                try run($0)
            }
        }
    }

    @Test func aConnectionThatEndsBeforeAnyReplyIsTriedAgain() throws {
        let relay = try ScriptedRelay(.unix)
        try Stage.own([relay]) { kamailio in
            relay.on { "ULD".contains($0.verb) && $0.number % 3 != 0 ? .hangUp : nil }
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1])
            let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(answered.returnCodes == [1])
            try call.ack()
            #expect(try call.bye(run: .destroy()).returnCodes == [1])
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "U", "U", "L", "L", "L", "D", "D", "D"])
            #expect(kamailio.logLines("disabled for").isEmpty)
        }
    }

    @Test func aRelayThatEndsEveryConnectionIsGivenUpOnceTheTimeIsOver() throws {
        let relay = try ScriptedRelay(.unix)
        try Stage.own([relay]) {
            $0.set("rtpproxy_tout", 1)
            $0.set("rtpproxy_retr", 1)
        } _: { kamailio in
            relay.on { _ in .hangUp }
            let invite = try kamailio.call().invite(run: .offer())
            #expect(invite.returnCodes == [-3])
            #expect(kamailio.waitForLog(relay.url, "does not answer in time, disabled for", seconds: 3) != nil)
        }
    }
}
