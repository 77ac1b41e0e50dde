// SPDX-License-Identifier: GPL-2.0-or-later
// Numeric IP addresses as text: which family a text belongs to, and whether it is the null address.

/// An address family as SDP and the control protocol tell them apart.
package enum AddressFamily: Sendable {
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
        let end = text.end
        var index = text.start
        var octets = 0
        while true {
            var value: UInt64 = 0
            let last = Swift.min(index &+ 3, end)
            let start = index
            while index < last {
                // SAFETY (1): the index is within `text`, which clamped(_:) keeps within the span.
                let digit = unsafe UInt64(widening: bytes[unchecked: index] &- 0x30)
                guard digit <= 9 else { break }
                value = value &* 10 &+ digit
                index &+= 1
            }
            guard index > start, value <= 255 else { return false }
            octets &+= 1
            guard octets < 4 else { return index == end }
            guard index < end, bytes.byte(at: index) == UInt8(ascii: ".") else { return false }
            index &+= 1
        }
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

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (lowercased(byte) >= UInt8(ascii: "a") && lowercased(byte) <= UInt8(ascii: "f"))
    }
}
