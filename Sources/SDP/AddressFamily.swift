// SPDX-License-Identifier: GPL-2.0-or-later
// How SDP writes the two address families.

package import Bytes

extension AddressFamily {
    /// The address type that stands for this family in `c=` and `o=` lines (RFC 8866 section 5.7).
    package var token: StaticString {
        switch self {
        case .ipv4: "IP4"
        case .ipv6: "IP6"
        }
    }

    /// The null address of this family, which says hold (RFC 3264 section 8.4).
    package var nullAddress: StaticString {
        switch self {
        case .ipv4: "0.0.0.0"
        case .ipv6: "::"
        }
    }
}
