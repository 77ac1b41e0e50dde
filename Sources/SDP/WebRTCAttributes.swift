// SPDX-License-Identifier: GPL-2.0-or-later
// What a session description says of ICE, DTLS and BUNDLE, read on the one pass over it where somebody asks for it.

package import Bytes

/// What one media stream says, or a session for all of its streams. Ranges are offsets into the body that was parsed, and
/// empty where there is nothing; all that they hold has been checked (`SecurityText`).
package struct WebRTCFacts: Equatable, Sendable, BitwiseCopyable {
    /// The pairs of digits of the first SHA-256 fingerprint, letters in either case.
    package internal(set) var fingerprint = ByteRange.empty
    /// Whether there is a fingerprint of another hash.
    package internal(set) var hasOtherFingerprint = false
    /// The first `a=setup:`.
    package internal(set) var setup: SetupAttribute?
    /// The first `a=ice-ufrag:`.
    package internal(set) var ufrag = ByteRange.empty
    /// The first `a=ice-pwd:`.
    package internal(set) var password = ByteRange.empty
    /// Whether there is `a=ice-lite` (of a session alone).
    package internal(set) var isLite = false
    /// The first `a=mid:` (of a stream alone).
    package internal(set) var mid = ByteRange.empty
    /// Whether there is `a=rtcp-mux` (of a stream alone).
    package internal(set) var multiplexes = false
    /// The value of the first `a=group:BUNDLE` (of a session alone).
    var bundle = ByteRange.empty
    /// The first `a=sendrecv`, `a=sendonly`, `a=recvonly` or `a=inactive`.
    package internal(set) var direction: MediaDirection?
    /// How many candidates of component 1 over UDP have a name in the place of an address (of a stream alone), as those
    /// of mDNS have, which a browser sends where it hides its addresses.
    package internal(set) var namedCandidates = 0
    /// The index of the first candidate in `WebRTCAttributes.candidates`, and how many there are (of a stream alone).
    package internal(set) var firstCandidate = 0
    package internal(set) var candidateCount = 0

    /// The line of what has to do with credentials, from 1; 0: there is none.
    var credentialsLine = 0

    /// Nothing.
    package init() {}
}

/// Which way media flow, as who has written it sees it (RFC 8866 section 6.7).
package enum MediaDirection: Sendable, BitwiseCopyable {
    case sendrecv, sendonly, recvonly, inactive

    /// The direction whose attribute `name` is; nil: none.
    init?(_ bytes: Span<UInt8>, _ name: ByteRange) {
        if bytes.equalsIgnoringCase(name, "sendrecv") {
            self = .sendrecv
        } else if bytes.equalsIgnoringCase(name, "sendonly") {
            self = .sendonly
        } else if bytes.equalsIgnoringCase(name, "recvonly") {
            self = .recvonly
        } else if bytes.equalsIgnoringCase(name, "inactive") {
            self = .inactive
        } else {
            return nil
        }
    }
}

/// A candidate that a relay can be told (RFC 8839 section 5.1): UDP, component 1, a numeric address. All ranges are
/// offsets into the body.
package struct ICECandidate: Equatable, Sendable, BitwiseCopyable {
    /// 1 to 32 letters, digits, `+` and `/`.
    package let foundation: ByteRange
    /// Digits: 1 to 2^31 - 1.
    package let priority: ByteRange
    /// A numeric address, not the null address.
    package let address: ByteRange
    /// The family of that address.
    package let family: AddressFamily
    /// From 1.
    package let port: UInt16
    /// `host`, `srflx`, `prflx` or `relay`.
    package let type: ByteRange

    /// Whether it is an address of the machine itself, and none that others see it by.
    package var isHost: Bool { type.count == 4 }
}

extension ICECandidate {
    /// What is to be thought of an `a=candidate:` line.
    enum Reading {
        case candidate(ICECandidate)
        /// One that fits, but for its address, which is a name.
        case named
        /// Another component or transport, or no candidate at all: an agent ignores it.
        case other
    }

    /// Reads the value of an `a=candidate:` line. Further words are none of ours.
    static func read(_ bytes: Span<UInt8>, _ value: ByteRange) -> Reading {
        var fields = FieldCursor(in: value)
        guard let foundation = fields.next(in: bytes), SecurityText.isFoundation(bytes, foundation),
            let component = fields.next(in: bytes), bytes.equals(component, "1"),
            let transport = fields.next(in: bytes), bytes.equalsIgnoringCase(transport, "udp"),
            let priority = fields.next(in: bytes), SecurityText.isPriority(bytes, priority),
            let address = fields.next(in: bytes),
            let portField = fields.next(in: bytes), portField.count <= 5,
            let port = Decimal.parse(bytes, portField, maximum: 65535), port > 0,
            let word = fields.next(in: bytes), bytes.equalsIgnoringCase(word, "typ"),
            let type = fields.next(in: bytes), SecurityText.isCandidateType(bytes, type)
        else { return .other }
        guard let family = AddressText.family(bytes, address) else { return .named }
        guard !AddressText.isNull(bytes, address), !hasPaddedOctet(bytes, address) else { return .other }
        return .candidate(
            ICECandidate(
                foundation: foundation, priority: priority, address: address, family: family,
                port: UInt16(truncatingIfNeeded: port), type: type))
    }

    /// Whether an address with dots has an octet with a zero in front, which RTPProxy does not read.
    private static func hasPaddedOctet(_ bytes: Span<UInt8>, _ address: ByteRange) -> Bool {
        guard bytes.firstIndex(of: UInt8(ascii: "."), in: address) != nil else { return false }
        var isStart = true
        var index = address.start
        while index < address.end, let byte = bytes.byte(at: index) {
            index &+= 1
            if isStart, byte == UInt8(ascii: "0"), index < address.end, let next = bytes.byte(at: index), isDigit(next)
            {
                return true
            }
            isStart = byte == UInt8(ascii: ".") || byte == UInt8(ascii: ":")
        }
        return false
    }
}

/// All that was read of one body. Scratch memory that is used again for each; nothing is in it where it was not asked for.
package struct WebRTCAttributes {
    /// The most candidates of a media stream that are read, of which a command has room for some.
    package static let maximumCandidates = 24

    /// For each session.
    package internal(set) var sessions = Scratch<WebRTCFacts>()
    /// For each media stream, without what its session says.
    package internal(set) var streams = Scratch<WebRTCFacts>()
    /// Those of all streams, one stream behind the other.
    package internal(set) var candidates = Scratch<ICECandidate>()
    /// In the order of the body.
    var marks = Scratch<FormMark>()
    /// Offset behind the last line that has been read and that all readers read.
    var end = 0
    /// Whether the end of the stream that is being read has been noted.
    var isEndNoted = true
    /// Whether the session that is being read has had its `t=`.
    var hasTimes = false

    mutating func clear() {
        sessions.clear()
        streams.clear()
        candidates.clear()
        marks.clear()
        end = 0
        isEndNoted = true
    }
}
