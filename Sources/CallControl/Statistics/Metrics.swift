// SPDX-License-Identifier: GPL-2.0-or-later
// The figures of every node as Prometheus reads them: the text format, version 0.0.4, with URL, set and index as labels.

import Bytes
import SharedState

/// A metric that each node has one value of.
private enum NodeMetric: CaseIterable {
    case up, stateSeconds, weight, smoothed, calls, commands, answered, errors, timeouts, retransmissions
    case restarts

    var name: StaticString {
        switch self {
        case .up: "rtpproxy_node_up"
        case .stateSeconds: "rtpproxy_node_state_seconds"
        case .weight: "rtpproxy_node_weight"
        case .smoothed: "rtpproxy_node_smoothed_round_trip_seconds"
        case .calls: "rtpproxy_node_calls"
        case .commands: "rtpproxy_node_commands_total"
        case .answered: "rtpproxy_node_answered_total"
        case .errors: "rtpproxy_node_errors_total"
        case .timeouts: "rtpproxy_node_timeouts_total"
        case .retransmissions: "rtpproxy_node_retransmissions_total"
        case .restarts: "rtpproxy_node_restarts_total"
        }
    }

    var help: StaticString {
        switch self {
        case .up: "Whether it takes commands."
        case .stateSeconds: "For how long its state has been what it is."
        case .weight: "Its weight in its set."
        case .smoothed: "Its usual time to answer, 0 before the first answer."
        case .calls: "Calls of the call table that it holds."
        case .commands: "Commands of calls that went to it, each once."
        case .answered: "Commands that it answered, errors among the answers."
        case .errors: "Answers that were an error."
        case .timeouts: "Commands that it did not answer in time."
        case .retransmissions: "Times that a command was sent again."
        case .restarts: "Times that it was seen to have been restarted."
        }
    }

    var isCounter: Bool {
        switch self {
        case .up, .stateSeconds, .weight, .smoothed, .calls: false
        case .commands, .answered, .errors, .timeouts, .retransmissions, .restarts: true
        }
    }
}

extension Worker {
    /// Writes the metrics of all nodes; nothing where there are none.
    package mutating func writeMetrics<Host: ServerHost>(_ host: Host, into text: inout [UInt8]) {
        let nodes = nodeCount()
        guard nodes > 0 else { return }
        for metric in NodeMetric.allCases {
            writeHead(metric.name, metric.help, metric.isCounter ? "counter" : "gauge", &text)
            for position in 0..<nodes {
                guard let found = nodeStatistics(host, position) else { continue }
                text.append(metric.name)
                writeLabels(position, found, &text)
                text.append("} ")
                switch metric {
                case .up: text.append(isUp(found.state) ? "1" : "0")
                case .stateSeconds: text.append(decimal: UInt64(found.stateSeconds))
                case .weight: text.append(decimal: UInt64(found.weight))
                case .smoothed: appendSeconds(microseconds: UInt64(found.smoothedMicroseconds), &text)
                case .calls: text.append(decimal: UInt64(found.figures.calls))
                case .commands: text.append(decimal: found.figures.commands)
                case .answered: text.append(decimal: found.figures.answered)
                case .errors: text.append(decimal: found.figures.errors)
                case .timeouts: text.append(decimal: found.figures.timeouts)
                case .retransmissions: text.append(decimal: found.figures.retransmissions)
                case .restarts: text.append(decimal: found.figures.restarts)
                }
                text.append("\n")
            }
        }
        writeHead("rtpproxy_node_state", "1 for the state that it is in.", "gauge", &text)
        for position in 0..<nodes {
            guard let found = nodeStatistics(host, position) else { continue }
            for state in NodeState.allCases {
                text.append("rtpproxy_node_state")
                writeLabels(position, found, &text)
                text.append(",state=\"")
                text.append(state.text)
                text.append(state == found.state ? "\"} 1\n" : "\"} 0\n")
            }
        }
        writeHead("rtpproxy_node_round_trip_seconds", "How long it took to answer a message.", "histogram", &text)
        for position in 0..<nodes {
            guard let found = nodeStatistics(host, position) else { continue }
            writeHistogram(position, found, &text)
        }
    }

    private func writeHistogram(_ position: Int, _ found: NodeStatistics, _ text: inout [UInt8]) {
        var total: UInt64 = 0
        for part in 0..<RoundTripSpread.parts {
            total &+= found.spread.counts[part]
            text.append("rtpproxy_node_round_trip_seconds_bucket")
            writeLabels(position, found, &text)
            text.append(",le=\"")
            if let end = RoundTripSpread.end(ofPart: part) {
                appendSeconds(microseconds: end, &text)
            } else {
                text.append("+Inf")
            }
            text.append("\"} ")
            text.append(decimal: total)
            text.append("\n")
        }
        text.append("rtpproxy_node_round_trip_seconds_sum")
        writeLabels(position, found, &text)
        text.append("} ")
        appendSeconds(microseconds: found.spread.sumMicroseconds, &text)
        text.append("\nrtpproxy_node_round_trip_seconds_count")
        writeLabels(position, found, &text)
        text.append("} ")
        text.append(decimal: total)
        text.append("\n")
    }

    private func isUp(_ state: NodeState) -> Bool {
        switch state {
        case .up, .suspect, .draining: true
        case .starting, .down, .disabled: false
        }
    }

    private func writeHead(
        _ name: StaticString, _ help: StaticString, _ type: StaticString, _ text: inout [UInt8]
    ) {
        text.append("# HELP ")
        text.append(name)
        text.append(" ")
        text.append(help)
        text.append("\n# TYPE ")
        text.append(name)
        text.append(" ")
        text.append(type)
        text.append("\n")
    }

    /// Writes the labels that a node is told by, without the brace behind them.
    private func writeLabels(_ position: Int, _ found: NodeStatistics, _ text: inout [UInt8]) {
        text.append("{url=\"")
        table.withURL(listedNode(position) ?? -1) { url in
            for index in 0..<url.count {
                switch url[index] {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                    text.append("\\")
                    text.append(url[index])
                // What is no ASCII need not be UTF-8, which the format is.
                case 0x20..<0x7F: text.append(url[index])
                default: text.append("?")
                }
            }
        }
        text.append("\",set=\"")
        text.append(decimal: UInt64(found.setID))
        text.append("\",index=\"")
        text.append(decimal: UInt64(found.index))
        text.append("\"")
    }

    /// Writes microseconds as seconds, with six digits behind the point.
    private func appendSeconds(microseconds: UInt64, _ text: inout [UInt8]) {
        text.append(decimal: microseconds / 1_000_000)
        text.append(".")
        let rest = microseconds % 1_000_000
        var place: UInt64 = 100_000
        while place > 0 {
            text.append(UInt8(truncatingIfNeeded: rest / place % 10) &+ 0x30)
            place /= 10
        }
    }
}
