// SPDX-License-Identifier: GPL-2.0-or-later
// What happens to a node that does not answer.

import Bytes
import SharedState
import Transport

extension Worker {
    /// Whether `node` is still to answer for the first time: that it does not is no failure. One that the operator has
    /// switched on meanwhile counts as up.
    private func isAwaited(_ node: Int) -> Bool {
        if case .up = table.condition(node) { return false }
        return !hasAnswered(node)
    }

    /// The tick from which on a node that fails now gets calls again where it answers. One that has never answered
    /// has not failed: it gets them as soon as it does.
    func recheckTick(_ node: Int) -> UInt32 {
        guard !isAwaited(node) else { return ticks &+ 1 }
        guard settings.disableSeconds >= 0 else { return NodeTable.never }
        let (tick, overflow) = ticks.addingReportingOverflow(UInt32(clamping: settings.disableSeconds))
        return overflow ? NodeTable.never : tick
    }

    /// Takes a node out, and writes the line if it was this process that did. False where it was out already.
    mutating func takeOut(
        _ node: Int, _ recheck: UInt32, _ reason: StaticString, _ fault: NodeFault
    ) -> Bool {
        let isAwaited = isAwaited(node)
        table.noteFault(node, fault, tick: ticks)
        guard table.fail(node, recheck: recheck) else { return false }
        table.noteCondition(node, tick: ticks)
        outbox.count(.nodeFailures)
        line.removeAll(keepingCapacity: true)
        appendName(of: node)
        line.append(reason)
        if isAwaited {
            line.append(", has not answered yet and is asked each second")
        } else if recheck == NodeTable.never {
            line.append(", disabled until it is enabled by RPC")
        } else {
            line.append(", disabled for ")
            line.append(decimal: settings.disableSeconds)
            line.append(" s")
        }
        reportNode(.nodeDown, .error, node)
        return true
    }

    /// `RTPProxy URL (set N) `
    mutating func appendName(of node: Int) {
        line.append("RTPProxy ")
        table.withURL(node) { line.append(printable: $0, $0.all, limit: 255) }
        line.append(" (set ")
        line.append(decimal: UInt64(widening: table.setID(node)))
        line.append(") ")
    }
}

extension ExchangeOutcome {
    /// What the node did, for a log line.
    var reason: StaticString {
        switch self {
        case .complete: "answered"
        case .timedOut: "does not answer in time"
        case .refused: "is not there, connection refused or no address"
        case .malformed: "answers with something that is no reply of an RTPProxy"
        case .failed(let error): error.text
        }
    }
}
