// SPDX-License-Identifier: GPL-2.0-or-later
// The demo's report for a terminal.

import Foundation

extension DemoReport {
    /// The whole report. `heading` dresses the titles, in bold on a terminal for example.
    public func text(heading: (String) -> String = { $0 }) -> String {
        var parts = [heading("The call"), ladder.text, ""]
        parts += [heading("The offer: as the caller sent it, as the callee got it")]
        parts += sideBySide(offerSent, offerReceived) + [""]
        parts += [heading("The answer: as the callee sent it, as the caller got it")]
        parts += sideBySide(answerSent, answerReceived) + [""]
        parts += [heading("RTP packets through \(kind.name)")]
        parts += ["  caller to callee: \(sentByCaller) sent, \(countedAtCallee) arrived"]
        parts += ["  callee to caller: \(sentByCallee) sent, \(countedAtCaller) arrived", ""]
        parts += [heading("$rtpstat before the deletion (seconds to live, from callee, from caller, relayed, dropped)")]
        parts += ["  \(statistics)", ""]
        parts += [heading("kamcmd rtpproxy.list")]
        parts += list.split(separator: "\n").map { "  \($0.replacingOccurrences(of: "\t", with: "  "))" } + [""]
        parts += [heading("The session at \(kind.name), asked with \(question.prefix(1))")]
        parts += ["  before BYE: \(answerBefore)", "  after BYE:  \(answerAfter) (no such session)", ""]
        return parts.joined(separator: "\n")
    }
}

/// Two texts line by line; lines that differ are marked.
func sideBySide(_ left: String, _ right: String) -> [String] {
    let rows = [left, right].map {
        $0.replacingOccurrences(of: "\r\n", with: "\n").split(separator: "\n").map(String.init)
    }
    let width = (rows[0].map(\.count).max() ?? 0) + 3
    return (0..<max(rows[0].count, rows[1].count)).map { index in
        let before = index < rows[0].count ? rows[0][index] : ""
        let after = index < rows[1].count ? rows[1][index] : ""
        let mark = before == after ? " " : "*"
        return "  " + before.padding(toLength: width, withPad: " ", startingAt: 0) + "\(mark) \(after)"
    }
}
