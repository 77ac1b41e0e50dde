// SPDX-License-Identifier: GPL-2.0-or-later
// A 64-bit hash of bytes that is the same in every process, on every host and for ever.

/// FNV-1a over the bytes, with a finaliser that spreads each input bit over all 64.
///
/// The value is part of what proxies of a fleet agree on, so it may not change: start with 14695981039346656037, for
/// each byte XOR it in and multiply by 1099511628211, and at the end mix as `mixed` does. All arithmetic is modulo
/// 2^64.
package struct Hash64: Sendable {
    private var state: UInt64 = 14_695_981_039_346_656_037

    package init() {}

    /// Takes the bytes of `range`.
    package mutating func combine(_ bytes: Span<UInt8>, _ range: ByteRange) {
        let inside = bytes.clamped(range)
        var hash = state
        for index in inside.start..<inside.end { hash = (hash ^ UInt64(bytes[index])) &* 1_099_511_628_211 }
        state = hash
    }

    /// Takes the eight bytes of a number, the lowest first.
    package mutating func combine(_ number: UInt64) {
        var rest = number
        for _ in 0..<8 {
            state = (state ^ (rest & 0xFF)) &* 1_099_511_628_211
            rest >>= 8
        }
    }

    /// The hash of what was taken.
    package var value: UInt64 { Self.mixed(state) }

    /// Spreads each bit of `number` over all 64: twice shift, XOR and multiply, and a last shift and XOR.
    package static func mixed(_ number: UInt64) -> UInt64 {
        var hash = number
        hash = (hash ^ (hash >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        hash = (hash ^ (hash >> 33)) &* 0xC4CE_B9FE_1A85_EC53
        return hash ^ (hash >> 33)
    }
}
