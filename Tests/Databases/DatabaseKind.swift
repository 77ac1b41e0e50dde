// SPDX-License-Identifier: GPL-2.0-or-later
// The kinds of database that the tests run with, and what differs between them.

import Foundation
import TestSupport

/// A kind of database. Its raw value is the folder of its SQL in packaging/sql.
enum DatabaseKind: String, CaseIterable, CustomStringConvertible {
    case sqlite, mysql, postgres

    /// Those named in the environment variable `RTPPROXY_DATABASES`, separated by blanks; SQLite, which needs no
    /// server, where there is none.
    static let underTest: [DatabaseKind] = {
        let named = ProcessInfo.processInfo.environment["RTPPROXY_DATABASES"] ?? ""
        return named.isEmpty ? [.sqlite] : named.split(separator: " ").compactMap { DatabaseKind(rawValue: String($0)) }
    }()
    /// Those of them that are servers.
    static var servers: [DatabaseKind] { underTest.filter { $0 != .sqlite } }

    var description: String { rawValue }

    /// The Kamailio module for it.
    var module: String { "db_\(rawValue)" }

    /// The definition of the table and of its row in `version`, as the project ships it.
    func definition() throws -> String {
        try String(
            contentsOfFile: "\(PackageFolder.root)/packaging/sql/\(rawValue)/rtpproxy-create.sql", encoding: .utf8)
    }
}
