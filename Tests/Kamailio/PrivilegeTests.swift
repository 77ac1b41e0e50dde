// SPDX-License-Identifier: GPL-2.0-or-later
// Kamailio with the module as an unprivileged user, within what examples/systemd/kamailio-rtpproxy.conf permits.

import Foundation
import TestSupport
import Testing

/// Whether the tests can confine a Kamailio here, and why not.
private let canConfine = ConditionTrait.enabled(
    if: Confinement.obstacle == nil,
    "cannot confine a process here: \(Confinement.obstacle ?? "")")

private let hasKamctl = FileManager.default.isExecutableFile(atPath: "/usr/sbin/kamctl")

private let hasSystemdAnalyze = (try? ChildProcess.run("systemd-analyze", ["--version"]).end) == .exited(0)

@Suite struct PrivilegeTests {
    /// One line of /proc/PID/status.
    private func status(_ pid: Int, _ name: String) throws -> String {
        let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix("\(name):") } ?? ""
        return line.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces)
    }

    private func mode(_ path: String) throws -> Int {
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        return try #require(attributes[.posixPermissions] as? Int)
    }

    /// Whether each process of it has lost what the unit takes away.
    private func expectConfined(_ kamailio: Kamailio) throws {
        let processes = try kamailio.processes()
        #expect(processes.contains { $0.name == "RTPProxy monitor" })
        let user = try #require(getpwnam(Confinement.user)).pointee.pw_uid
        for (pid, name) in processes {
            let users = try status(pid, "Uid").split(separator: "\t").map(String.init)
            #expect(users == [String](repeating: "\(user)", count: 4), "\(name)")
            #expect(try status(pid, "CapEff") == "0000000000000000", "\(name)")
            #expect(try status(pid, "CapBnd") == "0000000000000000", "\(name)")
            #expect(try status(pid, "NoNewPrivs") == "1", "\(name)")
            #expect(try status(pid, "Seccomp") == "2", "\(name)")
        }
    }

    /// Everything in a folder that anybody may write.
    private func writableByAll(in folder: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder).filter { name in
            var entry = stat()
            let found = lstat("\(folder)/\(name)", &entry) == 0
            return found && entry.st_mode & S_IFMT != S_IFLNK && entry.st_mode & S_IWOTH != 0
        }
    }

    @Test(canConfine) func aWholeCallGoesThrough() throws {
        let (udp, udp6, tcp) = (try ScriptedRelay(.udp), try ScriptedRelay(.udp6), try ScriptedRelay(.tcp))
        let listening = try TemporaryFolder()
        let path = listening.file("stopped")
        let confinement = try Confinement()
        try Stage.own([udp]) {
            $0.confinement = confinement
            $0.writableFolders = [listening.path]
            $0.set("rtpproxy_sock", "6 == \(udp6.url)")
            $0.set("rtpproxy_sock", "9 == \(tcp.url)")
            $0.set("rtpproxy_notify_listen", "unix:\(path)")
            $0.set("rtpproxy_journal", 1)
            $0.routes += "\nevent_route[rtpproxy:timeout] { xlog(\"L_NOTICE\", \"stopped $rtpp_notify(tag)\\n\"); }\n"
        } _: { kamailio in
            try expectConfined(kamailio)
            for (set, relay) in [(0, udp), (6, udp6), (9, tcp)] {
                let call = try kamailio.call()
                let invite = try call.invite(run: .offer("co", set: set))
                #expect(invite.returnCodes == [1])
                let answer = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer("co", set: set))
                #expect(answer.returnCodes == [1])
                try call.ack()
                let bye = try call.bye(run: Run("stat", set: set).then("destroy"))
                #expect(bye["X-Stat"] == "60 11 22 33 0")
                let verbs = relay.commands(of: call.id).map(\.verb)
                #expect(verbs.filter { $0 != "Q" } == ["U", "L", "D"])
            }
            #expect(try mode(path) == 0o660)
            try Notifier(path).write("media-1\n")
            #expect(kamailio.waitForLog("stopped media-1") != nil)
            #expect(try kamailio.relays().count == 3)
            #expect(try kamailio.statistics().count == 3)
            #expect(try kamailio.kamcmd("rtpproxy.status").contains(udp6.url))
            #expect(try kamailio.probe().count == 3)
            #expect(try writableByAll(in: kamailio.runFolder).isEmpty)
            #expect(try writableByAll(in: listening.path).isEmpty)
        }
    }

    @Test(canConfine, arguments: Continuation.allCases)
    func anAsynchronousCallGoesThrough(_ continuation: Continuation) throws {
        let relay = try ScriptedRelay()
        let confinement = try Confinement()
        try withAsyncStage([relay], continuation, { $0.confinement = confinement }) { kamailio in
            try expectConfined(kamailio)
            let call = try kamailio.call()
            let invite = try call.invite(run: .offer())
            let answered = try call.reply(to: invite, sdp: SDPText.audio(), run: .answer())
            try call.ack()
            let bye = try call.bye(run: .destroy())
            #expect([invite, answered, bye].map(\.returnCodes) == [[1], [1], [1]])
            #expect(waitUntil(3) { relay.commands(of: call.id).map(\.verb) == ["U", "L", "D"] })
        }
    }

    @Test(canConfine) func anRTPProxyThatFailsAndIsBackIsNoticed() throws {
        let relay = try ScriptedRelay()
        let confinement = try Confinement()
        try Stage.own([relay]) {
            $0.confinement = confinement
            $0.set("rtpproxy_tout_ms", 100)
            $0.set("rtpproxy_retr", 1)
            $0.set("rtpproxy_disable_tout", 1)
        } _: { (kamailio) throws in
            relay.on { _ in .drop }
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [-3])
            #expect(waitUntil(10) { (try? kamailio.relays().first?["disabled"]) == "1" })
            relay.removeRules()
            #expect(kamailio.waitUntilUp(within: 15))
            #expect(try kamailio.call().invite(run: .offer()).returnCodes == [1])
        }
    }

    // Calls within the limits prove nothing unless the limits are in force.
    @Test(canConfine) func theWallsAreThere() throws {
        let confinement = try Confinement()
        let folder = try TemporaryFolder()
        let killed = ProcessEnd.signalled(SIGSYS)
        let elsewhere = "/var/tmp/confined-\(UUID().uuidString)"
        let written = try confinement.run(["sh", "-c", "echo x >\(elsewhere)"])
        #expect(written.end != .exited(0) && written.output.contains("Read-only file system"))
        let own = try confinement.run(
            ["sh", "-c", "echo x >\(folder.path)/x && ls /tmp && stat -c %a \(folder.path)/x"], folders: [folder.path])
        #expect(own.output == "\(folder.path.dropFirst("/tmp/".count))\n640\n" && own.end == .exited(0))
        #expect(try confinement.run(["unshare", "--user", "true"]).end == killed)
        #expect(try confinement.run(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).end == killed)
        #expect(try confinement.run(["nice", "true"]).end == killed)
        #expect(try confinement.run(["id", "-un"]).output == "\(Confinement.user)\n")
    }

    /// kamctl makes a pipe in /tmp, and Kamailio writes the answer there.
    @Test(canConfine, .enabled(if: hasKamctl, "there is no kamctl")) func kamctlGetsItsAnswer() throws {
        let relay = try ScriptedRelay()
        let folder = try TemporaryFolder()
        var confinement = try Confinement()
        confinement.seesTemporaryFiles = true
        let confined = confinement
        try Stage.own([relay]) {
            $0.confinement = confined
            $0.writableFolders = [folder.path]
            $0.modulesBehind.append("jsonrpcs")
            $0.parameters.append(("jsonrpcs", "transport", "2"))
            $0.parameters.append(("jsonrpcs", "fifo_name", "\"\(folder.file("rpc"))\""))
        } _: { (kamailio) throws in
            try expectConfined(kamailio)
            let answer = try ChildProcess.run(
                "kamctl", ["rpc", "rtpproxy.list"], environment: ["RPCFIFOPATH": folder.file("rpc")], within: 20)
            #expect(answer.end == .exited(0) && answer.output.contains(relay.url), "\(answer)")
        }
    }

    /// With the drop-in upon the unit of the package.
    @Test(
        .enabled(if: hasSystemdAnalyze, "there is no systemd-analyze"),
        .enabled(if: FileManager.default.fileExists(atPath: Confinement.packageUnit), "Kamailio has no unit here"))
    func systemdReadsTheUnitAndFindsLittleExposed() throws {
        let folder = try TemporaryFolder()
        let unit = try folder.write(
            String(contentsOfFile: Confinement.packageUnit, encoding: .utf8), to: "kamailio.service")
        try FileManager.default.createDirectory(atPath: unit + ".d", withIntermediateDirectories: false)
        try FileManager.default.copyItem(atPath: Confinement.unit, toPath: unit + ".d/rtpproxy.conf")
        let read = try ChildProcess.run("systemd-analyze", ["verify", "--man=no", unit], within: 30)
        // It looks at units of this machine as well; what it says of those is not ours.
        #expect(read.end == .exited(0) && !read.output.contains("rtpproxy.conf"), "\(read.output)")
        let exposed = try ChildProcess.run(
            "systemd-analyze", ["--no-pager", "security", "--offline=yes", "--threshold=20", unit])
        #expect(exposed.end == .exited(0), "\(exposed.output.suffix(200))")
        let wanted = [
            "ProtectSystem": "strict", "PrivateTmp": "no", "NoNewPrivileges": "yes", "MemoryDenyWriteExecute": "yes",
            "CapabilityBoundingSet": "",
        ]
        for (name, value) in wanted { #expect(try Confinement.values(name) == [value]) }
        // How it is started, by which user and with which environment, is the package's business.
        for name in ["ExecStart", "User", "Group", "Environment", "EnvironmentFile", "RuntimeDirectory", "Type"] {
            #expect(try Confinement.values(name) == [], "\(name)")
        }
    }
}
