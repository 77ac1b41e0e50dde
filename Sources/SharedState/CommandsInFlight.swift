// SPDX-License-Identifier: GPL-2.0-or-later
// How many commands are under way to one node, counted over all processes, so that its receive buffer holds them.
//
// RTPProxy reads its UDP socket from a buffer of 16 KiB (control-protocol: Sizes). As the kernel counts, that is 39
// commands of up to some 190 bytes, or 25 longer ones; what comes beyond is lost. A process takes room before it sends,
// and gives it back with the answer.
//
// A process that dies gives nothing back. So room is counted by when it was taken, in four slots of a quarter of a
// second each: what was taken more than two slots ago is not counted any more. That is also why room for commands
// that are never answered need not be given back: after so long no buffer holds them.

import Bytes
import Synchronization

/// Room for commands to a node: to be given back when they are answered or, where it is connections, closed.
package struct CommandRoom: Sendable {
    let commands: UInt32
    /// The slot that it was taken in; for connections a bit for each seat.
    let slot: UInt32
    /// For connections the time in their seats; 0: it is not room for connections.
    let seatsUntil: UInt64

    init(commands: UInt32, slot: UInt32, seatsUntil: UInt64 = 0) {
        self.commands = commands
        self.slot = slot
        self.seatsUntil = seatsUntil
    }

    /// How many commands may be under way at once in it.
    package var count: Int { Int(widening: commands) }
    /// Whether it is room for connections, of which each has a command.
    package var isConnections: Bool { seatsUntil != 0 }
}

/// The record in shared memory. A slot's word: the slot's number in the high half, the commands in the low one.
struct CommandsInFlight: ~Copyable {
    private let slot0 = Atomic<UInt64>(0)
    private let slot1 = Atomic<UInt64>(0)
    private let slot2 = Atomic<UInt64>(0)
    private let slot3 = Atomic<UInt64>(0)

    /// Nanoseconds of a slot, as a power of two: 268 ms.
    private static let slotShift: UInt64 = 28
    /// Slots back from the present one that count.
    private static let slotsThatCount: UInt32 = 2

    /// Takes room for `commands` where no more than `limit` would be under way; `now` in nanoseconds of a clock that
    /// all processes share.
    func take(_ commands: UInt32, limit: UInt32, now: UInt64) -> CommandRoom? {
        let slot = UInt32(truncatingIfNeeded: now >> Self.slotShift)
        let room = CommandRoom(commands: commands, slot: slot)
        add(commands, to: slot)
        guard count(at: slot) > limit else { return room }
        giveBack(room)
        return nil
    }

    /// Gives room back; what is too old to be counted has gone by itself.
    func giveBack(_ room: CommandRoom) {
        change(room.slot) { word in
            guard UInt32(truncatingIfNeeded: word >> 32) == room.slot else { return nil }
            let commands = UInt32(truncatingIfNeeded: word)
            return UInt64(widening: room.slot) << 32
                | UInt64(widening: commands > room.commands ? commands &- room.commands : 0)
        }
    }

    private func add(_ commands: UInt32, to slot: UInt32) {
        change(slot) { word in
            let present = UInt32(truncatingIfNeeded: word >> 32) == slot ? UInt32(truncatingIfNeeded: word) : 0
            return UInt64(widening: slot) << 32 | UInt64(widening: present &+ commands)
        }
    }

    /// The commands under way as seen in `slot`.
    private func count(at slot: UInt32) -> UInt32 {
        counted(slot0, slot) &+ counted(slot1, slot) &+ counted(slot2, slot) &+ counted(slot3, slot)
    }

    private func counted(_ place: borrowing Atomic<UInt64>, _ slot: UInt32) -> UInt32 {
        let word = place.load(ordering: .relaxed)
        // A slot that another process has begun a moment ago counts, too: its age is a small negative number.
        let age = slot &- UInt32(truncatingIfNeeded: word >> 32)
        return age <= Self.slotsThatCount || age == .max ? UInt32(truncatingIfNeeded: word) : 0
    }

    private func change(_ slot: UInt32, _ next: (UInt64) -> UInt64?) {
        switch slot & 3 {
        case 0: Self.change(slot0, next)
        case 1: Self.change(slot1, next)
        case 2: Self.change(slot2, next)
        default: Self.change(slot3, next)
        }
    }

    private static func change(_ place: borrowing Atomic<UInt64>, _ next: (UInt64) -> UInt64?) {
        var present = place.load(ordering: .relaxed)
        while let wanted = next(present) {
            let (exchanged, original) = place.compareExchange(
                expected: present, desired: wanted, ordering: .relaxed)
            if exchanged { return }
            present = original
        }
    }

    /// Nothing is under way: another node.
    func reset() {
        slot0.store(0, ordering: .relaxed)
        slot1.store(0, ordering: .relaxed)
        slot2.store(0, ordering: .relaxed)
        slot3.store(0, ordering: .relaxed)
    }
}

extension CommandsInFlight {
    /// Commands that a node's buffer holds in any case, also where all of them are sent again because it is slow.
    private static var commandsInBuffer: UInt64 { 16 }
    /// Commands that the way to a node and back holds, for each microsecond of it: one in 50, which RTPProxy keeps up
    /// with.
    private static var microsecondsOfWay: UInt64 { 50 }
    private static var mostCommands: UInt64 { 4096 }

    /// How many may be under way to a node whose shortest round trip was `microseconds`, nil not known. What is on the
    /// way is not in the buffer.
    static func limit(shortestRoundTrip microseconds: UInt32?) -> UInt32 {
        // NO TRAP: the constant is 50.
        let way = UInt64(widening: microseconds ?? 0) / microsecondsOfWay
        return UInt32(truncatingIfNeeded: min(commandsInBuffer &+ way, mostCommands))
    }
}
