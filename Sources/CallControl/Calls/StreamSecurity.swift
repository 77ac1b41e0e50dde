// SPDX-License-Identifier: GPL-2.0-or-later
// What a media stream needs besides a port where a browser is on one of its sides (flags `d`, `p`, `g`): RTPProxy's
// modules for DTLS-SRTP and ICE are told of the sender, and asked what the receiver is to be told of the relay.

import Bytes
import ControlProtocol
import SDP

/// The sub-commands of one stream, and what its two legs become.
struct StreamSecurity: BitwiseCopyable {
    /// Whether who has written the description sends WebRTC in this stream.
    var isFromWebRTC = false
    /// Whether the receiver is to get WebRTC.
    var isToWebRTC = false
    /// Whether what the relay was told of the sender's leg before no longer holds: the sender has restarted ICE, or
    /// another device is on the leg.
    var endsICE = false
    /// The same of the certificate.
    var endsDTLS = false
    /// Whether the receiver's leg has had a device that this offer is not for: one that has answered early and then
    /// refused.
    var renewsReceiver = false
    /// Whether the sender waits for the relay to begin the handshake, and whether it did before.
    var isPassive = false
    var wasPassive = false
    /// The family of the sender's media: candidates of another one are of no use to the relay.
    var family = AddressFamily.ipv4
    /// What is remembered of the sender's leg.
    var leg = LegMemory()

    /// Whether the relay is told or asked anything.
    var isNeeded: Bool { isFromWebRTC || isToWebRTC || endsICE || endsDTLS }
}

/// The sub-commands of one stream in their order, as many as a command can have.
struct SubCommandList {
    private var commands: InlineArray<15, SubCommand?> = .init(repeating: nil)
    private(set) var count = 0

    /// How many more there can be.
    var room: Int { commands.count &- count }

    mutating func append(_ command: SubCommand) {
        guard count < commands.count else { return }
        // NO TRAP: compared with the count of the array, and never negative.
        commands[count] = command
        count &+= 1
    }

    subscript(place: Int) -> SubCommand? {
        // NO TRAP: compared first: 0 <= place < count, which is at most 15.
        place >= 0 && place < count ? commands[place] : nil
    }

    /// Those of the stream at `index` of `description`.
    init(_ security: StreamSecurity, _ description: borrowing SessionDescription, _ index: Int) {
        if security.isFromWebRTC {
            let facts = description.webRTCFacts(of: index)
            // Of an answer `active` begins, and of an offer `actpass` may: only where the peer waits does the relay begin.
            let peer = SubCommand.dtlsPeer(isPassive: security.isPassive, fingerprint: facts.fingerprint)
            let agent = SubCommand.icePeer(ufrag: facts.ufrag, password: facts.password)
            // A leg that has nothing refuses to have it taken away. A relay that was restarted has nothing: so it is told
            // first, which it takes as often as one likes.
            if security.endsICE {
                append(agent)
                append(.iceEnd)
            }
            append(agent)
            let left =
                room &- (security.endsDTLS ? 3 : 1) &- (security.isToWebRTC ? (security.renewsReceiver ? 6 : 2) : 0)
            append(description, index, security.family, atMost: min(left, Self.mostCandidates))
            // DTLS behind ICE: told of a peer that waits before it knows its ICE, RTPProxy of rtp.io 1.1.1 begins with the
            // first check that comes meanwhile, and hears nothing of it: 20 of 1,600 answers on a busy machine; in this
            // order 1 and 4, in two runs.
            // It refuses to be told that a peer begins of which it has been told that it waits.
            if security.endsDTLS {
                append(.dtlsPeer(isPassive: security.wasPassive, fingerprint: facts.fingerprint))
                append(.dtlsEnd)
            }
            append(peer)
        }
        if security.isToWebRTC {
            if security.renewsReceiver {
                // Asked first, because a relay that has nothing of the leg, as one that was restarted, refuses to end it.
                append(.dtlsSelf)
                append(.iceSelf)
                append(.dtlsSelfEnd)
                append(.iceSelfEnd)
            }
            append(.dtlsSelf)
            append(.iceSelf)
        }
        guard !security.isFromWebRTC else { return }
        // The last ones, because they may fail: then there is nothing to end.
        if security.endsDTLS { append(.dtlsEnd) }
        if security.endsICE { append(.iceEnd) }
    }
}

extension SubCommandList {
    /// The most candidates of a media stream that a relay is told, and how many of these are addresses of the browser's own
    /// machine where it has others behind them: those that the world sees it by are its last ones.
    private static let (mostCandidates, mostHostsAtFirst) = (8, 4)

    /// Adds the candidates of one family: the first of the machine itself, the others, and what there is more of it.
    private mutating func append(
        _ description: borrowing SessionDescription, _ index: Int, _ family: AddressFamily, atMost most: Int
    ) {
        var told = 0
        for round in 0..<3 {
            var (number, hosts) = (0, 0)
            while told < most, let candidate = description.candidate(number, of: index) {
                number &+= 1
                guard candidate.family == family else { continue }
                var place = 1
                if candidate.isHost {
                    hosts &+= 1
                    place = hosts <= Self.mostHostsAtFirst ? 0 : 2
                }
                guard place == round else { continue }
                append(
                    .iceCandidate(
                        PeerCandidate(
                            foundation: candidate.foundation, priority: candidate.priority, address: candidate.address,
                            port: candidate.port, type: candidate.type)))
                told &+= 1
            }
        }
    }
}

extension MediaCommand {
    /// What a relay has to be able to do.
    var needs: Capabilities { isBridged ? .webRTC : [] }
}

extension Worker {
    /// Reads what a message's flags and its description ask for, stream by stream. Where the message goes is known.
    @_optimize(size) @inline(never)
    mutating func readSecurity(
        _ call: inout Call, _ media: inout MediaCommand, _ body: Span<UInt8>
    ) throws(CallFailure) {
        media.isFromWebRTC = call.description.isWebRTC
        let isGrouped = media.isToWebRTC ? isReceiverGrouped(&call, media) : nil
        if isGrouped == true { call.description.shareTransport() }
        for index in call.description.streams.indices {
            // NO TRAP: an index of its own.
            let stream = call.description.streams[index]
            var security = StreamSecurity()
            if stream.wantsRelay, stream.isRTP, !stream.sharesTransport {
                security.isFromWebRTC = call.description.isWebRTC(index)
                security.isToWebRTC = media.isToWebRTC
                if security.isFromWebRTC, call.description.webRTCFacts(of: index).isLite { throw .peerIsLite }
                // Beside WebRTC it is no SDES either, which goes past: all media of a browser have a fingerprint
                // (RFC 8827 section 6.5).
                if media.isToWebRTC || media.isFromWebRTC, !security.isFromWebRTC, stream.isSecured(in: body) {
                    throw .isSecured(line: stream.line)
                }
                compareLeg(&call, media, stream, index, &security, body)
                if security.isFromWebRTC { security.family = reach(&call, index, body) }
                security.renewsReceiver = security.isToWebRTC && renewsReceiver(&call, media, stream)
            }
            if security.isNeeded { media.isBridged = true }
            call.securities.append(security)
        }
        if media.isFromWebRTC || media.isToWebRTC { media.isBridged = true }
        if !media.isAnswer {
            if media.isFromWebRTC { rememberNames(&call, tags(media).own, body) }
        } else if media.isToWebRTC {
            media.options.allowsBundle = isBundled(&call, tags(media).other)
        }
        if isGrouped == false { media.options.allowsBundle = false }
        call.isBridged = media.isBridged
    }

    /// The family of a browser's media. A browser may talk SIP in one and have its media in another.
    private func reach(_ call: inout Call, _ index: Int, _ body: Span<UInt8>) -> AddressFamily {
        let source = AddressText.family(call.addresses.text.memory.span, call.addresses.source) ?? .ipv4
        guard let candidate = call.description.foreignCandidate(of: index, body, source: source) else { return source }
        call.description.reach(index, by: candidate)
        return candidate.family
    }

    /// Joins to the command that was written what the stream needs besides.
    @inline(never)
    mutating func joinSecurity(
        _ stream: MediaStream, _ call: inout Call, _ media: MediaCommand, _ body: Span<UInt8>
    ) throws(CallFailure) {
        let index = stream.number &- 1
        guard index >= 0, index < call.securities.count else { return }
        // NO TRAP (2): compared first; the list's subscript compares.
        let security = call.securities[index]
        if security.isFromWebRTC, security.endsICE || security.endsDTLS { doubtLeg(&call, media, stream, security) }
        let commands = SubCommandList(security, call.description, index)
        var joined = JoinedCommand()
        var place = 0
        while let next = commands[place] {
            do throws(SubCommandFault) {
                try joined.append(next, body, to: &command)
            } catch {
                throw .security(error)
            }
            place &+= 1
        }
    }

    /// Reads what the sub-commands of a stream were answered, in the answer at `range`: the form that the stream gets, or
    /// why the function fails.
    @_optimize(size) @inline(never)
    mutating func readSecurity(
        _ range: ByteRange, _ incoming: Span<UInt8>, _ stream: MediaStream, _ call: inout Call, _ media: MediaCommand
    ) throws(CallFailure) {
        let index = stream.number &- 1
        // NO TRAP (2): as many as there are streams, whose numbers begin at 1; compared first.
        guard index >= 0, index < call.securities.count else { return answer.forms.append(.asItCame) }
        let security = call.securities[index]
        let commands = SubCommandList(security, call.description, index)
        var (replies, end) = (JoinedReply(incoming, range), end(&call, stream, media))
        var place = 0
        while let command = commands[place] {
            place &+= 1
            let reply = replies.next(in: incoming)
            // The last answer counts where a module is asked before and behind an end.
            switch (command, reply) {
            case (.dtlsSelf, .value(let value)):
                guard let dtls = DTLSReply(incoming, value) else { throw .badModuleReply }
                end.fingerprint = keep(incoming, dtls.fingerprint)
                end.setup = setup(dtls.setup, media)
            case (.iceSelf, .value(let value)):
                guard let ice = ICEReply(incoming, value) else { throw .badModuleReply }
                end.ufrag = keep(incoming, ice.ufrag)
                end.password = keep(incoming, ice.password)
            case (.dtlsSelf, .success), (.iceSelf, .success), (_, .value): throw .badModuleReply
            case (.dtlsEnd, .failure) where !security.isFromWebRTC, (.iceEnd, .failure) where !security.isFromWebRTC:
                break
            case (_, .failure): throw .moduleRefused
            case (_, .success): break
            }
        }
        answer.forms.append(form(security, media, end))
    }

    /// The form of a stream for its receiver. A live one that is plain RTP already stays as it came.
    private func form(_ security: StreamSecurity, _ media: MediaCommand, _ end: WebRTCEnd) -> StreamForm {
        if media.isToWebRTC { return .webRTC(end) }
        return security.isFromWebRTC || media.isFromWebRTC ? .plain : .asItCame
    }

    /// What is known of the relay's end before the relay has said anything. Who answers with WebRTC has the names that it
    /// was offered, and a phone may have some of its own.
    private mutating func end(_ call: inout Call, _ stream: MediaStream, _ media: MediaCommand) -> WebRTCEnd {
        guard media.isToWebRTC else { return WebRTCEnd() }
        return end(&call, tags(media).other, stream, numbers: media.isAnswer && !media.isFromWebRTC)
    }

    /// Adds the form of a stream that no relay takes.
    @inline(never)
    mutating func addForm(_ stream: MediaStream, _ call: inout Call, _ media: MediaCommand) {
        guard media.isBridged else { return }
        guard !stream.isOverTCP else { return answer.forms.append(.asItCame) }
        answer.forms.append(form(StreamSecurity(), media, end(&call, stream, media)))
    }

    /// What `a=setup:` says of the relay: an offer leaves the choice to who answers, an answer has chosen (RFC 5763
    /// section 5, RFC 8842 section 5.3).
    private func setup(_ relay: RelaySetup, _ media: MediaCommand) -> SetupAttribute {
        guard media.isAnswer else { return .actpass }
        return relay == .active ? .active : .passive
    }

    /// Copies what goes into the description.
    private mutating func keep(_ bytes: Span<UInt8>, _ range: ByteRange) -> ByteRange {
        let start = answer.addresses.count
        answer.addresses.append(bytes, range)
        return ByteRange(from: start, to: answer.addresses.count)
    }
}
