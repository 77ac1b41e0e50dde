// SPDX-License-Identifier: GPL-2.0-or-later
// From a parsed session description and the new addresses of its media streams to edits.
//
// NO TRAP (12 in this file): each is the index of a stream or of its session, and there are as many verdicts as
// streams, compared at the beginning.
//
// NO TRAP (10 in this file): firstStream is the index of a stream, and the loop stops at their count, which is that of
// the verdicts.

internal import Bytes

/// What a rewrite changes besides ports and the addresses that count.
package struct RewriteOptions: Equatable, Sendable {
    /// The `o=` line of each session (flag `o`).
    package var changesOrigin = false
    /// A session's `c=` line also where each of its media streams has its own (flag `c`).
    package var changesSessionConnection = false
    /// Relay candidates for media streams that have candidates.
    package var relayCandidates = RelayCandidates.none
    /// Whether a session of one stream that goes on as WebRTC may be a group BUNDLE of it. In an answer that is so where
    /// the offer had the stream in such a group (RFC 9143 section 7.3).
    package var allowsBundle = true

    package init() {}
}

extension EditList {
    /// Makes the edits that do with each media stream of `description` what its verdict says, and add the line `marker`
    /// (without line end; empty: none) behind the last one unless it is there.
    ///
    /// - `m=`: port and `/<n>` become the new port, 0 where the stream is refused; 0 stays.
    /// - `c=`: the address with its `/<ttl>`, and the family where it changed. A session's is changed once, to the
    ///   address of the first relayed stream that relies on it, or else, with the flag or where a refused one does, of
    ///   the session's first relayed one. That of a refused stream goes with the latter, too. A stream that goes past
    ///   the relay and relies on the session's gets one of its own, with what the session had.
    /// - Hold: a null address stays in the same family, and becomes the other family's null address else.
    /// - `o=`: with the flag, to the address of the session's first relayed stream, where it ends in one.
    /// - `a=rtcp:` (RFC 3605): all but the blanks around it becomes the RTCP port; untouched where there is none.
    ///
    /// - `forms`: none, or one for each stream. Then the description has been read with `readsWebRTC`, and `m=` gets the
    ///   form's transport protocol where it has an RTP profile, lines go and come (`StreamForm`), an address becomes the
    ///   relay's where a null address is no hold to the receiver, and there are no relay candidates. Lines of a session
    ///   go where those of any of its streams do. A stream that becomes WebRTC and is relayed is RTP, its address is
    ///   numeric and not the null address, and all that its `WebRTCEnd` names is fit for it, or it is a fault.
    ///
    /// Where no stream of a session is relayed, its lines stay as they are, but for its `c=` among several sessions.
    /// `description` has to be of this very `body`, read with this marker or with none. Throws `verdictsDoNotMatch` and
    /// `unfitForWebRTC`; then there are no edits.
    package mutating func rewrite(
        _ description: borrowing SessionDescription, body: Span<UInt8>,
        verdicts: Span<StreamVerdict>, forms: Span<StreamForm> = Span(), addresses: Span<UInt8>,
        marker: Span<UInt8>, options: RewriteOptions
    ) throws(SDPFault) {
        removeAll()
        guard verdicts.count == description.streams.count else { throw SDPFault(.verdictsDoNotMatch) }
        let changesForm = !forms.isEmpty
        var progress = FormProgress()
        if changesForm {
            if let fault = description.fault(ofForms: forms, verdicts, addresses) { throw fault }
            progress.keepsMids = description.hasMids(body)
        }
        for index in description.places.indices {
            if changesForm {
                // NO TRAP: index is one of places.indices.
                let offset = description.places[index].offset
                changeForms(&progress, upTo: offset, description, body, verdicts, forms, addresses, options)
                // It stands in a line that has gone.
                if let last = edits.last, offset < last.offset &+ last.removed { continue }
            }
            // NO TRAP: index is one of places.indices.
            switch description.places[index] {
            case .origin(let session, let field):
                guard options.changesOrigin, let first = description.firstRelayed(session, verdicts, addresses),
                    !AddressText.isNull(addresses, first.address)
                else { continue }
                move(field, to: first, body, addresses, keepingHold: false)

            case .sessionConnection(let session, let field):
                guard let target = description.target(ofConnection: session, verdicts, addresses, options) else {
                    continue
                }
                let keepsHold = !changesForm || description.keepsHold(ofSession: session, forms)
                move(field, to: target, body, addresses, keepingHold: keepsHold)

            case .streamConnection(let stream, let field):
                let keepsHold = !changesForm || description.keepsHold(ofStream: stream, forms)
                switch verdicts[stream] {
                case .relayed(let destination):
                    move(field, to: destination, body, addresses, keepingHold: keepsHold)
                case .refused:
                    let session = description.streams[stream].session
                    guard let first = description.firstRelayed(session, verdicts, addresses) else { continue }
                    move(field, to: first, body, addresses, keepingHold: keepsHold)
                case .left: continue
                }

            case .newConnection(let stream, let offset):
                let session = description.streams[stream].session
                guard verdicts[stream] == .left, !description.streams[stream].hasOwnConnection,
                    let field = description.sessions[session].connection,
                    let target = description.target(ofConnection: session, verdicts, addresses, options),
                    moves(
                        field, to: target, body, addresses,
                        keepingHold: !changesForm || description.keepsHold(ofSession: session, forms))
                else { continue }
                addLine(body, at: offset, lineEnd: description.lineEnd) {
                    $0.append("c=IN ")
                    $0.append(body, field.familyToken)
                    $0.append(" ")
                    $0.append(body, field.addressField)
                }

            case .port(let stream, let field):
                guard !description.streams[stream].isOff else { continue }
                switch verdicts[stream] {
                case .relayed(let destination):
                    replace(body, field) { $0.append(decimal: UInt64(widening: destination.port)) }
                case .refused: replace(body, field) { $0.append("0") }
                case .left: continue
                }

            case .rtcp(let stream, let value):
                guard let port = verdicts[stream].destination?.rtcpPort else { continue }
                replace(body, value) { $0.append(decimal: UInt64(widening: port)) }

            case .candidates(let stream, let offset):
                guard description.streams[stream].candidatesPlace == index,
                    let destination = verdicts[stream].destination, !changesForm || forms[stream] == .asItCame
                else { continue }
                addCandidates(options.relayCandidates, at: offset, description, body, destination, addresses)
            }
        }
        if changesForm {
            changeForms(&progress, upTo: Int.max, description, body, verdicts, forms, addresses, options)
        }
        let isMarked = description.isMarked
        if !marker.isEmpty,
            !(isMarked ?? SessionDescription.carriesMarker(body, description.range, marker: marker))
        {
            let end = SessionDescription.endOfLastLine(body, description.range)
            addLine(body, at: end, lineEnd: description.lineEnd) { $0.append(marker) }
        }
    }

    /// Puts the new address into a `c=` or `o=` line, and its family where that is another one.
    private mutating func move(
        _ field: ConnectionField, to destination: StreamDestination, _ body: Span<UInt8>, _ addresses: Span<UInt8>,
        keepingHold: Bool
    ) {
        let family = destination.family
        if field.tokenFamily != family {
            replace(body, field.familyToken) { $0.append(family.token) }
        }
        if keepingHold, field.isNull {
            guard field.family != family else { return }
            replace(body, field.addressField) { $0.append(family.nullAddress) }
        } else {
            let address = destination.address
            replace(body, field.addressField) { $0.append(addresses, address) }
        }
    }

    /// Whether `move` changes anything.
    private func moves(
        _ field: ConnectionField, to destination: StreamDestination, _ body: Span<UInt8>, _ addresses: Span<UInt8>,
        keepingHold: Bool
    ) -> Bool {
        if field.tokenFamily != destination.family { return true }
        if keepingHold, field.isNull { return field.family != destination.family }
        return !body.equals(field.addressField, addresses, destination.address)
    }

    /// Adds a line at `offset`, behind another one. Where that lacks its line end, as the last line of a part of a
    /// multipart body does, so does the new one.
    mutating func addLine(
        _ body: Span<UInt8>, at offset: Int, lineEnd: StaticString, _ write: (inout Scratch<UInt8>) -> Void
    ) {
        let isOpen = needsLineEnd(body, at: offset)
        replace(body, ByteRange(start: offset, count: 0)) {
            if isOpen { $0.append(lineEnd) }
            write(&$0)
            if !isOpen { $0.append(lineEnd) }
        }
    }

    /// Whether a new line at `offset` has to be preceded by a line end: what stands before it, in the body or as what
    /// the edit that ends there adds or leaves, does not end in one.
    func needsLineEnd(_ body: Span<UInt8>, at offset: Int) -> Bool {
        guard let last = edits.last, last.offset &+ last.removed == offset else {
            return body.byte(at: offset &- 1) != 0x0A
        }
        return last.text.isEmpty ? body.byte(at: last.offset &- 1) != 0x0A : text.last != 0x0A
    }
}

extension SessionDescription {
    /// How the lines of this session description end: CRLF (RFC 8866 section 5), or LF where all of them do.
    var lineEnd: StaticString { endsLinesInLineFeedAlone ? "\n" : "\r\n" }

    /// Where the first stream of a session goes that a relay takes; nil where it takes none. A relay may answer the
    /// null address for a stream on hold: it is passed over where another stream has a better one.
    func firstRelayed(
        _ session: Int, _ verdicts: Span<StreamVerdict>, _ addresses: Span<UInt8>
    ) -> StreamDestination? {
        var held: StreamDestination?
        var index = sessions[session].firstStream ?? streams.count
        while index < streams.count, streams[index].session == session {
            if let destination = verdicts[index].destination {
                if !streams[index].isOnHold || !AddressText.isNull(addresses, destination.address) {
                    return destination
                }
                held = held ?? destination
            }
            index &+= 1
        }
        return held
    }

    /// Where the first stream of all goes that a relay takes.
    private func firstRelayed(_ verdicts: Span<StreamVerdict>) -> StreamDestination? {
        for index in 0..<verdicts.count {
            if let destination = verdicts[index].destination { return destination }
        }
        return nil
    }

    /// Where the `c=` of a session goes; nil where it stays. A reader that stops before the end may go by it where a
    /// stream has its own, and one that takes several sessions for one may take it for any stream.
    func target(
        ofConnection session: Int, _ verdicts: Span<StreamVerdict>, _ addresses: Span<UInt8>, _ options: RewriteOptions
    ) -> StreamDestination? {
        var hasRefused = false
        var ofCutOff: StreamDestination?
        var index = sessions[session].firstStream ?? streams.count
        while index < streams.count, streams[index].session == session {
            if !streams[index].hasOwnConnection {
                if let destination = verdicts[index].destination { return destination }
                if verdicts[index] == .refused { hasRefused = true }
            } else if streams[index].isCutOff, ofCutOff == nil {
                ofCutOff = verdicts[index].destination
            }
            index &+= 1
        }
        if sessions.count > 1 { return firstRelayed(session, verdicts, addresses) ?? firstRelayed(verdicts) }
        return hasRefused || options.changesSessionConnection ? firstRelayed(session, verdicts, addresses) : ofCutOff
    }
}
