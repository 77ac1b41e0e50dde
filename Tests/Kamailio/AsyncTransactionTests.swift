// SPDX-License-Identifier: GPL-2.0-or-later
// What SIP may do to a transaction while it waits: retransmissions, CANCEL, time-outs, forks, replies that overtake.

import TestSupport
import Testing

@Suite struct AsyncTransactionTests {
    @Test(arguments: Continuation.allCases)
    func retransmittedINVITEChangesNothing(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            relay.on { $0.verb == "U" ? .delay(600, .normal) : nil }
            let call = try kamailio.call()
            let request = call.request("INVITE", sdp: SDPText.audio(), run: .offer())
            call.send(request)
            #expect(waitUntil(3) { !relay.commands(of: call.id).isEmpty })
            for _ in 0..<3 { call.send(request) }
            let invite = call.callee.receive { $0.method == "INVITE" }
            #expect(invite?.returnCodes == [1])
            // Its own retransmissions begin half a second later.
            #expect(call.callee.receive(300) { $0.method == "INVITE" } == nil)
            #expect(relay.commands(of: call.id, "U").count == 1)
            try call.reply(486, to: #require(invite))
        }
    }

    @Test(arguments: Continuation.allCases)
    func cancelledCallIsDeletedAgain(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            relay.on { $0.verb == "U" ? .delay(400, .normal) : nil }
            let call = try kamailio.call()
            let invite = call.request("INVITE", sdp: SDPText.audio(), run: .offer())
            call.send(invite)
            #expect(waitUntil(3) { !relay.commands(of: call.id).isEmpty })
            var cancel = call.request("CANCEL")
            cancel["Via"] = invite["Via"]
            call.send(cancel)
            #expect(call.caller.receive { $0.status == 200 && $0.method == "CANCEL" } != nil)
            #expect(call.caller.receive { $0.status == 487 } != nil)
            #expect(waitUntil(3) { relay.commands(of: call.id).map(\.verb) == ["U", "D"] })
            #expect(call.callee.receive(100) { $0.callID == call.id } == nil)
            #expect(kamailio.logLines("resumed", call.id).isEmpty)
        }
    }

    @Test func callThatTimesOutWhileItWaitsIsDeletedAgain() throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay]) {
            $0.parameters.append(("tm", "fr_timer", "500"))
            $0.parameters.append(("tm", "fr_inv_timer", "500"))
        } _: { kamailio in
            relay.on { $0.verb == "U" ? .delay(1500, .normal) : nil }
            let call = try kamailio.call()
            call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer()))
            #expect(call.caller.receive { $0.status >= 400 } != nil)
            #expect(waitUntil(4) { relay.commands(of: call.id).map(\.verb) == ["U", "D"] })
            #expect(kamailio.logLines("resumed", call.id).isEmpty)
        }
    }

    /// What needs no media does not wait for what a 183 waits for.
    @Test(arguments: Continuation.allCases)
    func replyThatOvertakesAnotherIsRelayed(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            relay.on(call: call.id) { $0.verb == "L" ? .delay(400, .normal) : nil }
            call.send(call.response(183, to: invite, sdp: SDPText.audio(port: 6001), run: .answer()), from: .callee)
            #expect(waitUntil(3) { !relay.commands(of: call.id, "L").isEmpty })
            let answered = try call.reply(to: invite)
            #expect(answered.returnCodes == [])
            try call.ack()
            // An answer that comes too late belongs to no command any more.
            #expect(call.caller.receive(600) { $0.status == 183 } == nil)
            try call.bye(run: .destroy())
        }
    }

    /// A lost command holds up those behind it: the last address that RTPProxy learns is that of the last reply.
    @Test(arguments: Continuation.allCases)
    func commandsOfACallKeepTheirOrderWhereOneIsLost(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            relay.on(call: call.id) { command in
                command.verb == "L" && command.text.contains(" 6001 ") && command.attempt < 3 ? .drop : nil
            }
            call.send(call.response(183, to: invite, sdp: SDPText.audio(port: 6001), run: .answer()), from: .callee)
            #expect(waitUntil(3) { !relay.commands(of: call.id, "L").isEmpty })
            call.send(call.response(200, to: invite, sdp: SDPText.audio(port: 6002), run: .answer()), from: .callee)
            let statuses = (0..<2).compactMap { _ in
                call.caller.receive(1500) { !$0.isRequest && $0.status > 100 && $0.callID == call.id }?.status
            }
            // Of two workers the one with the 200 may be the faster one.
            #expect(statuses == [183, 200] || continuation == .workers && statuses == [200])
            #expect(answered(relay, call).suffix(2).map { $0.words[3] } == ["6001", "6002"])
            try call.ack()
        }
    }

    /// The CANCEL's deletion comes behind the offer that is being lost.
    @Test func deletionDoesNotOvertakeItsOffer() throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay]) { kamailio in
            let call = try kamailio.call()
            relay.on(call: call.id) { $0.verb == "U" && $0.attempt < 3 ? .drop : nil }
            let invite = call.request("INVITE", sdp: SDPText.audio(), run: .offer())
            call.send(invite)
            #expect(waitUntil(3) { !relay.commands(of: call.id).isEmpty })
            var cancel = call.request("CANCEL", run: .destroy())
            cancel["Via"] = invite["Via"]
            call.send(cancel)
            #expect(call.caller.receive { $0.status == 487 } != nil)
            #expect(waitUntil(5) { relay.commands(of: call.id, "D").count == 2 })
            #expect(answered(relay, call).map(\.verb) == ["U", "D", "D"])
        }
    }

    /// The commands of a call that were not dropped, in the order of their arrival.
    private func answered(_ relay: ScriptedRelay, _ call: Call) -> [RelayCommand] {
        var cookies: Set<String> = []
        return relay.log.filter { $0.callID == call.id }.reversed().filter { cookies.insert($0.cookie).inserted }
            .reversed()
    }

    @Test(arguments: Continuation.allCases)
    func earlyReplyAndItsFinalOneArriveInOrder(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            relay.on(call: call.id) { $0.verb == "L" ? .delay(150, .normal) : nil }
            for (place, status) in [183, 200].enumerated() {
                call.send(call.response(status, to: invite, sdp: SDPText.audio(), run: .answer()), from: .callee)
                // Two workers may be at them: the first waits before the second comes.
                if place == 0 { waitUntil(2, every: 1) { !relay.commands(of: call.id, "L").isEmpty } }
            }
            let replies = (0..<2).compactMap { _ in
                call.caller.receive(3000) { !$0.isRequest && $0.status > 100 && $0.callID == call.id }
            }
            #expect(replies.map(\.status) == [183, 200] || continuation == .workers && replies.first?.status == 200)
            #expect(replies.allSatisfy { $0.returnCodes == [1] && $0.lines.contains("c=IN IP4 192.0.2.77") })
            try call.ack()
        }
    }

    @Test(arguments: Continuation.allCases)
    func branchesOfAForkWaitSideBySide(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            let call = try kamailio.call()
            let other = try UserAgent("carol")
            let first = try call.invite(run: Run.offer().with("X-Fork", other.uri))
            let second = try #require(other.receive { $0.method == "INVITE" && $0.callID == call.id })
            #expect([first, second].map(\.returnCodes) == [[1], [1]])
            relay.on(call: call.id) { $0.verb == "L" ? .delay(300, .normal) : nil }
            call.send(call.response(183, to: first, sdp: SDPText.audio(port: 6001), run: .answer()), from: .callee)
            other.send(
                call.response(183, to: second, sdp: SDPText.audio(port: 6002), run: .answer()), to: kamailio.endpoint())
            for _ in 0..<2 {
                let early = call.caller.receive { $0.status == 183 && $0.callID == call.id }
                #expect(early?.returnCodes == [1])
                #expect(early?.lines.contains("c=IN IP4 192.0.2.77") == true)
            }
            // One branch refuses while the other waits: neither is lost.
            call.send(call.response(183, to: first, sdp: SDPText.audio(port: 6003), run: .answer()), from: .callee)
            #expect(waitUntil(3) { relay.commands(of: call.id, "L").count == 3 })
            other.send(call.response(486, to: second), to: kamailio.endpoint())
            #expect(other.receive { $0.method == "ACK" } != nil)
            #expect(call.caller.receive { $0.status == 183 && $0.callID == call.id }?.returnCodes == [1])
            let answered = try call.reply(to: first, sdp: SDPText.audio(port: 6001), run: .answer())
            #expect(answered.returnCodes == [1])
            try call.ack()
        }
    }

    @Test(arguments: Continuation.allCases)
    func twoXXThatHasCrossedACancelIsRelayed(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay], continuation) { kamailio in
            let call = try kamailio.call()
            let request = call.request("INVITE", sdp: SDPText.audio(), run: .offer())
            let invite = try call.deliver(request)
            try call.reply(180, to: invite)
            relay.on(call: call.id) { $0.verb == "L" ? .delay(400, .normal) : nil }
            call.send(call.response(200, to: invite, sdp: SDPText.audio(), run: .answer()), from: .callee)
            #expect(waitUntil(3) { !relay.commands(of: call.id, "L").isEmpty })
            var cancel = call.request("CANCEL")
            cancel["Via"] = request["Via"]
            call.send(cancel)
            let answered = call.caller.receive {
                $0.status == 200 && $0.sequence == invite.sequence && $0.method == "INVITE"
            }
            #expect(answered?.returnCodes == [1])
            try call.ack()
        }
    }

    @Test func repliesAreRetransmittedAndRewrittenEachTime() throws {
        let relay = try ScriptedRelay()
        try withAsyncStage([relay]) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            for _ in 0..<3 {
                let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
                #expect(answered.returnCodes == [1])
                #expect(answered.lines.contains("c=IN IP4 192.0.2.77"))
            }
            try call.ack()
        }
    }
}
