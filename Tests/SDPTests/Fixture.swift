// SPDX-License-Identifier: GPL-2.0-or-later
// Golden session descriptions: a folder per property with options, input and what is expected.

import Bytes
import Foundation
import SDP
import Testing

/// One folder of `Tests/Fixtures/sdp`.
///
/// `options` has a line for each of: `to <address> <port>` per media stream in order, `origin`, `session-connection`,
/// `marker <line>`, `candidates low|high`.
struct Fixture: CustomTestStringConvertible, Sendable {
    let name: String
    let input: [UInt8]
    let expected: [UInt8]?
    /// `<reason> <line>`.
    let expectedFault: String?
    let request: RewriteRequest

    var testDescription: String { name }

    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("Fixtures")

    static let all: [Fixture] = {
        let folder = root.appendingPathComponent("sdp")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.sorted().map { Fixture(folder.appendingPathComponent($0)) }
    }()

    init(_ folder: URL) {
        name = folder.lastPathComponent
        input = Fixture.bytes(folder, "input.sdp") ?? []
        expected = Fixture.bytes(folder, "expected.sdp")
        expectedFault = Fixture.text(folder, "expected.fault")
        request = RewriteRequest(Fixture.text(folder, "options") ?? "")
    }

    static func bytes(_ folder: URL, _ file: String) -> [UInt8]? {
        (try? Data(contentsOf: folder.appendingPathComponent(file))).map { [UInt8]($0) }
    }

    static func text(_ folder: URL, _ file: String) -> String? {
        bytes(folder, file).map { String(decoding: $0, as: UTF8.self) }?
            .trimmingCharacters(in: .newlines)
    }
}

/// All that a rewrite needs beside the body.
struct RewriteRequest: Sendable {
    var destinations: [StreamDestination] = []
    var addresses: [UInt8] = []
    var marker: [UInt8] = []
    var options = RewriteOptions()

    init(_ text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            switch words.first {
            case "to": add(String(words[1]), UInt16(words[2]) ?? 0)
            case "origin": options.changesOrigin = true
            case "session-connection": options.changesSessionConnection = true
            case "marker": marker = Array(line.dropFirst("marker ".count).utf8)
            case "candidates": options.relayCandidates = words[1] == "high" ? .high : .low
            default: fatalError("unknown option: \(line)")
            }
        }
    }

    /// Adds the destination of one more media stream.
    mutating func add(_ address: String, _ port: UInt16) {
        let bytes = Array(address.utf8)
        let family = AddressText.family(bytes.span, bytes.span.all) ?? .ipv4
        let range = ByteRange(start: addresses.count, count: bytes.count)
        addresses += bytes
        destinations.append(StreamDestination(address: range, family: family, port: port))
    }

    /// As it is, with a destination for each of `count` media streams whatever was given.
    func reaching(_ count: Int) -> RewriteRequest {
        var request = self
        request.destinations = Array(destinations.prefix(count))
        while request.destinations.count < count { request.add("2001:db8::77", UInt16(30000 + destinations.count)) }
        return request
    }
}
