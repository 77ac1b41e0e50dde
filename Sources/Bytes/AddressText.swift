// SPDX-License-Identifier: GPL-2.0-or-later
// Numeric IP addresses as text: which family a text belongs to, and whether it is the null address.

/// An address family as SDP and the control protocol tell them apart.
package enum AddressFamily: Sendable, BitwiseCopyable {
    case ipv4
    case ipv6
}

/// Checks on numeric addresses as text; nothing is converted.
package enum AddressText {
    /// The family of the numeric address that `range` holds, or nil where it is none (a name, or garbage).
    ///
    /// IPv4 is four decimals of 0..255 (RFC 3986 section 3.2.2, leading zeros not refused); IPv6 is RFC 4291
    /// section 2.2 in all three forms, without brackets and zone.
    package static func family(_ bytes: Span<UInt8>, _ range: ByteRange) -> AddressFamily? {
        if isIPv4(bytes, range) { return .ipv4 }
        return isIPv6(bytes, range) ? .ipv6 : nil
    }

    /// Whether `range` is `0.0.0.0` or `::`, however the latter is spelt: what asks for hold (RFC 3264 section 8.4,
    /// control-protocol: U).
    package static func isNull(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        if bytes.equals(range, "0.0.0.0") { return true }
        let inside = bytes.clamped(range)
        guard let first = bytes.byte(at: inside.start), first == UInt8(ascii: ":") || first == UInt8(ascii: "0"),
            isIPv6(bytes, inside)
        else { return false }
        // NO TRAP (2): inside comes from clamped(): start <= end, both within the bytes.
        for index in inside.start..<inside.end
        where bytes[index] != UInt8(ascii: ":") && bytes[index] != UInt8(ascii: "0") {
            return false
        }
        return true
    }

    private static func isIPv4(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        let text = bytes.clamped(range)
        guard text.count >= 7, text.count <= 15 else { return false }
        var index = text.start
        let end = text.end
        var value: UInt32 = 0
        // Less 1, so that none at all is too many.
        var digits = UInt32.max
        var dots = 0
        while index < end {
            // SAFETY (1): the index is within `text`, which clamped(_:) keeps within the span.
            let byte = unsafe bytes[unchecked: index]
            let digit = UInt32(widening: byte &- 0x30)
            index &+= 1
            if digit <= 9 {
                value = value &* 10 &+ digit
                digits &+= 1
            } else {
                guard byte == UInt8(ascii: "."), digits < 3, value <= 255 else { return false }
                dots &+= 1
                value = 0
                digits = .max
            }
        }
        return dots == 3 && digits < 3 && value <= 255
    }

    private static func isIPv6(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        let text = bytes.clamped(range)
        var groups = 0
        var isCompressed = false
        var offset = text.start
        guard text.count >= 2 else { return false }
        if bytes.hasPrefix(text, "::") {
            isCompressed = true
            offset &+= 2
        }
        while offset < text.end {
            var digits = 0
            let groupStart = offset
            while let byte = bytes.byte(at: offset), offset < text.end, isHexDigit(byte) {
                digits &+= 1
                offset &+= 1
            }
            // NO TRAP (3): offset begins at the clamped start and is below text.end here.
            if offset < text.end, bytes[offset] == UInt8(ascii: ".") {
                // The last 32 bits may be written as an IPv4 address.
                guard isIPv4(bytes, ByteRange(from: groupStart, to: text.end)) else { return false }
                groups &+= 2
                offset = text.end
                break
            }
            guard digits >= 1, digits <= 4 else { return false }
            groups &+= 1
            guard offset < text.end else { break }
            guard bytes[offset] == UInt8(ascii: ":") else { return false }
            offset &+= 1
            guard offset < text.end else { return false }
            if bytes[offset] == UInt8(ascii: ":") {
                guard !isCompressed else { return false }
                isCompressed = true
                offset &+= 1
            }
        }
        return isCompressed ? groups <= 7 : groups == 8
    }
}
