// SPDX-License-Identifier: GPL-2.0-or-later
// Deliberate differences from the other module: what parameters and messages may hold.

import Foundation

extension Difference {
    /// What parameters and messages may hold.
    static let arguments: [Difference] = [
        Difference(
            "empty or broken ip_address", .functions,
            """
            **`ip_address`** that is empty or holds a blank gives -1; the other module writes it into the SDP.
            """,
            in: [.wire, .code, .body, .instance],
            where: { test in test.calls.contains { $0.ip?.isEmpty == true || $0.ip?.contains(" ") == true } },
            holds: refused),
        Difference(
            "blanks in arguments", .messages,
            """
            **Words that hold blanks or control characters** (Call-ID, tag, branch, extra id, prompt) give -1 before
            anything is sent; the other module sends them, and what follows the blank becomes a further argument.
            """,
            in: [.wire, .code, .body, .instance, .statistics],
            where: { test in
                test.callIDSuffix.contains(" ")
                    || test.steps.contains { step in
                        step.headers.contains { header in
                            ["X-Extra", "X-Prompt", "From"].contains(header.name)
                                && (header.value.contains(" ") || header.name == "X-Prompt" && header.value.isEmpty)
                        }
                    }
            },
            holds: { stock, ours in refused(stock, ours) || ours[.wire].isEmpty && ours[.statistics] == ["<null>"] }),
        Difference(
            "statistics without a line end", .functions,
            """
            **`$rtpstat`** is the numbers alone, `$null` on an error; the other module leaves the line end in, and gives
            the error's text.
            """,
            in: [.statistics], where: { $0.runs("stat", "ppstat") },
            levels: { outcome in
                outcome.edit(.statistics) { text in
                    let line = text.textLines[0]
                    return line.contains("E") || line == "<null>" ? "none" : line
                }
            },
            holds: { _, ours in ours[.statistics].allSatisfy { !$0.contains("\n") && !$0.contains("E") } }),
        Difference(
            "set given as text", .functions,
            """
            **A set given as text**: the variable of `set_rtp_proxy_set` may hold digits; the other module takes
            integers only.
            """,
            in: Set(Aspect.allCases),
            where: { test in
                test.steps.contains { $0.setText.flatMap { Int($0.trimmingCharacters(in: .whitespaces)) } != nil }
            },
            holds: { stock, ours in stock[.code].contains("set -1") && ours[.code].contains("set 1") }),
        Difference(
            "flag s", .additions,
            """
            **Flag `s`** of `rtpproxy_destroy` is new: the deletion brings the figures of `$rtpp_stat` along.
            """,
            in: Set(Aspect.allCases),
            where: { $0.flags.lowercased() == "s" },
            holds: { stock, _ in stock[.code].allSatisfy { $0.hasSuffix(" -1") } }),
        Difference(
            "flags for calls of browsers", .additions,
            """
            **The flags `d`, `p` and `g`**, **`rtpproxy_webrtc_prflx`** and **`rtpproxy_webrtc_silence`** are new:
            [WebRTC](webrtc.md).
            """,
            in: Set(Aspect.allCases),
            where: { ["d", "p", "g"].contains($0.flags.lowercased()) },
            holds: { stock, _ in stock[.code].allSatisfy { $0.hasSuffix(" -1") } }),
        Difference(
            "prompts after a wrong set", .functions,
            """
            **Prompts after a wrong set** go to set 0, as all other functions do; the other module fails.
            """,
            in: [.wire, .code, .instance],
            where: { test in
                test.runs("stream2uac") && test.steps.contains { ![0, 1, 6, 9, 20, 66].contains($0.set ?? 0) }
            },
            holds: { stock, ours in stock[.code].contains("stream2uac -1") && ours[.code].contains("stream2uac 1") }),
    ]
}
