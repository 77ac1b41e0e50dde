// SPDX-License-Identifier: GPL-2.0-or-later
// SIP workers that are killed in the middle of an exchange: what they share with the others stays usable.

import Foundation
import TestSupport
import Testing

/// Kamailio's main process shuts the server down as soon as it learns that a child has died. It is stopped here, so that
/// it learns nothing and the others go on; the last test lets it go on, too.
@Suite struct KilledWorkerTests {
    private static let workers = 4

    private static func alone(_ configuration: inout KamailioConfiguration) {
        configuration.children = workers
        configuration.listensOnIPv6 = false
        configuration.set("rtpproxy_tout", 3)
        configuration.set("rtpproxy_retr", 1)
        configuration.set("rtpproxy_disable_tout", 1)
        configuration.set("rtpproxy_ping_interval", 1)
    }

    /// Runs `body` with a Kamailio whose main process is stopped; afterwards all of it must end by itself.
    private static func headless(_ relays: [ScriptedRelay], _ body: (Kamailio) throws -> Void) throws {
        let configuration = try Stage.configuration {
            $0.set("rtpproxy_sock", relays.map(\.url).joined(separator: " "))
            alone(&$0)
        }
        let kamailio = try Kamailio(configuration)
        defer { kamailio.process.terminate(within: 0) }
        try #require(
            waitUntil(15, every: 50) {
                relays.allSatisfy { kamailio.logLines("is up", $0.url).count == 1 }
            })
        kamailio.process.signal(SIGSTOP)
        try body(kamailio)
        // Now the main process learns of the dead worker and ends the others: none hangs.
        kamailio.process.signal(SIGCONT)
        let end = kamailio.process.wait(20)
        #expect(end != nil, "still running: \(kamailio.log.suffix(2000))")
        #expect(waitUntil(5) { kill(-kamailio.process.pid, 0) != 0 }, "processes were left behind")
    }

    /// The process of this Kamailio that sends from a UDP port of 127.0.0.1.
    private static func process(_ kamailio: Kamailio, sendingFrom port: Int) throws -> pid_t? {
        let place = String(format: "0100007F:%04X", port)
        let anyPlace = String(format: "00000000:%04X", port)
        guard
            let inode = try systemUDPSockets().first(where: { $0.count > 9 && ($0[1] == place || $0[1] == anyPlace) })?[
                9]
        else {
            return nil
        }
        return try kamailio.processes().map(\.pid).first { pid in
            let folder = "/proc/\(pid)/fd"
            let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
            return descriptors.contains {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)")) == "socket:[\(inode)]"
            }
        }.map { pid_t($0) }
    }

    /// Offers a call to a relay that holds its answer back, and kills the worker that waits for it.
    private static func killWorker(_ kamailio: Kamailio, _ call: Call, _ relay: ScriptedRelay) throws {
        relay.on(call: call.id) { $0.verb == "U" ? .delay(2500, .normal) : nil }
        call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer()))
        try #require(waitUntil(5) { !relay.commands(of: call.id, "U").isEmpty })
        let sender = try #require(relay.commands(of: call.id, "U").first).sender
        let worker = try #require(try process(kamailio, sendingFrom: sender))
        #expect(kill(worker, SIGKILL) == 0)
        #expect(try waitUntil(5) { try state(worker) == "Z" })
    }

    /// The state of a process, `Z` once it is dead and its parent has not asked for it yet.
    private static func state(_ process: pid_t) throws -> Substring? {
        let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        return text?.split(separator: ")").last?.split(separator: " ").first
    }

    @Test func theOthersGoOnWhileWorkersAreKilledInTheMiddleOfAnExchange() throws {
        let relay = try ScriptedRelay()
        try Self.headless([relay]) { kamailio in
            let kept = try kamailio.call()
            #expect(try kept.invite(run: .offer()).returnCodes == [1])
            // All but one.
            for _ in 1..<Self.workers {
                try Self.killWorker(kamailio, kamailio.call(), relay)
                let call = try kamailio.call()
                let invite = try call.invite(run: .offer())
                let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
                #expect([invite, answered].map(\.returnCodes) == [[1], [1]])
                #expect(try call.bye(run: .destroy()).returnCodes == [1])
                #expect(try kamailio.relays().first?["disabled"] == "0")
            }
            #expect(try kept.invite(run: .offer(), inDialog: true).returnCodes == [1])
            #expect(kamailio.logLines("disabled for").isEmpty)
        }
    }

    @Test func whatADeadWorkerSawFailIsFoundOutAndIsFoundAgainByTheOthers() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Self.headless(relays) { kamailio in
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            try Self.killWorker(kamailio, call, relays[0])
            // The one that it waited for goes away: the others take it out, once, and the monitor brings it back.
            relays[0].shut()
            for _ in 0..<6 {
                let next = try kamailio.call()
                next.choose(0, of: [1, 1])
                #expect(try next.invite(run: .offer()).instance == relays[1].url)
            }
            #expect(kamailio.waitForLog("disabled for", relays[0].url) != nil)
            #expect(kamailio.logLines("disabled for", relays[0].url).count == 1)
            try relays[0].reopen()
            #expect(kamailio.waitUntilUp(within: 15))
            let next = try kamailio.call()
            next.choose(0, of: [1, 1])
            #expect(try next.invite(run: .offer()).instance == relays[0].url)
            // RPC works on the same memory.
            _ = try kamailio.kamcmd("rtpproxy.enable", relays[0].url, "0")
            #expect(try kamailio.relays().map { $0["disabled"] } == ["1", "0"])
        }
    }
}
