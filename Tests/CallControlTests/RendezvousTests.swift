// SPDX-License-Identifier: GPL-2.0-or-later
// Rendezvous hashing: shares, stability, and values that may never change.

import Bytes
import Foundation
import Testing

@testable import CallControl

@Suite struct RendezvousTests {
    private static let hashes = (0..<40).map { node in
        let url = Array("udp:192.0.2.\(node):22222".utf8)
        return RendezvousBalancing.nodeHash(url.span, occurrence: 0)
    }

    private func choice(_ call: Int, _ weights: [UInt32], up: Set<Int>? = nil) -> Int? {
        let callID = Array("\(call)-\(call &* 7919)@198.51.100.\(call % 200)".utf8)
        let present = weights.indices.filter { up?.contains($0) ?? true }
        let heavy = present.filter { weights[$0] > 0 }
        return RendezvousBalancing.choose(
            heavy.isEmpty ? present : heavy, callHash: RendezvousBalancing.callHash(callID.span, callID.span.all),
            nodeHash: { Self.hashes[$0] }, weight: { weights[$0] })
    }

    @Test(arguments: [[1, 1], [1, 2, 3], [10, 1, 1], [5, 5, 5, 5, 5, 1], [1000, 500, 250]] as [[UInt32]])
    func sharesFollowTheWeightsWithinTwoPercent(_ weights: [UInt32]) {
        let calls = 100_000
        var shares = [Int](repeating: 0, count: weights.count)
        for call in 0..<calls { shares[choice(call, weights) ?? 0] += 1 }
        let total = Double(weights.reduce(0, +))
        for node in weights.indices {
            let expected = Double(weights[node]) / total
            #expect(abs(Double(shares[node]) / Double(calls) - expected) < 0.02, "\(weights) \(shares)")
        }
    }

    @Test func aNodeThatLeavesMovesItsOwnCallsAlone() {
        let weights: [UInt32] = [3, 1, 2, 2, 5]
        for call in 0..<5000 {
            let before = choice(call, weights)
            let after = choice(call, weights, up: [0, 1, 3, 4])
            #expect(before == 2 ? after != 2 : after == before)
        }
    }

    @Test func weightZeroCountsOnlyWhereNoOtherIsUp() {
        for call in 0..<500 {
            #expect(choice(call, [0, 1, 0]) == 1)
            #expect(choice(call, [0, 1, 0], up: [0, 2]) != 1)
        }
        #expect(Set((0..<500).map { choice($0, [0, 1, 0], up: [0, 2]) }) == [0, 2])
        #expect(choice(1, [1, 1], up: []) == nil)
    }

    @Test func theSameURLTwiceIsTwoNodes() {
        let url = Array("udp:192.0.2.1".utf8)
        let first = RendezvousBalancing.nodeHash(url.span, occurrence: 0)
        #expect(first != RendezvousBalancing.nodeHash(url.span, occurrence: 1))
    }

    /// Proxies of a fleet agree on these numbers: a change moves every call.
    @Test func theHashIsTheSameForEver() {
        let text = Array("abc".utf8)
        var hash = Hash64()
        #expect(hash.value == Hash64.mixed(14_695_981_039_346_656_037))
        hash.combine(text.span, text.span.all)
        // FNV-1a of "abc", as published, mixed.
        #expect(hash.value == Hash64.mixed(0xE71F_A219_0541_574B))
        #expect(Hash64.mixed(1) == 0xB456_BCFC_34C2_CB2C)
    }

    @Test func theLogarithmIsThatOfMathematics() {
        var x: UInt64 = 1
        for step in 0..<4000 {
            let exact = 64 - log2(Double(x))
            let found = Double(RendezvousBalancing.negativeLog2(x)) / Double(1 << 26)
            #expect(abs(found - exact) < 1e-6, "\(x)")
            x = Hash64.mixed(x &+ UInt64(step))
        }
        #expect(RendezvousBalancing.negativeLog2(0) == 64 << 26)
        #expect(RendezvousBalancing.negativeLog2(.max) <= 1)
    }
}
