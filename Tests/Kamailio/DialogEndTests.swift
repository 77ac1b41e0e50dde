// SPDX-License-Identifier: GPL-2.0-or-later
// Deletions in the event routes of the module dialog, whose messages Kamailio may have made up itself.

import TestSupport
import Testing

@Suite struct DialogEndTests {
    private static let routes = """
        request_route {
            if (is_method("INVITE") && !has_totag()) {
                dlg_manage();
                record_route();
                rtpproxy_offer();
                t_on_reply("REPLY");
            }
            if (has_totag()) dlg_manage();
            t_relay();
        }
        onreply_route[REPLY] {
            if (status == "200") rtpproxy_answer();
        }
        event_route[dialog:end] {
            FUNCTION();
            xlog("L_NOTICE", "ran end $rc $rm $ci\\n");
        }
        event_route[dialog:failed] {
            FUNCTION();
            xlog("L_NOTICE", "ran failed $rc $rm $ci\\n");
        }
        event_route[rtpproxy:node-down] {
            rtpproxy_destroy();
            xlog("L_NOTICE", "ran down $rc $ci\\n");
        }
        """

    private func withDialogs(
        _ function: String = "rtpproxy_destroy", isBehind: Bool = false,
        _ body: (Kamailio, ScriptedRelay) throws -> Void
    ) throws {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.routes = Self.routes.replacingOccurrences(of: "FUNCTION", with: function)
            if isBehind { configuration.modulesBehind.append("dialog") } else { configuration.modules.append("dialog") }
            configuration.parameters.append(("dialog", "default_timeout", "2"))
            configuration.parameters.append(("dialog", "enable_stats", "0"))
            configuration.parameters.append(("dialog", "dlg_match_mode", "2"))
            configuration.set("rtpproxy_tout_ms", 200)
            configuration.set("rtpproxy_retr", 1)
        }
        try Stage.own([relay], change, { try body($0, relay) })
    }

    @Test(arguments: ["rtpproxy_destroy", "unforce_rtp_proxy", "rtpproxy_destroy_async"], [false, true])
    func dialogThatTimesOutIsDeleted(function: String, isBehind: Bool) throws {
        try withDialogs(function, isBehind: isBehind) { kamailio, relay in
            let call = try kamailio.call()
            try call.reply(to: call.invite(), sdp: SDPText.audio(port: 6000))
            try call.ack()
            #expect(kamailio.waitForLog("ran end 1", seconds: 8) != nil, "\(kamailio.log.suffix(1500))")
            let expected = "D \(call.id) \(call.fromTag) \(call.toTag)"
            #expect(waitUntil(3) { relay.texts(of: call.id, "D") == [expected] })
            #expect(relay.texts(of: "123", "D").isEmpty)
        }
    }

    @Test func dialogThatFailsIsDeleted() throws {
        try withDialogs { kamailio, relay in
            let call = try kamailio.call()
            try call.reply(486, to: call.invite())
            #expect(kamailio.waitForLog("ran failed 1", seconds: 8) != nil)
            #expect(relay.texts(of: call.id, "D").map { $0.prefix(call.id.count + 2) } == ["D \(call.id)"])
        }
    }

    @Test func dialogThatEndsWithABYEIsDeletedOnce() throws {
        try withDialogs { kamailio, relay in
            let call = try kamailio.call()
            try call.reply(to: call.invite(), sdp: SDPText.audio(port: 6000))
            try call.ack()
            try call.bye()
            #expect(kamailio.waitForLog("ran end 1", seconds: 8) != nil, "\(kamailio.log.suffix(1500))")
            #expect(relay.texts(of: call.id, "D") == ["D \(call.id) \(call.fromTag) \(call.toTag)"])
        }
    }

    @Test func messageThatKamailioHasMadeUpNamesNoCall() throws {
        try withDialogs { kamailio, relay in
            relay.shut()
            _ = try kamailio.call().invite()
            #expect(kamailio.waitForLog("ran down -1", seconds: 8) != nil)
            #expect(kamailio.waitForLog("WARNING", "names no call", seconds: 3) != nil)
            #expect(!relay.log.contains { $0.verb == "D" })
        }
    }
}
