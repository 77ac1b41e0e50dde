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
struct MediaCommand {
    var flags: CallFlags
    var words = SessionWords()
    var verb = MediaVerb.update
    var options = RewriteOptions()
    /// The family of the address that the message came from, where that is looked at.
    var sourceFamily: AddressFamily?
    /// Whether who has written the description sends WebRTC in any stream, and whether the receiver is to get it.
    var isFromWebRTC = false
    var isToWebRTC = false
    /// Whether a relay is told or asked anything of DTLS and ICE, or the description changes its form.
    var isBridged = false
    /// Whether media flow both ways from here on: the answer is the last one.
    var endsExchange = false
    /// Whether it is the first final answer to the INVITE that begins a call. Looked at with a flag for WebRTC alone.
    var isFirstAnswer = false
    /// Whether notifications come back to the module itself, with a tag that is its own.
    var tagNamesStream = false

    /// Whether a success creates a session: no to-tag goes along.
    var createsSession: Bool { verb == .update && words.secondTag.isEmpty }

    /// Lends the address that a relay is sent for `stream`, and its family: that of the description where it is to be
    /// trusted, else where the message came from. An endpoint of two families may talk SIP in one and media in the
    /// other: the source is no hint then.
    func withAddress<Result>(
        of stream: MediaStream, _ addresses: CallAddresses, _ body: Span<UInt8>,
        _ use: (Span<UInt8>, ByteRange, AddressFamily) -> Result
    ) -> Result {
        if !flags.trustsAddress || isFromWebRTC {
            let family = sourceFamily ?? .ipv4
            // What stands in a browser's description may be no address of its own, but for its candidates.
            if !stream.isNumeric || stream.family == family || (isFromWebRTC && !stream.isReachedByCandidate) {
                return use(addresses.text.memory.span, addresses.source, family)
            }
        }
        return use(body, stream.address, stream.family)
    }
}

extension Worker {
    /// `rtpproxy_offer`. `address`: the new address of the media, empty with `hasAddress` is a fault.
    package mutating func offer<Host: CallHost>(
        _ host: Host, flags: Span<UInt8>, address: Span<UInt8>, hasAddress: Bool
    ) -> ReturnCode {
        media(.offer, host, flags, address, hasAddress)
    }

    /// `rtpproxy_answer`.
    package mutating func answer<Host: CallHost>(
        _ host: Host, flags: Span<UInt8>, address: Span<UInt8>, hasAddress: Bool
    ) -> ReturnCode {
        media(.answer, host, flags, address, hasAddress)
    }

    /// `rtpproxy_manage`: the one that the message asks for.
    package mutating func manage<Host: CallHost>(
        _ host: Host, flags: Span<UInt8>, address: Span<UInt8>, hasAddress: Bool
    ) -> ReturnCode {
        let (action, sdp) = manageAction(host)
        switch action {
        case .nothing: return .done
        case .refuse: return finish(host, .nothingToManage, node: nil, isMedia: true)
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
                // It counts as SDP, so that the offer or answer names the fault.
                return !fault.reason.deniesSDP
            } catch {
                return false
            }
        }
        let action = host.facts.manageAction(
            hasSDP: hasSDP, isWithinDialog: { host.isWithinDialog }, transaction: { host.transaction })
        return (action, range)
    }

    /// Offers or answers. One function for all who call it: the file is small.
    @inline(never)
    mutating func media<Host: CallHost>(
        _ role: MediaRole, _ host: Host, _ flagText: Span<UInt8>, _ address: Span<UInt8>, _ hasAddress: Bool,
        sdp: ByteRange? = nil
    ) -> ReturnCode {
        let kept = blocking
        do throws(CallFailure) {
            kept.call.run.subject = nil
            let media = try prepareMedia(&kept.call, role, host, flagText, address, hasAddress, sdp: sdp)
            begin(&kept.call, host, .media(media), setID: selectedSetID(host))
            try host.with(.body) { (body: Span<UInt8>) throws(CallFailure) in
                try run(&kept.call, host, body)
            }
            host.count(.bodiesRewritten)
            if role == .offer { _ = renewPostponed(host, flags: flagText, isAsync: false) }
            return .done
        } catch {
            return finish(host, error, node: kept.call.run.subject, isMedia: true)
        }
    }

    /// Reads a message for an offer or answer, and refuses everything that can be refused before a node is asked. What
    /// the call's commands and edits are made of is in `call` from then on. `sdp`: where it stands, if that has been
    /// looked for.
    mutating func prepareMedia<Host: CallHost>(
        _ call: inout Call, _ role: MediaRole, _ host: Host, _ flagText: Span<UInt8>, _ address: Span<UInt8>,
        _ hasAddress: Bool, sdp: ByteRange? = nil
    ) throws(CallFailure) -> MediaCommand {
        let flags = try CallFlags.parse(flagText, for: .media, modifiers: &call.flagModifiers)
        var media = MediaCommand(flags: flags)
        var newAddress = ByteRange.empty
        if hasAddress {
            guard !address.isEmpty else { throw .emptyAddress }
            guard Command.isWord(address, address.all) else { throw .unfit(.address) }
            newAddress = Self.withoutBrackets(address)
        }
        call.addresses.read(host, parameter: address, newAddress)
        try host.with(.body) { (body: Span<UInt8>) throws(CallFailure) in
            let range: ByteRange
            if let sdp { range = sdp } else { range = try findSDP(host, body) }
            try read(role, host, &call.identity, &media)
            try check(host, body, range, &call, &media)
        }
        return media
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
        _ role: MediaRole, _ host: Host, _ identity: inout CallIdentity, _ media: inout MediaCommand
    ) throws(CallFailure) {
        let isRequest = host.facts.isRequest
        try identity.read(host, media.flags)
        switch role {
        case .offer:
            media.verb = media.flags.looksUpOnly ? .lookup : .update
            // A lookup names the callee first in a request, as an answer in one does.
            media.words = try identity.words(swapped: isRequest == media.flags.looksUpOnly)
        case .answer:
            guard !media.flags.looksUpOnly else { throw .lookupOfAnswer }
            // RFC 3262 section 5: the answer to an offer in a reliable 1xx comes in the PRACK.
            guard !isRequest || host.facts.method == .ack || host.facts.method == .prack else {
                throw .answerInRequest
            }
            media.verb = .lookup
            media.endsExchange = isRequest || host.facts.status >= 200
            media.words = try identity.words(swapped: isRequest)
        }
    }

    /// Everything that can be refused before anything is sent.
    private mutating func check<Host: CallHost>(
        _ host: Host, _ body: Span<UInt8>, _ range: ByteRange, _ call: inout Call,
        _ media: inout MediaCommand
    ) throws(CallFailure) {
        switch host.bodyState {
        case .asItCame: break
        case .rewritten: throw .alreadyRewritten
        case .edited: throw .editedBody
        }
        let marker = settings.marker
        do throws(SDPFault) {
            try call.description.parse(
                body, range, marker: marker.span,
                readsOrigins: media.flags.changesOrigin || settings.rewritesOrigin,
                readsWebRTC: media.flags.bridging != nil)
        } catch {
            // The marker may stand behind the fault: another proxy has made this body.
            if !media.flags.ignoresMarker, SessionDescription.carriesMarker(body, range, marker: marker.span) {
                throw .alreadyMarked
            }
            throw .sdp(error)
        }
        if !media.flags.ignoresMarker, call.description.isMarked == true { throw .alreadyMarked }
        media.options.changesOrigin = media.flags.changesOrigin || settings.rewritesOrigin
        media.options.changesSessionConnection = media.flags.changesSessionConnection
        media.options.relayCandidates = try relayCandidates(host)
        if media.options.changesOrigin, call.description.lineOfOtherOrigin > 0 {
            warnOfOrigin(&call, host, line: call.description.lineOfOtherOrigin)
        }
        call.securities.clear()
        call.isBridged = false
        if let bridging = media.flags.bridging {
            ticks = host.ticks
            media.isFirstAnswer = media.endsExchange && !host.facts.isRequest && host.isFirstAnswer
            media.isToWebRTC =
                bridging == .toWebRTC
                || (bridging == .byTarget && (host.goesToWebSocket || hasDescribedWebRTC(&call, media)))
            try readSecurity(&call, &media, body)
        }
        if media.flags.trustsAddress, !media.isFromWebRTC {
            for stream in call.description.streams where stream.wantsRelay && !Command.isWord(body, stream.address) {
                throw .unfit(.address)
            }
        } else {
            media.sourceFamily = AddressText.family(call.addresses.text.memory.span, call.addresses.source)
            guard media.sourceFamily != nil else { throw .missing(.source) }
        }
        if media.flags.bridgesByFamily, let first = call.description.streams.first(where: { $0.wantsRelay }) {
            // A browser's `c=` is none of its addresses.
            let family = media.isFromWebRTC && !first.isReachedByCandidate ? media.sourceFamily : first.family
            call.flagModifiers.append(family == .ipv6 ? "EI" : "IE")
        }
        call.notification.clear()
        if media.verb == .update, !settings.timeoutSocket.isEmpty {
            let isOwnTag = try writeNotification(&call, host)
            media.tagNamesStream = isOwnTag && !settings.notifyListen.isEmpty
        }
    }

    /// Warns that an `o=` is left as it is: no media is sent by it.
    private mutating func warnOfOrigin<Host: CallHost>(_ call: inout Call, _ host: Host, line number: Int) {
        beginLine(call)
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
    private mutating func writeNotification<Host: CallHost>(
        _ call: inout Call, _ host: Host
    ) throws(CallFailure) -> Bool {
        let socket = settings.timeoutSocket
        call.notification.append(socket.span)
        call.notification.append(0x20)
        let isFit = host.withVariable(.timeoutTag) { tag, isNull -> Bool? in
            if isNull { return nil }
            call.notification.append(tag)
            return !tag.isEmpty && Command.isWord(tag, tag.all)
        }
        if let isFit, let isFit {
            guard isFit else { throw .unfit(.timeoutTag) }
        } else {
            let text = call.identity.text
            call.notification.append(urlEncoded: text.memory.span, call.identity.bareCallID)
        }
        return isFit == nil
    }
}
