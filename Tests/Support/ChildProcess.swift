// SPDX-License-Identifier: GPL-2.0-or-later
// A program started by a test: its output in a file, its end awaited with a bound, never left behind.

import Foundation
import Synchronization

/// How a process ended.
public enum ProcessEnd: Equatable, Sendable {
    case exited(Int32)
    case signalled(Int32)
}

/// A running program in a process group of its own. It is killed on `deinit`, and when the test process dies.
public final class ChildProcess: Sendable {
    public let pid: pid_t
    /// The file that holds standard output and standard error.
    public let outputPath: String
    private let end = Mutex<ProcessEnd?>(nil)
    private let folder: TemporaryFolder?

    /// Starts `program` (looked up in PATH). Output goes to `output`, or to a temporary file.
    /// `environment` adds to the variables of the test process.
    public init(
        _ program: String, _ arguments: [String] = [], output: String? = nil, environment: [String: String] = [:],
        folder workingFolder: String? = nil
    ) throws {
        if let output {
            folder = nil
            outputPath = output
        } else {
            let made = try TemporaryFolder()
            folder = made
            outputPath = made.file("output")
        }
        let variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        var command = [program] + arguments
        if let workingFolder { command = ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", workingFolder] + command }
        pid = try spawn(
            command[0], Array(command.dropFirst()), output: outputPath,
            environment: variables.map { "\($0.key)=\($0.value)" })
        Janitor.shared.watch(group: pid)
    }

    deinit { terminate(within: 0) }

    /// Everything written so far; bytes that are no UTF-8 are replaced.
    public var output: String {
        guard let data = FileManager.default.contents(atPath: outputPath) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }

    /// Whether the process has not ended yet.
    public var isRunning: Bool { poll() == nil }

    /// How it ended; nil while it runs.
    public func poll() -> ProcessEnd? {
        end.withLock { end in
            if let end { return end }
            var status: Int32 = 0
            let waited = waitpid(pid, &status, WNOHANG)
            guard waited != 0 else { return nil }
            // The low seven bits are the signal, the next byte the exit status.
            end = status & 0x7F == 0 ? .exited((status >> 8) & 0xFF) : .signalled(status & 0x7F)
            Janitor.shared.forget(group: pid)
            return end
        }
    }

    /// Waits for the end; nil where it did not come within `seconds`.
    public func wait(_ seconds: Double) -> ProcessEnd? {
        waitUntil(seconds) { poll() != nil }
        return poll()
    }

    /// Sends a signal to the process alone.
    public func signal(_ number: Int32) {
        if poll() == nil { kill(pid, number) }
    }

    /// Asks it to end, and kills its process group where it has not ended within `seconds`. Returns how it ended.
    @discardableResult
    public func terminate(within seconds: Double = 5) -> ProcessEnd? {
        if seconds > 0 {
            signal(SIGTERM)
            _ = wait(seconds)
        }
        if poll() == nil {
            kill(-pid, SIGKILL)
            _ = wait(5)
        }
        return poll()
    }

    /// Runs a program to its end. Throws where it does not end within `seconds`.
    public static func run(
        _ program: String, _ arguments: [String] = [], environment: [String: String] = [:], within seconds: Double = 10
    ) throws -> (end: ProcessEnd, output: String) {
        let process = try ChildProcess(program, arguments, environment: environment)
        guard let end = process.wait(seconds) else {
            process.terminate(within: 0)
            throw HarnessError("\(program) did not end within \(seconds) s: \(process.output)")
        }
        return (end, process.output)
    }
}
