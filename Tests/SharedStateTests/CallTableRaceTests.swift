// SPDX-License-Identifier: GPL-2.0-or-later
// That processes which put calls into the same place of the call table at once lose none of them.

import Foundation
import Synchronization
import Testing

@testable import SharedState

/// Two threads that meet before each step.
private final class Meeting: Sendable {
    private let arrived = Atomic<Int>(0)

    func meet(_ step: Int) {
        arrived.wrappingAdd(1, ordering: .sequentiallyConsistent)
        while arrived.load(ordering: .sequentiallyConsistent) < 2 * (step + 1) { sched_yield() }
    }
}

/// What both threads change; each attaches to it. Its memory stays, as a table may be used longer than this object.
private final class SharedTable: @unchecked Sendable {
    private let table: UnsafeMutableRawPointer
    private let fleet: UnsafeMutableRawPointer?
    private let entries: Int
    private var size: Int { CallTable.size(entries: entries) }

    init(_ entries: Int, isShared: Bool) throws {
        self.entries = entries
        func block(_ size: Int) -> UnsafeMutableRawPointer {
            let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
            block.initializeMemory(as: UInt8.self, repeating: 0, count: size)
            return block
        }
        table = block(CallTable.size(entries: entries))
        fleet = isShared ? block(FleetState.size(nodes: 4, entries: entries)) : nil
        try CallTable.create(in: table, size: size, entries: entries)
        state?.start(at: 1_000_000_000)
    }

    private var state: FleetState? { fleet.map { FleetState(attaching: $0, nodes: 4, entries: entries) } }

    func attach() throws -> CallTable { try CallTable(attaching: table, size: size, fleet: state) }
}

@Suite(.serialized) struct CallTableRaceTests {
    private static let buckets = 5000

    /// A call of thread `thread` in bucket `bucket`.
    private static func hash(_ thread: Int, _ bucket: Int) -> UInt64 {
        let high = UInt64(thread + 1) << 41
        return high + (UInt64(bucket) + UInt64(buckets) - high % UInt64(buckets)) % UInt64(buckets)
    }

    /// How many of the first thread's calls the table has.
    private static func left(in table: borrowing CallTable) -> Int {
        var count = 0
        for bucket in 0..<buckets where table.node(for: hash(0, bucket), now: 100) != nil { count += 1 }
        return count
    }

    private static func onTwoThreads(_ body: @escaping @Sendable (Int) -> Void) {
        let ended = DispatchSemaphore(value: 0)
        for number in 0..<2 {
            Thread {
                body(number)
                ended.signal()
            }.start()
        }
        for _ in 0..<2 { ended.wait() }
    }

    @Test(arguments: [false, true])
    func twoThatAreRememberedAtOnceAreBothThere(isShared: Bool) throws {
        let (shared, meeting) = (try SharedTable(Self.buckets * 16, isShared: isShared), Meeting())
        Self.onTwoThreads { thread in
            guard let table = try? shared.attach() else { return }
            for bucket in 0..<Self.buckets {
                meeting.meet(bucket)
                table.remember(Self.hash(thread, bucket), node: thread, now: 100)
            }
        }
        let table = try shared.attach()
        let found = (0..<2 * Self.buckets).filter {
            table.node(for: Self.hash($0 % 2, $0 / 2), now: 100) == $0 % 2
        }
        #expect(found.count == 2 * Self.buckets)
        #expect(table.count == 2 * Self.buckets)
    }

    /// A call that begins, and the end of another one, in the same place.
    @Test func anEndDoesNotTakeThePlaceOfACallThatBegins() throws {
        let (shared, meeting) = (try SharedTable(Self.buckets * 16, isShared: true), Meeting())
        Self.onTwoThreads { thread in
            guard let table = try? shared.attach() else { return }
            for bucket in 0..<Self.buckets {
                meeting.meet(bucket)
                let hash = Self.hash(thread, bucket)
                if thread == 0 { table.remember(hash, node: 3, now: 100) } else { table.forget(hash, now: 100) }
            }
        }
        let table = try shared.attach()
        let found = (0..<Self.buckets).filter { table.node(for: Self.hash(0, $0), now: 100) == 3 }
        let ended = (0..<Self.buckets).filter { table.shared(Self.hash(1, $0)).map { $0.node == nil } ?? false }
        #expect(found.count == Self.buckets && ended.count == Self.buckets)
        #expect(table.count == Self.buckets)
    }

    /// Two processes take what another host says of a call: that it has begun, and that it has ended. `isFull`: where the
    /// bucket has room only in the places of calls that have ended.
    @Test(arguments: [false, true]) func anEndThatIsTakenWithTheBeginningHolds(isFull: Bool) throws {
        let (shared, meeting) = (try SharedTable(Self.buckets * 16, isShared: true), Meeting())
        if isFull {
            let table = try shared.attach()
            for place in 0..<16 * Self.buckets {
                let key = CallTable.key(Self.hash(2 + place % 16, place / 16))
                // The first place is not the one whose call has ended longest ago.
                let age = UInt32(16 + place % 16 * 4)
                let isTaken = table.apply(SharedCall(key: key, node: nil, stamp: 1_000_000_000), age: age, now: 100)
                #expect(isTaken)
            }
        }
        Self.onTwoThreads { thread in
            guard let table = try? shared.attach() else { return }
            for bucket in 0..<Self.buckets {
                let key = CallTable.key(Self.hash(0, bucket))
                let call = SharedCall(key: key, node: thread == 0 ? 3 : nil, stamp: 2_000_000_000 + UInt64(thread))
                meeting.meet(bucket)
                _ = table.apply(call, age: 0, now: 100)
            }
        }
        let table = try shared.attach()
        let (left, count) = (Self.left(in: table), table.count)
        #expect(left == 0 && count == 0)
    }

    /// This host ends a call just when another one says that it has begun.
    @Test func anEndHereHoldsBesideABeginningThere() throws {
        let (shared, meeting) = (try SharedTable(Self.buckets * 16, isShared: true), Meeting())
        Self.onTwoThreads { thread in
            guard let table = try? shared.attach() else { return }
            for bucket in 0..<Self.buckets {
                let hash = Self.hash(0, bucket)
                let call = SharedCall(key: CallTable.key(hash), node: 3, stamp: 1_000_000_000)
                meeting.meet(bucket)
                if thread == 0 { _ = table.apply(call, age: 0, now: 100) } else { table.forget(hash, now: 100) }
            }
        }
        let table = try shared.attach()
        let (left, count) = (Self.left(in: table), table.count)
        #expect(left == 0 && count == 0)
    }
}
