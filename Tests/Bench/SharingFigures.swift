// SPDX-License-Identifier: GPL-2.0-or-later
// What it costs that several Kamailios know each other's calls.

import Foundation
import TestSupport

/// Kamailios side by side with our module and one relay.
private struct Hosts {
    let relay: RelayProcess
    let kamailios: [KamailioProcess]

    /// `sharesCalls`: whether each tells the others of its calls; else they are strangers.
    init(_ module: Module, _ count: Int, sharesCalls: Bool) throws {
        relay = try RelayProcess(delayMicroseconds: 0)
        let (urls, ports) = (relay.urls(1), try (0..<count).map { _ in try FreePort.next() })
        kamailios = try (0..<count).map { host in
            var settings = KamailioSettings(relays: urls, workers: 1, allocator: "fm", waitsForOffer: false)
            settings.script = .blocking
            settings.sharedMegabytes = 256
            settings.fleet = Array(ports[host...] + ports[..<host])
            settings.sharesCalls = sharesCalls
            return try KamailioProcess(module: module.path, settings)
        }
        guard sharesCalls else { return }
        let kamailios = kamailios
        guard
            try waitUntil(30, every: 100, { try kamailios.allSatisfy { try $0.counters()["dmq_hosts"] == count - 1 } })
        else { throw HarnessError("the Kamailios do not find each other:\n\(kamailios[0].log.suffix(2000))") }
    }

    /// Processor time of all of them so far, in microseconds.
    func time() throws -> Double { try Double(kamailios.reduce(0) { try $0 + $1.processorTime() }) / 1000 }

    /// How many calls each knows.
    func known() throws -> [Int] { try kamailios.map { try $0.counters()["calls_remembered"] ?? 0 } }

    func stop() -> [String] {
        defer { relay.stop() }
        return kamailios.compactMap { $0.stop() }
    }
}

/// Bytes that have gone over the loopback interface so far, with the heads of IP and UDP.
private func loopbackBytes() throws -> Double {
    let text = try String(contentsOfFile: "/proc/self/net/dev", encoding: .utf8)
    let words = text.split(separator: "\n").map { $0.split(separator: " ") }.first { $0.first == "lo:" }
    guard let words, words.count > 1, let bytes = Double(words[1]) else {
        throw HarnessError("the kernel does not count the bytes of the loopback interface")
    }
    return bytes
}

/// What calls cost.
private struct Cost {
    /// Microseconds of processor time.
    var time = 0.0
    /// On the loopback interface.
    var bytes = 0.0
}

extension Session {
    /// Adds what a number of calls that begin at the first of some hosts have cost all of them.
    private func carry(
        _ calls: Int, perSecond: Int, _ hosts: Hosts, _ module: Module, isShared: Bool, _ cost: inout Cost
    ) throws {
        let bed = Bed(module: module, relay: hosts.relay, kamailio: hosts.kamailios[0])
        let wanted = try hosts.known()[0] + calls
        let (time, bytes) = (try hosts.time(), try loopbackBytes())
        check(try Load(kind: .call, calls: calls, perSecond: perSecond).run(bed.kamailio), bed)
        if isShared, try !waitUntil(20, every: 20, { try hosts.known() == [wanted, wanted, wanted] }) {
            flag("of \(wanted) calls the three know \(try hosts.known())", isFailure: true)
        }
        cost.time += try hosts.time() - time
        cost.bytes += try loopbackBytes() - bytes
    }

    /// What a call costs three hosts, strangers and sharing, in goes of each in turn, for each number of calls a second.
    fileprivate func costs(_ calls: Int, perSecond rates: [Int], _ module: Module) throws -> [(
        alone: Cost, sharing: Cost
    )] {
        let goes = 4
        let (strangers, friends) = (try Hosts(module, 3, sharesCalls: false), try Hosts(module, 3, sharesCalls: true))
        defer {
            for fault in strangers.stop() + friends.stop() { flag("\(module.name): \(fault)", isFailure: true) }
        }
        var warm = Cost()
        try carry(200, perSecond: 1000, strangers, module, isShared: false, &warm)
        try carry(200, perSecond: 1000, friends, module, isShared: true, &warm)
        return try rates.map { rate in
            var (alone, sharing) = (Cost(), Cost())
            for _ in 0..<goes {
                try carry(calls / goes, perSecond: rate, strangers, module, isShared: false, &alone)
                try carry(calls / goes, perSecond: rate, friends, module, isShared: true, &sharing)
            }
            let all = Double(calls / goes * goes)
            return (
                Cost(time: alone.time / all, bytes: alone.bytes / all),
                Cost(time: sharing.time / all, bytes: sharing.bytes / all)
            )
        }
    }
}

extension Figure {
    static let sharing = Figure(
        name: "sharing", title: "calls that begin at one of three Kamailios, and what the two others are told",
        isOnOneCore: true,
        parameters: {
            "1 worker each, \($0.size(8000, quick: 400)) calls per run and rate, no more a second than it says; a call is "
                + "INVITE, offer, 200 by t_reply(), ACK; all three Kamailios counted, and all bytes on the loopback interface"
        }
    ) { session in
        guard let module = session.modules.last else { return [] }
        let rates = [1000, 4000]
        var rows = rates.map { rate in
            [
                Row("\(rate)/s: processor time of a call", "us"), Row("the same, rtpproxy_dmq", "us"),
                Row("what that adds", "us"), Row("bytes of a call, SIP and control protocol", ""),
                Row("the same, rtpproxy_dmq", ""), Row("what that adds", ""),
            ]
        }
        for _ in 0..<session.options.runs {
            let costs = try session.costs(session.size(8000, quick: 400), perSecond: rates, module)
            for (index, (alone, sharing)) in costs.enumerated() {
                let values = [
                    alone.time, sharing.time, sharing.time - alone.time, alone.bytes, sharing.bytes,
                    sharing.bytes - alone.bytes,
                ]
                for (row, value) in values.enumerated() { rows[index][row].add(value, module) }
            }
        }
        return rows.flatMap { $0 }
    }
}
