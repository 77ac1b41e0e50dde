// SPDX-License-Identifier: GPL-2.0-or-later
// A call that its node does not know: the other nodes of the set are asked for it.
//
// That happens where the node that has the call is not remembered: after a restart of the server, at another proxy of
// the same nodes, or where the call's entry has given way, and the balancing rule gives another node than it did for
// the offer.

import ControlProtocol
import SharedState

extension Worker {
    /// A node of the set at `position` that has not been asked for the call and can answer.
    func unaskedNode(_ call: inout Call, _ position: Int) -> Int? {
        // NO TRAP: position is from position(ofSet:), and the directory is not refreshed in between.
        for node in directory.sets[position].nodes
        where serves(node) && !call.run.tried.contains(node) && canServe(call.command, node) {
            return node
        }
        return nil
    }

    /// Whether `node` can do what `command` needs.
    private func canServe(_ command: CallCommand, _ node: Int) -> Bool {
        let known = capabilities(node)
        return switch command {
        case .media(let media): known.isSuperset(of: media.needs)
        case .simple(let kind, _): known.isSuperset(of: kind.required)
        case .figures: known.contains(.statistics) || known.contains(.namedFigures)
        }
    }

    /// Notes that `node` has the call that was searched for.
    mutating func noteFound(_ call: inout Call, _ node: Int) {
        guard call.run.isSearching else { return }
        outbox.choose(node)
        if !call.command.isDelete { remember(&call, node) }
    }
}
