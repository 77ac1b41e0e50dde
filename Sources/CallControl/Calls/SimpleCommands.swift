// SPDX-License-Identifier: GPL-2.0-or-later
// The functions that send one command and change no message: delete, statistics, prompts, recording.

import Bytes
import ControlProtocol
import Transport

/// A command that is about a call as a whole.
enum SimpleCommand {
    case delete
    /// Of one stream, from 1.
    case query(stream: Int)
    case play(count: Int)
    case stop
    case record

    /// How many commands it takes. RTPProxy records the party whose tag comes first, so both parties take both orders.
    func commands(_ words: SessionWords) -> Int {
        if case .record = self, !words.secondTag.isEmpty { return 2 }
        return 1
    }

    var isDelete: Bool {
        if case .delete = self { return true }
        return false
    }

    /// What an RTPProxy must be able to do for it.
    var required: Capabilities {
        switch self {
        case .play, .stop: .codecLists
        case .query: .statistics
        case .record: .copying
        case .delete: []
        }
    }

    /// What the script gets where it cannot.
    var refusal: CallFailure {
        switch self {
        case .record: .noRecording
        case .query: .noStatistics
        case .play, .stop, .delete: .unsupported(.prompt)
        }
    }
}

extension Worker {
    /// `rtpproxy_destroy`, `unforce_rtp_proxy`: the tags never change places.
    package mutating func delete<Host: CallHost>(_ host: Host, flags text: Span<UInt8>) -> ReturnCode {
        let kept = blocking
        let code = finish(&kept.call, host) { (worker, call) throws(CallFailure) in
            let words = try worker.prepareDelete(&call, host, text)
            // The call is over, whether or not its RTPProxy can be told.
            defer { worker.forget(call) }
            if call.keepsFigures, worker.takeLastFigures(&call, words, host) { return }
            try worker.command(&call, .delete, words, host)
            // The streams were deleted with their figures, and nothing was left.
            if call.keepsFigures, call.reply.isEmpty, call.figures.streams > 0 { host.count(.sessionsDeleted) }
        }
        guard code == .done else { return code }
        dropPostponed(kept.call, host)
        return .done
    }

    /// Reads a message for a delete: the words that name its call.
    mutating func prepareDelete<Host: CallHost>(
        _ call: inout Call, _ host: Host, _ text: Span<UInt8>
    ) throws(CallFailure) -> SessionWords {
        let flags = try CallFlags.parse(text, for: .delete, modifiers: &call.flagModifiers)
        guard !host.facts.isMadeUp else { throw .madeUpMessage }
        call.keepsFigures = flags.keepsFigures
        try call.identity.read(host, flags)
        return try call.identity.words(swapped: false, withToTag: !flags.deletesWholeCall)
    }

    /// `rtpproxy_stream2uac`, `rtpproxy_stream2uas`: plays `name` `count` times, -1 without end.
    package mutating func play<Host: CallHost>(
        _ host: Host, prompt name: Span<UInt8>, count: Int, toCallee: Bool
    ) -> ReturnCode {
        let kept = blocking
        return finish(&kept.call, host) { (worker, call) throws(CallFailure) in
            guard !name.isEmpty else { throw .missing(.prompt) }
            guard Command.isWord(name, name.all) else { throw .unfit(.prompt) }
            call.prompt.removeAll(keepingCapacity: true)
            call.prompt.append(name)
            try call.identity.read(host, host.sessionFlags)
            let words = try call.identity.words(swapped: toCallee)
            try worker.command(&call, .play(count: count), words, host)
            if words.secondTag.isEmpty, !worker.hasToldOfSilentPrompts {
                worker.hasToldOfSilentPrompts = true
                worker.warn(
                    call, "has accepted a prompt before the answer, and is silent until rtpproxy_answer()")
                worker.tell(host)
            }
        }
    }

    /// `rtpproxy_stop_stream2uac`, `rtpproxy_stop_stream2uas`.
    package mutating func stopPlay<Host: CallHost>(_ host: Host, toCallee: Bool) -> ReturnCode {
        let kept = blocking
        return finish(&kept.call, host) { (worker, call) throws(CallFailure) in
            try call.identity.read(host, host.sessionFlags)
            try worker.command(&call, .stop, call.identity.words(swapped: toCallee), host)
        }
    }

    /// `start_recording`: both parties, where there is a to-tag; in a reply that comes first.
    package mutating func record<Host: CallHost>(_ host: Host) -> ReturnCode {
        let kept = blocking
        return finish(&kept.call, host) { (worker, call) throws(CallFailure) in
            try call.identity.read(host, host.sessionFlags)
            try worker.command(&call, .record, call.identity.words(swapped: !host.facts.isRequest), host)
        }
    }

    /// `$rtpstat`: lends RTPProxy's answer to `Q`; nil where there is none.
    package mutating func statistics<Host: CallHost, Result>(
        _ host: Host, _ body: (Span<UInt8>) -> Result
    ) -> Result? {
        let kept = blocking
        kept.call.reply.removeAll(keepingCapacity: true)
        if let isKnown = appendLastFigures(host, to: &kept.call.reply) {
            return isKnown ? body(kept.call.reply.span) : nil
        }
        let code = finish(&kept.call, host, isQuiet: true) { (worker, call) throws(CallFailure) in
            try call.identity.read(host, host.sessionFlags)
            try worker.command(&call, .query(stream: 1), call.identity.words(swapped: !host.facts.isRequest), host)
        }
        return code == .done ? body(kept.call.reply.span) : nil
    }

    /// Does `body`, and returns what the script gets. `isQuiet`: a call without a session is an everyday question.
    private mutating func finish<Host: CallHost>(
        _ call: inout Call, _ host: Host, isQuiet: Bool = false,
        _ body: (inout Worker, inout Call) throws(CallFailure) -> Void
    ) -> ReturnCode {
        do throws(CallFailure) {
            call.run.subject = nil
            try body(&self, &call)
            return .done
        } catch {
            if isQuiet, error.isUnknownCall { return .error }
            return finish(host, error, node: call.run.subject, isMedia: false)
        }
    }

    /// Sends one command to the call's node, or to the next where that fails.
    private mutating func command<Host: CallHost>(
        _ call: inout Call, _ kind: SimpleCommand, _ words: SessionWords, _ host: Host
    ) throws(CallFailure) {
        begin(&call, host, .simple(kind, words), setID: selectedSetID(host))
        try run(&call, host, Span())
    }

    /// Writes `command`, number `part` of those that `kind` takes.
    mutating func write(_ call: borrowing Call, _ kind: SimpleCommand, _ words: SessionWords, part: Int = 0) {
        command.clear()
        let text = call.identity.text.memory.span
        switch kind {
        case .delete: Command.writeDelete(identity: text, words: words, into: &command)
        case .query(let stream): Command.writeQuery(identity: text, words: words, stream: stream, into: &command)
        case .play(let count):
            Command.writePlay(
                count: count, prompt: call.prompt.span, identity: text, words: words, into: &command)
        case .stop: Command.writeStop(identity: text, words: words, into: &command)
        case .record: Command.writeRecord(identity: text, words: part > 0 ? words.swapped : words, into: &command)
        }
    }
}
