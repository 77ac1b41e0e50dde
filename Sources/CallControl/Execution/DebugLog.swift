// SPDX-License-Identifier: GPL-2.0-or-later
// What Kamailio's debug=3 shows of a call: each command and each answer, a line each, with the Call-ID.

import Bytes
import SharedState
import Transport

extension Worker {
    /// The longest text of a command or answer in a line, in bytes.
    private static var textLimit: Int { 512 }

    /// Logs the command that has been written. Where the log wants to know: `isDebugging`.
    mutating func debugCommand(_ call: inout Call, _ node: Int) {
        beginLine(call)
        line.append("to ")
        appendURL(of: node)
        let text = command
        line.append(printable: text.memory.span, text.all, limit: Self.textLimit)
        outbox.log(.debug, line)
    }

    /// Logs the answers to the commands of `member`, in their order. Where the log wants to know: `isDebugging`.
    mutating func debugAnswers(_ call: inout Call, _ node: Int, _ member: Int, _ outcome: ExchangeOutcome) {
        let incoming = exchanges.incoming(member)
        // NO TRAP: a number of commands, which is not negative.
        for index in 0..<exchanges.count(member) {
            beginLine(call)
            line.append("from ")
            appendURL(of: node)
            if let reply = exchanges.reply(member, index) {
                line.append(printable: incoming.span, reply, limit: Self.textLimit)
            } else {
                line.append("nothing, it ")
                line.append(outcome.reason)
            }
            outbox.log(.debug, line)
        }
    }

    private mutating func appendURL(of node: Int) {
        table.withURL(node) { line.append(printable: $0, $0.all, limit: 255) }
        line.append(": ")
    }
}
