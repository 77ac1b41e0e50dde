// SPDX-License-Identifier: GPL-2.0-or-later
// The scripted relay's process, and the orders that it takes.

import Foundation
import TestSupport

/// One process that stands for many relays.
final class RelayProcess {
    private let process: ChildProcess
    private let port: UInt16
    private let orders: Endpoint
    private let socket: UDPSocket

    /// Each answer comes this long after its command.
    init(delayMicroseconds: Int = 0) throws {
        process = try ChildProcess(Program.path, ["relay", String(delayMicroseconds)])
        let line = try Program.firstLine(of: process, beginning: "ready ")
        let ports = line.split(separator: " ").compactMap { UInt16($0) }
        guard ports.count == 2 else { throw HarnessError("the relay said \"\(line)\"") }
        port = ports[0]
        orders = Endpoint(.ipv4, ports[1])
        socket = try UDPSocket()
    }

    /// The URL of a relay (relay.c says which addresses they have).
    func url(_ relay: Int) -> String { "udp:127.0.\(1 + relay / 250).\(1 + relay % 250):\(port)" }

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
