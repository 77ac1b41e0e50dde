// SPDX-License-Identifier: GPL-2.0-or-later
// What Kamailio's own memory debugging finds: every block that the module took is given back, in every process.

import Foundation
import TestSupport
import Testing

@Suite struct MemoryTests {
    private static let eventRoutes = """

        event_route[rtpproxy:node-down] { xlog("L_NOTICE", "event down $rtpp_node(url)\\n"); }
        event_route[rtpproxy:node-up] { xlog("L_NOTICE", "event up $rtpp_node(url)\\n"); }
        event_route[rtpproxy:timeout] { xlog("L_NOTICE", "event timeout $rtpp_notify(tag)\\n"); }
        """

    /// Allocators that note who took a block, and a list of all blocks when a process ends: of its own memory (pkg), and
    /// of the shared (shm). And all that takes memory: sets from a database, events, notifications, the journal.
    private func debugMemory(_ configuration: inout KamailioConfiguration, _ folder: TemporaryFolder) {
        configuration.options = ["-x", "qm", "-X", "qm"]
        configuration.routes = "memlog=1\nmem_summary=3\nmem_join=1\n" + configuration.routes + Self.eventRoutes
        configuration.modules.append("db_sqlite")
        configuration.set("db_url", "sqlite:///\(folder.file("database"))")
        configuration.set("rtpproxy_notify_listen", "unix:\(folder.file("stopped"))")
        configuration.set("rtpproxy_journal", 1)
        configuration.set("rtpproxy_tout_ms", 500)
        configuration.set("rtpproxy_retr", 1)
        configuration.set("rtpproxy_disable_tout", 1)
    }

    private func sql(_ text: String, _ folder: TemporaryFolder) throws {
        let done = try ChildProcess.run("sqlite3", ["-bail", folder.file("database"), text])
        #expect(done.end == .exited(0), "\(done.output)")
    }

    /// How many blocks each place in the code has, over all processes, in the lists of a Kamailio that has ended.
    private func blocksLeft(_ kamailio: Kamailio) throws -> [String: Int] {
        let lines = kamailio.logLines("alloc'd from ")
        try #require(lines.count > 100, "no list of blocks: \(kamailio.log.suffix(1000))")
        #expect(kamailio.logLines("Memory status (pkg)").count > 3)
        #expect(kamailio.logLines("Memory status (shm)").count == 1)
        var left: [String: Int] = [:]
        for line in lines { left[line.components(separatedBy: "alloc'd from ").last ?? "", default: 0] += 1 }
        return left
    }

    /// One call with everything that takes memory, some of it failing.
    private func call(_ kamailio: Kamailio, whole: Bool) throws {
        let call = try kamailio.call()
        let invite = try call.invite(run: .offer("co"))
        #expect(invite.returnCodes == [1])
        try call.reply(to: invite, sdp: SDPText.audio(), run: .answer("co"))
        try call.ack()
        #expect(try call.bye(run: whole ? Run("stat").then("destroy") : .destroy()).returnCodes.last == 1)
        let broken = try kamailio.call().invite(sdp: "v=0\r\nm=audio x\r\n", run: .offer())
        #expect(broken.returnCodes == [-1])
    }

    /// What is not a call: the RPC commands, an RTPProxy that fails and is back, a notification, a reload.
    private func everythingElse(_ kamailio: Kamailio, _ relay: ScriptedRelay, _ folder: TemporaryFolder) throws {
        #expect(try kamailio.relays().count == 1)
        #expect(try kamailio.statistics().count == 1)
        #expect(try kamailio.probe().count == 1)
        #expect(try kamailio.kamcmd("rtpproxy.status").contains(relay.url))
        try Notifier(folder.file("stopped")).write("media-1\n")
        #expect(kamailio.waitForLog("event timeout media-1") != nil)
        relay.on { _ in .drop }
        #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
        #expect(kamailio.waitForLog("event down") != nil)
        relay.removeRules()
        #expect(kamailio.waitForLog("event up") != nil)
        try sql("INSERT INTO rtpproxy (setid, url) VALUES ('7', 'udp:127.0.0.1:9');", folder)
        #expect(try kamailio.kamcmd("rtpproxy.reload").contains("added: 1"))
        try sql("DELETE FROM rtpproxy WHERE setid = '7';", folder)
        #expect(try kamailio.kamcmd("rtpproxy.reload").contains("removed: 1"))
        try sql("ALTER TABLE rtpproxy RENAME TO elsewhere;", folder)
        #expect(try kamailio.kamcmd("rtpproxy.reload").contains("error"))
    }

    /// What is left after so many calls and everything else.
    private func left(after calls: Int, _ continuation: Continuation? = nil) throws -> [String: Int] {
        let relay = try ScriptedRelay()
        let folder = try TemporaryFolder()
        let definition = "\(PackageFolder.root)/packaging/sql/sqlite/rtpproxy-create.sql"
        try sql(".read \(definition)", folder)
        try sql("INSERT INTO rtpproxy (setid, url) VALUES ('0', '\(relay.url)');", folder)
        func run(_ kamailio: Kamailio) throws -> Kamailio {
            #expect(kamailio.waitUntilUp([relay]))
            for _ in 0..<calls { try call(kamailio, whole: continuation == nil) }
            try everythingElse(kamailio, relay, folder)
            #expect(waitUntil(20) { (try? kamailio.kamcmd("tm.stats").contains("current: 0\n")) ?? false })
            return kamailio
        }
        let ended =
            if let continuation {
                try withAsyncStage([], continuation, { debugMemory(&$0, folder) }, run)
            } else {
                try Stage.own([], settled: false) {
                    debugMemory(&$0, folder)
                    for timer in ["fr_timer", "fr_inv_timer", "wt_timer"] {
                        $0.parameters.append(("tm", timer, "2000"))
                    }
                } _: {
                    try run($0)
                }
            }
        return try blocksLeft(ended)
    }

    @Test(arguments: [nil, Continuation.process, .workers])
    func noBlockIsLeft(_ continuation: Continuation?) throws {
        let (few, many) = (try left(after: 10, continuation), try left(after: 150, continuation))
        for (place, count) in many {
            #expect(!place.hasPrefix("rtpproxy:"), "\(count) blocks of \(place)")
            // On our behalf, by Kamailio: lumps, clones, transactions.
            let grown = count - (few[place] ?? 0)
            #expect(grown < 50, "\(grown) more blocks of \(place)")
        }
    }
}
