// SPDX-License-Identifier: GPL-2.0-or-later
// Bodies as real endpoints send them, offered and answered through a real Kamailio, compared byte for byte.

import Fixtures
import Foundation
import TestSupport
import Testing

/// One file of `Tests/Fixtures/real`: `options`, `input`, and `expected` or `fault`.
///
/// `options` has lines: `flags <flags>`, `relay <address>` (else 198.51.100.77), `candidates low|high` (the parameter
/// ice_candidate_priority_avp is set), and per media stream `asks <modifiers> <address> <port>`: what the relay is
/// asked, or `passes` where it is not. It answers stream n with port 40000 + 2 (n - 1). `fault` is the reason as the
/// log has it, or `marked: -2` where nothing is logged.
struct RealBody: CustomTestStringConvertible, Sendable {
    let name: String
    let input: [UInt8]
    let expected: [UInt8]?
    let fault: String?
    var flags: String?
    var relay = "198.51.100.77"
    var priority: Int?
    var asks: [String] = []

    var testDescription: String { name }

    static let files = FixtureFile.all("real")
    static let all = files.map(RealBody.init)
    /// Those that the shared stage, which adds no candidates, can take.
    static let plain = all.filter { $0.priority == nil }

    init(_ file: FixtureFile) {
        name = file.name
        input = file["input"] ?? []
        expected = file["expected"]
        fault = file.text("fault")
        for line in (file.text("options") ?? "").split(separator: "\n") {
            let value = line.firstIndex(of: " ").map { String(line[line.index(after: $0)...]) } ?? ""
            switch line.split(separator: " ").first {
            case "flags": flags = value
            case "relay": relay = value
            case "candidates": priority = value == "high" ? 1 : 2
            case "asks": asks.append(value)
            case "passes": asks.append("")
            default: fatalError("unknown option: \(line)")
            }
        }
    }

    /// What the commands of a call with these tags have to be, in the order of the streams.
    func commands(_ verb: String, _ call: Call) -> [String] {
        asks.enumerated().filter { !$1.isEmpty }.map { index, asked in
            let words = asked.split(separator: " ", omittingEmptySubsequences: false)
            let tags = [call.fromTag] + (verb == "L" ? [call.toTag] : [])
            return "\(verb)\(words[0]) \(call.id) \(words[1]) \(words[2]) "
                + tags.map { "\($0);\(index + 1)" }.joined(separator: " ")
        }
    }
}

@Suite struct RealBodyTests {
    /// Lets the relay answer as the fixtures say.
    private func script(_ relay: ScriptedRelay, _ body: RealBody, _ call: Call) {
        relay.on(call: call.id) {
            guard $0.verb == "U" || $0.verb == "L" else { return nil }
            return .reply("\(40_000 + 2 * ($0.stream - 1)) \(body.relay)\(body.relay.contains(":") ? " 6" : "")")
        }
    }

    /// What came of the body in one message.
    private func check(
        _ got: SIPMessage, _ body: RealBody, _ verb: String, _ call: Call, _ kamailio: Kamailio, _ relay: ScriptedRelay
    ) {
        let commands = relay.texts(of: call.id, verb)
        if let expected = body.expected {
            #expect(got.returnCodes == [1], "\(body.name)")
            #expect(got.text == String(decoding: expected, as: UTF8.self))
            #expect(got.body == expected)
            #expect(commands.sorted() == body.commands(verb, call).sorted())
        } else if let fault = body.fault {
            #expect(got.returnCodes == [fault == "marked: -2" ? -2 : -1])
            #expect(got.body == body.input)
            #expect(commands.isEmpty)
            if fault != "marked: -2" {
                let lines = kamailio.logLines(" rtpproxy [", "call \(call.id): ")
                #expect(lines.last?.hasSuffix("call \(call.id): \(fault)") == true, "\(lines)")
            }
        } else {
            Issue.record("\(body.name) says nothing of what is expected")
        }
        #expect(got["Content-Length"] == "\(got.body.count)")
    }

    /// Sends the body as an offer, and the same one back as the answer.
    private func pass(_ body: RealBody, _ kamailio: Kamailio, _ relay: ScriptedRelay) throws {
        let call = try kamailio.call()
        script(relay, body, call)
        let run = { (name: String) in Run(name, body.flags, priority: body.priority) }
        var request = call.request("INVITE", sdp: "", run: run("offer"))
        request.body = body.input
        let invite = try call.deliver(request)
        check(invite, body, "U", call, kamailio, relay)
        var response = call.response(200, to: invite, sdp: "", run: run("answer"))
        response.headers.removeAll { ["X-RC", "X-Instance"].contains($0.name) }
        response.body = body.input
        check(try call.deliver(response: response), body, "L", call, kamailio, relay)
    }

    @Test(arguments: RealBody.plain) func bodyIsRewrittenOrRefusedAsExpected(body: RealBody) throws {
        let stage = try Stage.shared()
        try pass(body, stage.kamailio, stage.relay)
    }

    @Test func bodyWithRelayCandidatesIsAsExpected() throws {
        let bodies = RealBody.all.filter { $0.priority != nil }
        #expect(!bodies.isEmpty)
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.set("ice_candidate_priority_avp", "$avp(priority)")
        } _: { kamailio in
            for body in bodies { try pass(body, kamailio, relay) }
        }
    }

    @Test func fixturesAreManyAndEachSaysWhatIsExpected() {
        #expect(RealBody.all.count >= 89)
        for body in RealBody.all {
            #expect(!body.input.isEmpty && (body.expected == nil) != (body.fault == nil), "\(body.name)")
            #expect(body.fault != nil || !body.asks.isEmpty, "\(body.name)")
        }
        for file in RealBody.files {
            #expect(
                [["options", "input", "expected"], ["options", "input", "fault"]].contains(file.parts), "\(file.name)")
        }
    }
}
