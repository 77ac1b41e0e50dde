// SPDX-License-Identifier: GPL-2.0-or-later
// One RTPProxy as all processes see it: a record of atomics in shared memory.
//
// Why this is sound. The block is mapped by the main process before it forks and stays where it is, so every process
// sees the same words. `Atomic<UInt32>` and `Atomic<UInt64>` are lock-free, address-free machine words on x86-64 and
// arm64: a compare-exchange in one process is one for all of them. Nothing in a slot is a reference or has an
// invariant over two words, with one exception, the address, which has a version around it.
//
// Who writes what: `state` any process, by compare-exchange; `capabilities` any process that probes (before `state`
// becomes up); the address only the module's own process, and before that the process that adds the node; what the pool
// says of the node (set, weight, order, text of the URL) the main process before the fork, and later the holder of the
// pool's lock, while `life` is free or for words that stand alone. `life` becomes member last, so that a process that
// sees a member sees the rest.
//
// What a process that dies leaves behind: each word is whole, before or after its change. A writer that dies while it
// publishes an address leaves an odd version; readers then keep the address they have, and the next publication
// (`publish` makes the version odd whatever it was) mends it.

import Bytes
import Synchronization

/// Whether a node takes commands.
package enum NodeCondition: Equatable, Sendable {
    /// Not yet answered since start.
    case unproven
    /// Takes commands. `recheck` is the tick at which it was to be tried when it was last down, 0 if it never was.
    case up(recheck: UInt32)
    /// Failed; tried again at the tick `recheck`, or never by itself (`NodeSlot.never`).
    case down(recheck: UInt32)
    /// Switched off by the operator or the database until the operator switches it on.
    case disabled
}

/// Whether a slot holds a node of the pool.
package enum NodeMembership: UInt32, Sendable {
    /// None.
    case free = 0
    /// One that takes new calls.
    case member = 1
    /// One that has been taken out of the pool and still has calls.
    case leaving = 2
}

/// The record. Its stride is the layout's, checked at attach.
struct NodeSlot: ~Copyable {
    /// A tick that does not come.
    static let never = UInt32.max

    private let state = Atomic<UInt64>(0)
    private let storedCapabilities = Atomic<UInt32>(0)
    private let addressVersion = Atomic<UInt32>(0)
    private let address0 = Atomic<UInt64>(0)
    private let address1 = Atomic<UInt64>(0)
    private let address2 = Atomic<UInt64>(0)

    let roundTrip = SharedRoundTrip()
    let inFlight = CommandsInFlight()
    let seats = ConnectionSeats()
    /// When it last answered any process: nanoseconds of the monotonic clock, which is the same in all processes of a
    /// host. 0: never, or not since it was taken out.
    let answeredAt = Atomic<UInt64>(0)
    /// Whether the module's own process is to ask at once whether it is there: 1 yes.
    let isLookWanted = Atomic<UInt32>(0)

    /// Raw value of `NodeMembership`.
    let life = Atomic<UInt32>(0)
    let isDraining = Atomic<UInt32>(0)
    /// Calls in a row that did not wait for its answer any longer.
    let silences = Atomic<UInt32>(0)
    let setID = Atomic<UInt32>(0)
    let weight = Atomic<UInt32>(0)
    let definitionIndex = Atomic<UInt32>(0)
    /// Whether its definition switches it off: 1 yes.
    let startsDisabled = Atomic<UInt32>(0)
    let urlLength = Atomic<UInt32>(0)

    init() {}

    /// Back to how a slot begins, for another node.
    func reset(_ condition: NodeCondition) {
        state.store(Self.word(condition), ordering: .sequentiallyConsistent)
        storedCapabilities.store(0, ordering: .sequentiallyConsistent)
        if version != 0 { publish(NodeAddress(words: (0, 0, 0))) }
        roundTrip.reset()
        inFlight.reset()
        seats.reset()
        isDraining.store(0, ordering: .sequentiallyConsistent)
        silences.store(0, ordering: .sequentiallyConsistent)
        answeredAt.store(0, ordering: .sequentiallyConsistent)
        isLookWanted.store(0, ordering: .sequentiallyConsistent)
    }

    // MARK: Condition: bits 0..7 the kind, bits 32..63 the recheck tick.

    private static func word(_ condition: NodeCondition) -> UInt64 {
        switch condition {
        case .unproven: 0
        case .up(let recheck): 1 | UInt64(widening: recheck) << 32
        case .down(let recheck): 2 | UInt64(widening: recheck) << 32
        case .disabled: 3
        }
    }

    private static func condition(_ word: UInt64) -> NodeCondition {
        let recheck = UInt32(truncatingIfNeeded: word >> 32)
        return switch word & 0xFF {
        case 0: .unproven
        case 1: .up(recheck: recheck)
        case 2: .down(recheck: recheck)
        default: .disabled
        }
    }

    /// Of a slot that is no node yet.
    func set(_ condition: NodeCondition) { state.store(Self.word(condition), ordering: .sequentiallyConsistent) }

    var condition: NodeCondition { Self.condition(state.load(ordering: .acquiring)) }

    /// Moves to what `next` makes of the present condition; nil leaves it. Returns the condition that was replaced.
    private func move(_ next: (NodeCondition) -> NodeCondition?) -> NodeCondition? {
        var current = state.load(ordering: .acquiring)
        while true {
            let present = Self.condition(current)
            guard let wanted = next(present) else { return nil }
            let (exchanged, original) = state.compareExchange(
                expected: current, desired: Self.word(wanted), ordering: .acquiringAndReleasing)
            if exchanged { return present }
            current = original
        }
    }

    /// Takes the node out until `recheck`. True for the one process that did it: it writes the log line.
    func fail(recheck: UInt32) -> Bool {
        let previous = move { present in
            switch present {
            case .unproven, .up: .down(recheck: recheck)
            case .down, .disabled: nil
            }
        }
        guard previous != nil else { return false }
        // What it answers from now on shows that it is back.
        answeredAt.store(0, ordering: .relaxed)
        return true
    }

    /// Puts the next try of a node that is down off until `recheck`.
    func postpone(recheck: UInt32) {
        _ = move { present in
            if case .down = present { return .down(recheck: recheck) }
            return nil
        }
    }

    /// A node that has proven itself takes commands, unless the operator has switched it off. Returns what it was
    /// before, nil where nothing changed.
    func revive() -> NodeCondition? {
        move { present in
            switch present {
            case .unproven: .up(recheck: 0)
            case .down(let recheck): .up(recheck: recheck)
            case .up, .disabled: nil
            }
        }
    }

    func disable() { _ = move { _ in .disabled } }

    func enable() {
        _ = move { present in
            if case .up = present { return nil }
            return .up(recheck: 0)
        }
    }

    // MARK: Capabilities

    var capabilities: UInt32 {
        get { storedCapabilities.load(ordering: .acquiring) }
        nonmutating set { storedCapabilities.store(newValue, ordering: .releasing) }
    }

    // MARK: Address: three words between two steps of a version that is odd while they change.

    /// By one process only.
    func publish(_ address: NodeAddress) {
        let odd = addressVersion.load(ordering: .relaxed) | 1
        addressVersion.store(odd, ordering: .sequentiallyConsistent)
        address0.store(address.words.0, ordering: .sequentiallyConsistent)
        address1.store(address.words.1, ordering: .sequentiallyConsistent)
        address2.store(address.words.2, ordering: .sequentiallyConsistent)
        addressVersion.store(odd &+ 1, ordering: .sequentiallyConsistent)
    }

    /// The version of the address: 0 never published, odd while it changes.
    var version: UInt32 { addressVersion.load(ordering: .sequentiallyConsistent) }

    /// The address and its version, or nil while there is none (its first word is 0) or it is just changing.
    var address: NodeAddress? {
        let before = version
        guard before != 0, before & 1 == 0 else { return nil }
        let words = (
            address0.load(ordering: .sequentiallyConsistent), address1.load(ordering: .sequentiallyConsistent),
            address2.load(ordering: .sequentiallyConsistent)
        )
        guard version == before, words.0 != 0 else { return nil }
        return NodeAddress(words: words, version: before)
    }
}

/// A network address as three words, whatever they mean to the transport, and the version they were published as.
package struct NodeAddress: Sendable {
    package let words: (UInt64, UInt64, UInt64)
    package let version: UInt32

    package init(words: (UInt64, UInt64, UInt64), version: UInt32 = 0) {
        self.words = words
        self.version = version
    }
}
