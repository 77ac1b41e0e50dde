// SPDX-License-Identifier: GPL-2.0-or-later
// The address of an RTPProxy that answers a port alone: that on which the message came in, and never the null address.

import TestSupport
import Testing

@Suite struct ReceivedAddressTests {
    /// Runs `body` with a Kamailio that listens on wildcards, too, at that port, and a relay without `-l`.
    private func run(_ body: (Kamailio, ScriptedRelay, UInt16) throws -> Void) throws {
        let relay = try ScriptedRelay()
        relay.set(address: "")
        let port = try FreePort.next(2)
        try Stage.own([relay]) {
            $0.routes =
                "disable_tcp=no\ntcp_children=1\nlisten=udp:0.0.0.0:\(port)\nlisten=tcp:0.0.0.0:\(port)\n"
                + "listen=tcp:[::]:\(port + 1)\n" + $0.routes
        } _: {
            try body($0, relay, port)
        }
    }

    /// Sends an offer over TCP, and returns what the callee got.
    private func offer(_ call: Call, over host: String, _ port: UInt16, _ run: Run = .offer()) throws -> SIPMessage {
        var request = call.request("INVITE", sdp: SDPText.audio(host.contains(":") ? "::2" : "192.0.2.10"), run: run)
        request["Via"] = request["Via"]?.replacingOccurrences(of: "/UDP ", with: "/TCP ")
        let folder = try TemporaryFolder()
        let file = try folder.write(request.description, to: "request")
        let client = try ChildProcess(
            "/bin/bash", ["-c", "exec 3<>/dev/tcp/\(host)/\(port); cat \(file) >&3; sleep 5"],
            output: folder.file("log"), folder: folder.path)
        defer { client.terminate(within: 0) }
        return try #require(call.callee.receive { $0.method == "INVITE" && $0.isRequest })
    }

    @Test func aConnectionToAWildcardSocketHasAnAddressOfItsOwn() throws {
        try run { kamailio, _, port in
            let invite = try offer(kamailio.call(), over: "127.0.0.1", port)
            #expect(invite.returnCodes == [1])
            #expect(invite.lines.contains("c=IN IP4 127.0.0.1"), "\(invite)")
            let second = try offer(kamailio.call(), over: "127.0.0.7", port, .offer("o"))
            #expect(second.lines.contains("c=IN IP4 127.0.0.7") && second.lines.contains("o=- 1 1 IN IP4 127.0.0.7"))
            let third = try offer(kamailio.call(.ipv6), over: "::1", port + 1)
            #expect(third.returnCodes == [1])
            #expect(third.lines.contains { ["c=IN IP6 ::1", "c=IN IP6 0:0:0:0:0:0:0:1"].contains($0) }, "\(third)")
        }
    }

    @Test func aDatagramToAWildcardSocketHasNone() throws {
        try run { kamailio, relay, port in
            let call = try Call(through: { Endpoint($0, port) })
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [-1] && invite.text == SDPText.audio())
            let words = ["call \(call.id)", "answered a port without an address", "-l ADDRESS", "ip_address"]
            #expect(kamailio.waitForLog(words[0], words[1], words[2], words[3]) != nil)
            #expect(waitUntil(3) { relay.commands(of: call.id, "D").count == 1 })
            let given = try Call(through: { Endpoint($0, port) })
            let named = try given.invite(run: .offer("o", ip: "192.0.2.5"))
            #expect(named.returnCodes == [1] && named.lines.contains("c=IN IP4 192.0.2.5"), "\(named)")
            // The socket that is none has one.
            let plain = try kamailio.call().invite(run: .offer())
            #expect(plain.returnCodes == [1] && plain.lines.contains("c=IN IP4 127.0.0.1"))
        }
    }
}
