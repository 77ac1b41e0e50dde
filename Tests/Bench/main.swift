// SPDX-License-Identifier: GPL-2.0-or-later
// Measures the distribution's module and this one in turn, and prints a table. `bench help` says more.
// `bench soak` carries calls for a long time and looks for what is left over or grows; `bench soak help`.

import BenchPrograms
import Foundation
import TestSupport

/// Runs one of the C programs that this executable holds beside the harness.
func runProgram(_ arguments: [String]) -> Int32? {
    let programs = ["relay": bench_relay, "load": bench_load, "first": bench_first]
    guard let name = arguments.first, let program = programs[name] else { return nil }
    var pointers = arguments.map { strdup($0) } + [nil]
    return program(Int32(arguments.count), &pointers)
}

let arguments = Array(CommandLine.arguments.dropFirst())
if let status = runProgram(arguments) { exit(status) }
do {
    if arguments.first == "soak" {
        let options = try SoakOptions(Array(arguments.dropFirst()))
        if options.wantsHelp {
            print(SoakOptions.help)
            exit(0)
        }
        if options.hasBrowsers {
            exit(try BrowserSoak(calls: options.calls, turns: options.isQuick ? 1 : 3).run() ? 0 : 1)
        }
        if let relay = options.relay { exit(try RelaySoak(kind: relay, calls: options.calls).run() ? 0 : 1) }
        if let hosts = options.hosts { exit(try FleetSoak(options, hosts: hosts).run() ? 0 : 1) }
        exit(try Soak(options).run() ? 0 : 1)
    }
    let options = try Options(arguments)
    if options.wantsHelp {
        print(Help.text)
        exit(0)
    }
    let session = try Session(options)
    session.run()
    exit(session.failed ? 1 : 0)
} catch {
    print("bench: \(error)")
    exit(2)
}
