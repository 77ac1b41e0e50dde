// SPDX-License-Identifier: GPL-2.0-or-later
// What examples/systemd/kamailio-rtpproxy.conf permits, put upon a Kamailio without systemd.

import Foundation

/// The restrictions of the drop-in, for a machine that systemd does not run on: Tests/Host/Programs/confine.c applies
/// them.
public struct Confinement: Sendable {
    /// The drop-in for the unit of Kamailio's package.
    public static let unit = "\(PackageFolder.root)/examples/systemd/kamailio-rtpproxy.conf"

    /// That unit.
    public static let packageUnit = "/lib/systemd/system/kamailio.service"
    /// Whether /tmp is that of all, which can only be read; else it is a new one, which the drop-in does not ask for.
    public var seesTemporaryFiles = false

    /// Which user it runs as: one that has nothing.
    public static let user = "nobody"
    /// Names of the system calls that are permitted.
    public let calls: [String]
    /// Numbers of the address families that sockets may have.
    public let families: [Int32]
    private let program: String
    private let folder: TemporaryFolder

    /// The drop-in's values of a name, in order; a list without a value is empty.
    public static func values(_ name: String) throws -> [String] {
        try String(contentsOfFile: unit, encoding: .utf8).split(separator: "\n")
            .filter { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.count + 1)) }
    }

    /// Reads the drop-in and builds the program. Throws where this machine lacks the tools.
    public init() throws {
        let groups = try Self.groups()
        func expanded(_ name: String) -> Set<String> {
            guard name.hasPrefix("@") else { return [name] }
            return (groups[name] ?? []).reduce(into: []) { $0.formUnion(expanded($1)) }
        }
        // The service manager always permits what is in @default.
        var permitted = expanded("@default")
        for line in try Self.values("SystemCallFilter") {
            let takesAway = line.hasPrefix("~")
            for name in line.drop(while: { $0 == "~" }).split(separator: " ").map(String.init) {
                if takesAway { permitted.subtract(expanded(name)) } else { permitted.formUnion(expanded(name)) }
            }
        }
        calls = permitted.union(expanded("@default")).sorted()
        let known = ["AF_UNIX": AF_UNIX, "AF_INET": AF_INET, "AF_INET6": AF_INET6, "AF_NETLINK": AF_NETLINK]
        families = try Self.values("RestrictAddressFamilies").flatMap { $0.split(separator: " ") }
            .compactMap { known[String($0)] }
        folder = try TemporaryFolder()
        program = folder.file("confine")
        let source = "\(PackageFolder.root)/Tests/Host/Programs/confine.c"
        let built = try ChildProcess.run("cc", ["-std=gnu11", "-Wall", "-o", program, source], within: 60)
        guard built.end == .exited(0) else { throw HarnessError("confine.c: \(built.output)") }
    }

    /// systemd's groups of system calls, by name, as this machine's systemd has them.
    private static func groups() throws -> [String: [String]] {
        let listed = try ChildProcess.run("systemd-analyze", ["--no-pager", "syscall-filter"])
        guard listed.end == .exited(0) else { throw HarnessError("systemd-analyze: \(listed.output)") }
        var groups: [String: [String]] = [:]
        var current = ""
        for line in listed.output.split(separator: "\n") {
            if line.hasPrefix("@") {
                current = String(line)
            } else if line.hasPrefix("    "), !line.hasPrefix("    #") {
                groups[current, default: []].append(line.trimmingCharacters(in: .whitespaces))
            }
        }
        return groups
    }

    /// The command that runs `command` confined. Only `folders` may be written; they are given to the user.
    func command(_ command: [String], folders: [String]) -> [String] {
        var all = [program, Self.user]
        if seesTemporaryFiles { all += ["-t", "keep"] }
        for folder in folders { all += ["-w", folder] }
        for family in families { all += ["-f", String(family)] }
        for call in calls { all += ["-s", call] }
        return all + command
    }

    /// Runs a command confined to its end.
    public func run(_ command: [String], folders: [String] = []) throws -> (end: ProcessEnd, output: String) {
        let all = self.command(command, folders: folders)
        return try ChildProcess.run(all[0], Array(all.dropFirst()))
    }

    /// Why this machine cannot confine; nil where it can.
    public static let obstacle: String? = {
        do {
            let modules = try KamailioInstallation.find().modules
            guard !modules.hasPrefix("/tmp/") else { return "Kamailio lies below /tmp, and does not see it there" }
            let (end, output) = try Confinement().run(["true"])
            return end == .exited(0) ? nil : "\(end) \(output)"
        } catch { return "\(error)" }
    }()
}
