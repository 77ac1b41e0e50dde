// SPDX-License-Identifier: GPL-2.0-or-later
// The module's asynchronous process: it drives the calls that SIP workers have handed over, thousands at once.

import Bytes
import ControlProtocol
import SDP
public import SharedState
import Transport

/// A job: a call under way, or one that waits until earlier ones of its Call-ID are over.
private struct Job {
    var record: JobRecord
    /// Its call, read once; nil before it has begun.
    var kept: KeptCall?
    /// When to look after it next if nothing arrives; nanoseconds of the monotonic clock.
    var wake: UInt64 = 0
    /// Where the list of those under way has it.
    var place = 0
    /// Tells it from others that have had its number.
    let serial: UInt64
    /// The node in whose queue for room it waits.
    var queue: Int?
}

/// The calls of one process. It has a worker of its own: a route that goes on in this process may call the module's
/// functions, and they use another one.
public struct AsyncProcess: ~Copyable {
    private var worker: Worker
    private let process: Int
    /// By number; numbers that are free stand in `free`.
    private var jobs: [Job?] = []
    private var free: [Int] = []
    /// The numbers of those under way, in no order.
    private var active: [Int] = []
    /// The job that a member of the exchange group works for.
    private var owners: [Int]
    /// Calls whose memory nobody uses. There are as many as have been under way at once.
    private var unused: [KeptCall] = []
    private var arrivals: [JobRecord] = []
    /// The order of the calls with the same Call-ID.
    private var order = CallOrder()
    /// Calls that have become the first of their Call-ID and have not begun.
    private var ready: [Int] = []
    private var heldUp = HeldUpRecords()
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
        worker = Worker(settings: settings, table: table, calls: calls, members: members)
        worker.roomQueues = RoomQueues(nodes: worker.table.capacity)
        owners = [Int](repeating: -1, count: members)
        self.process = process
    }

    /// Drives calls until `isWanted` says no. They come by `lines`.
    public mutating func run<Host: JobHost>(
        _ host: Host, _ lines: JobLines, while isWanted: () -> Bool
    ) {
        let bell = lines.bell(process)
        worker.exchanges.watch(bell)
        var lookAt: UInt64 = 0
        while true {
            let now = MonotonicClock.now()
            if lookAt <= now {
                guard isWanted() else { return }
                lookAt = now &+ Self.longestPause
            }
            while let member = worker.exchanges.takeFinished() {
                let number = owners.indices.contains(member) ? owners[member] : -1
                if number >= 0 { advance(number, host, lines) }
            }
            serveQueues(now, host, lines)
            takeJobs(host, lines)
            beginReady(host, lines)
            if nextWake <= now { wakeCalls(now, host, lines) }
            if heldUp.nextWake <= now { tryHeldUp(now, host) }
            beginReady(host, lines)
            lines.queues.setUnderWay(process, active.count &+ heldUp.count)
            let isCrowded = worker.roomQueues?.nodes.isEmpty == false
            let wake = min(lookAt, nextWake, heldUp.nextWake)
            worker.exchanges.step(until: min(wake, isCrowded ? now &+ RunTimes.roomPause : .max))
            bell.quieten()
        }
    }

    /// Looks after every call whose time has come.
    private mutating func wakeCalls<Host: JobHost>(_ now: UInt64, _ host: Host, _ lines: JobLines) {
        nextWake = .max
        var place = 0
        while place < active.count {
            let number = active[place]
            if let job = jobs[number], job.wake <= now {
                if job.kept != nil { advance(number, host, lines) } else { giveUp(number, job, host) }
            }
            // The call that has taken the place of one that is over comes next.
            guard place < active.count, active[place] == number else { continue }
            nextWake = min(nextWake, jobs[number]?.wake ?? .max)
            place &+= 1
        }
    }

    /// Lets those go on who are first in their queue where there is room.
    private mutating func serveQueues<Host: JobHost>(_ now: UInt64, _ host: Host, _ lines: JobLines) {
        for node in worker.roomQueues?.nodes ?? [] {
            while let first = worker.roomQueues?.first(node) {
                guard let job = jobs[first.call], job.serial == first.serial, job.queue == node, let kept = job.kept,
                    kept.call.run.chosen == node
                else {
                    worker.roomQueues?.removeFirst(node)
                    continue
                }
                guard let room = worker.takeRoom(node, commands: kept.call.roomCommands, now: now) else { break }
                worker.roomQueues?.removeFirst(node)
                kept.call.room = room
                kept.call.run.roomIsThere()
                jobs[first.call]?.queue = nil
                advance(first.call, host, lines)
            }
        }
        worker.roomQueues?.tidy()
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
        worker.refreshDirectory()
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
        let number = free.popLast() ?? jobs.count
        if number == jobs.count { jobs.append(nil) }
        var line = Hash64()
        record.with(.callID) { line.combine($0, $0.all) }
        // What was created for nothing goes before somebody builds on it.
        let isUndo = record.kind == .undoOffer
        let isFirst = isUndo ? order.appendBehindFirst(number, line.value) : order.append(number, line.value)
        serial &+= 1
        var job = Job(record: record, place: active.count, serial: serial)
        if isFirst {
            ready.append(number)
        } else {
            // A transaction waits for its turn no longer than for an answer; what nobody waits for has time.
            let end = MonotonicClock.now().addingReportingOverflow(worker.settings.budgetNanoseconds)
            job.wake = record.hasContinuation && !isUndo && !end.overflow ? end.partialValue : .max
            nextWake = min(nextWake, job.wake)
        }
        jobs[number] = job
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
        guard jobs.indices.contains(number), let job = jobs[number] else { return }
        let kept = unused.popLast() ?? KeptCall(streamLimit: worker.settings.maximumStreams)
        do throws(CallFailure) {
            let command = try prepare(&kept.call, job.record, host)
            worker.begin(&kept.call, command, setID: job.record.header.setID)
            if job.record.kind == .undoOffer { worker.aim(&kept.call, at: Int(job.record.header.node)) }
            jobs[number]?.kept = kept
            advance(number, host, lines)
        } catch {
            // The worker has read the same message, so nothing is wrong with it.
            unused.append(kept)
            leave(number, job)
            let code = worker.finish(JobCall(host, job.record), error, node: nil, isMedia: true)
            resume(job.record, host, code, node: -1)
        }
    }

    /// Lets a transaction go on whose call has waited for earlier ones of its Call-ID as long as may be.
    private mutating func giveUp<Host: JobHost>(_ number: Int, _ job: Job, _ host: Host) {
        // The first one begins at once.
        guard !order.isFirst(number) else { return }
        leave(number, job)
        let code = worker.finish(JobCall(host, job.record), .earlierCommandsWait, node: nil, isMedia: true)
        resume(job.record, host, code, node: -1)
    }

    /// Takes a job out that is over; the next one of its Call-ID is ready.
    private mutating func leave(_ number: Int, _ job: Job) {
        let last = active.count &- 1
        if let moved = active.last, moved != number {
            active[job.place] = moved
            jobs[moved]?.place = job.place
        }
        if last >= 0 { active.removeLast() }
        jobs[number] = nil
        if let next = order.remove(number) { ready.append(next) }
        free.append(number)
    }

    /// Reads the message of a record into `call`.
    private mutating func prepare<Host: JobHost>(
        _ call: inout Call, _ record: JobRecord, _ host: Host
    ) throws(CallFailure) -> CallCommand {
        let message = JobCall(host, record)
        return try record.with(.flags) { (flags: Span<UInt8>) throws(CallFailure) in
            try record.with(.address) { (address: Span<UInt8>) throws(CallFailure) in
                let hasAddress = record.header.hasAddress
                switch record.kind ?? .delete {
                case .offer: return .media(try worker.prepareMedia(&call, .offer, message, flags, address, hasAddress))
                case .answer:
                    return .media(try worker.prepareMedia(&call, .answer, message, flags, address, hasAddress))
                case .delete: return .simple(.delete, try worker.prepareDelete(&call, message, flags))
                case .undoOffer:
                    let offer = try worker.prepareMedia(&call, .offer, message, flags, address, hasAddress)
                    return .simple(.delete, offer.words)
                }
            }
        }
    }

    private mutating func advance<Host: JobHost>(_ number: Int, _ host: Host, _ lines: JobLines) {
        guard jobs.indices.contains(number), let job = jobs[number], let kept = job.kept else { return }
        let message = JobCall(host, job.record)
        switch job.record.with(.body, { worker.advance(&kept.call, message, $0) }) {
        case .editing: break
        case .waiting(let until):
            for place in 0..<AskedNodes.count {
                if let exchange = kept.call.exchanges[place], owners.indices.contains(exchange.member) {
                    owners[exchange.member] = number
                }
            }
            jobs[number]?.wake = until
            nextWake = min(nextWake, until)
            if let node = kept.call.run.chosen, kept.call.roomCommands > 0 {
                if job.queue != node {
                    worker.roomQueues?.append(WaitingCall(call: number, serial: job.serial), node)
                }
                jobs[number]?.queue = node
            } else {
                jobs[number]?.queue = nil
            }
        case .over(let verdict):
            end(job, kept, verdict, host)
            unused.append(kept)
            leave(number, job)
        }
    }

    private mutating func end<Host: JobHost>(
        _ job: Job, _ kept: KeptCall, _ verdict: CommandRun.Verdict, _ host: Host
    ) {
        let message = JobCall(host, job.record)
        let (subject, latest) = (kept.call.run.subject, kept.call.run.latest)
        guard job.record.hasContinuation, job.record.kind != .undoOffer else {
            if case .failed(let failure) = verdict {
                _ = worker.finish(message, failure, node: subject, isMedia: false)
            }
            worker.forget(kept.call)
            return host.release(job.record)
        }
        switch verdict {
        case .failed(let failure):
            let code = worker.finish(message, failure, node: subject, isMedia: true)
            resume(job.record, host, code, node: latest)
        case .done:
            job.record.header.node = Int32(clamping: latest)
            // Before it is the host's: who counts the bodies asks for it.
            job.record.header.isRewritten = true
            let outcome = worker.table.withURL(latest) {
                host.resume(job.record, .done, worker.answer.edits, instance: $0)
            }
            settle(job.record, outcome, host)
        }
    }

    private mutating func resume<Host: JobHost>(_ record: JobRecord, _ host: Host, _ code: ReturnCode, node: Int) {
        guard record.hasContinuation, record.kind != .undoOffer else { return host.release(record) }
        worker.answer.edits.removeAll()
        let outcome = worker.table.withURL(node) { host.resume(record, code, worker.answer.edits, instance: $0) }
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
