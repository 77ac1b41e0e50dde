// SPDX-License-Identifier: GPL-2.0-or-later
// Sockets that are closed exactly once, and the one place that looks at error numbers.

internal import Bytes

/// What came of one attempt at a non-blocking socket.
enum Attempt: Equatable {
    /// So many bytes; 0 from a stream is its end.
    case done(Int)
    /// The socket is not ready for it.
    case later
    case failed(SystemError)

    init(_ result: Int64) {
        guard result < 0 else {
            self = .done(Int(widening: result))
            return
        }
        let error = SystemError(result: result)
        self = error == .again ? .later : .failed(error)
    }
}

extension SystemError {
    /// From a negative result of `SystemCalls`.
    init(result: Int64) { self.init(code: Int32(truncatingIfNeeded: 0 &- result)) }
}

/// The result of a system call that is made again when a signal interrupts it, but not for ever.
@inline(__always)
private func uninterrupted(_ call: () -> Int64) -> Int64 {
    var result = call()
    var interruptions = 0
    while result < 0, SystemError(result: result) == .interrupted, interruptions < 64 {
        interruptions &+= 1
        result = call()
    }
    return result
}

/// An open file of this process, closed when it goes. Not generic: the compiler of 6.3 does not take a generic deinit
/// of a type that cannot be copied in Embedded Swift.
struct Descriptor: ~Copyable {
    let number: Int32
    private let close: (Int32) -> Int64

    /// What a call of `calls` that opens a file gave.
    init<Calls: SystemCalls>(opened result: Int64, by calls: Calls.Type) throws(SystemError) {
        guard result >= 0 else { throw SystemError(result: result) }
        number = Int32(truncatingIfNeeded: result)
        close = { Calls.close($0) }
    }

    deinit { _ = close(number) }
}

/// Room for the datagrams of one receiving call.
struct ArrivalBuffer: ~Copyable {
    /// Datagrams that one call takes at most.
    static let capacity = 16
    /// Bytes kept of each: the longest reply with its cookie, and so much more that a longer one is seen to be too long.
    static let slot = 1088

    // NO TRAP: constants: 16 times 1088.
    var bytes = [UInt8](repeating: 0, count: capacity * slot)
    var lengths = [UInt32](repeating: 0, count: capacity)

    /// Where the n-th datagram of the last call stands.
    func range(_ index: Int) -> ByteRange {
        guard lengths.indices.contains(index) else { return .empty }
        // NO TRAP: index is one of lengths.indices.
        return ByteRange(start: index &* Self.slot, count: min(Int(widening: lengths[index]), Self.slot))
    }
}

/// A non-blocking UDP socket that is connected: the kernel drops what others send and tells of refusals.
struct DatagramSocket<Calls: SystemCalls>: ~Copyable {
    private let file: Descriptor

    init(to address: SocketAddress) throws(SystemError) {
        let file = try Descriptor(opened: uninterrupted { Calls.open(address.isIPv6 ? .udp6 : .udp) }, by: Calls.self)
        let connected = uninterrupted { Calls.connect(file.number, address) }
        guard connected >= 0 else { throw SystemError(result: connected) }
        self.file = file
    }

    var descriptor: Int32 { file.number }

    /// Sends each of `ranges` as a datagram; `done` says how many went, the first ones.
    func send(_ bytes: Span<UInt8>, _ ranges: Span<ByteRange>) -> Attempt {
        Attempt(uninterrupted { Calls.sendMany(descriptor, bytes, ranges) })
    }

    /// Takes the datagrams that are there, at most `count`; `done` says how many.
    func receive(into arrivals: inout ArrivalBuffer, atMost count: Int) -> Attempt {
        Attempt(
            uninterrupted {
                Calls.receiveMany(
                    descriptor, into: &arrivals.bytes, slot: ArrivalBuffer.slot, lengths: &arrivals.lengths,
                    atMost: count)
            })
    }
}

/// A non-blocking stream socket.
struct StreamSocket<Calls: SystemCalls>: ~Copyable {
    private let file: Descriptor

    /// A connection to the unix socket at `path`; `again` where the listener's queue is full.
    init(_ bytes: Span<UInt8>, path: ByteRange) throws(SystemError) {
        let file = try Descriptor(opened: uninterrupted { Calls.open(.unix) }, by: Calls.self)
        let connected = uninterrupted { Calls.connect(file.number, bytes, path: path) }
        guard connected >= 0 else { throw SystemError(result: connected) }
        self.file = file
    }

    /// A TCP connection to `address`, which may still be in the making: it is writable once it is made or has failed,
    /// and the next call says which.
    init(to address: SocketAddress) throws(SystemError) {
        let file = try Descriptor(opened: uninterrupted { Calls.open(address.isIPv6 ? .tcp6 : .tcp) }, by: Calls.self)
        // Without it the connection only is slower.
        _ = Calls.setNoDelay(file.number)
        // Not made again after a signal: the connection is in the making all the same.
        let connected = Calls.connect(file.number, address)
        if connected < 0 {
            let error = SystemError(result: connected)
            guard error == .inProgress || error == .interrupted else { throw error }
        }
        self.file = file
    }

    var descriptor: Int32 { file.number }

    func send(_ bytes: Span<UInt8>, _ range: ByteRange) -> Attempt {
        Attempt(uninterrupted { Calls.send(descriptor, bytes, range) })
    }

    func receive(into buffer: inout [UInt8], _ space: ByteRange) -> Attempt {
        Attempt(uninterrupted { Calls.receive(descriptor, into: &buffer, space) })
    }
}
