// SPDX-License-Identifier: GPL-2.0-or-later
// Carrying out what a run says: choosing, taking room, sending, and taking what the exchanges have come to.

import Bytes
import ControlProtocol
import SDP
import SharedState
import Transport

extension Worker {
    /// What to do with a call next.
    enum Progress {
        case over(CommandRun.Verdict)
        /// Nothing before this time, unless something arrives.
        case waiting(until: UInt64)
        /// The host makes the edits of the worker's answer and says in `editing` whether it could.
        case editing
    }

    /// Moves a call on as far as that goes without waiting, and tells its host what happens.
    mutating func advance<Host: CallHost>(_ call: inout Call, _ host: Host, _ body: Span<UInt8>) -> Progress {
        ticks = host.ticks
        while true {
            let progress = advance(&call, body)
            tell(callHost: host)
            guard case .editing = progress else { return progress }
            call.editing?.isDone = host.apply(answer.edits)
        }
    }

    /// Drives a call to its end. Blocks, never beyond its budget.
    mutating func run<Host: CallHost>(
        _ call: inout Call, _ host: Host, _ body: Span<UInt8>
    ) throws(CallFailure) {
        refreshDirectory()
        while true {
            switch advance(&call, host, body) {
            case .over(.done): return
            case .over(.failed(let failure)): throw failure
            case .waiting(let deadline): exchanges.step(until: deadline)
            case .editing: break
            }
        }
    }

    /// The same for a call that belongs to no message; how it ends.
    mutating func runAlone(_ call: inout Call) -> CommandRun.Verdict {
        while true {
            switch advance(&call, Span()) {
            case .over(let verdict): return verdict
            case .waiting(let deadline): exchanges.step(until: deadline)
            case .editing: break
            }
        }
    }

    private mutating func advance(_ call: inout Call, _ body: Span<UInt8>) -> Progress {
        if call.editing != nil {
            finishEdits(&call)
        } else if case .media(let media) = call.command, call.run.verdict == nil, !call.description.wantsRelay {
            if editWithoutRelay(&call, media, body) { return .editing }
        }
        while true {
            if takeEnds(&call, body) { return .editing }
            let now = MonotonicClock.now()
            var isSent = false
            while !isSent {
                let step = call.run.next(now)
                switch step {
                case .done:
                    if let words = call.command.deleted { deleteElsewhere(&call, words) }
                    return .over(.done)
                case .fail(let failure):
                    takeFromTable(&call)
                    return .over(.failed(failure))
                case .wait(let until): return .waiting(until: until)
                case .choose: choose(&call, now: now)
                case .takeRoom(let node): takeRoom(&call, node, now: now)
                case .ask(let node, let place, let until):
                    ask(&call, node, place, body, now: now, until: until)
                    isSent = true
                case .look, .leave, .giveRoomBack, .undo, .delete: carryOut(step, &call, now: now)
                }
            }
        }
    }

    private mutating func choose(_ call: inout Call, now: UInt64) {
        do throws(CallFailure) {
            if let node = try nextNode(&call) {
                call.run.chosen(node, now: now)
            } else {
                call.run.noNode(.noNode(call.run.terms.setID), mayCome: true, now: now)
            }
        } catch {
            call.run.noNode(error, mayCome: false, now: now)
        }
    }

    /// Makes a call that has asked no node begin with `node`, if that still takes commands, and ask no other: this one
    /// has the session.
    func aim(_ call: inout Call, at node: Int) {
        guard serves(node), table.setID(node) == call.run.terms.setID else { return }
        call.run.aim(at: node, now: MonotonicClock.now())
    }

    /// Does one of the things that need no message.
    private mutating func carryOut(_ step: RunStep, _ call: inout Call, now: UInt64) {
        switch step {
        case .look(let node): table.setLookWanted(node, true)
        case .leave(let place, let node, let wasSlow, let deletes):
            leave(&call, place, node)
            if wasSlow { noteSilence(node) }
            if deletes, case .media(let media) = call.command { deleteOnce(&call, node, media.words) }
        case .giveRoomBack(let node): giveRoomBack(&call, node)
        case .undo(let node, let place, let until):
            if case .media(let media) = call.command { undo(&call, node, place, media.words, now, until) }
        case .delete(let node):
            if case .media(let media) = call.command { deleteOnce(&call, node, media.words) }
        case .choose, .takeRoom, .ask, .wait, .done, .fail: break
        }
    }

    // MARK: - Room

    private mutating func takeRoom(_ call: inout Call, _ node: Int, now: UInt64) {
        guard serves(node) else {
            giveRoomBack(&call, node)
            return call.run.room(.gone, now: now)
        }
        // An asynchronous process may be short of members; a worker never is.
        guard !freeMembers.isEmpty else { return call.run.room(.noExchange, now: now) }
        let framing = directory.url(node)?.scheme.framing
        guard call.room == nil, framing != .pipeline else { return call.run.room(.free, now: now) }
        call.roomCommands = min(commandCount(&call, node), Self.window)
        if !(roomQueues?.isCrowded(node) ?? false) {
            call.room = takeRoom(node, commands: call.roomCommands, now: now)
        }
        guard call.room == nil else { return call.run.room(.free, now: now) }
        // A call in the queue is told when there is room.
        call.run.room(.none(isFirm: framing == .stream, isCalled: roomQueues != nil), now: now)
    }

    /// Takes room for `commands` to `node`; of connections perhaps less than that.
    func takeRoom(_ node: Int, commands: Int, now: UInt64) -> CommandRoom? {
        guard directory.url(node)?.scheme.framing == .stream else {
            return table.takeRoom(node, commands: commands, now: now)
        }
        // An exchange closes its connections at its deadline at the latest; a process may be held up.
        let end = now.addingReportingOverflow(settings.budgetNanoseconds &+ 1_000_000_000).partialValue
        return table.takeConnections(node, atMost: commands, now: now, until: end)
    }

    /// Gives back what room there was for the call.
    private func giveRoomBack(_ call: inout Call, _ node: Int) {
        if let room = call.room { table.giveBack(room, node) }
        call.room = nil
    }

    private func commandCount(_ call: inout Call, _ node: Int) -> Int {
        switch call.command {
        case .media(let media): commandCount(&call, media, capabilities(node))
        case .simple(let kind, let words):
            kind.commands(words) &+ (call.legs.isEmpty ? 0 : endCount(&call, node))
        case .figures(let query): FigureQuery.streams &* query.commands(capabilities(node))
        }
    }

    // MARK: - Ends

    /// Takes every exchange that has ended, and what it comes to. True: it has stopped at one because the host is to make
    /// the edits first; called again, it goes on with the next.
    private mutating func takeEnds(_ call: inout Call, _ body: Span<UInt8>) -> Bool {
        if call.run.isEnding { carryOutEnds(&call) }
        var place = 0
        var left = call.run.askedNodes.count
        while left > 0, place < AskedNodes.count {
            defer { place &+= 1 }
            // NO TRAP: the loop keeps the place from 0 to below AskedNodes.count, and there is an exchange for each.
            guard let exchange = call.exchanges[place] else { continue }
            left &-= 1
            let node = exchange.node
            guard let outcome = ended(exchange.member) else { continue }
            if let room = exchange.room, room.isConnections {
                // Until it is certain that nothing is to be undone over one of them.
                call.held = room
            } else if let room = exchange.room, outcome == .complete {
                table.giveBack(room, node)
            }
            account(exchange.member, node, outcome)
            if let sample = exchanges.roundTrip(exchange.member) { table.sampleRoundTrip(node, nanoseconds: sample) }
            // NO TRAP: there is an exchange for each place of AskedNodes, and place is one of them.
            call.exchanges[place] = nil
            if isDebugging { debugAnswers(&call, node, exchange.member, outcome) }
            if let asked = call.run.ended(place), judge(&call, asked, exchange.member, outcome, body) { return true }
            release(&call, exchange.member, node)
        }
        return false
    }

    /// An exchange with `node` is over, and so is what its answers come to.
    mutating func release(_ call: inout Call, _ member: Int, _ node: Int) {
        if let room = call.held { table.giveBack(room, node) }
        call.held = nil
        freeMembers.append(member)
    }

    /// Does what has to be done where a call, or one exchange of it, has come to its end.
    mutating func carryOutEnds(_ call: inout Call) {
        let now = MonotonicClock.now()
        while let step = call.run.nextOfEnd(now) { carryOut(step, &call, now: now) }
    }

    /// Ends an exchange whose answer is no longer waited for.
    private mutating func leave(_ call: inout Call, _ place: Int, _ node: Int) {
        // NO TRAP (2): there is an exchange for each place of AskedNodes, and place is one of them.
        guard place < AskedNodes.count, let exchange = call.exchanges[place] else { return }
        call.exchanges[place] = nil
        account(exchange.member, node, nil)
        exchanges.abandon(exchange.member)
        freeMembers.append(exchange.member)
        // Connections are closed by now; datagrams may still stand in the node's buffer.
        if let room = exchange.room, room.isConnections { table.giveBack(room, node) }
    }

    /// How the exchange of `member` ended, nil while it is under way.
    private mutating func ended(_ member: Int) -> ExchangeOutcome? {
        if let outcome = exchanges.takeOutcome(member) { return outcome }
        return exchanges.isRunning(member) ? nil : .failed(.invalid)
    }
}
