// SPDX-License-Identifier: GPL-2.0-or-later
// Messages of hosts that share calls: whatever comes, the clock stays near the time, the table keeps its size, what is
// sent in return is what such hosts send, and a message that makes sense is written as it was read.
//
// Input: a message, as it comes by itself and as it answers a question.

import Bytes

@testable import CallControl
@testable import SharedState

/// A host that keeps what is sent.
private final class FuzzedHost: FleetHost {
    var sent: [[UInt8]] = []
    var questions: [UInt64] = []
    var broken: String?

    func log(_ level: LogLevel, _ line: Span<UInt8>) { note(line) }
    func report(
        _ kind: ReportKind, _ level: LogLevel, _ line: Span<UInt8>, url: Span<UInt8>, setID: UInt32?,
        state: StaticString, callID: Span<UInt8>, file: StaticString
    ) { note(line) }
    var wantsDebug: Bool { false }
    var news: Tuning? { nil }
    var ticks: UInt32 { 77 }
    func count(_ which: ServerCounter, _ amount: UInt32) {}
    func broadcast(_ message: Span<UInt8>) { sent.append(bytes(message)) }
    func send(_ message: Span<UInt8>, to address: Span<UInt8>, tag: UInt64) {
        sent.append(bytes(message))
        if tag != 0 { questions.append(tag) }
    }

    func bytes(_ span: Span<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(span)
        return bytes
    }

    private func note(_ line: Span<UInt8>) {
        let line = bytes(line)
        if !isPrintable(line) { broken = "the log gets \(line.shown)" }
    }
}

final class FleetProperties: Properties {
    private static let entries = 64
    private static let nodes = 2
    private static let address = Array("sip:192.0.2.2:5060".utf8)
    private static let wall: UInt64 = 1_700_000_000_000_000
    private static let started = wall - 1_000_000
    private let block: UnsafeMutableRawPointer
    private let size: Int
    private let callsStart: Int
    private let fleetStart: Int
    private let definitions: [NodeDefinition]
    private let settings: Settings

    init() {
        var settings = Settings()
        let (dmq, sock) = (Array("rtpproxy_dmq".utf8), Array("rtpproxy_sock".utf8))
        let urls = Array("udp:127.0.0.1:9 udp:127.0.0.1:10".utf8)
        _ = settings.set(dmq.span, number: 1)
        _ = settings.set(sock.span, text: urls.span)
        settings.finish()
        definitions = settings.nodes
        callsStart = (NodeTableLayout(capacity: Self.nodes).size + 63) & ~63
        fleetStart = callsStart + (CallTable.size(entries: Self.entries) + 63) & ~63
        size = fleetStart + FleetState.size(nodes: Self.nodes, entries: Self.entries)
        block = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        self.settings = settings
    }

    deinit { block.deallocate() }

    /// A host that has just started, with calls of its own.
    private func start() -> Worker? {
        block.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        let fleet = FleetState(attaching: block + fleetStart, nodes: Self.nodes, entries: Self.entries)
        fleet.start(at: Self.started)
        let callsSize = CallTable.size(entries: Self.entries)
        guard (try? NodeTable.create(in: block, size: callsStart, definitions)) != nil,
            (try? CallTable.create(in: block + callsStart, size: callsSize, entries: Self.entries)) != nil,
            let table = try? NodeTable(attaching: block, size: callsStart),
            let calls = try? CallTable(attaching: block + callsStart, size: callsSize, fleet: fleet)
        else { return nil }
        for call in UInt64(1)...8 { calls.remember(Hash64.mixed(call), node: Int(call % 2), now: 77) }
        calls.forget(Hash64.mixed(3), now: 77)
        return Worker(settings: settings, table: table, calls: calls)
    }

    func check(_ input: [UInt8]) throws(Broken) {
        try checkRewriting(input)
        guard var worker = start(), let fleet = worker.fleet else { throw Broken("there are no tables") }
        let host = FuzzedHost()
        var task = FleetTask(nodeCount: Self.nodes)
        worker.shareOnce(host, &task, fleet, wall: Self.wall, now: 1_000_000_000)
        // Twice, as the network may do it, with what the sharing process does in between.
        for turn in UInt64(1)...2 {
            let reception = worker.receive(
                host, from: Self.address.span, input.span, now: turn * 2_000_000_000, wall: Self.wall)
            if case .answered = reception {
                let answer = worker.withFleetAnswer { host.bytes($0) }
                let page = FleetMessage(answer.span)
                try require(page?.kind == .page, "a question is answered by something else")
                for call in 0..<(page?.callCount ?? 0) {
                    try require(page?.call(call, answer.span) != nil, "a page has a call that makes no sense")
                }
            }
            worker.shareOnce(host, &task, fleet, wall: Self.wall, now: turn * 2_000_000_000 + 1)
            try checkState(host, worker, fleet)
        }
        try checkAnswer(input, host, &worker, &task, fleet)
    }

    /// The same message is the answer to all that its sender is asked.
    private func checkAnswer(
        _ input: [UInt8], _ host: FuzzedHost, _ worker: inout Worker, _ task: inout FleetTask, _ fleet: FleetState
    ) throws(Broken) {
        if let message = FleetMessage(input.span), message.kind == .page {
            var greeting = Scratch<UInt8>()
            FleetMessage.begin(&greeting, .greeting, epoch: message.epoch, sequence: 1)
            FleetMessage.end(&greeting, sentAt: max(message.epoch, Self.started))
            _ = worker.receive(
                host, from: Self.address.span, Array(greeting).span, now: 5_000_000_000, wall: Self.wall)
        }
        var asked = 0
        for turn in UInt64(1)...8 {
            worker.shareOnce(host, &task, fleet, wall: Self.wall, now: 5_000_000_000 + turn * 20_000_000)
            let questions = host.questions
            host.questions = []
            asked += questions.count
            for word in questions {
                guard let tag = FleetQuestionTag(word) else { throw Broken("a question without a tag") }
                worker.takeAnswer(
                    host, peer: tag.peer, question: tag.question, input.span, isAnswer: true, wall: Self.wall)
            }
        }
        // A page that says where to go on says the same each time.
        try require(asked <= 3, "the same host is asked \(asked) times")
        worker.takeAnswer(host, peer: Int(input.first ?? 0), question: 0, input.span, isAnswer: true, wall: Self.wall)
        try checkState(host, worker, fleet)
    }

    private func checkState(_ host: FuzzedHost, _ worker: borrowing Worker, _ fleet: FleetState) throws(Broken) {
        if let broken = host.broken { throw Broken(broken) }
        try require(fleet.now <= Self.wall + 601_000_000, "the clock is far ahead of the time")
        let count = worker.rememberedCalls()
        try require(count >= 0 && count <= Self.entries, "\(count) calls in a table of \(Self.entries)")
        for message in host.sent {
            let read = FleetMessage(message.span)
            try require(read != nil && read?.kind != .page, "something is sent that no host takes")
        }
        host.sent = []
    }

    /// A message of calls that all make sense is the same when it is written again.
    private func checkRewriting(_ input: [UInt8]) throws(Broken) {
        guard let message = FleetMessage(input.span), message.kind == .changes || message.kind == .page else { return }
        var again = Scratch<UInt8>()
        FleetMessage.begin(
            &again, message.kind, epoch: message.epoch, sequence: message.sequence, place: message.place)
        for index in 0..<message.callCount {
            guard let call = message.call(index, input.span) else { return }
            try require(call.stamp <= message.sentAt, "a call is later than its message")
            let read = SharedCall(key: call.key, node: call.name, hasMoved: call.hasMoved, stamp: call.stamp)
            FleetMessage.append(&again, read, name: call.name)
        }
        for index in 0..<message.nameCount { again.append(message.name(index, input.span), count: 8) }
        FleetMessage.end(
            &again, sentAt: message.sentAt, calls: message.callCount, names: message.nameCount, next: message.next)
        try require(Array(again) == input, "it is written as \(Array(again))")
    }

    // MARK: - Seeds

    /// One of each kind, of a host that has the same RTPProxies.
    static func seeds() -> [Seed] {
        let properties = FleetProperties()
        guard let worker = properties.start() else { return [] }
        var names: [UInt64] = []
        for node in 0..<nodes { names.append(worker.fleetName(node)) }
        names.append(77)
        var seeds: [Seed] = []
        for (kind, next) in [(FleetMessage.Kind.changes, UInt32(0)), (.page, .max), (.page, 9)] {
            var message = Scratch<UInt8>()
            FleetMessage.begin(&message, kind, epoch: started - 5, sequence: 1)
            for call in UInt64(1)...12 {
                let name = call % 4 == 3 ? nil : Int(call % 4)
                let change = SharedCall(
                    key: Hash64.mixed(call), node: name, hasMoved: name == 1 && call > 6, stamp: wall + call)
                FleetMessage.append(&message, change, name: name)
            }
            for name in names { message.append(name, count: 8) }
            FleetMessage.end(&message, sentAt: wall + 100, calls: 12, names: names.count, next: next)
            seeds.append(Seed("\(kind)-\(next)", Array(message)))
        }
        var greeting = Scratch<UInt8>()
        FleetMessage.begin(&greeting, .greeting, epoch: started - 5, sequence: 2)
        for (index, name) in names.enumerated() {
            FleetNodeRecord(
                hash: name, stamp: index == 0 ? 0 : wall + UInt64(index), isDisabled: index == 1,
                isDraining: index == 2,
                isInDoubt: index == 0, setID: 0
            ).append(to: &greeting, Array("udp:192.0.2.\(index):1".utf8).span)
        }
        FleetMessage.end(&greeting, sentAt: wall + 100, names: names.count)
        seeds.append(Seed("greeting", Array(greeting)))
        var question = Scratch<UInt8>()
        FleetMessage.begin(&question, .question, epoch: started - 5, sequence: 0)
        question.append(started, count: 8)
        FleetMessage.end(&question, sentAt: wall)
        seeds.append(Seed("question", Array(question)))
        return seeds
    }
}
