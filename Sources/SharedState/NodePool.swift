// SPDX-License-Identifier: GPL-2.0-or-later
// Changes of the pool, the RTPProxies that the table holds: before the fork, and later under the pool's lock.
//
// SAFETY (4 in this file): the header is there as long as the table lives.
//
// SAFETY (11 in this file): slot() gives nil outside, and the block stays mapped as long as the table lives.

import Bytes
import Synchronization

extension NodeTable {
    /// Grows with each change of the pool.
    // SAFETY: the header is there as long as the table lives.
    package var membership: UInt64 { unsafe header.pointee.membership.load(ordering: .acquiring) }

    /// Takes the pool's lock; a holder that died has it no longer than `patience` ticks. It guards a short piece of
    /// work without any I/O, and nobody waits for it.
    @_optimize(size)
    package func lockPool(now: UInt32, patience: UInt32) -> Bool {
        let present = unsafe header.pointee.lock.load(ordering: .acquiring)
        let isFree = present == 0 || UInt64(widening: now) &+ 1 > present &+ UInt64(widening: patience)
        guard isFree else { return false }
        let isMine = unsafe header.pointee.lock.compareExchange(
            expected: present, desired: UInt64(widening: now) &+ 1, ordering: .acquiringAndReleasing
        ).exchanged
        // A holder that died has told nobody what it had changed by then.
        if isMine, present != 0 { notePool() }
        return isMine
    }

    /// Gives the pool's lock back, and tells everyone that the pool has changed.
    package func unlockPool() {
        notePool()
        unsafe header.pointee.lock.store(0, ordering: .releasing)
    }

    private func notePool() {
        unsafe header.pointee.membership.wrappingAdd(1, ordering: .releasing)
        noteChange()
    }

    /// Adds a node in a free slot; nil where there is none. `other`: a node that is the same RTPProxy, of which it takes
    /// over what is known.
    @_optimize(size)
    package func add(_ definition: NodeDefinition, like other: Int? = nil) -> Int? {
        for index in 0..<capacity {
            // SAFETY: capacity is at least 0; slot() gives nil outside.
            guard life(index) == .free, let slot = unsafe slot(index) else { continue }
            let length = min(definition.url.count, NodeTableLayout.maximumURLLength)
            let start = layout.textStart &+ index &* NodeTableLayout.textStride
            // NO TRAP (2): length is the least of url.count and 255, and each text has 256 bytes.
            for position in 0..<length {
                // SAFETY: position < maximumURLLength <= textStride, inside the place of this slot.
                unsafe base.storeBytes(of: definition.url[position], toByteOffset: start &+ position, as: UInt8.self)
            }
            unsafe slot.pointee.urlLength.store(UInt32(truncatingIfNeeded: length), ordering: .relaxed)
            unsafe slot.pointee.setID.store(definition.setID, ordering: .relaxed)
            unsafe slot.pointee.reset(definition.startsDisabled ? .disabled : .unproven)
            unsafe figuresMemory(index)?.pointee.reset()
            if let other { copyCondition(of: other, to: index, definition) }
            // Counted while it is still free: who dies between the two leaves no member that nobody looks at.
            if count <= index {
                unsafe header.pointee.used.store(UInt32(truncatingIfNeeded: index &+ 1), ordering: .releasing)
            }
            update(index, definition)
            return index
        }
        return nil
    }

    /// Has `index`, which is no node yet, begin as `other` stands: the same RTPProxy in another set.
    @_optimize(size)
    private func copyCondition(of other: Int, to index: Int, _ definition: NodeDefinition) {
        guard let slot = unsafe slot(index) else { return }
        let (condition, capabilities) = (condition(other), capabilities(other))
        var isUnasked = false
        if case .up = condition { isUnasked = capabilities == 0 }
        // One that has been switched on without ever having answered begins as any.
        if definition.startsDisabled == startsDisabled(other), !isUnasked {
            if let address = address(other) { unsafe slot.pointee.publish(address) }
            unsafe slot.pointee.capabilities = capabilities
            unsafe slot.pointee.set(condition)
        }
        unsafe slot.pointee.isDraining.store(isDraining(other) ? 1 : 0, ordering: .releasing)
    }

    /// Makes a node a member with the weight, the position and the switch of `definition`.
    package func update(_ index: Int, _ definition: NodeDefinition) {
        unsafe slot(index)?.pointee.startsDisabled.store(definition.startsDisabled ? 1 : 0, ordering: .relaxed)
        unsafe slot(index)?.pointee.weight.store(definition.weight, ordering: .relaxed)
        unsafe slot(index)?.pointee.definitionIndex.store(definition.index, ordering: .relaxed)
        unsafe slot(index)?.pointee.life.store(NodeMembership.member.rawValue, ordering: .releasing)
    }

    /// A member that is to get no new calls leaves; it is one until `release`.
    package func retire(_ index: Int) {
        _ = unsafe slot(index)?.pointee.life.compareExchange(
            expected: NodeMembership.member.rawValue, desired: NodeMembership.leaving.rawValue,
            ordering: .acquiringAndReleasing)
    }

    /// A node that has left makes room.
    package func release(_ index: Int) {
        _ = unsafe slot(index)?.pointee.life.compareExchange(
            expected: NodeMembership.leaving.rawValue, desired: NodeMembership.free.rawValue,
            ordering: .acquiringAndReleasing)
    }
}
