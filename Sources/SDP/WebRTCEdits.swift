// SPDX-License-Identifier: GPL-2.0-or-later
// The edits that make plain RTP of WebRTC, WebRTC of plain RTP, and of one browser's WebRTC the relay's.
//
// What a form needs is written in one piece: in the place of the first lines that have to go, else at the end of the
// session's or the stream's lines. So lines that follow each other are one edit, and a description that is rewritten
// again does not change.
//
// NO TRAP (22 in this file): a mark has the indices of a session and a stream that there are, and there are as many
// verdicts and forms as streams, compared at the beginning.

internal import Bytes

/// How far the changes of form have got in a description.
struct FormProgress {
    /// The mark that comes next.
    var mark = 0
    /// The level (a stream, or -1 less a session) whose new lines have been written.
    var written = Int.min
    /// Whether each stream has an `a=mid:` of its own.
    var keepsMids = false
}

extension EditList {
    /// Makes the changes of form up to `offset` of the body: transport protocols, lines that go, lines that come.
    @inline(never)
    mutating func changeForms(
        _ progress: inout FormProgress, upTo offset: Int, _ description: borrowing SessionDescription,
        _ body: Span<UInt8>, _ verdicts: Span<StreamVerdict>, _ forms: Span<StreamForm>, _ addresses: Span<UInt8>,
        _ options: RewriteOptions
    ) {
        while let mark = description.mark(progress.mark), mark.range.start < offset {
            progress.mark &+= 1
            let level = mark.stream >= 0 ? mark.stream : -1 &- mark.session
            var lines = mark.range
            switch mark.kind {
            case .transport:
                guard description.streams[mark.stream].isRTP else { continue }
                switch forms[mark.stream] {
                case .asItCame: break
                case .plain: changeTransport(body, lines, to: "RTP/AVP")
                case .webRTC(let end): changeTransport(body, lines, to: end.transport.text)
                }
                continue
            case .sessionEnd, .streamEnd:
                guard progress.written != level else { continue }
            case .lines:
                let removal = description.removal(mark, verdicts, forms)
                guard mark.removal & removal != 0 else { continue }
                while let next = description.mark(progress.mark), next.kind == .lines, next.stream == mark.stream,
                    next.session == mark.session, next.range.start == lines.end, next.removal & removal != 0
                {
                    lines = ByteRange(from: lines.start, to: next.range.end)
                    progress.mark &+= 1
                }
            }
            let isFirst = progress.written != level && mark.removal & Removal.early == 0
            if isFirst { progress.written = level }
            let keepsMids = progress.keepsMids
            replaceLines(body, lines, lineEnd: description.lineEnd) {
                guard isFirst else { return }
                if mark.stream >= 0 {
                    description.append(
                        stream: mark.stream, body, verdicts, forms, addresses, keepsMids: keepsMids, to: &$0)
                } else {
                    description.append(
                        session: mark.session, body, verdicts, forms, addresses, keepsMids: keepsMids,
                        allowsBundle: options.allowsBundle, to: &$0)
                }
            }
        }
    }

    /// Replaces the transport protocol of an `m=` line, in one edit with its port where only a blank stands between.
    private mutating func changeTransport(_ body: Span<UInt8>, _ transport: ByteRange, to name: StaticString) {
        guard !body.equals(transport, name) else { return }
        let blank = ByteRange(start: transport.start &- 1, count: 1)
        let isBehindPort = edits.last.map { $0.offset &+ $0.removed == blank.start } ?? false
        replace(body, ByteRange(from: isBehindPort ? blank.start : transport.start, to: transport.end)) {
            if isBehindPort { $0.append(body, blank) }
            $0.append(name)
        }
    }

    /// Replaces whole lines, or none at the end of one, with what `write` adds: whole lines, each with its line end.
    /// Where the last one of the body lacks its line end, so does the new last one.
    private mutating func replaceLines(
        _ body: Span<UInt8>, _ lines: ByteRange, lineEnd: StaticString, _ write: (inout Scratch<UInt8>) -> Void
    ) {
        let isBehindOpen = lines.isEmpty && needsLineEnd(body, at: lines.start)
        let isOpen = isBehindOpen || (!lines.isEmpty && body.byte(at: lines.end &- 1) != 0x0A)
        replace(body, lines) {
            let start = $0.count
            if isBehindOpen { $0.append(lineEnd) }
            let before = $0.count
            write(&$0)
            if $0.count == before {
                $0.removeLast(before &- start)
            } else if isOpen {
                $0.removeLast(lineEnd.utf8CodeUnitCount)
            }
        }
    }
}

extension SessionDescription {
    /// The mark of this index; nil behind the last one.
    fileprivate func mark(_ index: Int) -> FormMark? {
        guard index < webRTC.marks.count else { return nil }
        // NO TRAP: compared first; it counts from 0.
        return webRTC.marks[index]
    }

    /// Why the forms cannot be had, or nil.
    @inline(never)
    func fault(
        ofForms forms: Span<StreamForm>, _ verdicts: Span<StreamVerdict>, _ addresses: Span<UInt8>
    ) -> SDPFault? {
        guard forms.count == streams.count, readsWebRTC else { return SDPFault(.verdictsDoNotMatch) }
        for index in streams.indices {
            guard let end = forms[index].webRTCEnd else { continue }
            let fits: Bool
            if let destination = verdicts[index].destination {
                fits =
                    streams[index].isRTP && destination.port > 0 && end.setup != .holdconn
                    && SecurityText.isFingerprint(addresses, end.fingerprint)
                    && SecurityText.isUfrag(addresses, end.ufrag) && SecurityText.isPassword(addresses, end.password)
                    && AddressText.family(addresses, destination.address) == destination.family
                    && !AddressText.isNull(addresses, destination.address)
            } else {
                fits = true
            }
            guard fits, end.mid.isEmpty || StreamName.isMid(addresses, end.mid) else {
                return SDPFault(.unfitForWebRTC, line: streams[index].line)
            }
        }
        return nil
    }

    /// Whether each stream has an `a=mid:` of its own, so that they can stay.
    func hasMids(_ body: Span<UInt8>) -> Bool {
        for index in webRTC.streams.indices {
            let mid = webRTC.streams[index].mid
            guard !mid.isEmpty else { return false }
            for other in 0..<index where body.equals(mid, body, webRTC.streams[other].mid) { return false }
        }
        return true
    }

    /// Which lines of the level of `mark` do not come along.
    fileprivate func removal(_ mark: FormMark, _ verdicts: Span<StreamVerdict>, _ forms: Span<StreamForm>) -> Removal {
        if mark.stream >= 0 {
            let held = newDirection(mark.stream, verdicts, forms) != nil ? Removal.held : 0
            return forms[mark.stream].removal | held
        }
        var removal: Removal = 0
        for index in streams.indices where streams[index].session == mark.session {
            removal |= forms[index].removal
        }
        return removal
    }

    /// What the null address becomes, which says hold to a phone and nothing to a browser: what is sent stays, nothing is
    /// received (RFC 3264 section 8.4). Nil: the direction stays.
    private func newDirection(
        _ stream: Int, _ verdicts: Span<StreamVerdict>, _ forms: Span<StreamForm>
    ) -> StaticString? {
        guard streams[stream].isOnHold, forms[stream].webRTCEnd != nil, verdicts[stream].destination != nil else {
            return nil
        }
        switch webRTCFacts(of: stream).direction ?? .sendrecv {
        case .sendrecv: return "a=sendonly"
        case .recvonly: return "a=inactive"
        case .sendonly, .inactive: return nil
        }
    }

    /// Whether a null address of the session goes on as one: a stream is on hold by it for a receiver of plain RTP.
    func keepsHold(ofSession session: Int, _ forms: Span<StreamForm>) -> Bool {
        for index in streams.indices where streams[index].session == session && keepsHold(ofStream: index, forms) {
            return true
        }
        return false
    }

    /// Whether a null address of the stream goes on as one.
    func keepsHold(ofStream stream: Int, _ forms: Span<StreamForm>) -> Bool {
        streams[stream].isOnHold && forms[stream].webRTCEnd == nil
    }

    /// Adds the new lines of a session: `a=group:BUNDLE` where exactly one of its streams is on (RFC 9143; a relay has
    /// a port for each), `a=ice-lite` where a relay has one.
    fileprivate func append(
        session: Int, _ body: Span<UInt8>, _ verdicts: Span<StreamVerdict>, _ forms: Span<StreamForm>,
        _ addresses: Span<UInt8>, keepsMids: Bool, allowsBundle: Bool, to text: inout Scratch<UInt8>
    ) {
        var living = 0
        var relayed: Int?
        for index in streams.indices where streams[index].session == session && verdicts[index] != .refused {
            living &+= 1
            if verdicts[index].destination != nil, forms[index].webRTCEnd != nil { relayed = index }
        }
        guard let relayed else { return }
        if living == 1, allowsBundle, let end = forms[relayed].webRTCEnd {
            text.append("a=group:BUNDLE ")
            append(midOf: relayed, end, body, addresses, keepsMids: keepsMids, to: &text)
            text.append(lineEnd)
        }
        text.append("a=ice-lite")
        text.append(lineEnd)
    }

    /// Adds the new lines of a stream; of one that no relay takes, `a=mid:` alone.
    fileprivate func append(
        stream: Int, _ body: Span<UInt8>, _ verdicts: Span<StreamVerdict>, _ forms: Span<StreamForm>,
        _ addresses: Span<UInt8>, keepsMids: Bool, to text: inout Scratch<UInt8>
    ) {
        guard let end = forms[stream].webRTCEnd else { return }
        if let direction = newDirection(stream, verdicts, forms) {
            text.append(direction)
            text.append(lineEnd)
        }
        text.append("a=mid:")
        append(midOf: stream, end, body, addresses, keepsMids: keepsMids, to: &text)
        text.append(lineEnd)
        guard let destination = verdicts[stream].destination else { return }
        text.append("a=ice-ufrag:")
        text.append(addresses, end.ufrag)
        text.append(lineEnd)
        text.append("a=ice-pwd:")
        text.append(addresses, end.password)
        text.append(lineEnd)
        text.append("a=fingerprint:sha-256 ")
        text.append(addresses, end.fingerprint)
        text.append(lineEnd)
        text.append("a=setup:")
        text.append(end.setup.text)
        text.append(lineEnd)
        if end.multiplexes {
            text.append("a=rtcp-mux")
            text.append(lineEnd)
        }
        text.append("a=candidate:1 1 UDP 2130706431 ")
        text.append(addresses, destination.address)
        text.append(" ")
        text.append(decimal: UInt64(widening: destination.port))
        text.append(" typ host")
        text.append(lineEnd)
        text.append("a=end-of-candidates")
        text.append(lineEnd)
    }

    private func append(
        midOf stream: Int, _ end: WebRTCEnd, _ body: Span<UInt8>, _ addresses: Span<UInt8>, keepsMids: Bool,
        to text: inout Scratch<UInt8>
    ) {
        if !end.mid.isEmpty {
            text.append(addresses, end.mid)
        } else if keepsMids {
            text.append(body, webRTC.streams[stream].mid)
        } else {
            text.append(decimal: UInt64(truncatingIfNeeded: stream))
        }
    }
}
