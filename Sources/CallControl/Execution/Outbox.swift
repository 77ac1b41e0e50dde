// SPDX-License-Identifier: GPL-2.0-or-later
// What the host is to be told: counts, lines of the log, and the node that was chosen. Gathered while calls are driven
// and told in one go, so that the code that drives them is there once and not once for each kind of host.

import Bytes
import SharedState

/// Gathered by a worker, emptied by `Worker.tell`.
struct Outbox {
    /// A line of the log, or a report where it has a kind.
    struct Line {
        let kind: ReportKind?
        let level: LogLevel
        /// What of `text` it is.
        let range: ByteRange
        /// The node that it is about; nil: none.
        let node: Int?
        let setID: UInt32?
        let state: StaticString
        let file: StaticString
    }

    private(set) var counts = Scratch<(which: ServerCounter, amount: UInt32)>()
    private(set) var lines: [Line] = []
    /// Nodes that were chosen, in order.
    var instances = Scratch<Int>()
    private(set) var text: [UInt8] = []

    var isEmpty: Bool { counts.isEmpty && lines.isEmpty && instances.isEmpty }

    /// Room for what an ordinary call tells.
    mutating func reserve() {
        counts.reserveCapacity(16)
        lines.reserveCapacity(4)
        instances.reserveCapacity(8)
        text.reserveCapacity(512)
    }

    mutating func count(_ which: ServerCounter, _ amount: UInt32 = 1) { counts.append((which, amount)) }

    /// Takes one of the counts out, nil where there is none left.
    mutating func takeCount() -> (which: ServerCounter, amount: UInt32)? {
        guard let last = counts.last else { return nil }
        // NO TRAP: takes none out where there is none.
        counts.removeLast()
        return last
    }

    mutating func choose(_ node: Int) { instances.append(node) }

    mutating func log(_ level: LogLevel, _ line: [UInt8]) {
        report(nil, level, line, node: nil, setID: nil, state: "", file: "")
    }

    /// Adds `line`, which is about `node`.
    mutating func report(
        _ kind: ReportKind?, _ level: LogLevel, _ line: [UInt8], node: Int?, setID: UInt32?, state: StaticString,
        file: StaticString
    ) {
        let start = text.count
        text.append(line.span)
        lines.append(
            Line(
                kind: kind, level: level, range: ByteRange(from: start, to: text.count), node: node,
                setID: setID, state: state, file: file))
    }

    mutating func removeAll() {
        instances.clear()
        lines.removeAll(keepingCapacity: true)
        text.removeAll(keepingCapacity: true)
    }
}

extension Worker {
    /// Tells the host of a call what has been gathered.
    mutating func tell<Host: CallHost>(callHost host: Host) {
        if outbox.isEmpty { return }
        for node in outbox.instances { table.withURL(node) { host.setInstance($0) } }
        tell(host)
    }

    /// Tells a host what has been gathered.
    mutating func tell<Host: ServerHost>(_ host: Host) {
        while let entry = outbox.takeCount() { host.count(entry.which, entry.amount) }
        if outbox.lines.isEmpty { outbox.instances.clear() } else { tellLines(host) }
    }

    @inline(never)
    private mutating func tellLines<Host: ServerHost>(_ host: Host) {
        // Moved out first, because the host may call back.
        var gathered = Outbox()
        swap(&gathered, &outbox)
        for line in gathered.lines {
            let bytes = gathered.text.span
            let inside = bytes.clamped(line.range)
            // SAFETY (1): `inside` lies within `bytes`, as clamped(_:) upholds.
            let text = unsafe bytes.extracting(unchecked: inside.start..<inside.end)
            guard let kind = line.kind else {
                host.log(line.level, text)
                continue
            }
            table.withURL(line.node ?? -1) {
                host.report(
                    kind, line.level, text, url: $0, setID: line.setID, state: line.state, callID: Span(),
                    file: line.file)
            }
        }
        gathered.removeAll()
        swap(&gathered, &outbox)
    }
}
