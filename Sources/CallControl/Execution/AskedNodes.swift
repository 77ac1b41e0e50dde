// SPDX-License-Identifier: GPL-2.0-or-later
// The nodes that a run asks at the same time, and those that it has tried.

/// One node that is asked.
struct AskedNode: Equatable {
    let node: Int
    /// When the first of its commands was sent, or just before; nanoseconds of the monotonic clock.
    let askedAt: UInt64
    /// When the module's own process is to look at a node that is silent until then; `.max` once it has been told.
    var lookAt = UInt64.max
    /// Whether it deletes what the node created for a call that has failed.
    var isUndo = false
}

/// Those that are asked at present, each another node.
struct AskedNodes {
    private var asked: InlineArray<8, AskedNode?> = .init(repeating: nil)
    /// A bit for each place that is taken.
    private var taken: UInt64 = 0
    /// Those that are asked, and those that undo.
    private(set) var asking = 0
    private(set) var undoing = 0

    /// How many are under way.
    var count: Int { asking &+ undoing }

    /// How many there can be: nodes that are asked at once for a call that the first one does not know.
    static var count: Int { 8 }
    /// Nodes that an offer asks at once where they are slow.
    static var hedges: Int { 4 }

    subscript(place: Int) -> AskedNode? {
        // NO TRAP (3): compared first: 0 <= place < count.
        get { place >= 0 && place < asked.count ? asked[place] : nil }
        set {
            guard place >= 0, place < asked.count else { return }
            if let old = asked[place] { note(old, -1) }
            if let newValue { note(newValue, 1) }
            asked[place] = newValue
            let bit: UInt64 = 1 &<< UInt64(truncatingIfNeeded: place)
            if newValue == nil { taken &= ~bit } else { taken |= bit }
        }
    }

    private mutating func note(_ node: AskedNode, _ change: Int) {
        if node.isUndo { undoing &+= change } else { asking &+= change }
    }

    /// A place among the first `count` where nothing is under way, nil where there is none.
    @inline(__always)
    func freePlace(among count: Int = AskedNodes.count) -> Int? {
        let place = (~taken).trailingZeroBitCount
        return place < min(count, AskedNodes.count) ? place : nil
    }

    /// The first place of a node that asks, or undoes; nil where there is none.
    @inline(__always)
    func first(isUndo: Bool) -> Int? { (isUndo ? undoing : asking) > 0 ? firstOfSome(isUndo: isUndo) : nil }

    private func firstOfSome(isUndo: Bool) -> Int? {
        for place in asked.indices {
            // NO TRAP: place is one of its indices.
            if let node = asked[place], node.isUndo == isUndo { return place }
        }
        return nil
    }
}

/// The nodes that a call has tried. The first few cost no memory of their own.
struct TriedNodes {
    private var nodes: InlineArray<8, Int32> = .init(repeating: -1)
    /// How many they are.
    private(set) var count = 0
    private var others: [Int32] = []

    var isEmpty: Bool { count == 0 }

    mutating func append(_ node: Int) {
        let node = Int32(truncatingIfNeeded: node)
        // NO TRAP: count < nodes.count, compared first; it is never negative.
        if count < nodes.count { nodes[count] = node } else { others.append(node) }
        count &+= 1
    }

    func contains(_ node: Int) -> Bool {
        let node = Int32(truncatingIfNeeded: node)
        // NO TRAP: count < nodes.count, compared first; it is never negative.
        for place in 0..<min(count, nodes.count) where nodes[place] == node { return true }
        return others.contains(node)
    }
}
