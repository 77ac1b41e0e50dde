// SPDX-License-Identifier: GPL-2.0-or-later
// What is done to the relays all the while: restarts of their processes, and what an operator does with kamcmd.

import Foundation
import TestSupport

/// Disturbs a Kamailio's relays, one thing after the other, whenever `tick` is called.
final class Operator {
    /// An entry of the database: which relay of which process.
    private struct Slot {
        let process: Int
        var relay: Int
        var weight = 1
    }

    /// What is done with a slot, in this order.
    private enum Step: CaseIterable {
        case disable, look, enable, probe, drain, reload, undrain, replace
    }

    /// Where the restart of a process has got to.
    private enum Restart {
        case none
        case down(Int, until: Int)
        case comingBack(Int)
        case settling(Int, until: Int)
    }

    /// Entries come and go; so many addresses of a process take turns.
    static let addresses = 40

    private let options: SoakOptions
    private let relays: [RelayProcess]
    private let kamailio: KamailioProcess
    private let database: SoakDatabase
    private var slots: [Slot]
    private var slot = 0
    private var steps: [Step] = []
    private var nextStep = 0
    private var restart = Restart.none
    private var nextRestart: Int
    /// The process that is restarted next.
    private var target = 0

    private(set) var restarts = 0
    private(set) var done: [String: Int] = [:]
    /// What the commands have said that they must not say.
    private(set) var faults: [String] = []

    init(
        _ options: SoakOptions, _ relays: [RelayProcess], _ kamailio: KamailioProcess, _ database: SoakDatabase
    ) {
        self.options = options
        self.relays = relays
        self.kamailio = kamailio
        self.database = database
        slots = Self.slots
        nextRestart = monotonicMilliseconds() + options.betweenRestarts / 2
    }

    /// Two relays of each process.
    private static let slots = [(0, 0), (1, 0), (0, 1), (1, 1)].map { Slot(process: $0, relay: $1) }

    /// The URLs that the database begins with.
    static func urls(_ relays: [RelayProcess]) -> [String] { slots.map { relays[$0.process].url($0.relay) } }

    /// How many times something was done that calls at a relay may not survive.
    var disturbances: Int { restarts + (done["disable"] ?? 0) }

    /// Does what is due. Where nothing is to begin, only what undoes what was begun. Returns whether all is done.
    @discardableResult
    func tick(begins: Bool = true) throws -> Bool {
        let now = monotonicMilliseconds()
        try goOnWithRestart(now, begins: begins)
        if !begins {
            for step in steps where step == .enable || step == .undrain { try perform(step) }
            steps = []
            return isQuiet
        }
        guard now >= nextStep else { return false }
        if steps.isEmpty {
            // A process that is being restarted is left alone, so that never all relays are away.
            repeat { slot = (slot + 1) % slots.count } while slots[slot].process == processInRestart
            steps = Step.allCases
        }
        try perform(steps.removeFirst())
        nextStep = now + options.pace
        return false
    }

    private var isQuiet: Bool { if case .none = restart { true } else { false } }

    private var processInRestart: Int? {
        switch restart {
        case .none: nil
        case .down(let process, _), .comingBack(let process), .settling(let process, _): process
        }
    }

    private func goOnWithRestart(_ now: Int, begins: Bool) throws {
        switch restart {
        case .none:
            guard begins, now >= nextRestart else { return }
            // They take turns, except one that the operator works on.
            if !steps.isEmpty, slots[slot].process == target { target = (target + 1) % relays.count }
            nextRestart = now + options.betweenRestarts
            try excuse(target, true)
            try relays[target].end(by: restarts % 4 < 2 ? SIGTERM : SIGKILL)
            restarts += 1
            restart = .down(target, until: now + options.downtime)
        case .down(let process, let until) where now >= until:
            try relays[process].startAgain()
            try relays[process].lose(perMillion: options.lossPerMillion, seed: restarts + 2)
            restart = .comingBack(process)
        case .comingBack(let process):
            let urls = Set(slots.filter { $0.process == process }.map { relays[process].url($0.relay) })
            guard try entries().allSatisfy({ !urls.contains($0["url"] ?? "") || $0["disabled"] == "0" }) else { return }
            // Commands that were under way meanwhile are over then.
            restart = .settling(process, until: now + 2000)
        case .settling(let process, let until) where now >= until:
            try excuse(process, false)
            target = (target + 1) % relays.count
            restart = .none
        default: return
        }
    }

    private func excuse(_ process: Int, _ isExcused: Bool) throws {
        for relay in 0..<Self.addresses { try relays[process].excuse(relay, isExcused) }
    }

    private func perform(_ step: Step) throws {
        let process = slots[slot].process
        let url = relays[process].url(slots[slot].relay)
        done["\(step)", default: 0] += 1
        switch step {
        case .disable:
            try relays[process].excuse(slots[slot].relay, true)
            try expectSilence("rtpproxy.enable", url, "0")
        case .look:
            _ = try entries()
            for command in ["rtpproxy.stats", "rtpproxy.status"] {
                if try !kamailio.rpc(command).contains(url) { faults.append("\(command) does not know \(url)") }
            }
        case .enable:
            try expectSilence("rtpproxy.enable", url, "1")
            try relays[process].excuse(slots[slot].relay, false)
        case .probe:
            if try !kamailio.rpc("rtpproxy.probe").contains(url) { faults.append("rtpproxy.probe does not ask \(url)") }
        case .drain: try expectSilence("rtpproxy.drain", url, "1")
        case .undrain: try expectSilence("rtpproxy.drain", url, "0")
        case .reload:
            slots[slot].weight = slots[slot].weight % 5 + 1
            try database.run("UPDATE rtpproxy SET weight = \(slots[slot].weight) WHERE url = '\(url)'")
            try reload(added: 0)
        case .replace:
            // Entries of one process are an odd and an even one: they never meet.
            slots[slot].relay = (slots[slot].relay + 2) % Self.addresses
            let new = relays[process].url(slots[slot].relay)
            try database.run("UPDATE rtpproxy SET url = '\(new)' WHERE url = '\(url)'")
            try reload(added: 1)
        }
    }

    private func expectSilence(_ command: String, _ url: String, _ flag: String) throws {
        let said = try kamailio.rpc(command, url, flag).trimmingCharacters(in: .whitespacesAndNewlines)
        if !said.isEmpty { faults.append("\(command) \(url) \(flag): \(said)") }
    }

    private func reload(added: Int) throws {
        let said = try kamailio.rpc("rtpproxy.reload")
        for figure in ["added: \(added)", "refused: 0", "skipped: 0"] where !said.contains(figure) {
            faults.append("rtpproxy.reload: \(said.split(separator: "\n").joined(separator: " ")), not \(figure)")
        }
    }

    /// What rtpproxy.list says.
    func entries() throws -> [[String: String]] {
        var entries: [[String: String]] = []
        for line in try kamailio.rpc("rtpproxy.list").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            if line.hasPrefix("{") { entries.append([:]) }
            if parts.count == 2, !entries.isEmpty { entries[entries.count - 1][parts[0]] = parts[1] }
        }
        return entries
    }

    /// The URLs that the database has now.
    var urls: Set<String> { Set(slots.map { relays[$0.process].url($0.relay) }) }
}

/// The SQLite file that has the table of relays.
struct SoakDatabase {
    let path: String

    init(_ path: String, urls: [String]) throws {
        self.path = path
        let definition = "\(PackageFolder.root)/packaging/sql/sqlite/rtpproxy-create.sql"
        try run(".read \(definition)")
        for url in urls { try run("INSERT INTO rtpproxy (setid, url) VALUES ('0', '\(url)')") }
    }

    func run(_ sql: String) throws {
        let (end, output) = try ChildProcess.run("sqlite3", ["-bail", "-cmd", ".timeout 5000", path, sql])
        guard end == .exited(0) else { throw HarnessError("sqlite3: \(output)") }
    }
}
