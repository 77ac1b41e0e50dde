// SPDX-License-Identifier: GPL-2.0-or-later
// A message body with its type, and the builders of the tables.

import Foundation

/// What a message carries.
struct Body: Sendable {
    /// What the rules ask of a body.
    enum Property: Sendable {
        /// More than one media stream.
        case severalStreams
        /// Not to be taken: -1 expected from a careful module.
        case malformed
    }

    var name: String
    /// nil: no Content-Type header.
    var type: String? = "application/sdp"
    var bytes: [UInt8]
    /// Written instead of the true length.
    var length: String?
    var properties: Set<Property> = []

    init(
        _ name: String, type: String? = "application/sdp", _ text: String, length: String? = nil,
        _ properties: Property...
    ) {
        self.name = name
        self.type = type
        self.length = length
        self.properties = Set(properties)
        bytes = Array(text.utf8)
    }

    /// Lines that end in CRLF.
    static func lines(_ name: String, _ lines: [String], _ properties: Property...) -> Body {
        var body = Body(name, lines.map { $0 + "\r\n" }.joined())
        body.properties = Set(properties)
        return body
    }

    /// The lines before the streams of a usual session.
    static func head(_ address: String? = "192.0.2.10", origin: String = "192.0.2.10") -> [String] {
        let family = { (text: String) in text.contains(":") ? "IP6" : "IP4" }
        return ["v=0", "o=- 1 1 IN \(family(origin)) \(origin)", "s=-"]
            + (address.map { ["c=IN \(family($0)) \($0)"] } ?? []) + ["t=0 0"]
    }

    static let audio = Body.lines("audio", head() + ["m=audio 5004 RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000"])
    static let audioVideo = Body.lines(
        "audio and video",
        head() + ["m=audio 5004 RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000", "m=video 5006 RTP/AVP 96", "a=sendrecv"],
        .severalStreams)
    static let ipv6 = Body.lines(
        "IPv6", head("2001:db8::10", origin: "2001:db8::10") + ["m=audio 5004 RTP/AVP 0", "a=sendrecv"])
    /// No body at all: neither Content-Type nor a byte.
    static let none = Body("none", type: nil, "")
}
