// SPDX-License-Identifier: GPL-2.0-or-later
// Line by line: what the attributes of ICE, DTLS and BUNDLE say, and where lines are that may have to go.
//
// NO TRAP (12 in this file): each is the index of a stream or session that there is: one of its indices, or the last.

package import Bytes

extension SessionDescription {
    /// What the stream of this index says of WebRTC, and its session where it says nothing itself (RFC 8839 section 5.4,
    /// RFC 8122 section 5: the stream's counts). Empty where there is no such stream, or where it was not asked for.
    @inline(never)
    package func webRTCFacts(of stream: Int) -> WebRTCFacts {
        guard let own = webRTC.streams.memory.at(stream, below: webRTC.streams.count),
            let ofSession = streams.memory.at(stream, below: streams.count)?.session,
            let shared = webRTC.sessions.memory.at(ofSession, below: webRTC.sessions.count)
        else { return WebRTCFacts() }
        var facts = own
        if own.fingerprint.isEmpty, !own.hasOtherFingerprint {
            facts.fingerprint = shared.fingerprint
            facts.hasOtherFingerprint = shared.hasOtherFingerprint
        }
        if own.ufrag.isEmpty, own.password.isEmpty {
            facts.ufrag = shared.ufrag
            facts.password = shared.password
            facts.credentialsLine = shared.credentialsLine
        }
        facts.setup = own.setup ?? shared.setup
        facts.isLite = shared.isLite
        facts.bundle = shared.bundle
        facts.direction = own.direction ?? shared.direction
        return facts
    }

    /// Whether who has written this sends WebRTC in the stream of this index: it is on, and has a SHA-256 fingerprint and
    /// ICE credentials.
    package func isWebRTC(_ stream: Int) -> Bool {
        guard let media = streams.memory.at(stream, below: streams.count), media.wantsRelay else { return false }
        let facts = webRTCFacts(of: stream)
        return !facts.fingerprint.isEmpty && !facts.ufrag.isEmpty
    }

    /// Whether who has written this sends WebRTC in any stream.
    package var isWebRTC: Bool { streams.indices.contains { isWebRTC($0) } }

    /// The candidate of this index, from 0, of a stream; nil where it has no more.
    package func candidate(_ index: Int, of stream: Int) -> ICECandidate? {
        let facts = webRTCFacts(of: stream)
        guard index >= 0, index < facts.candidateCount else { return nil }
        return webRTC.candidates.memory.at(facts.firstCandidate &+ index, below: webRTC.candidates.count)
    }

    /// The candidate by which a stream is reached whose media are of another family than `source`, where its message came
    /// from: that of its `c=` where it has candidates of that, else the only one that they are of. Nil: they are of the
    /// family of `source`, or there is none.
    @inline(never)
    package func foreignCandidate(of stream: Int, _ body: Span<UInt8>, source: AddressFamily) -> ICECandidate? {
        guard let media = streams.memory.at(stream, below: streams.count) else { return nil }
        var other: ICECandidate?
        var isOfBoth = false
        var number = 0
        while let candidate = candidate(number, of: stream) {
            number &+= 1
            if candidate.family == source { isOfBoth = true } else { other = other ?? candidate }
        }
        guard isOfBoth else { return other }
        let isMeant = media.isNumeric && media.family != source && !AddressText.isNull(body, media.address)
        return isMeant ? other : nil
    }

    /// Has all streams but the first that wants a relay be without one, because their receiver has one transport for all.
    package mutating func shareTransport() {
        var isFirst = true
        // NO TRAP (2): one of its indices.
        for index in streams.indices where streams[index].wantsRelay && streams[index].isRTP {
            if !isFirst { streams[index].sharesTransport = true }
            isFirst = false
        }
    }

    /// Has a stream be reached by one of its candidates.
    package mutating func reach(_ stream: Int, by candidate: ICECandidate) {
        guard streams.indices.contains(stream) else { return }
        // NO TRAP (4): one of its indices.
        streams[stream].address = candidate.address
        streams[stream].family = candidate.family
        streams[stream].isNumeric = true
        streams[stream].isReachedByCandidate = true
    }

    /// Notes what a line means for WebRTC, once it has been read.
    @inline(never)
    mutating func noteForWebRTC(_ line: Line, of body: Span<UInt8>) throws(SDPFault) {
        if webRTC.sessions.count < sessions.count { webRTC.beginSession() }
        guard !webRTC.sessions.isEmpty else { return }
        let session = sessions.count &- 1
        if webRTC.streams.count < streams.count, let stream = streams.last {
            let isFirst = sessions[session].firstStream == streams.count &- 1
            webRTC.begin(stream, line, isFirst: isFirst)
        } else {
            try webRTC.take(line, of: body, streams.last.flatMap { $0.session == session ? $0 : nil })
        }
        guard webRTC.marks.count < SessionDescription.maximumPlaces else {
            throw SDPFault(.tooManyPlaces, line: line.number)
        }
    }

    /// What shows at the end alone. The null address is no hold where who has written it sends WebRTC in any stream of the
    /// session: the addresses are those of the candidates (RFC 8839 section 4.2.1.2), and browsers say hold by direction.
    @inline(never)
    mutating func finishForWebRTC(_ body: Span<UInt8>) throws(SDPFault) {
        webRTC.endStream()
        var session = -1
        // That of the last stream in a group that has candidates of its own.
        var carrier = -1
        for index in streams.indices where streams[index].wantsRelay {
            let facts = webRTCFacts(of: index)
            guard facts.ufrag.isEmpty == facts.password.isEmpty else {
                throw SDPFault(.badCredentials, line: facts.credentialsLine)
            }
            guard !facts.ufrag.isEmpty else { continue }
            guard !facts.fingerprint.isEmpty else {
                if facts.hasOtherFingerprint { throw SDPFault(.otherFingerprint, line: streams[index].line) }
                continue
            }
            if facts.isBundled(body) {
                if facts.candidateCount &+ facts.namedCandidates > 0 {
                    carrier = streams[index].session
                } else if carrier == streams[index].session {
                    streams[index].sharesTransport = true
                }
            }
            guard streams[index].session > session else { continue }
            session = streams[index].session
            for other in streams.indices where streams[other].session == session { streams[other].isOnHold = false }
        }
    }
}

extension Array {
    /// The element of this index, of the first `count` alone; nil where there is none.
    fileprivate func at(_ index: Int, below count: Int) -> Element? {
        guard index >= 0, index < count, index < self.count else { return nil }
        // NO TRAP: compared with both.
        return self[index]
    }
}

extension WebRTCAttributes {
    mutating func beginSession() {
        endStream()
        sessions.append(WebRTCFacts())
        hasTimes = false
    }

    /// Takes over an `m=` line.
    mutating func begin(_ stream: MediaStream, _ line: Line, isFirst: Bool) {
        endStream()
        if isFirst {
            mark(.sessionEnd, -1, 0, ByteRange(start: line.content.start, count: 0))
        }
        var facts = WebRTCFacts()
        facts.firstCandidate = candidates.count
        streams.append(facts)
        mark(.transport, streams.count &- 1, 0, stream.transport)
        end = line.next
        isEndNoted = false
    }

    /// Notes where the attributes of a stream end, once.
    @inline(never)
    mutating func endStream() {
        guard !isEndNoted else { return }
        isEndNoted = true
        mark(.streamEnd, streams.count &- 1, 0, ByteRange(start: end, count: 0))
    }

    @inline(never)
    private mutating func mark(_ kind: FormMark.Kind, _ stream: Int, _ removal: Removal, _ range: ByteRange) {
        marks.append(
            FormMark(kind: kind, session: sessions.count &- 1, stream: stream, removal: removal, range: range))
    }

    /// Takes over any other line, one of `stream` or, without, of the session.
    mutating func take(_ line: Line, of body: Span<UInt8>, _ stream: MediaStream?) throws(SDPFault) {
        if line.content.isEmpty || line.holdsNUL {
            // Behind it some read no further.
            endStream()
        } else {
            end = line.next
        }
        if body.hasPrefix(line.content, "t=") { hasTimes = true }
        guard let attribute = Attribute(line, in: body), let name = WebRTCName(body, attribute.name) else { return }
        var removal = name.removal(isAudio: stream?.isAudio ?? false)
        if removal != 0 {
            if stream == nil, !hasTimes { removal |= Removal.early }
            let range = ByteRange(from: line.content.start, to: line.next)
            let level = stream == nil ? -1 : streams.count &- 1
            if let last = marks.last, last.kind == .lines, last.stream == level, last.removal == removal,
                last.range.end == range.start
            {
                marks.removeLast()
                mark(.lines, level, removal, ByteRange(from: last.range.start, to: range.end))
            } else {
                mark(.lines, level, removal, range)
            }
        }
        if let stream {
            guard stream.wantsRelay || name == .mid, !streams.isEmpty else { return }
            try streams[streams.count &- 1].take(name, attribute, body, line, ofStream: true, &candidates)
        } else if !sessions.isEmpty {
            try sessions[sessions.count &- 1].take(name, attribute, body, line, ofStream: false, &candidates)
        }
    }
}

extension WebRTCFacts {
    /// Whether the stream is in the first group of those that may share a transport (RFC 9143 section 5): its name stands
    /// behind `BUNDLE`.
    package func isBundled(_ body: Span<UInt8>) -> Bool {
        guard !mid.isEmpty else { return false }
        var fields = FieldCursor(in: bundle)
        _ = fields.next(in: body)
        while let name = fields.next(in: body) {
            if body.equals(name, body, mid) { return true }
        }
        return false
    }

    /// Takes over one attribute. What is there more than once counts as it stands first.
    @inline(never)
    fileprivate mutating func take(
        _ name: WebRTCName, _ attribute: Attribute, _ body: Span<UInt8>, _ line: Line, ofStream: Bool,
        _ candidates: inout Scratch<ICECandidate>
    ) throws(SDPFault) {
        let value = attribute.value
        switch name {
        case .fingerprint where fingerprint.isEmpty:
            var fields = FieldCursor(in: value)
            let hash = fields.next(in: body) ?? .empty
            guard body.equalsIgnoringCase(hash, "sha-256") else {
                hasOtherFingerprint = true
                return
            }
            let digits = fields.next(in: body) ?? .empty
            guard SecurityText.isFingerprint(body, digits), fields.next(in: body) == nil else {
                throw SDPFault(.badFingerprint, line: line.number)
            }
            fingerprint = digits
        case .setup where setup == nil: setup = SetupAttribute(body, value)
        case .ufrag where ufrag.isEmpty:
            guard SecurityText.isUfrag(body, value) else { throw SDPFault(.badCredentials, line: line.number) }
            ufrag = value
            credentialsLine = line.number
        case .password where password.isEmpty:
            guard SecurityText.isPassword(body, value) else { throw SDPFault(.badCredentials, line: line.number) }
            password = value
            credentialsLine = line.number
        case .lite where !ofStream: isLite = true
        case .group where !ofStream && bundle.isEmpty:
            var fields = FieldCursor(in: value)
            if let semantics = fields.next(in: body), body.equals(semantics, "BUNDLE") { bundle = value }
        case .mid where ofStream && mid.isEmpty:
            if StreamName.isMid(body, value) { mid = value }
        case .multiplexing where ofStream: multiplexes = true
        case .direction where direction == nil: direction = MediaDirection(body, attribute.name)
        case .candidate where ofStream && candidateCount < WebRTCAttributes.maximumCandidates:
            switch ICECandidate.read(body, value) {
            case .candidate(let candidate):
                candidates.append(candidate)
                candidateCount &+= 1
            case .named: namedCandidates &+= 1
            case .other: break
            }
        default: break
        }
    }
}

/// Name and value of an `a=` line, however it is written: in either case, with blanks around the letter and the name.
struct Attribute {
    let name: ByteRange
    /// Without the blanks around it; empty where there is none.
    let value: ByteRange

    /// Nil: the line is none.
    init?(_ line: Line, in body: Span<UInt8>) {
        let letter = body.firstVisible(in: line.content)
        let sign = body.firstVisible(in: ByteRange(from: letter &+ 1, to: line.content.end))
        guard sign < line.content.end, body.byte(at: sign) == UInt8(ascii: "="),
            body.byte(at: letter).map(lowercased) == UInt8(ascii: "a")
        else { return nil }
        let start = body.firstVisible(in: ByteRange(from: sign &+ 1, to: line.content.end))
        var end = start
        while end < line.content.end, let byte = body.byte(at: end), byte > 0x20, byte != UInt8(ascii: ":") {
            end &+= 1
        }
        name = ByteRange(from: start, to: end)
        let colon = body.firstVisible(in: ByteRange(from: end, to: line.content.end))
        let hasValue = colon < line.content.end && body.byte(at: colon) == UInt8(ascii: ":")
        value = hasValue ? body.trimmed(ByteRange(from: colon &+ 1, to: line.content.end)) : .empty
    }
}
