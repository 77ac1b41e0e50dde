// SPDX-License-Identifier: GPL-2.0-or-later
// Weighted rendezvous hashing: shares that follow the weights closely, and a node that leaves moves only its own calls.

import Bytes

/// The rule `rendezvous`. Each node draws a number for the call, and the best one has it; what a node draws depends on
/// the call and the node alone, so that nodes that come and go do not change what the others draw.
///
/// The number is `-log2(x) / weight` with `x` in 0...1 made from `Hash64` of the Call-ID XOR `Hash64` of the node's
/// URL, mixed once more; the lowest wins. All of it is whole-number arithmetic, so that every host agrees.
enum RendezvousBalancing {
    /// What a node is told apart by: its URL, and which entry of this URL in the set it is.
    static func nodeHash(_ url: Span<UInt8>, occurrence: Int) -> UInt64 {
        var hash = Hash64()
        hash.combine(url, url.all)
        hash.combine(UInt64(truncatingIfNeeded: occurrence))
        return hash.value
    }

    static func callHash(_ callID: Span<UInt8>, _ range: ByteRange) -> UInt64 {
        var hash = Hash64()
        hash.combine(callID, range)
        return hash.value
    }

    /// The node of `nodes` for the call with this hash, nil where there is none. A weight of 0 counts as 1: where it
    /// does count, all are 0.
    static func choose(
        _ nodes: [Int], callHash: UInt64, nodeHash: (Int) -> UInt64, weight: (Int) -> UInt32
    ) -> Int? {
        var best: (node: Int, distance: UInt64, weight: UInt64)?
        for node in nodes {
            let share = UInt64(widening: max(weight(node), 1))
            let distance = negativeLog2(Hash64.mixed(callHash ^ nodeHash(node)))
            // distance / share < best.distance / best.weight; below 2^33 times 2^20, it does not overflow.
            if let present = best, distance &* present.weight >= present.distance &* share { continue }
            best = (node, distance, share)
        }
        return best?.node
    }

    /// `-log2((x + 1) / 2^64)` with 26 bits behind the point, from a table with straight lines between its places.
    static func negativeLog2(_ x: UInt64) -> UInt64 {
        guard x != 0 else { return 64 << 26 }
        let zeros = UInt64(truncatingIfNeeded: x.leadingZeroBitCount)
        // The bits behind the leading one: 10 choose the place in the table, the next 20 the way to the next one.
        let fraction = (x << zeros) << 1
        let place = Int(truncatingIfNeeded: fraction >> 54)
        let rest = (fraction >> 34) & 0xF_FFFF
        // NO TRAP (2): ten bits: place is 0...1023, and there are 1025 places.
        let low = UInt64(widening: Log2Table.places[place])
        let high = UInt64(widening: Log2Table.places[place &+ 1])
        let log = low &+ ((high &- low) &* rest) >> 20
        return (zeros &+ 1) << 26 &- log
    }
}

/// `log2(1 + i / 1024)` for i of 0...1024, with 26 bits behind the point.
enum Log2Table {
    // NO TRAP: 1024...2048.
    static let places: [UInt32] = (0...1024).map { log2(UInt64(1024 &+ $0) << 20) }

    /// Of a number in 1 ..< 2 (and 2) with 30 bits behind the point, bit by bit: squaring doubles the logarithm.
    private static func log2(_ number: UInt64) -> UInt32 {
        var x = number
        if x >= 1 << 31 { return 1 << 26 }
        var result: UInt32 = 0
        for _ in 0..<26 {
            x = (x &* x) >> 30
            result <<= 1
            if x >= 1 << 31 {
                x >>= 1
                result |= 1
            }
        }
        return result
    }
}
