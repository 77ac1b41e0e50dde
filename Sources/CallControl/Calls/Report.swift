// SPDX-License-Identifier: GPL-2.0-or-later
// What an operator's journal tells apart: a line of the log with its kind, its RTPProxy and its call beside it.

import Bytes
import SharedState

/// What a report is about.
package enum ReportKind: Sendable {
    /// The configuration is read: the server starts.
    case started
    /// A parameter cannot be used: the server does not start.
    case badParameter
    /// A node answers, for the first time or again.
    case nodeUp
    /// It has failed.
    case nodeDown
    /// The operator has switched it on, or gives it new calls again.
    case nodeEnabled
    /// The operator has switched it off.
    case nodeDisabled
    /// The operator gives it no new calls.
    case nodeDraining
    /// It gets no new calls and has none left.
    case nodeDrained
    /// It has been started again, without its sessions.
    case nodeRestarted
    /// The sets were read from the database again.
    case reloaded
    /// A function failed.
    case callRefused
    /// A function found no node.
    case noNode
}

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
