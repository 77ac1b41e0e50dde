// SPDX-License-Identifier: GPL-2.0-or-later
// The demo's call, through the real relays.

import TestSupport
import Testing

@Suite struct RealCallTests {
    @Test(arguments: RelayKind.allCases)
    func callsAudioFlowsThroughTheRealRelayBothWays(_ kind: RelayKind) throws {
        let report = try DemoCall.run(kind)
        #expect(report.problems.isEmpty, "\(report.text())")
    }

    @Test func realRelayOverAUnixSocket() throws {
        let relay = try RealRelay()
        defer { relay.stop() }
        let configuration = try Stage.configuration { $0.set("rtpproxy_sock", relay.unixURL) }
        try Kamailio.with(configuration) { kamailio in
            kamailio.waitUntilUp()
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect([invite, answered].map(\.returnCodes) == [[1], [1]])
            #expect(answered.lines.contains("c=IN IP4 127.0.0.1"))
            try call.bye(run: .destroy())
            #expect(try relay.command("Q \(call.id) \(call.fromTag);1 \(call.toTag);1") == "E50")
        }
    }
}
