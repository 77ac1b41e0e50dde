// SPDX-License-Identifier: GPL-2.0-or-later
// Every golden session description, alone and inside a larger body.

import Bytes
import Fixtures
import FuzzProperties
import SDP
import Testing

@Suite struct FixtureTests {
    @Test func thereAreFixtures() {
        #expect(Fixture.all.count >= 100)
        for fixture in Fixture.all {
            #expect((fixture.expected == nil) != (fixture.expectedFault == nil), "\(fixture.name)")
        }
        for file in Fixture.files {
            #expect(
                [["options", "input", "expected"], ["options", "input", "fault"]].contains(file.parts), "\(file.name)")
        }
    }

    @Test func aFixtureFileHasItsPartsByteForByte() {
        let file = FixtureFile("name.fixture", Array("%% open\nx\r\ny\n%% whole\nx\n\n%% empty\n\n%% last\n%%\n".utf8))
        #expect(file.name == "name" && file.parts == ["open", "whole", "empty", "last"])
        #expect(file["open"] == Array("x\r\ny".utf8))
        #expect(file["whole"] == Array("x\n".utf8) && file.text("whole") == "x")
        #expect(file["empty"] == [])
        #expect(file["last"] == Array("%%\n".utf8))
        #expect(file["other"] == nil)
        #expect(FixtureFile("name", Array("x\n%% a\n".utf8)).parts == ["", "a"])
    }

    @Test(arguments: Fixture.all)
    func isRewrittenAsExpected(_ fixture: Fixture) {
        var rewriter = Rewriter()
        do throws(SDPFault) {
            let rewritten = try rewriter.rewrite(fixture.input, nil, fixture.request)
            #expect(String(decoding: rewritten.output, as: UTF8.self) == expectedText(fixture))
            #expect(rewritten.output == fixture.expected)
            #expect(brokenRule(rewritten, fixture.input, fixture.input.span.all) == nil)
            #expect(brokenPromise(rewritten, fixture.request, &rewriter) == nil)
        } catch {
            #expect("\(error.reason) \(error.line)" == fixture.expectedFault)
            #expect(rewriter.edits.edits.isEmpty && rewriter.edits.text.isEmpty)
        }
    }

    /// The bytes around the SDP are neither looked at nor changed.
    @Test(arguments: Fixture.all)
    func isRewrittenTheSameInsideALargerBody(_ fixture: Fixture) {
        let before = Array("--b\r\nm=audio 1 RTP/AVP 0\r\n\r\n".utf8)
        let behind = Array("0\r\na=nortpproxy:yes\r\nc=IN IP4 9.9.9.9\r\n--b--\r\n".utf8)
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

    private func expectedText(_ fixture: Fixture) -> String? {
        fixture.expected.map { String(decoding: $0, as: UTF8.self) }
    }
}
