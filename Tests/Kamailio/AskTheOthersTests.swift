// SPDX-License-Identifier: GPL-2.0-or-later
// A call whose relay does not know it is found where it is: after a restart of Kamailio, or beside another one.

import Foundation
import TestSupport
import Testing

@Suite struct AskTheOthersTests {
    /// A call that the last of `relays` has, although the rule and this Kamailio know nothing of it.
    private func strayCall(_ kamailio: Kamailio, _ relays: [ScriptedRelay], _ verb: String = "U") throws -> Call {
        let call = try kamailio.call()
        call.choose(0, of: relays.map { _ in 1 })
        // Another proxy's offer, say.
        let socket = try UDPSocket(.ipv4)
        let holder = try #require(relays.last)
        let command = "stray-\(UUID().uuidString) U \(call.id) 127.0.0.1 4000 \(call.fromTag);1"
        socket.send(Array(command.utf8), to: holder.endpoint)
        try #require(waitUntil(5) { !holder.commands(of: call.id, "U").isEmpty })
        return call
    }

    @Test(arguments: [2, 12])
    func anAnswerFindsItsCallWhereverItIs(count: Int) throws {
        let relays = try (0..<count).map { _ in try ScriptedRelay() }
        try Stage.own(relays) { kamailio in
            let holder = relays[count - 1]
            let call = try strayCall(kamailio, relays)
            let invite = try call.invite()
            let reply = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(reply.returnCodes == [1] && reply.instance == holder.url)
            #expect(reply.text.contains("c=IN IP4 192.0.2.77"))
            // Each has been sent it before the last one has; a busy machine lets it arrive later.
            waitUntil(5) { relays.allSatisfy { $0.texts(of: call.id, "L").count == 1 } }
            for relay in relays { #expect(relay.texts(of: call.id, "L").count == 1) }
            // Found is remembered.
            let again = try call.reply(to: call.invite(inDialog: true), sdp: SDPText.audio(), run: .answer())
            #expect(again.returnCodes == [1] && again.instance == holder.url)
            #expect(holder.texts(of: call.id, "L").count == 2)
            for relay in relays.dropLast() { #expect(relay.texts(of: call.id, "L").count == 1) }
            #expect(kamailio.faultLines.isEmpty, "\(kamailio.faultLines)")
        }
    }

    @Test(arguments: ["record", "stream2uac", "stop2uac", "destroy"])
    func commandsFindTheirCallWhereverItIs(function: String) throws {
        let relays = try (0..<5).map { _ in try ScriptedRelay() }
        try Stage.own(relays) { kamailio in
            let call = try strayCall(kamailio, relays)
            let run = function.hasPrefix("stream") ? Run(function, prompt: "p", count: 1) : Run(function)
            let invite = try call.invite(run: run, inDialog: true)
            #expect(invite.returnCodes == [1] && invite.instance == relays[4].url)
            if function == "destroy" { #expect(relays[4].texts(of: call.id, "D").count == 1) }
        }
    }

    @Test func statisticsFindTheirCallWhereverItIs() throws {
        let relays = try (0..<5).map { _ in try ScriptedRelay() }
        try Stage.own(relays) { kamailio in
            let call = try strayCall(kamailio, relays)
            let invite = try call.invite(run: Run("stat"), inDialog: true)
            #expect(invite["X-Stat"]?.contains("60 11 22 33 0") == true, "\(invite.headers)")
        }
    }

    /// Unknown everywhere: an answer fails with a line that says so, and a deletion is done.
    @Test func whatNobodyKnowsIsUnknown() throws {
        let relays = try (0..<9).map { _ in try ScriptedRelay() }
        try Stage.own(relays) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite()
            let reply = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(reply.returnCodes == [-1] && reply.text == SDPText.audio())
            #expect(kamailio.logLines("session unknown at the relay", call.id).count == 1)
            #expect(try call.invite(run: .destroy(), inDialog: true).returnCodes == [1])
            for relay in relays { #expect(relay.texts(of: call.id).count == 2) }
            #expect(try kamailio.relays().allSatisfy { $0["disabled"] == "0" })
        }
    }

    /// The table of calls goes with Kamailio, and the rule gives another relay than it did then.
    @Test func callsAreFoundAfterARestart() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        var calls: [String] = []
        try Stage.own(relays) { kamailio in
            _ = try kamailio.kamcmd("rtpproxy.enable", relays[0].url, "0")
            for _ in 0..<10 {
                let call = try kamailio.call()
                #expect(try call.invite(run: .offer()).returnCodes == [1])
                calls.append(call.id)
            }
        }
        try Stage.own(relays) { kamailio in
            for id in calls {
                let call = try kamailio.call()
                call.id = id
                let reply = try call.reply(to: call.invite(), sdp: SDPText.audio(), run: .answer())
                #expect(reply.returnCodes == [1])
                #expect(try call.invite(run: .destroy(), inDialog: true).returnCodes == [1])
            }
        }
        for id in calls { #expect(relays.flatMap { $0.ports(of: id) }.isEmpty) }
    }

    @Test func asynchronousAnswersAndDeletionsFindTheirCalls() throws {
        let relays = try (0..<10).map { _ in try ScriptedRelay() }
        try withAsyncStage(relays) { kamailio in
            let call = try strayCall(kamailio, relays)
            let reply = try call.reply(to: call.invite(), sdp: SDPText.audio(), run: .answer())
            #expect(reply.text.contains("c=IN IP4 192.0.2.77"))
            try call.ack()
            _ = try call.bye(run: .destroy())
            #expect(waitUntil(5) { relays[9].commands(of: call.id, "D").count == 1 })
        }
    }

    // MARK: - Hedging

    /// Where nobody remembers who has the call, or the operator wants it so, a slow relay is waited for.
    @Test(arguments: ["rtpproxy_call_table_size", "rtpproxy_hedging"])
    func aSlowRelayHasNoCompany(parameter: String) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays) {
            $0.set(parameter, 0)
        } _: { kamailio in
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            relays[0].on { $0.verb == "U" ? .delay(900, .normal) : nil }
            let invite = try call.invite(run: .offer())
            #expect(invite.returnCodes == [1] && invite.instance == relays[0].url)
            #expect(relays[1].texts(of: call.id).isEmpty)
        }
    }
}
