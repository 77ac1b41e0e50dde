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
    /// The ports of several Kamailios, this one's first; empty: it is alone.
    var fleet: [UInt16] = []
    /// Whether those share calls.
    var sharesCalls = true
}

/// A Kamailio that did not answer in time.
struct NotStarted: Error, CustomStringConvertible {
    /// The path of the module that it was to load.
    let module: String
    let description: String
}

/// A running Kamailio. `Script` says what its script does.
final class KamailioProcess {
    let port: UInt16
    /// Seconds from its launch until its script answered a request.
    let firstAnswer: Double
    /// Seconds from its launch until it forwarded an INVITE that the module has worked on, where that was waited for.
    let firstOffer: Double
    private let kamailio: Kamailio

    init(module: String, _ settings: KamailioSettings) throws {
        port = try settings.fleet.first ?? FreePort.next()
        let first = try ChildProcess(
            Program.path,
            ["first", String(port), settings.waitsForOffer ? "both" : "options", "\(Int(settings.patience * 1000))"])
        _ = try Program.firstLine(of: first, beginning: "sending")

        var configuration = KamailioConfiguration()
        configuration.module = .path(module)
        configuration.written = { Self.configuration(module: $2, port: $0, settings, control: $1) }
        configuration.options = settings.allocator.map { ["-x", $0, "-X", $0] } ?? []
        configuration.sharedMegabytes = settings.sharedMegabytes
        configuration.privateMegabytes = 16
        configuration.wrapper = settings.wrapper
        let kamailio = try Kamailio(launching: configuration, port: port)
        self.kamailio = kamailio
        waitUntil(settings.patience + 5) { !first.isRunning || !kamailio.process.isRunning }
        let times = first.output.split { $0 == " " || $0 == "\n" }.compactMap { Int64($0) }
        guard kamailio.process.isRunning, times.count == 2, times[0] > 0, times[1] > 0 else {
            let log = kamailio.log
            kamailio.process.terminate(within: 1)
            if first.output.contains("wrong") { throw HarnessError("\(module) changes the first INVITE wrongly") }
            throw NotStarted(
                module: module,
                description: "Kamailio did not start within \(settings.patience) s:\n\(log.suffix(2000))")
        }
        kamailio.noteAnswer()
        firstAnswer = Double(times[0] - kamailio.launched) / 1e9
        firstOffer = Double(times[1] - kamailio.launched) / 1e9
    }

    private static func configuration(
        module: String, port: UInt16, _ settings: KamailioSettings, control: String
    ) -> String {
        var lines = ["#!KAMAILIO", "debug=0", "log_stderror=yes", "fork=yes", "children=\(settings.workers)"]
        lines += ["disable_tcp=yes", "auto_aliases=no", "dns=no", "rev_dns=no", "listen=udp:127.0.0.1:\(port)"]
        lines += settings.script.core
        let databaseModules = settings.database == nil ? [] : ["db_sqlite.so"]
        let sharingModules = settings.fleet.isEmpty || !settings.sharesCalls ? [] : ["dmq.so"]
        lines += (["pv.so", "sl.so"] + settings.script.modules + databaseModules + sharingModules + [module]).map {
            "loadmodule \"\($0)\""
        }
        lines += settings.script.parameters(control: control)
        if settings.fleet.count > 1, settings.sharesCalls {
            // The one behind this one in the ring of all.
            lines.insert("#!define NEXT_HOST \"sip:127.0.0.1:\(settings.fleet[1])\"", at: 1)
            lines.append("modparam(\"dmq\", \"server_address\", \"sip:127.0.0.1:\(port)\")")
            lines += settings.fleet.dropFirst().map {
                "modparam(\"dmq\", \"notification_address\", \"sip:127.0.0.1:\($0)\")"
            }
            lines.append("modparam(\"rtpproxy\", \"rtpproxy_dmq\", 1)")
        }
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
    func rpc(_ command: String...) throws -> String { try kamailio.kamcmd(command, within: 30) }

    /// A number that an RPC command answers with, as in `used: 17`.
    func number(_ name: String, of command: String) throws -> Int {
        let said = try rpc(command)
        for line in said.split(separator: "\n") {
            let parts = line.split(separator: ":").map { $0.trimmingCharacters(in: .whitespaces) }
            if parts.count == 2, parts[0] == name, let number = Int(parts[1]) { return number }
        }
        throw HarnessError("\(command) does not say \(name): \(said)")
    }

    /// The module's counters by name.
    func counters() throws -> [String: Int] {
        var counters: [String: Int] = [:]
        for line in try rpc("stats.get_statistics", "rtpproxy:").split(separator: "\n") {
            let parts = line.split(separator: "=").map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 2, let name = parts[0].split(separator: ":").last else { continue }
            counters[String(name)] = Int(parts[1])
        }
        return counters
    }

    /// Whether it still runs.
    var isRunning: Bool { kamailio.process.isRunning }

    /// What it has logged.
    var log: String { kamailio.log }

    /// Transactions that there are.
    func transactions() throws -> Int { try number("current", of: "tm.stats") }

    /// Bytes of shared memory that are in use.
    func sharedMemory() throws -> Int { try number("real_used", of: "core.shmmem") }

    /// Its processes.
    func processes() -> [Int32] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap { Int32($0) }.filter { getpgid($0) == kamailio.process.pid }
    }

    /// Bytes that a line of smaps_rollup says of a process.
    static func memory(_ name: String, of pid: Int32) -> Int? {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/smaps_rollup", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix(name) } ?? ""
        return line.split(separator: " ").compactMap { Int($0) }.first.map { $0 * 1024 }
    }

    /// Bytes of memory that its processes have each for themselves; what a fork has not parted yet counts once.
    func privateMemory() -> Int {
        processes().reduce(0) { $0 + (Self.memory("Pss_Anon:", of: $1) ?? 0) }
    }

    /// Nanoseconds of processor time that all its processes have used so far.
    func processorTime() throws -> Int64 {
        // What has just answered still has to go to sleep, which is when its time is written down.
        usleep(10_000)
        let time = bench_processor_time(kamailio.process.pid)
        guard time >= 0 else { throw HarnessError("Kamailio is gone:\n\(kamailio.log.suffix(2000))") }
        return time
    }

    /// Ends it. Returns what was wrong with its end or before; nil where nothing was.
    func stop() -> String? {
        do { try kamailio.stop() } catch { return "\(error)" }
        return nil
    }
}
