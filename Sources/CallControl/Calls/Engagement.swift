// SPDX-License-Identifier: GPL-2.0-or-later
// Dialogs that the module looks after by itself: what holds for all messages of one, and what each of them asks for.
//
// What rtpproxy_engage was given is kept by the host as one text, "1 SET FLAGS ADDRESS BRANCH EXTRA", and "=NODE" behind
// it once a node has the call: each of the four before that is "-" where it was not given, else "=" and what it is. None
// of them holds a blank, and Call-IDs have the same branch or extra id behind them from the first message to the last.

package import Bytes
import ControlProtocol

/// What holds for all messages of a dialog. The ranges are of the text that it was read of.
package struct Engagement: Equatable, Sendable {
    package private(set) var setID: UInt32 = 0
    package private(set) var flags = ByteRange.empty
    /// The ip_address parameter; nil: none was given.
    package private(set) var address: ByteRange?
    /// The Via branch that joins the Call-ID; nil: none does.
    package private(set) var branch: ByteRange?
    /// What extra_id_pv was at the beginning; nil: no flag has asked for it.
    package private(set) var extraID: ByteRange?
    /// Where all of that ends.
    package private(set) var end = 0
    /// The URL of the node that has the call; nil: not known.
    package private(set) var node: ByteRange?

    /// Reads the text; nil: it is none.
    package init?(_ text: Span<UInt8>) {
        var fields = FieldCursor(in: text.all)
        guard let version = fields.next(in: text), text.equals(version, "1"), let set = fields.next(in: text),
            let setID = Decimal.parse(text, set, maximum: .max)
        else { return nil }
        self.setID = setID
        guard let flags = Self.optional(&fields, text), let address = Self.optional(&fields, text),
            let branch = Self.optional(&fields, text), let extra = fields.next(in: text),
            let extraID = Self.optional(extra, text)
        else { return nil }
        end = extra.end
        if let last = fields.next(in: text) {
            guard let node = Self.optional(last, text), node != nil, fields.next(in: text) == nil else { return nil }
            self.node = node
        }
        self.flags = flags ?? .empty
        self.address = address
        self.branch = branch
        self.extraID = extraID
    }

    /// The text that `text`, which this was read of, becomes where `url` is the node that has the call; nil: it says so
    /// already, or that is no URL that can stand in it.
    package func text(_ text: Span<UInt8>, at url: Span<UInt8>) -> [UInt8]? {
        if let node, text.equals(node, url, url.all) { return nil }
        guard !url.isEmpty, Command.isWord(url, url.all) else { return nil }
        var written: [UInt8] = []
        written.append(text, ByteRange(from: 0, to: end))
        written.append(" =")
        written.append(url)
        return written
    }

    /// One of the last four fields; nil: it is none.
    private static func optional(_ fields: inout FieldCursor, _ text: Span<UInt8>) -> ByteRange?? {
        fields.next(in: text).flatMap { optional($0, text) }
    }

    private static func optional(_ field: ByteRange, _ text: Span<UInt8>) -> ByteRange?? {
        if text.equals(field, "-") { return .some(nil) }
        guard text.byte(at: field.start) == UInt8(ascii: "=") else { return nil }
        return ByteRange(from: field.start &+ 1, to: field.end)
    }
}

extension Worker {
    /// `rtpproxy_engage`, its first half: everything that can be refused at once. Lends the text that is to be kept;
    /// nil, and the code, where nothing is. `ofBranch`: of a branch alone, whose session has a name of its own.
    package mutating func beginEngagement<Host: CallHost, Result>(
        _ host: Host, flags: Span<UInt8>, address: Span<UInt8>, hasAddress: Bool, ofBranch: Bool = false,
        _ body: (Span<UInt8>) -> Result
    ) -> (ReturnCode, Result?) {
        do throws(CallFailure) {
            try writeEngagement(host, flags, address, hasAddress, ofBranch)
            // NO TRAP: the count is no larger than the memory's.
            return (.done, body(command.memory.span.extracting(first: command.count)))
        } catch {
            return (finish(host, error, node: nil, isMedia: true), nil)
        }
    }

    private mutating func writeEngagement<Host: CallHost>(
        _ host: Host, _ flags: Span<UInt8>, _ address: Span<UInt8>, _ hasAddress: Bool, _ ofBranch: Bool
    ) throws(CallFailure) {
        let kept = blocking
        var read = try CallFlags.parse(flags, for: .media, modifiers: &kept.call.flagModifiers)
        // Where the flags join nothing, the session would be the one that the dialog has: flag 1 joins what tells the
        // branch from the others.
        let joinsBranch = ofBranch && read.branch == .none && !read.usesExtraID
        if joinsBranch { read.branch = .first }
        // The answers of the dialog would be refused.
        guard !read.looksUpOnly else { throw .lookupOfAnswer }
        if hasAddress {
            guard !address.isEmpty else { throw .emptyAddress }
            guard Command.isWord(address, address.all) else { throw .unfit(.address) }
        }
        try kept.call.identity.read(host, read)
        let identity = kept.call.identity
        command.clear()
        command.append("1 ")
        command.append(decimal: UInt64(widening: selectedSetID(host)))
        command.append(" =")
        command.append(flags)
        if joinsBranch { command.append("1") }
        appendField(hasAddress ? address : Span(), isGiven: hasAddress)
        // What has joined the Call-ID, without the semicolon.
        let joined = ByteRange(from: identity.bareCallID.end &+ 1, to: identity.callID.end)
        let hasBranch = read.branch != .none
        let text = identity.text.memory.span
        command.append(hasBranch ? " =" : " -")
        if hasBranch { command.append(text, joined) }
        let hasExtraID = !hasBranch && identity.callID.count > identity.bareCallID.count
        command.append(hasExtraID ? " =" : " -")
        if hasExtraID { command.append(text, joined) }
    }

    private mutating func appendField(_ text: Span<UInt8>, isGiven: Bool) {
        command.append(isGiven ? " =" : " -")
        if isGiven { command.append(text) }
    }

    /// A message of such a dialog: it is offered or answered where it asks for that. `flags` are those of the caller's
    /// side; what comes from the callee has `i` and `e` the other way round. `awaitsPRACK`: the callee has made
    /// its offer in a 1xx reply, which the PRACK answers (RFC 3262 section 5). `node`: the URL of the node that has the
    /// call, for a call table that does not know; empty where nobody does.
    package mutating func engaged<Host: CallHost>(
        _ host: Host, setID: UInt32, flags: Span<UInt8>, address: Span<UInt8>, hasAddress: Bool,
        node: Span<UInt8> = Span(), isFromCallee: Bool, awaitsPRACK: inout Bool
    ) -> ReturnCode {
        engagedNode.append(node)
        defer { engagedNode.removeAll(keepingCapacity: true) }
        guard isFromCallee else {
            return engaged(host, setID, flags, address, hasAddress, &awaitsPRACK)
        }
        // Whose interface is named first is who sends.
        var turned = flagLetters
        flagLetters = []
        turned.removeAll(keepingCapacity: true)
        for index in flags.indices {
            // NO TRAP: an index of the span's own.
            switch flags[index] {
            case UInt8(ascii: "i"), UInt8(ascii: "I"): turned.append(UInt8(ascii: "e"))
            case UInt8(ascii: "e"), UInt8(ascii: "E"): turned.append(UInt8(ascii: "i"))
            // They are about what goes to the callee. What goes to the caller is what that takes.
            case UInt8(ascii: "d"), UInt8(ascii: "D"), UInt8(ascii: "p"), UInt8(ascii: "P"):
                turned.append(UInt8(ascii: "g"))
            case let letter: turned.append(letter)
            }
        }
        let code = engaged(host, setID, turned.span, address, hasAddress, &awaitsPRACK)
        flagLetters = turned
        return code
    }

    private mutating func engaged<Host: CallHost>(
        _ host: Host, _ setID: UInt32, _ flags: Span<UInt8>, _ address: Span<UInt8>, _ hasAddress: Bool,
        _ awaitsPRACK: inout Bool
    ) -> ReturnCode {
        let before = selection
        selection = SetSelection(message: host.facts.id, process: host.facts.process, setID: setID)
        defer { selection = before }
        var (action, sdp) = manageAction(host)
        let facts = host.facts
        // What has ended, by a refusal say, awaits nothing.
        if !facts.isRequest, facts.method == .invite, facts.status >= 200 { awaitsPRACK = false }
        if action == .offer, facts.isRequest, facts.method == .prack, awaitsPRACK { action = .answer }
        switch action {
        // What ends a call ends its dialog, which says so.
        case .nothing, .refuse, .delete: return .done
        case .answer:
            if facts.isRequest { awaitsPRACK = false }
            return media(.answer, host, flags, address, hasAddress, sdp: sdp)
        case .offer:
            if facts.isRequest {
                if facts.method == .invite { host.markTransaction() }
            } else {
                awaitsPRACK = facts.status < 200
            }
            return media(.offer, host, flags, address, hasAddress, sdp: sdp)
        }
    }

    /// The first INVITE of such a dialog, its waiting done by another process. Without an offer nothing waits.
    package mutating func submitEngaged<Host: SuspendableCall>(
        _ host: Host, _ delivery: JobDelivery, setID: UInt32, flags: Span<UInt8>, address: Span<UInt8>,
        hasAddress: Bool
    ) -> SubmissionResult {
        let before = selection
        selection = SetSelection(message: host.facts.id, process: host.facts.process, setID: setID)
        defer { selection = before }
        let (action, sdp) = manageAction(host)
        guard action == .offer else { return .code(.done) }
        host.markTransaction()
        return submit(.offer, host, delivery, flags, address, hasAddress, sdp: sdp)
    }

    /// Such a dialog has ended.
    package mutating func endEngagement<Host: CallHost>(
        _ host: Host, setID: UInt32, flags: Span<UInt8>, node: Span<UInt8> = Span()
    ) -> ReturnCode {
        engagedNode.append(node)
        defer { engagedNode.removeAll(keepingCapacity: true) }
        let before = selection
        selection = SetSelection(message: host.facts.id, process: host.facts.process, setID: setID)
        defer { selection = before }
        return delete(host, flags: flags)
    }

    /// The same for another process, as this one must not wait: a record of it; nil: logged.
    package mutating func endEngagementLater<Host: CallHost>(
        _ host: Host, setID: UInt32, flags: Span<UInt8>, node: Span<UInt8> = Span(), isAsync: Bool
    ) -> JobRecord? {
        engagedNode.append(node)
        defer { engagedNode.removeAll(keepingCapacity: true) }
        let kept = blocking
        do throws(CallFailure) {
            _ = try prepareDelete(&kept.call, host, flags)
            ticks = host.ticks
            tellTable(kept.call, setID)
            jobDraft.begin(.delete, host.facts, setID: setID)
            jobDraft.header.isHandedOver = isAsync
            draft(.delete, host, flags, Span())
            // SAFETY: the host is asked for as much memory as the draft says, and nil is looked at.
            guard let memory = unsafe host.newRecord(jobDraft.size(continuation: 0)) else { throw .noMemory }
            // SAFETY: the memory is as long as the draft has asked for.
            return unsafe jobDraft.write(to: memory, continuation: 0)
        } catch {
            _ = finish(host, error, node: nil, isMedia: false)
            return nil
        }
    }
}
