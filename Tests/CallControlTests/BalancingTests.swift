// SPDX-License-Identifier: GPL-2.0-or-later
// Which node a Call-ID goes to: the rule that all proxies of a fleet share, written down here once more.

import Bytes
import SharedState
import Testing

@testable import CallControl

/// The rule itself, as plainly as it can be said: the Call-ID's bytes added up, the low 8 bits of that, modulo the sum
/// of the weights of the enabled entries, walked in order of definition.
private func rule(_ callID: String, _ weights: [UInt32], up: Set<Int>? = nil) -> Int? {
    let enabled = weights.indices.filter { up?.contains($0) ?? true }
    var places = enabled.flatMap { node in Array(repeating: node, count: Int(weights[node])) }
    if places.isEmpty { places = enabled }
    guard !places.isEmpty else { return nil }
    let sum = callID.utf8.reduce(0) { $0 + Int($1) }
    return places[(sum & 0xFF) % places.count]
}

/// What the module makes of it, over a table in memory.
private func choice(_ callID: String, _ weights: [UInt32], up: Set<Int>? = nil) -> Int? {
    let bytes = Array(callID.utf8)
    let set = nodeSet(weights, up: up)
    return CallIDBalancing.choose(
        set.candidates, weightSums: set.weightSums, hash: CallIDBalancing.hash(bytes.span, bytes.span.all))
}

/// A set of nodes with these weights, those in `up` taking calls.
func nodeSet(_ weights: [UInt32], up: Set<Int>? = nil) -> NodeSet {
    let definitions = weights.indices.map { node in
        NodeDefinition(setID: 0, url: Array("udp:192.0.2.\(node)".utf8), weight: weights[node], index: UInt32(node))
    }
    let size = NodeTableLayout(capacity: weights.count).size
    let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
    defer { block.deallocate() }
    var set = NodeSet(id: 0, nodes: Array(weights.indices))
    do {
        try NodeTable.create(in: block, size: size, definitions)
        let table = try NodeTable(attaching: block, size: size)
        for node in weights.indices where up?.contains(node) ?? true { _ = table.revive(node) }
        set.refresh(table)
    } catch {
        Issue.record("no table: \(error)")
    }
    return set
}

@Suite struct BalancingTests {
    private static let callIDs = (0..<1000).map { "\($0 &* 2_654_435_761 % 1_000_003)-\($0)@192.0.2.\($0 % 250)" }

    @Test(
        arguments: [
            ("", 0), ("a", 97), ("abc", 38), ("\u{FF}", 130), (String(repeating: "~", count: 10_000), 224),
        ] as [(String, UInt64)])
    func theHashIsTheLowByteOfTheSum(_ callID: String, _ expected: UInt64) {
        let bytes = Array(callID.utf8)
        #expect(CallIDBalancing.hash(bytes.span, bytes.span.all) == expected)
    }

    @Test func theHashIsOfTheRangeAlone() {
        let bytes = Array("xxabcxx".utf8)
        #expect(CallIDBalancing.hash(bytes.span, ByteRange(start: 2, count: 3)) == 38)
        #expect(CallIDBalancing.hash(bytes.span, ByteRange(start: 5, count: 99)) == 240)
    }

    @Test(arguments: [[1], [1, 1], [1, 1, 1], [2, 1], [1, 2, 3], [5, 0, 1], [0, 0, 7], [100, 1], [300, 1, 300]])
    func aThousandCallIDsGoWhereTheRuleSays(_ weights: [UInt32]) {
        for callID in Self.callIDs {
            #expect(choice(callID, weights) == rule(callID, weights), "\(callID)")
        }
    }

    @Test func nodesThatAreDownAreLeftOutOfTheSum() {
        let weights: [UInt32] = [2, 1, 0, 4]
        for mask in 0..<16 {
            let up = Set((0..<4).filter { mask >> $0 & 1 == 1 })
            for callID in Self.callIDs.prefix(200) {
                #expect(choice(callID, weights, up: up) == rule(callID, weights, up: up), "\(callID) \(up)")
            }
        }
    }

    /// A node of weight 2 gets twice the calls of one of weight 1, and each gets some.
    @Test func weightsShareTheCalls() {
        let weights: [UInt32] = [1, 2, 3]
        var counts = [0, 0, 0]
        for callID in Self.callIDs { counts[choice(callID, weights) ?? 0] += 1 }
        #expect(counts.reduce(0, +) == 1000)
        for (count, weight) in zip(counts, weights) {
            #expect(abs(count - 1000 * Int(weight) / 6) < 60, "\(counts)")
        }
    }

    @Test func weightZeroIsUsedOnlyWhereNoOtherIsUp() {
        for callID in Self.callIDs {
            #expect(choice(callID, [0, 1]) == 1)
            #expect(choice(callID, [0, 1], up: [0]) == 0)
        }
        // Several of them share what there is.
        var seen: Set<Int> = []
        for callID in Self.callIDs { seen.insert(choice(callID, [0, 9, 0, 0], up: [0, 2, 3]) ?? -1) }
        #expect(seen == [0, 2, 3])
    }

    @Test func nobodyIsChosenWhereNobodyIsUp() {
        #expect(choice("a", [1, 2], up: []) == nil)
        #expect(choice("a", []) == nil)
    }

    @Test func theLargestWeightsDoNotOverflow() {
        let weights = [UInt32](repeating: NodeLine.maximumWeight, count: 200)
        #expect(choice("a", weights) == 0)
        #expect(choice("a", [.max, .max, .max]) == 0)
    }

    /// Through the functions: the Call-ID of the message alone decides, not what a flag appends to it.
    @Test func callsGoWhereTheRuleSays() throws {
        let responders = try [Responder(), Responder(), Responder()]
        let weights: [UInt32] = [1, 2, 1]
        let worker = try SIPWorker(zip(responders, weights).map { "\($0.url)=\($1)" })
        for callID in Self.callIDs.prefix(24) {
            for flags in ["", "1", "b"] {
                let call = FakeCall(.bye)
                call[.callID] = callID
                call[.via1Branch] = "z9hG4bK-\(callID.count)x"
                call.variables[.extraID] = Array("extra".utf8)
                #expect(worker.delete(call, flags) == .done)
                #expect(call.instances == [responders[rule(callID, weights) ?? 0].url])
            }
        }
    }
}

@Suite struct NodeDirectoryTests {
    @Test func eachSetIsARunOfNodes() throws {
        let worker = try SIPWorker(["5 == udp:127.0.0.1:1 unix:/run/x", "udp:127.0.0.1:2", "5 == udp6:[::1]:3"])
        let directory = NodeDirectory(try worker.table())
        #expect(directory.sets.map(\.id) == [5, 0])
        #expect(directory.sets.map(\.nodes) == [[0, 1, 2], [3]])
        #expect(directory.listed == [0, 1, 2, 3])
        #expect(directory.position(ofSet: 5) == 0 && directory.position(ofSet: 0) == 1)
        #expect(directory.position(ofSet: 1) == nil)
        #expect((0..<4).map { directory.url($0)?.port } == [1, 0, 3, 2])
        #expect(directory.url(-1) == nil && directory.url(4) == nil)
    }
}
