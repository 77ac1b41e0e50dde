// SPDX-License-Identifier: GPL-2.0-or-later
// Exchanges with many nodes side by side, driven by one wait: for a process that serves no calls.

public import Bytes

/// A row of exchanges, one per node, each with its own socket, budget and outcome.
@safe
public struct ExchangeGroup: ~Copyable {
    private struct Member: ~Copyable {
        var exchange = Exchange()
        var socket: DatagramSocket<Kernel>?
        var connection = StreamConnection<Kernel>()
        var path: [UInt8] = []
        var isRunning = false
        var outcome: ExchangeOutcome?
    }

    private let members: UnsafeMutableBufferPointer<Member>
    private var entries: [PollEntry]
    private var buffer = [UInt8](repeating: 0, count: StreamReply.space + CookieSource.length + 2)

    /// A row for the nodes 0 up to `count`.
    public init(count: Int) {
        // SAFETY: every element is initialised here and deinitialised in deinit, in between each is a whole Member.
        unsafe members = .allocate(capacity: max(count, 0))
        for index in 0..<max(count, 0) { unsafe members.initializeElement(at: index, to: Member()) }
        entries = [PollEntry](repeating: PollEntry(), count: max(count, 0))
    }

    deinit {
        // SAFETY: initialised in init, and nobody holds the pointer but this value.
        unsafe members.deinitialize()
        unsafe members.deallocate()
    }

    private func isMember(_ index: Int) -> Bool { unsafe index >= 0 && index < members.count }

    /// Lends the exchange of `member`, for beginning it and adding commands; nil where there is no such member.
    /// Of a stream, one command at a time is under way whatever the window.
    public mutating func withExchange<Result>(_ member: Int, _ body: (inout Exchange) -> Result) -> Result? {
        guard isMember(member) else { return nil }
        // SAFETY: `member` was checked above.
        return unsafe body(&members[member].exchange)
    }

    /// Starts a datagram exchange with the node at `address`.
    public mutating func start(_ member: Int, address: SocketAddress) {
        guard isMember(member) else { return }
        // SAFETY: `member` was checked above.
        unsafe members[member].isRunning = true
        unsafe members[member].outcome = nil
        do throws(SystemError) {
            unsafe members[member].socket = try DatagramSocket(to: address)
        } catch {
            return finish(member, error == .refused ? .refused : .failed(error))
        }
        pump(member, MonotonicClock.now())
    }

    /// Starts a stream exchange with the node whose unix socket is at `path`.
    public mutating func start(_ member: Int, unixSocket bytes: Span<UInt8>, path: ByteRange) {
        guard isMember(member) else { return }
        // SAFETY: `member` was checked above.
        unsafe members[member].path.removeAll(keepingCapacity: true)
        unsafe members[member].path.append(bytes, path)
        unsafe members[member].isRunning = true
        unsafe members[member].outcome = nil
        pump(member, MonotonicClock.now())
    }

    /// Whether an exchange of `member` is under way.
    public func isRunning(_ member: Int) -> Bool {
        guard isMember(member) else { return false }
        return unsafe members[member].isRunning
    }

    /// How the exchange of `member` ended, once; nil while it runs or where none was started.
    public mutating func takeOutcome(_ member: Int) -> ExchangeOutcome? {
        guard isMember(member) else { return nil }
        // SAFETY: `member` was checked above.
        let outcome = unsafe members[member].outcome
        unsafe members[member].outcome = nil
        return outcome
    }

    /// Waits until something arrives, something is to be sent, or `deadline` has come, and does what is to be done.
    /// What has arrived is taken before deadlines are looked at: a process that was held up condemns nobody.
    public mutating func step(until deadline: UInt64) {
        var wake = deadline
        for index in entries.indices {
            entries[index] = PollEntry()
            // SAFETY: there are as many members as entries.
            guard unsafe members[index].isRunning else { continue }
            wake = unsafe min(wake, members[index].exchange.nextDeadline, members[index].connection.wake ?? .max)
            if let descriptor = unsafe members[index].socket?.descriptor {
                entries[index] = PollEntry(descriptor: descriptor, events: PollEntry.readable)
            } else {
                entries[index] = unsafe members[index].connection.entry(members[index].exchange)
            }
        }
        let before = MonotonicClock.now()
        _ = Kernel.wait(&entries, nanoseconds: wake > before ? wake &- before : 0)
        let now = MonotonicClock.now()
        for index in entries.indices where entries[index].arrived != 0 { take(index, now) }
        for index in entries.indices where isRunning(index) { pump(index, now) }
    }

    private mutating func finish(_ member: Int, _ outcome: ExchangeOutcome) {
        // SAFETY (here and below): callers have checked `member`.
        unsafe members[member].isRunning = false
        unsafe members[member].outcome = outcome
        unsafe members[member].socket = nil
        unsafe members[member].connection = StreamConnection()
    }

    /// Sends what is due.
    private mutating func pump(_ member: Int, _ now: UInt64) {
        if unsafe members[member].exchange.framing == .stream {
            if unsafe members[member].connection.isFree, let command = unsafe members[member].exchange.due(now: now) {
                unsafe members[member].connection.start(command, now: now)
            }
            let path = unsafe members[member].path
            let outcome = unsafe members[member].connection.connectIfDue(
                members[member].exchange, path.span, path.span.all, now)
            if let outcome { return finish(member, outcome) }
            if unsafe now >= members[member].exchange.deadline { _ = unsafe members[member].exchange.due(now: now) }
        } else {
            while let index = unsafe members[member].exchange.due(now: now) {
                let wire = unsafe members[member].exchange.wire(index)
                let attempt = unsafe members[member].socket?.send(members[member].exchange.outgoing.span, wire)
                if case .failed(let error) = attempt, error != .noBuffers {
                    return finish(member, error == .refused ? .refused : .failed(error))
                }
            }
        }
        if let outcome = unsafe ExchangeOutcome(members[member].exchange.phase) { finish(member, outcome) }
    }

    /// Takes what has arrived.
    private mutating func take(_ member: Int, _ now: UInt64) {
        if unsafe members[member].exchange.framing == .stream {
            let outcome = unsafe members[member].connection.advance(
                &members[member].exchange, &buffer, ByteRange(start: 0, count: StreamReply.space), now)
            if let outcome { finish(member, outcome) }
            return
        }
        for _ in 0..<Exchange.maximumCommands {
            switch unsafe members[member].socket?.receive(into: &buffer) ?? .later {
            case .later: return
            case .failed(let error): return finish(member, error == .refused ? .refused : .failed(error))
            case .done(let length):
                _ = unsafe members[member].exchange.receive(
                    datagram: buffer.span.extracting(first: min(length, buffer.count)), now: now)
            }
        }
    }
}
