// SPDX-License-Identifier: GPL-2.0-or-later
// A hop between Kamailio and a relay's udp control socket that loses, repeats, delays and spoils datagrams.

import Foundation
import Synchronization

/// What happens to datagrams on their way, in either direction alike. Shares are 0...1.
public struct Impairment: Sendable {
    public var loss = 0.0
    public var duplication = 0.0
    /// So many are overtaken by those behind them.
    public var reordering = 0.0
    /// So many have one byte changed, which no checksum tells.
    public var corruption = 0.0
    /// Each is late by up to so many milliseconds.
    public var jitter = 0

    public init() {}

    public init(_ change: (inout Impairment) -> Void) { change(&self) }

    /// The same for the kernel, behind `tc qdisc add dev ... root netem`.
    public var netem: String {
        var words: [String] = []
        if jitter > 0 || reordering > 0 {
            words += ["delay", "\(max(jitter / 2, 10))ms", "\(max(jitter / 2, 0))ms"]
        }
        if loss > 0 { words += ["loss", "\(loss * 100)%"] }
        if duplication > 0 { words += ["duplicate", "\(duplication * 100)%"] }
        if reordering > 0 { words += ["reorder", "\((1 - reordering) * 100)%"] }
        if corruption > 0 { words += ["corrupt", "\(corruption * 100)%"] }
        return words.joined(separator: " ")
    }
}

/// Forwards datagrams both ways, one socket per client towards the relay. The same seed decides alike for the same
/// datagrams in the same order.
public final class ImpairedForwarder: Sendable {
    /// The URL under which Kamailio is told of it.
    public let url: String
    /// What has been done so far.
    public struct Figures: Sendable {
        public var passed = 0, lost = 0, repeated = 0, overtaken = 0, spoiled = 0
    }

    private struct Late {
        var due: Int
        var bytes: [UInt8]
        var socket: UDPSocket
        var to: Endpoint
    }
    private struct State {
        var impairment = Impairment()
        var figures = Figures()
        var random: Splitmix
        var isStopped = false
    }

    private let front: UDPSocket
    private let state: Mutex<State>
    /// How late one is that others overtake, in milliseconds.
    private static let overtaken = 25

    public init(to relay: Endpoint, seed: UInt64) throws {
        front = try UDPSocket(port: try FreePort.next())
        url = "udp:\(front.endpoint)"
        state = Mutex(State(random: Splitmix(state: seed)))
        let thread = Thread { [weak self] in
            var clients: [Endpoint: UDPSocket] = [:]
            var late: [Late] = []
            while let forwarder = self, !forwarder.state.withLock({ $0.isStopped }) {
                forwarder.serve(&clients, &late, relay)
            }
        }
        thread.start()
    }

    deinit { stop() }

    public func stop() { state.withLock { $0.isStopped = true } }

    public var figures: Figures { state.withLock { $0.figures } }

    /// What happens to datagrams from now on; by default nothing.
    public func set(_ impairment: Impairment = Impairment()) { state.withLock { $0.impairment = impairment } }

    private func serve(_ clients: inout [Endpoint: UDPSocket], _ late: inout [Late], _ relay: Endpoint) {
        var waiting = ([front] + clients.values).map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        let next = late.map(\.due).min() ?? .max
        let pause = min(20, max(0, next == .max ? 20 : next - monotonicMilliseconds()))
        poll(&waiting, nfds_t(waiting.count), Int32(pause))
        while let (bytes, client) = front.receive(0) {
            guard let back = clients[client] ?? (try? UDPSocket()) else { continue }
            clients[client] = back
            late += impaired(bytes).map { Late(due: $0.due, bytes: $0.bytes, socket: back, to: relay) }
        }
        for (client, back) in clients {
            while let (bytes, _) = back.receive(0) {
                late += impaired(bytes).map { Late(due: $0.due, bytes: $0.bytes, socket: front, to: client) }
            }
        }
        let now = monotonicMilliseconds()
        for datagram in late where datagram.due <= now { datagram.socket.send(datagram.bytes, to: datagram.to) }
        late.removeAll { $0.due <= now }
    }

    /// What becomes of a datagram: no, one or two of them, and when they are sent.
    private func impaired(_ bytes: [UInt8]) -> [(due: Int, bytes: [UInt8])] {
        let now = monotonicMilliseconds()
        return state.withLock { state in
            let impairment = state.impairment
            guard !state.random.happens(impairment.loss) else {
                state.figures.lost += 1
                return []
            }
            var copies = [bytes]
            if state.random.happens(impairment.duplication) {
                state.figures.repeated += 1
                copies.append(bytes)
            }
            return copies.map { copy in
                var copy = copy
                var due = now
                if impairment.jitter > 0 { due += Int.random(in: 0...impairment.jitter, using: &state.random) }
                if state.random.happens(impairment.reordering) {
                    state.figures.overtaken += 1
                    due += Self.overtaken
                }
                if !copy.isEmpty, state.random.happens(impairment.corruption) {
                    state.figures.spoiled += 1
                    let place = Int.random(in: copy.indices, using: &state.random)
                    copy[place] ^= UInt8.random(in: 1...255, using: &state.random)
                }
                state.figures.passed += 1
                return (due, copy)
            }
        }
    }
}

/// Numbers that a seed decides (Steele, Lea and Flood: Fast splittable pseudorandom number generators).
struct Splitmix: RandomNumberGenerator, Sendable {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func happens(_ share: Double) -> Bool {
        share > 0 && Double.random(in: 0..<1, using: &self) < share
    }
}
