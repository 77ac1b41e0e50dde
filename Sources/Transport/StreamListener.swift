// SPDX-License-Identifier: GPL-2.0-or-later
// A listening stream socket and the connections to it: as many as there is room for, and none can hold the others up.
//
// NO TRAP (3 in this file): inside comes from clamped(), and the callee refuses what is empty.

package import Bytes
private import CPosix

/// Why there is no listening socket.
package enum ListenError: Error, Equatable, Sendable {
    case resolve(ResolveError)
    case system(SystemError)

    /// A few words for a log line.
    package var text: StaticString {
        switch self {
        case .resolve(let error): error.text
        case .system(let error): error.text
        }
    }
}

/// What the bytes of a connection were.
package enum ArrivalVerdict: Sendable {
    /// Not whole yet.
    case going
    /// Of use: this connection stays when others have to go.
    case delivered
    /// Nothing that is listened for: the connection is closed.
    case unfit
}

/// A listening socket, opened before the processes are forked and used by one of them.
///
/// The connections have room for `capacity`, and `ListenerPlaces` says whose place the next one takes. So half-open
/// connections take these places at most, and a new connection is always accepted.
package struct StreamListener: ~Copyable {
    /// Connections at once.
    package static let capacity = 64
    /// Connections accepted in one step, so that they do not keep those that deliver waiting for long.
    private static let acceptsPerStep = 16
    private static let bytesPerStep = 256
    /// How long no connection is taken where the system has no descriptors left, in nanoseconds.
    private static let acceptPause: UInt64 = 200_000_000

    private let file: Descriptor
    private var open = Connections()
    private var places = ListenerPlaces(count: capacity)
    /// The place that is read first in the next step.
    private var firstPlace = 0
    private var acceptAt: UInt64 = 0
    // NO TRAP (2): positive constants.
    private var entries = [PollEntry](repeating: PollEntry(), count: capacity + 1)
    private var buffer = [UInt8](repeating: 0, count: bytesPerStep)

    /// Listens at `url`, which was parsed from the beginning of `bytes`: a path (`unix:`) or an address of TCP. May look
    /// a name up: at start-up only. A socket file that nobody listens at any more is replaced.
    /// `user` and `group` get a socket file, -1: whoever made it keeps it.
    @_optimize(size)
    package init(_ bytes: Span<UInt8>, _ url: NodeURL, user: Int32 = -1, group: Int32 = -1) throws(ListenError) {
        let kind: SocketKind = url.scheme.isUnix ? .unix : url.scheme.isIPv6 ? .tcp6 : .tcp
        let file: Descriptor
        do throws(SystemError) { file = try Descriptor(opened: Kernel.open(kind), by: Kernel.self) } catch {
            throw .system(error)
        }
        if kind == .unix {
            try Self.bind(file.number, bytes, path: url.target)
            try Self.give(bytes, path: url.target, user, group)
        } else {
            try Self.bind(file.number, bytes, url)
        }
        try Self.check(cposix_listen(file.number))
        self.file = file
    }

    /// The descriptors of the connections by place, -1 where there is none; closed when they go.
    struct Connections: ~Copyable {
        var numbers = [Int32](repeating: -1, count: StreamListener.capacity)

        deinit {
            for number in numbers where number >= 0 { _ = cposix_close(number) }
        }
    }

    private static func check(_ result: Int64) throws(ListenError) {
        guard result >= 0 else { throw .system(SystemError(result: result)) }
    }

    private static func bind(_ descriptor: Int32, _ bytes: Span<UInt8>, _ url: NodeURL) throws(ListenError) {
        let address: SocketAddress
        do throws(ResolveError) { address = try Resolver.resolve(bytes, url) } catch { throw .resolve(error) }
        try check(cposix_bind(descriptor, address.words.0, address.words.1, address.words.2))
    }

    @_optimize(size)
    private static func bind(_ descriptor: Int32, _ bytes: Span<UInt8>, path: ByteRange) throws(ListenError) {
        let result = bindOnce(descriptor, bytes, path)
        guard result < 0, SystemError(result: result) == .inUse else { return try check(result) }
        // The file of an earlier run, or of a process that still listens: an attempt to connect shows which.
        let probe = Kernel.open(.unix)
        try check(probe)
        let answer = Kernel.connect(Int32(truncatingIfNeeded: probe), bytes, path: path)
        _ = cposix_close(Int32(truncatingIfNeeded: probe))
        guard answer < 0, SystemError(result: answer) == .refused else { throw .system(.inUse) }
        let inside = bytes.clamped(path)
        // SAFETY: `inside` lies within `bytes`, as clamped(_:) upholds.
        let removed = unsafe bytes.withUnsafeBufferPointer { source in
            unsafe cposix_unlink_socket(source.baseAddress.map { unsafe $0 + inside.start }, inside.count)
        }
        try check(removed)
        try check(bindOnce(descriptor, bytes, path))
    }

    @_optimize(size)
    private static func give(
        _ bytes: Span<UInt8>, path: ByteRange, _ user: Int32, _ group: Int32
    ) throws(ListenError) {
        guard user >= 0 || group >= 0 else { return }
        let inside = bytes.clamped(path)
        // SAFETY: `inside` lies within `bytes`, as clamped(_:) upholds.
        let result = unsafe bytes.withUnsafeBufferPointer { source in
            unsafe cposix_give_socket(
                source.baseAddress.map { unsafe $0 + inside.start }, inside.count, user, group)
        }
        try check(result)
    }

    private static func bindOnce(_ descriptor: Int32, _ bytes: Span<UInt8>, _ path: ByteRange) -> Int64 {
        let inside = bytes.clamped(path)
        // SAFETY: `inside` lies within `bytes`, as clamped(_:) upholds.
        return unsafe bytes.withUnsafeBufferPointer { source in
            unsafe cposix_bind_unix(descriptor, source.baseAddress.map { unsafe $0 + inside.start }, inside.count)
        }
    }

    /// Waits at most `nanoseconds` for something to happen and deals with it. `opened` is told which place a new
    /// connection has, from 0; `arrived` gets the bytes of a place, and says what becomes of its connection. Once
    /// `isEnough` says so, no more is read: the rest has its turn first in the next step.
    @_optimize(size)
    package mutating func step(
        nanoseconds: UInt64, opened: (Int) -> Void, arrived: (Int, Span<UInt8>, ByteRange) -> ArrivalVerdict,
        isEnough: () -> Bool
    ) {
        let start = Kernel.now()
        for place in open.numbers.indices {
            // NO TRAP (5): place is one of the 64 numbers; entries has one more, and heardAs as many.
            entries[place] = PollEntry(descriptor: open.numbers[place], events: PollEntry.readable)
        }
        entries[Self.capacity] = PollEntry(
            descriptor: acceptAt <= start ? file.number : -1, events: PollEntry.readable)
        guard Kernel.wait(&entries, nanoseconds: nanoseconds) > 0 else { return }
        let now = Kernel.now()
        for step in 0..<Self.capacity {
            // NO TRAP (2): 0 to a constant that is above it, and 64 is not 0.
            let place = (firstPlace &+ step) % Self.capacity
            guard open.numbers[place] >= 0, entries[place].arrived != 0 else { continue }
            guard !isEnough() else {
                firstPlace = place
                break
            }
            places.hear(place)
            let result = Kernel.receive(open.numbers[place], into: &buffer, buffer.span.all)
            if result > 0 {
                let range = ByteRange(start: 0, count: Int(widening: result))
                switch arrived(place, buffer.span, range) {
                case .going: break
                case .delivered: places.noteDelivery(place)
                case .unfit: close(place)
                }
            } else {
                let error = SystemError(result: result)
                if result == 0 || (error != .again && error != .interrupted) { close(place) }
            }
        }
        guard entries[Self.capacity].arrived != 0 else { return }
        for _ in 0..<Self.acceptsPerStep {
            var from = cposix_address()
            // SAFETY: the callee fills the words and keeps no pointer.
            let accepted = unsafe cposix_accept(file.number, &from)
            guard accepted >= 0 else {
                // The connection stays in the queue; to accept again at once would only cost time.
                if SystemError(result: accepted).isLocal { acceptAt = now &+ Self.acceptPause }
                return
            }
            let source = ListenerSource(words: (from.words.0, from.words.1, from.words.2))
            let place = places.place(for: source)
            close(place)
            // NO TRAP: freePlace() gives one of the 64.
            open.numbers[place] = Int32(truncatingIfNeeded: accepted)
            places.open(place, source)
            opened(place)
        }
    }

    private mutating func close(_ place: Int) {
        guard open.numbers.indices.contains(place), open.numbers[place] >= 0 else { return }
        // NO TRAP (2): place is among the indices, compared first.
        _ = cposix_close(open.numbers[place])
        open.numbers[place] = -1
        places.close(place)
    }
}
