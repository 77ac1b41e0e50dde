// SPDX-License-Identifier: GPL-2.0-or-later
// How long calls take while all is well, and while commands are lost.

extension Figure {
    /// A relay some distance away, several streams, one call at a time.
    static let latency = Figure(
        name: "latency", title: "one INVITE with 8 streams, 5 ms to the relay and back",
        parameters: { "1 worker, 1 call in flight, \($0.size(50, quick: 10)) calls per run" }
    ) { session in
        var row = Row("median of a call", "ms")
        let load = Load(streams: 8, inFlight: 1, calls: session.size(50, quick: 10))
        try session.withBoth(delay: 5000) {
            KamailioSettings(relays: $0.urls(1), workers: 1)
        } _: { beds in
            for bed in beds { _ = try Load(streams: 8, inFlight: 1, calls: 3).run(bed.kamailio) }
            try session.inTurn(beds) { bed in
                let result = try load.run(bed.kamailio)
                session.check(result, bed)
                row.add(result.median, bed.module)
            }
        }
        return [row]
    }

    /// As many calls as two workers can bring to a relay some distance away.
    static let throughput = Figure(
        name: "throughput", title: "2 streams, 5 ms to the relay and back, as many calls as go",
        parameters: { "2 workers, 16 calls in flight, \($0.size(400, quick: 100)) calls per run" }
    ) { session in
        var row = Row("calls", "/s")
        let load = Load(streams: 2, inFlight: 16, calls: session.size(400, quick: 100))
        try session.withBoth(delay: 5000) {
            KamailioSettings(relays: $0.urls(1), workers: 2)
        } _: { beds in
            for bed in beds { _ = try Load(streams: 2, calls: 20).run(bed.kamailio) }
            try session.inTurn(beds) { bed in
                let result = try load.run(bed.kamailio)
                session.check(result, bed)
                row.add(Double(result.right) / result.elapsed * 1000, bed.module)
            }
        }
        return [row]
    }

    /// What a script pays for the figures of a call that it deletes.
    static let lastFigures = Figure(
        name: "figures", title: "$rtpp_stat(mos) and the deletion of a session, at a BYE say", isOnOneCore: true,
        parameters: {
            "1 stream, 1 worker, 1 message in flight, 0.3 ms to the relay and back, all on one core, "
                + "\($0.size(2000, quick: 200)) messages per run; \"in one\": by rtpproxy_destroy(\"s\")"
        }
    ) { session in
        var rows: [Row] = []
        let load = Load(kind: .plain, inFlight: 1, calls: session.size(2000, quick: 200))
        for keeps in [false, true] {
            let way = keeps ? "in one" : "one after the other"
            var commands = Row("commands, \(way)", "")
            var median = Row("median, \(way)", "us")
            var time = Row("processor time, \(way)", "us")
            try session.with(session.modules[1], delay: 300) {
                KamailioSettings(relays: $0.urls(1), workers: 1, allocator: "fm", script: .figures(keeps: keeps))
            } _: { bed in
                try session.warmUp(bed)
                try session.inTurn([bed]) { bed in
                    let (before, start) = (try bed.relay.count(0).others, try bed.kamailio.processorTime())
                    let result = try load.run(bed.kamailio)
                    session.check(result, bed)
                    let spent = try bed.kamailio.processorTime() - start
                    commands.add(Double(try bed.relay.count(0).others - before) / Double(result.sent), bed.module)
                    median.add(result.median * 1000, bed.module)
                    time.add(Double(spent) / 1000 / Double(result.sent), bed.module)
                }
            }
            rows += [commands, median, time]
        }
        return rows
    }

    /// A relay, or a network, that loses commands.
    static let loss = Figure(
        name: "loss", title: "2 % of the commands are lost, 0.3 ms to the relay and back",
        parameters: {
            "1 stream, 4 workers, 4 calls in flight, \($0.size(1000, quick: 120)) calls per run, "
                + "rtpproxy_tout and rtpproxy_retr as they are"
        }
    ) { session in
        var median = Row("median of a call", "ms")
        var percentile = Row("99th percentile", "ms")
        var worst = Row("worst call", "ms")
        var lost = Row("commands lost", "")
        let load = Load(inFlight: 4, calls: session.size(1000, quick: 120))
        try session.withBoth(delay: 300) {
            KamailioSettings(relays: $0.urls(1), workers: 4)
        } _: { beds in
            for bed in beds { _ = try Load(calls: 100).run(bed.kamailio) }
            var run = 0
            try session.inTurn(beds) { bed in
                // The same commands are lost for both modules, others in the next run.
                try bed.relay.lose(perMillion: 20_000, seed: 2 + run / beds.count)
                run += 1
                let before = try bed.relay.dropped()
                let result = try load.run(bed.kamailio)
                try bed.relay.lose(perMillion: 0, seed: 0)
                session.check(result, bed)
                median.add(result.median, bed.module)
                percentile.add(result.percentile99, bed.module)
                worst.add(result.worst, bed.module)
                lost.add(Double(try bed.relay.dropped() - before), bed.module)
            }
        }
        return [median, percentile, worst, lost]
    }
}
