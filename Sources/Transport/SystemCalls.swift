// SPDX-License-Identifier: GPL-2.0-or-later
// Each system call wrapped once, behind a protocol that tests can script.
//
// NO TRAP (3 in this file): inside comes from clamped().

private import CPosix
internal import Bytes

/// What the sockets need of the system. Results are as the kernel gives them, failures as negative error numbers;
/// callers do not see errno. Static, so that the real one costs nothing and holds nothing.
protocol SystemCalls {
    /// A non-blocking, close-on-exec socket.
    static func open(_ kind: SocketKind) -> Int64
    /// Small segments leave at once (TCP_NODELAY).
    static func setNoDelay(_ descriptor: Int32) -> Int64
    static func connect(_ descriptor: Int32, _ address: SocketAddress) -> Int64
    static func connect(_ descriptor: Int32, _ bytes: Span<UInt8>, path: ByteRange) -> Int64
    /// Sends without blocking and without SIGPIPE; how many bytes went.
    static func send(_ descriptor: Int32, _ bytes: Span<UInt8>, _ range: ByteRange) -> Int64
    /// Sends each range as a datagram of its own, without blocking; how many went, the first ones.
    static func sendMany(_ descriptor: Int32, _ bytes: Span<UInt8>, _ ranges: Span<ByteRange>) -> Int64
    /// Receives into `space` of `buffer`; how many bytes came, 0 at a stream's end.
    static func receive(_ descriptor: Int32, into buffer: inout [UInt8], _ space: ByteRange) -> Int64
    /// Receives what datagrams there are into slots of `buffer`, at most `atMost` and as many as `lengths` has room for;
    /// how many came. A length is what the datagram had, even where that is more than the slot.
    static func receiveMany(
        _ descriptor: Int32, into buffer: inout [UInt8], slot: Int, lengths: inout [UInt32], atMost: Int
    ) -> Int64
    static func close(_ descriptor: Int32) -> Int64
    /// Waits for `entries`, at most `nanoseconds`; how many have something to say.
    static func wait(_ entries: inout [PollEntry], nanoseconds: UInt64) -> Int64
    /// Nanoseconds of the monotonic clock.
    static func now() -> UInt64
    static func processID() -> Int64
}

/// What can be opened.
enum SocketKind {
    case udp, udp6, unix, tcp, tcp6
}

/// What to wait for on one descriptor, and what came; a negative descriptor is skipped. Laid out as `pollfd`.
struct PollEntry: Equatable {
    var descriptor: Int32 = -1
    var events: Int16 = 0
    var arrived: Int16 = 0

    static let readable: Int16 = 0x001
    static let writable: Int16 = 0x004
}

/// The monotonic clock that an exchange's times are of.
package enum MonotonicClock {
    /// Nanoseconds since some fixed moment.
    package static func now() -> UInt64 { cposix_now() }
}

/// The clock that hosts have in common, more or less.
package enum WallClock {
    /// Microseconds since 1970.
    package static func microseconds() -> UInt64 { cposix_wall() }
}

/// The real system.
enum Kernel: SystemCalls {
    static func open(_ kind: SocketKind) -> Int64 {
        switch kind {
        // NO TRAP (5): constants of the header: 4, 6 and 1.
        case .udp: cposix_socket(Int32(CPOSIX_IPV4), false)
        case .udp6: cposix_socket(Int32(CPOSIX_IPV6), false)
        case .unix: cposix_socket(Int32(CPOSIX_UNIX), true)
        case .tcp: cposix_socket(Int32(CPOSIX_IPV4), true)
        case .tcp6: cposix_socket(Int32(CPOSIX_IPV6), true)
        }
    }

    static func setNoDelay(_ descriptor: Int32) -> Int64 { cposix_no_delay(descriptor) }

    static func connect(_ descriptor: Int32, _ address: SocketAddress) -> Int64 {
        let words = address.words
        return cposix_connect(descriptor, words.0, words.1, words.2)
    }

    static func connect(_ descriptor: Int32, _ bytes: Span<UInt8>, path: ByteRange) -> Int64 {
        let inside = bytes.clamped(path)
        // SAFETY: `inside` lies within `bytes`, as clamped(_:) upholds; an empty one is refused before it is read.
        return unsafe bytes.withUnsafeBufferPointer { source in
            unsafe cposix_connect_unix(descriptor, source.baseAddress.map { unsafe $0 + inside.start }, inside.count)
        }
    }

    static func send(_ descriptor: Int32, _ bytes: Span<UInt8>, _ range: ByteRange) -> Int64 {
        let inside = bytes.clamped(range)
        // SAFETY: `inside` lies within `bytes`, as clamped(_:) upholds.
        return unsafe bytes.withUnsafeBufferPointer { source in
            unsafe cposix_send(descriptor, source.baseAddress.map { unsafe $0 + inside.start }, inside.count)
        }
    }

    static func sendMany(_ descriptor: Int32, _ bytes: Span<UInt8>, _ ranges: Span<ByteRange>) -> Int64 {
        // SAFETY: ByteRange has cposix_range's two words in order (a test compares the layouts), and the callee sends
        // nothing that is not within the `count` bytes of the source.
        unsafe bytes.withUnsafeBufferPointer { source in
            unsafe ranges.withUnsafeBufferPointer { parts in
                unsafe cposix_send_many(
                    descriptor, source.baseAddress, source.count,
                    UnsafeRawPointer(parts.baseAddress)?.assumingMemoryBound(to: cposix_range.self), ranges.count)
            }
        }
    }

    static func receive(_ descriptor: Int32, into buffer: inout [UInt8], _ space: ByteRange) -> Int64 {
        let inside = buffer.span.clamped(space)
        // SAFETY: `inside` lies within `buffer`, as clamped(_:) upholds, and nobody else touches it meanwhile.
        return unsafe buffer.withUnsafeMutableBufferPointer { target in
            unsafe cposix_receive(descriptor, target.baseAddress.map { unsafe $0 + inside.start }, inside.count)
        }
    }

    static func receiveMany(
        _ descriptor: Int32, into buffer: inout [UInt8], slot: Int, lengths: inout [UInt32], atMost: Int
    ) -> Int64 {
        guard slot > 0 else { return 0 }
        // NO TRAP: slot > 0, checked by the guard above.
        let count = min(lengths.count, buffer.count / slot, max(atMost, 0))
        // SAFETY: `count` slots fit the buffer, and as many lengths their array; nobody else touches them meanwhile.
        return unsafe buffer.withUnsafeMutableBufferPointer { target in
            unsafe lengths.withUnsafeMutableBufferPointer { lengths in
                unsafe cposix_receive_many(descriptor, target.baseAddress, slot, lengths.baseAddress, count)
            }
        }
    }

    static func close(_ descriptor: Int32) -> Int64 { cposix_close(descriptor) }

    static func wait(_ entries: inout [PollEntry], nanoseconds: UInt64) -> Int64 {
        // SAFETY: PollEntry has pollfd's three fields in order (a test compares the layouts), and the kernel writes
        // only the third of each of the `count` entries.
        unsafe entries.withUnsafeMutableBytes { raw in
            // NO TRAP: the stride of an entry is 8.
            unsafe cposix_poll(
                raw.baseAddress?.assumingMemoryBound(to: pollfd.self),
                raw.count / MemoryLayout<PollEntry>.stride, nanoseconds)
        }
    }

    static func now() -> UInt64 { cposix_now() }

    static func processID() -> Int64 { cposix_process_id() }

    /// Fills all of `pool`; false where the kernel does not.
    static func fillRandom(_ pool: inout [UInt8]) -> Bool {
        let count = pool.count
        // SAFETY: each step asks for at most what is left of the buffer behind `filled`.
        return unsafe pool.withUnsafeMutableBufferPointer { target in
            var filled = 0
            var interruptions = 0
            while filled < count, interruptions < 16 {
                let step = Swift.min(256, count &- filled)
                // NO TRAP: filled < count, checked by the loop, and the kernel gives no more than asked for, at most
                // 256.
                let got = unsafe cposix_random(target.baseAddress.map { unsafe $0 + filled }, step)
                if got > 0 { filled &+= Int(widening: got) } else { interruptions &+= 1 }
            }
            return filled == count
        }
    }
}
