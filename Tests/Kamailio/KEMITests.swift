// SPDX-License-Identifier: GPL-2.0-or-later
// Every function under its KEMI name, called from a script of app_jsdt.

import Foundation
import TestSupport
import Testing

/// A Kamailio whose routes are Tests/Fixtures/kamailio/kemi.js, with a relay in set 0, another in set 4, and an old one
/// in set 20.
struct KEMIStage {
    let kamailio: Kamailio
    let relay: ScriptedRelay
    let other: ScriptedRelay
    let old: ScriptedRelay

    static func run(
        _ adjust: (inout KamailioConfiguration) -> Void = { _ in }, _ body: (KEMIStage) throws -> Void
    ) throws {
        let relays = [
            try ScriptedRelay(), try ScriptedRelay(address: "192.0.2.88"),
            try ScriptedRelay(capabilities: ScriptedRelay.allCapabilities.subtracting(["20081102"])),
        ]
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.modules.append("app_jsdt")
            let script = "\"\(PackageFolder.root)/Tests/Fixtures/kamailio/kemi.js\""
            configuration.parameters.append(("app_jsdt", "load", script))
            configuration.set("rtpproxy_sock", relays[0].url)
            configuration.set("rtpproxy_sock", "4 == \(relays[1].url)")
            configuration.set("rtpproxy_sock", "20 == \(relays[2].url)")
            configuration.routes = "cfgengine \"jsdt\""
            adjust(&configuration)
        }
        try Stage.own([], settled: false, change) { kamailio in
            kamailio.waitUntilUp(relays)
            try body(KEMIStage(kamailio: kamailio, relay: relays[0], other: relays[1], old: relays[2]))
        }
    }
}

/// What the script shall do; see kemi.js.
func script(
    _ function: String, flags: String? = nil, ip: String? = nil, set: Int? = nil, prompt: String? = nil,
    count: Int? = nil
) -> Run {
    Run(function, flags, ip: ip, set: set, prompt: prompt, count: count)
}

@Suite struct KEMITests {
    @Test func exportsItsNamesWithTheirParameters() throws {
        try KEMIStage.run { stage in
            var found: [String] = []
            var fields: [String: String] = [:]
            for line in try stage.kamailio.kamcmd("app_jsdt.api_list").split(separator: "\n") {
                let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
                guard parts.count == 2 else { continue }
                fields[parts[0]] = parts[1]
                if parts[0] == "params", fields["module"] == "rtpproxy" {
                    found.append("\(fields["ret"] ?? "") \(fields["name"] ?? "")(\(parts[1]))")
                }
            }
            let media = ["offer", "answer", "manage"].flatMap {
                [
                    "int rtpproxy_\($0)0(none)", "int rtpproxy_\($0)(str)", "int rtpproxy_\($0)_ip(str, str)",
                    "int rtpproxy_\($0)_async0(str)", "int rtpproxy_\($0)_async(str, str)",
                    "int rtpproxy_\($0)_async_ip(str, str, str)",
                ]
            }
            let others = [
                "rtpproxy_destroy0(none)", "rtpproxy_destroy(str)", "rtpproxy_destroy_async0(none)",
                "rtpproxy_destroy_async(str)", "set_rtpproxy_set(int)", "start_recording(none)",
                "rtpproxy_stream2uac(str, int)", "rtpproxy_stream2uas(str, int)", "rtpproxy_stop_stream2uac(none)",
                "rtpproxy_stop_stream2uas(none)",
                "rtpproxy_engage0(none)", "rtpproxy_engage(str)", "rtpproxy_engage_ip(str, str)",
                "rtpproxy_disengage(none)", "rtpproxy_engage_async0(str)", "rtpproxy_engage_async(str, str)",
                "rtpproxy_engage_async_ip(str, str, str)",
            ]
            #expect(found.sorted() == (media + others.map { "int \($0)" }).sorted())
        }
    }

    /// Offers by each of the three names, what stands behind the letter, and the address in the body.
    static let media: [(suffix: String, modifiers: String, sent: String, written: String)] = [
        ("0", "", "127.0.0.1", "192.0.2.77"), ("", "SIE", "192.0.2.10", "192.0.2.77"),
        ("_ip", "SIE", "192.0.2.10", "203.0.113.5"),
    ]

    @Test func offerAndAnswerUnderTheirThreeNamesEach() throws {
        try KEMIStage.run { stage in
            for (suffix, modifiers, sent, written) in Self.media {
                let call = try stage.kamailio.call()
                let offer = script("rtpproxy_offer\(suffix)", flags: "rwie", ip: "203.0.113.5")
                let answer = script("rtpproxy_answer\(suffix)", flags: "rwie", ip: "203.0.113.5")
                let invite = try call.invite(run: offer)
                let answered = try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: answer)
                #expect([invite, answered].map(\.returnCodes) == [[1], [1]], "\(suffix)")
                #expect(
                    stage.relay.texts(of: call.id) == [
                        "U\(modifiers)c0,8,101 \(call.id) \(sent) 5004 \(call.fromTag);1",
                        "L\(modifiers)c0,8,101 \(call.id) \(sent) 6000 \(call.fromTag);1 \(call.toTag);1",
                    ])
                for message in [invite, answered] {
                    #expect(message.lines.contains("c=IN IP4 \(written)"))
                    #expect(message.lines.last == "a=nortpproxy:yes")
                }
            }
        }
    }

    @Test func manageUnderItsThreeNamesThroughAWholeCall() throws {
        try KEMIStage.run { stage in
            for (suffix, modifiers, sent, written) in Self.media {
                let call = try stage.kamailio.call()
                let manage = script("rtpproxy_manage\(suffix)", flags: "rwie", ip: "203.0.113.5")
                let invite = try call.invite(run: manage)
                let answered = try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: manage)
                let bye = try call.bye(run: manage)
                #expect([invite, answered, bye].map(\.returnCodes) == [[1], [1], [1]], "\(suffix)")
                #expect(
                    stage.relay.texts(of: call.id) == [
                        "U\(modifiers)c0,8,101 \(call.id) \(sent) 5004 \(call.fromTag);1",
                        "L\(modifiers)c0,8,101 \(call.id) \(sent) 6000 \(call.fromTag);1 \(call.toTag);1",
                        "D \(call.id) \(call.fromTag) \(call.toTag)",
                    ])
                #expect(invite.lines.contains("c=IN IP4 \(written)"))
                #expect(answered.lines.contains("c=IN IP4 \(written)"))
            }
        }
    }

    @Test func destroyUnderItsTwoNames() throws {
        try KEMIStage.run { stage in
            let call = try stage.kamailio.call()
            try call.invite(run: script("rtpproxy_offer0"))
            #expect(try call.bye(run: script("rtpproxy_destroy0")).returnCodes == [1])
            #expect(try call.bye(run: script("rtpproxy_destroy", flags: "t")).returnCodes == [1])
            #expect(try call.bye(run: script("rtpproxy_destroy", flags: "k")).returnCodes == [-1])
            #expect(
                stage.relay.texts(of: call.id, "D") == [
                    "D \(call.id) \(call.fromTag) \(call.toTag)", "D \(call.id) \(call.fromTag)",
                ])
        }
    }

    @Test func setsByNumberAndWhatAnUnknownOneDoes() throws {
        try KEMIStage.run { stage in
            for (set, code, relay) in [
                (4, "1", stage.other), (0, "1", stage.relay), (5, "-1", stage.relay),
                (-1, "-1", stage.relay),
            ] {
                let call = try stage.kamailio.call()
                let invite = try call.invite(run: script("rtpproxy_offer0", set: set))
                #expect(invite["X-Set-RC"] == code)
                #expect(invite.returnCodes == [1])
                #expect(relay.texts(of: call.id).count == 1)
            }
        }
    }

    @Test func returnCodesOfFailures() throws {
        try KEMIStage.run { stage in
            let call = try stage.kamailio.call()
            let twice = try call.invite(run: script("rtpproxy_offer", flags: "r").then("rtpproxy_offer"))
            #expect(twice.returnCodes == [1, -2])
            #expect(stage.relay.texts(of: call.id).count == 1)
            let failures: [(run: Run, code: Int)] = [
                (script("rtpproxy_offer", flags: "k"), -1), (script("rtpproxy_offer_ip", flags: "", ip: nil), -1),
                (script("rtpproxy_answer0"), -1), (script("start_recording"), -1),
                (script("rtpproxy_stream2uas", prompt: "p", count: 1), -1), (script("rtpproxy_stop_stream2uas"), -1),
                (script("rtpproxy_stream2uac", prompt: "", count: 1), -1),
            ]
            for (run, code) in failures {
                let invite = try stage.kamailio.call().invite(run: run)
                #expect(invite.returnCodes == [code], "\(run)")
                #expect(invite.text == SDPText.audio())
            }
            _ = try stage.kamailio.kamcmd("rtpproxy.enable", stage.relay.url, "0")
            let invite = try stage.kamailio.call().invite(run: script("rtpproxy_offer0").then("rtpproxy_destroy0"))
            #expect(invite.returnCodes == [-3, -1])
        }
    }

    @Test func promptsAndRecording() throws {
        try KEMIStage.run { stage in
            let call = try stage.kamailio.call()
            try call.invite(run: script("rtpproxy_offer0"))
            let runs = [
                script("rtpproxy_stream2uac", prompt: "/prompts/a", count: 3),
                script("rtpproxy_stream2uas", prompt: "/prompts/b", count: -1), script("rtpproxy_stop_stream2uac"),
                script("rtpproxy_stop_stream2uas"), script("start_recording"),
            ]
            for run in runs {
                #expect(try call.deliver(call.request("INFO", run: run)).returnCodes == [1], "\(run)")
            }
            let (from, to) = (call.fromTag, call.toTag)
            #expect(
                Array(stage.relay.texts(of: call.id).dropFirst()) == [
                    "P3 \(call.id) /prompts/a session \(from);1 \(to);1",
                    "P-1 \(call.id) /prompts/b session \(to);1 \(from);1", "S \(call.id) \(from);1 \(to);1",
                    "S \(call.id) \(to);1 \(from);1", "R \(call.id) \(from) \(to)",
                    "R \(call.id) \(to) \(from)",
                ])
        }
    }

    @Test func promptsNeedARelayThatKnowsCodecLists() throws {
        try KEMIStage.run { stage in
            let call = try stage.kamailio.call()
            try call.invite(run: script("rtpproxy_offer0", set: 20))
            let play = script("rtpproxy_stream2uac", set: 20, prompt: "p", count: 1)
            #expect(try call.deliver(call.request("INFO", run: play)).returnCodes == [-1])
            #expect(stage.old.commands(of: call.id, "P").isEmpty)
        }
    }
}
