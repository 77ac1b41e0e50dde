// SPDX-License-Identifier: GPL-2.0-or-later
// What the values of the attributes of ICE, DTLS and BUNDLE may be: nothing else goes into a session description or to
// a relay.
//
// NO TRAP (2 in this file): inside comes from clamped(): start <= end, both within the bytes.

package import Bytes

/// Checks on the values of attributes; nothing is converted.
package enum WebRTCText {
    /// The longest `a=mid:` that is used. Browsers write a number, `audio`, `sdparta_0`.
    package static let longestMid = 32

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

    /// Whether `range` names a media stream: a token (RFC 5888 section 4, RFC 8866 section 9) of at most `longestMid`
    /// bytes.
    package static func isMid(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        let inside = bytes.clamped(range)
        guard inside == range, !inside.isEmpty, inside.count <= longestMid else { return false }
        for index in inside.start..<inside.end where !isToken(bytes.byte(at: index) ?? 0) { return false }
        return true
    }

    private static func isICEText(
        _ bytes: Span<UInt8>, _ range: ByteRange, from shortest: Int, to longest: Int
    ) -> Bool {
        let inside = bytes.clamped(range)
        guard inside == range, inside.count >= shortest, inside.count <= longest else { return false }
        for index in inside.start..<inside.end where !isICECharacter(bytes.byte(at: index) ?? 0) { return false }
        return true
    }

    private static func isHexDigit(_ byte: UInt8) -> Bool {
        let letter = lowercased(byte)
        return isDigit(byte) || (letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "f"))
    }

    private static func isICECharacter(_ byte: UInt8) -> Bool {
        let letter = lowercased(byte)
        return isDigit(byte) || (letter >= UInt8(ascii: "a") && letter <= UInt8(ascii: "z"))
            || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/")
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0...0x20, 0x7F...0xFF: false
        case UInt8(ascii: "\""), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: ","), UInt8(ascii: "/"),
            UInt8(ascii: ":"), UInt8(ascii: ";"), UInt8(ascii: "<"), UInt8(ascii: "="), UInt8(ascii: ">"),
            UInt8(ascii: "?"), UInt8(ascii: "@"), UInt8(ascii: "["), UInt8(ascii: "\\"), UInt8(ascii: "]"):
            false
        default: true
        }
    }
}
