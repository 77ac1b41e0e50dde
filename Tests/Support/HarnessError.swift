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

/// Nanoseconds of the monotonic clock.
func monotonicNanoseconds() -> Int64 { Int64(DispatchTime.now().uptimeNanoseconds) }

/// A wait as long as the machine's load makes it. One of a second or more is for what has to come, and costs nothing
/// where it comes: it grows with the processes that wait for a processor. A shorter one looks whether something comes.
func scaled(_ milliseconds: Int) -> Int {
    let wait = Double(max(milliseconds, 0)) * patience
    return Int(wait * (milliseconds >= 1000 ? crowding() : 1))
}

/// How many processes there are to a processor that run or want to, 1 to 10: the fourth word of /proc/loadavg, or the
/// first one, the mean of the last minute, where that is more.
private func crowding() -> Double {
    let words = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8))?.split(separator: " ") ?? []
    let running = words.count > 3 ? words[3].split(separator: "/").first.flatMap { Double($0) } ?? 1 : 1
    let mean = words.first.flatMap { Double($0) } ?? 1
    return min(max(max(running, mean) / Double(max(ProcessInfo.processInfo.activeProcessorCount, 1)), 1), 10)
}

/// Asks `condition` every few milliseconds, five if nothing else is said; false where it did not hold within `seconds`.
@discardableResult
public func waitUntil(_ seconds: Double = 5, every: Int = 5, _ condition: () throws -> Bool) rethrows -> Bool {
    let deadline = monotonicMilliseconds() + scaled(Int(seconds * 1000))
    while true {
        if try condition() { return true }
        if monotonicMilliseconds() >= deadline { return false }
        usleep(UInt32(every) * 1000)
    }
}
