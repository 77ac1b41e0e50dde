// SPDX-License-Identifier: GPL-2.0-or-later
// What each process of Kamailio has: memory of its own, Kamailio's pool in it, descriptors; and what they share.

import Foundation
import TestSupport

/// Something that must not grow. Where 1 % is less than `floor`, growth by `floor` is no growth.
enum Quantity: CaseIterable {
    /// Anonymous of /proc/PID/smaps_rollup, which is exact where RssAnon of status may be off by some dozen pages. Not
    /// all that is resident: pages of shared memory count there as soon as a process has touched them, which each does
    /// with more and more of the pool, however little of it is in use.
    case anonymous
    /// What is in use of a process's pkg pool, by pkg.stats.
    case pool
    case descriptors
    /// What is in use of shared memory, by core.shmmem. Of all processes together.
    case shared

    var title: String {
        switch self {
        case .anonymous: "anonymous memory"
        case .pool: "pkg in use"
        case .descriptors: "descriptors"
        case .shared: "shared memory in use"
        }
    }

    /// Bytes, or descriptors. A heap grows by some pages at a time; a pool has what the last message happened to need,
    /// and shared memory what tm and the timers happen to hold; a process opens its two sockets to each of four
    /// RTPProxies when it first has a command, and too many at once, for it.
    var floor: Double {
        switch self {
        case .anonymous: 65_536
        case .pool: 4096
        case .descriptors: 8
        case .shared: 16_384
        }
    }
}

/// One look at everything.
struct Sample {
    /// By process id; shared memory stands at 0.
    var values: [Quantity: [Int32: Double]] = [:]
    /// All that is resident, in bytes, what is shared counted once.
    var resident = 0.0

    init(_ kamailio: KamailioProcess, _ processes: [Int32]) throws {
        for pid in processes {
            let memory = Self.memory(pid)
            values[.anonymous, default: [:]][pid] = memory["Anonymous"]
            resident += memory["Pss"] ?? 0
            values[.descriptors, default: [:]][pid] = Self.descriptors(pid)
        }
        values[.pool] = try Self.pools(kamailio)
        values[.shared] = [0: Double(try kamailio.sharedMemory())]
    }

    private static func memory(_ pid: Int32) -> [String: Double] {
        let text = (try? String(contentsOfFile: "/proc/\(pid)/smaps_rollup", encoding: .utf8)) ?? ""
        var bytes: [String: Double] = [:]
        for line in text.split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == ":" }
            if words.count == 3, let number = Double(words[1]) { bytes[String(words[0])] = number * 1024 }
        }
        return bytes
    }

    private static func descriptors(_ pid: Int32) -> Double? {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd")).map { Double($0.count) }
    }

    private static func pools(_ kamailio: KamailioProcess) throws -> [Int32: Double] {
        var pools: [Int32: Double] = [:]
        var pid: Int32 = 0
        for line in try kamailio.rpc("pkg.stats").split(separator: "\n") {
            let parts = line.split(separator: ":").map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 2 else { continue }
            if parts[0] == "pid" { pid = Int32(parts[1]) ?? 0 }
            // A process that never tells has 0 there.
            if parts[0] == "real_used", let used = Double(parts[1]), used > 0 { pools[pid] = used }
        }
        return pools
    }

    /// The processes by id, as core.psx describes them.
    static func processes(_ kamailio: KamailioProcess) throws -> [Int32: String] {
        var processes: [Int32: String] = [:]
        var pid: Int32 = 0
        for line in try kamailio.rpc("core.psx").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 2 else { continue }
            if parts[0] == "PID" { pid = Int32(parts[1]) ?? 0 }
            if parts[0] == "DSC" { processes[pid] = parts[1] }
        }
        guard processes.count > 1 else { throw HarnessError("core.psx names no processes") }
        return processes
    }
}

/// How something has changed from after the warm-up to the end.
struct Growth {
    let quantity: Quantity
    let first: Double
    let last: Double
    /// The highest while calls were under way.
    let highest: Double

    /// What a heap may take at once, in bytes, when more comes together than ever before. A busy machine lets that happen
    /// late: 132 KiB have been seen. Two bytes a call, never given back, are more after the 160,000 calls of a quick soak.
    static let heapStep = 262_144.0

    /// How many samples there are at each end: a fifth, and no fewer than have a middle one.
    static func samples(of count: Int) -> Int { max(3, count / 5) }

    var isFlat: Bool { last - first <= max(quantity.floor, first / 100) }

    /// Compares the first fifth of the samples with the last one, by their medians; nil where one is missing.
    init?(_ quantity: Quantity, _ pid: Int32, atRest: [Sample], underLoad: [Sample]) {
        let values = atRest.compactMap { $0.values[quantity]?[pid] }
        let some = Self.samples(of: values.count)
        guard values.count == atRest.count, let first = Array(values.prefix(some)).median,
            let last = Array(values.suffix(some)).median
        else { return nil }
        self.quantity = quantity
        self.first = first
        self.last = last
        highest = max(underLoad.compactMap { $0.values[quantity]?[pid] }.max() ?? 0, values.max() ?? 0)
    }

    var text: String {
        let unit = quantity == .descriptors ? "" : " KiB"
        let scale = quantity == .descriptors ? 1.0 : 1024
        func number(_ value: Double) -> String { String(format: scale == 1 ? "%.0f" : "%.1f", value / scale) }
        let growth = first > 0 ? String(format: "%+.2f %%", (last - first) / first * 100) : "-"
        return "\(number(first)) -> \(number(last))\(unit) (\(growth), highest \(number(highest)))"
    }
}
