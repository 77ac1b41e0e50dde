// SPDX-License-Identifier: GPL-2.0-or-later
// Calls of an asynchronous process that wait for room at a node: a line for each node, first come first served.

/// A place in a line.
struct RoomTicket {
    let call: Int
    /// Tells the calls apart that have had the same number.
    let serial: UInt64
}

/// The lines of all nodes.
struct RoomLines {
    private var lines: [[RoomTicket]]
    /// Where each line begins: what is before has been served.
    private var heads: [Int]
    /// Nodes whose line is not empty, and perhaps some others.
    private(set) var nodes: [Int] = []

    init(nodes: Int) {
        lines = [[RoomTicket]](repeating: [], count: nodes)
        heads = [Int](repeating: 0, count: nodes)
    }

    /// Whether somebody waits for room at `node`.
    func isCrowded(_ node: Int) -> Bool { lines.indices.contains(node) && heads[node] < lines[node].count }

    /// Who is first; nil where nobody waits.
    func first(_ node: Int) -> RoomTicket? { isCrowded(node) ? lines[node][heads[node]] : nil }

    mutating func append(_ ticket: RoomTicket, _ node: Int) {
        guard lines.indices.contains(node) else { return }
        if !nodes.contains(node) { nodes.append(node) }
        lines[node].append(ticket)
    }

    mutating func removeFirst(_ node: Int) {
        guard isCrowded(node) else { return }
        heads[node] &+= 1
        // What has been served goes now and then, so that a line that never empties does not grow.
        guard heads[node] == lines[node].count || heads[node] >= 256 else { return }
        lines[node].removeFirst(heads[node])
        heads[node] = 0
    }

    /// Forgets the nodes where nobody waits any more.
    mutating func tidy() {
        var place = 0
        while place < nodes.count {
            if isCrowded(nodes[place]) {
                place &+= 1
            } else {
                nodes.swapAt(place, nodes.count &- 1)
                nodes.removeLast()
            }
        }
    }
}
