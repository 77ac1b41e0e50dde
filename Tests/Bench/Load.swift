// SPDX-License-Identifier: GPL-2.0-or-later
// Requests through a Kamailio, and what came of them.

import Foundation
import TestSupport

/// What the load generator is to do.
struct Load {
    /// The user that the requests are for, by which the script goes, or an OPTIONS (load.c).
    enum Kind: String {
        /// Forwarded without and with the module.
        case plain, offer
        /// Answered by the script after an offer, and acknowledged.
        case call
        /// Suspended by tm alone and never answered.
        case suspend
        case options
        /// Whole calls from INVITE to BYE, half of them by the functions that wait, half by the asynchronous ones.
        case dialog
    }

    var kind = Kind.offer
    var streams = 1
    var inFlight = 4
    /// Calls at most.
    var calls = 400_000
    /// It sends no longer than this.
    var seconds = 30.0
    /// Calls per second at most; 0: as many as go.
    var perSecond = 0
    /// Seconds after which a call counts as lost.
    var patience = 15.0

    /// How many real relays there are, of which SDP names the addresses; 0: the scripted one's.
    var realRelays = 0

    /// Starts it. The requests of whole calls are spread over several Kamailios.
    func start(_ kamailios: KamailioProcess...) throws -> RunningLoad { try start(kamailios) }

    /// The same.
    func start(_ kamailios: [KamailioProcess]) throws -> RunningLoad {
        RunningLoad(
            process: try ChildProcess(
                Program.path,
                [
                    "load", kamailios.map { String($0.port) }.joined(separator: ","), kind.rawValue, String(streams),
                    String(inFlight),
                    String(calls), String(Int(seconds * 1000)), String(perSecond), String(Int(patience * 1000)),
                    String(realRelays),
                ]), bound: seconds + patience + 10)
    }

    /// Runs it to its end.
    func run(_ kamailio: KamailioProcess) throws -> LoadResult { try start(kamailio).result() }
}

/// A load generator at work.
struct RunningLoad {
    let process: ChildProcess
    let bound: Double

    /// Waits for its end.
    func result() throws -> LoadResult {
        guard process.wait(bound) == .exited(0) else {
            process.terminate(within: 0)
            throw HarnessError("the load generator did not end: \(process.output)")
        }
        return try LoadResult(process.output)
    }
}

/// Counts, and times in milliseconds.
struct LoadResult {
    var sent = 0
    var right = 0
    /// Forwarded with another SDP than the relay's answers make.
    var wrong = 0
    /// The module's function failed.
    var refused = 0
    /// Nothing came.
    var lost = 0
    var elapsed = 0.0
    var median = 0.0
    var percentile99 = 0.0
    var worst = 0.0
    /// How often the steps of whole calls went well and failed (print_dialogs in dialog.c).
    var steps: [String: Int] = [:]
    /// Sentences on whole calls that did not end.
    var hanging: [String] = []

    init(_ output: String) throws {
        let lines = output.split(separator: "\n").map(String.init)
        let line = lines.first { $0.hasPrefix("sent ") } ?? output
        hanging = lines.filter { $0.hasPrefix("call ") }
        steps = Self.numbers(lines.first { $0.hasPrefix("begun ") } ?? "")
        let values = Self.numbers(line)
        guard values.count == 9 else { throw HarnessError("the load generator said \"\(line)\"") }
        func milliseconds(_ name: String) -> Double { Double(values[name] ?? 0) / 1e6 }
        sent = values["sent"] ?? 0
        right = values["right"] ?? 0
        wrong = values["wrong"] ?? 0
        refused = values["refused"] ?? 0
        lost = values["lost"] ?? 0
        elapsed = milliseconds("elapsed")
        median = milliseconds("p50")
        percentile99 = milliseconds("p99")
        worst = milliseconds("worst")
    }

    /// Names and numbers in turn.
    private static func numbers(_ line: String) -> [String: Int] {
        var values: [String: Int] = [:]
        let words = line.split { $0 == " " || $0 == "\n" }.map(String.init)
        for index in stride(from: 0, to: words.count - 1, by: 2) { values[words[index]] = Int(words[index + 1]) }
        return values
    }
}

/// What came of several loads, added up.
struct LoadTotals {
    private var counts: [String: Int] = [:]
    private(set) var hanging: [String] = []
    private(set) var worst = 0.0

    /// A count of `LoadResult`, or of the steps of whole calls, by its name.
    subscript(_ name: String) -> Int { counts[name] ?? 0 }

    mutating func add(_ result: LoadResult) {
        for (name, count) in result.steps { counts[name, default: 0] += count }
        for (name, count) in [
            ("sent", result.sent), ("right", result.right), ("wrong", result.wrong), ("refused", result.refused),
            ("lost", result.lost),
        ] {
            counts[name, default: 0] += count
        }
        hanging += result.hanging
        worst = max(worst, result.worst)
    }
}
