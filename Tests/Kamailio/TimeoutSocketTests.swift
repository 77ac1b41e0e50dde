// SPDX-License-Identifier: GPL-2.0-or-later
// timeout_socket, timeout_tag_pv, and ICE candidates.

import Foundation
import TestSupport
import Testing

@Suite struct TimeoutSocketTests {
    static let socket = "unix:/run/timeouts"

    @Test func everyOfferNamesTheSocketAndTheCallID() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], { $0.set("timeout_socket", Self.socket) }) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            _ = try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: .answer())
            _ = try call.invite(run: .offer(), inDialog: true)
            #expect(
                relay.texts(of: call.id) == [
                    "Uc0,8,101 \(call.id) 127.0.0.1 5004 \(call.fromTag);1 \(Self.socket) \(call.id)",
                    "Lc0,8,101 \(call.id) 127.0.0.1 6000 \(call.fromTag);1 \(call.toTag);1",
                    "Uc0,8,101 \(call.id) 127.0.0.1 5004 \(call.fromTag);1 \(call.toTag);1 \(Self.socket) \(call.id)",
                ])
        }
    }

    @Test func callIDIsURLEncoded() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], { $0.set("timeout_socket", Self.socket) }) { kamailio in
            let call = try kamailio.call()
            call.id = "a%b+c@host"
            _ = try call.invite(run: .offer())
            let tag = try #require(relay.commands(of: call.id).first?.words.last)
            #expect(tag.removingPercentEncoding == call.id)
            #expect(!tag.contains("+"))
        }
    }

    @Test func tagOfItsOwnVariable() throws {
        let relay = try ScriptedRelay()
        let change = { (c: inout KamailioConfiguration) in
            c.set("timeout_socket", Self.socket)
            c.set("timeout_tag_pv", "$avp(tag)")
        }
        try Stage.own([relay], change) { kamailio in
            let call = try kamailio.call()
            _ = try call.invite(run: Run("offer", tag: "tag-17"))
            #expect(relay.texts(of: call.id).first?.hasSuffix(" \(Self.socket) tag-17") == true)
        }
    }
}

@Suite struct CandidateTests {
    private static let candidate = "a=candidate:1 1 UDP 2130706431 192.0.2.10 4000 typ host"

    /// Offers a stream with a candidate under a priority and returns the candidates that the callee got.
    private func candidates(_ priority: Int?) throws -> (codes: [Int], lines: [String]) {
        let relay = try ScriptedRelay()
        let change = { (c: inout KamailioConfiguration) in c.set("ice_candidate_priority_avp", "$avp(priority)") }
        return try Stage.own([relay], change) { kamailio in
            let call = try kamailio.call()
            relay.on { $0.verb == "U" ? .reply("40000 192.0.2.77") : nil }
            let sdp = SDPText.audio(port: 4000, extra: [Self.candidate])
            let invite = try call.invite(sdp: sdp, run: Run("offer", priority: priority))
            return (invite.returnCodes, invite.lines.filter { $0.hasPrefix("a=candidate:") }.sorted())
        }
    }

    @Test(arguments: [nil, 2, 1])
    func relayCandidatesAreAdded(priority: Int?) throws {
        let (codes, lines) = try candidates(priority)
        let numbers = priority == 1 ? [2_147_483_647, 2_147_483_646] : [16_777_215, 16_777_214]
        #expect(codes == [1])
        let added = [
            "a=candidate:1920277 1 UDP \(numbers[0]) 192.0.2.77 40000 typ relay",
            "a=candidate:1920277 2 UDP \(numbers[1]) 192.0.2.77 40001 typ relay",
        ]
        #expect(lines == ([Self.candidate] + added).sorted())
    }

    @Test func priority0AddsNothing() throws {
        let (codes, lines) = try candidates(0)
        #expect(codes == [1])
        #expect(lines == [Self.candidate])
    }

    @Test(arguments: [3, -1])
    func otherPrioritiesFail(priority: Int) throws {
        #expect(try candidates(priority).codes == [-1])
    }
}
