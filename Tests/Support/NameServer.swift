// SPDX-License-Identifier: GPL-2.0-or-later
// A name server of a test's own, which answers or hangs as the test says.

import Foundation
import Synchronization

/// Listens at port 53 of a loopback address, and knows the IPv4 addresses of some names. What it does not know does not
/// exist; while it hangs it answers nothing at all.
public final class NameServer: Sendable {
    private struct State {
        var names: [String: [String]] = [:]
        var hangs = false
        var queries: [String] = []
        var isStopped = false
    }

    private let state = Mutex(State())
    private let socket: UDPSocket

    /// Where it listens.
    public static let address = "127.0.0.53"
    /// What a program has to see as /etc/resolv.conf to ask it: it is patient for four seconds.
    public static let resolverConfiguration = "nameserver \(address)\noptions timeout:2 attempts:2\n"
    /// Whether this machine lets tests have one.
    public static let isAvailable = Kamailio.canHaveHosts && (try? NameServer()) != nil

    public init() throws {
        // The thread of one before may hold the port for some milliseconds more.
        var opened: UDPSocket?
        waitUntil(1) {
            opened = try? UDPSocket(at: Endpoint(Self.address, 53))
            return opened != nil
        }
        socket = try opened ?? UDPSocket(at: Endpoint(Self.address, 53))
        let thread = Thread { [weak self] in
            while let server = self, !server.state.withLock({ $0.isStopped }) { server.serve() }
        }
        thread.start()
    }

    deinit { state.withLock { $0.isStopped = true } }

    /// From now on `name` has these addresses.
    public func set(_ name: String, _ addresses: [String]) { state.withLock { $0.names[name] = addresses } }

    /// From now on it answers nothing, or answers again.
    public func hang(_ hangs: Bool = true) { state.withLock { $0.hangs = hangs } }

    /// The names that it was asked for, in order.
    public var queries: [String] { state.withLock { $0.queries } }

    private func serve() {
        guard let (query, from) = socket.receive(50), query.count > 12 else { return }
        // RFC 1035 section 4.1: a header of 12 bytes, and the question: labels, type and class.
        var (place, labels) = (12, [String]())
        while place < query.count, query[place] > 0 {
            let end = place + 1 + Int(query[place])
            guard end <= query.count else { return }
            labels.append(String(decoding: query[(place + 1)..<end], as: UTF8.self))
            place = end
        }
        let end = place + 5
        guard end <= query.count else { return }
        let name = labels.joined(separator: ".")
        let found: [String]? = state.withLock { state in
            state.queries.append(name)
            return state.hangs ? nil : state.names[name] ?? []
        }
        guard let found else { return }
        let isAddress = query[end - 3] == 1
        let answers = isAddress ? found : []
        let code: UInt8 = found.isEmpty ? 3 : 0
        var reply = Array(query[0..<2]) + [0x81, 0x80 | code, 0, 1, 0, UInt8(answers.count), 0, 0, 0, 0]
        reply += query[12..<end]
        for address in answers {
            reply += [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4] + address.split(separator: ".").compactMap { UInt8($0) }
        }
        socket.send(reply, to: from)
    }
}
