// SPDX-License-Identifier: GPL-2.0-or-later
// Where Kamailio, its tools, its modules and the module under test are.

import Foundation
import Testing

/// A Kamailio on this machine: the installed one, or one in a folder.
public struct KamailioInstallation: Sendable {
    /// The folder of an unpacked distribution or the prefix of one that was built; empty for the machine's own.
    public let root: String
    /// Below which are `sbin` and `share`.
    public let prefix: String
    /// The folder of Kamailio's modules.
    public let modules: String

    /// The one that the environment variable `KAMAILIO` names (a folder), else the installed one. The places are those
    /// of `scripts/kamailio.sh`.
    public static func find() throws -> KamailioInstallation {
        let root = ProcessInfo.processInfo.environment["KAMAILIO"] ?? ""
        for prefix in ["\(root)/usr", "\(root)/usr/local"] + (root.isEmpty ? [] : [root]) {
            for folder in ["lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib64", "lib"] {
                let modules = "\(prefix)/\(folder)/kamailio/modules"
                if FileManager.default.fileExists(atPath: "\(modules)/tm.so") {
                    return KamailioInstallation(root: root, prefix: prefix, modules: modules)
                }
            }
        }
        throw HarnessError("no Kamailio found\(root.isEmpty ? "" : " in \(root)"): is the package installed?")
    }

    /// Ends the test that runs as skipped where a Kamailio in a folder lacks a module that a configuration loads. On the
    /// machine's own nothing may be missing.
    func cancelTest(lacking configuration: String) throws {
        guard !root.isEmpty, Test.current != nil else { return }
        for name in Self.modulesLoaded(by: configuration) where !name.contains("/") {
            let file = name.hasSuffix(".so") ? name : "\(name).so"
            if !FileManager.default.fileExists(atPath: "\(modules)/\(file)") {
                try Test.cancel("Kamailio in \(root) has no module \(file)")
            }
        }
    }

    /// The modules that a configuration names, but for those in parts that its `#!ifdef` leave out.
    private static func modulesLoaded(by configuration: String) -> [String] {
        var defined: Set<Substring> = []
        var parts: [Bool] = []
        var names: [String] = []
        for line in configuration.split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == "\t" || $0 == "\"" }
            guard let first = words.first else { continue }
            let isRead = !parts.contains(false)
            switch (first, words.dropFirst().first) {
            case ("#!ifdef", let name?): parts.append(defined.contains(name))
            case ("#!ifndef", let name?): parts.append(!defined.contains(name))
            case ("#!else", _): if let last = parts.popLast() { parts.append(!last) }
            case ("#!endif", _): _ = parts.popLast()
            case ("#!define", let name?) where isRead: defined.insert(name)
            case ("loadmodule", let name?) where isRead: names.append(String(name))
            default: break
            }
        }
        return names
    }

    /// The distribution's own rtpproxy.so, also where it was set aside by `dpkg-divert`.
    public var stockModule: String {
        let own = "\(modules)/rtpproxy.so"
        guard root.isEmpty, let answer = try? ChildProcess.run("dpkg-divert", ["--truename", own]),
            answer.end == .exited(0)
        else { return own }
        return answer.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Its version, as it says it itself.
    public var version: String {
        let (program, arguments) = command("kamailio", ["-v"])
        let said = (try? ChildProcess.run(program, arguments).output) ?? ""
        let line = said.prefix { $0 != "\n" }
        return line.split(separator: " ").dropFirst().prefix(2).joined(separator: " ")
    }

    /// Program and arguments that run one of its programs, with the libraries beside its modules. An unpacked
    /// distribution has a loader of its own.
    func command(_ program: String, _ arguments: [String]) -> (String, [String]) {
        if root.isEmpty { return (program, arguments) }
        // The modules are in <libraries>/kamailio/modules.
        let libraries = modules.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" }
        let name = libraries.contains("aarch64") ? "ld-linux-aarch64.so.1" : "ld-linux-x86-64.so.2"
        let loader = ["\(libraries)/\(name)", "/lib64/\(name)", "/lib/\(name)"]
            .first { FileManager.default.fileExists(atPath: $0) }
        let found = "\(prefix)/sbin/\(program)"
        guard let loader else { return (found, arguments) }
        return (loader, ["--library-path", "\(libraries):\(libraries)/kamailio", found] + arguments)
    }
}

/// Which rtpproxy.so a Kamailio loads.
public enum RTPProxyModule: Sendable {
    /// The one under test: the environment variable `RTPPROXY_MODULE` (a path, or `stock`), else `build/rtpproxy.so`.
    case underTest
    /// The distribution's own.
    case stock
    case path(String)

    public func path(in installation: KamailioInstallation) throws -> String {
        switch self {
        case .path(let path): return path
        case .stock: return installation.stockModule
        case .underTest:
            let named = ProcessInfo.processInfo.environment["RTPPROXY_MODULE"] ?? ""
            if named == "stock" { return installation.stockModule }
            let path = named.isEmpty ? "\(PackageFolder.root)/build/rtpproxy.so" : named
            guard FileManager.default.fileExists(atPath: path) else {
                throw HarnessError("there is no module at \(path): run make first, or set RTPPROXY_MODULE")
            }
            return path
        }
    }
}
