// SPDX-License-Identifier: GPL-2.0-or-later
// Media streams that browsers have, to be looked at once, some seconds after their answer: a list in shared memory, filled
// by every process and emptied by the module's own.
//
// Why this is sound. Each place has one word that says whose it is: 0 nobody's, 1 that of the process that writes it, else
// when it is due, and then the module's own process may take it. A process takes a place by compare-exchange, and gives it
// on behind what it has written or read. One that dies while it writes leaves a place that is not used again; Kamailio
// ends then.
//
// SAFETY (19 in this file): a place is below their number, and its record and text lie within its bytes; the block is
// zeroed, which is what all of them begin as.

package import Bytes
import Synchronization

/// One of them, as it was noted.
package struct WatchedStream: BitwiseCopyable, Sendable {
    /// Its node, and the set of that.
    package let node: UInt32
    package let setID: UInt32
    /// From 1.
    package let number: UInt16
    /// Whether a browser is on the side of the first tag, or of the second.
    package let isFirst: Bool
    package let isSecond: Bool
    /// How long Call-ID and tags are.
    package fileprivate(set) var lengths: InlineArray<3, UInt16> = .init(repeating: 0)

    /// `number` is clamped to what the record can hold.
    package init(node: Int, setID: UInt32, number: Int, isFirst: Bool, isSecond: Bool) {
        self.node = UInt32(clamping: node)
        self.setID = setID
        self.number = UInt16(clamping: number)
        self.isFirst = isFirst
        self.isSecond = isSecond
    }
}

private struct WatchedHeader: ~Copyable {
    /// Where the next one is written, modulo their number.
    let next = Atomic<UInt32>(0)
    /// How many wait.
    let waiting = Atomic<UInt32>(0)
}

/// The list as one process sees it.
@safe package struct WatchedStreams {
    /// How many streams it holds.
    package static var count: Int { 512 }
    /// The most bytes that Call-ID and tags may have together.
    package static var room: Int { stride &- textStart }
    /// Bytes that it needs.
    package static var size: Int { (count &+ 1) &* stride }

    private static var stride: Int { 512 }
    private static var textStart: Int { 64 }
    private static var isDue: UInt64 { 1 << 32 }
    private let base: UnsafeMutableRawPointer

    /// Attaches to `size` bytes at `block`, which are aligned to 64, were zeroed before the fork, and stay mapped.
    package init(attaching block: UnsafeMutableRawPointer) { unsafe base = block }

    private var header: UnsafeMutablePointer<WatchedHeader> {
        unsafe base.assumingMemoryBound(to: WatchedHeader.self)
    }

    /// The place of this number, modulo how many there are.
    private func place(_ number: UInt32) -> UnsafeMutableRawPointer {
        // NO TRAP: the place is below their number, and size has room for one more.
        let place = Int(truncatingIfNeeded: number) & (Self.count &- 1)
        return unsafe base + (place &+ 1) &* Self.stride
    }

    private func word(_ place: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Atomic<UInt64>> {
        unsafe place.assumingMemoryBound(to: Atomic<UInt64>.self)
    }

    /// Notes a stream, due at `tick`; Call-ID and tags are ranges of `bytes`. False: there is no place left, or they are
    /// longer than `room`.
    @_optimize(size)
    package func note(
        _ stream: WatchedStream, _ bytes: Span<UInt8>, _ callID: ByteRange, _ first: ByteRange, _ second: ByteRange,
        due tick: UInt32
    ) -> Bool {
        let words: InlineArray<3, ByteRange> = [callID, first, second]
        let number = unsafe header.pointee.next.wrappingAdd(1, ordering: .relaxed).newValue
        let place = unsafe place(number)
        guard callID.count &+ first.count &+ second.count <= Self.room,
            unsafe word(place).pointee.compareExchange(expected: 0, desired: 1, ordering: .acquiring).exchanged
        else { return false }
        var stream = stream
        var end = Self.textStart
        for index in words.indices {
            // NO TRAP (4): an index of both; what clamped() gives lies within the bytes.
            let inside = bytes.clamped(words[index])
            stream.lengths[index] = UInt16(clamping: inside.count)
            for offset in inside.start..<inside.end {
                unsafe place.storeBytes(of: bytes[offset], toByteOffset: end, as: UInt8.self)
                end &+= 1
            }
        }
        unsafe place.storeBytes(of: stream, toByteOffset: 8, as: WatchedStream.self)
        unsafe header.pointee.waiting.wrappingAdd(1, ordering: .relaxed)
        unsafe word(place).pointee.store(Self.isDue | UInt64(widening: tick), ordering: .releasing)
        return true
    }

    /// Takes one out that is due at `tick`, with Call-ID and tags added to `text`; nil: none is. For one process alone.
    @_optimize(size)
    package func takeDue(_ tick: UInt32, into text: inout some ByteWriter) -> WatchedStream? {
        guard unsafe header.pointee.waiting.load(ordering: .relaxed) > 0 else { return nil }
        for number in 0..<UInt32(clamping: Self.count) {
            let place = unsafe place(number)
            let word = unsafe word(place).pointee.load(ordering: .acquiring)
            guard word & Self.isDue != 0, tick &- UInt32(truncatingIfNeeded: word) < 0x8000_0000 else { continue }
            let stream = unsafe place.load(fromByteOffset: 8, as: WatchedStream.self)
            var length = 0
            for index in stream.lengths.indices { length &+= Int(widening: stream.lengths[index]) }
            for offset in 0..<min(length, Self.room) {
                text.append(unsafe place.load(fromByteOffset: Self.textStart &+ offset, as: UInt8.self))
            }
            unsafe header.pointee.waiting.wrappingSubtract(1, ordering: .relaxed)
            unsafe self.word(place).pointee.store(0, ordering: .releasing)
            return stream
        }
        return nil
    }
}
