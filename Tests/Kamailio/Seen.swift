// SPDX-License-Identifier: GPL-2.0-or-later
// What a poisoned message or reply may have left: commands, log lines, forwarded messages, looked at one by one.

import Foundation
import TestSupport
import Testing

/// Looks at what has come since it looked last.
final class Seen {
    private let kamailio: Kamailio
    private let relay: ScriptedRelay
    private var commands: Int
    private var logged: Int
    /// How many lines the module has logged.
    private(set) var lines = 0

    init(_ kamailio: Kamailio, _ relay: ScriptedRelay) {
        self.kamailio = kamailio
        self.relay = relay
        commands = relay.log.count
        logged = kamailio.log.utf8.count
    }

    /// Runs a Kamailio whose script logs nothing of a message itself.
    static func stage(
        _ relays: [ScriptedRelay], _ change: (inout KamailioConfiguration) -> Void = { _ in },
        _ body: (Kamailio) throws -> Void
    ) throws {
        try Stage.own(
            relays,
            {
                $0.routes = $0.routes.components(separatedBy: "\n").filter { !$0.contains("xlog(") }
                    .joined(separator: "\n")
                // A transaction keeps copies of its messages of 61 KB for some seconds after its end.
                $0.sharedMegabytes = 256
                $0.parameters.append(("tm", "wt_timer", "1000"))
                $0.set("timeout_socket", "unix:/run/stopped")
                $0.set("timeout_tag_pv", "$avp(tag)")
                $0.set("ice_candidate_priority_avp", "$avp(priority)")
                $0.set("rtpproxy_tout_ms", 200)
                $0.set("rtpproxy_retr", 1)
                $0.set("rtpproxy_disable_tout", 1)
                change(&$0)
            }, body)
    }

    /// The forms that a command may have, by its first letter. A word has no byte up to 0x20.
    private static let forms: [Character: String] = [
        "V": #"V(F \d{8})?"#, "U": #"U[a-zA-Z0-9,]* W W \d+ W;\d+( W;\d+)?( unix:/run/stopped W)?"#,
        "L": #"L[a-zA-Z0-9,]* W W \d+ W;\d+( W;\d+)?"#, "D": "D W W( W)?", "P": #"P-?\d+ W W session W;1( W;1)?"#,
        "S": "S W W;1( W;1)?", "R": "R W W( W)?", "Q": #"Qv? W W;\d+( W;\d+)?"#,
        "G": "G nsess_created ncmds_rcvd",
    ]

    private static let probes = ["M4", "M5"].map { "L nosuch 127.0.0.1 9 ft tt && \($0):1 S" }

    /// That each new command is one, with its arguments and no more.
    func checkCommands(_ name: String) {
        let all = relay.log
        // The module's own process asks what modules there are, where a relay is back.
        for command in all[commands...] where !Self.probes.contains(command.text) {
            guard let first = command.text.first, let form = Self.forms[first] else {
                Issue.record("\(name): \(command.text.debugDescription) is no command")
                continue
            }
            let pattern = "^\(form.replacingOccurrences(of: "W", with: #"[^\x00-\x20\x7F]+"#))$"
            let fits = command.text.range(of: pattern, options: .regularExpression) != nil
            #expect(fits && !command.words.contains("&&"), "\(name): \(command.text.prefix(300).debugDescription)")
            #expect(command.text.utf8.count < 8192, "\(name)")
        }
        commands = all.count
    }

    /// That each new line of the log that is about the module is a line of its own, and one that can be read.
    func checkLog(_ name: String) {
        let log = Array(kamailio.log.utf8)
        let new = String(decoding: log[min(logged, log.count)...].prefix(3000), as: UTF8.self)
        var lines = log[min(logged, log.count)...].split(separator: 10, omittingEmptySubsequences: false).map(
            Array.init)
        // The last one may still be on its way.
        let rest = lines.popLast() ?? []
        logged = log.count - rest.count
        var isOurs = false
        for line in lines {
            let text = String(decoding: line, as: UTF8.self)
            if text.range(of: #"^ *\d+\(\d+\) [A-Z]+: "#, options: .regularExpression) != nil {
                isOurs = text.contains(" rtpproxy [")
                if isOurs {
                    self.lines += 1
                    #expect(line.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "\(name): \(text.debugDescription)")
                    #expect(line.count < 1024, "\(name): a line of \(line.count) bytes")
                }
            } else {
                // Kamailio's own parser shows what it could not read.
                #expect(
                    !isOurs || text.isEmpty,
                    "\(name): a line of the log that nobody wrote: \(text.debugDescription), in \(new.debugDescription)"
                )
            }
        }
    }

    /// That a message has no header that nobody wrote, and that its body is what it was or was rewritten.
    func checkForwarded(_ got: SIPMessage, _ body: [UInt8], _ name: String) {
        #expect(got.returnCodes.allSatisfy { [1, -1, -2, -3].contains($0) }, "\(name): \(got.returnCodes)")
        if got.returnCodes.allSatisfy({ $0 < 0 }) { #expect(got.body == body, "\(name): half changed") }
        for header in got.headers where header.name.hasPrefix("X-Stat") || header.name.hasPrefix("X-RC") {
            #expect(header.value.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "\(name): \(header)")
        }
        #expect(!got.headers.contains { $0.name == "X-\(Poison.mark)" }, "\(name): a header that nobody wrote")
        #expect(got["Content-Length"] == "\(got.body.count)", "\(name)")
        if got.body != body {
            // Each line that was added is one that a rewritten description may have. A last one without its end has it.
            let before = Set((body + [13, 10]).split(separator: 10).map(Array.init))
            for line in got.body.split(separator: 10).map(Array.init) where !before.contains(line) {
                let text = String(decoding: line, as: UTF8.self)
                let form = #"^(c=|o=|m=|a=rtcp:|a=candidate:|a=nortpproxy:yes)"#
                #expect(text.range(of: form, options: .regularExpression) != nil, "\(name): \(text.debugDescription)")
            }
        }
    }

    /// A final response to a request as it came.
    static func refusal(_ request: SIPMessage?) -> [UInt8] {
        guard let request else { return [] }
        var response = SIPMessage("SIP/2.0 486 Busy Here")
        for name in ["Via", "From", "To", "Call-ID", "CSeq"] {
            response.headers += request.all(name).map { (name, $0) }
        }
        return response.bytes
    }
}
