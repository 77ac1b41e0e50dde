// SPDX-License-Identifier: GPL-2.0-or-later
// Where Kamailio, its tools, its modules and the module under test are.

import Foundation

/// A Kamailio on this machine: the installed one, or one unpacked into a folder.
public struct KamailioInstallation: Sendable {
    /// The folder of an unpacked distribution, run through its own loader; empty for the machine's own.
    public let root: String
    /// The folder of Kamailio's modules.
    public let modules: String

    /// The one that the environment variable `KAMAILIO` names (a folder), else the installed one.
    public static func find() throws -> KamailioInstallation {
        let root = ProcessInfo.processInfo.environment["KAMAILIO"] ?? ""
        let folders = ["lib/x86_64-linux-gnu", "lib/aarch64-linux-gnu", "lib64", "lib", "local/lib64"]
        for folder in folders {
            let modules = "\(root)/usr/\(folder)/kamailio/modules"
            if FileManager.default.fileExists(atPath: "\(modules)/tm.so") {
                return KamailioInstallation(root: root, modules: modules)
            }
        }
        throw HarnessError("no Kamailio found\(root.isEmpty ? "" : " in \(root)"): is the package installed?")
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

    /// Program and arguments that run one of its programs.
    func command(_ program: String, _ arguments: [String]) -> (String, [String]) {
        if root.isEmpty { return (program, arguments) }
        // The modules are in <libraries>/kamailio/modules.
        let libraries = modules.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" }
        let loaders = ["ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"].map { "\(libraries)/\($0)" }
        let loader = loaders.first { FileManager.default.fileExists(atPath: $0) } ?? loaders[0]
        return (
            loader, ["--library-path", "\(libraries):\(libraries)/kamailio", "\(root)/usr/sbin/\(program)"] + arguments
        )
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
