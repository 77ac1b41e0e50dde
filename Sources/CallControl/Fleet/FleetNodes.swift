// SPDX-License-Identifier: GPL-2.0-or-later
// What hosts that share calls know an RTPProxy by, and how one finds it among its own.

import Bytes
import SharedState

extension NodeDirectory {
    /// What other hosts know a node by: set, URL, and which entry of this URL in the set it is. The same on every host,
    /// whatever the order of its entries.
    func fleetHash(_ node: Int, setID: UInt32) -> UInt64 {
        guard nodeHashes.indices.contains(node) else { return 0 }
        // NO TRAP: an index of the list, by the guard.
        return max(Hash64.mixed(nodeHashes[node] ^ (UInt64(widening: setID) &* 0x9E37_79B9_7F4A_7C15)), 1)
    }
}

extension Worker {
    /// What other hosts know a node by, that one of the call table which only they know, too; 0: nobody does.
    func fleetName(_ node: Int) -> UInt64 {
        if node >= CallTable.firstForeign { return fleet?.foreignHash(node &- CallTable.firstForeign) ?? 0 }
        return directory.fleetHash(node, setID: table.setID(node))
    }

    /// The node of this host that has a name; nil where there is none.
    func node(named name: UInt64) -> Int? {
        guard name != 0 else { return nil }
        for node in directory.listed where directory.fleetHash(node, setID: table.setID(node)) == name { return node }
        return nil
    }

    /// The node of this host that was unknown here when another host had a call at it; nil where it still is.
    func foreign(_ number: Int) -> Int? { node(named: fleetName(number)) }

    /// The number that the call table has for the node of a name; nil: there are too many that nobody knows here.
    func numberInTable(named name: UInt64) -> Int? {
        if let node = node(named: name) { return node < CallTable.firstForeign ? node : nil }
        return calls?.foreignNode(name, now: ticks)
    }
}
