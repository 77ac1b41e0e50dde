// SPDX-License-Identifier: GPL-2.0-or-later
// A pause of the calling process.

extension MonotonicClock {
    /// Waits for `nanoseconds`, or until a signal comes.
    package static func sleep(nanoseconds: UInt64) {
        var nothing: [PollEntry] = []
        _ = Kernel.wait(&nothing, nanoseconds: nanoseconds)
    }
}
