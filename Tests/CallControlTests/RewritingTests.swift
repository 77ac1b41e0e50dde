// SPDX-License-Identifier: GPL-2.0-or-later
// What becomes of the body, and when it stays as it came.

import Testing

@testable import CallControl

@Suite struct RewritingTests {
    /// The body after an offer that RTPProxy answers with `reply`.
    private func rewritten(
        _ body: String, _ flags: String = "", reply: String = "35000 192.0.2.77", address: String? = nil,
        texts: [String: String] = [:], numbers: [String: Int] = [:], icePriority: String? = nil
    ) throws -> String {
        let responder = try Responder { $0.hasPrefix("U") ? reply : "0" }
        let worker = try SIPWorker([responder.url], texts: texts, numbers: numbers)
        let call = FakeCall(body: body)
        if let icePriority { call.variables[.icePriority] = icePriority.isEmpty ? .some(nil) : Array(icePriority.utf8) }
        #expect(worker.offer(call, flags, address: address) == .done)
        #expect(call.applications == 1)
        return call.body
    }

    private let marker = "a=nortpproxy:yes\r\n"

    @Test func addressPortAndMarkerAreAllThatChanges() throws {
        #expect(
            try rewritten(Body.audio) == Body.audio
                .replacing("c=IN IP4 10.0.0.1", with: "c=IN IP4 192.0.2.77").replacing("5004", with: "35000") + marker)
    }

    @Test(
        arguments: [
            ("35000", nil, "IP4 203.0.113.9"), ("35000 192.0.2.77", nil, "IP4 192.0.2.77"),
            ("35000 2001:db8::77 6", nil, "IP6 2001:db8::77"), ("35000", "198.51.100.1", "IP4 198.51.100.1"),
            ("35000 2001:db8::77 6", "198.51.100.1", "IP4 198.51.100.1"),
            ("35000 192.0.2.77", "2001:db8::1", "IP6 2001:db8::1"),
            ("35000 192.0.2.77", "media.example.org", "IP4 media.example.org"),
        ] as [(String, String?, String)])
    func theNewAddressIsTheOneGivenOrTheReplysOrOurs(_ reply: String, _ given: String?, _ expected: String) throws {
        for body in [Body.audio, Body.ipv6] {
            #expect(try rewritten(body, reply: reply, address: given).contains("\r\nc=IN \(expected)\r\n"))
        }
    }

    @Test func anEmptyAddressIsRefused() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        for address in ["", " ", "192.0.2.1 x", "a\n", "\u{7F}"] {
            let call = FakeCall()
            #expect(worker.offer(call, address: address) == .error)
            #expect(worker.answer(.ok(), address: address) == .error)
            #expect(call.errors.count == 1 && call.body == Body.audio)
        }
        #expect(responder.commands.isEmpty)
    }

    @Test func holdStaysHold() throws {
        let body = try rewritten(Body.hold)
        #expect(body.contains("c=IN IP4 0.0.0.0\r\n") && body.contains("m=audio 35000 "))
        #expect(try rewritten(Body.hold, reply: "35000 2001:db8::7 6").contains("c=IN IP6 ::\r\n"))
    }

    @Test func theOriginChangesOnlyWhereItIsAskedFor() throws {
        let changed = "o=alice 1 2 IN IP4 192.0.2.77\r\n"
        #expect(try !rewritten(Body.audio).contains(changed))
        #expect(try rewritten(Body.audio, "o").contains(changed))
        #expect(try rewritten(Body.audio, numbers: ["rewrite_origin": 1]).contains(changed))
        #expect(try rewritten(Body.hold, "o").contains(changed))
    }

    @Test func theSessionsConnectionChangesWhereItCountsOrIsAskedFor() throws {
        let body = Body.audio + "c=IN IP4 10.0.0.2\r\n"
        #expect(try rewritten(body).contains("\r\nc=IN IP4 10.0.0.1\r\n"))
        #expect(try !rewritten(body, "c").contains("10.0.0.1\r\nt="))
        #expect(try rewritten(body).hasSuffix("c=IN IP4 192.0.2.77\r\n" + marker))
    }

    @Test func eachStreamGetsItsOwnPort() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let call = FakeCall(body: Body.audioVideo)
        #expect(worker.offer(call) == .done)
        #expect(call.body.contains("m=audio 35002 RTP/AVP 0 8 101\r\nm=video 35004 RTP/AVP 31\r\n"))
    }

    @Test func onlyTheSDPOfAMultipartBodyChanges() throws {
        let head = "--b\r\nContent-Type: application/sdp\r\n\r\n"
        let tail = "\r\n--b\r\nContent-Type: text/plain\r\n\r\nc=IN IP4 10.0.0.1 5004\r\n--b--\r\n"
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let call = FakeCall(body: head + Body.audio + tail)
        call[.contentType] = "multipart/mixed;boundary=b"
        #expect(worker.offer(call) == .done)
        #expect(call.body.hasPrefix(head) && call.body.hasSuffix(tail))
        #expect(call.body.contains("m=audio 35002 "))
    }

    // MARK: - Marker

    @Test func whatAnotherProxyHasMarkedIsLeftAlone() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let call = FakeCall(body: Body.marked)
        #expect(worker.offer(call) == .marked)
        let reply = FakeCall.ok(Body.marked)
        #expect(worker.answer(reply) == .marked)
        #expect(responder.commands.isEmpty)
        #expect(call.applications == 0 && call.lines.isEmpty && reply.lines.isEmpty)
        // With `f` it is taken over, and marked once.
        #expect(worker.offer(call, "f") == .done)
        #expect(call.body.components(of: "nortpproxy") == 1)
        #expect(call.body.contains("m=audio 35002 "))
    }

    @Test func theMarkerIsTheOneConfigured() throws {
        let texts = ["nortpproxy_str": "a=mine:1\r\n"]
        #expect(try rewritten(Body.marked, texts: texts).hasSuffix("a=nortpproxy:yes\r\na=mine:1\r\n"))
        #expect(try rewritten(Body.marked, texts: ["nortpproxy_str": ""]).hasSuffix("0 8 101\r\na=nortpproxy:yes\r\n"))
        #expect(try !rewritten(Body.audio, texts: ["nortpproxy_str": ""]).contains("nortpproxy"))
    }

    @Test func aSecondCallOnTheSameMessageIsRefused() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let call = FakeCall()
        #expect(worker.offer(call) == .done)
        let after = call.body
        for flags in ["", "f"] { #expect(worker.offer(call, flags) == .marked) }
        #expect(call.body == after)
        #expect(responder.commands.count == 1)
    }

    // MARK: - ICE

    private let candidates = Body.audio + "a=candidate:1 1 UDP 2130706431 10.0.0.1 5004 typ host\r\n"

    @Test(arguments: [("", 16_777_215), ("2", 16_777_215), ("1", 2_147_483_647)])
    func relayCandidatesRankAsTheVariableSays(_ value: String, _ priority: Int) throws {
        let body = try rewritten(candidates, icePriority: value)
        #expect(body.contains("a=candidate:19202771 UDP") == false)
        #expect(body.contains("a=candidate:1920277 1 UDP \(priority) 192.0.2.77 35000 typ relay\r\n"))
        #expect(body.contains("a=candidate:1920277 2 UDP \(priority - 1) 192.0.2.77 35001 typ relay\r\n"))
    }

    @Test func withoutTheVariableOrWithZeroThereAreNone() throws {
        #expect(try !rewritten(candidates).contains("typ relay"))
        #expect(try !rewritten(candidates, icePriority: "0").contains("typ relay"))
        #expect(try !rewritten(Body.audio, icePriority: "1").contains("typ relay"))
    }

    @Test(arguments: ["3", "-1", "01", "x", "1 ", "<null>"])
    func anotherPriorityIsRefusedBeforeAnythingIsSent(_ value: String) throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let call = FakeCall(body: candidates)
        call.variables[.icePriority] = Array(value.utf8)
        #expect(worker.offer(call) == .error)
        #expect(responder.commands.isEmpty && call.body == candidates)
        #expect(call.errors.count == 1)
    }

    // MARK: - Refused bodies

    @Test(arguments: [
        ("v=0\r\n", "o="), (Body.audio.replacing("m=audio 5004", with: "m=audio x"), "line 6"),
        (Body.audio.replacing("c=IN IP4", with: "c=IN IP5"), "line 4"), ("garbage", "v="),
        (Body.audio.replacing("c=IN IP4 10.0.0.1\r\n", with: ""), "line 5"),
    ])
    func anSDPThatIsNoneIsRefusedAndTheLogSaysWhere(_ body: String, _ place: String) throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let call = FakeCall(body: body)
        #expect(worker.offer(call) == .error)
        #expect(responder.commands.isEmpty && call.body == body)
        #expect(call.errors.count == 1)
        #expect(call.errors.allSatisfy { $0.hasPrefix("call call-1@example.org: SDP: ") && $0.contains(place) })
    }

    @Test func anOriginThatCannotChangeStaysAndTheLogSaysSo() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let call = FakeCall(body: Body.audio.replacing("o=alice 1 2 IN IP4 10.0.0.1", with: "o=alice"))
        #expect(worker.offer(call, "o") == .done)
        #expect(responder.commands.count == 1)
        #expect(call.body.contains("o=alice\r\n"))
        #expect(call.errors.count == 1 && call.errors[0].contains("o= stays as it is"))
    }

    /// The host has no memory for the edits: nothing changes, and the session that was created goes again.
    @Test func editsThatAreNotMadeLeaveNoSession() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        let call = FakeCall()
        call.acceptsEdits = false
        #expect(worker.offer(call) == .error)
        #expect(call.body == Body.audio)
        #expect(responder.commands.map { $0.prefix(2) } == ["U ", "D "])
        #expect(call.errors.count == 1)
        // A session that was there before stays.
        let later = FakeCall(toTag: "tt")
        later.acceptsEdits = false
        #expect(worker.offer(later) == .error)
        #expect(responder.commands.count == 3)
    }
}

extension String {
    /// How often `text` stands in it.
    func components(of text: String) -> Int { ranges(of: text).count }
}
