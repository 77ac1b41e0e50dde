// SPDX-License-Identifier: GPL-2.0-or-later
// A run without any node: what happens to it as a row of events, and what it does of each in words.

import Testing
import Transport

@testable import CallControl

/// A rule, and a run that shows it. Each line: what happens, and what the run does of that. Times are milliseconds; a
/// command may take 1000 where the row says nothing else. Nodes are chosen in the order given; whoever has not answered
/// yet is slow after 250.
struct RunRow: CustomTestStringConvertible, Sendable {
    let testDescription: String
    var terms: RunTerms
    var nodes: [Int]
    /// Smoothed round trips of all nodes, in milliseconds.
    var roundTrip: UInt64?
    /// Whether a set without nodes has one that has not answered since start.
    var mayCome = false
    var lines: [(RunEvent, String)]

    init(
        _ rule: String, _ kind: Kind, _ nodes: [Int], roundTrip: UInt64? = nil, mayCome: Bool = false,
        budget: UInt64 = 1000,
        _ lines: [(RunEvent, String)]
    ) {
        testDescription = rule
        terms = RunTerms(setID: 0, budget: budget * 1_000_000)
        terms.createsSession = kind == .offer || kind == .offerOneByOne
        terms.isHedged = kind == .offer
        terms.isDelete = kind == .delete
        self.nodes = nodes
        self.roundTrip = roundTrip
        self.mayCome = mayCome
        self.lines = lines
    }

    enum Kind { case offer, offerOneByOne, answer, delete }
}

/// What happens.
enum RunEvent: Sendable {
    case at(UInt64)
    /// All nodes have as much room from now on.
    case room(CommandRun.Room)
    /// The call has its turn for room.
    case served
    case nodesLeft([Int])
    case success(Int)
    case unknown(Int)
    case error(Int, CallFailure)
    /// An error of one stream, another one has a port.
    case created(Int, CallFailure)
    /// No answer in time; the node last answered anything at this time.
    case silent(Int, answeredAt: UInt64)
    case refused(Int, answeredAt: UInt64, isDatagram: Bool)
    case malformed(Int)
    case local(Int)
    /// The node has deleted what it had created.
    case undone(Int)
}

/// Does for a run what a process does, without any node.
struct RunBench {
    private var run: CommandRun
    private let row: RunRow
    private var nodes: [Int]
    private var now: UInt64 = 1
    private var room = CommandRun.Room.free
    /// Whether the commands cannot be made.
    var refuses = false
    private(set) var occasions: [CommandRun.Occasion] = []

    init(_ row: RunRow) {
        self.row = row
        run = CommandRun(row.terms)
        nodes = row.nodes
    }

    /// The clock never says 0, which stands for never.
    private static func nanoseconds(_ milliseconds: UInt64) -> UInt64 { milliseconds * 1_000_000 + 1 }

    /// What the run does of an event, in words.
    mutating func take(_ event: RunEvent) -> String {
        var words: [String] = []
        switch event {
        case .at(let time): now = Self.nanoseconds(time)
        case .room(let room):
            self.room = room
            return ""
        case .served: run.roomIsThere()
        case .nodesLeft(let nodes): self.nodes = nodes
        case .success(let node): end(node, .success, &words)
        case .unknown(let node): end(node, .unknownSession(nil, ifAlone: .relayError(.noSession)), &words)
        case .error(let node, let failure): end(node, .failure(failure, hasCreated: false), &words)
        case .created(let node, let failure): end(node, .failure(failure, hasCreated: true), &words)
        case .silent(let node, let time):
            end(node, .lost(.timedOut, answeredAt: time == 0 ? 0 : Self.nanoseconds(time), isDatagram: true), &words)
        case .refused(let node, let time, let isDatagram):
            end(
                node, .lost(.refused, answeredAt: time == 0 ? 0 : Self.nanoseconds(time), isDatagram: isDatagram),
                &words)
        case .malformed(let node): end(node, .lost(.malformed, answeredAt: now, isDatagram: true), &words)
        case .local(let node): end(node, .lost(.failed(.processDescriptors), answeredAt: 0, isDatagram: true), &words)
        case .undone(let node): end(node, .success, &words)
        }
        while true {
            let step = run.next(now)
            if let word = word(step) { words.append(word) }
            switch step {
            case .choose: choose()
            case .takeRoom: run.room(room, now: now)
            case .ask(let node, let place, _):
                if refuses {
                    run.couldNotAsk(.commandTooLong)
                } else {
                    let roundTrip = row.roundTrip.map { $0 * 1_000_000 }
                    occasions.append(run.asked(node, place: place, roundTrip: roundTrip, now: now))
                }
            case .undo(let node, let place, _): run.undoing(node, place: place, now: now)
            case .wait, .done, .fail: return words.joined(separator: ", ")
            case .look, .leave, .giveRoomBack, .delete: break
            }
        }
    }

    private mutating func choose() {
        if nodes.isEmpty {
            run.noNode(.noNode(0), mayCome: row.mayCome, now: now)
        } else {
            run.chosen(nodes.removeFirst(), now: now)
        }
    }

    private mutating func end(_ node: Int, _ finding: CommandRun.Finding, _ words: inout [String]) {
        for place in 0..<AskedNodes.count where run.askedNodes[place]?.node == node {
            guard let askedNode = run.ended(place) else { return }
            switch run.take(finding, of: askedNode) {
            case .none: break
            case .look: words.append("look \(node)")
            case .takeOut: words.append("down \(node)")
            }
        }
    }

    private func word(_ step: RunStep) -> String? {
        switch step {
        case .choose, .takeRoom: nil
        case .ask(let node, _, let until): "ask \(node) until \(text(until))"
        case .look(let node): "look \(node)"
        case .leave(_, let node, let wasSlow, let deletes):
            "leave \(node)" + (wasSlow ? " slow" : "") + (deletes ? " delete" : "")
        case .giveRoomBack(let node): "give back \(node)"
        case .undo(let node, _, let until): "undo \(node) until \(text(until))"
        case .delete(let node): "delete \(node)"
        case .wait(.max): "wait"
        case .wait(let until): "wait \(text(until))"
        case .done: "done"
        case .fail(let failure): "fail " + name(failure)
        }
    }

    /// Milliseconds, with one decimal where there is one.
    private func text(_ time: UInt64) -> String {
        let tenths = time / 100_000
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }

    private func name(_ failure: CallFailure) -> String {
        failure.isNoNode ? "no node" : String("\(failure)".prefix { $0 != "(" })
    }
}
