// SPDX-License-Identifier: GPL-2.0-or-later
// Calls as phones make them, with forks, failures and what is sent twice, and what both sides get.

import Foundation
import TestSupport
import Testing

private let audio = SDPText.audio()
private let answered = SDPText.audio(port: 6000)
private let another = SDPText.audio(port: 7000)
private let held = SDPText.audio(extra: ["a=sendonly"])
private let resumed = SDPText.audio(extra: ["a=sendrecv"])
private let fax = SDPText.session(streams: [["m=image 5030 udptl t38", "a=T38FaxVersion:0"]])

/// A call, those who may take it, and what all of them have seen of its descriptions.
final class Party {
    let kamailio: Kamailio
    let call: Call
    /// Who else may take it.
    let others: [UserAgent]
    private(set) var seen: [String] = []

    init(_ kamailio: Kamailio, _ id: String, _ families: (Family, Family)) throws {
        self.kamailio = kamailio
        call = try kamailio.call(families.0, calleeFamily: families.1)
        (call.id, call.fromTag, call.toTag) = (id, "caller-tag", "callee-tag")
        others = try (0..<2).map { try UserAgent("other\($0)", families.1) }
    }

    /// What a message said of media, and how it was named.
    func note(_ message: SIPMessage) { seen.append("\(message.method) \(message.status)\n\(message.text)") }

    /// The first INVITE, forked in parallel or one after the other to `forks`.
    func invite(
        _ sdp: String? = audio, parallel: [UserAgent] = [], next: [UserAgent] = []
    ) throws -> (sent: SIPMessage, got: SIPMessage) {
        var request = call.request("INVITE", sdp: sdp)
        if !parallel.isEmpty { request["X-Fork"] = parallel[0].uri }
        if !next.isEmpty { request["X-Next"] = ([call.callee] + next).map(\.uri).joined(separator: ",") }
        let got = try call.deliver(request)
        note(got)
        return (request, got)
    }

    /// The INVITE as another one got it.
    func forked(_ agent: UserAgent) throws -> SIPMessage {
        let id = call.id
        let got = try #require(agent.receive { $0.method == "INVITE" && $0.callID == id })
        note(got)
        return got
    }

    /// What another one answers, as the caller gets it; nil where tm keeps it.
    func answer(
        _ agent: UserAgent, _ status: Int, _ request: SIPMessage, _ sdp: String? = nil, tag: String, passes: Bool = true
    ) throws {
        var reply = call.response(status, to: request, sdp: sdp)
        reply["To"] = "\(request["To"] ?? "");tag=\(tag)"
        reply["Contact"] = "<\(agent.uri)>"
        agent.send(reply, to: kamailio.endpoint(agent.endpoint.family))
        if status > 299 { try acknowledged(agent) }
        guard passes else { return }
        let id = call.id
        note(try #require(call.caller.receive { $0.status == status && $0.callID == id }))
    }

    /// tm acknowledges what has refused.
    func acknowledged(_ agent: UserAgent) throws {
        let id = call.id
        _ = try #require(agent.receive { $0.method == "ACK" && $0.callID == id })
    }

    /// The first one refuses, and tm keeps that.
    func refuse(_ status: Int, _ request: SIPMessage) throws {
        call.send(call.response(status, to: request), from: .callee)
        try acknowledged(call.callee)
    }

    func reply(_ status: Int, _ request: SIPMessage, _ sdp: String? = nil, from side: Call.Side = .callee) throws {
        note(try call.reply(status, to: request, sdp: sdp, from: side))
        if status > 299, request.method == "INVITE" { try acknowledged(side == .caller ? call.caller : call.callee) }
    }

    func ack(_ sdp: String? = nil, from side: Call.Side = .caller) throws {
        note(try call.deliver(call.request("ACK", from: side, sdp: sdp), from: side))
    }

    /// A request within the dialog, and its answer.
    func exchange(
        _ method: String, _ sdp: String?, _ answer: String?, from side: Call.Side = .caller, _ status: Int = 200
    ) throws {
        let got = try call.deliver(call.request(method, from: side, sdp: sdp, inDialog: true), from: side)
        note(got)
        try reply(status, got, answer, from: side == .caller ? .callee : .caller)
        if method == "INVITE", status < 300, sdp != nil { try ack(from: side) }
    }

    /// The same, challenged and sent on by the script once more.
    func challenged(_ method: String, _ sdp: String?, _ answer: String?, from side: Call.Side = .caller) throws {
        let other: Call.Side = side == .caller ? .callee : .caller
        let agent = side == .caller ? call.callee : call.caller
        let got = try call.deliver(call.request(method, from: side, sdp: sdp, inDialog: true), from: side)
        note(got)
        call.send(call.response(407, to: got), from: other)
        if method == "INVITE" { try acknowledged(agent) }
        let id = call.id
        let again = try #require(
            agent.receive { $0.method == method && $0.callID == id && $0.sequence == got.sequence })
        note(again)
        try reply(200, again, answer, from: other)
        if method == "INVITE" { try ack(sdp == nil ? audio : nil, from: side) }
    }

    func cancel(_ sent: SIPMessage) -> SIPMessage {
        var cancel = call.request("CANCEL")
        cancel["Via"] = sent["Via"]
        return cancel
    }

    func bye(from side: Call.Side = .caller) throws { note(try call.bye(from: side)) }
}

/// What happens in a call.
enum CallScenario: String, CaseIterable, Sendable {
    // Before it is taken.
    case ringingAlone, earlyMediaAndAnotherAnswer, answerInThe183Alone, refusedLateOffer
    case prackWithoutSDP, earlyUPDATEs, cancelled, cancelledWithEarlyMedia, cancelledAndTaken, answersThatDiffer
    // Sent twice, or lost.
    case everythingTwice, lostACK, lostLateACK, byeBeforeACK, byeTwice, byeRefused
    // Within it.
    case holdBySendonly, glare, refusedReINVITEsOfBothSides, refusedLateReINVITE, refusedUPDATEs, faxRefusedAndTaken
    case reINVITECancelled, manyReINVITEs, infoAndMessage, challengedWithin
    // Forks.
    case firstOfTwoTakes, secondOfTwoTakes, bothRing, bothRefuse, twoAnswers, forkCancelled
    case nextTakes, nextTakesBehindEarlyMedia, lateOfferOfTheNext, allRefuse, nextCancelled, challenged

    func run(_ party: Party) throws {
        let call = party.call
        switch self {
        case .ringingAlone:
            let got = try party.invite().got
            try party.reply(180, got)
            try party.reply(200, got, answered)
        case .earlyMediaAndAnotherAnswer:
            let got = try party.invite().got
            try party.reply(183, got, answered)
            try party.reply(183, got, another)
            try party.reply(200, got, another)
        case .answerInThe183Alone:
            let got = try party.invite().got
            try party.reply(183, got, answered)
            try party.reply(200, got)
        case .refusedLateOffer:
            try party.reply(488, try party.invite(nil).got)
            return
        case .prackWithoutSDP:
            let got = try party.invite().got
            try party.reply(183, got, answered)
            try party.exchange("PRACK", nil, nil)
            try party.reply(180, got)
            try party.exchange("PRACK", nil, nil)
            try party.reply(200, got, answered)
        case .earlyUPDATEs:
            let got = try party.invite().got
            try party.reply(183, got, answered)
            try party.exchange("PRACK", nil, nil)
            try party.exchange("UPDATE", another, answered)
            try party.exchange("UPDATE", another, audio, from: .callee)
            try party.reply(200, got)
        case .cancelled, .cancelledWithEarlyMedia, .cancelledAndTaken:
            let (sent, got) = try party.invite()
            try party.reply(180, got)
            if self == .cancelledWithEarlyMedia { try party.reply(183, got, answered) }
            try call.reply(to: call.deliver(party.cancel(sent)))
            if self == .cancelledAndTaken {
                // It has crossed the 200.
                try party.reply(200, got, answered)
            } else {
                try party.reply(487, got)
                return
            }
        case .answersThatDiffer:
            let got = try party.invite().got
            for port in [6000, 6002, 6004] { try party.reply(183, got, SDPText.audio(port: port)) }
            try party.reply(200, got, SDPText.audio(port: 6006))
        case .everythingTwice:
            let (sent, got) = try party.invite()
            call.send(sent)
            for status in [183, 183, 200, 200] { try party.reply(status, got, answered) }
        case .lostACK, .lostLateACK:
            let got = try party.invite(self == .lostACK ? audio : nil).got
            for _ in 0..<3 { try party.reply(200, got, answered) }
            for _ in 0..<2 { try party.ack(self == .lostACK ? nil : audio) }
        case .byeBeforeACK:
            try party.reply(200, try party.invite().got, answered)
            try party.bye()
            return
        case .firstOfTwoTakes, .secondOfTwoTakes, .bothRing, .bothRefuse, .twoAnswers, .forkCancelled:
            if try !fork(party) { return }
        case .nextTakes, .nextTakesBehindEarlyMedia, .lateOfferOfTheNext, .allRefuse, .nextCancelled:
            if try !next(party) { return }
        case .challenged:
            try party.reply(407, try party.invite().got)
            try party.reply(200, try party.invite().got, answered)
        default:
            try party.reply(200, try party.invite().got, answered)
        }
        if ![.lostACK, .lostLateACK].contains(self) { try party.ack() }
        try within(party)
        if [.byeTwice, .byeRefused].contains(self) { return }
        try party.bye(from: rawValue.count.isMultiple(of: 2) ? .caller : .callee)
    }

    /// false: nobody has taken it.
    private func fork(_ party: Party) throws -> Bool {
        let (call, other) = (party.call, party.others[0])
        let (sent, got) = try party.invite(parallel: [other])
        let forked = try party.forked(other)
        let id = call.id
        // tm cancels whoever rings when another one has taken it.
        let cancelled = { (agent: UserAgent, request: SIPMessage) in
            let cancel = try #require(agent.receive { $0.method == "CANCEL" && $0.callID == id })
            agent.send(call.response(200, to: cancel), to: party.kamailio.endpoint(agent.endpoint.family))
            agent.send(call.response(487, to: request), to: party.kamailio.endpoint(agent.endpoint.family))
            try party.acknowledged(agent)
        }
        switch self {
        case .firstOfTwoTakes:
            try party.answer(other, 486, forked, tag: "other-tag", passes: false)
            try party.reply(200, got, answered)
        case .secondOfTwoTakes:
            try party.reply(180, got)
            call.toTag = "other-tag"
            try party.answer(other, 200, forked, another, tag: "other-tag")
            try cancelled(call.callee, got)
        case .bothRing:
            try party.reply(183, got, answered)
            try party.answer(other, 183, forked, another, tag: "other-tag")
            try party.reply(183, got, answered)
            try party.reply(200, got, answered)
            try cancelled(other, forked)
        case .bothRefuse:
            try party.answer(other, 480, forked, tag: "other-tag", passes: false)
            // tm sends on the lower one.
            try party.refuse(486, got)
            party.note(try #require(call.caller.receive { $0.status == 480 && $0.callID == id }))
            return false
        case .twoAnswers:
            try party.reply(200, got, answered)
            try party.answer(other, 200, forked, another, tag: "other-tag")
        default:
            try party.reply(183, got, answered)
            try party.answer(other, 180, forked, tag: "other-tag")
            call.send(party.cancel(sent))
            try cancelled(other, forked)
            try cancelled(call.callee, got)
            party.note(try #require(call.caller.receive { $0.status == 487 && $0.callID == id }))
            return false
        }
        return true
    }

    /// false: nobody has taken it.
    private func next(_ party: Party) throws -> Bool {
        let (call, next) = (party.call, party.others)
        let (sent, got) = try party.invite(self == .lateOfferOfTheNext ? nil : audio, next: next)
        if self == .nextTakesBehindEarlyMedia { try party.reply(183, got, answered) }
        try party.refuse(486, got)
        let second = try party.forked(next[0])
        if self == .nextCancelled {
            try party.answer(next[0], 180, second, tag: "second-tag")
            call.send(party.cancel(sent))
            let id = call.id
            let cancel = try #require(next[0].receive { $0.method == "CANCEL" && $0.callID == id })
            next[0].send(call.response(200, to: cancel), to: party.kamailio.endpoint(next[0].endpoint.family))
            try party.answer(next[0], 487, second, tag: "second-tag")
            return false
        }
        if self == .nextTakesBehindEarlyMedia { try party.answer(next[0], 183, second, another, tag: "second-tag") }
        try party.answer(next[0], 486, second, tag: "second-tag", passes: false)
        let third = try party.forked(next[1])
        if self == .allRefuse {
            try party.answer(next[1], 480, third, tag: "third-tag")
            return false
        }
        call.toTag = "third-tag"
        try party.answer(next[1], 200, third, another, tag: "third-tag")
        if self == .lateOfferOfTheNext { try party.ack(audio) }
        return true
    }

    private func within(_ party: Party) throws {
        let call = party.call
        switch self {
        case .holdBySendonly:
            for side in [Call.Side.caller, .callee] {
                try party.exchange("INVITE", held, SDPText.audio(extra: ["a=recvonly"]), from: side)
                try party.exchange("INVITE", resumed, resumed, from: side)
            }
        case .glare:
            let one = try call.deliver(call.request("INVITE", sdp: audio, inDialog: true))
            let other = try call.deliver(
                call.request("INVITE", from: .callee, sdp: another, inDialog: true), from: .callee)
            for got in [one, other] { party.note(got) }
            try party.reply(491, other, from: .caller)
            try party.reply(491, one)
            try party.exchange("INVITE", audio, answered)
        case .refusedReINVITEsOfBothSides:
            for (side, status) in [(Call.Side.caller, 488), (.callee, 606), (.caller, 500), (.callee, 481)] {
                try party.exchange("INVITE", another, nil, from: side, status)
            }
        case .refusedLateReINVITE:
            try party.exchange("INVITE", nil, nil, 488)
            try party.exchange("INVITE", nil, nil, from: .callee, 491)
        case .refusedUPDATEs:
            for side in [Call.Side.caller, .callee] { try party.exchange("UPDATE", another, nil, from: side, 488) }
        case .faxRefusedAndTaken:
            try party.exchange("INVITE", fax, nil, from: .callee, 488)
            try party.exchange("INVITE", fax, fax)
        case .reINVITECancelled:
            let sent = call.request("INVITE", sdp: another, inDialog: true)
            let got = try call.deliver(sent)
            party.note(got)
            try party.reply(180, got)
            var cancel = party.cancel(sent)
            cancel["To"] = sent["To"]
            try call.reply(to: call.deliver(cancel))
            try party.reply(487, got)
        case .manyReINVITEs:
            for turn in 0..<8 {
                let side: Call.Side = turn.isMultiple(of: 2) ? .caller : .callee
                try party.exchange("INVITE", SDPText.audio(port: 5100 + 2 * turn), answered, from: side)
            }
        case .challengedWithin:
            // The script answers for whoever is challenged.
            for side in [Call.Side.caller, .callee] {
                try party.challenged("INVITE", another, audio, from: side)
                try party.challenged("UPDATE", another, audio, from: side)
            }
            try party.challenged("INVITE", nil, another)
        case .infoAndMessage:
            try party.exchange("INFO", nil, nil)
            try party.exchange("MESSAGE", audio, nil, from: .callee)
        case .byeTwice:
            let request = call.request("BYE")
            let bye = try call.deliver(request)
            call.send(request)
            try party.reply(200, bye)
        case .byeRefused:
            let bye = try call.deliver(call.request("BYE"))
            try party.reply(481, bye)
        default: break
        }
    }
}
