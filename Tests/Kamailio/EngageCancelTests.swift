// SPDX-License-Identifier: GPL-2.0-or-later
// Engaged calls that are cancelled, at any moment: one deletion, and it comes last.

import Foundation
import TestSupport
import Testing

@Suite struct EngageCancelTests {
    /// The caller cancels until it is answered, as its timers say; the relay takes 20 ms for each command.
    private func cancel(_ call: Call, after milliseconds: Int) throws {
        let id = call.id
        let request = call.request("INVITE", sdp: SDPText.audio())
        call.send(request)
        usleep(UInt32(milliseconds) * 1000)
        var cancel = call.request("CANCEL")
        cancel["Via"] = request["Via"]
        let invite = try #require(call.callee.receive { $0.method == "INVITE" && $0.callID == id })
        // It rings, with early media, in one call of two.
        let isEarly = milliseconds.isMultiple(of: 2)
        call.send(
            call.response(isEarly ? 183 : 180, to: invite, sdp: isEarly ? SDPText.audio(port: 6000) : nil),
            from: .callee)
        var got: SIPMessage?
        for _ in 0..<20 where got == nil {
            call.send(cancel)
            got = call.callee.receive(300) { $0.method == "CANCEL" && $0.callID == id }
        }
        call.send(call.response(200, to: try #require(got)), from: .callee)
        call.send(call.response(487, to: invite), from: .callee)
        #expect(call.caller.receive { $0.status == 487 && $0.callID == id } != nil)
    }

    @Test(arguments: [false, true]) func isDeletedOnceAndLast(isAsynchronous: Bool) throws {
        let begin =
            isAsynchronous ? "if (rtpproxy_engage_async(\"GO\")) route(GO); exit;" : "rtpproxy_engage(); route(GO);"
        let routes = """
            request_route {
                if (is_method("CANCEL")) {
                    if (t_check_trans()) t_relay();
                    exit;
                }
                if (!is_method("ACK")) t_check_trans();
                if (has_totag()) {
                    dlg_manage();
                } else {
                    record_route();
                    if (is_method("INVITE")) { \(begin) }
                }
                t_relay();
            }
            route[GO] {
                t_relay();
                exit;
            }
            """
        try Engaged.run("", routes) { kamailio, relay in
            relay.on { "UL".contains($0.verb) ? .delay(20, .normal) : nil }
            let first = try kamailio.call()
            for delay in stride(from: 0, through: 63, by: 3) {
                let call = try kamailio.call(between: first)
                try cancel(call, after: delay)
                #expect(waitUntil(3) { relay.texts(of: call.id).last?.first == "D" }, "after \(delay) ms")
                let verbs = relay.commands(of: call.id).map(\.verb)
                #expect(verbs.first == "U" && verbs.filter { $0 == "D" }.count == 1 && verbs.last == "D", "\(verbs)")
            }
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }
}
