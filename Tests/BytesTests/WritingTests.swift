// SPDX-License-Identifier: GPL-2.0-or-later
// Bytes added to buffers that keep their capacity.

import Bytes
import Testing

@Suite struct WritingTests {
    private func written(_ write: (inout [UInt8]) -> Void) -> String {
        var output = Array("<".utf8)
        write(&output)
        return String(decoding: output.dropFirst(), as: UTF8.self)
    }

    @Test func literalsAreAdded() {
        #expect(written { $0.append("a=candidate:") } == "a=candidate:")
        #expect(written { $0.append("") } == "")
        #expect(written { $0.append("é") } == "é")
    }

    @Test func rangesAreAddedAsFarAsTheyExist() {
        let bytes = Array("0123".utf8)
        #expect(written { $0.append(bytes.span) } == "0123")
        #expect(written { $0.append(bytes.span, ByteRange(start: 1, count: 2)) } == "12")
        #expect(written { $0.append(bytes.span, ByteRange(start: 3, count: 9)) } == "3")
        for range in outsideRanges { #expect(written { $0.append(bytes.span, range) } == "") }
    }

    @Test(arguments: [
        0, 1, 9, 10, 99, 100, 9_999, 10_000, 65535, 10_203_040, 99_999_999, 100_000_000, 100_000_001,
        9_999_999_999_999_999_999, 10_000_000_000_000_000_000, UInt64.max,
    ])
    func unsignedNumbersAreDecimal(_ value: UInt64) {
        #expect(written { $0.append(decimal: value) } == String(value))
    }

    @Test(arguments: [0, 1, -1, -10, Int.max, Int.min])
    func signedNumbersAreDecimal(_ value: Int) {
        #expect(written { $0.append(decimal: value) } == String(value))
    }

    @Test(arguments: [-1, 0, 1, 5, 8, 9])
    func wordsAreAddedByteByByte(_ count: Int) {
        #expect(written { $0.append(0x6867_6665_6463_6261, count: count) } == String("abcdefgh".prefix(max(count, 0))))
    }

    @Test(arguments: 0...3) func clearingKeepsTheMemory(_ count: Int) {
        var texts = [String](repeating: "text", count: count)
        texts.reserveCapacity(40)
        texts.clear()
        #expect(texts.isEmpty && texts.capacity >= 40)
    }

    @Test func logTextIsPrintableAndBounded() {
        let bytes = Array("a\r\n\u{1B}[1m\u{0}\u{7F}é~".utf8)
        #expect(written { $0.append(printable: bytes.span, bytes.span.all) } == "a???[1m????~")
        let long = [UInt8](repeating: 0x78, count: 200)
        #expect(written { $0.append(printable: long.span, long.span.all, limit: 4) } == "xxxx...")
        #expect(written { $0.append(printable: long.span, long.span.all, limit: 200) }.count == 200)
        #expect(written { $0.append(printable: long.span, long.span.all) }.count == 131)
        #expect(written { $0.append(printable: long.span, long.span.all, limit: 0) } == "...")
        #expect(written { $0.append(printable: long.span, long.span.all, limit: -5) } == "...")
        for range in outsideRanges { #expect(written { $0.append(printable: bytes.span, range) } == "") }
    }
}
