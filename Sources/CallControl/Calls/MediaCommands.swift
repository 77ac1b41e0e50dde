// SPDX-License-Identifier: GPL-2.0-or-later
// The command for each media stream, what its answers come to, and the edits that are made of them.

import Bytes
import ControlProtocol
import SDP
import Transport

/// What a node's replies to the commands of an offer or answer come to, kept until the edits of them are made.
struct MediaAnswer: ~Copyable {
    /// What becomes of each stream of the description.
    var verdicts = Scratch<StreamVerdict>()
    /// In which form each stream goes on, where the message is bridged; else none.
    var forms = Scratch<StreamForm>()
    /// Which of them the node has refused, and why.
    var refusals: [StreamRefusal] = []
    /// The text that the addresses in `verdicts` are ranges of.
    var addresses = Scratch<UInt8>()
    var edits = EditList()

    mutating func reserve() {
        verdicts.reserveCapacity(32)
        refusals.reserveCapacity(32)
        addresses.reserveCapacity(1024)
    }

    mutating func begin() {
        verdicts.clear()
        forms.clear()
        refusals.clear()
        addresses.clear()
    }

    mutating func rewrite(
        _ description: borrowing SessionDescription, _ body: Span<UInt8>, marker: Span<UInt8>,
        _ options: RewriteOptions
    ) throws(SDPFault) {
        let (ends, texts, forms) = (verdicts, addresses, forms)
        // NO TRAP (2): a count is not negative, and what is beyond the span is left out.
        try edits.rewrite(
            description, body: body, verdicts: ends.memory.span.extracting(first: ends.count),
            forms: forms.memory.span.extracting(first: forms.count), addresses: texts.memory.span, marker: marker,
            options: options)
    }
}

extension Worker {
    /// The command for one stream, in the words that `node` understands.
    mutating func write(
        _ stream: MediaStream, _ call: inout Call, _ media: MediaCommand, _ body: Span<UInt8>,
        _ node: Capabilities
    ) throws(CallFailure) {
        command.clear()
        let addresses = call.addresses
        media.withAddress(of: stream, addresses, body) { write(stream, &call, media, $2, $0, $1, body, node) }
        if media.isBridged { try joinSecurity(stream, &call, media, body) }
    }

    private mutating func write(
        _ stream: MediaStream, _ call: inout Call, _ media: MediaCommand, _ family: AddressFamily,
        _ address: Span<UInt8>, _ range: ByteRange, _ body: Span<UInt8>, _ node: Capabilities
    ) {
        modifiers.clear()
        modifiers.append(call.flagModifiers.memory.span, call.flagModifiers.all)
        if family == .ipv6 { modifiers.append(Modifier.ipv6.letter) }
        if media.flags.repacketizationMilliseconds > 0, node.takes(.repacketization) {
            modifiers.append(Modifier.repacketization.letter)
            modifiers.append(decimal: UInt64(widening: media.flags.repacketizationMilliseconds))
        }
        if node.takes(.codecs) {
            modifiers.append(Modifier.codecs.letter)
            // NO TRAP: the c was just added.
            if !stream.appendPayloadTypes(in: body, to: &modifiers) { modifiers.removeLast() }
        }
        // rtpengine takes a first offer with a notice for something else: it repeats what was sent, and has no session.
        let (letters, notice) = (modifiers, node.contains(.notices) ? call.notification : [])
        // NO TRAP: a count is not negative, and what is beyond the span is left out.
        Command.writeMedia(
            media.verb, modifiers: letters.memory.span.extracting(first: letters.count),
            identity: call.identity.text.memory.span, words: media.words,
            address: address, addressRange: range, port: stream.port,
            stream: node.servesSeveralStreams ? stream.number : 1, notification: notice.span,
            tagNamesStream: media.tagNamesStream, into: &command)
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
    mutating func read(
        _ member: Int, _ node: Int, _ call: inout Call, _ media: MediaCommand, _ body: Span<UInt8>
    ) -> Answers {
        answer.begin()
        var failure: CallFailure?
        var hasPort = false
        var areAllUnknown = true
        var index = 0
        let incoming = exchanges.incoming(member)
        let known = capabilities(node)
        let isBridged = media.isBridged
        for stream in call.description.streams {
            if let verdict = StreamVerdict(withoutRelay: stream) {
                answer.verdicts.append(verdict)
                if isBridged { addForm(stream, &call, media) }
                continue
            }
            guard asks(known, for: stream, of: &call) else {
                refuse(stream, StreamRefusal.Reason(ofUnasked: stream, media), &call, media)
                continue
            }
            guard let range = exchanges.reply(member, index) else { return .malformed }
            index &+= 1
            var head = range
            if isBridged { head = JoinedReply(incoming.span, range).head }
            var reply = MediaReply.parse(incoming.span, head)
            if case .error(let code) = reply {
                account(node, code)
                if media.verb == .lookup, code.isUnknownSession(known) { reply = .noSession }
            }
            if reply != .noSession { areAllUnknown = false }
            switch reply {
            case .address(let port, let replied, _)
            where isEcho(port, incoming.span, replied, stream, &call, media, body):
                failure = failure ?? .echo
            case .address(let port, let replied, let family):
                hasPort = true
                do throws(CallFailure) {
                    let place = try place(stream, incoming.span, replied, family, call.addresses)
                    answer.verdicts.append(
                        .relayed(StreamDestination(address: place.address, family: place.family, port: port)))
                    if isBridged { try readSecurity(range, incoming.span, stream, &call, media) }
                } catch {
                    failure = failure ?? error
                }
            case .noSession where media.isAnswer: refuse(stream, .sessionUnknown, &call, media)
            case .noSession: failure = failure ?? (media.verb == .lookup ? .unknownSession : .noPort)
            case .error(let code) where media.verb == .update && code.isAboutAddress:
                refuse(stream, .error(code), &call, media)
            case .error(let code): failure = failure ?? .relayError(code)
            case .badPort: failure = failure ?? .noPort
            case .malformed: return .malformed
            }
        }
        if !hasPort, let refusal = answer.refusals.first(where: { $0.reason.isRelays }) {
            failure = failure ?? .streamRefused(refusal)
        }
        guard let failure else { return .success }
        if media.verb == .lookup, areAllUnknown { return .unknown(failure) }
        return .failure(failure, hasCreated: hasPort)
    }

    /// Whether a node has answered for `stream` what it was sent, as rtpengine does to what it does not understand.
    private func isEcho(
        _ port: UInt16, _ incoming: Span<UInt8>, _ replied: ByteRange, _ stream: MediaStream, _ call: inout Call,
        _ media: MediaCommand, _ body: Span<UInt8>
    ) -> Bool {
        guard port == stream.port else { return false }
        let addresses = call.addresses
        return media.withAddress(of: stream, addresses, body) { sent, range, _ in incoming.equals(replied, sent, range)
        }
    }

    private mutating func refuse(
        _ stream: MediaStream, _ reason: StreamRefusal.Reason, _ call: inout Call, _ media: MediaCommand
    ) {
        answer.verdicts.append(.refused)
        addForm(stream, &call, media)
        answer.refusals.append(StreamRefusal(number: stream.number, line: stream.line, reason: reason))
    }

    /// The address that a stream goes to, put into the answer's: the ip_address parameter, else the node's, else the one
    /// on which the host has received the message.
    private mutating func place(
        _ stream: MediaStream, _ incoming: Span<UInt8>, _ replied: ByteRange, _ family: AddressFamily,
        _ given: CallAddresses
    ) throws(CallFailure) -> (address: ByteRange, family: AddressFamily) {
        let start = answer.addresses.count
        var newFamily = family
        if !given.parameter.isEmpty {
            answer.addresses.append(given.text.memory.span, given.parameter)
            newFamily = AddressText.family(given.text.memory.span, given.parameter) ?? .ipv4
        } else if !replied.isEmpty {
            answer.addresses.append(incoming, replied)
        } else {
            answer.addresses.append(given.text.memory.span, given.received)
            newFamily = AddressText.family(given.text.memory.span, given.received) ?? .ipv4
        }
        let range = ByteRange(from: start, to: answer.addresses.count)
        if given.parameter.isEmpty,
            range.isEmpty || (AddressText.isNull(answer.addresses.memory.span, range) && !stream.isOnHold)
        {
            throw replied.isEmpty ? .noAddress : .nullAddress
        }
        return (range, newFamily)
    }

    mutating func makeEdits(
        _ call: inout Call, _ body: Span<UInt8>, _ options: RewriteOptions
    ) throws(CallFailure) {
        do throws(SDPFault) {
            let marker = settings.marker
            try answer.rewrite(call.description, body, marker: marker.span, options)
        } catch {
            throw .sdp(error)
        }
    }
}
