// SPDX-License-Identifier: GPL-2.0-or-later
// Offer and answer: every media stream gets a port of one RTPProxy, or the message stays as it came.

import Bytes
import ControlProtocol
import SDP
import SharedState
import Transport

/// The half of the offer/answer exchange (RFC 3264) that a message carries.
enum MediaRole {
    case offer
    case answer
}

/// One offer or answer on its way, once the message has been read.
struct MediaCall {
    var flags: CallFlags
    var words = SessionWords()
    /// What of the ip_address parameter is the new address; empty: it is not given.
    var address = ByteRange.empty
    /// The family of the address that the message came from, where that is looked at.
    var sourceFamily: AddressFamily?
    var verb = MediaVerb.update
    var options = RewriteOptions()
    /// Whether notifications come back to the module itself, with a tag that is its own.
    var tagNamesStream = false

    /// Whether a success creates a session: no to-tag goes along.
    var createsSession: Bool { verb == .update && words.secondTag.isEmpty }

    /// Lends the address that a relay is sent for `stream`, and its family: that of the description where it is to be
    /// trusted, else where the message came from. An endpoint of two families may talk SIP in one and media in the
    /// other: the source is no hint then.
    func withAddress<Host: CallHost, Result>(
        of stream: MediaStream, _ host: Host, _ body: Span<UInt8>,
        _ use: (Span<UInt8>, ByteRange, AddressFamily) -> Result
    ) -> Result {
        if !flags.trustsAddress {
            let result: Result? = host.with(.source) { source in
                let family = sourceFamily ?? .ipv4
                if stream.isNumeric, stream.family != family { return nil }
                return use(source, source.all, family)
            }
            if let result { return result }
        }
        return use(body, stream.address, stream.family)
    }
}

extension Relay {
    /// `rtpproxy_offer`. `address`: the new address of the media, empty with `hasAddress` is a fault.
    public mutating func offer<Host: CallHost>(
        _ host: Host, flags: Span<UInt8>, address: Span<UInt8>, hasAddress: Bool
    ) -> ReturnCode {
        media(.offer, host, flags, address, hasAddress)
    }

    /// `rtpproxy_answer`.
    public mutating func answer<Host: CallHost>(
        _ host: Host, flags: Span<UInt8>, address: Span<UInt8>, hasAddress: Bool
    ) -> ReturnCode {
        media(.answer, host, flags, address, hasAddress)
    }

    /// `rtpproxy_manage`: the one that the message asks for.
    public mutating func manage<Host: CallHost>(
        _ host: Host, flags: Span<UInt8>, address: Span<UInt8>, hasAddress: Bool
    ) -> ReturnCode {
        let (action, sdp) = manageAction(host)
        switch action {
        case .nothing: return .done
        case .refuse: return finish(host, .nothingToManage, isMedia: true)
        case .delete:
            if isFailedInvite(host), let code = postponeDelete(host, flags: flags, isAsync: false) { return code }
            return delete(host, flags: flags)
        case .answer: return media(.answer, host, flags, address, hasAddress, sdp: sdp)
        case .offer:
            // The mark says that the INVITE itself carried the offer, so an offer in its reply does not make one.
            if host.facts.isRequest, host.facts.method == .invite { host.markTransaction() }
            return media(.offer, host, flags, address, hasAddress, sdp: sdp)
        }
    }

    /// Whether this is an INVITE that may still go on to another destination.
    func isFailedInvite<Host: CallHost>(_ host: Host) -> Bool {
        host.facts.isRequest && host.facts.method == .invite && host.facts.route == .failure
    }

    /// What manage becomes for this message, and where its SDP stands.
    func manageAction<Host: CallHost>(_ host: Host) -> (ManageAction, sdp: ByteRange?) {
        var range: ByteRange?
        let hasSDP = host.with(.body) { (body: Span<UInt8>) -> Bool in
            do throws(CallFailure) {
                range = try findSDP(host, body)
                return true
            } catch .body(let fault) {
                // The offer or answer that it seems to be says what is wrong with it.
                return !fault.reason.deniesSDP
            } catch {
                return false
            }
        }
        let action = host.facts.manageAction(
            hasSDP: hasSDP, isWithinDialog: { host.isWithinDialog }, transaction: { host.transaction })
        return (action, range)
    }

    mutating func media<Host: CallHost>(
        _ role: MediaRole, _ host: Host, _ flagText: Span<UInt8>, _ address: Span<UInt8>, _ hasAddress: Bool,
        sdp: ByteRange? = nil
    ) -> ReturnCode {
        do throws(CallFailure) {
            let call = try prepareMedia(role, host, flagText, address, hasAddress, sdp: sdp)
            try host.with(.body) { (body: Span<UInt8>) throws(CallFailure) in
                var race = race(.media(call), setID: selectedSetID(host))
                try run(&race, host, body, address)
            }
            host.count(.bodiesRewritten)
            if role == .offer { _ = renewPostponed(host, flags: flagText, isAsync: false) }
            return .done
        } catch {
            return finish(host, error, isMedia: true)
        }
    }

    /// Reads a message for an offer or answer: everything that can be refused before anybody is asked. What the call's
    /// commands and edits are made of stays in the relay's memory until the next message is read. `sdp`: where it stands,
    /// if that has been looked for.
    mutating func prepareMedia<Host: CallHost>(
        _ role: MediaRole, _ host: Host, _ flagText: Span<UInt8>, _ address: Span<UInt8>, _ hasAddress: Bool,
        sdp: ByteRange? = nil
    ) throws(CallFailure) -> MediaCall {
        var call = MediaCall(flags: try CallFlags.parse(flagText, for: .media, modifiers: &flagModifiers))
        if hasAddress {
            guard !address.isEmpty else { throw .emptyAddress }
            guard Command.isWord(address, address.all) else { throw .unfit(.address) }
            call.address = Self.withoutBrackets(address)
        }
        try host.with(.body) { (body: Span<UInt8>) throws(CallFailure) in
            let range: ByteRange
            if let sdp { range = sdp } else { range = try findSDP(host, body) }
            try read(role, host, &call)
            try check(host, body, range, &call)
        }
        return call
    }

    /// An IPv6 address may come in the brackets that it has in a URI; in SDP it has none.
    private static func withoutBrackets(_ address: Span<UInt8>) -> ByteRange {
        let inside = ByteRange(from: 1, to: address.count &- 1)
        let hasBrackets =
            address.byte(at: 0) == UInt8(ascii: "[") && address.byte(at: inside.end) == UInt8(ascii: "]")
        return hasBrackets && AddressText.family(address, inside) == .ipv6 ? inside : address.all
    }

    private func findSDP<Host: CallHost>(_ host: Host, _ body: Span<UInt8>) throws(CallFailure) -> ByteRange {
        let length = host.facts.contentLength
        do throws(BodyFault) {
            guard host.facts.hasContentType else {
                return try BodyPart.find(in: body, contentType: nil, contentLength: length)
            }
            return try host.with(.contentType) { (type: Span<UInt8>) throws(BodyFault) in
                try BodyPart.find(in: body, contentType: type, contentLength: length)
            }
        } catch {
            throw .body(error)
        }
    }

    /// Reads Call-ID, tags and branch, and puts them in the order that role and direction ask for.
    private mutating func read<Host: CallHost>(
        _ role: MediaRole, _ host: Host, _ call: inout MediaCall
    ) throws(CallFailure) {
        let isRequest = host.facts.isRequest
        try identity.read(host, call.flags)
        switch role {
        case .offer:
            call.verb = call.flags.looksUpOnly ? .lookup : .update
            // A lookup names the callee first in a request, as an answer in one does.
            call.words = try identity.words(swapped: isRequest == call.flags.looksUpOnly)
        case .answer:
            guard !call.flags.looksUpOnly else { throw .lookupOfAnswer }
            // RFC 3262 section 5: the answer to an offer in a reliable 1xx comes in the PRACK.
            guard !isRequest || host.facts.method == .ack || host.facts.method == .prack else {
                throw .answerInRequest
            }
            call.verb = .lookup
            call.words = try identity.words(swapped: isRequest)
        }
    }

    /// Everything that can be refused before anything is sent.
    private mutating func check<Host: CallHost>(
        _ host: Host, _ body: Span<UInt8>, _ range: ByteRange, _ call: inout MediaCall
    ) throws(CallFailure) {
        switch host.bodyState {
        case .asItCame: break
        case .rewritten: throw .alreadyRewritten
        case .edited: throw .editedBody
        }
        let marker = settings.marker
        do throws(SDPFault) {
            try description.parse(
                body, range, marker: marker.span,
                readsOrigins: call.flags.changesOrigin || settings.rewritesOrigin)
        } catch {
            // The marker may stand behind what is wrong, and says that it is a proxy's.
            if !call.flags.ignoresMarker, SessionDescription.carriesMarker(body, range, marker: marker.span) {
                throw .alreadyMarked
            }
            throw .sdp(error)
        }
        if !call.flags.ignoresMarker, description.isMarked == true { throw .alreadyMarked }
        call.options.changesOrigin = call.flags.changesOrigin || settings.rewritesOrigin
        call.options.changesSessionConnection = call.flags.changesSessionConnection
        call.options.relayCandidates = try relayCandidates(host)
        if call.options.changesOrigin, description.lineOfOtherOrigin > 0 {
            warnOfOrigin(host, line: description.lineOfOtherOrigin)
        }
        if call.flags.trustsAddress {
            for stream in description.streams where stream.wantsRelay && !Command.isWord(body, stream.address) {
                throw .unfit(.address)
            }
        } else {
            call.sourceFamily = host.with(.source) { AddressText.family($0, $0.all) }
            guard call.sourceFamily != nil else { throw .missing(.source) }
        }
        if call.flags.bridgesByFamily, let first = description.streams.first(where: { $0.wantsRelay }) {
            flagModifiers.append(first.family == .ipv6 ? "EI" : "IE")
        }
        notification.clear()
        if call.verb == .update, !settings.timeoutSocket.isEmpty {
            let isOwnTag = try writeNotification(host)
            call.tagNamesStream = isOwnTag && !settings.notifyListen.isEmpty
        }
    }

    /// Says that an `o=` is left: nobody sends media by it.
    private mutating func warnOfOrigin<Host: CallHost>(_ host: Host, line number: Int) {
        beginLine(host)
        line.append("SDP: o= stays as it is, it does not end in IN IP4 or IP6 and an address")
        CallFailure.append(lineNumber: number, to: &line)
        host.log(.warning, line.span)
    }

    private func relayCandidates<Host: CallHost>(_ host: Host) throws(CallFailure) -> RelayCandidates {
        let choice: RelayCandidates?? = host.withVariable(.icePriority) { text, isNull in
            if isNull || text.equals(text.all, "2") { return .low }
            if text.equals(text.all, "1") { return .high }
            return text.equals(text.all, "0") ? RelayCandidates.none : nil
        }
        guard let choice else { return .none }
        guard let choice else { throw .badICEPriority }
        return choice
    }

    /// `socket tag`: the tag is the variable's value, or the Call-ID, URL-encoded as RTPProxy decodes it. True where no
    /// variable gives tags.
    private mutating func writeNotification<Host: CallHost>(_ host: Host) throws(CallFailure) -> Bool {
        let socket = settings.timeoutSocket
        notification.append(socket.span)
        notification.append(0x20)
        let isFit = host.withVariable(.timeoutTag) { tag, isNull -> Bool? in
            if isNull { return nil }
            notification.append(tag)
            return !tag.isEmpty && Command.isWord(tag, tag.all)
        }
        if let isFit, let isFit {
            guard isFit else { throw .unfit(.timeoutTag) }
        } else {
            let text = identity.text
            notification.append(urlEncoded: text.span, identity.bareCallID)
        }
        return isFit == nil
    }
}

// MARK: - Commands and answers

extension Relay {
    /// The command for one stream, in the words that `node` understands.
    mutating func write<Host: CallHost>(
        _ stream: MediaStream, _ call: MediaCall, _ host: Host, _ body: Span<UInt8>, _ node: Capabilities
    ) {
        command.removeAll(keepingCapacity: true)
        call.withAddress(of: stream, host, body) { write(stream, call, $2, $0, $1, body, node) }
    }

    private mutating func write(
        _ stream: MediaStream, _ call: MediaCall, _ family: AddressFamily, _ address: Span<UInt8>,
        _ range: ByteRange, _ body: Span<UInt8>, _ node: Capabilities
    ) {
        modifiers.removeAll(keepingCapacity: true)
        let fixed = flagModifiers
        modifiers.append(fixed.span)
        if family == .ipv6 { modifiers.append(UInt8(ascii: "6")) }
        if call.flags.repacketizationMilliseconds > 0, node.contains(.repacketization) {
            modifiers.append(UInt8(ascii: "Z"))
            modifiers.append(decimal: UInt64(call.flags.repacketizationMilliseconds))
        }
        if node.contains(.codecLists) {
            modifiers.append(UInt8(ascii: "c"))
            if !stream.appendPayloadTypes(in: body, to: &modifiers) { modifiers.removeLast() }
        }
        let (letters, text) = (modifiers, identity.text)
        // rtpengine takes a first offer with a notice for something else: it repeats what was sent, and has no session.
        let notice = node.contains(.notices) ? notification : []
        Command.writeMedia(
            call.verb, modifiers: letters.span, identity: text.span, words: call.words, address: address,
            addressRange: range, port: stream.port, stream: node.servesSeveralStreams ? stream.number : 1,
            notification: notice.span,
            tagNamesStream: call.tagNamesStream, into: &command)
    }

    /// What the answers to all streams come to.
    enum Answers {
        /// `verdicts` says what becomes of each stream, and `refusals` which of them the node has refused.
        case success
        /// One is no protocol: the node has failed.
        case malformed
        /// Each says that there is no such session.
        case unknown(CallFailure)
        /// Why the function fails, and whether a stream got a port.
        case failure(CallFailure, hasCreated: Bool)
    }

    /// Reads the answers, and says of each stream what becomes of it.
    mutating func read<Host: CallHost>(
        _ member: Int, _ node: Int, _ host: Host, _ call: MediaCall, _ body: Span<UInt8>, _ address: Span<UInt8>
    ) -> Answers {
        verdicts.removeAll(keepingCapacity: true)
        refusals.clear()
        addresses.removeAll(keepingCapacity: true)
        var failure: CallFailure?
        var hasPort = false
        var areAllUnknown = true
        var index = 0
        let incoming = exchanges.incoming(member)
        let known = capabilities(node)
        for stream in description.streams {
            if let verdict = StreamVerdict(withoutRelay: stream) {
                verdicts.append(verdict)
                continue
            }
            guard asks(known, for: stream) else {
                refuse(stream, .oneStreamRelay)
                continue
            }
            guard let reply = exchanges.reply(member, index) else { return .malformed }
            index &+= 1
            var answer = MediaReply.parse(incoming.span, reply)
            if case .error(let code) = answer {
                account(host, node, code)
                if call.verb == .lookup, code.isUnknownSession(known) { answer = .noSession }
            }
            if answer != .noSession { areAllUnknown = false }
            switch answer {
            case .address(let port, let replied, _) where isEcho(port, incoming.span, replied, stream, call, host, body):
                failure = failure ?? .echo
            case .address(let port, let replied, let family):
                hasPort = true
                do throws(CallFailure) {
                    let place = try place(stream, incoming.span, replied, family, host, call, address)
                    verdicts.append(
                        .relayed(StreamDestination(address: place.address, family: place.family, port: port)))
                } catch {
                    failure = failure ?? error
                }
            case .noSession where call.isAnswer: refuse(stream, .sessionUnknown)
            case .noSession: failure = failure ?? (call.verb == .lookup ? .unknownSession : .noPort)
            case .error(let code) where call.verb == .update && code.isAboutAddress: refuse(stream, .error(code))
            case .error(let code): failure = failure ?? .relayError(code)
            case .badPort: failure = failure ?? .noPort
            case .malformed: return .malformed
            }
        }
        if !hasPort, let refusal = refusals.first(where: { $0.reason != .oneStreamRelay }) {
            failure = failure ?? .streamRefused(refusal)
        }
        guard let failure else { return .success }
        if call.verb == .lookup, areAllUnknown { return .unknown(failure) }
        return .failure(failure, hasCreated: hasPort)
    }

    /// Whether a node has answered for `stream` what it was sent, as rtpengine does to what it does not understand.
    private func isEcho<Host: CallHost>(
        _ port: UInt16, _ incoming: Span<UInt8>, _ replied: ByteRange, _ stream: MediaStream, _ call: MediaCall,
        _ host: Host, _ body: Span<UInt8>
    ) -> Bool {
        guard port == stream.port else { return false }
        return call.withAddress(of: stream, host, body) { sent, range, _ in incoming.equals(replied, sent, range) }
    }

    private mutating func refuse(_ stream: MediaStream, _ reason: StreamRefusal.Reason) {
        verdicts.append(.refused)
        refusals.append(StreamRefusal(number: stream.number, line: stream.line, reason: reason))
    }

    /// The address that a stream goes to, put into `addresses`: the ip_address parameter, else the node's, else the one
    /// on which the host has received the message.
    private mutating func place<Host: CallHost>(
        _ stream: MediaStream, _ incoming: Span<UInt8>, _ replied: ByteRange, _ family: AddressFamily, _ host: Host,
        _ call: MediaCall, _ address: Span<UInt8>
    ) throws(CallFailure) -> (address: ByteRange, family: AddressFamily) {
        let start = addresses.count
        var newFamily = family
        if !call.address.isEmpty {
            addresses.append(address, call.address)
            newFamily = AddressText.family(address, call.address) ?? .ipv4
        } else if !replied.isEmpty {
            addresses.append(incoming, replied)
        } else {
            host.with(.received) { received in
                addresses.append(received)
                newFamily = AddressText.family(received, received.all) ?? .ipv4
            }
        }
        let range = ByteRange(from: start, to: addresses.count)
        let texts = addresses
        if call.address.isEmpty, range.isEmpty || (AddressText.isNull(texts.span, range) && !stream.isOnHold) {
            throw replied.isEmpty ? .noAddress : .nullAddress
        }
        return (range, newFamily)
    }

    mutating func makeEdits(_ body: Span<UInt8>, _ options: RewriteOptions) throws(CallFailure) {
        let (ends, texts, marker) = (verdicts, addresses, settings.marker)
        do throws(SDPFault) {
            try edits.rewrite(
                description, body: body, verdicts: ends.span, addresses: texts.span, marker: marker.span,
                options: options)
        } catch {
            throw .sdp(error)
        }
    }
}
