// SPDX-License-Identifier: GPL-2.0-or-later
// Every golden session description between WebRTC and plain RTP: alone, inside a larger body, and what must hold for all.

import Bytes
import Fixtures
import FuzzProperties
import SDP
import Testing

@Suite struct WebRTCFixtureTests {
    static let files = FixtureFile.all("webrtc")
    static let all = files.map(Fixture.init)

    @Test func thereAreFixtures() {
        #expect(Self.all.count >= 70)
        for fixture in Self.all {
            #expect((fixture.expected == nil) != (fixture.expectedFault == nil), "\(fixture.name)")
            #expect(fixture.request.receiver != nil, "\(fixture.name)")
        }
        for file in Self.files {
            #expect(
                [["options", "input", "expected"], ["options", "input", "fault"]].contains(file.parts), "\(file.name)")
        }
    }

    @Test(arguments: all)
    func isRewrittenAsExpected(_ fixture: Fixture) {
        var rewriter = Rewriter()
        do throws(SDPFault) {
            let rewritten = try rewriter.rewrite(fixture.input, nil, fixture.request)
            let expected = fixture.expected.map { String(decoding: $0, as: UTF8.self) }
            #expect(String(decoding: rewritten.output, as: UTF8.self) == expected)
            #expect(rewritten.output == fixture.expected)
            #expect(brokenRule(rewritten, fixture.input, fixture.input.span.all) == nil)
            #expect(brokenForm(of: rewritten, in: rewritten.output[...]) == nil)
            #expect(brokenPromise(rewritten, fixture.request, &rewriter) == nil)
        } catch {
            #expect("\(error.reason) \(error.line)" == fixture.expectedFault)
            #expect(rewriter.edits.edits.isEmpty && rewriter.edits.text.isEmpty)
        }
    }

    /// The bytes around the SDP are neither looked at nor changed, and what was noted of it is of the larger body.
    @Test(arguments: all)
    func isRewrittenTheSameInsideALargerBody(_ fixture: Fixture) {
        let before = Array("--b\r\na=group:BUNDLE 0\r\nm=audio 1 RTP/AVP 0\r\na=mid:7\r\n\r\n".utf8)
        let behind = Array("0\r\na=ice-ufrag:abcd\r\na=nortpproxy:yes\r\n--b--\r\n".utf8)
        let body = before + fixture.input + behind
        let range = ByteRange(start: before.count, count: fixture.input.count)
        var rewriter = Rewriter()
        do throws(SDPFault) {
            let rewritten = try rewriter.rewrite(body, range, fixture.request)
            #expect(rewritten.output == fixture.expected.map { before + $0 + behind })
            #expect(brokenRule(rewritten, body, range) == nil)
        } catch {
            #expect("\(error.reason) \(error.line)" == fixture.expectedFault)
        }
    }
}
