// SPDX-License-Identifier: GPL-2.0-or-later
// The harness itself: what it must notice, and what it must leave behind (nothing).

import Foundation
import TestSupport
import Testing

@Suite struct HarnessTests {
    @Test func workerThatDiesByASignalIsNoticed() throws {
        let kamailio = try Kamailio(KamailioConfiguration())
        let worker = try #require(try kamailio.processes().first { $0.name.hasPrefix("udp receiver") })
        kill(pid_t(worker.pid), SIGABRT)
        #expect(kamailio.process.wait(10) != nil)
        #expect(!kamailio.diedBySignal.isEmpty)
        #expect(throws: HarnessError.self) { try kamailio.stop() }
    }

    @Test func nothingIsLeftOfAKamailio() throws {
        let configuration = KamailioConfiguration()
        let (pids, folder) = try Kamailio.with(configuration) { kamailio in
            let folder = (kamailio.configurationPath as NSString).deletingLastPathComponent
            return (try kamailio.processes().map(\.pid), folder)
        }
        #expect(pids.count > 2)
        #expect(waitUntil { pids.allSatisfy { kill(pid_t($0), 0) != 0 } })
        #expect(waitUntil { !FileManager.default.fileExists(atPath: folder) })
    }

    @Test func completeConfigurationRunsAsAUserWroteIt() throws {
        let relay = try ScriptedRelay()
        let text = """
            #!KAMAILIO
            listen=udp:192.0.2.1:5060
            listen=udp:192.0.2.2:5060
            loadmodule "sl.so"
            loadmodule "pv.so"
            loadmodule "rtpproxy.so"
            modparam("rtpproxy", "rtpproxy_sock", "\(relay.url)")
            request_route {
                rtpproxy_offer();
                sl_send_reply("200", "rc=$rc");
            }
            """
        try Kamailio.with(KamailioConfiguration(complete: text)) { kamailio in
            kamailio.waitUntilUp([relay])
            let call = try kamailio.call()
            call.send(call.request("INVITE", sdp: SDPText.audio()))
            #expect(call.caller.receive()?.startLine == "SIP/2.0 200 rc=1")
            #expect(relay.texts(of: call.id).count == 1)
        }
    }

    @Test func scriptedRelayKeepsItsAnswersUnderTheCookie() throws {
        let relay = try ScriptedRelay()
        let client = try UDPSocket()
        var answers: [String] = []
        for _ in 0..<2 {
            client.send(Array("abc U call 127.0.0.1 4000 tag;1".utf8), to: relay.endpoint)
            answers.append(String(decoding: client.receive(2000)?.bytes ?? [], as: UTF8.self))
        }
        #expect(answers == ["abc 35000 192.0.2.77\n", "abc 35000 192.0.2.77\n"])
        #expect(relay.log.map(\.attempt) == [1, 2])
        #expect(relay.commands(of: "call").count == 1)
    }
}
