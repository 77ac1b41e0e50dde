// SPDX-License-Identifier: GPL-2.0-or-later
// Calls for a long time, and what is left of them.

import Foundation
import TestSupport

/// A Kamailio under load, its relays, and what disturbs them.
final class Soak {
    let options: SoakOptions
    let relays: [RelayProcess]
    let kamailio: KamailioProcess
    let operation: Operator
    /// Names of Kamailio's processes by id, at the start.
    let processes: [Int32: String]
    private(set) var totals = LoadTotals()
    private(set) var atRest: [Sample] = []
    private(set) var underLoad: [Sample] = []
    private(set) var seconds = 0.0
    private let startUpLog: Int
    private let folder: TemporaryFolder
    private let module: String
    private let version: String

    init(_ options: SoakOptions) throws {
        self.options = options
        let installation = try KamailioInstallation.find()
        let folder = try TemporaryFolder()
        module = try RTPProxyModule.underTest.path(in: installation)
        version = installation.version
        self.folder = folder
        relays = try (0..<2).map { number in
            let sessions = RelayProcess.Sessions(
                file: folder.file("sessions\(number)"), milliseconds: options.timeToLive)
            let relay = try RelayProcess(sessions: sessions)
            try relay.lose(perMillion: options.lossPerMillion, seed: number + 1)
            return relay
        }
        let database = try SoakDatabase(folder.file("database"), urls: Operator.urls(relays))
        var settings = KamailioSettings(database: database.path, workers: 8)
        settings.script = .dialogs
        // Those that are over stay some seconds.
        settings.sharedMegabytes = 512
        settings.waitsForOffer = false
        settings.parameters = [("rtpproxy_disable_tout", 1), ("rtpproxy_ping_interval", 1)]
        let started = try KamailioProcess(module: module, settings)
        kamailio = started
        startUpLog = kamailio.log.count
        // The main process has its last name when all others are there.
        guard
            try waitUntil(20, every: 100, { try Sample.processes(started).values.contains(Findings.lastName) })
        else { throw HarnessError("Kamailio does not come to rest") }
        processes = try Sample.processes(kamailio)
        operation = Operator(options, relays, kamailio, database)
    }

    /// What Kamailio has logged since it was started.
    var log: String { String(kamailio.log.dropFirst(startUpLog)) }

    /// Runs it and prints what came of it. False where something is not as it must be.
    func run() throws -> Bool {
        let length = options.minutes.map { "\($0) minutes" } ?? "\(options.calls) calls"
        print("\(version), \(ProcessInfo.processInfo.processorCount) cores; \(module)")
        print(
            "\(length) in \(options.rounds) rounds, \(options.inFlight) at the same time, half of them asynchronous; "
                + "2 relays of 2 addresses each, \(Double(options.lossPerMillion) / 10_000) % loss each way, one "
                + "of them restarted every \(options.betweenRestarts / 1000) s, something done to one every "
                + "\(Double(options.pace) / 1000) s")
        fflush(nil)
        seconds = try options.carry {
            try round()
            return ("\(totals["sent"]) calls", restarts: operation.restarts, hangs: !totals.hanging.isEmpty)
        }
        // Sessions that nobody has deleted expire.
        waitUntil(Double(options.timeToLive) / 1000 + 10, every: 500) {
            (try? relays.map { try $0.tally() }.allSatisfy { $0.left == 0 }) ?? false
        }
        var report = SoakReport(self)
        try report.write()
        var findings = report.findings
        if let fault = kamailio.stop() { findings.check("Kamailio's end", fault, false) }
        relays.forEach { $0.stop() }
        try LinkPhase(options: options).run(&findings)
        return findings.conclude()
    }

    /// Some calls, then rest.
    private func round() throws {
        let load = options.load
        let running = try load.start(kamailio)
        defer { running.process.terminate(within: 0) }
        var nextSample = monotonicMilliseconds() + 1000
        while running.process.isRunning {
            guard kamailio.isRunning else { throw HarnessError("Kamailio is gone:\n\(kamailio.log.suffix(3000))") }
            try operation.tick()
            if monotonicMilliseconds() >= nextSample {
                underLoad.append(try Sample(kamailio, Array(processes.keys)))
                nextSample = monotonicMilliseconds() + options.betweenSamples
            }
            usleep(20_000)
        }
        totals.add(try running.result())
        try rest()
    }

    /// Lets what was begun come to its end, and takes a sample.
    private func rest() throws {
        try waitUntil(40, every: 20) { try operation.tick(begins: false) }
        try waitUntil(20, every: 200) {
            try kamailio.transactions() == 0 && Set(operation.entries().compactMap { $0["url"] }) == operation.urls
        }
        // The connection of the last command is closed by then.
        usleep(300_000)
        atRest.append(try Sample(kamailio, Array(processes.keys)))
    }
}
