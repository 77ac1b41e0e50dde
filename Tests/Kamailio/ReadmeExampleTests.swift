// SPDX-License-Identifier: GPL-2.0-or-later
// The example files of the documentation at work, and the output that it shows.

import Foundation
import TestSupport
import Testing

@Suite struct ReadmeExampleTests {
    private static let first = "udp:127.0.0.1:22222"
    private static let second = "udp:127.0.0.1:22223"

    private func run(sql: String, on path: String) throws {
        let program =
            "import sqlite3,sys; sqlite3.connect(sys.argv[1], isolation_level=None).executescript(sys.argv[2])"
        let made = try ChildProcess.run("python3", ["-c", program, path, sql])
        #expect(made.end == .exited(0), "\(made.output)")
    }

    /// The database of database.cfg in a folder.
    private func database(in folder: TemporaryFolder) throws -> String {
        let path = folder.file("kamailio.sqlite")
        try run(sql: PackageFolder.fixture("readme/relays.sql"), on: path)
        return path
    }

    /// What stands in the way of a file on any machine: the paths in it.
    private func paths(_ name: String, _ folder: TemporaryFolder) throws -> [String: String] {
        switch name {
        case "kemi.cfg": ["/etc/kamailio/kemi.js": "\(PackageFolder.root)/Tests/Fixtures/readme/kemi.js"]
        case "async-kemi.cfg":
            ["/etc/kamailio/async-kemi.js": "\(PackageFolder.root)/Tests/Fixtures/readme/async-kemi.js"]
        case "database.cfg": ["/etc/kamailio/kamailio.sqlite": try database(in: folder)]
        default: [:]
        }
    }

    @Test func everyConfigurationStarts() throws {
        let names = try ReadmeExample.names().filter { $0.hasSuffix(".cfg") }
        #expect(names.count >= 10)
        for name in names {
            let folder = try TemporaryFolder()
            try Kamailio.with(ReadmeExample.configuration(name, paths(name, folder))) { kamailio in
                let errors = kamailio.logLines("ERROR").filter { !$0.contains("RTPProxy ") }
                #expect(errors.isEmpty, "\(name): \(errors)")
            }
        }
    }

    /// The one of README.md itself, and the same by hand.
    @Test(arguments: ["short.cfg", "manage.cfg"]) func theShortConfigurationsCarryCallsAndDeleteThem(name: String)
        throws
    {
        let relay = try ScriptedRelay()
        try ReadmeExample.run(name, relays: [Self.first: relay]) { kamailio in
            let page = name == "short.cfg" ? "README.md" : "docs/operator/configuration.md"
            let text = try PackageFolder.fixture("readme/\(name)")
            #expect(try Readme.blocks().contains { $0.page == page && $0.text + "\n" == text })
            for (late, isRouted) in [(false, true), (true, true), (false, false), (true, false)] {
                let call = try kamailio.call()
                let invite = try call.invite(sdp: late ? nil : SDPText.audio())
                let reply = try call.reply(to: invite, sdp: SDPText.audio())
                #expect(reply.lines.contains("c=IN IP4 192.0.2.77"))
                // Phones send what follows along the recorded route; who does not is served, too.
                let send = { (method: String, sdp: String?, side: Call.Side) in
                    var request = call.request(method, from: side, sdp: sdp, inDialog: true)
                    if isRouted { request.headers.insert(("Route", invite["Record-Route"] ?? ""), at: 1) }
                    return try call.deliver(request, from: side)
                }
                let ack = try send("ACK", late ? SDPText.audio() : nil, .caller)
                #expect((late ? ack : invite).lines.contains("c=IN IP4 192.0.2.77"))
                let again = try send("INVITE", SDPText.audio(), .callee)
                #expect(again.lines.contains("c=IN IP4 192.0.2.77"))
                #expect(
                    try call.reply(to: again, sdp: SDPText.audio(), from: .caller).lines.contains("c=IN IP4 192.0.2.77")
                )
                _ = try send("ACK", nil, .callee)
                try call.reply(to: send("BYE", nil, .caller))
                waitUntil { relay.commands(of: call.id).count == 5 }
                #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L", "U", "L", "D"])
            }
            let refused = try kamailio.call()
            try refused.reply(486, to: refused.invite())
            waitUntil { relay.commands(of: refused.id).count == 2 }
            #expect(relay.commands(of: refused.id).map(\.verb) == ["U", "D"])
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    @Test func offerAndAnswerByHandForEarlyAndLateOffers() throws {
        let relay = try ScriptedRelay()
        try ReadmeExample.run("offer-answer.cfg", relays: [Self.first: relay]) { kamailio in
            let early = try kamailio.call()
            try early.reply(to: early.invite(), sdp: SDPText.audio())
            try early.ack()
            try early.bye()
            let late = try kamailio.call()
            try late.reply(to: late.invite(sdp: nil), sdp: SDPText.audio())
            #expect(try late.ack(sdp: SDPText.audio()).lines.contains("c=IN IP4 192.0.2.77"))
            try late.bye()
            let refused = try kamailio.call()
            try refused.reply(486, to: refused.invite())
            waitUntil { relay.commands(of: refused.id).count == 2 }
            #expect(
                [early, late].map { relay.commands(of: $0.id).map(\.verb) } == [["U", "L", "D"], ["U", "L", "D"]])
            #expect(relay.commands(of: refused.id).map(\.verb) == ["U", "D"])
        }
    }

    @Test func parametersDoWhatIsSaidOfThem() throws {
        let (relay, other) = (try ScriptedRelay(), try ScriptedRelay())
        try ReadmeExample.run("parameters.cfg", relays: [Self.first: relay, Self.second: other]) { kamailio in
            let call = try kamailio.call()
            call.send(call.request("INVITE", sdp: SDPText.audio()))
            let line = call.caller.receive { $0.status == 200 }?.startLine
            let asked = [relay, other].filter { !$0.texts(of: call.id).isEmpty }
            #expect(asked.map { "SIP/2.0 200 code 1 relay \($0.url)" } == [line])
            let words = "Uc0,8,101 \(call.id);leg-1 127.0.0.1 5004 \(call.fromTag);1"
            #expect(asked.first?.texts(of: call.id) == ["\(words) unix:/run/media-timeouts.sock tag-of-the-call"])
        }
    }

    @Test func setsAndFormsOfTheURL() throws {
        let relay = try ScriptedRelay(.udp6)
        let name = "udp6:[::1]:22225 udp6:::1:22226 udp6:localhost"
        try ReadmeExample.run("sets.cfg", relays: [name: relay]) { kamailio in
            let list = try kamailio.relays().map { "\($0["setid"] ?? "") \($0["weight"] ?? "") \($0["url"] ?? "")" }
            #expect(
                list == [
                    "0 2 udp:127.0.0.1:22222", "0 1 udp:127.0.0.1:22223", "1 1 udp:localhost:22224",
                    "1 0 udp:127.0.0.1", "2 1 \(relay.url)", "3 1 unix:/run/rtpproxy/control.sock",
                    "3 3 /run/rtpproxy/other.sock", "4 1 cunix:/run/rtpproxy/lasting.sock",
                    "4 1 tcp:127.0.0.1:22227", "4 1 tcp6:[::1]:22228",
                ])
            let call = try kamailio.call()
            call.send(call.request("INVITE", sdp: SDPText.audio()))
            #expect(call.caller.receive { $0.status == 200 }?.startLine == "SIP/2.0 200 1")
            #expect(relay.texts(of: call.id).count == 1)
        }
    }

    @Test func kemiScriptOffersAndAnswers() throws {
        let relay = try ScriptedRelay()
        let folder = try TemporaryFolder()
        try ReadmeExample.run("kemi.cfg", relays: [Self.first: relay], paths("kemi.cfg", folder)) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite()
            #expect(invite.lines.contains("o=- 1 1 IN IP4 192.0.2.77"))
            #expect(try call.reply(to: invite, sdp: SDPText.audio()).lines.contains("c=IN IP4 192.0.2.77"))
            #expect(relay.commands(of: call.id).map(\.verb) == ["U", "L"])
        }
    }

    @Test func setsOfTheDatabaseAtStartAndReadAgain() throws {
        let folder = try TemporaryFolder()
        try Kamailio.with(ReadmeExample.configuration("database.cfg", paths("database.cfg", folder))) { kamailio in
            let list = try kamailio.relays()
            #expect(list.map { $0["setid"] } == ["0", "0", "2"])
            #expect(list.map { $0["weight"] } == ["2", "1", "1"])
            #expect(list.last?["disabled"] == "1")
            #expect(list.last?["recheck"] == "-1")
            let row = "INSERT INTO media_relays (setid, url) VALUES ('2', 'udp:127.0.0.1:22225')"
            try run(sql: row, on: folder.file("kamailio.sqlite"))
            let printed = try kamailio.kamcmd("rtpproxy.reload").replacingOccurrences(of: "\t", with: "    ")
            #expect(try printed.trimmingCharacters(in: .newlines) == Readme.output(of: "$ kamcmd rtpproxy.reload"))
            #expect(try kamailio.relays().map { $0["setid"] } == ["0", "0", "2", "2"])
        }
    }

    @Test func drainedRelayKeepsItsCallsAndGetsNoNewOnes() throws {
        let (relay, other) = (try ScriptedRelay(), try ScriptedRelay())
        try ReadmeExample.run("parameters.cfg", relays: [Self.first: relay, Self.second: other]) { kamailio in
            /// Offers, and says whether the first relay has got the command.
            func isOffered(_ call: Call) throws -> Bool {
                call.send(call.request("INVITE", sdp: SDPText.audio()))
                #expect(call.caller.receive { $0.status == 200 && $0.callID == call.id } != nil)
                return !relay.texts(of: call.id).isEmpty
            }
            var old = try kamailio.call()
            while try !isOffered(old) { old = try kamailio.call() }
            #expect(try kamailio.kamcmd("rtpproxy.drain", relay.url, "1").isEmpty)
            for _ in 0..<10 { #expect(try !isOffered(kamailio.call())) }
            #expect(try isOffered(old))
            #expect(relay.commands(of: old.id).count == 2)
            #expect(try kamailio.kamcmd("rtpproxy.reload").contains("500 - The sets do not come from a database"))
        }
    }

    @Test func outputOfRPCIsAsShown() throws {
        let (relay, other) = (try ScriptedRelay(), try ScriptedRelay())
        try ReadmeExample.run("parameters.cfg", relays: [Self.first: relay, Self.second: other]) { kamailio in
            func listed() throws -> String {
                try kamailio.kamcmd("rtpproxy.list").replacingOccurrences(of: relay.url, with: Self.first)
                    .replacingOccurrences(of: other.url, with: Self.second)
                    .replacingOccurrences(of: "\t", with: "    ").trimmingCharacters(in: .newlines)
            }
            waitUntil { (try? kamailio.relays().allSatisfy { $0["recheck"] == "0" }) == true }
            #expect(try listed() == Readme.output(of: "$ kamcmd rtpproxy.list"))
            #expect(try kamailio.kamcmd("rtpproxy.enable", relay.url, "0").isEmpty)
            let shown = try Readme.output(of: "$ kamcmd rtpproxy.enable \(Self.first) 0\n$ kamcmd rtpproxy.list")
            #expect(try listed().hasPrefix(shown))
            #expect(try kamailio.kamcmd("rtpproxy.enable", relay.url, "1").isEmpty)
            #expect(try kamailio.relays().first?["disabled"] == "0")
            let fault = try Readme.output(of: "$ kamcmd rtpproxy.enable udp:192.0.2.1:22222 1")
            let printed = try kamailio.kamcmd("rtpproxy.enable", "udp:192.0.2.1:22222", "1")
            #expect(printed.trimmingCharacters(in: .newlines) == fault)
            other.on { _ in .drop }
            let answer = try kamailio.kamcmd("rtpproxy.probe").replacingOccurrences(of: relay.url, with: Self.first)
                .replacingOccurrences(of: other.url, with: Self.second)
                .replacingOccurrences(of: "\t", with: "    ").trimmingCharacters(in: .newlines)
            #expect(
                try answer.filter { !$0.isNumber }
                    == Readme.output(of: "$ kamcmd rtpproxy.probe").filter { !$0.isNumber })
            let line = try Readme.output(of: "$ kamcmd core.ps | grep -B1 RTPProxy").filter { !$0.isNumber }
            #expect(try kamailio.kamcmd("core.ps").filter { !$0.isNumber }.contains(line))
        }
    }

    @Test func logOfAnOutageIsAsShown() throws {
        let relay = try ScriptedRelay()
        // Nobody is there.
        let absent = "udp:127.0.0.1:9"
        let changes = [
            "udp:127.0.0.1:22222=2 udp:127.0.0.1:22223": "\(relay.url) \(absent)",
            "\"rtpproxy_disable_tout\", 20": "\"rtpproxy_disable_tout\", 4",
        ]
        try Kamailio.with(ReadmeExample.configuration("parameters.cfg", changes)) { kamailio in
            kamailio.waitUntilUp([relay])
            waitUntil { (try? kamailio.relays().first?["recheck"]) == "0" }
            relay.shut()
            let call = try kamailio.call()
            call.send(call.request("INVITE", sdp: SDPText.audio()))
            #expect(call.caller.receive { $0.status == 200 } != nil)
            // The module's own process has looked.
            #expect(kamailio.waitForLog("disabled for") != nil)
            call.send(call.request("INVITE", sdp: SDPText.audio()))
            #expect(call.caller.receive { $0.status == 200 } != nil)
            try relay.reopen()
            let lines = try Readme.blocks().filter { $0.language == "log" }.flatMap { $0.text.split(separator: "\n") }
            #expect(lines.count >= 3)
            for line in lines {
                let url = line.contains("has not answered yet") ? absent : relay.url
                let expected = line.replacingOccurrences(of: Self.first, with: url)
                    .replacingOccurrences(of: "60 s", with: "4 s")
                    .replacingOccurrences(of: "CALL-ID", with: call.id)
                // How many seconds are left is chance.
                let parts = expected.components(separatedBy: "37")
                #expect(kamailio.waitForLog(parts[0], parts[parts.count - 1]) != nil, "\(expected)")
            }
        }
    }
}
