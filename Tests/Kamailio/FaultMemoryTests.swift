// SPDX-License-Identifier: GPL-2.0-or-later
// Kamailio's shared memory is too small, or used up by somebody else.

import Foundation
import TestSupport
import Testing

@Suite struct FaultMemoryTests {
    /// Puts texts into a hash table until no shared memory is left: large ones first, then what fits between.
    private static let filling = """
        request_route {
            if (is_method("OPTIONS")) {
                route(FILL);
                sl_send_reply("200", "OK");
                exit;
            }
        """
    private static let fill = """
        route[FILL] {
            $var(round) = 0;
            while ($var(round) < 90) {
                $var(name) = $ci + "-" + $var(round);
                $sht(fill=>$var(name)) = $hdr(X-Text);
                $var(round) = $var(round) + 1;
            }
        }
        """

    private static func small(_ configuration: inout KamailioConfiguration) {
        briefly(&configuration)
        configuration.sharedMegabytes = 5
        configuration.modules.append("htable")
        configuration.parameters.append(("htable", "htable", "\"fill=>size=10\""))
        configuration.parameters.append(("tm", "wt_timer", "500"))
        configuration.routes =
            configuration.routes.replacingOccurrences(of: "\nrequest_route {", with: "\n\(filling)") + "\n\(fill)\n"
    }

    /// What is free, by Kamailio's own count.
    private static func free(_ kamailio: Kamailio) throws -> Int {
        let line = try kamailio.kamcmd("core.shmmem").split(separator: "\n").first { $0.contains("free:") }
        return Int(line?.split(separator: ":").last?.trimmingCharacters(in: .whitespaces) ?? "") ?? -1
    }

    private static func exhaust(_ kamailio: Kamailio) throws {
        let call = try kamailio.call()
        for size in [8000, 7000, 2000, 400, 100, 1] {
            var message = call.request("OPTIONS", inDialog: false)
            message["Call-ID"] = "\(call.id)-\(size)"
            message["X-Text"] = String(repeating: "x", count: size)
            call.send(message)
            try #require(call.caller.receive(10_000) { $0.status == 200 && $0.method == "OPTIONS" } != nil)
        }
        try #require(try free(kamailio) < 1000)
    }

    @Test func whatNeedsNoSharedMemoryGoesOnWhereNoneIsLeft() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], Self.small) { kamailio in
            try Self.exhaust(kamailio)
            // Without a transaction, for which there is no room.
            for _ in 0..<5 {
                let call = try kamailio.call()
                #expect(try call.invite(run: .offer().with("X-Stateless", "1")).returnCodes == [1])
                let bye = try call.deliver(call.request("BYE", run: .destroy().with("X-Stateless", "1")))
                #expect(bye.returnCodes == [1])
            }
            #expect(try kamailio.relays().first?["disabled"] == "0")
            // An AVP is shared memory, too: rtp_inst_pvar of this configuration is one.
            let others = kamailio.faultLines.filter { !$0.contains("rtp_inst_pvar") }
            #expect(others.isEmpty, "\(others)")
            _ = try kamailio.kamcmd("htable.flush", "fill")
            #expect(try kamailio.recovers())
        }
    }

    @Test func anAsynchronousCallIsRefusedWhereNoSharedMemoryIsLeft() throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], .process, Self.small) { kamailio in
            let before = try kamailio.call()
            #expect(try before.invite(run: .offer()).returnCodes == [1])
            try Self.exhaust(kamailio)
            for _ in 0..<5 {
                let call = try kamailio.call()
                let start = monotonicMilliseconds()
                call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer()))
                #expect(kamailio.ran(call.id) == ["offer -1"])
                #expect(monotonicMilliseconds() - start < brieflyInMilliseconds)
                #expect(relay.commands(of: call.id).isEmpty)
            }
            #expect(kamailio.faultLines.isEmpty, "\(kamailio.faultLines)")
            #expect(kamailio.diedBySignal.isEmpty)
            _ = try kamailio.kamcmd("htable.flush", "fill")
            let after = try kamailio.call()
            let invite = try after.invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(try after.bye(run: .destroy()).returnCodes == [1])
            #expect(try before.bye(run: .destroy()).returnCodes == [1])
            #expect(waitUntil(3) { relay.commands(of: after.id, "D").count == 1 })
        }
    }

    @Test func tablesThatDoNotFitIntoTheMemoryKeepKamailioFromStarting() throws {
        let log = try Kamailio.startUpFailure(
            Stage.configuration {
                $0.sharedMegabytes = 4
                $0.set("rtpproxy_sock", "udp:127.0.0.1:22222")
                $0.set("rtpproxy_call_table_size", 1_000_000)
            })
        #expect(log.split(separator: "\n").contains { $0.contains("ERROR: rtpproxy ") && $0.contains("shared memory") })
    }

    @Test func aFullCallTableForgetsTheOldestCallsAndNothingElse() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays) {
            briefly(&$0)
            $0.set("rtpproxy_call_table_size", 1)
        } _: { kamailio in
            // More calls than there is room for. None fails, and a call that was forgotten goes where the rule says.
            let calls = try (0..<60).map { _ in try kamailio.offer() }
            #expect(calls.allSatisfy { $0.code == 1 })
            for offer in calls {
                let bye = try offer.call.bye(run: .destroy())
                #expect(bye.returnCodes == [1])
                #expect(bye.instance == offer.invite.instance)
            }
            #expect(kamailio.faultLines.isEmpty, "\(kamailio.faultLines)")
        }
    }
}
