// SPDX-License-Identifier: GPL-2.0-or-later
// What RPC shows of the nodes and does to them.

import Bytes
import SharedState

/// One line of rtpproxy.list.
public struct NodeListing: Sendable {
    public let setID: UInt32
    /// Position in order of definition, from 0.
    public let index: UInt32
    /// Takes no commands now; not yet where the first answer is still awaited.
    public let isDisabled: Bool
    public let weight: UInt32
    /// Tick of the next try, 0 never down, -1 not by itself.
    public let recheck: Int32
}

extension Relay {
    /// Number of nodes.
    public var nodeCount: Int { table.count }

    /// The node at `position`; nil outside.
    public func listing(_ position: Int) -> NodeListing? {
        guard position >= 0, position < table.count else { return nil }
        let isDisabled: Bool
        let tick: UInt32
        switch table.condition(position) {
        case .unproven: (isDisabled, tick) = (false, 0)
        case .up(let recheck): (isDisabled, tick) = (false, recheck)
        case .down(let recheck): (isDisabled, tick) = (true, recheck)
        case .disabled: (isDisabled, tick) = (true, NodeTable.never)
        }
        return NodeListing(
            setID: table.setID(position), index: table.definitionIndex(position), isDisabled: isDisabled,
            weight: table.weight(position), recheck: tick == NodeTable.never ? -1 : Int32(clamping: tick))
    }

    /// Where the URL of the node at `position` stands; it never moves while the block is mapped.
    public func urlMemory(_ position: Int) -> UnsafeBufferPointer<UInt8> { unsafe table.urlMemory(position) }

    /// Enables, or disables for good, every entry with this URL, exactly as configured. False where there is none.
    public func setEnabled(_ url: Span<UInt8>, _ isEnabled: Bool) -> Bool {
        var isFound = false
        for node in 0..<table.count {
            guard table.withURL(node, { $0.equals($0.all, url, url.all) }) else { continue }
            table.setEnabled(node, isEnabled)
            isFound = true
        }
        return isFound
    }
}
