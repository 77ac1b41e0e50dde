// SPDX-License-Identifier: GPL-2.0-or-later
// What happens to a node that does not answer.

import Bytes
import SharedState
import Transport

extension Worker {
    /// The tick at which a node that fails now is tried again.
    func recheckTick() -> UInt32 {
        guard settings.disableSeconds >= 0 else { return NodeTable.never }
        let (tick, overflow) = ticks.addingReportingOverflow(UInt32(clamping: settings.disableSeconds))
        return overflow ? NodeTable.never : tick
    }

    /// Takes a node out, and writes the line if it was this process that did. False where it was out already.
    mutating func takeOut(
        _ node: Int, _ recheck: UInt32, _ reason: StaticString, _ fault: NodeFault
    ) -> Bool {
        table.noteFault(node, fault, tick: ticks)
        guard table.fail(node, recheck: recheck) else { return false }
        table.noteCondition(node, tick: ticks)
        outbox.count(.nodeFailures)
        line.removeAll(keepingCapacity: true)
        appendName(of: node)
        line.append(reason)
        if recheck == NodeTable.never {
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
        line.append(decimal: UInt64(table.setID(node)))
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
        case .malformed: "answers what is no control protocol"
        case .failed(let error): error.text
        }
    }
}
