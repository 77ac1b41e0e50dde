// SPDX-License-Identifier: GPL-2.0-or-later
// Deliberate differences from the other module: when functions act.

import Foundation

extension Difference {
    /// When functions act.
    static let functions: [Difference] = [
        Difference(
            "failed UPDATE or PRACK", .functions,
            """
            **A refused UPDATE or PRACK**, and any other request within the dialog, leaves the call as it is:
            `rtpproxy_manage` returns -1 for the refusal and in the failure route; the other module deletes the call.
            """,
            in: [.wire, .code, .instance],
            where: { test in
                test.runs("manage")
                    && test.steps.contains { step in
                        ["UPDATE", "PRACK"].contains(step.method) && step.status >= 300
                            || step.route == .failure && step.toTag && !["INVITE", "BYE"].contains(step.method)
                    }
            },
            holds: { stock, _ in stock[.wire].contains { $0.contains(": D ") } }),
        Difference(
            "refused or cancelled re-INVITE", .functions,
            """
            **A refused or cancelled re-INVITE** leaves the call as it is: `rtpproxy_manage` returns -1 for its replies
            of 300 and above, in its failure route and for its CANCEL; the other module deletes the call.
            """,
            in: [.wire, .code, .instance],
            where: { test in
                test.runs("manage")
                    && test.steps.contains { ["INVITE", "CANCEL"].contains($0.method) && $0.toTag }
            },
            holds: { stock, ours in
                stock[.wire].contains { $0.contains(": D ") } && ours[.code].contains("manage -1")
            }),
        Difference(
            "answer in a PRACK", .functions,
            """
            **An answer in a PRACK** is taken by `rtpproxy_answer`; the other module returns -1.
            """,
            in: [.wire, .code, .body, .instance],
            where: { $0.runs("answer") && $0.steps.contains { $0.method == "PRACK" } }),
        Difference(
            "failure of a late offer", .functions,
            """
            **A late offer that fails**: `rtpproxy_manage` in a failure route deletes the session of an INVITE without
            SDP, too, which a provisional reply may have created; the other module leaves it to time out.
            """,
            in: [.wire, .code, .instance], where: { $0.named("route/failure manage, body none") },
            holds: { _, ours in ours[.code] == ["manage 1"] }),
        Difference(
            "a call stays where it is", .relays,
            """
            **A call stays** with the RTPProxy that has it; in the other module the choice may change when another one
            goes down or comes back.
            """,
            in: [.wire, .instance], where: { $0.named("rpc/disable") },
            holds: { _, ours in
                Set(ours[.instance].map { $0.split(separator: "@").last ?? "" }.filter { !$0.contains("null") }).count
                    == 1
            }),
        Difference(
            "both parties are recorded", .functions,
            """
            **`start_recording`** records both parties, and fails where one is refused; the other module the one that it
            names first, and returns 1 whatever is answered.
            """,
            in: [.wire, .code],
            where: { $0.runs("record") },
            holds: { stock, ours in
                stock[.wire].count == 1 && ours[.wire].count == 2 && ours[.wire].contains(stock[.wire][0])
            }),
        Difference(
            "a failure route that goes on", .functions,
            """
            **A failure route that goes on** to another destination keeps the session that `rtpproxy_manage` would have
            deleted; the other module deletes it at once, and the next destination has ports that nobody relays.
            """,
            in: [.instance], where: { $0.named("route/failure manage, body audio") },
            holds: { stock, ours in stock[.wire] == ours[.wire] }),
        Difference(
            "numbers that are none", .relays,
            """
            **`rtpproxy.enable` with a number given as a text** takes `"1"` for 1, and refuses what is no number with
            400; the other module says for both that there are not enough parameters.
            """,
            in: Set(Aspect.allCases), where: { $0.named("rpc/enable [\"@a\", ") }),
        Difference(
            "twice on one message", .functions,
            """
            **Twice on one message**: a second offer or answer returns -2 and changes nothing; the other module glues
            both results together. Where the destination of the first has failed, the second replaces it.
            """,
            in: [.wire, .code, .body, .instance],
            where: { test in
                test.steps.contains { step in
                    step.calls.count { ["offer", "answer", "manage"].contains($0.function) } == 2
                }
            },
            holds: { _, ours in ours[.code].contains { $0.hasSuffix(" -2") } }),
    ]
}
