// SPDX-License-Identifier: GPL-2.0-or-later
// The real RTPProxy, run by a Python launcher out of the wheel rtp.io.

import Foundation
import Synchronization

/// A real RTPProxy on loopback with control sockets of several kinds.
public final class RealRelay: MediaRelay {
    public let control: Endpoint
    public let url: String
    /// `unix:path`.
    public let unixURL: String
    /// `cunix:path`.
    public let lastingURL: String
    private let current: Mutex<ChildProcess>
    private let arguments: [String]
    private let folder: TemporaryFolder

    public var process: ChildProcess { current.withLock { $0 } }

    /// The Python of the virtual environment with the wheel: `RTPPROXY_PYTHON`, else `.cache/venv/bin/python`.
    static var python: String {
        ProcessInfo.processInfo.environment["RTPPROXY_PYTHON"] ?? "\(PackageFolder.root)/.cache/venv/bin/python"
    }

    /// Starts it and waits until it answers `V`. Media goes through `address`. `options`: further ones of RTPProxy.
    /// `port`: of its udp control socket, where it has a network of its own; nil: one that is free.
    public init(_ address: String = "127.0.0.1", options: [String] = [], port: UInt16? = nil) throws {
        guard FileManager.default.isExecutableFile(atPath: Self.python) else {
            throw HarnessError("no RTPProxy: \(Self.python) is not there, run make setup first")
        }
        folder = try TemporaryFolder()
        control = Endpoint(.ipv4, try port ?? FreePort.next())
        url = "udp:\(control)"
        unixURL = "unix:\(folder.file("control"))"
        lastingURL = "cunix:\(folder.file("lasting"))"
        // Where the system gives ports out itself: it and RTPProxy both pass over those in use, user agents could not.
        let lowest = try FreePort.next(in: 34_000...59_000) & ~1
        arguments =
            ["\(PackageFolder.root)/examples/rtpproxy.py", "-F", "-l", address]
            + ["-m", String(lowest), "-M", String(lowest + 999)] + [url, unixURL, lastingURL].flatMap { ["-s", $0] }
            + options
        current = Mutex(try Self.launch(arguments, folder))
        try waitUntilItAnswers()
    }

    private static func launch(_ arguments: [String], _ folder: TemporaryFolder) throws -> ChildProcess {
        try ChildProcess(python, arguments, output: folder.file("log"), folder: folder.path)
    }

    public func start() throws {
        let started = try Self.launch(arguments, folder)
        current.withLock { $0 = started }
        try waitUntilItAnswers()
    }
}
