// SPDX-License-Identifier: GPL-2.0-or-later
// Memory that is used again: what was in it before is not seen, and it takes what an array takes.

import Bytes
import Testing

@Suite struct ScratchTests {
    @Test func whatWasThereBeforeIsNotSeen() {
        var numbers = Scratch<Int>()
        for number in 1...3 { numbers.append(number) }
        numbers.clear()
        #expect(numbers.isEmpty && numbers.first == nil && numbers.last == nil)
        numbers.append(4)
        #expect(Array(numbers) == [4] && numbers.last == 4)
    }

    @Test func clearingKeepsTheMemory() {
        var numbers = Scratch<Int>()
        numbers.reserveCapacity(40)
        numbers.append(1)
        numbers.clear()
        #expect(numbers.memory.capacity >= 40)
    }

    @Test func theLastOnesAreTakenOut() {
        var numbers = Scratch<Int>()
        for number in 1...4 { numbers.append(number) }
        numbers.removeLast()
        #expect(Array(numbers) == [1, 2, 3])
        numbers.removeLast(2)
        #expect(Array(numbers) == [1])
        numbers.removeLast(-1)
        #expect(Array(numbers) == [1])
        numbers.removeLast(9)
        #expect(numbers.isEmpty)
    }

    @Test func elementsAreChangedInPlace() {
        var numbers = Scratch<Int>()
        for number in 1...3 { numbers.append(number) }
        numbers[1] = 20
        numbers.swapAt(0, 2)
        #expect(Array(numbers) == [3, 20, 1])
    }

    @Test func thoseOfTheSameElementsAreEqual() {
        var (one, other) = (Scratch<UInt8>(), Scratch<UInt8>())
        one.append("abc")
        other.append("xyz")
        #expect(one != other)
        other.clear()
        other.append("abc")
        #expect(one == other)
        other.clear()
        other.append("ab")
        #expect(one != other)
    }

    /// Again and again, from memory that is too small to memory that has held more.
    @Test func itTakesWhatAnArrayTakes() {
        var scratch = Scratch<UInt8>()
        for length in [0, 1, 7, 8, 9, 300, 2] {
            var array: [UInt8] = []
            scratch.clear()
            write(length, into: &array)
            write(length, into: &scratch)
            #expect(Array(scratch) == array)
            #expect(scratch.all == ByteRange(from: 0, to: array.count))
        }
    }

    private func write(_ length: Int, into text: inout some ByteWriter) {
        let bytes = [UInt8](repeating: 0x62, count: length)
        text.append(0x61)
        text.append(bytes.span)
        text.append("literal")
        text.append("")
        text.append(0x6867_6665_6463_6261, count: length)
        text.append(decimal: UInt64(length))
        text.append(decimal: -123_456_789_012)
        text.append(printable: bytes.span, bytes.span.all, limit: 5)
        text.append(urlEncoded: bytes.span, bytes.span.all)
        for range in outsideRanges { text.append(bytes.span, range) }
    }
}
