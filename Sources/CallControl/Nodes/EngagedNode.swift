// SPDX-License-Identifier: GPL-2.0-or-later
// The node that an engaged dialog names: where the call table does not know the call, as after a restart.

import Bytes
import SharedState

extension Worker {
    /// The node of the set that the dialog of this message names; nil: it names none, or none of the set.
    @_optimize(size)
    mutating func nodeOfEngagement(_ setID: UInt32) -> Int? {
        guard !engagedNode.isEmpty else { return nil }
        refreshDirectory()
        guard let position = directory.position(ofSet: setID) else { return nil }
        // NO TRAP: position is from position(ofSet:), and the directory is not refreshed in between.
        let nodes = directory.sets[position].nodes
        for node in nodes where table.withURL(node, { $0.equals($0.all, engagedNode.span, engagedNode.span.all) }) {
            return node
        }
        return nil
    }

    /// Puts it into the call table for another process, which is not told otherwise, where that does not know the call.
    mutating func tellTable(_ call: borrowing Call, _ setID: UInt32) {
        let key = Self.key(call.identity.hash, setID)
        guard calls?.node(for: key, now: ticks) == nil, let node = nodeOfEngagement(setID) else { return }
        calls?.remember(key, node: node, now: ticks)
    }
}
