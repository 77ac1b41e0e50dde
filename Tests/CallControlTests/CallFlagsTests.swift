// SPDX-License-Identifier: GPL-2.0-or-later
// The flags string: what each letter asks for.

import Testing

@testable import CallControl

@Suite struct CallFlagsTests {
    /// What was read and the letters for the wire, or the fault.
    private func parse(
        _ text: String, for use: CallFlags.Use = .media
    ) -> Result<(flags: CallFlags, modifiers: String), CallFailure> {
        let bytes = Array(text.utf8)
        var modifiers = Array("left over".utf8)
        do throws(CallFailure) {
            let flags = try CallFlags.parse(bytes.span, for: use, modifiers: &modifiers)
            return .success((flags, String(decoding: modifiers, as: UTF8.self)))
        } catch {
            return .failure(error)
        }
    }

    private func fault(_ text: String, for use: CallFlags.Use = .media) -> CallFailure? {
        if case .failure(let failure) = parse(text, for: use) { return failure }
        return nil
    }

    struct Letter: Sendable, CustomTestStringConvertible {
        var texts: [String]
        var modifiers = ""
        var set: @Sendable (inout CallFlags) -> Void = { _ in }
        var testDescription: String { texts.joined(separator: " ") }
    }

    static let letters: [Letter] = [
        Letter(texts: [""]),
        Letter(texts: ["1"]) { $0.branch = .first },
        Letter(texts: ["2"]) { $0.branch = .second },
        Letter(texts: ["3"]) { $0.branch = .byDirection },
        Letter(texts: ["b"]) { $0.usesExtraID = true },
        Letter(texts: ["a", "A"], modifiers: "A") { $0.trustsAddress = true },
        Letter(texts: ["r", "R"]) { $0.trustsAddress = true },
        Letter(texts: ["l", "L"]) { $0.looksUpOnly = true },
        Letter(texts: ["i", "I"], modifiers: "I"),
        Letter(texts: ["e", "E"], modifiers: "E"),
        Letter(texts: ["w", "W"], modifiers: "S"),
        Letter(texts: ["x", "X"]) { $0.bridgesByFamily = true },
        Letter(texts: ["f", "F"]) { $0.ignoresMarker = true },
        Letter(texts: ["o", "O"]) { $0.changesOrigin = true },
        Letter(texts: ["c", "C"]) { $0.changesSessionConnection = true },
        Letter(texts: ["t", "T"]) { $0.deletesWholeCall = true },
        Letter(texts: ["s", "S"]) { $0.keepsFigures = true },
        Letter(texts: ["z20", "Z20", "z020"]) { $0.repacketizationMilliseconds = 20 },
        Letter(texts: ["z1"]) { $0.repacketizationMilliseconds = 1 },
        Letter(texts: ["z999", "Z0999"]) { $0.repacketizationMilliseconds = 999 },
    ]

    @Test(arguments: letters)
    func eachLetterAsksForOneThingInEitherCase(_ letter: Letter) throws {
        var expected = CallFlags()
        letter.set(&expected)
        for text in letter.texts {
            let (flags, modifiers) = try parse(text).get()
            #expect(flags == expected, "\(text)")
            #expect(modifiers == letter.modifiers, "\(text)")
        }
    }

    @Test func lettersForTheWireKeepTheirOrder() throws {
        for (text, expected) in [("ie", "IE"), ("ei", "EI"), ("wiae", "SIAE"), ("eroiwfc", "EIS"), ("iI", "II")] {
            #expect(try parse(text).get().modifiers == expected)
        }
    }

    @Test func lettersMayStandInAnyOrderAndTwice() throws {
        var expected = CallFlags()
        expected.branch = .second
        expected.usesExtraID = true
        expected.trustsAddress = true
        expected.changesOrigin = true
        expected.repacketizationMilliseconds = 30
        #expect(try parse("obz30rr2").get().flags == expected)
        #expect(try parse("2z30rob").get().flags == expected)
        // Of two numbers the last one counts.
        #expect(try parse("1z20rbo2z30").get().flags == expected)
    }

    /// Every byte that is no flag is refused, for media and for a delete alike.
    @Test func everyOtherByteIsRefused() {
        let known = Set("123abcdefgiloprswtxzABCDEFGILOPRSWTXZ".utf8).subtracting([UInt8(ascii: "B")])
        for byte in UInt8.min...UInt8.max {
            for use in [CallFlags.Use.media, .delete] {
                var modifiers: [UInt8] = []
                let text = [byte]
                var found: CallFailure?
                do throws(CallFailure) {
                    _ = try CallFlags.parse(text.span, for: use, modifiers: &modifiers)
                } catch {
                    found = error
                }
                if known.contains(byte) {
                    #expect(found == (lowercase(byte) == "z" && use == .media ? .badRepacketization : nil), "\(byte)")
                } else {
                    #expect(found == .unknownFlag(byte), "\(byte)")
                }
            }
        }
    }

    private func lowercase(_ byte: UInt8) -> String { String(decoding: [byte], as: UTF8.self).lowercased() }

    /// A capital `B` is not `b`: the stock module tells them apart too.
    @Test func theExtraIDIsASmallB() {
        #expect(fault("B") == .unknownFlag(UInt8(ascii: "B")))
    }

    @Test(arguments: ["z", "zr", "z0", "z000", "z1000", "z99999999999999999999", "rz", "z-1", "z 20"])
    func repacketizationNeedsItsMilliseconds(_ text: String) {
        #expect(fault(text) == .badRepacketization)
    }

    @Test func whatFollowsTheDigitsIsReadOn() throws {
        let (flags, modifiers) = try parse("z20ir").get()
        #expect(flags.repacketizationMilliseconds == 20)
        #expect(flags.trustsAddress)
        #expect(modifiers == "I")
        #expect(fault("z20q") == .unknownFlag(UInt8(ascii: "q")))
    }

    @Test(arguments: ["z", "z20", "z0", "z99999", "Z20t", "tz20"])
    func aDeleteSkipsRepacketizationWithItsDigits(_ text: String) throws {
        let flags = try parse(text, for: .delete).get().flags
        #expect(flags.repacketizationMilliseconds == 0)
        #expect(flags.branch == .none)
        #expect(flags.deletesWholeCall == text.lowercased().contains("t"))
    }

    @Test func anUnknownLetterBehindGoodOnesIsFound() {
        #expect(fault("rwq") == .unknownFlag(UInt8(ascii: "q")))
        #expect(fault("r w") == .unknownFlag(0x20))
        #expect(fault("rw\u{0}") == .unknownFlag(0))
    }

    @Test func aFlagsStringHasAtMost255Bytes() {
        #expect(fault(String(repeating: "r", count: 255)) == nil)
        #expect(fault(String(repeating: "r", count: 256)) == .flagsTooLong)
        #expect(fault(String(repeating: "r", count: 100_000), for: .delete) == .flagsTooLong)
    }

    @Test func lettersOfAnEarlierCallAreForgotten() throws {
        #expect(try parse("").get().modifiers == "")
    }
}
