// SPDX-License-Identifier: GPL-2.0-or-later
// Calls of an asynchronous process that wait for room at a node: a queue for each node, first come first served.

/// A call that waits.
struct WaitingCall {
    let call: Int
    /// Tells the calls apart that have had the same number.
    let serial: UInt64
}

/// The queues of all nodes.
struct RoomQueues {
    private var queues: [[WaitingCall]]
    /// Where each queue begins: what is before has been served.
    private var heads: [Int]
    /// Nodes whose queue is not empty, and perhaps some others.
    private(set) var nodes: [Int] = []

    init(nodes: Int) {
        // NO TRAP (2): the table's capacity, at least 0.
        queues = [[WaitingCall]](repeating: [], count: nodes)
        heads = [Int](repeating: 0, count: nodes)
    }

    /// Whether somebody waits for room at `node`.
    // NO TRAP: the indices contain node, compared first, and there are as many heads; heads is never negative.
    func isCrowded(_ node: Int) -> Bool { queues.indices.contains(node) && heads[node] < queues[node].count }

    /// Who is first; nil where nobody waits.
    // NO TRAP: the indices contain node, compared first, and there are as many heads; heads is never negative.
    func first(_ node: Int) -> WaitingCall? { isCrowded(node) ? queues[node][heads[node]] : nil }

    mutating func append(_ waiting: WaitingCall, _ node: Int) {
        guard queues.indices.contains(node) else { return }
        if !nodes.contains(node) { nodes.append(node) }
        // NO TRAP: the indices contain node, compared first, and there are as many heads; heads is never negative.
        queues[node].append(waiting)
    }

    mutating func removeFirst(_ node: Int) {
        guard isCrowded(node) else { return }
        // NO TRAP (4): isCrowded(), checked by the guard above: there is the node, and its head is below its queue's
        // count.
        heads[node] &+= 1
        // What has been served goes now and then, so that a queue that never empties does not grow.
        guard heads[node] == queues[node].count || heads[node] >= 256 else { return }
        queues[node].removeFirst(heads[node])
        heads[node] = 0
    }

    /// Forgets the nodes where nobody waits any more.
    mutating func tidy() {
        var place = 0
        while place < nodes.count {
            // NO TRAP (3): place < nodes.count, the loop's condition, so that there is a last one.
            if isCrowded(nodes[place]) {
                place &+= 1
            } else {
                nodes.swapAt(place, nodes.count &- 1)
                nodes.removeLast()
            }
        }
    }
}
