// SPDX-License-Identifier: GPL-2.0-or-later
// Databases that the sets cannot be read from: Kamailio does not start, and says why without telling the password.

import Foundation
import TestSupport
import Testing

@Suite struct DatabaseStartUpTests {
    /// Starts with this configuration, which must be refused, and returns the module's error lines.
    private func refusal(_ configuration: KamailioConfiguration, secret: String? = nil) throws -> [String] {
        let complaints = Kamailio.complaints(try Kamailio.startUpFailure(configuration))
        for secret in [DatabaseServer.password, secret ?? DatabaseServer.password] {
            #expect(!complaints.contains { $0.contains(secret) }, "the password is in the log: \(complaints)")
        }
        return complaints.filter { $0.contains("ERROR") }
    }

    /// That there is one error line, with these texts.
    private func expect(
        _ errors: [String], _ texts: String..., at location: SourceLocation = #_sourceLocation
    ) {
        #expect(errors.count == 1, sourceLocation: location)
        let line = errors.first ?? ""
        for text in texts { #expect(line.contains(text), sourceLocation: location) }
    }

    @Test(arguments: DatabaseKind.underTest)
    func missingTable(kind: DatabaseKind) throws {
        let database = try Database(kind, rows: [])
        try database.run("DROP TABLE rtpproxy")
        expect(try refusal(database.configuration()), "table_name", "\"rtpproxy\" cannot be read")
    }

    @Test(arguments: DatabaseKind.underTest)
    func missingColumn(kind: DatabaseKind) throws {
        let database = try Database(kind, rows: [])
        try database.run("DROP TABLE rtpproxy; CREATE TABLE rtpproxy (setid INTEGER, url VARCHAR(9), flags INTEGER);")
        expect(try refusal(database.configuration()), "table_name", "weight", "\"rtpproxy\" cannot be read")
    }

    @Test(arguments: DatabaseKind.underTest, [0, 2])
    func wrongVersion(kind: DatabaseKind, version: Int) throws {
        let database = try Database(kind, table: "my_sets", rows: [])
        try database.run("UPDATE version SET table_version = \(version)")
        let errors = try refusal(database.configuration { $0.set("table_name", "my_sets") })
        expect(errors, "table_name", "\"my_sets\"", "has version \(version)", "1 is required")
    }

    @Test(arguments: DatabaseKind.underTest)
    func versionWithoutARow(kind: DatabaseKind) throws {
        let database = try Database(kind, rows: [])
        try database.run("UPDATE version SET table_name = 'location'")
        expect(try refusal(database.configuration()), "table_name", "\"version\" has no row", "\"rtpproxy\"")
    }

    @Test(arguments: DatabaseKind.underTest)
    func versionThatIsNULL(kind: DatabaseKind) throws {
        let database = try Database(kind)
        try database.run(
            """
            CREATE TABLE version (table_name VARCHAR(32), table_version INTEGER);
            INSERT INTO version VALUES ('rtpproxy', NULL);
            """)
        expect(try refusal(database.configuration()), "table_name", "\"rtpproxy\"", "1 is required")
    }

    @Test(arguments: DatabaseKind.underTest)
    func missingVersionTable(kind: DatabaseKind) throws {
        let database = try Database(kind, rows: [])
        try database.run("DROP TABLE version")
        expect(try refusal(database.configuration()), "db_url", "\"version\" cannot be read")
    }

    @Test(arguments: DatabaseKind.servers)
    func unreachableServer(kind: DatabaseKind) throws {
        let database = try Database(kind)
        let url = database.url(port: try FreePort.next())
        expect(try refusal(database.configuration(url: url)), "db_url", "\(kind.module) has no connection")
    }

    @Test(arguments: DatabaseKind.servers)
    func wrongPassword(kind: DatabaseKind) throws {
        let database = try Database(kind)
        let url = database.url(password: "not-the-right-one")
        let errors = try refusal(database.configuration(url: url), secret: "not-the-right-one")
        expect(errors, "db_url", "\(kind.module) has no connection")
    }

    @Test func fileThatCannotBeOpened() throws {
        let database = try Database(.sqlite)
        let errors = try refusal(database.configuration(url: "sqlite:////nowhere/kamailio.sqlite"))
        expect(errors, "db_url", "db_sqlite has no connection")
    }

    @Test(arguments: [
        ("mongodb", "db_mongodb is not loaded"), ("my sql", "no scheme"), ("", "no scheme"),
        (String(repeating: "x", count: 200), "no scheme"),
    ])
    func schemeWithoutAModule(scheme: String, reason: String) throws {
        let configuration = try Stage.configuration {
            $0.set("db_url", "\(scheme)://kamailio:\(DatabaseServer.password)@127.0.0.1/kamailio")
        }
        expect(try refusal(configuration), "db_url", reason)
    }

    @Test func moduleThatIsNotLoaded() throws {
        let configuration = try Database(.sqlite, rows: []).configuration { $0.modules.removeLast() }
        expect(try refusal(configuration), "db_url", "db_sqlite is not loaded")
    }

    /// A password in front of everything, where a scheme should be.
    @Test func urlWithoutAScheme() throws {
        let configuration = try Stage.configuration {
            $0.set("db_url", "\(DatabaseServer.password)@127.0.0.1/kamailio")
        }
        expect(try refusal(configuration), "db_url", "no scheme")
    }

    /// db_flatstore writes only.
    @Test func moduleThatCannotRead() throws {
        let configuration = try Stage.configuration {
            $0.modules.append("db_flatstore")
            $0.set("db_url", "flatstore:///tmp")
        }
        expect(try refusal(configuration), "db_url", "db_flatstore cannot read")
    }

    @Test func otherFaultsAreReportedInTheSameGo() throws {
        let errors = try refusal(try Database(.sqlite).configuration { $0.set("rtpproxy_tout", 0) })
        #expect(errors.count == 2)
        for text in ["db_url", "rtpproxy_tout"] { #expect(errors.contains { $0.contains(text) }) }
    }

    @Test func emptyURLMeansNoDatabase() throws {
        let relay = try ScriptedRelay()
        try Stage.own([relay], { $0.set("db_url", "") }) { (kamailio) throws in
            #expect(try kamailio.call().invite(run: .offer()).instance == relay.url)
            #expect(kamailio.complaints.isEmpty)
        }
    }
}
