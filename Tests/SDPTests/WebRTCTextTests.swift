// SPDX-License-Identifier: GPL-2.0-or-later
// What fingerprints, credentials, foundations and mids may be.

import Bytes
import SDP
import Testing

@Suite struct WebRTCTextTests {
    static let fingerprint = Array(repeating: "aF", count: 32).joined(separator: ":")

    enum Kind: Sendable { case fingerprint, ufrag, password, foundation, mid }

    private func isFit(_ kind: Kind, _ bytes: [UInt8], _ range: ByteRange) -> Bool {
        switch kind {
        case .fingerprint: SecurityText.isFingerprint(bytes.span, range)
        case .ufrag: SecurityText.isUfrag(bytes.span, range)
        case .password: SecurityText.isPassword(bytes.span, range)
        case .foundation: SecurityText.isFoundation(bytes.span, range)
        case .mid: StreamName.isMid(bytes.span, range)
        }
    }

    /// `text` amid other bytes, of which none belongs to it.
    private func isFit(_ kind: Kind, _ text: String) -> Bool {
        let bytes = Array("0\(text)0".utf8)
        return isFit(kind, bytes, ByteRange(from: 1, to: bytes.count - 1))
    }

    @Test func aFingerprintIsThirtyTwoPairs() {
        #expect(isFit(.fingerprint, Self.fingerprint))
        #expect(isFit(.fingerprint, Self.fingerprint.uppercased()))
        #expect(isFit(.fingerprint, Self.fingerprint.replacing("a", with: "0")))
        let rest = String(Self.fingerprint.dropFirst())
        let start = String(Self.fingerprint.dropLast())
        let wrong = [
            "", "aF", String(Self.fingerprint.dropLast(3)), Self.fingerprint + ":aF", start, "g" + rest, ":" + rest,
            start + ":", start + "\0", Self.fingerprint.replacing(":", with: " "),
        ]
        for text in wrong { #expect(!isFit(.fingerprint, text), "\(text)") }
    }

    /// A range that reaches beyond the bytes is none, however its part within looks.
    @Test func whatLiesOutsideIsNothing() {
        let bytes = Array(Self.fingerprint.utf8)
        #expect(isFit(.fingerprint, bytes, ByteRange(start: 0, count: 95)))
        let letters = Array(repeating: UInt8(ascii: "a"), count: 40)
        #expect(isFit(.ufrag, letters, ByteRange(start: 30, count: 10)))
        for range in [
            ByteRange(start: 1, count: 95), ByteRange(start: -1, count: 95), ByteRange(start: .max, count: 95),
            ByteRange(start: 0, count: .max), ByteRange(start: 30, count: 11), ByteRange(start: -1, count: 30),
        ] {
            #expect(!isFit(.fingerprint, bytes, range))
            for kind in [Kind.ufrag, .password, .foundation, .mid] { #expect(!isFit(kind, letters, range)) }
        }
    }

    @Test(arguments: [(Kind.ufrag, 4, 256), (.password, 22, 256), (.foundation, 1, 32)])
    func credentialsAndFoundationsHaveLengths(_ kind: Kind, _ shortest: Int, _ longest: Int) {
        func text(_ count: Int) -> String { String(repeating: "a", count: count) }
        #expect(isFit(kind, text(shortest)) && isFit(kind, text(longest)))
        #expect(!isFit(kind, text(shortest - 1)) && !isFit(kind, text(longest + 1)))
        let rest = text(shortest - 1)
        for letter in ["+", "/", "Z", "z", "A", "0", "9"] { #expect(isFit(kind, rest + letter), "\(letter)") }
        for letter in [" ", "-", "=", ":", "&", "@", "[", "`", "{", ".", "\0", "\r", "\u{7F}", "é"] {
            #expect(!isFit(kind, rest + letter), "\(letter)")
        }
    }

    @Test func aMidIsAToken() {
        for right in ["0", "audio", "sdparta_0", "a+b", "!#$%&'*-.^`{|}~", String(repeating: "m", count: 32)] {
            #expect(isFit(.mid, right), "\(right)")
        }
        for wrong in ["", "a b", "a\tb", "a:b", "a/b", "a=b", "\"", "é", "a\u{7F}", String(repeating: "m", count: 33)] {
            #expect(!isFit(.mid, wrong), "\(wrong)")
        }
    }
}
