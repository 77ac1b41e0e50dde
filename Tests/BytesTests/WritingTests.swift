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

    @Test(arguments: [0, 1, 9, 10, 99, 100, 65535, 9_999_999_999_999_999_999, 10_000_000_000_000_000_000, UInt64.max])
    func unsignedNumbersAreDecimal(_ value: UInt64) {
        #expect(written { $0.append(decimal: value) } == String(value))
    }

    @Test(arguments: [0, 1, -1, -10, Int.max, Int.min])
    func signedNumbersAreDecimal(_ value: Int) {
        #expect(written { $0.append(decimal: value) } == String(value))
    }

    @Test func whatDoesNotFitTheRoomThatWasAskedForIsLeftOut() {
        let bytes = Array("abcdef".utf8)
        let text = written {
            $0.append(addingCapacity: 8) { output in
                output.add(bytes.span, ByteRange(start: 1, count: 3))
                output.add(bytes.span, bytes.span.all)
                output.add(decimal: 123_456)
                output.add(decimal: 120)
                output.add(0x2F)
                output.add(decimal: 7)
                output.add(decimal: 8)
                output.add(0x2F)
            }
        }
        #expect(text == "bcd120/7")
    }

    @Test(arguments: [-1, 0, 1, 8, 9, 21, 24, 25])
    func wordsAreAddedByteByByte(_ count: Int) {
        let text = written {
            $0.append(0x6867_6665_6463_6261, 0x3736_3534_3332_3130, 0x5857_5655_5453_5251, count: count)
        }
        #expect(text == String("abcdefgh01234567QRSTUVWX".prefix(max(count, 0))))
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
