// SPDX-License-Identifier: GPL-2.0-or-later
// Random numbers for tests that must fail the same way twice.

import Bytes

/// Random numbers that are the same each time.
struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Hash64.mixed(state)
    }
}
