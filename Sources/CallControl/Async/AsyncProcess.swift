// SPDX-License-Identifier: GPL-2.0-or-later
// The module's asynchronous process: it drives the calls that SIP workers have handed over, thousands at once.

import Bytes
import ControlProtocol
import SDP
package import SharedState
import Transport

/// A job: a call under way, or one that waits until earlier ones of its Call-ID are over.
struct Job {
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
package struct AsyncProcess: ~Copyable {
    var worker: Worker
    private let process: Int
    /// By number; numbers that are free stand in `free`.
    var jobs: [Job?] = []
    var free: [Int] = []
    /// The numbers of those under way, in no order.
    var active: [Int] = []
    /// The job that a member of the exchange group works for.
    var owners: [Int]
    /// Calls whose memory is not in use. There are as many as have been under way at once.
    var unused: [KeptCall] = []
    var arrivals: [JobRecord] = []
    /// The order of the calls with the same Call-ID.
    var order = CallOrder()
    /// Calls that have become the first of their Call-ID and have not begun.
    var ready: [Int] = []
    var heldUp = HeldUpRecords()
    /// Calls that there have been.
    var serial: UInt64 = 0
    /// No call has to be looked after before this time.
    var nextWake: UInt64 = .max

    /// The longest time without a look at the queue and at whether the process is still wanted, in nanoseconds.
    private static var longestPause: UInt64 { 50_000_000 }

    /// `process`: which of the asynchronous ones this is, from 0.
    package init(
        process: Int, settings: Settings, table: consuming NodeTable, calls: consuming CallTable?,
        legs: consuming CallTable? = nil, watched: WatchedStreams? = nil
    ) {
        // One exchange for each call, and some more for those that ask a second node.
        let members = settings.asyncMaximum &+ settings.asyncMaximum / 8 &+ 64
        worker = Worker(
            settings: settings, table: table, calls: calls, legs: legs, watched: watched, members: members)
        worker.roomQueues = RoomQueues(nodes: worker.table.capacity)
        // NO TRAP: asyncMaximum is 1...65,000.
        owners = [Int](repeating: -1, count: members)
        self.process = process
    }

    /// Drives calls until `isWanted` says no. They come by `delivery`.
    package mutating func run<Host: JobHost>(
        _ host: Host, _ delivery: JobDelivery, while isWanted: () -> Bool
    ) {
        let signal = delivery.signal(process)
        worker.exchanges.watch(signal)
        var lookAt: UInt64 = 0
        while true {
            let now = MonotonicClock.now()
            if lookAt <= now {
                guard isWanted() else { return }
                lookAt = now &+ Self.longestPause
                worker.look(host)
            }
            while let member = worker.exchanges.takeFinished() {
                let number = owners.indices.contains(member) ? owners[member] : -1
                if number >= 0 { advance(number, host, delivery) }
            }
            serveQueues(now, host, delivery)
            takeJobs(host, delivery)
            beginReady(host, delivery)
            if nextWake <= now { wakeCalls(now, host, delivery) }
            if heldUp.nextWake <= now { tryHeldUp(now, host) }
            beginReady(host, delivery)
            delivery.queues.setUnderWay(process, active.count &+ heldUp.count)
            let isCrowded = worker.roomQueues?.nodes.isEmpty == false
            let wake = min(lookAt, nextWake, heldUp.nextWake)
            worker.exchanges.step(until: min(wake, isCrowded ? now &+ RunTimes.roomPause : .max))
            signal.clear()
        }
    }

    /// Looks after every call whose time has come.
    private mutating func wakeCalls<Host: JobHost>(_ now: UInt64, _ host: Host, _ delivery: JobDelivery) {
        nextWake = .max
        var place = 0
        while place < active.count {
            // NO TRAP (4): active holds numbers of jobs, which only grows; place < active.count.
            let number = active[place]
            if let job = jobs[number], job.wake <= now {
                if job.kept != nil { advance(number, host, delivery) } else { giveUp(number, job, host) }
            }
            // The call that has taken the place of one that is over comes next.
            guard place < active.count, active[place] == number else { continue }
            nextWake = min(nextWake, jobs[number]?.wake ?? .max)
            place &+= 1
        }
    }

    /// Lets the first call of each queue go on where there is room.
    private mutating func serveQueues<Host: JobHost>(_ now: UInt64, _ host: Host, _ delivery: JobDelivery) {
        for node in worker.roomQueues?.nodes ?? [] {
            while let first = worker.roomQueues?.first(node) {
                // NO TRAP (2): a call that waits is a job that had this number, and jobs only grows.
                guard let job = jobs[first.call], job.serial == first.serial, job.queue == node, let kept = job.kept,
                    kept.call.run.chosen == node
                else {
                    // NO TRAP (2): RoomQueues' own, which does nothing where nobody waits.
                    worker.roomQueues?.removeFirst(node)
                    continue
                }
                guard let room = worker.takeRoom(node, commands: kept.call.roomCommands, now: now) else { break }
                worker.roomQueues?.removeFirst(node)
                kept.call.room = room
                kept.call.run.roomIsThere()
                jobs[first.call]?.queue = nil
                advance(first.call, host, delivery)
            }
        }
        worker.roomQueues?.tidy()
    }

    // MARK: - Coming and going

    private mutating func takeJobs<Host: JobHost>(_ host: Host, _ delivery: JobDelivery) {
        // SAFETY: a record is in shared memory until it is released, and one that is queued begins with the word of its
        // queue.
        guard var next = unsafe delivery.queues.takeAll(process) else { return }
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
                // A worker found its transaction held by another process.
                record.header.isHeldUp = false
                heldUp.append(record, now: MonotonicClock.now())
            } else {
                take(record)
            }
        }
    }

    /// Takes a record in: its call begins when those before it that have its Call-ID are over.
    mutating func take(_ record: JobRecord) {
        let number = free.popLast() ?? jobs.count
        if number == jobs.count { jobs.append(nil) }
        var line = Hash64()
        record.with(.callID) { line.combine($0, $0.all) }
        // An undo goes before the jobs that wait, so that none of them uses what it deletes.
        let isUndo = record.kind == .undoOffer
        let isFirst = isUndo ? order.appendBehindFirst(number, line.value) : order.append(number, line.value)
        serial &+= 1
        var job = Job(record: record, place: active.count, serial: serial)
        if isFirst {
            ready.append(number)
        } else {
            // A transaction waits for its turn no longer than for an answer; a deletion, which nothing waits for, has
            // no limit.
            let end = MonotonicClock.now().addingReportingOverflow(worker.settings.budgetNanoseconds)
            job.wake = record.hasContinuation && !isUndo && !end.overflow ? end.partialValue : .max
            nextWake = min(nextWake, job.wake)
        }
        // NO TRAP: whoever calls it has found the number among the indices, and jobs only grows.
        jobs[number] = job
        active.append(number)
    }

    /// Begins the calls that have become the first of their Call-ID, and those that follow where one ends at once.
    private mutating func beginReady<Host: JobHost>(_ host: Host, _ delivery: JobDelivery) {
        var place = 0
        while place < ready.count {
            // NO TRAP: place < ready.count, compared first; whatever begins only adds to ready.
            begin(ready[place], host, delivery)
            place &+= 1
        }
        ready.removeAll(keepingCapacity: true)
    }
}
