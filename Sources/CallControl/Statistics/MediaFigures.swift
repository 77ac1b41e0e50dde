// SPDX-License-Identifier: GPL-2.0-or-later
// $rtpp_stat: what a call's media was like, over all its streams, asked for once per message.
//
// A message like BYE does not say how many streams its call has, so four are asked for at once, each by one or two
// commands, which is as much as an exchange has under way: one round trip. RTPProxy answers E50 for a stream that there
// is not. Only where the fourth is there, the next four are asked for, by a further exchange.
//
// NO TRAP (13 in this file): by a figure, of which there is a value each, or a stream, of which nothing may be known;
// floating point does not trap.

import Bytes
import ControlProtocol
import Transport

/// A figure that the script can name.
private enum MediaFigure {
    case counted(Figure)
    case meanOpinionScore

    /// The figure of this number.
    init?(index: Int) {
        if let figure = Figure(rawValue: index) {
            self = .counted(figure)
        } else if index == Figure.count {
            self = .meanOpinionScore
        } else {
            return nil
        }
    }
}

extension Settings {
    /// The script names the figure of this number; nil: it may name any.
    package mutating func noteFigure(_ index: Int?) {
        guard let index else { return figures = .all }
        if index == Figure.count { figures.insert(.lost) }
        if let figure = Figure(rawValue: index), figure != .averageJitter { return figures.insert(figure) }
        // The average over several streams is weighted, and the score is made of it.
        figures.insert(.averageJitter)
        figures.insert(.received)
    }
}

/// Streams of a call that are asked for in one exchange.
struct FigureQuery {
    /// Both tags are there.
    var words: SessionWords
    /// From 1.
    var firstStream = 1
    /// Where the streams are to be deleted as well: the figures that are wanted.
    var last: FigureSet?

    /// How many streams that are.
    static var streams: Int { 4 }
    /// The last stream that is asked for.
    static var lastStream: Int { 64 }

    /// What is asked of a node of these `capabilities` by one command for a stream, which deletes it, too; nil: it cannot
    /// do both at once, or that is too much for one command. `$rtpstat` has the plain ones.
    func joined(_ capabilities: Capabilities) -> FigureSet? {
        guard let last, capabilities.isSuperset(of: [.namedFigures, .figuresAndDelete]) else { return nil }
        let known = FigureSet.asked(0, of: capabilities).union(.asked(1, of: capabilities))
        let wanted = last.union(.plain).intersection(known)
        return wanted.count <= FigureSet.mostAtOnce ? wanted : nil
    }

    /// How many commands a stream takes at a node of these `capabilities`.
    func commands(_ capabilities: Capabilities) -> Int {
        joined(capabilities) != nil || FigureSet.asked(1, of: capabilities).isEmpty ? 1 : 2
    }
}

/// The figures of a call over those of its streams that were added. A figure that one stream lacks is not given at all.
struct CallFigures {
    private var totals = FigureValues()
    private var present = FigureSet.all
    private var weightedJitter = 0.0
    private(set) var streams = 0
    /// Whether the last stream that was asked for is there, so that there may be more.
    var mayGoOn = false
    /// Those of the first stream.
    private var first: FigureValues?
    /// Whether a stream that was to be deleted may still be there, or a node was not told to delete any.
    var isLeft = false

    /// Whether the call is deleted with certainty. A stream that was taken out of the call has left its number behind: so
    /// two numbers that are free say that nothing follows.
    var isGone: Bool { !isLeft && streams <= FigureQuery.streams &- 2 }

    /// The stream of this `number` is there, and `isDeleted`, or has not told.
    mutating func note(_ number: Int, _ values: FigureValues, isThere: Bool, isDeleted: Bool) {
        if isThere, number == 1 { first = values }
        if !isDeleted || (isThere && number > 1 && !mayGoOn) { isLeft = true }
        mayGoOn = isThere
    }

    /// Adds what a plain `Q` answers for the first stream; false: it is not known.
    @inline(never)
    func appendPlain(to text: inout [UInt8]) -> Bool {
        guard let first else { return false }
        for place in 0..<Figure.count {
            guard let figure = Figure(rawValue: place), FigureSet.plain.contains(figure) else { continue }
            guard let value = first[figure] else { return false }
            if !text.isEmpty { text.append(0x20) }
            text.append(decimal: value)
        }
        return true
    }

    /// Adds a stream. Counts are summed up to Int64.max; `ttl`, `longest_ipi`, `rtpa_jlast` and `rtpa_jmax` are the
    /// largest of any stream; `rtpa_javg` is weighted by the packets received.
    @_optimize(size)
    mutating func add(_ stream: FigureValues) {
        streams &+= 1
        present = present.intersection(stream.present)
        for place in 0..<Figure.count {
            guard let figure = Figure(rawValue: place), let value = stream[figure] else { continue }
            let before = totals[figure] ?? 0
            switch figure {
            case .timeToLive, .longestGap, .latestJitter, .largestJitter: totals[figure] = max(before, value)
            case .averageJitter: weightedJitter += Double(value) * Double(stream[.received] ?? 0)
            default:
                let (sum, isTooMuch) = before.addingReportingOverflow(value)
                totals[figure] = isTooMuch ? .max : sum
            }
        }
    }

    /// The figure over all streams; fractions in millionths.
    subscript(figure: Figure) -> UInt64? {
        guard streams > 0, present.contains(figure) else { return nil }
        guard figure == .averageJitter else { return totals[figure] }
        guard let received = self[.received] else { return nil }
        guard received > 0 else { return 0 }
        return UInt64(exactly: min((weightedJitter / Double(received)).rounded(), Double(Int64.max)))
    }

    /// The mean opinion score in hundredths; nil where nothing was received, or the losses are not known. Jitter that is
    /// not known counts as none; it is taken for units of 8000 Hz, as those of telephone codecs are.
    var meanOpinionScore: Int? {
        guard let lost = self[.lost], let received = self[.received] else { return nil }
        let ticks = Double(self[.averageJitter] ?? 0) / 1e6
        return MeanOpinionScore.hundredths(lost: lost, received: received, jitter: ticks / 8)
    }
}

/// Figures that were fetched, and the message and set that they hold for.
struct FetchedFigures {
    let message: UInt32
    let process: Int32
    let setID: UInt32
    /// Those of no stream where there was nothing to fetch.
    let figures: CallFigures
    /// Whether the session is deleted.
    var areLast = false

    init<Host: CallHost>(_ host: Host, _ setID: UInt32, _ figures: CallFigures) {
        (message, process) = (host.facts.id, host.facts.process)
        self.setID = setID
        self.figures = figures
    }

    /// Whether they are of the message that `host` has.
    func areOf<Host: CallHost>(_ host: Host, _ setID: UInt32) -> Bool {
        message == host.facts.id && process == host.facts.process && self.setID == setID
    }
}

extension Worker {
    /// The number of the figure of this `name`, 0 or more; nil where there is none.
    package static func figureIndex(of name: Span<UInt8>) -> Int? {
        if let figure = Figure(name, name.all) { return figure.rawValue }
        return name.equals(name.all, "mos") ? Figure.count : nil
    }

    /// `$rtpp_stat`: lends the figure of number `index` as text, with its value where it is a whole number; nil where
    /// there is none. The first use on a message asks the call's node, all later ones get what that brought.
    @_optimize(size)
    package mutating func figure<Host: CallHost, Result>(
        _ host: Host, _ index: Int, _ body: (Span<UInt8>, Int64?) -> Result
    ) -> Result? {
        guard let wanted = MediaFigure(index: index) else { return nil }
        let figures = fetchedFigures(host)
        line.removeAll(keepingCapacity: true)
        var number: Int64?
        switch wanted {
        case .counted(let figure):
            guard let value = figures[figure] else { return nil }
            if figure.isFraction {
                line.append(fraction: value, of: 1_000_000)
            } else {
                line.append(decimal: value)
                number = Int64(exactly: value)
            }
        case .meanOpinionScore:
            guard let score = figures.meanOpinionScore else { return nil }
            line.append(fraction: UInt64(widening: score.magnitude), of: 100)
        }
        return body(line.span, number)
    }

    @_optimize(size)
    private mutating func fetchedFigures<Host: CallHost>(_ host: Host) -> CallFigures {
        let setID = selectedSetID(host)
        if let fetched, fetched.areOf(host, setID) { return fetched.figures }
        let kept = blocking
        kept.call.run.subject = nil
        kept.call.figures = CallFigures()
        do throws(CallFailure) {
            try kept.call.identity.read(host, host.sessionFlags)
            let words = try kept.call.identity.words(swapped: !host.facts.isRequest)
            try fetch(&kept.call, FigureQuery(words: words), setID, host)
        } catch {
            kept.call.figures = CallFigures()
            // A call without a session is an everyday question.
            if !error.isUnknownCall { _ = finish(host, error, node: kept.call.run.subject, isMedia: false) }
        }
        let figures = kept.call.figures
        fetched = FetchedFigures(host, setID, figures)
        return figures
    }

    /// Flag `s`: keeps the figures of the session that a deletion is about, and has it deleted by the same commands where
    /// its node can do that. Returns whether it is gone; what went wrong the deletion will find, too.
    @_optimize(size)
    mutating func takeLastFigures<Host: CallHost>(
        _ call: inout Call, _ words: SessionWords, _ host: Host
    ) -> Bool {
        let setID = selectedSetID(host)
        var query = FigureQuery(words: words, last: settings.figures)
        if !host.facts.isRequest, !words.secondTag.isEmpty { query.words = words.swapped }
        var isGone = false
        call.figures = CallFigures()
        call.reply.removeAll(keepingCapacity: true)
        do throws(CallFailure) {
            try fetch(&call, query, setID, host)
            isGone = call.figures.isGone
            if isGone { host.count(.sessionsDeleted) }
        } catch {
            call.figures = CallFigures()
            isGone = error.isUnknownCall
        }
        fetched = FetchedFigures(host, setID, call.figures)
        fetched?.areLast = true
        return isGone
    }

    /// `$rtpstat` of a session that was deleted by `takeLastFigures`, in `text`; nil: this message has deleted none so.
    @inline(never)
    func appendLastFigures<Host: CallHost>(_ host: Host, to text: inout [UInt8]) -> Bool? {
        guard let fetched, fetched.areLast, fetched.areOf(host, selectedSetID(host)) else { return nil }
        return fetched.figures.appendPlain(to: &text)
    }

    /// Gathers the figures of all streams.
    @_optimize(size)
    private mutating func fetch<Host: CallHost>(
        _ call: inout Call, _ query: FigureQuery, _ setID: UInt32, _ host: Host
    ) throws(CallFailure) {
        let start = MonotonicClock.now()
        var query = query
        // The names stand behind both tags; RTPProxy looks at the second one only where it does not know the first.
        if query.words.secondTag.isEmpty { query.words.secondTag = query.words.firstTag }
        begin(&call, host, .figures(query), setID: setID)
        try run(&call, host, Span())
        while call.figures.mayGoOn {
            query.firstStream &+= FigureQuery.streams
            // Each exchange has a budget of its own: none is begun once one budget is over.
            guard query.firstStream <= FigureQuery.lastStream,
                MonotonicClock.now() &- start < settings.budgetNanoseconds
            else { throw .streamsUnasked }
            let node = call.run.latest
            begin(&call, host, .figures(query), setID: setID)
            aim(&call, at: node)
            try run(&call, host, Span())
        }
    }

    /// Writes `command`: number `part` of those for a stream, in the words of a node of these `capabilities`.
    @_optimize(size)
    mutating func write(
        _ call: borrowing Call, _ query: FigureQuery, stream: Int, part: Int, _ capabilities: Capabilities
    ) {
        command.clear()
        let text = call.identity.text.memory.span
        let joined = query.joined(capabilities)
        let figures = joined ?? FigureSet.asked(part, of: capabilities)
        if figures.isEmpty {
            Command.writeQuery(identity: text, words: query.words, stream: stream, into: &command)
        } else {
            Command.writeQuery(figures, identity: text, words: query.words, stream: stream, into: &command)
        }
        if joined != nil {
            if capabilities.isSuperset(of: .webRTC) { joinEnd(of: call.legs[stream]) }
            command.append(" && D")
        }
    }

    /// Takes the answers for four streams into the call's figures.
    @_optimize(size)
    mutating func findFigures(
        _ call: inout Call, _ query: FigureQuery, _ node: Int, _ member: Int
    ) -> CommandRun.Finding {
        let incoming = exchanges.incoming(member)
        // NO TRAP (2): a count is never negative, and there are 4 streams to a query.
        let parts = exchanges.count(member) / FigureQuery.streams
        let known = capabilities(node)
        let joined = query.joined(known)
        var figures = call.figures
        var failure: CallFailure?
        // NO TRAP: 0 to a constant that is above it, at least 1.
        for stream in 0..<FigureQuery.streams {
            var values = FigureValues()
            var isThere = false
            var isDeleted = joined != nil
            var fault: ErrorCode?
            for part in 0..<parts {
                guard let range = exchanges.reply(member, stream &* parts &+ part) else { return .malformed }
                // Without ` && ` in it, a reply is its own head.
                var reply = JoinedReply(incoming.span, range)
                switch FigureReply.parse(
                    incoming.span, reply.head, asked: joined ?? .asked(part, of: known), into: &values)
                {
                case .malformed: return .malformed
                case .taken:
                    isThere = true
                    if !reply.allSucceed(in: incoming.span) { isDeleted = false }
                case .error(let code) where code.isUnknownSession(known): break
                case .error(let code):
                    account(node, code)
                    fault = code
                    isDeleted = false
                }
            }
            // If all answers for a stream are refusals, it is not known whether the stream exists.
            if isThere { figures.add(values) } else if let fault { failure = failure ?? .relayError(fault) }
            figures.note(query.firstStream &+ stream, values, isThere: isThere, isDeleted: isDeleted)
        }
        if figures.streams == 0, failure == nil { return .unknownSession(nil, ifAlone: .relayError(.noSession)) }
        call.figures = figures
        if figures.streams > 0 { noteFound(&call, node) }
        return failure.map { .failure($0, hasCreated: false) } ?? .success
    }
}

extension Array where Element == UInt8 {
    /// Adds `value` divided by `scale`, a power of ten, with all its decimals.
    @_optimize(size)
    fileprivate mutating func append(fraction value: UInt64, of scale: UInt64) {
        // NO TRAP (4): scale is 100 or 1,000,000, and place > 0 is the loop's condition.
        append(decimal: value / scale)
        append(UInt8(ascii: "."))
        var rest = value % scale
        var place = scale / 10
        while place > 0 {
            append(UInt8(truncatingIfNeeded: rest / place) &+ 0x30)
            rest %= place
            place /= 10
        }
    }
}
