// SPDX-License-Identifier: GPL-2.0-or-later
// One pass over an SDP: its media streams, and the places that a rewrite may change.

public import Bytes

/// A session description (RFC 8866), or several in one body: scratch memory that is used again for each body.
/// It holds offsets only; the body is passed at each step.
public struct SessionDescription: ~Copyable {
    /// The highest limit of media streams that one body may have.
    public static let maximumStreams = 128
    /// The most `v=` lines that one body may have.
    public static let maximumSessions = 128
    /// The most lines that could be changed.
    public static let maximumPlaces = 1024

    /// The media streams of all sessions, in order; none after a fault.
    public private(set) var streams: [MediaStream] = []
    /// Where the session description stands in the body.
    public private(set) var range = ByteRange.empty
    /// In the order of the body.
    private(set) var places: [Place] = []
    private(set) var sessions: [Session] = []
    /// Whether the lines end in LF alone, all of them.
    private(set) var endsLinesInLineFeedAlone = false
    private var hasOrigin = false
    private let streamLimit: Int

    /// An empty one, without memory of its own yet, for bodies of at most so many media streams, 1 to `maximumStreams`.
    public init(streamLimit: Int = SessionDescription.maximumStreams) {
        self.streamLimit = min(max(streamLimit, 1), SessionDescription.maximumStreams)
    }

    /// Whether a relay is to be asked for any of the media streams.
    public var wantsRelay: Bool { streams.contains { $0.wantsRelay } }

    /// Reads the session description in `range` of `body`. Lines that it does not know may hold anything, and so may
    /// those of a media stream that is off or over TCP, but for its `m=`.
    /// Throws for what `SDPError` names, all but `badOrigin` and `verdictsDoNotMatch`.
    public mutating func parse(_ body: Span<UInt8>, _ range: ByteRange) throws(SDPFault) {
        forget()
        self.range = body.clamped(range)
        do throws(SDPFault) {
            try readLines(of: body)
        } catch {
            forget()
            throw error
        }
    }

    private mutating func forget() {
        streams.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        sessions.removeAll(keepingCapacity: true)
        range = .empty
        endsLinesInLineFeedAlone = false
        hasOrigin = false
    }

    private mutating func readLines(of body: Span<UInt8>) throws(SDPFault) {
        var lines = LineCursor(in: range)
        var lineFeeds = 0
        var carriageReturns = 0
        while let line = lines.next(in: body) {
            lineFeeds &+= line.next &- line.content.end == 1 ? 1 : 0
            carriageReturns &+= line.next &- line.content.end == 2 ? 1 : 0
            guard body.byte(at: line.content.start &+ 1) == UInt8(ascii: "="), line.content.count >= 2 else { continue }
            let value = ByteRange(from: line.content.start &+ 2, to: line.content.end)
            switch body.byte(at: line.content.start) {
            case UInt8(ascii: "v"): try beginSession(body, value, line)
            case UInt8(ascii: "o"): try readOrigin(body, value, line)
            case UInt8(ascii: "c"): try readConnection(body, value, line)
            case UInt8(ascii: "m"): try beginStream(body, line)
            case UInt8(ascii: "i"): readTitle(line)
            case UInt8(ascii: "a"): try readAttribute(body, value, line)
            default: break
            }
        }
        try endStream()
        endsLinesInLineFeedAlone = lineFeeds > 0 && carriageReturns == 0
        if sessions.isEmpty { throw SDPFault(.noVersion) }
        if !hasOrigin { throw SDPFault(.noOrigin) }
        if streams.isEmpty { throw SDPFault(.noMedia) }
    }

    /// The index of the session that is being read.
    private func currentSession(_ line: Line) throws(SDPFault) -> Int {
        guard !sessions.isEmpty else { throw SDPFault(.noVersion, line: line.number) }
        return sessions.count &- 1
    }

    /// The index of the media stream that is being read, or nil before a session's first.
    private var currentStream: Int? {
        guard let last = streams.last, last.session == sessions.count &- 1 else { return nil }
        return streams.count &- 1
    }

    private mutating func note(_ place: Place, _ line: Line) throws(SDPFault) {
        guard places.count < SessionDescription.maximumPlaces else {
            throw SDPFault(.tooManyPlaces, line: line.number)
        }
        places.append(place)
    }

    private mutating func beginSession(_ body: Span<UInt8>, _ value: ByteRange, _ line: Line) throws(SDPFault) {
        try endStream()
        guard body.equals(body.trimmed(value), "0") else { throw SDPFault(.badVersion, line: line.number) }
        guard sessions.count < SessionDescription.maximumSessions else {
            throw SDPFault(.tooManySessions, line: line.number)
        }
        sessions.append(Session())
    }

    /// The first `o=` of a session counts; the body needs one.
    private mutating func readOrigin(_ body: Span<UInt8>, _ value: ByteRange, _ line: Line) throws(SDPFault) {
        let session = try currentSession(line)
        guard !sessions[session].hasOrigin else { return }
        sessions[session].hasOrigin = true
        hasOrigin = true
        let field = ConnectionField(origin: body, value)
        try note(.origin(session: session, field, line: line.number), line)
    }

    /// Several `c=` lines of one level (RFC 8866 section 5.7) are all noted; the first one counts.
    private mutating func readConnection(_ body: Span<UInt8>, _ value: ByteRange, _ line: Line) throws(SDPFault) {
        let session = try currentSession(line)
        guard let field = ConnectionField(connection: body, value) else {
            if let stream = currentStream, !streams[stream].wantsRelay {
                streams[stream].hasOwnConnection = true
                return
            }
            throw SDPFault(.badConnection, line: line.number)
        }
        if let stream = currentStream {
            if !streams[stream].hasOwnConnection {
                streams[stream].hasOwnConnection = true
                streams[stream].adopt(field)
            }
            try note(.streamConnection(stream: stream, field), line)
        } else {
            if sessions[session].connection == nil { sessions[session].connection = field }
            try note(.sessionConnection(session: session, field), line)
        }
    }

    private mutating func beginStream(_ body: Span<UInt8>, _ line: Line) throws(SDPFault) {
        let session = try currentSession(line)
        try endStream()
        guard streams.count < streamLimit else { throw SDPFault(.tooManyStreams, line: line.number) }
        let index = streams.count
        guard let stream = MediaStream(number: index &+ 1, line: line, session: session, in: body) else {
            throw SDPFault(.badPort, line: line.number)
        }
        streams.append(stream)
        if sessions[session].firstStream == nil { sessions[session].firstStream = index }
        if stream.wantsRelay {
            try note(.port(stream: index, stream.portField), line)
        } else if !stream.isOff {
            streams[index].connectionPlace = places.count
            try note(.newConnection(stream: index, at: line.next), line)
        }
    }

    /// The title of a media stream stands before its `c=`.
    private mutating func readTitle(_ line: Line) {
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

    /// Attributes of a session, before its first `m=`, are not ours, nor are those of a stream that no relay has.
    private mutating func readAttribute(_ body: Span<UInt8>, _ value: ByteRange, _ line: Line) throws(SDPFault) {
        guard let stream = currentStream, streams[stream].wantsRelay else { return }
        if body.hasPrefix(value, "candidate:") {
            let place = Place.candidates(stream: stream, behind: line.next)
            if streams[stream].hasCandidates, streams[stream].candidatesPlace == places.count &- 1 {
                places[places.count &- 1] = place
            } else {
                try note(place, line)
                streams[stream].candidatesPlace = places.count &- 1
            }
            streams[stream].hasCandidates = true
        } else if body.hasPrefix(value, "rtcp:") {
            try note(.rtcp(stream: stream, ByteRange(from: value.start &+ 5, to: value.end)), line)
        }
    }
}
