// SPDX-License-Identifier: GPL-2.0-or-later
// `make compare`: the stock module and this one side by side, case by case. `make page`: their differences as a page.

import Foundation
import TestSupport

let arguments = CommandLine.arguments.dropFirst()
/// Only cases whose name contains this; `--show` prints what both modules did, also where they agree.
let only = arguments.first { !$0.hasPrefix("--") }
let shows = arguments.contains("--show")
/// `--every=20` takes one case in twenty.
let every = arguments.first { $0.hasPrefix("--every=") }.flatMap { UInt32($0.dropFirst(8)) } ?? 1

do {
    if arguments.contains("--page") {
        try MigrationPage.write()
        exit(0)
    }
    let comparison = try Comparison(only: only, shows: shows, every: max(every, 1))
    exit(comparison.report() ? 0 : 1)
} catch {
    print("The comparison could not be carried out: \(error)")
    exit(1)
}
