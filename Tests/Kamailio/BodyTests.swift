// SPDX-License-Identifier: GPL-2.0-or-later
// Which bodies are descriptions, what is wrong with others, and that nothing but the description is touched.

import TestSupport
import Testing

@Suite struct BodyTests {
    /// Offers a body under a content type (nil: none) and returns what the callee got.
    private func offer(
        _ body: String, type: String?, length: Int? = nil
    ) throws -> (invite: SIPMessage, commands: [String]) {
        let stage = try Stage.shared()
        let call = try stage.call()
        var request = call.request("INVITE", sdp: body, run: .offer())
        request["Content-Type"] = type
        if let length {
            request["Content-Length"] = String(length)
            request.writesContentLength = false
        }
        return (try call.deliver(request), stage.relay.texts(of: call.id))
    }

    @Test(arguments: ["application/sdp", "Application/SDP", "application/sdp;charset=utf-8", "application/sdp ; x=y"])
    func contentTypeOfADescriptionInAnyCaseAndWithParameters(type: String) throws {
        let (invite, commands) = try offer(SDPText.audio(), type: type)
        #expect(invite.returnCodes == [1])
        #expect(commands.count == 1)
        #expect(invite["Content-Length"] == "\(invite.body.count)")
    }

    @Test func bodyWithoutAContentTypeIsADescription() throws {
        let (invite, commands) = try offer(SDPText.audio(), type: nil)
        #expect(invite.returnCodes == [1])
        #expect(commands.count == 1)
    }

    @Test(arguments: ["text/plain", "application/sdpx", "application/isup", "application"])
    func otherContentTypesFail(type: String) throws {
        let (invite, commands) = try offer(SDPText.audio(), type: type)
        #expect(invite.returnCodes == [-1])
        #expect(commands.isEmpty)
        #expect(invite.text == SDPText.audio())
    }

    static let before = "--edge\r\nContent-Type: text/plain\r\n\r\nv=0 m=audio 4000 RTP/AVP 0\r\n"
    static let after = "--edge\r\nContent-Type: application/isup\r\n\r\nc=IN IP4 192.0.2.10\r\n--edge--\r\n"

    @Test(arguments: ["multipart/mixed", "Multipart/Alternative", "multipart/related"])
    func descriptionInAMultipartIsChangedAndNothingElse(type: String) throws {
        let part = "--edge\r\nContent-Type: application/sdp\r\n\r\n"
        let (invite, commands) = try offer(
            Self.before + part + SDPText.audio() + Self.after, type: "\(type);boundary=edge")
        #expect(invite.returnCodes == [1])
        #expect(commands.count == 1)
        #expect(invite.text.hasPrefix(Self.before + part + "v=0\r\n"))
        #expect(invite.text.hasSuffix("a=nortpproxy:yes\r\n" + Self.after))
        #expect(invite["Content-Length"] == "\(invite.body.count)")
    }

    @Test(arguments: ["", "\r\n"])
    func markerKeepsTheLineEndThatTheBodyEndedWith(end: String) throws {
        let (invite, _) = try offer(SDPText.audio().dropLast(1) + end, type: "application/sdp")
        #expect(invite.text.hasSuffix("a=rtpmap:0 PCMU/8000\r\na=nortpproxy:yes" + end))
    }

    @Test func multipartWithoutADescriptionFails() throws {
        let body = Self.before + Self.after
        let (invite, commands) = try offer(body, type: "multipart/mixed;boundary=edge")
        #expect(invite.returnCodes == [-1])
        #expect(commands.isEmpty)
        #expect(invite.text == body)
    }

    @Test(arguments: [1, 500]) func contentLengthBeyondTheMessageFails(excess: Int) throws {
        let (invite, commands) = try offer(
            SDPText.audio(), type: "application/sdp", length: SDPText.audio().utf8.count + excess)
        #expect(invite.returnCodes == [-1])
        #expect(commands.isEmpty)
    }

    @Test func linesMayEndInLFAloneAndTheLastOneInNothing() throws {
        let sdp = SDPText.audio().replacingOccurrences(of: "\r\n", with: "\n").dropLast()
        let (invite, commands) = try offer(String(sdp), type: "application/sdp")
        #expect(invite.returnCodes == [1])
        #expect(commands.count == 1)
        #expect(invite.lines.last == "a=nortpproxy:yes")
        #expect(invite.lines.dropLast().last == "a=rtpmap:0 PCMU/8000")
    }

    @Test(arguments: [
        ("v=0\r\n", ""), ("o=- 1 1 IN IP4 192.0.2.10\r\n", ""), ("c=IN IP4 192.0.2.10\r\n", ""),
        ("m=audio 5004", "m=audio"), ("m=audio 5004", "m=audio 65536"), ("m=audio 5004", "m=audio -1"),
        ("m=audio 5004", "m=audio 50x4"), ("m=audio 5004", "m=audio 99999999999999999999"),
        ("c=IN IP4 192.0.2.10", "c=IN IP5 192.0.2.10"), ("c=IN IP4 192.0.2.10", "c=IN IP4 "),
        ("c=IN IP4 192.0.2.10", "c="), ("m=audio 5004 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\n", ""),
    ])
    func brokenDescriptionsFailWithALogLine(part: String, replacement: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let sdp = SDPText.audio().replacingOccurrences(of: part, with: replacement)
        let invite = try call.invite(sdp: sdp, run: .offer())
        #expect(invite.returnCodes == [-1])
        #expect(stage.relay.texts(of: call.id).isEmpty)
        #expect(invite.text == sdp)
        #expect(stage.kamailio.waitForLog(" rtpproxy [", call.id) != nil)
    }

    @Test func unknownBytesPassUntouched() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        var request = call.request("INVITE", sdp: SDPText.audio(), run: .offer())
        let odd: [UInt8] = Array("a=x:".utf8) + [0x01, 0xFF, 0x80, 0x7F, 0x0B] + Array("\r\n".utf8)
        request.body += odd
        let invite = try call.deliver(request)
        #expect(invite.returnCodes == [1])
        #expect(invite.body.firstRange(of: odd) != nil)
    }

    // MARK: - What others may read

    /// What a description may not hold, as it stands behind that of one audio stream, and the reason in the log.
    static let ambiguous: [(behind: String, reason: String)] = [
        ("a=x\rc=IN IP4 192.0.2.20\r\n", "a CR that ends no line (line 8)"),
        ("a=x\rm=audio 6004 RTP/AVP 0\r\n", "a CR that ends no line (line 8)"),
        ("v=0\r\no=- 1 1 IN IP4 192.0.2.20\r\ns=-\r\nc=IN IP4 192.0.2.20\r\n", "no m= line in this session (line 8)"),
        ("C=IN IP4 192.0.2.20\r\n", "v=, o=, c= or m= in capitals or with blanks (line 8)"),
        ("m =audio 6004 RTP/AVP 0\r\n", "v=, o=, c= or m= in capitals or with blanks (line 8)"),
        (" c=IN IP4 192.0.2.20\r\n", "v=, o=, c= or m= in capitals or with blanks (line 8)"),
        ("m=audio\u{0}6004 5004 RTP/AVP 0\r\n", "a control character in m= or c= (line 8)"),
        ("c=ATM NSAP 47.0091\r\n", "c= is of another network than IN (line 8)"),
    ]

    @Test(arguments: ambiguous)
    func whatReadersReadDifferentlyIsRefused(behind: String, reason: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let sdp = SDPText.audio() + behind
        let invite = try call.invite(sdp: sdp, run: .offer("o"))
        #expect(invite.returnCodes == [-1])
        #expect(stage.relay.texts(of: call.id).isEmpty)
        #expect(invite.text == sdp)
        #expect(stage.kamailio.waitForLog(call.id, "SDP: \(reason)") != nil)
    }

    @Test(arguments: ["mixed", "alternative", "related"], ["offer", "manage"])
    func aSecondDescriptionInAMultipartIsRefused(kind: String, function: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let part = "--edge\r\nContent-Type: application/sdp\r\n\r\n"
        let body = part + SDPText.audio() + part + SDPText.audio("192.0.2.20") + Self.after
        var request = call.request("INVITE", sdp: body, run: Run(function))
        request["Content-Type"] = "multipart/\(kind);boundary=edge"
        let invite = try call.deliver(request)
        #expect(invite.returnCodes == [-1])
        #expect(stage.relay.texts(of: call.id).isEmpty)
        #expect(invite.text == body)
        #expect(stage.kamailio.waitForLog(call.id, "a second part is application/sdp (line 12)") != nil)
    }

    /// A reader that stops at an empty line or a NUL does not see the stream's own address.
    @Test(arguments: ["\r\n", "a=x\r\r\n", "a=x\u{0}\r\n"])
    func theSessionsAddressIsTheRelaysToWhereAReaderMayStop(end: String) throws {
        let (invite, _) = try offer(SDPText.audio() + end + "c=IN IP4 192.0.2.20\r\n", type: "application/sdp")
        #expect(invite.returnCodes == [1])
        #expect(Self.lines(invite).filter { $0.hasPrefix("c=") } == ["c=IN IP4 192.0.2.77", "c=IN IP4 192.0.2.77"])
    }

    // MARK: - Behind Content-Length

    @Test(arguments: ["", "\r\n", "\r\n\r\n"])
    func aStreamBehindContentLengthIsRewrittenToo(end: String) throws {
        let sdp = SDPText.audio()
        let (invite, commands) = try offer(
            sdp + "m=video 6004 RTP/AVP 96\r\nc=IN IP4 192.0.2.20\r\n" + end, type: "application/sdp",
            length: sdp.utf8.count)
        #expect(invite.returnCodes == [1])
        #expect(commands.count == 2)
        #expect(
            !invite.text.contains("m=video 6004") && !invite.text.contains("c=IN IP4 192.0.2.10")
                && !invite.text.contains("192.0.2.20"))
        #expect(invite["Content-Length"] == "\(invite.body.count)")
    }

    @Test func aDescriptionThatContentLengthCutsIsReadToItsEnd() throws {
        let (invite, commands) = try offer(SDPText.audio(), type: "application/sdp", length: 40)
        #expect(invite.returnCodes == [1])
        #expect(commands.count == 1)
        #expect(!invite.text.contains("c=IN IP4 192.0.2.10") && !invite.text.contains("m=audio 5004"))
        #expect(invite["Content-Length"] == "\(invite.body.count)")
    }

    @Test func aDescriptionBehindTheEndOfAMultipartIsRefused() throws {
        let part = "--edge\r\nContent-Type: application/sdp\r\n\r\n"
        let body = part + SDPText.audio() + Self.after
        let (invite, commands) = try offer(
            body + part + SDPText.audio("192.0.2.20") + Self.after, type: "multipart/mixed;boundary=edge",
            length: body.utf8.count)
        #expect(invite.returnCodes == [-1])
        #expect(commands.isEmpty)
    }

    // MARK: - What real phones send

    @Test(arguments: [
        " 25 27 IN IP4 192.0.2.10", "- 25 IN IP4 192.0.2.10", "IN IP4 192.0.2.10", "A. B. 25 27 IN IP4 192.0.2.10",
    ])
    func ofAnOriginTheLastThreeWordsCount(value: String) throws {
        let sdp = SDPText.audio().replacingOccurrences(of: "o=- 1 1 IN IP4 192.0.2.10", with: "o=" + value)
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: sdp, run: .offer("o"))
        #expect(invite.returnCodes == [1])
        #expect(invite.lines[1] == "o=" + value.replacingOccurrences(of: "192.0.2.10", with: "192.0.2.77"))
        #expect(stage.kamailio.logLines(call.id, "o=").isEmpty)
    }

    @Test(arguments: [
        "alice", "- 25 27 LOCAL IP4 192.0.2.10", "- 25 27 IN IP5 192.0.2.10", "- 25 27 in ip4 192.0.2.10",
        "- 25 27 IN IP4 192.0.2.10 x", "- 25 27 IN IP4", "",
    ])
    func anOtherOriginStaysAndCostsNoMedia(value: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let sdp = SDPText.audio().replacingOccurrences(of: "o=- 1 1 IN IP4 192.0.2.10", with: "o=" + value)
        for flags in ["o", ""] {
            let invite = try call.invite(sdp: sdp, run: .offer(flags))
            #expect(invite.returnCodes == [1])
            #expect(invite.lines[1] == "o=" + value)
            #expect(invite.lines[3] == "c=IN IP4 192.0.2.77")
        }
        let warning = "SDP: o= stays as it is, it does not end in IN IP4 or IP6 and an address (line 2)"
        #expect(stage.kamailio.waitForLog(call.id, warning) != nil)
        // Without the flag there is nothing to tell.
        #expect(stage.kamailio.logLines(call.id, warning).count == 1)
    }

    @Test func linesMayEndInTwoReturns() throws {
        let sdp = SDPText.audio(extra: ["a=rtcp: 4001 "]).replacingOccurrences(of: "\r\n", with: "\r\r\n")
        let (invite, commands) = try offer(sdp, type: "application/sdp")
        #expect(invite.returnCodes == [1])
        #expect(commands.count == 1)
        #expect(invite.text.contains("\r\r\nc=IN IP4 192.0.2.77\r\r\n"))
        #expect(invite.text.contains("\r\r\na=rtcp: \(Self.port(invite) + 1) \r\r\n"))
    }

    /// The lines, whatever number of CRs they end in.
    private static func lines(_ message: SIPMessage) -> [String] {
        message.body.split(separator: 0x0A).map { line in String(decoding: line.filter { $0 != 0x0D }, as: UTF8.self) }
    }

    private static func port(_ message: SIPMessage) -> Int {
        lines(message).first { $0.hasPrefix("m=") }?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
    }
}
