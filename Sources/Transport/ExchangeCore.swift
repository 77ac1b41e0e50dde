// SPDX-License-Identifier: GPL-2.0-or-later
// Starting and ending the exchanges of a group, over any system calls.

internal import Bytes

/// As `ExchangeGroup`, over any `SystemCalls`.
struct ExchangeCore<Calls: SystemCalls>: ~Copyable {
    var members: FixedArray<ExchangeMember<Calls>>
    var nodes: FixedArray<NodePort<Calls>>
    /// Members that run, and perhaps some that no longer do.
    var running: [Int] = []
    /// Nodes with an exchange or a connection under way, and perhaps some others.
    var busy: [Int] = []
    var entries: [PollEntry] = []
    var sources: [EventSource] = []
    var batch = DatagramBatch()
    var arrivals = ArrivalBuffer()
    /// Members whose exchange has an outcome, since the last step began; where a signal is watched, that is where many
    /// are under way.
    var finished: [Int] = []
    /// What else to wait for: a descriptor that becomes readable; -1: nothing.
    var watched: Int32 = -1
    /// Counts connections that broke.
    var breaks: UInt64 = 0
    var unawaited = UnawaitedStreams<Calls>()
    private var single: [UInt8] = []
    private var owner: Int64 = -1

    @_optimize(size)
    init(members: Int, nodes: Int, reserves: Bool = true) {
        // NO TRAP: a constant above 1.
        self.members = FixedArray(count: min(members, CookieTag.maximumMembers - 1)) {
            ExchangeMember($0, reserves: reserves)
        }
        self.nodes = FixedArray(count: nodes) { _ in NodePort() }
        running.reserveCapacity(min(self.members.count, 64))
        busy.reserveCapacity(min(self.nodes.count, 64))
        entries.reserveCapacity(32)
        sources.reserveCapacity(32)
    }

    // MARK: - Starting

    mutating func start(_ member: Int, node: Int, address: SocketAddress) {
        guard prepare(member, node) else { return }
        switch members[at: member].exchange.framing {
        case .datagram:
            do throws(SystemError) {
                try nodes[at: node].datagrams.open(address, isInUse: nodes[at: node].users > 1)
            } catch {
                return finish(member, .failed(error))
            }
        case .pipeline: if nodes[at: node].link.aim(at: address) { linkBroke(node, .reset, Calls.now()) }
        case .stream: return finish(member, .failed(.invalid))
        }
        pump(member, Calls.now())
    }

    mutating func start(_ member: Int, node: Int, _ bytes: Span<UInt8>, path: ByteRange) {
        guard prepare(member, node) else { return }
        switch members[at: member].exchange.framing {
        case .stream: members[at: member].streams.begin(bytes, path: path)
        case .pipeline: if nodes[at: node].link.aim(at: bytes, path: path) { linkBroke(node, .reset, Calls.now()) }
        case .datagram: return finish(member, .failed(.invalid))
        }
        pump(member, Calls.now())
    }

    private mutating func prepare(_ member: Int, _ node: Int) -> Bool {
        guard members.contains(member) else { return false }
        claim()
        abandon(member)
        members[at: member].begin(node: node)
        if !members[at: member].isListed {
            members[at: member].isListed = true
            running.append(member)
        }
        guard nodes.contains(node) else {
            finish(member, .failed(.invalid))
            return false
        }
        giveUpForsaken(node)
        nodes[at: node].users &+= 1
        list(node)
        return true
    }

    private mutating func list(_ node: Int) {
        guard !nodes[at: node].isListed else { return }
        nodes[at: node].isListed = true
        busy.append(node)
    }

    /// Gives up a connection with too many replies to come that no exchange waits for.
    private mutating func giveUpForsaken(_ node: Int) {
        if nodes[at: node].users == 0, nodes[at: node].link.waiting > StreamLink<Calls>.mostForsaken {
            nodes[at: node].link.reset()
        }
    }

    /// What was opened before a fork is closed in the child and opened anew: a shared socket would mix the replies of
    /// two processes up.
    @_optimize(size)
    private mutating func claim() {
        let process = Calls.processID()
        guard process != owner else { return }
        owner = process
        unawaited.close()
        for node in 0..<nodes.count { nodes[at: node].closeAll() }
        for member in 0..<members.count {
            members[at: member].isRunning = false
            members[at: member].isListed = false
            members[at: member].streams.close()
        }
        running.removeAll(keepingCapacity: true)
        busy.removeAll(keepingCapacity: true)
    }

    // MARK: - Ending

    mutating func takeOutcome(_ member: Int) -> ExchangeOutcome? {
        let outcome = members[at: member].outcome
        members[at: member].outcome = nil
        return outcome
    }

    /// Ends the exchange of `member` without outcome. A late answer to it is ignored.
    mutating func abandon(_ member: Int) {
        members[at: member].outcome = nil
        guard members[at: member].isRunning else { return }
        release(member)
        let node = members[at: member].node
        if members[at: member].exchange.framing == .datagram { nodes[at: node].datagrams.isSuspect = true }
    }

    mutating func finish(_ member: Int, _ outcome: ExchangeOutcome) {
        guard members[at: member].isRunning else { return }
        release(member)
        members[at: member].outcome = outcome
        if watched >= 0 { finished.append(member) }
        let node = members[at: member].node
        switch members[at: member].exchange.framing {
        case .datagram: nodes[at: node].datagrams.isSuspect = outcome != .complete
        case .stream: break
        case .pipeline:
            // A late reply would be taken for that of another command, and after a malformed one the order of the
            // replies is lost.
            if outcome == .timedOut || outcome == .malformed { linkBroke(node, .reset, Calls.now()) }
        }
    }

    private mutating func release(_ member: Int) {
        members[at: member].isRunning = false
        members[at: member].wake = .max
        if members[at: member].exchange.framing == .stream { members[at: member].streams.close() }
        let node = members[at: member].node
        if nodes.contains(node) { nodes[at: node].users &-= 1 }
    }

    // MARK: - One command that nobody waits for

    mutating func sendOnce(
        _ node: Int, address: SocketAddress, framing: Framing, _ bytes: Span<UInt8>, _ command: ByteRange,
        _ cookies: inout CookieSource
    ) -> Bool {
        guard nodes.contains(node), !bytes.clamped(command).isEmpty else { return false }
        claim()
        single.removeAll(keepingCapacity: true)
        switch framing {
        case .datagram:
            cookies.beginExchange()
            guard cookies.append(to: &single, .nobody) else { return false }
            single.append(0x20)
            single.append(bytes, command)
            do throws(SystemError) {
                try nodes[at: node].datagrams.open(address, isInUse: true)
            } catch {
                return false
            }
            return nodes[at: node].datagrams.sendOnce(&single)
        case .pipeline:
            if nodes[at: node].link.aim(at: address) { linkBroke(node, .reset, Calls.now()) }
            return enqueueOnce(node, bytes, command)
        case .stream: return false
        }
    }

    mutating func sendOnce(
        _ node: Int, _ path: Span<UInt8>, path range: ByteRange, framing: Framing, _ bytes: Span<UInt8>,
        _ command: ByteRange
    ) -> Bool {
        guard nodes.contains(node), !bytes.clamped(command).isEmpty else { return false }
        claim()
        switch framing {
        case .stream:
            single.removeAll(keepingCapacity: true)
            single.append(bytes, command)
            single.append(0x0A)
            return unawaited.send(path, range, &single, now: Calls.now())
        case .pipeline:
            if nodes[at: node].link.aim(at: path, path: range) { linkBroke(node, .reset, Calls.now()) }
            return enqueueOnce(node, bytes, command)
        case .datagram: return false
        }
    }

    private mutating func enqueueOnce(_ node: Int, _ bytes: Span<UInt8>, _ command: ByteRange) -> Bool {
        giveUpForsaken(node)
        nodes[at: node].link.enqueueOnce(bytes, command)
        list(node)
        let now = Calls.now()
        do throws(SystemError) {
            try nodes[at: node].link.flush(now: now)
            return true
        } catch {
            linkBroke(node, error, now)
            return false
        }
    }
}
