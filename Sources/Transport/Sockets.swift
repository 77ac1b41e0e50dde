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
            self = .done(Int(result))
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

/// An open file of this process, closed when it goes.
struct Descriptor<Calls: SystemCalls>: ~Copyable {
    let number: Int32

    /// What a call that opens a file gave.
    init(opened result: Int64) throws(SystemError) {
        guard result >= 0 else { throw SystemError(result: result) }
        number = Int32(truncatingIfNeeded: result)
    }

    deinit { _ = Calls.close(number) }
}

/// A non-blocking UDP socket that is connected: the kernel drops what others send and tells of refusals.
struct DatagramSocket<Calls: SystemCalls>: ~Copyable {
    private let file: Descriptor<Calls>

    init(to address: SocketAddress) throws(SystemError) {
        let file = try Descriptor<Calls>(opened: uninterrupted { Calls.openDatagram(isIPv6: address.isIPv6) })
        let connected = uninterrupted { Calls.connect(file.number, address) }
        guard connected >= 0 else { throw SystemError(result: connected) }
        self.file = file
    }

    var descriptor: Int32 { file.number }

    func send(_ bytes: Span<UInt8>, _ range: ByteRange) -> Attempt {
        Attempt(uninterrupted { Calls.send(descriptor, bytes, range) })
    }

    /// One datagram into the whole of `buffer`; `done` has the length it had, which may be more than fits.
    func receive(into buffer: inout [UInt8]) -> Attempt {
        let space = ByteRange(start: 0, count: buffer.count)
        return Attempt(uninterrupted { Calls.receive(descriptor, into: &buffer, space, isDatagram: true) })
    }

    /// Throws away what earlier exchanges left in the socket: late replies, and an error that is no longer news.
    func discardLeftovers(_ buffer: inout [UInt8]) {
        for _ in 0..<64 where receive(into: &buffer) == .later { return }
    }
}

/// A non-blocking unix stream socket.
struct StreamSocket<Calls: SystemCalls>: ~Copyable {
    private let file: Descriptor<Calls>

    /// A connection to the socket at `path`; `again` where the listener's queue is full.
    init(_ bytes: Span<UInt8>, path: ByteRange) throws(SystemError) {
        let file = try Descriptor<Calls>(opened: uninterrupted { Calls.openStream() })
        let connected = uninterrupted { Calls.connect(file.number, bytes, path: path) }
        guard connected >= 0 else { throw SystemError(result: connected) }
        self.file = file
    }

    var descriptor: Int32 { file.number }

    func send(_ bytes: Span<UInt8>, _ range: ByteRange) -> Attempt {
        Attempt(uninterrupted { Calls.send(descriptor, bytes, range) })
    }

    func receive(into buffer: inout [UInt8], _ space: ByteRange) -> Attempt {
        Attempt(uninterrupted { Calls.receive(descriptor, into: &buffer, space, isDatagram: false) })
    }
}
