// SPDX-License-Identifier: GPL-2.0-or-later
// Several Kamailios that share calls by the module dmq.

import Foundation
import Synchronization

/// Kamailios that run the stage's script and know of each other, with relays that all of them have.
public final class KamailioFleet: Sendable {
    private let configurations: [KamailioConfiguration]
    private let ports: [UInt16]
    private let networks: [NetworkNamespace?]
    private let running: Mutex<[Kamailio?]>
    private let chosen = Atomic(0)

    /// Host number `index` that runs.
    public subscript(index: Int) -> Kamailio {
        get throws {
            guard let kamailio = running.withLock({ $0[index] }) else {
                throw HarnessError("host \(index) is not there")
            }
            return kamailio
        }
    }

    /// Starts `count` of them. `sockets` gives what host number `index` has for rtpproxy_sock.
    public init(
        _ count: Int, sharing: Bool = true, addresses: [String]? = nil, networks: [NetworkNamespace]? = nil,
        _ change: (_ index: Int, inout KamailioConfiguration) -> Void
    ) throws {
        let ports = try (0..<count).map { _ in try FreePort.next() }
        self.ports = ports
        self.networks = networks ?? [NetworkNamespace?](repeating: nil, count: count)
        let places = addresses ?? [String](repeating: "127.0.0.1", count: count)
        configurations = try (0..<count).map { index in
            try Stage.configuration {
                $0.listensOnIPv6 = false
                $0.address = places[index]
                $0.modules.append("dmq")
                $0.parameters.append(("dmq", "server_address", "\"sip:\(places[index]):\(ports[index])\""))
                for other in 0..<count where other != index {
                    let address = "\"sip:\(places[other]):\(ports[other])\""
                    $0.parameters.append(("dmq", "notification_address", address))
                }
                $0.parameters.append(("dmq", "ping_interval", "5"))
                $0.routes = $0.routes.replacingOccurrences(
                    of: "request_route {",
                    with: "request_route {\n    if (is_method(\"KDMQ\")) { dmq_handle_message(); exit; }")
                $0.set("rtpproxy_dmq", sharing ? 1 : 0)
                change(index, &$0)
            }
        }
        running = Mutex([Kamailio?](repeating: nil, count: count))
        for index in 0..<count { try start(index) }
    }

    /// Starts host number `index`, which does not run.
    public func start(_ index: Int) throws {
        let make = { try Kamailio(self.configurations[index], port: self.ports[index]) }
        let kamailio = try networks[index]?.inside(make) ?? make()
        running.withLock { $0[index] = kamailio }
    }

    /// Ends a host at once, as a loss of power would.
    public func kill(_ index: Int) throws {
        let kamailio = try self[index]
        kamailio.process.signal(SIGKILL)
        Foundation.kill(-kamailio.process.pid, SIGKILL)
        kamailio.process.terminate(within: 5)
        running.withLock { $0[index] = nil }
    }

    /// Stops the processes of a host where they are, or lets them go on.
    public func freeze(_ index: Int, _ isFrozen: Bool) throws {
        Foundation.kill(-(try self[index].process.pid), isFrozen ? SIGSTOP : SIGCONT)
    }

    /// Waits until all relays are up everywhere, and each host has heard of the others.
    public func settle(_ relays: [ScriptedRelay]) throws {
        for index in ports.indices { try Stage.settle(try self[index], relays: relays, dead: 0) }
        guard try hear() else {
            throw HarnessError("the hosts do not hear each other:\n\(try self[0].log.suffix(3000))")
        }
    }

    /// Whether each host hears the others, after a while.
    public func hear(_ seconds: Double = 20) throws -> Bool {
        waitUntil(seconds, every: 50) {
            ports.indices.allSatisfy { (try? counter($0, "dmq_hosts")) == ports.count - 1 }
        }
    }

    /// A counter of host number `index`.
    public func counter(_ index: Int, _ name: String) throws -> Int {
        let text =
            try networks[index]?.inside { try self[index].kamcmd("stats.get_statistics", "rtpproxy:") }
            ?? self[index].kamcmd("stats.get_statistics", "rtpproxy:")
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: "=").map { $0.trimmingCharacters(in: .whitespaces) }
            if parts.count == 2, parts[0].hasSuffix(":\(name)") || parts[0] == name { return Int(parts[1]) ?? -1 }
        }
        throw HarnessError("no \(name) in \(text)")
    }

    /// Waits until the host knows so many calls.
    @discardableResult
    public func waitForCalls(_ index: Int, _ count: Int, seconds: Double = 10) -> Bool {
        waitUntil(seconds, every: 10) { (try? counter(index, "calls_remembered")) == count }
    }

    /// A call whose messages go through the host that was chosen last.
    public func call() throws -> Call {
        try Call(through: { _ in
            let index = self.chosen.load(ordering: .relaxed)
            return Endpoint(self.configurations[index].address, self.ports[index])
        })
    }

    /// The messages that are sent from here on go through host number `index`.
    public func choose(_ index: Int) { chosen.store(index, ordering: .relaxed) }

    /// Ends all of them, and throws where one does not end cleanly.
    public func stop() throws {
        let all = running.withLock { kamailios in
            defer { for index in kamailios.indices { kamailios[index] = nil } }
            return kamailios
        }
        for kamailio in all { try kamailio?.stop() }
    }

    /// Runs `body` with a fleet, and ends it.
    public static func with<R>(
        _ count: Int, sharing: Bool = true, relays: [ScriptedRelay],
        _ change: (_ index: Int, inout KamailioConfiguration) -> Void = { _, _ in }, _ body: (KamailioFleet) throws -> R
    ) throws -> R {
        let fleet = try KamailioFleet(count, sharing: sharing) { index, configuration in
            // The hosts do not agree on the choice: what one does not know it asks elsewhere.
            let order = index == 0 ? relays : relays.reversed()
            configuration.set("rtpproxy_sock", order.map(\.url).joined(separator: " "))
            change(index, &configuration)
        }
        let result: R
        do {
            if sharing { try fleet.settle(relays) }
            result = try body(fleet)
        } catch {
            try? fleet.stop()
            throw error
        }
        try fleet.stop()
        return result
    }
}
