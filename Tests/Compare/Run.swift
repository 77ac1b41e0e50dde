// SPDX-License-Identifier: GPL-2.0-or-later
// Takes a case through one module and notes what came of it.

import Foundation
import TestSupport

extension Bench {
    /// Runs all steps. The Call-ID is the same for both modules, and stays so where cases come and go.
    func run(_ test: Case) throws -> Outcome {
        let key = "c\(test.number)"
        scripts[key] = test.relay
        defer { scripts[key] = nil }
        var outcome = Outcome()
        for (index, step) in test.steps.enumerated() {
            let prefix = test.steps.count > 1 ? "step \(index + 1) " : ""
            var part = Outcome()
            if let words = step.rpc {
                part[.rpc] = try remoteCall(words)
            } else {
                part = exchange(step, callID: key + test.callIDSuffix, index: index)
            }
            part[.wire] = wire(callID: key)
            for (aspect, lines) in part.lines { outcome[aspect] += lines.map { prefix + $0 } }
        }
        if !test.relay.replies.isEmpty { outcome[.disabled] = try restore() }
        guard kamailio.process.isRunning else {
            throw HarnessError("Kamailio died in the case \(test.name):\n\(kamailio.log.suffix(3000))")
        }
        return outcome
    }

    /// Which relays the case has cost; they are enabled again, so that the next case finds them.
    private func restore() throws -> [String] {
        let down = try kamailio.relays().filter { $0["disabled"] == "1" }.compactMap { $0["url"] }
        let names = urls.filter { node in down.contains(node.url) && relays.contains { $0.name == node.name } }
        scripts.revive()
        for node in names { _ = try kamailio.kamcmd("rtpproxy.enable", node.url, "1") }
        return names.map(\.name)
    }

    /// The new commands as text. Those of several streams in the order of their streams: they may be sent at once.
    private func wire(callID key: String) -> [String] {
        let commands = newCommands()
        let streams = Set(
            commands.filter { "UL".contains($0.command.verb) }.compactMap { $0.command.words.dropFirst(4).first })
        let texts = commands.map { "\($0.relay): " + $0.command.text.replacing(" \(key)", with: " CALL") }
        guard streams.count > 1 else { return texts }
        return texts.enumerated().sorted { a, b in
            let (x, y) = (rank(commands[a.offset].command), rank(commands[b.offset].command))
            return x == y ? a.offset < b.offset : x < y
        }.map(\.element)
    }

    private func rank(_ command: RelayCommand) -> Int {
        guard "UL".contains(command.verb), command.words.count > 4 else { return 1000 }
        return command.words[4].split(separator: ";").last.flatMap { Int($0) } ?? 0
    }

    private func remoteCall(_ words: [String]) throws -> [String] {
        let text = try kamailio.kamcmd(words.map { address($0) })
        return named(text).split(separator: "\n").map { line in
            let trimmed = line.trimmingCharacters(in: .whitespaces)
            // A tick in the future, whichever it is.
            let parts = trimmed.split(separator: " ")
            if parts.first == "recheck:", let tick = parts.last.flatMap({ Int($0) }), tick > 0 {
                return "recheck: later"
            }
            return trimmed
        }
    }

    /// Sends the message of a step, and what it takes to see what comes out.
    private func exchange(_ step: Step, callID: String, index: Int) -> Outcome {
        var outcome = Outcome()
        guard let (caller, callee) = agents[step.family] else { return outcome }
        let target = step.advertised ? advertised : kamailio.endpoint(step.family)
        let message = Messages.message(step, callID: callID, index: index, bench: self, from: caller, to: callee)
        let mine = { (m: SIPMessage) in m.callID == callID && m.sequence == index + 1 && m.status != 100 }
        var expected = step.calls.count + (step.set == nil ? 0 : 1) + (step.setText == nil ? 0 : 1)
        caller.send(message, to: target)
        if step.route == .request || step.route == .reply || step.route == .transaction || step.route == .branch {
            collect(&expected, into: &outcome, 8000)
        }
        let out = callee.receive(1500, where: mine)
        note(out, "out", in: &outcome)
        guard step.route != .request, step.route != .reply, let out, out.isRequest, step.method != "ACK" else {
            return outcome
        }
        // The other side's reply, through the transaction.
        let reply = Messages.reply(step, to: out, bench: self)
        expected += step.replyCalls.count
        callee.send(reply, to: kamailio.endpoint(step.family))
        collect(&expected, into: &outcome, 8000)
        let back = caller.receive(1500) { mine($0) && !$0.isRequest }
        note(back, "back", in: &outcome)
        if let back, back.status >= 300, step.method == "INVITE" {
            caller.send(Messages.acknowledgement(of: back, for: message), to: target)
        }
        return outcome
    }

    /// Takes the reports of the script's functions in, as many as are still expected.
    private func collect(_ expected: inout Int, into outcome: inout Outcome, _ milliseconds: Int) {
        while expected > 0 {
            guard let (bytes, _) = observer.receive(milliseconds) else {
                outcome[.code].append("(nothing reported)")
                expected = 0
                return
            }
            expected -= 1
            let parts = String(decoding: bytes, as: UTF8.self).split(separator: "|", omittingEmptySubsequences: false)
            guard parts.count == 4 else { continue }
            outcome[.code].append("\(parts[0]) \(parts[1])")
            if parts[2] != "-" { outcome[.instance].append(named(String(parts[2]))) }
            if parts[3] != "-" { outcome[.statistics].append(String(parts[3])) }
        }
    }

    private func note(_ message: SIPMessage?, _ label: String, in outcome: inout Outcome) {
        guard let message else {
            outcome[.body].append("\(label): nothing came out")
            return
        }
        let length = message["Content-Length"] ?? "none"
        let fits =
            length == String(message.body.count) ? "" : "Content-Length \(length) for \(message.body.count) bytes, "
        let start = message.isRequest ? message.method : "\(message.status)"
        let type = message["Content-Type"] ?? "no type"
        outcome[.body].append("\(label): \(start), \(fits)\(type)\n" + String(decoding: message.body, as: UTF8.self))
    }

    /// Spreads a thousand Call-IDs over the sets 0..<count; a line per Call-ID with the relay chosen in each set.
    func balance(_ count: Int, flags: String?) throws -> [String] {
        guard let (caller, callee) = agents[.ipv4] else { return [] }
        var lines: [String] = []
        for number in 0..<1000 {
            // Texts of varied length and letters, as user agents make them.
            let id = String(number &* 2_654_435_761 % 4_294_967_291, radix: 7 + number % 29) + "-\(number)@example.com"
            var step = Step(method: "BYE", toTag: true, calls: [Call("destroy", flags)], body: nil)
            step.headers = [("X-Mode", "balance"), ("X-Sets", String(count))]
            let message = Messages.message(step, callID: id, index: 0, bench: self, from: caller, to: callee)
            caller.send(message, to: kamailio.endpoint())
            guard let (bytes, _) = observer.receive(5000) else { throw HarnessError("no answer for \(id)") }
            let parts = String(decoding: bytes, as: UTF8.self).split(separator: "|", omittingEmptySubsequences: false)
            lines.append(named(parts.dropFirst(2).joined(separator: " ")))
        }
        return lines
    }
}
