// SPDX-License-Identifier: GPL-2.0-or-later
// What dead relays cost, in the middle of the day and at start-up.

import Foundation
import TestSupport

extension Figure {
    /// One of two relays falls silent while calls come in.
    static let failover = Figure(
        name: "failover", title: "one of two relays falls silent under load",
        parameters: {
            "1 stream, 4 workers, 4 calls in flight, 200 calls/s for \($0.size(5.0, quick: 2.5)) s, silent after "
                + "\($0.size(1.5, quick: 0.5)) s; rtpproxy_tout 1, rtpproxy_retr 2"
        }
    ) { session in
        var worst = Row("worst call", "ms")
        var lost = Row("calls lost or refused", "")
        let load = Load(inFlight: 4, seconds: session.size(5, quick: 2.5), perSecond: 200)
        try session.inTurn(session.modules) { module in
            try session.with(module) {
                KamailioSettings(
                    relays: $0.urls(2), workers: 4, parameters: [("rtpproxy_tout", 1), ("rtpproxy_retr", 2)])
            } _: { bed in
                let running = try load.start(bed.kamailio)
                usleep(UInt32(session.size(1_500_000, quick: 500_000)))
                try bed.relay.silence(0)
                let result = try running.result()
                session.check(result, bed)
                worst.add(result.worst, bed.module)
                lost.add(Double(result.lost + result.refused), bed.module)
            }
        }
        return [worst, lost]
    }

    /// A relay stays dead and is tried again and again.
    static let retry = Figure(
        name: "retry", title: "one of two relays stays silent and is tried again each second",
        parameters: {
            "1 stream, 4 workers, 4 calls in flight, 200 calls/s for \($0.size(6.0, quick: 2.5)) s; rtpproxy_tout 1, "
                + "rtpproxy_retr 2, rtpproxy_disable_tout 1"
        }
    ) { session in
        var worst = Row("worst call", "ms")
        var lost = Row("calls lost or refused", "")
        let load = Load(inFlight: 4, seconds: session.size(6, quick: 2.5), perSecond: 200)
        try session.inTurn(session.modules) { module in
            try session.with(module) {
                KamailioSettings(
                    relays: $0.urls(2), workers: 4,
                    parameters: [("rtpproxy_tout", 1), ("rtpproxy_retr", 2), ("rtpproxy_disable_tout", 1)])
            } _: { bed in
                // Until it has been found out; that is what the figure before measures.
                try bed.relay.silence(0)
                _ = try Load(inFlight: 4, seconds: 2.5, perSecond: 200).run(bed.kamailio)
                let result = try load.run(bed.kamailio)
                session.check(result, bed)
                worst.add(result.worst, bed.module)
                lost.add(Double(result.lost + result.refused), bed.module)
            }
        }
        return [worst, lost]
    }

    /// Kamailio starts while most of its relays are dead.
    static let startUp = Figure(
        name: "startup", title: "start-up while 3 of 4 relays are silent",
        parameters: { _ in
            "8 workers, rtpproxy_tout 1, rtpproxy_retr 2; from launch to answer, an OPTIONS and an INVITE each 5 ms"
        }
    ) { session in
        var answer = Row("until the script answers a request", "s")
        var offer = Row("until an INVITE is forwarded by the module", "s")
        try session.inTurn(session.modules) { module in
            try session.with(module) { relay in
                for index in 0..<3 { try relay.silence(index) }
                return KamailioSettings(
                    relays: relay.urls(4), workers: 8, parameters: [("rtpproxy_tout", 1), ("rtpproxy_retr", 2)])
            } _: { bed in
                answer.add(bed.kamailio.firstAnswer, module)
                offer.add(bed.kamailio.firstOffer, module)
            }
        }
        return [answer, offer]
    }

    /// What a relay has to bear when Kamailio starts.
    static let startUpCommands = Figure(
        name: "startcommands", title: "commands sent to one relay at start-up",
        parameters: { _ in "8 workers, no calls, until 1.5 s after the first answered request" }
    ) { session in
        var row = Row("commands", "")
        var time = Row("until the script answers a request", "s")
        try session.inTurn(session.modules) { module in
            try session.with(module) {
                KamailioSettings(relays: $0.urls(1), workers: 8, waitsForOffer: false)
            } _: { bed in
                usleep(1_500_000)
                let count = try bed.relay.count(0)
                row.add(Double(count.probes + count.others), module)
                time.add(bed.kamailio.firstAnswer, module)
            }
        }
        return [row, time]
    }
}
