// SPDX-License-Identifier: GPL-2.0-or-later
// Places a call through Kamailio with this module and a real relay, and shows what happened.
//
// usage: demo [async] [rtpengine]
// async: with the asynchronous functions. rtpengine: through that one, not through RTPProxy.

import Foundation
import TestSupport

let isTerminal = isatty(STDOUT_FILENO) == 1

func heading(_ text: String) -> String {
    isTerminal ? "\u{1B}[1m\(text)\u{1B}[0m" : "\(text)\n" + String(repeating: "-", count: text.count)
}

do {
    let words = CommandLine.arguments.dropFirst()
    guard words.allSatisfy({ $0 == "async" || RelayKind(rawValue: $0) != nil }) else {
        print("RELAY is rtpproxy or rtpengine, not \(words.joined(separator: " "))")
        exit(2)
    }
    let kind = words.lazy.compactMap { RelayKind(rawValue: $0) }.first ?? .rtpproxy
    let report = try DemoCall.run(kind, asynchronously: words.contains("async"))
    print(report.text(heading: heading))
    if report.problems.isEmpty {
        print("All is well: the call's audio went through \(kind.name) both ways, and BYE deleted the session.")
    } else {
        print("Something is wrong:")
        for problem in report.problems { print("  \(problem)") }
        exit(1)
    }
} catch {
    print("The demo could not be carried out: \(error)")
    exit(1)
}
