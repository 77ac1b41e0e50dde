// SPDX-License-Identifier: GPL-2.0-or-later
// The figures of a soak, a line each, and whether they are as they must be.

import Foundation
import TestSupport

/// Prints line after line; what is not as it must be is flagged.
struct SoakReport {
    private let soak: Soak
    private(set) var findings = Findings()

    init(_ soak: Soak) { self.soak = soak }

    mutating func write() throws {
        let tally = try soak.relays.map { try $0.tally() }.reduce(SessionTally(), +)
        let counters = try soak.kamailio.counters()
        print("")
        writeCalls()
        writeSessions(tally, counters)
        try writeKamailio(tally, counters)
        findings.writeLog(soak.log, cancelled: total("to_cancel"))
        try writeGrowth()
        fflush(nil)
    }

    private func total(_ name: String) -> Int { soak.totals[name] }

    private mutating func writeCalls() {
        findings.writeCalls(soak.totals, soak.options, seconds: soak.seconds)
        // A restart or a disabled relay may cost what is under way at it, and nothing else may fail.
        let silences = SoakLog.kinds(soak.log)["relay does not answer"]?.count ?? 0
        let most = (soak.operation.disturbances + silences) * soak.options.inFlight
        findings.check(
            "calls where something failed",
            "\(total("refused")): \(total("not_offered")) offers, \(total("not_answered")) answers, "
                + "\(total("not_asked")) statistics, \(total("not_deleted")) deletions; at most \(most)",
            total("refused") <= most)
        // An answer that the callee has sent again is worked on again.
        let without = SoakLog.kinds(soak.log)["no session for an answer"]?.count ?? 0
        findings.check(
            "answers without a session, as logged",
            "\(without), as arrived \(total("not_answered")), "
                + "sent again \(total("repeated"))",
            without >= total("not_answered") && without <= total("not_answered") + total("repeated"))
        findings.check(
            "done",
            "\(total("offered")) offers, \(total("answered")) answers, \(total("asked")) statistics, "
                + "\(total("deleted")) deletions", total("offered") > 0)
        findings.check(
            "calls diverted, re-INVITEs refused", "\(total("diverted")), \(total("reinvites_refused"))",
            total("diverted") > 0 && total("reinvites_refused") > 0)
        let (toCancel, cancelled) = (total("to_cancel"), total("cancelled"))
        findings.check(
            "calls cancelled", "\(cancelled) of \(toCancel), the others had no relay",
            toCancel > 0 && cancelled <= toCancel && toCancel - cancelled <= total("not_offered"))
        findings.checkTimer(total("left_to_timer"), of: toCancel)
        // Where the callee's answer has been sent again, it is worked on again.
        let logged = SoakLog.kinds(soak.log)[SoakLog.idle]?.count ?? 0
        findings.check(
            "streams that have idled, refused alone", "\(total("streams_refused")), logged \(logged)",
            total("streams_refused") > 0 && logged >= total("streams_refused")
                && logged <= total("streams_refused") + total("repeated"))
        let done = soak.operation.done.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
        findings.check("meanwhile", "\(soak.operation.restarts) restarts, " + done.joined(separator: ", "), true)
        findings.check("commands answered wrongly", "\(soak.operation.faults.count)", soak.operation.faults.isEmpty)
        for fault in soak.operation.faults.prefix(10) { print("      \(fault)") }
    }

    private mutating func writeSessions(_ tally: SessionTally, _ counters: [String: Int]) {
        findings.check(
            "sessions at the relays",
            "\(tally.made) made = \(tally.deleted) deleted + \(tally.expired) expired + "
                + "\(tally.gone) gone with a restart; \(tally.left) left",
            tally.left == 0 && tally.made == tally.deleted + tally.expired + tally.gone && tally.made > 0)
        // The deletion of a session that an offer has not waited for is sent once and may be lost. Where a busy machine
        // has let a relay be silent for so long that it was disabled, the calls at it were deleted elsewhere.
        let silences = SoakLog.kinds(soak.log)["relay does not answer"]?.count ?? 0
        let most = max(10, tally.made / 10_000) + silences * soak.options.inFlight
        findings.check(
            "expired at a relay that was there", "\(tally.unexcused), at most \(most)", tally.unexcused <= most)
        // What is cancelled may have had its session, one or, diverted, two, and never reach the callee.
        let (created, mayBeMore) = (counters["sessions_created"] ?? -1, 2 * total("to_cancel"))
        findings.check(
            "sessions_created", "\(created), of which have arrived \(total("begun"))",
            created >= total("begun") && created <= total("begun") + mayBeMore)
        let deleted = counters["sessions_deleted"] ?? -1
        findings.check(
            "sessions_deleted", "\(deleted), no more than the relays have deleted",
            deleted > 0 && deleted <= tally.deleted)
        let rewritten = total("offered") + total("answered")
        let bodies = counters["bodies_rewritten"] ?? -1
        findings.check(
            "bodies_rewritten",
            "\(bodies), of which have arrived \(rewritten); answers sent again \(total("repeated"))",
            bodies >= rewritten && bodies <= rewritten + total("repeated") + mayBeMore)
    }

    private mutating func writeKamailio(_ tally: SessionTally, _ counters: [String: Int]) throws {
        let sent = counters["commands_sent"] ?? -1
        let answered = counters["commands_answered"] ?? -1
        findings.check(
            "commands_sent", "\(sent); \(tally.commands) have come, the others were for a relay that was away",
            sent >= tally.commands && sent - tally.commands <= soak.operation.restarts * soak.options.inFlight)
        findings.check(
            "commands_answered",
            "\(answered), timed out \(counters["commands_timed_out"] ?? -1), "
                + "failovers \(counters["failovers"] ?? -1), hedges \(counters["hedges"] ?? -1)",
            answered > 0 && answered <= sent)
        let kinds = SoakLog.kinds(soak.log)
        let failures = (kinds["relay not there"]?.count ?? 0) + (kinds["relay does not answer"]?.count ?? 0)
        findings.check(
            "node_failures", "\(counters["node_failures"] ?? -1), logged \(failures)",
            counters["node_failures"] == failures && failures >= soak.operation.restarts)
        let noticed = counters["node_restarts"] ?? -1
        findings.check(
            "node_restarts", "\(noticed), of relays in \(soak.operation.restarts) restarted processes",
            noticed > 0 && noticed <= soak.operation.urls.count * soak.operation.restarts)
        let again = counters["retransmissions"] ?? -1
        findings.check("retransmissions", "\(again); the relays have seen \(tally.repeated)", again >= tally.repeated)
        let transactions = try soak.kamailio.transactions()
        findings.check("transactions left", "\(transactions)", transactions == 0)
        for name in ["calls_remembered", "async_under_way", "calls_forgotten", "async_refused"] {
            findings.check(name, "\(counters[name] ?? -1)", counters[name] == 0)
        }
        let urls = try soak.operation.entries().compactMap { $0["url"] }
        findings.check(
            "entries", "\(urls.count)", Set(urls) == soak.operation.urls && urls.count == soak.operation.urls.count)
        let now = try Sample.processes(soak.kamailio)
        findings.check("processes", "\(now.count), the same as at the start", now == soak.processes)
    }

    private mutating func writeGrowth() throws {
        let after = Array(soak.atRest.dropFirst(soak.options.warmUp))
        let some = Growth.samples(of: after.count)
        guard after.count >= 2 * some else { return findings.check("rounds", "too few to compare", false) }
        print("    at rest, after \(soak.options.warmUp) rounds and at the end (medians of \(some) samples)")
        findings.check("resident in all, shared memory once", Findings.megabytes(soak.atRest.map(\.resident)), true)
        findings.writeGrowth(
            after, soak.processes, Quantity.allCases, underLoad: soak.underLoad, all: soak.atRest)
    }
}
