// SPDX-License-Identifier: GPL-2.0-or-later
// The process that tells the other hosts which calls have changed here, and asks them for what this host has missed.
//
// Each message has a number, so that every host sees what it has not got: one that was lost, those that came while it was
// held up or cut off, or changes that were too many for the ring, for which the sender skips numbers. It asks for all that
// has changed since then, page by page. A greeting each second carries a number, too, and tells that this host is there,
// so that the last message of many is missed as well. Hosts that are not heard get greetings alone.

import Bytes
import SharedState
import Transport

/// What is asked of one host.
private struct FleetQuestions {
    var isUnderWay = false
    var epoch: UInt64 = 0
    var since: UInt64 = 0
    var place: UInt32 = 0
    /// How many pages have come.
    var pages: UInt32 = 0
    /// Number of the question that is waited for; 0: none is.
    var question: UInt32 = 0
    var askedAt: UInt64 = 0
    /// Since when messages are missing, and which.
    var missing: UInt64 = 0
    var missingAt: UInt64 = 0
}

/// How a node stood when this process looked last.
private struct FleetNodeView {
    var name: UInt64 = 0
    var isDisabled = false
    var isDraining = false
    var isDown = false
    var stamp: UInt64 = 0
    /// Until when the other hosts are told that it was lost, or is back, in nanoseconds.
    var doubtUntil: UInt64 = 0
}

/// What the process remembers.
struct FleetTask {
    fileprivate var reader = FleetRingReader()
    fileprivate var heldUpSince: UInt64 = 0
    fileprivate var sequence: UInt32 = 0
    fileprivate var lost: UInt64 = 0
    /// How far the clock of these hosts is ahead of this one's, in microseconds.
    fileprivate var ahead: UInt64 = 0
    /// That of this one when this process looked last.
    fileprivate var wall: UInt64 = 0
    fileprivate var greetedAt: UInt64 = 0
    fileprivate var greetings: UInt32 = 0
    /// Where in the list of nodes the next greeting begins, and how many of them it and those behind it have to look at.
    fileprivate var place = 0
    fileprivate var nodesLeft = 0
    /// Whether these greetings tell of nodes of which nothing was said, too.
    fileprivate var tellsAll = false
    fileprivate var questionCount: UInt32 = 0
    fileprivate var changes: UInt64 = 0
    // NO TRAP: a constant above 0.
    fileprivate var peers = [FleetQuestions](repeating: FleetQuestions(), count: FleetState.mostPeers)
    fileprivate var views: [FleetNodeView]
    fileprivate var message = Scratch<UInt8>()
    fileprivate var names = FleetNames()

    init(nodeCount: Int) {
        views = [FleetNodeView](repeating: FleetNodeView(), count: nodeCount)
        message.reserveCapacity(FleetMessage.mostBytes)
    }
}

extension Worker {
    /// Time between two looks at what has changed, in nanoseconds: no message is later than that.
    private static var fleetPause: UInt64 { 20_000_000 }
    /// Time between two greetings, in nanoseconds.
    private static var greetingPause: UInt64 { 1_000_000_000 }
    /// Time until the next one where not all fits one message, in nanoseconds.
    private static var greetingPartPause: UInt64 { 100_000_000 }
    /// A host that is not heard for so long gets greetings alone, in nanoseconds.
    private static var silence: UInt64 { 3_000_000_000 }
    /// A host that is not heard for so long is forgotten, in nanoseconds.
    private static var absence: UInt64 { 600_000_000_000 }
    /// How long a message may be late, a place of the ring half written, or a question unanswered, in nanoseconds.
    private static var lateness: UInt64 { 1_000_000_000 }
    private static var answerTime: UInt64 { 3_000_000_000 }
    /// Answers that a host may give in a row: more than those of the largest table.
    private static var mostPages: UInt32 { 300_000 }
    /// Bytes of a message: what fits a packet on most networks, and more where there is much to tell.
    private static var usualBytes: Int { 1000 }
    /// Hosts' clocks are only about the same, and a change is stamped before it is told, in microseconds.
    private static var slack: UInt64 { 1_000_000 }

    /// Shares calls until `isWanted` says no. Runs in a process of its own.
    @_optimize(size)
    package mutating func shareCalls<Host: FleetHost>(_ host: Host, while isWanted: () -> Bool) {
        guard let fleet else { return }
        var task = FleetTask(nodeCount: table.capacity)
        for node in 0..<table.count { noteView(node, &task, fleet) }
        while isWanted() {
            let start = MonotonicClock.now()
            look(host)
            ticks = host.ticks
            shareOnce(host, &task, fleet, wall: WallClock.microseconds(), now: start)
            let spent = MonotonicClock.now() &- start
            if spent < Self.fleetPause { MonotonicClock.sleep(nanoseconds: Self.fleetPause &- spent) }
        }
    }

    /// One look at all that there is to tell and to ask. `now`: nanoseconds of the monotonic clock.
    @_optimize(size)
    mutating func shareOnce<Host: FleetHost>(
        _ host: Host, _ task: inout FleetTask, _ fleet: FleetState, wall: UInt64, now: UInt64
    ) {
        // Another host's clock is ahead: this one keeps up with it between its messages, so that what happens later here
        // has a later stamp. But it goes at half the speed, so that one that was wrong once is wrong for a while.
        let passed = wall > task.wall ? wall &- task.wall : 0
        task.wall = wall
        task.ahead &-= min(task.ahead, passed / 2)
        let (clock, own) = (fleet.now, wall &+ task.ahead)
        if clock > own { task.ahead &+= clock &- own }
        fleet.advance(to: wall &+ task.ahead)
        refreshDirectory()
        if lookAtNodes(&task, fleet, now: now) { fleet.wantGreeting() }
        let lost = fleet.lost
        if lost != task.lost {
            host.count(.dmqLost, UInt32(clamping: lost &- task.lost))
            task.lost = lost
            // So many are missing that the others ask.
            task.sequence &+= 64
        }
        tellChanges(host, &task, fleet, now: now)
        let silentFor = now &- task.greetedAt
        if fleet.takeGreeting() || silentFor >= Self.greetingPause {
            // Once through the list, from where the last greeting has stopped.
            task.greetings &+= 1
            // All of them now and then, so that who does not know one can name it.
            task.tellsAll = task.greetings % 10 == 1 || (task.tellsAll && task.nodesLeft > 0)
            task.nodesLeft = directory.listed.count
            greet(host, &task, fleet, now: now)
        } else if task.nodesLeft > 0, silentFor >= Self.greetingPartPause {
            greet(host, &task, fleet, now: now)
        }
        for peer in task.peers.indices where fleet.isKnown(peer) { followPeer(host, peer, &task, fleet, now: now) }
    }

    // MARK: - Changes

    @_optimize(size)
    private mutating func tellChanges<Host: FleetHost>(
        _ host: Host, _ task: inout FleetTask, _ fleet: FleetState, now: UInt64
    ) {
        // No more than the ring holds: others go on changing calls meanwhile.
        var left = FleetState.ringSize
        beginChanges(&task, fleet)
        while left > 0 {
            left &-= 1
            let isPatient = task.heldUpSince == 0 || now &- task.heldUpSince < Self.lateness
            guard let key = fleet.takeChange(&task.reader, isPatient: isPatient) else { break }
            task.heldUpSince = 0
            guard let call = calls?.shared(key) else { continue }
            var isFull = task.message.count >= Self.usualBytes
            if !isFull { isFull = !add(call, &task) }
            guard isFull else { continue }
            sendChanges(host, &task, fleet, now: now)
            beginChanges(&task, fleet)
            _ = add(call, &task)
        }
        if task.names.calls > 0 { sendChanges(host, &task, fleet, now: now) }
        let isHeldUp = fleet.hasChange(task.reader) && left > 0
        if !isHeldUp { task.heldUpSince = 0 } else if task.heldUpSince == 0 { task.heldUpSince = now }
    }

    private mutating func add(_ call: SharedCall, _ task: inout FleetTask) -> Bool {
        task.names.add(call, to: &task.message, name: { self.fleetName($0) })
    }

    private mutating func beginChanges(_ task: inout FleetTask, _ fleet: FleetState) {
        FleetMessage.begin(&task.message, .changes, epoch: fleet.epoch, sequence: task.sequence &+ 1)
        task.names.clear()
    }

    @_optimize(size)
    private mutating func sendChanges<Host: FleetHost>(
        _ host: Host, _ task: inout FleetTask, _ fleet: FleetState, now: UInt64
    ) {
        task.names.append(to: &task.message)
        FleetMessage.end(
            &task.message, sentAt: fleet.stamp(), calls: task.names.calls, names: task.names.count)
        task.sequence &+= 1
        host.count(.dmqSent, UInt32(clamping: task.names.calls))
        // NO TRAP (2): a constant above 0; the count is never above that of the memory.
        let written = task.message.memory.span.extracting(0..<task.message.count)
        for peer in 0..<FleetState.mostPeers where isHeard(peer, fleet, now: now) {
            fleet.withAddress(peer) { host.send(written, to: $0, tag: 0) }
        }
    }

    /// Whether a host is there to be told.
    private func isHeard(_ peer: Int, _ fleet: FleetState, now: UInt64) -> Bool {
        guard fleet.isKnown(peer) else { return false }
        let heard = fleet.heardAt(peer)
        return heard != 0 && (heard > now || now &- heard < Self.silence)
    }

    /// How many other hosts are there, and the milliseconds since the one was heard that is silent for longest.
    @_optimize(size)
    package func fleetHosts() -> (count: UInt64, lag: UInt64) {
        guard let fleet else { return (0, 0) }
        let now = MonotonicClock.now()
        var (count, lag): (UInt64, UInt64) = (0, 0)
        // NO TRAP: a constant above 0.
        for peer in 0..<FleetState.mostPeers where fleet.isKnown(peer) {
            let heard = fleet.heardAt(peer)
            if isHeard(peer, fleet, now: now) { count &+= 1 }
            if now > heard, heard != 0 { lag = max(lag, (now &- heard) / 1_000_000) }
        }
        return (count, lag)
    }

    // MARK: - Greetings

    @_optimize(size)
    private mutating func greet<Host: FleetHost>(
        _ host: Host, _ task: inout FleetTask, _ fleet: FleetState, now: UInt64
    ) {
        task.greetedAt = now
        task.sequence &+= 1
        FleetMessage.begin(&task.message, .greeting, epoch: fleet.epoch, sequence: task.sequence)
        let listed = directory.listed
        var count = 0
        while task.nodesLeft > 0, count < FleetMessage.mostRecords,
            task.message.count < FleetMessage.mostBytes &- 300
        {
            task.nodesLeft &-= 1
            if !listed.indices.contains(task.place) { task.place = 0 }
            guard listed.indices.contains(task.place) else { break }
            // NO TRAP: an index of the list, by the guard.
            let node = listed[task.place]
            task.place &+= 1
            guard task.views.indices.contains(node) else { continue }
            // NO TRAP: an index of the list, by the guard.
            let view = task.views[node]
            let isInDoubt = view.doubtUntil > now
            guard task.tellsAll || view.stamp > 0 || isInDoubt else { continue }
            count &+= 1
            table.withURL(node) {
                FleetNodeRecord(
                    hash: view.name, stamp: view.stamp, isDisabled: view.isDisabled, isDraining: view.isDraining,
                    isInDoubt: isInDoubt, setID: table.setID(node)
                ).append(to: &task.message, $0)
            }
        }
        FleetMessage.end(&task.message, sentAt: fleet.stamp(), names: count)
        // NO TRAP: the count is never above that of the memory.
        host.broadcast(task.message.memory.span.extracting(0..<task.message.count))
    }

    // MARK: - RTPProxies

    /// Looks what was said of each node, and which were lost or are back. True: the others are to know at once.
    @_optimize(size)
    private mutating func lookAtNodes(_ task: inout FleetTask, _ fleet: FleetState, now: UInt64) -> Bool {
        guard table.changes != task.changes else { return false }
        task.changes = table.changes
        var isNews = false
        for node in 0..<table.count where task.views.indices.contains(node) {
            // NO TRAP (2): an index of the list, checked by the loop.
            let before = task.views[node]
            noteView(node, &task, fleet)
            var view = task.views[node]
            if view.name != before.name {
                // Another one in its place, as it is configured.
                if before.name != 0 { fleet.clearNodeStamp(node) }
                view.stamp = 0
            } else {
                view.doubtUntil = before.doubtUntil
                if view.isDown != before.isDown {
                    view.doubtUntil = now &+ Self.silence
                    isNews = true
                }
            }
            // NO TRAP: as above.
            task.views[node] = view
        }
        return isNews
    }

    @_optimize(size)
    private mutating func noteView(_ node: Int, _ task: inout FleetTask, _ fleet: FleetState) {
        guard task.views.indices.contains(node) else { return }
        var view = FleetNodeView()
        if table.life(node) != .free {
            let said = fleet.nodeSwitch(node)
            (view.stamp, view.isDisabled, view.isDraining) = (said.stamp, said.isDisabled, said.isDraining)
            view.name = directory.fleetHash(node, setID: table.setID(node))
            if case .down = table.condition(node) { view.isDown = true }
        }
        // NO TRAP: an index of the list, by the guard.
        task.views[node] = view
    }

    // MARK: - What was missed

    @_optimize(size)
    private mutating func followPeer<Host: FleetHost>(
        _ host: Host, _ peer: Int, _ task: inout FleetTask, _ fleet: FleetState, now: UInt64
    ) {
        // NO TRAP: an index of the list: shareOnce looks at no others.
        var asked = task.peers[peer]
        let heard = fleet.heardAt(peer)
        if heard != 0, now > heard, now &- heard > Self.absence {
            fleet.forgetPeer(peer)
            // NO TRAP: as above.
            task.peers[peer] = FleetQuestions()
            return
        }
        let missing = fleet.missing(peer)
        if missing != asked.missing {
            // Something has come: whether that was what is missing, the next look shows.
            if asked.missing == 0 || missing == 0 { asked.missingAt = now }
            asked.missing = missing
        } else if missing != 0, now &- asked.missingAt > Self.lateness {
            fleet.giveUpMissing(peer, missing)
        }
        if isHeard(peer, fleet, now: now) {
            ask(host, peer, &asked, &task.questionCount, &task.message, fleet, now: now)
        }
        // NO TRAP: as above.
        task.peers[peer] = asked
    }

    @_optimize(size)
    private mutating func ask<Host: FleetHost>(
        _ host: Host, _ peer: Int, _ asked: inout FleetQuestions, _ count: inout UInt32,
        _ message: inout Scratch<UInt8>, _ fleet: FleetState, now: UInt64
    ) {
        if asked.isUnderWay, asked.epoch != fleet.peerEpoch(peer) { asked.isUnderWay = false }
        if !asked.isUnderWay {
            guard let since = fleet.takeWanted(peer) else { return }
            asked.isUnderWay = true
            asked.epoch = fleet.peerEpoch(peer)
            asked.since = since > Self.slack ? since &- Self.slack : 0
            asked.place = 0
            asked.pages = 0
            asked.question = 0
            host.count(.dmqAsked, 1)
        } else if asked.question != 0 {
            let answer = fleet.answer(peer)
            if answer.question == asked.question, answer.next != FleetState.Answer.failed {
                asked.question = 0
                if answer.next == FleetState.Answer.atEnd {
                    asked.isUnderWay = false
                    return
                }
                // What does not go on, or has more pages than any table, has no end.
                asked.pages &+= 1
                guard answer.next > asked.place, asked.pages < Self.mostPages else {
                    asked.isUnderWay = false
                    host.count(.dmqRefused, 1)
                    return
                }
                asked.place = answer.next
            } else {
                let patience = answer.question == asked.question ? Self.lateness : Self.answerTime
                guard now &- asked.askedAt > patience else { return }
            }
        }
        count &+= 1
        if count == 0 { count = 1 }
        asked.question = count
        asked.askedAt = now
        FleetMessage.begin(&message, .question, epoch: fleet.epoch, sequence: 0, place: asked.place)
        message.append(asked.since, count: 8)
        FleetMessage.end(&message, sentAt: fleet.stamp())
        let tag = FleetQuestionTag(peer: peer, question: asked.question).word
        // NO TRAP: the count is never above that of the memory.
        let written = message.memory.span.extracting(0..<message.count)
        fleet.withAddress(peer) { host.send(written, to: $0, tag: tag) }
    }
}
