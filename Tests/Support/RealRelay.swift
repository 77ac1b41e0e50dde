// SPDX-License-Identifier: GPL-2.0-or-later
// The real RTPProxy, run by a Python launcher out of the wheel rtp.io.

import Foundation
import Synchronization

/// A real RTPProxy on loopback with control sockets of several kinds.
public final class RealRelay: Sendable {
    /// Where its udp control socket listens.
    public let control: Endpoint
    /// `udp:127.0.0.1:port`.
    public let url: String
    /// `unix:path`.
    public let unixURL: String
    /// `cunix:path`.
    public let lastingURL: String
    private let current: Mutex<ChildProcess>
    private let arguments: [String]
    private let folder: TemporaryFolder

    /// The process that runs now.
    public var process: ChildProcess { current.withLock { $0 } }

    /// The Python of the virtual environment with the wheel: `RTPPROXY_PYTHON`, else `.cache/venv/bin/python`.
    private static var python: String {
        ProcessInfo.processInfo.environment["RTPPROXY_PYTHON"] ?? "\(PackageFolder.root)/.cache/venv/bin/python"
    }

    /// Starts it and waits until it answers `V`. Media goes through `address`. `options`: further ones of RTPProxy.
    public init(_ address: String = "127.0.0.1", options: [String] = []) throws {
        guard FileManager.default.isExecutableFile(atPath: Self.python) else {
            throw HarnessError("no RTPProxy: \(Self.python) is not there, run make setup first")
        }
        folder = try TemporaryFolder()
        control = Endpoint(.ipv4, try FreePort.next())
        url = "udp:\(control)"
        unixURL = "unix:\(folder.file("control"))"
        lastingURL = "cunix:\(folder.file("lasting"))"
        // Where the system gives ports out itself: it and RTPProxy both pass over those in use, user agents could not.
        let lowest = try FreePort.next(in: 34_000...59_000) & ~1
        arguments =
            [
                "\(PackageFolder.root)/Tests/Relay/real-relay.py", address, String(lowest), String(lowest + 999), url,
                unixURL, lastingURL, "--",
            ] + options
        current = Mutex(try Self.launch(arguments, folder))
        try waitUntilItAnswers()
    }

    private static func launch(_ arguments: [String], _ folder: TemporaryFolder) throws -> ChildProcess {
        try ChildProcess(python, arguments, output: folder.file("log"), folder: folder.path)
    }

    private func waitUntilItAnswers() throws {
        let process = self.process
        let ready = waitUntil(20) { !process.isRunning || (try? command("V", patience: 100)) == "20040107" }
        guard ready, process.isRunning else {
            throw HarnessError("RTPProxy did not start: \(process.output.suffix(2000))")
        }
    }

    /// Kills it, as a crash would: what it knew is gone, and what it left lying about stays.
    public func crash() { process.terminate(within: 0) }

    /// Starts it again, with the same sockets, and waits until it answers `V`.
    public func start() throws {
        let started = try Self.launch(arguments, folder)
        current.withLock { $0 = started }
        try waitUntilItAnswers()
    }

    /// Sends one command over UDP and returns the answer without cookie and line end.
    public func command(_ text: String, patience milliseconds: Int = 2000) throws -> String {
        let socket = try UDPSocket()
        let cookie = UUID().uuidString
        socket.send(Array("\(cookie) \(text)".utf8), to: control)
        guard let (bytes, _) = socket.receive(milliseconds) else {
            throw HarnessError("RTPProxy does not answer \(text)")
        }
        return String(decoding: bytes, as: UTF8.self).dropFirst(cookie.count)
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Ends it.
    @discardableResult
    public func stop() -> ProcessEnd? { process.terminate(within: 3) }
}
