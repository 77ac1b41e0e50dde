// SPDX-License-Identifier: GPL-2.0-or-later
// Configurations that Kamailio must refuse, with what the operator reads, and odd ones that it must take.

import Foundation
import TestSupport
import Testing

@Suite struct StartUpTests {
    /// Starts with this configuration, which must be refused, and returns the log.
    private func refusal(_ change: (inout KamailioConfiguration) -> Void) throws -> String {
        try Kamailio.startUpFailure(Stage.configuration(change))
    }

    /// Values of rtpproxy_sock and the entry that must be quoted.
    @Test(arguments: [
        ("foo:127.0.0.1:22222", "foo:127.0.0.1:22222"), ("udp:127.0.0.1:99999", "udp:127.0.0.1:99999"),
        ("udp:127.0.0.1:x", "udp:127.0.0.1:x"), ("udp:127.0.0.1:22222=abc", "udp:127.0.0.1:22222=abc"),
        ("udp:127.0.0.1:22222=", "udp:127.0.0.1:22222="), ("2 ==", "2 =="), ("2 ==   ", "2 =="),
        ("x == udp:127.0.0.1:22222", "x"), ("udp:127.0.0.1:22222 bar:1", "bar:1"), ("unix:", "unix:"),
        ("-1 == udp:127.0.0.1:22222", "-1"),
    ])
    func wrongRelaysAreQuoted(value: String, quoted: String) throws {
        let log = try refusal { $0.set("rtpproxy_sock", value) }
        let lines = log.split(separator: "\n").filter { $0.contains("rtpproxy") && $0.contains("ERROR") }
        #expect(lines.contains { $0.contains(quoted) }, "\(lines)")
    }

    /// Parameters with a value each, and what of it the log quotes.
    @Test func allFaultsShowInOneStart() throws {
        let faults: [(name: String, value: String, quoted: String)] = [
            ("rtpproxy_sock", "foo:127.0.0.1:1 udp:127.0.0.1:2 udp:127.0.0.1:3=x bar:4", "foo:127.0.0.1:1"),
            ("rtpproxy_sock", "", "udp:127.0.0.1:3=x"), ("rtpproxy_sock", "", "bar:4"),
            ("rtpproxy_sock", "two == udp:127.0.0.1:5", "two == udp:127.0.0.1:5"), ("rtpproxy_sock", "3 ==", "3 =="),
            ("rtpproxy_sock", "udp:127.0.0.1:70000", "udp:127.0.0.1:70000"), ("rtpproxy_tout", "0", "0"),
            ("rtpproxy_retr", "-7", "-7"), ("nortpproxy_str", "a=one:1\\r\\na=two:2", "a=one:1"),
            ("timeout_socket", "unix:/run/a b", "unix:/run/a b"), ("extra_id_pv", "$avp(", "$avp("),
            ("rtp_inst_pvar", "$ru", "$ru"), ("ice_candidate_priority_avp", "$var(ice)", "$var(ice)"),
            ("timeout_tag_pv", "no variable", "no variable"),
        ]
        let log = try refusal { configuration in
            configuration.parameters = []
            for (name, value, _) in faults where !value.isEmpty {
                if let number = Int(value) { configuration.set(name, number) } else { configuration.set(name, value) }
            }
        }
        let lines = log.split(separator: "\n").filter { $0.contains(" ERROR: rtpproxy ") }
        for (name, _, quoted) in faults {
            #expect(
                lines.filter { $0.contains(name) && $0.contains("\"\(quoted)") }.count == 1, "\(name) \(quoted): \(log)"
            )
        }
        #expect(lines.count == faults.count, "\(lines)")
    }

    @Test(arguments: [
        ("nortpproxy_str", "a=one:1\\r\\na=two:2"), ("nortpproxy_str", "marked"), ("nortpproxy_str", "a="),
        ("timeout_socket", "unix:/run/a b"), ("timeout_socket", "unix:/run/a\\t"),
        ("extra_id_pv", "extra"), ("extra_id_pv", "$avp(x) y"), ("extra_id_pv", "$avp(x"),
        ("extra_id_pv", "$nosuch(x)"),
        ("timeout_tag_pv", "tag"), ("timeout_tag_pv", "$var(x)y"), ("timeout_tag_pv", "$"),
        ("rtp_inst_pvar", "$avp(x)$avp(y)"), ("rtp_inst_pvar", "$hdr(X)"), ("rtp_inst_pvar", "$shv(x)"),
        ("ice_candidate_priority_avp", "$var(x)"), ("ice_candidate_priority_avp", "avp(x)"),
    ])
    func wrongTextsAreQuoted(name: String, value: String) throws {
        let log = try refusal { configuration in
            configuration.parameters.removeAll { $0.name == name }
            configuration.set(name, value)
        }
        // As far as the log can show it.
        let quoted = value.split(separator: "\\").first ?? ""
        let lines = log.split(separator: "\n").filter { $0.contains(" ERROR: rtpproxy ") && $0.contains(name) }
        #expect(lines.contains { $0.contains("\"\(quoted)") }, "\(log.suffix(2000))")
    }

    @Test(arguments: ["rtpproxy_tout", "rtpproxy_retr", "rtpproxy_disable_tout", "rewrite_origin"], ["many", "1"])
    func textForANumberIsRefused(name: String, value: String) throws {
        let log = try refusal { $0.set(name, value) }
        #expect(log.split(separator: "\n").contains { $0.contains("ERROR") && $0.contains(name) })
    }

    @Test(arguments: ["$avp(x)", "$xavp(x=>y)", "$var(x)"]) func kindsOfVariableForTheInstance(variable: String) throws
    {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.parameters = []
            configuration.set("rtp_inst_pvar", variable)
            configuration.set("rtpproxy_sock", relay.url)
            configuration.routes = """
                request_route { $xavp(x=>y) = 1; rtpproxy_offer(); append_hf("X-Instance: \(variable)\\r\\n"); t_relay(); }
                """
        }
        try Stage.own([], change) { (kamailio) throws in
            kamailio.waitUntilUp([relay])
            #expect(try kamailio.call().invite().instance == relay.url)
        }
    }

    @Test(arguments: ["rtpproxy_tout", "rtpproxy_retr"], [0, -1])
    func timesBelow1AreRefused(name: String, value: Int) throws {
        let log = try refusal { $0.set(name, value) }
        #expect(log.split(separator: "\n").contains { $0.contains("ERROR") && $0.contains(name) })
    }

    @Test(arguments: ["extra_id_pv", "rtp_inst_pvar", "ice_candidate_priority_avp", "timeout_tag_pv"])
    func malformedVariablesAreRefusedByName(name: String) throws {
        let log = try refusal { configuration in
            configuration.parameters.removeAll { $0.name == name }
            configuration.set(name, "$nonsense(((")
        }
        #expect(log.split(separator: "\n").contains { $0.contains("ERROR") && $0.contains(name) })
    }

    @Test(arguments: ["rtp_inst_pvar", "ice_candidate_priority_avp"])
    func variablesThatCannotBeWrittenAreRefused(name: String) throws {
        let log = try refusal { configuration in
            configuration.parameters.removeAll { $0.name == name }
            configuration.set(name, "$ci")
        }
        #expect(log.split(separator: "\n").contains { $0.contains("ERROR") && $0.contains(name) })
    }

    @Test func literalSetThatIsNotConfiguredNamesItsLine() throws {
        let log = try refusal {
            $0.set("rtpproxy_sock", "udp:127.0.0.1:22222")
            $0.routes = "request_route {\n set_rtp_proxy_set(\"5\");\n rtpproxy_offer(); }"
        }
        // The core names file and line: the routes begin behind the parameters.
        #expect(log.contains("kamailio.cfg:"))
        #expect(
            log.split(separator: "\n").contains { $0.contains("rtpproxy") && $0.contains("ERROR") && $0.contains("5") })
    }

    @Test(arguments: ["5", "-1", "0", "3x", "x", "4294967296", "$var(", "$nosuch(x)"])
    func wrongLiteralSetsAreQuotedWithTheirLine(set: String) throws {
        let log = try refusal { configuration in
            configuration.set("rtpproxy_sock", "3 == udp:127.0.0.1:22222")
            configuration.routes = "request_route {\n    rtpproxy_offer();\n    set_rtp_proxy_set(\"\(set)\");\n}"
        }
        #expect(log.contains("kamailio.cfg:"))
        #expect(
            log.split(separator: "\n").contains { $0.contains(" ERROR: rtpproxy ") && $0.contains(set) },
            "\(log.suffix(2000))")
    }

    @Test(
        arguments: ["uac", "uas"], ["many", "5x", "-2", "1.5", "2147483648", "99999999999999999999", " ", "$var(n)"])
    func badPromptCountsAreRefused(side: String, count: String) throws {
        let log = try refusal { $0.routes = "request_route { rtpproxy_stream2\(side)(\"p\", \"\(count)\"); }" }
        #expect(log.contains("kamailio.cfg:"))
        #expect(log.split(separator: "\n").contains { $0.contains(" ERROR: rtpproxy ") && $0.contains("\"\(count)\"") })
    }

    @Test func malformedPromptIsRefused() throws {
        let log = try refusal { $0.routes = "request_route { rtpproxy_stream2uac(\"/p/$var(\", \"1\"); }" }
        #expect(log.split(separator: "\n").contains { $0.contains(" ERROR: rtpproxy ") && $0.contains("/p/$var(") })
    }

    @Test func everyManualParameterIsTaken() throws {
        let relay = try ScriptedRelay()
        let change = { (c: inout KamailioConfiguration) in
            c.set("rtpproxy_disable_tout", 20)
            c.set("rtpproxy_tout", 2)
            c.set("rtpproxy_retr", 2)
            c.set("nortpproxy_str", "a=sdpmangled:yes\\r\\n")
            c.set("ice_candidate_priority_avp", "$avp(priority)")
            c.set("table_name", "my_sets")
        }
        try Stage.own([relay], change) { kamailio in
            let invite = try kamailio.call().invite(run: .offer())
            #expect(invite.lines.last == "a=sdpmangled:yes")
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    @Test(arguments: ["a=mine:yes", "a=mine:yes\\n", "a=mine:yes\\r\\n"])
    func lineEndOfTheMarkerDoesNotMatter(value: String) throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], { $0.set("nortpproxy_str", value) }) { kamailio in
            let call = try kamailio.call()
            #expect(try call.invite(run: .offer()).text.hasSuffix("\r\na=mine:yes\r\n"))
            let marked = SDPText.audio(extra: ["a=mine:yes"])
            #expect(try kamailio.call().invite(sdp: marked, run: .offer()).returnCodes == [-2])
        }
    }

    @Test func emptyMarkerIsNeitherLookedForNorAdded() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], { $0.set("nortpproxy_str", "") }) { kamailio in
            let invite = try kamailio.call().invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite.lines.last == "a=rtpmap:0 PCMU/8000")
            let marked = try kamailio.call().invite(sdp: SDPText.audio(extra: ["a=nortpproxy:yes"]), run: .offer())
            #expect(marked.returnCodes == [1])
        }
    }

    @Test func rewriteOriginChangesItWithoutTheFlag() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], { $0.set("rewrite_origin", 1) }) { kamailio in
            let invite = try kamailio.call().invite(run: .offer())
            #expect(invite.lines.contains("o=- 1 1 IN IP4 192.0.2.77"))
        }
    }

    @Test func extraVariableFlagWithoutTheParameterHasNoEffect() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], { $0.parameters.removeAll { $0.name == "extra_id_pv" } }) { kamailio in
            let call = try kamailio.call()
            #expect(try call.invite(run: .offer("b")).returnCodes == [1])
            #expect(relay.texts(of: call.id) == ["Uc0,8,101 \(call.id) 127.0.0.1 5004 \(call.fromTag);1"])
        }
    }
}
