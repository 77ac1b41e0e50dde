// SPDX-License-Identifier: GPL-2.0-or-later
// Changing the pool while the server runs: what a reload adds, keeps and takes out.

import Bytes
package import SharedState

/// What a reload did.
package struct PoolChange: Sendable {
    /// Nodes that were not there before, or had left.
    package var added = 0
    /// Nodes that stay, with whatever weight and flags they have now.
    package var kept = 0
    /// Nodes that get no new calls and disappear when theirs have ended.
    package var removed = 0
    /// Nodes for which there is no room.
    package var refused = 0
}

/// Why a reload changed nothing.
package enum PoolError: Error, Equatable, Sendable {
    /// Another one is under way.
    case busy
}

extension Worker {
    /// Ticks after which a lock that nobody gave back is broken.
    static var lockPatience: UInt32 { 10 }

    /// Makes the pool that of `settings`. A node is the same where set, URL and its place among equals are: it keeps
    /// health, sockets and calls, and is switched where its flags have changed. One that has moved to another set keeps
    /// its calls in the old one, and its state in the new one. A new node is asked before it takes calls.
    @_optimize(size)
    package mutating func changePool<Host: ServerHost>(
        _ host: Host, to nodes: [NodeDefinition]
    ) throws(PoolError) -> PoolChange {
        guard table.lockPool(now: host.ticks, patience: Self.lockPatience) else { throw .busy }
        defer {
            table.unlockPool()
            refreshDirectory()
        }
        var change = PoolChange()
        var isTaken = [Bool](repeating: false, count: table.capacity)
        var newcomers: [NodeDefinition] = []
        for definition in nodes {
            guard let node = present(definition, isTaken) else {
                newcomers.append(definition)
                continue
            }
            // NO TRAP (3): present() gives a node below the table's count, and so does the loop: 0...capacity.
            isTaken[node] = true
            let before = nodeState(node)
            if table.life(node) == .member { change.kept &+= 1 } else { change.added &+= 1 }
            let isSwitched = table.startsDisabled(node) != definition.startsDisabled
            table.update(node, definition)
            if isSwitched { setSwitch(host, node, isOn: !definition.startsDisabled) }
            if nodeState(node) != before { table.noteCondition(node, tick: host.ticks) }
        }
        var isFollowed = isTaken
        let predecessors = newcomers.map { definition in
            let node = present(definition, isFollowed, inAnySet: true)
            if let node { isFollowed[node] = true }
            return node
        }
        for node in 0..<table.count where !isTaken[node] && table.life(node) == .member {
            let before = nodeState(node)
            table.retire(node)
            if nodeState(node) != before { table.noteCondition(node, tick: host.ticks) }
            change.removed &+= 1
        }
        for (definition, predecessor) in zip(newcomers, predecessors) {
            guard let node = table.add(definition, like: predecessor) else {
                change.refused &+= 1
                continue
            }
            table.noteCondition(node, tick: host.ticks)
            change.added &+= 1
        }
        return change
    }

    /// Switches a node whose flags in the database have changed.
    @_optimize(size)
    private mutating func setSwitch<Host: ServerHost>(_ host: Host, _ node: Int, isOn: Bool) {
        guard isOn == (table.condition(node) == .disabled) else { return }
        switchNode(node, isDisabled: !isOn)
        line.removeAll(keepingCapacity: true)
        appendName(of: node)
        line.append(isOn ? "is enabled" : "is disabled")
        line.append(", by its flags in the database")
        reportNode(isOn ? .nodeEnabled : .nodeDisabled, .notice, node)
        tell(host)
    }

    /// The node that `definition` is about, among those not taken yet; `inAnySet`: a member of whatever set.
    @_optimize(size)
    private func present(_ definition: NodeDefinition, _ isTaken: [Bool], inAnySet: Bool = false) -> Int? {
        // NO TRAP: present() gives a node below the table's count, and so does the loop: 0...capacity.
        for node in 0..<table.count where !isTaken[node] && table.life(node) != .free {
            guard inAnySet ? table.life(node) == .member : table.setID(node) == definition.setID else { continue }
            let isSame = table.withURL(node) { url in
                let wanted = definition.url
                return url.equals(url.all, wanted.span, wanted.span.all)
            }
            if isSame { return node }
        }
        return nil
    }
}
