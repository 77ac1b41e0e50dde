// SPDX-License-Identifier: GPL-2.0-or-later
// What the harness throws, where the package stands, and waiting with a bound.

import Foundation

/// A sentence on what went wrong in the harness itself or in what it drives.
public struct HarnessError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }

    /// The sentence with the text of the current `errno` behind it.
    static func system(_ what: String) -> HarnessError {
        HarnessError("\(what): \(String(cString: strerror(errno)))")
    }
}

/// Folders of the package, found from where this file was compiled.
public enum PackageFolder {
    /// The folder of Package.swift.
    public static let root: String = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url.path
    }()

    /// Reads `Tests/Fixtures/<path>`.
    public static func fixture(_ path: String) throws -> String {
        try String(contentsOfFile: "\(root)/Tests/Fixtures/\(path)", encoding: .utf8)
    }
}

/// How many times as long as usual is waited for what shall happen: the environment variable `RTPPROXY_PATIENCE`, where
/// Kamailio runs within something that slows it down.
let patience = ProcessInfo.processInfo.environment["RTPPROXY_PATIENCE"].flatMap { Double($0) } ?? 1

/// Milliseconds of the monotonic clock.
public func monotonicMilliseconds() -> Int {
    Int(DispatchTime.now().uptimeNanoseconds / 1_000_000)
}

/// Asks `condition` every few milliseconds, five if nothing else is said; false where it did not hold within `seconds`.
@discardableResult
public func waitUntil(_ seconds: Double = 5, every: Int = 5, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = monotonicMilliseconds() + Int(seconds * 1000 * patience)
    while true {
        if try condition() { return true }
        if monotonicMilliseconds() >= deadline { return false }
        usleep(UInt32(every) * 1000)
    }
}
