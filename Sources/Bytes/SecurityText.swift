// SPDX-License-Identifier: GPL-2.0-or-later
// What the words of DTLS and ICE may be, in a session description and in the control protocol: nothing else goes from one
// to the other.
//
// NO TRAP (1 in this file): inside comes from clamped(): start <= end, both within the bytes.

/// Checks on the words of DTLS and ICE as text; nothing is converted.
package enum SecurityText {
    /// Whether `range` is a SHA-256 fingerprint: 32 pairs of hexadecimal digits, in either case, with colons between
    /// (RFC 8122 section 5).
    package static func isFingerprint(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        guard range.count == 95, bytes.clamped(range) == range else { return false }
        var place = 0
        while place < 95 {
            let byte = bytes.byte(at: range.start &+ place) ?? 0
            guard place % 3 == 2 ? byte == UInt8(ascii: ":") : isHexDigit(byte) else { return false }
            place &+= 1
        }
        return true
    }

    /// Whether `range` is the user name fragment of ICE: 4 to 256 letters, digits, `+` and `/` (RFC 8839 section 5.4).
    package static func isUfrag(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        isICEText(bytes, range, from: 4, to: 256)
    }

    /// Whether `range` is the password of ICE: 22 to 256 letters, digits, `+` and `/` (RFC 8839 section 5.4).
    package static func isPassword(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        isICEText(bytes, range, from: 22, to: 256)
    }

    /// Whether `range` is the foundation of a candidate: 1 to 32 letters, digits, `+` and `/` (RFC 8839 section 5.1).
    package static func isFoundation(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        isICEText(bytes, range, from: 1, to: 32)
    }

    /// Whether `range` is the priority of a candidate: digits, 1 to 2^31 - 1 (RFC 8839 section 5.1).
    package static func isPriority(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        range.count <= 10 && Decimal.parse(bytes, range, maximum: 2_147_483_647) ?? 0 > 0
    }

    /// Whether `range` is the type of a candidate: `host`, `srflx`, `prflx` or `relay` (RFC 8839 section 5.1).
    package static func isCandidateType(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        bytes.equals(range, "host") || bytes.equals(range, "srflx") || bytes.equals(range, "prflx")
            || bytes.equals(range, "relay")
    }

    private static func isICEText(
        _ bytes: Span<UInt8>, _ range: ByteRange, from shortest: Int, to longest: Int
    ) -> Bool {
        let inside = bytes.clamped(range)
        guard inside == range, inside.count >= shortest, inside.count <= longest else { return false }
        for index in inside.start..<inside.end where !isICECharacter(bytes.byte(at: index) ?? 0) { return false }
        return true
    }

    private static func isICECharacter(_ byte: UInt8) -> Bool {
        let letter = lowercased(byte)
        return isDigit(byte) || (letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "z"))
            || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/")
    }
}
