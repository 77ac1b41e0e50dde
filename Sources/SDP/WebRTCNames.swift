// SPDX-License-Identifier: GPL-2.0-or-later
// Which attribute a line has, of those that matter between WebRTC and plain RTP, and where it has to go.

internal import Bytes

/// An attribute that has a meaning for WebRTC, and another one or none for plain RTP.
enum WebRTCName {
    case fingerprint, setup, ufrag, password, candidate, mid, multiplexing, options, lite, group
    /// `sendrecv`, `sendonly`, `recvonly`, `inactive`.
    case direction
    /// The others of ICE and DTLS, and those of one transport for several streams.
    case transport
    /// `a=crypto:` (RFC 4568), which neither end may go by where RTPProxy ends DTLS.
    case crypto
    /// `a=rtcp:` (RFC 3605): there is no such port beside `a=rtcp-mux`.
    case rtcp
    /// `a=rtcp-fb:` (RFC 4585).
    case feedback
    /// What else a browser says of its media: a phone has no use for it.
    case browsers

    /// The attribute whose name `range` is, letters in either case; nil where it is another.
    @inline(never)
    init?(_ bytes: Span<UInt8>, _ range: ByteRange) {
        func isName(_ name: StaticString) -> Bool { bytes.equalsIgnoringCase(range, name) }
        switch range.count {
        case 3 where isName("mid"): self = .mid
        case 4 where isName("rtcp"): self = .rtcp
        case 5 where isName("setup"): self = .setup
        case 5 where isName("group"): self = .group
        case 6 where isName("crypto"): self = .crypto
        case 6 where isName("tls-id"): self = .transport
        case 7 where isName("ice-pwd"): self = .password
        case 7 where isName("rtcp-fb"): self = .feedback
        case 8 where isName("rtcp-mux"): self = .multiplexing
        case 8 where isName("ice-lite"): self = .lite
        case 8 where isName("sendrecv") || isName("sendonly") || isName("recvonly") || isName("inactive"):
            self = .direction
        case 9 where isName("candidate"): self = .candidate
        case 9 where isName("ice-ufrag"): self = .ufrag
        case 11 where isName("fingerprint"): self = .fingerprint
        case 11 where isName("ice-options"): self = .options
        case 11 where isName("bundle-only"): self = .transport
        case 13 where isName("rtcp-mux-only"): self = .transport
        case 17 where isName("remote-candidates") || isName("end-of-candidates"): self = .transport
        case 3 where isName("rid"), 4 where isName("msid") || isName("ssrc"), 6 where isName("extmap"),
            9 where isName("simulcast"), 10 where isName("rtcp-rsize") || isName("ssrc-group"),
            13 where isName("msid-semantic"), 18 where isName("extmap-allow-mixed"):
            self = .browsers
        default:
            guard bytes.hasPrefixIgnoringCase(range, "ice-") else { return nil }
            self = .transport
        }
    }

    /// Where a line of it goes; `isAudio`: it belongs to a stream of audio.
    func removal(isAudio: Bool) -> Removal {
        switch self {
        case .fingerprint, .setup, .ufrag, .password, .candidate, .mid, .multiplexing, .options, .lite, .group,
            .transport, .crypto:
            Removal.plain | Removal.webRTC
        case .rtcp: Removal.webRTC
        case .feedback: isAudio ? Removal.plain : 0
        case .browsers: Removal.plain
        case .direction: Removal.held
        }
    }
}

/// On which ways a line does not come along: a sum of the values below.
typealias Removal = UInt8

extension Removal {
    /// Where the receiver has plain RTP.
    static var plain: Removal { 1 }
    /// Where the receiver has WebRTC: what is needed is written anew.
    static var webRTC: Removal { 2 }
    /// Where the receiver has WebRTC, and the null address has to become a direction.
    static var held: Removal { 4 }
    /// Besides: it stands before the `t=` of its session, where no attribute belongs (RFC 8866 section 5).
    static var early: Removal { 8 }
}

/// A place where the form of a description may change. Marks are noted in the order in which they stand in the body.
struct FormMark: BitwiseCopyable {
    enum Kind {
        /// The transport protocol of an `m=` line.
        case transport
        /// One line or several that follow each other.
        case lines
        /// Before the first `m=` of a session, an empty range.
        case sessionEnd
        /// Behind the last line of a media stream that all readers read, an empty range.
        case streamEnd
    }

    let kind: Kind
    /// Index of the session.
    let session: Int
    /// Index of the stream; -1: lines of the session.
    let stream: Int
    /// Where lines go.
    let removal: Removal
    let range: ByteRange
}
