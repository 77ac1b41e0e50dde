// SPDX-License-Identifier: GPL-2.0-or-later
// Hosts that share calls, with a network between them that loses, delays, doubles and reorders, and a clock that tests
// move.

import Bytes
import Foundation
import SharedState
import Transport
import Testing

@testable import CallControl

/// What a host sends.
struct Flying {
    let from: Int
    let to: Int
    let bytes: [UInt8]
    let tag: UInt64
}

/// One host: its memory, its process that tells the others, and what its log has.
final class FleetMember: FleetHost {
    let number: Int
    private let nodes: UnsafeMutableRawPointer
    private let calls: UnsafeMutableRawPointer
    private let shared: UnsafeMutableRawPointer
    private var worker: Worker
    private var task: FleetTask
    let fleet: FleetState
    var flying: [Flying] = []
    var lines: [String] = []
    var counts: [ServerCounter: Int] = [:]
    var ticks: UInt32 = 1000
    var wantsDebug: Bool { false }
    var news: Tuning? { nil }

    init(_ number: Int, _ sockets: String, wall: UInt64, entries: Int) throws {
        self.number = number
        var settings = Settings()
        settings.number("rtpproxy_dmq", 1)
        settings.text("rtpproxy_sock", sockets)
        settings.finish()
        try #require(settings.faultTexts == [])
        let nodesSize = NodeTableLayout(capacity: settings.nodes.count).size
        let callsSize = CallTable.size(entries: entries)
        let fleetSize = FleetState.size(nodes: settings.nodes.count, entries: entries + 16)
        func block(_ size: Int) -> UnsafeMutableRawPointer {
            let block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
            block.initializeMemory(as: UInt8.self, repeating: 0, count: size)
            return block
        }
        (nodes, calls, shared) = (block(nodesSize), block(callsSize), block(fleetSize))
        try NodeTable.create(in: nodes, size: nodesSize, settings.nodes)
        try CallTable.create(in: calls, size: callsSize, entries: entries)
        fleet = FleetState(attaching: shared, nodes: settings.nodes.count, entries: entries + 16)
        fleet.start(at: wall)
        worker = Worker(
            settings: settings, table: try NodeTable(attaching: nodes, size: nodesSize),
            calls: try CallTable(attaching: calls, size: callsSize, fleet: fleet))
        task = FleetTask(nodeCount: settings.nodes.count)
        for node in 0..<settings.nodes.count { _ = worker.table.revive(node) }
    }

    deinit {
        nodes.deallocate()
        calls.deallocate()
        shared.deallocate()
    }

    static func address(_ number: Int) -> [UInt8] { Array("sip:10.0.0.\(number):5060".utf8) }

    func log(_ level: LogLevel, _ line: Span<UInt8>) { lines.append(text(line)) }
    func report(
        _ kind: ReportKind, _ level: LogLevel, _ line: Span<UInt8>, url: Span<UInt8>, setID: UInt32?,
        state: StaticString, callID: Span<UInt8>, file: StaticString
    ) { lines.append(text(line)) }
    func count(_ which: ServerCounter, _ amount: UInt32) { counts[which, default: 0] += Int(amount) }
    func broadcast(_ message: Span<UInt8>) {
        for to in 0..<3 where to != number {
            flying.append(Flying(from: number, to: to, bytes: bytes(message), tag: 0))
        }
    }
    func send(_ message: Span<UInt8>, to address: Span<UInt8>, tag: UInt64) {
        let to = (0..<3).first { Self.address($0) == bytes(address) } ?? 0
        flying.append(Flying(from: number, to: to, bytes: bytes(message), tag: tag))
    }

    private func bytes(_ span: Span<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.append(span)
        return result
    }
    private func text(_ span: Span<UInt8>) -> String { String(decoding: bytes(span), as: UTF8.self) }

    func step(wall: UInt64, now: UInt64) { worker.shareOnce(self, &task, fleet, wall: wall, now: now) }

    /// A message comes; what a question is answered.
    func take(_ message: Flying, now: UInt64, wall: UInt64) -> [UInt8]? {
        let (address, body) = (Self.address(message.from), message.bytes)
        switch worker.receive(self, from: address.span, body.span, now: now, wall: wall) {
        case .taken: return []
        case .answered: return worker.withFleetAnswer { bytes($0) }
        case .refused, .tooMany: return nil
        }
    }

    func takeAnswer(_ tag: UInt64, _ answer: [UInt8]?, wall: UInt64) {
        guard let tag = FleetQuestionTag(tag) else { return }
        let bytes = answer ?? []
        worker.takeAnswer(
            self, peer: tag.peer, question: tag.question, bytes.span, isAnswer: !bytes.isEmpty, wall: wall)
    }

    func remember(_ call: UInt64, _ node: Int) { worker.calls?.remember(Hash64.mixed(call), node: node, now: ticks) }
    func forget(_ call: UInt64) { worker.calls?.forget(Hash64.mixed(call), now: ticks) }
    /// The URL of the call's RTPProxy; nil: it is not known.
    func place(_ call: UInt64) -> String? {
        guard let node = worker.calls?.node(for: Hash64.mixed(call), now: ticks) else { return nil }
        guard node < CallTable.firstForeign else { return "unknown" }
        return worker.table.withURL(node) { text($0) }
    }
    var count: Int { worker.rememberedCalls() }
    func setEnabled(_ url: String, _ isEnabled: Bool) {
        let bytes = Array(url.utf8)
        _ = worker.setEnabled(self, bytes.span, isEnabled)
    }
    func setDraining(_ url: String, _ isDraining: Bool) {
        let bytes = Array(url.utf8)
        _ = worker.setDraining(self, bytes.span, isDraining)
    }
    func state(_ node: Int) -> NodeState { worker.nodeState(node) }
    func isLookWanted(_ node: Int) -> Bool { worker.table.isLookWanted(node) }
    func lose(_ node: Int) { _ = worker.table.fail(node, recheck: 2000) }
    func find(_ node: Int) { _ = worker.table.revive(node) }
    /// The module's own process has asked whether it is there.
    func noteLook(_ node: Int) { worker.table.setLookWanted(node, false) }
    func keepTime() { worker.keepTime() }
    func serves(_ node: Int) -> Bool { worker.serves(node) }
    func noteAnswer(_ node: Int, _ ago: UInt64) { worker.table.noteAnswer(node, at: MonotonicClock.now() - ago) }
}

/// Three of them.
final class FleetNetwork {
    var members: [FleetMember]
    var flying: [Flying] = []
    var now: UInt64 = 1_000_000_000
    var wall: UInt64 = 1_700_000_000_000_000
    /// Clocks that differ, in microseconds.
    var skews: [UInt64] = [0, 0, 0]
    /// Who is cut off, or stands still.
    var isCut = [false, false, false]
    var isFrozen = [false, false, false]
    var loss = 0
    var random = Seeded(1)
    let entries: Int
    static let sockets = [
        "udp:10.0.0.1:1 udp:10.0.0.2:2 udp:10.0.0.3:3", "udp:10.0.0.3:3 udp:10.0.0.1:1 udp:10.0.0.2:2",
    ]

    init(entries: Int = 4096, skews: [UInt64] = [0, 0, 0]) throws {
        self.entries = entries
        self.skews = skews
        members = []
        for number in 0..<3 { members.append(try make(number)) }
    }

    private func make(_ number: Int) throws -> FleetMember {
        try FleetMember(number, Self.sockets[number % 2], wall: wall + skews[number], entries: entries)
    }

    func restart(_ number: Int) throws { members[number] = try make(number) }

    /// Lets `milliseconds` pass.
    func pass(_ milliseconds: Int) {
        for _ in 0..<max(milliseconds / 20, 1) {
            now += 20_000_000
            wall += 20_000
            for member in members where !isFrozen[member.number] {
                member.step(wall: wall + skews[member.number], now: now)
                flying += member.flying
                member.flying = []
            }
            deliver()
        }
    }

    private func deliver() {
        var later: [Flying] = []
        if loss > 0 { flying.shuffle(using: &random) }
        for message in flying {
            if isFrozen[message.to] {
                later.append(message)
                continue
            }
            let isLost = isCut[message.from] != isCut[message.to] || Int.random(in: 0..<100, using: &random) < loss
            if loss > 0, Int.random(in: 0..<100, using: &random) < 20 { later.append(message) }
            if isLost || (loss > 0 && later.last?.bytes == message.bytes && Bool.random(using: &random)) { continue }
            let answer = members[message.to].take(message, now: now, wall: wall + skews[message.to])
            if message.tag != 0, !isFrozen[message.from] {
                members[message.from].takeAnswer(message.tag, answer, wall: wall + skews[message.from])
            }
        }
        flying = later
    }

    /// Whether all hosts know the same of these calls.
    func agree(_ calls: Range<UInt64>) -> Bool {
        calls.allSatisfy { call in Set(members.map { $0.place(call) }).count == 1 }
    }
}
