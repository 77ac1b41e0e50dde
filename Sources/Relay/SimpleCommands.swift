// SPDX-License-Identifier: GPL-2.0-or-later
// The functions that send one command and change no message: delete, statistics, prompts, recording.

import Bytes
import ControlProtocol
import Transport

/// A command that is about a call as a whole.
enum SimpleCommand {
    case delete
    case query
    case play(count: Int)
    case stop
    case record

    /// How many commands it takes. RTPProxy records the party whose tag comes first, so both parties take both orders.
    func commands(_ words: SessionWords) -> Int {
        if case .record = self, !words.secondTag.isEmpty { return 2 }
        return 1
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

extension Relay {
    /// `rtpproxy_destroy`, `unforce_rtp_proxy`: the tags never change places.
    public mutating func delete<Host: CallHost>(_ host: Host, flags text: Span<UInt8>) -> ReturnCode {
        do throws(CallFailure) {
            try command(.delete, prepareDelete(host, text), host)
            forget(selectedSetID(host))
            dropPostponed(host)
            return .done
        } catch {
            return finish(host, error, isMedia: false)
        }
    }

    /// Reads a message for a delete: the words that name its call.
    mutating func prepareDelete<Host: CallHost>(_ host: Host, _ text: Span<UInt8>) throws(CallFailure) -> SessionWords {
        let flags = try CallFlags.parse(text, for: .delete, modifiers: &flagModifiers)
        guard !host.facts.isMadeUp else { throw .madeUpMessage }
        try identity.read(host, flags)
        return try identity.words(swapped: false, withToTag: !flags.deletesWholeCall)
    }

    /// `rtpproxy_stream2uac`, `rtpproxy_stream2uas`: plays `name` `count` times, -1 without end.
    public mutating func play<Host: CallHost>(
        _ host: Host, prompt name: Span<UInt8>, count: Int, toCallee: Bool
    ) -> ReturnCode {
        do throws(CallFailure) {
            guard !name.isEmpty else { throw .missing(.prompt) }
            guard Command.isWord(name, name.all) else { throw .unfit(.prompt) }
            prompt.removeAll(keepingCapacity: true)
            prompt.append(name)
            try identity.read(host, CallFlags())
            let words = try identity.words(swapped: toCallee)
            try command(.play(count: count), words, host)
            if words.secondTag.isEmpty, !hasToldOfSilentPrompts {
                hasToldOfSilentPrompts = true
                warn(host, "has taken a prompt before the answer, and is silent until rtpproxy_answer() has been there")
            }
            return .done
        } catch {
            return finish(host, error, isMedia: false)
        }
    }

    /// `rtpproxy_stop_stream2uac`, `rtpproxy_stop_stream2uas`.
    public mutating func stopPlay<Host: CallHost>(_ host: Host, toCallee: Bool) -> ReturnCode {
        do throws(CallFailure) {
            try identity.read(host, CallFlags())
            try command(.stop, identity.words(swapped: toCallee), host)
            return .done
        } catch {
            return finish(host, error, isMedia: false)
        }
    }

    /// `start_recording`: both parties, where there is a to-tag; in a reply that comes first.
    public mutating func record<Host: CallHost>(_ host: Host) -> ReturnCode {
        do throws(CallFailure) {
            try identity.read(host, CallFlags())
            try command(.record, identity.words(swapped: !host.facts.isRequest), host)
            return .done
        } catch {
            return finish(host, error, isMedia: false)
        }
    }

    /// `$rtpstat`: lends RTPProxy's answer to `Q`; nil where there is none.
    public mutating func statistics<Host: CallHost, Result>(
        _ host: Host, _ body: (Span<UInt8>) -> Result
    ) -> Result? {
        do throws(CallFailure) {
            try identity.read(host, CallFlags())
            try command(.query, identity.words(swapped: !host.facts.isRequest), host)
        } catch {
            // A call without a session is an everyday question.
            if !error.isUnknownCall { _ = finish(host, error, isMedia: false) }
            return nil
        }
        // Where the judge has left the answer.
        return body(line.span)
    }

    /// Sends one command to the call's node, or to the next where that fails.
    private mutating func command<Host: CallHost>(
        _ kind: SimpleCommand, _ words: SessionWords, _ host: Host
    ) throws(CallFailure) {
        var race = race(.simple(kind, words), setID: selectedSetID(host))
        try run(&race, host, Span(), Span())
    }

    /// Writes `command`, number `part` of those that `kind` takes.
    mutating func write(_ kind: SimpleCommand, _ words: SessionWords, part: Int = 0) {
        command.removeAll(keepingCapacity: true)
        let memory = identity.text
        let text = memory.span
        switch kind {
        case .delete: Command.writeDelete(identity: text, words: words, into: &command)
        case .query: Command.writeQuery(identity: text, words: words, into: &command)
        case .play(let count):
            let name = prompt
            Command.writePlay(count: count, prompt: name.span, identity: text, words: words, into: &command)
        case .stop: Command.writeStop(identity: text, words: words, into: &command)
        case .record: Command.writeRecord(identity: text, words: part > 0 ? words.swapped : words, into: &command)
        }
    }
}
