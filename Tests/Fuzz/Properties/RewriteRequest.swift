// SPDX-License-Identifier: GPL-2.0-or-later
// What a rewrite is asked for, as the fixtures and the fuzzer's inputs spell it.

import Bytes
import SDP

/// All that a rewrite needs beside the body. A line for each of: `to <address> <port>` or `refuse` per media stream in
/// order (of one that no relay is asked for it does not count what the line says), `origin`, `session-connection`, `marker <line>`, `candidates low|high`.
package struct RewriteRequest: Sendable {
    package var verdicts: [StreamVerdict] = []
    package var addresses: [UInt8] = []
    package var marker: [UInt8] = []
    package var options = RewriteOptions()
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

    /// As it is, those of `streams` that no relay is asked for left out of it.
    func fitting(_ streams: [MediaStream]) -> RewriteRequest {
        var request = self
        for (index, stream) in streams.enumerated() where index < verdicts.count {
            if let verdict = StreamVerdict(withoutRelay: stream) { request.verdicts[index] = verdict }
        }
        return request
    }
}
