// SPDX-License-Identifier: GPL-2.0-or-later
// Ranges that cannot trap, and checked looks at bytes.

import Bytes
import Testing

/// Ranges that lie outside of any text of these tests, in part or as a whole.
let outsideRanges = [
    ByteRange(start: -1, count: 1), ByteRange(start: 100, count: 5), ByteRange(start: .max, count: .max),
    ByteRange(start: .min, count: .max), ByteRange(start: .min, count: 0), ByteRange(start: 100, count: .max),
]

/// The text of `range`, for expectations: they cannot hold spans.
func text(_ bytes: [UInt8], _ range: ByteRange) -> String {
    var output: [UInt8] = []
    output.append(bytes.span, range)
    return String(decoding: output, as: UTF8.self)
}

@Suite struct ByteRangeTests {
    @Test func aRangeIsNeverNegative() {
        #expect(ByteRange(start: 3, count: -2).count == 0)
        #expect(ByteRange(start: 3, count: .min).isEmpty)
        #expect(ByteRange(from: 5, to: 2) == ByteRange(start: 5, count: 0))
        #expect(ByteRange(from: 2, to: 5) == ByteRange(start: 2, count: 3))
        #expect(ByteRange(from: 2, to: 5).end == 5)
        #expect(ByteRange.empty.isEmpty)
        #expect(ByteRange(from: .max, to: .min).count >= 0)
        #expect(ByteRange(from: .min, to: .max).count >= 0)
    }

    @Test func aByteOutsideIsNil() {
        let bytes = Array("abc".utf8)
        let span = bytes.span
        let found = [-1, 0, 2, 3, .max, .min].map { span.byte(at: $0) }
        #expect(found == [nil, 0x61, 0x63, nil, nil, nil])
        let none: [UInt8] = []
        let empty = none.span.byte(at: 0)
        #expect(empty == nil)
    }

    @Test func clampingKeepsWhatLiesInside() {
        let bytes = Array("0123456789".utf8)
        let span = bytes.span
        #expect(text(bytes, ByteRange(start: 2, count: 3)) == "234")
        #expect(text(bytes, ByteRange(start: 8, count: 30)) == "89")
        #expect(text(bytes, ByteRange(start: -3, count: 5)) == "01")
        #expect(text(bytes, span.all) == "0123456789")
        for range in outsideRanges {
            let inside = span.clamped(range)
            #expect(inside.start >= 0 && inside.end <= bytes.count)
            #expect(inside.isEmpty, "\(range)")
        }
    }

    @Test(arguments: [
        ("abc", "abc", true), ("abc", "abd", false), ("abc", "ab", false), ("ab", "abc", false), ("", "", true),
        ("ABC", "abc", false), ("é", "e\u{301}", false),
    ])
    func equalsComparesBytes(_ left: String, _ right: String, _ expected: Bool) {
        let mine = Array(left.utf8)
        let theirs = Array(right.utf8)
        let result = mine.span.equals(mine.span.all, theirs.span, theirs.span.all)
        #expect(result == expected)
    }

    @Test func literalsAreComparedWithinTheRange() {
        let bytes = Array("xABCx".utf8)
        let span = bytes.span
        let range = ByteRange(start: 1, count: 3)
        let results = [
            span.equals(range, "ABC"), span.equals(range, "AB"), span.equals(range, "ABCx"), span.equals(range, "abc"),
            span.hasPrefix(range, ""), span.hasPrefix(range, "AB"), span.hasPrefix(range, "ABC"),
            span.hasPrefix(range, "ABCx"), span.hasPrefix(range, "ab"),
            span.equalsIgnoringCase(range, "aBc"), span.equalsIgnoringCase(range, "ab"),
            span.hasPrefixIgnoringCase(range, "aB"), span.hasPrefixIgnoringCase(range, "abcx"),
        ]
        #expect(
            results == [
                true, false, false, false, true, true, true, false, false, true, false, true, false,
            ])
    }

    @Test func rangesOutsideEqualNothing() {
        let bytes = Array("abc".utf8)
        let span = bytes.span
        for range in outsideRanges {
            let equal = span.equals(range, "a") || span.hasPrefix(range, "a") || span.equalsIgnoringCase(range, "a")
            #expect(!equal)
            let other = span.equals(range, span, span.all)
            #expect(!other)
        }
        // What is cut off by the end is shorter than the literal, whatever its count says.
        let cut = span.equals(ByteRange(start: 2, count: 2), "cd")
        #expect(!cut)
    }

    @Test func firstIndexStaysWithinTheRange() {
        let bytes = Array("a,b,c".utf8)
        let span = bytes.span
        let comma = UInt8(ascii: ",")
        let found = [
            span.firstIndex(of: comma, in: span.all), span.firstIndex(of: comma, in: ByteRange(start: 2, count: 3)),
            span.firstIndex(of: comma, in: ByteRange(start: 2, count: 1)),
            span.firstIndex(of: comma, in: ByteRange(start: 4, count: 9)), span.firstIndex(of: 0, in: span.all),
        ]
        #expect(found == [1, 3, nil, nil, nil])
        for range in outsideRanges {
            let outside = span.firstIndex(of: comma, in: range)
            #expect(outside == nil)
        }
    }

    /// Every position in texts of every length up to four words, among bytes that differ from it in one bit.
    @Test func firstIndexFindsTheFirstOneWhereverItStands() {
        for wanted in [UInt8(0), 0x0A, 0x7F, 0x80, 0xFF] {
            for length in 0...32 {
                for position in 0...length {
                    var bytes = (0..<length).map { wanted ^ (1 << UInt8($0 % 8)) }
                    if position < length { bytes[position...].indices.forEach { bytes[$0] = wanted } }
                    let found = bytes.span.firstIndex(of: wanted, in: bytes.span.all)
                    #expect(found == (position < length ? position : nil))
                    let behind = bytes.span.firstIndex(of: wanted, in: ByteRange(start: 0, count: position))
                    #expect(behind == nil)
                }
            }
        }
    }

    /// Each of the three at every position, the others behind it, among bytes that differ from one of them in one bit.
    @Test func firstLineBreakerFindsEachOfThem() {
        let breakers: [UInt8] = [0, 0x0A, 0x0D]
        for wanted in breakers {
            for length in 0...32 {
                for position in 0...length {
                    var bytes = (0..<length).map { breakers[$0 % 3] ^ (0x10 << UInt8($0 % 4)) }
                    if position < length { bytes[position] = wanted }
                    for behind in bytes.indices where behind > position { bytes[behind] = breakers[behind % 3] }
                    let found = bytes.span.firstLineBreaker(in: bytes.span.all)
                    #expect(found == (position < length ? position : nil))
                    let before = bytes.span.firstLineBreaker(in: ByteRange(start: 0, count: position))
                    #expect(before == nil)
                }
            }
        }
        for range in outsideRanges {
            let found = [UInt8(0x0A), 0x0D].span.firstLineBreaker(in: range)
            #expect(found == nil)
        }
    }

    @Test(arguments: [
        (" a b\t", "a b"), ("ab", "ab"), ("", ""), (" \t ", ""), ("\ra\n", "\ra\n"), ("\u{0}", "\u{0}"),
    ])
    func trimmingTakesBlanksOnly(_ input: String, _ expected: String) {
        let bytes = Array(input.utf8)
        let range = bytes.span.trimmed(bytes.span.all)
        #expect(text(bytes, range) == expected)
    }

    @Test func trimmingOutsideIsEmpty() {
        let bytes = Array("   ".utf8)
        for range in outsideRanges {
            let trimmed = bytes.span.trimmed(range)
            #expect(trimmed.isEmpty)
        }
    }

    @Test func aWordHoldsNoBlankNoControlAndNoDelete() {
        for byte in UInt8.min...UInt8.max {
            let bytes = [UInt8(ascii: "a"), byte]
            let unfit = bytes.span.firstUnfitForWord(in: bytes.span.all)
            #expect(unfit == (byte <= 0x20 || byte == 0x7F ? 1 : nil))
        }
        let bytes = Array("a b".utf8)
        let before = bytes.span.firstUnfitForWord(in: ByteRange(start: 0, count: 1))
        #expect(before == nil)
        for range in outsideRanges {
            let outside = bytes.span.firstUnfitForWord(in: range)
            #expect(outside == nil)
        }
    }

    @Test func onlyAsciiLettersHaveCase() {
        for byte in UInt8.min...UInt8.max {
            let isCapital = byte >= 0x41 && byte <= 0x5A
            #expect(lowercased(byte) == (isCapital ? byte + 0x20 : byte))
            #expect(isBlank(byte) == (byte == 0x20 || byte == 0x09))
            #expect(isDigit(byte) == (byte >= 0x30 && byte <= 0x39))
        }
    }

    @Test func rangesOfAnyLengthAreComparedToTheLastByte() {
        let bytes = (0..<60).map { UInt8($0) }
        for length in 0..<40 {
            let same = [UInt8](repeating: 0xFF, count: 3) + bytes[5..<(5 + length)]
            // The first place is the one before: no byte of the range differs.
            for place in 2..<(3 + length) {
                var other = same
                other[place] ^= 0x80
                let isEqual = bytes.span.equals(
                    ByteRange(start: 5, count: length), other.span, ByteRange(start: 3, count: length))
                #expect(isEqual == (place == 2), "\(length) bytes, \(place)")
            }
        }
    }

    @Test func eachByteThatIsUnfitForAWordIsFoundAtEachPlace() {
        for byte in UInt8.min...UInt8.max {
            for length in 1...20 {
                for place in 0..<length {
                    var bytes = [UInt8](repeating: 0x80, count: length)
                    bytes[place] = byte
                    let isUnfit = byte <= 0x20 || byte == 0x7F
                    #expect(bytes.span.firstUnfitForWord(in: bytes.span.all) == (isUnfit ? place : nil))
                }
            }
        }
    }

    @Test func eightBytesAreReadWhereThereAreEight() {
        let bytes: [UInt8] = [9, 1, 2, 3, 4, 5, 6, 7, 8]
        #expect(bytes.span.eightBytes(at: 1) == 0x0807_0605_0403_0201)
        #expect(bytes.span.eightBytes(at: 2) == 0)
        #expect(bytes.span.eightBytes(at: -1) == 0)
        #expect(bytes.span.eightBytes(at: .max) == 0)
    }

    @Test func aWordIsWhatStandsInItsRange() {
        let bytes: [UInt8] = [9, 1, 2, 3, 4, 5, 6, 7, 8]
        #expect(bytes.span.word(ByteRange(start: 1, count: 8)) == 0x0807_0605_0403_0201)
        #expect(bytes.span.word(ByteRange(start: 0, count: 3)) == 0x02_0109)
        #expect(bytes.span.word(ByteRange(start: 1, count: 7)) == 0x07_0605_0403_0201)
        #expect(bytes.span.word(ByteRange(start: 5, count: 3)) == 0x07_0605)
        #expect(bytes.span.word(ByteRange(start: 8, count: 1)) == 8)
        #expect(bytes.span.word(ByteRange(start: 0, count: 9)) == 0)
        #expect(bytes.span.word(ByteRange(start: 3, count: 0)) == 0)
        #expect(bytes.span.word(ByteRange(start: 8, count: 2)) == 0)
        for range in outsideRanges + [ByteRange(start: .max, count: 5), ByteRange(start: .min, count: 5)] {
            #expect(bytes.span.word(range) == 0)
        }
    }
}
