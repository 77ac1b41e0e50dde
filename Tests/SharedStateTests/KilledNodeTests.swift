// SPDX-License-Identifier: GPL-2.0-or-later
// What a process leaves of the nodes and of the pool that is killed while it changes them, and that others go on.

import Foundation
import Testing

@testable import SharedState

@Suite struct KilledNodeTests {
    private static let tick: UInt32 = 100
    private static let patience: UInt32 = 10

    private static func address(_ value: UInt64) -> NodeAddress { NodeAddress(words: (value, ~value, value &* 3)) }

    /// The number of the address of node 0; nil where there is none to be seen. One that is torn fails.
    private static func number(_ table: borrowing NodeTable) -> UInt64? {
        guard let words = table.address(0)?.words else { return nil }
        #expect(words.1 == ~words.0 && words.2 == words.0 &* 3)
        return words.0
    }

    /// The first one, another one, and one behind a writer that was killed halfway.
    @Test(arguments: [0, 1, 2])
    func anAddressIsTheOldOneOrTheNewOneOrNone(earlier: Int) throws {
        let block = try SharedBlock([definition("a"), definition("b")])
        let table = try block.table()
        if earlier > 0 { table.publishAddress(0, Self.address(1)) }
        table.publishAddress(1, Self.address(7))
        if earlier == 2 {
            // Killed in the middle: nobody sees an address.
            let middle = try #require(try half(block) { table.publishAddress(0, Self.address(5)) })
            block.restore(middle)
            #expect(table.address(0) == nil)
        }
        let old: UInt64? = earlier == 1 ? 1 : nil
        var seen: Set<UInt64?> = []
        let changes = try block.killAtEachChange {
            table.publishAddress(0, Self.address(2))
        } _: { _ in
            let number = Self.number(table)
            #expect(number == nil || number == old || number == 2)
            seen.insert(number)
            #expect(table.address(1)?.words.0 == 7)
            // Whoever publishes next makes it whole.
            table.publishAddress(0, Self.address(3))
            #expect(Self.number(table) == 3)
            #expect(table.addressVersion(0) % 2 == 0)
        }
        #expect(changes >= 4)
        #expect(seen.contains(2) && seen.contains(nil))
    }

    /// The memory as somebody leaves it who was killed after half of the changes that he makes.
    private func half(_ block: SharedBlock, _ work: () -> Void) throws -> [UInt8]? {
        var left: [Int: [UInt8]] = [:]
        let changes = try block.killAtEachChange(work) { left[$0.changes] = block.image }
        return left[changes / 2]
    }

    private static let moves: [(name: String, move: @Sendable (borrowing NodeTable) -> Void)] = [
        ("fail", { _ = $0.fail(0, recheck: 9) }),
        ("postpone", { $0.postpone(0, recheck: 8) }),
        ("revive", { _ = $0.revive(0) }),
        ("disable", { $0.setEnabled(0, false) }),
        ("enable", { $0.setEnabled(0, true) }),
        ("drain", { $0.setDraining(0, true) }),
        ("silence", { $0.noteSilence(0) }),
        ("answer", { $0.noteAnswer(0) }),
    ]

    /// What others see of node 0.
    private static func look(_ table: borrowing NodeTable) -> String {
        "\(table.condition(0)) \(table.isDraining(0)) \(table.silences(0))"
    }

    @Test(arguments: 0..<moves.count, [false, true])
    func aConditionIsTheOldOneOrTheNewOne(move: Int, isDown: Bool) throws {
        let block = try SharedBlock([definition("a"), definition("b")])
        let table = try block.table()
        for _ in 0..<2 { table.noteSilence(0) }
        for node in 0..<2 { _ = table.revive(node) }
        if isDown { _ = table.fail(0, recheck: 3) }
        let before = Self.look(table)
        let counted = table.changes
        let image = block.image
        Self.moves[move].move(table)
        let after = Self.look(table)
        block.restore(image)
        try block.killAtEachChange {
            Self.moves[move].move(table)
        } _: { _ in
            #expect([before, after].contains(Self.look(table)), "\(Self.moves[move].name)")
            #expect(table.changes >= counted)
            #expect(table.condition(1) == .up(recheck: 0))
            // Others go on, and tell of it.
            let told = table.changes
            table.setEnabled(0, false)
            #expect(table.condition(0) == .disabled)
            table.setEnabled(0, true)
            #expect(table.condition(0) == .up(recheck: 0))
            #expect(table.fail(0, recheck: 20) == true)
            #expect(table.changes > told)
        }
    }

    /// The URLs of the nodes that others see, with their lives.
    private static func nodes(_ table: borrowing NodeTable) -> [String] {
        (0..<table.count).filter { table.life($0) != .free }.map { "\(url(table, $0)) \(table.life($0))" }
    }

    /// All slots that are not free, be they among those that others look at or not.
    private static func taken(_ table: borrowing NodeTable) -> Int {
        (0..<table.capacity).count { table.life($0) != .free }
    }

    /// A new slot, and one in which another node was before.
    @Test(arguments: [false, true])
    func aNodeIsAddedWholeOrNotAtAll(isSlotUsed: Bool) throws {
        let block = try SharedBlock([definition("a"), definition("before")], capacity: isSlotUsed ? 2 : 3)
        let table = try block.table()
        if isSlotUsed {
            table.publishAddress(1, Self.address(1))
            _ = table.fail(1, recheck: 7)
            _ = table.takeRoom(1, commands: 3, now: 0)
            table.setDraining(1, true)
            table.retire(1)
            table.release(1)
        }
        let newcomer = definition("the new one", set: 4, weight: 6, index: 2)
        let present = Self.nodes(table)
        let slot = isSlotUsed ? 1 : 2
        let changes = try block.killAtEachChange {
            _ = table.add(newcomer)
        } _: { _ in
            let nodes = Self.nodes(table)
            #expect(nodes == present || nodes == present + ["the new one member"])
            // No slot is taken that nobody sees.
            #expect(Self.taken(table) == nodes.count)
            if nodes.count > present.count { Self.expectNew(table, slot) }
            // The next reload adds it if it is not there.
            if nodes.count == present.count { #expect(table.add(newcomer) == slot) }
            #expect(Self.nodes(table) == present + ["the new one member"])
            Self.expectNew(table, slot)
        }
        #expect(changes > 10)
    }

    /// That the node of a slot is as new, whatever was there before.
    private static func expectNew(_ table: borrowing NodeTable, _ slot: Int) {
        #expect(table.setID(slot) == 4 && table.weight(slot) == 6 && table.definitionIndex(slot) == 2)
        #expect(table.condition(slot) == .unproven && !table.isDraining(slot) && table.address(slot) == nil)
    }

    /// Whether somebody gets the pool's lock at that tick.
    private static func locks(_ table: borrowing NodeTable, at tick: UInt32) -> Bool {
        table.lockPool(now: tick, patience: patience)
    }

    /// One goes, one stays with another weight, one comes: all under the lock.
    private static func reload(_ table: borrowing NodeTable, at tick: UInt32) -> Bool {
        guard table.lockPool(now: tick, patience: patience) else { return false }
        for node in 0..<table.count where table.life(node) != .free {
            switch url(table, node) {
            case "stays": table.update(node, definition("stays", weight: 5))
            case "goes": table.retire(node)
            default: break
            }
        }
        if !(0..<table.count).contains(where: { table.life($0) != .free && url(table, $0) == "comes" }) {
            _ = table.add(definition("comes", index: 2))
        }
        table.unlockPool()
        return true
    }

    @Test func aReloadIsFinishedByTheNextOne() throws {
        let block = try SharedBlock([definition("stays"), definition("goes")], capacity: 4)
        let table = try block.table()
        let (membership, changes) = (table.membership, table.changes)
        var broken = 0
        try block.killAtEachChange {
            _ = Self.reload(table, at: Self.tick)
        } _: { _ in
            let nodes = Self.nodes(table)
            #expect(nodes.first == "stays member")
            #expect(["goes member", "goes leaving"].contains(nodes[1]))
            #expect(nodes.count == 2 || nodes[2...] == ["comes member"])
            #expect([1, 5].contains(table.weight(0)))
            #expect(Self.taken(table) == nodes.count)
            // Calls do not need the lock.
            _ = table.revive(0)
            #expect(table.condition(0) == .up(recheck: 0))
            // Whoever comes early finds it free or is sent away; whoever comes later gets it.
            let left = block.image
            if !Self.locks(table, at: Self.tick + Self.patience) { broken += 1 }
            block.restore(left)
            #expect(Self.reload(table, at: Self.tick + Self.patience + 1) == true)
            #expect(Self.nodes(table) == ["stays member", "goes leaving", "comes member"])
            #expect(table.weight(0) == 5)
            #expect(table.membership > membership && table.changes > changes)
            // It was given back.
            #expect(Self.locks(table, at: Self.tick) == true)
        }
        #expect(broken > 10)
    }

    @Test func aBrokenLockHasOneNewHolder() throws {
        let block = try SharedBlock([definition("a")])
        let table = try block.table()
        #expect(Self.locks(table, at: Self.tick) == true)
        let late = Self.tick + Self.patience + 1
        try block.killAtEachChange {
            _ = table.lockPool(now: late, patience: Self.patience)
        } _: { killed in
            // The one that was killed had it or had it not.
            #expect(Self.locks(table, at: late) == (killed.changes == 0))
            #expect(Self.locks(table, at: late + Self.patience) == false)
            #expect(Self.locks(table, at: late + Self.patience + 1) == true)
        }
    }

    /// What the dead one may have changed without telling is seen by all as soon as somebody else changes the pool,
    /// and before that one does.
    @Test func whoeverBreaksTheLockTellsOfWhatTheDeadOneDid() throws {
        let block = try SharedBlock([definition("a"), definition("goes")])
        let table = try block.table()
        table.retire(1)
        try block.killAtEachChange {
            guard table.lockPool(now: Self.tick, patience: Self.patience) else { return }
            table.release(1)
            table.unlockPool()
        } _: { _ in
            let (membership, changes) = (table.membership, table.changes)
            if Self.locks(table, at: Self.tick) { return }
            #expect(Self.locks(table, at: Self.tick + Self.patience + 1) == true)
            #expect(table.membership > membership && table.changes > changes)
        }
    }

    private static func figures(_ table: borrowing NodeTable, _ node: Int) -> [UInt64] {
        let values = table.figures(node)
        return [values.commands, values.answered, values.timeouts, values.retransmissions, values.errors]
            + [values.roundTrips.samples]
    }

    @Test func figuresOnlyGrow() throws {
        let block = try SharedBlock([definition("a"), definition("b")])
        let table = try block.table()
        var counts = ExchangeCounts()
        (counts.commands, counts.answered, counts.timeouts, counts.retransmissions) = (5, 3, 2, 4)
        for node in 0..<2 {
            table.count(counts, node)
            table.sampleRoundTrip(node, nanoseconds: 200_000)
            table.noteFault(node, .timeout, tick: 4)
        }
        let (before, other) = (Self.figures(table, 0), Self.figures(table, 1))
        let counted: [UInt64] = [10, 6, 4, 8, 1, 2]
        try block.killAtEachChange {
            table.count(counts, 0)
            table.sampleRoundTrip(0, nanoseconds: 100_000)
            table.noteFault(0, .errorReply(72), tick: 9)
            table.noteCondition(0, tick: 9)
        } _: { _ in
            for (value, (least, most)) in zip(Self.figures(table, 0), zip(before, counted)) {
                #expect(value == least || value == most)
            }
            #expect(Self.figures(table, 1) == other)
            let fault = table.figures(0).lastFault
            #expect(
                (fault?.fault == .timeout && fault?.tick == 4) || (fault?.fault == .errorReply(72) && fault?.tick == 9))
            let trip = table.roundTrip(0)?.smoothedMicroseconds
            #expect(trip == 200 || trip == 188)
            let left = Self.figures(table, 0)
            table.count(counts, 0)
            #expect(Self.figures(table, 0)[0] == left[0] + 5)
        }
        try block.killAtEachChange {
            table.resetFigures()
        } _: { _ in
            for (value, least) in zip(Self.figures(table, 0), before) { #expect(value == least || value == 0) }
            table.resetFigures()
            #expect(Self.figures(table, 0) == [0, 0, 0, 0, 0, 0] && Self.figures(table, 1) == Self.figures(table, 0))
        }
    }

    /// For how many commands to node 0 there is room.
    private static func room(_ table: borrowing NodeTable, _ now: UInt64) -> Int {
        var taken = 0
        while taken < 100, table.takeRoom(0, commands: 1, now: now) != nil { taken += 1 }
        return taken
    }

    /// What nobody gives back any more is not counted for longer than three quarters of a second.
    @Test(arguments: [1, 17])
    func roomForCommandsComesBack(commands: Int) throws {
        let block = try SharedBlock([definition("a")])
        let table = try block.table()
        let slot: UInt64 = 1 << 28
        let now = 40 * slot + 5
        let image = block.image
        let all = Self.room(table, now)
        block.restore(image)
        #expect(all == 16)
        try block.killAtEachChange {
            if let room = table.takeRoom(0, commands: commands, now: now) { table.giveBack(room, 0) }
        } _: { _ in
            let left = block.image
            #expect(Self.room(table, now) >= all - commands)
            block.restore(left)
            #expect(Self.room(table, now + 3 * slot) == all)
        }
    }
}
