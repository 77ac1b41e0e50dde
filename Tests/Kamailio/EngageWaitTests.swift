// SPDX-License-Identifier: GPL-2.0-or-later
// Who waits for a relay that takes its time: the SIP worker that has a message of an engaged dialog, but for an
// asynchronous first INVITE.

import Foundation
import TestSupport
import Testing

@Suite struct EngageWaitTests {
    private static let workers = 4
    private static let calls = 8

    private func routes(isAsynchronous: Bool) -> String {
        """
        request_route {
            if (is_method("OPTIONS")) {
                sl_send_reply("200", "OK");
                exit;
            }
            if (has_totag()) {
                dlg_manage();
            } else {
                record_route();
                \(isAsynchronous ? "if (rtpproxy_engage_async(\"GO\")) route(GO); exit;" : "rtpproxy_engage();")
            }
            t_relay();
        }
        route[GO] {
            t_relay();
            exit;
        }
        """
    }

    /// Sends one message for each call, all at once, to a relay that answers none, and tells whether a worker is left
    /// meanwhile. Then the relay answers until the other side has every one.
    private func all(
        _ calls: [Call], _ kamailio: Kamailio, _ relay: ScriptedRelay, holds held: Int, send: (Call) -> Void,
        has: (Call) -> Bool
    ) throws -> Bool {
        let asks = { relay.log.count { "UL".contains($0.verb) && $0.attempt == 1 } }
        let before = asks()
        let asked = { asks() - before }
        for call in calls { send(call) }
        #expect(waitUntil(20) { asked() >= held })
        let other = try kamailio.call()
        other.send(other.request("OPTIONS", inDialog: false))
        // Where one is left it has all the time that it needs.
        let isLeft = other.caller.receive(held < calls.count ? 500 : 10_000) { $0.status == 200 } != nil
        #expect(asked() == held)
        var isThere = calls.map { _ in false }
        let isDone = waitUntil(20) {
            relay.release()
            for (number, call) in calls.enumerated() where !isThere[number] { isThere[number] = has(call) }
            return isThere.allSatisfy { $0 }
        }
        #expect(isDone)
        return isLeft
    }

    /// INVITEs, their 200s, and re-INVITEs of the callees, twice as many as there are workers.
    @Test(arguments: [false, true]) func aWorkerWaitsButForAnAsynchronousFirstINVITE(isAsynchronous: Bool) throws {
        let more = { (configuration: inout KamailioConfiguration) in
            configuration.children = Self.workers
            configuration.listensOnIPv6 = false
            configuration.set("rtpproxy_tout", 60)
            configuration.set("rtpproxy_retr", 1)
            configuration.set("rtpproxy_hedging", 0)
        }
        try Engaged.run("", routes(isAsynchronous: isAsynchronous), more) { kamailio, relay in
            relay.on { "UL".contains($0.verb) ? .hold(.normal) : nil }
            let calls = try (0..<Self.calls).map { _ in try kamailio.call() }
            var invites: [String: SIPMessage] = [:]
            let first = try all(
                calls, kamailio, relay, holds: isAsynchronous ? Self.calls : Self.workers,
                send: { $0.send($0.request("INVITE", sdp: SDPText.audio())) },
                has: { call in
                    invites[call.id] = call.callee.receive(100) { $0.method == "INVITE" }
                    return invites[call.id] != nil
                })
            #expect(first == isAsynchronous)
            let answers = try all(
                calls, kamailio, relay, holds: Self.workers,
                send: { call in
                    guard let invite = invites[call.id] else { return }
                    call.send(call.response(200, to: invite, sdp: SDPText.audio(port: 6000)), from: .callee)
                }, has: { $0.caller.receive(100) { $0.status == 200 } != nil })
            #expect(!answers)
            for call in calls { try call.ack() }
            let within = try all(
                calls, kamailio, relay, holds: Self.workers,
                send: { call in
                    call.send(
                        call.request("INVITE", from: .callee, sdp: SDPText.audio(), inDialog: true), from: .callee)
                }, has: { $0.caller.receive(100) { $0.isRequest && $0.method == "INVITE" } != nil })
            #expect(!within)
        }
    }
}
