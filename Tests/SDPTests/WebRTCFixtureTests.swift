// SPDX-License-Identifier: GPL-2.0-or-later
// Every golden session description between WebRTC and plain RTP: rewritten as expected, and again without a change.

import Bytes
import Fixtures
import FuzzProperties
import SDP
import Testing

@Suite struct WebRTCFixtureTests {
    static let all = FixtureFile.all("webrtc").map(Fixture.init)

    @Test func thereAreFixtures() {
        #expect(Self.all.count >= 2)
        for fixture in Self.all {
            #expect((fixture.expected == nil) != (fixture.expectedFault == nil), "\(fixture.name)")
            #expect(fixture.request.receiver != nil, "\(fixture.name)")
        }
    }

    @Test(arguments: all)
    func isRewrittenAsExpected(_ fixture: Fixture) {
        var rewriter = Rewriter()
        do throws(SDPFault) {
            let rewritten = try rewriter.rewrite(fixture.input, nil, fixture.request)
            #expect(String(decoding: rewritten.output, as: UTF8.self) == expectedText(fixture))
            #expect(rewritten.output == fixture.expected)
            #expect(brokenRule(rewritten, fixture.input, fixture.input.span.all) == nil)
        } catch {
            #expect("\(error.reason) \(error.line)" == fixture.expectedFault)
            #expect(rewriter.edits.edits.isEmpty && rewriter.edits.text.isEmpty)
        }
    }

    private func expectedText(_ fixture: Fixture) -> String? {
        fixture.expected.map { String(decoding: $0, as: UTF8.self) }
    }
}
