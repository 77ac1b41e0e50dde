// SPDX-License-Identifier: GPL-2.0-or-later
// Dialogs that are engaged and go on in another Kamailio: one that was given them, or that was started again.

import Foundation
import TestSupport
import Testing

@Suite struct EngageElsewhereTests {
    /// dialog gives its dialogs to the other one over DMQ, and that hears of no end of theirs.
    @Test func anotherKamailioGoesOnWithADialogThatItWasGiven() throws {
        let relay = try ScriptedRelay()
        let ports = [try FreePort.next(), try FreePort.next()]
        let routes = Engaged.routes.replacingOccurrences(
            of: "request_route {", with: "request_route {\n    if (is_method(\"KDMQ\")) { dmq_handle_message(); exit; }"
        )
        let pair = try [(ports[0], ports[1]), (ports[1], ports[0])].map { own, peer in
            let configuration = try Stage.configuration(
                Engaged.change("", routes) {
                    $0.set("rtpproxy_sock", relay.url)
                    $0.listensOnIPv6 = false
                    $0.modules.insert("dmq", at: $0.modules.count - 1)
                    $0.parameters.append(("dmq", "server_address", "\"sip:127.0.0.1:\(own)\""))
                    $0.parameters.append(("dmq", "notification_address", "\"sip:127.0.0.1:\(peer)\""))
                    $0.parameters.append(("dialog", "enable_dmq", "1"))
                })
            return try Kamailio(launching: configuration, port: own)
        }
        for kamailio in pair { #expect(kamailio.waitUntilUp([relay])) }
        let arePeers = waitUntil(30) {
            pair.allSatisfy {
                let nodes = (try? $0.kamcmd("dmq.list_nodes")) ?? ""
                return nodes.components(separatedBy: "status: active").count == 3
            }
        }
        try #require(arePeers)
        let call = try pair[0].call()
        try call.beginEngaged(pair[0])
        // With its variable, and confirmed by the ACK: a BYE to one of an early dialog's phones ends nothing.
        let isThere = waitUntil(10) {
            let dialogs = (try? pair[1].kamcmd("dlg.list")) ?? ""
            return dialogs.contains("rtpproxy_engaged") && dialogs.contains("state: 4")
        }
        #expect(isThere)
        // From here on its messages come to the other one.
        let moved = try pair[1].call(between: call)
        (moved.id, moved.fromTag, moved.toTag) = (call.id, call.fromTag, call.toTag)
        let late = try moved.invite(sdp: nil, inDialog: true)
        let offer = try moved.reply(to: late, sdp: SDPText.audio(port: 6000))
        let ack = try moved.ack(sdp: SDPText.audio())
        let again = try moved.invite(from: .callee, inDialog: true)
        let answer = try moved.reply(to: again, sdp: SDPText.audio(), from: .caller)
        #expect([offer, ack, again, answer].allSatisfy { $0.lines.last == "a=nortpproxy:yes" })
        try moved.bye()
        expectEnd(moved, relay, ["U", "L", "U", "L", "U", "L"], "\(call.fromTag) \(call.toTag)")
        // The answer to an offer in a 200 that was sent through the first one.
        let first = try pair[0].call(between: call)
        try first.reply(to: first.invite(sdp: nil), sdp: SDPText.audio(port: 6000))
        let rest = try pair[1].call(between: call)
        (rest.id, rest.fromTag, rest.toTag) = (first.id, first.fromTag, first.toTag)
        #expect(waitUntil(5) { (try? pair[1].kamcmd("dlg.list"))?.contains(first.id) ?? false })
        #expect(try rest.ack(sdp: SDPText.audio()).lines.last == "a=nortpproxy:yes")
        #expect(relay.commands(of: first.id).map(\.verb) == ["U", "L"])
        for kamailio in pair { try kamailio.stop() }
    }

    /// A database of the module dialog.
    private static func database(_ folder: TemporaryFolder) throws -> String {
        let definitions = "\(try KamailioInstallation.find().root)/usr/share/kamailio/db_sqlite"
        let text = try ["standard", "dialog"].map {
            try String(contentsOfFile: "\(definitions)/\($0)-create.sql", encoding: .utf8)
        }.joined(separator: "\n")
        let done = try ChildProcess.run("sqlite3", ["-bail", folder.file("dialogs"), text])
        guard done.end == .exited(0) else { throw HarnessError("no database: \(done.output)") }
        return folder.file("dialogs")
    }

    @Test(arguments: [false, true]) func aKilledKamailioFindsItsDialogsAgain(isBehind: Bool) throws {
        let folder = try TemporaryFolder()
        let database = try Self.database(folder)
        let relay = try ScriptedRelay()
        let configuration = try Stage.configuration(
            Engaged.change { configuration in
                configuration.set("rtpproxy_sock", relay.url)
                configuration.modules.insert("db_sqlite", at: 0)
                if isBehind {
                    configuration.modules.removeAll { $0 == "dialog" }
                    configuration.modulesBehind.append("dialog")
                }
                configuration.parameters.append(("dialog", "db_mode", "1"))
                configuration.parameters.append(("dialog", "db_url", "\"sqlite://\(database)\""))
                configuration.parameters.append(("dialog", "default_timeout", "8"))
            })
        let killed = try Kamailio(configuration)
        let calls = try (0..<2).map { _ in try killed.call() }
        for call in calls { try call.beginEngaged(killed) }
        killed.process.terminate(within: 0)
        // On the same port: dialog knows the sockets of its dialogs.
        let kamailio = try Kamailio(launching: configuration, port: killed.port)
        #expect(kamailio.waitUntilUp([relay]))
        let again = try calls[0].invite(inDialog: true)
        let answer = try calls[0].reply(to: again, sdp: SDPText.audio(port: 6000))
        #expect(again.lines.last == "a=nortpproxy:yes" && answer.lines.last == "a=nortpproxy:yes")
        try calls[0].bye()
        expectEnd(calls[0], relay, ["U", "L", "U", "L"], "\(calls[0].fromTag) \(calls[0].toTag)")
        #expect(waitUntil(20) { !relay.texts(of: calls[1].id, "D").isEmpty })
        expectEnd(calls[1], relay, ["U", "L"], "\(calls[1].fromTag) \(calls[1].toTag)")
        // A dialog of the same number must not find what was noted of them.
        let isGone = waitUntil(5) {
            let query = "SELECT COUNT(*) FROM dialog_vars; SELECT COUNT(*) FROM dialog;"
            return (try? ChildProcess.run("sqlite3", ["-bail", database, query]).output) == "0\n0\n"
        }
        #expect(isGone)
        try kamailio.stop()
    }

    /// Two RTPProxies, and the one that has the call is not the one that is chosen for it: what is known of that is in
    /// the dialog's variable, and nobody is asked in vain. `isAsynchronous`: the first INVITE has waited.
    @Test(arguments: [false, true]) func aKilledKamailioKnowsWhoHasTheCall(isAsynchronous: Bool) throws {
        let folder = try TemporaryFolder()
        let database = try Self.database(folder)
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let routes = Engaged.routes.replacingOccurrences(
            of: "rtpproxy_engage(PARAMETERS);",
            with: isAsynchronous ? "if (rtpproxy_engage_async(\"GO\")) route(GO); exit;" : "rtpproxy_engage();")
        let configuration = try Stage.configuration(
            Engaged.change("", routes + "\nroute[GO] { t_relay(); exit; }") { configuration in
                configuration.set("rtpproxy_sock", relays.map(\.url).joined(separator: " "))
                configuration.modules.insert("db_sqlite", at: 0)
                configuration.parameters.append(("dialog", "db_mode", "1"))
                configuration.parameters.append(("dialog", "db_url", "\"sqlite://\(database)\""))
                configuration.parameters.append(("dialog", "default_timeout", "8"))
            })
        let killed = try Kamailio(configuration)
        #expect(killed.waitUntilUp(relays))
        let calls = try (0..<2).map { _ in try killed.call() }
        for call in calls {
            call.choose(0, of: [1, 1])
            // The first one refuses, the second one has it.
            relays[0].on(call: call.id) { _ in .reply("E98") }
            let invite = try call.invite()
            try call.reply(to: invite, sdp: SDPText.audio(port: 6000))
            try call.ack()
            #expect(relays[1].commands(of: call.id).map(\.verb) == ["U", "L"])
        }
        killed.process.terminate(within: 0)
        let kamailio = try Kamailio(launching: configuration, port: killed.port)
        #expect(kamailio.waitUntilUp(relays))
        let asked = calls.map { relays[0].commands(of: $0.id).count }
        try calls[0].reply(to: calls[0].invite(inDialog: true), sdp: SDPText.audio(port: 6000))
        try calls[0].bye()
        expectEnd(calls[0], relays[1], ["U", "L", "U", "L"], "\(calls[0].fromTag) \(calls[0].toTag)")
        // Its time is up, and the module's own process deletes.
        #expect(waitUntil(20) { !relays[1].texts(of: calls[1].id, "D").isEmpty })
        #expect(calls.map { relays[0].commands(of: $0.id).count } == asked)
        try kamailio.stop()
    }
}
