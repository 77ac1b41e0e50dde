// SPDX-License-Identifier: GPL-2.0-or-later
// Calls as phones make them, with forks, failures and what is sent twice: a script that engages the dialog, one that
// calls rtpproxy_manage in four routes, and one of KEMI that engages have the same on the wire, byte by byte.

import Foundation
import TestSupport
import Testing

/// Who calls whom, and with which parameters.
struct CallSetting: CustomTestStringConvertible, Sendable {
    var parameters = ""
    var caller = Family.ipv4
    var callee = Family.ipv4

    var testDescription: String { "(\(parameters)) \(caller) to \(callee)" }

    static let all = [
        CallSetting(), CallSetting(parameters: "\"rcow\""), CallSetting(parameters: "\"b\""),
        CallSetting(parameters: "\"z20\", \"203.0.113.5\""),
        CallSetting(parameters: "\"x\"", callee: .ipv6), CallSetting(caller: .ipv6, callee: .ipv6),
    ]
}

@Suite struct EngageScenarioTests {
    /// What both scripts do beside the media. EXTRA is what flag b joins.
    private static let rest = """
        request_route {
            $avp(extra) = "one";
            if (is_method("CANCEL")) {
                if (t_check_trans()) t_relay();
                exit;
            }
            if (!is_method("ACK")) t_check_trans();
            if (has_totag()) {
                dlg_manage();
                if (is_method("INVITE|UPDATE")) t_on_failure("AGAIN");
            } else {
                record_route();
            }
            if (is_method("INVITE") && !has_totag()) {
                $avp(n) = 0;
                if ($hdr(X-Fork) != $null) append_branch("$hdr(X-Fork)");
                FIRST
            }
            EACH
            t_relay();
        }
        failure_route[AGAIN] {
            if (!t_check_status("407")) exit;
            $ru = $ru;
            t_relay();
        }
        route[NEXT] {
            if ($hdr(X-Next) == $null || t_is_canceled()) return;
            $avp(n) = $avp(n) + 1;
            $var(next) = $(hdr(X-Next){s.select,$avp(n),,});
            if ($var(next) == "") return;
            $ru = $var(next);
            t_on_failure("FAILED");
            REPLY
            t_relay();
        }

        """

    private static func script(first: String, each: String = "", reply: String = "") -> String {
        rest.replacingOccurrences(of: "FIRST", with: first).replacingOccurrences(of: "EACH", with: each)
            .replacingOccurrences(of: "REPLY", with: reply)
    }

    private static let engaging =
        script(first: "t_on_failure(\"FAILED\"); rtpproxy_engage(PARAMETERS);")
        + "failure_route[FAILED] { route(NEXT); }"

    private static let byHand =
        script(
            first: "t_on_failure(\"FAILED\");",
            each: "if (is_method(\"INVITE|UPDATE|PRACK\")) t_on_reply(\"MEDIA\"); rtpproxy_manage(PARAMETERS);",
            reply: "t_on_reply(\"MEDIA\");")
            + """
            onreply_route[MEDIA] { if (status =~ "^[12]") rtpproxy_manage(PARAMETERS); }
            failure_route[FAILED] { rtpproxy_manage(PARAMETERS); route(NEXT); }
            """

    /// Runs each scenario, its call named `call-` and its name. `settle`: until its end has come to the relay.
    private func play(
        _ kamailio: Kamailio, _ setting: CallSetting, settle: (Call) -> Void
    ) throws -> [[String]] {
        try CallScenario.allCases.map { scenario in
            let party = try Party(kamailio, "call-\(scenario)", (setting.caller, setting.callee))
            do {
                try scenario.run(party)
            } catch {
                throw HarnessError("\(scenario): \(error)\n\(kamailio.log.suffix(2000))")
            }
            settle(party.call)
            return party.seen
        }
    }

    /// What is seen of each scenario, and what the relay is asked.
    private func record(
        _ routes: String, _ setting: CallSetting, _ more: @escaping (inout KamailioConfiguration) -> Void = { _ in }
    ) throws -> [(seen: [String], commands: [String])] {
        let relay = try ScriptedRelay()
        return try Stage.own([relay], Engaged.change(setting.parameters, routes, more)) { kamailio in
            let seen = try play(kamailio, setting) { call in
                // Late offers that are refused have none.
                waitUntil(3) { relay.texts(of: call.id).last?.first ?? "D" == "D" }
            }
            return zip(CallScenario.allCases, seen).map { ($1, relay.texts(of: "call-\($0)")) }
        }
    }

    private func expectTheSame(
        _ one: [(seen: [String], commands: [String])], _ other: [(seen: [String], commands: [String])]
    ) {
        for (index, scenario) in CallScenario.allCases.enumerated() {
            #expect(one[index].seen == other[index].seen, "\(scenario)")
            #expect(one[index].commands == other[index].commands, "\(scenario)")
        }
    }

    @Test(arguments: CallSetting.all) func theWireIsTheSame(setting: CallSetting) throws {
        expectTheSame(try record(Self.engaging, setting), try record(Self.byHand, setting))
    }

    @Test func theWireIsTheSameUnderKEMI() throws {
        let script = "\"\(PackageFolder.root)/Tests/Fixtures/kamailio/kemi-engage-calls.js\""
        let engaged = try record("cfgengine \"jsdt\"", CallSetting()) {
            $0.modules.append("app_jsdt")
            $0.parameters.append(("app_jsdt", "load", script))
        }
        expectTheSame(engaged, try record(Self.byHand, CallSetting()))
    }

    /// The ports of the media by the order in which they first appear in the call.
    private static func numbered(_ seen: [String]) -> [String] {
        var ports: [Substring] = []
        return seen.map { text in
            text.components(separatedBy: "\r\n").map { line in
                let words = line.split(separator: " ")
                guard line.hasPrefix("m="), words.count > 1, words[1] != "0" else { return line }
                if !ports.contains(words[1]) { ports.append(words[1]) }
                return line.replacingOccurrences(of: words[1], with: "[\(ports.firstIndex(of: words[1]) ?? 0)]")
            }.joined(separator: "\r\n")
        }
    }

    @Test(arguments: RelayKind.allCases) func theWireIsTheSameWithRealRelays(kind: RelayKind) throws {
        let seen = try [Self.engaging, Self.byHand].map { routes in
            let relay = try kind.start("127.0.0.4")
            defer { relay.stop() }
            let change = Engaged.change("", routes) { $0.set("rtpproxy_sock", relay.url) }
            return try Kamailio.with(Stage.configuration(change)) { kamailio in
                try kamailio.find()
                return try play(kamailio, CallSetting()) { _ in }.map(Self.numbered)
            }
        }
        for (index, scenario) in CallScenario.allCases.enumerated() {
            #expect(seen[0][index] == seen[1][index], "\(scenario)")
            #expect(seen[0][index].contains { $0.contains("127.0.0.4") } || scenario == .refusedLateOffer)
        }
    }
}
