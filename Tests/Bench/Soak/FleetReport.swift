// SPDX-License-Identifier: GPL-2.0-or-later
// The figures of a soak of several Kamailios, a line each, and whether they are as they must be.

import Foundation
import TestSupport

/// Prints line after line; what is not as it must be is flagged.
struct FleetReport {
    private let soak: FleetSoak
    private(set) var findings = Findings()

    init(_ soak: FleetSoak) { self.soak = soak }

    mutating func write() throws {
        print("")
        let counters = try soak.kamailios.map { try $0.counters() }
        writeCalls()
        try writeSessions()
        try writeHosts(counters)
        writeSharing(counters)
        for host in soak.kamailios.indices {
            print("    host \(host)")
            findings.writeLog(soak.log(host), cancelled: total("to_cancel"))
        }
        writeGrowth()
        fflush(nil)
    }

    private func total(_ name: String) -> Int { soak.totals[name] }

    /// What restarts may cost: the calls that are under way at one relay.
    private var excused: Int { soak.restarts * soak.options.inFlight / soak.relays.count }
    /// Sessions that may be left at a relay that was there: of calls that went on at another one, because a host did
    /// not know yet that theirs was back.
    private var excusedSessions: Int { 2 + soak.restarts * soak.options.inFlight / 10 }

    private mutating func writeCalls() {
        findings.writeCalls(soak.totals, soak.options, seconds: soak.seconds)
        findings.check(
            "calls where something failed",
            "\(total("refused")): \(total("not_offered")) offers, \(total("not_answered")) answers, "
                + "\(total("not_asked")) statistics, \(total("not_deleted")) deletions; at most \(excused) in "
                + "\(soak.restarts) restarts", total("refused") <= excused && soak.restarts > 0)
        findings.check(
            "SDP of another relay than before", "\(total("moved")); at most \(excused)", total("moved") <= excused)
        findings.check(
            "done",
            "\(total("offered")) offers, \(total("answered")) answers, \(total("asked")) statistics, "
                + "\(total("deleted")) deletions", total("answered") > 0 && total("asked") > 0)
        findings.check(
            "calls diverted, re-INVITEs refused", "\(total("diverted")), \(total("reinvites_refused"))",
            total("diverted") > 0 && total("reinvites_refused") > 0)
        findings.check(
            "calls cancelled", "\(total("cancelled")) of \(total("to_cancel"))",
            total("cancelled") > 0 && total("to_cancel") - total("cancelled") <= total("not_offered"))
        findings.checkTimer(total("left_to_timer"), of: total("to_cancel"))
    }

    private mutating func writeSessions() throws {
        let sessions = try soak.relays.map { try $0.allSessions() }
        let gone = soak.relays.reduce(0) { $0 + $1.gone }
        let (made, timedOut) = sessions.reduce((0, 0)) { ($0.0 + $1.made, $0.1 + $1.timedOut) }
        let left = try soak.relays.reduce(0) { try $0 + $1.sessions().left }
        findings.check(
            "sessions at the relays",
            "\(sessions.map { String($0.made) }.joined(separator: " + ")) made; \(gone) gone with a restart; "
                + "\(soak.left.sessions) left after a round", made > 0)
        findings.check(
            "sessions left where the relay was there", "\(left), and \(timedOut) timed out; at most \(excusedSessions)",
            left + timedOut <= excusedSessions)
    }

    private mutating func writeHosts(_ counters: [[String: Int]]) throws {
        let transactions = try soak.kamailios.map { try $0.transactions() }
        findings.check(
            "transactions left", "\(transactions), dmq's own",
            transactions.allSatisfy { $0 <= soak.ownTransactions })
        for name in ["calls_remembered", "async_under_way", "calls_forgotten", "async_refused"] {
            let values = counters.map { $0[name] ?? -1 }
            findings.check(name, "\(values)", values.allSatisfy { $0 == 0 })
        }
        findings.check("calls left after any round", "\(soak.left.calls)", soak.left.calls == 0)
        for (host, kamailio) in soak.kamailios.enumerated() {
            let now = try Sample.processes(kamailio)
            findings.check("processes of host \(host)", "\(now.count), as at the start", now == soak.processes[host])
        }
    }

    private mutating func writeSharing(_ counters: [[String: Int]]) {
        func values(_ name: String) -> [Int] { counters.map { $0[name] ?? -1 } }
        func sum(_ name: String) -> Int { values(name).reduce(0, +) }
        let (sent, received) = (sum("dmq_sent"), sum("dmq_received"))
        // Each call begins and ends, or has ended when it is told; it may be moved and, where another host works on it
        // before it has heard of it, begin twice. Each change is news for the others, or a later one is.
        let calls = total("sent")
        findings.check("changes of calls sent", "\(values("dmq_sent"))", sent >= calls && sent <= 6 * calls)
        findings.check(
            "received", "\(values("dmq_received"))", received >= sent && received <= sent * (counters.count - 1))
        for name in ["dmq_refused", "dmq_lost"] {
            findings.check(name, "\(values(name))", values(name).allSatisfy { $0 == 0 })
        }
        findings.check(
            "other hosts there", "\(values("dmq_hosts")), asked for what was missed \(values("dmq_asked"))",
            values("dmq_hosts").allSatisfy { $0 == counters.count - 1 })
        findings.check(
            "restarts noticed", "\(values("node_restarts")) of \(soak.restarts)",
            values("node_restarts").allSatisfy { $0 > 0 && $0 <= soak.restarts })
        findings.check(
            "commands", "\(values("commands_sent")) sent, \(values("commands_answered")) answered",
            zip(values("commands_sent"), values("commands_answered")).allSatisfy { $1 > 0 && $1 <= $0 })
    }

    private mutating func writeGrowth() {
        for (host, atRest) in soak.atRest.enumerated() {
            let after = Array(atRest.dropFirst(soak.options.warmUp))
            let some = Growth.samples(of: after.count)
            guard after.count >= 2 * some else { return findings.check("rounds", "too few to compare", false) }
            print(
                "    host \(host) at rest, after \(soak.options.warmUp) rounds and at the end (medians of \(some) "
                    + "samples)")
            findings.check(
                "resident in all, shared memory once", Findings.megabytes(atRest.map(\.resident)), true)
            findings.writeGrowth(
                after, soak.processes[host], Quantity.allCases, underLoad: soak.underLoad[host], all: atRest)
        }
    }
}
