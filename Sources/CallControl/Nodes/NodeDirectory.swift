// SPDX-License-Identifier: GPL-2.0-or-later
// What a process derives from the node table: the sets, and which of their nodes take new calls.

import Bytes
import SharedState
import Transport

/// The nodes of one set, in order of definition.
struct NodeSet {
    let id: UInt32
    let nodes: [Int]

    /// The nodes that take new calls, and the sums of their weights up to and with each: as of `changes`.
    private(set) var candidates: [Int] = []
    private(set) var weightSums: [UInt64] = []
    private var changes: UInt64 = 0

    init(id: UInt32, nodes: [Int]) {
        self.id = id
        self.nodes = nodes
        candidates.reserveCapacity(nodes.count)
        weightSums.reserveCapacity(nodes.count)
    }

    /// Makes `candidates` and `weightSums` those of now. Nodes of weight 0 only count where no other does, each
    /// as 1.
    mutating func refresh(_ table: borrowing NodeTable) {
        let now = table.changes
        guard now != changes else { return }
        changes = now
        take(table, reserves: false)
        if candidates.isEmpty { take(table, reserves: true) }
        // Nodes that were silent for several calls are better than none.
        if candidates.isEmpty { take(table, reserves: false, suspects: true) }
        if candidates.isEmpty { take(table, reserves: true, suspects: true) }
    }

    @_optimize(size)
    private mutating func take(_ table: borrowing NodeTable, reserves: Bool, suspects: Bool = false) {
        candidates.removeAll(keepingCapacity: true)
        weightSums.removeAll(keepingCapacity: true)
        var sum: UInt64 = 0
        for node in nodes where table.takesNewCalls(node) && (table.weight(node) == 0) == reserves {
            guard (table.silences(node) >= NodeTable.suspicion) == suspects else { continue }
            sum = sum &+ (reserves ? 1 : UInt64(widening: table.weight(node)))
            candidates.append(node)
            weightSums.append(sum)
        }
    }
}

extension NodeTable {
    /// Whether `node` is up and open to calls that it does not have yet.
    func takesNewCalls(_ node: Int) -> Bool {
        guard case .up = condition(node) else { return false }
        return life(node) == .member && !isDraining(node)
    }

    /// Whether `node` is up, so that the calls that it has can go on.
    func takesCommands(_ node: Int) -> Bool {
        guard case .up = condition(node) else { return false }
        return life(node) != .free
    }

    /// Whether `node` is down, but has answered since, and lately: its time without calls is not over, or nobody has looked
    /// at it but to see whether it is there.
    func answersAgain(_ node: Int) -> Bool {
        guard case .down = condition(node), life(node) != .free else { return false }
        let (answered, now) = (answeredAt(node), MonotonicClock.now())
        // It is looked at each second.
        return answered != 0 && now &- answered < 3_000_000_000
    }
}

extension Worker {
    /// Whether commands of calls that `node` has go to it. One that is down here may be up on another host that shares
    /// calls with this one, and get calls there: they go on here as soon as it answers.
    func serves(_ node: Int) -> Bool {
        table.takesCommands(node) || (fleet != nil && table.answersAgain(node))
    }
}

/// The nodes of the pool by set, as of one state of the pool.
struct NodeDirectory {
    private(set) var sets: [NodeSet] = []
    /// Every node, set by set, in the order of a listing.
    private(set) var listed: [Int] = []
    /// The parsed URL of each node; its ranges count from the beginning of the node's URL.
    private(set) var urls: [NodeURL?] = []
    /// What rendezvous hashing tells the nodes apart by.
    private(set) var nodeHashes: [UInt64] = []
    /// The state of the pool that this is of.
    let membership: UInt64

    @_optimize(size)
    init(_ table: borrowing NodeTable) {
        membership = table.membership
        // Looked at once: another process may change it meanwhile, and the arrays below have to fit each other.
        let count = table.count
        var nodes: [Int] = []
        for node in 0..<count where table.life(node) != .free { nodes.append(node) }
        let positions = (0..<count).map { table.definitionIndex($0) }
        // NO TRAP (2): count is 0...capacity, looked at once: nodes, positions, urls and nodeHashes go with it.
        nodes.sort { positions[$0] < positions[$1] }
        var ids: [UInt32] = []
        for node in nodes where !ids.contains(table.setID(node)) { ids.append(table.setID(node)) }
        for id in ids {
            var members: [Int] = []
            for node in nodes where table.setID(node) == id { members.append(node) }
            sets.append(NodeSet(id: id, nodes: members))
            // NO TRAP: joins two arrays.
            listed += members
        }
        for node in 0..<count {
            urls.append(table.withURL(node) { try? NodeURL($0, $0.all) })
            nodeHashes.append(0)
        }
        for set in sets {
            for (position, node) in set.nodes.enumerated() {
                // NO TRAP: position is from enumerated().
                let earlier = set.nodes[..<position]
                nodeHashes[node] = table.withURL(node) { url in
                    var occurrence = 0
                    for other in earlier where table.withURL(other, { $0.equals($0.all, url, url.all) }) {
                        occurrence &+= 1
                    }
                    return RendezvousBalancing.nodeHash(url, occurrence: occurrence)
                }
            }
        }
    }

    /// Where the set of this id stands, nil where there is none.
    func position(ofSet id: UInt32) -> Int? { sets.firstIndex { $0.id == id } }

    /// Derives the set at `position` anew where the table has changed.
    // NO TRAP: Failover passes what position(ofSet:) of this directory gave.
    mutating func refresh(_ position: Int, _ table: borrowing NodeTable) { sets[position].refresh(table) }

    func url(_ node: Int) -> NodeURL? {
        guard node >= 0, node < urls.count else { return nil }
        // NO TRAP: 0 <= node < urls.count, checked by the guard above.
        return urls[node]
    }
}
