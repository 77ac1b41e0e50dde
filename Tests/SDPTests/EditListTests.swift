// SPDX-License-Identifier: GPL-2.0-or-later
// The edits themselves: no byte more than has to change.

import Bytes
import FuzzProperties
import SDP
import Testing

@Suite struct EditListTests {
    static let head = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"

    /// What goes and what comes, edit by edit.
    private func edits(_ sdp: String, _ request: String) throws -> [String] {
        let body = Array(sdp.utf8)
        var rewriter = Rewriter()
        let rewritten = try rewriter.rewrite(body, nil, RewriteRequest(request))
        return rewritten.edits.map {
            text(body, ByteRange(start: $0.offset, count: $0.removed)) + ">" + text(rewritten.text, $0.text)
        }
    }

    @Test func onlyAddressAndPortChangeInTheSameFamily() throws {
        let found = try edits(Self.head + "m=audio 5000 RTP/AVP 0\r\n", "to 192.0.2.99 40000")
        #expect(found == ["10.0.0.1>192.0.2.99", "5000>40000"])
    }

    @Test func theFamilyChangesWithTheAddress() throws {
        let found = try edits(Self.head + "m=audio 5000 RTP/AVP 0\r\n", "to 2001:db8::99 40000\norigin")
        let moved = ["IP4>IP6", "10.0.0.1>2001:db8::99"]
        #expect(found == moved + moved + ["5000>40000"])
    }

    @Test func whatIsRightAlreadyIsNoEdit() throws {
        let found = try edits(Self.head + "m=audio 5000 RTP/AVP 0\r\na=rtcp:5001\r\n", "to 10.0.0.1 5000\norigin")
        #expect(found.isEmpty)
    }

    @Test func insertionsAtOnePlaceAreOneEdit() throws {
        let sdp = Self.head + "m=audio 5000 RTP/AVP 0\r\na=candidate:1"
        let found = try edits(sdp, "to 10.0.0.1 5000\ncandidates high\nmarker a=x")
        let candidates = [
            "a=candidate:10001 1 UDP 2147483647 10.0.0.1 5000 typ relay\r\n",
            "a=candidate:10001 2 UDP 2147483646 10.0.0.1 5001 typ relay\r\n",
        ]
        #expect(found == [">\r\n" + candidates.joined() + "a=x"])
    }

    @Test func whatTouchesIsOneEdit() throws {
        let found = try edits(Self.head + "m=audio 5000", "to 10.0.0.1 40000\nmarker a=x")
        #expect(found == ["5000>40000\r\na=x"])
    }

    @Test func aListIsUsedAgain() throws {
        let body = Array((Self.head + "m=audio 5000 RTP/AVP 0\r\n").utf8)
        var rewriter = Rewriter()
        let first = try rewriter.rewrite(body, nil, RewriteRequest("to 192.0.2.99 40000"))
        let second = try rewriter.rewrite(body, nil, RewriteRequest("to 192.0.2.99 40000"))
        #expect(first.edits == second.edits && first.text == second.text)
        #expect(throws: SDPFault(.verdictsDoNotMatch)) {
            try rewriter.rewrite(body, nil, RewriteRequest("to 192.0.2.99 1\nto 192.0.2.99 2"))
        }
        #expect(rewriter.edits.edits.isEmpty && rewriter.edits.text.isEmpty)
    }

    @Test func anOriginThatCannotBeReadIsLeft() throws {
        let session = "v=0\r\no=broken\r\nc=IN IP4 10.0.0.1\r\nm=audio 5000 RTP/AVP 0\r\n"
        let body = Array((Self.head + "m=audio 5000 RTP/AVP 0\r\n" + session).utf8)
        var rewriter = Rewriter()
        let rewritten = try rewriter.rewrite(body, nil, RewriteRequest("to 192.0.2.9 1\nto 192.0.2.9 2\norigin"))
        #expect(rewriter.description.lineOfOtherOrigin == 8)
        #expect(String(decoding: rewritten.output, as: UTF8.self).contains("o=broken\r\nc=IN IP4 192.0.2.9\r\n"))
        _ = try rewriter.rewrite(
            Array(Self.head.utf8) + Array("m=audio 5000 RTP/AVP 0\r\n".utf8), nil, RewriteRequest("to 192.0.2.9 1"))
        #expect(rewriter.description.lineOfOtherOrigin == 0)
    }
}
