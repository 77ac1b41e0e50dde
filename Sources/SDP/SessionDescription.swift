// SPDX-License-Identifier: GPL-2.0-or-later
// One pass over an SDP: its media streams, and the places that a rewrite may change.
//
// NO TRAP (14 in this file): currentStream is the last one's index, nil where there is none.

package import Bytes

/// A session description (RFC 8866), or several in one body: scratch memory that is used again for each body.
/// It holds offsets only; the body is passed at each step.
///
/// After a success, no reader of the description may send media past the relay. Readers accept more than the grammar of
/// RFC 8866 section 9, each of them something else. So what the grammar excludes is read in the way that is harmless
/// for all of them, or refused:
///
/// - `byte-string` holds neither NUL, CR nor LF. A CR that neither further CRs and LF nor the end follows is refused: it
///   ends a line for some. CR CR LF is one line end, and may be an empty line behind it for others.
/// - Behind an empty line or a NUL some read no further. These pass, but a stream's own `c=` behind one does not count as
///   its own for them: the `c=` of its session is changed too.
/// - A type is one small letter, and nothing stands before it or between it and `=` (section 5). `v`, `o`, `c` and `m`
///   written otherwise are refused; `a=rtcp:` is changed however it is written.
/// - `token` holds no control character, which is a blank for some: refused in `m=` and `c=`, where it may hide a port or
///   an address.
/// - `c=` is `IN`, `IP4` or `IP6` and an address; `m=` has a port of 0 to 65535. Others are refused.
/// - `session-description` begins with `v=0`. Where several follow each other, each has an `m=`, or it is refused, and
///   each one's `c=` is changed: some take no notice of `v=`.
/// - Of `o=` and `c=` the grammar has one a place; where there are more, all of them are changed.
///
/// All other lines pass untouched, whatever they hold.
package struct SessionDescription: ~Copyable {
    /// The highest limit of media streams that one body may have.
    package static let maximumStreams = 128
    /// The most `v=` lines that one body may have.
    package static let maximumSessions = 128
    /// The most lines that could be changed.
    package static let maximumPlaces = 1024

    /// The media streams of all sessions, in order; none after a fault.
    package internal(set) var streams = Scratch<MediaStream>()
    /// Where the session description stands in the body.
    package private(set) var range = ByteRange.empty
    /// In the order of the body.
    private(set) var places = Scratch<Place>()
    private(set) var sessions = Scratch<Session>()
    /// What it says of WebRTC, where that is read.
    package internal(set) var webRTC = WebRTCAttributes()
    /// Whether the lines end in LF alone, all of them.
    private(set) var endsLinesInLineFeedAlone = false
    /// The line of an `o=` without `IN IP4` or `IN IP6` and an address at its end, which cannot be changed, from 1;
    /// 0: there is none.
    package private(set) var lineOfOtherOrigin = 0
    /// Whether a line begins with the marker that it was read with; nil where it was read without one.
    package private(set) var isMarked: Bool?
    private var hasOrigin = false
    /// Whether the last media stream wants a relay: its attributes are looked at.
    private var readsAttributes = false
    private var readsOrigins = true
    /// Whether it has been read what it says of WebRTC.
    package private(set) var readsWebRTC = false
    private let streamLimit: Int
    /// Whether an empty line or a NUL has been seen, behind which some read no further.
    private var mayHaveEnded = false

    /// An empty one, without memory of its own yet, for bodies of at most so many media streams, 1 to `maximumStreams`.
    package init(streamLimit: Int = SessionDescription.maximumStreams) {
        self.streamLimit = min(max(streamLimit, 1), SessionDescription.maximumStreams)
    }

    /// Whether a relay is to be asked for any of the media streams.
    package var wantsRelay: Bool { streams.contains { $0.wantsRelay } }

    /// The number of the stream that a relay of one stream is asked for: the first audio that wants a relay, else the
    /// first stream that does; 0: none.
    package var mainStream: Int {
        var first = 0
        for stream in streams where stream.wantsRelay {
            if stream.isAudio { return stream.number }
            if first == 0 { first = stream.number }
        }
        return first
    }

    /// Reads the session description in `range` of `body`. Lines that it does not know may hold anything, and so may
    /// those of a media stream that is off or over TCP, but for its `m=`.
    /// Throws for what `SDPError` names, all but `verdictsDoNotMatch`.
    package mutating func parse(_ body: Span<UInt8>, _ range: ByteRange) throws(SDPFault) {
        try parse(body, range, marker: Span(), readsOrigins: true)
    }

    /// As above, and looks for `marker` on the way (`carriesMarker`), unless that is empty. Without `readsOrigins` it is
    /// not looked at what `o=` lines hold: no rewrite changes them. With `readsWebRTC` all attributes are read that
    /// `webRTCFacts(of:)` tells, and a rewrite may change the form of the streams.
    package mutating func parse(
        _ body: Span<UInt8>, _ range: ByteRange, marker: Span<UInt8>, readsOrigins: Bool, readsWebRTC: Bool = false
    ) throws(SDPFault) {
        forget()
        self.readsOrigins = readsOrigins
        self.readsWebRTC = readsWebRTC
        self.range = body.clamped(range)
        do throws(SDPFault) {
            try readLines(of: body, marker)
        } catch {
            forget()
            throw error
        }
    }

    private mutating func forget() {
        streams.clear()
        places.clear()
        sessions.clear()
        range = .empty
        endsLinesInLineFeedAlone = false
        lineOfOtherOrigin = 0
        isMarked = nil
        hasOrigin = false
        readsAttributes = false
        mayHaveEnded = false
        if readsWebRTC {
            webRTC.clear()
            readsWebRTC = false
        }
    }

    private mutating func readLines(of body: Span<UInt8>, _ marker: Span<UInt8>) throws(SDPFault) {
        let end = range.end
        var offset = range.start
        var number = 0
        var hasLineFeedAlone = false
        var hasCarriageReturn = false
        var marks = LineStart(of: marker)
        // For WebRTC nothing is walked over.
        let notesAll = readsWebRTC
        let skipEnd = notesAll ? 0 : end
        while true {
            let next = body.skippingOtherLines(
                from: offset, to: skipEnd, marks, withAttributes: !readsAttributes, number: &number)
            if next > offset { hasCarriageReturn = true }
            offset = next
            guard offset < end else { break }
            let start = offset
            let lineEnd = body.lineEnd(from: start, to: end)
            offset = lineEnd.next
            number &+= 1
            if lineEnd.flags != 0 {
                if lineEnd.flags & LineEnd.holdsReturn != 0 { throw SDPFault(.loneReturn, line: number) }
                if lineEnd.flags & LineEnd.isLineFeedAlone != 0 { hasLineFeedAlone = true }
                if lineEnd.flags & LineEnd.holdsNUL != 0 { mayHaveEnded = true }
            }
            if lineEnd.flags & LineEnd.isLineFeedAlone == 0, offset > lineEnd.content { hasCarriageReturn = true }
            if lineEnd.content == start { mayHaveEnded = true }
            let word = body.eightBytes(at: start)
            marks.look(body, at: start, word, upTo: end, marker)
            if lineEnd.content &- start >= 2, !LineStart.isOther(word, withAttributes: !readsAttributes) {
                try read(Line(lineEnd, from: start, number: number), of: body)
            }
            if notesAll { try noteForWebRTC(Line(lineEnd, from: start, number: number), of: body) }
            if offset &- lineEnd.content > 2 { mayHaveEnded = true }
        }
        try endStream()
        if !marker.isEmpty { isMarked = marks.isFound }
        endsLinesInLineFeedAlone = hasLineFeedAlone && !hasCarriageReturn
        if sessions.isEmpty { throw SDPFault(.noVersion) }
        if !hasOrigin { throw SDPFault(.noOrigin) }
        if streams.isEmpty { throw SDPFault(.noMedia) }
        try checkSessions()
        if readsWebRTC { try finishForWebRTC(body) }
    }

    private mutating func read(_ line: Line, of body: Span<UInt8>) throws(SDPFault) {
        let content = line.content
        guard content.count >= 2 else { return }
        guard body.byte(at: content.start &+ 1) == UInt8(ascii: "=") else {
            return try readOtherSpelling(line, of: body)
        }
        let value = ByteRange(from: content.start &+ 2, to: content.end)
        switch body.byte(at: content.start) {
        case UInt8(ascii: "v"): try beginSession(body, value, line)
        case UInt8(ascii: "o"): try readOrigin(body, value, line)
        case UInt8(ascii: "c"): try readConnection(body, value, line)
        case UInt8(ascii: "m"): try beginStream(body, line)
        case UInt8(ascii: "i"): readTitle(line)
        case UInt8(ascii: "a"): try readAttribute(body, value, line)
        case UInt8(ascii: "V"), UInt8(ascii: "O"), UInt8(ascii: "C"), UInt8(ascii: "M"), UInt8(ascii: "A"):
            try readOtherSpelling(line, of: body)
        default: break
        }
    }

    /// A line that does not begin with a small letter and `=`, and may do so for a reader that is lax.
    private mutating func readOtherSpelling(_ line: Line, of body: Span<UInt8>) throws(SDPFault) {
        let letter = body.firstVisible(in: line.content)
        let sign = body.firstVisible(in: ByteRange(from: letter &+ 1, to: line.content.end))
        guard sign < line.content.end, body.byte(at: sign) == UInt8(ascii: "="), let type = body.byte(at: letter)
        else { return }
        switch lowercased(type) {
        case UInt8(ascii: "v"), UInt8(ascii: "o"), UInt8(ascii: "c"), UInt8(ascii: "m"):
            throw SDPFault(.otherSpelling, line: line.number)
        case UInt8(ascii: "a"):
            try readAttribute(body, ByteRange(from: sign &+ 1, to: line.content.end), line)
        default: break
        }
    }

    /// Each of several sessions has a stream.
    private func checkSessions() throws(SDPFault) {
        for session in sessions where session.firstStream == nil {
            throw SDPFault(.sessionWithoutMedia, line: session.line)
        }
    }

    /// The index of the session that is being read.
    private func currentSession(_ line: Line) throws(SDPFault) -> Int {
        guard !sessions.isEmpty else { throw SDPFault(.noVersion, line: line.number) }
        return sessions.count &- 1
    }

    /// The index of the media stream that is being read, or nil before a session's first.
    private var currentStream: Int? {
        let last = streams.count &- 1
        // NO TRAP: the last index of an array that is not empty, compared first.
        guard last >= 0, streams[last].session == sessions.count &- 1 else { return nil }
        return last
    }

    private mutating func note(_ place: Place, _ line: Line) throws(SDPFault) {
        guard places.count < SessionDescription.maximumPlaces else {
            throw SDPFault(.tooManyPlaces, line: line.number)
        }
        places.append(place)
    }

    private mutating func beginSession(_ body: Span<UInt8>, _ value: ByteRange, _ line: Line) throws(SDPFault) {
        try endStream()
        guard
            (value.count == 1 && body.byte(at: value.start) == UInt8(ascii: "0"))
                || body.equals(body.trimmed(value), "0")
        else { throw SDPFault(.badVersion, line: line.number) }
        guard sessions.count < SessionDescription.maximumSessions else {
            throw SDPFault(.tooManySessions, line: line.number)
        }
        sessions.append(Session(line: line.number))
    }

    /// The body needs one `o=`. One that cannot be read is no place to change.
    private mutating func readOrigin(_ body: Span<UInt8>, _ value: ByteRange, _ line: Line) throws(SDPFault) {
        let session = try currentSession(line)
        hasOrigin = true
        guard readsOrigins else { return }
        guard let field = ConnectionField(origin: body, value) else {
            if lineOfOtherOrigin == 0 { lineOfOtherOrigin = line.number }
            return
        }
        try note(.origin(session: session, field), line)
    }

    /// Several `c=` lines of one level (RFC 8866 section 5.7) are all noted; the first one counts.
    private mutating func readConnection(_ body: Span<UInt8>, _ value: ByteRange, _ line: Line) throws(SDPFault) {
        let session = try currentSession(line)
        let field: ConnectionField
        do throws(SDPError) {
            guard !line.holdsControlCharacter else { throw .controlCharacter }
            field = try ConnectionField(connection: body, value)
        } catch {
            if let stream = currentStream, !streams[stream].wantsRelay {
                streams[stream].hasOwnConnection = true
                return
            }
            throw SDPFault(error, line: line.number)
        }
        if let stream = currentStream {
            if !streams[stream].hasOwnConnection {
                streams[stream].hasOwnConnection = true
                streams[stream].adopt(field)
                streams[stream].isCutOff = mayHaveEnded
            }
            try note(.streamConnection(stream: stream, field), line)
        } else {
            // NO TRAP: currentSession() gives the last one's index and throws where there is none.
            if sessions[session].connection == nil { sessions[session].connection = field }
            try note(.sessionConnection(session: session, field), line)
        }
    }

    private mutating func beginStream(_ body: Span<UInt8>, _ line: Line) throws(SDPFault) {
        let session = try currentSession(line)
        try endStream()
        guard !line.holdsControlCharacter else { throw SDPFault(.controlCharacter, line: line.number) }
        guard streams.count < streamLimit else { throw SDPFault(.tooManyStreams, line: line.number) }
        let index = streams.count
        guard let stream = MediaStream(number: index &+ 1, line: line, session: session, in: body) else {
            throw SDPFault(.badPort, line: line.number)
        }
        streams.append(stream)
        readsAttributes = stream.wantsRelay
        // NO TRAP: currentSession() gives the last one's index and throws where there is none.
        if sessions[session].firstStream == nil { sessions[session].firstStream = index }
        if stream.wantsRelay {
            try note(.port(stream: index, stream.portField), line)
        } else if !stream.isOff {
            if readsWebRTC { try note(.port(stream: index, stream.portField), line) }
            // NO TRAP: the stream has just been added at this index.
            streams[index].connectionPlace = places.count
            try note(.newConnection(stream: index, at: line.next), line)
        }
    }

    /// The title of a media stream stands before its `c=`.
    private mutating func readTitle(_ line: Line) {
        // NO TRAP (2): connectionPlace is never negative and compared with the last place's index, so that there is
        // one.
        guard let stream = currentStream, streams[stream].connectionPlace == places.count &- 1,
            case .newConnection(let index, let offset) = places[places.count &- 1], index == stream,
            offset == line.content.start
        else { return }
        places[places.count &- 1] = .newConnection(stream: stream, at: line.next)
    }

    /// Gives the media stream that ends here its session's address where it has none of its own.
    private mutating func endStream() throws(SDPFault) {
        guard let index = currentStream, !streams[index].hasOwnConnection else { return }
        if let connection = sessions[streams[index].session].connection {
            streams[index].adopt(connection)
        } else if streams[index].wantsRelay {
            throw SDPFault(.noConnection, line: streams[index].line)
        }
    }

    /// Attributes of a session, before its first `m=`, are not ours, nor are those of a stream that no relay has; but a
    /// reader that ignores a further `v=` takes its `a=rtcp:` for that of the stream before.
    private mutating func readAttribute(_ body: Span<UInt8>, _ value: ByteRange, _ line: Line) throws(SDPFault) {
        guard readsAttributes else { return }
        let stream = streams.count &- 1
        if currentStream != nil, body.hasPrefix(value, "candidate:") {
            let place = Place.candidates(stream: stream, behind: line.next)
            if streams[stream].hasCandidates, streams[stream].candidatesPlace == places.count &- 1 {
                // NO TRAP (2): the m= line of this stream has been noted, so there is a place.
                places[places.count &- 1] = place
            } else {
                try note(place, line)
                streams[stream].candidatesPlace = places.count &- 1
            }
            streams[stream].hasCandidates = true
        } else if let port = body.valueOfRTCP(in: value) {
            try note(.rtcp(stream: stream, port), line)
        }
    }
}

extension Span where Element == UInt8 {
    /// Offset of the first byte in `range` that is neither a blank nor a control character, or of its end.
    func firstVisible(in range: ByteRange) -> Int {
        let inside = clamped(range)
        var index = inside.start
        // NO TRAP: inside comes from clamped(): start <= end, both within the bytes.
        while index < inside.end, self[index] <= 0x20 { index &+= 1 }
        return index
    }

    /// What stands behind `rtcp:` in the value of an `a=` line without the blanks around it, or nil where that is another
    /// attribute. The name may be in either case, with blanks around it.
    fileprivate func valueOfRTCP(in value: ByteRange) -> ByteRange? {
        let name = ByteRange(from: firstVisible(in: value), to: value.end)
        guard hasPrefixIgnoringCase(name, "rtcp") else { return nil }
        let colon = firstVisible(in: ByteRange(from: name.start &+ 4, to: value.end))
        guard colon < value.end, byte(at: colon) == UInt8(ascii: ":") else { return nil }
        return trimmed(ByteRange(from: colon &+ 1, to: value.end))
    }
}
