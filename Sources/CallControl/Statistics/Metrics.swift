// SPDX-License-Identifier: GPL-2.0-or-later
// All figures as Prometheus reads them: the text format, version 0.0.4, in pages, each within one buffer of the host's.
//
// Those of the server come first, on as many pages as they need, then the nodes. How many fit on a page is made of what
// they take at most, with all numbers at their longest, so that each stays on its page while they grow.

import Bytes
import SharedState

/// A metric of each node.
private enum NodeMetric: CaseIterable {
    case up, stateSeconds, weight, smoothed, calls, commands, answered, errors, timeouts, retransmissions
    case restarts, state, roundTrip

    /// How it is shown. This is the only place that says so.
    var row: NodeMetricRow {
        switch self {
        case .up: NodeMetricRow("node_up", "gauge", "Whether it takes commands.")
        case .stateSeconds:
            NodeMetricRow("node_state_seconds", "gauge", "For how long its state has been what it is.")
        case .weight: NodeMetricRow("node_weight", "gauge", "Its weight in its set.")
        case .smoothed:
            NodeMetricRow(
                "node_smoothed_round_trip_seconds", "gauge", "Its usual time to answer, 0 before the first answer.")
        case .calls: NodeMetricRow("node_calls", "gauge", "Calls of the call table that it holds.")
        case .commands: NodeMetricRow("node_commands_total", "counter", "Commands of calls that went to it, each once.")
        case .answered:
            NodeMetricRow("node_answered_total", "counter", "Commands that it answered, errors among the answers.")
        case .errors: NodeMetricRow("node_errors_total", "counter", "Answers that were an error.")
        case .timeouts: NodeMetricRow("node_timeouts_total", "counter", "Commands that it did not answer in time.")
        case .retransmissions:
            NodeMetricRow("node_retransmissions_total", "counter", "Times that a command was sent again.")
        case .restarts:
            NodeMetricRow("node_restarts_total", "counter", "Times that it was seen to have been restarted.")
        case .state: NodeMetricRow("node_state", "gauge", "1 for the state that it is in.")
        case .roundTrip:
            NodeMetricRow("node_round_trip_seconds", "histogram", "How long it took to answer a message.")
        }
    }
}

/// The name of a metric behind `rtpproxy_`, and what stands above its lines.
private struct NodeMetricRow {
    let name: StaticString
    let type: StaticString
    let help: StaticString

    init(_ name: StaticString, _ type: StaticString, _ help: StaticString) {
        self.name = name
        self.type = type
        self.help = help
    }
}

/// What a line of a node takes at most beside the URL: the longest name, a bound of the histogram, a number, and of a set
/// and an index eight digits together.
private let longestLine = 110

extension Worker {
    /// Writes page `page`, from 1, none longer than `room` bytes; nothing where there is no such page. `values`: those of
    /// the server's counters and gauges, in their order. How many pages there are; 0: `room` is too small for any.
    @_optimize(size)
    package mutating func writeMetrics<Host: ServerHost>(
        _ host: Host, _ values: Span<UInt64>, page: Int, room: Int, into text: inout [UInt8]
    ) -> Int {
        let nodes = nodeCount()
        // What the parts take, found out by writing them.
        text.clear()
        let head = writePages(0, &text)
        guard let server = serverPage(page, values.count, head: head, room: room, &text) else { return 0 }
        text.clear()
        writeNodes(host, 0..<0, &text)
        let heads = text.count
        var url = 0
        // NO TRAP: a count is never negative.
        for position in 0..<nodes {
            text.clear()
            writeURL(position, &text)
            url = max(url, text.count)
        }
        text.clear()
        let lines = NodeMetric.allCases.count &+ NodeState.allCases.count &+ RoundTripSpread.parts
        let node = lines &* (url &+ longestLine)
        // NO TRAP (2): node is lines times 110 and more, both above 0.
        let first = min(max(room &- server.length &- heads, 0) / node, nodes)
        let each = max(room &- head &- heads, 0) / node
        guard each > 0 || first == nodes else { return 0 }
        // NO TRAP: the guard above leaves each above 0 where first is not nodes.
        let pages = server.pages &+ (first == nodes ? 0 : (nodes &- first &+ each &- 1) / each)
        guard page >= 1, page <= pages else { return pages }
        _ = writePages(pages, &text)
        if page <= server.pages {
            for position in server.positions { writeFigure(values, position, &text) }
            // NO TRAP: first is above 0, the condition says.
            if page == server.pages, first > 0 { writeNodes(host, 0..<first, &text) }
        } else {
            let start = first &+ (page &- server.pages &- 1) &* each
            // NO TRAP: page is at most pages, so that start is below nodes, and each is above 0.
            writeNodes(host, start..<min(start &+ each, nodes), &text)
        }
        return pages
    }

    /// How many pages the `count` figures of the server take, which of them page `page` has, and how long the last of
    /// these pages is at most, with `head` bytes before its figures; nil where one does not fit into `room`.
    @_optimize(size)
    private func serverPage(
        _ page: Int, _ count: Int, head: Int, room: Int, _ text: inout [UInt8]
    ) -> (pages: Int, positions: Range<Int>, length: Int)? {
        var (pages, start, length) = (1, 0, head)
        var positions = 0..<0
        // NO TRAP: a count is never negative.
        for position in 0..<count {
            text.clear()
            writeFigure(Span(), position, &text)
            // One digit of at most twenty is there.
            let most = text.count &+ 19
            if length &+ most > room, position > start {
                if pages == page { positions = start..<position }
                (pages, start, length) = (pages &+ 1, position, head)
            }
            length &+= most
            guard length <= room else { return nil }
        }
        // NO TRAP: start is 0, or an earlier position.
        if pages == page { positions = start..<count }
        return (pages, positions, length)
    }

    /// Writes how many pages there are, and gives how long that is at most.
    @inline(never)
    private func writePages(_ pages: Int, _ text: inout [UInt8]) -> Int {
        writeHead("metrics_pages", "Pages that all these metrics take.", "gauge", &text)
        text.append("rtpproxy_metrics_pages ")
        text.append(decimal: UInt64(clamping: pages))
        text.append("\n")
        return text.count &+ 20
    }

    /// Writes the figure of the server at `position`; as 0 where there is no value of it.
    @inline(never)
    private func writeFigure(_ values: Span<UInt64>, _ position: Int, _ text: inout [UInt8]) {
        // Each node has its own.
        if position == ServerCounter.nodeRestarts.rawValue { return }
        guard let (row, gauge) = CounterRow.at(position) else { return }
        let isCounter = gauge?.isTotal ?? true
        writeHead(row.name, row.help, isCounter ? "counter" : "gauge", isTotal: isCounter, &text)
        text.append("rtpproxy_")
        text.append(row.name)
        text.append(isCounter ? "_total " : " ")
        // NO TRAP: compared first; it is never negative.
        text.append(decimal: position < values.count ? values[position] : 0)
        text.append("\n")
    }

    /// Writes the metrics of the nodes in `positions`.
    @inline(never)
    @_optimize(size)
    private mutating func writeNodes<Host: ServerHost>(
        _ host: Host, _ positions: Range<Int>, _ text: inout [UInt8]
    ) {
        for metric in NodeMetric.allCases {
            let row = metric.row
            writeHead(row.name, row.help, row.type, &text)
            for position in positions {
                guard let found = nodeStatistics(host, position) else { continue }
                write(metric, position, found, &text)
            }
        }
    }

    @_optimize(size)
    private func write(_ metric: NodeMetric, _ position: Int, _ found: NodeStatistics, _ text: inout [UInt8]) {
        let value: UInt64
        switch metric {
        case .up: value = isUp(found.state) ? 1 : 0
        case .stateSeconds: value = UInt64(widening: found.stateSeconds)
        case .weight: value = UInt64(widening: found.weight)
        case .smoothed: value = UInt64(widening: found.smoothedMicroseconds)
        case .calls: value = UInt64(widening: found.figures.calls)
        case .commands: value = found.figures.commands
        case .answered: value = found.figures.answered
        case .errors: value = found.figures.errors
        case .timeouts: value = found.figures.timeouts
        case .retransmissions: value = found.figures.retransmissions
        case .restarts: value = found.figures.restarts
        case .state:
            for state in NodeState.allCases {
                text.append("rtpproxy_node_state")
                writeLabels(position, found, &text)
                text.append(",state=\"")
                text.append(state.text)
                text.append(state == found.state ? "\"} 1\n" : "\"} 0\n")
            }
            return
        case .roundTrip: return writeHistogram(position, found, &text)
        }
        text.append("rtpproxy_")
        text.append(metric.row.name)
        writeLabels(position, found, &text)
        text.append("} ")
        if metric == .smoothed { appendSeconds(microseconds: value, &text) } else { text.append(decimal: value) }
        text.append("\n")
    }

    @_optimize(size)
    private func writeHistogram(_ position: Int, _ found: NodeStatistics, _ text: inout [UInt8]) {
        var total: UInt64 = 0
        // NO TRAP (2): 0 to a constant that is above it; there are `parts` counts.
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

    @inline(never)
    private func writeHead(
        _ name: StaticString, _ help: StaticString, _ type: StaticString, isTotal: Bool = false, _ text: inout [UInt8]
    ) {
        text.append("# HELP rtpproxy_")
        text.append(name)
        text.append(isTotal ? "_total " : " ")
        text.append(help)
        text.append("\n# TYPE rtpproxy_")
        text.append(name)
        text.append(isTotal ? "_total " : " ")
        text.append(type)
        text.append("\n")
    }

    /// Writes the labels that a node is told by, without the brace behind them.
    @inline(never)
    private func writeLabels(_ position: Int, _ found: NodeStatistics, _ text: inout [UInt8]) {
        text.append("{url=\"")
        writeURL(position, &text)
        text.append("\",set=\"")
        text.append(decimal: UInt64(widening: found.setID))
        text.append("\",index=\"")
        text.append(decimal: UInt64(widening: found.index))
        text.append("\"")
    }

    @_optimize(size)
    private func writeURL(_ position: Int, _ text: inout [UInt8]) {
        table.withURL(listedNode(position) ?? -1) { url in
            for index in 0..<url.count {
                // NO TRAP (3): index < url.count.
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
    }

    /// Writes microseconds as seconds, with six digits behind the point.
    @inline(never)
    private func appendSeconds(microseconds: UInt64, _ text: inout [UInt8]) {
        text.append(decimal: microseconds / 1_000_000)
        text.append(".")
        let rest = microseconds % 1_000_000
        var place: UInt64 = 100_000
        while place > 0 {
            // NO TRAP: place > 0 is the loop's condition.
            text.append(UInt8(truncatingIfNeeded: rest / place % 10) &+ 0x30)
            place /= 10
        }
    }
}
