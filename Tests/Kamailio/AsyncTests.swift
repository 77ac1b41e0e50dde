// SPDX-License-Identifier: GPL-2.0-or-later
// Offers, answers and deletions that no worker waits for: what comes of them in the route that goes on.

import TestSupport
import Testing

/// Runs `body` with a Kamailio whose script is async.cfg. No transaction may be left afterwards that still waits.
func withAsyncStage<R>(
    _ relays: [ScriptedRelay], _ continuation: Continuation = .process,
    _ change: (inout KamailioConfiguration) -> Void = { _ in }, _ body: (Kamailio) throws -> R
) throws -> R {
    let routes = try PackageFolder.fixture("kamailio/async.cfg")
    return try Stage.own(relays) {
        $0.routes = routes
        $0.modules.append("textopsx")
        continuation.apply(&$0)
        $0.parameters.append(("tm", "fr_timer", "3000"))
        $0.parameters.append(("tm", "fr_inv_timer", "3000"))
        $0.parameters.append(("tm", "wt_timer", "1000"))
        change(&$0)
    } _: { kamailio in
        let result = try body(kamailio)
        // fr_timer and wt_timer of what was left unanswered are seconds.
        #expect(waitUntil(20) { (try? kamailio.kamcmd("tm.stats").contains("current: 0\n")) ?? false })
        return result
    }
}

@Suite struct AsyncTests {
    @Test(arguments: Continuation.allCases)
    func offerAndAnswerAreRewrittenWithoutAWorkerWaiting(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            relay.on { "UL".contains($0.verb) ? .delay(50, .normal) : nil }
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1])
            #expect(invite["X-Instance"] == relay.url)
            #expect(invite.lines.contains("c=IN IP4 192.0.2.77"))
            #expect(invite.lines.last == "a=nortpproxy:yes")
            let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(answered.returnCodes == [1])
            #expect(answered.lines.contains("c=IN IP4 192.0.2.77"))
            try call.ack()
            let bye = try call.bye(run: .destroy())
            #expect(bye.returnCodes == [1])
            #expect(bye["X-Type"] == "-")
            #expect(waitUntil(3) { relay.commands(of: call.id, "D").count == 1 })
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L", "D"])
        }
    }

    @Test(arguments: Continuation.allCases)
    func manageDoesWhatEachMessageAsksFor(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: .manage("co"))
            let early = try call.reply(183, to: invite, sdp: SDPText.audio(), run: .manage())
            let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .manage())
            #expect([invite, early, answered].map(\.returnCodes) == [[1], [1], [1]])
            try call.ack()
            #expect(try call.bye(run: .manage()).returnCodes == [1])
            #expect(waitUntil(3) { relay.commands(of: call.id).map(\.verb) == ["U", "L", "L", "D"] })
        }
    }

    @Test func lateOfferIsOfferedInThe200AndAnsweredInTheACK() throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay]) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(sdp: nil, run: .manage())
            let offered = try call.reply(to: invite, sdp: SDPText.audio(), run: .manage())
            let ack = try call.ack(sdp: SDPText.audio(), run: .manage())
            // The INVITE has nothing to manage, and an ACK has no transaction that could wait.
            #expect([invite, offered, ack].map(\.returnCodes) == [[-1], [1], [1]])
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L"])
            #expect(ack.lines.contains("c=IN IP4 192.0.2.77"))
        }
    }

    @Test(arguments: Continuation.allCases)
    func whatFailsGoesOnWithTheTwinsCodeAndTheMessageAsItCame(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) {
            $0.set("rtpproxy_tout_ms", 200)
            $0.set("rtpproxy_retr", 1)
            $0.set("rtpproxy_disable_tout", 1)
        } _: { kamailio in
            let full = try kamailio.call()
            relay.on(call: full.id) { $0.verb == "U" ? .reply("E72") : nil }
            let refused = try full.invite(run: .offer())
            #expect(refused.returnCodes == [-1])
            #expect(refused.text.hasSuffix(SDPText.audio()))
            let silent = try kamailio.call()
            relay.on(call: silent.id) { "UL".contains($0.verb) ? .drop : nil }
            let unanswered = try silent.invite(run: .offer())
            #expect(unanswered.returnCodes == [-3])
            #expect(unanswered.text.hasSuffix(SDPText.audio()))
            #expect(kamailio.waitUntilUp(within: 8))
            // A reply whose answer fails is relayed as it came.
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            relay.on(call: call.id) { $0.verb == "L" ? .reply("E50") : nil }
            let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(answered.returnCodes == [-1])
            #expect(answered.text.hasSuffix(SDPText.audio()))
        }
    }

    @Test func whatCanBeRefusedIsRefusedAtOnce() throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay]) { kamailio in
            let cases: [(run: Run, sdp: String?, code: Int)] = [
                (.offer("q"), SDPText.audio(), -1), (.offer(), nil, -1),
                (.offer(), SDPText.audio(extra: ["a=nortpproxy:yes"]), -2), (.answer(), SDPText.audio(), -1),
                (.manage(), nil, -1), (.destroy("y"), nil, -1),
            ]
            for (run, sdp, code) in cases {
                let call = try kamailio.call()
                let invite = try call.invite(sdp: sdp, run: run)
                #expect(invite.returnCodes == [code])
                #expect(invite["X-Type"] == "-")
            }
            #expect(try kamailio.kamcmd("rtpproxy.enable", relay.url, "0").isEmpty)
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            #expect(try kamailio.call().invite(run: .destroy()).returnCodes == [-1])
            #expect(kamailio.logLines("resumed").isEmpty)
        }
    }

    /// The core calls the route that goes on a failure route.
    @Test func manageInTheRouteThatGoesOnIsNoDeletion() throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay]) { kamailio in
            let call = try kamailio.call()
            relay.on(call: call.id) { $0.verb == "U" && $0.attempt == 1 ? .reply("E72") : nil }
            let again = try kamailio.call()
            #expect(try again.invite(run: Run.offer().then("manage")).returnCodes == [1, -2])
            #expect(relay.commands(of: again.id).map(\.verb) == ["U"])
            #expect(try call.invite(run: Run.offer().then("manage")).returnCodes == [-1, -1])
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "U"])
            // A request may wait once more, too.
            let twice = try kamailio.call()
            relay.on(call: twice.id) { relay.commands(of: $0.callID).count == 1 ? .reply("E72") : nil }
            #expect(try twice.invite(run: Run.offer().then("offer_async")).returnCodes == [-1, 1])
            // A reply may not.
            let invite = try kamailio.call()
            let received = try invite.invite(run: .offer())
            relay.on(call: invite.id) { $0.verb == "L" ? .reply("E50") : nil }
            let reply = try invite.reply(to: received, sdp: SDPText.audio(), run: Run.answer().then("manage_async"))
            #expect(reply.returnCodes == [-1, -1])
        }
    }

    /// The route goes on in another process than the one that chose.
    @Test(arguments: Continuation.allCases)
    func theChosenSetHoldsInTheRouteThatGoesOn(_ continuation: Continuation) throws {
        let relays = try [ScriptedRelay(), ScriptedRelay()]
        try withAsyncStage([relays[0]], continuation) {
            $0.set("rtpproxy_sock", "1 == \(relays[1].url)")
        } _: { kamailio in
            for set in [1, 0, 1] {
                let call = try kamailio.call()
                let offer = set == 0 ? Run.offer() : .offer(set: set)
                let invite = try call.invite(run: offer.then("destroy"))
                #expect(invite.returnCodes == [1, 1])
                #expect(invite["X-Stat"] == "60 11 22 33 0")
                #expect(relays[set].commands(of: call.id).map(\.verb) == ["U", "Q", "D"])
                #expect(relays[1 - set].commands(of: call.id).isEmpty)
                // The same in a reply.
                relays[set].on(call: call.id) { $0.verb == "L" ? .reply("40000 192.0.2.77") : nil }
                let answer = set == 0 ? Run.answer() : .answer(set: set)
                #expect(
                    try call.reply(to: invite, sdp: SDPText.audio(), run: answer.then("destroy")).returnCodes == [1, 1])
                #expect(relays[set].commands(of: call.id).map(\.verb) == ["U", "Q", "D", "L", "Q", "D"])
                #expect(relays[1 - set].commands(of: call.id).isEmpty)
                try call.ack()
            }
        }
    }

    @Test func branchesThatAFailureRouteAddsHaveTheEdits() throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay]) { kamailio in
            let call = try kamailio.call()
            let other = try UserAgent("carol")
            let first = try call.invite(run: Run.offer().with("X-Retry", other.uri).with("X-Late", "1"))
            call.send(call.response(486, to: first), from: .callee)
            let second = other.receive { $0.method == "INVITE" && $0.callID == call.id }
            #expect(second?.lines.filter { $0.hasPrefix("c=") } == ["c=IN IP4 192.0.2.77"])
            #expect(second?.lines.last == "a=nortpproxy:yes")
            other.send(try call.response(486, to: #require(second)), to: kamailio.endpoint())
            #expect(call.caller.receive { $0.status == 486 } != nil)
        }
    }

    /// tm keeps a request as it was when its transaction was made.
    @Test func bodyThatTheScriptHasReplacedSinceIsLeftAlone() throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay]) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: Run.offer().with("X-New-Body", "1"))
            #expect(invite.returnCodes == [-1])
            #expect(invite.text.hasSuffix(SDPText.audio()))
            #expect(waitUntil(3) { relay.commands(of: call.id).map(\.verb) == ["U", "D"] })
        }
    }

    @Test func noMoreWaitThanMay() throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay]) {
            $0.set("rtpproxy_async_max", 3)
        } _: { kamailio in
            relay.on { $0.verb == "U" ? .delay(1500, .normal) : nil }
            let calls = try (0..<6).map { _ in try kamailio.call() }
            for call in calls {
                call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer()))
                // The process counts what it has taken.
                #expect(
                    waitUntil(3) { !kamailio.logLines("ran", call.id).isEmpty || !relay.commands(of: call.id).isEmpty })
            }
            var codes: [Int] = []
            for call in calls {
                let invite = call.callee.receive { $0.method == "INVITE" && $0.callID == call.id }
                codes += invite?.returnCodes ?? []
            }
            #expect(codes == [1, 1, 1, -1, -1, -1])
            #expect(try kamailio.kamcmd("stats.get_statistics", "rtpproxy:").contains("async_refused = 3"))
            #expect(try kamailio.kamcmd("stats.get_statistics", "rtpproxy:").contains("async_under_way = 0"))
        }
    }

    @Test func kamailioEndsCleanlyWithCallsUnderWay() throws {
        let relay = try ScriptedRelay()
        let routes = try PackageFolder.fixture("kamailio/async.cfg")
        try Stage.own([relay]) {
            $0.routes = routes
            $0.modules.append("textopsx")
        } _: { kamailio in
            relay.on { $0.verb == "U" ? .delay(3000, .normal) : nil }
            let calls = try (0..<20).map { _ in try kamailio.call() }
            for call in calls { call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer())) }
            #expect(waitUntil(3) { Set(relay.log.filter { $0.verb == "U" }.map(\.callID)).count == calls.count })
        }
    }
}
