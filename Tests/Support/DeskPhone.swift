// SPDX-License-Identifier: GPL-2.0-or-later
// A desk phone of a test: SIP over UDP, plain RTP, a tone, and pictures that it sends back.

import Foundation

/// A phone that sends a tone of 600 Hz. Of the messages of its call none is answered until the test says so.
public final class DeskPhone {
    /// What it sends has.
    public static let tone = 600
    public let phone: Phone
    public let audio: ToneEndpoint
    /// What it takes pictures with; nil: it takes none.
    public let video: EchoEndpoint?
    private let place: String
    private let proxy: Endpoint
    private var dialog: Phone.Dialog?
    /// The INVITE under way, sent or received.
    private var invite: SIPMessage?
    /// The descriptions that it has sent and received, in order.
    public private(set) var sent: [String] = []
    public private(set) var received: [String] = []

    /// At `place`, an address of this machine, registering with `proxy`.
    public init(
        _ name: String, at place: String, proxy: Endpoint, takesVideo: Bool = false,
        listener: (@Sendable (SIPMessage, _ sent: Bool) -> Void)? = nil
    ) throws {
        phone = try Phone(name, at: place, registrar: proxy, listener: listener)
        audio = try ToneEndpoint(place, tone: Self.tone)
        video = takesVideo ? try EchoEndpoint(place) : nil
        self.place = place
        self.proxy = proxy
        try phone.register()
    }

    /// The Call-ID of its call.
    public private(set) var callID = ""

    /// The description of its streams: one of audio, and `withVideo` one of video, or the answer to those of `offer`.
    private func description(_ direction: String, answering offer: String? = nil, withVideo: Bool = false) -> String {
        let own = withVideo ? ["m=audio", "m=video"] : ["m=audio"]
        let wanted = offer.map { $0.components(separatedBy: "\r\n").filter { $0.hasPrefix("m=") } } ?? own
        let streams = wanted.map { line -> [String] in
            if line.hasPrefix("m=audio") {
                return ["m=audio \(audio.socket.endpoint.port) RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=\(direction)"]
            }
            let number = offer?.firstMatch(of: #/a=rtpmap:(\d+) VP8\/90000/#).map { String($0.1) } ?? "96"
            guard let video, !line.contains(" 0 ") else { return ["m=video 0 RTP/AVP \(number)"] }
            return ["m=video \(video.port) RTP/AVP \(number)", "a=rtpmap:\(number) VP8/90000", "a=\(direction)"]
        }
        return SDPText.session(place, streams: streams)
    }

    /// Takes a description of the other side, whose first stream is audio.
    private func take(_ sdp: String) throws {
        received.append(sdp)
        audio.send(to: try SDPText.mediaAddress(of: sdp))
    }

    private func offer(_ direction: String?, withVideo: Bool = false) throws {
        guard var dialog else { throw HarnessError("there is no call") }
        let sdp = direction.map { description($0, withVideo: withVideo) }
        if let sdp { sent.append(sdp) }
        let request = dialog.request("INVITE", of: phone, sdp: sdp)
        self.dialog = dialog
        invite = request
        try phone.send(request)
    }

    /// Sends an INVITE to `name`, who is registered, too; where `isLate` without an offer.
    public func call(_ name: String, isLate: Bool = false) throws {
        let dialog = Phone.Dialog(
            from: phone.address, to: "sip:\(name)@\(proxy.uriHost)", target: "sip:\(name)@\(proxy)")
        callID = dialog.callID
        self.dialog = dialog
        try offer(isLate ? nil : "sendrecv")
    }

    /// Waits for the final answer to its INVITE, and acknowledges it.
    @discardableResult
    public func expectAnswer() throws -> Int {
        guard var dialog, let invite else { throw HarnessError("there is no call") }
        guard
            let answer = phone.agent.receive(
                20_000, where: { $0.status >= 200 && $0.callID == callID && $0.method == "INVITE" })
        else { throw HarnessError("no answer came to \(phone.address)") }
        guard answer.status < 300 else {
            try phone.acknowledge(answer, of: invite)
            return answer.status
        }
        if invite.toTag == nil { dialog.take(answer) }
        try take(answer.text)
        var answered: String?
        if invite.body.isEmpty {
            answered = description("sendrecv", answering: answer.text)
            sent.append(answered ?? "")
        }
        try phone.send(dialog.request("ACK", of: phone, sdp: answered))
        self.dialog = dialog
        return answer.status
    }

    /// Waits for a call, and lets it ring.
    public func expectCall() throws {
        guard let got = phone.agent.receive(20_000, where: { $0.method == "INVITE" && $0.isRequest && $0.toTag == nil })
        else { throw HarnessError("no call came to \(phone.address)") }
        callID = got.callID
        invite = got
        try phone.send(phone.response(180, to: got), to: got)
    }

    /// Waits until the other side takes its INVITE back.
    public func expectCancel() throws {
        let cancel = try phone.expect("CANCEL", of: callID)
        try phone.send(phone.response(200, to: cancel), to: cancel)
        try refuse(487)
    }

    /// Refuses the call.
    public func refuse(_ status: Int, reason: String = "No") throws {
        guard let invite else { throw HarnessError("there is no call") }
        var response = phone.response(status, to: invite)
        response.startLine = "SIP/2.0 \(status) \(reason)"
        try phone.send(response, to: invite)
        _ = try phone.expect("ACK", of: callID)
    }

    /// Takes the call back that it has begun.
    public func cancel() throws {
        guard let invite else { throw HarnessError("there is no call") }
        try phone.cancel(invite)
    }

    /// Takes the call, or the re-INVITE that has come.
    public func answer(_ direction: String = "sendrecv") throws {
        guard let invite else { throw HarnessError("there is no call") }
        try take(invite.text)
        let sdp = description(direction, answering: invite.text)
        sent.append(sdp)
        let response = phone.response(200, to: invite, sdp: sdp)
        if invite.toTag == nil { dialog = Phone.Dialog(answering: invite, with: response) }
        try phone.send(response, to: invite)
        _ = try phone.expect("ACK", of: callID)
    }

    /// Puts the other side on hold, or takes it back, and waits for the answer.
    public func hold(_ isHeld: Bool) throws {
        try offer(isHeld ? "sendonly" : "sendrecv")
        try expectConsent()
    }

    /// Offers video besides, and waits for the answer.
    public func addVideo() throws {
        try offer("sendrecv", withVideo: true)
        try expectConsent()
    }

    private func expectConsent() throws {
        let status = try expectAnswer()
        guard status == 200 else { throw HarnessError("a re-INVITE was refused with \(status)") }
    }

    /// Waits until the other side holds, or comes back, and says yes. Returns the direction of its offer.
    public func expectHold() throws -> String {
        guard let got = phone.agent.receive(10_000, where: { $0.method == "INVITE" && $0.isRequest && $0.toTag != nil })
        else { throw HarnessError("no re-INVITE came to \(phone.address)") }
        invite = got
        // That of the stream goes before that of all.
        let stream = got.lines.drop { !$0.hasPrefix("m=") }
        let offered = stream.first { ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"].contains($0) } ?? ""
        try answer(offered == "a=sendonly" ? "recvonly" : "sendrecv")
        return offered
    }

    /// Waits for a re-INVITE and refuses it.
    public func refuseChange(_ status: Int) throws {
        guard let got = phone.agent.receive(10_000, where: { $0.method == "INVITE" && $0.isRequest && $0.toTag != nil })
        else { throw HarnessError("no re-INVITE came to \(phone.address)") }
        invite = got
        try refuse(status)
    }

    /// Ends the call.
    public func hangUp() throws {
        guard var dialog else { throw HarnessError("there is no call") }
        try phone.send(dialog.request("BYE", of: phone))
        let status = try phone.expectFinal("BYE", of: callID).status
        guard status == 200 else { throw HarnessError("BYE was refused with \(status)") }
    }

    /// Waits until the other side ends the call.
    public func expectEnd() throws {
        let bye = try phone.expect("BYE", of: callID)
        try phone.send(phone.response(200, to: bye), to: bye)
        audio.send(to: nil)
    }
}
