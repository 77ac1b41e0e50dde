// SPDX-License-Identifier: GPL-2.0-or-later
// A SIP user agent with WebRTC media, run by Python out of the wheel aiortc.

import Foundation

/// The program Tests/Support/Agents/webrtc.py, whose head says what it can. Threads may ask it at the same
/// time: each question has a socket of its own.
public final class WebRTCAgent: @unchecked Sendable {
    /// `sip:name@domain`.
    public let uri: String
    public let process: ChildProcess
    private let console: Endpoint

    /// What `status` says of a call.
    public struct Status: Decodable, Sendable {
        public let call: Int
        /// The Call-ID.
        public let id: String
        /// calling, ringing, answered, ended.
        public let state: String
        /// Of the last final answer; 0: there is none yet.
        public let code: Int
        public let ice: String
        public let dtls: String
        /// The frequency of the tone that it hears, in Hz.
        public let heard: Int?
        /// Received until now, of all streams.
        public let packets: Int
        /// Pictures decoded until now.
        public let frames: Int
    }

    /// What `count` says of all calls.
    public struct Count: Decodable, Sendable {
        public let up: Int
        public let ended: Int
        /// Whose last final answer was none of success.
        public let failed: Int
        /// Packets of audio of all calls, and the fewest and the most heard in one.
        public let sent: Int
        public let heard: Int
        public let least: Int
        public let most: Int
        /// Whether a command that was answered at once goes on.
        public let works: Bool
    }

    /// One line that it has printed.
    public struct Event: Decodable, Sendable {
        public let event: String
        /// Of a SIP message: its method, with the status before it where it is a response.
        public let what: String?
        public let sdp: String?
        public let state: String?
        public let text: String?
    }

    private struct Answer: Decodable {
        let ok: Bool
        let error: String?
        let code: Int?
        let call: Int?
    }

    /// Whether `make setup` has installed what it needs.
    public static let isInstalled =
        (try? ChildProcess.run(RealRelay.python, ["-c", "import aiortc, websockets"], within: 60).end) == .exited(0)
    public static let need = "there is no aiortc: make setup"

    /// Starts it. `proxy`: `udp:HOST:PORT`, `ws://HOST:PORT/` or `wss://HOST:PORT/`. `address`: its only candidate,
    /// which may be a loopback address. `options`: further ones of the program.
    public init(
        _ name: String, proxy: String, address: String, domain: String = "127.0.0.1", tone: Int = 440,
        options: [String] = []
    ) throws {
        uri = "sip:\(name)@\(domain)"
        console = Endpoint(.ipv4, try FreePort.next())
        process = try ChildProcess(
            RealRelay.python,
            [
                "\(PackageFolder.root)/Tests/Support/Agents/webrtc.py", "--name", name, "--proxy", proxy, "--console",
                "\(console)", "--address", address, "--domain", domain, "--tone", String(tone),
            ] + options)
        let process = process
        waitUntil(30) { !process.isRunning || process.output.contains("\"event\": \"ready\"") }
        guard process.isRunning else { throw HarnessError("\(name) did not start: \(process.output.suffix(2000))") }
    }

    deinit { process.terminate(within: 0) }

    private func ask<T: Decodable>(_ command: String, as type: T.Type) throws -> T {
        let socket = try UDPSocket()
        socket.send(Array(command.utf8), to: console)
        guard let (bytes, _) = socket.receive(20_000) else {
            throw HarnessError("\(uri) does not answer \(command): \(process.output.suffix(2000))")
        }
        do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
            throw HarnessError("\(uri) answers \(command) with \(String(decoding: bytes, as: UTF8.self))")
        }
    }

    /// Carries out a command, which must succeed. Returns the number of the call where it makes one, else 0.
    @discardableResult
    public func command(_ text: String) throws -> Int {
        let answer = try ask(text, as: Answer.self)
        guard answer.ok else {
            throw HarnessError("\(uri) failed to \(text): \(answer.error ?? "") \(answer.code ?? 0)\n\(events())")
        }
        return answer.call ?? 0
    }

    /// What it says of a call.
    public func status(_ call: Int = 1) throws -> Status { try ask("status \(call)", as: Status.self) }

    /// What it says of all calls.
    public func count() throws -> Count { try ask("count", as: Count.self) }

    /// Waits until a call is as `wanted`, and returns whether it has become so.
    public func wait(_ call: Int = 1, seconds: Double = 30, until wanted: (Status) -> Bool) -> Bool {
        waitUntil(seconds, every: 100) { (try? status(call)).map(wanted) ?? false }
    }

    /// Whether it hears a tone of this frequency, within 3 %, in a while.
    public func hears(_ frequency: Int, call: Int = 1, seconds: Double = 10) -> Bool {
        wait(call, seconds: seconds) { abs(($0.heard ?? 0) - frequency) <= frequency * 3 / 100 }
    }

    /// All that it has printed.
    public func events() -> [Event] {
        process.output.split(separator: "\n").compactMap { line in
            try? JSONDecoder().decode(Event.self, from: Data(line.utf8))
        }
    }

    /// The session descriptions that it has sent or received, in order.
    public func descriptions(sent isSent: Bool) -> [String] {
        events().filter { $0.event == (isSent ? "sent" : "received") }.compactMap(\.sdp).filter { !$0.isEmpty }
    }
}
