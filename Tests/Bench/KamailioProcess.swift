// SPDX-License-Identifier: GPL-2.0-or-later
// A Kamailio with as little in it as can be, so that what is measured is the module.

import BenchPrograms
import Foundation
import TestSupport

/// What a measurement wants of its Kamailio.
struct KamailioSettings {
    /// URLs of the relays, all in set 0.
    var relays: [String] = []
    /// The SQLite file that has them instead.
    var database: String?
    /// SIP workers.
    var workers = 2
    /// Numbers for the module.
    var parameters: [(name: String, value: Int)] = []
    /// How long it may take to start, in seconds.
    var patience = 40.0
    /// Kamailio's allocator; nil: its own choice. That one, qm, walks through what start-up has left in its free lists,
    /// which takes 4 to 12 us of a plain INVITE, depending on how much was configured and parsed.
    var allocator: String?
    /// Whether it counts as started only when the module has worked on an INVITE.
    var waitsForOffer = true
    var script = Script.stateless
    /// Kamailio's shared memory.
    var sharedMegabytes = 128
    /// A program that runs Kamailio, with its arguments.
    var wrapper: [String] = []
}

/// A Kamailio that did not answer in time.
struct NotStarted: Error, CustomStringConvertible {
    /// The path of the module that it was to load.
    let module: String
    let description: String
}

/// A running Kamailio. What its script does, `Script` says.
final class KamailioProcess {
    let port: UInt16
    /// Seconds from its launch until its script answered a request.
    let firstAnswer: Double
    /// Seconds from its launch until it forwarded an INVITE that the module has worked on, where that was waited for.
    let firstOffer: Double
    private let process: ChildProcess
    private let folder: TemporaryFolder

    init(module: String, _ settings: KamailioSettings) throws {
        folder = try TemporaryFolder()
        port = try FreePort.next()
        let text = KamailioProcess.configuration(
            module: module, port: port, settings, control: folder.file("ctl"))
        let path = try folder.write(text, to: "kamailio.cfg")
        let installation = try KamailioInstallation.find()
        let first = try ChildProcess(
            Program.path,
            ["first", String(port), settings.waitsForOffer ? "both" : "options", "\(Int(settings.patience * 1000))"])
        _ = try Program.firstLine(of: first, beginning: "sending")

        let allocator = settings.allocator.map { ["-x", $0, "-X", $0] } ?? []
        let (kamailio, options) = installation.benchCommand(
            "kamailio",
            allocator + [
                "-L", installation.modules, "-DD", "-E", "-m", String(settings.sharedMegabytes), "-M", "16", "-Y",
                folder.path,
                "-f", path,
            ])
        let command = settings.wrapper + [kamailio] + options
        let launched = bench_now()
        let process = try ChildProcess(
            command[0], Array(command.dropFirst()), output: folder.file("log"), folder: folder.path)
        self.process = process
        waitUntil(settings.patience + 5) { !first.isRunning || !process.isRunning }
        let times = first.output.split { $0 == " " || $0 == "\n" }.compactMap { Int64($0) }
        guard process.isRunning, times.count == 2, times[0] > 0, times[1] > 0 else {
            let log = process.output
            process.terminate(within: 1)
            if first.output.contains("wrong") { throw HarnessError("\(module) changes the first INVITE wrongly") }
            throw NotStarted(
                module: module,
                description: "Kamailio did not start within \(settings.patience) s:\n\(log.suffix(2000))")
        }
        firstAnswer = Double(times[0] - launched) / 1e9
        firstOffer = Double(times[1] - launched) / 1e9
    }

    private static func configuration(
        module: String, port: UInt16, _ settings: KamailioSettings, control: String
    ) -> String {
        var lines = ["#!KAMAILIO", "debug=0", "log_stderror=yes", "fork=yes", "children=\(settings.workers)"]
        lines += ["disable_tcp=yes", "auto_aliases=no", "dns=no", "rev_dns=no", "listen=udp:127.0.0.1:\(port)"]
        lines += settings.script.core
        let databaseModules = settings.database == nil ? [] : ["db_sqlite.so"]
        lines += (["pv.so", "sl.so"] + settings.script.modules + databaseModules + [module]).map {
            "loadmodule \"\($0)\""
        }
        lines += settings.script.parameters(control: control)
        if let database = settings.database {
            lines.append("modparam(\"rtpproxy\", \"db_url\", \"sqlite:///\(database)\")")
        }
        for start in stride(from: 0, to: settings.relays.count, by: 20) {
            let some = settings.relays[start..<min(start + 20, settings.relays.count)]
            lines.append("modparam(\"rtpproxy\", \"rtpproxy_sock\", \"\(some.joined(separator: " "))\")")
        }
        lines += settings.parameters.map { "modparam(\"rtpproxy\", \"\($0.name)\", \($0.value))" }
        return lines.joined(separator: "\n") + "\n" + settings.script.routes
    }

    /// What an RPC command answers.
    func rpc(_ command: String...) throws -> String {
        let (program, arguments) = try KamailioInstallation.find().benchCommand(
            "kamcmd", ["-s", "unix:\(folder.file("ctl"))"] + command)
        return try ChildProcess.run(program, arguments, within: 30).output
    }

    /// A number that an RPC command answers with, as in `used: 17`.
    func number(_ name: String, of command: String) throws -> Int {
        let said = try rpc(command)
        for line in said.split(separator: "\n") {
            let parts = line.split(separator: ":").map { $0.trimmingCharacters(in: .whitespaces) }
            if parts.count == 2, parts[0] == name, let number = Int(parts[1]) { return number }
        }
        throw HarnessError("\(command) does not say \(name): \(said)")
    }

    /// Whether it still runs.
    var isRunning: Bool { process.isRunning }

    /// What it has logged.
    var log: String { process.output }

    /// Transactions that there are.
    func transactions() throws -> Int { try number("current", of: "tm.stats") }

    /// Bytes of shared memory that are in use.
    func sharedMemory() throws -> Int { try number("real_used", of: "core.shmmem") }

    /// Bytes of memory that its processes have each for themselves; what a fork has not parted yet counts once.
    func privateMemory() -> Int {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        var sum = 0
        for pid in names.compactMap({ Int32($0) }) where getpgid(pid) == process.pid {
            let text = (try? String(contentsOfFile: "/proc/\(pid)/smaps_rollup", encoding: .utf8)) ?? ""
            let line = text.split(separator: "\n").first { $0.hasPrefix("Pss_Anon:") } ?? ""
            sum += (line.split(separator: " ").compactMap { Int($0) }.first ?? 0) * 1024
        }
        return sum
    }

    /// Nanoseconds of processor time that all its processes have used so far.
    func processorTime() throws -> Int64 {
        // What has just answered still has to go to sleep, which is when its time is written down.
        usleep(10_000)
        let time = bench_processor_time(process.pid)
        guard time >= 0 else { throw HarnessError("Kamailio is gone:\n\(process.output.suffix(2000))") }
        return time
    }

    /// Where its processes are that do not end, as far as the machine's tools can say.
    private var processesThatHang: String {
        let script = """
            for pid in $(pgrep -g "$0"); do
                echo "process $pid: $(cat /proc/$pid/wchan 2>&1)"
                command -v gdb >/dev/null && gdb -p $pid -batch -ex bt 2>/dev/null | grep '^#'
            done
            """
        return (try? ChildProcess.run("sh", ["-c", script, String(process.pid)], within: 60).output) ?? ""
    }

    /// Ends it. What is returned is wrong with how it ended or with how it lived; nil where nothing is.
    func stop() -> String? {
        process.signal(SIGTERM)
        if process.wait(3) == nil {
            // A child that was just being forked has missed it.
            kill(-process.pid, SIGTERM)
            _ = process.wait(5)
        }
        let isLate = process.poll() == nil
        let hanging = isLate ? processesThatHang : ""
        process.terminate(within: 0)
        let died = process.output.split(separator: "\n").first { $0.contains("child process") && $0.contains("signal") }
        return died.map(String.init) ?? (isLate ? "Kamailio did not end within 8 s: \(hanging)" : nil)
    }
}

extension KamailioInstallation {
    /// Program and arguments that run one of Kamailio's programs; one that was only unpacked runs through its own loader.
    func benchCommand(_ program: String, _ arguments: [String]) -> (String, [String]) {
        if root.isEmpty { return (program, arguments) }
        let libraries = modules.split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" }
        let loader = ["ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"].map { "\(libraries)/\($0)" }
            .first { FileManager.default.fileExists(atPath: $0) }
        let path = ["--library-path", "\(libraries):\(libraries)/kamailio", "\(root)/usr/sbin/\(program)"]
        return (loader ?? "ld-linux-x86-64.so.2", path + arguments)
    }

    /// Its version, as it says it itself.
    var version: String {
        let (program, arguments) = benchCommand("kamailio", ["-v"])
        let said = (try? ChildProcess.run(program, arguments).output) ?? ""
        let line = said.prefix { $0 != "\n" }
        return line.split(separator: " ").dropFirst().prefix(2).joined(separator: " ")
    }
}
