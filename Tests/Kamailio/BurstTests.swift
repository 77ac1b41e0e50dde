// SPDX-License-Identifier: GPL-2.0-or-later
// Many workers at once: a real RTPProxy's receive buffer never runs over.

import Foundation
import TestSupport
import Testing

@Suite struct BurstTests {
    /// How many datagrams the kernel has thrown away for want of room in the buffer of the socket at `port`.
    private func drops(_ port: UInt16) throws -> Int? {
        let local = "0100007F:" + String(format: "%04X", port)
        for words in try systemUDPSockets() {
            if words.count > 12, words[1] == local { return Int(words[words.count - 1]) }
        }
        return nil
    }

    @Test func burstsOfManyWorkersLoseNothing() throws {
        let relay = try RealRelay()
        defer { relay.stop() }
        let configuration = try Stage.configuration {
            $0.children = 16
            $0.set("rtpproxy_sock", relay.url)
            // Longer than RTPProxy may have to wait for a processor.
            $0.set("rtpproxy_tout_ms", 4000)
        }
        try Kamailio.with(configuration) { kamailio in
            let calls = try (0..<16).map { _ in try kamailio.call() }
            kamailio.waitUntilUp()
            #expect(try calls[0].invite(run: .offer()).returnCodes == [1])
            calls[0].send(calls[0].request("BYE", run: .destroy()))
            let streams = (0..<8).map { SDPText.media("audio", 5000 + 2 * $0) }
            let sdp = SDPText.session(streams: streams)
            // Where RTPProxy does not get to run for a while, what is sent again comes on top: on a crowded machine it has
            // five tries. Without the bound each of them loses a third of the commands.
            var found: [(failed: Int, lost: Int)] = []
            repeat {
                let before = try #require(try drops(relay.control.port))
                let failed = try burst(calls, sdp)
                found.append((failed, try #require(try drops(relay.control.port)) - before))
                // Nothing fails that has not been lost.
                #expect(found.last.map { $0.failed == 0 || $0.lost > 0 } == true, "\(found)")
            } while found.count < 5 && found.last ?? (0, 0) != (0, 0)
            #expect(found.last ?? (1, 1) == (0, 0), "requests that failed and commands that were lost: \(found)")
        }
    }

    /// All calls begin at once and end at once, 24 times. How many requests failed.
    private func burst(_ calls: [Call], _ sdp: String) throws -> Int {
        var failed = 0
        for _ in 0..<24 {
            for call in calls {
                call.id = UUID().uuidString
                call.send(call.request("INVITE", sdp: sdp, run: .offer()))
            }
            for call in calls {
                let invite = call.callee.receive { $0.method == "INVITE" && $0.callID == call.id }
                if invite?.returnCodes != [1] { failed += 1 }
            }
            // Its ports are few: each round gives them back.
            for call in calls { call.send(call.request("BYE", run: .destroy())) }
            for call in calls {
                let bye = call.callee.receive { $0.method == "BYE" && $0.callID == call.id }
                if bye?.returnCodes != [1] { failed += 1 }
            }
        }
        return failed
    }
}
