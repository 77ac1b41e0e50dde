// SPDX-License-Identifier: GPL-2.0-or-later
// Places a call through Kamailio with this module and a real relay, and shows what happened.
//
// usage: demo [async] [rtpengine]
//        demo webrtc
// async: with the asynchronous functions. rtpengine: through that one, not through RTPProxy. webrtc: a browser calls a
// phone, and the phone the browser.

import Foundation
import TestSupport

let isTerminal = isatty(STDOUT_FILENO) == 1

func heading(_ text: String) -> String {
    isTerminal ? "\u{1B}[1m\(text)\u{1B}[0m" : "\(text)\n" + String(repeating: "-", count: text.count)
}

/// Prints one line for each problem, and ends as the demo has gone.
func conclude(_ problems: [String], _ praise: String) {
    guard !problems.isEmpty else { return print(praise) }
    print("Something is wrong:")
    for problem in problems { print("  \(problem)") }
    exit(1)
}

do {
    let words = CommandLine.arguments.dropFirst()
    if words == ["webrtc"] {
        let reports = try WebRTCDemo.run()
        for report in reports { print(report.text(heading: heading)) }
        conclude(
            reports.flatMap(\.problems),
            "All is well: a browser and a phone have heard each other through RTPProxy, whoever called.")
        exit(0)
    }
    guard words.allSatisfy({ $0 == "async" || RelayKind(rawValue: $0) != nil }) else {
        print("RELAY is rtpproxy or rtpengine, not \(words.joined(separator: " "))")
        exit(2)
    }
    let kind = words.lazy.compactMap { RelayKind(rawValue: $0) }.first ?? .rtpproxy
    let report = try DemoCall.run(kind, asynchronously: words.contains("async"))
    print(report.text(heading: heading))
    conclude(
        report.problems,
        "All is well: the call's audio went through \(kind.name) both ways, and BYE deleted the session.")
} catch {
    print("The demo could not be carried out: \(error)")
    exit(1)
}
