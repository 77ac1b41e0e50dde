// SPDX-License-Identifier: GPL-2.0-or-later
// Golden session descriptions: a file per property with options, input and what is expected.

import Bytes
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

extension Fixture {
    /// Whether it says what is expected, and nothing beside.
    static func expectParts(_ files: [FixtureFile]) {
        for file in files {
            let fixture = Fixture(file)
            #expect((fixture.expected == nil) != (fixture.expectedFault == nil), "\(file.name)")
            #expect(
                [["options", "input", "expected"], ["options", "input", "fault"]].contains(file.parts), "\(file.name)")
        }
    }

    /// What is made of it alone is what is expected, and nothing that must hold for all is broken. `further`: what else
    /// must hold for what has come out.
    func expectRewriting(_ further: (Rewritten) -> Void = { _ in }) {
        var rewriter = Rewriter()
        do throws(SDPFault) {
            let rewritten = try rewriter.rewrite(input, nil, request)
            let text = expected.map { String(decoding: $0, as: UTF8.self) }
            #expect(String(decoding: rewritten.output, as: UTF8.self) == text)
            #expect(rewritten.output == expected)
            #expect(brokenRule(rewritten, input, input.span.all) == nil)
            #expect(brokenPromise(rewritten, request, &rewriter) == nil)
            further(rewritten)
        } catch {
            #expect("\(error.reason) \(error.line)" == expectedFault)
            #expect(rewriter.edits.edits.isEmpty && rewriter.edits.text.isEmpty)
        }
    }

    /// The same inside a larger body: the bytes around are neither looked at nor changed.
    func expectRewriting(between before: String, and behind: String) {
        let (before, behind) = (Array(before.utf8), Array(behind.utf8))
        let body = before + input + behind
        let range = ByteRange(start: before.count, count: input.count)
        var rewriter = Rewriter()
        do throws(SDPFault) {
            let rewritten = try rewriter.rewrite(body, range, request)
            #expect(rewritten.output == expected.map { before + $0 + behind })
            #expect(brokenRule(rewritten, body, range) == nil)
        } catch {
            #expect("\(error.reason) \(error.line)" == expectedFault)
        }
    }
}
