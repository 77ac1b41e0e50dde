// SPDX-License-Identifier: GPL-2.0-or-later
// In which form a media stream goes on: as it came, as WebRTC, as plain RTP.

package import Bytes

/// What a media stream becomes for its receiver.
package enum StreamForm: Equatable, Sendable, BitwiseCopyable {
    /// What it came as.
    case asItCame
    /// RTP without ICE and DTLS: `RTP/AVP`.
    case plain
    /// RTP with ICE and DTLS-SRTP.
    case webRTC(WebRTCEnd)
}

/// The relay's end of a stream that its receiver has as WebRTC. The ranges are those of the addresses that are passed
/// beside it. Of a stream that no relay takes only `mid` counts.
package struct WebRTCEnd: Equatable, Sendable, BitwiseCopyable {
    /// The relay's SHA-256 fingerprint: 32 pairs of digits with colons between.
    package var fingerprint = ByteRange.empty
    /// The relay's user name fragment and password of ICE.
    package var ufrag = ByteRange.empty
    package var password = ByteRange.empty
    /// In an answer the `a=mid:` of the offer's stream. Empty: that of the description, where each of its streams has
    /// one and no two have the same; else the number of the stream, from 0.
    package var mid = ByteRange.empty
    /// `actpass` in an offer, `active` or `passive` in an answer (RFC 5763 section 5).
    package var setup = SetupAttribute.actpass
    /// The transport protocol: an answer has that of the offer (RFC 3264 section 6).
    package var transport = SecureTransport.browsers
    /// Whether it has `a=rtcp-mux`: an answer may where the offer has (RFC 5761 section 5.1.1).
    package var multiplexes = true

    package init() {}
}

/// The transport protocols by which DTLS-SRTP is offered.
package enum SecureTransport: UInt8, Sendable, BitwiseCopyable {
    /// What browsers insist on (RFC 5764 section 8), and what any other one counts as.
    case browsers = 0
    /// The same without feedback, as some phones have it.
    case withoutFeedback
    /// What clients have that are older than RFC 8843.
    case savpf, savp
    /// Where encryption is left to who answers (RFC 8643).
    case avpf, avp

    package init(_ bytes: Span<UInt8>, _ range: ByteRange) {
        var other = Self.avp.rawValue
        while other > 0, let transport = SecureTransport(rawValue: other),
            !bytes.equalsIgnoringCase(range, transport.text)
        {
            other &-= 1
        }
        self = SecureTransport(rawValue: other) ?? .browsers
    }

    var text: StaticString {
        switch self {
        case .browsers: "UDP/TLS/RTP/SAVPF"
        case .withoutFeedback: "UDP/TLS/RTP/SAVP"
        case .savpf: "RTP/SAVPF"
        case .savp: "RTP/SAVP"
        case .avpf: "RTP/AVPF"
        case .avp: "RTP/AVP"
        }
    }
}

extension StreamForm {
    /// The lines that do not come along.
    var removal: Removal {
        switch self {
        case .asItCame: 0
        case .plain: Removal.plain
        case .webRTC: Removal.webRTC
        }
    }

    /// The relay's end, where the receiver has WebRTC.
    var webRTCEnd: WebRTCEnd? {
        if case .webRTC(let end) = self { return end }
        return nil
    }
}

extension MediaStream {
    /// Whether the transport protocol is a profile of SRTP: `RTP/SAVP`, `RTP/SAVPF`, alone or behind `UDP/TLS/`.
    package func isSecured(in body: Span<UInt8>) -> Bool {
        guard isRTP else { return false }
        let start = transport.count > 9 ? transport.start &+ 8 : transport.start
        return body.byte(at: start &+ 4).map(lowercased) == UInt8(ascii: "s")
    }
}
