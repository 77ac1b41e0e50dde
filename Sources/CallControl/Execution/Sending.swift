// SPDX-License-Identifier: GPL-2.0-or-later
// Sending a call's commands to a node, and deletions whose answers are not waited for, or only within the budget.

import Bytes
import ControlProtocol
import SDP
import SharedState
import Transport

extension Worker {
    /// Commands that one exchange has under way at once (control-protocol: Sizes).
    static var window: Int { 8 }

    mutating func ask(
        _ call: inout Call, _ node: Int, _ place: Int, _ body: Span<UInt8>, now: UInt64, until: UInt64
    ) {
        guard let member = freeMembers.last else { return }
        let room = call.room
        call.room = nil
        putInTable(&call, node)
        do throws(CallFailure) {
            let window = room?.count ?? Self.window
            try ask(&call, member, node, body, from: now, until: until, window: window)
        } catch {
            if let room { table.giveBack(room, node) }
            return call.run.couldNotAsk(error)
        }
        // NO TRAP: freeMembers.last was there, and nothing has taken it since.
        freeMembers.removeLast()
        // NO TRAP: there is an exchange for each place of AskedNodes, and place is one of them.
        call.exchanges[place] = CallExchange(node: node, member: member, room: room)
        let roundTrip = table.roundTrip(node).map { UInt64(widening: $0.smoothedMicroseconds) &* 1000 }
        switch call.run.asked(node, place: place, roundTrip: roundTrip, now: now) {
        case .first, .search: break
        case .failover: outbox.count(.failovers)
        case .hedge: outbox.count(.hedges)
        }
    }

    /// Sends the commands of a call to `node`.
    private mutating func ask(
        _ call: inout Call, _ member: Int, _ node: Int, _ body: Span<UInt8>,
        from start: UInt64, until deadline: UInt64, window: Int
    ) throws(CallFailure) {
        let url = directory.url(node)
        exchanges.begin(
            member, now: start, budget: deadline > start ? deadline &- start : 1, firstRetransmission: firstWait(node),
            framing: url?.scheme.framing ?? .datagram, window: window)
        switch call.command {
        case .simple(let kind, let words):
            guard capabilities(node).isSuperset(of: kind.required) else { throw kind.refusal }
            if kind.isDelete, !call.legs.isEmpty { try addEnds(&call, words, node, member) }
            // NO TRAP (3): 0 to a constant that is above it, at least 1.
            for part in 0..<kind.commands(words) {
                write(call, kind, words, part: part)
                try addCommand(&call, node, member)
            }
        case .figures(let query):
            let known = capabilities(node)
            guard known.contains(.statistics) || known.contains(.namedFigures) else { throw .noStatistics }
            // By the time it answers, it may be known to be able to.
            if query.joined(known) == nil { call.figures.isLeft = true }
            for stream in 0..<FigureQuery.streams {
                for part in 0..<query.commands(known) {
                    write(call, query, stream: query.firstStream &+ stream, part: part, known)
                    try addCommand(&call, node, member)
                }
            }
        case .media(let media):
            guard capabilities(node).isSuperset(of: media.needs) else { throw .nodeWithoutWebRTC }
            if media.flags.repacketizationMilliseconds > 0, !capabilities(node).takes(.repacketization) {
                warn(call, "is too old for flag 'z', which is left out")
            }
            for stream in call.description.streams where asks(capabilities(node), for: stream, of: &call) {
                try write(stream, &call, media, body, capabilities(node))
                try addCommand(&call, node, member)
            }
            for stream in call.description.streams where media.deletes(stream, at: capabilities(node)) {
                writeDelete(stream, &call, media, capabilities(node))
                try addCommand(&call, node, member)
            }
        }
        startExchange(member, node)
    }

    /// Adds the command that has been written to the exchange of `member` with `node`.
    mutating func addCommand(_ call: inout Call, _ node: Int, _ member: Int) throws(CallFailure) {
        if isDebugging { debugCommand(&call, node) }
        let text = command
        do throws(ExchangeError) {
            // NO TRAP: a count is not negative, and what is beyond the span is left out.
            try exchanges.add(member, text.memory.span.extracting(first: text.count), cookies: &cookies)
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

    /// Deletes what a call that has failed created on `node`, within what is left of its budget.
    mutating func undo(
        _ call: inout Call, _ node: Int, _ place: Int, _ words: SessionWords, _ now: UInt64,
        _ deadline: UInt64
    ) {
        guard place < AskedNodes.count, let member = freeMembers.last else { return deleteOnce(&call, node, words) }
        exchanges.begin(
            member, now: now, budget: deadline &- now, firstRetransmission: firstWait(node),
            framing: directory.url(node)?.scheme.framing ?? .datagram, window: call.held?.count ?? Self.window)
        if call.isBridged {
            readLegs(&call, words)
            try? addEnds(&call, words, node, member)
        }
        write(call, .delete, words)
        guard (try? addCommand(&call, node, member)) != nil else { return }
        startExchange(member, node)
        // An exchange that has ended already is never reported: the call must not wait for it.
        guard exchanges.isRunning(member) else { return exchanges.abandon(member) }
        // NO TRAP: freeMembers.last was there, and nothing has taken it since.
        freeMembers.removeLast()
        // NO TRAP: there is an exchange for each place of AskedNodes, and place is one of them.
        call.exchanges[place] = CallExchange(node: node, member: member, room: call.held)
        call.held = nil
        call.run.undoing(node, place: place, now: now)
    }

    /// Sends a delete of a call that has been deleted to where there may be another session of it, too, and was not asked:
    /// to the others of the set, where the call has moved, and to the node that has it, which may be back without that
    /// being known here; where hosts share calls, and this one has not heard of the call, to each node that gets no new
    /// ones from it. Not of a browser: RTPProxy is not to delete one whose ICE it has not ended.
    @_optimize(size) @inline(never)
    mutating func deleteElsewhere(_ call: inout Call, _ words: SessionWords) {
        let isUnheardOf = fleet != nil && !call.run.isInTable
        guard call.run.hasMoved || call.run.lost >= 0 || isUnheardOf, call.legs.isEmpty,
            let position = directory.position(ofSet: call.run.terms.setID)
        else { return }
        // NO TRAP: position is from position(ofSet:), and the directory is not refreshed in between.
        for other in directory.sets[position].nodes
        where !call.run.tried.contains(other) && table.condition(other) != .disabled {
            guard call.run.hasMoved || other == call.run.lost || isUnheardOf && !table.takesNewCalls(other) else {
                continue
            }
            deleteOnce(&call, other, words)
        }
    }

    /// Sends a delete to `node` and waits for nothing.
    mutating func deleteOnce(_ call: inout Call, _ node: Int, _ words: SessionWords) {
        write(call, .delete, words)
        if isDebugging { debugCommand(&call, node) }
        sendOnce(node)
    }

    /// Sends the command that has been written to `node` and waits for nothing.
    @_optimize(size)
    mutating func sendOnce(_ node: Int) {
        guard let url = directory.url(node) else { return }
        let text = command
        var isSent = false
        let now = MonotonicClock.now()
        // Without room for the connection the session is not deleted: it ends when its media have timed out.
        if url.scheme.framing == .stream,
            table.takeConnections(node, atMost: 1, now: now, until: now &+ ExchangeGroup.unawaitedPatience) == nil
        {
            return
        }
        if url.scheme.isUnix {
            isSent = table.withURL(node) {
                // NO TRAP (2): a count is not negative, and what is beyond the span is left out.
                exchanges.sendOnce(
                    node, unixSocket: $0, path: url.target, framing: url.scheme.framing,
                    text.memory.span.extracting(first: text.count))
            }
        } else if let words = table.address(node)?.words, let address = SocketAddress(words: words) {
            isSent = exchanges.sendOnce(
                node, address: address, framing: url.scheme.framing,
                text.memory.span.extracting(first: text.count), cookies: &cookies)
        }
        if isSent { accountUnawaited(node) }
    }
}
