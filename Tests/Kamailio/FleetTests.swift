// SPDX-License-Identifier: GPL-2.0-or-later
// Calls whose messages come to several Kamailios, which share by dmq which relay has which call.

import Foundation
import TestSupport
import Testing

@Suite struct FleetTests {
    /// A call that the first host's rule gives to the first relay, and that of the others to the last one.
    private func offeredCall(_ fleet: KamailioFleet, _ relays: [ScriptedRelay]) throws -> (Call, SIPMessage) {
        let call = try fleet.call()
        call.choose(0, of: relays.map { _ in 1 })
        fleet.choose(0)
        let invite = try call.invite(run: .offer())
        #expect(invite.returnCodes == [1] && invite.instance == relays[0].url)
        return (call, invite)
    }

    @Test func eachHostAsksTheRelayThatHasTheCall() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        try KamailioFleet.with(3, relays: relays) { fleet in
            let (call, invite) = try offeredCall(fleet, relays)
            let answer = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            #expect(answer.returnCodes == [1])
            try call.ack()
            #expect(fleet.waitForCalls(1, 1) && fleet.waitForCalls(2, 1))
            fleet.choose(1)
            let again = try call.invite(run: .offer(), inDialog: true)
            #expect(again.returnCodes == [1] && again.instance == relays[0].url)
            let answered = try call.reply(to: again, sdp: SDPText.audio(), run: .answer())
            #expect(answered.returnCodes == [1] && answered.instance == relays[0].url)
            try call.ack()
            fleet.choose(2)
            _ = try call.bye(run: .destroy())
            #expect(relays[0].commands(of: call.id).map(\.verb) == ["U", "L", "U", "L", "D"])
            for relay in relays.dropFirst() { #expect(relay.texts(of: call.id).isEmpty) }
            for host in 0..<3 {
                #expect(fleet.waitForCalls(host, 0))
                #expect(try fleet[host].faultLines.isEmpty)
                #expect(try fleet.counter(host, "dmq_refused") == 0)
            }
            #expect(try fleet.counter(0, "dmq_sent") >= 1 && fleet.counter(1, "dmq_received") >= 2)
        }
    }

    /// What one host offered in a 200 another one answers in the ACK.
    @Test func aLateOfferIsAnsweredAtAnotherHost() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try KamailioFleet.with(2, relays: relays) { fleet in
            let call = try fleet.call()
            call.choose(0, of: [1, 1])
            let invite = try call.invite(sdp: nil)
            #expect(try call.reply(to: invite, sdp: SDPText.audio(), run: .offer()).returnCodes == [1])
            #expect(fleet.waitForCalls(1, 1))
            fleet.choose(1)
            let ack = try call.ack(sdp: SDPText.audio(), run: .answer())
            #expect(ack.returnCodes == [1] && ack.instance == relays[0].url)
            #expect(relays[1].texts(of: call.id).isEmpty)
        }
    }

    /// One host has found a relay silent and waits; another one begins calls at it meanwhile.
    @Test func aCallGoesOnAtARelayThatThisHostHasTakenOut() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try KamailioFleet.with(2, relays: relays) { _, configuration in
            configuration.set("rtpproxy_disable_tout", 60)
            configuration.set("rtpproxy_ping_interval", 0)
            configuration.set("rtpproxy_tout_ms", 200)
            configuration.set("rtpproxy_retr", 1)
        } _: { fleet in
            relays[0].on { _ in .drop }
            fleet.choose(1)
            let lost = try fleet.call()
            lost.choose(1, of: [1, 1])
            _ = try lost.invite(run: .offer())
            #expect(waitUntil(10) { (try? fleet.counter(1, "nodes_up")) == 1 })
            relays[0].on { _ in .normal }
            _ = try fleet[0].kamcmd("rtpproxy.enable", relays[0].url, "1")
            let (call, invite) = try offeredLate(fleet, relays)
            #expect(invite.returnCodes == [1] && invite.instance == relays[0].url)
            // It is looked at each second.
            sleep(2)
            #expect(try fleet.counter(0, "nodes_up") == 2 && fleet.counter(1, "nodes_up") == 1)
            fleet.choose(1)
            let ack = try call.ack(sdp: SDPText.audio(), run: .answer())
            #expect(ack.returnCodes == [1] && ack.instance == relays[0].url)
            #expect(try call.bye(run: .destroy()).returnCodes == [1])
            #expect(relays[0].ports(of: call.id).isEmpty && relays[1].texts(of: call.id).isEmpty)
        }
    }

    /// A call whose callee offers, at the first relay by the rule of the first host.
    private func offeredLate(_ fleet: KamailioFleet, _ relays: [ScriptedRelay]) throws -> (Call, SIPMessage) {
        let call = try fleet.call()
        call.choose(0, of: relays.map { _ in 1 })
        fleet.choose(0)
        let invite = try call.invite(sdp: nil)
        return (call, try call.reply(to: invite, sdp: SDPText.audio(), run: .offer()))
    }

    /// It asks the others for what happened before it was there, and what it has ended they have forgotten.
    @Test func aHostThatWasKilledKnowsAllCallsAgain() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try KamailioFleet.with(3, relays: relays) { fleet in
            let calls = try (0..<40).map { _ in try offeredCall(fleet, relays).0 }
            #expect(fleet.waitForCalls(1, 40))
            try fleet.kill(1)
            let later = try (0..<10).map { _ in try offeredCall(fleet, relays).0 }
            for call in calls.prefix(5) { #expect(try call.invite(run: .destroy(), inDialog: true).returnCodes == [1]) }
            try fleet.start(1)
            let start = Date()
            #expect(fleet.waitForCalls(1, 45))
            print("45 calls after \(Date().timeIntervalSince(start)) s")
            fleet.choose(1)
            for call in calls.dropFirst(5) + later {
                #expect(try call.invite(run: .destroy(), inDialog: true).returnCodes == [1])
                #expect(relays[1].texts(of: call.id).isEmpty)
            }
            for host in 0..<3 { #expect(fleet.waitForCalls(host, 0)) }
            for call in calls + later { #expect(relays.flatMap { $0.ports(of: call.id) }.isEmpty) }
        }
    }

    /// dmq itself does not make it up: such a host has missed messages that nobody sends again.
    @Test func aHostThatWasFrozenAsksForWhatItMissed() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try KamailioFleet.with(2, relays: relays) { fleet in
            let old = try (0..<10).map { _ in try offeredCall(fleet, relays).0 }
            #expect(fleet.waitForCalls(1, 10))
            try fleet.freeze(1, true)
            // Longer than a host is told of changes that is not heard, with more than its socket would hold.
            for call in old.prefix(4) { #expect(try call.invite(run: .destroy(), inDialog: true).returnCodes == [1]) }
            sleep(4)
            let new = try (0..<10).map { _ in try offeredCall(fleet, relays).0 }
            sleep(1)
            try fleet.freeze(1, false)
            #expect(fleet.waitForCalls(1, 16))
            fleet.choose(1)
            for call in new {
                #expect(try call.invite(run: .destroy(), inDialog: true).returnCodes == [1])
                #expect(relays[1].texts(of: call.id).isEmpty)
            }
            #expect(fleet.waitForCalls(0, 6))
            #expect(try fleet.counter(1, "dmq_asked") > 0)
        }
    }

    /// The operator says it once.
    @Test func disablingAndDrainingHoldEverywhere() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try KamailioFleet.with(3, relays: relays) { fleet in
            func states(_ host: Int) throws -> [String: String] {
                var found: [String: String] = [:]
                for entry in try fleet[host].statistics() { found[entry["url"] ?? ""] = entry["state"] }
                return found
            }
            func expect(_ url: String, _ state: String) {
                for host in 0..<3 { #expect(waitUntil(5) { (try? states(host)[url]) == state }, "\(host) \(url)") }
            }
            _ = try fleet[0].kamcmd("rtpproxy.drain", relays[0].url, "1")
            expect(relays[0].url, "draining")
            _ = try fleet[1].kamcmd("rtpproxy.enable", relays[1].url, "0")
            expect(relays[1].url, "disabled")
            // A host that starts learns it.
            try fleet.kill(2)
            try fleet.start(2)
            #expect(try fleet.hear())
            expect(relays[0].url, "draining")
            expect(relays[1].url, "disabled")
            _ = try fleet[2].kamcmd("rtpproxy.enable", relays[1].url, "1")
            _ = try fleet[2].kamcmd("rtpproxy.drain", relays[0].url, "0")
            expect(relays[0].url, "up")
            expect(relays[1].url, "up")
            #expect(try fleet[2].logLines("as on sip:127.0.0.1:").count == 2)
        }
    }

    /// What one host has lost the others look at; that it is there they see for themselves.
    @Test func aRelayThatOneHostHasLostIsLookedAtByTheOthers() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try KamailioFleet.with(2, relays: relays) { _, configuration in
            configuration.set("rtpproxy_ping_interval", 0)
            configuration.set("rtpproxy_tout_ms", 200)
            configuration.set("rtpproxy_retr", 1)
        } _: { fleet in
            relays[0].on { _ in .drop }
            let call = try fleet.call()
            call.choose(0, of: [1, 1])
            _ = try call.invite(run: .offer())
            for host in 0..<2 {
                #expect(
                    waitUntil(10) { (try? fleet[host].relays().filter { $0["disabled"] == "1" }.count) == 1 }, "\(host)"
                )
            }
        }
    }

    /// What a host says that dmq sends messages of: `path` is whom they are for.
    private func say(_ path: String, _ body: [UInt8], _ number: Int, _ socket: UDPSocket, to port: UInt16) -> String {
        let own = "\(socket.endpoint)"
        let head = """
            KDMQ sip:\(path)@127.0.0.1:\(port) SIP/2.0
            Via: SIP/2.0/UDP \(own);branch=z9hG4bK\(path)\(number)
            From: <sip:\(path)@\(own)>;tag=\(number)
            To: <sip:\(path)@127.0.0.1:\(port)>
            CSeq: 10 KDMQ
            Call-ID: \(path)-\(number)
            Max-Forwards: 1
            Content-Type: text/plain
            Content-Length: \(body.count)


            """.replacingOccurrences(of: "\n", with: "\r\n")
        socket.send(Array(head.utf8) + body, to: Endpoint("127.0.0.1", port))
        // What dmq itself asks comes here, too.
        while let (bytes, _) = socket.receive(3000) {
            let text = String(decoding: bytes, as: UTF8.self)
            if text.hasPrefix("SIP/2.0"), text.contains("Call-ID: \(path)-\(number)\r") {
                return String(text.prefix { $0 != "\r\n" })
            }
        }
        return ""
    }

    /// Each has an address of its own: dmq of 6.0.1 takes two ports of one for the same host.
    @Test func oneHostTooManyIsToldSo() throws {
        let relays = [try ScriptedRelay()]
        try KamailioFleet.with(1, relays: relays) { fleet in
            let port = try fleet[0].port
            var answers: [String] = []
            let sockets = try (1...17).map { try UDPSocket(at: Endpoint("127.0.1.\($0)", 0)) }
            for (number, socket) in sockets.enumerated() {
                let hello = Array("sip:\(socket.endpoint);status=active\r\n".utf8)
                #expect(say("notification_peer", hello, number, socket, to: port) == "SIP/2.0 200 OK")
                // A greeting: when its sender has started, when it is sent, the number, nothing else.
                let now = UInt64(Date().timeIntervalSince1970 * 1_000_000)
                var greeting: [UInt8] = Array("RPX".utf8) + [1, 2, 0, 0, 0]
                for word in [now, now, 1, 0] as [UInt64] {
                    for byte in 0..<8 { greeting.append(UInt8(truncatingIfNeeded: word >> (UInt64(byte) * 8))) }
                }
                answers.append(say("rtpproxy", greeting + [UInt8(ascii: ".")], number, socket, to: port))
            }
            #expect(answers.dropLast().allSatisfy { $0 == "SIP/2.0 200 OK" }, "\(answers)")
            #expect(answers.last == "SIP/2.0 503 Too many hosts")
            let lines = try fleet[0].logLines("calls are not shared with sip:127.0.1.17:", "16 other hosts already")
            #expect(lines.count == 1)
        }
    }

    @Test func withoutDMQTheStartIsRefused() throws {
        var configuration = try Stage.configuration { $0.set("rtpproxy_dmq", 1) }
        configuration.set("rtpproxy_sock", "udp:127.0.0.1:22222")
        var log = try Kamailio.startUpFailure(configuration)
        #expect(log.contains("the module dmq is not loaded"))
        // Behind it, it is not ready.
        configuration.modulesBehind.append("dmq")
        configuration.parameters.append(("dmq", "server_address", "\"sip:127.0.0.1:5060\""))
        log = try Kamailio.startUpFailure(configuration)
        #expect(log.contains("loadmodule \"dmq.so\" before rtpproxy.so"), "\(log)")
    }
}
