// SPDX-License-Identifier: GPL-2.0-or-later
// Kamailio's mohqueue, which finds the module's functions by name and calls them with parameters of its own making.

import Foundation
import TestSupport
import Testing

@Suite struct MohqueueTests {
    private static let queue = "sip:queue@moh.invalid"

    /// A queue in a database of its own, with a prompt for PCMU.
    private static func prepare(_ folder: TemporaryFolder, _ configuration: inout KamailioConfiguration) throws {
        let installation = try KamailioInstallation.find()
        let definitions = "\(installation.prefix)/share/kamailio/db_sqlite"
        if !installation.root.isEmpty, !FileManager.default.fileExists(atPath: "\(definitions)/mohqueue-create.sql") {
            try Test.cancel("Kamailio in \(installation.root) has no schema of mohqueue for SQLite")
        }
        let program = """
            import sqlite3, sys
            base = sqlite3.connect(sys.argv[1])
            for name in sys.argv[2:4]: base.executescript(open(name).read())
            base.execute("insert into mohqueues (name, uri, mohdir, mohfile, debug) values (?, ?, ?, 'music', 0)",
                ('main', sys.argv[4], sys.argv[5]))
            base.commit()
            """
        let made = try ChildProcess.run(
            "python3",
            [
                "-c", program, folder.file("queues.db"), "\(definitions)/standard-create.sql",
                "\(definitions)/mohqueue-create.sql", queue, folder.path,
            ])
        guard made.end == .exited(0) else { throw HarnessError("no database: \(made.output)") }
        try folder.write("", to: "music.0")
        configuration.modules += ["db_sqlite"]
        configuration.parameters.append(("mohqueue", "db_url", "\"sqlite://\(folder.file("queues.db"))\""))
        configuration.parameters.append(("mohqueue", "mohdir", "\"\(folder.path)\""))
        configuration.modulesBehind = ["mohqueue"]
        configuration.routes = "request_route { if (!mohq_process()) sl_send_reply(\"404\", \"No Queue\"); }"
    }

    /// Runs `body` with a caller in front of the queue.
    private func withQueue(
        _ change: (inout KamailioConfiguration) -> Void = { _ in },
        _ body: (Kamailio, ScriptedRelay, Call, String) throws -> Void
    ) throws {
        let relay = try ScriptedRelay()
        let folder = try TemporaryFolder()
        var fault: (any Error)?
        let configure = { (configuration: inout KamailioConfiguration) in
            // mohqueue takes an ACK only behind what it does once its 200 is out: the same worker has both.
            configuration.children = 1
            do { try Self.prepare(folder, &configuration) } catch { fault = error }
            change(&configuration)
        }
        try Stage.own([relay], configure) { kamailio in
            if let fault { throw fault }
            try body(kamailio, relay, kamailio.call(), "\(folder.path)/music")
        }
    }

    /// A request of the caller to the queue.
    private func request(_ method: String, _ call: Call, sdp: String? = nil) -> SIPMessage {
        var message = call.request(method, sdp: sdp)
        message.startLine = "\(method) \(Self.queue) SIP/2.0"
        message["To"] = "<\(Self.queue)>" + (method == "INVITE" ? "" : ";tag=\(call.toTag)")
        return message
    }

    @Test func callerInAQueueHearsMusicUntilHangingUp() throws {
        try withQueue { kamailio, relay, call, music in
            call.send(request("INVITE", call, sdp: SDPText.audio(port: 4000, extra: ["a=ptime:30"])))
            let answer = try #require(call.caller.receive { $0.status == 200 && $0.method == "INVITE" })
            call.toTag = try #require(answer.toTag)
            let (from, to) = (call.fromTag, call.toTag)
            // The offer has the flag r, the answer the packet time of the caller.
            let commands = [
                "Uc0,8,101 \(call.id) 192.0.2.10 4000 \(from);1",
                "LZ30c0 \(call.id) 127.0.0.1 1 \(from);1 \(to);1",
                "P-1 \(call.id) \(music) session \(from);1 \(to);1",
            ]
            #expect(relay.texts(of: call.id) == commands)
            #expect(answer.lines.contains("c=IN IP4 192.0.2.77"))
            #expect(answer.lines.contains { $0.hasPrefix("m=audio 350") })
            #expect(answer.lines.last == "a=nortpproxy:yes")
            #expect(answer["Content-Length"] == "\(answer.body.count)")

            call.send(request("ACK", call))
            #expect(kamailio.waitForLog("ERROR", "mohqueue", seconds: 0.3) == nil)
            call.send(request("BYE", call))
            #expect(call.caller.receive { $0.method == "BYE" }?.status == 200)
            #expect(relay.texts(of: call.id) == commands + ["D \(call.id) \(from) \(to)"])
            #expect(kamailio.logLines("ERROR").isEmpty)
        }
    }

    @Test func withoutARelayTheCallerIsBusy() throws {
        try withQueue { kamailio, relay, call, _ in
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0")
            call.send(request("INVITE", call, sdp: SDPText.audio()))
            #expect(call.caller.receive { $0.status >= 200 }?.status == 486)
        }
    }

    @Test func refusedAnswerAndRefusedPromptEndTheCall() throws {
        for verb in ["L", "P"] {
            try withQueue { _, relay, call, _ in
                relay.on { $0.verb == verb ? .reply("E8") : nil }
                call.send(request("INVITE", call, sdp: SDPText.audio()))
                #expect(call.caller.receive { $0.status >= 200 }?.status == 500, "\(verb)")
                waitUntil { !relay.texts(of: call.id, "D").isEmpty }
                #expect(relay.texts(of: call.id, "D") == ["D \(call.id) \(call.fromTag)"])
            }
        }
    }
}
