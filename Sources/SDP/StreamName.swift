// SPDX-License-Identifier: GPL-2.0-or-later
// What a stream may be named by (`a=mid:`), as the name goes into another description.
//
// NO TRAP (1 in this file): inside comes from clamped(): start <= end, both within the bytes.

package import Bytes

/// The name of a media stream.
package enum StreamName {
    /// The longest `a=mid:` that is used. Browsers write a number, `audio`, `sdparta_0`.
    package static let longestMid = 32

    /// Whether `range` names a media stream: a token (RFC 5888 section 4, RFC 8866 section 9) of at most `longestMid`
    /// bytes.
    package static func isMid(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        let inside = bytes.clamped(range)
        guard inside == range, !inside.isEmpty, inside.count <= longestMid else { return false }
        for index in inside.start..<inside.end where !isToken(bytes.byte(at: index) ?? 0) { return false }
        return true
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
