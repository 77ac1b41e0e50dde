// SPDX-License-Identifier: GPL-2.0-or-later
// What a soak finds, a line each, and whether it is as it must be.

import Foundation
import TestSupport

/// Prints line after line; what is not as it must be is flagged.
struct Findings {
    /// The lines that are not as they must be.
    private(set) var faults: [String] = []
    /// The name that Kamailio's main process has when all others are there.
    static let lastName = "main process - attendant"

    mutating func check(_ title: String, _ text: String, _ isRight: Bool) {
        let line = "\(title.padding(48))  \(text)"
        print("\(isRight ? "  " : "!!")  \(line)")
        if !isRight { faults.append(line) }
    }

    /// What came of it all, at the end, where it is looked for: what is wrong stands there once more. False where
    /// something is.
    func conclude() -> Bool {
        guard faults.isEmpty else {
            print("something is left over, or has grown:")
            for fault in faults { print("!!  \(fault)") }
            return false
        }
        print("nothing is left over, nothing has grown")
        return true
    }

    /// Checks that the calls were made, and that none hangs or has wrong SDP.
    mutating func writeCalls(_ totals: LoadTotals, _ options: SoakOptions, seconds: Double) {
        let sent = totals["sent"]
        check(
            "calls",
            "\(sent) in \(Int(seconds)) s, \(Int(Double(sent) / seconds))/s with all rests; "
                + "the longest took \(Int(totals.worst)) ms", sent >= (options.minutes == nil ? options.calls : 1))
        check("calls that hang", "\(totals["lost"])", totals["lost"] == 0)
        for line in totals.hanging.prefix(10) { print("      \(line)") }
        check("calls with wrong SDP", "\(totals["wrong"])", totals["wrong"] == 0)
    }

    /// Checks what Kamailio has logged.
    mutating func writeLog(_ log: String, cancelled: Int) {
        let kinds = SoakLog.kinds(log)
        for (kind, lines) in kinds.sorted(by: { $0.key < $1.key }) {
            let isRight = SoakLog.isExpected(kind) && (kind != SoakLog.overtaken || lines.count <= cancelled)
            check("log: \(kind)", "\(lines.count) lines", isRight)
            if !SoakLog.isExpected(kind) { for line in lines.prefix(5) { print("      \(line)") } }
        }
    }

    /// A CANCEL that tm has answered and not passed on, so that the call rings on until tm's timer ends it. Kamailio 5.6.3
    /// does so once in some 25,000 cancelled calls of this load, without this module as well as with it.
    mutating func checkTimer(_ count: Int, of toCancel: Int) {
        check("of which tm's timer has ended", "\(count)", count <= 2 + toCancel / 5000)
    }

    /// Checks that nothing has grown from the first samples to the last, in any process; anonymous memory of the
    /// processes that carry many calls at once by no more than a step of their heap. `all`: with those before the first.
    mutating func writeGrowth(
        _ samples: [Sample], _ processes: [Int32: String], _ quantities: [Quantity], underLoad: [Sample] = [],
        all: [Sample]? = nil
    ) {
        for quantity in quantities {
            let pids = quantity == .shared ? [0] : processes.keys.sorted()
            for pid in pids {
                let process = processes[pid]?.components(separatedBy: " sock=")[0]
                let name = process.map { "\(quantity.title): \($0)" } ?? quantity.title
                guard let growth = Growth(quantity, pid, atRest: samples, underLoad: underLoad) else {
                    // Processes that neither receive nor run a timer do not tell Kamailio of their pool.
                    check(name, "not there at each sample", quantity == .pool && Self.tellsNoPool(pid, all ?? samples))
                    continue
                }
                let carriesMany = process == "RTPProxy async"
                let isStep = quantity == .anonymous && carriesMany && growth.last - growth.first <= Growth.heapStep
                check(name, growth.text, growth.isFlat || isStep)
            }
        }
    }

    /// Whether a process never says what its pool holds.
    private static func tellsNoPool(_ pid: Int32, _ samples: [Sample]) -> Bool {
        samples.allSatisfy { $0.values[.pool]?[pid] == nil }
    }

    /// This is the high-water mark of shared memory, too, and no sign of a leak by itself.
    static func megabytes(_ values: [Double]) -> String {
        let some =
            stride(from: 0, to: values.count, by: max(1, values.count / 10)).map { values[$0] } + values.suffix(1)
        return some.map { String(format: "%.1f", $0 / 1_048_576) }.joined(separator: " ") + " MiB"
    }
}

/// What Kamailio logs during a soak.
enum SoakLog {
    /// What restarts, disabled relays and lost datagrams bring about.
    private static let expected = [
        "is not there": "relay not there", "no RTPProxy available": "no relay for a call",
        "does not answer": "relay does not answer", "session unknown at the relay": "no session for an answer",
        "session unknown at the relay, it is refused": SoakLog.idle, "has been restarted": "relay restarted",
        "calls more found no RTPProxy": "no relay for a call", "calls more had no answer": "relay silent for a call",
        "generation of a delayed stateful reply failed": SoakLog.overtaken,
        "t_forward_noack failed": SoakLog.overtaken, "no resolved dst to send reply to": SoakLog.overtaken,
        "no resolved dst to retransmit": SoakLog.overtaken, "status rewrite by UAS": "100 behind a refusal",
    ]

    /// What the relay no longer knows of a call that goes on.
    static let idle = "stream that idled"
    /// tm's own lines: t_relay finds the INVITE answered, because its CANCEL came while a worker waited in front of it;
    /// or the CANCEL came while another worker was just making the transaction.
    static let overtaken = "overtaken by a CANCEL"

    static func isExpected(_ kind: String) -> Bool { expected.values.contains(kind) }

    /// Warnings and errors by what they say.
    static func kinds(_ log: String) -> [String: [String]] {
        let lines = log.split(separator: "\n").map(String.init).filter { line in
            ["ERROR", "CRITICAL", "BUG", "WARNING", "ALERT"].contains { line.contains("\($0):") }
        }
        return Dictionary(grouping: lines) { line in
            // The longer text says more.
            expected.filter { line.contains($0.key) }.max { $0.key.utf8.count < $1.key.utf8.count }?.value
                ?? "unexpected"
        }
    }
}
