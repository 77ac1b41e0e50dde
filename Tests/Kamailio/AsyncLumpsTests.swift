// SPDX-License-Identifier: GPL-2.0-or-later
// Requests that had been changed before they waited: that and the SDP's changes are there afterwards, in every branch.

import Foundation
import TestSupport
import Testing

@Suite struct AsyncLumpsTests {
    /// Adds nothing, or a header, before the offer, and one in the route that the INVITE goes on in.
    private static func routes(before: String) -> String {
        """
        request_route {
            if (!is_method("INVITE")) { t_relay(); exit; }
            t_on_failure("NEXT");
            \(before)
            rtpproxy_offer_async("RESUMED");
            exit;
        }
        route[RESUMED] {
            append_hf("X-After: 1\\r\\n");
            t_relay();
        }
        failure_route[NEXT] {
            $ru = $hdr(X-Retry);
            t_relay();
        }
        """
    }

    @Test(
        arguments: ["", "record_route();", "append_hf(\"X-Before: 1\\r\\n\"); remove_hf(\"X-Gone\");"],
        Continuation.allCases)
    func changesOfBeforeAndOfTheDescriptionAreInEveryBranch(before: String, continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.routes = Self.routes(before: before)
            continuation.apply(&configuration)
        }
        try Stage.own([relay], change) { (kamailio) throws in
            // Several, so that each process has one, and memory is used again.
            for _ in 0..<6 {
                let call = try kamailio.call()
                let next = try UserAgent("carol")
                var invite = call.request("INVITE", sdp: SDPText.audio())
                invite["X-Retry"] = next.uri
                invite["X-Gone"] = "1"
                let first = try call.deliver(invite)
                call.send(call.response(486, to: first), from: .callee)
                let second = try #require(next.receive { $0.method == "INVITE" && $0.callID == call.id })
                for message in [first, second] {
                    #expect(message.all("X-After") == ["1"])
                    #expect(message.lines.contains("c=IN IP4 192.0.2.77"))
                    #expect(message.lines.filter { $0 == "a=nortpproxy:yes" }.count == 1)
                    #expect(message.all("X-Before") == (before.contains("X-Before") ? ["1"] : []))
                    #expect(message.all("X-Gone") == (before.contains("X-Gone") ? [] : ["1"]))
                    #expect(message.all("Record-Route").count == (before.contains("record_route") ? 1 : 0))
                }
                next.send(call.response(486, to: second), to: kamailio.endpoint())
                #expect(call.caller.receive { $0.status == 486 && $0.callID == call.id } != nil)
                #expect(relay.commands(of: call.id).map(\.verb) == ["U"])
            }
        }
    }

    /// Replies come while the processes that have sent the INVITE are still in their routes, and the other way round.
    @Test(arguments: Continuation.allCases) func manyAtOnceThatAreRefusedAtOnce(continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.routes = Self.routes(before: "record_route();")
            configuration.set("rtpproxy_async_processes", 2)
            continuation.apply(&configuration)
        }
        try Stage.own([relay], change) { (kamailio) throws in
            let (caller, callee) = (try UserAgent("alice"), try UserAgent("bob"))
            let calls = try (0..<150).map { _ in
                try Call(through: { kamailio.endpoint($0) }, caller: caller, callee: callee)
            }
            for call in calls {
                var invite = call.request("INVITE", sdp: SDPText.audio())
                invite["X-Retry"] = callee.uri
                call.send(invite)
            }
            let ids = Set(calls.map(\.id))
            var branches: [String: Set<String>] = [:]
            // Two branches each, and what is sent again of them.
            let deadline = monotonicMilliseconds() + 20_000
            while branches.values.filter({ $0.count == 2 }).count < calls.count, monotonicMilliseconds() < deadline {
                guard let got = callee.receive(2000, where: { $0.method == "INVITE" }) else { continue }
                guard let call = calls.first(where: { $0.id == got.callID }) else { continue }
                #expect(got.lines.contains("c=IN IP4 192.0.2.77"))
                #expect(got.all("Record-Route").count == 1)
                branches[call.id, default: []].insert(got["Via"] ?? "")
                call.send(call.response(486, to: got), from: .callee)
            }
            #expect(branches.values.filter { $0.count == 2 }.count == calls.count)
            var refused: Set<String> = []
            while refused.count < calls.count, let got = caller.receive(5000, where: { $0.status == 486 }) {
                refused.insert(got.callID)
            }
            #expect(refused == ids)
        }
    }
}
