// SPDX-License-Identifier: GPL-2.0-or-later
// What the asynchronous functions are for: many calls at once, and workers that never wait.

import Foundation
import TestSupport

/// A Kamailio that carries calls one way or another.
struct WayBed {
    let way: Way
    let bed: Bed
}

extension Session {
    /// Runs `body` with a Kamailio and its relay for a way of carrying calls.
    func with<R>(
        _ way: Way, delay: Int = 0, _ settings: (RelayProcess) throws -> KamailioSettings, _ body: (WayBed) throws -> R
    ) throws -> R {
        try with(modules[way == .stock ? 0 : 1], delay: delay) { relay in
            var settings = try settings(relay)
            settings.script = way.script
            settings.sharedMegabytes = 512
            return settings
        } _: {
            try body(WayBed(way: way, bed: $0))
        }
    }

    /// The same for several, all there at the same time.
    func with<R>(
        _ ways: ArraySlice<Way>, delay: Int, _ settings: (RelayProcess) throws -> KamailioSettings,
        _ body: ([WayBed]) throws -> R
    ) throws -> R {
        guard let last = ways.last else { return try body([]) }
        return try with(ways.dropLast(), delay: delay, settings) { beds in
            try with(last, delay: delay, settings) { try body(beds + [$0]) }
        }
    }
}

extension Figure {
    /// Calls per second, and how long they take.
    static let callsInFlight = Figure(
        name: "async", title: "calls answered by the script after the offer, 2 streams, 5 ms to the relay",
        hasAsynchronous: true,
        parameters: {
            "2 workers, 64 calls in flight, \($0.size(3.0, quick: 0.5)) s per run; a call is INVITE, offer, 200 by "
                + "t_reply(), ACK; asynchronous: 1 process that waits; \"async_workers\": 2 of them for the route"
        }
    ) { session in
        var calls = Row("calls", "/s")
        var median = Row("median of a call", "ms")
        var percentile = Row("99th percentile", "ms")
        var callsInWorkers = Row("calls, route in async_workers", "/s")
        var percentileInWorkers = Row("99th percentile, route in async_workers", "ms")
        let load = Load(kind: .call, streams: 2, inFlight: 64, seconds: session.size(3, quick: 0.5))
        try session.with([.stock, .blocking, .asynchronous, .inWorkers], delay: 5000) {
            KamailioSettings(relays: $0.urls(1), workers: 2)
        } _: { beds in
            for one in beds { _ = try Load(kind: .call, streams: 2, calls: 40).run(one.bed.kamailio) }
            try session.inTurn(beds) { one in
                let result = try load.run(one.bed.kamailio)
                session.check(result, one.bed)
                let perSecond = Double(result.right) / result.elapsed * 1000
                guard one.way != .inWorkers else {
                    callsInWorkers.add(perSecond, one.way)
                    return percentileInWorkers.add(result.percentile99, one.way)
                }
                calls.add(perSecond, one.way)
                median.add(result.median, one.way)
                percentile.add(result.percentile99, one.way)
            }
        }
        return [calls, median, percentile, callsInWorkers, percentileInWorkers]
    }

    /// What does not need RTPProxy while no RTPProxy answers.
    static let silentRelays = Figure(
        name: "asyncsilent", title: "OPTIONS answered by the script while every relay is silent and 500 offers wait",
        hasAsynchronous: true,
        parameters: {
            "2 workers, 2 relays, 200 OPTIONS/s for \($0.size(1.0, quick: 0.5)) s; one not answered within "
                + "\($0.size(15, quick: 3)) s is lost and counts as so long; rtpproxy_tout 1, rtpproxy_retr 2"
        }
    ) { session in
        var percentile = Row("99th percentile", "ms")
        var worst = Row("worst", "ms")
        var lost = Row("OPTIONS lost", "")
        var waiting = Row("offers that still wait afterwards", "")
        let offers = 500
        let options = Load(
            kind: .options, inFlight: 4000, seconds: session.size(1, quick: 0.5), perSecond: 200,
            patience: session.size(15, quick: 3))
        try session.inTurn([Way.stock, .blocking, .asynchronous]) { way in
            try session.with(way) {
                KamailioSettings(
                    relays: $0.urls(2), workers: 2,
                    parameters: [("rtpproxy_tout", 1), ("rtpproxy_retr", 2)])
            } _: { one in
                session.awaitNoTransactions(one)
                // No process has noticed the silence yet when the offers come.
                for relay in 0..<2 { try one.bed.relay.silence(relay) }
                let running = try Load(
                    kind: .call, streams: 2, inFlight: offers, calls: offers, perSecond: 5000, patience: 60
                ).start(one.bed.kamailio)
                defer { running.process.terminate(within: 0) }
                usleep(200_000)
                let result = try options.run(one.bed.kamailio)
                percentile.add(result.percentile99, way)
                worst.add(result.worst, way)
                lost.add(Double(result.lost), way)
                guard way == .asynchronous else { return }
                let left = try one.bed.kamailio.transactions()
                waiting.add(Double(left), way)
                if left < offers || result.lost > 0 {
                    session.flag("\(left) offers wait, \(result.lost) OPTIONS lost", isFailure: true)
                }
            }
        }
        return [percentile, worst, lost, waiting]
    }

    /// What a call costs that waits.
    static let waitingMemory = Figure(
        name: "asyncmemory", title: "memory of a call that waits for a silent relay, 2 streams",
        hasAsynchronous: true,
        parameters: {
            let calls = $0.waitingCalls
            return
                "\(calls) transactions suspended by tmx's t_suspend(), then \(calls) by rtpproxy_offer_async(): what "
                + "the second need more, in shared memory (core.shmmem, real_used) and in all processes (Pss_Anon); at "
                + "start: with the asynchronous process less without, for rtpproxy_async_max calls (10000)"
        }
    ) { session in
        var shared = Row("shared memory, tm's transaction aside", "KiB")
        var own = Row("memory of the processes, likewise", "KiB")
        var atStart = Row("memory of the processes at start", "MiB")
        var transaction = Row("shared memory of a suspended transaction", "KiB")
        let calls = session.waitingCalls
        try session.inTurn([Way.asynchronous]) { way in
            let without = try session.with(Way.blocking) {
                KamailioSettings(relays: $0.urls(1), workers: 2, parameters: [("rtpproxy_async_processes", 0)])
            } _: {
                $0.bed.kamailio.privateMemory()
            }
            try session.with(way) {
                KamailioSettings(relays: $0.urls(1), workers: 2, parameters: [("rtpproxy_tout", 5)])
            } _: { one in
                let kamailio = one.bed.kamailio
                // No load before: what is counted is what was asked for, not how the allocator fills the gaps that
                // earlier calls have left.
                session.awaitNoTransactions(one)
                atStart.add(Double(kamailio.privateMemory() - without) / 1024 / 1024, way)
                try one.bed.relay.silence(0)
                func need(_ kind: Load.Kind) throws -> (shared: Double, own: Double) {
                    let before = (try kamailio.sharedMemory(), kamailio.privateMemory(), try kamailio.transactions())
                    let sent = try Load(
                        kind: kind, streams: 2, inFlight: calls, calls: calls, perSecond: 4000, patience: 0.3
                    ).run(kamailio)
                    let after = (try kamailio.sharedMemory(), kamailio.privateMemory(), try kamailio.transactions())
                    guard sent.lost == calls, after.2 - before.2 == calls else {
                        throw HarnessError("\(after.2 - before.2) of \(calls) wait, \(sent.lost) not answered")
                    }
                    return (Double(after.0 - before.0) / Double(calls), Double(after.1 - before.1) / Double(calls))
                }
                let alone = try need(.suspend)
                let offered = try need(.call)
                shared.add((offered.shared - alone.shared) / 1024, way)
                own.add((offered.own - alone.own) / 1024, way)
                transaction.add(alone.shared / 1024, way)
            }
        }
        return [shared, own, atStart, transaction]
    }

    /// Calls and transactions that get lost, if only a few do.
    static let manyCalls = Figure(
        name: "asyncloss", title: "many calls while 1 % of the commands are lost, 2 streams, 5 ms to the relay",
        hasAsynchronous: true,
        parameters: {
            "2 workers, 64 calls in flight, \($0.size(100_000, quick: 2000)) calls, once; transactions: when nothing is "
                + "left to be done"
        }
    ) { session in
        var lost = Row("calls lost or refused", "")
        var left = Row("transactions left", "")
        var calls = Row("calls", "/s")
        var percentile = Row("99th percentile", "ms")
        try session.with(.asynchronous, delay: 5000) {
            KamailioSettings(relays: $0.urls(1), workers: 2)
        } _: { one in
            let kamailio = one.bed.kamailio
            try one.bed.relay.lose(perMillion: 10_000, seed: 7)
            let result = try Load(
                kind: .call, streams: 2, inFlight: 64, calls: session.size(100_000, quick: 2000), seconds: 120
            ).run(kamailio)
            session.check(result, one.bed)
            session.awaitNoTransactions(one)
            let transactions = try kamailio.transactions()
            if transactions > 0 { session.flag("\(transactions) transactions are left", isFailure: true) }
            lost.add(Double(result.lost + result.refused), one.way)
            left.add(Double(transactions), one.way)
            calls.add(Double(result.right) / result.elapsed * 1000, one.way)
            percentile.add(result.percentile99, one.way)
        }
        return [lost, left, calls, percentile]
    }
}

extension Session {
    /// How many calls wait while their memory is counted.
    fileprivate var waitingCalls: Int { size(4000, quick: 1000) }

    /// Waits until tm has nothing left to do, if it comes to that within ten seconds.
    fileprivate func awaitNoTransactions(_ one: WayBed) {
        waitUntil(10) { (try? one.bed.kamailio.transactions()) == 0 }
    }
}
