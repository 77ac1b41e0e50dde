// SPDX-License-Identifier: GPL-2.0-or-later
// Records whose transactions cannot go on just now, because another process holds them, and when to try again.

/// Those of one asynchronous process, in the order in which they came.
struct HeldUpRecords {
    private struct Entry {
        let record: JobRecord
        /// When to try again, nanoseconds of the monotonic clock.
        var wake: UInt64
        /// The pause before that try.
        var pause: UInt64
    }

    private var entries: [Entry] = []
    /// No record has to be tried before this time.
    private(set) var nextWake: UInt64 = .max

    /// As a rule another process holds a transaction for less than this, in nanoseconds.
    private static var firstPause: UInt64 { 1_000_000 }
    /// A route that blocks may hold it for seconds.
    private static var longestPause: UInt64 { 32_000_000 }

    var count: Int { entries.count }

    mutating func append(_ record: JobRecord, now: UInt64) {
        let wake = now &+ Self.firstPause
        entries.append(Entry(record: record, wake: wake, pause: Self.firstPause))
        nextWake = min(nextWake, wake)
    }

    /// Tries those whose time has come, and gives back those that are no longer held up.
    mutating func tryAgain(_ now: UInt64, _ resume: (JobRecord) -> Resumption) -> [(JobRecord, Resumption)] {
        var over: [(JobRecord, Resumption)] = []
        nextWake = .max
        entries.removeAll { entry in
            guard entry.wake <= now else { return false }
            let outcome = resume(entry.record)
            if case .heldUp = outcome { return false }
            over.append((entry.record, outcome))
            return true
        }
        for place in entries.indices {
            // NO TRAP (4): place is one of entries.indices.
            if entries[place].wake <= now {
                entries[place].pause = min(entries[place].pause &* 2, Self.longestPause)
                entries[place].wake = now &+ entries[place].pause
            }
            nextWake = min(nextWake, entries[place].wake)
        }
        return over
    }
}
