// SPDX-License-Identifier: GPL-2.0-or-later
// The asynchronous functions under their KEMI names, called from a script of app_jsdt.

import Foundation
import TestSupport
import Testing

/// Where the callbacks run.
enum Continuation: String, CaseIterable, Sendable {
    case process, workers

    /// Adds it to a configuration.
    func apply(_ configuration: inout KamailioConfiguration) {
        configuration.set("rtpproxy_async_continue", rawValue)
        if self == .workers { configuration.preamble += "async_workers=2\nasync_nonblock=yes\n" }
    }
}

@Suite struct KEMIAsyncTests {
    @Test(arguments: Continuation.allCases)
    func offerAndAnswerUnderTheirThreeNamesEach(continuation: Continuation) throws {
        try KEMIStage.run(continuation.apply) { stage in
            for (suffix, modifiers, sent, written) in KEMITests.media {
                let call = try stage.kamailio.call()
                let offer = script("rtpproxy_offer_async\(suffix)", flags: "rwie", ip: "203.0.113.5")
                let answer = script("rtpproxy_answer_async\(suffix)", flags: "rwie", ip: "203.0.113.5")
                let invite = try call.invite(run: offer)
                let answered = try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: answer)
                #expect([invite, answered].map(\.returnCodes) == [[1], [1]], "\(suffix)")
                #expect(
                    stage.relay.texts(of: call.id) == [
                        "U\(modifiers)c0,8,101 \(call.id) \(sent) 5004 \(call.fromTag);1",
                        "L\(modifiers)c0,8,101 \(call.id) \(sent) 6000 \(call.fromTag);1 \(call.toTag);1",
                    ])
                for message in [invite, answered] {
                    #expect(message.lines.contains("c=IN IP4 \(written)"))
                    #expect(message.lines.last == "a=nortpproxy:yes")
                }
            }
        }
    }

    @Test func manageUnderItsThreeNamesThroughAWholeCall() throws {
        try KEMIStage.run { stage in
            for (suffix, modifiers, sent, written) in KEMITests.media {
                let call = try stage.kamailio.call()
                let manage = script("rtpproxy_manage_async\(suffix)", flags: "rwie", ip: "203.0.113.5")
                let invite = try call.invite(run: manage)
                let answered = try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: manage)
                let bye = try call.bye(run: manage)
                #expect([invite, answered, bye].map(\.returnCodes) == [[1], [1], [1]], "\(suffix)")
                // The deletion did not wait: it came back in the run that had asked for it.
                #expect([invite, answered, bye].map { $0["X-Outside"] } == [nil, nil, ""])
                waitUntil(3) { stage.relay.commands(of: call.id).count == 3 }
                #expect(
                    stage.relay.texts(of: call.id) == [
                        "U\(modifiers)c0,8,101 \(call.id) \(sent) 5004 \(call.fromTag);1",
                        "L\(modifiers)c0,8,101 \(call.id) \(sent) 6000 \(call.fromTag);1 \(call.toTag);1",
                        "D \(call.id) \(call.fromTag) \(call.toTag)",
                    ])
                #expect(invite.lines.contains("c=IN IP4 \(written)"))
                #expect(answered.lines.contains("c=IN IP4 \(written)"))
            }
        }
    }

    @Test func lateOfferIsOfferedInTheReply() throws {
        try KEMIStage.run { stage in
            let call = try stage.kamailio.call()
            let invite = try call.invite(sdp: nil, run: script("rtpproxy_manage_async0"))
            #expect(invite.returnCodes == [-1])
            let offered = try call.reply(to: invite, sdp: SDPText.audio(), run: script("rtpproxy_manage_async0"))
            #expect(offered.returnCodes == [1])
            #expect(stage.relay.commands(of: call.id).map(\.verb) == ["U"])
        }
    }

    @Test func destroyUnderItsTwoNames() throws {
        try KEMIStage.run { stage in
            let call = try stage.kamailio.call()
            try call.invite(run: script("rtpproxy_offer_async0"))
            #expect(try call.bye(run: script("rtpproxy_destroy_async0")).returnCodes == [1])
            waitUntil(3) { stage.relay.commands(of: call.id, "D").count == 1 }
            #expect(try call.bye(run: script("rtpproxy_destroy_async", flags: "t")).returnCodes == [1])
            #expect(try call.bye(run: script("rtpproxy_destroy_async", flags: "k")).returnCodes == [-1])
            waitUntil(3) { stage.relay.commands(of: call.id, "D").count == 2 }
            #expect(
                stage.relay.texts(of: call.id, "D") == [
                    "D \(call.id) \(call.fromTag) \(call.toTag)", "D \(call.id) \(call.fromTag)",
                ])
        }
    }

    @Test func refusedCallIsDeletedInTheFailureRoute() throws {
        try KEMIStage.run { stage in
            for deletion in ["rtpproxy_manage_async0", "rtpproxy_destroy_async0"] {
                let call = try stage.kamailio.call()
                let run = script("rtpproxy_offer_async0").with("X-Failure-Do", deletion)
                try call.reply(486, to: call.invite(run: run))
                #expect(stage.kamailio.waitForLog("failure 1 \(call.id)") != nil)
                waitUntil(3) { stage.relay.commands(of: call.id).count == 2 }
                #expect(stage.relay.commands(of: call.id).map(\.verb) == ["U", "D"], "\(deletion)")
            }
        }
    }

    @Test func whatCanBeRefusedAtOnceDoesNotSuspend() throws {
        try KEMIStage.run { stage in
            let failures: [(run: Run, code: Int)] = [
                (script("rtpproxy_offer_async", flags: "k"), -1), (script("rtpproxy_offer_async_ip", flags: ""), -1),
                (script("rtpproxy_answer_async0"), -1), (script("rtpproxy_manage_async", flags: "k"), -1),
                (script("rtpproxy_offer_async0").with("X-Callback", ""), -1),
                (script("rtpproxy_offer_async0").with("X-Callback", String(repeating: "x", count: 64)), -1),
            ]
            for (run, code) in failures {
                let call = try stage.kamailio.call()
                let invite = try call.invite(run: run)
                #expect(invite.returnCodes == [code], "\(run)")
                #expect(invite["X-Outside"] == "")
                #expect(invite.text == SDPText.audio())
                #expect(stage.relay.commands(of: call.id).isEmpty)
            }
            let marked = SDPText.audio(extra: ["a=nortpproxy:yes"])
            let again = try stage.kamailio.call().invite(sdp: marked, run: script("rtpproxy_offer_async0"))
            #expect(again.returnCodes == [-2])
            _ = try stage.kamailio.kamcmd("rtpproxy.enable", stage.relay.url, "0")
            let run = script("rtpproxy_offer_async0").then("rtpproxy_destroy_async0")
            #expect(try stage.kamailio.call().invite(run: run).returnCodes == [-3, -1])
        }
    }

    @Test(arguments: Continuation.allCases)
    func whatFailsLaterIsToldInTheCallback(continuation: Continuation) throws {
        try KEMIStage.run {
            continuation.apply(&$0)
            $0.set("rtpproxy_tout_ms", 200)
            $0.set("rtpproxy_retr", 1)
        } _: { stage in
            let broken = try stage.kamailio.call()
            stage.relay.on(call: broken.id) { $0.verb == "U" ? .reply("E13") : nil }
            let refused = try broken.invite(run: script("rtpproxy_offer_async0"))
            #expect(refused.returnCodes == [-1])
            #expect(refused.text == SDPText.audio())
            #expect(stage.kamailio.waitForLog("resumed -1 \(broken.id)") != nil)
            // Nobody else is left in that set.
            let silent = try stage.kamailio.call()
            stage.other.on { _ in .drop }
            let alone = try silent.invite(run: script("rtpproxy_offer_async0", set: 4))
            #expect(alone.returnCodes == [-3])
            #expect(alone.text == SDPText.audio())
        }
    }

    @Test func callThatHasNoCallbackToGoOnInIsRefused() throws {
        try KEMIStage.run { stage in
            let call = try stage.kamailio.call()
            let run = script("rtpproxy_offer_async0").with("X-Callback", "nobody")
            call.send(call.request("INVITE", sdp: SDPText.audio(), run: run))
            let answer = call.caller.receive { $0.status >= 300 && $0.callID == call.id }
            #expect(answer?.status == 500)
            // The next one goes on as ever.
            let next = try stage.kamailio.call().invite(run: script("rtpproxy_offer_async0"))
            #expect(next.returnCodes == [1])
        }
    }

    @Test func withoutProcessesTheFunctionsFail() throws {
        try KEMIStage.run {
            $0.set("rtpproxy_async_processes", 0)
        } _: { stage in
            let run = script("rtpproxy_offer_async0").then("rtpproxy_destroy_async0")
            let invite = try stage.kamailio.call().invite(run: run)
            #expect(invite.returnCodes == [-1, -1])
            #expect(invite.text == SDPText.audio())
        }
    }
}
