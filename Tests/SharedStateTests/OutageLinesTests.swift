// SPDX-License-Identifier: GPL-2.0-or-later
// How many lines an outage gets, and that every call without one is counted.

import Testing

@testable import SharedState

@Suite struct OutageLinesTests {
    @Test func tenAtOnceThenOneASecondAndAllAreCounted() {
        let lines = OutageLines()
        var (told, silent) = (0, 0)
        for tick in 100..<160 as Range<UInt32> {
            for _ in 0..<50 {
                guard let untold = lines.mayTell(.noNode, tick: tick) else { continue }
                told += 1
                silent += Int(untold)
            }
        }
        #expect(told == 10 + 59)
        #expect(lines.takeSilent(.noNode, tick: 160) == nil, "another call may follow at once")
        let rest = lines.takeSilent(.noNode, tick: 161)
        #expect(told + silent + Int(rest ?? 0) == 60 * 50)
        #expect(lines.takeSilent(.noNode, tick: 163) == nil)
    }

    @Test func aRestBringsTheLinesBackAndCausesAreApart() {
        let lines = OutageLines()
        for _ in 0..<10 { #expect(lines.mayTell(.refused, tick: 7) == 0) }
        #expect(lines.mayTell(.refused, tick: 7) == nil)
        #expect(lines.mayTell(.unanswered, tick: 7) == 0)
        #expect(lines.mayTell(.refused, tick: 10) == 1)
        for _ in 0..<2 { #expect(lines.mayTell(.refused, tick: 10) == 0) }
        #expect(lines.mayTell(.refused, tick: 10) == nil)
        for _ in 0..<10 { #expect(lines.mayTell(.refused, tick: 1000) != nil) }
        #expect(lines.mayTell(.refused, tick: 1000) == nil)
    }

    /// Processes read the clock one after the other; and it may stand at 0 or wrap.
    @Test(arguments: [0, 1, .max] as [UInt32]) func aClockThatLagsGivesNoLines(_ tick: UInt32) {
        let lines = OutageLines()
        for _ in 0..<10 { #expect(lines.mayTell(.noNode, tick: tick) == 0) }
        #expect(lines.mayTell(.noNode, tick: tick &- 1) == nil)
        #expect(lines.mayTell(.noNode, tick: tick) == nil)
        #expect(lines.takeSilent(.noNode, tick: tick &- 1) == nil)
        #expect(lines.mayTell(.noNode, tick: tick &+ 1) == 2)
        #expect(lines.mayTell(.noNode, tick: tick &+ 1) == nil)
    }
}
