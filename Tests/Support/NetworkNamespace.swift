// SPDX-License-Identifier: GPL-2.0-or-later
// Networks of a test's own: two network namespaces with a cable between them.

import Foundation
import Namespaces

/// A network namespace with a loopback interface. It ends with its owner, or with the test process.
public final class NetworkNamespace: Sendable {
    /// Keeps it alive, and gives it a name in /proc.
    private let holder: ChildProcess
    private let descriptor: Int32

    public init() throws {
        holder = try ChildProcess(
            "unshare", ["--net", "sh", "-c", "ip link set lo up && echo ready && exec sleep 3600"])
        let holder = holder
        waitUntil(10) { !holder.isRunning || holder.output.contains("ready") }
        let opened = open("/proc/\(holder.pid)/ns/net", O_RDONLY | O_CLOEXEC)
        guard holder.output.contains("ready"), opened >= 0 else {
            if opened >= 0 { close(opened) }
            throw HarnessError("no network namespace: \(holder.output)")
        }
        descriptor = opened
    }

    deinit { close(descriptor) }

    /// A process in it, by which others find it.
    public var processID: pid_t { holder.pid }

    /// Runs `body` with this thread in the namespace: there are the sockets that it opens, and the programs and threads
    /// that it starts.
    public func inside<R>(_ body: () throws -> R) throws -> R {
        let home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        guard home >= 0 else { throw HarnessError.system("/proc/thread-self/ns/net") }
        defer { close(home) }
        guard namespaces_enter(descriptor) == 0 else { throw HarnessError.system("setns") }
        defer {
            // Other tests run on this thread.
            guard namespaces_enter(home) == 0 else { fatalError("this thread does not get home") }
        }
        return try body()
    }

    /// Runs a shell script in it, which must succeed, and returns what that prints.
    @discardableResult
    public func run(_ script: String) throws -> String {
        let (end, output) = try inside { try ChildProcess.run("sh", ["-ec", script], within: 20) }
        guard end == .exited(0) else { throw HarnessError("\(script) ended with \(end): \(output)") }
        return output
    }
}

/// A cable between two namespaces: `near`, where Kamailio and the phones are, and `far`, where a relay is. Its ends are
/// the interfaces `cable` there and there.
public final class NetworkCable: Sendable {
    public let near: NetworkNamespace
    public let far: NetworkNamespace
    /// The addresses of the ends.
    public static let nearAddress = "10.77.0.1"
    public static let farAddress = "10.77.0.2"

    public init() throws {
        near = try NetworkNamespace()
        far = try NetworkNamespace()
        try near.run(
            """
            ip link add cable type veth peer name cable netns \(far.processID)
            ip addr add \(Self.nearAddress)/24 dev cable
            ip link set cable up
            """)
        try far.run("ip addr add \(Self.farAddress)/24 dev cable && ip link set cable up")
    }

    /// Whether this machine lets tests have such a thing.
    public static let isAvailable = (try? NetworkCable()) != nil
    public static let need: String = "needs network namespaces and veth (root, iproute2)"
    /// Whether its kernel can spoil what goes over a cable.
    public static let hasNetem = takes("netem loss 1%")
    /// Whether its kernel can make a cable slow.
    public static let hasTokenBucket = takes("tbf rate 1mbit burst 10kb limit 1mb")

    private static func takes(_ discipline: String) -> Bool {
        guard let cable = try? NetworkCable() else { return false }
        return withExtendedLifetime(cable) {
            (try? cable.near.run("tc qdisc add dev cable root \(discipline)")) != nil
        }
    }

    /// A relay at the far end.
    public func relay(
        _ transport: ScriptedRelay.Transport = .udp, at address: String = NetworkCable.farAddress
    ) throws -> ScriptedRelay {
        try far.inside { try ScriptedRelay(transport, at: Endpoint(address, FreePort.next())) }
    }

    /// The counter `name` of a protocol in /proc/net/snmp at the near end, such as SndbufErrors of Udp.
    public func counter(_ protocolName: String, _ name: String) throws -> Int {
        let rows = try near.run("cat /proc/net/snmp").split(separator: "\n").map { $0.split(separator: " ") }
            .filter { $0.first == "\(protocolName):" }
        guard rows.count == 2, let column = rows[0].firstIndex(of: Substring(name)), column < rows[1].count else {
            throw HarnessError("no \(name) of \(protocolName)")
        }
        return Int(rows[1][column]) ?? 0
    }
}
