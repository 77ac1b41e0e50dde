// SPDX-License-Identifier: GPL-2.0-or-later
// Messages with the properties of RFC 4475's, sent as they are through a real Kamailio: each comes out as expected.

import Fixtures
import Foundation
import TestSupport
import Testing

/// One file of `Tests/Fixtures/torture`: `outcome`, `message`, and `body`, which arrives, where it is rewritten.
///
/// In message and body `{caller}` and `{callee}` stand for the endpoints, `{id}` for a text of the case's own,
/// `{length}` for the length of the body, `{vias}` for those of the INVITE that a response answers, `{x00}` for that
/// byte.
///
/// `outcome` has the section of RFC 4475, the outcome, and a line `asks <command>` for each command. The outcomes,
/// which are the same with Kamailio 5.6 and 6.0:
/// - `rewritten`;
/// - `refused <reason>`: with the body as it came;
/// - `passed`: Kamailio forwards it without running the script;
/// - `stopped [<status>]`: Kamailio itself does not forward it, and answers so;
/// - `unroutable [<status>]`: offered, and then not forwarded.
struct TortureCase: CustomTestStringConvertible, Sendable {
    let name: String
    let message: [UInt8]
    let section: String
    let outcome: String
    /// What stands behind the outcome.
    let detail: String
    let asks: [String]
    let body: [UInt8]

    var testDescription: String { "\(name) (section \(section))" }

    static let files = FixtureFile.all("torture")
    static let all = files.map(TortureCase.init)

    init(_ file: FixtureFile) {
        name = file.name
        message = file["message"] ?? []
        body = file["body"] ?? []
        let lines = (file.text("outcome") ?? "").split(separator: "\n").map(String.init)
        section = lines.first { $0.hasPrefix("section ") }.map { String($0.dropFirst(8)) } ?? ""
        let second = lines.count > 1 ? lines[1].split(separator: " ", maxSplits: 1).map(String.init) : []
        outcome = second.first ?? ""
        detail = second.count > 1 ? second[1] : ""
        asks = lines.filter { $0.hasPrefix("asks ") }.map { String($0.dropFirst(5)) }
    }

    var isResponse: Bool { message.starts(with: Array("SIP/2.0 ".utf8)) }

    /// `text` with everything in braces replaced.
    static func fill(_ text: [UInt8], _ values: [String: String]) -> [UInt8] {
        var made: [UInt8] = []
        var rest = text[...]
        while let open = rest.firstIndex(of: UInt8(ascii: "{")) {
            made += rest[..<open]
            rest = rest[open...]
            let close = rest.firstIndex(of: UInt8(ascii: "}")) ?? open
            let name = close > open ? String(decoding: rest[(open + 1)..<close], as: UTF8.self) : ""
            let byte = name.hasPrefix("x") ? UInt8(name.dropFirst(), radix: 16) : nil
            guard values[name] != nil || byte != nil else {
                made.append(rest.removeFirst())
                continue
            }
            made += byte.map { [$0] } ?? Array((values[name] ?? "").utf8)
            rest = rest[(close + 1)...]
        }
        return made + rest
    }
}

@Suite struct TortureTests {
    private static let separator: [UInt8] = [13, 10, 13, 10]

    /// One case on its way: the message as it is sent, and what shall come of it.
    private struct Sent {
        let call: Call
        let bytes: [UInt8]
        let body: [UInt8]
        let expectedBody: [UInt8]
        let asks: [String]
    }

    private func send(_ torture: TortureCase, _ stage: Stage) throws -> Sent {
        let call = try stage.call()
        call.fromTag = "ft"
        call.toTag = "tt"
        let id = call.id
        stage.relay.on { command in
            guard command.text.contains(id), command.verb == "U" || command.verb == "L" else { return nil }
            return .reply("\(40_000 + 2 * ((Int(command.text.last.map(String.init) ?? "") ?? 1) - 1)) 198.51.100.77")
        }
        var values = ["caller": "\(call.caller.endpoint)", "callee": "\(call.callee.endpoint)", "id": call.id]
        if torture.isResponse {
            values["vias"] = try call.invite().all("Via").map { "Via: \($0)\r\n" }.joined()
        }
        let split = torture.message.firstRange(of: Self.separator)?.upperBound ?? torture.message.count
        let body = TortureCase.fill(Array(torture.message[split...]), values)
        values["length"] = String(body.count)
        let bytes = TortureCase.fill(Array(torture.message[..<split]), values) + body
        let sender = torture.isResponse ? call.callee : call.caller
        sender.send(raw: bytes, to: stage.kamailio.endpoint())
        return Sent(
            call: call, bytes: bytes, body: body, expectedBody: TortureCase.fill(torture.body, values),
            asks: torture.asks.map { String(decoding: TortureCase.fill(Array($0.utf8), values), as: UTF8.self) })
    }

    @Test(arguments: TortureCase.all) func tortureMessageComesOutAsExpected(torture: TortureCase) throws {
        let stage = try Stage.shared()
        let sent = try send(torture, stage)
        let call = sent.call
        let receiver = torture.isResponse ? call.caller : call.callee
        let isForwarded = ["rewritten", "refused", "passed"].contains(torture.outcome)
        let got = receiver.receive(isForwarded ? 5000 : 500) { !torture.isResponse || $0.status > 100 }
        let commands = stage.relay.log.filter { $0.attempt == 1 && $0.text.contains(call.id) }.map(\.text)
        #expect(commands.sorted() == sent.asks.sorted())
        switch torture.outcome {
        case "rewritten":
            #expect(got?.returnCodes == [1])
            #expect(got?.text == String(decoding: sent.expectedBody, as: UTF8.self))
            #expect(got?.body == sent.expectedBody)
        case "refused":
            #expect(got?.returnCodes == [-1])
            #expect(got?.body == sent.body)
            let line = stage.kamailio.waitForLog(" rtpproxy [", "call \(call.id)", seconds: 5)
            #expect(line?.hasSuffix("call \(call.id): \(torture.detail)") == true, "\(line ?? "nothing")")
        case "passed":
            #expect(got?.returnCodes == [])
            #expect(got?.body == sent.body)
        case "stopped", "unroutable":
            #expect(got == nil, "\(got?.description ?? "")")
            let answer = (torture.isResponse ? call.callee : call.caller).receive(0) { $0.status > 100 }
            #expect(answer.map { String($0.status) } ?? "" == torture.detail)
            if torture.outcome == "unroutable" { #expect(stage.kamailio.ran(call.id) == ["offer 1"]) }
        default: Issue.record("no outcome: \(torture.outcome)")
        }
        #expect(stage.kamailio.diedBySignal.isEmpty)
        // Whatever that was, a normal call goes.
        let next = try stage.call()
        let invite = try next.invite(run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(try next.reply(to: invite, sdp: SDPText.audio(), run: .answer()).returnCodes == [1])
        try next.ack()
        try next.bye(run: .destroy())
    }

    @Test func everySectionOfRFC4475HasAMessage() {
        let sections =
            (1...13).map { "3.1.1.\($0)" } + (1...19).map { "3.1.2.\($0)" } + (1...15).map { "3.3.\($0)" }
            + ["3.2.1", "3.4.1"]
        #expect(Set(TortureCase.all.map(\.section)) == Set(sections))
        for torture in TortureCase.all {
            #expect(torture.outcome == "rewritten" || torture.body.isEmpty, "\(torture.name)")
        }
        for file in TortureCase.files {
            #expect([["outcome", "message"], ["outcome", "message", "body"]].contains(file.parts), "\(file.name)")
        }
    }
}
