// SPDX-License-Identifier: GPL-2.0-or-later
// The same description in bodies of other types, in parts, and with wrong lengths.

extension Body {
    private static let text = audio.bytes.reduce(into: "") { $0.unicodeScalars.append(Unicode.Scalar($1)) }

    private static func typed(_ name: String, _ type: String?) -> Body {
        Body(name, type: type, text)
    }

    private static func multipart(_ name: String, _ type: String, _ parts: String) -> Body {
        Body(name, type: type, parts)
    }

    private static let sdpPart = "--b1\r\nContent-Type: application/sdp\r\n\r\n\(text)\r\n"
    private static let textPart = "--b1\r\nContent-Type: text/plain\r\n\r\nhello\r\n"

    /// Types, parts, lengths.
    static let types: [Body] = [
        typed("type in capitals", "APPLICATION/SDP"),
        typed("type with parameter", "application/sdp;charset=utf-8"),
        typed("type with blank and parameter", "application/sdp ; charset=utf-8"),
        typed("type with blanks", "application / sdp"),
        typed("type missing", nil),
        typed("type text", "text/plain"),
        typed("type longer", "application/sdpx"),
        typed("type ISUP", "application/ISUP"),
        typed("type without subtype", "application"),
        Body("body missing", type: "application/sdp", ""),
        Body("length too small", text, length: "40"),
        Body("length before the streams", text + "m=video 6000 RTP/AVP 96\r\n", length: String(text.utf8.count)),
        Body("length too big", text, length: "400"),
        Body("length 0", text, length: "0"),
        Body("length not a number", text, length: "x"),
        multipart("multipart SDP alone", "multipart/mixed;boundary=b1", sdpPart + "--b1--\r\n"),
        multipart("multipart SDP first", "multipart/mixed;boundary=b1", sdpPart + textPart + "--b1--\r\n"),
        multipart("multipart SDP second", "multipart/mixed;boundary=b1", textPart + sdpPart + "--b1--\r\n"),
        multipart("multipart SDP twice", "multipart/mixed;boundary=b1", sdpPart + sdpPart + "--b1--\r\n"),
        multipart(
            "multipart alternative SDP twice", "multipart/alternative;boundary=b1", sdpPart + sdpPart + "--b1--\r\n"),
        multipart("multipart without SDP", "multipart/mixed;boundary=b1", textPart + "--b1--\r\n"),
        multipart("multipart boundary quoted", "multipart/mixed; boundary=\"b1\"", textPart + sdpPart + "--b1--\r\n"),
        multipart("multipart boundary missing", "multipart/mixed", sdpPart + "--b1--\r\n"),
        multipart("multipart boundary wrong", "multipart/mixed;boundary=b2", sdpPart + "--b1--\r\n"),
        multipart("multipart not closed", "multipart/mixed;boundary=b1", textPart + sdpPart),
        multipart(
            "multipart with preamble", "multipart/mixed;boundary=b1", "hello\r\n" + sdpPart + "--b1--\r\nbye\r\n"),
        multipart("multipart alternative", "multipart/alternative;boundary=b1", textPart + sdpPart + "--b1--\r\n"),
        multipart("multipart related", "multipart/related;boundary=b1", sdpPart + "--b1--\r\n"),
        multipart(
            "multipart part in capitals", "Multipart/Mixed;Boundary=b1",
            "--b1\r\nCONTENT-TYPE: APPLICATION/SDP\r\nContent-ID: <x>\r\n\r\n\(text)\r\n--b1--\r\n"),
        multipart(
            "multipart nested", "multipart/mixed;boundary=b0",
            "--b0\r\nContent-Type: multipart/alternative;boundary=b1\r\n\r\n\(textPart)\(sdpPart)--b1--\r\n--b0--\r\n"),
        multipart(
            "multipart LF", "multipart/mixed;boundary=b1",
            (textPart + sdpPart + "--b1--\r\n").replacing("\r\n", with: "\n")),
        multipart(
            "multipart part without type", "multipart/mixed;boundary=b1", "--b1\r\n\r\n\(text)\r\n--b1--\r\n"),
    ]

    /// A body of these tables by its name.
    static func called(_ name: String) -> Body {
        (descriptions + types).first { $0.name == name } ?? none
    }
}
