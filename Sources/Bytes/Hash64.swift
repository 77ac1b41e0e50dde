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
        var index = inside.start
        let end = inside.end
        while index < end {
            // SAFETY (1): the index is within `inside`, which clamped(_:) keeps within the span.
            hash = unsafe (hash ^ UInt64(widening: bytes[unchecked: index])) &* 1_099_511_628_211
            index &+= 1
        }
        state = hash
    }

    /// Takes the bytes of `range` eight at a time, which is less work. For values that no other proxy has to agree on:
    /// the result differs from that of `combine`.
    package mutating func combineWords(_ bytes: Span<UInt8>, _ range: ByteRange) {
        let inside = bytes.clamped(range)
        var hash = Self.combined(state, UInt64(truncatingIfNeeded: inside.count))
        var index = inside.start
        let end = inside.end
        while end &- index >= 8 {
            hash = Self.combined(hash, bytes.eightBytes(at: index))
            index &+= 8
        }
        if index < end { hash = Self.combined(hash, bytes.word(ByteRange(from: index, to: end))) }
        state = hash
    }

    @inline(__always)
    private static func combined(_ hash: UInt64, _ word: UInt64) -> UInt64 {
        let product = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
        return product ^ (product >> 32)
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
