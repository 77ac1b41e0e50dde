// SPDX-License-Identifier: GPL-2.0-or-later
// Sets out of a database: which RTPProxies there are, how they are weighted, and what is ignored.

import Foundation
import TestSupport
import Testing

@Suite struct DatabaseSetTests {
    @Test(arguments: DatabaseKind.underTest)
    func setsComeFromTheDatabase(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(.unix), try ScriptedRelay(.udp6)]
        let rows = [Row(0, relays[0]), Row(7, relays[1]), Row(2_147_483_647, relays[2])]
        try Database(kind, rows: rows).withKamailio(probing: relays) { (kamailio) throws in
            #expect(try kamailio.relays().map { $0["url"] } == relays.map(\.url))
            #expect(try kamailio.relays().map { $0["setid"] } == ["0", "7", "2147483647"])
            for (set, relay) in zip([nil, 7, 2_147_483_647], relays) {
                let invite = try kamailio.call().invite(run: .offer(set: set))
                #expect(invite.returnCodes == [1])
                #expect(invite.instance == relay.url)
            }
            #expect(kamailio.complaints.isEmpty)
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func rowsOfASetStandSideBySideInTheirOrder(kind: DatabaseKind) throws {
        let urls = (1...4).map { "udp:127.0.0.1:\($0)" }
        let rows = zip(["'3'", "'0'", "'3'", "'0'"], urls).map { Row($0, url: "'\($1)'") }
        try Database(kind, rows: rows).withKamailio { (kamailio) throws in
            #expect(try kamailio.relays().map { $0["url"] } == [0, 2, 1, 3].map { urls[$0] })
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func literalSetInTheScriptMayBeOneOfTheDatabase(kind: DatabaseKind) throws {
        let relay = try ScriptedRelay()
        let database = try Database(kind, rows: [Row(7, relay)])
        let change = { (c: inout KamailioConfiguration) in
            c.routes = "request_route { set_rtp_proxy_set(\"7\"); rtpproxy_offer(\"b\"); }"
        }
        try database.withKamailio(change) { #expect($0.complaints.isEmpty) }
        try database.run("DELETE FROM rtpproxy")
        let log = try Kamailio.startUpFailure(database.configuration(change))
        #expect(Kamailio.complaints(log).contains { $0.contains("set 7") })
    }

    /// Right or wrong, what rtpproxy_sock says does not count.
    @Test(arguments: DatabaseKind.underTest)
    func rtpproxySockIsIgnoredWithAWarning(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let change = { (c: inout KamailioConfiguration) in
            c.set("rtpproxy_sock", relays[1].url)
            c.set("rtpproxy_sock", "5 == nonsense:1")
        }
        try Database(kind, rows: [Row(0, relays[0])]).withKamailio(probing: [relays[0]], change) { (kamailio) throws in
            #expect(try kamailio.relays().map { $0["url"] } == [relays[0].url])
            #expect(try kamailio.call().invite(run: .offer()).instance == relays[0].url)
            #expect(kamailio.complaints.count == 1)
            let warning = try #require(kamailio.complaints.first)
            #expect(["WARNING", "rtpproxy_sock", "db_url"].allSatisfy { warning.contains($0) })
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func weightsDecideHowManyCallsEachGets(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay(), try ScriptedRelay()]
        let weights = [1, 3, 2]
        let rows = zip(relays, weights).map { Row(0, $0, weight: $1) }
        try Database(kind, rows: rows).withKamailio(probing: relays) { (kamailio) throws in
            #expect(try kamailio.relays().map { $0["weight"] } == weights.map(String.init))
            for index in [0, 1, 2, 1] {
                let call = try kamailio.call()
                call.choose(index, of: weights)
                #expect(try call.invite(run: .offer()).instance == relays[index].url)
            }
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func flag1StartsDisabledUntilRPCEnablesIt(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let rows = [Row(0, relays[0], flags: 1), Row(0, relays[1])]
        let change = { (c: inout KamailioConfiguration) in c.set("rtpproxy_disable_tout", 1) }
        try Database(kind, rows: rows).withKamailio(probing: [relays[1]], change) { (kamailio) throws in
            usleep(2_500_000)
            #expect(try kamailio.relays().map { $0["disabled"] } == ["1", "0"])
            #expect(try kamailio.relays().first?["recheck"] == "-1")
            let call = try kamailio.call()
            call.choose(0, of: [1, 1])
            #expect(try call.invite(run: .offer()).instance == relays[1].url)
            #expect(relays[0].log.isEmpty)
            #expect(try kamailio.kamcmd("rtpproxy.enable", relays[0].url, "1").isEmpty)
            #expect(kamailio.waitUntilUp([relays[0]]))
            call.choose(0, of: [1, 1])
            #expect(try call.invite(run: .offer()).instance == relays[0].url)
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func tableMayHaveAnotherName(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let database = try Database(kind, table: "my_sets", rows: [Row(0, relays[0])])
        try database.run(kind.definition())
        try database.insert([Row(0, relays[1])])
        try database.withKamailio(probing: [relays[0]], { $0.set("table_name", "my_sets") }) { (kamailio) throws in
            #expect(try kamailio.relays().map { $0["url"] } == [relays[0].url])
            #expect(try kamailio.call().invite(run: .offer()).instance == relays[0].url)
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func emptyTableStartsAndOffersFindNobody(kind: DatabaseKind) throws {
        try Database(kind, rows: []).withKamailio { (kamailio) throws in
            #expect(try kamailio.relays().isEmpty)
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func thousandRowsAreAllTaken(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let between = (0..<1000).map { Row("'\($0 + 1)'", url: "'udp:127.0.0.1:\($0 + 1)'", flags: "1") }
        let rows = [Row(0, relays[0])] + between + [Row(5000, relays[1])]
        try Database(kind, rows: rows).withKamailio(probing: relays) { (kamailio) throws in
            #expect(try kamailio.kamcmd("rtpproxy.list").components(separatedBy: "setid:").count == 1 + 1002)
            // Statistics of all do not fit into one reply; of one they do.
            #expect(try kamailio.statistics(relays[1].url).map { $0["setid"] } == ["5000"])
            #expect(try kamailio.kamcmd("rtpproxy.stats").contains("reply too big"))
            #expect(try kamailio.call().invite(run: .offer()).instance == relays[0].url)
            #expect(try kamailio.call().invite(run: .offer(set: 5000)).instance == relays[1].url)
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func definitionLeavesWhatIsThere(kind: DatabaseKind) throws {
        let database = try Database(kind, rows: [Row(url: "'udp:127.0.0.1:1'")])
        try database.run("INSERT INTO version (table_name, table_version) VALUES ('location', 9);")
        try database.run(kind.definition())
        try database.run(kind.definition())
        let versions = try database.run("SELECT table_version FROM version ORDER BY table_version;")
        #expect(versions.split(whereSeparator: \.isWhitespace) == ["1", "9"])
        try database.withKamailio { (kamailio) throws in
            #expect(try kamailio.relays().map { $0["url"] } == ["udp:127.0.0.1:1"])
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func databaseModuleMayBeLoadedAfterThisOne(kind: DatabaseKind) throws {
        let database = try Database(kind, rows: [Row(url: "'udp:127.0.0.1:1'")])
        let change = { (c: inout KamailioConfiguration) in
            c.modules.removeAll { $0 == kind.module }
            c.routes = "loadmodule \"\(kind.module).so\"\n" + c.routes
        }
        try database.withKamailio(change) { (kamailio) throws in
            #expect(try kamailio.relays().map { $0["url"] } == ["udp:127.0.0.1:1"])
        }
    }

    /// db_text needs no server and no library: its tables are files.
    @Test func otherDatabaseModulesDoAsWell() throws {
        let relay = try ScriptedRelay()
        let folder = try TemporaryFolder()
        try folder.write("table_name(string) table_version(int)\nrtpproxy:1\n", to: "version")
        let url = relay.url.replacingOccurrences(of: ":", with: "\\:")
        try folder.write(
            "id(int,auto) setid(string) url(string) flags(int) weight(int) description(string)\n1:0:\(url):0:4:x\n",
            to: "rtpproxy")
        let configuration = try Stage.configuration {
            $0.modules.append("db_text")
            $0.set("db_url", "text://\(folder.path)")
        }
        try Kamailio.with(configuration) { (kamailio) throws in
            #expect(try kamailio.relays().map { $0["weight"] } == ["4"])
            #expect(try kamailio.call().invite(run: .offer()).instance == relay.url)
        }
    }
}
