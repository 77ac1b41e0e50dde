// SPDX-License-Identifier: GPL-2.0-or-later
// The commands of one call on their way through RTPProxies: which one to ask, when to ask the next, and how it ends.
//
// No socket, no clock, no host and no table in here: what happens goes in, `next` says what to do. Times are nanoseconds
// of one monotonic clock. An offer that creates a session asks the next node too where the one before is silent, and
// takes the first whole answer; all of it within one budget. Any other command asks one node after the other, each
// within a budget of its own, and where one does not know the session, it asks the others of the set side by side.
//
// NO TRAP (6 in this file): the subscript of AskedNodes compares the place first.

import Transport

/// What a run is for.
struct RunTerms {
    /// The set whose nodes are asked.
    let setID: UInt32
    /// Time for one command, and for all of an offer that creates a session; nanoseconds.
    let budget: UInt64
    /// Whether a success creates a session.
    var createsSession = false
    /// Whether the session goes where a module of the node refuses the description: nobody talks over it yet.
    var endsRefused = false
    /// Whether the next node is asked beside one that is slow. Without a table that remembers which of them has the
    /// call, later messages would not find it.
    var isHedged = false
    /// Whether it deletes a session: one that no node knows counts as deleted.
    var isDelete = false
}

/// What to do next.
enum RunStep: Equatable {
    /// Choose the next node: `chosen` or `noNode`.
    case choose
    /// Take room for its commands at the chosen node: `room`.
    case takeRoom(node: Int)
    /// Send the commands: `asked` or `couldNotAsk`.
    case ask(node: Int, place: Int, until: UInt64)
    /// A node has been silent for some round trips: have the module's own process look at it.
    case look(node: Int)
    /// Stop waiting for an answer. `wasSlow`: that counts as silence of the node. `deletes`: it may have created a
    /// session that is not wanted; delete it, without waiting.
    case leave(place: Int, node: Int, wasSlow: Bool, deletes: Bool)
    /// Give back what room there is for the call at a node that it has not asked.
    case giveRoomBack(node: Int)
    /// Delete what a node has created, and wait for its answer: `undoing`, or nothing where that is not possible.
    case undo(node: Int, place: Int, until: UInt64)
    /// The same, without waiting: there is no time left.
    case delete(node: Int)
    /// Nothing before this time, unless an exchange ends or there is room.
    case wait(until: UInt64)
    case done
    case fail(CallFailure)
}

/// The run itself. `next` until it says `wait`, `done` or `fail`; what it asks for is answered before the next `next`.
struct CommandRun {
    let terms: RunTerms
    /// The nodes that have been chosen so far.
    var tried = TriedNodes()
    /// The node that was tried last, or that has answered; -1: none yet.
    var latest = -1
    /// The node that the call's log line is about, if it is about one.
    var subject: Int?
    var askedNodes = AskedNodes()
    /// A node that has been chosen and not been asked yet.
    var chosen: Int?
    /// Whether other nodes are asked where one does not know the session.
    var mayAskOthers = true
    /// Whether one did not know the session, and the others of the set are being asked.
    var isSearching = false
    /// How it ends, once that is certain.
    var verdict: Verdict?
    /// Whether the table of calls has known the call since somebody was chosen for it.
    var isInTable = false
    /// The node by which it knows the call of this run alone; -1: it does not.
    var putInTable = -1
    /// Whether the call has had another node before, which may still have a session of it.
    var hasMoved = false
    /// The node that has the call and is taken for gone; -1: none.
    var lost = -1

    /// Whether the chosen node has room for the commands.
    var hasRoom = false
    /// Whether another node is looked for, because the chosen one has no room.
    var wantsOther = false
    /// Until when it waits for room at the chosen node; then it sends all the same, or looks for another node.
    var roomDeadline: UInt64 = 0
    /// Until when it waits for a connection at all; 0: it has not begun to.
    var roomEnd: UInt64 = 0
    /// When the budget is over, nil before a node has been asked.
    var deadline: UInt64?
    /// Until when a node that has not answered since start is waited for; nil: it has not begun to.
    var startDeadline: UInt64?
    /// When the next node is asked, too.
    var askNextAt: UInt64 = 0
    /// Nothing is chosen and no room is looked for before this time.
    var pauseUntil: UInt64 = 0
    /// When the first of the silent ones is to be looked at.
    var lookAt = UInt64.max
    /// What the script gets if no other node is left.
    var failure: CallFailure?
    /// A node that has created what is to be deleted again.
    var toUndo: Int?

    enum Verdict: Equatable {
        case done
        case failed(CallFailure)
    }

    init(_ terms: RunTerms) { self.terms = terms }

    /// What a node has to do with a run that asks it.
    enum Occasion {
        case first
        /// The node before has failed.
        case failover
        /// The node before is slow.
        case hedge
        /// A node before does not know the session.
        case search
    }

    // MARK: - What to do

    /// What to do at `now`.
    mutating func next(_ now: UInt64) -> RunStep {
        if isEnding, let step = nextOfEnd(now) { return step }
        if let verdict { return close(verdict) }
        if now >= lookAt, let node = silentNode(now) { return .look(node: node) }
        let hasCompany = isSearching || terms.isHedged
        let free = askedNodes.freePlace(among: isSearching ? AskedNodes.count : AskedNodes.hedges)
        guard let place = free, askedNodes.asking == 0 || (hasCompany && now >= askNextAt) else {
            return .wait(until: min(hasCompany && free != nil ? askNextAt : .max, lookAt))
        }
        if terms.createsSession, let deadline, now >= deadline { return nobodyLeft(.noNode(terms.setID), now) }
        if now < pauseUntil, !wantsOther { return .wait(until: min(pauseUntil, lookAt)) }
        guard let node = chosen, !wantsOther else {
            return mayAskOthers || terms.isDelete ? .choose : nobodyLeft(.noNode(terms.setID), now)
        }
        guard hasRoom else { return .takeRoom(node: node) }
        let end = saturating(now, terms.budget)
        let until = terms.createsSession ? deadline ?? end : end
        hasRoom = false
        chosen = nil
        deadline = until
        subject = node
        return .ask(node: node, place: place, until: until)
    }

    /// Whether `nextOfEnd` has anything to do.
    var isEnding: Bool { verdict != nil && askedNodes.asking > 0 || toUndo != nil }

    /// What has to be done at once where the run, or one node that was asked, has come to its end; nil where nothing is
    /// left.
    mutating func nextOfEnd(_ now: UInt64) -> RunStep? {
        if verdict != nil, let place = askedNodes.first(isUndo: false), let askedNode = askedNodes[place] {
            askedNodes[place] = nil
            return .leave(
                place: place, node: askedNode.node, wasSlow: !isSearching, deletes: terms.createsSession)
        }
        guard let node = toUndo else { return nil }
        toUndo = nil
        guard let place = askedNodes.freePlace(), let deadline, deadline > now else { return .delete(node: node) }
        return .undo(node: node, place: place, until: deadline)
    }

    /// Ends what is under way. A failure is not told before what was created is deleted, or its time is over.
    private mutating func close(_ verdict: Verdict) -> RunStep {
        if case .failed = verdict, askedNodes.undoing > 0 { return .wait(until: .max) }
        if let place = askedNodes.first(isUndo: true), let askedNode = askedNodes[place] {
            askedNodes[place] = nil
            return .leave(place: place, node: askedNode.node, wasSlow: false, deletes: false)
        }
        if let node = chosen {
            leaveChosen()
            return .giveRoomBack(node: node)
        }
        return switch verdict {
        case .done: .done
        case .failed(let failure): .fail(failure)
        }
    }

    /// A node whose silence is to be looked at, nil where there is no further one. What is heard of it tells a node that
    /// is gone from a command that was lost.
    private mutating func silentNode(_ now: UInt64) -> Int? {
        lookAt = .max
        var silent: Int?
        for place in 0..<AskedNodes.count {
            guard var askedNode = askedNodes[place], !askedNode.isUndo else { continue }
            if silent == nil, askedNode.lookAt <= now {
                silent = askedNode.node
                askedNode.lookAt = .max
                askedNodes[place] = askedNode
            } else {
                lookAt = min(lookAt, askedNode.lookAt)
            }
        }
        return silent
    }

    /// No node is left to ask. Those that were asked may still answer; otherwise the run ends with `why`.
    private mutating func nobodyLeft(_ why: CallFailure, _ now: UInt64) -> RunStep {
        giveUp(why)
        return next(now)
    }

    mutating func giveUp(_ why: CallFailure) {
        guard askedNodes.asking == 0 else {
            askNextAt = .max
            return
        }
        guard why.isNoNode, isSearching else {
            return decide(.failed(why.isNoNode ? failure ?? why : why))
        }
        if terms.isDelete { return decide(.done) }
        subject = latest
        decide(.failed(failure ?? .unknownCall(asked: tried.count)))
    }
}
