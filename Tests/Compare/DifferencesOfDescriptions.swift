// SPDX-License-Identifier: GPL-2.0-or-later
// Deliberate differences from the other module: what becomes of the session description.

import Foundation

extension Difference {
    /// What becomes of the session description.
    static let descriptions: [Difference] = [
        Difference(
            "origin", .configuration,
            """
            **`rewrite_origin`** is new. Without it the address in `o=` is changed only with flag `o`; the other module
            changes it always.
            """,
            in: [.body], where: { !$0.hasFlag("o") },
            levels: { $0.edit(.body) { $0.lines(beginning: "o=", become: "o=*") } }),
        Difference(
            "origin on hold", .messages,
            """
            **Hold**: with flags `o` and `c` the addresses of `o=` and of the session's `c=` are RTPProxy's also where a
            stream holds; the other module writes the null address there.
            """,
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
            "null address in o=", .messages,
            """
            **The null address** never becomes that of an `o=` line, whoever gives it; the other module writes it there.
            """,
            in: [.body], where: { $0.calls.contains { $0.ip == "0.0.0.0" } },
            levels: { $0.edit(.body) { $0.lines(beginning: "o=", become: "o=*") } }),
        Difference(
            "family of the new address", .messages,
            """
            **The family behind `IN`** fits the address that is written; the other module takes the family that the
            relay answers, or IP4 if none.
            """,
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
            "brackets", .functions,
            """
            **`ip_address` in brackets** is written without them; the other module copies them into the SDP.
            """,
            in: [.body], where: { $0.calls.contains { $0.ip?.hasPrefix("[") == true } },
            levels: { $0.edit(.body) { $0.replacing("[", with: "").replacing("]", with: "") } },
            holds: { _, ours in !ours[.body].joined().contains("[") }),
        Difference(
            "line ends", .messages,
            """
            **Line ends** of added lines are the description's own, and an open last line is closed first; the other
            module mixes CRLF into descriptions with LF.
            """,
            in: [.body],
            where: { test in
                test.carries(
                    "LF", "last line open after LF", "last line CR", "last line LF", "multipart LF",
                    "candidates after LF", "marker after LF", "CR CRLF", "three CR and LF", "last line CR CRLF",
                    "connection CR CRLF")
            },
            levels: { outcome in outcome.edit(.body) { $0.withoutReturns } }),
        Difference(
            "blanks in c=", .messages,
            """
            **Blanks in a `c=` line** stay; the other module makes several one.
            """,
            in: [.body], where: { $0.carries("connection with blanks") },
            levels: { $0.edit(.body) { $0.replacing("  ", with: " ") } }),
        Difference(
            "several c= lines", .messages,
            """
            **Several `c=` lines** of a session or a stream all get the new address; the other module changes the first,
            and media may go around the relay.
            """,
            in: [.body], where: { $0.carries("two session connections", "two connections of a stream") },
            levels: { $0.edit(.body) { $0.lines(beginning: "c=", become: "c=*") } },
            holds: { _, ours in !ours[.body].joined().contains("c=IN IP4 192.0.2.") }),
        Difference(
            "several sessions", .messages,
            """
            **Several sessions in one body** each have their own `o=` and `c=` lines; the other module mixes them up: it
            sends one session's address with the other's stream and changes one `o=` line.
            """,
            in: [.body, .wire], where: { $0.carries("two sessions", "two sessions with stream connections") },
            levels: { outcome in
                outcome.edit(.body) { $0.lines(beginning: "o=", become: "o=*") }
                outcome.edit(.wire) { $0.replacing("192.0.2.30", with: "192.0.2.10") }
            }),
        Difference(
            "a=rtcp", .messages,
            """
            **Every `a=rtcp` line** of a stream gets the new port, also a second one, an empty one and one in capitals;
            the other module leaves those as they are.
            """,
            in: [.body], where: { $0.carries("RTCP empty", "RTCP twice", "RTCP a blank", "RTCP in capitals") },
            levels: { outcome in
                outcome.edit(.body) {
                    $0.lines(beginning: "a=rtcp:", become: "a=rtcp:*").lines(beginning: "a=RTCP:", become: "a=RTCP:*")
                }
            }),
        Difference(
            "origins of real phones", .messages,
            """
            **An `o=` line of another network** than `IN`, or with words behind the address, stays as it is with a
            warning; the other module changes such lines also.
            """,
            in: [.body], where: { $0.carries("origin with further words", "origin of another net") },
            levels: { $0.edit(.body) { $0.lines(beginning: "o=", become: "o=*") } },
            holds: { _, ours in
                ours[.body].joined().contains("o=- 25 27 IN IP4 192.0.2.10 x")
                    || ours[.body].joined().contains("o=- 25 27 LOCAL IP4 192.0.2.10")
            }),
        Difference(
            "mark behind Content-Length", .messages,
            """
            **A Content-Length beyond the body** gives -1. What stands behind a shorter one is read and changed as the
            rest, and the mark stands behind all of it; the other module puts the mark in between, in the middle of a
            line too.
            """,
            in: [.body], where: { $0.carries("length before the streams", "length too small") },
            levels: { $0.edit(.body) { $0.replacing("\r\na=nortpproxy:yes", with: "") } },
            holds: { _, ours in
                ours[.body].allSatisfy { $0.hasSuffix("a=nortpproxy:yes\r\n") && !$0.contains("192.0.2.10") }
            }),
        Difference(
            "streams that are off", .messages,
            """
            **A stream that is off** (port 0) needs no address, costs no command, and cannot fail the message; a later
            offer that turns one off deletes it. The other module asks RTPProxy for a port of it and fails with it. A
            stream with port `0/2` is off and stays so.
            """,
            in: [.wire, .code, .body, .instance],
            where: { $0.carries("port 0", "second port 0", "first port 0", "port 0 twice", "RTCP of port 0") },
            holds: { _, ours in
                ours[.code].allSatisfy { $0.hasSuffix(" 1") }
                    && ours[.wire].map { WireLine($0) }.allSatisfy { !$0.isMedia || $0.port != "0" }
            }),
        Difference(
            "streams over TCP", .messages,
            """
            **A stream over TCP** (`TCP/MSRP`, `TCP/BFCP`, `TCP/RTP/AVP` ...) stays where it is, for RTPProxy relays
            datagrams; the other module sends it to a UDP port.
            """,
            in: [.wire, .code, .body, .instance], where: { $0.carries("profile TCP DTLS", "profile MSRP") },
            holds: { _, ours in
                ours[.wire].isEmpty && ours[.body].joined().contains(" 5004 TCP/")
                    && ours[.code].allSatisfy { $0.hasSuffix(" 1") }
            }),
        Difference(
            "candidate priority", .messages,
            """
            **ICE candidates of high priority** have the highest priority that RFC 8445 allows; that of the other module
            is above it.
            """,
            in: [.body], where: { $0.named("candidates/") },
            levels: { outcome in
                outcome.edit(.body) {
                    $0.replacing("2197815295", with: "2147483647").replacing("2197815294", with: "2147483646")
                }
            }),
        Difference(
            "candidate order", .messages,
            """
            **ICE candidates** follow the stream's own ones, and stand in the order of their components; the other
            module writes them before the stream's last one, RTCP first.
            """,
            in: [.body], where: { $0.named("candidates/") },
            levels: { outcome in
                outcome.edit(.body) { text in
                    let lines = text.textLines
                    let added = lines.filter { $0.hasSuffix("typ relay") }.sorted()
                    return (lines.filter { !$0.hasSuffix("typ relay") } + added).joined(separator: "\n")
                }
            }),
    ]
}
