// SPDX-License-Identifier: GPL-2.0-or-later
// A deletion that rtpproxy_manage asks for in a failure route: kept until it shows whether the call goes on, so that
// the next destination has the living session.

import Bytes
import ControlProtocol
import SharedState

extension Worker {
    /// Keeps the deletion of this message's session with its transaction. nil: the host has no place for it.
    @_optimize(size)
    mutating func postponeDelete<Host: CallHost>(
        _ host: Host, flags text: Span<UInt8>, isAsync: Bool
    ) -> ReturnCode? {
        let kept = blocking
        do throws(CallFailure) {
            _ = try prepareDelete(&kept.call, host, text)
        } catch {
            return finish(host, error, node: nil, isMedia: false)
        }
        // One at most is kept: that of another session is carried out now.
        if let record = host.takePostponed() {
            if !isOfSession(kept.call, record, host) { carryOut(record, host) }
            host.drop(record)
        }
        jobDraft.begin(.delete, host.facts, setID: selectedSetID(host))
        jobDraft.header.isHandedOver = isAsync
        draft(.delete, host, text, Span())
        // SAFETY: nil is looked at.
        guard let memory = unsafe host.newRecord(jobDraft.size(continuation: 0)) else { return nil }
        // SAFETY: the memory is as long as the draft has asked for.
        let record = unsafe jobDraft.write(to: memory, continuation: 0)
        if host.postpone(record) { return .done }
        host.drop(record)
        return nil
    }

    /// The session of `call`, which the message names, has been deleted: a kept deletion of it is dropped.
    mutating func dropPostponed<Host: CallHost>(_ call: borrowing Call, _ host: Host) {
        guard let record = host.takePostponed() else { return }
        if isOfSession(call, record, host) || !host.postpone(record) { host.drop(record) }
    }

    /// The message has been offered: a deletion that is kept goes on waiting where it is this session's. Another
    /// session is deleted, and this one waits in its place. Returns whether one waits.
    @_optimize(size)
    mutating func renewPostponed<Host: CallHost>(
        _ host: Host, flags text: Span<UInt8>, isAsync: Bool
    ) -> Bool {
        guard host.facts.isRequest, host.facts.method == .invite, let record = host.takePostponed() else {
            return false
        }
        let kept = blocking
        if isOfSession(kept.call, record, host), host.postpone(record) { return true }
        carryOut(record, host)
        host.drop(record)
        return postponeDelete(host, flags: text, isAsync: isAsync) == .done
    }

    /// Carries a deletion out that has been kept. true: it is handed over with its record, which is the caller's
    /// otherwise.
    @_optimize(size)
    package mutating func deletePostponed<Host: ServerHost>(
        _ record: JobRecord, _ host: Host, _ delivery: JobDelivery?
    ) -> Bool {
        if record.header.isHandedOver, let delivery {
            let process = record.with(.callID) { JobDelivery.process(for: $0, of: delivery.count) }
            if delivery.push(record, to: process) { return true }
        }
        carryOut(record, host)
        return false
    }

    @_optimize(size)
    private mutating func carryOut<Host: ServerHost>(_ record: JobRecord, _ host: Host) {
        let (message, kept) = (JobMessage(host, record), leftBehind)
        kept.call.run.subject = nil
        do throws(CallFailure) {
            let words = try record.with(.flags) { (flags: Span<UInt8>) throws(CallFailure) in
                try prepareDelete(&kept.call, message, flags)
            }
            begin(&kept.call, host, .simple(.delete, words), setID: record.header.setID)
            // The call is over, whether or not its RTPProxy can be told.
            defer { forget(kept.call) }
            try run(&kept.call, message, Span())
        } catch {
            _ = finish(message, error, node: kept.call.run.subject, isMedia: false)
        }
    }

    /// Whether a record is about the session of `call`.
    @_optimize(size)
    private mutating func isOfSession<Host: CallHost>(
        _ call: borrowing Call, _ record: JobRecord, _ host: Host
    ) -> Bool {
        let (message, kept) = (JobMessage(host, record), leftBehind)
        do throws(CallFailure) {
            let flags = try record.with(.flags) { (flags: Span<UInt8>) throws(CallFailure) in
                try CallFlags.parse(flags, for: .delete, modifiers: &kept.call.flagModifiers)
            }
            try kept.call.identity.read(message, flags)
        } catch {
            return false
        }
        let theirs = kept.call.identity
        return record.header.setID == selectedSetID(host)
            && call.identity.text.memory.span.equals(call.identity.callID, theirs.text.memory.span, theirs.callID)
    }
}
