// SPDX-License-Identifier: GPL-2.0-or-later
// RTPProxies given by name while the name service hangs, fails, or knows several addresses.

import Foundation
import TestSupport
import Testing

@Suite(
    .enabled(if: NameServer.isAvailable, "needs mount namespaces, and port 53 of a loopback address"), .serialized)
struct NameTests {
    /// Runs `body` with a Kamailio that asks `NameServer` for names.
    private func own(
        _ relays: [ScriptedRelay], _ names: [String], _ change: (inout KamailioConfiguration) -> Void = { _ in },
        _ body: (Kamailio) throws -> Void
    ) throws {
        let folder = try TemporaryFolder()
        let resolver = try folder.write(NameServer.resolverConfiguration, to: "resolv.conf")
        try Stage.own([], settled: false) {
            $0.resolver = resolver
            $0.set("rtpproxy_sock", (relays.map(\.url) + names).joined(separator: " "))
            $0.set("rtpproxy_tout", 1)
            $0.set("rtpproxy_retr", 1)
            $0.set("rtpproxy_disable_tout", 2)
            change(&$0)
        } _: {
            try body($0)
        }
    }

    @Test func aNameServerThatHangsHoldsUpItsNamesAlone() throws {
        let server = try NameServer()
        server.hang()
        let relay = try ScriptedRelay()
        try own([relay], ["udp:hangs.test:7000"], { $0.set("rtpproxy_ping_interval", 1) }) { kamailio in
            let start = monotonicMilliseconds()
            #expect(kamailio.waitForLog("is up", relay.url) != nil)
            #expect(monotonicMilliseconds() - start < 1500)
            #expect(kamailio.waitForLog("hangs.test", "name service does not answer", seconds: 3) != nil)
            #expect(waitUntil(3) { server.queries.contains("hangs.test") })
            // It goes on asking the other one, sees that it dies, and that it is back.
            let pings = relay.log.filter { $0.verb == "V" }.count
            #expect(waitUntil(5) { relay.log.filter { $0.verb == "V" }.count >= pings + 2 })
            relay.shut()
            #expect(kamailio.waitForLog(relay.url, "disabled for 2 s", seconds: 4) != nil)
            try relay.reopen()
            #expect(kamailio.waitForLog(relay.url, "is back", seconds: 5) != nil)
            let invite = try kamailio.call().invite(run: .offer())
            #expect(invite.returnCodes == [1])
        }
    }

    @Test func aNodeKeepsItsAddressWhileTheNameServiceFails() throws {
        let server = try NameServer()
        server.set("relay.test", ["127.0.0.1"])
        let relay = try ScriptedRelay()
        let url = "udp:relay.test:\(relay.endpoint.port)"
        try own([], [url]) { kamailio in
            #expect(kamailio.waitForLog("is up", url) != nil)
            server.hang()
            relay.shut()
            let refused = try kamailio.call().invite(run: .offer())
            #expect(refused.returnCodes == [-3])
            #expect(kamailio.waitForLog(url, "disabled for 2 s", seconds: 5) != nil)
            try relay.reopen()
            #expect(kamailio.waitForLog(url, "is back", seconds: 6) != nil)
            let invite = try kamailio.call().invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(kamailio.waitForLog(url, "its last address is kept", seconds: 10) != nil)
        }
    }

    @Test(arguments: ["127.0.0.1", "127.0.0.2"], [ScriptedRelay.Transport.udp, .tcp])
    func everyAddressOfANameIsTried(_ address: String, _ transport: ScriptedRelay.Transport) throws {
        let server = try NameServer()
        server.set("relay.test", ["127.0.0.1", "127.0.0.2"])
        let port = try FreePort.next()
        let relay = try ScriptedRelay(transport, at: Endpoint(address, port))
        let url = "\(transport):relay.test:\(port)"
        try own([], [url], { $0.set("rtpproxy_disable_tout", 20) }) { kamailio in
            #expect(kamailio.waitForLog("is up", url, seconds: 5) != nil)
            let invite = try kamailio.call().invite(run: .offer())
            #expect(invite.returnCodes == [1])
            // Where it dies, the other address is asked at once.
            let other = try ScriptedRelay(
                transport, at: Endpoint(address == "127.0.0.1" ? "127.0.0.2" : "127.0.0.1", port))
            relay.shut()
            let refused = try kamailio.call().invite(run: .offer())
            #expect(refused.returnCodes == [-3])
            #expect(kamailio.waitForLog(url, "is back", seconds: 5) != nil)
            let second = try kamailio.call().invite(run: .offer())
            #expect(second.returnCodes == [1])
            #expect(other.log.contains { $0.verb == "U" })
        }
    }
}
