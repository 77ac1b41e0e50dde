// SPDX-License-Identifier: GPL-2.0-or-later
// Where the marker counts as there.

import Bytes
import SDP
import Testing

@Suite struct MarkerTests {
    private func carries(_ text: String, _ marker: String = "a=nortpproxy:yes", in range: ByteRange? = nil) -> Bool {
        let body = Array(text.utf8)
        let bytes = Array(marker.utf8)
        return SessionDescription.carriesMarker(body.span, range ?? body.span.all, marker: bytes.span)
    }

    @Test(arguments: [
        "a=nortpproxy:yes", "a=nortpproxy:yes\r\n", "a=nortpproxy:yes\n", "v=0\r\na=nortpproxy:yes\r\ns=-\r\n",
        "v=0\na=nortpproxy:yes", "\r\na=nortpproxy:yes", "v=0\r\na=nortpproxy:yes and more\r\n",
    ])
    func itIsThereAtTheBeginningOfALine(_ text: String) {
        #expect(carries(text))
    }

    @Test(arguments: [
        "", "\r\n", "a=nortpproxy:ye", "s=a=nortpproxy:yes\r\n", " a=nortpproxy:yes\r\n", "v=0\ra=nortpproxy:yes\r\n",
        "A=nortpproxy:yes\r\n", "a=nortpproxy:\r\nyes\r\n", "v=0\r\na=nortpproxy:no\r\n",
    ])
    func itIsNotThereAnywhereElse(_ text: String) {
        #expect(!carries(text))
    }

    @Test func anEmptyMarkerIsNeverThere() {
        #expect(!carries("v=0\r\n\r\n", ""))
    }

    @Test func onlyTheRangeCounts() {
        let text = "a=nortpproxy:yes\r\nv=0\r\na=nortpproxy:yes\r\n"
        #expect(!carries(text, in: ByteRange(start: 18, count: 5)))
        #expect(!carries(text, in: ByteRange(start: 18, count: 5 + 15)))
        #expect(carries(text, in: ByteRange(start: 18, count: 5 + 16)))
        #expect(!carries(text, in: ByteRange(start: -3, count: 5)))
        #expect(!carries(text, in: ByteRange(start: 999, count: .max)))
    }

    @Test func aMarkerMaySpanLines() {
        #expect(carries("v=0\r\na=x\r\na=y\r\n", "a=x\r\na=y"))
        #expect(!carries("v=0\r\na=x\r\n", "a=x\r\na=y"))
    }

    @Test(arguments: [
        "", "a=nortpproxy:yes\r\n", "a=nortpproxy:yes", "a=nortpproxy:no\r\n", "a=\r\na=nortpproxy:yes\r\n", "a=n",
        "a=nortpproxy:yes and more", "a=sendrecv\na=nortpproxy:yes\n", "a=rtcp:1\r\na=nortpproxy:ye\r\n",
    ])
    func readingADescriptionFindsItOnTheWay(_ end: String) throws {
        let start = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0\r\n"
        let body = Array((start + end).utf8)
        for marker in ["a=nortpproxy:yes", "a=s", "a", "m=audio 4000", "v=0\r\no=-", "a=nortpproxy:yes and"] {
            let bytes = Array(marker.utf8)
            var description = SessionDescription()
            try description.parse(body.span, body.span.all, marker: bytes.span, readsOrigins: false)
            #expect(
                description.isMarked
                    == SessionDescription.carriesMarker(body.span, body.span.all, marker: bytes.span), "\(marker)")
            try description.parse(body.span, body.span.all)
            #expect(description.isMarked == nil)
        }
    }
}
