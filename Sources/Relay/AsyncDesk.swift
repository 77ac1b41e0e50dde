// SPDX-License-Identifier: GPL-2.0-or-later
// The module's asynchronous process: it drives the calls that SIP workers have handed over, thousands at once.

import Bytes
import ControlProtocol
import SDP
public import SharedState
import Transport

/// A call under way, or one that waits until earlier ones of its Call-ID are over.
private struct AsyncCall {
    var record: JobRecord
    /// Means something once it has begun.
    var race: Race
    var hasBegun = false
    /// When to look after it next if nothing arrives; nanoseconds of the monotonic clock.
    var wake: UInt64 = 0
    /// Where the list of those under way has it.
    var place = 0
    /// Tells it from others that have had its number.
    let serial: UInt64
    /// The node in whose line for room it stands.
    var line: Int?
}

/// The calls of one process. It has a relay of its own: a route that goes on in this process may call the module's
/// functions, and they use another one.
public struct AsyncDesk: ~Copyable {
    private var relay: Relay
    private let process: Int
    /// By number; numbers that are free stand in `free`.
    private var calls: [AsyncCall?] = []
    private var free: [Int] = []
    /// The numbers of those under way, in no order.
    private var active: [Int] = []
    /// The call that a member of the exchange group works for.
    private var owners: [Int]
    /// The call whose message the relay has read, -1: none.
    private var read = -1
    private var arrivals: [JobRecord] = []
    /// The order of the calls with the same Call-ID.
    private var order = CallLines()
    /// Calls that have become the first of their Call-ID and have not begun.
    private var ready: [Int] = []
    private var heldUp = HeldUp()
    /// Calls that there have been.
    private var serial: UInt64 = 0
    /// No call has to be looked after before this time.
    private var nextWake: UInt64 = .max

    /// The longest time without a look at the queue and at whether the process is still wanted, in nanoseconds.
    private static var longestPause: UInt64 { 50_000_000 }

    /// `process`: which of the asynchronous ones this is, from 0.
    public init(process: Int, settings: Settings, table: consuming NodeTable, calls: consuming CallTable?) {
        // One exchange for each call, and some more for those that ask a second node.
        let members = settings.asyncMaximum &+ settings.asyncMaximum / 8 &+ 64
        relay = Relay(settings: settings, table: table, calls: calls, members: members)
        relay.roomLines = RoomLines(nodes: relay.table.capacity)
        owners = [Int](repeating: -1, count: members)
        self.process = process
    }

    /// Drives calls until `isWanted` says no. They come by `lines`.
    public mutating func run<Host: JobHost>(
        _ host: Host, _ lines: JobLines, while isWanted: () -> Bool
    ) {
        let bell = lines.bell(process)
        relay.exchanges.watch(bell)
        var lookAt: UInt64 = 0
        while true {
            let now = MonotonicClock.now()
            if lookAt <= now {
                guard isWanted() else { return }
                lookAt = now &+ Self.longestPause
            }
            while let member = relay.exchanges.takeFinished() {
                let number = owners.indices.contains(member) ? owners[member] : -1
                if number >= 0 { advance(number, host, lines) }
            }
            serveLines(now, host, lines)
            takeJobs(host, lines)
            beginReady(host, lines)
            if nextWake <= now { wakeCalls(now, host, lines) }
            if heldUp.nextWake <= now { tryHeldUp(now, host) }
            beginReady(host, lines)
            lines.queues.setUnderWay(process, active.count &+ heldUp.count)
            let isCrowded = relay.roomLines?.nodes.isEmpty == false
            let wake = min(lookAt, nextWake, heldUp.nextWake)
            relay.exchanges.step(until: min(wake, isCrowded ? now &+ RunTimes.roomPause : .max))
            bell.quieten()
        }
    }

    /// Looks after every call whose time has come.
    private mutating func wakeCalls<Host: JobHost>(_ now: UInt64, _ host: Host, _ lines: JobLines) {
        nextWake = .max
        var place = 0
        while place < active.count {
            let number = active[place]
            if let call = calls[number], call.wake <= now {
                if call.hasBegun { advance(number, host, lines) } else { giveUp(number, call, host) }
            }
            // The call that has taken the place of one that is over comes next.
            guard place < active.count, active[place] == number else { continue }
            nextWake = min(nextWake, calls[number]?.wake ?? .max)
            place &+= 1
        }
    }

    /// Lets those go on who are first in line where there is room.
    private mutating func serveLines<Host: JobHost>(_ now: UInt64, _ host: Host, _ lines: JobLines) {
        for node in relay.roomLines?.nodes ?? [] {
            while let ticket = relay.roomLines?.first(node) {
                guard let call = calls[ticket.call], call.serial == ticket.serial, call.line == node,
                    call.race.run.chosen == node
                else {
                    relay.roomLines?.removeFirst(node)
                    continue
                }
                guard let room = relay.takeRoom(node, commands: call.race.roomCommands, now: now) else { break }
                relay.roomLines?.removeFirst(node)
                calls[ticket.call]?.race.room = room
                calls[ticket.call]?.race.run.roomIsThere()
                calls[ticket.call]?.line = nil
                advance(ticket.call, host, lines)
            }
        }
        relay.roomLines?.tidy()
    }

    // MARK: - Coming and going

    private mutating func takeJobs<Host: JobHost>(_ host: Host, _ lines: JobLines) {
        guard var next = unsafe lines.queues.takeAll(process) else { return }
        arrivals.removeAll(keepingCapacity: true)
        while true {
            unsafe arrivals.append(JobRecord(next))
            guard let earlier = unsafe JobQueues.next(after: next) else { break }
            unsafe next = earlier
        }
        relay.refreshDirectory()
        // The newest came first.
        while let record = arrivals.popLast() {
            if record.header.isHeldUp {
                // A worker has met another process at its transaction.
                record.header.isHeldUp = false
                heldUp.append(record, now: MonotonicClock.now())
            } else {
                take(record)
            }
        }
    }

    /// Takes a record in: its call begins when those before it that have its Call-ID are over.
    private mutating func take(_ record: JobRecord) {
        let number = free.popLast() ?? calls.count
        if number == calls.count { calls.append(nil) }
        var line = Hash64()
        record.with(.callID) { line.combine($0, $0.all) }
        // What was created for nothing goes before somebody builds on it.
        let isUndo = record.kind == .undoOffer
        let isFirst = isUndo ? order.appendBehindFirst(number, line.value) : order.append(number, line.value)
        serial &+= 1
        var call = AsyncCall(
            record: record, race: relay.race(.simple(.delete, SessionWords()), setID: record.header.setID),
            place: active.count, serial: serial)
        if isFirst {
            ready.append(number)
        } else {
            // A transaction waits for its turn no longer than for an answer; what nobody waits for has time.
            let end = MonotonicClock.now().addingReportingOverflow(relay.settings.budgetNanoseconds)
            call.wake = record.hasContinuation && !isUndo && !end.overflow ? end.partialValue : .max
            nextWake = min(nextWake, call.wake)
        }
        calls[number] = call
        active.append(number)
    }

    /// Begins the calls that have become the first of their Call-ID, and those that follow where one ends at once.
    private mutating func beginReady<Host: JobHost>(_ host: Host, _ lines: JobLines) {
        var place = 0
        while place < ready.count {
            begin(ready[place], host, lines)
            place &+= 1
        }
        ready.removeAll(keepingCapacity: true)
    }

    private mutating func begin<Host: JobHost>(_ number: Int, _ host: Host, _ lines: JobLines) {
        guard calls.indices.contains(number), var call = calls[number] else { return }
        do throws(CallFailure) {
            call.race = relay.race(try prepare(call.record, host), setID: call.record.header.setID)
            if call.record.kind == .undoOffer { relay.aim(&call.race, at: Int(call.record.header.node)) }
            call.hasBegun = true
            calls[number] = call
            read = number
            advance(number, host, lines)
        } catch {
            // The worker has read the same message, so nothing is wrong with it.
            read = -1
            leave(number, call)
            resume(call.record, host, relay.finish(JobCall(host, call.record), error, isMedia: true), node: -1)
        }
    }

    /// Lets a transaction go on whose call has waited for earlier ones of its Call-ID as long as may be.
    private mutating func giveUp<Host: JobHost>(_ number: Int, _ call: AsyncCall, _ host: Host) {
        // The first one begins at once.
        guard !order.isFirst(number) else { return }
        leave(number, call)
        let code = relay.finish(JobCall(host, call.record), .earlierCommandsWait, isMedia: true)
        resume(call.record, host, code, node: -1)
    }

    /// Takes a call out that is over; the next one of its Call-ID is ready.
    private mutating func leave(_ number: Int, _ call: AsyncCall) {
        let last = active.count &- 1
        if let moved = active.last, moved != number {
            active[call.place] = moved
            calls[moved]?.place = call.place
        }
        if last >= 0 { active.removeLast() }
        calls[number] = nil
        if let next = order.remove(number) { ready.append(next) }
        free.append(number)
    }

    /// Reads the message of a record into the relay's memory.
    private mutating func prepare<Host: JobHost>(_ record: JobRecord, _ host: Host) throws(CallFailure) -> Errand {
        let call = JobCall(host, record)
        return try record.with(.flags) { (flags: Span<UInt8>) throws(CallFailure) in
            try record.with(.address) { (address: Span<UInt8>) throws(CallFailure) in
                let hasAddress = record.header.hasAddress
                switch record.kind ?? .delete {
                case .offer: return .media(try relay.prepareMedia(.offer, call, flags, address, hasAddress))
                case .answer: return .media(try relay.prepareMedia(.answer, call, flags, address, hasAddress))
                case .delete: return .simple(.delete, try relay.prepareDelete(call, flags))
                case .undoOffer:
                    let offer = try relay.prepareMedia(.offer, call, flags, address, hasAddress)
                    return .simple(.delete, offer.words)
                }
            }
        }
    }

    private mutating func advance<Host: JobHost>(_ number: Int, _ host: Host, _ lines: JobLines) {
        guard calls.indices.contains(number), var call = calls[number], call.hasBegun else { return }
        if read != number {
            read = number
            do throws(CallFailure) {
                _ = try prepare(call.record, host)
            } catch {
                call.race.run.decide(.failed(error))
            }
        }
        let message = JobCall(host, call.record)
        let progress = call.record.with(.body) { body in
            call.record.with(.address) { relay.advance(&call.race, message, body, $0) }
        }
        switch progress {
        case .waiting(let until):
            for place in 0..<AskedNodes.count {
                if let leg = call.race.legs[place], owners.indices.contains(leg.member) { owners[leg.member] = number }
            }
            call.wake = until
            nextWake = min(nextWake, until)
            if let node = call.race.run.chosen, call.race.roomCommands > 0 {
                if call.line != node { relay.roomLines?.append(RoomTicket(call: number, serial: call.serial), node) }
                call.line = node
            } else {
                call.line = nil
            }
            calls[number] = call
        case .over(let verdict):
            end(call, verdict, host)
            leave(number, call)
        }
    }

    private mutating func end<Host: JobHost>(_ call: AsyncCall, _ verdict: CommandRun.Verdict, _ host: Host) {
        // Other calls have been driven since this one was.
        relay.lastAsked = call.race.run.subject
        let message = JobCall(host, call.record)
        guard call.record.hasContinuation, call.record.kind != .undoOffer else {
            if case .failed(let failure) = verdict { _ = relay.finish(message, failure, isMedia: false) }
            relay.forget(call.record.header.setID)
            return host.release(call.record)
        }
        switch verdict {
        case .failed(let failure):
            resume(call.record, host, relay.finish(message, failure, isMedia: true), node: call.race.run.latest)
        case .done:
            call.record.header.node = Int32(clamping: call.race.run.latest)
            // Before it is the host's: who counts the bodies asks for it.
            call.record.header.isRewritten = true
            let outcome = relay.table.withURL(call.race.run.latest) {
                host.resume(call.record, .done, relay.edits, instance: $0)
            }
            settle(call.record, outcome, host)
        }
    }

    private mutating func resume<Host: JobHost>(_ record: JobRecord, _ host: Host, _ code: ReturnCode, node: Int) {
        guard record.hasContinuation, record.kind != .undoOffer else { return host.release(record) }
        relay.edits.removeAll()
        let outcome = relay.table.withURL(node) { host.resume(record, code, relay.edits, instance: $0) }
        settle(record, outcome, host)
    }

    /// Does what is left to do for a record, once its transaction was to go on.
    private mutating func settle<Host: JobHost>(_ record: JobRecord, _ outcome: Resumption, _ host: Host) {
        switch outcome {
        case .taken:
            if record.isRewritten { host.count(.bodiesRewritten) }
            host.release(record)
        case .gone:
            // Where it has failed, nothing was created that is still there.
            if record.isRewritten, record.becomeUndo() { take(record) } else { host.release(record) }
        case .handedOver: break
        case .heldUp: heldUp.append(record, now: MonotonicClock.now())
        }
    }

    /// Lets those go on whose transactions other processes were at.
    private mutating func tryHeldUp<Host: JobHost>(_ now: UInt64, _ host: Host) {
        for (record, outcome) in heldUp.tryAgain(now, { host.resumeAgain($0) }) { settle(record, outcome, host) }
    }
}
