// SPDX-License-Identifier: GPL-2.0-or-later
// Every field of a message that ends up in a command, a log line or a variable, with everything that could end one.

import Foundation
import TestSupport
import Testing

/// What is put into a field.
struct Poison: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]

    init(_ name: String, _ text: String) { self.init(name, Array(text.utf8)) }

    init(_ name: String, _ bytes: [UInt8]) {
        testDescription = name
        self.bytes = bytes
    }

    /// Each has a text in it that shows where it comes out.
    static let mark = "FORGED"

    static let all = [
        Poison("blank", " FORGED"), Poison("blanks", "  \t FORGED x y"), Poison("tab", "\tFORGED"),
        Poison("folded line", "\r\n FORGED: 1"), Poison("line feed", "\nFORGED: 1"),
        Poison("carriage return", "\rFORGED: 1"), Poison("NUL", "\0FORGED"), Poison("control", "\u{1}FORGED"),
        Poison("escape sequence", "\u{1B}[2J\u{1B}[31mFORGED"), Poison("delete", "\u{7F}FORGED"),
        Poison("semicolon", ";FORGED"), Poison("quote", "\"FORGED"), Poison("quoted", "\"FO RGED\""),
        Poison("apostrophe", "'FORGED'"), Poison("backslash", "\\\"FORGED\\"), Poison("comma", ",FORGED"),
        Poison("separator", "&&"), Poison("command", " && D * FORGED"), Poison("command without blanks", "&&D&&FORGED"),
        Poison("format", "%s%n%s%n%99999d%pFORGED"), Poison("variable", "$(avp(x){s.len})$ci$nullFORGED"),
        Poison("shell", "`id`$(id);id|id>FORGED"), Poison("angle brackets", "<FORGED>"),
        Poison("markup", "\"><script>document.title='FORGED'</script><!--"), Poison("colon", ":FORGED"),
        Poison("equals", "=FORGED"), Poison("no UTF-8", [0xFF, 0xFE, 0xC3, 0x28] + Array("FORGED".utf8)),
        Poison("separators of Unicode", "\u{2028}\u{85}\u{A0}FORGED"),
        Poison("64 KiB", "FORGED" + String(repeating: "A", count: 61_000)),
        Poison("64 KiB of blanks", String(repeating: " ", count: 61_000) + "FORGED"),
        Poison("64 KiB of lines", String(repeating: "\r\n ", count: 20_000) + "FORGED"), Poison("nothing", ""),
    ]
}

/// A place in a message or in what the script says.
struct PoisonedField: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Stands in the message where the poison goes.
    static let place = "P0IS0N"
    let build: @Sendable (Call) -> SIPMessage

    init(_ name: String, _ build: @escaping @Sendable (Call) -> SIPMessage) {
        testDescription = name
        self.build = build
    }

    /// An offer whose message is changed.
    private static func offer(
        _ name: String, _ flags: String = "", _ change: @escaping @Sendable (inout SIPMessage) -> Void
    ) -> PoisonedField {
        PoisonedField(name) { call in
            var message = call.request("INVITE", sdp: sdp, run: .offer(flags))
            change(&message)
            return message
        }
    }

    /// A function with this in one of its own headers.
    private static func script(_ name: String, _ run: Run) -> PoisonedField {
        PoisonedField(name) { $0.request("INVITE", sdp: sdp, run: run, inDialog: true) }
    }

    /// A description in which `old` becomes `new`.
    private static func body(_ name: String, _ flags: String, _ old: String, _ new: String) -> PoisonedField {
        offer("SDP \(name) (flags \"\(flags)\")", flags) { message in
            message.body = Array(message.text.replacingOccurrences(of: old, with: new).utf8)
        }
    }

    static let sdp = SDPText.text([
        "v=0", "o=alice 1 1 IN IP4 192.0.2.10", "s=-", "c=IN IP4 192.0.2.10", "t=0 0", "m=audio 5004 RTP/AVP 0 8",
        "a=rtpmap:0 PCMU/8000", "a=rtcp:5005 IN IP4 192.0.2.10",
        "a=candidate:1 1 UDP 2130706431 192.0.2.10 5004 typ host",
        "a=ptime:20",
    ])

    static let ofHeaders: [PoisonedField] =
        ["offer", "manage", "destroy", "record", "stat", "stop2uac"].flatMap { function in
            [
                PoisonedField("Call-ID, \(function)") {
                    $0.id += place
                    return $0.request("INVITE", sdp: sdp, run: Run(function), inDialog: true)
                },
                PoisonedField("From tag, \(function)") {
                    $0.fromTag += place
                    return $0.request("INVITE", sdp: sdp, run: Run(function), inDialog: true)
                },
                PoisonedField("To tag, \(function)") {
                    $0.toTag += place
                    return $0.request("INVITE", sdp: sdp, run: Run(function), inDialog: true)
                },
            ]
        } + [
            PoisonedField("Call-ID alone") {
                $0.id = place
                return $0.request("INVITE", sdp: sdp, run: .offer())
            },
            PoisonedField("From tag alone") {
                $0.fromTag = place
                return $0.request("INVITE", sdp: sdp, run: .offer())
            },
            PoisonedField("tags alone, destroy") {
                $0.fromTag = place
                $0.toTag = place
                return $0.request("BYE", run: .destroy())
            },
            offer("branch", "1") { $0["Via"] = ($0["Via"] ?? "") + place },
            offer("second branch", "2") {
                $0.headers.insert(("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK\(place)"), at: 1)
            },
            offer("Content-Type") { $0["Content-Type"] = "application/sdp\(place)" },
            offer("boundary") {
                $0["Content-Type"] = "multipart/mixed;boundary=\(place)"
                $0.body = Array("--\(place)\r\nContent-Type: application/sdp\r\n\r\n\($0.text)--\(place)--\r\n".utf8)
            },
            offer("type of a part") {
                $0["Content-Type"] = "multipart/mixed;boundary=b"
                $0.body = Array("--b\r\nContent-Type: application/sdp\(place)\r\n\r\n\($0.text)--b--\r\n".utf8)
            },
            offer("user of the Request-URI") {
                $0.startLine = $0.startLine.replacing("sip:bob@", with: "sip:\(place)@")
            },
            offer("a header that nobody reads") { $0["User-Agent"] = place },
        ]

    static let ofScripts = [
        script("flags", .offer(place)), script("flags behind good ones", .offer("ro\(place)")),
        script("flag z", .offer("z\(place)")), script("flags of destroy", .destroy(place)),
        script("ip_address", .offer("", ip: place)),
        script("ip_address behind a good one", .offer("", ip: "192.0.2.1\(place)")),
        script("set", Run("offer", setText: place)),
        script("set behind a good one", Run("offer", setText: "0\(place)")),
        script("extra id", Run("offer", "b", extra: place)), script("timeout tag", Run("offer", tag: place)),
        script("timeout tag behind a good one", Run("offer", tag: "t\(place)")),
        script("prompt", Run("stream2uac", prompt: place)),
        script("prompt behind a good one", Run("stream2uas", prompt: "p\(place)")),
    ]

    static let ofBodies = ["", "rcoiea"].flatMap { flags in
        [
            body("v=", flags, "v=0", "v=0\(place)"), body("user of o=", flags, "o=alice", "o=alice\(place)"),
            body("version of o=", flags, "alice 1 1", "alice 1 1\(place)"),
            body("address of o=", flags, "1 IN IP4 192.0.2.10", "1 IN IP4 192.0.2.10\(place)"),
            body("s=", flags, "s=-", "s=\(place)"), body("c=", flags, "c=IN IP4 192.0.2.10", "c=\(place)"),
            body("type of c=", flags, "c=IN IP4", "c=IN IP4\(place)"),
            body("address of c=", flags, "c=IN IP4 192.0.2.10", "c=IN IP4 192.0.2.10\(place)"),
            body("address of c= alone", flags, "c=IN IP4 192.0.2.10", "c=IN IP4 \(place)"),
            body("media of m=", flags, "m=audio", "m=audio\(place)"),
            body("port of m=", flags, "5004 RTP", "5004\(place) RTP"),
            body("protocol of m=", flags, "RTP/AVP", "RTP/AVP\(place)"),
            body("payload type of m=", flags, "AVP 0 8", "AVP 0 8\(place)"),
            body("payload types of m= alone", flags, "AVP 0 8", "AVP \(place)"),
            body("rtcp", flags, "rtcp:5005", "rtcp:5005\(place)"),
            body("candidate", flags, "candidate:1", "candidate:1\(place)"),
            body("ptime", flags, "ptime:20", "ptime:20\(place)"),
            body("marker", flags, "ptime:20", "nortpproxy:yes\(place)"),
            body("a line of its own", flags, "t=0 0", "t=0 0\r\n\(place)"),
            body("what stands behind the last line", flags, "a=ptime:20\r\n", "a=ptime:20\r\n\(place)"),
        ]
    }
}

@Suite(.serialized) struct InjectionMessageTests {
    private func check(_ field: PoisonedField, _ kamailio: Kamailio, _ relay: ScriptedRelay) throws {
        var arrived = 0
        let seen = Seen(kamailio, relay)
        let agents = try kamailio.call()
        for (number, poison) in Poison.all.enumerated() {
            let call = try kamailio.call(between: agents)
            let plain = field.build(call)
            var message = plain
            message["X-Number"] = String(number)
            message.body = plain.body.replacing(Array(PoisonedField.place.utf8), with: poison.bytes)
            let bytes = message.bytes.replacing(Array(PoisonedField.place.utf8), with: poison.bytes)
            guard bytes.count < 65_000 else { continue }
            call.caller.send(raw: bytes, to: kamailio.endpoint())
            // Kamailio itself refuses some, and answers nothing to others.
            let got = call.callee.receive(150) { $0["X-Number"] == String(number) }
            let name = "\(field.testDescription): \(poison.testDescription)"
            if let got, !got.returnCodes.isEmpty {
                arrived += 1
                seen.checkForwarded(got, message.body, name)
            }
            seen.checkCommands(name)
            seen.checkLog(name)
            // Nobody shall send it again while the next one is looked at, nor keep what has come too late to be looked at.
            var pending = got
            while let message = pending {
                if message.method == "INVITE" || message.method == "BYE" {
                    call.callee.send(raw: Seen.refusal(message), to: kamailio.endpoint())
                }
                pending = call.callee.receive(0) { $0.isRequest && $0.method != "ACK" }
            }
        }
        seen.checkLog(field.testDescription)
        #expect(seen.lines <= Poison.all.count, "\(field.testDescription): more than a line for a message")
        #expect(arrived >= 4, "\(field.testDescription): only \(arrived) reached the module")
        #expect(kamailio.diedBySignal.isEmpty && kamailio.process.isRunning)
        let call = try kamailio.call()
        do {
            #expect(try call.invite(run: .offer()).returnCodes == [1])
        } catch {
            throw HarnessError("after \(field.testDescription): \(error)\n\(kamailio.log.suffix(3000))")
        }
    }

    /// A Kamailio with everything on that puts a text of a message anywhere.
    private func run(_ fields: [PoisonedField]) throws {
        let relay = try ScriptedRelay()
        try Seen.stage([relay]) { kamailio in
            for field in fields { try check(field, kamailio, relay) }
        }
    }

    @Test func headersBecomeNothingElse() throws { try run(PoisonedField.ofHeaders) }
    @Test func whatTheScriptGivesBecomesNothingElse() throws { try run(PoisonedField.ofScripts) }
    @Test func descriptionsBecomeNothingElse() throws { try run(PoisonedField.ofBodies) }
}
