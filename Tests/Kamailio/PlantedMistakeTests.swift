// SPDX-License-Identifier: GPL-2.0-or-later
// Each mistake of the table in docs/operator/checks.md, planted in a real Kamailio: found where the table says.

import Foundation
import TestSupport
import Testing

@Suite struct PlantedMistakeTests {
    private func says(_ log: String, _ level: String, _ text: String) -> Bool {
        log.split(separator: "\n").contains { $0.contains("\(level)") && $0.contains(text) }
    }

    @Test(arguments: PlantedMistake.all) func isFoundWhereTheTableSays(mistake: PlantedMistake) throws {
        let (isContent, checked) = try Kamailio.check(mistake.configuration)
        #expect(isContent == (mistake.place != .check), "\(mistake): \(checked)")
        switch mistake.place {
        case .check: #expect(checked.contains(mistake.text), "\(mistake): \(checked)")
        case .warning: #expect(says(checked, "WARNING", mistake.text), "\(mistake): \(checked)")
        case .start, .startWarning: break
        }
        switch mistake.place {
        case .check, .start:
            let log = try Kamailio.startUpFailure(mistake.configuration)
            #expect(log.contains(mistake.text), "\(mistake): \(log.suffix(2000))")
        case .warning, .startWarning:
            try Kamailio.with(mistake.configuration) { kamailio in
                let isSaid = waitUntil(20) {
                    says(kamailio.log, "WARNING", mistake.text) || says(kamailio.log, "ERROR", mistake.text)
                }
                #expect(isSaid, "\(mistake): \(kamailio.log.suffix(2000))")
            }
        }
    }

    /// As in the errors of Kamailio itself.
    @Test func fileAndLineAreNamed() throws {
        var configuration = KamailioConfiguration()
        let parameter = "modparam(\"rtpproxy\", \"rtpproxy_retr\", 0)\n" + KamailioConfiguration.nothing
        let script = "request_route {\n    rtpproxy_manage(\"coq\");\n}\n"
        for (routes, text) in [
            (parameter, "rtpproxy_retr: \"0\": is below 1 ("), (script, "rtpproxy_manage() in route DEFAULT_ROUTE "),
        ] {
            configuration.routes = routes
            let (_, log) = try Kamailio.check(configuration)
            let lines = log.split(separator: "\n").filter { $0.contains(text) }
            #expect(lines.count == 1 && lines.allSatisfy { $0.contains("kamailio.cfg:") }, "\(log)")
            if routes == parameter { #expect(log.contains("Can't set module parameter")) }
        }
    }

    /// A set whose line is wrong is missing, and so is a route behind a line that is none.
    @Test(arguments: ["modparam(\"rtpproxy\", \"rtpproxy_sock\", \"7 == udp:127.0.0.1:x\")", "no statement"])
    func whatFollowsFromAMistakeIsNotNamed(mistake: String) throws {
        var configuration = KamailioConfiguration()
        configuration.routes = """
            request_route { set_rtp_proxy_set("7"); rtpproxy_offer_async("BEHIND"); }
            \(mistake)
            route[BEHIND] { exit; }
            """
        let (isContent, log) = try Kamailio.check(configuration)
        #expect(!isContent && !log.contains("there is no"), "\(log)")
    }

    /// Parameters that only a message decides about are not looked at.
    @Test func expressionsAndVariablesAreTaken() throws {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.routes = """
                request_route {
                    $var(flags) = "r";
                    $var(bad) = "q";
                    if (!rtpproxy_offer("c" + $var(flags))) xlog("L_ERR", "not taken\\n");
                    rtpproxy_destroy($var(bad));
                    xlog("L_WARN", "came to $rc\\n");
                    t_relay();
                }
                """
        }
        #expect(try Kamailio.check(Stage.configuration(change)).isContent)
        try Stage.own([relay], change) { (kamailio) throws in
            let call = try kamailio.call()
            try call.invite()
            #expect(relay.texts(of: call.id).first?.hasPrefix("Uc0,8,101 \(call.id) ") == true)
            #expect(kamailio.waitForLog("came to -1") != nil)
            #expect(kamailio.logLines("not taken").isEmpty)
        }
    }

    /// Flag b may be in a variable, in an expression or in a script of another language.
    @Test(arguments: [
        "rtpproxy_manage(\"co$var(b)\");", "rtpproxy_manage(\"co\" + $var(b));", "rtpproxy_destroy($var(b));",
        "if (rtpproxy_offer($var(b)) > 1) exit;", "rtpproxy_offer(\"cob\");", "rtpproxy_offer(\"co\" + \"b\");",
        "rtpproxy_engage(\"$var(b)\");",
        "switch ($rU) { case \"a\": rtpproxy_answer($var(b)); break; }", "lua_run(\"offer\");",
    ])
    func anExtraIDMayBeAskedForWhereNobodySeesIt(script: String) throws {
        var configuration = KamailioConfiguration()
        configuration.children = 1
        configuration.modules += ["dialog"] + (script.hasPrefix("lua") ? ["app_lua"] : [])
        configuration.set("rtpproxy_sock", "udp:127.0.0.1:9")
        configuration.set("extra_id_pv", "$avp(x)")
        configuration.routes = "request_route {\n    rtpproxy_offer(\"co\");\n    \(script)\n    exit;\n}"
        let (isContent, checked) = try Kamailio.check(configuration)
        #expect(isContent && !checked.contains("WARNING: rtpproxy"), "\(checked)")
        try Kamailio.with(configuration) { kamailio in
            _ = try kamailio.kamcmd("core.version")
            #expect(!kamailio.log.contains("WARNING: rtpproxy"), "\(kamailio.log.suffix(2000))")
        }
    }

    /// Every place of a script where a function may stand.
    @Test func everyPlaceOfTheScriptIsLookedAt() throws {
        var configuration = KamailioConfiguration()
        configuration.routes = """
            request_route {
                if (rtpproxy_offer("!1") && !rtpproxy_offer("!2")) { rtpproxy_offer("!3"); }
                else if ($rc > 1) rtpproxy_offer("!4"); else { rtpproxy_offer("!5"); }
                switch ($rU) { case "a": rtpproxy_offer("!6"); break; default: rtpproxy_offer("!7"); }
                while (rtpproxy_offer("!8")) { rtpproxy_offer("!9"); }
                $var(x) = rtpproxy_offer("!10") + 1;
                if (method == "INVITE" && rtpproxy_offer("!11")) exit;
                if (rtpproxy_offer("!12") == 1) exit;
                rtpproxy_offer("!" + "13");
            }
            route[R] { rtpproxy_offer("!14"); }
            failure_route[R] { rtpproxy_offer("!15"); }
            onreply_route { rtpproxy_offer("!16"); }
            onreply_route[R] { rtpproxy_offer("!17"); }
            branch_route[R] { rtpproxy_offer("!18"); }
            event_route[tm:local-request] { rtpproxy_offer("!19"); }
            """
        let (isContent, log) = try Kamailio.check(configuration)
        #expect(!isContent)
        for number in 1...19 { #expect(log.contains("\"!\(number)\": unknown flag '!'"), "\(number)") }
    }

    @Test func aDatabaseIsNotAsked() throws {
        var configuration = KamailioConfiguration()
        configuration.modules.append("db_sqlite")
        configuration.set("db_url", "sqlite:////nowhere/nothing")
        configuration.routes = "request_route { set_rtp_proxy_set(\"7\"); rtpproxy_offer(); }"
        let (isContent, log) = try Kamailio.check(configuration)
        #expect(isContent, "\(log)")
        #expect(log.split(separator: "\n").allSatisfy { !$0.contains("WARNING: rtpproxy") })
    }

    @Test func theStageIsInOrder() throws {
        let (isContent, log) = try Kamailio.check(Stage.configuration { $0.set("rtpproxy_sock", "udp:127.0.0.1:9") })
        #expect(isContent && !log.contains("WARNING: rtpproxy") && !log.contains("ERROR: rtpproxy"), "\(log)")
    }

    @Test func thePageListsThemAll() throws {
        let page = try String(contentsOfFile: "\(PackageFolder.root)/docs/operator/checks.md", encoding: .utf8)
        let rows = page.split(separator: "\n").filter { $0.hasPrefix("| `") }.map(String.init)
        #expect(Set(rows) == Set(PlantedMistake.all.map(\.row)))
        #expect(rows.count == PlantedMistake.all.count && rows.count >= 45)
    }
}
