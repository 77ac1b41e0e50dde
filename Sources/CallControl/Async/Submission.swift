// SPDX-License-Identifier: GPL-2.0-or-later
// Handing a call over: what a SIP worker does of it before it goes on with other messages.

import Bytes
import ControlProtocol
import SDP
import SharedState

/// What came of suspending a transaction.
package enum Suspension: Sendable {
    case suspended
    /// The message is a retransmission, whose transaction waits already, or was cancelled meanwhile.
    case retransmission
    case refused
}

/// A message whose transaction can wait.
package protocol SuspendableCall: CallHost {
    /// Bytes of the host's part of a record.
    var continuationSize: Int { get }
    /// Shared memory, aligned to 8; nil where there is none left.
    func allocate(_ size: Int) -> UnsafeMutableRawPointer?
    func release(_ record: JobRecord)
    /// Suspends the transaction and notes in the record's continuation how it goes on.
    func suspend(_ record: JobRecord) -> Suspension
}

/// What the script gets.
package enum SubmissionResult: Sendable {
    /// This run of the script is over, the transaction waits.
    case suspended
    case code(ReturnCode)
}

extension Worker {
    /// `rtpproxy_offer_async`: as `offer`, the waiting done by another process.
    package mutating func submitOffer<Host: SuspendableCall>(
        _ host: Host, _ delivery: JobDelivery, flags: Span<UInt8>, address: Span<UInt8>, hasAddress: Bool
    ) -> SubmissionResult {
        submit(.offer, host, delivery, flags, address, hasAddress)
    }

    /// `rtpproxy_answer_async`
    package mutating func submitAnswer<Host: SuspendableCall>(
        _ host: Host, _ delivery: JobDelivery, flags: Span<UInt8>, address: Span<UInt8>, hasAddress: Bool
    ) -> SubmissionResult {
        submit(.answer, host, delivery, flags, address, hasAddress)
    }

    /// `rtpproxy_destroy_async`: the deletion goes on while the script does.
    package mutating func submitDelete<Host: SuspendableCall>(
        _ host: Host, _ delivery: JobDelivery, flags: Span<UInt8>
    ) -> ReturnCode {
        let kept = blocking
        do throws(CallFailure) {
            let words = try prepareDelete(&kept.call, host, flags)
            beginLook(&kept.call, host, words)
            jobDraft.begin(.delete, host.facts, setID: selectedSetID(host))
            try enqueue(.delete, host, delivery, flags, Span())
            dropPostponed(kept.call, host)
            return .done
        } catch {
            return finish(host, error, node: nil, isMedia: false)
        }
    }

    /// `rtpproxy_manage_async`: the one that the message asks for. A deletion suspends nothing.
    package mutating func submitManage<Host: SuspendableCall>(
        _ host: Host, _ delivery: JobDelivery, flags: Span<UInt8>, address: Span<UInt8>, hasAddress: Bool
    ) -> SubmissionResult {
        let (action, sdp) = manageAction(host)
        switch action {
        case .nothing: return .code(.done)
        case .refuse: return .code(finish(host, .nothingToManage, node: nil, isMedia: true))
        case .delete:
            if isFailedInvite(host), let code = postponeDelete(host, flags: flags, isAsync: true) { return .code(code) }
            return .code(submitDelete(host, delivery, flags: flags))
        case .answer: return submit(.answer, host, delivery, flags, address, hasAddress, sdp: sdp)
        case .offer:
            if host.facts.isRequest, host.facts.method == .invite { host.markTransaction() }
            return submit(.offer, host, delivery, flags, address, hasAddress, sdp: sdp)
        }
    }

    /// Hands an offer or answer over. One function for all who call it: the file is small.
    @inline(never)
    mutating func submit<Host: SuspendableCall>(
        _ kind: JobKind, _ host: Host, _ delivery: JobDelivery, _ flags: Span<UInt8>, _ address: Span<UInt8>,
        _ hasAddress: Bool, sdp: ByteRange? = nil
    ) -> SubmissionResult {
        // An ACK has no transaction that could wait: it is answered as by the blocking function.
        if host.facts.isRequest, host.facts.method == .ack {
            return .code(media(kind == .answer ? .answer : .offer, host, flags, address, hasAddress, sdp: sdp))
        }
        if host.facts.status >= 300 { return .code(refuseToWait(host)) }
        let kept = blocking
        do throws(CallFailure) {
            let role: MediaRole = kind == .answer ? .answer : .offer
            let media = try prepareMedia(&kept.call, role, host, flags, address, hasAddress, sdp: sdp)
            // What is kept deletes it, too, should the transaction be gone meanwhile.
            let isKept = kind == .offer && renewPostponed(host, flags: flags, isAsync: true)
            beginLook(&kept.call, host, media.words)
            jobDraft.begin(kind, host.facts, setID: selectedSetID(host))
            jobDraft.header.hasAddress = hasAddress
            jobDraft.header.isFirst = media.createsSession && !isKept || media.isFirstAnswer
            if media.flags.bridging == .byTarget {
                // The other process cannot see where the message goes.
                var letters = flagLetters
                flagLetters = []
                letters.removeAll(keepingCapacity: true)
                Bridging.decide(flags, isToWebRTC: media.isToWebRTC, into: &letters)
                let result = Result { () throws(CallFailure) in
                    try enqueue(kind, host, delivery, letters.span, address)
                }
                flagLetters = letters
                try result.get()
            } else {
                try enqueue(kind, host, delivery, flags, address)
            }
            return .suspended
        } catch {
            return .code(finish(host, error, node: nil, isMedia: true))
        }
    }

    /// Begins what only looks whether somebody is there, who would be asked by another process: a command that is not sent,
    /// and deletes nothing.
    private mutating func beginLook<Host: SuspendableCall>(
        _ call: inout Call, _ host: Host, _ words: SessionWords
    ) {
        begin(&call, host, .simple(.stop, words), setID: selectedSetID(host))
    }

    /// A refusal must not wait: tm frees it when the script tries the next destination. Logged once a minute, because
    /// callees decide how often it happens.
    private mutating func refuseToWait<Host: SuspendableCall>(_ host: Host) -> ReturnCode {
        guard host.ticks >= nextRefusalLine else { return .error }
        nextRefusalLine = host.ticks &+ 60
        return finish(host, .refusalCannotWait, node: nil, isMedia: true)
    }

    /// Queues a call whose message has been read, and whose draft has been begun.
    private mutating func enqueue<Host: SuspendableCall>(
        _ kind: JobKind, _ host: Host, _ delivery: JobDelivery, _ flags: Span<UInt8>, _ address: Span<UInt8>
    ) throws(CallFailure) {
        let kept = blocking
        if kind == .delete || kept.call.description.wantsRelay { try checkSomebodyIsThere(host, &kept.call) }
        let process = host.with(.callID) { JobDelivery.process(for: $0, of: delivery.count) }
        guard delivery.count > 0 else { throw .noAsyncProcess }
        // Checked before anything is suspended, for what is suspended has to be resumed. A few more at the same moment
        // do no harm.
        guard delivery.queues.hasRoom(process, limit: settings.asyncMaximum) else { throw .tooManyCalls }
        draft(kind, host, flags, address)
        let continuation = kind == .delete ? 0 : host.continuationSize
        // SAFETY: nil is looked at.
        guard let memory = unsafe host.allocate(jobDraft.size(continuation: continuation)) else { throw .noMemory }
        // SAFETY: the memory is as long as the draft has asked for.
        let record = unsafe jobDraft.write(to: memory, continuation: continuation)
        if kind != .delete {
            switch host.suspend(record) {
            case .suspended: break
            case .retransmission: return host.release(record)
            case .refused:
                host.release(record)
                throw .notSuspended
            }
        }
        if !delivery.push(record, to: process) { host.release(record) }
    }

    /// Throws where the call could only fail because no node is up.
    private mutating func checkSomebodyIsThere<Host: CallHost>(
        _ host: Host, _ call: inout Call
    ) throws(CallFailure) {
        refreshDirectory()
        ticks = host.ticks
        let setID = call.run.terms.setID
        guard let set = directory.position(ofSet: setID) else { throw .noNode(setID: setID, setExists: false) }
        guard hasNode(&call, set) else { throw .noNode(setID) }
    }

    /// Gathers what of a message a record holds.
    mutating func draft<Host: CallHost>(
        _ kind: JobKind, _ host: Host, _ flags: Span<UInt8>, _ address: Span<UInt8>
    ) {
        for field in [MessageField.callID, .fromTag, .toTag, .via1Branch, .via2Branch, .ownBranch, .source] {
            host.with(field) { jobDraft.add(JobText(field), $0) }
        }
        jobDraft.add(.flags, flags)
        host.withVariable(.extraID) { jobDraft.add(.extraID, $0, isNull: $1) }
        guard kind != .delete else { return }
        jobDraft.add(.address, address)
        for field in [MessageField.contentType, .body, .received] {
            host.with(field) { jobDraft.add(JobText(field), $0) }
        }
        host.withVariable(.timeoutTag) { jobDraft.add(.timeoutTag, $0, isNull: $1) }
        host.withVariable(.icePriority) { jobDraft.add(.icePriority, $0, isNull: $1) }
    }
}
