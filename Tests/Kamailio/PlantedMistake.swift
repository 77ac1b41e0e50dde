// SPDX-License-Identifier: GPL-2.0-or-later
// Mistakes in a configuration, where each is found, and what the log says of it: the table of docs/operator/checks.md.

import Foundation
import TestSupport

/// One mistake in a configuration that is right otherwise.
struct PlantedMistake: CustomStringConvertible, Sendable {
    /// Where it is found.
    enum Place: String, Sendable {
        /// `kamailio -c` fails, and so does the start.
        case check = "`-c`"
        /// Both are content, with a warning.
        case warning = "`-c`, a warning"
        /// `kamailio -c` cannot know, the start fails.
        case start = "start"
        /// The start alone warns.
        case startWarning = "start, a warning"
    }

    enum Change: Sendable {
        /// A line of the parameters.
        case parameter(String)
        /// A line of the request route.
        case script(String)
        /// Something beside the routes.
        case route(String)
    }

    /// What stands in the configuration.
    let change: Change
    let place: Place
    /// What the log says.
    let text: String
    /// What the mistake needs around it.
    let needs: Need

    enum Need: Sendable {
        case nothing, noTM, noRelays, noSetZero, noProcesses, dialog, dmq
    }

    init(_ change: Change, _ place: Place, _ text: String, needs: Need = .nothing) {
        (self.change, self.place, self.text, self.needs) = (change, place, text, needs)
    }

    var line: String {
        switch change {
        case .parameter(let line), .script(let line), .route(let line): line
        }
    }

    var description: String { line }

    /// Its row of the page.
    var row: String {
        let around =
            switch needs {
            case .nothing: ""
            case .noTM: ", without `tm`"
            case .noRelays: ", and no other RTPProxy"
            case .noSetZero: ", and RTPProxies in set 2 alone"
            case .noProcesses: ", with `rtpproxy_async_processes` 0"
            case .dialog: ", with `dialog`"
            case .dmq: ", with `dmq`"
            }
        return "| `\(line)`\(around) | \(place.rawValue) | \(text) |"
    }

    var configuration: KamailioConfiguration {
        var configuration = KamailioConfiguration()
        configuration.children = 1
        configuration.listensOnIPv6 = false
        if needs == .noTM { configuration.modules.removeAll { ["tm", "tmx"].contains($0) } }
        switch needs {
        case .noRelays: break
        case .noSetZero: configuration.set("rtpproxy_sock", "2 == udp:127.0.0.1:9")
        default: configuration.set("rtpproxy_sock", "udp:127.0.0.1:9")
        }
        if needs == .noProcesses { configuration.set("rtpproxy_async_processes", 0) }
        if needs == .dialog { configuration.modules.append("dialog") }
        var around = ""
        if needs == .dmq {
            configuration.modules.append("dmq")
            // It wants to be told one of Kamailio's own addresses.
            let own = "127.0.0.1:\((try? FreePort.next()) ?? 5060)"
            around = "listen=udp:\(own)\nmodparam(\"dmq\", \"server_address\", \"sip:\(own)\")\n"
        }
        var parameters = ""
        var script = "rtpproxy_manage(\"co\");"
        var others = "route[NEXT] { exit; }"
        switch change {
        case .parameter(let line): parameters = line
        case .script(let line): script = line
        case .route(let line): others += "\n" + line
        }
        configuration.routes = "\(around)\(parameters)\nrequest_route {\n    \(script)\n    exit;\n}\n\(others)"
        return configuration
    }

    private static func set(_ name: String, _ value: String) -> Change {
        .parameter("modparam(\"rtpproxy\", \"\(name)\", \"\(value)\")")
    }

    private static func set(_ name: String, _ value: Int) -> Change {
        .parameter("modparam(\"rtpproxy\", \"\(name)\", \(value))")
    }

    private static func sock(_ value: String, _ text: String) -> PlantedMistake {
        PlantedMistake(set("rtpproxy_sock", value), .check, text)
    }

    private static let relays: [PlantedMistake] = [
        sock("sctp:127.0.0.1:22222", "unknown scheme"), sock("udp:127.0.0.1:99999", "port is neither a number"),
        sock("udp:127.0.0.1:x", "port is neither a number"), sock("udp:127.0.0.1:22222=abc", "the weight behind ="),
        sock("udp:127.0.0.1:22222=2000000", "the weight behind ="),
        sock("x == udp:127.0.0.1:22222", "the set id before == is not a number"),
        sock("2 ==", "no RTPProxy behind =="), sock("1=udp:127.0.0.1:22222", "a set id is followed by ==, not ="),
        sock("udp:127.0.0.1:1,udp:127.0.0.1:2", "RTPProxies are separated by blanks"),
        sock("udp:127.0.0.1:1;udp:127.0.0.1:2", "RTPProxies are separated by blanks"),
        sock("udp:[::1]:22222", "an IPv6 address needs udp6:"), sock("unix:", "no path"),
        PlantedMistake(
            set("rtpproxy_sock", ""), .warning, "no RTPProxy is configured: offers and answers return -3",
            needs: .noRelays),
        PlantedMistake(
            .script("rtpproxy_offer();"), .warning, "set 0 has no RTPProxy, and the script never calls",
            needs: .noSetZero),
        PlantedMistake(set("rtpproxy_sock", "udp:nowhere.invalid:22222"), .startWarning, "udp:nowhere.invalid:22222"),
    ]

    private static let parameters: [PlantedMistake] = [
        PlantedMistake(set("rtpproxy_tout", 0), .check, "is below 1"),
        PlantedMistake(set("rtpproxy_tout", "1s"), .check, "rtpproxy_tout"),
        PlantedMistake(set("rtpproxy_retr", -1), .check, "is below 1"),
        PlantedMistake(set("rtpproxy_ping_interval", -1), .check, "is below 0"),
        PlantedMistake(set("rtpproxy_hedging", 2), .check, "is above 1"),
        PlantedMistake(set("rtpproxy_max_streams", 0), .check, "is below 1"),
        PlantedMistake(set("rtpproxy_async_processes", 17), .check, "is above 16"),
        PlantedMistake(set("rtpproxy_balancing", "roundrobin"), .check, "is neither callid nor rendezvous"),
        PlantedMistake(set("rtpproxy_async_continue", "worker"), .check, "is neither process nor workers"),
        PlantedMistake(set("rtpproxy_async_continue", "workers"), .check, "async_workers is 0"),
        PlantedMistake(set("rtpproxy_journal", 2), .check, "is none of -1, 0 and 1"),
        PlantedMistake(set("rtpproxy_log_level", 4), .check, "is not one of -6 to 3"),
        PlantedMistake(set("rtpproxy_socket", "udp:127.0.0.1:22222"), .check, "rtpproxy_socket"),
        PlantedMistake(set("nortpproxy_str", "nortpproxy"), .check, "is not an SDP line"),
        PlantedMistake(set("timeout_socket", "unix:/run/a b"), .check, "holds a blank"),
        PlantedMistake(set("rtpproxy_notify_listen", "udp:127.0.0.1:1"), .check, "is none of unix:, tcp: and tcp6:"),
        PlantedMistake(set("rtpproxy_notify_listen", "unix:/nowhere/x"), .start, "its folder does not exist"),
        PlantedMistake(
            set("rtpproxy_notify_listen", "tcp:127.0.0.1:0"), .check, "port is neither a number"),
        PlantedMistake(set("extra_id_pv", "extra"), .check, "is not a variable"),
        PlantedMistake(set("extra_id_pv", "$avp(x)"), .warning, "extra_id_pv does nothing without flag 'b'"),
        PlantedMistake(set("timeout_tag_pv", "$nosuch(x)"), .check, "is not a variable"),
        PlantedMistake(set("timeout_tag_pv", "$var(x)"), .warning, "timeout_tag_pv does nothing without"),
        PlantedMistake(set("rtp_inst_pvar", "$ru"), .check, "is not an $avp, $xavp or $var"),
        PlantedMistake(set("ice_candidate_priority_avp", "$var(x)"), .check, "is not an $avp"),
        PlantedMistake(set("rtpproxy_dmq", 1), .check, "the module dmq is not loaded"),
        PlantedMistake(
            set("rtpproxy_dmq", 1), .warning, "the script never calls dmq_handle_message()", needs: .dmq),
        PlantedMistake(
            set("rtpproxy_async_max", 5), .warning, "rtpproxy_async_max does nothing where", needs: .noProcesses),
        PlantedMistake(set("table_name", "relays"), .warning, "table_name does nothing without db_url"),
        PlantedMistake(set("event_callback", "ksr_event"), .warning, "there is no cfgengine"),
        PlantedMistake(set("db_url", "kamailio@127.0.0.1/kamailio"), .check, "no scheme like mysql://"),
        PlantedMistake(set("db_url", "mysql://127.0.0.1/kamailio"), .check, "db_mysql is not loaded"),
    ]

    private static let scripts: [PlantedMistake] = [
        PlantedMistake(.script("rtpproxy_manage(\"coq\");"), .check, "unknown flag 'q'"),
        PlantedMistake(.script("if (rtpproxy_offer(\"coq\")) exit;"), .check, "unknown flag 'q'"),
        PlantedMistake(.script("rtpproxy_destroy(\"k\");"), .check, "unknown flag 'k'"),
        PlantedMistake(.script("rtpproxy_offer(\"z\");"), .check, "flag 'z' needs a number"),
        PlantedMistake(.script("rtpproxy_answer(\"l\");"), .check, "flag 'l' means nothing to an answer"),
        PlantedMistake(.script("rtpproxy_offer(\"r\", \"\");"), .check, "the ip_address parameter is empty"),
        PlantedMistake(.script("rtpproxy_offer(\"r\", \"192.0.2.300\");"), .warning, "is no IP address"),
        PlantedMistake(.script("rtpproxy_offer(\"b\");"), .warning, "flag 'b' does nothing without"),
        PlantedMistake(.script("rtpproxy_ofer();"), .check, "rtpproxy_ofer"),
        PlantedMistake(.script("rtpproxy_stream2uac(\"moh\");"), .check, "rtpproxy_stream2uac"),
        PlantedMistake(.script("rtpproxy_stream2uac(\"moh\", \"x\");"), .check, "is not a number of -1 or more"),
        PlantedMistake(.script("set_rtp_proxy_set(\"7\");"), .check, "there is no set 7"),
        PlantedMistake(.script("set_rtp_proxy_set(\"x\");"), .check, "is neither a number nor a variable"),
        PlantedMistake(.script("rtpproxy_engage();"), .check, "the module dialog is not loaded"),
        PlantedMistake(
            .script("rtpproxy_engage(\"co\");"), .check, "rtpproxy_engage: the module tm is not loaded", needs: .noTM),
        PlantedMistake(
            .script("rtpproxy_engage(\"l\");"), .check, "flag 'l' means nothing to an answer", needs: .dialog),
        PlantedMistake(.script("rtpproxy_disengage();"), .check, "the module dialog is not loaded"),
        PlantedMistake(.script("rtpproxy_offer_async(\"NEXTT\");"), .check, "there is no route[NEXTT]"),
        PlantedMistake(.script("rtpproxy_offer_async(\"NEXT\", \"q\");"), .check, "unknown flag 'q'"),
        PlantedMistake(
            .script("rtpproxy_manage_async(\"NEXT\");"), .check, "the module tm is not loaded", needs: .noTM),
        PlantedMistake(
            .script("rtpproxy_offer_async(\"NEXT\");"), .check, "rtpproxy_async_processes to be 1",
            needs: .noProcesses),
        PlantedMistake(.script("$var(x) = $rtpp_stat(jiter);"), .check, "there is no such figure"),
        PlantedMistake(.script("xlog(\"$rtpp_stat(jiter)\");"), .start, "there is no such figure"),
        PlantedMistake(.route("branch_route[B] { rtpproxy_offer_async(\"NEXT\"); }"), .check, "rtpproxy_offer_async"),
        PlantedMistake(.route("failure_route[F] { rtpproxy_manage(\"k\"); }"), .check, "unknown flag 'k'"),
        PlantedMistake(.route("event_route[rtpproxy:node-dwn] { exit; }"), .check, "there is no such event"),
        PlantedMistake(
            .route("event_route[rtpproxy:timeout] { exit; }"), .warning, "never runs without the parameter"),
    ]

    static let all = relays + parameters + scripts
}
