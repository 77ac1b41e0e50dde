// SPDX-License-Identifier: GPL-2.0-or-later
// Every part of an RTPProxy's replies and notifications, of RPC commands and URLs, with everything that could end one.

import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct InjectionReplyTests {
    /// Replies with a poison in them: of a command's verb, what stands before it and behind it.
    private static let replies: [(verb: String, before: String, behind: String)] = [
        ("U", "", ""), ("U", "40000", ""), ("U", "40000 ", ""), ("U", "40000 192.0.2.77", ""), ("U", "", " 192.0.2.77"),
        ("U", "40000 192.0.2.77 6", ""), ("U", "E", ""), ("U", "E50", ""), ("L", "", ""), ("L", "40000 ", ""),
        ("D", "", ""), ("D", "E50", ""), ("Q", "", ""), ("Q", "60 1 2 3 4", ""), ("Q", "60 1 ", " 3 4"), ("Q", "E", ""),
        ("P", "E", ""), ("R", "", ""),
    ]

    /// Functions that send the verb, in a request within a dialog.
    private static let functions = [
        "U": "offer", "L": "answer", "D": "destroy", "Q": "stat", "P": "stream2uac", "R": "record",
    ]

    /// What comes back over UDP is one datagram, whatever is in it.
    private func answer(_ command: RelayCommand, _ bytes: [UInt8]) -> RelayAnswer {
        .raw((command.cookie.isEmpty ? [] : Array("\(command.cookie) ".utf8)) + bytes + [10])
    }

    @Test(arguments: [ScriptedRelay.Transport.udp, .unix, .cunix])
    func repliesBecomeNothingElse(transport: ScriptedRelay.Transport) throws {
        let relay = try ScriptedRelay(transport)
        try Seen.stage([relay], { $0.set("rtpproxy_tout_ms", 60) }) { kamailio in
            let seen = Seen(kamailio, relay)
            for (verb, before, behind) in Self.replies {
                let agents = try kamailio.call()
                for poison in Poison.all {
                    let name = "\(transport) \(verb) \(before)|\(poison)|\(behind)"
                    let bytes = Array(before.utf8) + poison.bytes + Array(behind.utf8)
                    relay.removeRules()
                    relay.on { $0.verb == verb ? self.answer($0, bytes) : nil }
                    let call = try kamailio.call(between: agents)
                    let got = try send(call, verb)
                    seen.checkForwarded(got, Array(PoisonedField.sdp.utf8), name)
                    seen.checkCommands(name)
                    seen.checkLog(name)
                    // What is no protocol takes it out: it is let in again.
                    _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "1")
                }
                try checkAnswers(kamailio, relay)
            }
            relay.removeRules()
            #expect(waitUntil(10) { (try? kamailio.call().invite(run: .offer()).returnCodes) == [1] })
            #expect(kamailio.diedBySignal.isEmpty)
        }
    }

    /// A message whose function sends this verb, as it arrives.
    private func send(_ call: Call, _ verb: String) throws -> SIPMessage {
        let run = Run(Self.functions[verb] ?? "", prompt: "/p")
        if verb == "L" {
            let invite = try call.invite()
            let response = try call.reply(to: invite, sdp: PoisonedField.sdp, run: run)
            return response
        }
        let got = try call.invite(sdp: PoisonedField.sdp, run: run, inDialog: true)
        call.callee.send(raw: Seen.refusal(got), to: kamailioEndpoint(got))
        return got
    }

    /// Where a request came from: its topmost Via.
    private func kamailioEndpoint(_ request: SIPMessage) -> Endpoint {
        let via = request.all("Via").first ?? ""
        let port = via.split(separator: ";").first?.split(separator: ":").last.flatMap { UInt16($0) } ?? 5060
        return Endpoint(.ipv4, port)
    }

    /// What RPC commands answer has the keys that it has, and one line for each.
    private func checkAnswers(_ kamailio: Kamailio, _ relay: ScriptedRelay) throws {
        for command in ["rtpproxy.list", "rtpproxy.stats", "rtpproxy.status"] {
            let answer = try kamailio.kamcmd(command)
            for line in answer.split(separator: "\n") {
                let text = line.trimmingCharacters(in: .whitespaces)
                #expect(
                    text.range(of: #"^([{}]|\w+: .*|\w+: \{|\d+)$"#, options: .regularExpression) != nil,
                    "\(command): \(text.debugDescription)")
            }
            #expect(answer.utf8.allSatisfy { ($0 >= 0x20 && $0 < 0x7F) || [9, 10].contains($0) }, "\(command)")
            #expect(answer.contains(relay.url) && !answer.contains(Poison.mark), "\(command)")
        }
    }

    @Test func argumentsOfRPCCommandsBecomeNothingElse() throws {
        let relay = try ScriptedRelay()
        try Seen.stage([relay]) { kamailio in
            let seen = Seen(kamailio, relay)
            let before = try kamailio.relays()
            for poison in Poison.all where !poison.bytes.contains(0) && poison.bytes.count < 1000 {
                // kamcmd is given text.
                guard let text = String(bytes: poison.bytes, encoding: .utf8) else { continue }
                for argument in [text, "\(relay.url)\(text)", "unix:/\(text)"] where argument != relay.url {
                    for command in [
                        ["enable", argument, "0"], ["drain", argument, "1"], ["probe", argument], ["stats", argument],
                        ["enable", relay.url, "0\(text)x"], ["drain", relay.url, "x\(text)"],
                    ] where command[1] != relay.url || command.count == 3 {
                        let answer = try kamailio.kamcmd(["rtpproxy.\(command[0])"] + command.dropFirst())
                        let name = "\(command[0]) \(poison)"
                        #expect(
                            !answer.contains("\n\(Poison.mark)") && !answer.contains("\u{1B}"), "\(name): \(answer)")
                        seen.checkLog(name)
                    }
                }
            }
            #expect(try kamailio.relays() == before)
            #expect(kamailio.diedBySignal.isEmpty)
        }
    }

    @Test func notificationsBecomeNothingElse() throws {
        let folder = try TemporaryFolder()
        let relay = try ScriptedRelay()
        let path = folder.file("stopped")
        try Seen.stage(
            [relay],
            {
                $0.set("rtpproxy_notify_listen", "unix:\(path)")
                $0.routes +=
                    "\nevent_route[rtpproxy:timeout] { xlog(\"L_NOTICE\", \"stopped <$rtpp_notify(tag)>\\n\"); }\n"
            }
        ) { kamailio in
            let seen = Seen(kamailio, relay)
            for poison in Poison.all {
                for piece in [poison.bytes, Array("tag".utf8) + poison.bytes, poison.bytes + Array("tag".utf8)] {
                    try Notifier(path).write(bytes: piece + [10])
                    seen.checkLog("notification \(poison)")
                }
            }
            try Notifier(path).write("good\n")
            #expect(kamailio.waitForLog("stopped <good>") != nil)
            seen.checkLog("the last notification")
            for line in kamailio.logLines(": stopped <") {
                #expect(line.utf8.allSatisfy { $0 > 0x1F && $0 != 0x7F } && line.hasSuffix(">"), "\(line)")
            }
            #expect(kamailio.diedBySignal.isEmpty)
        }
    }
}
