// SPDX-License-Identifier: GPL-2.0-or-later
// The real rtpengine, in user space, with its legacy port, which speaks a part of RTPProxy's protocol.

import Foundation
import Synchronization

/// A real rtpengine on loopback.
public final class RTPEngine: MediaRelay {
    public let control: Endpoint
    public let url: String
    private let current: Mutex<ChildProcess>
    private let command: [String]
    private let folder: TemporaryFolder

    public var process: ChildProcess { current.withLock { $0 } }

    /// The program and what stands before its arguments: `RTPENGINE` (a path), else `.cache/rtpengine`, which runs
    /// through its own loader.
    private static func program() throws -> [String] {
        if let named = ProcessInfo.processInfo.environment["RTPENGINE"], !named.isEmpty { return [named] }
        let root = "\(PackageFolder.root)/.cache/rtpengine/usr"
        for (triple, loader) in [
            ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"), ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
        ] {
            let libraries = "\(root)/lib/\(triple)"
            guard FileManager.default.fileExists(atPath: "\(libraries)/\(loader)") else { continue }
            return ["\(libraries)/\(loader)", "--library-path", libraries, "\(root)/bin/rtpengine"]
        }
        throw HarnessError("no rtpengine: \(root) is not there, run make setup first")
    }

    /// Starts it and waits until it answers `V`. `interfaces` are those of its option -i: an address, or for bridging
    /// `internal/ADDRESS` and `external/ADDRESS`. `deletionDelay`: seconds until a deleted call is gone, its own default
    /// is 30. `options`: further ones.
    public init(
        _ interfaces: [String] = ["127.0.0.1"], deletionDelay: Int = 0, options: [String] = []
    ) throws {
        folder = try TemporaryFolder()
        control = Endpoint(.ipv4, try FreePort.next())
        url = "udp:\(control)"
        // Where the system gives ports out itself: it and rtpengine both pass over those in use, user agents could not.
        let lowest = try FreePort.next(in: 34_000...59_000) & ~1
        var command = try Self.program()
        command += ["--config-file=none", "--table=-1", "--foreground", "--log-stderr", "--log-level=5"]
        for interface in interfaces { command += ["-i", interface] }
        command += ["-u", "\(control)", "-m", "\(lowest)", "-M", "\(lowest + 999)", "--pidfile=\(folder.file("pid"))"]
        command += ["--delete-delay=\(deletionDelay)"] + options
        self.command = command
        current = Mutex(try Self.launch(command, folder))
        try waitUntilItAnswers()
    }

    private static func launch(_ command: [String], _ folder: TemporaryFolder) throws -> ChildProcess {
        try ChildProcess(command[0], Array(command.dropFirst()), output: folder.file("log"), folder: folder.path)
    }

    public func start() throws {
        let started = try Self.launch(command, folder)
        current.withLock { $0 = started }
        try waitUntilItAnswers()
    }
}
