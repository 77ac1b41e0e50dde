// SPDX-License-Identifier: GPL-2.0-or-later
// IPv4 and IPv6, as the address types of SDP and as the shapes of addresses.

public import Bytes

/// The family of an address (RFC 8866 section 5.7: addrtype).
public enum AddressFamily: Equatable, Sendable {
    case ipv4
    case ipv6

    /// The address type that stands for this family in `c=` and `o=` lines.
    public var token: StaticString {
        switch self {
        case .ipv4: "IP4"
        case .ipv6: "IP6"
        }
    }

    /// The null address of this family, which says hold (RFC 3264 section 8.4).
    public var nullAddress: StaticString {
        switch self {
        case .ipv4: "0.0.0.0"
        case .ipv6: "::"
        }
    }

    /// The family of the numeric address in `range`, or nil for anything else, such as a name.
    /// What holds a colon counts as IPv6: no name can.
    public static func ofNumeric(_ bytes: Span<UInt8>, _ range: ByteRange) -> AddressFamily? {
        if bytes.firstIndex(of: UInt8(ascii: ":"), in: range) != nil { return .ipv6 }
        return isDottedQuad(bytes, range) ? .ipv4 : nil
    }

    /// Whether `range` holds a null address: `0.0.0.0`, `::`, or another spelling of the latter.
    static func isNull(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        if bytes.equals(range, "0.0.0.0") { return true }
        let inside = bytes.clamped(range)
        guard bytes.firstIndex(of: UInt8(ascii: ":"), in: inside) != nil, inside.count >= 2 else { return false }
        for index in inside.start..<inside.end
        where bytes[index] != UInt8(ascii: ":") && bytes[index] != UInt8(ascii: "0") {
            return false
        }
        return true
    }

    /// Four numbers of 0 to 255, with a dot between each two.
    private static func isDottedQuad(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        let inside = bytes.clamped(range)
        var numbers = 1
        var digits = 0
        var value = 0
        for index in inside.start..<inside.end {
            let byte = bytes[index]
            if isDigit(byte) {
                digits &+= 1
                value = value &* 10 &+ Int(byte &- 0x30)
                guard digits <= 3, value <= 255 else { return false }
            } else if byte == UInt8(ascii: "."), digits > 0 {
                numbers &+= 1
                digits = 0
                value = 0
            } else {
                return false
            }
        }
        return numbers == 4 && digits > 0
    }
}
