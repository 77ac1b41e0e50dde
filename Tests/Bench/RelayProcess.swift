// SPDX-License-Identifier: GPL-2.0-or-later
// The scripted relay's process, and the orders that it takes.

import Foundation
import TestSupport

/// One process that stands for many relays.
final class RelayProcess {
    /// That it keeps sessions, as RTPProxy does.
    struct Sessions {
        /// Where it writes what it counts.
        var file: String
        /// How long a session stays that nothing asks for, in milliseconds.
        var milliseconds: Int
        /// The unix socket on which it takes stream connections, as it does over TCP then.
        var path: String?
    }

    private var process: ChildProcess
    private let port: UInt16
    private var orders: Endpoint
    private let socket: UDPSocket
    private let delay: Int
    private let sessions: Sessions?

    /// Each answer comes this long after its command.
    init(delayMicroseconds: Int = 0, sessions: Sessions? = nil) throws {
        delay = delayMicroseconds
        self.sessions = sessions
        // One that is to be started again needs a port that nobody else is given meanwhile.
        let wanted = sessions == nil ? 0 : try FreePort.next()
        (process, port, orders) = try Self.start(delayMicroseconds, port: wanted, sessions)
        socket = try UDPSocket()
    }

    private static func start(
        _ delay: Int, port: UInt16, _ sessions: Sessions?
    ) throws -> (ChildProcess, port: UInt16, orders: Endpoint) {
        var arguments = ["relay", String(delay)]
        if let sessions {
            arguments +=
                [String(port), String(sessions.milliseconds), sessions.file] + [sessions.path].compactMap { $0 }
        }
        let process = try ChildProcess(Program.path, arguments)
        let line = try Program.firstLine(of: process, beginning: "ready ")
        let ports = line.split(separator: " ").compactMap { UInt16($0) }
        guard ports.count == 2 else { throw HarnessError("the relay said \"\(line)\"") }
        return (process, ports[0], Endpoint(.ipv4, ports[1]))
    }

    /// Ends the process by a signal.
    func end(by signal: Int32) throws {
        process.signal(signal)
        guard process.wait(5) == .signalled(signal) else { throw HarnessError("the relay did not end") }
    }

    /// Starts it again on the port that it had, where it keeps sessions. Nothing is lost until that is said again.
    func startAgain() throws { (process, _, orders) = try Self.start(delay, port: port, sessions) }

    /// The URL of a relay (relay.c says which addresses they have).
    func url(_ relay: Int) -> String { "udp:127.0.\(1 + relay / 250).\(1 + relay % 250):\(port)" }

    /// Its relays that take commands on stream connections, where there are any.
    var linkURLs: [String] { sessions?.path.map { ["cunix:\($0)", "tcp:127.0.1.2:\(port)"] } ?? [] }

    /// The URLs of the first `count` relays.
    func urls(_ count: Int) -> [String] { (0..<count).map(url) }

    /// From now on a relay answers nothing, or answers again.
    func silence(_ relay: Int, _ isSilent: Bool = true) throws {
        _ = try order("silence \(relay) \(isSilent ? 1 : 0)")
    }

    /// From now on commands to all relays are lost at random.
    func lose(perMillion: Int, seed: Int) throws {
        _ = try order("loss \(perMillion) \(seed)")
    }

    /// From now on each answer comes this long after its command. Not to be changed while commands are under way.
    func delay(microseconds: Int) throws {
        _ = try order("delay \(microseconds)")
    }

    /// How many commands have come to a relay: `V` and `VF`, and all others.
    func count(_ relay: Int) throws -> (probes: Int, others: Int) {
        let numbers = try counts(relay)
        return (numbers[0], numbers[1])
    }

    /// How many commands it has not answered, lost or silent.
    func dropped() throws -> Int { try counts(0)[2] }

    /// From now on sessions of a relay may be left to expire, because it cannot be reached; or no longer.
    func excuse(_ relay: Int, _ isExcused: Bool) throws { _ = try order("excuse \(relay) \(isExcused ? 1 : 0)") }

    /// What all processes have counted that had this one's file.
    func tally() throws -> SessionTally {
        let numbers = try order("tally").split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 8 else { throw HarnessError("the relay cannot tally") }
        return SessionTally(
            made: numbers[0], deleted: numbers[1], expired: numbers[2], unexcused: numbers[3], gone: numbers[4],
            left: numbers[5], commands: numbers[6], repeated: numbers[7])
    }

    /// How many answers were held back on connections of many calls until the next command came, and how many until that
    /// had taken too long.
    func holds() throws -> (kept: Int, pauses: Int) {
        let numbers = try order("holds").split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 2 else { throw HarnessError("the relay cannot count what it holds back") }
        return (numbers[0], numbers[1])
    }

    private func counts(_ relay: Int) throws -> [Int] {
        let numbers = try order("count \(relay)").split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 3 else { throw HarnessError("the relay cannot count") }
        return numbers
    }

    private func order(_ text: String) throws -> String {
        socket.send(Array(text.utf8), to: orders)
        guard let (bytes, _) = socket.receive(2000) else { throw HarnessError("the relay does not take orders") }
        let answer = String(decoding: bytes, as: UTF8.self)
        guard answer != "what?" else { throw HarnessError("the relay does not understand \"\(text)\"") }
        return answer
    }

    func stop() { process.terminate(within: 1) }
}

/// What became of the sessions of relays, and of commands.
struct SessionTally {
    var made = 0
    var deleted = 0
    var expired = 0
    /// Expired sessions that Kamailio could have deleted.
    var unexcused = 0
    /// Gone with a process that ended.
    var gone = 0
    var left = 0
    /// Commands of calls that came, each once.
    var commands = 0
    /// How often one came again.
    var repeated = 0

    static func + (a: SessionTally, b: SessionTally) -> SessionTally {
        SessionTally(
            made: a.made + b.made, deleted: a.deleted + b.deleted, expired: a.expired + b.expired,
            unexcused: a.unexcused + b.unexcused, gone: a.gone + b.gone, left: a.left + b.left,
            commands: a.commands + b.commands, repeated: a.repeated + b.repeated)
    }
}

/// This executable, which holds the C programs too.
enum Program {
    static let path = CommandLine.arguments[0].contains("/") ? CommandLine.arguments[0] : "/proc/self/exe"

    /// Waits for the first line of a program.
    static func firstLine(of process: ChildProcess, beginning start: String) throws -> String {
        waitUntil(10) { process.output.contains("\n") || !process.isRunning }
        let line = process.output.prefix { $0 != "\n" }
        guard line.hasPrefix(start) else { throw HarnessError("a program said \"\(process.output)\" and not \(start)") }
        return String(line)
    }
}
