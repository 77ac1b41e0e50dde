// SPDX-License-Identifier: GPL-2.0-or-later
// Bodies as large as a datagram, of the shapes that cost most: refused or rewritten, in time linear to their size.

import Bytes
import Foundation
import FuzzProperties
import SDP
import Testing

/// One thing over and over, in front of it and behind it what makes a session description of it.
struct LargeShape: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var before = LargeShape.session + LargeShape.stream
    let filling: String
    var after = ""
    /// Why it is refused; nil: it is rewritten.
    var fault: SDPError?
    /// The Content-Type; nil: none.
    var type: String?
    /// Why no session description is found in it; nil: one is.
    var bodyFault: BodyError?

    static let session = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    static let stream = "m=audio 5004 RTP/AVP 0\r\n"
    static let part = "--x\r\nContent-Type: application/sdp\r\n\r\n"

    /// The body, of `size` bytes or a little more.
    func body(_ size: Int) -> [UInt8] {
        let unit = Array(filling.utf8)
        var body = Array(before.utf8)
        while body.count + after.utf8.count < size { body += unit }
        return body + Array(after.utf8)
    }

    static let all: [LargeShape] =
        ["a", "\r", "\0", " ", "\n", "\r\n", "=\n"].map {
            LargeShape(testDescription: "only \($0.debugDescription)", before: "", filling: $0, fault: .noVersion)
        }
        + [
            LargeShape(testDescription: "versions", before: "", filling: "v=0\n", fault: .tooManySessions),
            LargeShape(testDescription: "streams", filling: stream, fault: .tooManyStreams),
            LargeShape(testDescription: "connections", filling: "c=IN IP4 1.2.3.4\n", fault: .tooManyPlaces),
            LargeShape(testDescription: "ports of RTCP", filling: "a=rtcp:1\n", fault: .tooManyPlaces),
            LargeShape(testDescription: "empty lines behind", filling: "\n"),
            LargeShape(testDescription: "NUL behind", filling: "\0"),
            LargeShape(testDescription: "unknown lines", filling: "a=\n"),
            LargeShape(testDescription: "origins", filling: "o=\n"),
            LargeShape(testDescription: "origins with addresses", filling: "o=IN IP4 1.2.3.4\n", fault: .tooManyPlaces),
            LargeShape(testDescription: "returns in lines", filling: "a=\r\r\r\r\r\r\rx\n", fault: .loneReturn),
            LargeShape(testDescription: "returns at the end of a line", filling: "\r", after: "\n"),
            LargeShape(testDescription: "blanks before nothing", filling: " "),
            LargeShape(testDescription: "NUL in lines", filling: "\0\0\0\0a\n"),
            LargeShape(testDescription: "candidates", filling: "a=candidate:1\n"),
            LargeShape(testDescription: "nearly the marker", filling: "a=nortpproxy:ye\n"),
            LargeShape(testDescription: "value of a=rtcp", before: session + stream + "a=rtcp:", filling: "9"),
            LargeShape(testDescription: "payload types", before: session + "m=audio 1 RTP/AVP", filling: " 127"),
            LargeShape(testDescription: "profile", before: session + "m=audio 1 TCP", filling: "/TCP"),
            LargeShape(
                testDescription: "zeros before a port", before: session + "m=audio ", filling: "0",
                after: "5004 RTP/AVP 0\r\n"),
            LargeShape(
                testDescription: "blanks before an address", before: "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP4",
                filling: " ", after: "192.0.2.1\r\n" + stream),
            LargeShape(
                testDescription: "address", before: "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\nc=IN IP6 ", filling: "0:",
                after: "\r\n" + stream),
            LargeShape(
                testDescription: "fields of an origin", before: "v=0\r\no=", filling: "- ",
                after: "IN IP4 192.0.2.1\r\nc=IN IP4 192.0.2.1\r\n" + stream),
            LargeShape(
                testDescription: "delimiters", before: "", filling: "--x\r\n", type: "multipart/mixed;boundary=x",
                bodyFault: .noSDPPart),
            LargeShape(
                testDescription: "nearly delimiters", before: "", filling: "--x-\r\n",
                type: "multipart/mixed;boundary=xy", bodyFault: .noSDPPart),
            LargeShape(
                testDescription: "multipart bodies within", before: "",
                filling: "--x\r\nContent-Type: multipart/mixed;boundary=y\r\n\r\n--y\r\n"
                    + "Content-Type: multipart/mixed;boundary=z\r\n\r\n--z\r\n\r\n",
                type: "multipart/mixed;boundary=x", bodyFault: .noSDPPart),
            LargeShape(
                testDescription: "folded header of a part", before: "--x\r\nContent-Type: multipart/mixed\r\n",
                filling: " ;\r\n", type: "multipart/mixed;boundary=x",
                bodyFault: .noBoundary),
            LargeShape(
                testDescription: "returns before nearly delimiters", before: "", filling: "\r--x-",
                type: "multipart/mixed;boundary=xy", bodyFault: .noSDPPart),
            LargeShape(
                testDescription: "parts before", before: "", filling: "--x\r\nA: b\r\n\r\n",
                after: part + session + stream, type: "multipart/mixed;boundary=x"),
        ]
}

@Suite struct LargeBodyTests {
    static let size = 65_535

    private static let request: RewriteRequest = {
        var request = RewriteRequest("to 198.51.100.77 40000\norigin\nmarker a=nortpproxy:yes")
        request.options.changesSessionConnection = true
        request.options.relayCandidates = .low
        return request
    }()

    private func part(_ shape: LargeShape, _ body: [UInt8]) throws(BodyFault) -> ByteRange {
        guard let type = shape.type.map({ Array($0.utf8) }) else { return body.span.all }
        return try BodyPart.find(in: body.span, contentType: type.span, contentLength: body.count)
    }

    @Test(arguments: LargeShape.all)
    func aLargeBodyIsRefusedOrRewrittenSoundly(_ shape: LargeShape) throws {
        let body = shape.body(Self.size)
        if let fault = shape.bodyFault {
            let error = #expect(throws: BodyFault.self) { try part(shape, body) }
            #expect(error?.reason == fault)
            return
        }
        let range = try part(shape, body)
        var rewriter = Rewriter()
        do throws(SDPFault) {
            let rewritten = try rewriter.rewrite(body, range, Self.request)
            #expect(shape.fault == nil)
            #expect(brokenRule(rewritten, body, range) == nil)
            guard range == body.span.all else { return }
            #expect(brokenPromise(rewritten, Self.request, &rewriter) == nil)
        } catch {
            #expect(error.reason == shape.fault)
        }
    }

    /// Processor time of this thread: others that run do not count.
    private func processorTime() -> Duration {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    /// Eight times the bytes take about eight times as long; were it the square of that, 64 times.
    @Test(arguments: LargeShape.all)
    func theTimeGrowsAsTheBodyDoes(_ shape: LargeShape) {
        var rewriter = Rewriter()
        func cost(_ size: Int) -> Duration {
            let body = shape.body(size)
            var least = Duration.seconds(60)
            for _ in 0..<3 {
                let start = processorTime()
                if let range = try? part(shape, body) { _ = try? rewriter.rewrite(body, range, Self.request) }
                least = min(least, processorTime() - start)
            }
            return least
        }
        // A machine that is busy has some tries; what grows as the square does not pass any of them.
        var seen: [(small: Duration, large: Duration)] = []
        while seen.count < 5 {
            let (small, large) = (cost(Self.size / 8), cost(Self.size))
            if large < small * 24 + .milliseconds(5) { return }
            seen.append((small, large))
        }
        Issue.record("\(seen)")
    }
}
