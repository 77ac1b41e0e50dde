// SPDX-License-Identifier: GPL-2.0-or-later
// The clock of the host is set while commands are under way: nothing here goes by it.

import Foundation
import TestSupport
import Testing

@Suite struct FaultClockTests {
    @Test(
        .enabled(if: WallClock.isThere, "needs libfaketime (Debian's package faketime)"),
        arguments: ["+1h", "-1h", "+400d"])
    func aClockThatIsSetChangesNothing(step: String) throws {
        let relay = try ScriptedRelay()
        let clock = try WallClock()
        try Stage.own([relay]) {
            briefly(&$0)
            $0.environment = clock.environment
        } _: { kamailio in
            #expect(try kamailio.completesACall())
            // In the middle of an exchange.
            let call = try kamailio.call()
            relay.on(call: call.id) { $0.verb == "U" ? .delay(700, .normal) : nil }
            call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer()))
            try #require(waitUntil(5) { relay.log.contains { $0.callID == call.id } })
            let day = try Self.date(kamailio)
            try clock.set(step)
            let invite = try #require(call.callee.receive { $0.method == "INVITE" })
            #expect(invite.returnCodes == [1])
            #expect(try Self.date(kamailio) != day, "the clock was not set")
            // A silent relay has its two seconds, no more and no less.
            relay.on { _ in .drop }
            let silent = try kamailio.offer()
            #expect(silent.code == -3)
            #expect(silent.milliseconds > 1800 && silent.milliseconds < brieflyInMilliseconds)
            // It is asked again after one.
            relay.removeRules()
            #expect(kamailio.waitUntilUp(within: 6))
            // And back to where it was, with a call that is known from before.
            try clock.set("+0")
            #expect(try call.bye(run: .destroy()).returnCodes == [1])
            #expect(relay.commands(of: call.id, "D").count == 1)
            #expect(try kamailio.completesACall())
            #expect(kamailio.faultLines.count == 1, "\(kamailio.faultLines)")
        }
    }

    /// The time of day as Kamailio has it, without what passes anyway.
    private static func date(_ kamailio: Kamailio) throws -> String {
        let line = try kamailio.kamcmd("core.uptime").split(separator: "\n").first { $0.contains("now:") }
        // "now: Wed Nov 25 22:16:49 2026": day, hour, year.
        let words = (line ?? "").split(separator: " ").map(String.init)
        guard words.count >= 6 else { return "" }
        return "\(words[2]) \(words[3]) \(words[4].prefix(2)) \(words[5])"
    }
}
