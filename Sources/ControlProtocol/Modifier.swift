// SPDX-License-Identifier: GPL-2.0-or-later
// The table of the letters behind `U` and `L`, each with what a relay has to announce before it is sent one.

/// A modifier of an offer or answer (control-protocol: Modifiers).
package enum Modifier: Sendable {
    /// The side's media comes from elsewhere than it wants to receive at; it comes from there.
    case asymmetric, symmetric
    /// The address that follows is one of IPv6.
    case ipv6
    /// The network that the port is to be in: the relay's first, or its second.
    case internalNetwork, externalNetwork
    /// Milliseconds of sound in each packet follow.
    case repacketization
    /// Payload types follow, in the order of the description.
    case codecs

    /// Its letter.
    package var letter: UInt8 {
        switch self {
        case .asymmetric: UInt8(ascii: "A")
        case .symmetric: UInt8(ascii: "S")
        case .ipv6: UInt8(ascii: "6")
        case .internalNetwork: UInt8(ascii: "I")
        case .externalNetwork: UInt8(ascii: "E")
        case .repacketization: UInt8(ascii: "Z")
        case .codecs: UInt8(ascii: "c")
        }
    }

    /// What a relay has to be able to do; nothing where every relay takes it.
    package var needs: Capabilities {
        switch self {
        case .asymmetric, .symmetric, .ipv6, .internalNetwork, .externalNetwork: []
        case .repacketization: .repacketization
        case .codecs: .codecLists
        }
    }
}

extension Capabilities {
    /// Whether a relay that can do this is sent `modifier`.
    package func takes(_ modifier: Modifier) -> Bool { isSuperset(of: modifier.needs) }
}
