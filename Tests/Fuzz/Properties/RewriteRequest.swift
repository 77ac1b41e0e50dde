// SPDX-License-Identifier: GPL-2.0-or-later
// What a rewrite is asked for, as the fixtures and the fuzzer's inputs spell it.

import Bytes
public import SDP

/// All that a rewrite needs beside the body. A line for each of: `to <address> <port>` per media stream in order,
/// `origin`, `session-connection`, `marker <line>`, `candidates low|high`.
public struct RewriteRequest: Sendable {
    public var destinations: [StreamDestination] = []
    public var addresses: [UInt8] = []
    public var marker: [UInt8] = []
    public var options = RewriteOptions()
    /// Whether a line is none of these; it asks for nothing.
    public private(set) var hasUnknownOption = false

    public init(_ text: String) { self.init(Array(text.utf8)) }

    public init(_ text: [UInt8]) {
        for line in text.split(separator: 0x0A) {
            let words = line.split(separator: 0x20)
            switch words.first.map({ String(decoding: $0, as: UTF8.self) }) {
            case "to" where words.count == 3:
                add(Array(words[1]), UInt16(String(decoding: words[2], as: UTF8.self)) ?? 0)
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
    public mutating func add(_ address: [UInt8], _ port: UInt16) {
        let family = AddressText.family(address.span, address.span.all) ?? .ipv4
        let range = ByteRange(start: addresses.count, count: address.count)
        addresses += address
        destinations.append(StreamDestination(address: range, family: family, port: port))
    }

    /// As it is, with a destination for each of `count` media streams whatever was given.
    public func reaching(_ count: Int) -> RewriteRequest {
        var request = self
        request.destinations = Array(destinations.prefix(count))
        while request.destinations.count < count {
            request.add(Array("2001:db8::77".utf8), UInt16(30000 + destinations.count))
        }
        return request
    }
}
