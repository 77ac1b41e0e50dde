// SPDX-License-Identifier: GPL-2.0-or-later
// Who begins a DTLS handshake: `a=setup:` in offers and answers (RFC 4145 section 4, RFC 5763 section 5, RFC 8842).

package import Bytes

/// What an `a=setup:` line says.
package enum SetupAttribute: Sendable, BitwiseCopyable {
    /// Whoever says so begins the handshake.
    case active
    /// The other one begins.
    case passive
    /// Either may begin: the answer says who.
    case actpass
    /// Nobody begins for the time being.
    case holdconn

    /// Reads the value of the attribute, letters in either case; nil where it is none of the four.
    package init?(_ bytes: Span<UInt8>, _ value: ByteRange) {
        if bytes.equalsIgnoringCase(value, "active") {
            self = .active
        } else if bytes.equalsIgnoringCase(value, "passive") {
            self = .passive
        } else if bytes.equalsIgnoringCase(value, "actpass") {
            self = .actpass
        } else if bytes.equalsIgnoringCase(value, "holdconn") {
            self = .holdconn
        } else {
            return nil
        }
    }

    /// As it stands in a line.
    package var text: StaticString {
        switch self {
        case .active: "active"
        case .passive: "passive"
        case .actpass: "actpass"
        case .holdconn: "holdconn"
        }
    }
}

/// Which end of a DTLS association one is.
package enum DTLSRole: Sendable, BitwiseCopyable {
    /// Begins the handshake: `active`.
    case client
    /// Waits for it: `passive`.
    case server

    /// The role of the other end.
    package var opposite: DTLSRole { self == .client ? .server : .client }

    /// What an answer says for this role.
    package var answer: SetupAttribute { self == .client ? .active : .passive }

    /// What an offer says, the first one and each that follows (RFC 5763 section 5, RFC 8842 sections 5.2 and 5.5).
    package static var offer: SetupAttribute { .actpass }

    /// The role of who answers an offer that says `offered`; nil: it cannot be answered, for nobody is to begin.
    ///
    /// - `current`: the role of who answers in the association that there is; nil: there is none, or the offer begins
    ///   another (another fingerprint, `tls-id` or ufrag). It stays wherever the offer leaves the choice (RFC 8842
    ///   section 5.3).
    ///
    /// An offer without `a=setup:` says `active` (RFC 4145 section 4). With the choice, who answers is the server: it is
    /// reached at once by who has just learned its candidate.
    package static func answering(_ offered: SetupAttribute?, current: DTLSRole? = nil) -> DTLSRole? {
        switch offered ?? .active {
        case .active: .server
        case .passive: .client
        case .actpass: current ?? .server
        case .holdconn: nil
        }
    }

    /// The role of who has offered `actpass`, by what the answer says; nil: nobody is to begin. An answer must not say
    /// `actpass` (RFC 5763 section 5); of one that does, or says nothing, the sender begins, unless the association that
    /// there is has it otherwise.
    package static func offering(answered: SetupAttribute?, current: DTLSRole? = nil) -> DTLSRole? {
        switch answered {
        case .active: .server
        case .passive: .client
        case .actpass, nil: current ?? .server
        case .holdconn: nil
        }
    }
}
