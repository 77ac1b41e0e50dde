// SPDX-License-Identifier: GPL-2.0-or-later
// Why a session description is refused, and on which line.

/// Why a session description cannot be read or changed.
package enum SDPError: Error, Equatable, Sendable, CaseIterable {
    /// There is no `v=` line, or an `o=`, `c=` or `m=` line stands before it (RFC 8866 section 5.1).
    case noVersion
    /// A `v=` line says something other than 0.
    case badVersion
    /// There is no `o=` line (RFC 8866 section 5.2).
    case noOrigin
    /// There is no `m=` line (RFC 8866 section 5.14).
    case noMedia
    /// One of several sessions has no `m=` line.
    case sessionWithoutMedia
    /// The port of an `m=` line is missing or not a number from 0 to 65535, with or without `/<n>`.
    case badPort
    /// A `c=` line does not begin with `IN IP4 <address>` or `IN IP6 <address>` (RFC 8866 section 5.7).
    case badConnection
    /// A `c=` line begins with another network than `IN`.
    case otherNetwork
    /// A CR stands in a line, which some readers take for a line end (RFC 8866 section 9, byte-string).
    case loneReturn
    /// A `v=`, `o=`, `c=` or `m=` in capitals, or with a blank or control character before the letter or the sign
    /// (RFC 8866 section 5): some readers take it for that line, others do not.
    case otherSpelling
    /// A control character in an `m=` or `c=` line, which some readers take for a blank (RFC 8866 section 9, token).
    case controlCharacter
    /// Neither the media stream, which is on, nor its session has a `c=` line.
    case noConnection
    /// More media streams than the limit.
    case tooManyStreams
    /// More sessions than `SessionDescription.maximumSessions`.
    case tooManySessions
    /// More lines that could be changed than `SessionDescription.maximumPlaces`.
    case tooManyPlaces
    /// A SHA-256 fingerprint is not 32 pairs of hexadecimal digits (RFC 8122 section 5).
    case badFingerprint
    /// A media stream has a fingerprint and ICE credentials, and no fingerprint of it is SHA-256.
    case otherFingerprint
    /// `a=ice-ufrag:` or `a=ice-pwd:` is too short, too long, holds other characters, or stands without the other one
    /// (RFC 8839 section 5.4).
    case badCredentials
    /// The caller did not bring exactly one verdict for each media stream, and one form where there are forms.
    case verdictsDoNotMatch
    /// What the caller brought for a WebRTC stream is no fingerprint, credential, mid, port or numeric address.
    case unfitForWebRTC

    /// The reason for a log line.
    package var text: StaticString {
        switch self {
        case .noVersion: "no v= line at the start"
        case .badVersion: "v= is not 0"
        case .noOrigin: "no o= line"
        case .noMedia: "no m= line"
        case .sessionWithoutMedia: "no m= line in this session"
        case .badPort: "m= has no port from 0 to 65535"
        case .badConnection: "c= is not IN IP4 or IP6 and an address"
        case .otherNetwork: "c= is of another network than IN"
        case .loneReturn: "a CR that ends no line"
        case .otherSpelling: "v=, o=, c= or m= in capitals or with blanks"
        case .controlCharacter: "a control character in m= or c="
        case .noConnection: "no c= line for this media stream"
        case .tooManyStreams: "too many media streams"
        case .tooManySessions: "too many sessions"
        case .tooManyPlaces: "too many lines to change"
        case .badFingerprint: "a=fingerprint is not SHA-256 and 32 pairs of hexadecimal digits"
        case .otherFingerprint: "no a=fingerprint is SHA-256"
        case .badCredentials: "a=ice-ufrag or a=ice-pwd is missing or not as ICE has it"
        case .verdictsDoNotMatch: "not one verdict per media stream"
        case .unfitForWebRTC: "no fingerprint, credentials, mid, port or address that WebRTC can have"
        }
    }
}

/// What is wrong with a session description, and where.
package struct SDPFault: Error, Equatable, Sendable {
    /// What is wrong.
    package let reason: SDPError
    /// The line, counted from 1 at the start of the session description; 0: the whole of it.
    package let line: Int

    /// A fault on `line`, or in the whole where none is given.
    package init(_ reason: SDPError, line: Int = 0) {
        self.reason = reason
        self.line = line
    }
}
