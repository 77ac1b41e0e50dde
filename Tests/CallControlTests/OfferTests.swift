// SPDX-License-Identifier: GPL-2.0-or-later
// What offers and answers send for each flag, direction and message.

import Testing

@testable import CallControl

@Suite struct OfferTests {
    /// What a message in one direction leads to on the wire.
    struct Wire: Sendable, CustomTestStringConvertible {
        var flags = ""
        var features: [SIPWorker.Feature] = []
        var toTag = ""
        var status = 0
        var method = SIPMethod.invite
        var isAnswer = false
        var body = Body.audio
        var source = "198.51.100.5"
        var expected: [String]
        var testDescription: String { "\(flags) \(toTag) \(status) \(isAnswer) \(expected)" }
    }

    private func check(_ wire: Wire) throws {
        let responder = try Responder()
        let worker = try SIPWorker([responder.url], features: wire.features)
        let call = FakeCall(wire.method, status: wire.status, toTag: wire.toTag, body: wire.body)
        call[.source] = wire.source
        call.variables[.extraID] = Array("leg".utf8)
        let before = call.body
        let code = wire.isAnswer ? worker.answer(call, wire.flags) : worker.offer(call, wire.flags)
        #expect(responder.commands == wire.expected)
        #expect(code == (wire.expected.isEmpty ? .error : .done))
        #expect((call.body != before) == !wire.expected.isEmpty)
        #expect(call.instances == (wire.expected.isEmpty ? [] : [responder.url]))
    }

    private static let cid = "call-1@example.org"
    private static let plain = "\(cid) 198.51.100.5 5004 ft;1"

    @Test(arguments: [
        Wire(expected: ["U \(plain)"]),
        Wire(flags: "r", expected: ["U \(cid) 10.0.0.1 5004 ft;1"]),
        Wire(flags: "a", expected: ["UA \(cid) 10.0.0.1 5004 ft;1"]),
        Wire(flags: "ie", expected: ["UIE \(plain)"]), Wire(flags: "EI", expected: ["UEI \(plain)"]),
        Wire(flags: "w", expected: ["US \(plain)"]),
        Wire(flags: "wie", expected: ["USIE \(plain)"]),
        Wire(flags: "f", expected: ["U \(plain)"]), Wire(flags: "c", expected: ["U \(plain)"]),
        Wire(flags: "o", expected: ["U \(plain)"]), Wire(flags: "t", toTag: "tt", expected: ["U \(plain) tt;1"]),
        Wire(flags: "1", expected: ["U \(cid);z9hG4bK1 198.51.100.5 5004 ft;1"]),
        Wire(flags: "2", expected: ["U \(cid);z9hG4bK2 198.51.100.5 5004 ft;1"]),
        Wire(flags: "3", expected: ["U \(cid);z9hG4bK1 198.51.100.5 5004 ft;1"]),
        Wire(flags: "b", expected: ["U \(cid);leg 198.51.100.5 5004 ft;1"]),
        Wire(flags: "b2", expected: ["U \(cid);z9hG4bK2 198.51.100.5 5004 ft;1"]),
        Wire(flags: "q", expected: []), Wire(flags: "z", expected: []),
    ])
    func eachFlagHasItsPlaceOnTheWire(_ wire: Wire) throws { try check(wire) }

    @Test(arguments: [
        Wire(flags: "x", expected: ["UIE \(plain)"]),
        Wire(flags: "x", body: Body.ipv6, expected: ["UEI6 \(cid) 2001:db8::5 5004 ft;1"]),
        Wire(flags: "rx", body: Body.ipv6, expected: ["UEI6 \(cid) 2001:db8::5 5004 ft;1"]),
        Wire(flags: "xw", expected: ["USIE \(plain)"]),
        // Once for the message, by its first stream.
        Wire(
            flags: "x", body: Body.audioVideo.replacing("31\r\n", with: "31\r\nc=IN IP6 2001:db8::7\r\n"),
            expected: ["UIE \(plain)", "UIE6 \(cid) 2001:db8::7 5006 ft;2"]),
        // The first that is on.
        Wire(
            flags: "x", body: Body.sdp(media: ["m=audio 0 X", "c=IN IP6 ::1", "m=audio 5004 RTP/AVP 0"]),
            expected: ["UIE \(cid) 198.51.100.5 5004 ft;2"]),
    ])
    func bridgingFollowsTheFirstStream(_ wire: Wire) throws { try check(wire) }

    /// `6` follows the address that is sent, not the one in the SDP.
    @Test(arguments: [
        Wire(body: Body.ipv6, source: "2001:db8::9", expected: ["U6 \(cid) 2001:db8::9 5004 ft;1"]),
        // Signalling in one family, media in the other: the source is no hint.
        Wire(source: "2001:db8::9", expected: ["U \(cid) 10.0.0.1 5004 ft;1"]),
        Wire(body: Body.ipv6, expected: ["U6 \(cid) 2001:db8::5 5004 ft;1"]),
        Wire(body: Body.hold, source: "2001:db8::9", expected: ["U \(cid) 0.0.0.0 5004 ft;1"]),
        Wire(body: Body.sdp(address: "IP6 media.example.org"), expected: ["U \(plain)"]),
        Wire(flags: "r", body: Body.ipv6, expected: ["U6 \(cid) 2001:db8::5 5004 ft;1"]),
        Wire(flags: "r", source: "2001:db8::9", expected: ["U \(cid) 10.0.0.1 5004 ft;1"]),
        Wire(
            flags: "r", body: Body.sdp(address: "IP4 media.example.org"),
            expected: ["U \(cid) media.example.org 5004 ft;1"]),
        Wire(flags: "r", body: Body.hold, expected: ["U \(cid) 0.0.0.0 5004 ft;1"]),
    ])
    func theFamilyIsThatOfTheAddressThatIsSent(_ wire: Wire) throws { try check(wire) }

    @Test(arguments: [
        // An offer in a request: as it came; with a to-tag both tags.
        Wire(toTag: "tt", expected: ["U \(plain) tt;1"]),
        // An offer in a reply: the callee's tag first, and there has to be one.
        Wire(toTag: "tt", status: 200, expected: ["U \(cid) 198.51.100.5 5004 tt;1 ft;1"]),
        Wire(status: 200, expected: []),
        Wire(flags: "3", toTag: "tt", status: 200, expected: ["U \(cid);z9hG4bK2 198.51.100.5 5004 tt;1 ft;1"]),
        // A lookup: the tags change places in a request, and stay in a reply.
        Wire(flags: "l", toTag: "tt", expected: ["L \(cid) 198.51.100.5 5004 tt;1 ft;1"]),
        Wire(flags: "l", expected: []),
        Wire(flags: "l", toTag: "tt", status: 200, expected: ["L \(plain) tt;1"]),
        // An answer in a reply.
        Wire(toTag: "tt", status: 200, isAnswer: true, expected: ["L \(plain) tt;1"]),
        Wire(toTag: "tt", status: 183, isAnswer: true, expected: ["L \(plain) tt;1"]),
        Wire(flags: "l", toTag: "tt", status: 200, isAnswer: true, expected: []),
        Wire(flags: "wei", toTag: "tt", status: 200, isAnswer: true, expected: ["LSEI \(plain) tt;1"]),
        // An answer in an ACK: the tags change places, and both are needed. In other requests there is none.
        Wire(toTag: "tt", method: .ack, isAnswer: true, expected: ["L \(cid) 198.51.100.5 5004 tt;1 ft;1"]),
        Wire(method: .ack, isAnswer: true, expected: []),
        Wire(toTag: "tt", method: .invite, isAnswer: true, expected: []),
        Wire(
            toTag: "tt", method: .prack, isAnswer: true,
            expected: ["L call-1@example.org 198.51.100.5 5004 tt;1 ft;1"]),
    ])
    func verbAndOrderOfTagsFollowTheDirection(_ wire: Wire) throws { try check(wire) }

    @Test(arguments: [
        Wire(features: [.codecLists], expected: ["Uc0,8,101 \(plain)"]),
        Wire(features: [.codecLists], body: Body.sdp(media: ["m=image 5004 udptl t38"]), expected: ["U \(plain)"]),
        Wire(
            features: [.codecLists], body: Body.sdp(media: ["m=audio 5004 RTP/SAVPF 96"]), expected: ["Uc96 \(plain)"]),
        Wire(flags: "z20", features: [.repacketization], expected: ["UZ20 \(plain)"]),
        // For every stream, each with its own codecs, the flags' letters first.
        Wire(
            flags: "arz30ie", features: [.codecLists, .repacketization], body: Body.audioVideo,
            expected: [
                "UAIEZ30c0,8,101 \(cid) 10.0.0.1 5004 ft;1", "UAIEZ30c31 \(cid) 10.0.0.1 5006 ft;2",
            ]),
        Wire(
            flags: "rxz999", features: [.codecLists, .repacketization], body: Body.ipv6,
            expected: ["UEI6Z999c0,8,101 \(cid) 2001:db8::5 5004 ft;1"]),
    ])
    func modifiersKeepToWhatTheNodeUnderstands(_ wire: Wire) throws { try check(wire) }

    @Test func repacketizationThatANodeLacksIsAWarning() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let call = FakeCall()
        #expect(worker.offer(call, "z20") == .done)
        #expect(responder.commands == ["U \(Self.plain)"])
        #expect(call.lines.filter { $0.level == .warning }.count == 1)
        #expect(call.errors.allSatisfy { $0.contains(Self.cid) && $0.contains(responder.url) })
    }

    /// Streams are numbered over the whole body, those with port 0 too.
    @Test func everyStreamThatIsOnHasACommand() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let media = (0..<12).map { "m=audio \($0 == 3 ? 0 : 6000 + 2 * $0) RTP/AVP 0" }
        let call = FakeCall(body: Body.sdp(media: media))
        #expect(worker.offer(call) == .done)
        let expected = (0..<12).filter { $0 != 3 }.map { "U \(Self.cid) 198.51.100.5 \(6000 + 2 * $0) ft;\($0 + 1)" }
        #expect(responder.commands.sorted() == expected.sorted())
        for stream in 1...12 where stream != 4 { #expect(call.body.contains("m=audio \(35000 + 2 * stream) ")) }
        #expect(call.body.contains("m=audio 0 RTP/AVP 0\r\n"))
    }

    // MARK: - Timeout notification

    @Test func theTimeoutSocketComesWithATagOfItsOwn() throws {
        let responder = try Responder()
        let worker = try SIPWorker([responder.url], texts: ["timeout_socket": "unix:/run/t"])
        let call = FakeCall()
        call[.callID] = "a/b%c~d@é"
        #expect(worker.offer(call, "1") == .done)
        #expect(worker.offer(FakeCall(toTag: "tt")) == .done)
        // With the variable its value, as it stands; without a value the Call-ID again.
        let tagged = FakeCall()
        tagged.variables[.timeoutTag] = Array("tag/7".utf8)
        #expect(worker.offer(tagged) == .done)
        let unset = FakeCall()
        unset.variables[.timeoutTag] = .some(nil)
        #expect(worker.offer(unset) == .done)
        // Lookups carry none: it would be one argument too many.
        #expect(worker.answer(.ok()) == .done)
        #expect(worker.offer(FakeCall(toTag: "tt"), "l") == .done)
        #expect(
            responder.commands == [
                "U a/b%c~d@é;z9hG4bK1 198.51.100.5 5004 ft;1 unix:/run/t a%2Fb%25c~d%40%C3%A9",
                "U \(Self.plain) tt;1 unix:/run/t call-1%40example.org",
                "U \(Self.plain) unix:/run/t tag/7",
                "U \(Self.plain) unix:/run/t call-1%40example.org",
                "L \(Self.plain) tt;1",
                "L \(Self.cid) 198.51.100.5 5004 tt;1 ft;1",
            ])
    }
}
