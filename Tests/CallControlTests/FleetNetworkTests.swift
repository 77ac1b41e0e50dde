// SPDX-License-Identifier: GPL-2.0-or-later
// Hosts that share calls, with a network between them that loses, delays, doubles and reorders, and a clock that tests
// move.

import Bytes
import Foundation
import SharedState
import Testing

@testable import CallControl

/// What a host sends.
private struct Flying {
    let from: Int
    let to: Int
    let bytes: [UInt8]
    let tag: UInt64
}

/// One host: its memory, its process that tells the others, and what its log has.
private final class FleetMember: FleetHost {
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
        case .refused: return nil
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
}

/// Three of them.
private final class FleetNetwork {
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

@Suite struct FleetNetworkTests {
    @Test func aChangeIsEverywhereAfterOneLook() throws {
        let network = try FleetNetwork()
        network.pass(1100)
        network.members[0].remember(7, 1)
        network.pass(40)
        #expect(network.members.map { $0.place(7) } == ["udp:10.0.0.2:2", "udp:10.0.0.2:2", "udp:10.0.0.2:2"])
        network.members[1].forget(7)
        network.pass(40)
        #expect(network.members.map(\.count) == [0, 0, 0])
        #expect(network.members[0].counts[.dmqSent] == 1 && network.members[1].counts[.dmqReceived] == 1)
    }

    /// A call takes two of them: made and ended.
    @Test func aChangeTakesFifteenBytes() throws {
        let network = try FleetNetwork()
        network.pass(1100)
        var bytes = 0
        for call in UInt64(0)..<60 { network.members[0].remember(call, Int(call % 3)) }
        network.now += 20_000_000
        network.members[0].step(wall: network.wall + 40_000, now: network.now)
        for message in network.members[0].flying where message.to == 1 { bytes += message.bytes.count }
        print("60 calls in \(bytes) bytes")
        #expect(bytes <= 60 * 15 + 40 + 3 * 8 + 1)
    }

    @Test(arguments: 0..<8)
    func whatIsLostIsMadeUp(seed: UInt64) throws {
        let network = try FleetNetwork(skews: [0, 3_000_000, 500_000])
        network.random = Seeded(seed)
        network.pass(2500)
        network.loss = 30
        var live: Set<UInt64> = []
        for round in UInt64(0)..<400 {
            let member = network.members[Int.random(in: 0..<3, using: &network.random)]
            member.remember(round, Int(round % 3))
            live.insert(round)
            if round > 30, let ended = live.min(), Bool.random(using: &network.random) {
                network.members[Int.random(in: 0..<3, using: &network.random)].forget(ended)
                live.remove(ended)
            }
            network.pass(20)
        }
        network.loss = 0
        network.pass(12_000)
        #expect(network.agree(0..<400))
        #expect(network.members.map(\.count) == [live.count, live.count, live.count])
        for call in live { #expect(network.members[0].place(call) != nil) }
        #expect(network.members.allSatisfy { $0.counts[.dmqRefused] == nil })
    }

    @Test func aHostThatStartsHasTheWholeTableWithinSeconds() throws {
        let network = try FleetNetwork(entries: 1_048_576)
        network.pass(1100)
        for call in UInt64(0)..<100_000 {
            network.members[Int(call % 2)].remember(call, Int(call % 3))
            if call % 5000 == 0 { network.pass(20) }
        }
        network.pass(2000)
        let full = network.members[0].count
        #expect(full == 100_000 && network.members[1].count == full)
        try network.restart(2)
        var milliseconds = 0
        let start = Date()
        while network.members[2].count < full, milliseconds < 10_000 {
            network.pass(20)
            milliseconds += 20
        }
        print("\(full) calls after \(milliseconds) ms, \(Date().timeIntervalSince(start)) s of work")
        #expect(milliseconds < 5000)
        #expect(network.agree(0..<1000))
    }

    @Test func aHostThatStoodStillAndOneThatWasCutOffAskForWhatTheyMissed() throws {
        let network = try FleetNetwork()
        network.pass(2000)
        for call in UInt64(0)..<50 { network.members[0].remember(call, 0) }
        network.pass(100)
        network.isCut[1] = true
        network.isFrozen[2] = true
        for call in UInt64(50)..<100 {
            network.members[0].remember(call, 1)
            network.members[1].remember(call + 100, 2)
            network.pass(100)
        }
        for call in UInt64(0)..<20 { network.members[0].forget(call) }
        for call in UInt64(20)..<30 { network.members[1].forget(call) }
        network.pass(8000)
        #expect(network.members[1].count == 90 && network.members[2].count == 50)
        network.isCut[1] = false
        network.isFrozen[2] = false
        network.pass(6000)
        #expect(network.agree(0..<300))
        #expect(network.members.map(\.count) == [120, 120, 120])
    }

    /// More changes at once than are kept: who has not been told asks.
    @Test func changesThatAreTooManyAreAskedFor() throws {
        let network = try FleetNetwork(entries: 524_288)
        network.pass(1100)
        for call in UInt64(0)..<30_000 { network.members[0].remember(call, 0) }
        network.pass(6000)
        #expect(network.members[0].counts[.dmqLost] ?? 0 > 10_000)
        #expect(network.members.map(\.count) == [30_000, 30_000, 30_000])
    }

    @Test func whatTheOperatorHasSaidLastHoldsEverywhere() throws {
        let network = try FleetNetwork()
        network.pass(1100)
        network.members[0].setEnabled("udp:10.0.0.1:1", false)
        network.members[1].setDraining("udp:10.0.0.2:2", true)
        network.pass(60)
        // The second host has them in another order.
        #expect(network.members.map { $0.state($0.number == 1 ? 1 : 0) } == [.disabled, .disabled, .disabled])
        #expect(network.members.map { $0.state($0.number == 1 ? 2 : 1) } == [.draining, .draining, .draining])
        network.isCut[2] = true
        network.members[2].setEnabled("udp:10.0.0.1:1", true)
        network.pass(3000)
        network.members[0].setDraining("udp:10.0.0.1:1", true)
        network.pass(3000)
        network.isCut[2] = false
        network.pass(3000)
        #expect(network.members.map { $0.state($0.number == 1 ? 1 : 0) } == [.disabled, .disabled, .disabled])
        try network.restart(1)
        network.pass(3000)
        #expect(network.members[1].state(1) == .disabled && network.members[1].state(2) == .draining)
        #expect(network.members[1].lines.contains { $0.contains("is disabled, as on sip:10.0.0.") })
    }

    @Test func aHintLeadsToALookAndNoMore() throws {
        let network = try FleetNetwork()
        network.pass(1100)
        network.members[0].lose(2)
        network.pass(60)
        #expect(network.members[1].state(0) == .up && network.members[1].isLookWanted(0))
        #expect(network.members[2].state(2) == .up && network.members[2].isLookWanted(2))
        #expect(!network.members[2].isLookWanted(1))
    }

    @Test func aNodeThatIsUnknownHereIsKeptAndNamed() throws {
        let network = try FleetNetwork()
        network.members[2] = try FleetMember(2, "udp:10.0.0.1:1", wall: network.wall, entries: 4096)
        network.pass(1100)
        network.members[0].remember(5, 2)
        network.pass(60)
        #expect(network.members[2].place(5) == "unknown")
        network.pass(12_000)
        let told = network.members[2].lines.filter {
            $0.contains("udp:10.0.0.3:3 of set 0, which is not configured here")
        }
        #expect(told.count == 1)
        // It passes on what it does not know.
        network.members[0].forget(6)
        network.members[1] = try FleetMember(1, FleetNetwork.sockets[1], wall: network.wall + 1, entries: 4096)
        network.isCut[0] = true
        network.pass(5000)
        #expect(network.members[1].place(5) == "udp:10.0.0.3:3")
    }

    /// Nobody's clock is moved by one that is wrong by more than ten minutes.
    @Test func aClockThatIsFarAheadIsRefused() throws {
        let network = try FleetNetwork(skews: [0, 660_000_000, 0])
        network.pass(1100)
        network.members[1].remember(5, 0)
        network.pass(100)
        #expect(network.members[0].place(5) == nil)
        #expect(network.members[0].counts[.dmqRefused] ?? 0 > 0)
        #expect(network.members[0].lines.filter { $0.contains("its clock is more than ten minutes ahead") }.count == 1)
        #expect(network.members[0].fleet.now < network.wall + 1_000_000)
    }

    /// A greeting of somebody who says what he likes.
    private func greeting(_ epoch: UInt64, _ sequence: UInt32, sentAt: UInt64) -> Flying {
        var output = Scratch<UInt8>()
        FleetMessage.begin(&output, .greeting, epoch: epoch, sequence: sequence)
        FleetMessage.end(&output, sentAt: sentAt)
        return Flying(from: 1, to: 0, bytes: Array(output), tag: 0)
    }

    /// Each of many is ahead of the clock that the one before has moved.
    @Test func noClockIsLedOnAndOn() throws {
        let network = try FleetNetwork()
        let host = network.members[0]
        var refused = 0
        for step in UInt32(1)...1000 {
            let message = greeting(network.wall, step, sentAt: host.fleet.now + 500_000_000)
            if host.take(message, now: network.now, wall: network.wall) == nil { refused += 1 }
        }
        #expect(refused == 999 && host.counts[.dmqRefused] == 999)
        #expect(host.fleet.now < network.wall + 600_000_000)
        let far = greeting(.max, 1, sentAt: .max)
        #expect(host.take(far, now: network.now, wall: network.wall) == nil)
        #expect(host.lines.filter { $0.contains("its clock is more than ten minutes ahead") }.count == 1)
    }

    /// And hosts that keep up with each other come back to the time together.
    @Test func aClockThatWasLedAstrayComesBack() throws {
        let network = try FleetNetwork()
        network.pass(1100)
        let message = greeting(network.wall, 1, sentAt: network.wall + 60_000_000)
        #expect(network.members[0].take(message, now: network.now, wall: network.wall) != nil)
        network.pass(10_000)
        for member in network.members { #expect(member.fleet.now > network.wall + 50_000_000) }
        network.members[2].remember(7, 1)
        network.pass(40)
        #expect(network.members.map { $0.place(7) } == ["udp:10.0.0.2:2", "udp:10.0.0.2:2", "udp:10.0.0.2:2"])
        network.pass(115_000)
        for member in network.members { #expect(member.fleet.now < network.wall + 1_000_000) }
    }

    /// One whose answers do not go on is asked no more.
    @Test func answersThatHaveNoEndAreLeft() throws {
        let network = try FleetNetwork()
        let (host, epoch) = (network.members[0], network.wall - 5_000_000)
        _ = host.take(greeting(epoch, 1, sentAt: network.wall), now: network.now, wall: network.wall)
        var questions = 0
        for _ in 0..<100 {
            network.now += 20_000_000
            network.wall += 20_000
            host.step(wall: network.wall, now: network.now)
            for question in host.flying where question.tag != 0 {
                questions += 1
                var page = Scratch<UInt8>()
                FleetMessage.begin(&page, .page, epoch: epoch, sequence: 0)
                FleetMessage.end(&page, sentAt: network.wall, next: 5)
                host.takeAnswer(question.tag, Array(page), wall: network.wall)
            }
            host.flying = []
        }
        #expect(questions == 2 && host.counts[.dmqRefused] == 1)
    }
}
