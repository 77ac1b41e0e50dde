// SPDX-License-Identifier: GPL-2.0-or-later
// One Kamailio with scripted relays, shared by all tests that need nothing special.

import Foundation

/// A Kamailio that runs Tests/Fixtures/kamailio/stage.cfg, and its relays by set:
/// 0 and 1 over udp, 6 over udp6, 9 over a unix socket, 20 without codec lists and repacketization, 66 nobody there.
public final class Stage: Sendable {
    public let kamailio: Kamailio
    /// The relays by their set.
    public let relays: [Int: ScriptedRelay]
    /// The URL of set 66, where nothing listens.
    public let deadURL: String

    /// The relay of set 0.
    public var relay: ScriptedRelay { relays[0] ?? relays[relays.startIndex].value }

    private static let common = Result { try Stage() }

    /// The stage that all tests share. A relay of it must not be kept silent: that would disable it for everyone.
    /// Rules are given per call: `stage.relay.on(call: call.id) { ... }`.
    public static func shared() throws -> Stage {
        let stage = try common.get()
        guard stage.kamailio.process.isRunning else {
            throw HarnessError("the shared Kamailio died: \(stage.kamailio.log.suffix(3000))")
        }
        return stage
    }

    /// The configuration of a stage without its relays, for a test that starts a Kamailio of its own.
    public static func configuration(
        _ change: (inout KamailioConfiguration) -> Void = { _ in }
    ) throws -> KamailioConfiguration {
        var configuration = KamailioConfiguration(routes: try PackageFolder.fixture("kamailio/stage.cfg"))
        configuration.set("extra_id_pv", "$avp(extra)")
        configuration.set("rtp_inst_pvar", "$avp(instance)")
        change(&configuration)
        return configuration
    }

    private init() throws {
        let old = ScriptedRelay.allCapabilities.subtracting(["20071116", "20081102"])
        relays = [
            0: try ScriptedRelay(.udp), 1: try ScriptedRelay(.udp), 6: try ScriptedRelay(.udp6),
            9: try ScriptedRelay(.unix), 20: try ScriptedRelay(.udp, capabilities: old),
        ]
        deadURL = "udp:127.0.0.1:\(try FreePort.next())"
        let lines = relays.sorted { $0.key < $1.key }.map { "\($0.key) == \($0.value.url)" } + ["66 == \(deadURL)"]
        kamailio = try Kamailio(Stage.configuration { for line in lines { $0.set("rtpproxy_sock", line) } })
        try Stage.settle(kamailio, relays: Array(relays.values), dead: 1)
    }

    /// Waits until the relays were probed and the dead ones found out.
    static func settle(_ kamailio: Kamailio, relays: [ScriptedRelay], dead: Int) throws {
        let settled =
            try kamailio.waitUntilUp(relays)
            && waitUntil(15, every: 20) { try kamailio.relays().filter { $0["disabled"] == "1" }.count == dead }
        guard settled else { throw HarnessError("the relays were not all probed:\n\(kamailio.log.suffix(3000))") }
        // On a slow machine questions were repeated: what is left of them comes and is answered first.
        guard relays.contains(where: { $0.hasBeenAskedTwice }) else { return }
        var before: [Int] = []
        waitUntil(5, every: 200) {
            let now = relays.map { $0.log.count }
            defer { before = now }
            return now == before
        }
    }

    /// Runs `body` with a Kamailio of its own whose set 0 are `relays`; afterwards it must end cleanly.
    public static func own<R>(
        _ relays: [ScriptedRelay], settled: Bool = true, _ change: (inout KamailioConfiguration) -> Void = { _ in },
        _ body: (Kamailio) throws -> R
    ) throws -> R {
        let configuration = try Stage.configuration {
            if !relays.isEmpty { $0.set("rtpproxy_sock", relays.map(\.url).joined(separator: " ")) }
            change(&$0)
        }
        return try Kamailio.with(configuration) { kamailio in
            if settled { try settle(kamailio, relays: relays, dead: 0) }
            return try body(kamailio)
        }
    }

    /// A call with user agents of its own.
    public func call(_ family: Family = .ipv4, calleeFamily: Family? = nil) throws -> Call {
        try kamailio.call(family, calleeFamily: calleeFamily)
    }
}

extension Kamailio {
    /// A call through this Kamailio, with user agents of its own.
    public func call(_ family: Family = .ipv4, calleeFamily: Family? = nil) throws -> Call {
        try Call(through: { self.endpoint($0) }, family: family, calleeFamily: calleeFamily)
    }

    /// Another call between the user agents of one: their ports are few.
    public func call(between call: Call) throws -> Call {
        try Call(through: { self.endpoint($0) }, caller: call.caller, callee: call.callee)
    }

    /// What the stage's script logged for a call: `offer 1`, in order. Waits until there are `count` of them.
    public func ran(_ callID: String, count: Int = 1) -> [String] {
        var found: [String] = []
        waitUntil(3, every: 15) {
            found = logLines("ran ", callID).compactMap { line in
                line.range(of: "ran ").map { String(line[$0.upperBound...]) }?
                    .replacingOccurrences(of: " \(callID)", with: "")
            }
            return found.count >= count
        }
        return found
    }
}
