// SPDX-License-Identifier: GPL-2.0-or-later
// RTP profiles and payload types.

import Bytes
import SDP
import Testing

@Suite struct MediaStreamTests {
    /// What is added for an `m=` line with this transport protocol and these formats, nil for nothing.
    private func payloadTypes(_ media: String) throws -> String? {
        let body = Array("v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\nc=IN IP4 10.0.0.1\r\nm=audio 5000 \(media)\r\n".utf8)
        var description = SessionDescription()
        try description.parse(body.span, body.span.all)
        var output = Array("c".utf8)
        let isAdded = try #require(description.streams.first).appendPayloadTypes(in: body.span, to: &output)
        #expect(isAdded == (output.count > 1))
        return isAdded ? String(decoding: output.dropFirst(), as: UTF8.self) : nil
    }

    @Test(arguments: [
        "RTP/AVP", "RTP/SAVP", "RTP/AVPF", "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/AVP",
        "rtp/avp", "Rtp/Savpf", "udp/tls/rtp/savp",
    ])
    func rtpProfilesHavePayloadTypes(_ transport: String) throws {
        #expect(try payloadTypes(transport + " 0 8 101") == "0,8,101")
    }

    @Test(arguments: [
        "udptl", "TCP/MSRP", "TCP/TLS/MSRP", "UDP/BFCP", "UDP/DTLS/SCTP", "RTP/AVPX", "RTP/AV", "XRTP/AVP", "RTP",
        "TCP/", "TCP/RTP/AVP", "TCP/DTLS/RTP/SAVPF", "UDP/TLS/", "UDP/TLS/X/RTP/AVP", "RTP/AVP/X", "TCP/RTP/AVP/X",
        "rtp/avpx", "/RTP/AVP",
    ])
    func otherProfilesHaveNone(_ transport: String) throws {
        #expect(try payloadTypes(transport + " 0 8 101") == nil)
    }

    @Test func onlyNumbersArePayloadTypes() throws {
        #expect(try payloadTypes("RTP/AVP 0 * x 8x -1 128 99999999999 127 101 1.5") == "0,127,101")
    }

    @Test func payloadTypesAreWrittenWithoutZeroesInFront() throws {
        #expect(try payloadTypes("RTP/AVP 00 9 010 99 100 0000000000000000127 128 1270 1x1") == "0,9,10,99,100,127")
    }

    @Test func eachPayloadTypeIsNamedOnce() throws {
        #expect(try payloadTypes("RTP/AVP 96 0 96 0 64 64 63 127 127 00 008") == "96,0,64,63,127,8")
    }

    @Test(arguments: ["RTP/AVP", "RTP/AVP ", "RTP/AVP x", "RTP/AVP * 300", ""])
    func noneIsNoEmptyList(_ media: String) throws {
        #expect(try payloadTypes(media) == nil)
    }

    @Test func blanksBetweenFormatsDoNotMatter() throws {
        #expect(try payloadTypes("RTP/AVP \t 0  \t8 ") == "0,8")
    }
}
