// SPDX-License-Identifier: GPL-2.0-or-later
// The text of a kamailio.cfg, made of the parts that a test gives.

import Foundation

/// What a test says about its Kamailio; everything else is the harness's.
public struct KamailioConfiguration: Sendable {
    /// Kamailio modules to load beside rtpproxy, in order.
    public var modules = [
        "kex", "tm", "tmx", "sl", "rr", "pv", "textops", "siputils", "maxfwd", "xlog", "corex", "ctl",
    ]
    /// Whether it runs as process 1 of a PID namespace of its own, as in a container.
    public var isFirstProcess = false
    /// A file that it sees in the place of /etc/hosts; nil: the machine's own.
    public var hosts: String?
    /// A file that it sees in the place of /etc/resolv.conf; nil: the machine's own.
    public var resolver: String?
    /// Variables of its environment beside the test process's own.
    public var environment: [String: String] = [:]
    /// Its shared memory.
    public var sharedMegabytes = 32
    /// The memory of each process.
    public var privateMegabytes = 8
    /// A program that runs Kamailio, with its arguments.
    public var wrapper: [String] = []
    /// What it may do at most; nil: what the test process may.
    public var confinement: Confinement?
    /// Folders that a confined one may write, beside its own.
    public var writableFolders: [String] = []
    /// Options of the command line, behind the harness's own.
    public var options: [String] = []
    /// Kamailio modules that need rtpproxy and are loaded behind it.
    public var modulesBehind: [String] = []
    /// `modparam` lines' three parts, the value as it stands in the file (quotes included, if it is a text).
    public var parameters: [(module: String, name: String, value: String)] = []
    /// Everything behind the parameters: routes.
    public var routes: String
    /// SIP worker processes per socket.
    public var children = 2
    /// The address that it listens at.
    public var address = "127.0.0.1"
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

    /// A complete kamailio.cfg, as a user would write it; nil: one is made of the parts above.
    public var complete: String?
    /// Whether a complete one listens where it says, or where Kamailio does by itself, in a network of its own.
    public var listensAsWritten = false

    /// A complete kamailio.cfg of a port, the path of the control socket and that of rtpproxy.so; nil: one is made of
    /// the parts above.
    public var written: (@Sendable (_ port: UInt16, _ control: String, _ module: String) -> String)?

    /// A complete kamailio.cfg to run as it is, but for what the harness must decide: the ports of `listen` lines, and
    /// their hosts unless they are loopback addresses, the path of rtpproxy.so, and where the control socket is (the
    /// file must load ctl, or the harness does).
    public init(complete text: String) {
        self.init()
        complete = text
    }

    /// The host of `listen=udp:HOST:PORT` where it is a loopback address, else 127.0.0.1.
    private static func loopback(ofListenLine line: String) -> String {
        let parts = line.split(separator: ":").dropFirst().dropLast()
        let host = parts.joined(separator: ":")
        if line.contains("[::1]") { return "[::1]" }
        return host.hasPrefix("127.") ? host : "127.0.0.1"
    }

    private func adapted(_ complete: String, port: UInt16, control: String, modulePath: String) -> String {
        let loadsControl = complete.contains("ctl.so")
        var listeners: [String] = []
        // A file that says nothing of it listens at whatever addresses there are, over TCP too, whose main process
        // Kamailio does not always end.
        let listens = complete.split(separator: "\n").contains {
            $0.drop { $0 == " " || $0 == "\t" }.hasPrefix("listen")
        }
        let start =
            listensAsWritten ? "log_stderror=yes\n" : listens ? "" : "listen=udp:127.0.0.1:5060\ndisable_tcp=yes\n"
        return (start + complete).split(separator: "\n", omittingEmptySubsequences: false).flatMap { line -> [String] in
            let start = line.drop { $0 == " " || $0 == "\t" }
            if start.hasPrefix("listen"), !listensAsWritten {
                let host = Self.loopback(ofListenLine: String(line))
                let transport = ["tcp", "tls"].first { line.contains("\($0):") } ?? "udp"
                let listener = "\(transport):\(host):\(port)"
                if listeners.contains(listener) { return [] }
                listeners.append(listener)
                return ["listen=\(listener)"] + (listeners.count == 1 ? ["log_stderror=yes"] : [])
            }
            let setting = "modparam(\"ctl\", \"binrpc\", \"unix:\(control)\")"
            if start.hasPrefix("modparam(\"ctl\"") { return [] }
            if start.hasPrefix("loadmodule"), line.contains("ctl.so") { return [String(line), setting] }
            if start.hasPrefix("loadmodule"), line.contains("rtpproxy.so") {
                return ["loadmodule \"\(modulePath)\""] + (loadsControl ? [] : ["loadmodule \"ctl.so\"", setting])
            }
            return [String(line)]
        }.joined(separator: "\n")
    }

    func text(port: UInt16, control: String, modulePath: String) -> String {
        if let written { return written(port, control, modulePath) }
        if let complete { return adapted(complete, port: port, control: control, modulePath: modulePath) }
        var lines = ["#!KAMAILIO", preamble, "debug=\(debug)", "log_stderror=yes", "memdbg=5", "memlog=5"]
        lines += ["fork=yes", "children=\(children)", "disable_tcp=yes", "auto_aliases=no", "dns=no", "rev_dns=no"]
        lines.append("listen=udp:\(address):\(port)")
        if listensOnIPv6 { lines.append("listen=udp:[::1]:\(port)") }
        // Before all others: process memory from malloc(), where a tool shall see its blocks. Not with an allocator
        // chosen.
        let memory = ProcessInfo.processInfo.environment["RTPPROXY_SYSTEM_MEMORY"] ?? ""
        if !memory.isEmpty, options.isEmpty { lines.append("loadmodule \"\(memory)\"") }
        lines += modules.map { "loadmodule \"\($0).so\"" }
        if loadsRTPProxy { lines.append("loadmodule \"\(modulePath)\"") }
        lines += modulesBehind.map { "loadmodule \"\($0).so\"" }
        lines.append("modparam(\"ctl\", \"binrpc\", \"unix:\(control)\")")
        lines += parameters.map { "modparam(\"\($0.module)\", \"\($0.name)\", \($0.value))" }
        return lines.joined(separator: "\n") + "\n" + routes + "\n"
    }
}
