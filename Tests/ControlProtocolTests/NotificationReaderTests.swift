// SPDX-License-Identifier: GPL-2.0-or-later
// Notifications in pieces of every size, and lines that are none.

import Bytes
import Testing

@testable import ControlProtocol

@Suite struct NotificationReaderTests {
    /// The tags in `text`, fed in pieces of `size` bytes; nil where a line was too long.
    private func tags(_ text: [UInt8], pieces size: Int) -> [String]? {
        var reader = NotificationReader()
        var found: [String] = []
        var start = 0
        while start < text.count {
            let range = ByteRange(start: start, count: min(size, text.count - start))
            let progress = reader.read(text.span, range) { tag in
                found.append(String(decoding: (0..<tag.count).map { tag[$0] }, as: UTF8.self))
            }
            if progress == .tooLong { return nil }
            start += size
        }
        return found
    }

    @Test func tagsAreTheSameInPiecesOfEverySize() {
        let text = Array("one\ntwo@host\r\n\nbad tag\nlast\nunfinished".utf8)
        for size in 1...text.count { #expect(tags(text, pieces: size) == ["one", "two@host", "last"]) }
    }

    @Test func whatIsNoWordIsLeftOut() {
        for byte in (0...0x20).map(UInt8.init) + [0x7F] where byte != 0x0A && byte != 0x0D {
            #expect(tags([0x61, byte, 0x62, 0x0A], pieces: 4) == [])
        }
        #expect(tags([0x61, 0x0D, 0x62, 0x0A], pieces: 1) == [])
        #expect(tags([0x61, 0xC3, 0xA9, 0x0A], pieces: 1) == ["a\u{E9}"])
    }

    @Test func aLineHasALimit() {
        let longest = [UInt8](repeating: 0x78, count: NotificationReader.maximumLength)
        #expect(tags(longest + [0x0A], pieces: 7)?.count == 1)
        #expect(tags(longest + [0x78, 0x0A], pieces: 7) == nil)
    }
}
