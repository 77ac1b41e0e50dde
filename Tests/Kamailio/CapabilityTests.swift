// SPDX-License-Identifier: GPL-2.0-or-later
// A relay is not asked for what it does not announce.

import Foundation
import TestSupport
import Testing

@Suite struct CapabilityTests {
    /// What rtpengine's legacy port announces.
    private static let few: Set<String> = ["20040107", "20050322", "20060704"]

    private func run(
        without capabilities: Set<String>, _ body: (Kamailio, ScriptedRelay, Call) throws -> Void
    ) throws {
        let relay = try ScriptedRelay(capabilities: capabilities)
        try Stage.own([relay], { $0.set("timeout_socket", "unix:/run/timeouts") }) { kamailio in
            kamailio.waitUntilUp()
            try body(kamailio, relay, kamailio.call())
        }
    }

    @Test func aRelayOfTheBaseProtocolIsSentNothingElse() throws {
        try run(without: Self.few) { kamailio, relay, call in
            let invite = try call.invite(run: .offer("z20"))
            #expect(invite.returnCodes == [1])
            #expect(try call.reply(to: invite, sdp: SDPText.audio(), run: .answer()).returnCodes == [1])
            for function in ["record", "stream2uac", "stream2uas", "stop2uac", "stop2uas"] {
                let got = try call.deliver(call.request("INFO", run: Run(function, prompt: "p")))
                #expect(got.returnCodes == [-1], "\(function)")
            }
            let asked = try call.deliver(call.request("INFO", run: Run("stat")))
            #expect(asked["X-Stat"] == "<null>" && asked["X-Stat-2"] == "<null>")
            try call.bye(run: .destroy())
            #expect(
                relay.texts(of: call.id) == [
                    "U \(call.id) 127.0.0.1 5004 \(call.fromTag);1",
                    "L \(call.id) 127.0.0.1 5004 \(call.fromTag);1 \(call.toTag);1",
                    "D \(call.id) \(call.fromTag) \(call.toTag)",
                ])
            #expect(kamailio.logLines("ERROR", call.id, relay.url, "does not record").count == 1)
            #expect(kamailio.logLines("WARNING", relay.url, "timeout_socket is left out").count == 1)
            // A $rtpstat without an answer is not logged.
            #expect(kamailio.logLines("ERROR", "statistics").isEmpty)
        }
    }

    /// Each missing date costs what it stands for and nothing else.
    @Test(arguments: ["20071116", "20071218", "20080403", "20081102", "20081224"])
    func eachDateStandsForItself(date: String) throws {
        try run(without: ScriptedRelay.allCapabilities.subtracting([date])) { _, relay, call in
            try call.invite(run: .offer("z20"))
            for function in ["record", "stream2uac", "stat"] {
                try call.deliver(call.request("INFO", run: Run(function, prompt: "p")))
            }
            let offer = try #require(relay.commands(of: call.id, "U").first)
            #expect(offer.modifiers.contains("Z20") == (date != "20071116"))
            #expect(offer.modifiers.contains("c0") == (date != "20081102"))
            #expect(offer.text.contains("unix:/run/timeouts") == (date != "20081224"))
            #expect(relay.commands(of: call.id, "R").isEmpty == (date == "20071218"))
            #expect(relay.commands(of: call.id, "Q").isEmpty == (date == "20080403"))
            #expect(relay.commands(of: call.id, "P").isEmpty == (date == "20081102"))
        }
    }
}
