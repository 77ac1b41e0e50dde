// SPDX-License-Identifier: GPL-2.0-or-later
// The INVITEs whose instructions are counted, sent one after the other.

import BenchPrograms
import Foundation
import TestSupport

/// An offer of a kind that endpoints send.
struct OfferBody: Sendable {
    let name: String
    let streams: Int
    let text: String

    /// The telephone's: audio of three formats, once or several times.
    static func telephone(_ streams: Int) -> OfferBody {
        var text = "v=0\r\no=alice 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
        for stream in 1...streams {
            text += "m=audio \(10000 + 2 * stream) RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
            text += "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendrecv\r\n"
        }
        return OfferBody(name: streams == 1 ? "1 stream" : "\(streams) streams", streams: streams, text: text)
    }

    /// A browser's: audio and video, each with an address of its own, candidates, and so many lines that it has `size`
    /// bytes or a few more.
    static func browser(_ size: Int) -> OfferBody {
        var text = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
        text += "a=extmap-allow-mixed\r\na=msid-semantic: WMS 9a3d\r\n"
        for (index, media) in ["audio", "video"].enumerated() {
            let port = 50002 + 2 * index
            let formats = index == 0 ? "111 63 9 0 8 13 110 126" : "96 97 98 99 100"
            text += "m=\(media) \(port) UDP/TLS/RTP/SAVPF \(formats)\r\n"
            text += "c=IN IP4 198.51.100.17\r\na=rtcp:\(port + 1) IN IP4 198.51.100.17\r\n"
            for (type, address) in [("host", "192.168.1.20"), ("srflx", "198.51.100.17"), ("relay", "203.0.113.50")] {
                text += "a=candidate:\(type.count)14233 1 udp 2122260223 \(address) \(port) typ \(type)"
                text += " generation 0\r\n"
            }
            text += "a=ice-ufrag:F7gI\r\na=ice-pwd:x9cml/YzichV2+XlhiMu8g\r\n"
            text += "a=fingerprint:sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0:3E:FD:34:8E:5E:"
            text += "EA:6F:AF:52:CE:E6:0F\r\na=setup:actpass\r\n"
            text += "a=mid:\(index)\r\na=sendrecv\r\na=rtcp-mux\r\n"
            var number = 0
            while text.utf8.count < size / 2 * (index + 1) {
                let type = 96 + number / 4 % 32
                switch number % 4 {
                case 0: text += "a=rtpmap:\(type) H264/90000\r\n"
                case 1: text += "a=rtcp-fb:\(type) nack pli\r\n"
                case 2: text += "a=fmtp:\(type) level-asymmetry-allowed=1;packetization-mode=1\r\n"
                default: text += "a=ssrc:\(3570614608 + number) cname:4TOk42mSjXCkVIa6\r\n"
                }
                number += 1
            }
        }
        let kilobytes = String(format: "%.1f", Double(text.utf8.count) / 1000)
        return OfferBody(name: "WebRTC, \(kilobytes) KB, 2 streams", streams: 2, text: text)
    }

    static let all = [telephone(1), telephone(2), telephone(8), browser(1780), browser(10680)]

    /// An INVITE with this body for the script's user `offer` or `plain`.
    func invite(_ user: String, number: Int, local: UInt16) -> String {
        let digits = String(format: "%08d", number)
        return """
            INVITE sip:\(user)@127.0.0.1:\(local) SIP/2.0\r
            Via: SIP/2.0/UDP 127.0.0.1:\(local);branch=z9hG4bK-0badcafe-1-\(digits)\r
            From: "Alice" <sip:alice@example.com>;tag=a-0badcafe-\(digits)\r
            To: <sip:\(user)@example.com>\r
            Call-ID: 0badcafe-\(digits)@192.0.2.10\r
            CSeq: 1 INVITE\r
            Max-Forwards: 70\r
            Contact: <sip:alice@127.0.0.1:\(local)>\r
            User-Agent: a telephone\r
            Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, PRACK\r
            Content-Type: application/sdp\r
            Content-Length: \(text.utf8.count)\r
            \r
            \(text)
            """
    }

    /// The ports of the `m=` lines of a message.
    static func ports(of message: String) -> [Int] {
        message.components(separatedBy: "\r\nm=").dropFirst().map { Int($0.split(separator: " ")[1]) ?? 0 }
    }

    /// Whether `forwarded` names the relay for each stream, or nobody where the module was not asked.
    func isRight(_ forwarded: String, isOffer: Bool) -> Bool {
        let relayed = (1...streams).map { Int(BENCH_RELAY_PORT) + 2 * $0 }
        return Self.ports(of: forwarded) == (isOffer ? relayed : Self.ports(of: "\r\n" + text))
            && forwarded.contains("\r\nc=IN IP4 \(BENCH_RELAY_ADDRESS)\r\n") == isOffer
    }
}
