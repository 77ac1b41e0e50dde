// SPDX-License-Identifier: GPL-2.0-or-later
// Lines, fields and decimal numbers.

import Bytes
import Testing

@Suite struct CursorsTests {
    private func lines(_ input: String, _ range: ByteRange? = nil) -> [String] {
        let bytes = Array(input.utf8)
        var cursor = LineCursor(in: range ?? bytes.span.all)
        var found: [String] = []
        while let line = cursor.next(in: bytes.span) { found.append(text(bytes, line.content)) }
        return found
    }

    private func fields(_ input: String, _ range: ByteRange? = nil) -> [String] {
        let bytes = Array(input.utf8)
        var cursor = FieldCursor(in: range ?? bytes.span.all)
        var found: [String] = []
        while let field = cursor.next(in: bytes.span) { found.append(text(bytes, field)) }
        return found
    }

    private func number(_ input: String, _ maximum: UInt32) -> UInt32? {
        let bytes = Array(input.utf8)
        return Decimal.parse(bytes.span, bytes.span.all, maximum: maximum)
    }

    @Test(arguments: [
        ("", []), ("a", ["a"]), ("a\n", ["a"]), ("a\r\n", ["a"]), ("a\nb", ["a", "b"]), ("\n", [""]), ("\r\n", [""]),
        ("\r\n\n", ["", ""]), ("a\rb\n", ["a\rb"]), ("a\r", ["a"]), ("a\r\r\n", ["a"]), ("a\r\r\r\nb", ["a", "b"]),
        ("\r\r\n", [""]), ("\r", [""]),
        ("a\r\rb\r\n", ["a\r\rb"]), ("\ra\n", ["\ra"]), ("a\n\rb", ["a", "\rb"]), ("\u{0}\n", ["\u{0}"]),
        ("a\u{0}\u{0}b\r\u{0}\n\u{0}", ["a\u{0}\u{0}b\r\u{0}", "\u{0}"]),
    ])
    func linesEndInLFAndTheReturnsBeforeIt(_ input: String, _ expected: [String]) {
        #expect(lines(input) == expected)
    }

    @Test func linesSayWhatOthersMayTakeForTheirEnd() {
        let bytes = Array("a\r\nb\rc\nd\u{0}\ne\r\r\nf\r\u{0}\r".utf8)
        var cursor = LineCursor(in: bytes.span.all)
        var found: [[Bool]] = []
        while let line = cursor.next(in: bytes.span) {
            found.append([line.holdsReturn, line.holdsNUL, line.endsTwice])
        }
        #expect(
            found == [
                [false, false, false], [true, false, false], [false, true, false], [false, false, true],
                [true, true, false],
            ])
    }

    @Test func linesAreNumberedAndSayWhereTheNextOneBegins() {
        let bytes = Array("xa\r\nb\nc".utf8)
        var cursor = LineCursor(in: ByteRange(start: 1, count: 6))
        let found = [cursor.next(in: bytes.span), cursor.next(in: bytes.span), cursor.next(in: bytes.span)]
        #expect(found.map { $0?.number } == [1, 2, 3])
        #expect(found.map { $0?.next } == [4, 6, 7])
        #expect(found.map { $0?.content.start } == [1, 4, 6])
        let end = cursor.next(in: bytes.span)
        #expect(end == nil)
    }

    @Test func linesStayWithinTheRange() {
        #expect(lines("ab\ncd\nef", ByteRange(start: 1, count: 4)) == ["b", "cd"])
        #expect(lines("ab\ncd\nef", ByteRange(start: 1, count: 3)) == ["b", "c"])
    }

    @Test func aReturnBeforeTheRangeIsNotItsOwn() {
        #expect(lines("a\r\nb", ByteRange(start: 2, count: 2)) == ["", "b"])
    }

    @Test func linesAndFieldsOutsideAreNone() {
        for range in outsideRanges {
            #expect(lines("a\nb", range).isEmpty)
            #expect(fields("a b", range).isEmpty)
        }
    }

    @Test(arguments: [
        ("", []), (" \t", []), ("a", ["a"]), (" a \t b\t", ["a", "b"]), ("a\r\nb", ["a\r\nb"]),
        ("a\u{0}b", ["a\u{0}b"]),
    ])
    func fieldsAreDividedByRunsOfBlanks(_ input: String, _ expected: [String]) {
        #expect(fields(input) == expected)
    }

    @Test func fieldsStayWithinTheRange() {
        #expect(fields("abc def", ByteRange(start: 1, count: 4)) == ["bc", "d"])
    }

    /// Against a reading byte by byte: short and long ones, and every part of the text, whatever stands behind it.
    @Test func fieldsAreTheSameWhereverTheTextEnds() {
        let text = Array("ab  c\tdefghijk 1234567 12345678 \u{1}x\u{0} \u{80}\u{7F} \r y".utf8)
        for end in text.indices {
            for start in 0...end {
                for behind in [[], Array("zzz".utf8), Array("        ".utf8)] {
                    let bytes = text[..<end] + behind
                    let expected = text[start..<end].split { isBlank($0) }.map {
                        ByteRange(from: $0.startIndex, to: $0.endIndex)
                    }
                    var cursor = FieldCursor(in: ByteRange(from: start, to: end))
                    var found: [ByteRange] = []
                    while let field = cursor.next(in: Array(bytes).span) { found.append(field) }
                    #expect(found == expected)
                }
            }
        }
    }

    @Test func aCursorMayMeetFewerBytesThanItExpects() {
        let bytes = Array("a b\nc".utf8)
        let fewer = Array("a".utf8)
        var lines = LineCursor(in: bytes.span.all)
        var fields = FieldCursor(in: bytes.span.all)
        _ = lines.next(in: bytes.span)
        _ = fields.next(in: bytes.span)
        let line = lines.next(in: fewer.span)
        let field = fields.next(in: fewer.span)
        #expect(line == nil && field == nil)
    }

    @Test func decimalsAreDigitsUpToTheMaximum() {
        #expect(number("0", 0) == 0)
        #expect(number("65535", 65535) == 65535)
        #expect(number("65536", 65535) == nil)
        #expect(number("4294967295", .max) == .max)
        #expect(number("4294967296", .max) == nil)
        #expect(number("00000000000000000000000000000000000000007", 9) == 7)
        #expect(number("99999999999999999999999999999999999999999", .max) == nil)
        #expect(number("18446744073709551617", .max) == nil)
    }

    @Test(arguments: ["", "-1", "+1", " 1", "1 ", "1.0", "0x1", "a", "1a", "\u{0}", "١"])
    func everythingElseIsNoDecimal(_ input: String) {
        #expect(number(input, .max) == nil)
    }

    @Test func decimalsOutsideAreNone() {
        let bytes = Array("123".utf8)
        for range in outsideRanges {
            let outside = Decimal.parse(bytes.span, range, maximum: .max)
            #expect(outside == nil)
        }
    }
}
