// SPDX-License-Identifier: GPL-2.0-or-later
// Calls without a pause over stream connections: what a connection keeps while it is never idle must not grow.

import Foundation
import TestSupport

/// A Kamailio of its own, whose two relays are reached by `cunix:` and `tcp:`. Nothing disturbs it, so nothing may fail.
/// The connections of the asynchronous process are never idle (relay.c), whatever the load and the machine.
struct LinkPhase {
    let options: SoakOptions

    /// Carries the calls, and says what came of them.
    func run(_ findings: inout Findings) throws {
        let folder = try TemporaryFolder()
        let relay = try RelayProcess(
            sessions: RelayProcess.Sessions(
                file: folder.file("sessions"), milliseconds: options.timeToLive, path: folder.file("relay")))
        defer { relay.stop() }
        var settings = KamailioSettings(relays: relay.linkURLs, workers: 8)
        settings.script = .dialogs
        settings.sharedMegabytes = 512
        settings.waitsForOffer = false
        let installation = try KamailioInstallation.find()
        let kamailio = try KamailioProcess(module: RTPProxyModule.underTest.path(in: installation), settings)
        guard try waitUntil(20, every: 100, { try Sample.processes(kamailio).values.contains(Findings.lastName) })
        else { throw HarnessError("Kamailio does not come to rest") }
        let startUpLog = kamailio.log.count
        let processes = try Sample.processes(kamailio)

        var load = Load(kind: .dialog, inFlight: options.inFlight, patience: 25)
        load.seconds = options.linkSeconds
        let running = try load.start(kamailio)
        defer { running.process.terminate(within: 0) }
        var samples: [Sample] = []
        while running.process.isRunning {
            usleep(1_000_000)
            if running.process.isRunning { samples.append(try Sample(kamailio, Array(processes.keys))) }
        }
        let result = try running.result()
        waitUntil(20, every: 200) { (try? kamailio.transactions()) == 0 }

        print("    over cunix: and tcp:, \(Int(options.linkSeconds)) s without a pause")
        write(result, &findings)
        let tally = try relay.tally()
        findings.check(
            "sessions at the relays", "\(tally.made) made = \(tally.deleted) deleted; \(tally.left) left",
            tally.left == 0 && tally.made > 0 && tally.made == tally.deleted && tally.expired == 0)
        // The relay sees to it that what one connection of many calls keeps would stay there.
        let holds = try relay.holds()
        findings.check(
            "commands on connections never idle", "\(holds.kept), pauses \(holds.pauses)",
            holds.kept > result.sent && holds.pauses < 2 + holds.kept / 1000)
        let transactions = try kamailio.transactions()
        findings.check("transactions left", "\(transactions)", transactions == 0)
        findings.writeLog(
            String(kamailio.log.dropFirst(startUpLog)), cancelled: result.steps["to_cancel"] ?? 0)
        // The first third is the warm-up.
        let after = Array(samples.dropFirst(samples.count / 3))
        findings.check("samples", "\(after.count)", after.count >= 2 * Growth.samples(of: after.count))
        findings.writeGrowth(after, processes, [.anonymous, .descriptors])
        if let fault = kamailio.stop() { findings.check("Kamailio's end", fault, false) }
    }

    private func write(_ result: LoadResult, _ findings: inout Findings) {
        func count(_ name: String) -> Int { result.steps[name] ?? 0 }
        findings.check(
            "calls",
            "\(result.sent), \(Int(Double(result.sent) / options.linkSeconds))/s, wrong \(result.wrong), "
                + "where something failed \(result.refused), hanging \(result.lost)",
            result.sent > 0 && result.right == result.sent)
        for line in result.hanging.prefix(10) { print("      \(line)") }
        findings.check(
            "of which diverted, refused, cancelled",
            "\(count("diverted")), \(count("reinvites_refused")), \(count("cancelled")) of \(count("to_cancel"))",
            count("diverted") > 0 && count("reinvites_refused") > 0 && count("cancelled") > 0
                && count("cancelled") == count("to_cancel"))
        findings.checkTimer(count("left_to_timer"), of: count("to_cancel"))
    }
}
