// SPDX-License-Identifier: GPL-2.0-or-later
// The text of a kamailio.cfg, made of the parts that a test gives.

/// What a test says about its Kamailio; everything else is the harness's.
public struct KamailioConfiguration: Sendable {
    /// Kamailio modules to load beside rtpproxy, in order.
    public var modules = ["kex", "tm", "tmx", "sl", "rr", "pv", "textops", "siputils", "maxfwd", "xlog", "ctl"]
    /// `modparam` lines' three parts, the value as it stands in the file (quotes included, if it is a text).
    public var parameters: [(module: String, name: String, value: String)] = []
    /// Everything behind the parameters: routes.
    public var routes: String
    /// SIP worker processes per socket.
    public var children = 2
    /// Whether it also listens on ::1.
    public var listensOnIPv6 = true
    public var module = RTPProxyModule.underTest
    /// 2 shows NOTICE, 3 shows DEBUG; warnings and errors always.
    public var debug = 2
    /// Lines at the very beginning, such as `#!define`.
    public var preamble = ""
    /// Whether rtpproxy is loaded at all, and whether by the harness.
    public var loadsRTPProxy = true

    public init(routes: String = KamailioConfiguration.nothing) {
        self.routes = routes
    }

    /// Answers every request with 200.
    public static let nothing = "request_route { sl_send_reply(\"200\", \"OK\"); }"

    /// Adds `modparam("rtpproxy", name, "value")`.
    public mutating func set(_ name: String, _ value: String) {
        parameters.append(("rtpproxy", name, "\"\(value)\""))
    }

    /// Adds `modparam("rtpproxy", name, value)` for a number.
    public mutating func set(_ name: String, _ value: Int) {
        parameters.append(("rtpproxy", name, String(value)))
    }

    func text(port: UInt16, control: String, modulePath: String) -> String {
        var lines = ["#!KAMAILIO", preamble, "debug=\(debug)", "log_stderror=yes", "memdbg=5", "memlog=5"]
        lines += ["fork=yes", "children=\(children)", "disable_tcp=yes", "auto_aliases=no", "dns=no", "rev_dns=no"]
        lines.append("listen=udp:127.0.0.1:\(port)")
        if listensOnIPv6 { lines.append("listen=udp:[::1]:\(port)") }
        lines += modules.map { "loadmodule \"\($0).so\"" }
        if loadsRTPProxy { lines.append("loadmodule \"\(modulePath)\"") }
        lines.append("modparam(\"ctl\", \"binrpc\", \"unix:\(control)\")")
        lines += parameters.map { "modparam(\"\($0.module)\", \"\($0.name)\", \($0.value))" }
        return lines.joined(separator: "\n") + "\n" + routes + "\n"
    }
}
