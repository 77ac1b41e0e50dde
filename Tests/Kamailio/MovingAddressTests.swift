// SPDX-License-Identifier: GPL-2.0-or-later
// An RTPProxy that is given by name, and whose address is another one when it comes back.

import Foundation
import TestSupport
import Testing

@Suite struct MovingAddressTests {
    private static let addresses = ["127.0.0.1", "127.0.0.2"]

    @Test(
        .enabled(if: Kamailio.canHaveHosts, "needs mount namespaces and a resolver that reads /etc/hosts"),
        arguments: [ScriptedRelay.Transport.udp, .tcp])
    func callsGoWhereTheNameLeadsOnceTheOldAddressIsSilent(_ transport: ScriptedRelay.Transport) throws {
        let folder = try TemporaryFolder()
        let port = try FreePort.next()
        let relays = try Self.addresses.map { try ScriptedRelay(transport, at: Endpoint($0, port)) }
        let hosts = try folder.write(Self.hosts(0), to: "hosts")
        let url = "\(transport):relay.test:\(port)"
        try Stage.own([]) {
            $0.hosts = hosts
            $0.children = 2
            $0.set("rtpproxy_sock", url)
            $0.set("rtpproxy_tout", 1)
            $0.set("rtpproxy_retr", 1)
            $0.set("rtpproxy_disable_tout", 1)
            $0.set("rtpproxy_ping_interval", 1)
        } _: { kamailio in
            try #require(kamailio.waitForLog("is up", url) != nil)
            for _ in 0..<4 { #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1]) }
            #expect(relays[0].log.filter { $0.verb == "U" }.count == 4)

            // There and back: the file in its place is written over, as it is the one that Kamailio sees.
            for (left, reached) in [(0, 1), (1, 0)] {
                try folder.write(Self.hosts(reached), to: "hosts")
                relays[left].shut()
                let before = relays[reached].log.filter { $0.verb == "U" }.count
                let isBack = try waitUntil(20, every: 100) {
                    try kamailio.call().invite(run: .offer()).returnCodes == [1]
                }
                try #require(isBack)
                #expect(kamailio.logLines(url, "disabled for").count == left + 1)
                // Whichever process has a connection to the old address: none goes on with it.
                for _ in 0..<4 {
                    let invite = try kamailio.call().invite(run: .offer())
                    #expect(invite.returnCodes == [1])
                    #expect(invite.instance == url)
                }
                #expect(relays[reached].log.filter { $0.verb == "U" }.count == before + 5)
                #expect(try kamailio.relays().first?["disabled"] == "0")
                try relays[left].reopen()
            }
        }
    }

    @Test(.enabled(if: Kamailio.canHaveHosts, "needs mount namespaces and a resolver that reads /etc/hosts"))
    func aNameThatDoesNotResolveAtStartIsUsedOnceItDoes() throws {
        let folder = try TemporaryFolder()
        let relay = try ScriptedRelay()
        let hosts = try folder.write("127.0.0.1 localhost\n", to: "hosts")
        let url = "udp:relay.test:\(relay.endpoint.port)"
        try Stage.own([], settled: false) {
            $0.hosts = hosts
            $0.set("rtpproxy_sock", url)
            $0.set("rtpproxy_disable_tout", 1)
        } _: { kamailio in
            // Whether it is unknown or nobody answers depends on the machine.
            #expect(kamailio.waitForLog(url, "has not answered yet and is asked each second", seconds: 20) != nil)
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            try folder.write(Self.hosts(0), to: "hosts")
            #expect(try waitUntil(20, every: 100) { try kamailio.call().invite(run: .offer()).returnCodes == [1] })
        }
    }

    /// It has none of the sessions that the one before had.
    @Test(.enabled(if: Kamailio.canHaveHosts, "needs mount namespaces and a resolver that reads /etc/hosts"))
    func anotherRelayBehindTheNameThatHasCountedLessIsARestart() throws {
        let folder = try TemporaryFolder()
        let port = try FreePort.next()
        let relays = try Self.addresses.map { try ScriptedRelay(.udp, at: Endpoint($0, port)) }
        for (relay, counted) in zip(relays, ["100 1000", "50 2000"]) {
            relay.on { $0.verb == "G" ? .reply(counted) : nil }
        }
        let hosts = try folder.write(Self.hosts(0), to: "hosts")
        let url = "udp:relay.test:\(port)"
        try Stage.own([]) {
            $0.hosts = hosts
            $0.set("rtpproxy_sock", url)
            $0.set("rtpproxy_tout", 1)
            $0.set("rtpproxy_retr", 1)
            $0.set("rtpproxy_disable_tout", 1)
            $0.set("rtpproxy_ping_interval", 1)
        } _: { kamailio in
            try #require(kamailio.waitForLog("is up", url) != nil)
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
            #expect(waitUntil(5) { relays[0].log.contains { $0.verb == "G" && $0.attempt == 1 } })
            usleep(300_000)
            try folder.write(Self.hosts(1), to: "hosts")
            relays[0].shut()
            let line = kamailio.waitForLog(url, "has been restarted, its sessions are lost", seconds: 20)
            #expect(line?.hasSuffix("calls forgotten: 1") == true)
            #expect(try kamailio.statistics().first?["restarts"] == "1")
        }
    }

    private static func hosts(_ index: Int) -> String {
        "127.0.0.1 localhost\n\(addresses[index]) relay.test\n"
    }
}
