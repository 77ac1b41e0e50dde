// SPDX-License-Identifier: GPL-2.0-or-later
// Cookies are unique, printable, and never shared by two processes.

import Testing

@testable import Transport

private func cookies(_ count: Int, from source: inout CookieSource) -> [String] {
    (0..<count).map { _ in
        var text: [UInt8] = []
        let isFilled = source.append(to: &text)
        #expect(isFilled)
        return String(decoding: text, as: UTF8.self)
    }
}

@Test func tenThousandCookiesAreAllDifferentWordsOfTwentyBytes() {
    var source = CookieSource()
    let drawn = cookies(10_000, from: &source)
    #expect(Set(drawn).count == 10_000)
    #expect(drawn.allSatisfy { $0.utf8.count == CookieSource.length })
    #expect(drawn.allSatisfy { $0.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x76).contains($0) } })
}

@Test func everyDigitOfACookieTakesAll32Values() {
    var source = CookieSource()
    let drawn = cookies(2_000, from: &source).map { Array($0.utf8) }
    for position in 0..<CookieSource.length {
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
