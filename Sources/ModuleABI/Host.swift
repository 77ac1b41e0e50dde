// SPDX-License-Identifier: GPL-2.0-or-later
// The host's callbacks as the use cases want them. Every pointer is valid for the entry point's call only.
//
// SAFETY (20 in this file): create has checked that every service is there, and none is called but by `?`; what is lent
// lives for the call.
//
// SAFETY (20 in this file): the glue lends the message for the call, and the module lives longer.
//
// SAFETY (16 in this file): what is lent lives for the call.

import Bytes
import RTPProxyABI
import CallControl
import SDP

/// The host outside a call: log and clock.
@safe struct Host: EventHost, FleetHost {
    private let services: rtpp_host

    init(_ services: rtpp_host) { self.services = services }

    func log(_ level: LogLevel, _ line: Span<UInt8>) {
        unsafe services.log?(rtpp_level(level), rtpp_bytes(lending: line))
    }

    func report(
        _ kind: ReportKind, _ level: LogLevel, _ line: Span<UInt8>, url: Span<UInt8>, setID: UInt32?,
        state: StaticString, callID: Span<UInt8>, file: StaticString
    ) {
        var report = unsafe rtpp_report()
        unsafe report.id = rtpp_bytes(static: kind.id)
        unsafe report.level = rtpp_level(level)
        unsafe report.line = rtpp_bytes(lending: line)
        if !url.isEmpty { unsafe report.url = rtpp_bytes(lending: url) }
        if state.utf8CodeUnitCount > 0 { unsafe report.state = rtpp_bytes(static: state) }
        unsafe report.has_set = setID != nil
        unsafe report.set_id = setID ?? 0
        if !callID.isEmpty { unsafe report.call_id = rtpp_bytes(lending: callID) }
        unsafe report.file = rtpp_bytes(static: file)
        unsafe services.report?(&report)
    }

    var wantsDebug: Bool { services.wants_debug?() ?? false }

    var news: Tuning? {
        var tuning = rtpp_tuning()
        // SAFETY: a variable of our own for the time of the call.
        guard unsafe services.tuning?(&tuning) ?? false else { return nil }
        return Tuning(
            timeoutMilliseconds: tuning.timeout_ms, tries: tuning.tries, disableSeconds: tuning.disable_seconds,
            pingSeconds: tuning.ping_seconds, isHedging: tuning.hedges)
    }

    var ticks: UInt32 { services.ticks?() ?? 0 }

    func count(_ which: ServerCounter, _ amount: UInt32) { services.count?(which.rawValue, amount) }

    func release(_ record: JobRecord) { unsafe services.release?(record.base) }

    func takeDeletion() -> JobRecord? {
        // SAFETY: what the host gives is what rtpp_end_engagement_later has made.
        guard let memory = services.take_deletion?() else { return nil }
        return unsafe JobRecord(memory)
    }

    /// Whether the module's own process is to go on.
    var isWanted: Bool { services.is_wanted?() ?? false }

    func raise(_ event: NodeEvent, url: Span<UInt8>, setID: UInt32, reason: Span<UInt8>) {
        var raised = unsafe rtpp_event()
        unsafe raised.kind =
            switch event {
            case .nodeDown: .RTPP_EVENT_NODE_DOWN
            case .nodeUp: .RTPP_EVENT_NODE_UP
            case .nodeDrained: .RTPP_EVENT_NODE_DRAINED
            case .nodeRestarted: .RTPP_EVENT_NODE_RESTARTED
            }
        unsafe raised.url = rtpp_bytes(lending: url)
        unsafe raised.set_id = setID
        unsafe raised.reason = rtpp_bytes(lending: reason)
        unsafe services.raise?(&raised)
    }

    func broadcast(_ message: Span<UInt8>) { unsafe services.fleet_broadcast?(rtpp_bytes(lending: message)) }

    func send(_ message: Span<UInt8>, to address: Span<UInt8>, tag: UInt64) {
        unsafe services.fleet_send?(rtpp_bytes(lending: message), rtpp_bytes(lending: address), tag)
    }
}

extension rtpp_level {
    init(_ level: LogLevel) {
        self =
            switch level {
            case .error: .RTPP_LOG_ERROR
            case .warning: .RTPP_LOG_WARNING
            case .notice: .RTPP_LOG_NOTICE
            case .info: .RTPP_LOG_INFO
            case .debug: .RTPP_LOG_DEBUG
            }
    }
}

/// A message in the hands of the host.
@safe struct SIPMessage: SuspendableCall {
    private let services: rtpp_host
    private let message: UnsafePointer<rtpp_message>
    private let module: UnsafeMutablePointer<Module>
    let facts: MessageFacts

    /// The message of an entry point; nil for NULL.
    init?(_ module: UnsafeMutablePointer<Module>, _ message: UnsafePointer<rtpp_message>?) {
        guard let message = unsafe message else { return nil }
        services = unsafe module.pointee.host
        unsafe self.message = message
        unsafe self.module = module
        facts = unsafe MessageFacts(message.pointee)
    }

    func log(_ level: LogLevel, _ line: Span<UInt8>) { Host(services).log(level, line) }

    func report(
        _ kind: ReportKind, _ level: LogLevel, _ line: Span<UInt8>, url: Span<UInt8>, setID: UInt32?,
        state: StaticString, callID: Span<UInt8>, file: StaticString
    ) {
        Host(services).report(
            kind, level, line, url: url, setID: setID, state: state, callID: callID, file: file)
    }

    var wantsDebug: Bool { Host(services).wantsDebug }

    var news: Tuning? { Host(services).news }

    var ticks: UInt32 { services.ticks?() ?? 0 }

    func count(_ which: ServerCounter, _ amount: UInt32) { services.count?(which.rawValue, amount) }

    func with<Result, Failure: Error>(
        _ field: MessageField, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let bytes =
            switch field {
            case .callID: unsafe message.pointee.call_id
            case .fromTag: unsafe message.pointee.from_tag
            case .toTag: unsafe message.pointee.to_tag
            case .via1Branch: unsafe message.pointee.via1_branch
            case .via2Branch: unsafe message.pointee.via2_branch
            case .contentType: unsafe message.pointee.content_type
            case .body: unsafe message.pointee.body
            case .source: unsafe message.pointee.source
            case .received: unsafe message.pointee.received
            case .ownBranch: unsafe message.pointee.own_branch
            }
        // SAFETY: the glue lends the message's fields for the call.
        return try unsafe body(Span(_unsafeElements: bytes.buffer))
    }

    func withVariable<Result>(_ variable: CallVariable, _ body: (Span<UInt8>, _ isNull: Bool) -> Result) -> Result? {
        let which: rtpp_variable =
            switch variable {
            case .extraID: .RTPP_VARIABLE_EXTRA_ID
            case .timeoutTag: .RTPP_VARIABLE_TIMEOUT_TAG
            case .icePriority: .RTPP_VARIABLE_ICE_PRIORITY
            }
        if case .extraID = variable, let engagement = unsafe message.pointee.engagement {
            // It names the sessions of the dialog: what it was at the beginning holds to the end.
            let kept = unsafe engagement.pointee.extra_id
            guard unsafe kept.isPresent else { return nil }
            // SAFETY: the glue lends the engagement with its message.
            return unsafe body(Span(_unsafeElements: kept.buffer), false)
        }
        var value = unsafe rtpp_bytes(data: nil, length: 0)
        var isNull = false
        // SAFETY (here and below): the module outlives the call, and no other part of it is being changed.
        unsafe module.pointee.isInCallback = true
        let isThere = unsafe services.variable?(message.pointee.context, which, &value, &isNull) ?? false
        unsafe module.pointee.isInCallback = false
        guard isThere else { return nil }
        // SAFETY: the host keeps the text until its next callback.
        return unsafe body(Span(_unsafeElements: value.buffer), isNull)
    }

    func setInstance(_ url: Span<UInt8>) {
        unsafe module.pointee.isInCallback = true
        unsafe services.set_instance?(message.pointee.context, rtpp_bytes(lending: url))
        unsafe module.pointee.isInCallback = false
    }

    var bodyState: BodyState {
        switch unsafe services.body_state?(message.pointee.context) ?? .RTPP_BODY_AS_IT_CAME {
        case .RTPP_BODY_AS_IT_CAME: .asItCame
        case .RTPP_BODY_REWRITTEN: .rewritten
        case .RTPP_BODY_EDITED: .edited
        }
    }

    func apply(_ list: borrowing EditList) -> Bool {
        unsafe lend(list, through: &module.pointee.edits) { edits, count in
            unsafe services.apply_edits?(message.pointee.context, edits, count) ?? false
        } ?? false
    }

    var transaction: TransactionState {
        switch unsafe services.transaction?(message.pointee.context) ?? .RTPP_TRANSACTION_NONE {
        case .RTPP_TRANSACTION_NONE: .none
        case .RTPP_TRANSACTION_OFFERED: .offered
        case .RTPP_TRANSACTION_NO_OFFER: .notOffered
        }
    }

    var isWithinDialog: Bool {
        guard facts.isRequest else { return unsafe services.is_within_dialog?(message.pointee.context) ?? false }
        return with(.toTag) { !$0.isEmpty }
    }

    var isFirstAnswer: Bool { unsafe services.is_first_answer?(message.pointee.context) ?? false }

    var engagedSession: EngagedSession? {
        guard let engagement = unsafe message.pointee.engagement else { return nil }
        return unsafe EngagedSession(
            setID: engagement.pointee.set_id, hasBranch: engagement.pointee.branch.isPresent,
            hasExtraID: engagement.pointee.extra_id.isPresent)
    }

    var goesToWebSocket: Bool { unsafe services.goes_to_websocket?(message.pointee.context) ?? false }

    var continuationSize: Int { services.continuation_size }

    func allocate(_ size: Int) -> UnsafeMutableRawPointer? { services.allocate?(size) }

    func newRecord(_ size: Int) -> UnsafeMutableRawPointer? { unsafe allocate(size) }

    func postpone(_ record: JobRecord) -> Bool {
        unsafe services.postpone?(message.pointee.context, record.base) ?? false
    }

    func takePostponed() -> JobRecord? {
        // SAFETY: what the host keeps is what `postpone` gave it.
        guard let memory = unsafe services.take_postponed?(message.pointee.context) else { return nil }
        return unsafe JobRecord(memory)
    }

    func drop(_ record: JobRecord) { Host(services).release(record) }

    func release(_ record: JobRecord) { Host(services).release(record) }

    func suspend(_ record: JobRecord) -> Suspension {
        let (context, target) = unsafe (message.pointee.context, message.pointee.target)
        return switch unsafe services.suspend?(context, target, record.continuation) ?? .RTPP_NOT_SUSPENDED {
        case .RTPP_SUSPENDED: .suspended
        case .RTPP_RETRANSMISSION: .retransmission
        case .RTPP_NOT_SUSPENDED: .refused
        }
    }

    func markTransaction() { unsafe services.mark_transaction?(message.pointee.context) }
}

/// Lends edits as the contract has them; `memory` is used again. Nil where one does not lie within the list's text.
func lend<Result>(
    _ list: borrowing EditList, through memory: inout Scratch<rtpp_edit>,
    _ body: (UnsafePointer<rtpp_edit>?, Int) -> Result
) -> Result? {
    // SAFETY: takes everything out, no memory is looked at.
    unsafe memory.clear()
    let text = list.text
    // SAFETY: lends the list's own text for the call.
    return unsafe text.memory.withUnsafeBufferPointer { bytes in
        for edit in list.edits {
            // SAFETY: an edit's text lies within the list's text, checked here; the host reads it at once.
            guard edit.text.end <= text.count, let start = bytes.baseAddress else { return nil }
            // NO TRAP: an array's own memory; the edit's text lies within it, compared first.
            unsafe memory.append(
                rtpp_edit(
                    offset: edit.offset, removed: edit.removed,
                    text: rtpp_bytes(data: start + edit.text.start, length: edit.text.count)))
        }
        return unsafe memory.memory.withUnsafeBufferPointer { unsafe body($0.baseAddress, memory.count) }
    }
}

extension MessageFacts {
    init(_ message: rtpp_message) {
        self.init()
        // SAFETY: the glue lends the message for the call, and the enumerations are closed.
        id = unsafe message.id
        process = unsafe message.process
        isRequest = unsafe message.is_request
        status = unsafe Int(widening: message.status)
        hasBody = unsafe message.has_body
        contentLength = unsafe message.content_length < 0 ? nil : Int(widening: message.content_length)
        hasContentType = unsafe message.content_type.isPresent
        isMadeUp = unsafe message.is_made_up
        method =
            switch unsafe message.method {
            case .RTPP_METHOD_INVITE: .invite
            case .RTPP_METHOD_ACK: .ack
            case .RTPP_METHOD_BYE: .bye
            case .RTPP_METHOD_CANCEL: .cancel
            case .RTPP_METHOD_UPDATE: .update
            case .RTPP_METHOD_PRACK: .prack
            case .RTPP_METHOD_OTHER: .other
            }
        // SAFETY: the glue lends the message for the call, and the enumerations are closed.
        route =
            switch unsafe message.route {
            case .RTPP_ROUTE_FAILURE: .failure
            case .RTPP_ROUTE_BRANCH_FAILURE: .branchFailure
            case .RTPP_ROUTE_OTHER: .other
            }
    }
}
