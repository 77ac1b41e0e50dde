// SPDX-License-Identifier: GPL-2.0-or-later
// What the use cases ask of their host: the message, a log, a clock, and a place for the edits.

package import SDP

/// How much a log line matters.
package enum LogLevel: Sendable {
    case error
    case warning
    case notice
    case info
    /// What a call does, step by step.
    case debug
}

/// What every process of the host can do.
package protocol ServerHost {
    /// Writes one line; it holds printable ASCII only.
    func log(_ level: LogLevel, _ line: Span<UInt8>)
    /// The same with what a journal has fields for; an empty text is absent. `state`: that of the node. `callID`:
    /// printable. `file`: the source file that reports.
    func report(
        _ kind: ReportKind, _ level: LogLevel, _ line: Span<UInt8>, url: Span<UInt8>, setID: UInt32?,
        state: StaticString, callID: Span<UInt8>, file: StaticString)
    /// Whether lines of the level `debug` are written.
    var wantsDebug: Bool { get }
    /// The parameters that can be changed, if they have changed since this process last asked; else nil.
    var news: Tuning? { get }
    /// Seconds since start.
    var ticks: UInt32 { get }
    /// Adds `amount` to what is counted over all processes. Costs next to nothing: calls count all they do.
    func count(_ which: ServerCounter, _ amount: UInt32)
}

/// A method, as far as the module tells methods apart.
package enum SIPMethod: UInt8, Sendable {
    case invite, ack, bye, cancel, update, prack, other
}

/// The kind of route a function is called from, as far as it matters.
package enum RouteKind: Sendable {
    case failure, branchFailure, other
}

/// What tm knows of a reply's transaction.
package enum TransactionState: Sendable {
    /// tm is not loaded, or there is none.
    case none
    /// Its INVITE was marked: it carried SDP.
    case offered
    /// Its INVITE was not.
    case notOffered
}

/// What has become of a message's body before a call.
package enum BodyState: Sendable {
    /// Nothing that will be sent, as far as the host knows.
    case asItCame
    /// An earlier call has rewritten it.
    case rewritten
    /// Other functions have edits of it that are not made yet: what it is going to be is not known.
    case edited
}

/// What of a message is not text.
package struct MessageFacts: Sendable {
    /// With `process`, what tells one message from the next.
    package var id: UInt32 = 0
    package var process: Int32 = 0
    package var isRequest = true
    /// Of a reply: that of its CSeq.
    package var method = SIPMethod.other
    /// Of a reply: 100..699.
    package var status = 0
    package var route = RouteKind.other
    /// Whether anything stands behind the headers.
    package var hasBody = false
    /// Value of Content-Length, nil where there is none.
    package var contentLength: Int?
    /// Whether there is a Content-Type.
    package var hasContentType = false
    /// Whether nobody has sent the message: it names no call.
    package var isMadeUp = false

    package init() {}
}

/// What of a message is text.
package enum MessageField: Sendable {
    case callID, fromTag, toTag, via1Branch, via2Branch, contentType, body, source, received
    /// The branch of the Via that the host puts on top of a request; empty where that is not known.
    case ownBranch
}

/// Variables that the configuration names.
package enum CallVariable: Sendable {
    case extraID, timeoutTag, icePriority
}

/// Which session a dialog has that the host looks after.
package struct EngagedSession: Sendable {
    package let setID: UInt32
    /// Whether a Via branch joins the Call-ID: what the message says is the branch is that one.
    package let hasBranch: Bool
    /// Whether the value of extra_id_pv does.
    package let hasExtraID: Bool

    package init(setID: UInt32, hasBranch: Bool, hasExtraID: Bool) {
        (self.setID, self.hasBranch, self.hasExtraID) = (setID, hasBranch, hasExtraID)
    }
}

/// A SIP message in the hands of its host. What it lends is lent for the closure.
package protocol CallHost: ServerHost {
    var facts: MessageFacts { get }
    /// Lends a field; empty where the message has none.
    func with<Result, Failure: Error>(
        _ field: MessageField, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result
    /// Lends the text of a variable and whether it is unset; nil where none is configured.
    func withVariable<Result>(_ variable: CallVariable, _ body: (Span<UInt8>, _ isNull: Bool) -> Result) -> Result?
    /// Stores the URL of the node that was chosen.
    func setInstance(_ url: Span<UInt8>)
    /// What has become of the body before this call.
    var bodyState: BodyState { get }
    /// Makes all edits of the body, or none and says so.
    func apply(_ edits: borrowing EditList) -> Bool
    var transaction: TransactionState { get }
    /// Whether the request, or the one that a reply belongs to, has a to-tag. Of a reply without a transaction: false.
    var isWithinDialog: Bool { get }
    /// Whether a reply is to an INVITE without a to-tag, and no final answer to that has gone on yet. Without a transaction:
    /// false.
    var isFirstAnswer: Bool { get }
    /// Whether the message goes to a client by WebSocket.
    var goesToWebSocket: Bool { get }
    /// The session of the message's dialog where the host looks after that; else nil.
    var engagedSession: EngagedSession? { get }
    /// Marks the transaction of an INVITE with SDP.
    func markTransaction()
    /// Memory for a record that is to be postponed, aligned to 8; nil where there is none.
    func newRecord(_ size: Int) -> UnsafeMutableRawPointer?
    /// Keeps a deletion with the transaction of an INVITE that has failed, until it shows whether the call goes on to
    /// another destination; false: it cannot be kept.
    func postpone(_ record: JobRecord) -> Bool
    /// Takes what is kept out again; nil where nothing is.
    func takePostponed() -> JobRecord?
    /// Gives the memory of a record back.
    func drop(_ record: JobRecord)
}

extension CallHost {
    package var engagedSession: EngagedSession? { nil }

    /// What names the session for a function that has no flags of its own.
    var sessionFlags: CallFlags {
        var flags = CallFlags()
        guard let session = engagedSession else { return flags }
        if session.hasBranch { flags.branch = .first }
        flags.usesExtraID = session.hasExtraID
        return flags
    }

    // A host without transactions keeps nothing.
    package func newRecord(_ size: Int) -> UnsafeMutableRawPointer? { nil }
    package func postpone(_ record: JobRecord) -> Bool { false }
    package func takePostponed() -> JobRecord? { nil }
    package func drop(_ record: JobRecord) {}

    /// A request says it itself; for a reply, only a host that keeps transactions knows.
    package var isWithinDialog: Bool { facts.isRequest && with(.toTag) { !$0.isEmpty } }
}
