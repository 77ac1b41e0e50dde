// SPDX-License-Identifier: GPL-2.0-or-later
// What a run is told: which node is chosen, whether there is room, and what the answers of a node come to.
//
// NO TRAP (4 in this file): the subscript of AskedNodes compares the place first.

import Transport

extension CommandRun {
    /// Makes a run that has asked no node begin with `node`, and ask no other: this one has the session. Only a deletion
    /// goes on to others where this one is lost.
    mutating func aim(at node: Int, now: UInt64) {
        mayAskOthers = false
        // Nobody has to look for another one.
        isInTable = true
        chosen(node, now: now)
    }

    /// `node` is the next to ask; it counts as tried from now on.
    mutating func chosen(_ node: Int, now: UInt64) {
        tried.append(node)
        if !isSearching { latest = node }
        leaveChosen()
        chosen = node
        roomDeadline = now &+ min(terms.budget / 4, RunTimes.longestRoomPatience)
    }

    /// There is no node to ask: `failure` says why. `mayCome`: one that has not answered since start may still do so.
    mutating func noNode(_ failure: CallFailure, mayCome: Bool, now: UInt64) {
        if wantsOther {
            // Then it is the chosen one, once there is room.
            wantsOther = false
            return
        }
        pauseUntil = 0
        if mayCome, askedNodes.asking == 0 {
            let end = startDeadline ?? saturating(now, terms.budget)
            startDeadline = end
            if now < end {
                pauseUntil = now &+ RunTimes.unprovenPause
                return
            }
        }
        giveUp(failure)
    }

    // MARK: - Room

    /// What there is for the commands at the chosen node.
    enum Room {
        case free
        /// None at present. `isFirm`: the limit is never exceeded; otherwise commands beyond it may be sent, and may be
        /// lost. `isCalled`: `roomIsThere` will tell.
        case none(isFirm: Bool, isCalled: Bool)
        /// The process is short of exchanges.
        case noExchange
        /// The node was taken out meanwhile. Room that there was for the call is given back.
        case gone
    }

    /// Whether the chosen node has room. Where it is firm, a call that begins goes to another node, and the last one is
    /// waited for as long as one command may take; otherwise it sends all the same after a while.
    mutating func room(_ room: Room, now: UInt64) {
        switch room {
        case .free: hasRoom = true
        case .gone: leaveChosen()
        case .noExchange: pauseUntil = now &+ RunTimes.roomPause
        case .none(let isFirm, let isCalled):
            guard let node = chosen else { return }
            if isFirm, roomEnd == 0 { roomEnd = saturating(now, terms.budget) }
            if now >= roomDeadline {
                guard isFirm else {
                    hasRoom = true
                    return
                }
                guard now < roomEnd else {
                    leaveChosen()
                    subject = node
                    return giveUp(.crowded)
                }
                roomDeadline = roomEnd
                wantsOther = terms.createsSession || isSearching
            }
            pauseUntil = isCalled ? roomDeadline : now &+ RunTimes.roomPause
        }
    }

    /// There is room for the call at the chosen node.
    mutating func roomIsThere() { pauseUntil = 0 }

    mutating func leaveChosen() {
        chosen = nil
        hasRoom = false
        wantsOther = false
        pauseUntil = 0
    }

    // MARK: - Asking

    /// The commands have been sent to `node`. `roundTrip`: what its answers take as a rule, in nanoseconds; nil: it has
    /// not answered yet.
    mutating func asked(_ node: Int, place: Int, roundTrip: UInt64?, now: UInt64) -> Occasion {
        let occasion: Occasion =
            isSearching ? .search : tried.count <= 1 ? .first : askedNodes.asking == 0 ? .failover : .hedge
        let patience = RunTimes.patience(roundTrip)
        if !isSearching { askNextAt = now &+ patience }
        let askedNode = AskedNode(node: node, askedAt: now, lookAt: now &+ min(patience, terms.budget / 4))
        askedNodes[place] = askedNode
        lookAt = min(lookAt, askedNode.lookAt)
        return occasion
    }

    /// The commands could not be made, or not be sent by this process.
    mutating func couldNotAsk(_ failure: CallFailure) { decide(.failed(failure)) }

    /// `node` is deleting what it created.
    mutating func undoing(_ node: Int, place: Int, now: UInt64) {
        askedNodes[place] = AskedNode(node: node, askedAt: now, isUndo: true)
    }

    // MARK: - Answers

    /// What a node's answers come to.
    enum Finding {
        /// All that was asked for.
        case success
        /// It does not know the session. The failure if no other node knows it, nil: `unknownCall`; and the one if no
        /// other node may be asked.
        case unknownSession(CallFailure?, ifAlone: CallFailure)
        /// An error. `hasCreated`: it may have created a session all the same.
        case failure(CallFailure, hasCreated: Bool)
        /// No answer, or none that can be used. `answeredAt`: when the node last answered anything, to whatever
        /// process; 0: never.
        case lost(ExchangeOutcome, answeredAt: UInt64, isDatagram: Bool)
    }

    /// What a finding means for the node.
    enum Consequence {
        case none
        /// It lives, and is to be looked at.
        case look
        /// It is taken out for all processes.
        case takeOut
    }

    /// The node at `place` has answered, or does not. Nil where its answers no longer matter.
    mutating func ended(_ place: Int) -> AskedNode? {
        guard let askedNode = askedNodes[place] else { return nil }
        askedNodes[place] = nil
        guard !askedNode.isUndo, verdict == nil else { return nil }
        // After a failure the next node is asked at once.
        askNextAt = 0
        pauseUntil = 0
        subject = askedNode.node
        return askedNode
    }

    /// Takes what the answers to `askedNode`, which is over, come to. The run goes on where another node may do better.
    mutating func take(_ finding: Finding, of askedNode: AskedNode) -> Consequence {
        switch finding {
        case .success:
            latest = askedNode.node
            decide(.done)
        case .unknownSession(let ifNobody, let ifAlone):
            guard mayAskOthers else {
                decide(terms.isDelete ? .done : .failed(ifAlone))
                break
            }
            guard !isSearching else { break }
            isSearching = true
            latest = askedNode.node
            failure = ifNobody
        case .failure(let error, let hasCreated):
            if terms.createsSession, error.isWorthAnotherNode { failure = error } else { decide(.failed(error)) }
            guard hasCreated, terms.createsSession || terms.endsRefused && error.isOfModule else { break }
            toUndo = askedNode.node
        case .lost(.failed(let error), _, _) where error.isLocal:
            // A fault of this machine, not of the node.
            if !isSearching { decide(.failed(.system(error))) }
        case .lost(let outcome, let answeredAt, let isDatagram):
            let isAlive = RunTimes.isAlive(outcome, askedNode.askedAt, answeredAt: answeredAt, isDatagram: isDatagram)
            noteLoss(outcome, isAlive: isAlive)
            return isAlive ? .look : .takeOut
        }
        return .none
    }

    private mutating func noteLoss(_ outcome: ExchangeOutcome, isAlive: Bool) {
        // The nodes that do answer decide.
        if isSearching { return }
        failure = isAlive ? .unanswered(outcome) : nil
        if terms.createsSession {
            // After a dead node an offer that is not hedged has a new budget; nodes that live share one.
            if !isAlive, !terms.isHedged { deadline = nil }
        } else if isAlive, outcome == .timedOut {
            decide(.failed(.unanswered(outcome)))
        }
    }

    /// How it ends. No other node is waited for.
    mutating func decide(_ verdict: Verdict) { self.verdict = verdict }

    func saturating(_ time: UInt64, _ duration: UInt64) -> UInt64 {
        let (sum, overflow) = time.addingReportingOverflow(duration)
        return overflow ? .max : sum
    }
}

/// The times of a run, in nanoseconds, and what is concluded from them.
enum RunTimes {
    /// Between two looks at a node that has not yet answered since start.
    static var unprovenPause: UInt64 { 2_000_000 }
    /// Between two looks for room at a node.
    static var roomPause: UInt64 { 200_000 }
    /// The longest that a call waits for room at a node before it sends all the same or looks for another.
    static var longestRoomPatience: UInt64 { 1_000_000_000 }

    /// After this silence the next node is asked in parallel: four round trips, within bounds.
    static func patience(_ roundTrip: UInt64?) -> UInt64 {
        min(max(roundTrip.map { $0 &* 4 } ?? 250_000_000, 50_000_000), 250_000_000)
    }

    /// Whether a node whose commands have come to nothing lives all the same: it has answered something since they were
    /// sent. That a datagram was refused says nothing of a node that has ever answered: the module's own process looks.
    static func isAlive(
        _ outcome: ExchangeOutcome, _ askedAt: UInt64, answeredAt: UInt64, isDatagram: Bool
    ) -> Bool {
        switch outcome {
        case .timedOut: answeredAt >= askedAt
        case .refused, .failed: isDatagram && answeredAt != 0
        case .complete, .malformed: false
        }
    }
}
