// SPDX-License-Identifier: GPL-2.0-or-later
// Memory that is written anew for each call: emptying it and adding to it cost next to nothing.

/// A row of values in memory that only grows and is used again. An array costs some fifty instructions to be emptied,
/// and more to have bytes added.
package struct Scratch<Element: BitwiseCopyable> {
    /// The values, and behind the last of them what is left of earlier uses: for who looks at ranges.
    package private(set) var memory: [Element] = []
    /// How many there are.
    package private(set) var count = 0

    package init() {}

    /// Takes everything out and keeps the memory.
    @inline(__always)
    package mutating func clear() { count = 0 }

    /// Adds one value.
    @inline(__always)
    package mutating func append(_ element: Element) {
        // NO TRAP: compared first; the count is never negative.
        if count < memory.count { memory[count] = element } else { grow(element) }
        count &+= 1
    }

    @inline(never)
    private mutating func grow(_ element: Element) { memory.append(element) }

    /// Takes the last `number` values out, or all where there are fewer.
    @inline(__always)
    package mutating func removeLast(_ number: Int = 1) { count = Swift.max(count &- Swift.max(number, 0), 0) }

    package mutating func reserveCapacity(_ capacity: Int) { memory.reserveCapacity(capacity) }
}

extension Scratch: RandomAccessCollection, MutableCollection {
    package var startIndex: Int { 0 }
    @inline(__always)
    package var endIndex: Int { count }

    @inline(__always)
    package subscript(position: Int) -> Element {
        // NO TRAP (2): who asks has compared the position with the count, which is no larger than the memory's.
        get { memory[position] }
        _modify { yield &memory[position] }
    }
}

extension Scratch where Element == UInt8 {
    /// All that has been written, as a range of the memory.
    package var all: ByteRange { ByteRange(from: 0, to: count) }

    /// Makes room for `room` bytes behind the last one: all that is reserved, or more.
    @inline(never)
    private mutating func grow(_ room: Int) {
        let needed = count &+ room &- memory.count
        memory.append(contentsOf: repeatElement(0, count: Swift.max(needed, memory.capacity &- memory.count)))
    }
}

extension Scratch: ByteWriter where Element == UInt8 {
    @inline(__always)
    package mutating func append(_ word: UInt64, count added: Int) {
        if memory.count &- count < 8 { grow(8) }
        // SAFETY: eight bytes of the memory stand behind the last one.
        unsafe memory.withUnsafeMutableBufferPointer { all in
            guard let to = all.baseAddress else { return }
            // NO TRAP: eight bytes stand behind the last one, made there before.
            unsafe UnsafeMutableRawPointer(to + count).storeBytes(of: word.littleEndian, as: UInt64.self)
        }
        count &+= Swift.min(Swift.max(added, 0), 8)
    }

    @inline(never)
    package mutating func append(_ bytes: Span<UInt8>, _ range: ByteRange) {
        let inside = bytes.clamped(range)
        let added = inside.count
        guard added > 0 else { return }
        if memory.count &- count < added { grow(added) }
        // SAFETY: so many bytes of the memory stand behind the last one, and `inside` lies within `bytes`.
        unsafe memory.withUnsafeMutableBufferPointer { all in
            unsafe bytes.withUnsafeBufferPointer { source in
                guard let from = source.baseAddress, let to = all.baseAddress else { return }
                // NO TRAP: as many bytes as are added stand behind the last one, made there before; inside comes from
                // clamped().
                unsafe UnsafeMutableRawPointer(to + count).copyMemory(from: from + inside.start, byteCount: added)
            }
        }
        count &+= added
    }
}

extension Scratch: Equatable where Element: Equatable {
    package static func == (a: Scratch, b: Scratch) -> Bool { a.elementsEqual(b) }
}
