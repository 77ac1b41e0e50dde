// SPDX-License-Identifier: GPL-2.0-or-later
// The kamailio.cfg that Debian's package installs, with its NAT traversal switched on: it works as it stands.

import Foundation
import TestSupport
import Testing

@Suite struct DebianConfigurationTests {
    private static let path = "\((try? KamailioInstallation.find().root) ?? "")/etc/kamailio/kamailio.cfg"
    /// What the package has installed; nil where somebody has changed or removed it.
    private static let text: String? = {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8), text.contains("route[NATMANAGE]"),
            text.contains(relayURL)
        else { return nil }
        return text
    }()
    private static let relayURL = "udp:127.0.0.1:7722"
    /// An address that nobody can reach, as a phone behind a NAT knows no other of itself.
    private static let hidden = "sip:bob@10.1.2.3:5062"

    private func withProxy(_ body: (Kamailio, ScriptedRelay) throws -> Void) throws {
        let relay = try ScriptedRelay()
        let text = try #require(Self.text)
            .replacingOccurrences(
                of: "#!KAMAILIO\n", with: "#!KAMAILIO\n#!define WITH_NAT\nlisten=udp:127.0.0.1:5060\n"
            )
            .replacingOccurrences(of: Self.relayURL, with: relay.url)
            .replacingOccurrences(of: "log_stderror=no", with: "log_stderror=yes")
        try Kamailio.with(KamailioConfiguration(complete: text)) { kamailio in
            #expect(kamailio.waitUntilUp())
            try body(kamailio, relay)
        }
    }

    private func isRelayed(_ message: SIPMessage) -> Bool {
        message.lines.contains("c=IN IP4 192.0.2.77") && message.lines.contains("a=nortpproxy:yes")
    }

    @Test(.enabled(if: text != nil, "the kamailio.cfg of Debian's package is not at \(path)"))
    func callsOfAPhoneBehindANAT() throws {
        try withProxy { kamailio, relay in
            var call = try ProxiedCall(kamailio, contact: Self.hidden)
            let invite = try call.invite(sdp: SDPText.audio())
            #expect(isRelayed(invite))
            #expect(try isRelayed(call.call.reply(to: invite, sdp: SDPText.audio())))
            _ = try call.deliver("ACK")
            // One that is refused leaves the call as it is, and one that is taken keeps its ports.
            let again = try call.deliver("INVITE", sdp: SDPText.audio())
            #expect(isRelayed(again))
            try call.call.reply(491, to: again)
            let taken = try call.deliver("INVITE", sdp: SDPText.audio())
            #expect(try isRelayed(call.call.reply(to: taken, sdp: SDPText.audio())))
            _ = try call.deliver("ACK")
            try call.hangUp()
            waitUntil { relay.commands(of: call.call.id).count == 6 }
            #expect(relay.commands(of: call.call.id).map(\.verb) == ["U", "L", "U", "U", "L", "D"])

            var busy = try ProxiedCall(kamailio, contact: Self.hidden)
            try busy.call.reply(486, to: busy.invite(sdp: SDPText.audio()))
            waitUntil { relay.commands(of: busy.call.id).count == 2 }
            #expect(relay.commands(of: busy.call.id).map(\.verb) == ["U", "D"])
            #expect(kamailio.logLines("ERROR", "rtpproxy").isEmpty)
        }
    }
}
