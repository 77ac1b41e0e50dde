// SPDX-License-Identifier: GPL-2.0-or-later
// Waking up another process that waits for its nodes.

private import CPosix

/// An eventfd that all processes inherit: made before the fork, sent by any, received by one. It is never closed.
package struct WakeSignal: ~Copyable {
    let descriptor: Int32

    /// Nil where the system has no descriptor left.
    package init?() {
        let made = cposix_eventfd()
        guard made >= 0 else { return nil }
        descriptor = Int32(truncatingIfNeeded: made)
    }

    /// The signal that another process has made.
    package init(inherited descriptor: Int32) { self.descriptor = descriptor }

    /// What a forked process finds it by.
    package var number: Int32 { descriptor }

    /// Wakes the process that waits, now or when it waits next.
    package func send() { _ = cposix_ring(descriptor) }

    /// Takes it back: what was sent before has been received.
    package func clear() { _ = cposix_quieten(descriptor) }
}
