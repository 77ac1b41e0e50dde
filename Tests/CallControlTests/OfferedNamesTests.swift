// SPDX-License-Identifier: GPL-2.0-or-later
// How an answer of a phone, which names no streams, names those of a browser, and what else it has as the offer had it.

import TestSupport
import Testing

@testable import CallControl

@Suite struct OfferedNamesTests {
    private func stage() throws -> SIPWorker {
        let responder = try Responder(ModuleRelay.answer)
        let worker = try SIPWorker([responder.url], features: [.webRTC], remembers: true)
        worker.kept = responder
        return worker
    }

    /// Audio, and behind it pictures or a data channel, named as they are said to be; nil: without a name.
    private func offer(_ names: [String?], group: [String]?, second: String = "m=video 9 UDP/TLS/RTP/SAVPF 96")
        -> String
    {
        let audio = Browser.audio().replacing(
            "a=group:BUNDLE 0\r\n", with: group.map { "a=group:BUNDLE \($0.joined(separator: " "))\r\n" } ?? "")
        func line(_ name: String?) -> String { name.map { "a=mid:\($0)\r\n" } ?? "" }
        let first = audio.replacing("a=mid:0\r\n", with: line(names[0]))
        guard names.count > 1 else { return first }
        return first + "\(second)\r\nc=IN IP4 0.0.0.0\r\n" + line(names[1])
            + "a=ice-ufrag:abcd\r\na=ice-pwd:\(Browser.password)\r\n"
            + "a=fingerprint:sha-256 \(Browser.fingerprint)\r\n"
    }

    /// What the browser gets where the phone answers so.
    private func answer(_ worker: SIPWorker, to offer: String, _ body: String) throws -> String {
        let call = FakeCall(body: offer)
        #expect(worker.offer(call, "p") == .done, "\(call.errors)")
        let answer = FakeCall(.invite, status: 200, toTag: "tt", body: body)
        #expect(worker.answer(answer, "d") == .done, "\(answer.errors)")
        return answer.body
    }

    private func values(_ name: String, _ body: String) -> [String] {
        body.split(separator: "\r\n").filter { $0.hasPrefix("a=\(name):") }.map { String($0.dropFirst(name.count + 3)) }
    }

    private static let refused = "m=video 0 RTP/AVP 96\r\n"
    private static let accepted = "m=video 5006 RTP/AVP 96\r\n"

    @Test(arguments: [
        ["0"], ["audio"], ["a1"], ["1"], ["00"], ["x"], ["0", "1"], ["audio", "video"], ["a1", "b2"], ["1", "0"],
        ["0123456789abcdef0123456789abcdef", "v"],
    ])
    func anAnswerNamesTheStreamsAsTheOfferDid(_ names: [String]) throws {
        let worker = try stage()
        for second in [Self.refused, Self.accepted] {
            let body = Body.audio + (names.count > 1 ? second : "")
            let got = try answer(worker, to: offer(names, group: names), body)
            #expect(values("mid", got) == names, "\(got)")
            #expect(values("group", got) == (body.contains(Self.accepted) ? [] : ["BUNDLE \(names[0])"]))
        }
    }

    /// RFC 9143 section 7.3.2.
    @Test func whatTheOfferHasInNoGroupIsInNone() throws {
        let worker = try stage()
        for (group, expected) in [
            (nil, []), (["video"], []), (["audio"], ["BUNDLE audio"]), (["video", "audio"], ["BUNDLE audio"]),
        ] as [([String]?, [String])] {
            let got = try answer(worker, to: offer(["audio", "video"], group: group), Body.audio + Self.refused)
            #expect(values("group", got) == expected && values("mid", got) == ["audio", "video"], "\(got)")
        }
    }

    @Test func aDataChannelKeepsItsName() throws {
        let worker = try stage()
        let body = offer(
            ["a", "data"], group: ["a", "data"], second: "m=application 9 UDP/DTLS/SCTP webrtc-datachannel")
        let got = try answer(worker, to: body, Body.audio + "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n")
        #expect(values("mid", got) == ["a", "data"] && values("group", got) == ["BUNDLE a"], "\(got)")
    }

    /// They are no answer to any that it was told.
    @Test func namesOfThePhoneDoNotCount() throws {
        let worker = try stage()
        for names in [["0"], ["audio"]] {
            #expect(
                values("mid", try answer(worker, to: offer(names, group: names), Body.audio + "a=mid:x\r\n")) == names)
        }
    }

    @Test func anOfferThatNamesNothingHasNumbersAndNoGroup() throws {
        let worker = try stage()
        let got = try answer(worker, to: offer([nil], group: nil), Body.audio)
        #expect(values("mid", got) == ["0"] && values("group", got) == [])
    }

    /// The last offer counts, whether it came by INVITE or as an answer to one without an offer.
    @Test func whatIsOfferedLaterCounts() throws {
        let worker = try stage()
        _ = try answer(worker, to: offer(["long-name"], group: nil), Body.audio)
        let got = try answer(worker, to: offer(["0"], group: ["0"]), Body.audio)
        #expect(values("mid", got) == ["0"] && values("group", got) == ["BUNDLE 0"])
        let late = FakeCall(.invite, status: 200, toTag: "browser", body: offer(["late"], group: ["late"]))
        late[.callID] = "late"
        #expect(worker.offer(late, "p") == .done, "\(late.errors)")
        let ack = FakeCall(.ack, toTag: "browser")
        ack[.callID] = "late"
        #expect(worker.answer(ack, "d") == .done, "\(ack.errors)")
        #expect(values("mid", ack.body) == ["late"] && values("group", ack.body) == ["BUNDLE late"])
    }

    /// A phone that changes the call later names no streams, and a browser refuses other names than before.
    @Test func anOfferOfThePhoneNamesThemAsTheBrowserHas() throws {
        let worker = try stage()
        _ = try answer(worker, to: offer(["audio"], group: ["audio"]), Body.audio)
        let hold = FakeCall(toTag: "ft")
        hold[.fromTag] = "tt"
        #expect(worker.offer(hold, "d") == .done, "\(hold.errors)")
        #expect(values("mid", hold.body) == ["audio"])
    }

    /// RFC 3264 section 6: an answer has the transport of the offer; RFC 5761 section 5.1.1: and multiplexes where that did.
    /// So have later offers of the phone, and refused streams.
    @Test(arguments: [
        "UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "RTP/SAVP", "RTP/AVPF", "RTP/AVP", "udp/tls/rtp/savp",
    ])
    func anAnswerHasTheOffersTransport(_ transport: String) throws {
        let worker = try stage()
        for (multiplexes, isBundled) in [(true, true), (false, true), (true, false), (false, false)] {
            var body = offer(["a", "v"], group: isBundled ? ["a", "v"] : nil)
                .replacing("UDP/TLS/RTP/SAVPF", with: transport)
            if !multiplexes { body = body.replacing("a=rtcp-mux\r\n", with: "") }
            let got = try answer(worker, to: body, Body.audio + Self.refused)
            let lines = got.split(separator: "\r\n").map(String.init)
            let expected = transport.uppercased()
            #expect(lines.filter { $0.hasPrefix("m=") }.allSatisfy { $0.contains(" \(expected) ") }, "\(got)")
            #expect(lines.contains("a=rtcp-mux") == (multiplexes || isBundled), "\(got)")
            #expect(values("mid", got) == ["a", "v"])
            let hold = FakeCall(toTag: "ft")
            hold[.fromTag] = "tt"
            #expect(worker.offer(hold, "d") == .done, "\(hold.errors)")
            #expect(
                hold.body.contains(" \(expected) ") && hold.body.contains("a=rtcp-mux") == (multiplexes || isBundled))
        }
        // A browser that takes part later offers as browsers do.
        let got = try answer(worker, to: Browser.audio(), Body.audio)
        #expect(got.contains(" UDP/TLS/RTP/SAVPF ") && got.contains("a=rtcp-mux\r\n"))
    }

    @Test func anotherBrowsersAnswerKeepsItsNames() throws {
        let worker = try stage()
        for names in [["0"], ["audio"]] {
            let call = FakeCall(body: offer(names, group: names))
            #expect(worker.offer(call, "d") == .done && values("mid", call.body) == names)
            let answer = FakeCall(.invite, status: 200, toTag: "tt", body: offer(names, group: names))
            #expect(worker.answer(answer, "d") == .done && values("mid", answer.body) == names)
            #expect(values("group", answer.body) == ["BUNDLE \(names[0])"])
        }
    }
}
