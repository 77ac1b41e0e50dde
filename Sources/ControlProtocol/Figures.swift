// SPDX-License-Identifier: GPL-2.0-or-later
// What RTPProxy counts of one media stream, by name: which figures there are, and its answers to `Q` read with distrust.

package import Bytes

/// A figure of the extended `Q` (control-protocol: Q), in RTPProxy's order. What is about one side is about what the
/// side sent whose tag the command names first.
package enum Figure: Int, Sendable {
    /// Seconds that the stream has to live without packets.
    case timeToLive
    /// Packets from the side of the first tag, and from the other side.
    case packetsFromFirst, packetsFromSecond
    /// Packets that went on, and that did not.
    case relayed, dropped
    /// Packets of one side, by their sequence numbers: sent, received, received more than once, lost.
    case sent, received, duplicates, lost
    /// Packets of one side that are no RTP.
    case parseErrors
    /// The longest time between two packets of one side.
    case longestGap
    /// Jitter of one side (RFC 3550 section 6.4.1): now, at most, on average.
    case latestJitter, largestJitter, averageJitter

    /// How many there are.
    package static let count = 14

    /// RTPProxy's name for it.
    package var name: StaticString {
        switch self {
        case .timeToLive: "ttl"
        case .packetsFromFirst: "npkts_ina"
        case .packetsFromSecond: "npkts_ino"
        case .relayed: "nrelayed"
        case .dropped: "ndropped"
        case .sent: "rtpa_nsent"
        case .received: "rtpa_nrcvd"
        case .duplicates: "rtpa_ndups"
        case .lost: "rtpa_nlost"
        case .parseErrors: "rtpa_perrs"
        case .longestGap: "longest_ipi"
        case .latestJitter: "rtpa_jlast"
        case .largestJitter: "rtpa_jmax"
        case .averageJitter: "rtpa_javg"
        }
    }

    /// Whether it is a decimal fraction, held in millionths: seconds, or jitter in units of RTP timestamps. The others
    /// are whole numbers.
    package var isFraction: Bool { rawValue >= Figure.longestGap.rawValue }

    /// The figure of this name, nil where there is none.
    package init?(_ bytes: Span<UInt8>, _ name: ByteRange) {
        for place in 0..<Figure.count {
            if let figure = Figure(rawValue: place), bytes.equals(name, figure.name) {
                self = figure
                return
            }
        }
        return nil
    }
}

/// Some of the figures.
package struct FigureSet: Equatable, Sendable {
    private var bits: UInt16

    private init(bits: UInt16) { self.bits = bits }

    package static let none = FigureSet(bits: 0)
    // NO TRAP: 0 to a constant that is above it, 14.
    package static let all = FigureSet(bits: 1 << UInt16(Figure.count) &- 1)
    /// What a plain `Q` answers, in this order.
    package static let plain = FigureSet(bits: 0x1F)

    package var isEmpty: Bool { bits == 0 }

    package var count: Int { bits.nonzeroBitCount }

    /// How many of them one command can ask for (control-protocol: Q).
    package static let mostAtOnce = 11

    package func contains(_ figure: Figure) -> Bool { bits & bit(figure) != 0 }

    package mutating func insert(_ figure: Figure) { bits |= bit(figure) }

    /// What is in both.
    package func intersection(_ other: FigureSet) -> FigureSet { FigureSet(bits: bits & other.bits) }

    /// What is in either.
    package func union(_ other: FigureSet) -> FigureSet { FigureSet(bits: bits | other.bits) }

    private func bit(_ figure: Figure) -> UInt16 { 1 &<< UInt16(truncatingIfNeeded: figure.rawValue) }

    /// What one command asks an RTPProxy of these `capabilities` for: 11 figures fit into one (control-protocol: Q), so
    /// there are two, 0 and 1, the second of them for jitter.
    @_optimize(size)
    package static func asked(_ command: Int, of capabilities: Capabilities) -> FigureSet {
        var figures = FigureSet.none
        guard capabilities.contains(.namedFigures) else { return figures }
        for place in 0..<Figure.count {
            guard let figure = Figure(rawValue: place) else { continue }
            switch figure {
            case .latestJitter, .largestJitter, .averageJitter:
                if command == 1, capabilities.contains(.jitter) { figures.insert(figure) }
            case .lost:
                if command == 0, capabilities.contains(.lostPackets) { figures.insert(figure) }
            default:
                if command == 0 { figures.insert(figure) }
            }
        }
        return figures
    }
}

/// Figures with their values: fractions in millionths, all within 0...Int64.max.
package struct FigureValues: Sendable {
    private var values: InlineArray<14, UInt64> = .init(repeating: 0)
    /// Which of them there are.
    package private(set) var present = FigureSet.none

    package init() {}

    /// The value, nil where there is none.
    package subscript(figure: Figure) -> UInt64? {
        // NO TRAP (2): the raw values are 0...13, and there are 14 values; Int64.max is positive.
        get { present.contains(figure) ? values[figure.rawValue] : nil }
        set {
            guard let newValue else { return }
            values[figure.rawValue] = min(newValue, UInt64(Int64.max))
            present.insert(figure)
        }
    }
}

/// The answer to a `Q`.
package enum FigureReply {
    /// Added to what the values held before.
    case taken
    case error(ErrorCode)
    case malformed

    /// Reads `reply`, which ends before its line end, into `values`. `asked` empty: it answers a plain `Q`. What was not
    /// asked for, is there for the second time, or is no number is left out.
    @_optimize(size)
    package static func parse(
        _ bytes: Span<UInt8>, _ reply: ByteRange, asked: FigureSet, into values: inout FigureValues
    ) -> FigureReply {
        var fields = FieldCursor(in: reply)
        var place = 0
        while let field = fields.next(in: bytes) {
            if place == 0 {
                if let code = PlainReply.errorCode(bytes, field) { return .error(code) }
                let isNamed = bytes.firstIndex(of: UInt8(ascii: "="), in: field) != nil
                guard isNamed || number(bytes, field, isFraction: false) != nil else { return .malformed }
            }
            if asked.isEmpty {
                if let figure = Figure(rawValue: place), FigureSet.plain.contains(figure) {
                    // NO TRAP (3): the subscript above, by a figure: it reaches every case.
                    values[figure] = number(bytes, field, isFraction: false)
                }
            } else if let sign = bytes.firstIndex(of: UInt8(ascii: "="), in: field),
                let figure = Figure(bytes, ByteRange(from: field.start, to: sign)), asked.contains(figure),
                values[figure] == nil
            {
                values[figure] = number(
                    bytes, ByteRange(from: sign &+ 1, to: field.end), isFraction: figure.isFraction)
            }
            place &+= 1
        }
        return place > 0 ? .taken : .malformed
    }

    /// The number that `range` holds: digits, of a fraction with or without a point and further digits, in millionths
    /// then, rounded down. Nil for anything else, and for what is more than Int64.max.
    @_optimize(size)
    private static func number(_ bytes: Span<UInt8>, _ range: ByteRange, isFraction: Bool) -> UInt64? {
        let inside = bytes.clamped(range)
        var value: UInt64 = 0
        var digits = 0
        var decimals: Int?
        // NO TRAP (2): inside comes from clamped(): start <= end, both within the bytes.
        for index in inside.start..<inside.end {
            let byte = bytes[index]
            if byte == UInt8(ascii: "."), isFraction, decimals == nil, digits > 0 {
                decimals = 0
                digits = 0
                continue
            }
            guard isDigit(byte) else { return nil }
            digits &+= 1
            if let count = decimals {
                guard count < 6 else { continue }
                decimals = count &+ 1
            }
            guard append(UInt64(widening: byte &- 0x30), to: &value) else { return nil }
        }
        guard digits > 0 else { return nil }
        if isFraction {
            // NO TRAP: decimals is 0...6: it grows by one while it is below 6.
            for _ in (decimals ?? 0)..<6 {
                guard append(0, to: &value) else { return nil }
            }
        }
        return value
    }

    private static func append(_ digit: UInt64, to value: inout UInt64) -> Bool {
        // NO TRAP (2): Int64.max is positive.
        guard value <= UInt64(Int64.max) / 10 else { return false }
        value = value &* 10 &+ digit
        return value <= UInt64(Int64.max)
    }
}
