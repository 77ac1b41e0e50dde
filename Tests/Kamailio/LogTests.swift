// SPDX-License-Identifier: GPL-2.0-or-later
// What the log shows of calls: each command and answer at debug=3, and an outage in few lines.

import Foundation
import TestSupport
import Testing

@Suite struct LogTests {
    @Test(arguments: [3, 2]) func eachCommandAndAnswerIsALineAtDebug3(_ level: Int) throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.debug = level
        } _: { (kamailio) throws in
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            _ = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            _ = try call.invite(run: .destroy(), inDialog: true)
            guard level == 3 else {
                #expect(kamailio.logLines("call \(call.id): to ").isEmpty)
                return
            }
            #expect(kamailio.waitForLog("call \(call.id): from \(relay.url): 0") != nil)
            let texts = relay.texts(of: call.id)
            #expect(texts.count == 3)
            for text in texts {
                #expect(kamailio.logLines("call \(call.id): to \(relay.url): \(text)").count == 1, "\(text)")
            }
            #expect(kamailio.logLines("call \(call.id): from \(relay.url): ").count == 3)
        }
    }

    @Test func theDebuggerSwitchesTheLinesForTheModuleAlone() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.modules.append("debugger")
            $0.parameters.append(("debugger", "mod_hash_size", "4"))
            $0.parameters.append(("debugger", "mod_level_mode", "1"))
        } _: { (kamailio) throws in
            let before = try kamailio.call()
            _ = try before.invite(run: .offer())
            #expect(kamailio.logLines("call \(before.id): to ").isEmpty)
            #expect(try !kamailio.kamcmd("dbg.set_mod_level", "rtpproxy", "3").contains("error"))
            let call = try kamailio.call()
            _ = try call.invite(run: .offer())
            #expect(kamailio.waitForLog("call \(call.id): to \(relay.url): U") != nil)
        }
    }

    @Test func anAsynchronousCallShowsTheSame() throws {
        let relay = try ScriptedRelay()
        relay.on { $0.verb == "U" && $0.attempt == 1 ? .drop : nil }
        try withAsyncStage([relay], .process) {
            $0.debug = 3
        } _: { (kamailio) throws in
            let call = try kamailio.call()
            _ = try call.invite(run: .offer())
            #expect(kamailio.waitForLog("call \(call.id): to \(relay.url): U") != nil)
            #expect(kamailio.waitForLog("call \(call.id): from \(relay.url): ") != nil)
        }
    }

    /// What stands in a message or an answer stays within its line.
    @Test func aHostileAnswerIsOneLine() throws {
        let relay = try ScriptedRelay()
        relay.on { $0.verb == "U" ? .reply("35000 192.0.2.1\r\nforged: line") : nil }
        try Stage.own([relay]) {
            $0.debug = 3
        } _: { (kamailio) throws in
            let call = try kamailio.call()
            _ = try call.invite(run: .offer())
            #expect(kamailio.waitForLog("call \(call.id): from \(relay.url): 35000") != nil)
            #expect(kamailio.logLines("forged").allSatisfy { $0.contains("call \(call.id)") })
        }
    }

    /// All RTPProxies fall silent under 50 calls a second: a minute of that is fewer than 200 lines, all processes of
    /// Kamailio together. What is written at once comes at the beginning, and after that each set and cause has a line a
    /// second: so ten seconds say how many a minute has.
    @Test func aMinuteWithoutAnyRelayIsFewerThan200Lines() throws {
        let relays = try (0..<2).map { _ in try ScriptedRelay() }
        try Stage.own(relays) {
            $0.children = 8
            $0.set("rtpproxy_tout_ms", 100)
            $0.set("rtpproxy_retr", 2)
            // They are tried again, and fail again, all the while.
            $0.set("rtpproxy_disable_tout", 2)
        } _: { (kamailio) throws in
            let call = try kamailio.call()
            kamailio.waitUntilUp()
            #expect(try call.invite(run: .offer()).returnCodes == [1])
            // But for what the stage's own script says of each message.
            let lines = { kamailio.log.split(separator: "\n").count { !$0.contains("<script>: ran ") } }
            let before = lines()
            for relay in relays { relay.on { _ in .drop } }
            let start = monotonicMilliseconds()
            var half = (lines: 0, milliseconds: start)
            for number in 0..<500 {
                while monotonicMilliseconds() < start + 20 * number { usleep(1000) }
                call.id = UUID().uuidString
                call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer()))
                if number == 250 { half = (lines(), monotonicMilliseconds()) }
            }
            let (all, end) = (lines(), monotonicMilliseconds())
            #expect(kamailio.logLines("no RTPProxy available in set 0").count > 5)
            // On a crowded machine it takes longer, and more of the minute has been seen.
            let perSecond = Double(all - half.lines) * 1000 / Double(end - half.milliseconds)
            let minute = Double(all - before) + perSecond * max(0, 60 - Double(end - start) / 1000)
            #expect(minute < 200, "\(all - before) lines, \(perSecond) a second: \(kamailio.log.suffix(3000))")
        }
    }

    @Test func anOutageIsFewLinesAndEveryCallIsCounted() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay]) {
            $0.children = 4
            $0.set("rtpproxy_tout", 1)
            $0.set("rtpproxy_retr", 1)
        } _: { (kamailio) throws in
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0")
            let start = monotonicMilliseconds()
            var calls = 0
            while monotonicMilliseconds() - start < 6000 {
                let call = try kamailio.call()
                #expect(try call.invite(run: .offer()).returnCodes == [-3])
                calls += 1
                usleep(10_000)
            }
            #expect(kamailio.waitForLog("set 0: ", "calls more found no RTPProxy available", seconds: 6) != nil)
            let seconds = Int(monotonicMilliseconds() - start) / 1000 + 2
            let lines = kamailio.logLines("no RTPProxy available in set 0")
            #expect(calls > 60 && lines.count <= 10 + seconds)
            let more = (lines + kamailio.logLines("found no RTPProxy available")).compactMap { line in
                (line.components(separatedBy: "(and ").dropFirst().first
                    ?? line.components(separatedBy: "set 0: ").dropFirst().first)?.split(separator: " ").first
                    .flatMap { Int($0) }
            }
            #expect(lines.count + more.reduce(0, +) == calls)
        }
    }
}
