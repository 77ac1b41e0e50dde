// SPDX-License-Identifier: GPL-2.0-or-later
// A logging hop between Kamailio and a relay's udp control socket.

import Foundation
import Synchronization

/// Forwards datagrams both ways, one socket per client towards the relay, and tells a listener of each.
public final class ControlForwarder: Sendable {
    /// The URL under which Kamailio is told of it.
    public let url: String
    private let front: UDPSocket
    private let stopped = Mutex(false)

    /// `listener` gets each command and each answer without the cookie.
    public init(to relay: Endpoint, listener: @escaping @Sendable (_ text: String, _ isAnswer: Bool) -> Void) throws {
        let front = try UDPSocket(port: try FreePort.next())
        self.front = front
        url = "udp:\(front.endpoint)"
        let thread = Thread { [weak self] in
            var clients: [Endpoint: UDPSocket] = [:]
            while let forwarder = self, !forwarder.stopped.withLock({ $0 }) {
                var waiting = ([front] + clients.values).map {
                    pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0)
                }
                poll(&waiting, nfds_t(waiting.count), 20)
                while let (bytes, client) = front.receive(0) {
                    guard let back = clients[client] ?? (try? UDPSocket()) else { continue }
                    clients[client] = back
                    listener(Self.withoutCookie(bytes), false)
                    back.send(bytes, to: relay)
                }
                for (client, back) in clients {
                    while let (bytes, _) = back.receive(0) {
                        listener(Self.withoutCookie(bytes), true)
                        front.send(bytes, to: client)
                    }
                }
            }
        }
        thread.start()
    }

    private static func withoutCookie(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes, as: UTF8.self)
        return text.split(separator: " ", maxSplits: 1).dropFirst().joined()
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    public func stop() { stopped.withLock { $0 = true } }

    deinit { stop() }
}
