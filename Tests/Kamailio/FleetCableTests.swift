// SPDX-License-Identifier: GPL-2.0-or-later
// The configuration of the documentation on three hosts, each in a network of its own with a real RTPProxy, and a phone's
// network between them.

import Foundation
import TestSupport
import Testing

/// Three hosts and what connects them: the phones' network has a bridge to which each host has a cable.
private final class FleetCables {
    let phones: NetworkNamespace
    let hosts: [NetworkNamespace]
    private(set) var relays: [RealRelay] = []
    private var kamailios: [Kamailio?] = [nil, nil, nil]
    private let text: String

    static func address(_ host: Int) -> String { "192.0.2.\(host + 1)" }

    init() throws {
        phones = try NetworkNamespace()
        hosts = try (0..<3).map { _ in try NetworkNamespace() }
        text = try PackageFolder.fixture("readme/several-kamailios.kamailio")
        try phones.run(
            """
            ip link add bridge type bridge
            ip addr add 192.0.2.100/24 dev bridge
            ip addr add 10.0.0.100/24 dev bridge
            ip link set bridge up
            """)
        for (number, host) in hosts.enumerated() {
            try phones.run(
                """
                ip link add host\(number) type veth peer name cable netns \(host.processID)
                ip link set host\(number) master bridge up
                """)
            try host.run(
                """
                ip addr add \(Self.address(number))/24 dev cable
                ip addr add 10.0.0.\(number + 1)/24 dev cable
                ip link set cable up
                """)
        }
        for (number, host) in hosts.enumerated() {
            let address = "10.0.0.\(number + 1)"
            relays.append(
                try host.inside { try RealRelay(address, options: ["-s", "udp:\(address):22222"], port: 22_223) })
        }
        for host in 0..<3 { try start(host) }
    }

    subscript(host: Int) -> Kamailio {
        get throws {
            guard let kamailio = kamailios[host] else { throw HarnessError("host \(host) is not there") }
            return kamailio
        }
    }

    func start(_ host: Int) throws {
        var own = text
        // The first of the file is this one, and it is in the place of the first.
        own = own.replacingOccurrences(of: "192.0.2.1:", with: "SELF:")
        own = own.replacingOccurrences(of: "\(Self.address(host)):", with: "192.0.2.1:")
        own = own.replacingOccurrences(of: "SELF:", with: "\(Self.address(host)):")
        var configuration = KamailioConfiguration(complete: own)
        configuration.listensAsWritten = true
        kamailios[host] = try hosts[host].inside { try Kamailio(configuration, port: 5060) }
    }

    func kill(_ host: Int) throws {
        let kamailio = try self[host]
        Foundation.kill(-kamailio.process.pid, SIGKILL)
        kamailio.process.terminate(within: 5)
        kamailios[host] = nil
    }

    /// Whether two hosts reach each other; both reach the phones and the RTPProxies.
    func connect(_ one: Int, _ other: Int, _ isConnected: Bool) throws {
        for (host, far) in [(one, other), (other, one)] {
            try hosts[host].run("ip route \(isConnected ? "del" : "add") blackhole \(Self.address(far))/32")
        }
    }

    func counter(_ host: Int, _ name: String) -> Int? {
        guard let text = try? self[host].kamcmd("stats.get_statistics", "rtpproxy:") else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("rtpproxy:\(name) = ") {
            return Int(line.split(separator: " ").last ?? "")
        }
        return nil
    }

    func waits(_ name: String, _ value: Int, _ hosts: [Int] = [0, 1, 2]) -> Bool {
        waitUntil(20, every: 20) { hosts.allSatisfy { counter($0, name) == value } }
    }

    /// A call whose messages go to the host that `host` says.
    func call(_ host: @escaping () -> Int) throws -> Call {
        let (caller, callee) = try phones.inside {
            (try UserAgent("alice", address: "192.0.2.100"), try UserAgent("bob", address: "192.0.2.100"))
        }
        return try Call(through: { _ in Endpoint(Self.address(host()), 5060) }, caller: caller, callee: callee)
    }

    /// Sessions of one of the RTPProxies.
    func sessions(_ relay: Int) throws -> Int {
        let answer = try hosts[relay].inside { try relays[relay].command("G nsess_created nsess_destroyed") }
        let numbers = answer.split(whereSeparator: { !$0.isNumber }).compactMap { Int($0) }
        guard numbers.count == 2 else { throw HarnessError("sessions: \(answer)") }
        return numbers[0] - numbers[1]
    }

    /// Commands that the hosts sent.
    func commands() -> Int { (0..<3).reduce(0) { $0 + (counter($1, "commands_sent") ?? 0) } }

    func stop() throws {
        defer { for relay in relays { relay.stop() } }
        for host in 0..<3 { try kamailios[host]?.stop() }
    }
}

@Suite(.enabled(if: NetworkCable.isAvailable, "\(NetworkCable.need)")) struct FleetCableTests {
    private func with(_ body: (FleetCables) throws -> Void) throws {
        let cables = try FleetCables()
        do {
            try #require(cables.waits("dmq_hosts", 2) && cables.waits("nodes_up", 3))
            try body(cables)
        } catch {
            try? cables.stop()
            throw error
        }
        try cables.stop()
    }

    /// Places a call, and returns where the callee is to send.
    @discardableResult
    private func place(_ call: Call) throws -> Endpoint {
        let invite = try call.invite()
        #expect(invite.text.contains("c=IN IP4 10.0.0."))
        let answer = try call.reply(to: invite, sdp: SDPText.audio())
        #expect(answer.text.contains("c=IN IP4 10.0.0."))
        try call.ack()
        return try SDPText.mediaAddress(of: invite.text)
    }

    @Test func aCallGoesRoundThreeHosts() throws {
        try with { cables in
            var host = 0
            let call = try cables.call { host }
            let media = try place(call)
            #expect(cables.waits("calls_remembered", 1))
            #expect(try (0..<3).map { try cables.sessions($0) }.sorted() == [0, 0, 1])
            let before = cables.commands()
            host = 1
            let again = try call.invite(inDialog: true)
            #expect(try SDPText.mediaAddress(of: again.text) == media)
            try call.reply(to: again, sdp: SDPText.audio())
            try call.ack()
            host = 2
            try call.bye()
            // Offer, answer, deletion: nobody asked around.
            #expect(waitUntil { cables.commands() == before + 3 }, "\(cables.commands() - before)")
            #expect(cables.waits("calls_remembered", 0))
            #expect(try (0..<3).map { try cables.sessions($0) } == [0, 0, 0])
        }
    }

    /// In the middle of calls one host dies, and is back; two others do not hear each other for a while.
    @Test func callsOutliveAHostAndACutBetweenHosts() throws {
        try with { cables in
            var host = 0
            var calls: [Call] = []
            func begin(_ count: Int) throws {
                for number in 0..<count {
                    host = number % 3
                    if (try? cables[host]) == nil { host = 0 }
                    let call = try cables.call { host }
                    try place(call)
                    calls.append(call)
                }
            }
            try begin(9)
            // What a host has not told anybody dies with it.
            #expect(cables.waits("calls_remembered", 9))
            try cables.kill(1)
            try begin(4)
            try cables.start(1)
            #expect(cables.waits("calls_remembered", 13))
            try cables.connect(0, 2, false)
            try begin(6)
            sleep(2)
            #expect(cables.waits("calls_remembered", 19, [1]))
            try cables.connect(0, 2, true)
            #expect(cables.waits("calls_remembered", 19))
            let before = cables.commands()
            for (number, call) in calls.enumerated() {
                host = number % 3
                try call.bye()
            }
            #expect(waitUntil { cables.commands() == before + 19 }, "\(cables.commands() - before)")
            #expect(cables.waits("calls_remembered", 0))
            #expect(try (0..<3).map { try cables.sessions($0) } == [0, 0, 0])
        }
    }
}
