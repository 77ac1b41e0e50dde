// SPDX-License-Identifier: GPL-2.0-or-later
// What RPC shows of the nodes and does to them.

import Bytes
import SharedState

/// One line of rtpproxy.list.
package struct NodeListing: Sendable {
    package let setID: UInt32
    /// Position in order of definition, from 0.
    package let index: UInt32
    /// Takes no commands now; not yet where the first answer is still awaited.
    package let isDisabled: Bool
    package let weight: UInt32
    /// Tick of the next try, 0 never down, -1 not by itself.
    package let recheck: Int32
}

extension Worker {
    /// Calls whose node is remembered.
    @_optimize(size)
    package func rememberedCalls() -> Int {
        switch calls {
        case .some(let table): table.count
        case nil: 0
        }
    }
    /// Calls, since start, that gave way because the table was full.
    @_optimize(size)
    package func forgottenCalls() -> UInt64 {
        switch calls {
        case .some(let table): table.evictions
        case nil: 0
        }
    }

    /// Number of nodes.
    @_optimize(size)
    package mutating func nodeCount() -> Int {
        refreshDirectory()
        return directory.listed.count
    }

    /// The node at `position` of the list: set by set, in order of definition.
    @_optimize(size)
    func listedNode(_ position: Int) -> Int? {
        // NO TRAP: 0 <= position < listed.count, compared first.
        position >= 0 && position < directory.listed.count ? directory.listed[position] : nil
    }

    /// The node at `position`; nil outside.
    @_optimize(size)
    package func listing(_ position: Int) -> NodeListing? {
        guard let node = listedNode(position) else { return nil }
        let isDisabled: Bool
        let tick: UInt32
        switch table.condition(node) {
        case .unproven: (isDisabled, tick) = (false, 0)
        case .up(let recheck): (isDisabled, tick) = (false, recheck)
        case .down(let recheck): (isDisabled, tick) = (true, recheck)
        case .disabled: (isDisabled, tick) = (true, NodeTable.never)
        }
        return NodeListing(
            setID: table.setID(node), index: table.definitionIndex(node), isDisabled: isDisabled,
            weight: table.weight(node), recheck: tick == NodeTable.never ? -1 : Int32(clamping: tick))
    }

    /// Where the URL of the node at `position` stands; it never moves while the block is mapped.
    @_optimize(size)
    package func urlMemory(_ position: Int) -> UnsafeBufferPointer<UInt8> {
        // SAFETY: urlMemory() gives nothing outside.
        unsafe table.urlMemory(listedNode(position) ?? -1)
    }

    /// Enables, or disables for good, every node that `text` means, by `selected`. False where there is none.
    @_optimize(size)
    package mutating func setEnabled<Host: ServerHost>(_ host: Host, _ text: Span<UInt8>, _ isEnabled: Bool) -> Bool {
        forEach(host, text, isEnabled ? .nodeEnabled : .nodeDisabled, isEnabled ? "is enabled" : "is disabled") {
            $0.switchNode($1, isDisabled: !isEnabled)
        }
    }

    /// Gives every node that `text` means no new calls, or new calls again. False where there is none.
    @_optimize(size)
    package mutating func setDraining<Host: ServerHost>(_ host: Host, _ text: Span<UInt8>, _ isDraining: Bool) -> Bool {
        forEach(
            host, text, isDraining ? .nodeDraining : .nodeEnabled,
            isDraining ? "gets no new calls" : "gets new calls again"
        ) { $0.switchNode($1, isDraining: isDraining) }
    }

    @_optimize(size)
    private mutating func forEach<Host: ServerHost>(
        _ host: Host, _ text: Span<UInt8>, _ kind: ReportKind, _ what: StaticString,
        _ body: (borrowing Worker, Int) -> Void
    ) -> Bool {
        let places = selected(text)
        for place in places {
            // NO TRAP: selected() gives indices of the list, which nobody changes in between.
            let node = directory.listed[place]
            let (before, wasDraining) = (nodeState(node), table.isDraining(node))
            body(self, node)
            if nodeState(node) != before { table.noteCondition(node, tick: host.ticks) }
            // One that is down may be drained, too.
            guard nodeState(node) != before || table.isDraining(node) != wasDraining else { continue }
            line.removeAll(keepingCapacity: true)
            appendName(of: node)
            line.append(what)
            line.append(", by RPC")
            reportNode(kind, .notice, node)
        }
        tell(host)
        return !places.isEmpty
    }
}
