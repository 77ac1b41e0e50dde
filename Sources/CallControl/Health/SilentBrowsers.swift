// SPDX-License-Identifier: GPL-2.0-or-later
// Browsers that send nothing: some seconds after an answer the module's own process asks RTPProxy, once for each stream,
// whether anything has come from the side that is WebRTC. No call waits for that.

import Bytes
import ControlProtocol
import SDP
import SharedState
import Transport

extension Worker {
    /// How many streams are looked at before the nodes are again.
    private static var streamsAtOnce: Int { 16 }

    /// Notes the streams of an answer that a browser is to send media in.
    @_optimize(size)
    mutating func watch(_ call: inout Call, _ media: MediaCommand, _ node: Int) {
        guard media.endsExchange, settings.silenceSeconds > 0, let watched else { return }
        for stream in call.description.streams where stream.wantsRelay {
            let index = stream.number &- 1
            // NO TRAP: as many as there are streams, whose numbers begin at 1; compared first.
            guard index >= 0, index < call.securities.count else { continue }
            let security = call.securities[index]
            let direction = call.description.webRTCFacts(of: index).direction ?? .sendrecv
            // The one who has answered is the second.
            let isSecond = security.isFromWebRTC && (direction == .sendrecv || direction == .sendonly)
            let isFirst =
                security.isToWebRTC && !stream.isOnHold && (direction == .sendrecv || direction == .recvonly)
            guard isFirst || isSecond else { continue }
            _ = watched.note(
                WatchedStream(
                    node: node, setID: call.run.terms.setID, number: stream.number, isFirst: isFirst,
                    isSecond: isSecond),
                call.identity.text.memory.span, media.words.callID, media.words.firstTag, media.words.secondTag,
                due: ticks &+ UInt32(clamping: settings.silenceSeconds))
        }
    }

    /// Looks at those whose time has come. In the module's own process, which has other things to do: it asks no longer
    /// than between two looks at the nodes, and after a question that was not answered nothing for a minute.
    @_optimize(size)
    mutating func lookAtBrowsers<Host: ServerHost>(_ host: Host) {
        guard let watched else { return }
        let kept = leftBehind
        let end = MonotonicClock.now() &+ Self.longestPause
        // NO TRAP: a constant above 0.
        for _ in 0..<Self.streamsAtOnce {
            guard let (stream, words) = kept.call.identity.take(watched, host.ticks) else { return }
            let node = Int(widening: stream.node)
            guard host.ticks >= nextBrowserLook, table.takesCommands(node), table.setID(node) == stream.setID else {
                continue
            }
            begin(&kept.call, host, .simple(.query(stream: Int(widening: stream.number)), words), setID: stream.setID)
            aim(&kept.call, at: node)
            guard kept.call.run.chosen == node else { continue }
            ticks = host.ticks
            switch runAlone(&kept.call) {
            case .done: judge(&kept.call, stream, node)
            case .failed(let failure): if failure.returnCode == .noNode { nextBrowserLook = ticks &+ 60 }
            }
            tell(host)
            if MonotonicClock.now() > end { return }
        }
    }

    /// Counts a stream whose browser has sent nothing. Logged once a minute, because browsers decide how often it happens.
    @_optimize(size)
    private mutating func judge(_ call: inout Call, _ stream: WatchedStream, _ node: Int) {
        var values = FigureValues()
        let reply = call.reply
        guard case .taken = FigureReply.parse(reply.span, reply.span.all, asked: .none, into: &values) else { return }
        // NO TRAP: by a figure, of which there is a value each.
        guard stream.isFirst && values[.packetsFromFirst] == 0 || stream.isSecond && values[.packetsFromSecond] == 0
        else { return }
        outbox.count(.silentBrowsers)
        guard ticks >= nextCandidateLine else { return }
        nextCandidateLine = ticks &+ 60
        call.run.subject = node
        beginWarning(call)
        line.append("has had nothing of the browser in media stream ")
        line.append(decimal: Int(widening: stream.number))
        line.append(", ")
        line.append(decimal: settings.silenceSeconds)
        line.append(" s after the answer: does RTPProxy know where it is? Give its page a STUN server, or RTPProxy")
        line.append(" peer-reflexive candidates (not logged again for a minute)")
        outbox.log(.warning, line)
    }
}
