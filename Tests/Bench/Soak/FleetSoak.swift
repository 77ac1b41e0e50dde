// SPDX-License-Identifier: GPL-2.0-or-later
// Calls for a long time through several Kamailios that share them, and real RTPProxies that are restarted.

import BenchPrograms
import Foundation
import TestSupport

/// Several Kamailios under load, and their RTPProxies. Each request of a call, and each answer, goes to another one.
final class FleetSoak {
    let options: SoakOptions
    let relays: [RestartedRelay]
    let kamailios: [KamailioProcess]
    /// Names of each Kamailio's processes by id, at the start.
    let processes: [[Int32: String]]
    /// What came of the load, added up.
    private(set) var totals = LoadTotals()
    /// By Kamailio.
    private(set) var atRest: [[Sample]]
    private(set) var underLoad: [[Sample]]
    /// The most that was left when nothing was under way any more: sessions at all relays, and calls in all tables.
    private(set) var left = (sessions: 0, calls: 0)
    private(set) var seconds = 0.0
    private let startUpLogs: [Int]
    private var nextRestart: Int
    private let module: String
    private let version: String

    init(_ options: SoakOptions, hosts: Int) throws {
        self.options = options
        let installation = try KamailioInstallation.find()
        let module = try RTPProxyModule.underTest.path(in: installation)
        self.module = module
        version = installation.version
        let relays = try (0..<hosts).map { try RestartedRelay($0) }
        self.relays = relays
        let ports = try (0..<hosts).map { _ in try FreePort.next() }
        let kamailios = try (0..<hosts).map { host in
            var settings = KamailioSettings(relays: relays.map(\.relay.url), workers: 6)
            settings.fleet = Array(ports[host...] + ports[..<host])
            settings.script = .dialogs
            settings.sharedMegabytes = 256
            settings.waitsForOffer = false
            settings.parameters = [("rtpproxy_disable_tout", 1), ("rtpproxy_ping_interval", 1)]
            return try KamailioProcess(module: module, settings)
        }
        self.kamailios = kamailios
        let isReady = try waitUntil(30, every: 100) {
            try kamailios.allSatisfy {
                let counters = try $0.counters()
                // The main process has its last name when all others are there.
                return try counters["dmq_hosts"] == hosts - 1 && counters["nodes_up"] == hosts
                    && Sample.processes($0).values.contains(Findings.lastName)
            }
        }
        guard isReady else {
            throw HarnessError("the Kamailios do not come to rest:\n\(kamailios[0].log.suffix(3000))")
        }
        startUpLogs = kamailios.map(\.log.count)
        processes = try kamailios.map(Sample.processes)
        atRest = kamailios.map { _ in [] }
        underLoad = atRest
        nextRestart = monotonicMilliseconds() + options.betweenRestarts / 2
    }

    /// What a Kamailio has logged since it was started.
    func log(_ host: Int) -> String { String(kamailios[host].log.dropFirst(startUpLogs[host])) }

    /// Transactions that a Kamailio may have at rest: dmq's greetings of the last second to each of the others, and
    /// pings.
    var ownTransactions: Int { 4 * (kamailios.count - 1) }

    /// How often relays were restarted.
    var restarts: Int { relays.reduce(0) { $0 + $1.restarts } }

    /// Runs it and prints what came of it. False where something is not as it must be.
    func run() throws -> Bool {
        defer { for relay in relays { relay.relay.stop() } }
        let length = options.minutes.map { "\($0) minutes" } ?? "\(options.calls) calls"
        print("\(version), \(ProcessInfo.processInfo.processorCount) cores; \(module)")
        print(
            "\(length) in \(options.rounds) rounds, \(options.inFlight) at the same time, half of them asynchronous; "
                + "\(kamailios.count) Kamailios and \(relays.count) real RTPProxies, of which one is restarted every "
                + "\(options.betweenRestarts / 1000) s")
        fflush(nil)
        seconds = try options.carry {
            try round()
            return ("\(totals["sent"]) calls", restarts: restarts, hangs: !totals.hanging.isEmpty)
        }
        var report = FleetReport(self)
        try report.write()
        var findings = report.findings
        for (host, kamailio) in kamailios.enumerated() {
            if let fault = kamailio.stop() { findings.check("end of host \(host)", fault, false) }
        }
        return findings.conclude()
    }

    /// Some calls, then rest.
    private func round() throws {
        var load = options.load
        load.realRelays = relays.count
        let running = try load.start(kamailios)
        defer { running.process.terminate(within: 0) }
        var nextSample = monotonicMilliseconds() + 1000
        while running.process.isRunning {
            for kamailio in kamailios where !kamailio.isRunning {
                throw HarnessError("a Kamailio is gone:\n\(kamailio.log.suffix(3000))")
            }
            try restart()
            if monotonicMilliseconds() >= nextSample {
                for (host, sample) in try samples().enumerated() { underLoad[host].append(sample) }
                nextSample = monotonicMilliseconds() + options.betweenSamples
            }
            usleep(20_000)
        }
        totals.add(try running.result())
        try rest()
    }

    private func samples() throws -> [Sample] {
        try zip(kamailios, processes).map { try Sample($0, Array($1.keys)) }
    }

    /// Ends a relay, or starts it again, where that is due. They take turns.
    private func restart(begins: Bool = true) throws {
        let now = monotonicMilliseconds()
        for relay in relays { try relay.startAgain(now) }
        guard begins, now >= nextRestart else { return }
        nextRestart = now + options.betweenRestarts
        try relays[restarts % relays.count].end(bySignal: restarts % 4 < 2, until: now + options.downtime)
    }

    /// Lets what was begun come to its end, and takes a sample.
    private func rest() throws {
        try waitUntil(20, every: 50) {
            try restart(begins: false)
            return relays.allSatisfy { !$0.isDown }
        }
        try waitUntil(20, every: 200) { try kamailios.allSatisfy { try $0.transactions() <= ownTransactions } }
        var now = (sessions: 0, calls: 0)
        try waitUntil(2, every: 200) {
            now.sessions = try relays.reduce(0) { try $0 + $1.sessions().left }
            now.calls = try kamailios.reduce(0) { try $0 + ($1.counters()["calls_remembered"] ?? 1) }
            let areUp = try kamailios.allSatisfy { try $0.counters()["nodes_up"] == relays.count }
            return areUp && now == (0, 0)
        }
        left = (max(left.sessions, now.sessions), max(left.calls, now.calls))
        // The connection of the last command is closed by then.
        usleep(300_000)
        for (host, sample) in try samples().enumerated() { atRest[host].append(sample) }
    }
}

/// A real RTPProxy that is ended and started again.
final class RestartedRelay {
    /// What it has done with sessions.
    struct Sessions {
        var made = 0
        var ended = 0
        var timedOut = 0
        var left: Int { made - ended }
    }

    let relay: RealRelay
    private(set) var restarts = 0
    /// Of those that were ended.
    private var before = Sessions()
    /// Sessions that were gone with the process.
    private(set) var gone = 0
    private var downUntil: Int?

    /// Number `index`, from 0.
    init(_ index: Int) throws { relay = try RealRelay("127.0.0.\(Int(BENCH_REAL_RELAY) + index)") }

    var isDown: Bool { downUntil != nil }

    /// Ends it, by SIGTERM or SIGKILL.
    func end(bySignal: Bool, until: Int) throws {
        let sessions = try self.sessions()
        before.made += sessions.made
        before.ended += sessions.ended
        before.timedOut += sessions.timedOut
        gone += sessions.left
        if bySignal { relay.stop() } else { relay.crash() }
        restarts += 1
        downUntil = until
    }

    /// Starts it where that is due.
    func startAgain(_ now: Int) throws {
        guard let downUntil, now >= downUntil else { return }
        try relay.start()
        self.downUntil = nil
    }

    /// Those of the process that runs now.
    func sessions() throws -> Sessions {
        let answer = try relay.command("G nsess_created nsess_destroyed nsess_timeout", patience: 15_000)
        let numbers = answer.split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 3 else { throw HarnessError("RTPProxy says \(answer) of its sessions") }
        return Sessions(made: numbers[0], ended: numbers[1], timedOut: numbers[2])
    }

    /// Those of all processes.
    func allSessions() throws -> Sessions {
        let now = try sessions()
        return Sessions(
            made: before.made + now.made, ended: before.ended + now.ended, timedOut: before.timedOut + now.timedOut)
    }
}
