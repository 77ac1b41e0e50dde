// SPDX-License-Identifier: GPL-2.0-or-later
// Probing now, on behalf of the operator, in whatever process the operator's command has reached.

import Bytes
import SharedState
import Transport

/// What a probe on demand found out of one node.
package struct ProbeResult: Sendable {
    /// Whether it answered.
    package enum Answer: Sendable {
        /// It answered as it should, within so many microseconds, 1 or more: its round trip, or where every question had
        /// to be repeated the time since the first one.
        case present(microseconds: UInt32)
        /// It did not; why, in words.
        case absent(StaticString)
    }

    /// Its position in the list.
    package let position: Int
    /// What came of it.
    package internal(set) var answer: Answer
}

extension Worker {
    /// Asks every node now, side by side, and waits for the answers, no longer than one command may take.
    package mutating func probeAll<Host: ServerHost>(_ host: Host) -> [ProbeResult] {
        refreshDirectory()
        return probe(host, positions: Array(directory.listed.indices))
    }

    /// Asks every node that `text` means, by `selected`. Empty where there is none.
    @_optimize(size)
    package mutating func probe<Host: ServerHost>(_ host: Host, _ text: Span<UInt8>) -> [ProbeResult] {
        probe(host, positions: selected(text))
    }

    @_optimize(size)
    private mutating func probe<Host: ServerHost>(_ host: Host, positions: [Int]) -> [ProbeResult] {
        look(host)
        // Exchanges of their own: a late answer to a probe must not reach a call.
        var probes = self.probes.take() ?? ProbeExchanges(nodeCount: table.capacity)
        let start = MonotonicClock.now()
        var results: [ProbeResult] = []
        var open: [Int] = []
        for position in positions {
            // NO TRAP: positions were looked up in the directory that is used here.
            let node = directory.listed[position]
            let refusal = ask(&probes, node, probeKind(node), now: start, budget: settings.budgetNanoseconds)
            if refusal == nil { open.append(results.count) }
            results.append(ProbeResult(position: position, answer: .absent(refusal ?? "is asked")))
        }
        while true {
            var waiting: [Int] = []
            for index in open {
                // NO TRAP (2): positions are of directory.listed, and the directory is not refreshed before the end;
                // open holds indices of results.
                let node = directory.listed[results[index].position]
                if let outcome = probes.exchanges.takeOutcome(node) {
                    let found = finding(probes, node, outcome)
                    results[index].answer = found.answer(after: MonotonicClock.now() &- start)
                    if mayConclude(node, found) { conclude(host, node, found) }
                } else if probes.exchanges.isRunning(node) {
                    waiting.append(index)
                }
            }
            guard !waiting.isEmpty else { break }
            open = waiting
            probes.exchanges.step(until: .max)
        }
        self.probes = consume probes
        return results
    }

    /// Whether what was found is to count for all processes.
    private func mayConclude(_ node: Int, _ found: ProbeFinding) -> Bool {
        // The pool has changed meanwhile: this may be another node by now.
        guard table.membership == directory.membership else { return false }
        // Only the module's own process gives up a node that may still be starting.
        if case .failed = found { return table.condition(node) != .unproven }
        return true
    }
}

extension ProbeFinding {
    /// What the operator is told; `elapsed` nanoseconds have gone by since the node was asked.
    fileprivate func answer(after elapsed: UInt64) -> ProbeResult.Answer {
        switch self {
        case .present(_, let roundTrip, _):
            .present(microseconds: UInt32(clamping: max((roundTrip ?? elapsed) / 1000, 1)))
        case .failed(let reason, _), .unknown(let reason): .absent(reason)
        }
    }
}
