// SPDX-License-Identifier: GPL-2.0-or-later
// What becomes of a message's media streams one by one: those that are off, and those that a relay refuses.

import Bytes
import ControlProtocol
import SDP
import Transport

/// A media stream that the relay's answer has refused.
struct StreamRefusal: Equatable {
    enum Reason: Equatable {
        /// The relay has no session of it (any more).
        case sessionUnknown
        /// The relay cannot serve it.
        case error(ErrorCode)
        /// The relay serves one stream of a call, and that is another one.
        case oneStreamRelay
        /// It is no RTP, and one of the sides is WebRTC: a data channel.
        case noRTP
        /// It has the transport of another stream, and none of its own.
        case sharesTransport

        /// Why no relay was asked for a stream that wants one.
        init(ofUnasked stream: MediaStream, _ media: MediaCommand) {
            if !media.isBridged {
                self = .oneStreamRelay
            } else if stream.isRTP {
                self = stream.sharesTransport ? .sharesTransport : .oneStreamRelay
            } else {
                self = .noRTP
            }
        }

        /// Whether a relay was asked, and has refused it.
        var isRelays: Bool {
            switch self {
            case .sessionUnknown, .error: true
            case .oneStreamRelay, .noRTP, .sharesTransport: false
            }
        }
    }

    /// The stream's number, from 1, and the line of its `m=`.
    let number: Int
    let line: Int
    let reason: Reason
}

extension MediaCommand {
    /// Whether it is an answer, and not an offer that looks its session up.
    var isAnswer: Bool { verb == .lookup && !flags.looksUpOnly }

    /// Whether streams that are off may have sessions of an earlier offer, which would end with a notice of their own.
    private var mayTurnStreamsOff: Bool { verb == .update && !words.secondTag.isEmpty }

    /// Whether `node` is told that a stream is off. One that serves one stream a call would end the call.
    func deletes(_ stream: MediaStream, at node: Capabilities) -> Bool {
        (stream.isOff || stream.sharesTransport) && mayTurnStreamsOff && node.servesSeveralStreams
    }
}

extension Worker {
    /// Whether `node` is asked for a stream. One that serves one stream of a call is asked for the first audio alone: a
    /// second one would take the place of the first.
    func asks(_ node: Capabilities, for stream: MediaStream, of call: inout Call) -> Bool {
        stream.wantsRelay && ((stream.isRTP && !stream.sharesTransport) || !call.isBridged)
            && (node.servesSeveralStreams || stream.number == call.description.mainStream)
    }

    /// Whether a call had better begin at a node that serves several streams.
    func needsSeveralStreams(_ call: inout Call) -> Bool {
        guard call.command.createsSession else { return false }
        return call.description.streams.count { $0.wantsRelay } > 1
    }

    /// The commands that `node` gets for a message: one for each stream that wants a relay, in their order, and behind
    /// them those that delete what is off.
    func commandCount(_ call: inout Call, _ media: MediaCommand, _ node: Capabilities) -> Int {
        var count = 0
        for stream in call.description.streams
        where asks(node, for: stream, of: &call) || media.deletes(stream, at: node) {
            count &+= 1
        }
        return count
    }

    /// Writes the deletion of one stream, joined to the end of its ICE where it has that and `node` takes both at once.
    @_optimize(size) @inline(never)
    mutating func writeDelete(
        _ stream: MediaStream, _ call: inout Call, _ media: MediaCommand, _ node: Capabilities
    ) {
        let mayHave = media.flags.bridging != nil && node.isSuperset(of: [.webRTC, .figuresAndDelete])
        let legs = mayHave ? iceLegs(&call, media.words, stream: stream.number) : []
        guard legs.isEmpty else {
            writeEnd(of: legs, call, media.words, stream: stream.number)
            return command.append(" && D")
        }
        command.clear()
        Command.writeDelete(
            identity: call.identity.text.memory.span, words: media.words, stream: stream.number, into: &command)
    }

    /// Whether each stream of the message has its answer. A deletion without an answer does not matter.
    func hasEveryAnswer(_ call: inout Call, _ member: Int, _ node: Capabilities) -> Bool {
        var index = 0
        for stream in call.description.streams where asks(node, for: stream, of: &call) {
            guard exchanges.reply(member, index) != nil else { return false }
            index &+= 1
        }
        return index > 0
    }

    /// Makes the edits of a message of which no stream wants a relay: nobody is asked. False where that ends the call.
    @_optimize(size)
    mutating func editWithoutRelay(_ call: inout Call, _ media: MediaCommand, _ body: Span<UInt8>) -> Bool {
        answer.begin()
        for stream in call.description.streams {
            answer.verdicts.append(StreamVerdict(withoutRelay: stream) ?? .refused)
            addForm(stream, &call, media)
        }
        do throws(CallFailure) {
            try makeEdits(&call, body, media.options)
        } catch {
            call.run.decide(.failed(error))
            return false
        }
        call.editing = Call.Editing(node: nil, member: -1)
        return true
    }

    /// The edits of such a message are made. What is off and was not before is deleted without waiting: no function
    /// fails for it.
    @_optimize(size)
    mutating func settle(_ call: inout Call, isDone: Bool) {
        guard isDone, case .media(let media) = call.command else { return call.run.decide(.failed(.notApplied)) }
        call.run.decide(.done)
        for stream in call.description.streams where media.deletes(stream, at: []) {
            if call.run.latest < 0, let node = try? nextNode(&call) {
                call.run.chosen(node, now: MonotonicClock.now())
            }
            let node = call.run.latest
            guard node >= 0 else { return }
            guard media.deletes(stream, at: capabilities(node)) else { return }
            writeDelete(stream, &call, media, capabilities(node))
            sendOnce(node)
        }
    }

    /// Warns of each stream that the node's answer has refused.
    mutating func warnOfRefusals(_ call: inout Call) {
        for refusal in answer.refusals {
            beginWarning(call)
            refusal.append(to: &line)
            line.append(", it is refused")
            outbox.log(.warning, line)
        }
    }
}

extension StreamRefusal {
    /// `media stream 2 (line 9): session unknown at the relay`
    @_optimize(size)
    func append(to line: inout [UInt8]) {
        line.append("media stream ")
        line.append(decimal: number)
        line.append(" (line ")
        line.append(decimal: self.line)
        line.append("): ")
        switch reason {
        case .sessionUnknown: line.append("session unknown at the relay")
        case .error(let code): CallFailure.relayError(code).describe(into: &line)
        case .oneStreamRelay: line.append("this relay serves one stream of a call")
        case .noRTP: line.append("with WebRTC on one side only RTP is relayed, no data channel")
        case .sharesTransport:
            line.append("it would share the transport of another one (BUNDLE), and RTPProxy has a port for each")
        }
    }
}
