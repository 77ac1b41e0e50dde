// SPDX-License-Identifier: GPL-2.0-or-later
// The same calls through a real RTPProxy and a real rtpengine, with their RTP counted in both directions.

import Foundation
import TestSupport
import Testing

/// A relay and a kind of function.
struct RelaySetting: CustomTestStringConvertible, Sendable {
    let kind: RelayKind
    let isAsynchronous: Bool

    static let all = RelayKind.allCases.flatMap { kind in
        [false, true].map { RelaySetting(kind: kind, isAsynchronous: $0) }
    }

    var testDescription: String { "\(kind)\(isAsynchronous ? ", asynchronously" : "")" }

    /// A Kamailio whose set 0 is `relays`.
    func configuration(_ relays: [any MediaRelay]) throws -> KamailioConfiguration {
        let routes = try PackageFolder.fixture("kamailio/async.cfg")
        return try Stage.configuration {
            $0.set("rtpproxy_sock", relays.map(\.url).joined(separator: " "))
            guard isAsynchronous else { return }
            $0.routes = routes
            $0.modules.append("textopsx")
            Continuation.process.apply(&$0)
        }
    }

    /// Runs `body` with a Kamailio of its own whose set 0 is `relays`, once they have been found.
    /// `isExpected`: which errors it may log.
    func run(
        _ relays: [any MediaRelay], _ body: (Kamailio) throws -> Void,
        allowingErrors isExpected: (String) -> Bool = { _ in false }
    ) throws {
        defer { for relay in relays { relay.stop() } }
        let configuration = try configuration(relays)
        try Kamailio.with(configuration) { kamailio in
            try kamailio.find(relays.count)
            try body(kamailio)
            #expect(kamailio.logLines("ERROR").filter { !isExpected($0) }.isEmpty)
        }
    }

    /// The same with one relay, in bridging mode where `outside` is given.
    func run(
        _ address: String = "127.0.0.4", outside: String? = nil, _ body: (Kamailio) throws -> Void,
        allowingErrors isExpected: (String) -> Bool = { _ in false }
    ) throws {
        try run([kind.start(address, outside: outside)], body, allowingErrors: isExpected)
    }
}

extension Kamailio {
    /// Waits until `count` relays are up.
    func find(_ count: Int = 1) throws {
        guard waitUntilUp(), try relays().count == count else {
            throw HarnessError("the relays were not all found:\n\(log.suffix(3000))")
        }
    }
}

@Suite struct BothRelaysTests {
    private static let both = [20, 20]

    @Test(arguments: RelaySetting.all)
    func audioFlowsBothWaysFromAnswerToBYE(_ setting: RelaySetting) throws {
        let relay = try setting.kind.start("127.0.0.4")
        try setting.run([relay]) { kamailio in
            let phones = try PhoneCall(kamailio)
            let (invite, answer) = try phones.connect()
            #expect([invite, answer].allSatisfy { $0.lines.contains("c=IN IP4 127.0.0.4") })
            #expect([invite, answer].allSatisfy { $0.lines.last == "a=nortpproxy:yes" })
            #expect(try phones.audio() == Self.both)
            let bye = try phones.call.bye(run: .destroy())
            #expect(bye.returnCodes == [1])
            // The call is gone: there is nothing to answer, and nothing is sent on.
            let question = "L \(phones.call.id) 127.0.0.3 4000 \(phones.call.fromTag);1 \(phones.call.toTag);1"
            #expect(waitUntil(5) { (try? relay.command(question))?.split(separator: " ").first == "0" })
            #expect(try phones.packets(from: .caller, within: 200) == 0)
        }
    }

    @Test(arguments: RelaySetting.all)
    func earlyMediaFlowsBeforeTheCallIsTaken(_ setting: RelaySetting) throws {
        try setting.run { kamailio in
            let phones = try PhoneCall(kamailio)
            let invite = try phones.call.invite(sdp: phones.description(of: .caller), run: .offer())
            try phones.take(invite, at: .callee)
            let sdp = try phones.description(of: .callee)
            for status in [183, 200] {
                let answer = try phones.call.reply(status, to: invite, sdp: sdp, run: .answer())
                #expect(answer.returnCodes.last == 1)
                try phones.take(answer, at: .caller)
                #expect(try phones.audio() == Self.both)
            }
        }
    }

    @Test(arguments: RelaySetting.all)
    func reINVITEsFromBothSidesKeepTheAudio(_ setting: RelaySetting) throws {
        try setting.run { kamailio in
            let phones = try PhoneCall(kamailio)
            try phones.connect()
            #expect(try phones.audio() == Self.both)
            for side in [Call.Side.callee, .caller, .callee] {
                let (invite, answer) = try phones.connect(from: side, inDialog: true)
                #expect([invite, answer].map { $0.returnCodes.last } == [1, 1])
                #expect(try phones.audio() == Self.both, "\(side)")
            }
            try phones.call.bye(run: .destroy(), from: .callee)
        }
    }

    /// The callee offers in its 200, the caller answers in its ACK.
    @Test(arguments: RelaySetting.all)
    func lateOffersAreAnsweredInTheACK(_ setting: RelaySetting) throws {
        try setting.run { kamailio in
            let phones = try PhoneCall(kamailio)
            let invite = try phones.call.invite(sdp: nil)
            let offer = try phones.call.reply(to: invite, sdp: phones.description(of: .callee), run: .offer())
            try phones.take(offer, at: .caller)
            let ack = try phones.call.ack(sdp: phones.description(of: .caller), run: .answer())
            try phones.take(ack, at: .callee)
            #expect([offer, ack].map { $0.returnCodes.last } == [1, 1])
            #expect(try phones.audio() == Self.both)
            try phones.call.bye(run: .destroy())
        }
    }

    /// Hold by `a=sendonly`, and by the null address as phones of old do; then the call goes on.
    @Test(arguments: RelaySetting.all, [false, true])
    func whoIsHeldIsTakenBack(_ setting: RelaySetting, byNullAddress: Bool) throws {
        try setting.run { kamailio in
            let phones = try PhoneCall(kamailio)
            try phones.connect()
            for side in [Call.Side.caller, .callee] {
                let held = try phones.call.invite(
                    sdp: phones.description(of: side, null: byNullAddress, extra: ["a=sendonly"]), run: .offer(),
                    from: side, inDialog: true)
                #expect(held.returnCodes.last == 1)
                #expect(held.lines.contains(byNullAddress ? "c=IN IP4 0.0.0.0" : "c=IN IP4 127.0.0.4"))
                let other: Call.Side = side == .caller ? .callee : .caller
                let taken = try phones.call.reply(
                    to: held, sdp: phones.description(of: other, extra: ["a=recvonly"]), run: .answer(), from: other)
                #expect(taken.returnCodes.last == 1)
                #expect(taken.lines.contains("c=IN IP4 127.0.0.4"))
                try phones.connect(from: side, inDialog: true)
                #expect(try phones.audio() == Self.both, "\(side)")
            }
        }
    }

    /// Networks that do not see each other: each side gets an address of its own, whichever side offers, and when.
    @Test(arguments: RelaySetting.all, [false, true])
    func bridgingGivesEachSideItsNetworksAddress(_ setting: RelaySetting, isLate: Bool) throws {
        try setting.run("127.0.0.5", outside: "127.0.0.6") { kamailio in
            let phones = try PhoneCall(kamailio)
            try Self.begin(phones, isLate: isLate, forth: "ie", back: "ei")
            #expect(phones.destinations[.callee]?.host == "127.0.0.6")
            #expect(phones.destinations[.caller]?.host == "127.0.0.5")
            #expect(try phones.audio() == Self.both)
            // Within the call the letters follow the sender, too.
            try phones.connect(from: .callee, inDialog: true, offer: .offer("ei"), answer: .answer("ie"))
            #expect(phones.destinations[.callee]?.host == "127.0.0.6")
            #expect(phones.destinations[.caller]?.host == "127.0.0.5")
            #expect(try phones.audio() == Self.both)
        }
    }

    /// A caller with IPv4 and a callee with IPv6, and the other way round; by `x`, and by the letters.
    @Test(arguments: RelaySetting.all, ["x", "ie"])
    func familiesAreBridged(_ setting: RelaySetting, flags: String) throws {
        try setting.run("127.0.0.5", outside: "::1") { kamailio in
            for (isLate, isSix) in [(false, false), (false, true), (true, false), (true, true)] {
                let (four, six) = ("127.0.0.2", "::1")
                let phones = try PhoneCall(kamailio, caller: isSix ? six : four, callee: isSix ? four : six)
                let turned = String(flags.reversed())
                try Self.begin(phones, isLate: isLate, forth: isSix ? turned : flags, back: isSix ? flags : turned)
                #expect(phones.destinations[.caller]?.host == (isSix ? "::1" : "127.0.0.5"))
                #expect(phones.destinations[.callee]?.host == (isSix ? "127.0.0.5" : "::1"))
                #expect(try phones.audio() == Self.both, "late: \(isLate), IPv6 first: \(isSix)")
                try phones.call.bye(run: .destroy())
            }
        }
    }

    /// Connects with an early or a late offer. `forth`: the flags of what goes to the callee, `back`: to the caller.
    private static func begin(_ phones: PhoneCall, isLate: Bool, forth: String, back: String) throws {
        guard isLate else {
            let (invite, answer) = try phones.connect(offer: .offer(forth), answer: .answer(back))
            #expect([invite, answer].map { $0.returnCodes.last } == [1, 1])
            return
        }
        let invite = try phones.call.invite(sdp: nil)
        let offer = try phones.call.reply(to: invite, sdp: phones.description(of: .callee), run: .offer(back))
        try phones.take(offer, at: .caller)
        let ack = try phones.call.ack(sdp: phones.description(of: .caller), run: .answer(forth))
        try phones.take(ack, at: .callee)
        #expect([offer, ack].map { $0.returnCodes.last } == [1, 1])
    }

    /// rtpengine serves one stream of a call: the video is refused, and the audio is as good as ever.
    @Test(arguments: RelaySetting.all)
    func videoBesideTheAudioIsRelayedByRTPProxyAlone(_ setting: RelaySetting) throws {
        try setting.run { kamailio in
            let phones = try PhoneCall(kamailio)
            let offered = try phones.description(of: .caller) + SDPText.text(SDPText.media("video", 5006))
            let invite = try phones.call.invite(sdp: offered, run: .offer())
            let isRefused = invite.lines.contains { $0.hasPrefix("m=video 0 ") }
            #expect(invite.returnCodes.last == 1)
            #expect(isRefused == (setting.kind == .rtpengine))
            let video = SDPText.text(SDPText.media("video", isRefused ? 0 : 5008))
            let answer = try phones.call.reply(
                to: invite, sdp: phones.description(of: .callee) + video, run: .answer())
            #expect(answer.returnCodes.last == 1)
            try phones.take(invite, at: .callee)
            try phones.take(answer, at: .caller)
            #expect(try phones.audio() == Self.both)
        }
    }

    /// What joins the Call-ID makes another call of it for RTPProxy, and nothing for rtpengine
    /// (docs/operator/relays.md, Parallel forks).
    @Test(arguments: RelayKind.allCases)
    func branchesHaveSessionsOfTheirOwnAtRTPProxyAlone(_ kind: RelayKind) throws {
        try RelaySetting(kind: kind, isAsynchronous: false).run { kamailio in
            let call = try kamailio.call()
            let ports = try ["b1", "b2"].map { branch in
                let invite = try call.invite(run: Run("offer", "b", extra: branch))
                #expect(invite.returnCodes == [1])
                return try SDPText.mediaAddress(of: invite.text).port
            }
            #expect((ports[0] == ports[1]) == (kind == .rtpengine))
        }
    }

    /// rtpengine is not asked for what it does not have: its offers have its address all the same.
    @Test func rtpengineIsNotAskedForWhatItDoesNotHave() throws {
        let relay = try RTPEngine(["127.0.0.4"])
        defer { relay.stop() }
        let configuration = try Stage.configuration {
            $0.set("rtpproxy_sock", relay.url)
            $0.set("timeout_socket", "unix:/run/timeouts")
        }
        try Kamailio.with(configuration) { kamailio in
            try kamailio.find()
            let phones = try PhoneCall(kamailio)
            let (invite, answer) = try phones.connect(offer: .offer("z20"))
            #expect([invite, answer].map { $0.returnCodes.last } == [1, 1])
            #expect([invite, answer].allSatisfy { $0.lines.contains("c=IN IP4 127.0.0.4") })
            #expect(try phones.audio() == Self.both)
            for function in ["record", "stream2uac", "stream2uas", "stop2uac", "stop2uas"] {
                let got = try phones.call.deliver(phones.call.request("INFO", run: Run(function, prompt: "p")))
                #expect(got.returnCodes == [-1], "\(function)")
            }
            #expect(try phones.call.deliver(phones.call.request("INFO", run: Run("stat"))).statistics == "<null>")
            #expect(try phones.audio() == Self.both)
        }
    }

    /// One of each in a set: where the one is gone, the other takes its calls, and has their audio.
    @Test(arguments: RelaySetting.all)
    func theOtherKindTakesOver(_ setting: RelaySetting) throws {
        let other: RelayKind = setting.kind == .rtpproxy ? .rtpengine : .rtpproxy
        let relays = [try setting.kind.start("127.0.0.4"), try other.start("127.0.0.7")]
        defer { for relay in relays { relay.stop() } }
        var configuration = try setting.configuration(relays)
        // A relay that is slow on a busy machine keeps its calls.
        configuration.set("rtpproxy_hedging", 0)
        try Kamailio.with(configuration) { kamailio in
            try kamailio.find(2)
            for crashed in [false, true] {
                if crashed { relays[0].crash() }
                for place in [0, 1] {
                    let phones = try PhoneCall(kamailio)
                    phones.call.choose(place, of: [1, 1])
                    let (invite, _) = try phones.connect()
                    #expect(invite.returnCodes.last == 1)
                    #expect(invite.instance == relays[crashed ? 1 : place].url)
                    #expect(try phones.audio() == Self.both, "\(place)")
                    #expect(try phones.call.bye(run: .destroy()).returnCodes == [1])
                }
            }
        }
    }
}
