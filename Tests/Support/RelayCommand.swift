// SPDX-License-Identifier: GPL-2.0-or-later
// A command of the control protocol as a relay saw it, and what a scripted relay may do with it.

/// One command that arrived, a retransmission included.
public struct RelayCommand: Sendable {
    /// When it arrived, in milliseconds of the monotonic clock.
    public let time: Int
    /// The cookie; empty on stream sockets.
    public let cookie: String
    /// The command without its cookie and line end.
    public let text: String
    /// Whether a line end stood behind it.
    public let isTerminated: Bool
    /// The command with the line end that it had.
    public var line: String { isTerminated ? text + "\n" : text }
    /// The sender's port on UDP, the descriptor on streams.
    public let sender: Int
    /// 1 for the first time that this cookie was seen, 2 for its first retransmission, and so on.
    public let attempt: Int
    /// 1 for the first command of this verb and Call-ID (retransmissions not counted), and so on.
    public let number: Int

    public var words: [String] { text.split(separator: " ", omittingEmptySubsequences: false).map(String.init) }
    /// `V`, `VF`, or the letter of the command.
    public var verb: String {
        let first = words[0].uppercased()
        return first == "VF" ? first : String(first.prefix(1))
    }
    /// Whether it asks for the relay, not for a call: what the module's own process sends when it likes.
    public var asksForTheRelay: Bool { ["V", "VF", "G"].contains(verb) }
    /// What follows the letter in the first word.
    public var modifiers: String { verb == "VF" ? "" : String(words[0].dropFirst()) }
    /// The stream's number behind the from-tag of U and L; 0 where there is none.
    public var stream: Int {
        guard words.count > 4, let number = words[4].split(separator: ";").last else { return 0 }
        return Int(number) ?? 0
    }
    /// The first argument; empty where there is none.
    public var callID: String { words.count > 1 ? words[1] : "" }
}

/// What a scripted relay does with a command.
public indirect enum RelayAnswer: Sendable {
    /// What it would do without a rule.
    case normal
    /// This text, with the cookie before it and LF behind it.
    case reply(String)
    /// These bytes and nothing else: no cookie, no line end.
    case raw([UInt8])
    /// Nothing. On a stream the connection stays open.
    case drop
    /// Streams: closes the connection without a word.
    case hangUp
    /// The answer, so many milliseconds later.
    case delay(Int, RelayAnswer)
    /// The answer twice.
    case twice(RelayAnswer)
    /// The answer, once the test says `release()`.
    case hold(RelayAnswer)
    /// UDP: the answer from another port.
    case fromOtherPort(RelayAnswer)
    /// Streams: one byte at a time, so many milliseconds apart. Behind `.raw` the connection stays open.
    case drip(Int, RelayAnswer)
    /// All of these.
    case several([RelayAnswer])
}

/// What a scripted relay knows, as the real one does, so that its default answers make sense.
struct RelaySessions {
    var address: String
    var capabilities: Set<String>
    private var ports: [String: Int] = [:]
    private var calls: Set<String> = []
    private var nextPort = 35_000
    /// What it has counted since it was started: sessions, commands.
    private var counters = (sessions: 0, commands: 0)
    /// How many streams a call has.
    private var streams: [String: Int] = [:]
    /// Those of them that were deleted alone.
    private var gone: [String: Set<Int>] = [:]

    /// What it counts of each stream, and the capability that a figure needs beside 20150420.
    private static let figures: [String: (value: String, capability: String)] = [
        "ttl": ("60", ""), "npkts_ina": ("22", ""), "npkts_ino": ("24", ""), "nrelayed": ("46", ""),
        "ndropped": ("0", ""), "rtpa_nsent": ("24", ""), "rtpa_nrcvd": ("22", ""), "rtpa_ndups": ("1", ""),
        "rtpa_nlost": ("2", "20230205"), "rtpa_perrs": ("0", ""), "longest_ipi": ("0.060915", ""),
        "rtpa_jlast": ("9.500000", "20230424"), "rtpa_jmax": ("16.250000", "20230424"),
        "rtpa_javg": ("8.000000", "20230424"),
    ]

    init(address: String, capabilities: Set<String>) {
        self.address = address
        self.capabilities = capabilities
    }

    /// The default answer. A session is a Call-ID; a stream's port stays the same for the same tags.
    mutating func answer(_ command: RelayCommand) -> String {
        let words = command.words
        counters.commands += 1
        switch command.verb {
        case "G":
            guard words.dropFirst() == ["nsess_created", "ncmds_rcvd"] else { return "E68" }
            return "\(counters.sessions) \(counters.commands)"
        case "V": return "20040107"
        case "VF": return words.count > 1 && capabilities.contains(words[1]) ? "1" : "0"
        case "U", "L":
            guard words.count >= 5 else { return "E1" }
            if command.verb == "L" && !calls.contains(command.callID) { return "0" }
            if calls.insert(command.callID).inserted { counters.sessions += 1 }
            streams[command.callID] = max(streams[command.callID] ?? 0, command.stream)
            let key = "\(command.callID) \(command.verb) \(words[4])"
            let port = ports[key] ?? nextPort
            if ports.updateValue(port, forKey: key) == nil { nextPort = nextPort >= 64_000 ? 35_000 : nextPort + 2 }
            let suffix = address.isEmpty ? "" : " \(address)" + (address.contains(":") ? " 6" : "")
            return "\(port)\(suffix)"
        case "D":
            ports = ports.filter { !$0.key.hasPrefix("\(command.callID) ") }
            streams[command.callID] = nil
            gone[command.callID] = nil
            return calls.remove(command.callID) == nil ? "E50" : "0"
        case "Q":
            let stream = words.count > 2 ? words[2].split(separator: ";").last.flatMap { Int($0) } ?? 0 : 0
            guard calls.contains(command.callID), stream <= streams[command.callID] ?? 0,
                gone[command.callID]?.contains(stream) != true
            else { return "E50" }
            var names = Array(words.dropFirst(4))
            let deletes = names.suffix(2) == ["&&", "D"]
            guard !names.contains("&&") || deletes && capabilities.contains("20230314") else { return "E3" }
            if deletes { names.removeLast(2) }
            let found = command.modifiers == "v" ? figures(names) : "60 11 22 33 0"
            if deletes, !found.hasPrefix("E") { forget(stream, of: command.callID) }
            return found
        case "P", "S", "R": return calls.contains(command.callID) ? "0" : "E50"
        default: return "E0"
        }
    }

    /// The ports that a call's offers got, in the order of its streams.
    func ports(of callID: String) -> [Int] {
        ports.filter { $0.key.hasPrefix("\(callID) U ") }
            .sorted { (stream(of: $0.key), $0.value) < (stream(of: $1.key), $1.value) }.map(\.value)
    }

    private func stream(of key: String) -> Int { key.split(separator: ";").last.flatMap { Int($0) } ?? 0 }

    /// Deletes one stream of a call; with the last one it is gone.
    private mutating func forget(_ stream: Int, of callID: String) {
        gone[callID, default: []].insert(stream)
        guard gone[callID]?.count == streams[callID] else { return }
        ports = ports.filter { !$0.key.hasPrefix("\(callID) ") }
        (streams[callID], gone[callID]) = (nil, nil)
        calls.remove(callID)
    }

    /// The answer to `Qv` with these names.
    private func figures(_ names: [String]) -> String {
        guard capabilities.contains("20150420"), names.count <= 11 else { return "E1" }
        var fields: [String] = []
        for name in names {
            guard let figure = Self.figures[name], figure.capability.isEmpty || capabilities.contains(figure.capability)
            else { return "E62" }
            fields.append("\(name)=\(figure.value)")
        }
        return fields.joined(separator: " ")
    }
}
