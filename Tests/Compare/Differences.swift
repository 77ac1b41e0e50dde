// SPDX-License-Identifier: GPL-2.0-or-later
// The list of deliberate differences from the stock module. docs/operator/migration.md is written from it.

import Foundation

extension Difference {
    static let all: [Difference] = descriptions + commands + arguments + failures + functions + bodies + starts

    /// What becomes of the session description.
    private static let descriptions: [Difference] = [
        Difference(
            "origin",
            "The o= line stays as it is unless flag o asks for another address, as the manual says; the stock module"
                + " changes it always (rewrite_origin=1 brings that back).",
            in: [.body], where: { !$0.hasFlag("o") },
            levels: { $0.edit(.body) { $0.lines(beginning: "o=", become: "o=*") } }),
        Difference(
            "origin on hold",
            "With flag o the origin is the relay's address also where a stream is on hold, and so is the session's c= with"
                + " flag c; the stock module writes the null address there.",
            in: [.body], where: { $0.hasFlag("o") && $0.carriesHold },
            levels: { outcome in
                outcome.edit(.body) { text in
                    // Up to the first stream.
                    var isSession = true
                    return text.mapLines { line in
                        if line.hasPrefix("m=") { isSession = false }
                        let changes = line.hasPrefix("o=") || isSession && line.hasPrefix("c=")
                        return changes ? String(line.prefix(2)) + "*" : line
                    }
                }
            }),
        Difference(
            "null address in o=",
            "A null address never becomes that of an o= line, whoever gives it; the stock module writes it there.",
            in: [.body], where: { $0.calls.contains { $0.ip == "0.0.0.0" } },
            levels: { $0.edit(.body) { $0.lines(beginning: "o=", become: "o=*") } }),
        Difference(
            "family of the new address",
            "What is written behind IN fits the address that is written: an IPv6 address is never called IP4, whatever the"
                + " relay or the script says; the stock module takes the relay's word, and IP4 without one.",
            in: [.body],
            where: { test in
                test.calls.contains { $0.ip?.contains(":") == true } || test.named("reply/'%p 2001:db8::7' ")
                    || test.named("reply/'%p 198.51.100.7 6'") || test.name.contains("answer with port")
            },
            levels: { outcome in
                outcome.edit(.body) { text in
                    text.mapLines { line in
                        if line == "c=IN IP6 ::" || line == "c=IN IP6 0:0:0:0:0:0:0:0" { return "c=IN IP4 0.0.0.0" }
                        return line.replacing("IN IP6", with: "IN IP4")
                    }
                }
            },
            holds: { _, ours in
                ours[.body].flatMap(\.textLines).allSatisfy { line in
                    !line.hasPrefix("c=") || line.contains("IP6") == line.contains(":")
                }
            }),
        Difference(
            "brackets",
            "An ip_address in the brackets that it has in a URI is written without them; the stock module copies them.",
            in: [.body], where: { $0.calls.contains { $0.ip?.hasPrefix("[") == true } },
            levels: { $0.edit(.body) { $0.replacing("[", with: "").replacing("]", with: "") } },
            holds: { _, ours in !ours[.body].joined().contains("[") }),
        Difference(
            "line ends",
            "Lines that are added end as the description's own lines do, and an open last line is closed first; the stock"
                + " module mixes CRLF into descriptions with LF.",
            in: [.body],
            where: { test in
                test.carries(
                    "LF", "last line open after LF", "last line CR", "last line LF", "multipart LF",
                    "candidates after LF", "marker after LF", "CR CRLF", "three CR and LF", "last line CR CRLF",
                    "connection CR CRLF")
            },
            levels: { outcome in outcome.edit(.body) { $0.withoutReturns } }),
        Difference(
            "blanks in c=",
            "Of a c= line only family and address change; the stock module also makes several blanks one.",
            in: [.body], where: { $0.carries("connection with blanks") },
            levels: { $0.edit(.body) { $0.replacing("  ", with: " ") } }),
        Difference(
            "several c= lines",
            "Where a session or a stream has several c= lines, all of them get the new address; the stock module leaves all"
                + " but the first, and media may go around the relay.",
            in: [.body], where: { $0.carries("two session connections", "two connections of a stream") },
            levels: { $0.edit(.body) { $0.lines(beginning: "c=", become: "c=*") } },
            holds: { _, ours in !ours[.body].joined().contains("c=IN IP4 192.0.2.") }),
        Difference(
            "several sessions",
            "Where a body holds several sessions, each has its own o= and c= lines; the stock module mixes them up: it sends"
                + " one session's address with the other's stream and changes one o= line.",
            in: [.body, .wire], where: { $0.carries("two sessions", "two sessions with stream connections") },
            levels: { outcome in
                outcome.edit(.body) { $0.lines(beginning: "o=", become: "o=*") }
                outcome.edit(.wire) { $0.replacing("192.0.2.30", with: "192.0.2.10") }
            }),
        Difference(
            "a=rtcp",
            "Every a=rtcp line of a stream gets the new port, also the second, an empty one and one in capitals; the stock"
                + " module leaves those as they are.",
            in: [.body], where: { $0.carries("RTCP empty", "RTCP twice", "RTCP a blank", "RTCP in capitals") },
            levels: { outcome in
                outcome.edit(.body) {
                    $0.lines(beginning: "a=rtcp:", become: "a=rtcp:*").lines(beginning: "a=RTCP:", become: "a=RTCP:*")
                }
            }),
        Difference(
            "origins of real phones",
            "Of an o= line the last three words count, IN IP4 or IP6 and an address; where they are others, the line stays"
                + " with a warning. The stock module also changes o= of another network or with words behind the address.",
            in: [.body], where: { $0.carries("origin with further words", "origin of another net") },
            levels: { $0.edit(.body) { $0.lines(beginning: "o=", become: "o=*") } },
            holds: { _, ours in
                ours[.body].joined().contains("o=- 25 27 IN IP4 192.0.2.10 x")
                    || ours[.body].joined().contains("o=- 25 27 LOCAL IP4 192.0.2.10")
            }),
        Difference(
            "mark behind Content-Length",
            "What a datagram holds behind Content-Length is read and changed as the rest, and the mark stands behind all of"
                + " it; the stock module puts the mark in between.",
            in: [.body], where: { $0.carries("length before the streams", "length too small") },
            levels: { $0.edit(.body) { $0.replacing("\r\na=nortpproxy:yes", with: "") } },
            holds: { _, ours in
                ours[.body].allSatisfy { $0.hasSuffix("a=nortpproxy:yes\r\n") && !$0.contains("192.0.2.10") }
            }),
        Difference(
            "streams that are off",
            "A stream whose port is 0 costs no command, needs no address and stays off, with a number of ports behind it"
                + " too; the stock module asks for a port of it, and fails with it.",
            in: [.wire, .code, .body, .instance],
            where: { $0.carries("port 0", "second port 0", "first port 0", "port 0 twice", "RTCP of port 0") },
            holds: { _, ours in
                ours[.code].allSatisfy { $0.hasSuffix(" 1") }
                    && ours[.wire].map { WireLine($0) }.allSatisfy { !$0.isMedia || $0.port != "0" }
            }),
        Difference(
            "streams over TCP",
            "A stream over TCP stays where it is, for RTPProxy relays datagrams; the stock module sends it to a UDP port.",
            in: [.wire, .code, .body, .instance], where: { $0.carries("profile TCP DTLS", "profile MSRP") },
            holds: { _, ours in
                ours[.wire].isEmpty && ours[.body].joined().contains(" 5004 TCP/")
                    && ours[.code].allSatisfy { $0.hasSuffix(" 1") }
            }),
        Difference(
            "candidate priority",
            "The high priority of relay candidates is the highest that RFC 8445 allows; the stock module's is above it.",
            in: [.body], where: { $0.named("candidates/") },
            levels: { outcome in
                outcome.edit(.body) {
                    $0.replacing("2197815295", with: "2147483647").replacing("2197815294", with: "2147483646")
                }
            }),
        Difference(
            "candidate order",
            "Relay candidates follow the stream's own ones in the order of their components, RTP before RTCP; the stock"
                + " module writes them before the last one, RTCP first.",
            in: [.body], where: { $0.named("candidates/") },
            levels: { outcome in
                outcome.edit(.body) { text in
                    let lines = text.textLines
                    let added = lines.filter { $0.hasSuffix("typ relay") }.sorted()
                    return (lines.filter { !$0.hasSuffix("typ relay") } + added).joined(separator: "\n")
                }
            }),
    ]

    /// What is sent to the relay.
    private static let commands: [Difference] = [
        Difference(
            "blank at the end",
            "Prompt commands without a to-tag end with their last word; the stock module sends a blank behind it, which"
                + " RTPProxy does not notice.",
            in: [.wire], where: { $0.runs("stream2uac", "stream2uas", "stop2uac", "stop2uas") },
            levels: { $0.edit(.wire) { $0.hasSuffix(" ") ? String($0.dropLast()) : $0 } }),
        Difference(
            "bridging by address",
            "Flag x looks at the first stream's address itself; the stock module at the word before it.",
            in: [.wire], where: { $0.hasFlag("x") && $0.carries("connection family wrong") },
            levels: { $0.editCommands { $0.command = $0.command.replacing("EI", with: "IE") } }),
        Difference(
            "family of the address sent",
            "The modifier 6 says that the address in the command is IPv6; the stock module takes the family from the SDP"
                + " even where it sends the address of the signalling, and RTPProxy then misreads it.",
            in: [.wire], where: { _ in true },
            levels: { outcome in
                outcome.editCommands { $0.removeSix() }
            },
            holds: { stock, ours in
                ours[.wire].map { WireLine($0) }.allSatisfy { !$0.isMedia || $0.isIPv6 == $0.address.contains(":") }
            }),
        Difference(
            "family of the stream",
            "Where signalling and media are of two families, RTPProxy is told the stream's own address; the stock module"
                + " sends that of the signalling, which RTPProxy may not have.",
            in: [.wire], where: { _ in true },
            levels: { outcome in
                outcome.editCommands {
                    guard $0.isMedia else { return }
                    $0.removeSix()
                    $0.address = "*"
                }
            },
            holds: { stock, ours in
                let pairs = zip(stock[.wire].map { WireLine($0) }, ours[.wire].map { WireLine($0) })
                return pairs.allSatisfy { theirs, mine in
                    !mine.isMedia
                        || theirs.address == mine.address
                        || (theirs.address.contains(":") != mine.address.contains(":")
                            && mine.isIPv6 == mine.address.contains(":"))
                }
            }),
        Difference(
            "z of a later stream",
            "zNN holds for every stream; the stock module sends stray memory for all streams but the first.",
            in: [.wire, .code, .body, .instance],
            where: { $0.hasFlag("z") && $0.carries(.severalStreams) && $0.runs("offer", "manage") },
            holds: { _, ours in
                // What the stock module sends changes from run to run, and so does what comes of it.
                ours[.wire].allSatisfy { $0.contains("Z") } && ours[.code].allSatisfy { $0.hasSuffix(" 1") }
            }),
        Difference(
            "z without a number",
            "z needs a number of 1 to 999 milliseconds and is refused without one; the stock module sends what RTPProxy"
                + " answers with an error.",
            in: [.wire, .code, .body, .instance],
            where: { test in
                test.runs("offer", "answer", "manage")
                    && ["z", "Z", "zz", "z0", "z1000", "z12345"].contains { $0 == test.flags }
            },
            holds: refused),
        Difference(
            "z once",
            "A repacketization time is sent once and as a plain number, of several the last; the stock module copies"
                + " zeros and repetitions.",
            in: [.wire], where: { $0.flags == "z020" || $0.flags == "z20z30" },
            levels: { outcome in
                outcome.edit(.wire) { $0.replacing("Z020", with: "Z20").replacing("Z20Z30", with: "Z30") }
            }),
        Difference(
            "z of a deletion",
            "Flags may be the same for offer and deletion: z is skipped with its digits where a call is deleted; the stock"
                + " module fails, or reads the digits as flags 1, 2, 3.",
            in: [.wire, .code, .instance], where: { $0.runs("destroy", "unforce") && $0.hasFlag("z") },
            holds: { _, ours in ours[.code].allSatisfy { $0.hasSuffix(" 1") } }),
        Difference(
            "codecs of secured streams",
            "The payload types of RTP over DTLS are sent too; the stock module sends them for RTP without it only.",
            in: [.wire], where: { $0.carries("profile DTLS", "profile TCP DTLS") },
            levels: { $0.editCommands { $0.removeCodecs() } },
            holds: { _, ours in ours[.wire].contains { WireLine($0).command.contains("c0,8") } }),
        Difference(
            "plain port",
            "The port is sent as a plain number; the stock module copies the number of ports behind it (5004/2), which"
                + " RTPProxy does not know, and leading zeros.",
            in: [.wire],
            where: { $0.carries("two ports", "one port spelled out", "port 0 twice", "port with zeros") },
            levels: { outcome in
                outcome.editCommands { line in
                    line.port = line.port.split(separator: "/").first.flatMap { Int($0) }.map(String.init) ?? line.port
                }
            }),
        Difference(
            "plain address",
            "The address of a c= line is sent without the time to live behind it; the stock module copies it, and RTPProxy"
                + " cannot read it.",
            in: [.wire], where: { $0.carries("multicast") },
            levels: { $0.edit(.wire) { $0.replacing("224.2.1.1/127", with: "224.2.1.1") } }),
        Difference(
            "payload types that are none",
            "Of the payload types each number from 0 to 127 is sent, once; the stock module sends repeated ones and larger"
                + " numbers too.",
            in: [.wire], where: { $0.carries("payload types beyond 127") },
            levels: { $0.edit(.wire) { $0.replacing("c0,0,128,8", with: "c0,8") } }),
        Difference(
            "statistics of the stream",
            "$rtpstat asks for the first stream of both tags, as RTPProxy wants it; the stock module leaves the stream's"
                + " number out of one, and gets an error instead of numbers.",
            in: [.wire], where: { $0.runs("stat", "ppstat") },
            levels: { outcome in
                outcome.edit(.wire) { $0.contains(": Q ") ? $0.replacing(";1", with: "") : $0 }
            },
            holds: { _, ours in ours[.wire].filter { $0.contains(": Q ") }.allSatisfy { $0.hasSuffix(";1") } }),
        Difference(
            "timeout notification",
            "timeout_socket works by itself: the address and a tag that names the call go with every offer; the stock module"
                + " sends the address without the tag, only with a to-tag, and RTPProxy then reads it as an error.",
            in: [.wire], where: { _ in true },
            levels: { outcome in
                outcome.edit(.wire) { $0.components(separatedBy: " xmlrpc:").first ?? $0 }
            },
            holds: { _, ours in
                ours[.wire].contains { $0.contains(": U") }
                    && ours[.wire].allSatisfy { !$0.contains(": U") || $0.contains("RPC2 CALL%40compare") }
            }),
    ]

    /// What parameters and messages may hold.
    private static let arguments: [Difference] = [
        Difference(
            "empty or broken ip_address",
            "An ip_address parameter that is empty or holds a blank is an error; the stock module writes it into the SDP.",
            in: [.wire, .code, .body, .instance],
            where: { test in test.calls.contains { $0.ip?.isEmpty == true || $0.ip?.contains(" ") == true } },
            holds: refused),
        Difference(
            "blanks in arguments",
            "A Call-ID, tag, extra id or prompt that holds a blank, or is empty, is an error; the stock module sends it, and"
                + " what follows the blank becomes a further argument of the command.",
            in: [.wire, .code, .body, .instance, .statistics],
            where: { test in
                test.callIDSuffix.contains(" ")
                    || test.steps.contains { step in
                        step.headers.contains { header in
                            ["X-Extra", "X-Prompt", "From"].contains(header.name)
                                && (header.value.contains(" ") || header.name == "X-Prompt" && header.value.isEmpty)
                        }
                    }
            },
            holds: { stock, ours in refused(stock, ours) || ours[.wire].isEmpty && ours[.statistics] == ["<null>"] }),
        Difference(
            "statistics without a line end",
            "$rtpstat is the numbers alone, and null where RTPProxy answers with an error; the stock module leaves the line"
                + " end in, which breaks a header made of it, and gives the error's text.",
            in: [.statistics], where: { $0.runs("stat", "ppstat") },
            levels: { outcome in
                outcome.edit(.statistics) { text in
                    let line = text.textLines[0]
                    return line.contains("E") || line == "<null>" ? "none" : line
                }
            },
            holds: { _, ours in ours[.statistics].allSatisfy { !$0.contains("\n") && !$0.contains("E") } }),
        Difference(
            "set given as text",
            "The variable given to set_rtp_proxy_set may hold the number as text; the stock module takes integers only and"
                + " stays at set 0.",
            in: Set(Aspect.allCases),
            where: { test in
                test.steps.contains { $0.setText.flatMap { Int($0.trimmingCharacters(in: .whitespaces)) } != nil }
            },
            holds: { stock, ours in stock[.code].contains("set -1") && ours[.code].contains("set 1") }),
        Difference(
            "prompts after a wrong set",
            "After a set that does not exist the prompts go to set 0, as all other functions do; the stock module fails.",
            in: [.wire, .code, .instance],
            where: { test in
                test.runs("stream2uac") && test.steps.contains { ![0, 1, 6, 9, 20, 66].contains($0.set ?? 0) }
            },
            holds: { stock, ours in stock[.code].contains("stream2uac -1") && ours[.code].contains("stream2uac 1") }),
    ]

    /// What relays answer, or do not.
    private static let failures: [Difference] = [
        Difference(
            "all or nothing",
            "An offer or answer that fails for one stream leaves the message as it came, and sessions that it created are"
                + " deleted; the stock module leaves the streams before it changed.",
            in: [.body, .wire],
            where: { $0.named("reply/") && $0.carries("audio and video") || $0.named("failing/offer of two") },
            levels: { outcome in
                outcome[.body] = []
                outcome[.wire] = outcome[.wire].filter { !$0.contains(": D ") }
            },
            holds: { _, ours in ours[.body].joined().contains("c=IN IP4 192.0.2.10") }),
        Difference(
            "error replies",
            "A function that RTPProxy answers with an error returns -1 (but nothing to delete, E50, is no error of"
                + " rtpproxy_destroy); the stock module returns 1.",
            in: [.code],
            where: { test in
                test.named("reply/'E")
                    && test.runs("destroy", "unforce", "stream2uac", "stop2uac", "record")
            },
            holds: { stock, ours in ours[.code].allSatisfy { $0.hasSuffix(" -1") } }),
        Difference(
            "replies that are none",
            "A reply that is no protocol means that something else listens there: the relay is given up and another one"
                + " tried; the stock module goes on with it, or takes it for success.",
            in: Set(Aspect.allCases),
            where: { test in
                test.named("reply/'E' to") || test.named("reply/'words' to")
                    || test.named("failing/")
                        && ["nonsense", "empty", "no number", "negative"].contains { test.name.contains(", \($0)") }
            },
            holds: { stock, ours in stock[.disabled].isEmpty && !ours[.disabled].isEmpty }),
        Difference(
            "silence to any command",
            "A relay that does not answer is given up and the command tried on the others, whichever command it is, and the"
                + " function fails where none answers; the stock module does so for offers and answers only.",
            in: Set(Aspect.allCases),
            where: { test in
                ["destroy", "statistics", "prompt"].contains { test.named("failing/\($0), silence") }
            },
            holds: { stock, ours in stock[.wire].count == 1 && ours[.wire].count == 2 && ours[.disabled].count >= 2 }),
        Difference(
            "one relay for all streams",
            "All streams of a message go to one relay: where it falls silent midway, all of them are asked for again at the"
                + " next one; the stock module spreads them over two.",
            in: [.wire, .body], where: { $0.named("failing/offer of two streams, silence") },
            holds: { _, ours in ours[.body].joined().contains("c=IN IP4 192.0.2.10") && ours[.wire].count == 4 }),
        Difference(
            "who is dead",
            "A relay that has answered anything since the command was sent is looked at by the module's own process before it"
                + " counts as dead, which may be after the function has returned; the stock module gives it up at once.",
            in: [.rpc, .disabled], where: { $0.named("failing/") || $0.named("rpc/enable a dead one") }),
        Difference(
            "what a relay cannot do",
            "A relay that does not announce statistics or recording is not asked for them; the stock module asks.",
            in: Set(Aspect.allCases), where: { $0.named("set/20 stat") || $0.named("set/20 record") },
            holds: { stock, ours in stock[.wire].count == 1 && ours[.wire].isEmpty }),
        Difference(
            "a stream that the relay cannot serve",
            "A stream that the relay has no family for (E36, E37) is refused alone in the offer where others live; the stock"
                + " module leaves the message half changed and fails.",
            in: [.code, .body], where: { $0.named("reply/'E36' to the second stream") },
            holds: { _, ours in ours[.body].joined().contains("m=video 0 ") }),
        Difference(
            "relays that are full",
            "A relay that has no ports or memory left for a new session (E71, E72, E81 to E89, E98, E99) is not the end: the"
                + " other ones are asked; the stock module fails.",
            in: [.wire, .instance, .body], where: { $0.named("failing/") && $0.name.contains("error to create") },
            holds: { stock, ours in
                Set(ours[.wire].compactMap { $0.split(separator: ":").first }).count == 2 && ours[.disabled].isEmpty
            }),
        Difference(
            "instance of a failure",
            "The variable of rtp_inst_pvar holds an RTPProxy only where one was really asked; the stock module also"
                + " sets it where it finds afterwards that the message lacks what is needed.",
            in: [.instance], where: { _ in true }, holds: { stock, ours in stock[.wire].isEmpty && ours[.wire].isEmpty }
        ),
    ]

    /// When functions act.
    private static let functions: [Difference] = [
        Difference(
            "failed UPDATE or PRACK",
            "A refused UPDATE, PRACK or other request within the dialog leaves the call as it was: rtpproxy_manage returns"
                + " -1, for the refusal and in the failure_route; the stock module deletes the running call.",
            in: [.wire, .code, .instance],
            where: { test in
                test.runs("manage")
                    && test.steps.contains { step in
                        ["UPDATE", "PRACK"].contains(step.method) && step.status >= 300
                            || step.route == .failure && step.toTag && !["INVITE", "BYE"].contains(step.method)
                    }
            },
            holds: { stock, _ in stock[.wire].contains { $0.contains(": D ") } }),
        Difference(
            "refused or cancelled re-INVITE",
            "What ends a re-INVITE (a refusal, its failure_route, its CANCEL) leaves the call as it was: rtpproxy_manage"
                + " returns -1; the stock module deletes the running call.",
            in: [.wire, .code, .instance],
            where: { test in
                test.runs("manage")
                    && test.steps.contains { ["INVITE", "CANCEL"].contains($0.method) && $0.toTag }
            },
            holds: { stock, ours in
                stock[.wire].contains { $0.contains(": D ") } && ours[.code].contains("manage -1")
            }),
        Difference(
            "answer in a PRACK",
            "rtpproxy_answer takes the answer that a PRACK brings to an offer in a reliable 1xx; the stock module returns -1.",
            in: [.wire, .code, .body, .instance],
            where: { $0.runs("answer") && $0.steps.contains { $0.method == "PRACK" } }),
        Difference(
            "failure of a late offer",
            "rtpproxy_manage in a failure_route deletes the session of an INVITE without SDP too, which a provisional reply"
                + " may have created; the stock module leaves it to time out.",
            in: [.wire, .code, .instance], where: { $0.named("route/failure manage, body none") },
            holds: { _, ours in ours[.code] == ["manage 1"] }),
        Difference(
            "a call stays where it is",
            "A call goes on with the relay that it has, also when another one comes back or goes; the stock module chooses"
                + " anew for each message, and may ask a relay that does not know the call.",
            in: [.wire, .instance], where: { $0.named("rpc/disable") },
            holds: { _, ours in
                Set(ours[.instance].map { $0.split(separator: "@").last ?? "" }.filter { !$0.contains("null") }).count
                    == 1
            }),
        Difference(
            "both parties are recorded",
            "start_recording asks for both parties, with the tags in both orders, and fails where one is refused; the stock"
                + " module asks for the first tag's alone and returns 1 whatever is answered.",
            in: [.wire, .code],
            where: { $0.runs("record") },
            holds: { stock, ours in
                stock[.wire].count == 1 && ours[.wire].count == 2 && ours[.wire].contains(stock[.wire][0])
            }),
        Difference(
            "a failure route that goes on",
            "rtpproxy_manage in a failure_route deletes when the route has ended without another destination; the stock"
                + " module at once, and so sets rtp_inst_pvar within the route.",
            in: [.instance], where: { $0.named("route/failure manage, body audio") },
            holds: { stock, ours in stock[.wire] == ours[.wire] }),
        Difference(
            "numbers that are none",
            "rtpproxy.enable with a second parameter that is no number is refused with 400, and takes a number that is given"
                + " as text; the stock module says for both that there are not enough parameters.",
            in: Set(Aspect.allCases), where: { $0.named("rpc/enable [\"@a\", ") }),
        Difference(
            "twice on one message",
            "A second offer or answer on the same message returns -2 and changes nothing; the stock module glues both"
                + " results together (198.51.100.7198.51.100.7).",
            in: [.wire, .code, .body, .instance],
            where: { test in
                test.steps.contains { step in
                    step.calls.count { ["offer", "answer", "manage"].contains($0.function) } == 2
                }
            },
            holds: { _, ours in ours[.code].contains { $0.hasSuffix(" -2") } }),
    ]

    /// Which bodies are taken.
    private static let bodies: [Difference] = [
        Difference(
            "malformed descriptions",
            "A description that breaks the rules (no v=0, no port number, a port above 65535, lines that end in CR alone) is"
                + " refused with its line and reason in the log; the stock module passes it on to the relay.",
            in: [.wire, .code, .body, .instance], where: { $0.carries(.malformed) || $0.carries("CR alone") },
            holds: refused),
        Difference(
            "descriptions that readers read differently",
            "A CR within a line, a session without streams beside others, and whatever else some readers take for an address"
                + " or port and others do not, is refused with its line and reason; the stock module passes it on.",
            in: [.wire, .code, .body, .instance],
            where: { test in
                test.carries(
                    "CR in an unknown line", "CR before an address", "CR behind the address", "CR before a stream",
                    "session without streams behind", "session without streams first", "connection in capitals")
            },
            holds: refused),
        Difference(
            "malformed origin",
            "An o= line that holds no address stays as it is, and the rest is changed; the stock module refuses the whole"
                + " description.",
            in: [.wire, .code, .body, .instance],
            where: { test in
                test.carries(
                    "origin malformed", "origin of another type", "origin in lower case", "origin without address",
                    "origin empty")
            },
            holds: { _, ours in ours[.code].allSatisfy { $0.hasSuffix(" 1") } }),
        Difference(
            "m= line that ends behind the port",
            "An m= line may be the last one and end behind its port; the stock module refuses it.",
            in: [.wire, .code, .body, .instance], where: { $0.carries("port open") },
            holds: { _, ours in ours[.code].allSatisfy { $0.hasSuffix(" 1") } }),
        Difference(
            "more body types",
            "SDP without Content-Type and in multipart bodies of every kind is found; the stock module takes"
                + " multipart/mixed only.",
            in: [.wire, .code, .body, .instance],
            where: { test in
                test.carries("type missing")
                    || test.carries(
                        "multipart with preamble", "multipart alternative", "multipart related", "multipart nested")
            },
            holds: { stock, ours in
                stock[.code].allSatisfy { $0.hasSuffix(" -1") } && ours[.code].allSatisfy { $0.hasSuffix(" 1") }
            }),
        Difference(
            "one SDP part only",
            "A multipart body with two SDP parts is refused; the stock module takes all of them for one description.",
            in: [.wire, .code, .body, .instance], where: { $0.carries("multipart SDP twice") }, holds: refused),
    ]

    /// Which configurations are taken.
    private static let starts: [Difference] = [
        Difference(
            "mistakes show at start-up",
            "A configuration with a scheme, port, weight, time limit, number of tries or variable that cannot be is refused"
                + " at start-up, with the parameter and the text; the stock module starts and does something else.",
            in: [.code],
            where: { test in
                [
                    "unknown scheme", "port too high", "weight not a number", "rtpproxy_tout", "rtpproxy_retr",
                    "extra_id_pv nonsense", "timeout_socket with blank",
                ].contains { test.named("start/\($0)") }
            },
            holds: { stock, ours in ours[.code] == ["refuses"] }),
        Difference(
            "IPv6 in brackets",
            "The address of a udp6 URL may stand in brackets, udp6:[2001:db8::1]:22222; the stock module takes them for a"
                + " part of the name and does not start.",
            in: [.code], where: { $0.named("start/IPv6 in brackets") }, holds: { _, ours in ours[.code] == ["starts"] }),
        Difference(
            "names that do not resolve",
            "An RTPProxy whose name does not resolve starts disabled and is tried again like a dead one; the stock module"
                + " keeps Kamailio from starting.",
            in: [.code], where: { $0.named("start/a name that does not resolve") },
            holds: { _, ours in ours[.code] == ["starts"] }),
    ]
}
