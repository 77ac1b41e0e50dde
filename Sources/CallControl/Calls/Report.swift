// SPDX-License-Identifier: GPL-2.0-or-later
// What an operator's journal tells apart: a line of the log with its kind, its RTPProxy and its call beside it.

import Bytes
import SharedState

extension ServerHost {
    /// By default no debug lines are wanted.
    package var wantsDebug: Bool { false }

    /// By default no parameter changes.
    package var news: Tuning? { nil }

    /// A host without a journal logs the line.
    package func report(
        _ kind: ReportKind, _ level: LogLevel, _ line: Span<UInt8>, url: Span<UInt8>, setID: UInt32?,
        state: StaticString, callID: Span<UInt8>, file: StaticString
    ) {
        log(level, line)
    }

    /// Reports what is about no node and no call.
    package func report(
        _ kind: ReportKind, _ level: LogLevel, _ line: Span<UInt8>, file: StaticString = #fileID
    ) {
        report(kind, level, line, url: Span(), setID: nil, state: "", callID: Span(), file: file)
    }
}

extension Worker {
    /// Reports the line that has been gathered, which is about `node`.
    mutating func reportNode(_ kind: ReportKind, _ level: LogLevel, _ node: Int, file: StaticString = #fileID) {
        outbox.report(
            kind, level, line, node: node, setID: table.setID(node), state: nodeState(node).text, file: file)
    }
}
