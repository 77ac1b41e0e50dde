// SPDX-License-Identifier: GPL-2.0-or-later
// Every golden session description, alone and inside a larger body.

import Fixtures
import Testing

@Suite struct FixtureTests {
    @Test func thereAreFixtures() {
        #expect(Fixture.all.count >= 100)
        Fixture.expectParts(Fixture.files)
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
    func isRewrittenAsExpected(_ fixture: Fixture) { fixture.expectRewriting() }

    @Test(arguments: Fixture.all)
    func isRewrittenTheSameInsideALargerBody(_ fixture: Fixture) {
        fixture.expectRewriting(
            between: "--b\r\nm=audio 1 RTP/AVP 0\r\n\r\n",
            and: "0\r\na=nortpproxy:yes\r\nc=IN IP4 9.9.9.9\r\n--b--\r\n")
    }
}
