// SPDX-License-Identifier: GPL-2.0-or-later
// What tests ask of a real relay, whichever of the two it is: Sippy RTPProxy, or rtpengine by its legacy port.

import Foundation

/// A real relay on loopback.
public protocol MediaRelay: Sendable {
    /// Where its udp control socket listens.
    var control: Endpoint { get }
    /// `udp:127.0.0.1:port`.
    var url: String { get }
    /// The process that runs now.
    var process: ChildProcess { get }
    /// Starts it again, with the same sockets, and waits until it answers `V`.
    func start() throws
}

extension MediaRelay {
    /// Sends one command over UDP and returns the answer without cookie and line end.
    public func command(_ text: String, patience milliseconds: Int = 2000) throws -> String {
        let socket = try UDPSocket()
        let cookie = UUID().uuidString
        socket.send(Array("\(cookie) \(text)".utf8), to: control)
        guard let (bytes, _) = socket.receive(milliseconds) else { throw HarnessError("no answer to \(text)") }
        return String(decoding: bytes, as: UTF8.self).dropFirst(cookie.count)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Kills it, as a crash would: what it knew is gone, and what it left lying about stays.
    public func crash() { process.terminate(within: 0) }

    /// Ends it: by its own process id, and where it takes no notice of that, as rtpengine while it starts, by a kill.
    @discardableResult
    public func stop() -> ProcessEnd? { process.terminate(within: 3) }

    func waitUntilItAnswers() throws {
        let process = self.process
        let ready = waitUntil(20) { !process.isRunning || (try? command("V", patience: 100)) == "20040107" }
        guard ready, process.isRunning else {
            throw HarnessError("the relay did not start: \(process.output.suffix(2000))")
        }
    }
}

/// The two relays that the module serves.
public enum RelayKind: String, CaseIterable, Sendable, CustomStringConvertible {
    case rtpproxy, rtpengine

    public var description: String { rawValue }
    /// Its name for people.
    public var name: String { self == .rtpproxy ? "RTPProxy" : "rtpengine" }

    /// Starts one. Its media go through `address`, or in bridging mode between that and `outside`: the letters `i` and
    /// `e` in this order. `outside` may be an IPv6 address.
    public func start(_ address: String = "127.0.0.1", outside: String? = nil) throws -> any MediaRelay {
        switch (self, outside) {
        case (.rtpproxy, nil): try RealRelay(address)
        case (.rtpproxy, let outside?):
            outside.contains(":")
                ? try RealRelay(address, options: ["-6", "/\(outside)"]) : try RealRelay("\(address)/\(outside)")
        case (.rtpengine, nil): try RTPEngine([address])
        case (.rtpengine, let outside?): try RTPEngine(["internal/\(address)", "external/\(outside)"])
        }
    }
}
