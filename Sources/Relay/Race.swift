// SPDX-License-Identifier: GPL-2.0-or-later
// One call on its way through RTPProxies: what is asked, its run, and the exchanges that carry its commands.

import ControlProtocol
import SharedState

/// What a call wants of an RTPProxy.
enum Errand {
    /// Ports for the streams of the description that the relay has read.
    case media(MediaCall)
    /// One command.
    case simple(SimpleCommand, SessionWords)
    /// Figures of some streams.
    case figures(FigureCall)

    /// Whether a success creates a session.
    var createsSession: Bool {
        if case .media(let call) = self { return call.createsSession }
        return false
    }

    /// Whether it deletes a session.
    var isDelete: Bool {
        if case .simple(.delete, _) = self { return true }
        return false
    }
}

/// The exchange that carries the commands to a node.
struct Leg {
    let member: Int
    /// Room that its commands take at the node.
    let room: FlightRoom?
}

/// How a call stands. `Relay.advance` moves it on.
struct Race {
    let errand: Errand
    var run: CommandRun
    /// By the places of the run's asked nodes.
    var legs: InlineArray<8, Leg?> = .init(repeating: nil)
    /// How many commands it waits with for room; 0: it does not.
    var roomCommands = 0
    /// Room that it has been given.
    var room: FlightRoom?
    /// Connections of a leg that has just ended, for what is to be undone.
    var held: FlightRoom?

    init(_ errand: Errand, _ terms: RunTerms) {
        self.errand = errand
        run = CommandRun(terms)
    }
}

/// What to do with a race next.
enum RaceProgress {
    case over(CommandRun.Verdict)
    /// Nothing before this time, unless something arrives.
    case waiting(until: UInt64)
}

extension Relay {
    /// A call that has asked nobody yet.
    func race(_ errand: Errand, setID: UInt32) -> Race {
        var terms = RunTerms(setID: setID, budget: settings.budgetNanoseconds)
        terms.createsSession = errand.createsSession
        terms.isHedged = terms.createsSession && hedges
        terms.isDelete = errand.isDelete
        return Race(errand, terms)
    }
}
