// SPDX-License-Identifier: GPL-2.0-or-later
// The places of the nodes that are asked at the same time.

import Testing

@testable import CallControl

@Suite struct AskedNodesTests {
    @Test func theFirstFreePlaceIsGiven() {
        var nodes = AskedNodes()
        for place in 0..<AskedNodes.count {
            #expect(nodes.freePlace() == place && nodes.count == place)
            #expect(nodes.freePlace(among: 4) == (place < 4 ? place : nil))
            nodes[place] = AskedNode(node: place, askedAt: 0, isUndo: place == 5)
        }
        #expect(nodes.freePlace() == nil && nodes.freePlace(among: 100) == nil && nodes.freePlace(among: 0) == nil)
        #expect(nodes.asking == 7 && nodes.undoing == 1)
        for place in [6, 2] {
            nodes[place] = nil
            nodes[place] = nil
            #expect(nodes.freePlace() == place)
        }
        nodes[2] = AskedNode(node: 9, askedAt: 0)
        nodes[2] = AskedNode(node: 10, askedAt: 0)
        #expect(nodes.freePlace() == 6 && nodes.count == 7)
        nodes[8] = AskedNode(node: 1, askedAt: 0)
        nodes[-1] = AskedNode(node: 1, askedAt: 0)
        #expect(nodes.freePlace() == 6 && nodes.count == 7)
        #expect(nodes.first(isUndo: true) == 5 && nodes.first(isUndo: false) == 0)
        nodes[5] = nil
        #expect(nodes.first(isUndo: true) == nil)
    }
}
