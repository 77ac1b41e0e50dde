// SPDX-License-Identifier: GPL-2.0-or-later
// Deliberate differences from the other module: what relays answer, or do not.

import Foundation

extension Difference {
    /// What relays answer, or do not.
    static let failures: [Difference] = [
        Difference(
            "all or nothing", .messages,
            """
            **All or nothing**: where one stream fails, the message stays as it came, and the sessions of a first offer
            are deleted; the other module leaves the streams before it changed.
            """,
            in: [.body, .wire],
            where: { $0.named("reply/") && $0.carries("audio and video") || $0.named("failing/offer of two") },
            levels: { outcome in
                outcome[.body] = []
                outcome[.wire] = outcome[.wire].filter { !$0.contains(": D ") }
            },
            holds: { _, ours in ours[.body].joined().contains("c=IN IP4 192.0.2.10") }),
        Difference(
            "error replies", .functions,
            """
            **Error replies**: a function that RTPProxy answers with an error returns -1, but for a deletion without a
            session; the other module returns 1.
            """,
            in: [.code],
            where: { test in
                test.named("reply/'E")
                    && test.runs("destroy", "unforce", "stream2uac", "stop2uac", "record")
            },
            holds: { stock, ours in ours[.code].allSatisfy { $0.hasSuffix(" -1") } }),
        Difference(
            "replies that are none", .relays,
            """
            **A reply that is no protocol** means that something else listens there: the RTPProxy is disabled, and
            another one tried; the other module goes on with it, or takes it for success.
            """,
            in: Set(Aspect.allCases),
            where: { test in
                test.named("reply/'E' to") || test.named("reply/'words' to")
                    || test.named("failing/")
                        && ["nonsense", "empty", "no number", "negative"].contains { test.name.contains(", \($0)") }
            },
            holds: { stock, ours in stock[.disabled].isEmpty && !ours[.disabled].isEmpty }),
        Difference(
            "silence to any command", .functions,
            """
            **Silence**: a command that is not answered in time is tried on the other RTPProxies, whichever it is, and
            the function fails where none answers; the other module does so for offers and answers only.
            """,
            in: Set(Aspect.allCases),
            where: { test in
                ["destroy", "statistics", "prompt"].contains { test.named("failing/\($0), silence") }
            },
            holds: { stock, ours in stock[.wire].count == 1 && ours[.wire].count == 2 && ours[.disabled].count >= 2 }),
        Difference(
            "one relay for all streams", .messages,
            """
            **One RTPProxy for all streams**: where it falls silent midway, all are asked for again at the next; the
            other module spreads them over two.
            """,
            in: [.wire, .body], where: { $0.named("failing/offer of two streams, silence") },
            holds: { _, ours in ours[.body].joined().contains("c=IN IP4 192.0.2.10") && ours[.wire].count == 4 }),
        Difference(
            "who is dead", .relays,
            """
            **A command that is lost** does not disable an RTPProxy that answers others: the module's own process asks
            it before it counts as dead, which may be after the function has returned. The other module disables every
            RTPProxy that it tried for `rtpproxy_disable_tout`. The same for a datagram that is refused on the way.
            """,
            in: [.rpc, .disabled], where: { $0.named("failing/") || $0.named("rpc/enable a dead one") }),
        Difference(
            "what a relay cannot do", .configuration,
            """
            **What a relay does not announce** is never asked of it: `timeout_socket` (20081224), statistics (20080403),
            recording (20071218); the other module asks for it, and rtpengine answers such an offer with the caller's
            own address.
            """,
            in: Set(Aspect.allCases), where: { $0.named("set/20 stat") || $0.named("set/20 record") },
            holds: { stock, ours in stock[.wire].count == 1 && ours[.wire].isEmpty }),
        Difference(
            "a stream that the relay cannot serve", .messages,
            """
            **A stream of a family that RTPProxy has not** (E36, E37) is refused in the offer where others live; the
            other module leaves the message half changed and fails.
            """,
            in: [.code, .body], where: { $0.named("reply/'E36' to the second stream") },
            holds: { _, ours in ours[.body].joined().contains("m=video 0 ") }),
        Difference(
            "relays that are full", .relays,
            """
            **A full RTPProxy** (E71, E72, E81 to E89, E98, E99) does not fail an offer: the others are asked; the other
            module fails.
            """,
            in: [.wire, .instance, .body], where: { $0.named("failing/") && $0.name.contains("error to create") },
            holds: { stock, ours in
                Set(ours[.wire].compactMap { $0.split(separator: ":").first }).count == 2 && ours[.disabled].isEmpty
            }),
        Difference(
            "instance of a failure", .functions,
            """
            **`rtp_inst_pvar`** is set only where an RTPProxy was really asked; the other module sets it also where it
            finds afterwards that the message lacks what is needed.
            """,
            in: [.instance], where: { _ in true }, holds: { stock, ours in stock[.wire].isEmpty && ours[.wire].isEmpty }
        ),
    ]
}
