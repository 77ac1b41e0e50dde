// SPDX-License-Identifier: GPL-2.0-or-later
// What this host knows of each other host that shares calls: where it is, and how far its messages have come.
//
// SAFETY (37 in this file): peerSlot() gives nil outside, and the block is mapped as long as the server runs.

import Bytes
import Synchronization

/// The record; zero is a free one. Its text is written by who has claimed it, before `length` tells the others.
struct FleetPeer: ~Copyable {
    /// Hash of its address; 0: free.
    let id = Atomic<UInt64>(0)
    /// When it started, by its own clock; 0: not known.
    let epoch = Atomic<UInt64>(0)
    /// `FleetWindow`.
    let window = Atomic<UInt64>(0)
    /// A time, by its clock, up to which nothing of it is missing.
    let completeUntil = Atomic<UInt64>(0)
    /// When it was heard last: nanoseconds of the monotonic clock.
    let heardAt = Atomic<UInt64>(0)
    /// One more than the time from which on it is to be asked for its changes; 0: it need not be asked.
    let wantedSince = Atomic<UInt64>(0)
    /// What has become of the question that was asked last: its number, and the place to go on with. See `answer`.
    let answer = Atomic<UInt64>(0)
    /// Bytes of the address, 0 while it is being written.
    let length = Atomic<UInt32>(0)
}

/// Which messages of a host have come: all up to `base`, and of the 32 behind it those whose bits are set.
package struct FleetWindow: Equatable, Sendable {
    /// What a message's number says.
    package enum Arrival: Equatable, Sendable {
        /// It is the next one, or fills a place.
        case expected
        /// It was there before.
        case repeated
        /// It is so far ahead that what is between is lost: the window begins anew with it.
        case ahead
    }

    package private(set) var base: UInt32
    package private(set) var mask: UInt32

    package init(base: UInt32 = 0) {
        self.base = base
        mask = 0
    }

    init(word: UInt64) {
        base = UInt32(truncatingIfNeeded: word)
        mask = UInt32(truncatingIfNeeded: word >> 32)
    }

    var word: UInt64 { UInt64(widening: base) | UInt64(widening: mask) << 32 }

    /// Takes message number `sequence`; numbers go round.
    @_optimize(size)
    package mutating func take(_ sequence: UInt32) -> Arrival {
        let distance = Int32(bitPattern: sequence &- base)
        guard distance > 0 else { return .repeated }
        guard distance <= 32 else {
            self = FleetWindow(base: sequence)
            return .ahead
        }
        let one: UInt32 = 1
        let bit = one &<< UInt32(truncatingIfNeeded: distance &- 1)
        guard mask & bit == 0 else { return .repeated }
        mask |= bit
        while mask & 1 != 0 {
            base &+= 1
            mask &>>= 1
        }
        return .expected
    }

    /// Waits no longer for what is missing.
    package mutating func giveUp() {
        base &+= UInt32(truncatingIfNeeded: 32 &- mask.leadingZeroBitCount)
        mask = 0
    }
}

extension FleetState {
    /// Longest address of a host that is taken, in bytes.
    package static let longestAddress = 128
    private static let textOffset = 128
    /// So long after a host was heard, in nanoseconds, no message of before its start comes any more.
    private static let longestDelay: UInt64 = 5_000_000_000

    /// The record of the host with this address; nil where there are too many, or it is being written.
    @_optimize(size)
    package func peer(_ address: Span<UInt8>) -> Int? {
        guard !address.isEmpty, address.count <= Self.longestAddress else { return nil }
        var hash = Hash64()
        hash.combine(address, address.all)
        let id = max(hash.value, 1)
        // Before a place is taken: one in front of its own may have become free.
        for peer in 0..<Self.mostPeers where unsafe peerSlot(peer)?.pointee.id.load(ordering: .acquiring) == id {
            return isKnown(peer) ? peer : nil
        }
        for peer in 0..<Self.mostPeers {
            guard let slot = unsafe peerSlot(peer) else { return nil }
            let (isMine, present) = unsafe slot.pointee.id.compareExchange(
                expected: 0, desired: id, ordering: .acquiringAndReleasing)
            if isMine {
                for index in address.indices {
                    // SAFETY (2): the text has its place of longestAddress bytes in the record of peerStride.
                    unsafe (UnsafeMutableRawPointer(slot) + Self.textOffset + index)
                        .storeBytes(of: address[index], as: UInt8.self)
                }
                unsafe slot.pointee.length.store(UInt32(clamping: address.count), ordering: .releasing)
                return peer
            }
            if present == id { return isKnown(peer) ? peer : nil }
        }
        return nil
    }

    /// Whether there is a host with this number, from 0.
    package func isKnown(_ peer: Int) -> Bool {
        unsafe peerSlot(peer)?.pointee.length.load(ordering: .acquiring) ?? 0 > 0
    }

    /// Whether there are as many hosts as there can be.
    package var isFull: Bool {
        // NO TRAP: a constant above 0.
        (0..<Self.mostPeers).allSatisfy { isKnown($0) }
    }

    /// Lends its address.
    package func withAddress<Result>(_ peer: Int, _ body: (Span<UInt8>) -> Result) -> Result {
        guard let slot = unsafe peerSlot(peer) else { return body([UInt8]().span) }
        let length = unsafe min(Int(widening: slot.pointee.length.load(ordering: .acquiring)), Self.longestAddress)
        // SAFETY (1): the text has its place in the record, and is whole since its length is there.
        let start = unsafe (UnsafeMutableRawPointer(slot) + Self.textOffset).assumingMemoryBound(to: UInt8.self)
        return unsafe body(Span(_unsafeStart: start, count: length))
    }

    /// When it started, by its own clock; 0: it has not said so.
    package func peerEpoch(_ peer: Int) -> UInt64 {
        unsafe peerSlot(peer)?.pointee.epoch.load(ordering: .acquiring) ?? 0
    }

    /// When it was heard last, by the monotonic clock in nanoseconds; 0: never.
    package func heardAt(_ peer: Int) -> UInt64 { unsafe peerSlot(peer)?.pointee.heardAt.load(ordering: .relaxed) ?? 0 }

    /// A message of it has come: number `sequence` since its start at `epoch`, sent at `sentAt`, all by its own clock.
    /// `now`: nanoseconds of the monotonic clock. What was missed is asked for.
    @_optimize(size)
    package func hear(_ peer: Int, epoch: UInt64, sequence: UInt32, sentAt: UInt64, now: UInt64) {
        guard let slot = unsafe peerSlot(peer) else { return }
        let before = unsafe slot.pointee.epoch.load(ordering: .acquiring)
        let heard = unsafe slot.pointee.heardAt.load(ordering: .relaxed)
        // One that has been started again, or was not known. A message of before its start comes late: its host has gone.
        // But where nothing else comes it has been started again with its clock set back.
        guard epoch >= before || (now > heard && now &- heard > Self.longestDelay) else { return }
        unsafe slot.pointee.heardAt.store(now, ordering: .relaxed)
        if before != epoch {
            // Of two processes that hear it at once one begins.
            let (isMine, _) = unsafe slot.pointee.epoch.compareExchange(
                expected: before, desired: epoch, ordering: .acquiringAndReleasing)
            guard isMine else { return }
            unsafe slot.pointee.window.store(FleetWindow(base: sequence).word, ordering: .releasing)
            unsafe slot.pointee.completeUntil.store(sentAt, ordering: .releasing)
            // A host that is older than this one may know of calls from before; of a younger one what it has changed.
            want(peer, since: epoch < self.epoch ? 0 : epoch)
            wantGreeting()
            return
        }
        var word = unsafe slot.pointee.window.load(ordering: .acquiring)
        while true {
            // Before anybody can go on from the new window.
            let complete = completeUntil(peer)
            var window = FleetWindow(word: word)
            let arrival = window.take(sequence)
            let (isDone, present) = unsafe slot.pointee.window.compareExchange(
                expected: word, desired: window.word, ordering: .acquiringAndReleasing)
            guard isDone else {
                word = present
                continue
            }
            if arrival == .ahead { want(peer, since: complete) }
            if window.mask == 0 { unsafe slot.pointee.completeUntil.max(sentAt, ordering: .acquiringAndReleasing) }
            return
        }
    }

    private func completeUntil(_ peer: Int) -> UInt64 {
        unsafe peerSlot(peer)?.pointee.completeUntil.load(ordering: .acquiring) ?? 0
    }

    /// Which messages are missing: what of the window is there behind a hole; 0: none.
    package func missing(_ peer: Int) -> UInt64 {
        let word = unsafe peerSlot(peer)?.pointee.window.load(ordering: .acquiring) ?? 0
        return word >> 32 == 0 ? 0 : word
    }

    /// Waits no longer for messages that have been missing since `word`, and asks for what they said.
    @_optimize(size)
    package func giveUpMissing(_ peer: Int, _ word: UInt64) {
        guard let slot = unsafe peerSlot(peer) else { return }
        var window = FleetWindow(word: word)
        window.giveUp()
        let complete = completeUntil(peer)
        let (isDone, _) = unsafe slot.pointee.window.compareExchange(
            expected: word, desired: window.word, ordering: .acquiringAndReleasing)
        if isDone { want(peer, since: complete) }
    }

    /// It has not been heard for long: its record is free for another one.
    @_optimize(size)
    package func forgetPeer(_ peer: Int) {
        guard let slot = unsafe peerSlot(peer) else { return }
        unsafe slot.pointee.length.store(0, ordering: .sequentiallyConsistent)
        unsafe slot.pointee.epoch.store(0, ordering: .sequentiallyConsistent)
        unsafe slot.pointee.wantedSince.store(0, ordering: .sequentiallyConsistent)
        unsafe slot.pointee.completeUntil.store(0, ordering: .sequentiallyConsistent)
        unsafe slot.pointee.window.store(0, ordering: .sequentiallyConsistent)
        unsafe slot.pointee.heardAt.store(0, ordering: .sequentiallyConsistent)
        unsafe slot.pointee.id.store(0, ordering: .sequentiallyConsistent)
    }

    // MARK: Questions

    /// It is to be asked for all that it has changed since `time`, by its clock.
    @_optimize(size)
    package func want(_ peer: Int, since time: UInt64) {
        guard let slot = unsafe peerSlot(peer) else { return }
        let wanted = time &+ 1
        var present = unsafe slot.pointee.wantedSince.load(ordering: .acquiring)
        while present == 0 || present > wanted {
            let (isDone, other) = unsafe slot.pointee.wantedSince.compareExchange(
                expected: present, desired: wanted, ordering: .acquiringAndReleasing)
            if isDone { return }
            present = other
        }
    }

    /// The time from which on it is to be asked; nil: it need not be. Not given again until somebody wants it.
    package func takeWanted(_ peer: Int) -> UInt64? {
        let wanted = unsafe peerSlot(peer)?.pointee.wantedSince.exchange(0, ordering: .acquiringAndReleasing) ?? 0
        return wanted == 0 ? nil : wanted &- 1
    }

    /// What has come of a question: its number, from 1, and where it goes on.
    package struct Answer: Equatable, Sendable {
        package let question: UInt32
        /// The place in its table to go on with; `atEnd` or `failed`.
        package let next: UInt32
        /// There is no more.
        package static let atEnd = UInt32.max
        /// There was no answer.
        package static let failed = UInt32.max &- 1

        package init(question: UInt32, next: UInt32) {
            self.question = question
            self.next = next
        }
    }

    package func setAnswer(_ peer: Int, _ answer: Answer) {
        unsafe peerSlot(peer)?.pointee.answer.store(
            UInt64(widening: answer.question) << 32 | UInt64(widening: answer.next), ordering: .releasing)
    }

    package func answer(_ peer: Int) -> Answer {
        let word = unsafe peerSlot(peer)?.pointee.answer.load(ordering: .acquiring) ?? 0
        return Answer(question: UInt32(truncatingIfNeeded: word >> 32), next: UInt32(truncatingIfNeeded: word))
    }
}
