// SPDX-License-Identifier: GPL-2.0-or-later
// The conditions of a node, every transition from each of them, and the address.

import Testing

@testable import SharedState

/// A condition, and how a node gets there.
enum Start: CaseIterable, Sendable {
    case unproven, up, upAgain, down, downForGood, disabled

    var condition: NodeCondition {
        switch self {
        case .unproven: .unproven
        case .up: .up(recheck: 0)
        case .upAgain: .up(recheck: 5)
        case .down: .down(recheck: 5)
        case .downForGood: .down(recheck: NodeSlot.never)
        case .disabled: .disabled
        }
    }

    func bring(_ table: borrowing NodeTable) {
        switch self {
        case .unproven: break
        case .up: _ = table.revive(0)
        case .upAgain:
            _ = table.fail(0, recheck: 5)
            _ = table.revive(0)
        case .down: _ = table.fail(0, recheck: 5)
        case .downForGood: _ = table.fail(0, recheck: NodeTable.never)
        case .disabled: table.setEnabled(0, false)
        }
    }
}

@Suite struct NodeConditionTests {
    /// Runs `body` on a table whose only node is in the condition `start`, and checks where it is afterwards.
    private func from(
        _ start: Start, expecting expected: NodeCondition, changes: Bool,
        _ body: (borrowing NodeTable) -> Void
    ) throws {
        let block = try Block([definition("udp:127.0.0.1")])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        start.bring(table)
        #expect(table.condition(0) == start.condition)
        let before = table.changes
        body(table)
        #expect(table.condition(0) == expected)
        #expect((table.changes != before) == changes)
    }

    @Test(arguments: Start.allCases)
    func onlyANodeThatTakesCommandsOrMayCanFail(_ start: Start) throws {
        let isWon = [.unproven, .up, .upAgain].contains(start)
        try from(start, expecting: isWon ? .down(recheck: 77) : start.condition, changes: isWon) {
            #expect($0.fail(0, recheck: 77) == isWon)
        }
    }

    @Test(arguments: Start.allCases)
    func aFailureIsWonOnce(_ start: Start) throws {
        let isWon = [.unproven, .up, .upAgain].contains(start)
        try from(start, expecting: isWon ? .down(recheck: 77) : start.condition, changes: isWon) {
            _ = $0.fail(0, recheck: 77)
            #expect($0.fail(0, recheck: 78) == false)
        }
    }

    /// The tick of the last failure stays, for `rtpproxy.list`; whoever the operator switched off stays off.
    @Test(arguments: Start.allCases)
    func aNodeThatAnswersIsRevivedUnlessItIsDisabled(_ start: Start) throws {
        let expected: NodeCondition =
            switch start {
            case .unproven, .up: .up(recheck: 0)
            case .upAgain, .down: .up(recheck: 5)
            case .downForGood: .up(recheck: NodeSlot.never)
            case .disabled: .disabled
            }
        let moves = [.unproven, .down, .downForGood].contains(start)
        try from(start, expecting: expected, changes: moves) {
            #expect($0.revive(0) == (moves ? start.condition : nil))
        }
    }

    @Test(arguments: Start.allCases)
    func onlyANodeThatIsDownIsPostponed(_ start: Start) throws {
        let moves = [.down, .downForGood].contains(start)
        try from(start, expecting: moves ? .down(recheck: 99) : start.condition, changes: false) {
            $0.postpone(0, recheck: 99)
        }
    }

    @Test(arguments: Start.allCases)
    func theOperatorDisablesFromEverywhere(_ start: Start) throws {
        try from(start, expecting: .disabled, changes: true) { $0.setEnabled(0, false) }
    }

    @Test(arguments: Start.allCases)
    func theOperatorEnablesAtOnceFromEverywhere(_ start: Start) throws {
        try from(start, expecting: start == .upAgain ? .up(recheck: 5) : .up(recheck: 0), changes: true) {
            $0.setEnabled(0, true)
        }
    }

    @Test func aRecheckTickMayBeAnyNumber() throws {
        let block = try Block([definition("a"), definition("b"), definition("c")])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        for (index, tick) in [UInt32(0), 1, .max].enumerated() {
            #expect(table.fail(index, recheck: tick) == true)
            #expect(table.condition(index) == .down(recheck: tick))
            _ = table.revive(index)
            #expect(table.condition(index) == .up(recheck: tick))
        }
    }

    @Test func oneNodeDoesNotTouchTheNext() throws {
        let block = try Block([definition("a"), definition("b"), definition("c")])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        _ = table.fail(1, recheck: 3)
        table.setCapabilities(1, .max)
        table.publishAddress(1, NodeAddress(words: (.max, .max, .max)))
        for index in [0, 2] {
            #expect(table.condition(index) == .unproven)
            #expect(table.capabilities(index) == 0)
            #expect(table.address(index) == nil)
        }
    }
}

@Suite struct NodeAddressTests {
    @Test func thereIsNoAddressBeforeOneIsPublished() throws {
        let block = try Block([definition("a")])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        #expect(table.address(0) == nil)
        #expect(table.addressVersion(0) == 0)
    }

    @Test func eachPublicationHasAVersionOfItsOwn() throws {
        let block = try Block([definition("a")])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        var versions: Set<UInt32> = []
        for round in 1...50 as ClosedRange<UInt64> {
            table.publishAddress(0, NodeAddress(words: (round, round * 2, .max - round)))
            let published = table.address(0)
            let address = try #require(published)
            #expect(address.words == (round, round * 2, .max - round))
            #expect(address.version == table.addressVersion(0))
            #expect(address.version != 0 && address.version % 2 == 0)
            versions.insert(address.version)
        }
        #expect(versions.count == 50)
    }

    /// A slot that another node takes over: there is no address until the next publication, and the version goes on.
    @Test func aForgottenAddressIsNone() throws {
        let block = try Block([definition("a")])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        table.publishAddress(0, NodeAddress(words: (1, 2, 3)))
        let version = table.addressVersion(0)
        table.publishAddress(0, NodeAddress(words: (0, 0, 0)))
        #expect(table.address(0) == nil)
        #expect(table.addressVersion(0) != version)
        table.publishAddress(0, NodeAddress(words: (1, 0, 0)))
        #expect(table.address(0)?.words.0 == 1)
    }

    /// A writer that died half way leaves an odd version: nobody reads what it left, and the next one mends it.
    @Test func whatAWriterThatDiedLeavesIsNotReadAndMended() throws {
        let block = try Block([definition("a")])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        table.publishAddress(0, NodeAddress(words: (1, 2, 3)))
        let version = table.addressVersion(0)
        let slot = (block.memory + NodeTableLayout.headerSize).assumingMemoryBound(to: UInt32.self)
        let slotWords = NodeTableLayout.slotStride / 4
        let place = try #require((0..<slotWords).first { slot[$0] == version && $0 >= 3 })
        slot[place] = version + 1
        #expect(table.addressVersion(0) == version + 1)
        #expect(table.address(0) == nil)
        table.publishAddress(0, NodeAddress(words: (4, 5, 6)))
        let published = table.address(0)
        let address = try #require(published)
        #expect(address.words == (4, 5, 6))
        #expect(address.version % 2 == 0 && address.version != version)
    }
}
