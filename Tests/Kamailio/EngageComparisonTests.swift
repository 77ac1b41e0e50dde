// SPDX-License-Identifier: GPL-2.0-or-later
// A script that engages the dialog and one that calls rtpproxy_manage in four routes: the same descriptions on the wire,
// byte by byte, and the same commands.

import Foundation
import TestSupport
import Testing

/// A call, and what its two sides have seen of its descriptions.
private final class Witness {
    let call: Call
    private(set) var seen: [String] = []

    init(_ kamailio: Kamailio, _ id: String) throws {
        call = try kamailio.call()
        (call.id, call.fromTag, call.toTag) = (id, "caller-tag", "callee-tag")
    }

    private func other(_ side: Call.Side) -> Call.Side { side == .caller ? .callee : .caller }

    /// A request from `side`, whose description arrives at the other one, and its answer, if there is one.
    func exchange(
        _ method: String, from side: Call.Side = .caller, _ sdp: String?, _ answer: String?,
        status: Int = 200
    ) throws {
        let request = try call.deliver(call.request(method, from: side, sdp: sdp, inDialog: true), from: side)
        seen.append(request.text)
        try reply(status, request, answer, from: other(side))
        if method == "INVITE", status < 300, sdp != nil { try ack(nil, from: side) }
    }

    @discardableResult
    func invite(_ sdp: String?) throws -> SIPMessage {
        let request = try call.invite(sdp: sdp)
        seen.append(request.text)
        return request
    }

    func reply(_ status: Int, _ request: SIPMessage, _ sdp: String?, from side: Call.Side = .callee) throws {
        seen.append(try call.reply(status, to: request, sdp: sdp, from: side).text)
    }

    func ack(_ sdp: String?, from side: Call.Side = .caller) throws {
        seen.append(try call.ack(sdp: sdp, from: side).text)
    }
}

private let audio = SDPText.audio()
private let answered = SDPText.audio(port: 6000)
private let held = SDPText.audio("0.0.0.0", extra: ["a=inactive"])
private let video = SDPText.session(streams: [SDPText.media("audio", 5004), SDPText.media("video", 5010)])

/// What happens in a call.
enum EngagedScenario: String, CaseIterable, Sendable {
    case earlyOffer, earlyMedia, lateOffer, reINVITEFromEitherSide, lateReINVITE, holdAndBack, updates, refusedOffers
    case offerInPRACK, severalStreams, streamRefused, byeOfTheCallee, busy, unfitDescription

    fileprivate func run(_ witness: Witness) throws {
        let call = witness.call
        switch self {
        case .busy:
            try witness.reply(486, witness.invite(audio), nil)
            return
        case .earlyMedia, .offerInPRACK:
            let invite = try witness.invite(audio)
            try witness.reply(180, invite, nil)
            try witness.reply(183, invite, answered)
            if self == .offerInPRACK { try witness.exchange("PRACK", SDPText.audio(port: 5010), answered) }
            try witness.reply(200, invite, answered)
            try witness.ack(nil)
        case .lateOffer:
            try witness.reply(200, witness.invite(nil), answered)
            try witness.ack(audio)
        case .severalStreams:
            try witness.reply(200, witness.invite(video), video)
            try witness.ack(nil)
        case .streamRefused:
            try witness.reply(200, witness.invite(video), video.replacingOccurrences(of: "5010", with: "0"))
            try witness.ack(nil)
        case .unfitDescription:
            try witness.reply(200, witness.invite(audio), answered.replacingOccurrences(of: "v=0", with: "v=x"))
            try witness.ack(nil)
        default:
            try witness.reply(200, witness.invite(audio), answered)
            try witness.ack(nil)
        }
        switch self {
        case .reINVITEFromEitherSide:
            try witness.exchange("INVITE", SDPText.audio(port: 5020), answered)
            try witness.exchange("INVITE", from: .callee, SDPText.audio(port: 6020), audio)
        case .lateReINVITE:
            try witness.exchange("INVITE", nil, answered)
            try witness.ack(audio)
            try witness.exchange("INVITE", from: .callee, nil, audio)
            try witness.ack(answered, from: .callee)
        case .holdAndBack:
            try witness.exchange("INVITE", from: .callee, held, audio)
            try witness.exchange("INVITE", held, held)
            try witness.exchange("INVITE", audio, answered)
        case .updates:
            try witness.exchange("UPDATE", SDPText.audio(port: 5020), answered)
            try witness.exchange("UPDATE", from: .callee, SDPText.audio(port: 6020), audio)
        case .refusedOffers:
            try witness.exchange("INVITE", SDPText.audio(port: 5020), nil, status: 488)
            try witness.exchange("UPDATE", from: .callee, SDPText.audio(port: 6020), nil, status: 491)
        default: break
        }
        try call.bye()
    }
}

@Suite struct EngageComparisonTests {
    private static let byHand = """
        request_route {
            if (has_totag()) dlg_manage(); else record_route();
            if (is_method("INVITE")) { t_on_reply("MEDIA"); t_on_failure("MEDIA"); }
            if (is_method("UPDATE|PRACK")) t_on_reply("MEDIA");
            rtpproxy_manage(PARAMETERS);
            t_relay();
        }
        onreply_route[MEDIA] { if (status =~ "^[12]") rtpproxy_manage(PARAMETERS); }
        failure_route[MEDIA] { rtpproxy_manage(PARAMETERS); }
        """

    /// What is seen of each scenario, and what the relay is asked.
    private func record(_ routes: String, _ parameters: String) throws -> [(seen: [String], commands: [String])] {
        let relay = try ScriptedRelay()
        return try Stage.own([relay], Engaged.change(parameters, routes)) { kamailio in
            try EngagedScenario.allCases.map { scenario in
                let witness = try Witness(kamailio, "call-\(scenario)")
                try scenario.run(witness)
                waitUntil(3) { !relay.texts(of: witness.call.id, "D").isEmpty }
                return (witness.seen, relay.texts(of: witness.call.id))
            }
        }
    }

    @Test(arguments: ["", "\"rco\"", "\"w\", \"203.0.113.5\""])
    func theWireIsTheSame(parameters: String) throws {
        let byHand = try record(Self.byHand, parameters)
        let engaged = try record(Engaged.routes, parameters)
        for (index, scenario) in EngagedScenario.allCases.enumerated() {
            #expect(engaged[index].seen == byHand[index].seen, "\(scenario)")
            #expect(engaged[index].commands == byHand[index].commands, "\(scenario)")
            #expect(byHand[index].commands.first?.first == "U" && byHand[index].commands.last?.first == "D")
        }
    }
}
