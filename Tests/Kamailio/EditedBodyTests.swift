// SPDX-License-Identifier: GPL-2.0-or-later
// Bodies that the script edits with other functions: before an offer they are made first, or the offer is refused.

import TestSupport
import Testing

@Suite struct EditedBodyTests {
    private static let line = "the body has been edited: call msg_apply_changes() first"

    private func withScript(_ route: String, _ body: (Kamailio, ScriptedRelay) throws -> Void) throws {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.modules += ["nathelper", "sdpops", "textopsx"]
            configuration.routes = """
                request_route {
                    if (is_method("INVITE")) {
                        t_on_failure("FAILED");
                        \(route)
                        append_hf("X-RC: $rc\\r\\n");
                    }
                    t_relay();
                }
                failure_route[FAILED] {
                    $ru = $hdr(X-Next);
                    rtpproxy_offer();
                    append_hf("X-RC: $rc\\r\\n");
                    t_relay();
                }
                """
        }
        try Stage.own([relay], change, { try body($0, relay) })
    }

    private static let edits = [
        "replace_body_all(\"192.0.2.10\", \"192.0.2.11\");", "subst_body('/m=audio 5004/m=audio 5006/');",
        "replace_body(\"5004\", \"5006\");", "fix_nated_sdp(\"3\");", "sdp_remove_line_by_prefix(\"a=rtpmap\");",
        "sdp_remove_codecs_by_id(\"8\");",
        "set_body(\"v=0\\r\\no=- 1 1 IN IP4 192.0.2.11\\r\\n\", \"application/sdp\");",
    ]

    @Test(arguments: edits) func editsThatAreNotMadeYetRefuseTheOffer(edit: String) throws {
        for offer in ["rtpproxy_offer();", "rtpproxy_manage();"] {
            try withScript("\(edit) \(offer)") { kamailio, relay in
                let call = try kamailio.call()
                let invite = try call.invite()
                #expect(invite.returnCodes == [-1])
                #expect(relay.commands(of: call.id).isEmpty)
                #expect(kamailio.waitForLog("ERROR", call.id, Self.line, seconds: 3) != nil)
                #expect(invite["Content-Length"] == "\(invite.body.count)")
                #expect(invite.lines.filter { $0.hasPrefix("c=") }.count <= 1)
            }
        }
    }

    /// The last one leaves no description, and an offer is refused for that.
    @Test(arguments: edits.dropLast()) func editsThatAreMadeFirstAreThere(edit: String) throws {
        try withScript("\(edit) msg_apply_changes(); rtpproxy_offer();") { kamailio, relay in
            let call = try kamailio.call()
            let invite = try call.invite()
            #expect(invite.returnCodes == [1])
            #expect(invite.lines.filter { $0.hasPrefix("c=") } == ["c=IN IP4 192.0.2.77"])
            #expect(invite.lines.filter { $0.hasPrefix("m=audio 35") }.count == 1)
            #expect(invite.lines.filter { $0 == "a=nortpproxy:yes" }.count == 1)
            #expect(invite["Content-Length"] == "\(invite.body.count)")
        }
    }

    @Test func editsOfHeadersDoNotMatter() throws {
        let route = "append_hf(\"X-One: 1\\r\\n\"); remove_hf(\"X-Gone\"); record_route(); rtpproxy_offer();"
        try withScript(route) { kamailio, relay in
            let call = try kamailio.call()
            var request = call.request("INVITE", sdp: SDPText.audio())
            request["X-Gone"] = "1"
            #expect(try call.deliver(request).returnCodes == [1])
        }
    }

    /// In a failure route msg_apply_changes() cannot be called: what was edited behind the offer stays in the way.
    @Test func editsBehindTheFirstOfferRefuseASecondOne() throws {
        try withScript("rtpproxy_offer(); subst_body('/a=rtpmap:0/a=rtpmap:99/');") { kamailio, relay in
            let call = try kamailio.call()
            let next = try UserAgent("next")
            var request = call.request("INVITE", sdp: SDPText.audio())
            request["X-Next"] = next.uri
            call.send(try call.response(486, to: call.deliver(request)), from: .callee)
            let second = next.receive { $0.method == "INVITE" }
            #expect(second?.returnCodes == [1, -1])
            #expect(second?.lines.contains("c=IN IP4 192.0.2.77") == true)
            #expect(kamailio.waitForLog("ERROR", call.id, Self.line, seconds: 3) != nil)
            #expect(relay.commands(of: call.id).map(\.verb) == ["U"])
        }
    }
}
