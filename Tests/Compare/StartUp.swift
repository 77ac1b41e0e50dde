// SPDX-License-Identifier: GPL-2.0-or-later
// Configurations, and whether Kamailio starts with them.

import TestSupport

/// A configuration that one or both modules may refuse.
struct StartUp: Sendable {
    var name: String
    var texts: [(name: String, value: String)] = []
    var numbers: [(name: String, value: Int)] = []
    var script = "rtpproxy_offer();"

    private static func socket(_ name: String, _ value: String) -> StartUp {
        StartUp(name: name, texts: [("rtpproxy_sock", value)])
    }

    private static func text(_ parameter: String, _ value: String) -> StartUp {
        StartUp(name: "\(parameter) \(value)", texts: [("rtpproxy_sock", "udp:127.0.0.1:9"), (parameter, value)])
    }

    private static func number(_ parameter: String, _ value: Int) -> StartUp {
        StartUp(
            name: "\(parameter) \(value)", texts: [("rtpproxy_sock", "udp:127.0.0.1:9")], numbers: [(parameter, value)])
    }

    private static func script(_ line: String) -> StartUp {
        StartUp(name: "script \(line)", texts: [("rtpproxy_sock", "udp:127.0.0.1:9")], script: line)
    }

    static let all: [StartUp] = [
        socket("one", "udp:127.0.0.1:9"),
        socket("a name", "udp:localhost:9"),
        socket("without a port", "udp:127.0.0.1"),
        socket("IPv6, bare", "udp6:::1:9"),
        socket("IPv6 in brackets", "udp6:[::1]:9"),
        socket("a path", "/tmp/rtpp-compare-nobody"),
        socket("unix", "unix:/tmp/rtpp-compare-nobody"),
        socket("unknown scheme", "sctp:127.0.0.1:9"),
        socket("a name that does not resolve", "udp:nowhere.invalid:9"),
        socket("port not a number", "udp:127.0.0.1:x"),
        socket("port too high", "udp:127.0.0.1:99999"),
        socket("weight", "udp:127.0.0.1:9=3"),
        socket("weight not a number", "udp:127.0.0.1:9=x"),
        socket("weight 0", "udp:127.0.0.1:9=0"),
        socket("set", "2 == udp:127.0.0.1:9"),
        socket("set without blanks", "2==udp:127.0.0.1:9"),
        socket("set not a number", "x == udp:127.0.0.1:9"),
        socket("set without relays", "2 == "),
        socket("tabs", "2 ==\\tudp:127.0.0.1:9\\tudp:127.0.0.1:19"),
        socket("lines", "\n    udp:127.0.0.1:9\r\n    udp:127.0.0.1:19=2\n"),
        socket("port by name", "udp:127.0.0.1:sip"),
        socket("no such service", "udp:127.0.0.1:no-such-service"),
        socket("a path without a slash", "rtpp-compare.sock"),
        socket("asterisk", "udp:*:9"),
        socket("nothing", ""),
        socket("blanks", "  "),
        number("rtpproxy_tout", 0), number("rtpproxy_tout", -1), number("rtpproxy_retr", 0),
        number("rtpproxy_retr", -1), number("rtpproxy_disable_tout", 0), number("rtpproxy_disable_tout", -1),
        text("extra_id_pv", "nonsense"), text("extra_id_pv", "$nosuch(x)"), text("extra_id_pv", "$ci"),
        text("rtp_inst_pvar", "nonsense"), text("rtp_inst_pvar", "$ci"), text("rtp_inst_pvar", "$var(x)"),
        text("ice_candidate_priority_avp", "$var(x)"), text("ice_candidate_priority_avp", "$avp(s:x)"),
        text("ice_candidate_priority_avp", "nonsense"), text("timeout_socket", "with blank"),
        text("nortpproxy_str", "a=x"), text("no_such_parameter", "1"),
        script("set_rtp_proxy_set(\"0\");"), script("set_rtp_proxy_set(\"7\");"),
        script("set_rtp_proxy_set(\"x\");"), script("set_rtp_proxy_set(\"$var(x)\");"),
        script("set_rtp_proxy_set(\"$var(x) 1\");"), script("rtpproxy_stream2uac(\"moh\", \"x\");"),
        script("rtpproxy_stream2uac(\"moh\", \"0\");"), script("rtpproxy_stream2uac(\"moh\");"),
        script("rtpproxy_offer(\"$nosuch(x)\");"), script("rtpproxy_offer(\"q\");"),
        script("rtpproxy_offer(\"r\", \"1.2.3.4\", \"x\");"), script("unforce_rtp_proxy();"),
        script("rtpproxy_destroy(\"t\");"), script("rtpproxy_manage(\"r\", \"$var(x)\");"),
    ]

    /// As a case, for the report and the rules.
    var test: Case { Case("start/\(name)") }

    /// Whether Kamailio starts with one of the modules.
    func run(stock: Bool) throws -> Outcome {
        var configuration = KamailioConfiguration(routes: "request_route {\n    \(script)\n    exit;\n}\n")
        configuration.module = stock ? .stock : .underTest
        configuration.children = 1
        for (name, value) in texts { configuration.set(name, value) }
        for (name, value) in numbers { configuration.set(name, value) }
        return Outcome(lines: [.code: [try Kamailio.starts(configuration) ? "starts" : "refuses"]])
    }
}
