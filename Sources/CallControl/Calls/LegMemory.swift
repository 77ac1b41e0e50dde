// SPDX-License-Identifier: GPL-2.0-or-later
// What is remembered of each leg that is or may be WebRTC: which ICE credentials and which certificate the relay was
// told of it last.
//
// RTPProxy answers with its old ufrag as long as it is not told to forget the peer's, and a browser that restarts ICE, or
// another device that answers, needs a new one (RFC 8839 section 4.4.1.1.1). A description does not say that it differs
// from the one before. So two numbers of 16 bits a leg and stream are kept, in a table like that of the calls, whose
// oldest entries give way. An entry that is lost, after a restart or where it has given way, costs no more than that one
// restart of ICE goes unseen.
//
// A third number is one of the leg: whether it has the group BUNDLE that its first description had (`isReceiverGrouped`).
// Where that is lost, a further stream may be offered to a browser that cannot take it.
//
// A leg has two names: by the tag of who is on it, and by the tag of who is on the other side. The first offer of a call
// has one tag only, and devices that answer it in turn are on one leg, whatever their tags.

import Bytes
import ControlProtocol
import SDP
import SharedState

/// What is remembered of the sender's leg: 0 plain RTP or nothing, 1 that it was offered WebRTC and nothing of a peer,
/// else a hash. That of a certificate is odd where who has it waits for the relay to begin the handshake.
struct LegMemory: BitwiseCopyable {
    var ice: UInt16 = 0
    var dtls: UInt16 = 0
    /// Whether anything was remembered of it, or is to be.
    var isKept = false

    /// What a peer's words come to.
    static func number(_ body: Span<UInt8>, _ word: ByteRange, _ further: ByteRange = .empty) -> UInt16 {
        var hash = Hash64()
        hash.combineWords(body, word)
        hash.combineWords(body, further)
        return UInt16(truncatingIfNeeded: hash.value % 65_534 &+ 2)
    }

    /// What a certificate comes to, from 2 on.
    static func number(_ body: Span<UInt8>, fingerprint: ByteRange, isPassive: Bool) -> UInt16 {
        number(body, fingerprint) & ~1 | (isPassive ? 1 : 0)
    }
}

extension Worker {
    /// The names of a leg.
    private enum LegName: UInt64 {
        case own = 0
        case opposite = 2
    }

    /// What the table knows one of a leg's two numbers by.
    private func legKey(_ call: inout Call, _ tag: ByteRange, _ name: LegName, _ stream: MediaStream, dtls: Bool)
        -> UInt64
    {
        legKey(&call, tag, stream.number, part: name.rawValue &+ (dtls ? 1 : 0))
    }

    /// What the table knows another number of a leg and of its stream `number` by.
    @inline(never)
    func legKey(_ call: inout Call, _ tag: ByteRange, _ number: Int, part: UInt64) -> UInt64 {
        var hash = Hash64()
        hash.combineWords(call.identity.text.memory.span, tag)
        let place = part &+ UInt64(widening: number.magnitude) &* 64
        return Hash64.mixed(call.identity.hash ^ Hash64.mixed(hash.value &+ place))
    }

    /// The tag of who has sent the description, and that of the other side.
    func tags(_ media: MediaCommand) -> (own: ByteRange, other: ByteRange) {
        media.verb == .update
            ? (media.words.firstTag, media.words.secondTag) : (media.words.secondTag, media.words.firstTag)
    }

    /// At which of its two legs stream `number` of a session has ICE, as far as that is remembered.
    @_optimize(size) @inline(never)
    func iceLegs(_ call: inout Call, _ words: SessionWords, stream number: Int) -> ICELegs {
        let first = words.firstTag
        // Where figures are asked for, the second tag may be the first one once more.
        let second = words.secondTag == first ? .empty : words.secondTag
        var found = ICELegs()
        if hasICE(&call, first, .own, number) || hasICE(&call, second, .opposite, number) { found.insert(.first) }
        if hasICE(&call, second, .own, number) || hasICE(&call, first, .opposite, number) { found.insert(.second) }
        return found
    }

    /// Whether that is known of a leg by one of its names.
    @_optimize(size) @inline(never)
    private func hasICE(_ call: inout Call, _ tag: ByteRange, _ name: LegName, _ number: Int) -> Bool {
        !tag.isEmpty && legs?.node(for: legKey(&call, tag, number, part: name.rawValue), now: ticks) ?? 0 > 0
    }

    /// What is remembered of one number of the sender's leg; nil: nothing.
    private func remembered(_ call: inout Call, _ media: MediaCommand, _ stream: MediaStream, dtls: Bool) -> Int? {
        let (own, other) = tags(media)
        if !other.isEmpty,
            let number = legs?.node(for: legKey(&call, other, .opposite, stream, dtls: dtls), now: ticks)
        {
            return number
        }
        guard !own.isEmpty else { return nil }
        return legs?.node(for: legKey(&call, own, .own, stream, dtls: dtls), now: ticks)
    }

    /// Whether who gets the description has last described WebRTC itself, over whatever it talks SIP.
    @inline(never)
    func hasDescribedWebRTC(_ call: inout Call, _ media: MediaCommand) -> Bool {
        let other = tags(media).other
        guard !other.isEmpty else { return false }
        for index in call.description.streams.indices {
            // NO TRAP: an index of its own.
            let key = legKey(&call, other, .own, call.description.streams[index], dtls: false)
            if (legs?.node(for: key, now: ticks) ?? 0) > 1 { return true }
        }
        return false
    }

    /// Compares what a description says of its sender's leg with what is remembered of it.
    mutating func compareLeg(
        _ call: inout Call, _ media: MediaCommand, _ stream: MediaStream, _ index: Int,
        _ security: inout StreamSecurity,
        _ body: Span<UInt8>
    ) {
        let (ice, dtls) = (
            remembered(&call, media, stream, dtls: false), remembered(&call, media, stream, dtls: true)
        )
        security.leg.isKept = security.isFromWebRTC || ice != nil || dtls != nil
        guard security.isFromWebRTC else {
            security.endsICE = (ice ?? 0) > 0
            security.endsDTLS = (dtls ?? 0) > 0
            return
        }
        let facts = call.description.webRTCFacts(of: index)
        security.leg.ice = LegMemory.number(body, facts.ufrag, facts.password)
        security.leg.dtls = LegMemory.number(body, fingerprint: facts.fingerprint, isPassive: false)
        if let ice, ice > 1, ice != Int(widening: security.leg.ice) { security.endsICE = true }
        security.isPassive = facts.setup == .passive
        if let dtls, dtls > 1 {
            security.wasPassive = dtls & 1 == 1
            if dtls & ~1 != Int(widening: security.leg.dtls) {
                security.endsDTLS = true
            } else if security.wasPassive, !security.isPassive {
                // Who offers leaves the choice, and the roles stay (RFC 8842 section 5.3); who begins after all does so
                // with a handshake of its own.
                if facts.setup == .active { security.endsDTLS = true } else { security.isPassive = true }
            }
        }
        if security.isPassive { security.leg.dtls |= 1 }
    }

    /// Whether the relay has been told of a device on the receiver's leg, although this offer has none yet: of one that has
    /// answered early and then refused. The next one needs what the relay says to nobody else.
    func renewsReceiver(_ call: inout Call, _ media: MediaCommand, _ stream: MediaStream) -> Bool {
        guard media.verb == .update, media.words.secondTag.isEmpty else { return false }
        let (own, _) = tags(media)
        return (legs?.node(for: legKey(&call, own, .opposite, stream, dtls: false), now: ticks) ?? 0) > 1
    }

    /// A browser that is nowhere where the relay would find it: it connects, and nothing is heard. Logged once a minute,
    /// because browsers decide how often it happens.
    private mutating func tellOfNoCandidate(_ call: inout Call, _ stream: MediaStream, names: Int) {
        outbox.count(.withoutCandidate)
        guard ticks >= nextCandidateLine else { return }
        nextCandidateLine = ticks &+ 60
        beginWarning(call)
        line.append("media stream ")
        line.append(decimal: stream.number)
        line.append(" (line ")
        line.append(decimal: stream.line)
        line.append("): no ICE candidate that RTPProxy can use, ")
        line.append(decimal: names)
        line.append(" of them are names (mDNS): the browser may hear nothing and not be heard, see")
        line.append(" rtpproxy_webrtc_prflx (not logged again for a minute)")
        outbox.log(.warning, line)
    }

    /// Remembers that the relay is being told something else of the sender's leg. Whatever comes of that, and a refusal of
    /// the relay comes when it has forgotten what it had: the next description, be it with the credentials of before, has
    /// to be told as another one. What is remembered where all has gone well is this, too.
    @inline(never)
    mutating func doubtLeg(
        _ call: inout Call, _ media: MediaCommand, _ stream: MediaStream, _ security: StreamSecurity
    ) {
        var leg = security.leg
        if security.endsICE { leg.ice ^= 1 }
        if security.endsDTLS { leg.dtls ^= 2 }
        remember(leg, &call, media, stream)
    }

    private mutating func remember(
        _ leg: LegMemory, _ call: inout Call, _ media: MediaCommand, _ stream: MediaStream
    ) {
        let (own, other) = tags(media)
        for (dtls, number) in [(false, leg.ice), (true, leg.dtls)] {
            let number = Int(widening: number)
            if !own.isEmpty {
                legs?.remember(legKey(&call, own, .own, stream, dtls: dtls), node: number, now: ticks)
            }
            if !other.isEmpty {
                legs?.remember(legKey(&call, other, .opposite, stream, dtls: dtls), node: number, now: ticks)
            }
        }
    }

    /// Whether the descriptions that the receiver's leg has had before had a group BUNDLE; nil: nothing is known. What has
    /// been in a group has to stay in one, and nothing can join it; what has not been in one may stay outside.
    @inline(never)
    func isReceiverGrouped(_ call: inout Call, _ media: MediaCommand) -> Bool? {
        let (own, other) = tags(media)
        guard !other.isEmpty, let first = call.description.streams.first else { return nil }
        let known =
            legs?.node(for: legKey(&call, other, first.number, part: Self.groupOfOwn), now: ticks)
            ?? legs?.node(for: legKey(&call, own, first.number, part: Self.groupOfOpposite), now: ticks)
        return known.flatMap { $0 == 0 ? nil : $0 == 1 }
    }

    /// The number of a leg that says whether it is in a group, by the two names of a leg.
    private static var groupOfOwn: UInt64 { 62 }
    private static var groupOfOpposite: UInt64 { 63 }

    /// Remembers whether the receiver's leg has got a group, 1, or several streams without one, 2. Who begins a call has
    /// got nothing yet, whatever there was by the same names.
    private mutating func rememberGroup(_ call: inout Call, _ media: MediaCommand) {
        guard let first = call.description.streams.first else { return }
        let (own, other) = tags(media)
        if media.isFromWebRTC, other.isEmpty {
            let key = legKey(&call, own, first.number, part: Self.groupOfOwn)
            if legs?.node(for: key, now: ticks) != nil { legs?.remember(key, node: 0, now: ticks) }
        }
        guard media.isToWebRTC else { return }
        let living = answer.verdicts.count { $0 != .refused }
        guard living > 1 || (living == 1 && media.options.allowsBundle) else { return }
        let number = living == 1 ? 1 : 2
        if !other.isEmpty {
            legs?.remember(legKey(&call, other, first.number, part: Self.groupOfOwn), node: number, now: ticks)
        }
        if !own.isEmpty {
            legs?.remember(legKey(&call, own, first.number, part: Self.groupOfOpposite), node: number, now: ticks)
        }
    }

    /// Remembers what the relay has been told, once the message is on its way.
    mutating func rememberLegs(_ call: inout Call, _ media: MediaCommand) {
        guard media.flags.bridging != nil, !call.securities.isEmpty else { return }
        rememberGroup(&call, media)
        let (own, other) = tags(media)
        for stream in call.description.streams {
            let index = stream.number &- 1
            // NO TRAP: as many as there are streams, whose numbers begin at 1; compared first.
            guard index >= 0, index < call.securities.count else { continue }
            let security = call.securities[index]
            if security.leg.isKept { remember(security.leg, &call, media, stream) }
            if security.isFromWebRTC, !settings.learnsCandidates,
                call.description.webRTCFacts(of: index).candidateCount == 0
            {
                tellOfNoCandidate(&call, stream, names: call.description.webRTCFacts(of: index).namedCandidates)
            }
            // The receiver's leg, of which the relay has been asked for its own half. Who answers may have plain RTP. Who has
            // begun the call is known by its own tag alone so far.
            guard security.isToWebRTC, !own.isEmpty else { continue }
            for dtls in [false, true] {
                let key = legKey(&call, own, .opposite, stream, dtls: dtls)
                guard security.renewsReceiver || (legs?.node(for: key, now: ticks) ?? 0) == 0 else { continue }
                let known =
                    other.isEmpty ? nil : legs?.node(for: legKey(&call, other, .own, stream, dtls: dtls), now: ticks)
                legs?.remember(key, node: max(known ?? 0, 1), now: ticks)
            }
        }
    }
}
