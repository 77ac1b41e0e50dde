// SPDX-License-Identifier: GPL-2.0-or-later
// A host that shares its calls, as far as the table of calls goes.

import Bytes

@testable import SharedState

/// A table with what sharing needs, in memory of its own, which stays: `fleet` may be used longer than this object.
final class SharingHost {
    private let tableBlock: UnsafeMutableRawPointer
    private let fleetBlock: UnsafeMutableRawPointer
    private let size: Int
    let fleet: FleetState
    var reader = FleetRingReader()
    private let lifetime: Int

    init(_ entries: Int = 1024, nodes: Int = 8, time: UInt64 = 1_000_000_000, lifetime: Int = CallTable.usualLifetime)
        throws
    {
        size = CallTable.size(entries: entries)
        self.lifetime = lifetime
        tableBlock = .allocate(byteCount: size, alignment: 64)
        tableBlock.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        try CallTable.create(in: tableBlock, size: size, entries: entries)
        let fleetSize = FleetState.size(nodes: nodes, entries: entries + 16)
        fleetBlock = .allocate(byteCount: fleetSize, alignment: 64)
        fleetBlock.initializeMemory(as: UInt8.self, repeating: 0, count: fleetSize)
        fleet = FleetState(attaching: fleetBlock, nodes: nodes, entries: entries + 16)
        fleet.start(at: time)
    }

    private func with<R>(_ body: (borrowing CallTable) -> R) -> R? {
        guard let table = try? CallTable(attaching: tableBlock, size: size, lifetime: lifetime, fleet: fleet) else {
            return nil
        }
        return body(table)
    }

    @discardableResult
    func remember(_ hash: UInt64, node: Int, now: UInt32, isFirst: Bool = false, isGuess: Bool = false) -> Bool {
        with { $0.remember(hash, node: node, now: now, isFirst: isFirst, isGuess: isGuess) } ?? false
    }
    func takeBack(_ hash: UInt64) { with { $0.takeBack(hash) } }
    func move(_ hash: UInt64, to node: Int, now: UInt32, unused: Int = -1, hasMoved: Bool = false) {
        with { $0.move(hash, to: node, now: now, unused: unused, hasMoved: hasMoved) }
    }
    func forget(_ hash: UInt64, now: UInt32) { with { $0.forget(hash, now: now) } }
    func hasMoved(_ hash: UInt64, now: UInt32) -> Bool? { with { $0.place(for: hash, now: now)?.hasMoved } ?? nil }
    func node(for hash: UInt64, now: UInt32) -> Int? { with { $0.node(for: hash, now: now) } ?? nil }
    var count: Int { with { $0.count } ?? -1 }
    var evictions: UInt64 { with { $0.evictions } ?? 99 }
    func apply(_ call: SharedCall, age: UInt32, now: UInt32) -> Bool {
        with { $0.apply(call, age: age, now: now) } ?? false
    }
    func shared(_ hash: UInt64) -> SharedCall? { with { $0.shared(hash) } ?? nil }
    func sweep(now: UInt32, _ body: (Int) -> Bool) { with { $0.sweep(from: 0, count: .max, now: now, body) } }
    func page(from place: Int, since time: UInt64, _ body: (SharedCall) -> Bool) -> Int? {
        with { $0.page(from: place, since: time, now: 10, body) } ?? nil
    }

    /// What has changed here since it was last asked, each call as it is now.
    func changes() -> [SharedCall] {
        var found: [SharedCall] = []
        while let key = fleet.takeChange(&reader, isPatient: true) {
            if let call = shared(key) { found.append(call) }
        }
        return found
    }

    func peer(_ address: String) -> Int? { fleet.peer(Array(address.utf8).span) }
}
