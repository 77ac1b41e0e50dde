// SPDX-License-Identifier: GPL-2.0-or-later
// Streams one by one: off, over TCP, unknown to the node, of a family that it has not.

import Testing

@testable import CallControl

@Suite struct StreamVerdictTests {
    private static let cid = "call-1@example.org"
    private static let video = "m=video 5006 RTP/AVP 31"
    private static let off = "m=video 0 RTP/AVP 31"
    private static let audio = "m=audio 5004 RTP/AVP 0"

    private func ok(_ media: [String]) -> FakeCall { .ok(Body.sdp(media: media)) }

    @Test func whatIsOffCostsNoCommandInOfferAndAnswer() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let call = FakeCall(body: Body.sdp(media: [Self.audio, Self.off]))
        #expect(worker.offer(call) == .done)
        let answer = ok([Self.off, Self.audio])
        #expect(worker.answer(answer) == .done)
        #expect(
            responder.commands == [
                "U \(Self.cid) 198.51.100.5 5004 ft;1", "L \(Self.cid) 198.51.100.5 5004 ft;2 tt;2",
            ])
        #expect(answer.body.contains("m=video 0 RTP/AVP 31\r\nm=audio 36004 RTP/AVP 0\r\n"))
    }

    @Test func aMessageOfWhichNothingIsOnAsksNobody() throws {
        // Nobody there, and nobody needed.
        let worker = try SIPWorker(["udp:127.0.0.1:\(try Responder.closedPort())"])
        let bodies = [[Self.off], ["m=message 5000 TCP/MSRP *"], [Self.off, "m=image 9 TCP t38"]]
        for media in bodies {
            let call = FakeCall(body: Body.sdp(media: media))
            #expect(worker.offer(call, "o") == .done)
            #expect(call.body == Body.sdp(media: media) + "a=nortpproxy:yes\r\n")
            #expect(call.errors.isEmpty && call.instances.isEmpty)
        }
        #expect(worker.condition(0) == .up(recheck: 0))
    }

    // MARK: - Turned off

    /// What a re-offer with its second stream off sends, to a node that has answered so to `VF`.
    private func reoffer(_ features: [SIPWorker.Feature], _ media: [String], _ flags: String = "") throws -> [String] {
        let responder = try Responder()
        let worker = try SIPWorker([responder.url], features: features)
        let call = FakeCall(toTag: "tt", body: Body.sdp(media: media))
        #expect(worker.offer(call, flags) == .done)
        #expect(call.errors.isEmpty)
        #expect(eventually { !responder.commands.isEmpty })
        return responder.commands.sorted()
    }

    @Test func aReofferDeletesTheStreamThatIsOff() throws {
        let live = "U \(Self.cid) 198.51.100.5 5004 ft;1 tt;1"
        let gone = "D \(Self.cid) ft;2 tt;2"
        #expect(try reoffer([], [Self.audio, Self.off]) == [gone, live])
        #expect(try reoffer([.versionArgument, .repacketization], [Self.audio, Self.off]) == [gone, live])
        // The relay of one stream a call would end the call.
        #expect(try reoffer([.versionArgument], [Self.audio, Self.off]) == [live])
        #expect(try reoffer([], ["m=message 5000 TCP/MSRP *", Self.off]) == [gone])
        let lookup = "L \(Self.cid) 198.51.100.5 5004 tt;1 ft;1"
        #expect(try reoffer([], [Self.audio, Self.off], "l") == [lookup])
    }

    @Test(arguments: ["E50", "E0", "nonsense", nil])
    func aStreamThatCannotBeDeletedFailsNothing(_ reply: String?) throws {
        let responder = try Responder { $0.hasPrefix("D") ? reply : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        let call = FakeCall(toTag: "tt", body: Body.sdp(media: [Self.audio, Self.off]))
        #expect(worker.offer(call) == .done)
        #expect(call.errors.isEmpty && call.body.contains("m=audio 35002 "))
        #expect(worker.condition(0) == .up(recheck: 0))
    }

    // MARK: - Refused

    @Test(arguments: ["0", "E50", "0 0.0.0.0"])
    func aStreamThatTheNodeDoesNotKnowIsRefusedAlone(_ reply: String) throws {
        let responder = try Responder { Responder.stream($0) == 2 && $0.hasPrefix("L") ? reply : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        let answer = ok([Self.audio, Self.video])
        #expect(worker.answer(answer) == .done)
        #expect(answer.body.contains("m=audio 36002 RTP/AVP 0\r\nm=video 0 RTP/AVP 31\r\n"))
        #expect(
            answer.errors == [
                "call \(Self.cid): RTPProxy \(responder.url) media stream 2 (line 7): session unknown at the relay, it is refused"
            ])
        #expect(answer.lines.first?.level == .warning)
        #expect(answer.counts[.streams] == 1)
    }

    @Test func anAnswerOfWhichNoStreamIsKnownFails() throws {
        let responder = try Responder { $0.hasPrefix("L") ? "0" : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        let answer = ok([Self.off, Self.audio, Self.video])
        let body = answer.body
        #expect(worker.answer(answer) == .error)
        #expect(answer.body == body)
        #expect(
            answer.errors == [
                "call \(Self.cid): RTPProxy \(responder.url) media stream 2 (line 7): session unknown at the relay"
            ])
    }

    @Test func anErrorOfAnotherKindFailsTheAnswer() throws {
        let responder = try Responder { Responder.stream($0) == 2 ? "E71" : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        let answer = ok([Self.audio, Self.video])
        #expect(worker.answer(answer) == .error)
        #expect(answer.errors == ["call \(Self.cid): RTPProxy \(responder.url) \(refusal(71))"])
    }

    /// Two families in one offer (RFC 4091), and a relay of one.
    @Test func aStreamOfAFamilyThatTheNodeHasNotIsRefusedAlone() throws {
        let responder = try Responder { $0.hasPrefix("U6") ? "E36" : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        let media = ["a=group:ANAT 1 2", "m=audio 5004 RTP/AVP 0", "a=mid:1", "m=audio 5006 RTP/AVP 0"]
        let body = Body.sdp(media: media + ["c=IN IP6 2001:db8::5", "a=mid:2"])
        let call = FakeCall(body: body)
        #expect(worker.offer(call) == .done)
        #expect(call.body.contains("m=audio 0 RTP/AVP 0\r\nc=IN IP4 192.0.2.77\r\na=mid:2\r\n"))
        #expect(
            call.errors.count == 1 && call.errors[0].contains("media stream 2 (line 9): \(refusal(36)), it is refused"))
        // Where it is the only one, the offer fails.
        let alone = FakeCall(body: Body.ipv6)
        #expect(worker.offer(alone) == .error)
        #expect(alone.body == Body.ipv6)
        #expect(
            alone.errors == [
                "call \(Self.cid): RTPProxy \(responder.url) media stream 1 (line 6): \(refusal(36))"
            ])
        #expect(!responder.commands.contains { $0.hasPrefix("D") })
    }

    // MARK: - Addresses

    @Test(arguments: ["35000", "35000 0.0.0.0", "35000 :: 6"])
    func aNullAddressIsNoSuccess(_ reply: String) throws {
        let responder = try Responder { $0.hasPrefix("U") ? reply : "0" }
        let worker = try SIPWorker(responder)
        let call = FakeCall()
        call[.received] = "0.0.0.0"
        #expect(worker.offer(call) == .error)
        #expect(call.body == Body.audio)
        #expect(call.errors.count == 1)
        #expect(call.errors.allSatisfy { $0.contains("-l ADDRESS") && $0.contains("ip_address") })
        #expect(responder.commands.map { $0.prefix(2) } == ["U ", "D "])
        // What is on hold keeps its null address, and the parameter is an address.
        #expect(worker.offer(FakeCall(body: Body.hold)) == .done)
        #expect(worker.offer(FakeCall(), address: "192.0.2.5") == .done)
    }

    @Test func moreStreamsThanTheParameterSaysAreRefused() throws {
        let responder = try Responder()
        let many = (0..<33).map { _ in Self.off } + [Self.audio]
        let call = FakeCall(body: Body.sdp(media: many))
        #expect(try SIPWorker(responder).offer(call) == .error)
        #expect(
            call.errors.count == 1 && call.errors[0].contains("line 38")
                && call.errors[0].contains("rtpproxy_max_streams"))
        let worker = try SIPWorker([responder.url], numbers: ["rtpproxy_max_streams": 34])
        #expect(worker.offer(FakeCall(body: Body.sdp(media: many))) == .done)
        #expect(responder.commands.count == 1)
    }
}
