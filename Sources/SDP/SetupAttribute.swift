// SPDX-License-Identifier: GPL-2.0-or-later
// Who begins a DTLS handshake, as `a=setup:` says it (RFC 4145 section 4, RFC 5763 section 5).

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
