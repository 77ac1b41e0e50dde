// SPDX-License-Identifier: GPL-2.0-or-later
// A job in an asynchronous process: its call is read, driven to its end, and its transaction let go on.

import Bytes
import ControlProtocol
import SDP
import SharedState
import Transport

extension AsyncProcess {
    mutating func begin<Host: JobHost>(_ number: Int, _ host: Host, _ delivery: JobDelivery) {
        guard jobs.indices.contains(number), let job = jobs[number] else { return }
        let kept = unused.popLast() ?? KeptCall(streamLimit: worker.settings.maximumStreams)
        do throws(CallFailure) {
            let command = try prepare(&kept.call, job.record, host)
            worker.begin(&kept.call, host, command, setID: job.record.header.setID)
            if job.record.kind == .undoOffer { worker.aim(&kept.call, at: Int(widening: job.record.header.node)) }
            // NO TRAP: the indices contain it, compared first, and jobs only grows.
            jobs[number]?.kept = kept
            advance(number, host, delivery)
        } catch {
            // The worker has read the same message, so nothing is wrong with it.
            unused.append(kept)
            leave(number, job)
            let code = worker.finish(JobMessage(host, job.record), error, node: nil, isMedia: true)
            resume(job.record, host, code, node: -1)
        }
    }

    /// Lets a transaction go on whose call has waited for earlier ones of its Call-ID as long as is allowed.
    mutating func giveUp<Host: JobHost>(_ number: Int, _ job: Job, _ host: Host) {
        // The first one begins at once.
        guard !order.isFirst(number) else { return }
        leave(number, job)
        let code = worker.finish(JobMessage(host, job.record), .earlierCommandsWait, node: nil, isMedia: true)
        resume(job.record, host, code, node: -1)
    }

    /// Takes a job out that is over; the next one of its Call-ID is ready.
    mutating func leave(_ number: Int, _ job: Job) {
        let last = active.count &- 1
        if let moved = active.last, moved != number {
            // NO TRAP (2): job.place is where active has it: take() and this function alone change active, and keep
            // place in step.
            active[job.place] = moved
            jobs[moved]?.place = job.place
        }
        // NO TRAP: last >= 0: there is one.
        if last >= 0 { active.removeLast() }
        // NO TRAP: whoever calls it has found the number among the indices, and jobs only grows.
        jobs[number] = nil
        if let next = order.remove(number) { ready.append(next) }
        free.append(number)
    }

    /// Reads the message of a record into `call`.
    private mutating func prepare<Host: JobHost>(
        _ call: inout Call, _ record: JobRecord, _ host: Host
    ) throws(CallFailure) -> CallCommand {
        let message = JobMessage(host, record)
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

    mutating func advance<Host: JobHost>(_ number: Int, _ host: Host, _ delivery: JobDelivery) {
        guard jobs.indices.contains(number), let job = jobs[number], let kept = job.kept else { return }
        let message = JobMessage(host, job.record)
        switch job.record.with(.body, { worker.advance(&kept.call, message, $0) }) {
        case .editing: break
        case .waiting(let until):
            for place in 0..<AskedNodes.count {
                // NO TRAP: there is an exchange for each place of AskedNodes, and place is one of them.
                if let exchange = kept.call.exchanges[place], owners.indices.contains(exchange.member) {
                    // NO TRAP (2): the indices contain it, compared first, and jobs only grows.
                    owners[exchange.member] = number
                }
            }
            // NO TRAP (2): whoever calls it has found the number among the indices, and jobs only grows.
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
        let message = JobMessage(host, job.record)
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
            // Set before the host gets the record: the count of rewritten bodies reads it.
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
    mutating func settle<Host: JobHost>(_ record: JobRecord, _ outcome: Resumption, _ host: Host) {
        switch outcome {
        case .taken:
            if record.isRewritten { host.count(.bodiesRewritten) }
            host.release(record)
        case .gone:
            // A call that has failed has left nothing to delete.
            if record.isRewritten, record.becomeUndo() { take(record) } else { host.release(record) }
        case .handedOver: break
        case .heldUp: heldUp.append(record, now: MonotonicClock.now())
        }
    }

    /// Tries again to let those transactions go on that other processes held.
    mutating func tryHeldUp<Host: JobHost>(_ now: UInt64, _ host: Host) {
        for (record, outcome) in heldUp.tryAgain(now, { host.resumeAgain($0) }) { settle(record, outcome, host) }
    }
}
