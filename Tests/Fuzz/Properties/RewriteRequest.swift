// SPDX-License-Identifier: GPL-2.0-or-later
// What a rewrite is asked for, as the fixtures and the fuzzer's inputs spell it.

import Bytes
import SDP

/// All that a rewrite needs beside the body. A line for each of: `to <address> <port>` or `refuse` per media stream in
/// order (of one that no relay is asked for it does not count what the line says), `origin`, `session-connection`,
/// `marker <line>`, `candidates low|high`; and where the form changes: `receiver plain`, or
/// `receiver webrtc actpass|active|passive`, for whom what is not RTP is refused, `audio-alone`, which refuses all but
/// one stream, `no-group`, `mid <mid>` per media stream in order, and `fingerprint`, `ufrag` or `password`, each with the
/// relay's text for all streams.
package struct RewriteRequest: Sendable {
    package var verdicts: [StreamVerdict] = []
    package var addresses: [UInt8] = []
    package var marker: [UInt8] = []
    package var options = RewriteOptions()
    /// What the receiver has; nil: forms do not change, and nobody reads what the description says of WebRTC.
    package var receiver: Receiver?
    /// Whether only one stream goes on.
    package var isAudioAlone = false
    private var mids: [[UInt8]] = []
    private var fingerprint = Array(
        "12:34:56:78:9A:BC:DE:F0:12:34:56:78:9A:BC:DE:F0:12:34:56:78:9A:BC:DE:F0:12:34:56:78:9A:BC:DE:F0".utf8)
    private var ufrag = Array("relayufrag".utf8)
    private var password = Array("relaypasswordrelaypassword".utf8)

    package enum Receiver: Equatable, Sendable {
        case plain
        case webRTC(SetupAttribute)
    }

    /// Whether a line is none of these; it asks for nothing.
    package private(set) var hasUnknownOption = false

    package init(_ text: String) { self.init(Array(text.utf8)) }

    package init(_ text: [UInt8]) {
        for line in text.split(separator: 0x0A) {
            let words = line.split(separator: 0x20)
            switch words.first.map({ String(decoding: $0, as: UTF8.self) }) {
            case "to" where words.count == 3:
                add(Array(words[1]), UInt16(String(decoding: words[2], as: UTF8.self)) ?? 0)
            case "refuse": verdicts.append(.refused)
            case "origin": options.changesOrigin = true
            case "session-connection": options.changesSessionConnection = true
            case "marker": marker = Array(line.dropFirst("marker ".utf8.count))
            case "candidates" where words.count == 2:
                options.relayCandidates = words[1].elementsEqual("high".utf8) ? .high : .low
            case "receiver" where words.count == 2 && words[1].elementsEqual("plain".utf8): receiver = .plain
            case "receiver" where words.count == 3 && words[1].elementsEqual("webrtc".utf8):
                let word = Array(words[2])
                receiver = .webRTC(SetupAttribute(word.span, word.span.all) ?? .actpass)
            case "audio-alone": isAudioAlone = true
            case "no-group": options.allowsBundle = false
            case "mid" where words.count == 2: mids.append(Array(words[1]))
            case "fingerprint": fingerprint = Array(line.dropFirst("fingerprint ".utf8.count))
            case "ufrag": ufrag = Array(line.dropFirst("ufrag ".utf8.count))
            case "password": password = Array(line.dropFirst("password ".utf8.count))
            default: hasUnknownOption = true
            }
        }
    }

    /// Adds the destination of one more media stream.
    package mutating func add(_ address: [UInt8], _ port: UInt16) {
        let family = AddressText.family(address.span, address.span.all) ?? .ipv4
        let range = ByteRange(start: addresses.count, count: address.count)
        addresses += address
        verdicts.append(.relayed(StreamDestination(address: range, family: family, port: port)))
    }

    /// As it is, with a verdict for each of `streams` whatever was given.
    package func reaching(_ streams: [MediaStream]) -> RewriteRequest {
        var request = self
        request.verdicts = Array(verdicts.prefix(streams.count))
        while request.verdicts.count < streams.count {
            request.add(Array("2001:db8::77".utf8), UInt16(30000 + verdicts.count))
        }
        return request.fitting(streams)
    }

    /// The forms of the streams of `description`: none where nobody asks for one. The texts that they name are added to
    /// the addresses, and streams that cannot have their form are refused.
    package mutating func makeForms(_ description: borrowing SessionDescription, _ body: [UInt8]) -> [StreamForm] {
        guard let receiver else { return [] }
        var forms: [StreamForm] = []
        for (index, stream) in Array(description.streams).enumerated() where index < verdicts.count {
            if isAudioAlone, stream.number != description.mainStream { verdicts[index] = .refused }
            switch receiver {
            case .plain:
                // Of who sends WebRTC, what is off loses what it was, too, and what is no RTP is refused.
                let isWebRTC = description.isWebRTC(index) || (stream.isOff && description.isWebRTC)
                if description.isWebRTC(index), !stream.isRTP { verdicts[index] = .refused }
                forms.append(isWebRTC && !stream.isOverTCP ? .plain : .asItCame)
            case .webRTC(let setup):
                if !stream.isRTP { verdicts[index] = .refused }
                var end = WebRTCEnd()
                end.setup = setup
                end.fingerprint = add(fingerprint)
                end.ufrag = add(ufrag)
                end.password = add(password)
                if index < mids.count { end.mid = add(mids[index]) }
                forms.append(.webRTC(end))
            }
        }
        return forms
    }

    private mutating func add(_ text: [UInt8]) -> ByteRange {
        let range = ByteRange(start: addresses.count, count: text.count)
        addresses += text
        return range
    }

    /// As it is, those of `streams` that no relay is asked for left out of it.
    func fitting(_ streams: [MediaStream]) -> RewriteRequest {
        var request = self
        for (index, stream) in streams.enumerated() where index < verdicts.count {
            if let verdict = StreamVerdict(withoutRelay: stream) { request.verdicts[index] = verdict }
        }
        return request
    }
}
