// SPDX-License-Identifier: GPL-2.0-or-later
// Prompts and recording: commands in requests and replies, order of the tags, counts, and what they need.

import Foundation
import TestSupport
import Testing

@Suite struct PromptTests {
    /// A call whose session exists, with what its callee got.
    private func offered(_ stage: Stage, set: Int? = nil) throws -> (call: Call, invite: SIPMessage) {
        let call = try stage.call()
        return (call, try call.invite(run: .offer(set: set)))
    }

    /// What was sent behind the offer.
    private func sent(_ relay: ScriptedRelay, _ call: Call) -> [String] {
        Array(relay.texts(of: call.id).dropFirst())
    }

    /// The function, and its command with the tags of a message as F and T.
    @Test(arguments: [
        ("stream2uac", "P5 C /prompts/wait session F;1 T;1"), ("stream2uas", "P-1 C /prompts/wait session T;1 F;1"),
        ("stop2uac", "S C F;1 T;1"), ("stop2uas", "S C T;1 F;1"),
    ])
    func commandsInARequestWithinTheDialog(function: String, command: String) throws {
        let stage = try Stage.shared()
        let (call, _) = try offered(stage)
        let got = try call.deliver(call.request("INFO", sdp: nil, run: Run(function, prompt: "/prompts/wait")))
        #expect(got.returnCodes == [1])
        #expect(got.instance == stage.relay.url)
        #expect(sent(stage.relay, call) == [filled(command, call.id, call.fromTag, call.toTag)])
        // From the other side, the tags are the other way round.
        let back = call.request("INFO", from: .callee, run: Run(function, prompt: "/prompts/wait"))
        #expect(try call.deliver(back, from: .callee).returnCodes == [1])
        #expect(sent(stage.relay, call).last == filled(command, call.id, call.toTag, call.fromTag))
    }

    /// In a reply, From is still the caller.
    @Test(arguments: [
        ("stream2uac", "P5 C p session F;1 T;1"), ("stream2uas", "P-1 C p session T;1 F;1"),
        ("stop2uac", "S C F;1 T;1"), ("stop2uas", "S C T;1 F;1"),
    ])
    func commandsInAReply(function: String, command: String) throws {
        let stage = try Stage.shared()
        let (call, invite) = try offered(stage)
        let answered = try call.reply(to: invite, run: Run(function, prompt: "p"))
        #expect(answered.returnCodes == [1])
        #expect(sent(stage.relay, call) == [filled(command, call.id, call.fromTag, call.toTag)])
    }

    /// RTPProxy records the party whose tag comes first.
    @Test func recordingIsOfBothParties() throws {
        let stage = try Stage.shared()
        let (call, invite) = try offered(stage)
        #expect(try call.reply(to: invite, run: Run("record")).returnCodes == [1])
        let both = ["R C F T", "R C T F"].map { filled($0, call.id, call.fromTag, call.toTag) }
        #expect(sent(stage.relay, call).sorted() == both.sorted())
        #expect(try call.deliver(call.request("INFO", run: Run("record"))).returnCodes == [1])
        #expect(sent(stage.relay, call).suffix(2).sorted() == both.sorted())
    }

    @Test func aCallIDThatCannotBeAFilesNameIsNamedInTheLog() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        call.id += "/branch"
        try call.invite(run: .offer())
        stage.relay.on(call: call.id) { $0.verb == "R" ? .reply("E50") : nil }
        #expect(try call.deliver(call.request("INFO", run: Run("record"))).returnCodes == [-1])
        #expect(stage.kamailio.waitForLog("ERROR", call.id, "E50", "'/' in its Call-ID") != nil)
    }

    @Test func promptsBeforeTheAnswerAreLoggedAsSilentOnceAProcess() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], { $0.children = 1 }) { kamailio in
            for _ in 0..<3 {
                let call = try kamailio.call()
                let invite = try call.invite(run: Run.offer().then("stream2uac").and(Run("", prompt: "p")))
                #expect(invite.returnCodes == [1, 1])
            }
            #expect(kamailio.waitForLog("WARNING", relay.url, "before the answer") != nil)
            #expect(kamailio.logLines("before the answer").count == 1)
            let call = try kamailio.call()
            try call.invite(run: .offer())
            try call.deliver(call.request("INFO", run: Run("stream2uac", prompt: "p")))
            #expect(kamailio.logLines("before the answer").count == 1)
        }
    }

    @Test(arguments: [
        ("stream2uac", "P5 C p session F;1"), ("stream2uas", nil), ("stop2uac", "S C F;1"), ("stop2uas", nil),
        ("record", "R C F"),
    ])
    func beforeAToTagOnlyTheCallerCanBeReached(function: String, command: String?) throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(run: Run.offer().then(function).and(Run("", prompt: "p")))
        #expect(invite.returnCodes == [1, command == nil ? -1 : 1])
        #expect(sent(stage.relay, call) == (command.map { [filled($0, call.id, call.fromTag, "")] } ?? []))
    }

    @Test func recordingInAReplyNeedsItsToTag() throws {
        let stage = try Stage.shared()
        let (call, invite) = try offered(stage)
        var response = call.response(183, to: invite, run: Run("record"))
        response["To"] = invite["To"]
        #expect(try call.deliver(response: response).returnCodes == [-1])
        #expect(sent(stage.relay, call).isEmpty)
    }

    @Test(arguments: ["stream2uac", "stream2uas", "stop2uac", "stop2uas"])
    func promptsNeedARelayThatKnowsCodecLists(function: String) throws {
        let stage = try Stage.shared()
        let relay = try #require(stage.relays[20])
        let (call, _) = try offered(stage, set: 20)
        let got = try call.deliver(call.request("INFO", run: Run(function, set: 20, prompt: "p")))
        #expect(got.returnCodes == [-1])
        #expect(sent(relay, call).isEmpty)
        #expect(stage.kamailio.waitForLog("ERROR", call.id, relay.url) != nil)
        // Recording is older than that.
        #expect(try call.deliver(call.request("INFO", run: Run("record", set: 20))).returnCodes == [1])
    }

    @Test(arguments: ["stream2uac", "stream2uas", "stop2uac", "stop2uas", "record"], ["E50", "E60", "E0", "E35"])
    func errorRepliesFail(function: String, error: String) throws {
        let stage = try Stage.shared()
        let (call, _) = try offered(stage)
        stage.relay.on(call: call.id) { _ in .reply(error) }
        let got = try call.deliver(call.request("INFO", run: Run(function, prompt: "p")))
        #expect(got.returnCodes == [-1])
        let reason = error == "E50" ? "does not know the call's session" : error
        #expect(stage.kamailio.waitForLog("ERROR", call.id, reason) != nil)
        #expect(try stage.kamailio.relays().first?["disabled"] == "0")
    }

    @Test(arguments: ["", "two words", "line\u{7F}end", "tab\tbed"])
    func promptsThatWouldBeNoWordAreNotSent(prompt: String) throws {
        let stage = try Stage.shared()
        let (call, _) = try offered(stage)
        let got = try call.deliver(call.request("INFO", run: Run("stream2uac", prompt: prompt)))
        #expect(got.returnCodes == [-1])
        #expect(sent(stage.relay, call).isEmpty)
        #expect(stage.kamailio.waitForLog("ERROR", call.id, "prompt") != nil)
    }

    /// Literal counts and what stands behind the letter.
    static let counts = [("-1", "P-1"), ("0", "P0"), ("1", "P1"), ("250", "P250")]

    @Test func countsAreSentAsTheyStandAndPromptsMayBeVariables() throws {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            let calls = Self.counts.map { count, _ in
                """
                    rtpproxy_stream2uac("$var(folder)/$hdr(X-Prompt)-$rU", "\(count)");
                    append_hf("X-RC: $rc\\r\\n");
                """
            }
            configuration.routes = """
                request_route {
                    $var(folder) = "/prompts";
                \(calls.joined(separator: "\n"))
                    t_relay();
                }
                """
        }
        try Stage.own([relay], change) { kamailio in
            let call = try kamailio.call()
            relay.on { $0.verb == "P" ? .reply("0") : nil }
            let invite = try call.invite(run: Run("", prompt: "wait"))
            #expect(invite.returnCodes == [1, 1, 1, 1])
            #expect(
                relay.texts(of: call.id)
                    == Self.counts.map {
                        "\($0.1) \(call.id) /prompts/wait-bob session \(call.fromTag);1"
                    })
        }
    }

    /// C, F and T of a command replaced by a call's own words.
    private func filled(_ command: String, _ id: String, _ from: String, _ to: String) -> String {
        command.split(separator: " ").map { word in
            switch word {
            case "C": id
            case "F": from
            case "T": to
            case "F;1": "\(from);1"
            case "T;1": "\(to);1"
            default: String(word)
            }
        }.joined(separator: " ")
    }
}
