// SPDX-License-Identifier: GPL-2.0-or-later
// The real RTPProxy, run by a Python launcher out of the wheel rtp.io.

import Foundation

/// A real RTPProxy with a udp and a unix control socket on loopback.
public final class RealRelay: Sendable {
    /// Where its udp control socket listens.
    public let control: Endpoint
    /// `udp:127.0.0.1:port`.
    public let url: String
    /// `unix:path`.
    public let unixURL: String
    public let process: ChildProcess
    private let folder: TemporaryFolder

    /// The Python of the virtual environment with the wheel: `RTPPROXY_PYTHON`, else `.cache/venv/bin/python`.
    private static var python: String {
        ProcessInfo.processInfo.environment["RTPPROXY_PYTHON"] ?? "\(PackageFolder.root)/.cache/venv/bin/python"
    }

    /// Starts it and waits until it answers `V`. Media goes through `address`.
    public init(_ address: String = "127.0.0.1") throws {
        guard FileManager.default.isExecutableFile(atPath: Self.python) else {
            throw HarnessError("no RTPProxy: \(Self.python) is not there, run make setup first")
        }
        folder = try TemporaryFolder()
        control = Endpoint(.ipv4, try FreePort.next())
        url = "udp:\(control)"
        unixURL = "unix:\(folder.file("control"))"
        // A range of its own, above the harness's ports and below those that the system gives out.
        let lowest = try FreePort.next(in: 20_000...31_000) & ~1
        process = try ChildProcess(
            Self.python,
            [
                "\(PackageFolder.root)/Tests/Relay/real-relay.py", address, String(lowest),
                String(lowest + 999), url, unixURL,
            ], output: folder.file("log"), folder: folder.path)
        let ready = waitUntil(20) { !process.isRunning || (try? command("V", patience: 100)) == "20040107" }
        guard ready, process.isRunning else {
            throw HarnessError("RTPProxy did not start: \(process.output.suffix(2000))")
        }
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
