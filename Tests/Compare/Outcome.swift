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
