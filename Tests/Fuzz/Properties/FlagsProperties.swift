// SPDX-License-Identifier: GPL-2.0-or-later
// Flags: what goes on the wire is made of the letters that stand for something there, and in their order.
//
// Input: the flags.

import Bytes

@testable import CallControl

final class FlagsProperties: Properties {
    private var modifiers: [UInt8] = []
    private static let known = Array("0123456789baArRlLiIeEwWxXfFoOcCtTzZdDpPgGsS".utf8)

    func check(_ input: [UInt8]) throws(Broken) {
        for use in [CallFlags.Use.media, .delete] {
            let flags: CallFlags
            do throws(CallFailure) {
                flags = try CallFlags.parse(input.span, for: use, modifiers: &modifiers)
            } catch {
                try check(error, input, use)
                continue
            }
            try check(flags, input, use)
        }
    }

    private func has(_ text: [UInt8], _ letter: Unicode.Scalar) -> Bool {
        text.contains { lowercased($0) == UInt8(ascii: letter) }
    }

    /// How many flags say what goes out where a browser may be on either side.
    private func bridges(_ text: [UInt8]) -> Int {
        text.count { [UInt8(ascii: "d"), UInt8(ascii: "p"), UInt8(ascii: "g")].contains(lowercased($0)) }
    }

    private func check(_ failure: CallFailure, _ text: [UInt8], _ use: CallFlags.Use) throws(Broken) {
        switch failure {
        case .flagsTooLong: try require(text.count > CallFlags.maximumLength, "\(text.count) bytes are too long")
        case .unknownFlag(let letter):
            try require(text.contains(letter), "flag \(letter) is not there")
            try require(isDigit(letter) || !Self.known.contains(letter), "flag \(letter) is known")
        case .severalBridges: try require(use == .media && bridges(text) > 1, "at most one of d, p and g is there")
        case .badRepacketization: try require(use == .media && has(text, "z"), "there is no z")
        default: throw Broken("flags fail as \(failure)")
        }
    }

    private func check(_ flags: CallFlags, _ text: [UInt8], _ use: CallFlags.Use) throws(Broken) {
        try require(text.allSatisfy { Self.known.contains($0) }, "a letter without meaning was taken")
        let expected = text.compactMap { letter -> UInt8? in
            switch lowercased(letter) {
            case UInt8(ascii: "a"): UInt8(ascii: "A")
            case UInt8(ascii: "i"): UInt8(ascii: "I")
            case UInt8(ascii: "e"): UInt8(ascii: "E")
            case UInt8(ascii: "w"): UInt8(ascii: "S")
            default: nil
            }
        }
        try require(modifiers == expected, "\(modifiers.shown) goes on the wire, not \(expected.shown)")
        try require(flags.repacketizationMilliseconds <= 999, "a packet time of four digits")
        try require((use == .media && has(text, "z")) == (flags.repacketizationMilliseconds > 0), "z")
        try require(flags.trustsAddress == (has(text, "a") || has(text, "r")), "a and r")
        try require(flags.usesExtraID == text.contains(UInt8(ascii: "b")), "b")
        try require(flags.looksUpOnly == has(text, "l") && flags.deletesWholeCall == has(text, "t"), "l and t")
        try require(flags.changesOrigin == has(text, "o") && flags.ignoresMarker == has(text, "f"), "o and f")
        try require(flags.keepsFigures == has(text, "s"), "s")
        try require(use == .delete || bridges(text) < 2, "several of d, p and g were taken")
        try require((flags.bridging != nil) == (bridges(text) > 0), "d, p and g")
        try require((flags.branch != .none) == text.containsBranchLetter, "1, 2 and 3")
    }
}

extension [UInt8] {
    /// Whether a flag 1, 2 or 3 is there, digits of a packet time aside.
    fileprivate var containsBranchLetter: Bool {
        var isTime = false
        for letter in self {
            if isDigit(letter), isTime { continue }
            isTime = lowercased(letter) == UInt8(ascii: "z")
            if letter >= UInt8(ascii: "1"), letter <= UInt8(ascii: "3") { return true }
        }
        return false
    }
}
