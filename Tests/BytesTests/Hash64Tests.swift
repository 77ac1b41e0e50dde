// SPDX-License-Identifier: GPL-2.0-or-later
// The hash that takes eight bytes at a time.

import Bytes
import Testing

@Suite struct Hash64Tests {
    private func hash(_ bytes: [UInt8], _ range: ByteRange) -> UInt64 {
        var hash = Hash64()
        hash.combineWords(bytes.span, range)
        return hash.value
    }

    @Test func theSameBytesHaveTheSameHashWhereverTheyStand() {
        let bytes = (0..<40).map { UInt8($0) }
        for length in 0...30 {
            let expected = hash(Array(bytes[5..<(5 + length)]), ByteRange(start: 0, count: length))
            #expect(hash(bytes, ByteRange(start: 5, count: length)) == expected)
            #expect(hash([1, 2] + bytes, ByteRange(start: 7, count: length)) == expected)
        }
    }

    @Test func eachBitAndTheLengthMatter() {
        var seen: Set<UInt64> = []
        var count = 0
        for length in 0...20 {
            let bytes = [UInt8](repeating: 0, count: length)
            seen.insert(hash(bytes, bytes.span.all))
            count += 1
            for bit in 0..<(8 * length) {
                var other = bytes
                other[bit / 8] = 1 << UInt8(bit % 8)
                seen.insert(hash(other, other.span.all))
                count += 1
            }
        }
        #expect(seen.count == count)
    }

    @Test func whatLiesOutsideIsLeftOut() {
        for range in outsideRanges { #expect(hash([1, 2, 3], range) == hash([], .empty)) }
    }
}
