// SPDX-License-Identifier: GPL-2.0-or-later
// A handed-over call as the use cases see it: its message is the record.

import Bytes
package import SDP

/// What became of the transaction that waited for a call.
package enum Resumption: Sendable {
    /// It goes on with what it was given.
    case taken
    /// It is gone, or its message could not be changed: what was created is to be deleted.
    case gone
    /// The record is the host's now: another process goes on.
    case handedOver
    /// Another process holds it: to be tried again.
    case heldUp
}

/// The host of a process that drives other processes' calls.
package protocol JobHost: ServerHost {
    /// Lets the transaction of `record` go on: with `code`, after `edits` of its message where the code is `done`.
    /// `instance`: the URL of the node that was chosen, empty where none was.
    func resume(
        _ record: JobRecord, _ code: ReturnCode, _ edits: borrowing EditList, instance: Span<UInt8>
    ) -> Resumption
    /// The same for one that was held up: the host has kept what it was given.
    func resumeAgain(_ record: JobRecord) -> Resumption
    /// Gives the memory of a record back.
    func release(_ record: JobRecord)
}

/// The message of a record.
struct JobMessage<Host: ServerHost>: CallHost {
    let host: Host
    let record: JobRecord
    let facts: MessageFacts

    init(_ host: Host, _ record: JobRecord) {
        self.host = host
        self.record = record
        facts = record.facts
    }

    func log(_ level: LogLevel, _ line: Span<UInt8>) { host.log(level, line) }

    func report(
        _ kind: ReportKind, _ level: LogLevel, _ line: Span<UInt8>, url: Span<UInt8>, setID: UInt32?,
        state: StaticString, callID: Span<UInt8>, file: StaticString
    ) {
        host.report(kind, level, line, url: url, setID: setID, state: state, callID: callID, file: file)
    }

    var wantsDebug: Bool { host.wantsDebug }
    var news: Tuning? { host.news }
    var ticks: UInt32 { host.ticks }

    func count(_ which: ServerCounter, _ amount: UInt32) { host.count(which, amount) }

    func with<Result, Failure: Error>(
        _ field: MessageField, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try record.with(JobText(field), body)
    }

    func withVariable<Result>(_ variable: CallVariable, _ body: (Span<UInt8>, _ isNull: Bool) -> Result) -> Result? {
        let text = JobText(variable)
        // NO TRAP: a text's raw value is 0...13.
        let bit: UInt16 = 1 << UInt16(text.rawValue)
        guard record.header.configured & bit != 0 else { return nil }
        return record.with(text) { body($0, record.header.unset & bit != 0) }
    }

    /// The host is told when the transaction goes on.
    func setInstance(_ url: Span<UInt8>) {}

    /// The worker has checked this.
    var bodyState: BodyState { .asItCame }

    /// The edits are made when the transaction goes on.
    func apply(_ edits: borrowing EditList) -> Bool { true }

    /// The worker has seen this.
    var isFirstAnswer: Bool { record.kind == .answer && record.header.isFirst }

    /// The worker has decided what to do, and marked what is to be marked.
    var transaction: TransactionState { .none }
    var goesToWebSocket: Bool { false }
    func markTransaction() {}
}

extension JobText {
    init(_ field: MessageField) {
        self =
            switch field {
            case .callID: .callID
            case .fromTag: .fromTag
            case .toTag: .toTag
            case .via1Branch: .via1Branch
            case .via2Branch: .via2Branch
            case .contentType: .contentType
            case .body: .body
            case .source: .source
            case .received: .received
            case .ownBranch: .ownBranch
            }
    }

    init(_ variable: CallVariable) {
        self =
            switch variable {
            case .extraID: .extraID
            case .timeoutTag: .timeoutTag
            case .icePriority: .icePriority
            }
    }
}

extension JobRecord {
    /// Lends the body that the edits are of.
    package func withBody<Result>(_ body: (Span<UInt8>) -> Result) -> Result { with(.body, body) }

    var kind: JobKind? { JobKind(rawValue: header.kind) }

    /// Whether a success creates a session.
    var createsSession: Bool { kind == .offer && header.isFirst }

    /// From now on it deletes what its offer created; false where that has created nothing.
    func becomeUndo() -> Bool {
        guard createsSession else { return false }
        header.kind = JobKind.undoOffer.rawValue
        return true
    }

    var facts: MessageFacts {
        let header = header
        var facts = MessageFacts()
        facts.id = header.messageID
        facts.process = header.process
        facts.isRequest = header.isRequest
        facts.method = SIPMethod(rawValue: header.method) ?? .other
        facts.status = Int(widening: header.status)
        facts.hasBody = header.hasBody
        facts.hasContentType = header.hasContentType
        facts.contentLength = header.contentLength < 0 ? nil : Int(widening: header.contentLength)
        return facts
    }
}
