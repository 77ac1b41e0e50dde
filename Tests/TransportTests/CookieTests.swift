// SPDX-License-Identifier: GPL-2.0-or-later
// Cookies are unique, printable, and never shared by two processes.

import Bytes
import Testing

@testable import Transport

private func cookies(_ count: Int, from source: inout CookieSource) -> [String] {
    (0..<count).map { _ in
        var text: [UInt8] = []
        let isFilled = source.append(to: &text, CookieTag(member: 0, command: 0))
        #expect(isFilled)
        return String(decoding: text, as: UTF8.self)
    }
}

@Test func tenThousandCookiesAreAllDifferentWordsOf21Bytes() {
    var source = CookieSource()
    let drawn = cookies(10_000, from: &source)
    #expect(Set(drawn).count == 10_000)
    #expect(drawn.allSatisfy { $0.utf8.count == CookieSource.length })
    #expect(drawn.allSatisfy { $0.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x76).contains($0) } })
}

@Test func everyDigitOfACookieBeforeItsTagTakesAll32Values() {
    var source = CookieSource()
    let drawn = cookies(2_000, from: &source).map { Array($0.utf8) }
    for position in 0..<16 {
        #expect(Set(drawn.map { $0[position] }).count == 32)
    }
}

@Test func aSourceForgetsItsBytesInAnotherProcessAndKeepsThemInItsOwn() {
    var source = CookieSource()
    source.beginExchange(processID: 100)
    _ = cookies(1, from: &source)
    let left = source.bytesLeft
    #expect(left > 0)
    source.beginExchange(processID: 100)
    #expect(source.bytesLeft == left)
    source.beginExchange(processID: 101)
    #expect(source.bytesLeft == 0)
}

@Test(arguments: [
    (0, 0), (1, 0), (0, 1), (7, 255), (131_070, 255), (131_071, 0), (4096, 128),
])
func theTagOfACookieIsReadBack(_ member: Int, _ command: Int) {
    var source = CookieSource()
    var text = Array("xx".utf8)
    let tag = CookieTag(member: member, command: command)
    let isFilled = source.append(to: &text, tag)
    #expect(isFilled)
    #expect(text.count == 2 + CookieSource.length)
    #expect(CookieSource.tag(text.span, ByteRange(from: 2, to: text.count)) == tag)
}

@Test func whatIsNoCookieHasNoTag() {
    for text in ["", "0", String(repeating: "0", count: 20), String(repeating: "z", count: 21)] {
        let bytes = Array(text.utf8)
        #expect(CookieSource.tag(bytes.span, bytes.span.all) == nil)
    }
}
