// SPDX-License-Identifier: GPL-2.0-or-later
// The configuration of a Kamailio that phones and browsers register with.

import Foundation

extension KamailioConfiguration {
    /// What a file of routes, such as `kamailio/webrtc.cfg`, needs to run with WebSocket. `definitions`: what it defines.
    /// `settings`: lines before the routes, such as those that set parameters of the module.
    public static func webRTC(
        _ routes: String, definitions: [String], modules: [String] = [], settings: [String], debug: Int = 2
    ) -> KamailioConfiguration {
        var configuration = KamailioConfiguration()
        let all =
            ["kex", "tm", "tmx", "sl", "rr", "pv", "textops", "siputils", "maxfwd", "xlog", "corex", "ctl"] + modules
        configuration.written = { port, control, module in
            (["#!KAMAILIO"] + definitions.map { "#!define \($0)" } + [
                "debug=\(debug)", "log_stderror=yes", "children=2", "tcp_children=2", "dns=no", "rev_dns=no",
                "auto_aliases=no", "tcp_accept_no_cl=yes", "listen=udp:127.0.0.1:\(port)",
                "listen=tcp:127.0.0.1:\(port)",
            ] + all.map { "loadmodule \"\($0).so\"" } + [
                "loadmodule \"\(module)\"", "modparam(\"ctl\", \"binrpc\", \"unix:\(control)\")",
            ] + settings + [routes]).joined(separator: "\n")
        }
        return configuration
    }
}
