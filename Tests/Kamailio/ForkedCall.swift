// SPDX-License-Identifier: GPL-2.0-or-later
// Calls with two destinations, and a script that engages them, the second one in a way of its own.

import Foundation
import TestSupport
import Testing

/// A call whose second destination is treated in another way than the first one.
final class ForkedCall {
    let kamailio: Kamailio
    let call: Call
    let other: UserAgent
    private(set) var sent: SIPMessage
    /// What the two of them got.
    private(set) var first: SIPMessage
    private(set) var second: SIPMessage

    /// `next`: the second one comes when the first has refused.
    init(_ kamailio: Kamailio, next: Bool = false, sdp: String? = SDPText.audio()) throws {
        self.kamailio = kamailio
        call = try kamailio.call()
        other = try UserAgent("carol")
        sent = call.request("INVITE", sdp: sdp)
        sent[next ? "X-Next" : "X-Fork"] = other.uri
        first = try call.deliver(sent)
        let id = call.id
        if next {
            call.send(call.response(486, to: first), from: .callee)
            _ = try #require(call.callee.receive { $0.method == "ACK" && $0.callID == id })
        }
        second = try #require(other.receive { $0.method == "INVITE" && $0.callID == id })
        // tm cancels nobody who has said nothing.
        if !next { try call.reply(180, to: first) }
    }

    /// What the second one answers, as the caller gets it.
    func answer(_ status: Int, _ sdp: String? = SDPText.audio(port: 7000)) throws -> SIPMessage {
        var reply = call.response(status, to: second, sdp: sdp)
        reply["To"] = "\(second["To"] ?? "");tag=other"
        reply["Contact"] = "<\(other.uri)>"
        other.send(reply, to: kamailio.endpoint())
        let id = call.id
        return try #require(call.caller.receive { $0.status == status && $0.callID == id && $0.method == "INVITE" })
    }

    /// tm cancels the first one, which says so.
    func firstIsCancelled() throws {
        let id = call.id
        let cancel = try #require(call.callee.receive { $0.method == "CANCEL" && $0.callID == id })
        call.send(call.response(200, to: cancel), from: .callee)
        call.send(call.response(487, to: first), from: .callee)
    }

    /// A request within the dialog of the second one.
    func within(_ method: String, _ sdp: String? = nil) throws -> SIPMessage {
        var request = call.request(method, sdp: sdp, inDialog: true)
        request.startLine = "\(method) \(other.uri) SIP/2.0"
        request["To"] = "<\(other.uri)>;tag=other"
        call.send(request)
        let id = call.id
        return try #require(other.receive { $0.method == method && $0.callID == id && $0.sequence == request.sequence })
    }
}

/// Where the branches of the sessions are seen: the Call-ID of a command without the call's own.
func sessions(_ relay: ScriptedRelay, _ call: Call, _ verb: String? = nil) -> [String] {
    (verb.map { relay.commands(of: call.id, $0) } ?? relay.commands(of: call.id)).map {
        $0.verb + $0.modifiers.prefix { $0 != "c" } + ($0.callID == call.id ? "" : " own")
    }
}

/// Scripts that engage, and what they make of branches.
enum Forks {
    /// OWN is called for carol.
    static func routes(_ own: String, next: String = "") -> String {
        """
        request_route {
            $avp(extra) = "one";
            if (has_totag()) {
                dlg_manage();
            } else {
                record_route();
                if (is_method("INVITE")) {
                    if ($hdr(X-Fork) != $null) append_branch("$hdr(X-Fork)");
                    if ($hdr(X-Next) != $null) t_on_failure("NEXT");
                    t_on_branch("BRANCH");
                    rtpproxy_engage("FLAGS");
                }
            }
            t_relay();
        }
        branch_route[BRANCH] {
            if ($rU == "carol") {
                \(own.isEmpty ? "return;" : own)
                xlog("L_NOTICE", "ran own $rc $ci\\n");
            }
        }
        failure_route[NEXT] {
            $ru = $hdr(X-Next);
            t_on_branch("BRANCH");
            \(next)
            t_relay();
        }
        """
    }

    static func run(
        _ own: String, next: String = "", flags: String = "", _ body: (Kamailio, ScriptedRelay) throws -> Void
    ) throws {
        let routes = routes(own, next: next).replacingOccurrences(of: "FLAGS", with: flags)
        try Engaged.run("", routes) { kamailio, relay in
            // Each session has ports of its own.
            relay.on { command in
                let isOwn = command.callID.contains(";")
                return switch command.verb {
                case "U": .reply("\(isOwn ? 41_000 : 40_000) 192.0.2.77")
                case "L": .reply("\(isOwn ? 41_002 : 40_002) 192.0.2.77")
                default: nil
                }
            }
            try body(kamailio, relay)
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    static func port(_ message: SIPMessage) -> String? {
        message.lines.first { $0.hasPrefix("m=") }.map { String($0.split(separator: " ")[1]) }
    }
}
