// SPDX-License-Identifier: GPL-2.0-or-later
// Golden session descriptions: a file per property with options, input and what is expected.

import Fixtures
import FuzzProperties
import SDP
import Testing

/// One file of `Tests/Fixtures/sdp` or `webrtc`: `options`, `input`, and `expected` or `fault`.
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

    static let files = FixtureFile.all("sdp")
    static let all = files.map(Fixture.init)

    init(_ file: FixtureFile) {
        name = file.name
        input = file["input"] ?? []
        expected = file["expected"]
        expectedFault = file.text("fault")
        request = RewriteRequest(file["options"] ?? [])
        precondition(!request.hasUnknownOption, "\(name)")
    }
}
