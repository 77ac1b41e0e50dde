// SPDX-License-Identifier: GPL-2.0-or-later
// Counting what came of exchanges: per node in shared memory, over all nodes for the host. No lock, no system call.

import ControlProtocol
import SharedState
import Transport

extension Worker {
    /// Counts the commands of the exchange of `member` with `node`, which is over. `outcome` nil: it is no longer
    /// waited for.
    mutating func account(_ member: Int, _ node: Int, _ outcome: ExchangeOutcome?) {
        let tally = exchanges.tally(member)
        if let time = exchanges.answeredAt(member) { table.noteAnswer(node, at: time) }
        var counts = ExchangeCounts()
        counts.commands = UInt32(clamping: tally.sent &- tally.retransmitted)
        counts.answered = min(UInt32(clamping: tally.answered), counts.commands)
        counts.retransmissions = UInt32(clamping: tally.retransmitted)
        if outcome == .timedOut { counts.timeouts = counts.commands &- counts.answered }
        account(node, counts)
    }

    /// Counts a command to `node` whose answer is not waited for.
    mutating func accountUnawaited(_ node: Int) {
        var counts = ExchangeCounts()
        counts.commands = 1
        account(node, counts)
    }

    private mutating func account(_ node: Int, _ counts: ExchangeCounts) {
        table.count(counts, node)
        if counts.commands > 0 { outbox.count(.commandsSent, counts.commands) }
        if counts.answered > 0 { outbox.count(.commandsAnswered, counts.answered) }
        if counts.timeouts > 0 { outbox.count(.commandsTimedOut, counts.timeouts) }
        if counts.retransmissions > 0 { outbox.count(.retransmissions, counts.retransmissions) }
    }

    /// Counts an answer of `node` that is an error.
    mutating func account(_ node: Int, _ code: ErrorCode) {
        outbox.count(ServerCounter(code.group))
        table.noteFault(node, .errorReply(code.number), tick: ticks)
    }

    /// Notes that a call did not wait for `node` any longer.
    func noteSilence(_ node: Int) {
        if table.noteSilence(node), table.takesNewCalls(node) { table.noteCondition(node, tick: ticks) }
    }

    /// Notes that `node` has answered.
    mutating func noteAnswer(_ node: Int) {
        if table.noteAnswer(node), table.takesNewCalls(node) { table.noteCondition(node, tick: ticks) }
    }
}

extension ExchangeOutcome {
    /// What an operator sees as the node's last error.
    var fault: NodeFault {
        switch self {
        case .complete, .malformed: .malformed
        case .timedOut: .timeout
        case .refused: .refused
        case .failed(let error): .system(UInt32(truncatingIfNeeded: error.code))
        }
    }
}
