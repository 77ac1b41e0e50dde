// SPDX-License-Identifier: GPL-2.0-or-later
// What the parse says about media streams, and its bounds.

import Bytes
import FuzzProperties
import SDP
import Testing

@Suite struct SessionDescriptionTests {
    static let head = "v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nt=0 0\r\n"

    private func fault(_ text: String) -> SDPFault? {
        let body = Array(text.utf8)
        var description = SessionDescription()
        do throws(SDPFault) {
            try description.parse(body.span, body.span.all)
            return nil
        } catch {
            #expect(description.streams.isEmpty)
            return error
        }
    }

    @Test func aNULBehindAWordIsAPartOfIt() throws {
        #expect(fault("v=0\0\r\n")?.reason == .badVersion)
        let body = Array("v=0\r\no=- 1 1 IN\0 IP4 10.0.0.1\r\nc=IN IP4 10.0.0.1\r\nm=audio\0 1 RTP/AVP 0\r\n".utf8)
        var description = SessionDescription()
        #expect(throws: SDPFault(.controlCharacter, line: 4)) { try description.parse(body.span, body.span.all) }
        let other = Array("v=0\r\no=- 1 1 IN\0 IP4 10.0.0.1\r\nc=IN IP4 10.0.0.1\r\nm=audio 1 RTP/AVP 0\r\n".utf8)
        try description.parse(other.span, other.span.all)
        #expect(description.lineOfOtherOrigin == 2)
    }

    @Test func linesThatNobodyLooksAtAreCounted() {
        let head = Self.head + "c=IN IP4 10.0.0.1\r\nm=audio 1 RTP/AVP 0\r\n"
        for type in ["s=", "u=", "b=", "a=", "a=rtpmap:", "a=c", "x="] {
            for length in 0...20 {
                let line = type + String(repeating: "x", count: length)
                let behind = fault(head + line + "\r\n" + line + "\r\nc=IN IP5 10.0.0.1\r\n")
                #expect(behind == SDPFault(.badConnection, line: 9))
                for end in ["", "\r", "\n", "\r\n", "\r\r\n", "\r\n\r\n"] { #expect(fault(head + line + end) == nil) }
            }
        }
    }

    /// A title before the first stream is read as what it is, and means nothing.
    @Test func linesThatNobodyLooksAtAreReadAsOthersAre() {
        let behind = Array("\r\nt=0 0\r\na=x\r\nm=audio 5000 RTP/AVP 0\r\nc=IN IP4 10.0.0.2\r\n".utf8)
        for type in ["s", "b", "a"] {
            for length in 0...18 {
                for place in 0...length {
                    for byte: UInt8 in [0, 9, 0x0A, 0x0D, 0x1F, 0x20, 0x7F, 0x80, 0xFF] {
                        var line = [UInt8](repeating: 0x78, count: length)
                        line.insert(byte, at: place)
                        let made = [type, "i"].map { type in
                            edits(Array((Self.head + "c=IN IP4 10.0.0.1\r\n\(type)=").utf8) + line + behind)
                        }
                        #expect(made[0] == made[1], "\(type)=, \(length) bytes, \(byte) at \(place)")
                    }
                }
            }
        }
    }

    private func edits(_ body: [UInt8]) -> Result<[Edit], SDPFault> {
        var rewriter = Rewriter()
        do throws(SDPFault) {
            return .success(try rewriter.rewrite(body, nil, RewriteRequest("to 192.0.2.99 40000")).edits)
        } catch {
            return .failure(error)
        }
    }

    @Test func streamsAreNumberedOverAllSessions() throws {
        let session = Self.head + "c=IN IP4 10.0.0.1\r\nm=audio 1 RTP/AVP 0\r\nm=video 2 RTP/AVP 96\r\n"
        let body = Array((session + session).utf8)
        var description = SessionDescription()
        try description.parse(body.span, body.span.all)
        #expect(description.streams.map(\.number) == [1, 2, 3, 4])
        #expect(description.streams.map(\.port) == [1, 2, 1, 2])
        #expect(description.streams.map(\.line) == [6, 7, 13, 14])
    }

    @Test func aStreamSaysWhereItsPartsStand() throws {
        let body = Array((Self.head + "m=audio 5000/2 RTP/AVP 0 8 101 \r\nc=IN IP6 2001:db8::1/3\r\n").utf8)
        var description = SessionDescription()
        try description.parse(body.span, body.span.all)
        let stream = try #require(description.streams.first)
        #expect(text(body, stream.portText) == "5000")
        #expect(stream.port == 5000)
        #expect(text(body, stream.transport) == "RTP/AVP")
        #expect(text(body, stream.formats) == "0 8 101")
        #expect(text(body, stream.address) == "2001:db8::1")
        #expect(stream.family == .ipv6)
        #expect(!stream.isOnHold && !stream.hasCandidates && stream.isRTP)
    }

    @Test func offsetsCountFromTheBodysStart() throws {
        let sdp = Self.head + "c=IN IP4 10.0.0.9\r\nm=audio 5000 RTP/AVP 0\r\n"
        let body = Array(("--b\r\n\r\n" + sdp + "\r\n--b--").utf8)
        var description = SessionDescription()
        try description.parse(body.span, ByteRange(start: 7, count: sdp.utf8.count))
        let stream = try #require(description.streams.first)
        #expect(text(body, stream.address) == "10.0.0.9")
        #expect(stream.line == 6)
    }

    @Test(arguments: [
        ("IN IP4 10.0.0.1", AddressFamily.ipv4), ("IN IP6 10.0.0.1", .ipv4), ("IN IP4 2001:db8::1", .ipv6),
        ("IN IP4 example.net", .ipv4), ("IN IP6 example.net", .ipv6), ("IN IP6 1.2.3", .ipv6),
    ])
    func theFamilyIsThatOfTheAddressElseOfTheToken(_ value: String, _ family: AddressFamily) throws {
        let body = Array((Self.head + "c=\(value)\r\nm=audio 1 RTP/AVP 0\r\n").utf8)
        var description = SessionDescription()
        try description.parse(body.span, body.span.all)
        #expect(description.streams.first?.family == family)
    }

    @Test func theFirstConnectionOfALevelCounts() throws {
        let lines = "c=IN IP4 10.0.0.1\r\nc=IN IP4 10.0.0.2\r\nm=audio 1 RTP/AVP 0\r\nm=audio 2 RTP/AVP 0\r\n"
        let body = Array((Self.head + lines + "c=IN IP4 10.0.0.3\r\nc=IN IP4 0.0.0.0\r\n").utf8)
        var description = SessionDescription()
        try description.parse(body.span, body.span.all)
        #expect(text(body, description.streams[0].address) == "10.0.0.1")
        #expect(text(body, description.streams[1].address) == "10.0.0.3")
        #expect(!description.streams[1].isOnHold)
    }

    @Test(arguments: ["IN IP4 0.0.0.0", "IN IP6 ::", "IN IP6 0::0", "IN IP4 0.0.0.0/127"])
    func aNullAddressIsHold(_ value: String) throws {
        let body = Array((Self.head + "c=\(value)\r\nm=audio 1 RTP/AVP 0\r\n").utf8)
        var description = SessionDescription()
        try description.parse(body.span, body.span.all)
        #expect(description.streams.first?.isOnHold == true)
    }

    @Test func candidatesAreSeenOnTheirStreamOnly() throws {
        let stream = "m=audio 1 RTP/AVP 0\r\nc=IN IP4 10.0.0.1\r\n"
        let text = Self.head + "a=candidate:1\r\n" + stream + "a=candidate:1\r\n" + stream + "a=candidates:1\r\n"
        let body = Array(text.utf8)
        var description = SessionDescription()
        try description.parse(body.span, body.span.all)
        #expect(description.streams.map(\.hasCandidates) == [true, false])
    }

    @Test func aParseForgetsTheOneBefore() throws {
        let body = Array((Self.head + "c=IN IP4 10.0.0.1\r\nm=audio 1 RTP/AVP 0\r\n").utf8)
        var description = SessionDescription()
        for _ in 0..<3 {
            try description.parse(body.span, body.span.all)
            #expect(description.streams.count == 1)
            #expect(description.range == body.span.all)
            #expect(throws: SDPFault(.noVersion)) { try description.parse(body.span, .empty) }
            #expect(description.streams.isEmpty && description.range.isEmpty)
        }
    }

    @Test func streamsAreBounded() {
        let session = Self.head + "c=IN IP4 10.0.0.1\r\n"
        let most = SessionDescription.maximumStreams
        let stream = "m=audio 1 RTP/AVP 0\r\n"
        #expect(fault(session + String(repeating: stream, count: most)) == nil)
        let fault = fault(session + String(repeating: stream, count: most + 1))
        #expect(fault == SDPFault(.tooManyStreams, line: 5 + most + 1))
    }

    @Test func sessionsAreBounded() {
        let most = SessionDescription.maximumSessions
        let last = Self.head + "c=IN IP4 10.0.0.1\r\nm=audio 1 RTP/AVP 0\r\n"
        #expect(fault(String(repeating: last, count: most)) == nil)
        let fault = fault(String(repeating: "v=0\r\n", count: most) + last)
        #expect(fault == SDPFault(.tooManySessions, line: most + 1))
    }

    @Test func linesToChangeAreBounded() {
        let session = Self.head + "m=audio 1 RTP/AVP 0\r\nc=IN IP4 10.0.0.1\r\n"
        let most = SessionDescription.maximumPlaces
        #expect(fault(session + String(repeating: "a=rtcp:1\r\n", count: most - 3)) == nil)
        let fault = fault(session + String(repeating: "a=rtcp:1\r\n", count: most))
        #expect(fault?.reason == .tooManyPlaces)
        // Candidates that follow each other are one place, however many they are.
        #expect(self.fault(session + String(repeating: "a=candidate:1\r\n", count: 2 * most)) == nil)
    }

    @Test func everyFaultHasATextForTheLog() {
        for reason in SDPError.allCases { #expect(reason.text.utf8CodeUnitCount > 5) }
        for reason in BodyError.allCases { #expect(reason.text.utf8CodeUnitCount > 5) }
    }
}
