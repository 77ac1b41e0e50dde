// SPDX-License-Identifier: GPL-2.0-or-later
// How many edits a change of form takes, and when there is none.

import Bytes
import FuzzProperties
import SDP
import Testing

@Suite struct WebRTCEditsTests {
    private static let browser =
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=msid-semantic: WMS a\r\n"
        + WebRTCFactsTests.media + "c=IN IP4 198.51.100.31\r\n" + WebRTCFactsTests.stream
        + "a=setup:actpass\r\na=mid:0\r\na=extmap:1 u\r\na=rtcp-mux\r\n"
        + "a=candidate:1 1 udp 9 198.51.100.31 9 typ host\r\na=sendrecv\r\n"
    private static let phone = WebRTCFactsTests.head + "m=audio 5004 RTP/AVP 0\r\na=rtcp:5005\r\na=sendrecv\r\n"
    private static let to = "to 192.0.2.99 6000\nmarker a=nortpproxy:yes\n"

    private func edits(_ body: String, _ request: String) throws -> [String] {
        var rewriter = Rewriter()
        let rewritten = try rewriter.rewrite(Array(body.utf8), nil, RewriteRequest(Self.to + request))
        return rewritten.edits.map { text(rewritten.text, $0.text) }
    }

    /// Kamailio allocates three times for each.
    @Test func linesThatFollowEachOtherAreOneEdit() throws {
        #expect(
            try edits(Self.browser, "receiver plain") == ["", "6000 RTP/AVP", "192.0.2.99", "", "a=nortpproxy:yes\r\n"])
        let back = try edits(Self.phone, "receiver webrtc actpass")
        #expect(back.count == 5 && back[2] == "6000 UDP/TLS/RTP/SAVPF" && back[3].hasPrefix("a=mid:0\r\n"))
    }

    /// What touches in the second rewrite, a line that goes and the same that comes, is none.
    @Test func nothingIsChangedTwice() throws {
        for (body, receiver) in [
            (Self.phone, "receiver webrtc actpass"), (Self.browser, "receiver webrtc actpass"),
            (Self.phone.replacing("t=0 0\r\n", with: ""), "receiver webrtc passive"),
            (Self.phone.replacing("t=0 0\r\n", with: "a=group:LS 0\r\n"), "receiver webrtc passive"),
            (Self.browser, "receiver plain"),
        ] {
            var rewriter = Rewriter()
            let request = RewriteRequest(Self.to + receiver)
            let first = try rewriter.rewrite(Array(body.utf8), nil, request)
            #expect(!first.edits.isEmpty)
            let second = try rewriter.rewrite(first.output, nil, request)
            #expect(second.edits.isEmpty && second.text.isEmpty, "\(receiver)")
        }
    }

    /// A place is one line or many that follow each other; there may be as many as places that change otherwise.
    @Test func linesAreCountedTogether() throws {
        let ssrc = "a=ssrc:1 cname:a\r\n"
        let many = String(repeating: ssrc, count: 5 * SessionDescription.maximumPlaces)
        #expect(try edits(Self.browser + many, "receiver plain").count == 5)
        let apart = String(repeating: ssrc + "a=ptime:20\r\n", count: SessionDescription.maximumPlaces)
        #expect(throws: SDPFault.self) { try edits(Self.browser + apart, "receiver plain") }
        #expect(try edits(Self.browser + apart, "").count == 3)
    }

    @Test func relayCandidatesAreForWhoeverKeepsTheirForm() throws {
        #expect(try edits(Self.browser, "candidates high").joined().contains("typ relay"))
        for receiver in ["plain", "webrtc actpass"] {
            let all = try edits(Self.browser, "candidates high\nreceiver \(receiver)").joined()
            #expect(!all.contains("typ relay"), "\(receiver)")
        }
    }

    @Test func aDescriptionThatKeepsItsFormIsRewrittenAsEver() throws {
        let ice =
            "a=candidate:1 1 UDP 1 10.0.0.1 5004 typ host\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n"
        for request in ["origin", "candidates high\nsession-connection"] {
            #expect(try edits(Self.phone + ice, request + "\nreceiver plain") == edits(Self.phone + ice, request))
        }
    }

    @Test func formsAreOfAllStreamsOfADescriptionThatWasReadForThem() throws {
        let body = Array(Self.phone.utf8)
        let request = RewriteRequest(Self.to)
        for (count, readsWebRTC) in [(1, false), (2, true)] {
            var description = SessionDescription()
            var edits = EditList()
            try description.parse(
                body.span, body.span.all, marker: [UInt8]().span, readsOrigins: true, readsWebRTC: readsWebRTC)
            let forms = [StreamForm](repeating: .asItCame, count: count)
            var reason: SDPError?
            do throws(SDPFault) {
                try edits.rewrite(
                    description, body: body.span, verdicts: request.verdicts.span, forms: forms.span,
                    addresses: request.addresses.span, marker: request.marker.span, options: request.options)
            } catch {
                reason = error.reason
            }
            #expect(reason == .verdictsDoNotMatch && edits.edits.isEmpty)
        }
    }

    /// What the fuzzer looks for is found.
    @Test(arguments: [
        ("a=mid:0\r\n", ""), ("a=mid:0\r\n", "a=mid:0\r\na=mid:0\r\n"), ("a=ice-ufrag:relay", "a=ice-ufrag:other"),
        ("a=end-of-candidates\r\n", ""), ("192.0.2.99 6000 typ", "192.0.2.98 6000 typ"), ("6000 typ", "6001 typ"),
        ("a=setup:actpass\r\n", "a=setup:actpass\r\n A = RTCP : 1\r\n"), ("UDP/TLS/RTP/SAVPF", "RTP/AVP"),
        ("a=ice-lite\r\n", ""), ("a=group:BUNDLE 0", "a=group:BUNDLE 1"), ("a=sendrecv", "a=Fingerprint:x"),
        ("a=rtcp-mux", "a=rtcp-mu"), ("a=ice-lite", "a=ice-options:x"),
    ])
    func whatIsNotOfTheFormIsFound(_ old: String, _ new: String) throws {
        var rewriter = Rewriter()
        let request = RewriteRequest(Self.to + "receiver webrtc actpass")
        let rewritten = try rewriter.rewrite(Array(Self.phone.utf8), nil, request)
        #expect(brokenForm(of: rewritten, in: rewritten.output[...]) == nil)
        let wrong = Array(String(decoding: rewritten.output, as: UTF8.self).replacing(old, with: new).utf8)
        try #require(wrong != rewritten.output)
        #expect(brokenForm(of: rewritten, in: wrong[...]) != nil)
    }

    @Test(arguments: ["a=mid:0", "a=ICE-x:y", " a = setup : active", "a=candidate:1", "a=group:LS 1", "a=crypto:1"])
    func whatIsLeftOfWebRTCIsFound(_ line: String) throws {
        var rewriter = Rewriter()
        let rewritten = try rewriter.rewrite(
            Array(Self.browser.utf8), nil, RewriteRequest(Self.to + "receiver plain"))
        #expect(brokenForm(of: rewritten, in: rewritten.output[...]) == nil)
        let wrong = rewritten.output + Array("\(line)\r\n".utf8)
        #expect(brokenForm(of: rewritten, in: wrong[...]) != nil)
    }
}
