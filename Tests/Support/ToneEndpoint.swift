// SPDX-License-Identifier: GPL-2.0-or-later
// One end of plain RTP that sends a tone all the time and says which tone it hears.

import Foundation
import Synchronization

/// PCMU at a socket of its own, on a thread of its own, until it is stopped.
public final class ToneEndpoint: Sendable, CustomStringConvertible {
    private struct State {
        var destination: Endpoint?
        var isStopped = false
        /// The signs of the last samples that have come, 4,000 of them or half a second.
        var heard: [Bool] = []
        var lastPacket = 0
        var packets = 0
    }

    public let socket: UDPSocket
    private let frequency: Int
    private let state = Mutex(State())

    /// `frequency` in Hz.
    public init(_ address: String = "127.0.0.1", tone frequency: Int) throws {
        socket = try UDPSocket(at: Endpoint(address, 0))
        self.frequency = frequency
        let sender = Thread { [weak self] in
            var sample = 0
            var next = monotonicMilliseconds()
            while let self, !self.state.withLock({ $0.isStopped }) {
                let place = self.state.withLock { $0.destination }
                if let place { self.socket.send(self.packet(sample), to: place) }
                sample += 160
                next += 20
                usleep(UInt32(max(next - monotonicMilliseconds(), 0)) * 1000)
            }
        }
        let receiver = Thread { [weak self] in
            while let self, !self.state.withLock({ $0.isStopped }) {
                guard let (bytes, _) = self.socket.receive(100), bytes.count > 12, bytes[0] >> 6 == 2,
                    bytes[1] & 0x7F == 0
                else { continue }
                self.state.withLock {
                    $0.heard += bytes.dropFirst(12).map { $0 & 0x80 != 0 }
                    $0.heard.removeFirst(max($0.heard.count - 4000, 0))
                    $0.lastPacket = monotonicMilliseconds()
                    $0.packets += 1
                }
            }
        }
        sender.start()
        receiver.start()
    }

    deinit { stop() }

    public func stop() { state.withLock { $0.isStopped = true } }

    /// Sends there from now on; nil: nowhere.
    public func send(to destination: Endpoint?) { state.withLock { $0.destination = destination } }

    /// Packets that have come.
    public var packets: Int { state.withLock { $0.packets } }

    /// The frequency of what it has heard in the last half second, in Hz; nil: nothing, or too little.
    public var tone: Int? {
        state.withLock {
            guard $0.heard.count == 4000, monotonicMilliseconds() - $0.lastPacket < 300 else { return nil }
            return zip($0.heard, $0.heard.dropFirst()).count { $0 != $1 }
        }
    }

    public var description: String {
        "\(socket.endpoint): \(packets) packets, \(tone.map { "\($0) Hz" } ?? "no tone"), sends to "
            + "\(state.withLock { $0.destination }.map { "\($0)" } ?? "nobody")"
    }

    /// Whether it hears a tone of this frequency, within 3 %, in a while.
    public func hears(_ frequency: Int, seconds: Double = 10) -> Bool {
        waitUntil(seconds) { abs((tone ?? 0) - frequency) * 100 <= frequency * 3 }
    }

    /// Whether it hears nothing for half a second, in a while.
    public func fallsSilent(seconds: Double = 10) -> Bool {
        waitUntil(seconds) { state.withLock { monotonicMilliseconds() - $0.lastPacket } > 500 }
    }

    private func packet(_ sample: Int) -> [UInt8] {
        let (sequence, source) = (UInt16(truncatingIfNeeded: sample / 160), UInt32(truncatingIfNeeded: 0x746F_6E65))
        var packet: [UInt8] = [0x80, 0, UInt8(sequence >> 8), UInt8(sequence & 0xFF)]
        for value in [UInt32(truncatingIfNeeded: sample), source] {
            packet += [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
        }
        return packet
            + (0..<160).map {
                Self.muLaw(Int(8000 * sin(2 * .pi * Double(frequency) * Double(sample + $0) / 8000)))
            }
    }

    /// A sample of 16 bits as G.711 has it.
    private static func muLaw(_ sample: Int) -> UInt8 {
        let magnitude = min(abs(sample), 32_635) + 132
        let exponent = max(Int.bitWidth - magnitude.leadingZeroBitCount - 8, 0)
        let mantissa = magnitude >> (exponent + 3) & 0x0F
        return ~UInt8((sample < 0 ? 0x80 : 0) | exponent << 4 | mantissa)
    }
}
