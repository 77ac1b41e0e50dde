// SPDX-License-Identifier: GPL-2.0-or-later
// The lines of the log that are about a call.

import Bytes
import SharedState

extension Worker {
    /// Writes the one log line of a function that failed, and says what the script gets. `node`: the one that it is
    /// about.
    mutating func finish<Host: CallHost>(
        _ host: Host, _ failure: CallFailure, node: Int?, isMedia: Bool
    ) -> ReturnCode {
        if let counter = failure.counter { host.count(counter) }
        let node = failure.isAboutANode ? node : nil
        if failure.isLogged, let untold = untold(failure, setID: node.map { table.setID($0) } ?? failure.setID, host) {
            line.removeAll(keepingCapacity: true)
            line.append("call ")
            let start = line.count
            host.with(.callID) { line.append(printable: $0, $0.all) }
            let callID = ByteRange(from: start, to: line.count)
            line.append(": ")
            describe(failure, node)
            appendUntold(untold)
            reportCall(host, failure, callID, node)
        }
        let code = failure.returnCode
        return code == .noNode && !isMedia ? .error : code
    }

    /// How many calls of the set have failed like this without a line since the last one; nil: this one gets no line
    /// either.
    private func untold<Host: CallHost>(_ failure: CallFailure, setID: UInt32?, _ host: Host) -> UInt32? {
        // NO TRAP: position(ofSet:) gives an index of the sets.
        guard let cause = failure.outage, let setID, let position = directory.position(ofSet: setID),
            let first = directory.sets[position].nodes.first
        else { return 0 }
        return table.mayTell(first, cause, tick: host.ticks)
    }

    private mutating func appendUntold(_ count: UInt32) {
        guard count > 0 else { return }
        line.append(" (and ")
        // NO TRAP: a count, which is not negative.
        line.append(decimal: UInt64(count))
        line.append(" calls more since the last such line)")
    }

    /// Tells how many calls have failed without a line, where no other has failed since. From the module's own process.
    mutating func tellOfSilentCalls<Host: ServerHost>(_ host: Host) {
        for set in directory.sets {
            guard let first = set.nodes.first else { continue }
            for cause in OutageCause.allCases {
                guard let count = table.takeSilent(first, cause, tick: host.ticks) else { continue }
                line.removeAll(keepingCapacity: true)
                line.append("set ")
                line.append(decimal: UInt64(widening: set.id))
                line.append(": ")
                // NO TRAP: a count, which is not negative.
                line.append(decimal: UInt64(count))
                line.append(" calls more ")
                switch cause {
                case .noNode: line.append("found no RTPProxy available")
                case .unanswered: line.append("had no answer of an RTPProxy")
                case .refused: line.append("were refused by an RTPProxy")
                }
                host.log(.error, line.span)
            }
        }
    }

    private mutating func describe(_ failure: CallFailure, _ node: Int?) {
        appendCallNode(node)
        failure.describe(into: &line)
    }

    /// Reports the line that has been gathered, in which the Call-ID stands at `range`. `node`: the one that it is
    /// about.
    private func reportCall<Host: CallHost>(
        _ host: Host, _ failure: CallFailure, _ range: ByteRange, _ node: Int?
    ) {
        let text = line
        let inside = text.span.clamped(range)
        // SAFETY (1): `inside` lies within `text`, as clamped(_:) upholds.
        let callID = unsafe text.span.extracting(unchecked: inside.start..<inside.end)
        guard let node else {
            let kind: ReportKind = failure.isNoNode ? .noNode : .callRefused
            return host.report(
                kind, failure.isWarning ? .warning : .error, text.span, url: Span(), setID: failure.setID, state: "",
                callID: callID, file: #fileID)
        }
        table.withURL(node) {
            host.report(
                .callRefused, .error, text.span, url: $0, setID: table.setID(node), state: nodeState(node).text,
                callID: callID, file: #fileID)
        }
    }

    /// Warns that the node does not do all that was asked for in this call.
    mutating func warn(_ call: borrowing Call, _ what: StaticString) {
        beginWarning(call)
        line.append(what)
        outbox.log(.warning, line)
    }

    /// Begins a line about the call and the node that its commands went to last.
    mutating func beginWarning(_ call: borrowing Call) {
        beginLine(call)
        appendCallNode(call.run.subject)
    }

    /// Begins a line about the call.
    mutating func beginLine(_ call: borrowing Call) {
        line.removeAll(keepingCapacity: true)
        line.append("call ")
        line.append(printable: call.identity.text.memory.span, call.identity.bareCallID)
        line.append(": ")
    }

    private mutating func appendCallNode(_ node: Int?) {
        guard let node else { return }
        line.append("RTPProxy ")
        table.withURL(node) { line.append(printable: $0, $0.all, limit: 255) }
        line.append(" ")
    }
}
