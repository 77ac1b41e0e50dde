// SPDX-License-Identifier: GPL-2.0-or-later
// Calls of every kind through a real relay, one after the other, between two phones.

import Foundation
import Synchronization
import TestSupport

/// What came of the calls of all threads.
final class RelayTally: Sendable {
    struct Counts {
        var calls = 0
        /// Calls of which something was not as it must be, and the first of the sentences on that.
        var failed = 0
        var faults: [String] = []
        /// How often each function was called, by its name.
        var functions: [String: Int] = [:]
        var packets = 0
    }

    private let counts = Mutex(Counts())

    var current: Counts { counts.withLock { $0 } }

    func count(_ function: String) { counts.withLock { $0.functions[function, default: 0] += 1 } }

    func count(packets: Int) { counts.withLock { $0.packets += packets } }

    func end(_ number: Int, _ kind: String, _ faults: [String]) {
        counts.withLock {
            $0.calls += 1
            guard !faults.isEmpty else { return }
            $0.failed += 1
            if $0.faults.count < 10 { $0.faults.append("call \(number), \(kind): \(faults.joined(separator: "; "))") }
        }
    }
}

/// Two phones that call each other through a Kamailio again and again. One thread at a time uses them.
final class RelayCalls: @unchecked Sendable {
    /// What a call is for.
    private enum Way: Int, CaseIterable {
        case held, managed, late, prompted, recorded, refused, cancelled, branch
    }

    private let kamailio: Kamailio
    private let relay: RelayKind
    private let prompt: String
    private let tally: RelayTally
    private let caller: UserAgent
    private let callee: UserAgent
    private var isAsynchronous = false
    private var faults: [String] = []

    init(_ kamailio: Kamailio, _ relay: RelayKind, prompt: String, _ tally: RelayTally) throws {
        self.kamailio = kamailio
        self.relay = relay
        self.prompt = prompt
        self.tally = tally
        caller = try UserAgent("alice", address: "127.0.0.2")
        callee = try UserAgent("bob", address: "127.0.0.3")
    }

    /// Places call `number`, which decides what it is for: of each sixteen eight are asynchronous.
    func place(_ number: Int) {
        let way = Way.allCases[number % Way.allCases.count]
        isAsynchronous = number / Way.allCases.count % 2 == 1
        faults = []
        do {
            let call = try Call(through: { [kamailio] in kamailio.endpoint($0) }, caller: caller, callee: callee)
            let phones = try PhoneCall(call)
            switch way {
            case .held: try hold(phones)
            case .managed: try manage(phones)
            case .late: try offerLate(phones)
            case .prompted: try play(phones)
            case .recorded: try record(phones)
            case .refused: try refuse(phones)
            case .cancelled: try cancel(phones)
            case .branch: try branch(phones)
            }
        } catch {
            faults.append("\(error)")
        }
        // Retransmissions, provisional responses.
        caller.forget()
        callee.forget()
        tally.end(number, "\(way)\(isAsynchronous ? ", asynchronous" : "")", faults)
    }

    /// The function, or the one of that name that does not wait.
    private func run(_ function: String, _ flags: String? = nil, extra: String? = nil) -> Run {
        let name = isAsynchronous ? "\(function)_async" : function
        tally.count(name)
        return Run(name, flags, extra: extra)
    }

    private func expect(_ what: String, _ isRight: Bool) {
        if !isRight { faults.append(what) }
    }

    /// The return codes of a message.
    private func expect(_ what: String, _ message: SIPMessage, _ code: Int = 1) {
        expect("\(what): \(message.returnCodes)", message.returnCodes.last == code)
    }

    private func connect(
        _ phones: PhoneCall, _ offer: String, _ answer: String, from side: Call.Side = .caller, inDialog: Bool = false,
        null: Bool = false, extra: [String] = []
    ) throws {
        let (invite, answered) = try phones.connect(
            from: side, inDialog: inDialog, offer: run(offer), answer: run(answer), null: null, extra: extra)
        expect(offer, invite)
        expect(answer, answered)
    }

    private func audio(_ phones: PhoneCall) throws {
        for side in [Call.Side.caller, .callee] {
            let arrived = try phones.packets(from: side, count: 3)
            tally.count(packets: arrived)
            expect("\(arrived) of 3 packets from the \(side)", arrived == 3)
        }
    }

    /// A function in a request within the call.
    @discardableResult
    private func ask(_ phones: PhoneCall, _ function: String, _ code: Int = 1) throws -> SIPMessage {
        tally.count(function)
        let got = try phones.call.deliver(phones.call.request("INFO", run: Run(function, prompt: prompt)))
        try phones.call.reply(to: got)
        expect(function, got, code)
        return got
    }

    private func counts(_ phones: PhoneCall) throws {
        let asked = try ask(phones, "stat")
        let hasCounts = asked.statistics.map { $0 != "<null>" } ?? false
        expect("$rtpstat is \(asked.statistics ?? "absent")", hasCounts == (relay == .rtpproxy))
        let figures = try ask(phones, "figures")["X-Figures"] ?? ""
        expect("$rtpp_stat is \(figures)", figures.contains("<null>") == (relay == .rtpengine))
    }

    private func hangUp(_ phones: PhoneCall, _ function: String, _ flags: String? = nil, extra: String? = nil) throws {
        expect(function, try phones.call.bye(run: run(function, flags, extra: extra)))
    }

    // MARK: - the ways

    /// On hold by a direction and by the null address, from either side, and back.
    private func hold(_ phones: PhoneCall) throws {
        try connect(phones, "offer", "answer")
        try audio(phones)
        for (side, null) in [(Call.Side.caller, false), (.callee, true)] {
            try connect(phones, "offer", "answer", from: side, inDialog: true, null: null, extra: ["a=sendonly"])
            try connect(phones, "offer", "answer", from: side, inDialog: true)
            try audio(phones)
        }
        try counts(phones)
        try hangUp(phones, "destroy")
    }

    private func manage(_ phones: PhoneCall) throws {
        try connect(phones, "manage", "manage")
        try audio(phones)
        try connect(phones, "manage", "manage", from: .callee, inDialog: true)
        try audio(phones)
        try counts(phones)
        try hangUp(phones, "manage")
    }

    private func offerLate(_ phones: PhoneCall) throws {
        let invite = try phones.call.invite(sdp: nil)
        let offer = try phones.call.reply(to: invite, sdp: phones.description(of: .callee), run: run("offer"))
        try phones.take(offer, at: .caller)
        let ack = try phones.call.ack(sdp: phones.description(of: .caller), run: run("answer"))
        try phones.take(ack, at: .callee)
        expect("late offer", offer)
        expect("late answer", ack)
        try audio(phones)
        try connect(phones, "offer", "answer", inDialog: true)
        try audio(phones)
        try hangUp(phones, "unforce")
    }

    private func play(_ phones: PhoneCall) throws {
        try connect(phones, "offer", "answer")
        try audio(phones)
        for function in ["stream2uac", "stream2uas", "stop2uac", "stop2uas"] {
            try ask(phones, function, relay == .rtpproxy ? 1 : -1)
        }
        try hangUp(phones, "destroy")
    }

    private func record(_ phones: PhoneCall) throws {
        try connect(phones, "manage", "manage")
        try ask(phones, "record", relay == .rtpproxy ? 1 : -1)
        try audio(phones)
        try counts(phones)
        try hangUp(phones, "destroy", "t")
    }

    /// The callee is busy after early media; the failure route deletes.
    private func refuse(_ phones: PhoneCall) throws {
        let function = isAsynchronous ? "destroy_async" : "destroy"
        tally.count(function)
        let first = phones.call.request(
            "INVITE", sdp: try phones.description(of: .caller),
            run: run("offer").with("X-Failure-Do", function))
        let invite = try phones.call.deliver(first)
        expect("offer", invite)
        let early = try phones.call.reply(183, to: invite, sdp: phones.description(of: .callee), run: run("answer"))
        expect("early answer", early)
        try phones.take(early, at: .caller)
        expect("early media", try phones.packets(from: .caller, count: 3) == 3)
        acknowledge(try phones.call.reply(486, to: invite), first, phones.call)
    }

    private func cancel(_ phones: PhoneCall) throws {
        let function = isAsynchronous ? "manage_async" : "manage"
        tally.count(function)
        let first = phones.call.request(
            "INVITE", sdp: try phones.description(of: .caller),
            run: run("manage").with("X-Failure-Do", function))
        let invite = try phones.call.deliver(first)
        expect("offer", invite)
        try phones.call.reply(180, to: invite)
        var request = phones.call.request("CANCEL")
        request["Via"] = first["Via"]
        let cancel = try phones.call.deliver(request)
        phones.call.send(phones.call.response(200, to: cancel), from: .callee)
        acknowledge(try phones.call.reply(487, to: invite), first, phones.call)
    }

    /// The ACK of a refusal goes no further than Kamailio.
    private func acknowledge(_ refusal: SIPMessage, _ invite: SIPMessage, _ call: Call) {
        var ack = call.request("ACK")
        (ack["Via"], ack["To"], ack["CSeq"]) = (invite["Via"], refusal["To"], "\(invite.sequence) ACK")
        call.send(ack)
    }

    /// Two streams, under a suffix of the Call-ID. rtpengine relays the first one, and refuses the other.
    private func branch(_ phones: PhoneCall) throws {
        let leg = "leg\(Int.random(in: 0..<1000))"
        let offered = try phones.description(of: .caller) + SDPText.text(SDPText.media("video", 5006))
        let invite = try phones.call.invite(sdp: offered, run: run("offer", "b", extra: leg))
        expect("offer", invite)
        let isRefused = invite.lines.contains { $0.hasPrefix("m=video 0 ") }
        expect("refused: \(isRefused)", isRefused == (relay == .rtpengine))
        try phones.take(invite, at: .callee)
        let video = SDPText.text(SDPText.media("video", isRefused ? 0 : 5008))
        let answer = try phones.call.reply(
            to: invite, sdp: phones.description(of: .callee) + video, run: run("answer", "b", extra: leg))
        expect("answer", answer)
        try phones.take(answer, at: .caller)
        try phones.call.ack()
        try audio(phones)
        try hangUp(phones, "destroy", "b", extra: leg)
    }
}
