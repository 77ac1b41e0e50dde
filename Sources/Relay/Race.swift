// SPDX-License-Identifier: GPL-2.0-or-later
// One call on its way through RTPProxies: what is asked, who has been asked, and how it ends. No I/O in here.

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

/// What a node is asked, by one member of the exchange group.
struct Leg {
    let member: Int
    let node: Int
    /// Room that its commands take at the node.
    let room: FlightRoom?
    /// When the first of its commands was sent, or just before; nanoseconds of the monotonic clock.
    let askedAt: UInt64
    /// Whether it deletes what the node created for a call that has failed.
    var isUndo = false
}

/// The legs under way, each with another node.
struct Legs {
    private var legs: InlineArray<8, Leg?> = .init(repeating: nil)
    /// A bit for each place where something is under way: mostly it is one.
    private var taken: UInt8 = 0

    /// How many there can be: nodes that are asked at once for a call that the first one does not know.
    static var count: Int { 8 }
    /// Nodes that an offer asks at once where they are slow.
    static var hedges: Int { 4 }

    subscript(place: Int) -> Leg? {
        get { isTaken(place) ? legs[place] : nil }
        set {
            guard place >= 0, place < legs.count else { return }
            if newValue == nil, !isTaken(place) { return }
            legs[place] = newValue
            let bit: UInt8 = 1 &<< UInt8(truncatingIfNeeded: place)
            taken = newValue == nil ? taken & ~bit : taken | bit
        }
    }

    /// Whether something is under way at `place`.
    @inline(__always)
    func isTaken(_ place: Int) -> Bool {
        place >= 0 && place < legs.count && taken &>> UInt8(truncatingIfNeeded: place) & 1 != 0
    }

    /// A place among the first `count` where nothing is under way, nil where there is none.
    func freePlace(among count: Int = Legs.count) -> Int? {
        for place in 0..<min(count, legs.count) where !isTaken(place) { return place }
        return nil
    }

    /// Whether somebody is asked, or what was created is being deleted.
    func hasAny(isUndo: Bool) -> Bool {
        for place in legs.indices where isTaken(place) {
            if let leg = legs[place], leg.isUndo == isUndo { return true }
        }
        return false
    }
}

/// The nodes that a call has tried. The first few cost no memory of their own.
struct TriedNodes {
    private var nodes: InlineArray<8, Int> = .init(repeating: -1)
    /// How many they are.
    private(set) var count = 0
    private var others: [Int] = []

    var isEmpty: Bool { count == 0 }

    mutating func append(_ node: Int) {
        if count < nodes.count { nodes[count] = node } else { others.append(node) }
        count &+= 1
    }

    func contains(_ node: Int) -> Bool {
        for place in 0..<min(count, nodes.count) where nodes[place] == node { return true }
        return others.contains(node)
    }
}

/// How a call stands. `Relay.advance` moves it on.
struct Race {
    let errand: Errand
    /// The set whose nodes are asked.
    let setID: UInt32
    var tried = TriedNodes()
    /// The node that was tried last.
    var latest = -1
    /// The node that the call's log line is about, if it is about one.
    var subject: Int?
    var legs = Legs()
    /// A node that has been chosen and waits for room, and until when it does.
    var chosen: Int?
    var roomDeadline: UInt64 = 0
    /// Until when it waits for a connection at all; 0: it has not begun to.
    var roomEnd: UInt64 = 0
    /// How many commands it waits with.
    var roomCommands = 0
    /// Room that it has been given.
    var room: FlightRoom?
    /// Connections of a leg that has just ended, for what is to be undone.
    var held: FlightRoom?
    /// When the budget is over, nil before anybody has been asked. Times are nanoseconds of the monotonic clock.
    var deadline: UInt64?
    /// Until when a node that has not answered since start is waited for.
    var startDeadline: UInt64?
    /// When the next node is asked, too.
    var askNextAt: UInt64 = 0
    /// When those that are silent are reported to the module's own process, for a look.
    var lookAt = UInt64.max
    /// Whether other nodes are asked where one does not know the call.
    var mayAskOthers = true
    /// Whether that is so: one did not know the call, and the others of the set are being asked.
    var isSearching = false
    /// What the script gets if nobody else is left.
    var failure: CallFailure?
    /// How the call ended, once that is certain.
    var verdict: Verdict?

    enum Verdict {
        case done
        case failed(CallFailure)
    }

    init(_ errand: Errand, setID: UInt32) {
        self.errand = errand
        self.setID = setID
    }
}

/// What to do with a race next.
enum RaceProgress {
    case over(Race.Verdict)
    /// Nothing before this time, unless something arrives.
    case waiting(until: UInt64)
}
