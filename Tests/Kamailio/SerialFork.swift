// SPDX-License-Identifier: GPL-2.0-or-later
// What tests of calls that go from one destination to the next have in common.

import Foundation
import TestSupport
import Testing

/// Calls that go from one destination to the next.
enum SerialFork {
    /// A call's `U` number n is given port 40000 + 2n.
    static func answer(_ relay: ScriptedRelay) {
        relay.on {
            $0.verb == "U"
                ? .reply("\(40_000 + 2 * $0.number) 192.0.2.77") : $0.verb == "L" ? .reply("50000 192.0.2.77") : nil
        }
    }

    /// A call that is sent to four destinations, the first three of which refuse it. Returns what the last one got.
    static func refusedThrice(
        _ kamailio: Kamailio, _ relay: ScriptedRelay, _ call: Call, _ others: [UserAgent],
        _ change: (inout SIPMessage) -> Void = { _ in }
    ) throws -> SIPMessage {
        var invite = call.request("INVITE", sdp: SDPText.audio())
        invite["X-Next"] = ([call.callee] + others).map(\.uri).joined(separator: ",")
        change(&invite)
        call.send(invite)
        var got: SIPMessage?
        for (index, agent) in ([call.callee] + others).enumerated() {
            let here = try #require(
                agent.receive { $0.method == "INVITE" && $0.callID == call.id }, "destination \(index)")
            check(here, relay.commands(of: call.id, "U").count, "destination \(index)")
            if index < 3 { agent.send(call.response(486, to: here), to: kamailio.endpoint()) }
            got = here
        }
        return try #require(got)
    }

    /// That a description is the one of the newest offer, once.
    private static func check(_ message: SIPMessage, _ offers: Int, _ name: String) {
        #expect(message.lines.filter { $0.hasPrefix("c=") } == ["c=IN IP4 192.0.2.77"], "\(name)")
        #expect(
            message.lines.filter { $0.hasPrefix("m=") } == ["m=audio \(40_000 + 2 * offers) RTP/AVP 0 8 101"], "\(name)"
        )
        #expect(message.lines.filter { $0 == "a=nortpproxy:yes" }.count == 1, "\(name)")
        #expect(message["Content-Length"] == "\(message.body.count)", "\(name)")
    }

    static func letters(_ relay: ScriptedRelay, _ call: Call) -> String {
        relay.commands(of: call.id).map(\.verb).joined()
    }

    static func ended(_ kamailio: Kamailio) -> Bool {
        waitUntil(20) { (try? kamailio.kamcmd("tm.stats").contains("current: 0\n")) ?? false }
    }
}
