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
    /// The parts between line feeds; a carriage return before one is dropped from `change`'s view and put back.
    /// Swift takes CR LF for one character, so the lines are cut by scalars.
    func mapLines(_ change: (String) -> String) -> String {
        unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let hasReturn = line.last == "\r"
            return change(String(Substring(hasReturn ? line.dropLast() : line))) + (hasReturn ? "\r" : "")
        }.reduce(into: (text: "", first: true)) { all, line in
            all.text.unicodeScalars.append(contentsOf: (all.first ? "" : "\n").unicodeScalars)
            all.text.unicodeScalars.append(contentsOf: line.unicodeScalars)
            all.first = false
        }.text
    }

    /// The lines without their ends.
    var textLines: [String] {
        unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            String(Substring(line.last == "\r" ? line.dropLast() : line))
        }
    }

    /// All lines with this beginning replaced; line ends stay.
    func lines(beginning start: String, become replacement: String) -> String {
        mapLines { $0.hasPrefix(start) ? replacement : $0 }
    }

    /// The text without carriage returns.
    var withoutReturns: String {
        var scalars = UnicodeScalarView()
        scalars.append(contentsOf: unicodeScalars.filter { $0 != "\r" })
        return String(scalars)
    }
}
