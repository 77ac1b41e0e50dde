// SPDX-License-Identifier: GPL-2.0-or-later
// The bodies that the comparison sends: session descriptions of every shape.

extension Body {
    /// Session descriptions in one application/sdp body.
    static let descriptions: [Body] = streams + connections + holds + endings + attributes + faults

    private static let stream = ["m=audio 5004 RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000"]

    private static func of(_ name: String, _ media: [String], _ properties: Property...) -> Body {
        var body = lines(name, head() + media)
        body.properties = Set(properties)
        return body
    }

    static let streams: [Body] = [
        audio, audioVideo, ipv6,
        of(
            "three streams", ["m=audio 5004 RTP/AVP 0", "m=video 5006 RTP/AVP 96", "m=audio 5008 RTP/AVP 8"],
            .severalStreams),
        of("eight streams", (0..<8).map { "m=audio \(5004 + 2 * $0) RTP/AVP 0" }, .severalStreams),
        of("port 0", ["m=audio 0 RTP/AVP 0"]),
        of("second port 0", ["m=audio 5004 RTP/AVP 0", "m=video 0 RTP/AVP 96"], .severalStreams),
        of("first port 0", ["m=audio 0 RTP/AVP 0", "m=video 5006 RTP/AVP 96"], .severalStreams),
        of("two ports", ["m=audio 5004/2 RTP/AVP 0"]),
        of("one port spelled out", ["m=audio 5004/1 RTP/AVP 0"]),
        of("port 0 twice", ["m=audio 0/2 RTP/AVP 0"]),
        of("port with zeros", ["m=audio 05004 RTP/AVP 0"]),
        of("port 65535", ["m=audio 65535 RTP/AVP 0"]),
        of("port 1", ["m=audio 1 RTP/AVP 0"]),
        of("port as answered", ["m=audio 30002 RTP/AVP 0"]),
        of("fields far apart", ["m=audio  5004  RTP/AVP  0"]),
        of("profile SAVP", ["m=audio 5004 RTP/SAVP 0 8"]),
        of("profile AVPF", ["m=audio 5004 RTP/AVPF 0 8"]),
        of("profile SAVPF", ["m=audio 5004 RTP/SAVPF 0 8"]),
        of("profile DTLS", ["m=audio 5004 UDP/TLS/RTP/SAVPF 0 8"]),
        of("profile TCP DTLS", ["m=audio 5004 TCP/DTLS/RTP/SAVPF 0 8"]),
        of("profile T.38", ["m=image 5004 udptl t38"]),
        of("profile MSRP", ["m=message 5004 TCP/MSRP *"]),
        of("profile in lower case", ["m=audio 5004 rtp/avp 0 8"]),
        of("payload types none", ["m=audio 5004 RTP/AVP"]),
        of("payload types not numbers", ["m=audio 5004 RTP/AVP 0 x 8"]),
        of("payload types beyond 127", ["m=audio 5004 RTP/AVP 0 0 128 8"]),
        of("payload types many", ["m=audio 5004 RTP/AVP " + (0..<60).map(String.init).joined(separator: " ")]),
        of("payload types blank at the end", ["m=audio 5004 RTP/AVP 0 8 "]),
    ]

    private static func origin(_ name: String, _ value: String) -> Body {
        lines(name, ["v=0", "o=" + value, "s=-", "c=IN IP4 192.0.2.10"] + stream)
    }

    static let connections: [Body] = [
        lines("stream connection", head(nil) + ["m=audio 5004 RTP/AVP 0", "c=IN IP4 192.0.2.20"]),
        lines(
            "both connections", head() + ["m=audio 5004 RTP/AVP 0", "c=IN IP4 192.0.2.20", "a=sendrecv"]),
        lines(
            "second stream's connection",
            head() + ["m=audio 5004 RTP/AVP 0", "m=video 5006 RTP/AVP 96", "c=IN IP4 192.0.2.20"], .severalStreams),
        lines(
            "first stream's connection",
            head() + ["m=audio 5004 RTP/AVP 0", "c=IN IP4 192.0.2.20", "m=video 5006 RTP/AVP 96"], .severalStreams),
        lines(
            "each stream's connection",
            head(nil) + [
                "m=audio 5004 RTP/AVP 0", "c=IN IP4 192.0.2.20", "m=video 5006 RTP/AVP 96", "c=IN IP4 192.0.2.21",
            ], .severalStreams),
        lines(
            "connections all over",
            head() + [
                "m=audio 5004 RTP/AVP 0", "c=IN IP4 192.0.2.20", "m=video 5006 RTP/AVP 96", "c=IN IP4 192.0.2.21",
            ], .severalStreams),
        lines(
            "IPv6 stream in IPv4 session",
            head() + ["m=audio 5004 RTP/AVP 0", "m=video 5006 RTP/AVP 96", "c=IN IP6 2001:db8::20"], .severalStreams),
        lines(
            "IPv4 stream in IPv6 session",
            head("2001:db8::10") + ["m=audio 5004 RTP/AVP 0", "c=IN IP4 192.0.2.20"]),
        lines("multicast", head("224.2.1.1/127") + stream),
        lines("connection is a name", head("media.example.com") + stream),
        lines("connection in lower case", ["v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", "c=in ip4 192.0.2.10"] + stream),
        lines("connection in capitals", head() + stream + ["C=IN IP4 192.0.2.20"]),
        lines("connection with blanks", ["v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", "c=IN  IP4  192.0.2.10"] + stream),
        lines(
            "connection with a blank at the end",
            ["v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", "c=IN IP4 192.0.2.10 "] + stream),
        lines(
            "two session connections",
            ["v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", "c=IN IP4 192.0.2.10", "c=IN IP4 192.0.2.11"] + stream),
        lines(
            "two connections of a stream",
            head(nil) + ["m=audio 5004 RTP/AVP 0", "c=IN IP4 192.0.2.20", "c=IN IP4 192.0.2.21"]),
        lines(
            "two sessions",
            head() + ["m=audio 5004 RTP/AVP 0"] + head("192.0.2.30", origin: "192.0.2.30") + ["m=audio 6004 RTP/AVP 8"],
            .severalStreams),
        lines(
            "two sessions with stream connections",
            head(nil) + ["m=audio 5004 RTP/AVP 0", "c=IN IP4 192.0.2.20"] + head(nil)
                + ["m=audio 6004 RTP/AVP 8", "c=IN IP4 192.0.2.21"], .severalStreams),
        lines("session without streams behind", head() + stream + head("192.0.2.30")),
        lines("session without streams first", head("192.0.2.30") + head() + stream),
        lines(
            "origin is a name", ["v=0", "o=alice 1 1 IN IP4 host.example.com", "s=-", "c=IN IP4 192.0.2.10"] + stream),
        lines("origin of other family", head("192.0.2.10", origin: "2001:db8::10") + stream),
        lines("origin malformed", ["v=0", "o=alice", "s=-", "c=IN IP4 192.0.2.10"] + stream),
        origin("origin without user name", " 25 27 IN IP4 192.0.2.10"),
        origin("origin without version", "- 25 IN IP4 192.0.2.10"),
        origin("origin of network and address alone", "IN IP4 192.0.2.10"),
        origin("origin with a user name of several words", "Alice B. 25 27 IN IP4 192.0.2.10"),
        origin("origin with further words", "- 25 27 IN IP4 192.0.2.10 x"),
        origin("origin of another net", "- 25 27 LOCAL IP4 192.0.2.10"),
        origin("origin of another type", "- 25 27 IN IP5 192.0.2.10"),
        origin("origin in lower case", "- 25 27 in ip4 192.0.2.10"),
        origin("origin with a blank at the end", "- 25 27 IN IP4 192.0.2.10 "),
        origin("origin without address", "- 25 27 IN IP4"),
        origin("origin empty", ""),
        lines("connection family wrong", ["v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", "c=IN IP6 192.0.2.10"] + stream),
    ]

    static let holds: [Body] = [
        lines("hold", head("0.0.0.0") + stream),
        lines("hold and origin", head("0.0.0.0", origin: "0.0.0.0") + stream),
        lines("hold of a stream", head() + ["m=audio 5004 RTP/AVP 0", "c=IN IP4 0.0.0.0"]),
        lines(
            "hold of the second stream",
            head() + ["m=audio 5004 RTP/AVP 0", "m=video 5006 RTP/AVP 96", "c=IN IP4 0.0.0.0"], .severalStreams),
        lines("hold IPv6", head("::", origin: "2001:db8::10") + stream),
        lines("hold IPv6 spelled out", head("0:0:0:0:0:0:0:0", origin: "2001:db8::10") + stream),
        lines("hold by attribute", head() + stream + ["a=sendonly"]),
        lines("inactive", head() + stream + ["a=inactive"]),
    ]

    private static func ended(_ name: String, _ end: String, last: String) -> Body {
        Body(name, (head() + stream).joined(separator: end) + last)
    }

    static let endings: [Body] = [
        ended("LF", "\n", last: "\n"),
        ended("last line open", "\r\n", last: ""),
        ended("last line open after LF", "\n", last: ""),
        ended("last line CR", "\r\n", last: "\r"),
        ended("last line LF", "\r\n", last: "\n"),
        ended("CR alone", "\r", last: "\r"),
        ended("CR CRLF", "\r\r\n", last: "\r\r\n"),
        ended("three CR and LF", "\r\r\r\n", last: "\r\r\r\n"),
        Body("last line CR CRLF", (head() + stream).map { $0 + "\r\n" }.joined() + "a=sendrecv\r\r\n"),
        Body(
            "connection CR CRLF",
            head().joined(separator: "\r\n").replacing("192.0.2.10\r\nt=", with: "192.0.2.10\r\r\nt=") + "\r\n"
                + stream.joined(separator: "\r\n")),
        Body("CR in an unknown line", (head() + ["i=a\rb"] + stream).map { $0 + "\r\n" }.joined()),
        Body("CR before an address", (head() + stream + ["a=x\rc=IN IP4 192.0.2.20"]).map { $0 + "\r\n" }.joined()),
        Body("CR behind the address", (head("192.0.2.10\rx") + stream).map { $0 + "\r\n" }.joined()),
        Body("CR before a stream", (head() + stream + ["a=x\rm=audio 6004 RTP/AVP 0"]).map { $0 + "\r\n" }.joined()),
        ended("empty line at the end", "\r\n", last: "\r\n\r\n"),
        Body("media line open", head().map { $0 + "\r\n" }.joined() + "m=audio 5004 RTP/AVP 0"),
        Body(
            "connection line open",
            head(nil).map { $0 + "\r\n" }.joined() + "m=audio 5004 RTP/AVP 0\r\nc=IN IP4 192.0.2.20"),
        Body("port open", head().map { $0 + "\r\n" }.joined() + "m=audio 5004"),
        lines("empty line in the middle", head() + [""] + stream),
        lines("empty line first", [""] + head() + stream),
        lines("line before the version", ["a=first"] + head() + stream),
        lines("unknown lines", head() + ["x=whatever", "y", "=", "m", "c="].dropLast() + stream + ["z=\u{1}\u{7}"]),
        lines("bytes above 127", head() + ["i=\u{e9}\u{4e2d}"] + stream),
        Body("NUL", head().map { $0 + "\r\n" }.joined() + "i=a\u{0}b\r\n" + stream.map { $0 + "\r\n" }.joined()),
        lines("long line", head() + ["i=" + String(repeating: "x", count: 3000)] + stream),
    ]

    private static let candidate = "a=candidate:1 1 UDP 2130706431 192.0.2.10 5004 typ host"

    static let attributes: [Body] = [
        of("RTCP", stream + ["a=rtcp:5005"]),
        of("RTCP with address", stream + ["a=rtcp:5005 IN IP4 192.0.2.10"]),
        of("RTCP empty", stream + ["a=rtcp:"]),
        of("RTCP with blanks", stream + ["a=rtcp: 4001 "]),
        of("RTCP with a blank before", stream + ["a=rtcp: 4001"]),
        of("RTCP with a blank behind", stream + ["a=rtcp:4001 "]),
        of("RTCP with blanks and address", stream + ["a=rtcp: 4001 IN IP4 192.0.2.10 "]),
        of("RTCP a blank", stream + ["a=rtcp: "]),
        of("RTCP a word", stream + ["a=rtcp:x"]),
        of("RTCP in capitals", stream + ["a=RTCP:4001"]),
        of("RTCP of the session", ["a=rtcp:5005"] + stream),
        of("RTCP twice", stream + ["a=rtcp:5005", "a=rtcp:5007"]),
        of("RTCP feedback", stream + ["a=rtcp-fb:* nack", "a=rtcp-mux"]),
        of("RTCP of port 0", ["m=audio 0 RTP/AVP 0", "a=rtcp:5005"]),
        of(
            "RTCP of both streams",
            ["m=audio 5004 RTP/AVP 0", "a=rtcp:5005", "m=video 5006 RTP/AVP 96", "a=rtcp:5007"], .severalStreams),
        of("marker", stream + ["a=nortpproxy:yes"]),
        of("marker of the session", ["a=nortpproxy:yes"] + stream),
        of("marker within a line", stream + ["a=x:a=nortpproxy:yes"]),
        of("marker cut short", stream + ["a=nortpproxy:ye"]),
        of("marker goes on", stream + ["a=nortpproxy:yesterday"]),
        of("marker of another kind", stream + ["a=nortpproxy:no"]),
        Body("marker after LF", (head() + stream + ["a=nortpproxy:yes"]).map { $0 + "\n" }.joined()),
        Body("marker open", (head() + stream + ["a=nortpproxy:yes"]).joined(separator: "\r\n")),
        of("own marker", stream + ["a=sdpmangled:yes"]),
        of("candidates", stream + [candidate, candidate.replacing(" 1 UDP", with: " 2 UDP")]),
        of("candidates first", ["m=audio 5004 RTP/AVP 0", candidate, "a=sendrecv"]),
        of(
            "candidates of the second stream",
            ["m=audio 5004 RTP/AVP 0", "m=video 5006 RTP/AVP 96", candidate, "a=sendrecv"], .severalStreams),
        of(
            "candidates of both streams",
            ["m=audio 5004 RTP/AVP 0", candidate, "m=video 5006 RTP/AVP 96", candidate], .severalStreams),
        of("candidates spread", ["m=audio 5004 RTP/AVP 0", candidate, "a=sendrecv", candidate]),
        of("candidates of the session", [candidate] + stream),
        Body("candidates open", (head() + stream + [candidate]).joined(separator: "\r\n")),
        Body("candidates after LF", (head() + stream + [candidate]).map { $0 + "\n" }.joined()),
    ]

    static let faults: [Body] = [
        Body("empty session", "\r\n", .malformed),
        lines("no version", Array(head().dropFirst()) + stream, .malformed),
        lines("version 1", ["v=1"] + head().dropFirst() + stream, .malformed),
        lines("no origin", ["v=0", "s=-", "c=IN IP4 192.0.2.10"] + stream, .malformed),
        lines("no streams", head(), .malformed),
        lines("no connection", head(nil) + stream, .malformed),
        lines(
            "no connection for the second stream",
            head(nil) + ["m=audio 5004 RTP/AVP 0", "c=IN IP4 192.0.2.20", "m=video 5006 RTP/AVP 96"], .malformed,
            .severalStreams),
        of("port 65536", ["m=audio 65536 RTP/AVP 0"], .malformed),
        of("port 99999", ["m=audio 99999 RTP/AVP 0"], .malformed),
        of("port huge", ["m=audio 99999999999999999999 RTP/AVP 0"], .malformed),
        of("port negative", ["m=audio -1 RTP/AVP 0"], .malformed),
        of("port plus", ["m=audio +5004 RTP/AVP 0"], .malformed),
        of("port hexadecimal", ["m=audio 0x138c RTP/AVP 0"], .malformed),
        of("port a word", ["m=audio port RTP/AVP 0"], .malformed),
        of("port with a word", ["m=audio 5004x RTP/AVP 0"], .malformed),
        of("port missing", ["m=audio"], .malformed),
        of("port count a word", ["m=audio 5004/x RTP/AVP 0"], .malformed),
        of("port count missing", ["m=audio 5004/ RTP/AVP 0"], .malformed),
        lines("connection empty", ["v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", "c="] + stream, .malformed),
        lines(
            "connection of another net", ["v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", "c=ATM NSAP 47"] + stream,
            .malformed),
        lines(
            "connection of another type", ["v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", "c=IN IP5 192.0.2.10"] + stream,
            .malformed),
        lines(
            "connection without address", ["v=0", "o=- 1 1 IN IP4 192.0.2.10", "s=-", "c=IN IP4"] + stream, .malformed),
        Body("words", "this is no session description\r\n", .malformed),
    ]
}
