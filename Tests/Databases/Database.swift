// SPDX-License-Identifier: GPL-2.0-or-later
// One empty database of a test, and a Kamailio that reads its sets from it.

import Foundation
import TestSupport

/// An empty database. Those of servers end with the server, a file with its owner.
final class Database {
    let kind: DatabaseKind
    private let name: String
    private let folder: TemporaryFolder
    private let server: DatabaseServer?

    /// Of a server, the shared one if none is given.
    init(_ kind: DatabaseKind, on own: DatabaseServer? = nil) throws {
        self.kind = kind
        folder = try TemporaryFolder()
        server = try own ?? (kind == .sqlite ? nil : DatabaseServer.shared(kind))
        name = try server?.newDatabase() ?? folder.file("database")
    }

    /// A database with the shipped definition, its table under another name if one is given, and these rows.
    convenience init(_ kind: DatabaseKind, table: String = "rtpproxy", rows: [Row]) throws {
        try self.init(kind)
        try run(kind.definition().replacingOccurrences(of: "rtpproxy", with: table))
        try insert(rows, into: table)
    }

    /// The file that it is; nil on a server.
    var path: String? { server == nil ? name : nil }

    /// The value of db_url.
    func url(password: String = DatabaseServer.password, port: UInt16? = nil) -> String {
        guard let server else { return "sqlite:///\(name)" }
        return "\(kind)://\(DatabaseServer.user):\(password)@127.0.0.1:\(port ?? server.port)/\(name)"
    }

    /// Runs SQL and returns what it prints.
    @discardableResult
    func run(_ sql: String) throws -> String {
        if let server { return try server.run(sql, in: name) }
        let script = try folder.write(sql, to: "script.sql")
        return try finished("sqlite3", ["-bail", name, ".read \(script)"])
    }

    func insert(_ rows: [Row], into table: String = "rtpproxy") throws {
        guard !rows.isEmpty else { return }
        let values = rows.map { "(\($0.setID), \($0.url), \($0.weight), \($0.flags))" }.joined(separator: ",\n")
        try run("INSERT INTO \(table) (setid, url, weight, flags) VALUES\n\(values);")
    }

    /// Makes the table and the row in `version`, the columns' types as given.
    func createTable(setID: String, url: String, weight: String, flags: String) throws {
        try run(
            """
            CREATE TABLE version (table_name VARCHAR(32) NOT NULL, table_version INTEGER NOT NULL);
            INSERT INTO version VALUES ('rtpproxy', 1);
            CREATE TABLE rtpproxy (setid \(setID), url \(url), weight \(weight), flags \(flags));
            """)
    }

    /// A configuration that reads its sets from here.
    func configuration(
        url: String? = nil, _ change: (inout KamailioConfiguration) -> Void = { _ in }
    ) throws -> KamailioConfiguration {
        let value = url ?? self.url()
        return try Stage.configuration {
            $0.modules.append(kind.module)
            $0.set("db_url", value)
            change(&$0)
        }
    }

    /// Runs `body` with a Kamailio that reads its sets from here, once all of `relays` have been probed.
    func withKamailio<R>(
        probing relays: [ScriptedRelay] = [], _ change: (inout KamailioConfiguration) -> Void = { _ in },
        _ body: (Kamailio) throws -> R
    ) throws -> R {
        try Kamailio.with(configuration(change)) { (kamailio) throws in
            kamailio.waitUntilUp(relays)
            return try body(kamailio)
        }
    }
}

/// A row of the table, its values as SQL.
struct Row {
    var setID: String
    var url: String
    var weight: String
    var flags: String

    init(_ setID: String = "'0'", url: String, weight: String = "1", flags: String = "0") {
        self.setID = setID
        self.url = url
        self.weight = weight
        self.flags = flags
    }

    init(_ setID: Int = 0, _ relay: ScriptedRelay, weight: Int = 1, flags: Int = 0) {
        self.init("'\(setID)'", url: "'\(relay.url)'", weight: "\(weight)", flags: "\(flags)")
    }
}

extension Kamailio {
    /// Log lines of the module under test, warnings and errors.
    var complaints: [String] { Self.complaints(log) }

    static func complaints(_ log: String) -> [String] {
        log.split(separator: "\n").map(String.init).filter {
            $0.contains(" rtpproxy [") && ($0.contains("WARNING") || $0.contains("ERROR"))
        }
    }
}
