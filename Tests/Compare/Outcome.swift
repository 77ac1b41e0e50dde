// SPDX-License-Identifier: GPL-2.0-or-later
// What one module did in one case, in a form that can be compared and read.

/// The parts of an outcome.
enum Aspect: String, CaseIterable, Sendable {
    /// Commands at the relays, as `a: U ...`; probes and retransmissions left out.
    case wire
    /// Return codes, as `offer 1`.
    case code
    /// Bodies of the messages that came out, and whether Content-Length fits.
    case body
    /// The variable of `rtp_inst_pvar`.
    case instance
    /// `$rtpstat`.
    case statistics
    /// What RPC answered.
    case rpc
    /// Relays that were given up, where the case scripts their answers.
    case disabled
}

/// Lines by aspect, in order.
struct Outcome: Equatable, Sendable {
    var lines: [Aspect: [String]] = [:]

    subscript(aspect: Aspect) -> [String] {
        get { lines[aspect] ?? [] }
        set { lines[aspect] = newValue.isEmpty ? nil : newValue }
    }

    /// The aspects in which two outcomes differ.
    func differences(from other: Outcome) -> [Aspect] {
        Aspect.allCases.filter { self[$0] != other[$0] }
    }
}

extension String {
    /// The text with line ends and unprintable bytes written out, a line per line.
    var readable: String {
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\r": text += "\\r"
            case "\n": text += "\\n\n"
            case "\t": text += "\\t"
            default:
                if scalar.value < 0x20 || scalar.value == 0x7F {
                    text += "\\x" + String(scalar.value, radix: 16)
                } else {
                    text.unicodeScalars.append(scalar)
                }
            }
        }
        return text
    }
}

extension Outcome {
    /// Changes every line of an aspect.
    mutating func edit(_ aspect: Aspect, _ change: (String) -> String) {
        self[aspect] = self[aspect].map(change)
    }
}

extension Outcome {
    /// Changes every U and L.
    mutating func editCommands(_ change: (inout WireLine) -> Void) {
        edit(.wire) { text in
            var line = WireLine(text)
            if line.isMedia { change(&line) }
            return line.text
        }
    }
}

extension String {
    /// All lines with this beginning replaced; line ends stay.
    func lines(beginning start: String, become replacement: String) -> String {
        unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let text = String(Substring(line))
            guard text.hasPrefix(start) else { return text }
            return replacement + (line.last == "\r" ? "\r" : "")
        }.joined(separator: "\n")
    }
}
