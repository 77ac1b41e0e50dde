// SPDX-License-Identifier: GPL-2.0-or-later
// Programs that routes of the module's own processes start: they get signals as any other program does.

import Foundation
import TestSupport
import Testing

@Suite struct SignalTests {
    private static let routes = """
        request_route {
            if (is_method("INVITE")) rtpproxy_offer_async("GO");
            t_relay();
        }
        route[GO] {
            route(TELL);
            t_relay();
        }
        route[TELL] { exec_msg("grep Sig /proc/self/status >>FILE; echo end >>FILE"); }
        event_route[rtpproxy:node-down] { route(TELL); }
        """

    @Test func programsThatRoutesStartInheritNoBlockedSignals() throws {
        let folder = try TemporaryFolder()
        let file = folder.file("status")
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.routes = Self.routes.replacingOccurrences(of: "FILE", with: file)
            $0.modules.append("exec")
            $0.parameters.append(("exec", "setvars", "0"))
        } _: { kamailio in
            let call = try kamailio.call()
            #expect(try call.reply(486, to: call.invite()).status == 486)
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0")
            var lines: [Substring] = []
            waitUntil(10) {
                lines = ((try? String(contentsOfFile: file, encoding: .utf8)) ?? "").split(separator: "\n")
                return lines.filter { $0 == "end" }.count == 2
            }
            // In the asynchronous process, and in the one that watches.
            #expect(lines.filter { $0 == "end" }.count == 2)
            let blocked = lines.filter { $0.hasPrefix("SigBlk:") }.map { $0.drop { $0 != "\t" }.dropFirst() }
            #expect(blocked.count == 2 && blocked.allSatisfy { UInt64($0, radix: 16) == 0 }, "\(blocked)")
        }
    }
}
