// SPDX-License-Identifier: GPL-2.0-or-later
// Thousands of calls through a real RTPProxy or rtpengine, with every function of the module, half of them asynchronous:
// neither the relay nor Kamailio may keep anything of them.

import Foundation
import TestSupport

/// A real relay, a Kamailio, and phones that place calls.
struct RelaySoak {
    let kind: RelayKind
    let calls: Int
    /// Pairs of phones that place calls at the same time.
    private static let pairs = 6
    /// For how long RTPProxy keeps each command that it has answered, and 2.8 KiB for it, in seconds, and some more: it
    /// grows so long, and after that has what it needs.
    private static let keeping = 45.0
    /// Bytes that a relay may grow by in the last fifth of the calls, which comes after that time: rtpengine takes 0.6 KiB
    /// a call.
    private var growth: Int { 2 << 20 + (calls / 5) << 10 }

    /// Runs it and prints what came of it. False where something is not as it must be.
    func run() throws -> Bool {
        let folder = try TemporaryFolder()
        try Data(repeating: 0x55, count: 8000).write(to: URL(fileURLWithPath: folder.file("prompt.0")))
        let watched = try WatchedRelay(kind, recordings: folder.path)
        defer { watched.relay.stop() }
        var configuration = KamailioConfiguration(routes: try PackageFolder.fixture("kamailio/soak-relay.cfg"))
        configuration.set("rtpproxy_sock", watched.relay.url)
        configuration.set("extra_id_pv", "$avp(extra)")
        configuration.children = 4
        configuration.debug = 0
        configuration.sharedMegabytes = 128
        configuration.parameters.append(("tm", "wt_timer", "1000"))
        var report = RelayReport(kind, calls)
        try Kamailio.with(configuration) { kamailio in
            guard kamailio.waitUntilUp() else {
                throw HarnessError("the relay was not found:\n\(kamailio.log.suffix(2000))")
            }
            try carry(kamailio, watched, prompt: folder.file("prompt"), &report)
        }
        let end = watched.relay.stop()
        report.check("its end", end.map { "\($0)" } ?? "none", end == .exited(0))
        print(report.hasFailed ? "it is worse off (!!)" : "\(kind.name) is as well as before")
        return !report.hasFailed
    }

    private func carry(
        _ kamailio: Kamailio, _ watched: WatchedRelay, prompt: String, _ report: inout RelayReport
    ) throws {
        let tally = RelayTally()
        let (kind, before, descriptors) = (kind, watched.memory, watched.descriptors)
        let all = try (0..<Self.pairs).map { _ in try RelayCalls(kamailio, kind, prompt: prompt, tally) }
        let most = calls / 5 * 4
        var seconds = place(0..<most, all, watched, tally)
        if kind == .rtpproxy { Thread.sleep(forTimeInterval: Self.keeping) }
        let settled = watched.memory
        seconds += place(most..<calls, all, watched, tally)
        let isEmpty = waitUntil(60, every: 100) { watched.sessions == 0 }
        let isAtRest = waitUntil(60, every: 200) {
            (try? kamailio.kamcmd("tm.stats").contains("current: 0\n")) ?? false
        }
        report.write(tally.current, seconds)
        report.check("sessions left at it", "\(watched.sessions.map(String.init) ?? "it does not say")", isEmpty)
        let runs = watched.relay.process.isRunning
        report.check("its process", runs ? "runs" : "is gone", runs)
        let after = watched.memory
        report.check(
            "its resident memory",
            "\(before >> 10) KiB at the start, \(settled >> 10) after four fifths, \(after >> 10) at the end",
            settled > 0 && after > 0 && after - settled <= growth)
        // RTPProxy closes the files of the last recordings when it is asked something else.
        let areClosed = waitUntil(20, every: 100) { watched.descriptors <= descriptors + 4 * Self.pairs }
        report.check(
            "its descriptors", "\(descriptors) at the start, \(watched.descriptors) at the end", areClosed)
        report.check("transactions left", isAtRest ? "none" : "some", isAtRest)
        let statistics = try kamailio.statistics().first ?? [:]
        report.check(
            "commands",
            "\(statistics["commands"] ?? "?"), answered \(statistics["answered"] ?? "?"), "
                + "sent again \(statistics["retransmissions"] ?? "?")",
            statistics["commands"] == statistics["answered"])
        report.check("E codes", "\(statistics["errors"] ?? "?")", statistics["errors"] == "0")
        report.check("its state", statistics["state"] ?? "?", statistics["state"] == "up")
        report.writeLogs(kamailio.log, watched.relay.process.output)
    }

    /// Places these calls, and says how many seconds that took.
    private func place(
        _ numbers: Range<Int>, _ all: [RelayCalls], _ watched: WatchedRelay, _ tally: RelayTally
    ) -> Double {
        let (queue, threads) = (DispatchQueue(label: "phones", attributes: .concurrent), DispatchGroup())
        let started = monotonicMilliseconds()
        for (index, phones) in all.enumerated() {
            queue.async(group: threads) {
                for number in stride(from: numbers.lowerBound + index, to: numbers.upperBound, by: Self.pairs) {
                    phones.place(number)
                }
            }
        }
        var told = tally.current.calls
        while threads.wait(timeout: .now() + 0.1) == .timedOut {
            let done = tally.current.calls
            guard done >= told + max(1, calls / 5) else { continue }
            told = done
            print("  \(done) calls after \((monotonicMilliseconds() - started) / 1000) s, \(watched.memory >> 10) KiB")
            fflush(nil)
        }
        return Double(monotonicMilliseconds() - started) / 1000
    }
}

/// A relay of which is known how many sessions it has, and how much memory.
struct WatchedRelay {
    let relay: any MediaRelay
    private let commandLine: Endpoint?

    init(_ kind: RelayKind, recordings: String) throws {
        switch kind {
        case .rtpproxy:
            commandLine = nil
            relay = try RealRelay("127.0.0.4", options: ["-r", recordings])
        case .rtpengine:
            let place = Endpoint(.ipv4, try FreePort.next())
            commandLine = place
            relay = try RTPEngine(["127.0.0.4"], options: ["--listen-cli=\(place)"])
        }
    }

    /// Resident memory, in bytes; 0 where its process is gone.
    var memory: Int {
        let status = (try? String(contentsOfFile: "/proc/\(relay.process.pid)/status", encoding: .utf8)) ?? ""
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
        return (line.split(separator: " ").compactMap { Int($0) }.first ?? 0) << 10
    }

    /// How many descriptors it has open.
    var descriptors: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(relay.process.pid)/fd").count) ?? 0
    }

    /// How many sessions it has; nil where it does not say.
    var sessions: Int? {
        guard let commandLine else {
            // RTPProxy's I.
            return number(behind: "active sessions:", in: (try? relay.command("I")) ?? "")
        }
        let connection = try? ChildProcess.run(
            "bash",
            [
                "-c", "exec 3<>/dev/tcp/$0/$1 && echo list numsessions >&3 && timeout 3 cat <&3", commandLine.host,
                String(commandLine.port),
            ])
        return number(behind: "Current sessions total:", in: connection?.output ?? "")
    }

    private func number(behind title: String, in text: String) -> Int? {
        text.range(of: title).flatMap {
            Int(text[$0.upperBound...].drop { $0 == " " || $0 == "\t" }.prefix { $0.isNumber })
        }
    }
}

/// The figures, a line each.
struct RelayReport {
    private let kind: RelayKind
    private let wanted: Int
    private(set) var hasFailed = false

    init(_ kind: RelayKind, _ calls: Int) {
        self.kind = kind
        wanted = calls
        print("\(calls) calls through a real \(kind.name), half of them asynchronous")
        fflush(nil)
    }

    mutating func check(_ title: String, _ text: String, _ isRight: Bool) {
        print("\(isRight ? "  " : "!!")  \(title.padding(24))  \(text)")
        hasFailed = hasFailed || !isRight
        fflush(nil)
    }

    mutating func write(_ counts: RelayTally.Counts, _ seconds: Double) {
        check(
            "calls", "\(counts.calls) in \(Int(seconds)) s, \(counts.packets) packets of audio", counts.calls == wanted)
        check("calls with a fault", "\(counts.failed)", counts.failed == 0)
        for fault in counts.faults { print("      \(fault)") }
        let functions = counts.functions.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        check("functions", functions.joined(separator: ", "), counts.functions.count >= 15)
    }

    /// What rtpengine cannot do, Kamailio says of it.
    private static let expected = [
        "does not record", "too old to take a prompt name", "one stream of a call",
    ]

    mutating func writeLogs(_ kamailio: String, _ relay: String) {
        let lines = kamailio.split(separator: "\n").map(String.init).filter { line in
            ["ERROR", "CRITICAL", "BUG", "WARNING", "ALERT"].contains { line.contains("\($0):") }
        }
        let surprises = lines.filter { line in
            kind == .rtpproxy || !Self.expected.contains { line.contains($0) }
        }
        check("Kamailio's log", "\(lines.count) lines, unexpected \(surprises.count)", surprises.isEmpty)
        for line in surprises.prefix(5) { print("      \(line)") }
        let complaints = relay.split(separator: "\n").filter { line in
            ["ERR:", "CRIT:", "ALERT:", "EMERG:", "WARN:", "WARNING:", "ERR]", "CRIT]", "Traceback"].contains {
                line.contains($0)
            }
        }
        check("its log", "\(complaints.count) complaints", complaints.isEmpty)
        for line in complaints.prefix(5) { print("      \(line)") }
    }
}
