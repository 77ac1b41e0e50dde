// SPDX-License-Identifier: GPL-2.0-or-later
// rtpproxy.list and rtpproxy.enable, and the processes.

import Foundation
import TestSupport
import Testing

@Suite struct RPCTests {
    @Test func listHasOneEntryPerRelayInOrderWithItsKeysInOrder() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        let change = { (c: inout KamailioConfiguration) in
            c.set("rtpproxy_sock", "\(relays[0].url)=2 \(relays[1].url)")
            c.set("rtpproxy_sock", "7 == \(relays[2].url)=5")
            c.set("rtpproxy_sock", "7 == \(relays[0].url)")
        }
        try Stage.own([], change) { kamailio in
            try waitUntil(5) { try kamailio.relays().allSatisfy { $0["recheck"] == "0" } }
            let list = try kamailio.relays()
            #expect(list.map { $0["url"] } == [relays[0], relays[1], relays[2], relays[0]].map(\.url))
            #expect(list.map { $0["setid"] } == ["0", "0", "7", "7"])
            #expect(list.map { $0["weight"] } == ["2", "1", "5", "1"])
            #expect(list.map { $0["index"] } == ["0", "1", "2", "3"])
            #expect(list.allSatisfy { $0["disabled"] == "0" && $0["recheck"] == "0" })
            let keys = try kamailio.kamcmd("rtpproxy.list").split(separator: "\n").compactMap {
                $0.split(separator: ":").first?.trimmingCharacters(in: .whitespaces)
            }.filter { $0 != "{" && $0 != "}" }
            #expect(keys.prefix(6) == ["setid", "url", "index", "disabled", "weight", "recheck"])
        }
    }

    @Test func disabledRelayIsNotUsedUntilItIsEnabled() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Stage.own(relays) {
            $0.set("rtpproxy_disable_tout", 1)
        } _: { kamailio in
            #expect(try kamailio.kamcmd("rtpproxy.enable", relays[0].url, "0").isEmpty)
            #expect(try kamailio.relays().map { $0["disabled"] } == ["1", "0"])
            #expect(try kamailio.relays().first?["recheck"] == "-1")
            usleep(2_500_000)
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            let invite = try call.invite(run: .offer())
            #expect(invite.instance == relays[1].url)
            #expect(try kamailio.relays().map { $0["disabled"] } == ["1", "0"])
            #expect(try kamailio.kamcmd("rtpproxy.enable", relays[0].url, "1").isEmpty)
            #expect(try kamailio.relays().map { $0["disabled"] } == ["0", "0"])
            call.choose(0, of: [1, 1])
            #expect(try call.invite(run: .offer()).instance == relays[0].url)
        }
    }

    @Test func enableActsOnEveryEntryOfTheURL() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay, relay]) {
            $0.set("rtpproxy_sock", "3 == \(relay.url)")
        } _: { kamailio in
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0")
            #expect(try kamailio.relays().map { $0["disabled"] } == ["1", "1", "1"])
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "5")
            #expect(try kamailio.relays().map { $0["disabled"] } == ["0", "0", "0"])
        }
    }

    @Test func replyUnderWayDoesNotUndoADisable() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.set("rtpproxy_tout", 3)
        } _: { kamailio in
            relay.on { $0.verb == "U" ? .delay(600, .normal) : nil }
            let call = try kamailio.call()
            call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer()))
            waitUntil(3) { !relay.texts(of: call.id).isEmpty }
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0")
            _ = call.callee.receive(4000) { $0.method == "INVITE" && $0.callID == call.id }
            #expect(try kamailio.relays().first?["disabled"] == "1")
        }
    }

    @Test(arguments: ["rtpproxy.enable", "rtpproxy.drain"])
    func faultsOfCommandsWithANumber(command: String) throws {
        let stage = try Stage.shared()
        let url = stage.relay.url
        let faults: [(arguments: [String], fault: String)] = [
            (["udp:nowhere:1", "1"], "404 - RTPProxy not found"), ([], "500 - Not enough parameters"),
            ([url], "500 - Not enough parameters"), ([url, "x"], "400 - Not a number"),
            ([url, "s:"], "400 - Not a number"), ([url, "s:1x"], "400 - Not a number"),
            ([url, "s:1.5"], "400 - Not a number"), ([url, "s:99999999999999999999"], "400 - Not a number"),
        ]
        for (arguments, fault) in faults {
            let printed = try stage.kamailio.kamcmd([command] + arguments)
            #expect(printed.contains(fault), "\(arguments)")
        }
        #expect(try stage.kamailio.relays().filter { $0["disabled"] == "1" }.count == 1)
    }

    /// Numbers come as texts, too, and what is no number changes nothing.
    @Test func numbersOverJSON() throws {
        let relay = try ScriptedRelay()
        let routes = """
            request_route {
                jsonrpc_exec("$hdr(X-RPC)");
                sl_send_reply("200", "$jsonrpl(code)");
            }
            """
        try Stage.own([relay]) {
            $0.routes = routes
            $0.modules.append("jsonrpcs")
        } _: { kamailio in
            func run(_ command: String, _ number: String?) throws -> String? {
                let call = try kamailio.call()
                var message = call.request("OPTIONS", inDialog: false)
                message["X-RPC"] =
                    "{\"jsonrpc\": \"2.0\", \"method\": \"rtpproxy.\(command)\", \"id\": 1, \"params\": "
                    + "[\"\(relay.url)\"\(number.map { ", \($0)" } ?? "")]}"
                call.send(message)
                return call.caller.receive { $0.status == 200 }?.startLine.split(separator: " ").last.map(String.init)
            }
            func state() throws -> String? { try kamailio.statistics(relay.url).first?["state"] }
            for (number, after) in [
                ("\"0\"", "disabled"), ("\"1\"", "up"), ("0", "disabled"), ("1", "up"), ("\" 0 \"", "disabled"),
                ("5", "up"), ("\"-1\"", "disabled"), ("\"5\"", "up"),
            ] {
                let (code, state) = (try run("enable", number), try state())
                #expect(code == "200" && state == after, "\(number): \(state ?? "")")
            }
            for (number, after) in [("\"1\"", "draining"), ("\"0\"", "up"), ("1", "draining"), ("0", "up")] {
                let (code, state) = (try run("drain", number), try state())
                #expect(code == "200" && state == after, "\(number): \(state ?? "")")
            }
            for command in ["enable", "drain"] {
                for number in ["\"yes\"", "null", "\"\"", "\"1x\"", "true", "[1]", "{}"] {
                    let (code, state) = (try run(command, number), try state())
                    #expect(code == "400" && state == "up", "\(command) \(number): \(code ?? "") \(state ?? "")")
                }
                let code = try run(command, nil)
                #expect(code == "500")
            }
        }
    }

    @Test func processThatProbesIsListed() throws {
        let stage = try Stage.shared()
        #expect(try stage.kamailio.kamcmd("core.ps").lowercased().contains("rtpproxy"))
    }

    @Test func relaysAreProbedByOneProcess() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.children = 4
        } _: { kamailio in
            _ = try kamailio.call().invite(run: .offer())
            // A process asks from a port of its own. One that answers late is asked again.
            #expect(Set(relay.log.filter { $0.verb == "V" }.map(\.sender)).count == 1)
        }
    }
}
