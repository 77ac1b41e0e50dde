// SPDX-License-Identifier: GPL-2.0-or-later
// The lines of jobs with the same Call-ID: who is first, whoever comes and goes.

import Testing

@testable import CallControl

/// The lines, where an expectation may change them.
private final class Lines {
    private var lines = CallOrder()
    var count: Int { lines.count }
    func isFirst(_ number: Int) -> Bool { lines.isFirst(number) }
    func append(_ number: Int, _ line: UInt64) -> Bool { lines.append(number, line) }
    func appendBehindFirst(_ number: Int, _ line: UInt64) -> Bool { lines.appendBehindFirst(number, line) }
    func remove(_ number: Int) -> Int? { lines.remove(number) }
}

@Suite struct CallOrderTests {
    @Test func jobsOfALineComeOneAfterTheOther() {
        let lines = Lines()
        #expect(lines.append(3, 7))
        #expect(!lines.append(0, 7) && !lines.append(5, 7))
        #expect(lines.isFirst(3) && !lines.isFirst(0) && !lines.isFirst(5))
        #expect(lines.remove(3) == 0 && lines.isFirst(0))
        #expect(lines.remove(0) == 5 && lines.remove(5) == nil)
        #expect(lines.count == 0)
    }

    @Test func linesDoNotWaitForEachOther() {
        let lines = Lines()
        #expect(lines.append(0, 1) && lines.append(1, 2) && !lines.append(2, 1))
        #expect(lines.count == 2)
        #expect(lines.remove(1) == nil && lines.remove(0) == 2)
        #expect(lines.append(1, 2))
    }

    @Test func oneThatWaitsMayGo() {
        let lines = Lines()
        for number in 0..<4 { _ = lines.append(number, 9) }
        #expect(lines.remove(2) == nil && lines.remove(3) == nil)
        #expect(!lines.append(2, 9))
        #expect(lines.remove(0) == 1 && lines.remove(1) == 2 && lines.remove(2) == nil)
        #expect(lines.count == 0)
    }

    @Test func whatIsUrgentComesBehindTheFirst() {
        let lines = Lines()
        #expect(lines.appendBehindFirst(0, 4))
        #expect(!lines.append(1, 4) && !lines.appendBehindFirst(2, 4))
        #expect(lines.remove(0) == 2 && lines.remove(2) == 1 && lines.remove(1) == nil)
        #expect(!lines.isFirst(99) && lines.remove(99) == nil)
    }

    /// Against lines that are lists.
    @Test func anySequenceIsAsWithLists() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            let lines = Lines()
            var lists: [UInt64: [Int]] = [:]
            var free = Array(0..<40)
            for _ in 0..<400 {
                let key = UInt64.random(in: 0..<5, using: &random)
                if Bool.random(using: &random), let number = free.popLast() {
                    var list = lists[key] ?? []
                    if list.isEmpty || Bool.random(using: &random) {
                        #expect(lines.append(number, key) == list.isEmpty)
                        list.append(number)
                    } else {
                        #expect(!lines.appendBehindFirst(number, key))
                        list.insert(number, at: 1)
                    }
                    lists[key] = list
                } else if var list = lists[key], let number = list.randomElement(using: &random) {
                    let wasFirst = list.first == number
                    list.removeAll { $0 == number }
                    #expect(lines.remove(number) == (wasFirst ? list.first : nil))
                    lists[key] = list.isEmpty ? nil : list
                    free.append(number)
                }
                for list in lists.values {
                    for (place, number) in list.enumerated() { #expect(lines.isFirst(number) == (place == 0)) }
                }
                #expect(lines.count == lists.count)
            }
        }
    }
}
