// SPDX-License-Identifier: GPL-2.0-or-later
// How many commands are under way to one node, bounded over all processes, whoever dies.
//
// RTPProxy reads its control socket from a receive buffer that holds some forty small commands; what comes on top is
// lost (control-protocol: Transports). A counter would stay too high for ever when a process dies between adding and
// taking away. So a command takes one of a fixed number of permits, each a word that says until when it is taken: a
// permit that nobody gives back comes back by itself.

import Synchronization

/// A permit that was taken: its place, and what stands there.
public struct Permit: Equatable, Sendable {
    let place: Int
    let until: UInt64
}

/// The permits of one node, in shared memory.
struct Permits: ~Copyable {
    /// Commands under way at once: less than what the buffer holds, for proxies on other hosts send, too.
    static let count = 32
    /// A permit comes back after so many nanoseconds: by then the command has been read or lost.
    static let hold: UInt64 = 200_000_000

    private let words = InlineArray<32, Atomic<UInt64>> { _ in Atomic(0) }

    /// Takes a permit; nil where none is free at `now`, in nanoseconds of the monotonic clock, which all processes of
    /// a host share. `hint` says where to look first, so that processes do not meet.
    func take(now: UInt64, hint: Int) -> Permit? {
        let until = now &+ Self.hold
        for step in 0..<Self.count {
            let place = (hint &+ step) & (Self.count &- 1)
            let present = words[place].load(ordering: .relaxed)
            guard present <= now else { continue }
            let (isOurs, _) = words[place].compareExchange(
                expected: present, desired: until, ordering: .relaxed)
            if isOurs { return Permit(place: place, until: until) }
        }
        return nil
    }

    /// Gives a permit back, unless its time was over and another one has it.
    func give(_ permit: Permit) {
        guard permit.place >= 0, permit.place < Self.count else { return }
        _ = words[permit.place].compareExchange(expected: permit.until, desired: 0, ordering: .relaxed)
    }

    /// Permits that are taken at `now`.
    func taken(now: UInt64) -> Int {
        var number = 0
        for place in 0..<Self.count where words[place].load(ordering: .relaxed) > now { number &+= 1 }
        return number
    }
}
