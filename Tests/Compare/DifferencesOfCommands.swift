// SPDX-License-Identifier: GPL-2.0-or-later
// Deliberate differences from the other module: what is sent to the relay.

import Foundation

extension Difference {
    /// What is sent to the relay.
    static let commands: [Difference] = [
        Difference(
            "blank at the end", .commands,
            """
            **Stop and play without a to-tag** end with their last word, without a blank; the other module sends one,
            which RTPProxy does not notice.
            """,
            in: [.wire], where: { $0.runs("stream2uac", "stream2uas", "stop2uac", "stop2uas") },
            levels: { $0.edit(.wire) { $0.hasSuffix(" ") ? String($0.dropLast()) : $0 } }),
        Difference(
            "bridging by address", .commands,
            """
            **Flag `x`** looks at the first stream's address itself; the other module at the word before it.
            """,
            in: [.wire], where: { $0.hasFlag("x") && $0.carries("connection family wrong") },
            levels: { $0.editCommands { $0.command = $0.command.replacing("EI", with: "IE") } }),
        Difference(
            "family of the address sent", .commands,
            """
            **Modifier `6`** follows the address that is sent; the other module follows the SDP, also where it sends the
            address of the signalling, which RTPProxy then misreads.
            """,
            in: [.wire], where: { _ in true },
            levels: { outcome in
                outcome.editCommands { $0.removeSix() }
            },
            holds: { stock, ours in
                ours[.wire].map { WireLine($0) }.allSatisfy { !$0.isMedia || $0.isIPv6 == $0.address.contains(":") }
            }),
        Difference(
            "family of the stream", .messages,
            """
            **Signalling in one family, media in the other**: RTPProxy is told the stream's own address; the other
            module sends that of the signalling, which RTPProxy may not have.
            """,
            in: [.wire], where: { _ in true },
            levels: { outcome in
                outcome.editCommands {
                    guard $0.isMedia else { return }
                    $0.removeSix()
                    $0.address = "*"
                }
            },
            holds: { stock, ours in
                let pairs = zip(stock[.wire].map { WireLine($0) }, ours[.wire].map { WireLine($0) })
                return pairs.allSatisfy { theirs, mine in
                    !mine.isMedia
                        || theirs.address == mine.address
                        || (theirs.address.contains(":") != mine.address.contains(":")
                            && mine.isIPv6 == mine.address.contains(":"))
                }
            }),
        Difference(
            "z of a later stream", .functions,
            """
            **Flag `z` for all streams**: the other module sends a sensible value for the first one only.
            """,
            in: [.wire, .code, .body, .instance],
            where: { $0.hasFlag("z") && $0.carries(.severalStreams) && $0.runs("offer", "manage") },
            holds: { _, ours in
                // What the stock module sends changes from run to run, and so does what comes of it.
                ours[.wire].allSatisfy { $0.contains("Z") } && ours[.code].allSatisfy { $0.hasSuffix(" 1") }
            }),
        Difference(
            "z without a number", .functions,
            """
            **Flag `z` without a number** of 1..999 gives -1; the other module sends what RTPProxy answers with an
            error.
            """,
            in: [.wire, .code, .body, .instance],
            where: { test in
                test.runs("offer", "answer", "manage")
                    && ["z", "Z", "zz", "z0", "z1000", "z12345"].contains { $0 == test.flags }
            },
            holds: refused),
        Difference(
            "z once", .functions,
            """
            **Flag `z` twice, or with zeros in front** is sent once and as a plain number, the last one; the other
            module copies all of it.
            """,
            in: [.wire], where: { $0.flags == "z020" || $0.flags == "z20z30" },
            levels: { outcome in
                outcome.edit(.wire) { $0.replacing("Z020", with: "Z20").replacing("Z20Z30", with: "Z30") }
            }),
        Difference(
            "z of a deletion", .functions,
            """
            **Flag `z` in a deletion** is skipped with its number; the other module fails, or reads the digits as flags.
            """,
            in: [.wire, .code, .instance], where: { $0.runs("destroy", "unforce") && $0.hasFlag("z") },
            holds: { _, ours in ours[.code].allSatisfy { $0.hasSuffix(" 1") } }),
        Difference(
            "codecs of secured streams", .commands,
            """
            **The list of codecs** is sent for RTP profiles, DTLS among them, and never empty; the other module sends it
            for RTP without DTLS only.
            """,
            in: [.wire], where: { $0.carries("profile DTLS", "profile TCP DTLS") },
            levels: { $0.editCommands { $0.removeCodecs() } },
            holds: { _, ours in ours[.wire].contains { WireLine($0).command.contains("c0,8") } }),
        Difference(
            "plain port", .commands,
            """
            **The port** is sent as a plain number, without the `/2` that may stand behind it; the other module copies
            that, which RTPProxy does not know, and leading zeros.
            """,
            in: [.wire],
            where: { $0.carries("two ports", "one port spelled out", "port 0 twice", "port with zeros") },
            levels: { outcome in
                outcome.editCommands { line in
                    line.port = line.port.split(separator: "/").first.flatMap { Int($0) }.map(String.init) ?? line.port
                }
            }),
        Difference(
            "plain address", .commands,
            """
            **The address** is sent without a time to live; the other module copies it, and RTPProxy cannot read it.
            """,
            in: [.wire], where: { $0.carries("multicast") },
            levels: { $0.edit(.wire) { $0.replacing("224.2.1.1/127", with: "224.2.1.1") } }),
        Difference(
            "payload types that are none", .commands,
            """
            **The list of codecs** names each number from 0 to 127 once; the other module sends repeated ones and larger
            numbers, too.
            """,
            in: [.wire], where: { $0.carries("payload types beyond 127") },
            levels: { $0.edit(.wire) { $0.replacing("c0,0,128,8", with: "c0,8") } }),
        Difference(
            "statistics of the stream", .functions,
            """
            **`$rtpstat`** names the stream in both tags; the other module leaves the stream's number out of one, and
            gets an error instead of numbers.
            """,
            in: [.wire], where: { $0.runs("stat", "ppstat") },
            levels: { outcome in
                outcome.edit(.wire) { $0.contains(": Q ") ? $0.replacing(";1", with: "") : $0 }
            },
            holds: { _, ours in ours[.wire].filter { $0.contains(": Q ") }.allSatisfy { $0.hasSuffix(";1") } }),
        Difference(
            "timeout notification", .configuration,
            """
            **`timeout_socket`** works by itself: socket and tag go with every offer. The other module sends the socket
            without a tag, and with a to-tag only.
            """,
            in: [.wire], where: { _ in true },
            levels: { outcome in
                outcome.edit(.wire) { $0.components(separatedBy: " xmlrpc:").first ?? $0 }
            },
            holds: { _, ours in
                ours[.wire].contains { $0.contains(": U") }
                    && ours[.wire].allSatisfy { !$0.contains(": U") || $0.contains("RPC2 CALL%40compare") }
            }),
    ]
}
