// SPDX-License-Identifier: GPL-2.0-or-later
// Which module is loaded: in the log, by RPC, in the file.

import Foundation
import TestSupport
import Testing

@Suite struct VersionTests {
    /// NAME=VALUE of the file's section.
    private func information() throws -> [String: String] {
        let path = try RTPProxyModule.underTest.path(in: KamailioInstallation.find())
        let dump = try ChildProcess.run("readelf", ["-p", ".modinfo", path]).output
        var found: [String: String] = [:]
        for line in dump.split(separator: "\n") {
            let text = String(line.split(separator: "]", maxSplits: 1).last ?? "").trimmingCharacters(in: .whitespaces)
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            if parts.count == 2 { found[parts[0]] = parts[1] }
        }
        return found
    }

    @Test func logCommandAndFileAgree() throws {
        let file = try information()
        let version = try #require(file["version"])
        let kamailio = try #require(file["kamailio"])
        #expect(file["name"] == "rtpproxy" && version.first?.isNumber == true)
        let commit = file["commit"] ?? ""
        try Kamailio.with(KamailioConfiguration()) { server in
            let words = commit.isEmpty ? "" : " (commit \(commit))"
            #expect(server.logLines("rtpproxy.so \(version)\(words) for Kamailio \(kamailio)").count == 1)
            let answer = try server.kamcmd("rtpproxy.version")
            #expect(answer.contains("version: \(version)\n") && answer.contains("kamailio: \(kamailio)\n"), "\(answer)")
            #expect(answer.contains("commit: \(commit)\n") == !commit.isEmpty)
            #expect(try server.kamcmd("core.version").contains(kamailio))
        }
    }

    /// As in a Debian source package, and below somebody else's history.
    @Test func sourcesWithoutHistoryHaveAVersionAlone() throws {
        let folder = try TemporaryFolder()
        let script = """
            set -e
            mkdir -p "$0/outer/sources"
            cp -r "$1/scripts" "$1/CHANGELOG.md" "$0/outer/sources"
            "$0/outer/sources/scripts/version.sh" "$0/plain"
            git -C "$0/outer" init -q
            git -C "$0/outer" -c user.name=a -c user.email=a@b commit -q --allow-empty -m x
            "$0/outer/sources/scripts/version.sh" "$0/inside"
            "$0/outer/sources/scripts/version.sh" "$0/given" 4.5.6
            cat "$0/plain/version.h" "$0/inside/version.h" "$0/given/version.h"
            """
        let text = try ChildProcess.run("sh", ["-c", script, folder.path, PackageFolder.root]).output
        #expect(text.components(separatedBy: "#define RTPP_COMMIT \"\"").count == 4, "\(text)")
        #expect(text.contains("#define RTPP_VERSION \"4.5.6\""))
    }
}
