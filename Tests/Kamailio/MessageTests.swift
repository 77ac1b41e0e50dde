// SPDX-License-Identifier: GPL-2.0-or-later
// What the log says of mistakes that show with a call: each names what is wrong, not what follows from it.

import Foundation
import TestSupport
import Testing

@Suite struct MessageTests {
    @Test func anAnswerWithoutAnOfferIsOfAnUnknownSession() throws {
        let relay = try ScriptedRelay()
        relay.on { $0.verb == "L" ? .reply("0") : nil }
        try Stage.own([relay]) { kamailio in
            let call = try kamailio.call()
            let invite = try call.invite()
            _ = try call.reply(to: invite, sdp: SDPText.audio(port: 6000), run: .answer())
            let line = try #require(kamailio.waitForLog("ERROR", call.id))
            #expect(line.contains("session unknown at the relay") && !line.contains("without a port"), "\(line)")
        }
    }

    @Test func aRouteThatIsNotThereIsNamed() throws {
        let relay = try ScriptedRelay()
        let change = { (configuration: inout KamailioConfiguration) in
            configuration.routes = """
                request_route {
                    $var(next) = "NOWHERE";
                    if (is_method("INVITE")) rtpproxy_offer_async("$var(next)");
                    t_relay();
                }
                """
        }
        try Stage.own([relay], change) { (kamailio) throws in
            try kamailio.call().invite()
            #expect(kamailio.waitForLog("there is no route[NOWHERE] to go on in") != nil)
        }
    }

    @Test func aFunctionOfKEMIThatIsNotThereIsNamed() throws {
        try KEMIStage.run {
            $0.set("event_callback", "ksr_nowhere")
        } _: { stage in
            #expect(stage.kamailio.waitForLog("WARNING", "event_callback", "\"ksr_nowhere\"") != nil)
            _ = try stage.kamailio.kamcmd("rtpproxy.enable", stage.other.url, "0")
            #expect(stage.kamailio.waitForLog("ERROR", "event_callback", "\"ksr_nowhere\" cannot be run") != nil)
        }
    }

    @Test func aCallbackOfATransactionThatIsNotThereIsNamed() throws {
        try KEMIStage.run { stage in
            let call = try stage.kamailio.call()
            let run = script("rtpproxy_offer_async0").with("X-Callback", "ksr_nowhere")
            call.send(call.request("INVITE", sdp: SDPText.audio(), run: run))
            #expect(stage.kamailio.waitForLog("ERROR", "\"ksr_nowhere\" cannot be run") != nil)
        }
    }

    /// Which `app_lua` reads only when it is to run something.
    @Test(.enabled(if: hasLua, "Kamailio's module app_lua is not there"))
    func aFunctionThatAReloadBringsIsRun() throws {
        let folder = try TemporaryFolder()
        let before = "function ksr_request_route() KSR.sl.sl_send_reply(200, 'OK') end\n"
        let script = try folder.write(before, to: "script.lua")
        let relay = try ScriptedRelay()
        var configuration = KamailioConfiguration(routes: "cfgengine \"lua\"")
        configuration.modules.append("app_lua")
        configuration.parameters.append(("app_lua", "load", "\"\(script)\""))
        configuration.parameters.append(("app_lua", "reload", "1"))
        configuration.set("rtpproxy_sock", relay.url)
        configuration.set("event_callback", "ksr_event")
        try Kamailio.with(configuration) { kamailio in
            #expect(kamailio.waitUntilUp([relay]))
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0")
            #expect(kamailio.waitForLog("ERROR", "event_callback", "\"ksr_event\" cannot be run") != nil)
            let heard = "function ksr_event(name) KSR.warn('heard of ' .. name .. '\\n') end\n"
            try folder.write(before + heard, to: "script.lua")
            _ = try kamailio.kamcmd("app_lua.reload")
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "1")
            #expect(kamailio.waitForLog("heard of rtpproxy:node-up") != nil)
            #expect(kamailio.logLines("cannot be run").count == 1)
        }
    }

    /// Of a script in Lua, whose module says as little of it by itself.
    @Test(
        .enabled(if: hasLua, "Kamailio's module app_lua is not there"),
        arguments: [("ksr_event", true), ("ksr_nowhere", false)])
    func aFunctionOfLuaIsRunOrNamed(callback: String, isThere: Bool) throws {
        let folder = try TemporaryFolder()
        let script = try folder.write(
            """
            function ksr_request_route() KSR.sl.sl_send_reply(200, "OK") end
            function ksr_event(name) KSR.warn("heard of " .. name .. "\\n") end

            """, to: "script.lua")
        let relay = try ScriptedRelay()
        var configuration = KamailioConfiguration(routes: "cfgengine \"lua\"")
        configuration.modules.append("app_lua")
        configuration.parameters.append(("app_lua", "load", "\"\(script)\""))
        configuration.set("rtpproxy_sock", relay.url)
        configuration.set("event_callback", callback)
        try Kamailio.with(configuration) { kamailio in
            #expect(kamailio.waitUntilUp([relay]))
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0")
            if isThere {
                #expect(kamailio.waitForLog("heard of rtpproxy:node-down") != nil)
                #expect(kamailio.logLines("event_callback").isEmpty && kamailio.logLines("ERROR").isEmpty)
            } else {
                #expect(kamailio.waitForLog("ERROR", "event_callback", "\"ksr_nowhere\" cannot be run") != nil)
                #expect(!kamailio.logLines("WARNING", "event_callback", "\"ksr_nowhere\"").isEmpty)
            }
        }
    }

    private static let hasLua =
        (try? FileManager.default.fileExists(atPath: KamailioInstallation.find().modules + "/app_lua.so")) ?? false
}
