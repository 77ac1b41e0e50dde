// SPDX-License-Identifier: GPL-2.0-or-later
// A call that its node does not know: the other nodes of the set are asked for it.
//
// That happens where nobody remembers who has the call: after a restart of the server, at another proxy of the same
// nodes, or where the call's entry has given way, and the balancing rule gives another node than it did for the offer.

import ControlProtocol
import SharedState

extension Relay {
    /// Has the other nodes of the set asked for the call, which that of `leg` does not know. `failure`: what the script
    /// gets where nobody does; nil: that this is so.
    func search(_ race: inout Race, _ leg: Leg, _ failure: CallFailure?) {
        guard !race.isSearching else { return }
        race.isSearching = true
        race.latest = leg.node
        race.failure = failure
    }

    /// A node of the set at `position` that has not been asked for the call and can answer.
    func unaskedNode(_ race: Race, _ position: Int) -> Int? {
        for node in directory.sets[position].nodes
        where table.takesCommands(node) && !race.tried.contains(node) && canServe(race.errand, node) {
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

    /// Notes that the node of `leg` has the call that was searched for.
    func noteFound<Host: CallHost>(_ race: inout Race, _ leg: Leg, _ host: Host) {
        guard race.isSearching else { return }
        race.latest = leg.node
        table.withURL(leg.node) { host.setInstance($0) }
        if !race.errand.isDelete { remember(host, leg.node, race.setID) }
    }
}
