// SPDX-License-Identifier: GPL-2.0-or-later
// A scripted RTPProxy over any transport, and a group's way to it, so that one test body serves all of them.

import Bytes
import Foundation
import Glibc
import Synchronization
import Testing

@testable import Transport

/// How a peer is reached.
enum Way: CaseIterable, Sendable {
    case udp, udp6, unix, cunix, tcp, tcp6

    static let persistent: [Way] = [.cunix, .tcp, .tcp6]

    var framing: Framing {
        switch self {
        case .udp, .udp6: .datagram
        case .unix: .stream
        case .cunix, .tcp, .tcp6: .pipeline
        }
    }
    var isIPv6: Bool { self == .udp6 || self == .tcp6 }
}

/// Where a peer is.
struct Place {
    let framing: Framing
    var address: SocketAddress?
    var path: [UInt8] = []
}

/// What a peer does with a command.
enum PeerAnswer: Sendable {
    case reply(String)
    case silence
    /// Closes the connection that the command came on, where there is one, without an answer.
    case close
    /// Answers and then closes it.
    case lastReply(String)
}

/// What came of a peer's commands and connections.
final class PeerRecord: Sendable {
    let commands = Record()
    private let connected = Mutex(0)
    var connections: Int { connected.withLock { $0 } }
    func connect() { connected.withLock { $0 += 1 } }
}

/// Runs a peer on loopback. `answer` gets the number of the command and its text, without cookie and line end.
func withPeer(
    _ way: Way, _ answer: @escaping @Sendable (Int, String) -> PeerAnswer,
    _ body: (Place, PeerRecord) throws -> Void
) throws {
    let record = PeerRecord()
    switch way {
    case .udp, .udp6:
        try withDatagramResponder(isIPv6: way.isIPv6) { _, datagram in
            let cookie = datagram.prefix { $0 != " " }
            let command = String(datagram.dropFirst(cookie.count + 1))
            switch answer(record.commands.note(command), command) {
            case .reply(let reply), .lastReply(let reply): return [cookie + " " + reply + "\n"]
            case .silence, .close: return []
            }
        } _: { address, _ in
            try body(Place(framing: .datagram, address: address), record)
        }
    case .unix:
        try withUnixResponder { _, line in
            let command = String(line.dropLast())
            switch answer(record.commands.note(command), command) {
            case .reply(let reply), .lastReply(let reply): return .reply(reply + "\n")
            case .silence: return .silence
            case .close: return .close
            }
        } _: { path, _ in
            try body(Place(framing: .stream, path: path), record)
        }
    case .cunix:
        let (descriptor, path, folder) = try bindUnix()
        defer { try? FileManager.default.removeItem(at: folder) }
        try withListener(descriptor, record, answer) {
            try body(Place(framing: .pipeline, path: path), record)
        }
    case .tcp, .tcp6:
        let (descriptor, address) = try bindLoopback(isIPv6: way.isIPv6, isStream: true)
        try withListener(descriptor, record, answer) {
            try body(Place(framing: .pipeline, address: address), record)
        }
    }
}

private func withListener(
    _ descriptor: Int32, _ record: PeerRecord, _ answer: @escaping @Sendable (Int, String) -> PeerAnswer,
    _ body: () throws -> Void
) throws {
    try #require(listen(descriptor, 64) == 0)
    let worker = Worker {
        var open: [Worker] = []
        while !record.commands.isStopped {
            guard waitReadable(descriptor) else { continue }
            let connection = accept(descriptor, nil, nil)
            guard connection >= 0 else { continue }
            record.connect()
            open.append(Worker { converse(connection, record, answer) })
        }
        for connection in open { connection.join() }
        Glibc.close(descriptor)
    }
    defer {
        record.commands.stop()
        worker.join()
    }
    try body()
}

private func converse(_ connection: Int32, _ record: PeerRecord, _ answer: (Int, String) -> PeerAnswer) {
    defer { Glibc.close(connection) }
    var line: [UInt8] = []
    var bytes = [UInt8](repeating: 0, count: 65536)
    while !record.commands.isStopped {
        guard waitReadable(connection) else { continue }
        let got = recv(connection, &bytes, bytes.count, 0)
        guard got > 0 else { return }
        for byte in bytes[..<got] {
            guard byte == 0x0A else {
                line.append(byte)
                continue
            }
            let command = String(decoding: line, as: UTF8.self)
            line = []
            switch answer(record.commands.note(command), command) {
            case .silence: break
            case .close: return
            case .reply(let reply):
                let text = Array((reply + "\n").utf8)
                send(connection, text, text.count, Int32(MSG_NOSIGNAL))
            case .lastReply(let reply):
                let text = Array((reply + "\n").utf8)
                send(connection, text, text.count, Int32(MSG_NOSIGNAL))
                return
            }
        }
    }
}

/// A place where nobody is any more.
func deserted(_ way: Way) throws -> Place {
    switch way {
    case .unix, .cunix:
        let (descriptor, path, folder) = try bindUnix()
        Glibc.close(descriptor)
        // The socket's file is left, as a dead RTPProxy's is; the folder goes with the test's process.
        _ = folder
        return Place(framing: way.framing, path: path)
    case .udp, .udp6, .tcp, .tcp6:
        let (descriptor, address) = try bindLoopback(isIPv6: way.isIPv6, isStream: way.framing == .pipeline)
        Glibc.close(descriptor)
        return Place(framing: way.framing, address: address)
    }
}

/// A group, and exchanges of `V0`, `V1`, ... with it.
struct Caller: ~Copyable {
    static let second: UInt64 = 1_000_000_000
    var group: ExchangeGroup
    var cookies = CookieSource()

    init(members: Int = 1, nodes: Int = 1) { group = ExchangeGroup(members: members, nodes: nodes) }

    mutating func start(
        _ place: Place, _ commands: Int = 1, as member: Int = 0, node: Int = 0, name: String = "V",
        budget: UInt64 = 10 * second
    ) {
        _ = group.withExchange(member) { exchange in
            exchange.begin(
                now: MonotonicClock.now(), budget: budget, firstRetransmission: Self.second / 50,
                framing: place.framing)
            for index in 0..<commands { try? exchange.add(Array("\(name)\(index)".utf8).span, cookies: &cookies) }
        }
        if let address = place.address {
            group.start(member, node: node, address: address)
        } else {
            group.start(member, node: node, unixSocket: place.path.span, path: place.path.span.all)
        }
    }

    mutating func end(_ member: Int = 0) -> ExchangeOutcome? {
        while group.isRunning(member) { group.step(until: .max) }
        return group.takeOutcome(member)
    }

    mutating func sendOnce(_ place: Place, _ command: String) -> Bool {
        let bytes = Array(command.utf8)
        if let address = place.address {
            return group.sendOnce(0, address: address, framing: place.framing, bytes.span, cookies: &cookies)
        }
        return group.sendOnce(
            0, unixSocket: place.path.span, path: place.path.span.all, framing: place.framing, bytes.span)
    }

    mutating func replies(_ member: Int = 0) -> [String?] {
        group.withExchange(member) { exchange in
            var replies: [String?] = []
            for index in 0..<exchange.count {
                let incoming = exchange.incoming
                replies.append(
                    exchange.reply(index).map { String(decoding: incoming[$0.start..<$0.end], as: UTF8.self) })
            }
            return replies
        } ?? []
    }
}
