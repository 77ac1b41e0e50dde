// SPDX-License-Identifier: GPL-2.0-or-later
// A deletion that rtpproxy_manage asks for in a failure route: kept until it shows whether the call goes on, so that
// the next destination has the living session.

import Bytes
import ControlProtocol
import SharedState

extension Relay {
    /// Keeps the deletion of this message's session with its transaction. nil: the host has no place for it.
    mutating func postponeDelete<Host: CallHost>(
        _ host: Host, flags text: Span<UInt8>, isAsync: Bool
    ) -> ReturnCode? {
        do throws(CallFailure) {
            _ = try prepareDelete(host, text)
        } catch {
            return finish(host, error, isMedia: false)
        }
        // One at most is kept: another session's is not this one's affair.
        if let kept = host.takePostponed() {
            if !isOfThisSession(kept, host) { carryOut(kept, host) }
            host.drop(kept)
        }
        jobDraft.begin(.delete, host.facts, setID: selectedSetID(host))
        jobDraft.header.isHandedOver = isAsync
        draft(.delete, host, text, Span())
        guard let memory = unsafe host.newRecord(jobDraft.size(continuation: 0)) else { return nil }
        // SAFETY: the memory is as long as the draft has asked for.
        let record = unsafe jobDraft.write(to: memory, continuation: 0)
        if host.postpone(record) { return .done }
        host.drop(record)
        return nil
    }

    /// The session that the message names has been deleted: what was to do so later need not.
    mutating func dropPostponed<Host: CallHost>(_ host: Host) {
        guard let kept = host.takePostponed() else { return }
        if isOfThisSession(kept, host) || !host.postpone(kept) { host.drop(kept) }
    }

    /// The message has been offered: a deletion that is kept goes on waiting where it is this session's. Another
    /// session is deleted, and this one waits in its place. Returns whether one waits.
    mutating func renewPostponed<Host: CallHost>(
        _ host: Host, flags text: Span<UInt8>, isAsync: Bool
    ) -> Bool {
        guard host.facts.isRequest, host.facts.method == .invite, let kept = host.takePostponed() else { return false }
        if isOfThisSession(kept, host), host.postpone(kept) { return true }
        carryOut(kept, host)
        host.drop(kept)
        return postponeDelete(host, flags: text, isAsync: isAsync) == .done
    }

    /// Carries a deletion out that has been kept. true: it is handed over with its record, which is the caller's
    /// otherwise.
    public mutating func deletePostponed<Host: RelayHost>(
        _ record: JobRecord, _ host: Host, _ lines: JobLines?
    ) -> Bool {
        if record.header.isHandedOver, let lines {
            let process = record.with(.callID) { JobLines.process(for: $0, of: lines.count) }
            if lines.push(record, to: process) { return true }
        }
        carryOut(record, host)
        return false
    }

    private mutating func carryOut<Host: RelayHost>(_ record: JobRecord, _ host: Host) {
        let call = JobCall(host, record)
        do throws(CallFailure) {
            let words = try record.with(.flags) { (flags: Span<UInt8>) throws(CallFailure) in
                try prepareDelete(call, flags)
            }
            var race = race(.simple(.delete, words), setID: record.header.setID)
            try run(&race, call, Span(), Span())
            forget(record.header.setID)
        } catch {
            _ = finish(call, error, isMedia: false)
        }
    }

    /// Whether a record is about the session whose words have been read last. They are read anew.
    private mutating func isOfThisSession<Host: CallHost>(_ record: JobRecord, _ host: Host) -> Bool {
        let (text, callID) = (identity.text, identity.callID)
        let call = JobCall(host, record)
        do throws(CallFailure) {
            let flags = try record.with(.flags) { (flags: Span<UInt8>) throws(CallFailure) in
                try CallFlags.parse(flags, for: .delete, modifiers: &flagModifiers)
            }
            try identity.read(call, flags)
        } catch {
            return false
        }
        let theirs = identity.text
        return record.header.setID == selectedSetID(host)
            && text.span.equals(callID, theirs.span, identity.callID)
    }
}
