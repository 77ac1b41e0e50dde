// SPDX-License-Identifier: GPL-2.0-or-later
// Deliberate differences from the other module: which bodies are taken.

import Foundation

extension Difference {
    /// Which bodies are taken.
    static let bodies: [Difference] = [
        Difference(
            "malformed descriptions", .messages,
            """
            **A malformed description** (no `v=0`, no port number, a port above 65535, lines that end in CR alone) is
            refused with line and reason; the other module passes it on.
            """,
            in: [.wire, .code, .body, .instance], where: { $0.carries(.malformed) || $0.carries("CR alone") },
            holds: refused),
        Difference(
            "descriptions that readers read differently", .messages,
            """
            **A description that readers read differently** (a CR within a line, a session without streams, `C=`) is
            [refused or changed whole](functions.md#descriptions-that-are-refused); the other module leaves addresses in
            it.
            """,
            in: [.wire, .code, .body, .instance],
            where: { test in
                test.carries(
                    "CR in an unknown line", "CR before an address", "CR behind the address", "CR before a stream",
                    "session without streams behind", "session without streams first", "connection in capitals")
            },
            holds: refused),
        Difference(
            "malformed origin", .messages,
            """
            **A malformed `o=` line** stays as it is with a warning; the other module refuses the whole description.
            """,
            in: [.wire, .code, .body, .instance],
            where: { test in
                test.carries(
                    "origin malformed", "origin of another type", "origin in lower case", "origin without address",
                    "origin empty")
            },
            holds: { _, ours in ours[.code].allSatisfy { $0.hasSuffix(" 1") } }),
        Difference(
            "m= line that ends behind the port", .messages,
            """
            **An `m=` line** may be the last one and end behind its port; the other module refuses it.
            """,
            in: [.wire, .code, .body, .instance], where: { $0.carries("port open") },
            holds: { _, ours in ours[.code].allSatisfy { $0.hasSuffix(" 1") } }),
        Difference(
            "more body types", .messages,
            """
            **SDP without Content-Type and in any `multipart` body** is found; the other module takes `multipart/mixed`
            only.
            """,
            in: [.wire, .code, .body, .instance],
            where: { test in
                test.carries("type missing")
                    || test.carries(
                        "multipart with preamble", "multipart alternative", "multipart related", "multipart nested")
            },
            holds: { stock, ours in
                stock[.code].allSatisfy { $0.hasSuffix(" -1") } && ours[.code].allSatisfy { $0.hasSuffix(" 1") }
            }),
        Difference(
            "one SDP part only", .messages,
            """
            **A second SDP part** of a `multipart` body is refused; the other module takes all of them for one
            description.
            """,
            in: [.wire, .code, .body, .instance], where: { $0.carries("multipart SDP twice") }, holds: refused),
    ]
}
