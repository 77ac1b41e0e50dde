// SPDX-License-Identifier: GPL-2.0-or-later
// The complete configurations in examples/: each starts as it is but for its addresses, and has a call.

import Foundation
import TestSupport
import Testing

/// A file in examples/.
enum Example {
    static var folder: String { "\(PackageFolder.root)/examples" }

    static func names() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".cfg") }.sorted()
    }

    static func text(_ name: String) throws -> String {
        try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)
    }

    /// The file with other addresses in the places of its own, changed in this order, and the relays at `urls`.
    static func configuration(
        _ name: String, _ urls: [String], _ changes: [(old: String, new: String)]
    ) throws -> KamailioConfiguration {
        let first = ["udp:127.0.0.1:22222", "udp:127.0.0.1:22223"]
        var text = try text(name)
        for (old, new) in changes + zip(first, urls).filter({ text.contains($0.0) }) {
            guard text.contains(old) else { throw HarnessError("\(name) has no \(old)") }
            text = text.replacingOccurrences(of: old, with: new)
        }
        return KamailioConfiguration(complete: try Certificate.inserted(into: text))
    }

    /// Runs the file once `relays` were found.
    static func run(
        _ name: String, relays: [ScriptedRelay], _ changes: [(old: String, new: String)] = [],
        body: (Kamailio) throws -> Void
    ) throws {
        try Kamailio.with(configuration(name, relays.map(\.url), changes)) { kamailio in
            guard kamailio.waitUntilUp(relays) else {
                throw HarnessError("the relays were not all found:\n\(kamailio.log.suffix(3000))")
            }
            try body(kamailio)
            #expect(errors(kamailio).isEmpty)
        }
    }

    /// Runs the file with a real relay.
    static func run(
        _ name: String, real relay: any MediaRelay, _ changes: [(old: String, new: String)] = [],
        body: (Kamailio) throws -> Void
    ) throws {
        try run(name, real: [relay], changes, body: body)
    }

    /// Runs the file with real relays.
    static func run(
        _ name: String, real relays: [any MediaRelay], _ changes: [(old: String, new: String)] = [],
        body: (Kamailio) throws -> Void
    ) throws {
        defer { for relay in relays { relay.stop() } }
        try Kamailio.with(configuration(name, relays.map(\.url), changes)) { kamailio in
            try kamailio.find(relays.count)
            try body(kamailio)
            #expect(errors(kamailio).isEmpty)
        }
    }

    /// Errors in the log. That a browser which is ended resets its connection is one for Kamailio's core, in two lines.
    private static func errors(_ kamailio: Kamailio) -> [String] {
        let lines = kamailio.logLines("ERROR")
        guard lines.contains(where: { $0.contains("tcp_read_data(): error reading: Connection reset by peer") }) else {
            return lines
        }
        return lines.filter {
            !$0.contains("tcp_read_data(): error reading: Conn") && !$0.contains("tcp_read_req(): error reading")
        }
    }

    /// Registers a user agent as a phone; for 0 seconds: takes it back.
    static func register(_ phone: UserAgent, _ kamailio: Kamailio, seconds: Int? = nil) throws {
        let own = try kamailio.call()
        let call = try Call(through: kamailio.endpoint, caller: phone, callee: own.callee)
        var register = call.request("REGISTER", inDialog: false)
        register["To"] = "<\(phone.uri)>"
        if let seconds { register["Expires"] = String(seconds) }
        call.send(register)
        guard phone.receive(where: { $0.status == 200 && $0.method == "REGISTER" }) != nil else {
            throw HarnessError("\(phone.name) could not register:\n\(kamailio.log.suffix(2000))")
        }
    }
}

@Suite struct ExampleTests {
    private static let rewritten = "c=IN IP4 192.0.2.77"

    /// Phones at 127.0.0.1 to 127.0.0.7, the provider at 127.0.0.9.
    static func office(_ network: String, _ provider: UserAgent) -> [(old: String, new: String)] {
        [
            (network, "127.0.0.0/29"), ("203.0.113.5:5060", "\(provider.endpoint)"),
            ("203.0.113.5", provider.endpoint.host),
        ]
    }

    @Test func eachSaysWhatItIsForWhatToChangeAndWhichModulesItNeeds() throws {
        let names = try Example.names()
        #expect(names.count == 14)
        let readme = try Readme.text()
        for name in names {
            let isListed = readme.contains("`examples/\(name)`")
            #expect(isListed, "\(name) is not in the documentation")
            let lines = try Example.text(name).components(separatedBy: "\n")
            let comment = lines.prefix { $0.hasPrefix("#") }.joined(separator: " ").replacingOccurrences(
                of: "# ", with: "")
            for word in ["Change: ", "Modules: ", "RTPProxy: "] { #expect(comment.contains(word), "\(name): \(word)") }
            for module in try Readme.matches(#"(?m)^loadmodule "(\w+)\.so""#, in: Example.text(name)) {
                #expect(comment.contains(" \(module),") || comment.contains(" \(module);"), "\(name): \(module)")
            }
        }
    }

    @Test func smallOfficeCallsItsPhonesAndTheProviderAndIsCalled() throws {
        let relay = try ScriptedRelay()
        let provider = try UserAgent("provider", address: "127.0.0.9")
        let (alice, bob) = (try UserAgent("alice"), try UserAgent("bob"))
        try Example.run("small-office.cfg", relays: [relay], Self.office("192.168.1.0/24", provider)) { kamailio in
            for phone in [alice, bob] { try Example.register(phone, kamailio) }
            for (caller, callee) in [(alice, bob), (alice, provider), (provider, bob)] {
                let call = try RoutedCall(Call(through: kamailio.endpoint, caller: caller, callee: callee))
                #expect(call.invite.lines.contains(Self.rewritten))
                #expect(call.answer.lines.contains(Self.rewritten))
                try call.hangUp()
                #expect(relay.commands(of: call.call.id).map(\.verb) == ["U", "L", "D"])
            }
            let unknown = try Call(through: kamailio.endpoint, caller: provider, callee: UserAgent("carol"))
            unknown.send(unknown.request("INVITE", sdp: SDPText.audio()))
            #expect(provider.receive { $0.status >= 300 && $0.callID == unknown.id }?.status == 404)
            let stranger = try UserAgent("mallory", address: "127.0.0.20")
            let strange = try Call(through: kamailio.endpoint, caller: stranger, callee: bob)
            strange.send(strange.request("INVITE", sdp: SDPText.audio()))
            #expect(stranger.receive { $0.status >= 300 }?.status == 403)
        }
    }

    @Test func bridgeGivesEachSideTheAddressOfItsNetwork() throws {
        let relay = try ScriptedRelay()
        relay.on { command in
            switch command.modifiers.prefix(2) {
            case "IE": .reply("40000 203.0.113.2")
            case "EI": .reply("40002 192.168.1.2")
            default: nil
            }
        }
        let provider = try UserAgent("provider", address: "127.0.0.9")
        let (alice, bob) = (try UserAgent("alice"), try UserAgent("bob"))
        let changes =
            Self.office("192.168.1.0/24", provider) + [
                ("listen=udp:203.0.113.2", "listen=udp:127.0.0.8"), ("listen=udp:192.168.1.2", "listen=udp:127.0.0.1"),
            ]
        try Example.run("bridge.cfg", relays: [relay], changes) { kamailio in
            for phone in [alice, bob] { try Example.register(phone, kamailio) }
            let out = try RoutedCall(Call(through: kamailio.endpoint, caller: alice, callee: provider))
            #expect(out.invite.lines.contains("c=IN IP4 203.0.113.2"))
            // The called side holds: turned round.
            let held = try out.deliver("INVITE", sdp: SDPText.audio(), from: .callee)
            #expect(held.lines.contains("c=IN IP4 192.168.1.2"))
            try out.call.reply(to: held, sdp: SDPText.audio(), from: .caller)
            try out.hangUp()
            #expect(
                relay.commands(of: out.call.id).map { String($0.words[0].prefix(3)) } == [
                    "UIE", "LEI", "UEI", "LIE", "D",
                ])
            // It comes in on the outer address.
            let outside = { (_: Family) in Endpoint("127.0.0.8", kamailio.port) }
            let incoming = try RoutedCall(Call(through: outside, caller: provider, callee: bob))
            #expect(incoming.invite.lines.contains("c=IN IP4 192.168.1.2"))
            try incoming.hangUp()
            let inside = try RoutedCall(Call(through: kamailio.endpoint, caller: alice, callee: bob))
            #expect(relay.commands(of: inside.call.id).first?.modifiers.hasPrefix("II") == true)
            try inside.hangUp()
        }
    }

    @Test func phonesOfBothFamiliesGetAddressesOfTheirOwn() throws {
        let relay = try ScriptedRelay()
        let (four, six) = (try UserAgent("four"), try UserAgent("six", .ipv6))
        let (other4, other6) = (try UserAgent("quattro"), try UserAgent("sei", .ipv6))
        relay.on { command in
            switch (command.verb, command.modifiers.prefix(2)) {
            case ("U", "IE"), ("U", "EE"): .reply("40000 2001:db8::77 6")
            case ("L", "IE"), ("L", "EE"): .reply("40002 2001:db8::77 6")
            case ("L", "EI"): .reply("40002 192.0.2.77")
            default: nil
            }
        }
        func sdp(_ agent: UserAgent) -> String {
            SDPText.audio(agent.endpoint.family == .ipv6 ? "2001:db8::10" : "192.0.2.10")
        }
        let changes = [("listen=udp:[2001:db8::1]", "listen=udp:[::1]")]
        try Example.run("ipv4-ipv6.cfg", relays: [relay], changes) { kamailio in
            for phone in [four, six, other4, other6] { try Example.register(phone, kamailio) }
            let ways = [(four, six, "IE"), (six, four, "EI"), (four, other4, "II"), (six, other6, "EE")]
            for (caller, callee, letters) in ways {
                let call = try RoutedCall(
                    Call(through: kamailio.endpoint, caller: caller, callee: callee), sdp: sdp(caller),
                    answer: sdp(callee))
                for (agent, message) in [(callee, call.invite), (caller, call.answer)] {
                    let address = agent.endpoint.family == .ipv6 ? "IP6 2001:db8::77" : "IP4 192.0.2.77"
                    #expect(message.lines.contains("c=IN \(address)"), "\(caller.name) to \(callee.name)")
                }
                let commands = relay.commands(of: call.call.id)
                // The answer's letters are those of its own way.
                #expect(commands.map { String($0.modifiers.prefix(2)) } == [letters, String(letters.reversed())])
                try call.hangUp()
            }
        }
    }

    /// A database in a folder whose sets 0 and 2 are the relays at `urls`; phones at 127.0.0.3 are those of the second site.
    static func sites(_ folder: TemporaryFolder, _ urls: [String]) throws -> [(old: String, new: String)] {
        let path = folder.file("kamailio.sqlite")
        let definition = "\(PackageFolder.root)/packaging/sql/sqlite/rtpproxy-create.sql"
        let rows = "INSERT INTO rtpproxy (setid, url) VALUES ('0', '\(urls[0])'), ('2', '\(urls[1])');"
        for sql in [".read \(definition)", rows] {
            let made = try ChildProcess.run("sqlite3", ["-bail", path, sql])
            #expect(made.end == .exited(0), "\(made.output)")
        }
        return [("/etc/kamailio/kamailio.sqlite", path), (#"^198\.51\.100\."#, #"^127\.0\.0\.3$"#)]
    }

    @Test func setsOfTheDatabaseServeTheirSites() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let folder = try TemporaryFolder()
        let changes = try Self.sites(folder, relays.map(\.url))
        try Example.run("sets-database.cfg", relays: relays, changes) { kamailio in
            let alice = try UserAgent("alice")
            let phones = [try UserAgent("bob"), try UserAgent("carol", address: "127.0.0.3")]
            for (phone, relay) in zip(phones, relays) {
                try Example.register(phone, kamailio)
                let call = try RoutedCall(Call(through: kamailio.endpoint, caller: alice, callee: phone))
                #expect(call.invite.lines.contains(Self.rewritten))
                try call.hangUp()
                #expect(relay.commands(of: call.call.id).map(\.verb) == ["U", "L", "D"])
            }
        }
    }

    @Test(arguments: [1, 2, 0]) func icePhonesGetTheRelaysCandidatesOrNone(ice: Int) throws {
        let relay = try ScriptedRelay()
        let phones = [try UserAgent("alice"), try UserAgent("bob")]
        let own = ["a=ice-ufrag:abcd", "a=candidate:1 1 UDP 2113929471 192.0.2.10 5004 typ host"]
        let changes = [
            ("#!define ICE 1", "#!define ICE \(ice)"), (#"^c=IN IP4 192\.0\.2\.1["#, #"^c=IN IP4 192\.0\.2\.77["#),
        ]
        try Example.run("ice-phones.cfg", relays: [relay], changes) { kamailio in
            for phone in phones { try Example.register(phone, kamailio) }
            let sdp = SDPText.audio(extra: own)
            let call = try RoutedCall(
                Call(through: kamailio.endpoint, caller: phones[0], callee: phones[1]), sdp: sdp, answer: sdp)
            for message in [call.invite, call.answer] {
                #expect(message.lines.contains(Self.rewritten))
                let lines = message.lines.filter { $0.hasPrefix("a=ice") || $0.hasPrefix("a=candidate") }
                let relayed = lines.filter { $0.hasSuffix(" typ relay") }
                #expect(relayed.count == (ice == 0 ? 0 : 2), "\(lines)")
                #expect(lines.filter(own.contains) == (ice == 0 ? [] : own), "\(lines)")
                let first = relayed.first?.split(separator: " ")[3]
                #expect(first == (ice == 0 ? nil : ice == 1 ? "2147483647" : "16777215"))
            }
            // What names the relay as the phone's own place is passed on as it is.
            let chosen = SDPText.audio("192.0.2.77", port: 40_000, extra: own)
            let further = try call.deliver("INVITE", sdp: chosen)
            #expect(further.text == chosen)
            #expect(try call.call.reply(to: further, sdp: chosen).text == chosen)
            try call.hangUp()
            #expect(relay.commands(of: call.call.id).map(\.verb) == ["U", "L", "D"])
        }
    }

    @Test func lateOfferIsAnsweredInTheACK() throws {
        let relay = try ScriptedRelay()
        let pbx = try UserAgent("pbx")
        try Example.run("late-offer.cfg", relays: [relay], [("192.0.2.20:5060", "\(pbx.endpoint)")]) { kamailio in
            for late in [true, false] {
                let call = try RoutedCall(Call(through: kamailio.endpoint, callee: pbx), late: late)
                #expect(call.answer.lines.contains(Self.rewritten))
                if late { #expect(try call.deliver("ACK", sdp: SDPText.audio()).lines.contains(Self.rewritten)) }
                try call.hangUp()
                #expect(relay.commands(of: call.call.id).map(\.verb) == ["U", "L", "D"])
            }
            let refused = try Call(through: kamailio.endpoint, callee: pbx)
            try refused.reply(486, to: refused.invite())
            #expect(waitUntil { relay.commands(of: refused.id).map(\.verb) == ["U", "D"] })
        }
    }

    /// With what phones do: Route of Record-Route, Request-URI of Contact.
    @Test func oneFunctionServesTheWholeDialog() throws {
        let relay = try ScriptedRelay()
        let pbx = try UserAgent("pbx")
        try Example.run("engage.cfg", relays: [relay], [("192.0.2.20:5060", "\(pbx.endpoint)")]) { kamailio in
            for late in [true, false] {
                let call = try RoutedCall(Call(through: kamailio.endpoint, callee: pbx), late: late)
                #expect(call.answer.lines.contains(Self.rewritten))
                if late { #expect(try call.deliver("ACK", sdp: SDPText.audio()).lines.contains(Self.rewritten)) }
                let again = try call.deliver("INVITE", sdp: SDPText.audio())
                #expect(again.lines.contains(Self.rewritten))
                let answer = try call.call.reply(to: again, sdp: SDPText.audio())
                #expect(answer.lines.contains(Self.rewritten))
                try call.hangUp()
                #expect(relay.commands(of: call.call.id).map(\.verb) == ["U", "L", "U", "L", "D"])
            }
            let refused = try Call(through: kamailio.endpoint, callee: pbx)
            try refused.reply(486, to: refused.invite())
            #expect(waitUntil { relay.commands(of: refused.id).map(\.verb) == ["U", "D"] })
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    /// Several calls, so that the BYE and its answer are in different processes for some.
    @Test func recordsTellHowTheCallSounded() throws {
        let relay = try ScriptedRelay()
        let pbx = try UserAgent("pbx")
        try Example.run("call-records.cfg", relays: [relay], [("192.0.2.20:5060", "\(pbx.endpoint)")]) { kamailio in
            for _ in 0..<12 {
                let call = try RoutedCall(Call(through: kamailio.endpoint, callee: pbx))
                try call.hangUp()
                let record = kamailio.waitForLog("ACC: ", "method=BYE", call.call.id)
                #expect(record?.contains("mos=3.56;received=22;lost=2") == true, "\(record ?? "none")")
                #expect(Set(relay.commands(of: call.call.id).map(\.verb)) == ["U", "L", "Q", "D"])
                #expect(relay.commands(of: call.call.id).last?.verb == "D")
            }
            let workers = kamailio.logLines("ACC: ", "method=BYE").compactMap { $0.split(separator: "(").first }
            #expect(Set(workers).count > 1)
        }
    }

    @Test func whoIsPutOnHoldHearsMusicUntilTheOtherIsBack() throws {
        let relay = try ScriptedRelay()
        try Example.run("music-on-hold.cfg", relays: [relay]) { kamailio in
            let made = try kamailio.call()
            try Example.register(made.callee, kamailio)
            let call = try RoutedCall(made)
            for extra in [["a=sendonly"], []] {
                let again = try call.deliver("INVITE", sdp: SDPText.audio(extra: extra))
                #expect(again.lines.contains(Self.rewritten))
                try made.reply(to: again, sdp: SDPText.audio())
                try call.deliver("ACK")
            }
            try call.hangUp()
            #expect(relay.commands(of: made.id).map(\.verb) == ["U", "L", "U", "P", "L", "U", "S", "L", "D"])
            let music = try #require(relay.texts(of: made.id, "P").first)
            #expect(music.hasPrefix("P-1 \(made.id) /var/lib/rtpproxy/music "))
        }
    }

    @Test func asynchronousCallGoesOnWhenTheRelayHasAnswered() throws {
        let relay = try ScriptedRelay()
        relay.on { "UL".contains($0.verb) ? .delay(100, .normal) : nil }
        try Example.run("asynchronous.cfg", relays: [relay]) { kamailio in
            var phones: [UserAgent] = []
            for late in [false, true] {
                let made = try kamailio.call()
                try Example.register(made.callee, kamailio)
                phones.append(made.callee)
                let call = try RoutedCall(made, late: late)
                #expect(call.answer.lines.contains(Self.rewritten))
                let offer = late ? try call.deliver("ACK", sdp: SDPText.audio()) : call.invite
                #expect(offer.lines.contains(Self.rewritten))
                try call.hangUp()
                #expect(waitUntil { relay.commands(of: made.id).map(\.verb) == ["U", "L", "D"] })
            }
            // By now three phones are registered for the same name: all of them ring.
            let refused = try kamailio.call()
            try Example.register(refused.callee, kamailio)
            refused.send(refused.request("INVITE", sdp: SDPText.audio()))
            for phone in phones + [refused.callee] {
                let invite = try #require(phone.receive { $0.method == "INVITE" && $0.callID == refused.id })
                #expect(invite.lines.contains(Self.rewritten))
                phone.send(refused.response(486, to: invite), to: kamailio.endpoint())
            }
            #expect(refused.caller.receive { $0.status >= 300 && $0.callID == refused.id }?.status == 486)
            #expect(waitUntil { relay.commands(of: refused.id).map(\.verb) == ["U", "D"] })
        }
    }

    @Test func monitoringShowsWhatBecomesOfTheMedia() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Example.run("monitoring.cfg", relays: relays) { kamailio in
            let made = try kamailio.call()
            try Example.register(made.callee, kamailio)
            let call = try RoutedCall(made)
            #expect(call.invite.lines.contains(Self.rewritten))
            try call.hangUp()
            #expect(kamailio.waitForLog("media of \(made.id): \(relays[0].url)") != nil)
            #expect(kamailio.waitForLog("media of \(made.id) ends: 60 11 22 33 0") != nil)
            #expect(try kamailio.relays().map { $0["weight"] } == ["1", "0"])
            #expect(try kamailio.probe().map { $0["answered"] } == ["1", "1"])
            #expect(try kamailio.kamcmd("stats.get_statistics", "rtpproxy:").contains(" = "))
        }
    }
}
