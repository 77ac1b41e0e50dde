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
}
