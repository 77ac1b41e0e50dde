// SPDX-License-Identifier: GPL-2.0-or-later
// Every golden session description between WebRTC and plain RTP: alone, inside a larger body, and what must hold for all.

import Fixtures
import FuzzProperties
import Testing

@Suite struct WebRTCFixtureTests {
    static let files = FixtureFile.all("webrtc")
    static let all = files.map(Fixture.init)

    @Test func thereAreFixtures() {
        #expect(Self.all.count >= 70)
        Fixture.expectParts(Self.files)
        for fixture in Self.all { #expect(fixture.request.receiver != nil, "\(fixture.name)") }
    }

    @Test(arguments: all)
    func isRewrittenAsExpected(_ fixture: Fixture) {
        fixture.expectRewriting { #expect(brokenForm(of: $0, in: $0.output[...]) == nil) }
    }

    /// What was noted of the description is of the larger body.
    @Test(arguments: all)
    func isRewrittenTheSameInsideALargerBody(_ fixture: Fixture) {
        fixture.expectRewriting(
            between: "--b\r\na=group:BUNDLE 0\r\nm=audio 1 RTP/AVP 0\r\na=mid:7\r\n\r\n",
            and: "0\r\na=ice-ufrag:abcd\r\na=nortpproxy:yes\r\n--b--\r\n")
    }
}
