// SPDX-License-Identifier: GPL-2.0-or-later
// The database is lost while Kamailio runs: a reload says so, all stays as it was, and the next one works.

import Foundation
import TestSupport
import Testing

@Suite struct LostDatabaseTests {
    /// Reloads, which must fail in its time and change nothing.
    private static func reloadFails(_ kamailio: Kamailio, _ relay: ScriptedRelay) throws {
        let start = monotonicMilliseconds()
        let answer = try kamailio.kamcmd("rtpproxy.reload")
        #expect(monotonicMilliseconds() - start < 8000)
        #expect(answer.contains("500") && answer.contains("Nothing is changed"), "\(answer)")
        #expect(try kamailio.relays().map { $0["url"] } == [relay.url])
        #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
    }

    /// A file that is no database any more, that is empty, or that is gone.
    @Test(arguments: ["garbage", "empty", "gone"])
    func aLostFileChangesNothingAndIsReadAgainOnceItIsBack(state: String) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let database = try Database(.sqlite, rows: [Row(0, relays[0])])
        try database.withKamailio(probing: [relays[0]]) { (kamailio) throws in
            let path = try #require(database.path)
            let whole = try Data(contentsOf: URL(filePath: path))
            switch state {
            case "garbage": try Data(repeating: 0x55, count: 8192).write(to: URL(filePath: path))
            case "empty": try Data().write(to: URL(filePath: path))
            default: try FileManager.default.removeItem(atPath: path)
            }
            try Self.reloadFails(kamailio, relays[0])
            try whole.write(to: URL(filePath: path))
            try database.insert([Row(0, relays[1])])
            #expect(try kamailio.kamcmd("rtpproxy.reload").contains("added: 1"))
            #expect(try kamailio.relays().map { $0["url"] } == relays.map(\.url))
        }
    }

    /// Somebody writes all the time.
    @Test func aFileThatIsLockedFailsTheReloadInItsTime() throws {
        let relay = try ScriptedRelay()
        let database = try Database(.sqlite, rows: [Row(0, relay)])
        try database.withKamailio(probing: [relay]) { (kamailio) throws in
            let path = try #require(database.path)
            let folder = try TemporaryFolder()
            let script = try folder.write("BEGIN EXCLUSIVE;\n.print locked\n.shell sleep 30\n", to: "lock.sql")
            let writer = try ChildProcess("sqlite3", ["-bail", path, ".read \(script)"])
            defer { writer.terminate(within: 0) }
            try #require(waitUntil(10) { writer.output.contains("locked") })
            try Self.reloadFails(kamailio, relay)
            writer.terminate(within: 0)
            #expect(try kamailio.kamcmd("rtpproxy.reload").contains("kept: 1"))
        }
    }

    /// The server dies, and another one with the same data comes up in its place.
    @Test(.enabled(if: !DatabaseKind.servers.isEmpty, "needs a database server"), arguments: DatabaseKind.servers)
    func aServerThatIsKilledChangesNothingAndIsReadAgainOnceItIsBack(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let server = try DatabaseServer.own(kind)
        let database = try Database(kind, on: server)
        try database.run(kind.definition())
        try database.insert([Row(0, relays[0])])
        try database.withKamailio(probing: [relays[0]]) { (kamailio) throws in
            // MariaDB, as these tests start it, writes its log once a second.
            usleep(2_500_000)
            try server.kill()
            try Self.reloadFails(kamailio, relays[0])
            try server.restart()
            try database.insert([Row(0, relays[1])])
            // The connection of before is of no use: the one that notices makes another.
            var answer = ""
            let isBack = try waitUntil(20, every: 500) {
                answer = try kamailio.kamcmd("rtpproxy.reload")
                return answer.contains("kept")
            }
            #expect(isBack, "\(answer) \(kamailio.log.suffix(1000))")
            #expect(try kamailio.relays().count == 2)
        }
    }
}
