// SPDX-License-Identifier: GPL-2.0-or-later
// Carrying out what a run says: choosing, taking room, sending, and taking what the exchanges have come to.

import Bytes
import ControlProtocol
import SDP
import SharedState
import Transport

extension Relay {
    /// Commands that one exchange has under way at once (control-protocol: Sizes).
    private static var window: Int { 8 }

    /// Moves a race on as far as that goes without waiting.
    mutating func advance<Host: CallHost>(
        _ race: inout Race, _ host: Host, _ body: Span<UInt8>, _ address: Span<UInt8>
    ) -> RaceProgress {
        if case .media(let call) = race.errand, race.run.verdict == nil, !description.wantsRelay {
            settle(&race, call, host, body)
        }
        while true {
            takeEnds(&race, host, body, address)
            let now = MonotonicClock.now()
            var isSent = false
            while !isSent {
                let step = race.run.next(now)
                switch step {
                case .done: return .over(.done)
                case .fail(let failure): return .over(.failed(failure))
                case .wait(let until): return .waiting(until: until)
                case .choose: choose(&race, host, now: now)
                case .takeRoom(let node): takeRoom(&race, node, now: now)
                case .ask(let node, let place, let until):
                    ask(&race, node, place, host, body, now: now, until: until)
                    isSent = true
                case .look, .leave, .giveRoomBack, .undo, .delete: carryOut(step, &race, host, now: now)
                }
            }
        }
    }

    /// Drives a race to its end. Blocks, never beyond its budget.
    mutating func run<Host: CallHost>(
        _ race: inout Race, _ host: Host, _ body: Span<UInt8>, _ address: Span<UInt8>
    ) throws(CallFailure) {
        refreshDirectory()
        while true {
            switch advance(&race, host, body, address) {
            case .over(.done): return
            case .over(.failed(let failure)):
                lastAsked = race.run.subject
                throw failure
            case .waiting(let deadline): exchanges.step(until: deadline)
            }
        }
    }

    private mutating func choose<Host: CallHost>(_ race: inout Race, _ host: Host, now: UInt64) {
        do throws(CallFailure) {
            guard let node = try nextNode(race, host) else {
                return race.run.noNode(.noNode(race.run.terms.setID), mayCome: true, now: now)
            }
            race.run.chosen(node, now: now)
        } catch {
            race.run.noNode(error, mayCome: false, now: now)
        }
    }

    /// Has a race that has asked nobody begin with `node`, if that still takes commands, and ask nobody else who may
    /// know the call: this one has it.
    func aim(_ race: inout Race, at node: Int) {
        guard table.takesCommands(node), table.setID(node) == race.run.terms.setID else { return }
        race.run.aim(at: node, now: MonotonicClock.now())
    }

    /// Does one of the things that need no message.
    private mutating func carryOut<Host: RelayHost>(
        _ step: RunStep, _ race: inout Race, _ host: Host, now: UInt64
    ) {
        switch step {
        case .look(let node): table.setLookWanted(node, true)
        case .leave(let place, let node, let wasSlow, let deletes):
            abandon(&race, place, node, host)
            if wasSlow { noteSilence(host, node) }
            if deletes, case .media(let call) = race.errand { deleteOnce(host, node, call.words) }
        case .giveRoomBack(let node): giveRoomBack(&race, node)
        case .undo(let node, let place, let until):
            if case .media(let call) = race.errand { undo(&race, host, node, place, call.words, now, until) }
        case .delete(let node):
            if case .media(let call) = race.errand { deleteOnce(host, node, call.words) }
        case .choose, .takeRoom, .ask, .wait, .done, .fail: break
        }
    }

    // MARK: - Room

    private mutating func takeRoom(_ race: inout Race, _ node: Int, now: UInt64) {
        guard table.takesCommands(node) else {
            giveRoomBack(&race, node)
            return race.run.room(.gone, now: now)
        }
        // An asynchronous process may be short of members; a worker never is.
        guard !freeMembers.isEmpty else { return race.run.room(.noExchange, now: now) }
        let framing = directory.url(node)?.scheme.framing
        guard race.room == nil, framing != .pipeline else { return race.run.room(.free, now: now) }
        race.roomCommands = min(commandCount(race.errand, node), Self.window)
        if !(roomLines?.isCrowded(node) ?? false) {
            race.room = takeRoom(node, commands: race.roomCommands, now: now)
        }
        guard race.room == nil else { return race.run.room(.free, now: now) }
        // Who stands in line is called.
        race.run.room(.none(isFirm: framing == .stream, isCalled: roomLines != nil), now: now)
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

    /// Gives back what room there was for the call.
    private func giveRoomBack(_ race: inout Race, _ node: Int) {
        if let room = race.room { table.giveBack(room, node) }
        race.room = nil
    }

    private func commandCount(_ errand: Errand, _ node: Int) -> Int {
        switch errand {
        case .media(let call): commandCount(call, capabilities(node))
        case .simple(let kind, let words): kind.commands(words)
        case .figures: FigureCall.streams &* FigureCall.commands(capabilities(node))
        }
    }

    // MARK: - Sending

    private mutating func ask<Host: CallHost>(
        _ race: inout Race, _ node: Int, _ place: Int, _ host: Host, _ body: Span<UInt8>, now: UInt64, until: UInt64
    ) {
        guard let member = freeMembers.last else { return }
        let room = race.room
        race.room = nil
        lastAsked = node
        do throws(CallFailure) {
            let window = room?.count ?? Self.window
            try ask(member, node, race.errand, host, body, from: now, until: until, window: window)
        } catch {
            if let room { table.giveBack(room, node) }
            return race.run.couldNotAsk(error)
        }
        freeMembers.removeLast()
        race.legs[place] = Leg(member: member, room: room)
        let roundTrip = table.roundTrip(node).map { UInt64($0.smoothedMicroseconds) &* 1000 }
        switch race.run.asked(node, place: place, roundTrip: roundTrip, now: now) {
        case .first, .search: break
        case .failover: host.count(.failovers)
        case .hedge: host.count(.hedges)
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

    /// Takes every exchange that has ended, and what it comes to.
    private mutating func takeEnds<Host: CallHost>(
        _ race: inout Race, _ host: Host, _ body: Span<UInt8>, _ address: Span<UInt8>
    ) {
        carryOutEnds(&race, host)
        for place in 0..<AskedNodes.count {
            guard let leg = race.legs[place], let node = race.run.askedNodes[place]?.node,
                let outcome = ended(leg.member)
            else { continue }
            if let room = leg.room, room.isConnections {
                // Until it is certain that nothing is to be undone over one of them.
                race.held = room
            } else if let room = leg.room, outcome == .complete {
                table.giveBack(room, node)
            }
            account(host, leg.member, node, outcome)
            if let sample = exchanges.roundTrip(leg.member) { table.sampleRoundTrip(node, nanoseconds: sample) }
            race.legs[place] = nil
            if let askedNode = race.run.ended(place) {
                lastAsked = node
                judge(&race, askedNode, leg.member, outcome, host, body, address)
                carryOutEnds(&race, host)
            }
            if let room = race.held { table.giveBack(room, node) }
            race.held = nil
            freeMembers.append(leg.member)
        }
    }

    /// Does what has to be done where a race, or a leg of it, has come to its end.
    private mutating func carryOutEnds<Host: RelayHost>(_ race: inout Race, _ host: Host) {
        guard race.run.isEnding else { return }
        let now = MonotonicClock.now()
        while let step = race.run.nextOfEnd(now) { carryOut(step, &race, host, now: now) }
    }

    /// Ends a leg whose answer nobody waits for any more.
    private mutating func abandon<Host: RelayHost>(_ race: inout Race, _ place: Int, _ node: Int, _ host: Host) {
        guard place < AskedNodes.count, let leg = race.legs[place] else { return }
        race.legs[place] = nil
        account(host, leg.member, node, nil)
        exchanges.abandon(leg.member)
        freeMembers.append(leg.member)
        // Connections are closed by now; datagrams may still stand in the node's buffer.
        if let room = leg.room, room.isConnections { table.giveBack(room, node) }
    }

    /// How the exchange of `member` ended, nil while it is under way.
    private mutating func ended(_ member: Int) -> ExchangeOutcome? {
        if let outcome = exchanges.takeOutcome(member) { return outcome }
        return exchanges.isRunning(member) ? nil : .failed(.invalid)
    }

    /// Deletes what a call that has failed created on `node`, within what is left of its budget.
    private mutating func undo<Host: RelayHost>(
        _ race: inout Race, _ host: Host, _ node: Int, _ place: Int, _ words: SessionWords, _ now: UInt64,
        _ deadline: UInt64
    ) {
        guard place < AskedNodes.count, let member = freeMembers.last else { return deleteOnce(host, node, words) }
        exchanges.begin(
            member, now: now, budget: deadline &- now, firstRetransmission: firstWait(node),
            framing: directory.url(node)?.scheme.framing ?? .datagram)
        write(.delete, words)
        guard (try? addCommand(member)) != nil else { return }
        startExchange(member, node)
        // One that has ended already never becomes news: nobody may wait for it.
        guard exchanges.isRunning(member) else { return exchanges.abandon(member) }
        freeMembers.removeLast()
        race.legs[place] = Leg(member: member, room: race.held)
        race.held = nil
        race.run.undoing(node, place: place, now: now)
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
