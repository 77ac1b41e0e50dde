// SPDX-License-Identifier: GPL-2.0-or-later
// A real Kamailio on loopback, started and stopped by a test.

import Foundation
import Synchronization

/// A running Kamailio with a configuration, a control socket and a log of its own.
public final class Kamailio: Sendable {
    public let port: UInt16
    public let process: ChildProcess
    public let configurationPath: String
    /// When its program was started, in nanoseconds of the monotonic clock.
    public let launched: Int64
    private let folder: TemporaryFolder
    private let installation: KamailioInstallation
    /// When it was seen to answer for the first time, or was launched.
    private let ready = Atomic(monotonicMilliseconds())

    /// No more than this many start or run their own Kamailio at the same time (shared ones not counted).
    private static let places = DispatchSemaphore(value: 4)

    /// Starts it and waits until it answers. Throws with the end of its log where it does not.
    /// `port` is one of `FreePort`; nil: any.
    public convenience init(_ configuration: KamailioConfiguration, port: UInt16? = nil) throws {
        try self.init(launching: configuration, port: port)
        let answers = waitUntil(20) { !process.isRunning || isReady }
        guard answers, process.isRunning else {
            process.terminate(within: 2)
            throw HarnessError("Kamailio did not start:\n\(log.suffix(4000))")
        }
        noteAnswer()
    }

    /// Starts it and waits for nothing. `port` is one of `FreePort`; nil: any.
    public init(launching configuration: KamailioConfiguration, port given: UInt16? = nil) throws {
        installation = try KamailioInstallation.find()
        folder = try TemporaryFolder()
        port = try given ?? FreePort.next()
        var module = try configuration.module.path(in: installation)
        if configuration.confinement != nil {
            // It does not see the project where that lies below /tmp.
            let seen = folder.file("rtpproxy.so")
            try FileManager.default.copyItem(atPath: module, toPath: seen)
            module = seen
        }
        let text = configuration.text(port: port, control: folder.file("ctl"), modulePath: module)
        try installation.cancelTest(lacking: text)
        configurationPath = try folder.write(text, to: "kamailio.cfg")
        let (program, arguments) = installation.command(
            "kamailio",
            [
                "-L", installation.modules, "-DD", "-E", "-m", "\(configuration.sharedMegabytes)", "-M",
                "\(configuration.privateMegabytes)", "-Y", folder.path, "-f", configurationPath,
            ] + configuration.options)
        var command = configuration.wrapper + Self.launcher(configuration.module) + [program] + arguments
        if let hosts = configuration.hosts { command = Self.seeing(hosts, as: "/etc/hosts", command) }
        if let resolver = configuration.resolver { command = Self.seeing(resolver, as: "/etc/resolv.conf", command) }
        if configuration.isFirstProcess {
            command = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] + command
        }
        if let confinement = configuration.confinement {
            command = confinement.command(command, folders: [folder.path] + configuration.writableFolders)
        }
        launched = monotonicNanoseconds()
        process = try ChildProcess(
            command[0], Array(command.dropFirst()), output: folder.file("log"), environment: configuration.environment,
            folder: folder.path)
    }

    /// It has answered for the first time just now.
    public func noteAnswer() { ready.store(monotonicMilliseconds(), ordering: .relaxed) }

    /// The words before the command: those of the environment variable `RTPPROXY_LAUNCHER`, which run Kamailio with a
    /// sanitizer's runtime or within Valgrind. Only Kamailio, and only with the module under test.
    private static func launcher(_ module: RTPProxyModule) -> [String] {
        guard case .underTest = module else { return [] }
        let words = ProcessInfo.processInfo.environment["RTPPROXY_LAUNCHER"] ?? ""
        return words.split(separator: " ").map(String.init)
    }

    /// The command that runs `command` in a mount namespace with `file` in the place of another, as the same process.
    private static func seeing(_ file: String, as place: String, _ command: [String]) -> [String] {
        ["unshare", "--mount", "sh", "-c", "mount --bind \"$0\" \(place) && exec \"$@\"", file] + command
    }

    /// Whether this machine lets tests put another file in the place of /etc/hosts, and looks names up there.
    public static let canHaveHosts: Bool = {
        guard let folder = try? TemporaryFolder(),
            let hosts = try? folder.write("127.0.0.9 moving.test\n", to: "hosts")
        else { return false }
        let command = seeing(hosts, as: "/etc/hosts", ["getent", "ahostsv4", "moving.test"])
        return (try? ChildProcess.run(command[0], Array(command.dropFirst())).output)?.contains("127.0.0.9") ?? false
    }()

    /// Starts one that must refuse its configuration, and returns its log. Throws where it starts, hangs, or dies by a
    /// signal.
    public static func startUpFailure(_ configuration: KamailioConfiguration) throws -> String {
        let kamailio = try Kamailio(launching: configuration)
        waitUntil(20) { !kamailio.process.isRunning || kamailio.isReady }
        guard let end = kamailio.process.poll() else {
            kamailio.process.terminate()
            throw HarnessError("Kamailio started, although its configuration is wrong:\n\(kamailio.log.suffix(2000))")
        }
        guard case .exited(let status) = end, status != 0, kamailio.diedBySignal.isEmpty else {
            throw HarnessError("Kamailio ended with \(end) \(kamailio.diedBySignal):\n\(kamailio.log.suffix(2000))")
        }
        return kamailio.log
    }

    /// Whether `kamailio -c` accepts a configuration, and what it says.
    public static func check(_ configuration: KamailioConfiguration) throws -> (isContent: Bool, log: String) {
        var configuration = configuration
        configuration.options.append("-c")
        let kamailio = try Kamailio(launching: configuration)
        waitUntil(20) { !kamailio.process.isRunning }
        guard case .exited(let status)? = kamailio.process.poll() else {
            kamailio.process.terminate()
            throw HarnessError("kamailio -c did not end by itself:\n\(kamailio.log.suffix(2000))")
        }
        return (status == 0, kamailio.log)
    }

    /// Whether this machine lets tests make PID namespaces.
    public static let canBeFirstProcess: Bool =
        (try? ChildProcess.run("sh", ["-c", "unshare --pid --fork --mount-proc true && echo yes"]).output)?
        .contains("yes") ?? false

    /// Whether a Kamailio that has started is still there, and answers, after some time.
    public static func stays(_ configuration: KamailioConfiguration, milliseconds: UInt32) throws -> Bool {
        let kamailio = try Kamailio(launching: configuration)
        defer { kamailio.process.terminate(within: 5) }
        waitUntil(20) { !kamailio.process.isRunning || kamailio.isReady }
        usleep(milliseconds * 1000)
        return try kamailio.process.isRunning && kamailio.kamcmd("core.ps").contains("RTPProxy monitor")
    }

    /// Whether a Kamailio starts with a configuration; it is stopped again. Throws where it hangs or dies by a signal.
    public static func starts(_ configuration: KamailioConfiguration) throws -> Bool {
        let kamailio = try Kamailio(launching: configuration)
        waitUntil(20) { !kamailio.process.isRunning || kamailio.isReady }
        guard let end = kamailio.process.poll() else {
            let isReady = kamailio.isReady
            kamailio.process.terminate(within: 10)
            guard isReady else { throw HarnessError("Kamailio hangs:\n\(kamailio.log.suffix(2000))") }
            return true
        }
        guard case .exited = end else {
            throw HarnessError("Kamailio ended with \(end):\n\(kamailio.log.suffix(2000))")
        }
        return false
    }

    /// The folder of its sockets, as /run/kamailio is elsewhere.
    public var runFolder: String { folder.path }

    /// Where it listens.
    public func endpoint(_ family: Family = .ipv4) -> Endpoint { Endpoint(family, port) }

    /// Everything logged so far.
    public var log: String { process.output }

    /// The log's lines that contain all of the texts.
    public func logLines(_ texts: String...) -> [String] {
        log.split(separator: "\n").map(String.init).filter { line in texts.allSatisfy { line.contains($0) } }
    }

    /// Waits for a log line with all of the texts; nil where none came.
    public func waitForLog(_ texts: String..., seconds: Double = 20) -> String? {
        var found: String?
        waitUntil(seconds, every: 25) {
            found = log.split(separator: "\n").map(String.init).first { line in
                texts.allSatisfy { line.contains($0) }
            }
            return found != nil
        }
        return found
    }

    /// Log lines on children that were ended by a signal. Empty in a healthy Kamailio.
    public var diedBySignal: [String] {
        logLines("child process").filter { $0.contains("by a signal") || $0.contains("core was") }
    }

    private var isReady: Bool {
        guard FileManager.default.fileExists(atPath: folder.file("ctl")) else { return false }
        return (try? kamcmd("core.uptime").contains("uptime")) == true
    }

    /// Runs an RPC command and returns what kamcmd prints. A fault is text too: `error: 404 - ...`.
    public func kamcmd(_ arguments: String...) throws -> String {
        try kamcmd(arguments, within: 10)
    }

    /// The same, with the arguments as a list.
    public func kamcmd(_ arguments: [String], within seconds: Double = 10) throws -> String {
        let (program, all) = installation.command("kamcmd", ["-s", "unix:\(folder.file("ctl"))"] + arguments)
        return try ChildProcess.run(program, all, within: seconds).output
    }

    /// `rtpproxy.list` as one dictionary per entry, in order.
    public func relays() throws -> [[String: String]] { entries(try kamcmd("rtpproxy.list")) }

    /// `rtpproxy.probe`, of one URL or of all, likewise.
    public func probe(_ url: String? = nil) throws -> [[String: String]] {
        entries(try kamcmd(["rtpproxy.probe"] + (url.map { [$0] } ?? [])))
    }

    /// `rtpproxy.stats`, of one URL or of all, likewise.
    public func statistics(_ url: String? = nil) throws -> [[String: String]] {
        entries(try kamcmd(["rtpproxy.stats"] + (url.map { [$0] } ?? [])))
    }

    /// Waits until these relays, or all that are listed, have answered every question of their probe. A relay has the
    /// last question in its log before the module has the answer; one that starts counts as enabled before its first.
    @discardableResult
    public func waitUntilUp(_ relays: [ScriptedRelay]? = nil, within seconds: Double = 20) -> Bool {
        func areUp(_ url: String?) -> Bool {
            guard let found = try? statistics(url), !found.isEmpty else { return false }
            return found.allSatisfy { $0["state"] == "up" }
        }
        return waitUntil(seconds, every: 20) { relays?.allSatisfy { areUp($0.url) } ?? areUp(nil) }
    }

    private func entries(_ printed: String) -> [[String: String]] {
        var entries: [[String: String]] = []
        for line in printed.split(separator: "\n") {
            let text = line.trimmingCharacters(in: .whitespaces)
            if text == "{" { entries.append([:]) }
            let parts = text.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            if parts.count == 2, !entries.isEmpty { entries[entries.count - 1][parts[0]] = parts[1] }
        }
        return entries
    }

    /// Its processes by `core.psx`: process id and description.
    public func processes() throws -> [(pid: Int, name: String)] {
        var found: [(pid: Int, name: String)] = []
        for line in try kamcmd("core.psx").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 2 else { continue }
            if parts[0] == "PID", let pid = Int(parts[1]) { found.append((pid, "")) }
            if parts[0] == "DSC", !found.isEmpty { found[found.count - 1].name = parts[1] }
        }
        return found
    }

    /// Ends it, and throws where it did not end cleanly: by a signal, with another status than 0, or too late.
    public func stop() throws {
        // Within five seconds of its start.
        let hasJustStarted = monotonicMilliseconds() - ready.load(ordering: .relaxed) < 5000
        process.signal(SIGTERM)
        if process.wait(3) == nil && hasJustStarted {
            // Kamailio's own race, seen with every module: a child that is being forked while the main process passes
            // SIGTERM on misses it.
            kill(-process.pid, SIGTERM)
        }
        // Before Kamailio itself gives up, after 60 s: then there is nothing to look at any more.
        let late = process.wait(min(7 * patience, 40)) == nil ? processesThatHang : ""
        let end = process.terminate(within: 0)
        // Kamailio's own race: a process that SIGTERM ends while it holds a lock, that of the timers say, takes it
        // along, and the main process waits for it at its end, when all others are gone. One that ends while it runs a
        // timer does the same: the main process waits in timer_del_safe() for that to return. No frame of the module is
        // in it.
        let isAlone = late.components(separatedBy: "process ").count == 2
        let waits = late.contains("process \(process.pid): futex") || late.contains("timer_del_safe")
        if isAlone, waits, !late.contains("rtpp"), diedBySignal.isEmpty {
            print("Kamailio did not end: a process that has ended holds a lock, or runs a timer")
            return
        }
        guard end == .exited(0), diedBySignal.isEmpty else {
            throw HarnessError(
                "Kamailio ended with \(end.map { "\($0)" } ?? "nothing") \(diedBySignal), did not end: \(late)\n"
                    + "\(log.suffix(3000))")
        }
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

    /// Runs `body` with a Kamailio of its own, then stops it and checks that it ended cleanly.
    public static func with<R>(_ configuration: KamailioConfiguration, _ body: (Kamailio) throws -> R) throws -> R {
        places.wait()
        defer { places.signal() }
        let kamailio = try Kamailio(configuration)
        let result: R
        do { result = try body(kamailio) } catch {
            let died = kamailio.diedBySignal
            try? kamailio.stop()
            throw died.isEmpty ? error : HarnessError("\(error), and \(died)")
        }
        try kamailio.stop()
        return result
    }
}
