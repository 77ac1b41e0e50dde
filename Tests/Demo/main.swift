// SPDX-License-Identifier: GPL-2.0-or-later
// Places a call through Kamailio with this module and a real RTPProxy, and shows what happened. `demo async`: with the
// asynchronous functions.

import Foundation
import TestSupport

let isTerminal = isatty(STDOUT_FILENO) == 1

func heading(_ text: String) -> String {
    isTerminal ? "\u{1B}[1m\(text)\u{1B}[0m" : "\(text)\n" + String(repeating: "-", count: text.count)
}

do {
    let report = try DemoCall.run(asynchronously: CommandLine.arguments.dropFirst() == ["async"])
    print(report.text(heading: heading))
    if report.problems.isEmpty {
        print("All is well: the call's audio went through RTPProxy both ways, and BYE deleted the session.")
    } else {
        print("Something is wrong:")
        for problem in report.problems { print("  \(problem)") }
        exit(1)
    }
} catch {
    print("The demo could not be carried out: \(error)")
    exit(1)
}
