// SPDX-License-Identifier: GPL-2.0-or-later
// Golden session descriptions: a folder per property with options, input and what is expected.

import Bytes
import Foundation
import FuzzProperties
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
        precondition(!request.hasUnknownOption, "\(name)")
    }

    static func bytes(_ folder: URL, _ file: String) -> [UInt8]? {
        (try? Data(contentsOf: folder.appendingPathComponent(file))).map { [UInt8]($0) }
    }

    static func text(_ folder: URL, _ file: String) -> String? {
        bytes(folder, file).map { String(decoding: $0, as: UTF8.self) }?
            .trimmingCharacters(in: .newlines)
    }
}
