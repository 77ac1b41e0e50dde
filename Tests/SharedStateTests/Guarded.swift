// SPDX-License-Identifier: GPL-2.0-or-later
// A lock that ThreadSanitizer sees.

import Foundation

/// A value behind a lock. ThreadSanitizer knows the locks of pthread; Synchronization's Mutex would be a race to it.
final class Guarded<Value>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: Value) { self.value = value }

    /// Lends the value to one thread at a time.
    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        try lock.withLock { try body(&value) }
    }
}
