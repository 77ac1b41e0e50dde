// SPDX-License-Identifier: GPL-2.0-or-later
// The script functions that BothRelaysTests has not, against a real RTPProxy and a real rtpengine. Tests/Relays.md is the
// table of all of them.

import Foundation
import TestSupport
import Testing

extension MediaRelay {
    /// Whether it says in the end that it has no such call.
    func hasForgotten(_ call: Call, suffix: String = "") -> Bool {
        let question = "L \(call.id)\(suffix) 127.0.0.3 4000 \(call.fromTag);1 \(call.toTag);1"
        return waitUntil(20, every: 20) { (try? command(question))?.split(separator: " ").first == "0" }
    }
}

@Suite struct RelayFunctionTests {
    private static let both = [20, 20]

    /// A set for each kind: what is chosen has the call, and set 0 has what chooses nothing.
    @Test(arguments: RelaySetting.all)
    func theRelayOfTheChosenSetHasTheCall(_ setting: RelaySetting) throws {
        let other: RelayKind = setting.kind == .rtpproxy ? .rtpengine : .rtpproxy
        let relays = [try other.start("127.0.0.7"), try setting.kind.start("127.0.0.4")]
        defer { for relay in relays { relay.stop() } }
        var configuration = try setting.configuration([relays[0]])
        configuration.set("rtpproxy_sock", "2 == \(relays[1].url)")
        try Kamailio.with(configuration) { kamailio in
            try kamailio.find(2)
            for (set, relay) in [(2, relays[1]), (nil, relays[0])] {
                let phones = try PhoneCall(kamailio)
                let (invite, answer) = try phones.connect(offer: .offer(set: set), answer: .answer(set: set))
                #expect([invite, answer].map { $0.returnCodes.last } == [1, 1])
                #expect(invite.instance == relay.url)
                #expect(try phones.audio() == Self.both)
                #expect(try phones.call.bye(run: .destroy(set: set)).returnCodes == [1])
                #expect(relay.hasForgotten(phones.call))
            }
        }
    }

    @Test(arguments: RelaySetting.all)
    func manageOffersAnswersAndDeletes(_ setting: RelaySetting) throws {
        let relay = try setting.kind.start("127.0.0.4")
        try setting.run([relay]) { kamailio in
            let phones = try PhoneCall(kamailio)
            let (invite, answer) = try phones.connect(offer: .manage(), answer: .manage())
            #expect([invite, answer].map { $0.returnCodes.last } == [1, 1])
            #expect(try phones.audio() == Self.both)
            try phones.connect(from: .callee, inDialog: true, offer: .manage(), answer: .manage())
            #expect(try phones.audio() == Self.both)
            #expect(try phones.call.bye(run: .manage()).returnCodes == [1])
            #expect(relay.hasForgotten(phones.call))
            #expect(try phones.packets(from: .caller, within: 200) == 0)
        }
    }

    /// The INVITE has nothing to manage, the 200 the offer, the ACK the answer.
    @Test(arguments: RelaySetting.all)
    func manageKnowsALateOffer(_ setting: RelaySetting) throws {
        try setting.run { kamailio in
            let phones = try PhoneCall(kamailio)
            let invite = try phones.call.invite(sdp: nil, run: .manage())
            let offer = try phones.call.reply(to: invite, sdp: phones.description(of: .callee), run: .manage())
            try phones.take(offer, at: .caller)
            let ack = try phones.call.ack(sdp: phones.description(of: .caller), run: .manage())
            try phones.take(ack, at: .callee)
            #expect([invite, offer, ack].map { $0.returnCodes.last } == [-1, 1, 1])
            #expect(try phones.audio() == Self.both)
        }
    }

    /// However a call ends before it is taken, nothing of it is left.
    @Test(arguments: RelaySetting.all, ["CANCEL", "486", "failure route"])
    func manageDeletesACallThatWasNotTaken(_ setting: RelaySetting, end: String) throws {
        let relay = try setting.kind.start("127.0.0.4")
        try setting.run([relay]) { kamailio in
            let phones = try PhoneCall(kamailio)
            let call = phones.call
            let inRoute = end == "failure route" ? Run("manage", route: "Failure") : Run.manage()
            let first = call.request(
                "INVITE", sdp: try phones.description(of: .caller),
                run: end == "failure route" ? Run.manage().and(inRoute) : .manage())
            let invite = try call.deliver(first)
            #expect(invite.returnCodes == [1])
            // There is a session: the early answer finds it.
            let ringing = try call.reply(183, to: invite, sdp: phones.description(of: .callee), run: .answer())
            #expect(ringing.returnCodes.last == 1)
            try phones.take(ringing, at: .caller)
            #expect(try phones.packets(from: .caller) == 20)
            if end == "CANCEL" {
                var cancel = call.request("CANCEL", run: .manage())
                cancel["Via"] = first["Via"]
                try call.deliver(cancel)
            } else {
                try call.reply(486, to: invite, run: end == "486" ? .manage() : nil)
            }
            #expect(relay.hasForgotten(call))
        }
    }

    /// By rtpproxy_engage alone: early or late, with a re-INVITE from the callee.
    @Test(arguments: RelayKind.allCases, [false, true])
    func anEngagedDialogHasItsAudioAndIsDeleted(_ kind: RelayKind, isLate: Bool) throws {
        let relay = try kind.start("127.0.0.4")
        defer { relay.stop() }
        let configuration = try Stage.configuration(Engaged.change { $0.set("rtpproxy_sock", relay.url) })
        try Kamailio.with(configuration) { kamailio in
            try kamailio.find()
            let phones = try PhoneCall(kamailio)
            let call = phones.call
            let own = try phones.description(of: .caller)
            let invite = try call.invite(sdp: isLate ? nil : own)
            let answer = try call.reply(to: invite, sdp: phones.description(of: .callee))
            let ack = try call.ack(sdp: isLate ? own : nil)
            try phones.take(isLate ? ack : invite, at: .callee)
            try phones.take(answer, at: .caller)
            #expect(try phones.audio() == Self.both)
            try phones.connect(from: .callee, inDialog: true)
            #expect(try phones.audio() == Self.both)
            try call.bye()
            #expect(relay.hasForgotten(call))
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    /// Under both its names, and with flag `t`.
    @Test(arguments: RelayKind.allCases)
    func eachDeletionDeletes(_ kind: RelayKind) throws {
        let relay = try kind.start("127.0.0.4")
        try RelaySetting(kind: kind, isAsynchronous: false).run([relay]) { kamailio in
            for run in [Run.destroy(), .destroy("t"), Run("unforce"), Run("unforce", "t")] {
                let phones = try PhoneCall(kamailio)
                try phones.connect()
                #expect(try phones.audio() == Self.both)
                #expect(try phones.call.bye(run: run).returnCodes == [1])
                #expect(relay.hasForgotten(phones.call))
                #expect(try phones.packets(from: .caller, within: 200) == 0)
                // A call that is gone is as good as deleted.
                #expect(try phones.call.bye(run: run).returnCodes == [1])
            }
        }
    }

    @Test(arguments: RelayKind.allCases)
    func theDeletionBringsTheFiguresAlong(_ kind: RelayKind) throws {
        let relay = try kind.start("127.0.0.4")
        try RelaySetting(kind: kind, isAsynchronous: false).run([relay]) { kamailio in
            let phones = try PhoneCall(kamailio)
            try phones.connect()
            #expect(try phones.audio() == Self.both)
            let bye = try phones.call.bye(run: .destroy("s").with("X-Then", "stat"))
            #expect(bye.returnCodes == [1, 1])
            #expect(relay.hasForgotten(phones.call))
            let figures = bye["X-Stat"]?.split(separator: " ").compactMap { Int($0) } ?? []
            #expect(figures.count == (kind == .rtpproxy ? 5 : 0), "\(bye["X-Stat"] ?? "")")
            guard kind == .rtpproxy else { return }
            // Both ways, and nothing was dropped.
            #expect(figures[1] >= 20 && figures[2] >= 20 && figures[3] >= 40 && figures[4] == 0, "\(figures)")
            #expect(bye["X-Stat-2"] == bye["X-Stat"])
        }
    }

    @Test(arguments: RelaySetting.all)
    func anAnswerNeedsTheSessionOfAnOffer(_ setting: RelaySetting) throws {
        try setting.run { kamailio in
            let phones = try PhoneCall(kamailio)
            let invite = try phones.call.invite(sdp: phones.description(of: .caller))
            let sdp = try phones.description(of: .callee)
            let answer = try phones.call.reply(to: invite, sdp: sdp, run: .answer())
            #expect(answer.returnCodes.last == -1)
            #expect(answer.text == sdp)
        } allowingErrors: {
            $0.contains("session unknown at the relay")
        }
    }

    /// rtpengine has none: BothRelaysTests/rtpengineIsNotAskedForWhatItDoesNotHave.
    @Test(arguments: [false, true])
    func promptsOfRTPProxyAreHeardUntilTheyAreStopped(byTheCallee: Bool) throws {
        let folder = try TemporaryFolder()
        // As makeann makes it of PCMU: a byte for each sample. Ten seconds.
        try Data(repeating: 0x55, count: 80_000).write(to: URL(fileURLWithPath: folder.file("wait.0")))
        let prompt = folder.file("wait")
        try RelaySetting(kind: .rtpproxy, isAsynchronous: false).run { kamailio in
            let phones = try PhoneCall(kamailio)
            try phones.connect()
            #expect(try phones.audio() == Self.both)
            // Who asks is the one of `uac`.
            let (mine, other): (Call.Side, Call.Side) = byTheCallee ? (.callee, .caller) : (.caller, .callee)
            func run(_ function: String) throws -> [Int] {
                let request = phones.call.request("INFO", from: mine, run: Run(function, prompt: prompt))
                return try phones.call.deliver(request, from: mine).returnCodes
            }
            for (start, stop, side) in [("stream2uac", "stop2uac", mine), ("stream2uas", "stop2uas", other)] {
                #expect(try run(start) == [1])
                #expect(phones.hears(0x55, at: side), "\(start)")
                #expect(try run(stop) == [1])
                #expect(phones.fallsSilent(at: side), "\(stop)")
            }
            #expect(try phones.audio() == Self.both)
            let missing = phones.call.request("INFO", run: Run("stream2uac", prompt: folder.file("missing")))
            #expect(try phones.call.deliver(missing).returnCodes == [-1])
            #expect(kamailio.waitForLog("ERROR", phones.call.id, "cannot play the prompt") != nil)
        } allowingErrors: {
            $0.contains("cannot play the prompt")
        }
    }

    /// Both parties, each in a file of its own; rtpengine does not record.
    @Test func recordingsOfRTPProxyHoldBothParties() throws {
        let folder = try TemporaryFolder()
        let relay = try RealRelay("127.0.0.4", options: ["-r", folder.path])
        try RelaySetting(kind: .rtpproxy, isAsynchronous: false).run([relay]) { kamailio in
            let phones = try PhoneCall(kamailio)
            try phones.connect()
            #expect(try phones.call.deliver(phones.call.request("INFO", run: Run("record"))).returnCodes == [1])
            #expect(try phones.audio() == Self.both)
            try phones.call.bye(run: .destroy())
            #expect(relay.hasForgotten(phones.call))
            // 20 packets of 172 bytes, each with a header of the recording.
            for letter in ["o", "a"] {
                let name = "\(phones.call.id)=\(phones.call.fromTag).\(letter).rtp"
                #expect((FileManager.default.contents(atPath: folder.file(name))?.count ?? 0) >= 20 * 172, "\(name)")
            }
        }
    }
}
