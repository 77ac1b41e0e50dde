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
        }
        try Kamailio.with(configuration) { kamailio in
            let calls = try (0..<16).map { _ in try kamailio.call() }
            waitUntil(5) { (try? kamailio.relays().first?["disabled"]) == "0" }
            #expect(try calls[0].invite(run: .offer()).returnCodes == [1])
            calls[0].send(calls[0].request("BYE", run: .destroy()))
            let before = try #require(try drops(relay.control.port))
            let streams = (0..<8).map { SDPText.media("audio", 5000 + 2 * $0) }
            let sdp = SDPText.session(streams: streams)
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
            #expect(failed == 0)
            // Where the relay did not get to run for longer than a command waits, what was sent again came on top.
            let again = try kamailio.statistics().compactMap { Int($0["retransmissions"] ?? "") }.reduce(0, +)
            #expect(try #require(try drops(relay.control.port)) - before <= again)
        }
    }
}
