// SPDX-License-Identifier: GPL-2.0-or-later
// Streams of browsers that are to be looked at, in shared memory.

import Bytes
import Foundation
import SharedState
import Synchronization
import Testing

@Suite struct WatchedStreamsTests {
    private func note(
        _ list: WatchedStreams, _ words: [String], number: Int = 1, due tick: UInt32 = 100
    ) -> Bool {
        let text = Array(words.joined().utf8)
        var ranges: [ByteRange] = []
        for word in words {
            ranges.append(ByteRange(start: ranges.last?.end ?? 0, count: word.utf8.count))
        }
        let stream = WatchedStream(node: 3, setID: 7, number: number, isFirst: true, isSecond: false)
        return list.note(stream, text.span, ranges[0], ranges[1], ranges[2], due: tick)
    }

    private func take(_ list: WatchedStreams, _ tick: UInt32) -> (stream: WatchedStream, text: String)? {
        var text: [UInt8] = []
        return list.takeDue(tick, into: &text).map { ($0, String(decoding: text, as: UTF8.self)) }
    }

    @Test func eachIsTakenOnceWhenItsTimeHasCome() throws {
        let block = Block(size: WatchedStreams.size)
        let list = WatchedStreams(attaching: block.memory)
        #expect(take(list, 100) == nil)
        #expect(note(list, ["call-1", "from", "to"], number: 2) && note(list, ["c", "", ""], due: 90))
        #expect(take(list, 89) == nil)
        #expect(take(list, 99)?.text == "c" && take(list, 99) == nil)
        let other = WatchedStreams(attaching: block.memory)
        let found = try #require(take(other, 5000))
        #expect(found.text == "call-1fromto" && (0..<3).map { found.stream.lengths[$0] } == [6, 4, 2])
        #expect(found.stream.node == 3 && found.stream.setID == 7 && found.stream.number == 2)
        #expect(found.stream.isFirst && !found.stream.isSecond)
        #expect(take(list, 5000) == nil && block.isFenceWhole)
    }

    @Test func ticksGoRound() {
        let block = Block(size: WatchedStreams.size)
        let list = WatchedStreams(attaching: block.memory)
        #expect(note(list, ["c", "f", "t"], due: 3))
        #expect(take(list, .max) == nil && take(list, 3) != nil)
    }

    @Test func whatHasNoPlaceIsLeftOut() {
        let block = Block(size: WatchedStreams.size)
        let list = WatchedStreams(attaching: block.memory)
        for round in 0..<3 {
            for _ in 0..<WatchedStreams.count { #expect(note(list, ["c\(round)", "f", "t"])) }
            #expect(!note(list, ["c", "f", "t"]))
            for _ in 0..<WatchedStreams.count { #expect(take(list, 100)?.text == "c\(round)ft") }
            #expect(take(list, 100) == nil)
            // The one that was left out has moved on by a place.
        }
        #expect(block.isFenceWhole)
    }

    @Test func wordsThatAreTooLongAreLeftOut() {
        let block = Block(size: WatchedStreams.size)
        let list = WatchedStreams(attaching: block.memory)
        let longest = String(repeating: "x", count: WatchedStreams.room - 2)
        #expect(!note(list, [longest, "f", "tt"]))
        for _ in 0..<WatchedStreams.count { #expect(note(list, [longest, "f", "t"])) }
        #expect(take(list, 100)?.text == longest + "ft" && block.isFenceWhole)
    }

    /// What the threads share.
    private final class Tally: Sendable {
        let writers = Atomic<Int>(3)
        let noted = Atomic<Int>(0)
        let taken = Atomic<Int>(0)
        let torn = Atomic<Int>(0)
    }

    /// Many write, one takes: nothing is taken twice, nothing is mixed up.
    @Test func manyWriteAndOneTakes() {
        let (block, tally) = (Block(size: WatchedStreams.size), Tally())
        DispatchQueue.concurrentPerform(iterations: 4) { number in
            let list = WatchedStreams(attaching: block.memory)
            guard number > 0 else {
                while true {
                    let isLast = tally.writers.load(ordering: .acquiring) == 0
                    while let found = take(list, 100) {
                        tally.taken.add(1, ordering: .relaxed)
                        let isWhole =
                            Set(found.text).count == 1 && Int(found.stream.lengths[0]) * 3 == found.text.count
                        if !isWhole { tally.torn.add(1, ordering: .relaxed) }
                    }
                    if isLast { return }
                    sched_yield()
                }
            }
            let word = String(repeating: "\(number)", count: 40 + number)
            for _ in 0..<20_000 where note(list, [word, word, word]) { tally.noted.add(1, ordering: .relaxed) }
            tally.writers.subtract(1, ordering: .releasing)
        }
        let (noted, taken) = (tally.noted.load(ordering: .relaxed), tally.taken.load(ordering: .relaxed))
        #expect(noted == taken && taken >= WatchedStreams.count, "\(noted) \(taken)")
        #expect(tally.torn.load(ordering: .relaxed) == 0 && block.isFenceWhole)
    }
}
