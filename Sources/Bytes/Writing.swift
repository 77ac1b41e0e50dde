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

extension Array where Element == UInt8 {
    /// Adds the bytes of a literal.
    @inline(never)
    package mutating func append(_ text: StaticString) {
        // SAFETY: lends the literal's own bytes for the call.
        text.withUTF8Buffer { unsafe self.append(all: $0) }
    }

    /// Adds `range` of `bytes`; what lies outside is left out.
    @inline(never)
    package mutating func append(_ bytes: Span<UInt8>, _ range: ByteRange) {
        let inside = bytes.clamped(range)
        guard !inside.isEmpty else { return }
        // SAFETY: `inside` lies within `bytes`, as clamped(_:) upholds.
        unsafe bytes.withUnsafeBufferPointer { source in
            // NO TRAP: inside comes from clamped(): start <= end, both within the source.
            unsafe self.append(all: UnsafeBufferPointer(rebasing: source[inside.start..<inside.end]))
        }
    }

    /// Adds what a pointer leads to: `append(contentsOf:)` takes twice as many instructions.
    @inline(never)
    private mutating func append(all bytes: UnsafeBufferPointer<UInt8>) {
        let count = bytes.count
        append(addingCapacity: count) { output in
            // SAFETY: `output` has room for `count` elements, and `bytes` holds as many.
            unsafe output.withUnsafeMutableBufferPointer { target, filled in
                guard let from = bytes.baseAddress, let to = target.baseAddress else { return }
                // NO TRAP: the room asked for is count bytes, and the source has as many.
                unsafe UnsafeMutableRawPointer(to).copyMemory(from: from, byteCount: count)
                filled = count
            }
        }
    }

    /// Adds the first `count` bytes of three words, up to 24, the lowest byte of each first.
    package mutating func append(_ first: UInt64, _ second: UInt64, _ third: UInt64, count: Int) {
        let words: InlineArray<3, UInt64> = [first.littleEndian, second.littleEndian, third.littleEndian]
        // SAFETY: at most the 24 bytes of the three words.
        unsafe words.span.withUnsafeBytes { bytes in
            let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
            unsafe append(all: UnsafeBufferPointer(start: start, count: Swift.min(Swift.max(count, 0), 24)))
        }
    }

    /// Adds all of `bytes`.
    package mutating func append(_ bytes: Span<UInt8>) { append(bytes, bytes.all) }

    /// Adds `value` in decimal.
    @inline(never)
    package mutating func append(decimal value: UInt64) {
        guard value > 9 else { return append(UInt8(truncatingIfNeeded: value) &+ 0x30) }
        append(addingCapacity: value.decimalDigits) { $0.add(decimal: value) }
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
}

extension Array where Element == UInt8 {
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

    private func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") &+ value : UInt8(ascii: "A") &- 10 &+ value
    }
}

/// Writing into room that was asked for before, for texts of many parts. What does not fit is left out.
extension OutputSpan where Element == UInt8 {
    /// Adds one byte.
    @inline(__always)
    package mutating func add(_ byte: UInt8) {
        if freeCapacity > 0 { append(byte) }
    }

    /// Adds `range` of `bytes`; what lies outside is left out.
    @inline(__always)
    package mutating func add(_ bytes: Span<UInt8>, _ range: ByteRange) {
        let inside = bytes.clamped(range)
        guard inside.count > 0, inside.count <= freeCapacity else { return }
        // SAFETY: `inside` lies within `bytes`, as clamped(_:) upholds, and so many elements are free.
        unsafe withUnsafeMutableBufferPointer { target, filled in
            unsafe bytes.withUnsafeBufferPointer { source in
                guard let from = source.baseAddress, let to = target.baseAddress else { return }
                // NO TRAP (2): inside comes from clamped(), and no more is copied than is free.
                unsafe UnsafeMutableRawPointer(to + filled).copyMemory(
                    from: from + inside.start, byteCount: inside.count)
                filled &+= inside.count
            }
        }
    }

    /// Adds `value` in decimal.
    package mutating func add(decimal value: UInt64) {
        guard value > 9 else { return add(UInt8(truncatingIfNeeded: value) &+ 0x30) }
        let digits = value.decimalDigits
        guard digits <= freeCapacity else { return }
        // SAFETY: so many elements are free, and each of them is written, the last one first.
        unsafe withUnsafeMutableBufferPointer { target, filled in
            var rest = value
            var place = filled &+ digits
            while place > filled {
                place &-= 1
                // NO TRAP: digits are free behind filled, compared first, and place is below their end.
                unsafe target[place] = UInt8(truncatingIfNeeded: rest % 10) &+ 0x30
                rest /= 10
            }
            filled &+= digits
        }
    }
}

extension UInt64 {
    /// How many decimal digits it has.
    @inline(__always)
    fileprivate var decimalDigits: Int {
        var digits = 1
        var bound: UInt64 = 10
        while self >= bound {
            digits &+= 1
            // More than 19 digits are 20.
            guard digits < 20 else { return digits }
            bound = bound &* 10
        }
        return digits
    }
}
