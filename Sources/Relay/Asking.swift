// SPDX-License-Identifier: GPL-2.0-or-later
// Asking RTPProxies what a call wants: one after the other, or the next one too where the first is slow.

import Bytes
import ControlProtocol
import SDP
import SharedState
import Transport

extension Relay {
    /// Time between two looks at a node that has not yet answered since start, in nanoseconds.
    private static var unprovenPause: UInt64 { 2_000_000 }
    /// Time between two looks for room at a node, in nanoseconds.
    static var roomPause: UInt64 { 200_000 }
    /// The longest time that a call waits for room at a node, in nanoseconds.
    private static var longestRoomPatience: UInt64 { 1_000_000_000 }
    /// Commands that one exchange has under way at once (control-protocol: Sizes).
    private static var window: Int { 8 }

    /// Whether the next node is asked beside one that is slow. Where nobody remembers which of them had the call in the
    /// end, later messages would not find it.
    private func isHedged(_ race: Race) -> Bool { race.errand.createsSession && hedges }

    /// A node that has been silent for so long, in nanoseconds, gets company: four smoothed round trips, within bounds.
    private func patience(_ node: Int) -> UInt64 {
        let expected = table.roundTrip(node).map { 4_000 &* UInt64($0.smoothedMicroseconds) }
        return min(max(expected ?? 250_000_000, 50_000_000), 250_000_000)
    }

    /// Moves a race on as far as that goes without waiting. An offer that creates a session asks the next node too
    /// where the one before is silent, and takes whoever answers first; all of it within one budget. Any other call
    /// asks one node after the other, each within a budget of its own, and where one does not know the call the others
    /// side by side.
    mutating func advance<Host: CallHost>(
        _ race: inout Race, _ host: Host, _ body: Span<UInt8>, _ address: Span<UInt8>
    ) -> RaceProgress {
        if case .media(let call) = race.errand, race.verdict == nil, !description.wantsRelay {
            settle(&race, call, host, body)
        }
        while true {
            takeEnds(&race, host, body, address)
            if let verdict = race.verdict {
                if case .failed = verdict, race.legs.hasAny(isUndo: true) { return .waiting(until: .max) }
                abandon(&race, host)
                return .over(verdict)
            }
            let now = MonotonicClock.now()
            if now >= race.lookAt { reportSilence(&race, now) }
            let isAlone = !race.legs.hasAny(isUndo: false)
            let mayHaveCompany = race.isSearching || isHedged(race)
            let free = race.legs.freePlace(among: race.isSearching ? Legs.count : Legs.hedges)
            guard let place = free, isAlone || (mayHaveCompany && now >= race.askNextAt) else {
                return .waiting(until: min(mayHaveCompany && free != nil ? race.askNextAt : .max, race.lookAt))
            }
            do throws(CallFailure) {
                if let wake = try askNext(&race, place, host, body, now: now, isAlone: isAlone) {
                    return .waiting(until: min(wake, race.lookAt))
                }
            } catch {
                if error.isNoNode || error == .crowded, !isAlone {
                    // Nobody else to ask: those who have been asked may still answer.
                    race.askNextAt = .max
                } else {
                    decide(&race, host, error.isNoNode ? end(of: &race, error) : .failed(error))
                }
            }
        }
    }

    /// How a race ends in which there is nobody left to ask: as what the last ones have shown, or as `noNode`.
    private mutating func end(of race: inout Race, _ noNode: CallFailure) -> Race.Verdict {
        guard race.isSearching else { return .failed(race.failure ?? noNode) }
        // What nobody knows is as good as deleted.
        if race.errand.isDelete { return .done }
        lastAsked = race.latest
        race.subject = race.latest
        return .failed(race.failure ?? .unknownCall(asked: race.tried.count))
    }

    /// Drives a race to its end. Blocks, never beyond its budget.
    mutating func run<Host: CallHost>(
        _ race: inout Race, _ host: Host, _ body: Span<UInt8>, _ address: Span<UInt8>
    ) throws(CallFailure) {
        refreshDirectory()
        while true {
            switch advance(&race, host, body, address) {
            case .over(.done): return
            case .over(.failed(let failure)): throw failure
            case .waiting(let deadline): exchanges.step(until: deadline)
            }
        }
    }

    /// Asks the next node. A time: it is too early for that.
    private mutating func askNext<Host: CallHost>(
        _ race: inout Race, _ place: Int, _ host: Host, _ body: Span<UInt8>, now: UInt64, isAlone: Bool
    ) throws(CallFailure) -> UInt64? {
        let createsSession = race.errand.createsSession
        if createsSession, let deadline = race.deadline, now >= deadline { throw .noNode(race.setID) }
        let node: Int
        if let chosen = race.chosen {
            guard table.takesCommands(chosen) else {
                // It was taken out while the call waited for room.
                leaveChosen(&race)
                return now
            }
            node = chosen
        } else {
            guard let next = try nextNode(&race, host) else {
                guard isAlone, now < startDeadline(&race, now) else { throw .noNode(race.setID) }
                return now &+ Self.unprovenPause
            }
            node = next
            race.chosen = node
            race.roomDeadline = roomDeadline(now)
        }
        // An asynchronous process may be short of members; a worker never is.
        guard let member = freeMembers.last else { return now &+ Self.roomPause }
        let end = now.addingReportingOverflow(settings.budgetNanoseconds).partialValue
        let deadline = createsSession ? race.deadline ?? end : end
        var room = race.room
        race.room = nil
        if room == nil, directory.url(node)?.scheme.framing != .pipeline {
            race.roomCommands = min(commandCount(race.errand, node), Self.window)
            if !(roomLines?.isCrowded(node) ?? false) { room = takeRoom(node, commands: race.roomCommands, now: now) }
            if room == nil, let wake = try waitForRoom(&race, host, node, now: now) { return wake }
        }
        race.chosen = nil
        race.deadline = deadline
        race.subject = node
        lastAsked = node
        if !race.isSearching { race.askNextAt = now &+ patience(node) }
        race.lookAt = now &+ min(patience(node), settings.budgetNanoseconds / 4)
        do throws(CallFailure) {
            let window = room?.count ?? Self.window
            try ask(member, node, race.errand, host, body, from: now, until: deadline, window: window)
        } catch {
            if let room { table.giveBack(room, node) }
            throw error
        }
        freeMembers.removeLast()
        race.legs[place] = Leg(member: member, node: node, room: room, askedAt: now)
        if race.tried.count > 1, !race.isSearching { host.count(isAlone ? .failovers : .hedges) }
        return nil
    }

    /// Has the module's own process look whether those who have been silent for a while are there: what it hears tells
    /// a node that is gone from a command that was lost.
    private func reportSilence(_ race: inout Race, _ now: UInt64) {
        race.lookAt = .max
        for place in 0..<Legs.count where race.legs.isTaken(place) {
            guard let leg = race.legs[place], !leg.isUndo else { continue }
            let patience = min(patience(leg.node), settings.budgetNanoseconds / 4)
            if now &- leg.askedAt >= patience {
                table.setLookWanted(leg.node, true)
            } else {
                race.lookAt = min(race.lookAt, leg.askedAt &+ patience)
            }
        }
    }

    /// Has a race that has asked nobody begin with `node`, if that still takes commands, and ask nobody else who may
    /// know the call: this one has it.
    func aim(_ race: inout Race, at node: Int) {
        guard table.takesCommands(node), table.setID(node) == race.setID else { return }
        race.mayAskOthers = false
        race.tried.append(node)
        race.latest = node
        race.chosen = node
        race.roomDeadline = roomDeadline(MonotonicClock.now())
    }

    // MARK: - Room

    /// Until when a call waits for room; then it takes its chance, or looks for another node.
    private func roomDeadline(_ now: UInt64) -> UInt64 {
        now &+ min(settings.budgetNanoseconds / 4, Self.longestRoomPatience)
    }

    /// Takes room for `commands` to `node`; of connections perhaps less than that.
    func takeRoom(_ node: Int, commands: Int, now: UInt64) -> FlightRoom? {
        guard directory.url(node)?.scheme.framing == .stream else {
            return table.takeRoom(node, commands: commands, now: now)
        }
        // An exchange closes its connections at its deadline at the latest; a process may be held up.
        let end = now.addingReportingOverflow(settings.budgetNanoseconds &+ 1_000_000_000).partialValue
        return table.takeConnections(node, atMost: commands, now: now, until: end)
    }

    /// What a call does for which `node` has no room: nil, it takes its chance; otherwise when it looks again. There
    /// are never more connections than there is room for: a call that begins goes to another node, and the last one is
    /// waited for as long as one command may take.
    private mutating func waitForRoom<Host: CallHost>(
        _ race: inout Race, _ host: Host, _ node: Int, now: UInt64
    ) throws(CallFailure) -> UInt64? {
        let isConnections = directory.url(node)?.scheme.framing == .stream
        if isConnections, race.roomEnd == 0 {
            race.roomEnd = now.addingReportingOverflow(settings.budgetNanoseconds).partialValue
        }
        if now >= race.roomDeadline {
            guard isConnections else { return nil }
            guard now < race.roomEnd else {
                leaveChosen(&race)
                race.subject = node
                lastAsked = node
                throw .crowded
            }
            race.roomDeadline = race.roomEnd
            if race.errand.createsSession || race.isSearching, let other = try? nextNode(&race, host) {
                race.chosen = other
                race.roomDeadline = roomDeadline(now)
                return now
            }
        }
        // Who stands in line is called.
        return roomLines == nil ? now &+ Self.roomPause : race.roomDeadline
    }

    /// Forgets the node that was chosen, and gives back what room there was for the call.
    private func leaveChosen(_ race: inout Race) {
        if let room = race.room, let node = race.chosen { table.giveBack(room, node) }
        race.room = nil
        race.chosen = nil
    }

    private mutating func startDeadline(_ race: inout Race, _ now: UInt64) -> UInt64 {
        let end = race.startDeadline ?? now.addingReportingOverflow(settings.budgetNanoseconds).partialValue
        race.startDeadline = end
        return end
    }

    private func commandCount(_ errand: Errand, _ node: Int) -> Int {
        switch errand {
        case .media(let call): commandCount(call, capabilities(node))
        case .simple(let kind, let words): kind.commands(words)
        case .figures: FigureCall.streams &* FigureCall.commands(capabilities(node))
        }
    }

    /// Sends the commands of an errand to `node`.
    private mutating func ask<Host: CallHost>(
        _ member: Int, _ node: Int, _ errand: Errand, _ host: Host, _ body: Span<UInt8>,
        from start: UInt64, until deadline: UInt64, window: Int
    ) throws(CallFailure) {
        let url = directory.url(node)
        exchanges.begin(
            member, now: start, budget: deadline > start ? deadline &- start : 1, firstRetransmission: firstWait(node),
            framing: url?.scheme.framing ?? .datagram, window: window)
        switch errand {
        case .simple(let kind, let words):
            guard capabilities(node).isSuperset(of: kind.required) else { throw kind.refusal }
            for part in 0..<kind.commands(words) {
                write(kind, words, part: part)
                try addCommand(member)
            }
        case .figures(let call):
            let known = capabilities(node)
            guard known.contains(.statistics) || known.contains(.namedFigures) else { throw .noStatistics }
            for stream in 0..<FigureCall.streams {
                for part in 0..<FigureCall.commands(known) {
                    write(call, stream: call.firstStream &+ stream, part: part, known)
                    try addCommand(member)
                }
            }
        case .media(let call):
            if call.flags.repacketizationMilliseconds > 0, !capabilities(node).contains(.repacketization) {
                warn(host, "is too old for flag 'z', which is left out")
            }
            for stream in description.streams where asks(capabilities(node), for: stream) {
                write(stream, call, host, body, capabilities(node))
                try addCommand(member)
            }
            for stream in description.streams where call.deletes(stream, at: capabilities(node)) {
                writeDelete(stream, call)
                try addCommand(member)
            }
        }
        startExchange(member, node)
    }

    private mutating func addCommand(_ member: Int) throws(CallFailure) {
        let text = command
        do throws(ExchangeError) {
            try exchanges.add(member, text.span, cookies: &cookies)
        } catch {
            throw error == .tooLong ? .commandTooLong : .exchange(error)
        }
    }

    /// Starts the exchange of `member`. One with a node whose name has no address ends at once.
    private mutating func startExchange(_ member: Int, _ node: Int) {
        guard let url = directory.url(node) else { return exchanges.refuse(member) }
        if url.scheme.isUnix {
            table.withURL(node) { exchanges.start(member, node: node, unixSocket: $0, path: url.target) }
        } else if let words = table.address(node)?.words, let address = SocketAddress(words: words) {
            exchanges.start(member, node: node, address: address)
        } else {
            exchanges.refuse(member)
        }
    }

    // MARK: - Ends

    /// Takes every leg that has ended, and what it comes to.
    private mutating func takeEnds<Host: CallHost>(
        _ race: inout Race, _ host: Host, _ body: Span<UInt8>, _ address: Span<UInt8>
    ) {
        for place in 0..<Legs.count where race.legs.isTaken(place) {
            guard let leg = race.legs[place], let outcome = ended(leg.member) else { continue }
            if let room = leg.room, room.isConnections {
                // Until it is certain that nothing is to be undone over one of them.
                race.held = room
            } else if let room = leg.room, outcome == .complete {
                table.giveBack(room, leg.node)
            }
            account(host, leg.member, leg.node, outcome)
            if let sample = exchanges.roundTrip(leg.member) { table.sampleRoundTrip(leg.node, nanoseconds: sample) }
            race.legs[place] = nil
            if !leg.isUndo, race.verdict == nil {
                // Whoever failed makes room for the next at once.
                race.askNextAt = 0
                judge(&race, leg, outcome, host, body, address)
            }
            if let room = race.held { table.giveBack(room, leg.node) }
            race.held = nil
            freeMembers.append(leg.member)
        }
    }

    /// Ends a leg whose answer nobody waits for any more.
    private mutating func abandon<Host: RelayHost>(_ leg: Leg, _ host: Host) {
        account(host, leg.member, leg.node, nil)
        exchanges.abandon(leg.member)
        freeMembers.append(leg.member)
        // Connections are closed by now; datagrams may still stand in the node's buffer.
        if let room = leg.room, room.isConnections { table.giveBack(room, leg.node) }
    }

    /// How the exchange of `member` ended, nil while it is under way.
    private mutating func ended(_ member: Int) -> ExchangeOutcome? {
        if let outcome = exchanges.takeOutcome(member) { return outcome }
        return exchanges.isRunning(member) ? nil : .failed(.invalid)
    }

    /// How the race ends. Nobody else is waited for: what a node that was too slow may have created is deleted, and its
    /// silence noted.
    mutating func decide<Host: RelayHost>(_ race: inout Race, _ host: Host, _ verdict: Race.Verdict) {
        race.verdict = verdict
        for place in 0..<Legs.count where race.legs.isTaken(place) {
            guard let leg = race.legs[place], !leg.isUndo else { continue }
            race.legs[place] = nil
            abandon(leg, host)
            if !race.isSearching { noteSilence(host, leg.node) }
            if case .media(let call) = race.errand, call.createsSession { deleteOnce(host, leg.node, call.words) }
        }
    }

    /// Ends whatever is under way: the race is over.
    private mutating func abandon<Host: RelayHost>(_ race: inout Race, _ host: Host) {
        for place in 0..<Legs.count where race.legs.isTaken(place) {
            guard let leg = race.legs[place] else { continue }
            race.legs[place] = nil
            abandon(leg, host)
        }
        leaveChosen(&race)
    }

    /// Deletes what a call that has failed created on `node`, within what is left of its budget.
    mutating func undo<Host: RelayHost>(_ race: inout Race, _ host: Host, _ node: Int, _ words: SessionWords) {
        let now = MonotonicClock.now()
        guard let place = race.legs.freePlace(), let member = freeMembers.last, let deadline = race.deadline,
            deadline > now
        else { return deleteOnce(host, node, words) }
        exchanges.begin(
            member, now: now, budget: deadline &- now, firstRetransmission: firstWait(node),
            framing: directory.url(node)?.scheme.framing ?? .datagram)
        write(.delete, words)
        let room = race.held
        guard (try? addCommand(member)) != nil else { return }
        startExchange(member, node)
        // One that has ended already never becomes news: nobody may wait for it.
        guard exchanges.isRunning(member) else { return exchanges.abandon(member) }
        freeMembers.removeLast()
        race.held = nil
        race.legs[place] = Leg(member: member, node: node, room: room, askedAt: now, isUndo: true)
    }

    /// Sends a delete to `node` and waits for nothing.
    private mutating func deleteOnce<Host: RelayHost>(_ host: Host, _ node: Int, _ words: SessionWords) {
        write(.delete, words)
        sendOnce(host, node)
    }

    /// Sends the command that has been written to `node` and waits for nothing.
    mutating func sendOnce<Host: RelayHost>(_ host: Host, _ node: Int) {
        guard let url = directory.url(node) else { return }
        let text = command
        var isSent = false
        let now = MonotonicClock.now()
        // Where there is no room for the connection, what is to be deleted ends as a session without media does.
        if url.scheme.framing == .stream,
            table.takeConnections(node, atMost: 1, now: now, until: now &+ ExchangeGroup.unawaitedPatience) == nil
        {
            return
        }
        if url.scheme.isUnix {
            isSent = table.withURL(node) {
                exchanges.sendOnce(node, unixSocket: $0, path: url.target, framing: url.scheme.framing, text.span)
            }
        } else if let words = table.address(node)?.words, let address = SocketAddress(words: words) {
            isSent = exchanges.sendOnce(
                node, address: address, framing: url.scheme.framing, text.span, cookies: &cookies)
        }
        if isSent { accountUnawaited(host, node) }
    }
}
