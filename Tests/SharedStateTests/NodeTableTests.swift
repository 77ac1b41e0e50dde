// SPDX-License-Identifier: GPL-2.0-or-later
// The layout of the table, and the blocks that are refused.

import Testing

@testable import SharedState

@Suite struct NodeTableTests {
    private let three = [
        definition("udp:127.0.0.1:22222", set: 0, weight: 3, index: 0),
        definition("unix:/run/rtpproxy.sock", set: 7, weight: 0, disabled: true, index: 2),
        definition("udp6:[::1]:22222", set: 2_147_483_647, weight: 1_000_000, index: 1),
    ]

    private func attachError(_ block: Block, at offset: Int = 0, size: Int? = nil) -> SharedStateError? {
        do throws(SharedStateError) {
            _ = try NodeTable(attaching: block.memory + offset, size: size ?? block.size)
            return nil
        } catch {
            return error
        }
    }

    private func createError(_ block: Block, at offset: Int = 0, size: Int? = nil) -> SharedStateError? {
        do throws(SharedStateError) {
            try NodeTable.create(in: block.memory + offset, size: size ?? block.size, three)
            return nil
        } catch {
            return error
        }
    }

    // MARK: - Sizes

    @Test func theSizeGrowsByTheSameForEachNode() {
        let empty = NodeTableLayout(capacity: 0).size
        let one = NodeTableLayout(capacity: 1).size
        #expect(empty >= MemoryLayout<NodeTableHeader>.size)
        #expect(one - empty >= MemoryLayout<NodeSlot>.size + NodeTableLayout.maximumURLLength)
        for capacity in 0...64 {
            #expect(NodeTableLayout(capacity: capacity).size == empty + capacity * (one - empty))
        }
        #expect(NodeTableLayout(capacity: -3).size == empty)
    }

    /// Two slots in one cache line would slow each other down, and a misaligned atomic is none.
    @Test func slotsLieInCacheLinesOfTheirOwn() {
        #expect(NodeTableLayout.headerSize % 64 == 0)
        #expect(NodeTableLayout.slotStride % 64 == 0)
        #expect(NodeTableLayout.slotStride >= MemoryLayout<NodeSlot>.stride)
        #expect(MemoryLayout<NodeTableHeader>.stride <= NodeTableLayout.headerSize)
        #expect(NodeTableLayout.textStride >= NodeTableLayout.maximumURLLength)
    }

    // MARK: - Create and attach

    @Test func whatWasLaidOutIsRead() throws {
        let block = try Block(three)
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        #expect(table.count == 3)
        #expect((0..<3).map { url(table, $0) } == three.map { String(decoding: $0.url, as: UTF8.self) })
        #expect((0..<3).map { table.setID($0) } == [0, 7, 2_147_483_647])
        #expect((0..<3).map { table.weight($0) } == [3, 0, 1_000_000])
        #expect((0..<3).map { table.definitionIndex($0) } == [0, 2, 1])
        #expect((0..<3).map { table.condition($0) } == [.unproven, .disabled, .unproven])
        #expect((0..<3).map { table.capabilities($0) } == [0, 0, 0])
        #expect((0..<3).map { table.addressVersion($0) } == [0, 0, 0])
    }

    @Test func anEmptyTableIsOne() throws {
        let block = try Block([])
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        #expect(table.count == 0)
        #expect(table.condition(0) == .disabled)
        #expect(url(table, 0) == "")
    }

    @Test func nothingIsWrittenBesideTheBlock() throws {
        let long = String(repeating: "x", count: 400)
        let definitions = (0..<9).map { definition(long, index: UInt32($0)) }
        let block = try Block(definitions)
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        for index in 0..<9 {
            #expect(url(table, index) == String(long.prefix(NodeTableLayout.maximumURLLength)))
            table.setEnabled(index, false)
            table.setCapabilities(index, .max)
            table.publishAddress(index, NodeAddress(words: (.max, .max, .max)))
            #expect(url(table, index).allSatisfy { $0 == "x" })
        }
        #expect(block.isFenceWhole)
    }

    @Test func aBlockThatIsTooSmallIsNotTaken() throws {
        let block = Block(size: NodeTableLayout(capacity: 3).size)
        defer { withExtendedLifetime(block) {} }
        #expect(createError(block, size: block.size - 1) == .tooSmall)
        #expect(createError(block, size: 0) == .tooSmall)
        #expect(createError(block, size: -1) == .tooSmall)
        #expect(createError(block) == nil)
        #expect(attachError(block, size: block.size - 1) == .tooSmall)
        #expect(attachError(block, size: NodeTableLayout.headerSize - 1) == .tooSmall)
        #expect(attachError(block, size: -1) == .tooSmall)
        #expect(attachError(block) == nil)
    }

    @Test func aLargerBlockWillDo() throws {
        let block = Block(size: 2 * NodeTableLayout(capacity: 3).size)
        defer { withExtendedLifetime(block) {} }
        #expect(createError(block) == nil)
        #expect(attachError(block) == nil)
    }

    @Test(arguments: [1, 8, 32, 63])
    func aMisalignedBlockIsNotTaken(_ offset: Int) {
        let block = Block(size: NodeTableLayout(capacity: 3).size + 64)
        defer { withExtendedLifetime(block) {} }
        #expect(createError(block, at: offset, size: block.size - 64) == .misaligned)
        #expect(attachError(block, at: offset, size: block.size - 64) == .misaligned)
    }

    @Test func aBlockThatNobodyLaidOutIsForeign() {
        #expect(attachError(Block(size: 4096)) == .foreign)
    }

    /// Each field of the header in turn says something else. The offsets are those of the format itself.
    @Test func aBlockOfAnotherBuildIsForeign() throws {
        for (offset, name) in [(0, "magic"), (8, "version"), (12, "stride"), (20, "count")] {
            let block = try Block(three)
            defer { withExtendedLifetime(block) {} }
            let value = block.memory.load(fromByteOffset: offset, as: UInt32.self)
            block.memory.storeBytes(of: value &+ 1, toByteOffset: offset, as: UInt32.self)
            #expect(attachError(block) == .foreign, "\(name)")
            block.memory.storeBytes(of: value, toByteOffset: offset, as: UInt32.self)
            #expect(attachError(block) == nil, "\(name)")
        }
    }

    @Test func aCapacityBeyondTheBlockIsNotTaken() throws {
        let block = try Block(three)
        defer { withExtendedLifetime(block) {} }
        for capacity in [4, 1000, UInt32.max] {
            block.memory.storeBytes(of: capacity, toByteOffset: 16, as: UInt32.self)
            #expect(attachError(block) == .tooSmall)
        }
    }

    @Test(arguments: [-1, 3, 4, Int.max, Int.min])
    func anIndexOutsideIsAnAbsentNode(_ index: Int) throws {
        let block = try Block(three)
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        #expect(table.condition(index) == .disabled)
        #expect(table.setID(index) == 0)
        #expect(table.weight(index) == 0)
        #expect(table.definitionIndex(index) == 0)
        #expect(url(table, index) == "")
        #expect(table.urlMemory(index).count == 0)
        #expect(table.address(index) == nil)
        #expect(table.addressVersion(index) == 0)
        #expect(table.fail(index, recheck: 1) == false)
        #expect(table.revive(index) == nil)
        table.postpone(index, recheck: 1)
        table.setEnabled(index, false)
        table.setCapabilities(index, 1)
        table.publishAddress(index, NodeAddress(words: (1, 2, 3)))
        #expect(table.capabilities(index) == 0)
        #expect((0..<3).map { table.condition($0) } == [.unproven, .disabled, .unproven])
        #expect(block.isFenceWhole)
    }

    /// Whatever stands in the words that tell of changes: a trap would end the server.
    @Test func changesThatAreFullBeginAnew() throws {
        let block = try Block(three)
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        for offset in [24, 32] { (block.memory + offset).storeBytes(of: .max, as: UInt64.self) }
        #expect(table.changes == .max && table.membership == .max)
        table.setDraining(0, true)
        #expect(table.changes == 0)
        table.unlockPool()
        #expect(table.changes == 1 && table.membership == 0)
    }

    @Test func theMemoryOfAURLNeverMoves() throws {
        let block = try Block(three)
        defer { withExtendedLifetime(block) {} }
        let table = try block.table()
        let other = try block.table()
        for index in 0..<3 {
            let memory = table.urlMemory(index)
            #expect(Array(memory) == three[index].url)
            #expect(memory.baseAddress == other.urlMemory(index).baseAddress)
            let start = UnsafeRawPointer(try #require(memory.baseAddress))
            #expect(start >= UnsafeRawPointer(block.memory))
            #expect(start + memory.count <= UnsafeRawPointer(block.memory + block.size))
        }
    }

    /// Two attachments are two processes: what one writes the other sees.
    @Test func whatOneAttachmentWritesTheOtherSees() throws {
        let block = try Block(three)
        defer { withExtendedLifetime(block) {} }
        let one = try block.table()
        let other = try block.table()
        #expect(one.fail(0, recheck: 12) == true)
        #expect(other.condition(0) == .down(recheck: 12))
        one.setCapabilities(2, 11)
        #expect(other.capabilities(2) == 11)
        one.publishAddress(2, NodeAddress(words: (4, 5, 6)))
        #expect(other.address(2).map { $0.words == (4, 5, 6) } == true)
        #expect(one.changes == other.changes)
    }
}
