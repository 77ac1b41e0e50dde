// SPDX-License-Identifier: GPL-2.0-or-later
// Processor time that the module adds to an INVITE.

import Foundation

extension Session {
    /// Calls of a run with the module, and as many without.
    var costCalls: Int { size(1000, quick: 200) }

    /// What all costs here depend on.
    var costParameters: String {
        "1 worker, 1 call in flight, 0.3 ms to the relay and back, all on one core, \(costCalls) calls per run with "
            + "and without the module"
    }

    /// Microseconds of processor time that `rtpproxy_offer()` adds to an INVITE: `calls` without it and as many with
    /// it, in four goes of each. There is one call at a time, and all is on one core, so that each costs the same sleeps
    /// and wake-ups, with and without the module, however busy the machine is.
    func cost(_ bed: Bed, streams: Int = 1, calls: Int) throws -> Double {
        var added: Int64 = 0
        let goes = 4
        for _ in 0..<goes {
            let first = try bed.kamailio.processorTime()
            check(try Load(kind: .plain, streams: streams, inFlight: 1, calls: calls / goes).run(bed.kamailio), bed)
            let second = try bed.kamailio.processorTime()
            check(try Load(streams: streams, inFlight: 1, calls: calls / goes).run(bed.kamailio), bed)
            let third = try bed.kamailio.processorTime()
            added += (third - second) - (second - first)
        }
        return Double(added) / Double(calls / goes * goes) / 1000
    }

    /// Lets the workers touch all memory that they will, and waits until Kamailio has nothing left to do that has come
    /// with its start, such as asking a thousand relays what they can.
    func warmUp(_ bed: Bed) throws {
        _ = try Load(streams: 8, calls: size(400, quick: 100)).run(bed.kamailio)
        let quiet: Int64 = 1_500_000
        var before = try bed.kamailio.processorTime()
        for _ in 0..<50 {
            usleep(100_000)
            let now = try bed.kamailio.processorTime()
            if now - before < quiet { return }
            before = now
        }
    }
}

extension Figure {
    /// Added by the number of streams.
    static let processorTime = Figure(
        name: "cpu", title: "processor time that the module adds to an INVITE", isOnOneCore: true,
        parameters: { $0.costParameters }
    ) { session in
        var rows: [Row] = []
        for (allocator, note) in [("fm", ""), (nil, ", Kamailio's default allocator")] {
            try session.withBoth(delay: 300) {
                KamailioSettings(relays: $0.urls(1), workers: 1, allocator: allocator)
            } _: { beds in
                for bed in beds { try session.warmUp(bed) }
                for streams in [1, 2, 8] {
                    var row = Row((streams == 1 ? "1 stream" : "\(streams) streams") + note, "us")
                    try session.inTurn(beds) { bed in
                        row.add(try session.cost(bed, streams: streams, calls: session.costCalls), bed.module)
                    }
                    rows.append(row)
                }
            }
        }
        return rows
    }

    /// Added by the number of relays in the set.
    static let manyRelays = Figure(
        name: "relays", title: "processor time added to an INVITE, by the number of configured relays",
        isOnOneCore: true,
        parameters: {
            "1 stream, \($0.costParameters); - where Kamailio has not started within 15 s"
        }
    ) { session in
        var rows: [Row] = []
        for relays in [1, 10, 100, 1000] {
            var row = Row(relays == 1 ? "1 relay" : "\(relays) relays", "us")
            try session.withBothOrOurs(delay: 300) {
                KamailioSettings(relays: $0.urls(relays), workers: 1, patience: 15, allocator: "fm")
            } _: { beds in
                for bed in beds { try session.warmUp(bed) }
                try session.inTurn(beds) { bed in
                    row.add(try session.cost(bed, calls: session.costCalls), bed.module)
                }
            }
            rows.append(row)
        }
        return rows
    }

    /// The parameter that says how many calls are remembered. A module whose file does not name it is measured without.
    static let callTableParameter = "rtpproxy_call_table_size"

    /// Added by the number of calls that are remembered.
    static let callTable = Figure(
        name: "table", title: "processor time added to an INVITE, by the number of calls that are remembered",
        isOnOneCore: true,
        parameters: { session in
            let knows = session.modules.filter { $0.knows(callTableParameter) }.map(\.name)
            let who = knows.isEmpty ? "no module has \(callTableParameter) yet" : "\(callTableParameter) 131072"
            return "1 stream, \(session.costParameters); \(who)"
        }
    ) { session in
        let remembered = session.size(100_000, quick: 2000)
        let calls = session.costCalls
        var rows = [
            Row("no table", "us"), Row("empty table", "us"), Row("\(remembered) calls in the table", "us"),
        ]
        for module in session.modules {
            let sizes = module.knows(callTableParameter) ? [0, 131_072] : [nil]
            func settings(_ size: Int?) -> (RelayProcess) -> KamailioSettings {
                {
                    KamailioSettings(
                        relays: $0.urls(1), workers: 1,
                        parameters: size.map { [(name: callTableParameter, value: $0)] } ?? [],
                        allocator: "fm")
                }
            }
            try session.with(module, delay: 300, settings(sizes[0])) { without in
                try session.warmUp(without)
                guard sizes.count == 2 else {
                    return try session.inTurn([without]) { rows[0].add(try session.cost($0, calls: calls), module) }
                }
                try session.with(module, delay: 300, settings(sizes[1])) { with in
                    try session.warmUp(with)
                    try session.inTurn([0, 1]) {
                        rows[$0].add(try session.cost($0 == 0 ? without : with, calls: calls), module)
                    }
                    try with.relay.delay(microseconds: 0)
                    session.check(
                        try Load(inFlight: 16, calls: remembered, seconds: 90).run(with.kamailio), with)
                    try with.relay.delay(microseconds: 300)
                    try session.inTurn([0, 2]) {
                        rows[$0].add(try session.cost($0 == 0 ? without : with, calls: calls), module)
                    }
                }
            }
        }
        return rows
    }
}
