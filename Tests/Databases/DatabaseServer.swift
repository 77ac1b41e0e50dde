// SPDX-License-Identifier: GPL-2.0-or-later
// PostgreSQL and MariaDB on loopback, with their data in a temporary folder.

import Foundation
import Synchronization
import TestSupport

/// A database server, as a rule one that the tests of one run share. It ends with the test process.
final class DatabaseServer: Sendable {
    static let user = "kamailio"
    static let password = "open-sesame-17"

    let port: UInt16
    var process: ChildProcess { running.withLock { $0 } }
    private let running: Mutex<ChildProcess>
    private let command: [String]
    private let folder: TemporaryFolder
    private let kind: DatabaseKind
    private let count = Mutex(0)

    private static let postgres = Result { try DatabaseServer(.postgres) }
    private static let mysql = Result { try DatabaseServer(.mysql) }

    /// The running server of a kind; it is started when it is first asked for.
    static func shared(_ kind: DatabaseKind) throws -> DatabaseServer {
        let server = try kind == .postgres ? postgres.get() : mysql.get()
        guard server.process.isRunning else { throw HarnessError("the server ended:\n\(server.process.output)") }
        return server
    }

    private init(_ kind: DatabaseKind) throws {
        self.kind = kind
        folder = try TemporaryFolder()
        port = try FreePort.next()
        let home = folder.file("server")
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: false)
        let owner = try Self.unprivileged(["id", "-u"])
        _ = chown(home, uid_t(owner.trimmingCharacters(in: .whitespacesAndNewlines)) ?? getuid(), gid_t.max)
        let command =
            try kind == .postgres
            ? Self.preparePostgres(home, folder, port) : Self.prepareMariaDB(home, port)
        self.command = Self.asUnprivileged(command)
        running = Mutex(try Self.start(self.command, folder))
        try awaitStart()
    }

    private static func start(_ command: [String], _ folder: TemporaryFolder) throws -> ChildProcess {
        try ChildProcess(command[0], Array(command.dropFirst()), output: folder.file("log"))
    }

    /// One that a test has for itself, say to kill it.
    static func own(_ kind: DatabaseKind) throws -> DatabaseServer { try DatabaseServer(kind) }

    /// Ends it without warning.
    func kill() throws {
        process.terminate(within: 0)
        guard !process.isRunning else { throw HarnessError("the server does not die") }
    }

    /// Starts it again, with the data that it had.
    func restart() throws {
        let again = try Self.start(command, folder)
        running.withLock { $0 = again }
        try awaitStart()
    }

    /// Makes the data in `home` and gives the command that serves them.
    private static func preparePostgres(_ home: String, _ folder: TemporaryFolder, _ port: UInt16) throws -> [String] {
        let programs = "/usr/lib/postgresql"
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: programs)) ?? []
        guard let version = versions.max(by: { (Int($0) ?? 0) < (Int($1) ?? 0) }) else {
            throw HarnessError("there is no PostgreSQL in \(programs)")
        }
        let password = try folder.write(Self.password, to: "password")
        _ = try unprivileged([
            "\(programs)/\(version)/bin/initdb", "--pgdata=\(home)/data", "--username=\(user)", "--pwfile=\(password)",
            "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync",
        ])
        return [
            "\(programs)/\(version)/bin/postgres", "-D", "\(home)/data", "-p", "\(port)", "-k", home, "-F",
            "-c", "listen_addresses=127.0.0.1",
        ]
    }

    private static func prepareMariaDB(_ home: String, _ port: UInt16) throws -> [String] {
        _ = try unprivileged([
            "mariadb-install-db", "--no-defaults", "--datadir=\(home)/data", "--skip-test-db",
            "--auth-root-authentication-method=normal", "--skip-name-resolve",
        ])
        let start = "\(home)/start.sql"
        let user = "'\(user)'@'127.0.0.1'"
        try "CREATE USER \(user) IDENTIFIED BY '\(password)';\nGRANT ALL ON *.* TO \(user);\n"
            .write(toFile: start, atomically: false, encoding: .utf8)
        return [
            "/usr/sbin/mariadbd", "--no-defaults", "--datadir=\(home)/data", "--socket=\(home)/socket",
            "--pid-file=\(home)/pid", "--bind-address=127.0.0.1", "--port=\(port)", "--init-file=\(start)",
            "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--innodb-fast-shutdown=2",
        ]
    }

    private func awaitStart() throws {
        var said = ""
        let started = waitUntil(60, every: 100) {
            guard process.isRunning else { return true }
            do {
                _ = try run("SELECT 1", in: nil)
                return true
            } catch {
                said = "\(error)"
                return false
            }
        }
        guard started, process.isRunning else {
            throw HarnessError("\(kind) did not start: \(said)\n\(process.output.suffix(3000))")
        }
    }

    /// Makes an empty database and gives its name.
    func newDatabase() throws -> String {
        let name = count.withLock { count in
            count += 1
            return "test_\(count)"
        }
        _ = try run("CREATE DATABASE \(name)", in: nil)
        return name
    }

    /// Runs SQL in a database, or where databases are made from, and returns what it prints. Stops at an error.
    func run(_ sql: String, in database: String?) throws -> String {
        let file = try TemporaryFolder()
        let script = try file.write(sql, to: "script.sql")
        let host = ["-h", "127.0.0.1", kind == .postgres ? "-p" : "-P", "\(port)"]
        if kind == .postgres {
            let options = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", Self.user, "-f", script]
            return try finished(
                "psql", host + options + [database ?? "postgres"], environment: ["PGPASSWORD": Self.password])
        }
        let options = ["-u", Self.user, "-N", "-B", "-e", "source \(script)"] + (database.map { [$0] } ?? [])
        return try finished("mariadb", ["--no-defaults"] + host + options, environment: ["MYSQL_PWD": Self.password])
    }

    // MARK: - Programs

    /// PostgreSQL does not run as root, and MariaDB need not: both then run as nobody.
    private static func asUnprivileged(_ command: [String]) -> [String] {
        guard getuid() == 0 else { return command }
        return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] + command
    }

    private static func unprivileged(_ command: [String]) throws -> String {
        let line = asUnprivileged(command)
        return try finished(line[0], Array(line.dropFirst()), within: 120)
    }
}

/// Runs a program, which must succeed, and returns what it printed.
func finished(
    _ program: String, _ arguments: [String], environment: [String: String] = [:], within seconds: Double = 30
) throws -> String {
    let (end, output) = try ChildProcess.run(program, arguments, environment: environment, within: seconds)
    guard end == .exited(0) else { throw HarnessError("\(program) ended with \(end): \(output.suffix(3000))") }
    return output
}
