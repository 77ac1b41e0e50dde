// SPDX-License-Identifier: GPL-2.0-or-later
// Writing bytes into buffers that keep their capacity, so that a second use allocates nothing.

extension Array where Element == UInt8 {
    /// Adds the bytes of a literal.
    public mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { unsafe self.append(contentsOf: $0) }
    }

    /// Adds `range` of `bytes`; what lies outside is left out.
    public mutating func append(_ bytes: Span<UInt8>, _ range: ByteRange) {
        let inside = bytes.clamped(range)
        guard !inside.isEmpty else { return }
        // SAFETY: `inside` lies within `bytes`, as clamped(_:) upholds.
        unsafe bytes.withUnsafeBufferPointer { source in
            unsafe self.append(contentsOf: source.extracting(inside.start..<inside.end))
        }
    }

    /// Adds all of `bytes`.
    public mutating func append(_ bytes: Span<UInt8>) { append(bytes, bytes.all) }

    /// Adds `value` in decimal.
    public mutating func append(decimal value: UInt64) {
        var low = count
        var rest = value
        repeat {
            append(UInt8(truncatingIfNeeded: rest % 10) &+ 0x30)
            rest /= 10
        } while rest > 0
        // The digits stand the wrong way round.
        var high = count &- 1
        while low < high {
            swapAt(low, high)
            low &+= 1
            high &-= 1
        }
    }

    /// Adds `value` in decimal, with a minus sign where it is negative.
    public mutating func append(decimal value: Int) {
        if value < 0 { append(UInt8(ascii: "-")) }
        append(decimal: UInt64(value.magnitude))
    }

    /// Adds the text of `range` for a log line: what is not printable ASCII becomes `?`, what is longer than
    /// `limit` ends in `...`. What stands in a message never forges a line or a terminal sequence.
    public mutating func append(printable bytes: Span<UInt8>, _ range: ByteRange, limit: Int = 128) {
        let inside = bytes.clamped(range)
        let shown = Swift.max(0, Swift.min(inside.count, limit))
        for index in inside.start..<(inside.start &+ shown) {
            let byte = bytes[index]
            append(byte >= 0x20 && byte < 0x7F ? byte : UInt8(ascii: "?"))
        }
        if shown < inside.count { append("...") }
    }
}

extension Array where Element == UInt8 {
    /// Adds `range` percent-encoded: all but the unreserved characters of RFC 3986 section 2.3 become `%XX`.
    public mutating func append(urlEncoded bytes: Span<UInt8>, _ range: ByteRange) {
        let inside = bytes.clamped(range)
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
