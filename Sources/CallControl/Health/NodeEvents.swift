// SPDX-License-Identifier: GPL-2.0-or-later
// Which changes of an RTPProxy the script is told of: each once, by the module's own process.
//
// That process compares, some ten times a second, what a node's condition is with what was announced last. Everything
// that brings a node back, except the operator's commands, happens in this process, so that nothing is missed: a node
// that another process has taken out stays out until this one has looked. What an operator disables and enables again
// between two looks is not announced.

import Bytes
import SharedState

/// What an event is about.
package enum NodeEvent: Sendable {
    /// A node takes no commands any more.
    case nodeDown
    /// It does again.
    case nodeUp
    /// It gets no new calls and has none left.
    case nodeDrained
    /// It has been started again, without its sessions.
    case nodeRestarted
}

/// A host that has a script to tell of events.
package protocol EventHost: ServerHost {
    /// Runs what the script has for a change of a node. `reason`: printable ASCII.
    @_optimize(size)
    func raise(_ event: NodeEvent, url: Span<UInt8>, setID: UInt32, reason: Span<UInt8>)
    /// A deletion that another process has left to the module's own; nil: there is none.
    @_optimize(size)
    func takeDeletion() -> JobRecord?
    /// Gives the memory of a record back.
    @_optimize(size)
    func release(_ record: JobRecord)
}

extension EventHost {
    // A host without dialogs leaves nothing.
    package func takeDeletion() -> JobRecord? { nil }
    package func release(_ record: JobRecord) {}
}

/// What was announced of a node last.
enum Announced: Equatable {
    /// Nothing: it has not answered since the start, or the slot holds none.
    case nothing
    /// That it takes commands, or nothing because it does so from the start.
    case up(recheck: UInt32)
    /// That it does not.
    case out
}

extension Worker {
    /// Raises what has changed since the last look.
    @_optimize(size)
    mutating func announceChanges<Host: EventHost>(_ host: Host, _ announced: inout [Announced]) {
        for node in 0..<table.count where announced.indices.contains(node) {
            guard table.life(node) != .free else {
                // NO TRAP (5): the indices contain node, checked by the loop; NodeTable.count is never negative.
                announced[node] = .nothing
                continue
            }
            let (before, condition) = (announced[node], table.condition(node))
            switch condition {
            // The first answer of a node is no event.
            case .unproven: announced[node] = .nothing
            case .up(let recheck):
                announced[node] = .up(recheck: recheck)
                switch before {
                case .nothing: break
                case .out: raiseUp(host, node, isByOperator: recheck == 0)
                case .up(let last):
                    // Down and back between two looks.
                    guard recheck != last, recheck != 0 else { continue }
                    raiseDown(host, node, isByOperator: false)
                    raiseUp(host, node, isByOperator: false)
                }
            case .down, .disabled:
                announced[node] = .out
                if before == .out { continue }
                // One that starts disabled is as configured.
                if condition == .disabled, before == .nothing { continue }
                raiseDown(host, node, isByOperator: condition == .disabled)
            }
        }
    }

    @_optimize(size)
    private mutating func raiseDown<Host: EventHost>(_ host: Host, _ node: Int, isByOperator: Bool) {
        guard !isByOperator else { return raise(host, .nodeDown, node, reason: "disabled by the operator") }
        // rtpproxy.reset_stats has just cleared it.
        guard let (fault, _) = table.figures(node).lastFault else {
            return raise(host, .nodeDown, node, reason: "failed")
        }
        line.removeAll(keepingCapacity: true)
        fault.describe(into: &line)
        raiseLine(host, .nodeDown, node)
    }

    private mutating func raiseUp<Host: EventHost>(_ host: Host, _ node: Int, isByOperator: Bool) {
        raise(host, .nodeUp, node, reason: isByOperator ? "enabled by the operator" : "answers")
    }

    /// Tells the script of an event of `node`.
    mutating func raise<Host: EventHost>(_ host: Host, _ event: NodeEvent, _ node: Int, reason: StaticString) {
        line.removeAll(keepingCapacity: true)
        line.append(reason)
        raiseLine(host, event, node)
    }

    private func raiseLine<Host: EventHost>(_ host: Host, _ event: NodeEvent, _ node: Int) {
        let reason = line
        table.withURL(node) { host.raise(event, url: $0, setID: table.setID(node), reason: reason.span) }
    }
}
