// SPDX-License-Identifier: GPL-2.0-or-later
// What rtpproxy.stats shows of a node.

import Bytes
package import SharedState
import Transport

/// How a node stands, as an operator sees it.
package enum NodeState: Equatable, CaseIterable, Sendable {
    /// Not yet answered since start.
    case starting
    /// Gets calls.
    case up
    /// Up, and tried last: several calls in a row did not wait for it.
    case suspect
    /// Up, and gets no new calls: the operator's wish, or it has left the pool.
    case draining
    /// Failed, or has not answered in the first seconds.
    case down
    /// Switched off.
    case disabled

    /// The word that the operator reads.
    package var text: StaticString {
        switch self {
        case .starting: "starting"
        case .up: "up"
        case .suspect: "suspect"
        case .draining: "draining"
        case .down: "down"
        case .disabled: "disabled"
        }
    }
}

/// One entry of rtpproxy.stats.
package struct NodeStatistics: Sendable {
    package let setID: UInt32
    /// Position in order of definition, from 0.
    package let index: UInt32
    package let weight: UInt32
    package let state: NodeState
    /// Seconds for which it has stood so.
    package let stateSeconds: UInt32
    /// What has been counted.
    package let figures: NodeFigureValues
    /// How its round trips are spread.
    package let spread: RoundTripSpread
    /// The smoothed round trip in microseconds, 0 without a sample.
    package let smoothedMicroseconds: UInt32
    /// Seconds since the last fault, nil where there was none.
    package let lastFaultSeconds: UInt32?
}

extension Worker {
    /// How `node` stands.
    @_optimize(size)
    func nodeState(_ node: Int) -> NodeState {
        switch table.condition(node) {
        case .unproven: .starting
        case .down: .down
        case .disabled: .disabled
        case .up:
            if table.isDraining(node) || table.life(node) != .member {
                .draining
            } else {
                table.silences(node) >= NodeTable.suspicion ? .suspect : .up
            }
        }
    }

    /// The statistics of the node at `position` of the list; nil outside.
    @_optimize(size)
    package func nodeStatistics<Host: ServerHost>(_ host: Host, _ position: Int) -> NodeStatistics? {
        guard let node = listedNode(position) else { return nil }
        let figures = table.figures(node)
        let now = host.ticks
        return NodeStatistics(
            setID: table.setID(node), index: table.definitionIndex(node), weight: table.weight(node),
            state: nodeState(node),
            stateSeconds: Self.seconds(from: figures.since, to: now), figures: figures,
            spread: table.spread(node),
            smoothedMicroseconds: table.roundTrip(node)?.smoothedMicroseconds ?? 0,
            lastFaultSeconds: figures.lastFault.map { Self.seconds(from: $0.tick, to: now) })
    }

    /// What another process has noted a moment ago may be ahead of this one's clock.
    private static func seconds(from tick: UInt32, to now: UInt32) -> UInt32 { now > tick ? now &- tick : 0 }

    /// Sets what has been counted of every node back to nothing.
    package func resetStatistics() { table.resetFigures() }

    /// Nodes that take commands.
    package func nodesUp() -> Int {
        var count = 0
        for node in 0..<table.count where table.takesCommands(node) { count &+= 1 }
        return count
    }

    /// Nodes of the pool, those among them that leave it.
    package func nodesConfigured() -> Int {
        var count = 0
        for node in 0..<table.count where table.life(node) != .free { count &+= 1 }
        return count
    }
}

extension NodeFault {
    /// Adds what went wrong in words; printable ASCII, at most 60 bytes.
    @_optimize(size)
    package func describe(into text: inout [UInt8]) {
        switch self {
        case .errorReply(let code):
            text.append("E")
            text.append(decimal: UInt64(widening: code))
        case .timeout: text.append("no answer in time")
        case .refused: text.append("connection refused or no address")
        case .malformed: text.append("answer is no reply of an RTPProxy")
        case .tooOld: text.append("too old")
        case .unresolved: text.append("name does not resolve")
        case .system(let code):
            text.append(SystemError(code: Int32(truncatingIfNeeded: code)).text)
            text.append(" (errno ")
            text.append(decimal: UInt64(widening: code))
            text.append(")")
        }
    }
}
