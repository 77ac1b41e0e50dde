// SPDX-License-Identifier: GPL-2.0-or-later
// Which node a call goes to: the sets, and the rule that all proxies of a fleet share.

import Bytes
import SharedState
import Transport

/// The nodes of one set lie side by side in the table.
struct NodeSet {
    let id: UInt32
    let first: Int
    var count: Int
}

/// What a process derives from the table once.
struct NodeDirectory {
    private(set) var sets: [NodeSet] = []
    /// The parsed URL of each node; its ranges count from the beginning of the node's URL.
    private(set) var urls: [NodeURL?] = []
    /// What rendezvous hashing tells the nodes apart by.
    private(set) var nodeHashes: [UInt64] = []

    init(_ table: borrowing NodeTable) {
        for node in 0..<table.count {
            let id = table.setID(node)
            if let last = sets.indices.last, sets[last].id == id {
                sets[last].count &+= 1
            } else {
                sets.append(NodeSet(id: id, first: node, count: 1))
            }
            urls.append(table.withURL(node) { try? NodeURL($0, $0.all) })
            let first = sets[sets.count &- 1].first
            nodeHashes.append(
                table.withURL(node) { url in
                    RendezvousBalancing.nodeHash(url, occurrence: Self.count(url, in: first..<node, table))
                })
        }
    }

    /// How many nodes of a range have this URL.
    private static func count(_ url: Span<UInt8>, in nodes: Range<Int>, _ table: borrowing NodeTable) -> Int {
        var number = 0
        for node in nodes where table.withURL(node, { $0.equals($0.all, url, url.all) }) { number &+= 1 }
        return number
    }

    /// The set of this id, nil where there is none.
    func set(_ id: UInt32) -> NodeSet? { sets.first { $0.id == id } }

    func url(_ node: Int) -> NodeURL? {
        guard node >= 0, node < urls.count else { return nil }
        return urls[node]
    }
}

/// The default rule: the Call-ID's bytes added up, the low 8 bits of that, modulo the sum of the weights of the nodes
/// that take commands, walked in order of definition. Every proxy that balances like this agrees on the node.
enum CallIDBalancing {
    static func hash(_ callID: Span<UInt8>, _ range: ByteRange) -> UInt64 {
        let inside = callID.clamped(range)
        var sum: UInt64 = 0
        for offset in inside.start..<inside.end { sum = sum &+ UInt64(callID[offset]) }
        return sum & 0xFF
    }

    /// The node for `hash`, nil where none of `set` is eligible. Nodes of weight 0 only count where no other does.
    static func choose(
        _ set: NodeSet, hash: UInt64, weight: (Int) -> UInt32, isEligible: (Int) -> Bool
    ) -> Int? {
        var total: UInt64 = 0
        var reserves: UInt64 = 0
        for node in set.first..<(set.first &+ set.count) where isEligible(node) {
            total = total &+ UInt64(weight(node))
            if weight(node) == 0 { reserves = reserves &+ 1 }
        }
        let usesReserves = total == 0
        if usesReserves { total = reserves }
        guard total > 0 else { return nil }
        var rest = hash % total
        for node in set.first..<(set.first &+ set.count) where isEligible(node) {
            let share = usesReserves ? 1 : UInt64(weight(node))
            if rest < share { return node }
            rest = rest &- share
        }
        return nil
    }
}
