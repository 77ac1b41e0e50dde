// SPDX-License-Identifier: GPL-2.0-or-later
// A call that its node does not know: the other nodes of the set are asked for it.
//
// That happens where nobody remembers who has the call: after a restart of the server, at another proxy of the same
// nodes, or where the call's entry has given way, and the balancing rule gives another node than it did for the offer.

import ControlProtocol
import SharedState

extension Relay {
    /// A node of the set at `position` that has not been asked for the call and can answer.
    func unaskedNode(_ race: Race, _ position: Int) -> Int? {
        for node in directory.sets[position].nodes
        where table.takesCommands(node) && !race.run.tried.contains(node) && canServe(race.errand, node) {
            return node
        }
        return nil
    }

    /// Whether `node` has shown what it takes.
    private func canServe(_ errand: Errand, _ node: Int) -> Bool {
        let known = capabilities(node)
        return switch errand {
        case .media: true
        case .simple(let kind, _): known.isSuperset(of: kind.required)
        case .figures: known.contains(.statistics) || known.contains(.namedFigures)
        }
    }

    /// Notes that `node` has the call that was searched for.
    func noteFound<Host: CallHost>(_ race: Race, _ node: Int, _ host: Host) {
        guard race.run.isSearching else { return }
        table.withURL(node) { host.setInstance($0) }
        if !race.errand.isDelete { remember(host, node, race.run.terms.setID) }
    }
}
