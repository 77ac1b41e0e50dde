// SPDX-License-Identifier: GPL-2.0-or-later
// A second reader of session descriptions, which takes whatever some phone may take: what it finds has to be the relay's.

import Bytes
import SDP

/// Reads a session description as loosely as can be, and shares nothing with the reader of the module: lines end at CR,
/// LF or CRLF; control characters are blanks; blanks stand anywhere around the letter and `=`; letters are in either
/// case; lines come in any order, and of several `c=` lines each may be the one that counts.
struct LenientReader {
    /// How such readers differ.
    struct Habits: CaseIterable {
        enum Cut: String { case nowhere, atEmptyLine, atNUL }
        /// Where it stops reading.
        var cut = Cut.nowhere
        /// Whether a `v=` begins a new session; else it is passed over, as all lines are that mean nothing.
        var knowsSessions = true

        var text: String { "stops \(cut.rawValue) and \(knowsSessions ? "knows" : "takes no notice of") v=" }

        static var allCases: [Habits] {
            [.nowhere, .atEmptyLine, .atNUL].flatMap { (cut: Cut) in
                [true, false].map { Habits(cut: cut, knowsSessions: $0) }
            }
        }
    }

    struct Stream {
        var transport = ""
        var port = 0
        var connections: [String] = []
        /// What the `a=rtcp:` lines say, word by word.
        var rtcp: [[String]] = []

        var isOverTCP: Bool { transport.lowercased().hasPrefix("tcp") }
        /// Whether the relay has it.
        var isRelayed: Bool { port != 0 && !isOverTCP }
    }

    struct Session {
        var connections: [String] = []
        var streams: [Stream] = []
        /// The words of the `o=` lines.
        var origins: [[String]] = []
    }

    private(set) var sessions = [Session()]

    init(_ bytes: ArraySlice<UInt8>, _ habits: Habits) {
        var bytes = bytes
        if habits.cut == .atNUL { bytes = bytes.prefix { $0 != 0 } }
        for line in Self.lines(bytes) {
            if line.isEmpty, habits.cut == .atEmptyLine { break }
            take(line, habits)
        }
    }

    /// The lines, CRLF being one end.
    static func lines(_ bytes: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        var lines: [ArraySlice<UInt8>] = []
        var start = bytes.startIndex
        for index in bytes.indices where bytes[index] == 0x0D || bytes[index] == 0x0A {
            let isSecondHalf = bytes[index] == 0x0A && index > bytes.startIndex && bytes[index - 1] == 0x0D
            if !isSecondHalf { lines.append(bytes[start..<index]) }
            start = index + 1
        }
        return lines + [bytes[start...]]
    }

    private static func words(_ bytes: ArraySlice<UInt8>) -> [String] {
        bytes.split { $0 <= 0x20 }.map { String(decoding: $0, as: UTF8.self) }
    }

    private mutating func take(_ line: ArraySlice<UInt8>, _ habits: Habits) {
        let rest = line.drop { $0 <= 0x20 }
        guard let letter = rest.first else { return }
        let sign = rest.dropFirst().drop { $0 <= 0x20 }
        guard sign.first == UInt8(ascii: "=") else { return }
        let value = sign.dropFirst()
        let words = Self.words(value)
        let last = sessions.count - 1
        let stream = sessions[last].streams.count - 1
        switch Character(Unicode.Scalar(letter)).lowercased() {
        case "v":
            if habits.knowsSessions { sessions.append(Session()) }
        case "o":
            // Which words are an address is a rule of the module's, so words are what it takes for them.
            let words = value.split { $0 == 0x20 || $0 == 0x09 }
            sessions[last].origins.append(words.map { String(decoding: $0, as: UTF8.self) })
        case "c":
            let field = words.count > 2 ? words[2] : words.last ?? ""
            let address = String(field.prefix { $0 != "/" })
            if stream >= 0 {
                sessions[last].streams[stream].connections.append(address)
            } else {
                sessions[last].connections.append(address)
            }
        case "m":
            let port = words.count > 1 ? words[1].prefix { $0.isASCII && $0.isNumber } : ""
            sessions[last].streams.append(
                Stream(transport: words.count > 2 ? words[2] : "", port: Int(port) ?? (port.isEmpty ? 0 : -1)))
        case "a" where stream >= 0:
            let name = value.drop { $0 <= 0x20 }.prefix { $0 != UInt8(ascii: ":") }
            guard Self.words(name).map({ $0.lowercased() }) == ["rtcp"] else { return }
            let text = value.drop { $0 != UInt8(ascii: ":") }.dropFirst()
            sessions[last].streams[stream].rtcp.append(Self.words(text))
        default: break
        }
    }
}

/// Where a rewritten body may send media.
struct Relayed {
    private let addresses: Set<String>
    private let ports: Set<Int>
    private let options: RewriteOptions

    /// What `request`, with a destination for each media stream, allows.
    init(_ request: RewriteRequest) {
        let destinations = request.verdicts.compactMap(\.destination)
        addresses = Set(destinations.map { text(request.addresses, $0.address) })
        ports = Set(destinations.map { Int($0.port) })
        options = request.options
    }

    /// The address of the relay, or one that says hold.
    private func isAddress(_ text: String) -> Bool {
        addresses.contains(text) || text == "0.0.0.0"
            || (text.contains("::") && text.allSatisfy { $0 == ":" || $0 == "0" || $0 == "." })
            || (text.split(separator: ":").count == 8 && text.allSatisfy { $0 == ":" || $0 == "0" })
            || (text.contains(":") && text.hasSuffix(":0.0.0.0")
                && text.allSatisfy { $0 == ":" || $0 == "0" || $0 == "." })
    }

    /// What some reader of `bytes` takes for an address or port of media and is neither the relay's nor left by a rule of
    /// the module (docs/operator/functions.md, "Descriptions that are refused"): streams that are off or over TCP keep
    /// theirs, the `c=` of a session where each of its streams has its own one, the `o=` without flag `o` or without
    /// `IN IP4` or `IN IP6` and an address at its end. Candidates and other attributes are no addresses here. Nil: nothing.
    func stray(in bytes: ArraySlice<UInt8>) -> String? {
        for habits in LenientReader.Habits.allCases {
            let reader = LenientReader(bytes, habits)
            for session in reader.sessions {
                if let found = stray(in: session) { return "\(found), as a reader sees it that \(habits.text)" }
            }
            // The rule about origins is one of each session and of whole lines.
            guard habits.knowsSessions, habits.cut != .atNUL else { continue }
            if let origin = reader.sessions.lazy.compactMap({ strayOrigin(in: $0) }).first {
                return "\(origin), as a reader sees it that \(habits.text)"
            }
        }
        return nil
    }

    private func stray(in session: LenientReader.Session) -> String? {
        for stream in session.streams where stream.isRelayed {
            guard ports.contains(stream.port) else { return "port \(stream.port) is left" }
            let connections = stream.connections.isEmpty ? session.connections : stream.connections
            if let left = connections.first(where: { !isAddress($0) }) { return "address \(left) is left" }
            for words in stream.rtcp where stream.port < 65535 && !words.isEmpty {
                guard words == [String(stream.port + 1)] else { return "a=rtcp:\(words) is left" }
            }
        }
        let isChanged = options.changesSessionConnection && session.streams.contains { $0.isRelayed }
        if isChanged, let left = session.connections.first(where: { !isAddress($0) }) {
            return "address \(left) of a session is left"
        }
        return nil
    }

    private func strayOrigin(in session: LenientReader.Session) -> String? {
        guard options.changesOrigin, session.streams.contains(where: \.isRelayed) else { return nil }
        for words in session.origins.map({ $0.suffix(3) }) where words.count == 3 {
            let isReadable = words.first == "IN" && ["IP4", "IP6"].contains(words.dropFirst().first)
            guard isReadable, let address = words.last?.prefix(while: { $0 != "/" }), !address.isEmpty else { continue }
            guard isAddress(String(address)) else { return "address \(address) of an origin is left" }
        }
        return nil
    }
}
