// SPDX-License-Identifier: GPL-2.0-or-later
// One destination after the other in a script of app_jsdt: its failure functions get the treatment of failure routes.

import Foundation
import TestSupport
import Testing

/// What Tests/Fixtures/kamailio/kemi-forks.js calls for a call that goes from one destination to the next.
private struct Script: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var first = ""
    /// Before the second, third and fourth destination.
    var failed: [String]
    var branch = ""
    var last = ""
    /// The letters of the commands for a call that three destinations refuse, and the fourth takes: without the BYE's.
    var taken: String
    /// The same for one that the fourth refuses, too.
    var refused: String
    var reply = "answer"

    init(
        _ testDescription: String, first: String = "", failed: [String], branch: String = "", last: String = "",
        taken: String, refused: String, reply: String = "answer"
    ) {
        self.testDescription = testDescription
        (self.first, self.failed, self.branch, self.last, self.reply) = (first, failed, branch, last, reply)
        (self.taken, self.refused) = (taken, refused)
    }
}

private func thrice(_ functions: String) -> [String] { Array(repeating: functions, count: 3) }

private let scripts: [Script] = [
    Script(
        "destroy and offer", first: "offer", failed: thrice("destroy offer"), last: "destroy", taken: "UDUDUDUL",
        refused: "UDUDUDUD"),
    Script(
        "offer alone", first: "offer", failed: thrice("offer"), last: "destroy", taken: "UUUUL", refused: "UUUUD"),
    Script(
        "destroy, and an offer in the branch route", first: "offer", failed: thrice("destroy"), branch: "offer",
        last: "destroy", taken: "UDUDUDUL", refused: "UDUDUDUD"),
    Script(
        "other flags and another set", first: "offer",
        failed: ["destroy offer_r", "destroy set offer", "destroy offer"],
        last: "destroy", taken: "UDUDUDUL", refused: "UDUDUDUD"),
    Script("manage alone", first: "manage", failed: thrice("manage"), last: "manage", taken: "UL", refused: "UD"),
    Script("manage, and nothing at the end", first: "manage", failed: thrice("manage"), taken: "UL", refused: "UD"),
    Script(
        "manage and offer", first: "manage", failed: thrice("manage offer"), last: "manage", taken: "UUUUL",
        refused: "UUUUD"),
    Script(
        "asynchronous", first: "offer_async", failed: thrice("destroy_async offer_async"), last: "destroy_async",
        taken: "UDUDUDUL", refused: "UDUDUDUD", reply: "answer_async"),
    Script(
        "by turns", first: "offer_async", failed: ["destroy offer", "destroy_async offer_async", "destroy offer"],
        last: "destroy_async", taken: "UDUDUDUL", refused: "UDUDUDUD", reply: "answer_async"),
    Script(
        "asynchronous manage", first: "manage_async", failed: thrice("manage_async"), last: "manage_async",
        taken: "UL", refused: "UD", reply: "manage_async"),
    Script(
        "asynchronous manage and offer", first: "manage_async", failed: thrice("manage_async offer_async"),
        last: "manage_async", taken: "UUUUL", refused: "UUUUD", reply: "answer_async"),
]

@Suite struct KEMISerialForkTests {
    /// Sends two calls to four destinations, the last of which takes the first call and refuses the second.
    @Test(arguments: scripts, Continuation.allCases)
    fileprivate func eachDestinationHasTheNewestOfferAndTheCallOneDeletion(
        script: Script, continuation: Continuation
    ) throws {
        let relay = try ScriptedRelay()
        SerialFork.answer(relay)
        try Stage.own([relay]) {
            $0.modules.append("app_jsdt")
            let file = "\"\(PackageFolder.root)/Tests/Fixtures/kamailio/kemi-forks.js\""
            $0.parameters.append(("app_jsdt", "load", file))
            $0.parameters.append(("tm", "wt_timer", "1000"))
            $0.set("rtpproxy_sock", "1 == \(relay.url)")
            $0.routes = "cfgengine \"jsdt\""
            continuation.apply(&$0)
        } _: { kamailio in
            var ends: [(call: Call, letters: String)] = []
            for isTaken in [true, false] {
                let call = try kamailio.call()
                let others = try (0..<3).map { try UserAgent("next\($0)") }
                let last = try SerialFork.refusedThrice(kamailio, relay, call, others) {
                    $0["X-First"] = script.first
                    $0["X-Failed"] = script.failed.joined(separator: ",")
                    $0["X-Branch"] = script.branch
                    $0["X-Last"] = script.last
                    $0["X-Reply"] = script.reply
                }
                let sdp = isTaken ? SDPText.audio(port: 7000) : nil
                var answer = call.response(isTaken ? 200 : 486, to: last, sdp: sdp)
                // Replies have headers of their own.
                answer["X-Reply"] = script.reply
                others[2].send(answer, to: kamailio.endpoint())
                let final = try #require(call.caller.receive { $0.status >= 200 && $0.callID == call.id })
                #expect(final.status == answer.status)
                if isTaken {
                    #expect(final.lines.filter { $0.hasPrefix("c=") } == ["c=IN IP4 192.0.2.77"])
                    #expect(final.lines.filter { $0.hasPrefix("m=") } == ["m=audio 50000 RTP/AVP 0 8 101"])
                }
                let expected = isTaken ? script.taken : script.refused
                #expect(
                    waitUntil(5) { SerialFork.letters(relay, call) == expected },
                    "\(SerialFork.letters(relay, call)) instead of \(expected)")
                ends.append((call, expected))
            }
            #expect(SerialFork.ended(kamailio))
            // Nothing has come behind it.
            for (call, letters) in ends { #expect(SerialFork.letters(relay, call) == letters) }
            #expect(kamailio.diedBySignal.isEmpty)
        }
    }
}
