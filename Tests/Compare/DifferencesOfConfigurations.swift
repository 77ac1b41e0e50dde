// SPDX-License-Identifier: GPL-2.0-or-later
// Deliberate differences from the other module: which configurations are taken.

import Foundation

extension Difference {
    /// Which configurations are taken.
    static let starts: [Difference] = [
        Difference(
            "mistakes show at start-up", .configuration,
            """
            **A bad scheme, port, time limit, number of tries or variable** is refused at start; the other module starts
            and does something else.
            """,
            in: [.code],
            where: { test in
                [
                    "unknown scheme", "port too high", "rtpproxy_tout", "rtpproxy_retr",
                    "extra_id_pv nonsense", "timeout_socket with blank",
                ].contains { test.named("start/\($0)") }
            },
            holds: { stock, ours in ours[.code] == ["refuses"] }),
        Difference(
            "flags that are none", .configuration,
            """
            **Flags and addresses that are written out** and fail with each message are refused at start; the other
            module starts, and its function returns -1 or writes a broken address.
            """,
            in: [.code], where: { $0.named("start/script rtpproxy_offer(\"q\")") },
            holds: { _, ours in ours[.code] == ["refuses"] }),
        Difference(
            "weight that is no number", .configuration,
            """
            **A weight that is no number** is refused at start; the other module takes it as 0.
            """,
            in: [.code], where: { $0.named("start/weight not a number") },
            holds: { _, ours in ours[.code] == ["refuses"] }),
        Difference(
            "IPv6 in brackets", .configuration,
            """
            **`udp6:` with brackets** is understood, and without them; the other module knows it without only. A
            service's name as port needs the brackets.
            """,
            in: [.code], where: { $0.named("start/IPv6 in brackets") }, holds: { _, ours in ours[.code] == ["starts"] }),
        Difference(
            "names that do not resolve", .configuration,
            """
            **A host name that does not resolve** does not keep Kamailio from starting. Names are looked up again while
            it runs, and all their addresses are tried; the other module looks each up once, at start.
            """,
            in: [.code], where: { $0.named("start/a name that does not resolve") },
            holds: { _, ours in ours[.code] == ["starts"] }),
    ]
}
