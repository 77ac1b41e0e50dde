// SPDX-License-Identifier: GPL-2.0-or-later
// What is read of ICE, DTLS and BUNDLE.

import Bytes
import FuzzProperties
import SDP
import Testing

@Suite struct WebRTCFactsTests {
    static let head = "v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n"
    static let media = "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"
    static let pairs = WebRTCTextTests.fingerprint
    static let session = "a=fingerprint:sha-256 \(pairs)\r\na=ice-ufrag:sess\r\na=ice-pwd:passwordofthesession00\r\n"
    static let stream = "a=fingerprint:sha-256 \(pairs)\r\na=ice-ufrag:abcd\r\na=ice-pwd:passwordofthestream000\r\n"

    /// A description that expectations can hold.
    private final class Description {
        private var description = SessionDescription()

        func parse(_ body: [UInt8], readsWebRTC: Bool) throws(SDPFault) {
            try description.parse(
                body.span, body.span.all, marker: [UInt8]().span, readsOrigins: true, readsWebRTC: readsWebRTC)
        }

        var isWebRTC: Bool { description.isWebRTC }
        var readsWebRTC: Bool { description.readsWebRTC }
        var streams: [MediaStream] { Array(description.streams) }
        var hasFacts: Bool { !description.webRTC.sessions.isEmpty || !description.webRTC.streams.isEmpty }
        func isWebRTC(_ stream: Int) -> Bool { description.isWebRTC(stream) }
        func webRTCFacts(of stream: Int) -> WebRTCFacts { description.webRTCFacts(of: stream) }
        func candidate(_ index: Int, of stream: Int) -> ICECandidate? { description.candidate(index, of: stream) }
    }

    /// Reads these lines behind the head, and hands them over.
    private func read(
        _ lines: String, readsWebRTC: Bool = true, _ look: (Description, [UInt8]) throws -> Void
    ) throws {
        let body = Array((Self.head + lines).utf8)
        let description = Description()
        try description.parse(body, readsWebRTC: readsWebRTC)
        try look(description, body)
    }

    private func fault(_ lines: String) -> SDPFault? {
        do throws(SDPFault) {
            try Description().parse(Array((Self.head + lines).utf8), readsWebRTC: true)
            return nil
        } catch {
            return error
        }
    }

    @Test func aStreamSaysAllItself() throws {
        let lines =
            "a=group:BUNDLE 0 1\r\na=ice-lite\r\n" + Self.media + Self.stream
            + "a=setup:actpass\r\na=ice-options:trickle renomination\r\na=mid:0\r\na=rtcp-mux\r\na=recvonly\r\n"
        try read(lines) { description, body in
            let facts = description.webRTCFacts(of: 0)
            #expect(text(body, facts.fingerprint) == Self.pairs)
            #expect(text(body, facts.ufrag) == "abcd" && text(body, facts.password) == "passwordofthestream000")
            #expect(facts.setup == .actpass)
            #expect(text(body, facts.mid) == "0" && facts.direction == .recvonly)
            #expect(facts.isLite && !facts.hasOtherFingerprint)
            #expect(description.isWebRTC(0) && description.isWebRTC)
        }
    }

    @Test func theSessionSpeaksForItsStreams() throws {
        let session = Self.session + "a=setup:active\r\na=ice-options:ice2\r\na=sendonly\r\n"
        let other = "m=audio 9 RTP/SAVPF 0\r\n" + Self.stream + "a=setup:passive\r\na=inactive\r\n"
        try read(session + Self.media + other) { description, body in
            let first = description.webRTCFacts(of: 0)
            #expect(text(body, first.fingerprint) == Self.pairs && text(body, first.ufrag) == "sess")
            #expect(first.setup == .active && first.direction == .sendonly)
            let second = description.webRTCFacts(of: 1)
            #expect(text(body, second.ufrag) == "abcd" && text(body, second.password) == "passwordofthestream000")
            #expect(second.setup == .passive && second.direction == .inactive)
            #expect(second.fingerprint.start > first.fingerprint.end)
            #expect(description.isWebRTC(0) && description.isWebRTC(1))
        }
    }

    /// A stream of one session has nothing of another's.
    @Test func anotherSessionSaysNothing() throws {
        try read(Self.session + Self.media + Self.head + Self.media) { description, _ in
            #expect(description.isWebRTC(0) && !description.isWebRTC(1))
            #expect(description.webRTCFacts(of: 1) == WebRTCFacts())
        }
    }

    @Test(arguments: [
        "", "a=fingerprint:sha-256 \(pairs)\r\n", "a=ice-ufrag:abcd\r\na=ice-pwd:passwordofthestream000\r\n",
        "a=fingerprint:sha-1 AA\r\na=setup:actpass\r\n",
    ])
    func withoutEitherHalfItIsNoWebRTC(_ lines: String) throws {
        try read(Self.media + lines) { description, _ in
            #expect(!description.isWebRTC(0) && !description.isWebRTC)
        }
    }

    @Test func nobodySendsInAStreamThatIsOffOrOverTCP() throws {
        for media in ["m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n", "m=audio 9 TCP/DTLS/RTP/SAVPF 0\r\n"] {
            try read(Self.session + media + Self.stream + "a=mid:x\r\n") { description, body in
                #expect(!description.isWebRTC(0))
                #expect(text(body, description.webRTCFacts(of: 0).mid) == "x")
                #expect(text(body, description.webRTCFacts(of: 0).ufrag) == "sess")
            }
        }
    }

    @Test func ofSeveralTheFirstCounts() throws {
        let lines =
            Self.media + "a=fingerprint:sha-512 AA\r\n" + Self.stream + "a=mid:0\r\na=setup:active\r\n"
            + "a=fingerprint:sha-256 bad\r\na=ice-ufrag:\r\na=ice-pwd:\r\na=mid:1\r\na=setup:passive\r\n"
        try read(lines) { description, body in
            let facts = description.webRTCFacts(of: 0)
            #expect(text(body, facts.fingerprint) == Self.pairs && facts.hasOtherFingerprint)
            #expect(text(body, facts.ufrag) == "abcd" && text(body, facts.mid) == "0" && facts.setup == .active)
        }
    }

    @Test func whatCannotBeAMidIsNone() throws {
        try read(Self.media + "a=mid:a b\r\na=mid:b\r\n") { description, body in
            #expect(text(body, description.webRTCFacts(of: 0).mid) == "b")
        }
    }

    @Test func theNullAddressOfABrowserIsNoHold() throws {
        let null = "c=IN IP4 0.0.0.0\r\n"
        let phone = "m=audio 9 RTP/AVP 0\r\n" + null
        try read(phone + Self.media + null + Self.stream + phone + Self.head + phone) { description, _ in
            #expect(description.streams.map(\.isOnHold) == [false, false, false, true])
        }
    }

    @Test func withoutBeingAskedNothingIsRead() throws {
        try read(Self.media + "a=fingerprint:sha-256 bad\r\na=ice-ufrag:\r\n", readsWebRTC: false) { description, _ in
            #expect(description.webRTCFacts(of: 0) == WebRTCFacts() && !description.isWebRTC)
            #expect(!description.readsWebRTC && !description.hasFacts)
        }
    }

    /// The memory of a description holds nothing of the one before, of whatever kind that was.
    @Test func nothingIsLeftOfAnEarlierOne() throws {
        let description = Description()
        func parse(_ lines: String, _ readsWebRTC: Bool) throws(SDPFault) {
            try description.parse(Array((Self.head + lines).utf8), readsWebRTC: readsWebRTC)
        }
        try parse(Self.session + Self.media, true)
        #expect(description.isWebRTC(0))
        try parse(Self.media, false)
        #expect(!description.isWebRTC(0) && !description.hasFacts)
        try parse(Self.session + Self.media, true)
        #expect(throws: SDPFault(.badFingerprint, line: 6)) {
            try parse("a=fingerprint:sha-256 0\r\n" + Self.media, true)
        }
        #expect(!description.readsWebRTC && !description.hasFacts && description.streams.isEmpty)
        #expect(description.webRTCFacts(of: 0) == WebRTCFacts() && description.candidate(0, of: 0) == nil)
    }

    @Test func indicesThatThereAreNotSayNothing() throws {
        try read(Self.media + Self.stream) { description, _ in
            for index in [-1, 1, Int.max, Int.min] {
                #expect(description.webRTCFacts(of: index) == WebRTCFacts() && !description.isWebRTC(index))
                #expect(description.candidate(index, of: 0) == nil && description.candidate(0, of: index) == nil)
            }
        }
    }

    /// A half of the credentials may be the stream's and the other the session's only together.
    @Test func credentialsComeInPairs() {
        let mixed = "a=ice-pwd:passwordofthesession00\r\n" + Self.media + "a=ice-ufrag:abcd\r\n"
        #expect(fault(mixed) == SDPFault(.badCredentials, line: 8))
        #expect(fault("a=ice-ufrag:abcd\r\n" + Self.media) == SDPFault(.badCredentials, line: 6))
        #expect(fault("a=ice-ufrag:abcd\r\nm=audio 0 RTP/AVP 0\r\n") == nil)
    }

    @Test func faultsAreOfStreamsThatAreOn() {
        let bad = "a=fingerprint:sha-256 0\r\na=ice-ufrag:x\r\na=ice-pwd:x\r\n"
        #expect(fault(Self.media + bad)?.reason == .badFingerprint)
        #expect(fault("m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n" + bad) == nil)
        #expect(fault("m=audio 9 TCP/TLS/RTP/SAVPF 0\r\n" + bad) == nil)
    }

    @Test func securedAreTheProfilesOfSRTP() throws {
        for (transport, expected) in [
            ("RTP/AVP", false), ("RTP/AVPF", false), ("rtp/savp", true), ("RTP/SAVPF", true),
            ("UDP/TLS/RTP/SAVPF", true), ("udp/tls/rtp/savp", true), ("UDP/TLS/RTP/AVP", false), ("UDPTL", false),
            ("RTP/S", false),
        ] {
            try read("m=audio 9 \(transport) 0\r\n") { description, body in
                let isSecured = description.streams[0].isSecured(in: body.span)
                #expect(isSecured == expected, "\(transport)")
            }
        }
    }

    // MARK: - Candidates

    private func candidates(_ lines: String) throws -> [String] {
        var found: [String] = []
        try read(Self.media + Self.stream + lines) { description, body in
            let count = description.webRTCFacts(of: 0).candidateCount
            for index in 0..<count {
                guard let candidate = description.candidate(index, of: 0) else { return }
                let texts = [candidate.foundation, candidate.priority, candidate.address, candidate.type]
                found.append(
                    (texts.map { text(body, $0) } + ["\(candidate.family) \(candidate.port)"]).joined(separator: " "))
            }
            #expect(description.candidate(count, of: 0) == nil)
        }
        return found
    }

    @Test func candidatesThatARelayCanBeToldAreRead() throws {
        let lines = """
            a=candidate:1 1 udp 2122260223 192.0.2.1 54400 typ host generation 0 network-id 1\r
            a=candidate:a+/Z 1 UDP 1 2001:db8::1 1 typ srflx raddr 192.0.2.1 rport 9\r
            a=candidate: 2  1 UDP  2147483647 192.0.2.2 65535 TYP relay\r
            a=candidate:3 1 UDP 5 192.0.2.3 7 typ prflx\r

            """
        #expect(
            try candidates(lines) == [
                "1 2122260223 192.0.2.1 host ipv4 54400", "a+/Z 1 2001:db8::1 srflx ipv6 1",
                "2 2147483647 192.0.2.2 relay ipv4 65535", "3 5 192.0.2.3 prflx ipv4 7",
            ])
    }

    @Test(arguments: [
        "", "1", "1 1 UDP 1 192.0.2.1 5 typ", "1 1 UDP 1 192.0.2.1 5 host", "1 2 UDP 1 192.0.2.1 5 typ host",
        "1 01 UDP 1 192.0.2.1 5 typ host", "1 1 TCP 1 192.0.2.1 9 typ host tcptype active",
        "1 1 UDP 0 192.0.2.1 5 typ host", "1 1 UDP 2147483648 192.0.2.1 5 typ host",
        "1 1 UDP 00000000001 192.0.2.1 5 typ host", "1 1 UDP -1 192.0.2.1 5 typ host",
        "1 1 UDP 1 192.0.2.1 0 typ host", "1 1 UDP 1 192.0.2.1 65536 typ host", "1 1 UDP 1 192.0.2.1 000005 typ host",
        "1 1 UDP 1 192.0.2.1 5x typ host", "1 1 UDP 1 0.0.0.0 5 typ host", "1 1 UDP 1 :: 5 typ host",
        "1 1 UDP 1 192.0.2.256 5 typ", "1 1 UDP 1 192.0.2.1 5 typ other", "1 1 UDP 1 192.0.2.1 5 typ Host",
        "a-b 1 UDP 1 192.0.2.1 5 typ host", "&& 1 UDP 1 192.0.2.1 5 typ host",
        "\(String(repeating: "f", count: 33)) 1 UDP 1 192.0.2.1 5 typ host", "1 1 UDP 1 192.0.2.1\u{1}5 typ host",
    ])
    func otherCandidatesArePassedOver(_ value: String) throws {
        let lines = "a=candidate:\(value)\r\na=candidate:9 1 UDP 9 192.0.2.9 9 typ host\r\n"
        #expect(try candidates(lines) == ["9 9 192.0.2.9 host ipv4 9"])
        try read(Self.media + Self.stream + lines) { description, _ in
            #expect(description.webRTCFacts(of: 0).namedCandidates == 0)
        }
    }

    @Test func candidatesWithNamesAreCounted() throws {
        let name = "a=candidate:1 1 udp 5 3f1f0f0e-0d53-4c59.local 5 typ host\r\n"
        let other = "a=candidate:1 2 udp 5 3f1f0f0e-0d53-4c59.local 5 typ host\r\n"
        try read(Self.media + Self.stream + name + other + name) { description, _ in
            let facts = description.webRTCFacts(of: 0)
            #expect(facts.namedCandidates == 2 && facts.candidateCount == 0)
        }
    }

    @Test func twentyFourCandidatesAreEnough() throws {
        let lines = (1...40).map { "a=candidate:1 1 UDP 9 192.0.2.9 \($0) typ host\r\n" }.joined()
        let found = try candidates(lines)
        #expect(found.count == 24 && found.last?.hasSuffix(" 24") == true)
    }

    @Test func eachStreamHasItsOwnCandidates() throws {
        let one = "a=candidate:1 1 UDP 9 192.0.2.1 1 typ host\r\n"
        let session = "a=candidate:0 1 UDP 9 192.0.2.1 9 typ host\r\n"
        let two = one.replacing("192.0.2.1", with: "192.0.2.2")
        try read(session + Self.media + one + Self.media + Self.media + two + two) { description, body in
            #expect([0, 1, 2].map { description.webRTCFacts(of: $0).candidateCount } == [1, 0, 2])
            #expect(description.candidate(0, of: 1) == nil && description.candidate(2, of: 2) == nil)
            #expect(description.candidate(1, of: 2).map { text(body, $0.address) } == "192.0.2.2")
        }
    }
}
