// SPDX-License-Identifier: GPL-2.0-or-later
// One end of a stream that sends back what it gets.

import Foundation
import Synchronization

/// A UDP socket that sends back whatever comes: a picture that a browser sends is one that it sees.
public final class EchoEndpoint: Sendable {
    private let socket: UDPSocket
    private let counted = Mutex<(packets: Int, isStopped: Bool)>((0, false))

    public init(_ address: String = "127.0.0.1") throws {
        let socket = try UDPSocket(at: Endpoint(address, 0))
        self.socket = socket
        let thread = Thread { [weak self] in
            while let self, !self.counted.withLock({ $0.isStopped }) {
                guard let got = socket.receive(50), got.bytes.count > 12 else { continue }
                // Another source than the sender's own, who would take it for a loop.
                var bytes = got.bytes
                bytes[8] ^= 0x55
                socket.send(bytes, to: got.from)
                self.counted.withLock { $0.packets += 1 }
            }
        }
        thread.start()
    }

    deinit { stop() }

    public var port: Int { Int(socket.endpoint.port) }
    /// Packets that have come until now.
    public var packets: Int { counted.withLock { $0.packets } }

    /// Sends nothing back any more.
    public func stop() { counted.withLock { $0.isStopped = true } }
}
