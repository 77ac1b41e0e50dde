// SPDX-License-Identifier: GPL-2.0-or-later
// What is joined to a command by ` && `: RTPProxy's modules for DTLS-SRTP and ICE, as values (control-protocol:
// sub-commands). Every word is checked here, as what it holds comes out of a session description.

package import Bytes

/// What makes a sub-command one that cannot be sent.
package enum SubCommandFault: Error, Equatable, Sendable {
    /// Not 32 pairs of hexadecimal digits with colons between them (RFC 8122 section 5).
    case fingerprint
    /// Not 4 to 256 characters of ICE (RFC 8839 section 5.4).
    case ufrag
    /// Not 22 to 256 of them.
    case password
    /// One that no relay takes.
    case candidate
    /// More than one command can have.
    case tooMany

    /// The reason for a log line.
    package var text: StaticString {
        switch self {
        case .fingerprint: "SDP: a=fingerprint is not SHA-256 and 32 pairs of hexadecimal digits"
        case .ufrag: "SDP: a=ice-ufrag is not as ICE has it"
        case .password: "SDP: a=ice-pwd is not as ICE has it"
        case .candidate: "SDP: an a=candidate cannot be sent to an RTPProxy"
        case .tooMany: "more sub-commands than an RTPProxy takes"
        }
    }
}

/// A candidate of ICE over UDP, of the component RTP (RFC 8839 section 5.1): ranges of the bytes it was read of.
package struct PeerCandidate: Equatable, Sendable, BitwiseCopyable {
    package var foundation: ByteRange
    /// Digits: 1 to 2^31 - 1.
    package var priority: ByteRange
    /// Numeric, of either family.
    package var address: ByteRange
    package var port: UInt16
    /// `host`, `srflx`, `prflx` or `relay`.
    package var type: ByteRange

    package init(foundation: ByteRange, priority: ByteRange, address: ByteRange, port: UInt16, type: ByteRange) {
        self.foundation = foundation
        self.priority = priority
        self.address = address
        self.port = port
        self.type = type
    }
}

/// One sub-command. `Peer` is about the leg whose description is in the command, `Self` about the other one: what the
/// relay says there of itself.
package enum SubCommand: Equatable, Sendable {
    /// `M4:1 S`: answered with `DTLSReply`.
    case dtlsSelf
    /// `M4:1 A` or, where the peer waits for the relay to begin (`a=setup:passive`), `M4:1 P`.
    case dtlsPeer(isPassive: Bool, fingerprint: ByteRange)
    /// `M4:1 D`: what was said of the peer no longer holds. Fails where nothing was.
    case dtlsEnd
    /// `M4:1 U`: the same of the other leg, which fails where `dtlsSelf` has not been asked either.
    case dtlsSelfEnd
    /// `M5:1 S`: answered with `ICEReply`.
    case iceSelf
    /// `M5:1 A`
    case icePeer(ufrag: ByteRange, password: ByteRange)
    /// `M5:1 C`: fails in front of `icePeer`.
    case iceCandidate(PeerCandidate)
    /// `M5:1 D`: the leg gets another ufrag. Fails where there is none.
    case iceEnd
    /// `M5:1 U`: the same of the other leg.
    case iceSelfEnd
}

/// Joins sub-commands to one command, as many as it can have.
package struct JoinedCommand: Sendable {
    /// How many a command can have (control-protocol: sub-commands).
    package static let maximumCount = 15
    /// How many there are.
    package private(set) var count = 0

    package init() {}

    /// Adds ` && ` and the sub-command to `text`; its ranges are of `bytes`. Adds nothing where it throws.
    package mutating func append(
        _ command: SubCommand, _ bytes: Span<UInt8>, to text: inout some ByteWriter
    ) throws(SubCommandFault) {
        guard count < Self.maximumCount else { throw .tooMany }
        if let fault = command.fault(bytes) { throw fault }
        count &+= 1
        text.append(" && ")
        switch command {
        case .dtlsSelf: text.append("M4:1 S")
        case .dtlsPeer(let isPassive, let fingerprint):
            text.append(isPassive ? "M4:1 P sha-256 " : "M4:1 A sha-256 ")
            let inside = bytes.clamped(fingerprint)
            // RTPProxy takes small letters, too, and then never finds the peer's certificate to be the right one.
            // NO TRAP: inside comes from clamped(): start <= end, both within the bytes.
            for index in inside.start..<inside.end { text.append(uppercased(bytes[index])) }
        case .dtlsEnd: text.append("M4:1 D")
        case .dtlsSelfEnd: text.append("M4:1 U")
        case .iceSelf: text.append("M5:1 S")
        case .icePeer(let ufrag, let password):
            text.append("M5:1 A ")
            text.append(bytes, ufrag)
            text.append(0x20)
            text.append(bytes, password)
        case .iceCandidate(let candidate):
            text.append("M5:1 C ")
            text.append(bytes, candidate.foundation)
            text.append(" 1 UDP ")
            text.append(bytes, candidate.priority)
            text.append(0x20)
            text.append(bytes, candidate.address)
            text.append(0x20)
            text.append(decimal: UInt64(widening: candidate.port))
            text.append(" typ ")
            text.append(bytes, candidate.type)
        case .iceEnd: text.append("M5:1 D")
        case .iceSelfEnd: text.append("M5:1 U")
        }
    }
}

extension SubCommand {
    /// What keeps it from being sent; nil where nothing does.
    fileprivate func fault(_ bytes: Span<UInt8>) -> SubCommandFault? {
        switch self {
        case .dtlsSelf, .dtlsEnd, .dtlsSelfEnd, .iceSelf, .iceEnd, .iceSelfEnd: nil
        case .dtlsPeer(_, let fingerprint): SecurityText.isFingerprint(bytes, fingerprint) ? nil : .fingerprint
        case .icePeer(let ufrag, let password):
            if !SecurityText.isUfrag(bytes, ufrag) {
                .ufrag
            } else {
                SecurityText.isPassword(bytes, password) ? nil : .password
            }
        case .iceCandidate(let candidate): candidate.isFit(bytes) ? nil : .candidate
        }
    }
}

extension PeerCandidate {
    /// Whether a relay takes it: its address is one, its numbers are within their limits.
    package func isFit(_ bytes: Span<UInt8>) -> Bool {
        port > 0 && SecurityText.isPriority(bytes, priority) && SecurityText.isFoundation(bytes, foundation)
            && AddressText.family(bytes, address) != nil && !AddressText.isNull(bytes, address)
            && SecurityText.isCandidateType(bytes, type)
    }
}

/// `byte`, a small ASCII letter as its capital.
private func uppercased(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") ? byte & ~0x20 : byte
}
