// SPDX-License-Identifier: GPL-2.0-or-later
// What goes to journald, read from a socket in its place.

import Foundation
import TestSupport
import Testing

/// A socket where journald's is, on a machine that has none.
private final class Journal {
    private static let path = "/run/systemd/journal/socket"
    private let descriptor: Int32
    private var entries: [[String: String]] = []

    /// Nil where a journald runs, or where only root could make the socket.
    init?() {
        let folder = (Self.path as NSString).deletingLastPathComponent
        if FileManager.default.fileExists(atPath: "\(folder)/stdout") || getuid() != 0 { return nil }
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        unlink(Self.path)
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { target in
            for (index, byte) in Self.path.utf8.enumerated() { target[index] = byte }
        }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { return nil }
    }

    deinit {
        close(descriptor)
        unlink(Self.path)
    }

    /// Everything that has come so far, each entry's fields by name.
    func all() -> [[String: String]] {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return entries }
            var fields: [String: String] = [:]
            // A value with a line end would come in another form, without `=`: none of ours may.
            for line in String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n") {
                let parts = line.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                fields[String(parts[0])] = parts.count > 1 ? String(parts[1]) : "(no value)"
            }
            entries.append(fields)
        }
    }

    /// The entries of one kind, once there are `count`.
    func entries(_ kind: String, _ count: Int = 1) throws -> [[String: String]] {
        let wanted = try JournalFiles.id(kind)
        waitUntil(10) { all().filter { $0["MESSAGE_ID"] == wanted }.count >= count }
        return all().filter { $0["MESSAGE_ID"] == wanted }
    }
}

/// The table of the kinds, and the catalog that is made of it.
private enum JournalFiles {
    static let table = "\(PackageFolder.root)/Sources/CallControl/Calls/ReportKind.swift"

    /// What `journalctl -x` says, made of a table.
    static func catalog(_ table: String = table) throws -> String {
        let (end, output) = try ChildProcess.run("\(PackageFolder.root)/scripts/catalog.sh", [table])
        guard end == .exited(0) else { throw HarnessError("catalog.sh: \(output)") }
        return output
    }

    /// The kinds, by names such as `NODE_UP`.
    static func ids() throws -> [String: String] {
        let source = try String(contentsOfFile: table, encoding: .utf8)
        let kinds = try Readme.matches(#"(?m)^ +case \.(\w+): "[0-9a-f]{32}"$"#, in: source)
        let ids = try Readme.matches(#"(?m)^ +case \.\w+: "([0-9a-f]{32})"$"#, in: source)
        let cases = try Readme.matches(#"(?m)^    case (\w+)$"#, in: source)
        guard Set(kinds) == Set(cases), kinds.count == cases.count, ids.count == cases.count else {
            throw HarnessError("ReportKind.swift: \(kinds) \(ids) \(cases)")
        }
        let names = kinds.map { $0.replacing(/[A-Z]/) { "_" + $0.output }.uppercased() }
        return Dictionary(uniqueKeysWithValues: zip(names, ids))
    }

    static func id(_ kind: String) throws -> String { try #require(ids()[kind]) }
}

@Suite(.serialized) struct JournalTests {
    private func run(
        _ value: Int = 1, relays: Int = 1, _ adjust: (inout KamailioConfiguration) -> Void = { _ in },
        _ body: (Kamailio, [ScriptedRelay], Journal) throws -> Void
    ) throws {
        guard let journal = Journal() else {
            print("SKIPPED: the journal's socket is taken, or belongs to root")
            return
        }
        let relays = try (0..<relays).map { _ in try ScriptedRelay() }
        try Stage.own(
            relays,
            {
                $0.set("rtpproxy_journal", value)
                $0.set("rtpproxy_tout_ms", 200)
                $0.set("rtpproxy_retr", 1)
                $0.set("rtpproxy_disable_tout", 1)
                adjust(&$0)
            }
        ) { try body($0, relays, journal) }
    }

    @Test func aFailingRelayIsOneEntryHoweverManyWorkersMeetIt() throws {
        try run {
            $0.children = 8
        } _: { kamailio, relays, journal in
            #expect(try journal.entries("STARTED").map { $0["MESSAGE"] } == ["RTPProxies configured: 1"])
            #expect(try journal.entries("NODE_UP").count == 1)
            let calls = try (0..<8).map { _ in try kamailio.call() }
            relays[0].on { _ in .drop }
            for call in calls { call.send(call.request("INVITE", sdp: SDPText.audio(), run: .offer())) }
            let down = try journal.entries("NODE_DOWN")
            #expect(down.count == 1)
            let entry = try #require(down.first)
            #expect(entry["RTPPROXY_URL"] == relays[0].url && entry["RTPPROXY_SET"] == "0")
            #expect(entry["RTPPROXY_STATE"] == "down" && entry["PRIORITY"] == "3")
            #expect(
                entry["CODE_FILE"]?.hasSuffix("/Failover.swift") == true && entry["SYSLOG_IDENTIFIER"] == "kamailio")
            #expect(entry["MESSAGE"]?.hasPrefix("RTPProxy \(relays[0].url) (set 0) does not answer in time") == true)
            // Beside the log, never in its place.
            #expect(kamailio.logLines("does not answer in time").count == 1)
            #expect(entry["SYSLOG_FACILITY"] == "3", "daemon is Kamailio's default")
            relays[0].removeRules()
            #expect(try journal.entries("NODE_UP", 2).last?["RTPPROXY_STATE"] == "up")
            #expect(try journal.entries("NO_NODE").allSatisfy { $0["SIP_CALL_ID"] != nil })
        }
    }

    @Test func theOperatorsCommandsAreEntries() throws {
        try run { kamailio, relays, journal in
            for (command, value) in [("enable", "0"), ("enable", "1"), ("drain", "1"), ("drain", "0")] {
                _ = try kamailio.kamcmd("rtpproxy.\(command)", relays[0].url, value)
            }
            #expect(try journal.entries("NODE_ENABLED", 2).map { $0["RTPPROXY_STATE"] } == ["up", "up"])
            #expect(try journal.entries("NODE_DISABLED").map { $0["RTPPROXY_STATE"] } == ["disabled"])
            #expect(try journal.entries("NODE_DRAINING").map { $0["RTPPROXY_STATE"] } == ["draining"])
        }
    }

    @Test func aRefusalNamesItsCallAndNothingOfItBecomesAField() throws {
        try run { kamailio, _, journal in
            let call = try kamailio.call()
            #expect(try call.invite(sdp: "v=0\r\nnonsense\r\n", run: .offer()).returnCodes == [-1])
            let entry = try #require(try journal.entries("CALL_REFUSED").first)
            #expect(entry["SIP_CALL_ID"] == call.id && entry["RTPPROXY_STATE"] == nil)
            // Also after a call that a relay had a part in.
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
            let malformed = try kamailio.call()
            _ = try malformed.invite(sdp: "v=0\r\nnonsense\r\n", run: .offer())
            let after = try #require(try journal.entries("CALL_REFUSED", 2).last)
            #expect(after["SIP_CALL_ID"] == malformed.id && after["RTPPROXY_URL"] == nil)
            let hostile = try kamailio.call()
            hostile.id = "a=b;\u{1}\u{7F}\u{E9}" + String(repeating: "x", count: 600)
            _ = try? hostile.invite(sdp: "v=0\r\nnonsense\r\n", run: .offer())
            let second = try #require(try journal.entries("CALL_REFUSED", 3).last)
            #expect(second["SIP_CALL_ID"]?.hasPrefix("a=b;??") == true)
            #expect(second["SIP_CALL_ID"]?.utf8.count == 131, "the first 128 bytes and three dots")
            let known = [
                "MESSAGE", "MESSAGE_ID", "PRIORITY", "SYSLOG_FACILITY", "SYSLOG_IDENTIFIER", "CODE_FILE",
                "RTPPROXY_URL", "RTPPROXY_SET",
                "RTPPROXY_STATE", "SIP_CALL_ID",
            ]
            for entry in journal.all() { #expect(Set(entry.keys).isSubset(of: known)) }
        }
    }

    @Test func offAndOnByItselfOnlyWhereTheJournalReadsStandardError() throws {
        for value in [0, -1] {
            try run(value) { kamailio, relays, journal in
                _ = try kamailio.kamcmd("rtpproxy.enable", relays[0].url, "0")
                #expect(kamailio.waitForLog("is disabled, by RPC") != nil)
                #expect(journal.all().isEmpty)
            }
        }
    }

    @Test func whereThereIsNoJournalTheLineGoesToTheLog() throws {
        guard Journal() != nil else { return print("SKIPPED: the journal's socket is taken") }
        let relay = try ScriptedRelay()
        try Stage.own([relay], { $0.set("rtpproxy_journal", 1) }) { kamailio in
            #expect(kamailio.logLines("there is no journal").count == 1)
            _ = try kamailio.kamcmd("rtpproxy.enable", relay.url, "0")
            #expect(kamailio.waitForLog("is disabled, by RPC") != nil)
        }
    }

    @Test func anotherValueIsRefusedAtStart() throws {
        var configuration = KamailioConfiguration()
        configuration.set("rtpproxy_journal", 2)
        #expect(try Kamailio.startUpFailure(configuration).contains("rtpproxy_journal: \"2\""))
    }

    @Test func faultsOfTheConfigurationAreEntries() throws {
        guard let journal = Journal() else { return print("SKIPPED: the journal's socket is taken") }
        var configuration = KamailioConfiguration()
        configuration.set("rtpproxy_journal", 1)
        configuration.set("rtpproxy_sock", "nonsense:1")
        _ = try Kamailio.starts(configuration)
        #expect(try journal.entries("BAD_PARAMETER").first?["MESSAGE"]?.contains("\"nonsense:1\"") == true)
    }

    @Test func catalogExplainsEveryKindAndNoOther() throws {
        let text = try JournalFiles.catalog()
        let explained = try Readme.matches("(?m)^-- ([0-9a-f]{32})$", in: text)
        let ids = try JournalFiles.ids()
        #expect(ids.count >= 12 && Set(ids.values).count == ids.count)
        #expect(explained.count == ids.count && Set(explained) == Set(ids.values))
        #expect(try Readme.matches("(?m)^(Subject): .", in: text).count == ids.count)
        let readme = try Readme.text()
        for id in ids.values { #expect(readme.contains("`\(id)`"), "\(id) is not in the documentation") }
    }

    /// What a kind needs is its case and its row.
    @Test func aRowMoreIsAnEntryMore() throws {
        let folder = try TemporaryFolder()
        let table = try String(contentsOfFile: JournalFiles.table, encoding: .utf8)
        let row = """
                    // RTPProxy @RTPPROXY_URL@ sings
                    //
                    // It has nothing else to do.
                    //
                    // Let it.
                    case .nodeSings: "0123456789abcdef0123456789abcdef"
            \("        ")}
            """
        let end = try #require(table.range(of: "\n        }\n", options: .backwards))
        try folder.write(table.replacingCharacters(in: end, with: "\n\(row)\n"), to: "More.swift")
        let entry = """

            -- 0123456789abcdef0123456789abcdef
            Subject: RTPProxy @RTPPROXY_URL@ sings
            Defined-By: kamailio-rtpproxy-module
            Support: https://www.kamailio.org/

            It has nothing else to do.

            Let it.

            """
        #expect(try JournalFiles.catalog(folder.file("More.swift")) == JournalFiles.catalog() + entry)
    }

    /// A row without words for the operator is none.
    @Test(arguments: ["", "// RTPProxy sings", "// RTPProxy sings\n// It has nothing else to do."])
    func aRowWithoutItsTextsIsRefused(_ comment: String) throws {
        let folder = try TemporaryFolder()
        let row = "    case .nodeSings: \"0123456789abcdef0123456789abcdef\""
        let lines = comment.split(separator: "\n").map { "    " + $0 } + [row, ""]
        try folder.write(lines.joined(separator: "\n"), to: "Table.swift")
        #expect(throws: HarnessError.self) { try JournalFiles.catalog(folder.file("Table.swift")) }
    }

    @Test func journalctlReadsTheCatalog() throws {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/journalctl") else {
            return print("SKIPPED: there is no journalctl")
        }
        let root = try TemporaryFolder()
        let folder = "\(root.path)/usr/lib/systemd/catalog"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try FileManager.default.createDirectory(
            atPath: "\(root.path)/var/lib/systemd/catalog", withIntermediateDirectories: true)
        try JournalFiles.catalog().write(toFile: "\(folder)/rtpproxy.catalog", atomically: true, encoding: .utf8)
        let (end, output) = try ChildProcess.run(
            "/usr/bin/journalctl", ["--root=\(root.path)", "--update-catalog"])
        #expect(end == .exited(0), "\(output)")
        let listed = try ChildProcess.run("/usr/bin/journalctl", ["--root=\(root.path)", "--list-catalog"]).output
        let kinds = try JournalFiles.ids().count
        #expect(listed.components(separatedBy: "kamailio-rtpproxy-module").count == kinds + 1, "\(listed)")
    }
}
