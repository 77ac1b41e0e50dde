// SPDX-License-Identifier: GPL-2.0-or-later
// How long SIP workers are held by the messages of engaged dialogs where the relay is 300 ms late: as long as it takes,
// by all but an asynchronous first INVITE.

import Foundation
import TestSupport
import Testing

@Suite struct EngageWaitTests {
    private static let late = 300
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

    /// Sends one message for each call, all at once, and waits until the other side has every one. Returns the
    /// milliseconds that took.
    private func all(_ calls: [Call], send: (Call) -> Void, has: (Call) -> Bool) -> Int {
        let start = monotonicMilliseconds()
        for call in calls { send(call) }
        for call in calls { #expect(has(call)) }
        return monotonicMilliseconds() - start
    }

    /// Milliseconds for the INVITEs, their 200s, and re-INVITEs of the callees.
    private func measure(isAsynchronous: Bool) throws -> [Int] {
        let more = { (configuration: inout KamailioConfiguration) in
            configuration.children = Self.workers
            configuration.listensOnIPv6 = false
            configuration.set("rtpproxy_tout", 2)
            configuration.set("rtpproxy_hedging", 0)
        }
        var took: [Int] = []
        try Engaged.run("", routes(isAsynchronous: isAsynchronous), more) { kamailio, relay in
            relay.on { "UL".contains($0.verb) ? .delay(Self.late, .normal) : nil }
            let calls = try (0..<Self.calls).map { _ in try kamailio.call() }
            var invites: [String: SIPMessage] = [:]
            let early = all(
                calls, send: { $0.send($0.request("INVITE", sdp: SDPText.audio())) },
                has: { call in
                    invites[call.id] = call.callee.receive { $0.method == "INVITE" }
                    return invites[call.id] != nil
                })
            let answers = all(
                calls,
                send: { call in
                    guard let invite = invites[call.id] else { return }
                    call.send(call.response(200, to: invite, sdp: SDPText.audio(port: 6000)), from: .callee)
                }, has: { $0.caller.receive { $0.status == 200 } != nil })
            for call in calls { try call.ack() }
            let within = all(
                calls,
                send: { call in
                    call.send(
                        call.request("INVITE", from: .callee, sdp: SDPText.audio(), inDialog: true), from: .callee)
                }, has: { $0.caller.receive { $0.isRequest && $0.method == "INVITE" } != nil })
            took = [early, answers, within]
        }
        return took
    }

    @Test(arguments: [false, true]) func aWorkerIsHeldAsLongAsTheRelayTakes(isAsynchronous: Bool) throws {
        let took = try measure(isAsynchronous: isAsynchronous)
        print("engaged, \(isAsynchronous ? "asynchronous" : "waiting"): INVITEs, 200s, re-INVITEs in \(took) ms")
        // Twice as many messages as workers: two turns, and one for what waits elsewhere.
        let turns = [isAsynchronous ? 1 : 2, 2, 2]
        for (time, turns) in zip(took, turns) {
            #expect(time >= turns * Self.late)
            #expect(time < turns * Self.late + 1500)
        }
    }
}
