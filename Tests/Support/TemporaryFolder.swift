// SPDX-License-Identifier: GPL-2.0-or-later
// A folder that goes away with its owner, or with the test process.

import Foundation

/// A new folder with a short path (unix socket paths hold 107 bytes), removed on `deinit`.
public final class TemporaryFolder: Sendable {
    public let path: String

    public init() throws {
        var template = Array("/tmp/rtpp-test-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw HarnessError.system("mkdtemp") }
        path = String(cString: made)
        // Kamailio may drop its privileges before it touches the folder.
        chmod(path, 0o755)
        Janitor.shared.watch(folder: path)
    }

    /// The path of a file in the folder.
    public func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file into the folder and gives its path.
    @discardableResult
    public func write(_ text: String, to name: String) throws -> String {
        try text.write(toFile: file(name), atomically: false, encoding: .utf8)
        return file(name)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
        Janitor.shared.forget(folder: path)
    }
}
