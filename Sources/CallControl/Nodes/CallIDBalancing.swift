// SPDX-License-Identifier: GPL-2.0-or-later
// The default rule for a new call's node, which proxies of a fleet share.

import Bytes

/// The rule `callid`: the Call-ID's bytes added up, the low 8 bits of that, modulo the sum of the weights of the nodes
/// that take calls, walked in order of definition. Every proxy that balances like this agrees on the node.
enum CallIDBalancing {
    static func hash(_ callID: Span<UInt8>, _ range: ByteRange) -> UInt64 {
        let inside = callID.clamped(range)
        var sum: UInt64 = 0
        var offset = inside.start
        let end = inside.end
        while end &- offset >= 8 {
            sum = sum &+ sumOfBytes(callID.eightBytes(at: offset))
            offset &+= 8
        }
        sum = sum &+ sumOfBytes(callID.word(ByteRange(from: offset, to: end)))
        return sum & 0xFF
    }

    /// The eight bytes of `word` added up: four sums of two, each in 16 bits, which a product adds up in its highest.
    private static func sumOfBytes(_ word: UInt64) -> UInt64 {
        let every: UInt64 = 0x00FF_00FF_00FF_00FF
        let pairs = (word & every) &+ (word &>> 8 & every)
        return (pairs &* 0x0001_0001_0001_0001) &>> 48
    }

    /// The node for `hash` among `nodes`, whose weights add up to `weightSums`; nil where there is none.
    static func choose(_ nodes: [Int], weightSums: [UInt64], hash: UInt64) -> Int? {
        guard let total = weightSums.last, total > 0, nodes.count == weightSums.count else { return nil }
        // NO TRAP: total > 0, checked by the guard above.
        let place = hash % total
        // The first node whose sum is above the place.
        var low = 0
        var high = weightSums.count &- 1
        while low < high {
            let middle = (low &+ high) / 2
            // NO TRAP (2): 0 <= low <= middle <= high < weightSums.count, and there are as many nodes; total > 0, so
            // there is one.
            if weightSums[middle] > place { high = middle } else { low = middle &+ 1 }
        }
        return nodes[low]
    }
}
