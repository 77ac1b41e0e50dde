// SPDX-License-Identifier: GPL-2.0-or-later
// Offers, answers and deletions that no worker waits for.

import TestSupport
import Testing

/// Runs `body` with a Kamailio whose script is async.cfg.
func withAsyncStage<R>(
    _ relays: [ScriptedRelay], _ change: (inout KamailioConfiguration) -> Void = { _ in },
    _ body: (Kamailio) throws -> R
) throws -> R {
    let routes = try PackageFolder.fixture("kamailio/async.cfg")
    return try Stage.own(relays) {
        $0.routes = routes
        change(&$0)
    } _: {
        try body($0)
    }
}

@Suite struct AsyncTests {
    @Test func offerAndAnswerAreRewrittenWithoutAWorkerWaiting() throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay]) { kamailio in
            relay.on { "UL".contains($0.verb) ? .delay(50, .normal) : nil }
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite["X-Instance"] == relay.url)
            #expect(invite.lines.contains("c=IN IP4 192.0.2.77"))
            #expect(invite.lines.contains("a=nortpproxy:yes"))
            let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(answered.returnCodes == [1])
            #expect(answered.lines.contains("c=IN IP4 192.0.2.77"))
            try call.ack()
            let bye = try call.bye(run: .destroy())
            #expect(bye.returnCodes == [1])
            #expect(bye["X-Type"] == "-")
            #expect(waitUntil(3) { relay.commands(of: call.id, "D").count == 1 })
        }
    }
}
