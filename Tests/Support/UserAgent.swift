// SPDX-License-Identifier: GPL-2.0-or-later
// A SIP user agent's socket: raw messages out, messages in with a time limit.

import Foundation
import Synchronization

/// A UDP socket that speaks SIP. Messages that the test has not asked for yet are kept.
public final class UserAgent: Sendable {
    public let name: String
    public let socket: UDPSocket
    private let kept = Mutex<[SIPMessage]>([])
    private let listener: (@Sendable (SIPMessage, _ sent: Bool) -> Void)?

    /// `listener` is told of each message sent and received, for a ladder.
    public init(
        _ name: String, _ family: Family = .ipv4, address: String? = nil,
        listener: (@Sendable (SIPMessage, _ sent: Bool) -> Void)? = nil
    ) throws {
        self.name = name
        self.listener = listener
        // A port that no test has had for long: what a Kamailio of another test still sends again reaches no socket.
        socket = try UDPSocket(at: Endpoint(address ?? family.loopback, FreePort.next(in: 22_000...31_999)))
    }

    public var endpoint: Endpoint { socket.endpoint }
    /// `sip:name@address:port`.
    public var uri: String { "sip:\(name)@\(endpoint)" }

    /// Forgets messages that the test has not asked for.
    public func forget() {
        while socket.receive(0) != nil {}
        kept.withLock { $0 = [] }
    }

    public func send(_ message: SIPMessage, to destination: Endpoint) {
        listener?(message, true)
        socket.send(message.bytes, to: destination)
    }

    /// Sends text as it is, well-formed or not.
    public func send(raw bytes: [UInt8], to destination: Endpoint) {
        socket.send(bytes, to: destination)
    }

    /// The first message that fits, among those kept and those that arrive within `milliseconds`; nil where none did.
    public func receive(_ milliseconds: Int = 5000, where fits: (SIPMessage) -> Bool = { _ in true }) -> SIPMessage? {
        let early: SIPMessage? = kept.withLock { kept in
            guard let index = kept.firstIndex(where: fits) else { return nil }
            return kept.remove(at: index)
        }
        if let early { return early }
        let deadline = monotonicMilliseconds() + scaled(milliseconds)
        repeat {
            guard let (bytes, _) = socket.receive(until: deadline) else { return nil }
            guard let message = SIPMessage(bytes) else { continue }
            listener?(message, false)
            if fits(message) { return message }
            kept.withLock { $0.append(message) }
        } while monotonicMilliseconds() < deadline
        return nil
    }
}
