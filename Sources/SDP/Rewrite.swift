// SPDX-License-Identifier: GPL-2.0-or-later
// From a parsed session description and the new addresses of its media streams to edits.

public import Bytes

/// Where a media stream is to be sent from now on.
public struct StreamDestination: Equatable, Sendable {
    /// The address, as a range of the addresses that are passed beside it.
    public let address: ByteRange
    /// The family of that address.
    public let family: AddressFamily
    /// The RTP port. RTCP has the next one; none where this is 65535.
    public let port: UInt16

    public init(address: ByteRange, family: AddressFamily, port: UInt16) {
        self.address = address
        self.family = family
        self.port = port
    }
}

/// What a rewrite changes besides ports and the addresses that count.
public struct RewriteOptions: Equatable, Sendable {
    /// The `o=` line of each session (flag `o`).
    public var changesOrigin = false
    /// A session's `c=` line also where each of its media streams has its own (flag `c`).
    public var changesSessionConnection = false
    /// Relay candidates for media streams that have candidates.
    public var relayCandidates = RelayCandidates.none

    public init() {}
}

extension EditList {
    /// Makes the edits that send each media stream of `description` to its destination, and add the line `marker`
    /// (without line end; empty: none) behind the last one unless it is there.
    ///
    /// - `m=`: port and `/<n>` become the new port; 0 stays.
    /// - `c=`: the address with its `/<ttl>`, and the family where it changed. A session's is changed once, to the
    ///   address of the first media stream that relies on it, or with the flag the session's first.
    /// - Hold: a null address stays in the same family, and becomes the other family's null address else.
    /// - `o=`: with the flag, to the address of the session's first media stream.
    /// - `a=rtcp:` (RFC 3605): everything behind the colon becomes the RTCP port; untouched where there is none.
    ///
    /// `description` has to be of this very `body`. Throws `badOrigin` with its line, or `destinationsDoNotMatch`;
    /// then there are no edits.
    public mutating func rewrite(
        _ description: borrowing SessionDescription, body: Span<UInt8>,
        destinations: Span<StreamDestination>, addresses: Span<UInt8>,
        marker: Span<UInt8>, options: RewriteOptions
    ) throws(SDPFault) {
        removeAll()
        guard destinations.count == description.streams.count else { throw SDPFault(.destinationsDoNotMatch) }
        for index in description.places.indices {
            switch description.places[index] {
            case .origin(let session, let field, let line):
                guard options.changesOrigin, let stream = description.sessions[session].firstStream else { continue }
                guard let field else {
                    removeAll()
                    throw SDPFault(.badOrigin, line: line)
                }
                move(field, to: destinations[stream], body, addresses, keepingHold: false)

            case .sessionConnection(let session, let field):
                let user = description.sessions[session].firstStreamWithoutConnection
                let first = options.changesSessionConnection ? description.sessions[session].firstStream : nil
                guard let stream = user ?? first else { continue }
                move(field, to: destinations[stream], body, addresses, keepingHold: true)

            case .streamConnection(let stream, let field):
                move(field, to: destinations[stream], body, addresses, keepingHold: true)

            case .port(let stream, let field):
                guard description.streams[stream].port != 0 else { continue }
                let port = destinations[stream].port
                replace(body, field) { $0.append(decimal: UInt64(port)) }

            case .rtcp(let stream, let value):
                guard let port = destinations[stream].rtcpPort else { continue }
                replace(body, value) { $0.append(decimal: UInt64(port)) }

            case .candidates(let stream, let offset):
                guard description.streams[stream].candidatesPlace == index else { continue }
                addCandidates(options.relayCandidates, at: offset, description, body, destinations[stream], addresses)
            }
        }
        if !marker.isEmpty, !SessionDescription.carriesMarker(body, description.range, marker: marker) {
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

    /// Adds a line at `offset`, behind another one. Where that lacks its line end, as the last line of a part of a
    /// multipart body does, so does the new one.
    mutating func addLine(
        _ body: Span<UInt8>, at offset: Int, lineEnd: StaticString, _ write: (inout [UInt8]) -> Void
    ) {
        let isOpen = needsLineEnd(body, at: offset)
        replace(body, ByteRange(start: offset, count: 0)) {
            if isOpen { $0.append(lineEnd) }
            write(&$0)
            if !isOpen { $0.append(lineEnd) }
        }
    }

    /// Whether a new line at `offset` has to be preceded by a line end: what stands before it, in the body or as an
    /// insertion at that very offset, does not end in one.
    private func needsLineEnd(_ body: Span<UInt8>, at offset: Int) -> Bool {
        if let last = edits.last, last.offset == offset, last.removed == 0 { return text.last != 0x0A }
        return body.byte(at: offset &- 1) != 0x0A
    }
}

extension StreamDestination {
    /// The port behind the RTP port; nil behind 65535.
    var rtcpPort: UInt16? { port < UInt16.max ? port &+ 1 : nil }
}

extension SessionDescription {
    /// How the lines of this session description end: CRLF (RFC 8866 section 5), or LF where all of them do.
    var lineEnd: StaticString { endsLinesInLineFeedAlone ? "\n" : "\r\n" }
}
