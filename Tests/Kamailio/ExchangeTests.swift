// SPDX-License-Identifier: GPL-2.0-or-later
// How commands travel: all of a message at once, under cookies that nobody else has.

import Foundation
import TestSupport
import Testing

@Suite struct ExchangeTests {
    /// The parent of the module's own process is process 1 there, which elsewhere means that the server has gone.
    @Test(.enabled(if: Kamailio.canBeFirstProcess, "needs PID namespaces"))
    func serverThatIsTheFirstProcessOfAContainerStays() throws {
        let relay = try ScriptedRelay()
        let configuration = try Stage.configuration {
            $0.set("rtpproxy_sock", relay.url)
            $0.isFirstProcess = true
        }
        #expect(try Kamailio.stays(configuration, milliseconds: 1500))
    }

    @Test func commandsOfAllStreamsAreUnderWayTogether() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "U" ? .delay(400, .normal) : nil }
        let streams = (0..<8).map { SDPText.media("audio", 5000 + 2 * $0) }
        let invite = try call.invite(sdp: SDPText.session(streams: streams), run: .offer())
        #expect(invite.returnCodes == [1])
        let times = stage.relay.commands(of: call.id, "U").map(\.time)
        #expect(times.count == 8)
        // One after the other, the last would come 2800 ms after the first.
        #expect((times.max() ?? 0) - (times.min() ?? 0) < 400)
    }

    @Test func cookiesAreLongAndNeverTheSame() throws {
        let stage = try Stage.shared()
        for _ in 0..<20 { try stage.call().invite(run: .offer().then("destroy")) }
        let commands = stage.relay.log.filter { $0.attempt == 1 && $0.verb != "V" && $0.verb != "VF" }
        let cookies = commands.map(\.cookie)
        #expect(cookies.count >= 40)
        #expect(Set(cookies).count == cookies.count)
        // 64 bits are 11 characters of a 64-letter alphabet; no character is the same in all of them.
        try #require(cookies.allSatisfy { $0.count >= 11 })
        let shared = (0..<11).filter { place in Set(cookies.map { Array($0)[place] }).count == 1 }
        #expect(shared.isEmpty)
    }

    @Test func eachProcessHasItsOwnSocket() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.children = 4
        } _: { kamailio in
            // All four workers are busy at the same time.
            relay.on { $0.verb == "U" ? .delay(300, .normal) : nil }
            let calls = try (0..<4).map { _ in try kamailio.call() }
            for call in calls { call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer())) }
            for call in calls {
                let invite = call.callee.receive { $0.method == "INVITE" }
                #expect(invite?.returnCodes == [1])
            }
            #expect(Set(relay.log.filter { $0.verb == "U" }.map(\.sender)).count == 4)
        }
    }

    @Test func restartedRelayIsFoundAgainByTheSameProcess() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.children = 1
        } _: { kamailio in
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
            relay.shut()
            try relay.reopen()
            let invite = try kamailio.call().invite(run: .offer())
            #expect(invite.returnCodes == [1])
        }
    }

    @Test func workersAndModuleEndCleanlyUnderLoad() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.set("rtpproxy_tout", 3)
        } _: { kamailio in
            relay.on { $0.verb == "U" ? .delay(1500, .normal) : nil }
            let calls = try (0..<8).map { _ in try kamailio.call() }
            for call in calls { call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer())) }
            waitUntil(2) { relay.log.contains { $0.verb == "U" } }
            // Stage.own now ends Kamailio, while its workers wait for answers.
        }
    }
}
