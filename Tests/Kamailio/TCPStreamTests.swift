// SPDX-License-Identifier: GPL-2.0-or-later
// Streams over TCP in a real Kamailio: they do not go through a relay.

import TestSupport
import Testing

@Suite struct TCPStreamTests {
    @Test(arguments: [
        "TCP/MSRP *", "TCP/TLS/MSRP *", "TCP/MRCPv2 1", "TCP/BFCP *", "TCP/TLS/BFCP *", "TCP/RTP/AVP 0",
        "TCP/DTLS/RTP/SAVPF 96", "tcp/msrp *", "TCP t38",
    ])
    func theStreamStaysWhereItIs(_ transport: String) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let line = "m=message 7654 \(transport)"
        let other = [line, "i=chat", "b=AS:64", "a=path:msrp://192.0.2.10:7654/s;tcp"]
        let sdp = SDPText.session(streams: [other, SDPText.media("audio", 5004)])
        let invite = try call.invite(sdp: sdp, run: .offer("r"))
        #expect(invite.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id) == ["Uc0,8,101 \(call.id) 192.0.2.10 5004 \(call.fromTag);2"])
        let lines = invite.lines
        #expect(lines.contains("c=IN IP4 192.0.2.77"))
        let start = try #require(lines.firstIndex(of: line))
        #expect(
            Array(lines[start...].prefix(5)) == [
                line, "i=chat", "c=IN IP4 192.0.2.10", "b=AS:64", "a=path:msrp://192.0.2.10:7654/s;tcp",
            ])
        let answered = try call.reply(to: invite, sdp: sdp, run: .answer("r"))
        #expect(answered.returnCodes == [1] && answered.lines.contains(line))
        #expect(stage.relay.commands(of: call.id, "L").map(\.stream) == [2])
    }

    @Test func anOfferOfNothingElseStaysAsItIs() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let sdp = SDPText.session(streams: [["m=message 7654 TCP/MSRP *", "a=accept-types:*"]])
        let invite = try call.invite(sdp: sdp, run: .offer("co"))
        #expect(invite.returnCodes == [1])
        #expect(invite.text == sdp + "a=nortpproxy:yes\r\n")
        #expect(stage.relay.commands(of: call.id).isEmpty)
    }
}
