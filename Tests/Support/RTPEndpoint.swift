// SPDX-License-Identifier: GPL-2.0-or-later
// One end of a media stream: sends numbered RTP packets, counts those that arrive.

import Foundation

/// A UDP socket that sends and counts PCMU packets of 20 ms.
public final class RTPEndpoint: Sendable {
    public let socket: UDPSocket
    private let source = UInt32.random(in: .min ... .max)

    public init(_ address: String = "127.0.0.1") throws {
        socket = try UDPSocket(at: Endpoint(address, 0))
    }

    public var port: UInt16 { socket.endpoint.port }

    /// Sends `count` packets, `spacing` milliseconds apart.
    public func send(_ count: Int, to destination: Endpoint, spacing: Int = 2, firstSequence: UInt16 = 0) {
        for index in 0..<count {
            let sequence = firstSequence &+ UInt16(truncatingIfNeeded: index)
            let timestamp = UInt32(sequence) &* 160
            var packet: [UInt8] = [0x80, 0, UInt8(sequence >> 8), UInt8(sequence & 0xFF)]
            for value in [timestamp, source] {
                packet += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
            }
            packet += [UInt8](repeating: 0xFF, count: 160)
            socket.send(packet, to: destination)
            usleep(UInt32(spacing) * 1000)
        }
    }

    /// Counts RTP packets until `expected` have come, or none came for `milliseconds`.
    public func count(expecting expected: Int, within milliseconds: Int = 1000) -> Int {
        var seen = 0
        while seen < expected, let (bytes, _) = socket.receive(milliseconds) {
            if bytes.count == 172 && bytes[0] >> 6 == 2 { seen += 1 }
        }
        return seen
    }
}
