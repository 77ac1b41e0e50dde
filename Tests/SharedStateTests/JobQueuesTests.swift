// SPDX-License-Identifier: GPL-2.0-or-later
// Jobs on their way between processes: their order, the bound, and that none is lost or comes twice, whoever is killed.

import Foundation
import Synchronization
import Testing

@testable import SharedState

/// Records in memory that forked processes share: 64 bytes each, the first word the queue's.
private struct Records: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let count: Int

    init(_ count: Int) throws {
        let memory = mmap(nil, count * 64, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
        base = try #require(memory != MAP_FAILED ? memory : nil)
        self.count = count
    }

    func free() { munmap(base, count * 64) }

    subscript(_ index: Int) -> UnsafeMutableRawPointer { base + index * 64 }

    func number(_ record: UnsafeMutableRawPointer) -> Int { (record - base) / 64 }

    /// Whether whoever pushed this record has come back from that.
    func isHandedOver(_ index: Int) -> Bool { self[index].load(fromByteOffset: 8, as: UInt64.self) == 1 }
    func noteHandedOver(_ index: Int) { self[index].storeBytes(of: 1, toByteOffset: 8, as: UInt64.self) }
}

extension JobQueues {
    /// The records of process `index`, the newest first, by their numbers.
    fileprivate func take(_ index: Int, _ records: Records) -> [Int] {
        var numbers: [Int] = []
        var next = takeAll(index)
        while let record = next, numbers.count <= records.count {
            numbers.append(records.number(record))
            next = Self.next(after: record)
        }
        return numbers
    }
}

/// Queues in memory that forked processes share, with `records` records.
private func withQueues(
    _ count: Int = 1, records: Int, _ body: (JobQueues, Records) throws -> Void
) throws {
    let made = try Records(records)
    defer { made.free() }
    let block = try Records(max(count, 1))
    defer { block.free() }
    JobQueues.create(in: block.base, count: count)
    try body(JobQueues(attaching: block.base, count: count), made)
}

/// What threads count together.
private final class Tally: Sendable {
    /// How often each record was taken, and whether it may be pushed.
    let taken: Guarded<[Int]>
    let isFree: Guarded<[Bool]>
    let wokenFor = Atomic<Int>(0)
    let batches = Atomic<Int>(0)
    let pushed = Atomic<Int>(0)
    let torn = Atomic<Int>(0)

    init(_ records: Int) {
        taken = Guarded([Int](repeating: 0, count: records))
        isFree = Guarded([Bool](repeating: true, count: records))
    }
}

/// Runs `body` on so many threads at once, each with its number, and waits for all of them.
private func together(_ threads: Int, _ body: @escaping @Sendable (Int) -> Void) {
    let done = DispatchSemaphore(value: 0)
    for number in 0..<threads {
        Thread.detachNewThread {
            body(number)
            done.signal()
        }
    }
    for _ in 0..<threads { done.wait() }
}

@Suite struct JobQueuesTests {
    @Test func theNewestComesFirstAndLeadsToAllBeforeIt() throws {
        try withQueues(records: 5) { queues, records in
            #expect(queues.takeAll(0) == nil)
            for number in 0..<5 { _ = queues.push(records[number], to: 0) }
            #expect(queues.take(0, records) == [4, 3, 2, 1, 0])
            #expect(queues.takeAll(0) == nil)
            _ = queues.push(records[2], to: 0)
            #expect(queues.take(0, records) == [2])
        }
    }

    /// So that it is woken once, however many jobs there are.
    @Test func oneOfABatchFindsTheQueueEmpty() throws {
        try withQueues(records: 4) { queues, records in
            for _ in 0..<3 {
                let pushes = (0..<4).map { queues.push(records[$0], to: 0) }
                #expect(pushes.first == .queued(wasEmpty: true))
                #expect(pushes.dropFirst().allSatisfy { $0 == .queued(wasEmpty: false) })
                #expect(queues.take(0, records).count == 4)
            }
        }
    }

    @Test func eachProcessHasAQueueOfItsOwn() throws {
        try withQueues(3, records: 3) { queues, records in
            for number in 0..<3 { #expect(queues.push(records[number], to: number) == .queued(wasEmpty: true)) }
            for number in 0..<3 { #expect(queues.take(number, records) == [number]) }
        }
    }

    @Test func aProcessThatIsNotThereGetsNothing() throws {
        try withQueues(2, records: 1) { queues, records in
            for index in [-1, 2, Int.max, Int.min] {
                #expect(queues.push(records[0], to: index) == .refused)
                #expect(queues.takeAll(index) == nil)
                #expect(!queues.hasRoom(index, limit: 100))
                queues.setUnderWay(index, 5)
                #expect(queues.underWay(index) == 0)
            }
            #expect(queues.refusals == 0)
            #expect(JobQueues.size(count: 2) == 128 && JobQueues.size(count: -1) == 0)
            let none = JobQueues(attaching: records.base, count: -3)
            #expect(none.count == 0 && none.push(records[0], to: 0) == .refused && none.refusals == 0)
        }
    }

    /// The word on top has 48 bits for the address: whatever does not fit is refused and not touched.
    @Test(arguments: [UInt(1) << 48, UInt(1) << 56, UInt.max & ~63])
    func anAddressOfMoreThan48BitsIsRefused(_ address: UInt) throws {
        try withQueues(records: 1) { queues, records in
            let far = try #require(UnsafeMutableRawPointer(bitPattern: address))
            #expect(queues.push(far, to: 0) == .refused)
            #expect(queues.takeAll(0) == nil)
            #expect(queues.push(records[0], to: 0) == .queued(wasEmpty: true))
            #expect(queues.push(far, to: 0) == .refused)
            #expect(queues.take(0, records) == [0])
        }
    }

    @Test func noMoreThan65535AreQueued() throws {
        try withQueues(records: 65_536) { queues, records in
            for number in 0..<65_535 { _ = queues.push(records[number], to: 0) }
            #expect(queues.push(records[65_535], to: 0) == .refused)
            #expect(queues.take(0, records) == (0..<65_535).reversed())
            #expect(queues.push(records[65_535], to: 0) == .queued(wasEmpty: true))
            #expect(queues.take(0, records) == [65_535])
        }
    }

    // MARK: - Room

    @Test func whatIsQueuedAndWhatIsUnderWayTakesRoom() throws {
        try withQueues(2, records: 4) { queues, records in
            #expect(queues.hasRoom(0, limit: 1))
            _ = queues.push(records[0], to: 0)
            #expect(queues.hasRoom(0, limit: 2))
            #expect(queues.refusals == 0)
            #expect(!queues.hasRoom(0, limit: 1))
            queues.setUnderWay(0, 2)
            #expect(queues.underWay(0) == 2 && queues.underWay(1) == 0)
            #expect(queues.hasRoom(0, limit: 4) && !queues.hasRoom(0, limit: 3))
            _ = queues.takeAll(0)
            #expect(queues.hasRoom(0, limit: 3) && !queues.hasRoom(0, limit: 2))
            #expect(queues.hasRoom(1, limit: 1) && !queues.hasRoom(1, limit: 0))
            // Of all processes together, each refusal once.
            #expect(queues.refusals == 4)
        }
    }

    @Test func anAbsurdNumberUnderWayLeavesNoRoom() throws {
        try withQueues(records: 1) { queues, _ in
            queues.setUnderWay(0, .max)
            #expect(!queues.hasRoom(0, limit: 65_000))
            queues.setUnderWay(0, -1)
            #expect(queues.underWay(0) == 0 && queues.hasRoom(0, limit: 1))
        }
    }

    // MARK: - At the same time

    /// Records that come back are pushed again at once, so that one and the same address is on top over and over.
    @Test func whatManyThreadsPushComesOnceAndIsNeverLost() throws {
        let (threads, rounds) = (4, 20_000)
        try withQueues(records: threads * 8) { queues, records in
            let tally = Tally(records.count)
            nonisolated(unsafe) let queues = queues
            together(threads + 1) { thread in
                guard thread < threads else {
                    var count = 0
                    // Bounded: some ten times longer than it takes.
                    for _ in 0..<20_000_000 where count < threads * rounds {
                        let numbers = queues.take(0, records)
                        guard !numbers.isEmpty else {
                            sched_yield()
                            continue
                        }
                        tally.batches.add(1, ordering: .relaxed)
                        count += numbers.count
                        if Set(numbers).count != numbers.count { tally.torn.add(1, ordering: .relaxed) }
                        tally.taken.withLock { taken in for number in numbers { taken[number] += 1 } }
                        tally.isFree.withLock { isFree in
                            for number in numbers {
                                if isFree[number] { tally.torn.add(1, ordering: .relaxed) }
                                isFree[number] = true
                            }
                        }
                    }
                    return
                }
                let mine = (thread * 8)..<(thread * 8 + 8)
                var sent = 0
                for _ in 0..<20_000_000 where sent < rounds {
                    let number = tally.isFree.withLock { isFree -> Int? in
                        guard let number = mine.first(where: { isFree[$0] }) else { return nil }
                        isFree[number] = false
                        return number
                    }
                    guard let number else {
                        sched_yield()
                        continue
                    }
                    switch queues.push(records[number], to: 0) {
                    case .queued(let wasEmpty): if wasEmpty { tally.wokenFor.add(1, ordering: .relaxed) }
                    case .refused: tally.torn.add(1, ordering: .relaxed)
                    }
                    tally.pushed.add(1, ordering: .relaxed)
                    sent += 1
                }
            }
            #expect(tally.pushed.load(ordering: .relaxed) == threads * rounds)
            #expect(tally.taken.withLock { $0.reduce(0, +) } == threads * rounds)
            #expect(tally.torn.load(ordering: .relaxed) == 0)
            #expect(tally.wokenFor.load(ordering: .relaxed) == tally.batches.load(ordering: .relaxed))
            #expect(queues.takeAll(0) == nil)
        }
    }

    /// Processes that are killed while they push: whatever one has handed over is there, once, and the queue goes on.
    @Test func aProcessThatIsKilledWhilePushingLeavesTheQueueUsable() throws {
        let (rounds, each) = (40, 20_000)
        try withQueues(records: each * 2) { queues, records in
            // What a child runs has been run before: it must not meet a lock that some thread had at the fork.
            _ = queues.push(records[0], to: 0)
            records.noteHandedOver(0)
            var midway = 0
            // On a busy machine they may all be killed before they begin, or when they are through.
            for round in 0..<rounds * 10 where round < rounds || midway == 0 {
                _ = queues.takeAll(0)
                records.base.initializeMemory(as: UInt8.self, repeating: 0, count: records.count * 64)
                let children = try (0..<2).map { child in
                    try Self.fork {
                        for number in (child * each)..<(child * each + each) {
                            _ = queues.push(records[number], to: 0)
                            records.noteHandedOver(number)
                        }
                    }
                }
                var numbers: [Int] = []
                for _ in 0..<2_000 where numbers.count < 200 { numbers += queues.take(0, records).reversed() }
                usleep(UInt32(round % 8) * 50)
                for child in children { kill(child, SIGKILL) }
                for child in children { waitpid(child, nil, 0) }
                // Others go on: here and with what was left.
                numbers += queues.take(0, records).reversed()
                #expect(Set(numbers).count == numbers.count)
                let seen = Set(numbers)
                let handedOver = (0..<records.count).filter { records.isHandedOver($0) }
                #expect(handedOver.allSatisfy { seen.contains($0) })
                // One that was killed had at most one record in hand.
                #expect(seen.count <= handedOver.count + 2)
                for child in 0..<2 {
                    let mine = numbers.filter { $0 / each == child }
                    #expect(mine == Array((child * each)..<(child * each + mine.count)))
                    if mine.count > 0, mine.count < each { midway += 1 }
                }
                #expect(queues.push(records[0], to: 0) == .queued(wasEmpty: true))
                #expect(queues.take(0, records) == [0])
            }
            #expect(midway > 0)
        }
    }

    /// Runs `body` in a process of its own, which ends with it. It may use nothing but memory that is there already.
    private static func fork(_ body: () -> Void) throws -> pid_t {
        typealias Fork = @convention(c) () -> pid_t
        let symbol = try #require(dlsym(nil, "fork"))
        let process = unsafeBitCast(symbol, to: Fork.self)()
        if process == 0 {
            body()
            _exit(0)
        }
        try #require(process > 0)
        return process
    }
}
