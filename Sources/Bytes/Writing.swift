// SPDX-License-Identifier: GPL-2.0-or-later
// Writing bytes into buffers that keep their capacity, so that a second use allocates nothing.

extension Array {
    /// Takes everything out and keeps the memory. Where there is mostly nothing to take out, or one element, this costs
    /// less than `removeAll`.
    @inline(__always)
    package mutating func clear() {
        switch count {
        case 0: break
        case 1: _ = popLast()
        default: removeAll(keepingCapacity: true)
        }
    }
}

/// What bytes can be added to: an array, or memory that calls use again.
package protocol ByteWriter {
    /// Takes everything out and keeps the memory.
    mutating func clear()
    /// Adds one byte.
    mutating func append(_ byte: UInt8)
    /// Adds the first `count` bytes of `word`, up to 8, the lowest byte first.
    mutating func append(_ word: UInt64, count: Int)
    /// Adds `range` of `bytes`; what lies outside is left out.
    mutating func append(_ bytes: Span<UInt8>, _ range: ByteRange)
}

extension Array: ByteWriter where Element == UInt8 {
    package mutating func append(_ word: UInt64, count: Int) {
        var rest = word
        // NO TRAP: 0 to 0...8.
        for _ in 0..<Swift.min(Swift.max(count, 0), 8) {
            append(UInt8(truncatingIfNeeded: rest))
            rest &>>= 8
        }
    }

    /// `append(contentsOf:)` takes twice as many instructions.
    @inline(never)
    package mutating func append(_ bytes: Span<UInt8>, _ range: ByteRange) {
        let inside = bytes.clamped(range)
        append(addingCapacity: inside.count) { output in
            // SAFETY: `output` has room for so many, and `inside` lies within `bytes`.
            unsafe output.withUnsafeMutableBufferPointer { target, filled in
                unsafe bytes.withUnsafeBufferPointer { source in
                    guard let from = source.baseAddress, let to = target.baseAddress else { return }
                    // NO TRAP: the room asked for is inside.count bytes, and inside comes from clamped().
                    unsafe UnsafeMutableRawPointer(to).copyMemory(from: from + inside.start, byteCount: inside.count)
                    filled = inside.count
                }
            }
        }
    }
}

extension ByteWriter {
    /// Adds the bytes of a literal.
    @inline(never)
    package mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { bytes in
            // SAFETY: a literal's bytes are always there.
            let span = unsafe Span(_unsafeElements: bytes)
            append(span, span.all)
        }
    }

    /// Adds all of `bytes`.
    package mutating func append(_ bytes: Span<UInt8>) { append(bytes, bytes.all) }

    /// Adds `value` in decimal.
    @inline(never)
    package mutating func append(decimal value: UInt64) {
        if value < 10 { return append(UInt8(truncatingIfNeeded: value) &+ 0x30) }
        if value < 100_000_000 {
            let digits = EightDigits(value)
            return append(digits.text, count: digits.count)
        }
        append(decimal: value / 100_000_000)
        append(EightDigits(value % 100_000_000).withZeros, count: 8)
    }

    /// Adds `value` in decimal, with a minus sign where it is negative.
    package mutating func append(decimal value: Int) {
        if value < 0 { append(UInt8(ascii: "-")) }
        append(decimal: UInt64(widening: value.magnitude))
    }

    /// Adds the text of `range` for a log line: what is not printable ASCII becomes `?`, what is longer than
    /// `limit` ends in `...`. What stands in a message never forges a line or a terminal sequence.
    package mutating func append(printable bytes: Span<UInt8>, _ range: ByteRange, limit: Int = 128) {
        let inside = bytes.clamped(range)
        let shown = Swift.max(0, Swift.min(inside.count, limit))
        // NO TRAP (2): shown is 0...inside.count, and inside comes from clamped().
        for index in inside.start..<(inside.start &+ shown) {
            let byte = bytes[index]
            append(byte >= 0x20 && byte < 0x7F ? byte : UInt8(ascii: "?"))
        }
        if shown < inside.count { append("...") }
    }

    /// Adds `range` percent-encoded: all but the unreserved characters of RFC 3986 section 2.3 become `%XX`.
    package mutating func append(urlEncoded bytes: Span<UInt8>, _ range: ByteRange) {
        let inside = bytes.clamped(range)
        // NO TRAP (2): inside comes from clamped(): start <= end, both within the bytes.
        for index in inside.start..<inside.end {
            let byte = bytes[index]
            let isLetter = lowercased(byte) >= UInt8(ascii: "a") && lowercased(byte) <= UInt8(ascii: "z")
            switch byte {
            case _ where isLetter || isDigit(byte): append(byte)
            case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"): append(byte)
            default:
                append(UInt8(ascii: "%"))
                append(hexDigit(byte >> 4))
                append(hexDigit(byte & 15))
            }
        }
    }
}

private func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") &+ value : UInt8(ascii: "A") &- 10 &+ value
}

/// The digits of a number below 10^8, two, four and eight of them side by side in one word.
private struct EightDigits {
    /// All eight, as text: the first one lowest.
    let withZeros: UInt64

    @inline(__always)
    init(_ value: UInt64) {
        // Pairs of four digits, of two, of one; what was high comes first, which is lowest.
        let fours = value / 10_000 | (value % 10_000) &<< 32
        let hundreds = (fours &* 10_486) &>> 20 & 0x7F_0000_007F
        let twos = hundreds | (fours &- hundreds &* 100) &<< 16
        let tens = (twos &* 103) &>> 10 & 0x000F_000F_000F_000F
        withZeros = (tens | (twos &- tens &* 10) &<< 8) | 0x3030_3030_3030_3030
    }

    /// How many there are without zeros before the first one: at least one.
    @inline(__always)
    var count: Int { 8 &- zeros }

    /// Those.
    @inline(__always)
    var text: UInt64 { withZeros &>> UInt64(truncatingIfNeeded: 8 &* zeros) }

    @inline(__always)
    private var zeros: Int { Swift.min((withZeros & 0x0F0F_0F0F_0F0F_0F0F).trailingZeroBitCount &>> 3, 7) }
}
