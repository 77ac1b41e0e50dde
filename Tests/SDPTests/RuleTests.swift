// SPDX-License-Identifier: GPL-2.0-or-later
// The rules that every rewritten body is held to find what breaks them.

import Bytes
import FuzzProperties
import SDP
import Testing

@Suite struct RuleTests {
    private let body = Array((EditListTests.head + "m=audio 5000 RTP/AVP 0\r\n").utf8)
    private let request = RewriteRequest("to 192.0.2.99 6000\nmarker a=nortpproxy:yes")

    private func rewritten(_ rewriter: inout Rewriter) throws -> Rewritten {
        let rewritten = try rewriter.rewrite(body, nil, request)
        try #require(rewritten.edits.count == 3 && brokenRule(rewritten, body, body.span.all) == nil)
        try #require(brokenPromise(rewritten, request, &rewriter) == nil)
        return rewritten
    }

    @Test func editsThatBreakARuleAreFound() throws {
        var rewriter = Rewriter()
        let right = try rewritten(&rewriter)
        let whole = body.span.all
        var wrong = right
        wrong.edits.swapAt(0, 1)
        #expect(brokenRule(wrong, body, whole) != nil)
        wrong = right
        wrong.edits[1] = right.edits[0]
        #expect(brokenRule(wrong, body, whole)?.contains("touches") == true)
        wrong = right
        wrong.text.append(0x20)
        #expect(brokenRule(wrong, body, whole) == "text is left over")
        wrong = right
        wrong.text = Array(repeating: 0x20, count: right.text.count - 1)
        #expect(brokenRule(wrong, body, whole) == "the text has a gap")
        #expect(brokenRule(right, body, ByteRange(start: 0, count: right.edits[2].offset - 1)) != nil)
        #expect(brokenRule(right, body, ByteRange(from: right.edits[0].offset + 1, to: body.count)) != nil)
        wrong = right
        let port = right.edits[1].text
        wrong.text.replaceSubrange(port.start..<port.end, with: "5000".utf8)
        #expect(brokenRule(wrong, body, whole)?.contains("changes nothing") == true)
    }

    @Test(arguments: [
        ("192.0.2.99", "192.0.2.98"), ("6000", "6001"), ("6000", "70000"), ("m=audio 6000 RTP/AVP 0\r\n", ""),
        ("a=nortpproxy:yes\r\n", ""), ("v=0", "v=1"),
    ])
    func aResultThatIsNotWhatWasAskedForIsFound(_ old: String, _ new: String) throws {
        var rewriter = Rewriter()
        var wrong = try rewritten(&rewriter)
        let before = String(decoding: wrong.output, as: UTF8.self)
        wrong.output = Array(before.replacing(old, with: new).utf8)
        try #require(wrong.output != Array(before.utf8))
        #expect(brokenPromise(wrong, request, &rewriter) != nil)
    }
}
