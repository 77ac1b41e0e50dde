// SPDX-License-Identifier: GPL-2.0-or-later
// Rows that cannot be used, and columns of other types than the shipped definition's.

import Foundation
import TestSupport
import Testing

@Suite struct DatabaseRowTests {
    /// A row that is left out, the reason given, and its URL as the warning quotes it.
    struct BadRow {
        var row: Row
        var reason: String
        var quoted: String
    }

    static let badRows: [BadRow] = {
        func bad(
            _ reason: String, setID: String = "'0'", url: String? = nil, weight: String = "1", flags: String = "0",
            _ number: Int = #line
        ) -> BadRow {
            let row = Row(setID, url: url ?? "'udp:192.0.2.1:\(number)'", weight: weight, flags: flags)
            let quoted = row.url == "NULL" ? "" : row.url.replacingOccurrences(of: "'", with: "")
            return BadRow(row: row, reason: reason, quoted: quoted)
        }
        return [
            bad("setid", setID: "NULL"),
            bad("setid", setID: "''"),
            bad("setid", setID: "'x'"),
            bad("setid", setID: "'-1'"),
            bad("setid", setID: "'2147483648'"),
            bad("setid", setID: "'99999999999999999999'"),
            bad("url is NULL or empty", url: "NULL"),
            bad("url is NULL or empty", url: "''"),
            bad("scheme", url: "'foo:192.0.2.1:7'"),
            bad("port", url: "'udp:192.0.2.1:65536'"),
            bad("blank", url: "'udp:192.0.2.1 :7'"),
            bad("longer than 255 bytes", url: "'udp:\(String(repeating: "h", count: 252))'"),
            bad("weight", weight: "NULL"),
            bad("weight", weight: "-1"),
            bad("weight", weight: "1000001"),
            bad("flags", flags: "NULL"),
            bad("setid", setID: "NULL", url: "NULL", weight: "NULL", flags: "NULL"),
        ]
    }()

    @Test(arguments: DatabaseKind.underTest)
    func badRowsAreLeftOutWithAWarningAndTheOthersUsed(kind: DatabaseKind) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        let database = try Database(kind)
        try database.createTable(setID: "VARCHAR(32)", url: "VARCHAR(300)", weight: "INTEGER", flags: "INTEGER")
        try database.insert([Row(0, relays[0])] + Self.badRows.map(\.row) + [Row(0, relays[1])])
        try database.withKamailio(probing: relays) { (kamailio) throws in
            #expect(try kamailio.relays().map { $0["url"] } == relays.map(\.url))
            for index in 0..<2 {
                let call = try kamailio.call()
                call.choose(index, of: [1, 1])
                #expect(try call.invite(run: .offer()).instance == relays[index].url)
            }
            #expect(kamailio.complaints.count == Self.badRows.count)
            for (index, bad) in Self.badRows.enumerated() {
                let warning = kamailio.complaints.first { $0.contains("db_url: row \(index + 2), ") } ?? ""
                #expect(warning.contains("WARNING") && warning.contains("url \"\(bad.quoted)\""), "\(bad) \(warning)")
                #expect(warning.components(separatedBy: "is left out").last?.contains(bad.reason) == true, "\(warning)")
            }
        }
    }

    @Test(arguments: DatabaseKind.underTest)
    func tableOfBadRowsOnlyStartsAndOffersFindNobody(kind: DatabaseKind) throws {
        try Database(kind, rows: [Row("'x'", url: "'udp:127.0.0.1:1'")]).withKamailio { (kamailio) throws in
            #expect(try kamailio.relays().isEmpty)
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
        }
    }

    /// Types of setid, url, weight and flags, by the kind of database.
    static let columnTypes: [DatabaseKind: [[String]]] = [
        .sqlite: [
            ["INTEGER", "TEXT", "BIGINT", "INTEGER"], ["BIGINT", "BLOB", "INTEGER", "BIGINT"],
            ["CHAR(10)", "CHAR(100)", "VARCHAR(10)", "TEXT"], ["TEXT", "VARCHAR(100)", "DOUBLE", "DOUBLE"],
        ],
        .mysql: [
            ["INTEGER", "TEXT", "BIGINT", "SMALLINT"], ["BIGINT", "BLOB", "INTEGER UNSIGNED", "TINYINT(1)"],
            ["CHAR(10)", "CHAR(100)", "VARCHAR(10)", "TEXT"],
            ["INTEGER UNSIGNED", "LONGTEXT", "DECIMAL(5,0)", "BOOLEAN"],
            ["TINYTEXT", "VARBINARY(100)", "DOUBLE", "BIGINT UNSIGNED"],
        ],
        .postgres: [
            ["INTEGER", "TEXT", "BIGINT", "SMALLINT"], ["BIGINT", "BYTEA", "INTEGER", "BIGINT"],
            ["CHAR(10)", "CHAR(100)", "CHAR(50)", "TEXT"], ["TEXT", "TEXT", "DOUBLE PRECISION", "NUMERIC(5,0)"],
        ],
    ]
    static let columns = DatabaseKind.underTest.flatMap { kind in (columnTypes[kind] ?? []).map { (kind, $0) } }

    @Test(arguments: columns)
    func columnsMayHaveOtherTypes(kind: DatabaseKind, types: [String]) throws {
        let relay = try ScriptedRelay()
        let database = try Database(kind)
        try database.createTable(setID: types[0], url: types[1], weight: types[2], flags: types[3])
        let flags = types[3] == "BOOLEAN" ? ["false", "true"] : ["'0'", "'1'"]
        try database.insert([
            Row("'12'", url: "'\(relay.url)'", weight: "'30'", flags: flags[0]),
            Row("'7'", url: "'udp:127.0.0.1:1'", weight: "'5'", flags: flags[1]),
        ])
        try database.withKamailio(probing: [relay]) { (kamailio) throws in
            let list = try kamailio.relays()
            #expect(kamailio.complaints.isEmpty)
            #expect(list.map { $0["setid"] } == ["12", "7"])
            #expect(list.map { $0["url"] } == [relay.url, "udp:127.0.0.1:1"])
            #expect(list.map { $0["weight"] } == ["30", "5"])
            #expect(list.map { $0["disabled"] } == ["0", "1"])
        }
    }

    /// db_mysql tells signed from unsigned where it is asked to.
    @Test(arguments: DatabaseKind.underTest.filter { $0 == .mysql })
    func columnsMayBeUnsigned(kind: DatabaseKind) throws {
        let database = try Database(kind)
        let types = ["INTEGER UNSIGNED", "BIGINT UNSIGNED"]
        try database.createTable(setID: types[0], url: "TEXT", weight: types[1], flags: types[0])
        try database.insert([Row("7", url: "'udp:127.0.0.1:1'", weight: "5", flags: "1")])
        let change = { (c: inout KamailioConfiguration) in c.parameters.append(("db_mysql", "unsigned_type", "1")) }
        try database.withKamailio(change) { (kamailio) throws in
            let list = try kamailio.relays()
            #expect(list.map { $0["setid"] } == ["7"])
            #expect(list.map { $0["weight"] } == ["5"])
            #expect(list.map { $0["disabled"] } == ["1"])
        }
    }
}
