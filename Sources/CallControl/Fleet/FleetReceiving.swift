// SPDX-License-Identifier: GPL-2.0-or-later
// What a host does with the messages of the others: any process that Kamailio hands one to.
//
// Nothing of a message is trusted but by what it can do: at worst the table says that a call is at another RTPProxy, which
// costs a question, that an RTPProxy is disabled or drained, which is what the operator's command does, or that one is to
// be looked at.

import Bytes
import SharedState
import Transport

/// What became of a message of another host.
package enum FleetReception: Sendable {
    /// It was taken.
    case taken
    /// It was a question: `Worker.fleetPage` is the answer.
    case answered
    /// It makes no sense, or comes from nobody who shares calls.
    case refused
    /// It comes from one host too many.
    case tooMany
}

extension Worker {
    /// How far another host's clock may be ahead of this one's time, in microseconds: ten minutes. Not of the clock that
    /// goes on from what others say: that could be led on and on.
    private static var mostAhead: UInt64 { 600_000_000 }

    /// Takes a message of the host at `address`. `now`: nanoseconds of the monotonic clock; `wall`: microseconds since
    /// 1970.
    @_optimize(size)
    package mutating func receive<Host: ServerHost>(
        _ host: Host, from address: Span<UInt8>, _ bytes: Span<UInt8>, now: UInt64 = MonotonicClock.now(),
        wall: UInt64 = WallClock.microseconds()
    ) -> FleetReception {
        guard let fleet, let message = FleetMessage(bytes), message.kind != .page,
            isTimely(host, address, message, fleet, wall: wall)
        else {
            host.count(.dmqRefused)
            return .refused
        }
        // The record of the host last: who has it is heard, so that nobody takes it for one that is silent.
        guard let peer = fleet.peer(address) else {
            host.count(.dmqRefused)
            guard fleet.isFull else { return .refused }
            tellOfRefusal(host, address, "there are 16 other hosts already, the most there can be")
            return .tooMany
        }
        ticks = host.ticks
        refreshDirectory()
        switch message.kind {
        case .changes: takeCalls(host, message, bytes, fleet)
        case .greeting: takeNodes(host, message, bytes, address, fleet)
        case .question:
            answer(message, bytes, fleet)
            return .answered
        case .page: return .refused
        }
        fleet.hear(peer, epoch: message.epoch, sequence: message.sequence, sentAt: message.sentAt, now: now)
        return .taken
    }

    /// Lends the answer to the question that was received last.
    package func withFleetAnswer<Result>(_ body: (Span<UInt8>) -> Result) -> Result {
        // NO TRAP: the count is never above that of the memory.
        body(fleetPage.memory.span.extracting(0..<fleetPage.count))
    }

    /// Takes what host number `peer` says to question number `question`; `bytes` nil: nothing.
    @_optimize(size)
    package mutating func takeAnswer<Host: ServerHost>(
        _ host: Host, peer: Int, question: UInt32, _ bytes: Span<UInt8>, isAnswer: Bool,
        wall: UInt64 = WallClock.microseconds()
    ) {
        guard let fleet else { return }
        var next = FleetState.Answer.failed
        if isAnswer, let message = FleetMessage(bytes), message.kind == .page, message.epoch == fleet.peerEpoch(peer),
            message.sentAt <= wall &+ Self.mostAhead
        {
            ticks = host.ticks
            refreshDirectory()
            fleet.advance(to: message.sentAt)
            takeCalls(host, message, bytes, fleet)
            next = message.next
        } else if isAnswer {
            host.count(.dmqRefused)
        }
        fleet.setAnswer(peer, FleetState.Answer(question: question, next: next))
    }

    /// Whether the sender's clock can be right; this host's goes on from it.
    @_optimize(size)
    private mutating func isTimely<Host: ServerHost>(
        _ host: Host, _ address: Span<UInt8>, _ message: FleetMessage, _ fleet: FleetState,
        wall: UInt64
    ) -> Bool {
        if message.sentAt <= wall &+ Self.mostAhead {
            fleet.advance(to: message.sentAt)
            return true
        }
        tellOfRefusal(host, address, "its clock is more than ten minutes ahead")
        return false
    }

    /// Once a minute at most.
    @_optimize(size)
    private mutating func tellOfRefusal<Host: ServerHost>(
        _ host: Host, _ address: Span<UInt8>, _ reason: StaticString
    ) {
        guard host.ticks >= nextRefusalLine else { return }
        nextRefusalLine = host.ticks &+ 60
        line.removeAll(keepingCapacity: true)
        line.append("calls are not shared with ")
        line.append(printable: address, address.all)
        line.append(": ")
        line.append(reason)
        host.log(.warning, line.span)
    }

    // MARK: - Calls

    @_optimize(size)
    private mutating func takeCalls<Host: ServerHost>(
        _ host: Host, _ message: FleetMessage, _ bytes: Span<UInt8>, _ fleet: FleetState
    ) {
        fleetNodes.clear()
        for index in 0..<message.nameCount {
            fleetNodes.append(numberInTable(named: message.name(index, bytes)) ?? -1)
        }
        let now = fleet.now
        var taken: UInt32 = 0
        for index in 0..<message.callCount {
            guard let call = message.call(index, bytes) else { continue }
            var node: Int?
            if let name = call.name {
                // NO TRAP: call() gives a name below the count, and there is a number for each.
                node = fleetNodes[name]
                if node == -1 { continue }
            }
            let age = now > call.stamp ? UInt32(clamping: (now &- call.stamp) / 1_000_000) : 0
            let shared = SharedCall(key: call.key, node: node, hasMoved: call.hasMoved, stamp: call.stamp)
            if calls?.apply(shared, age: age, now: ticks) ?? false { taken &+= 1 }
        }
        if taken > 0 { host.count(.dmqReceived, taken) }
    }

    /// Writes the part of the table that is asked for into `fleetPage`.
    @_optimize(size)
    private mutating func answer(_ message: FleetMessage, _ bytes: Span<UInt8>, _ fleet: FleetState) {
        var page = Scratch<UInt8>()
        swap(&page, &fleetPage)
        FleetMessage.begin(&page, .page, epoch: fleet.epoch, sequence: 0, place: message.place)
        var names = FleetNames()
        var rest: Int?
        switch calls {
        case .some(let table):
            rest = table.page(from: Int(widening: message.place), since: message.since(bytes), now: ticks) { call in
                names.add(call, to: &page, name: { self.fleetName($0) })
            }
        case nil: break
        }
        names.append(to: &page)
        FleetMessage.end(
            &page, sentAt: fleet.stamp(), calls: names.calls, names: names.count,
            next: rest.map { UInt32(clamping: $0) } ?? FleetState.Answer.atEnd)
        swap(&page, &fleetPage)
    }

    // MARK: - RTPProxies

    @_optimize(size)
    private mutating func takeNodes<Host: ServerHost>(
        _ host: Host, _ message: FleetMessage, _ bytes: Span<UInt8>, _ address: Span<UInt8>, _ fleet: FleetState
    ) {
        var offset = FleetMessage.headerSize
        for _ in 0..<message.nameCount {
            guard let record = FleetNodeRecord(bytes, &offset), record.stamp <= message.sentAt else { break }
            guard let node = node(named: record.hash) else {
                if fleet.isToTell(ofForeign: record.hash) { tellOfUnknownNode(host, record, bytes, address) }
                continue
            }
            if record.isInDoubt { table.setLookWanted(node, true) }
            let said = NodeSwitch(
                stamp: record.stamp, isDisabled: record.isDisabled, isDraining: record.isDraining)
            guard record.stamp > 0, fleet.take(node, said) else { continue }
            adopt(host, node, fleet, address)
        }
        tell(host)
    }

    /// Switches and drains a node as was said last. Whoever comes with something earlier meanwhile, and is slower, sees
    /// that afterwards and does the same.
    @_optimize(size)
    private mutating func adopt<Host: ServerHost>(
        _ host: Host, _ node: Int, _ fleet: FleetState, _ address: Span<UInt8>
    ) {
        let (before, wasDraining) = (nodeState(node), table.isDraining(node))
        let wasDisabled = table.condition(node) == .disabled
        let said = follow(node, fleet)
        if wasDisabled != said.isDisabled {
            tellOfAdoption(node, said.isDisabled ? .nodeDisabled : .nodeEnabled, address)
        }
        if wasDraining != said.isDraining, !said.isDisabled {
            tellOfAdoption(node, said.isDraining ? .nodeDraining : .nodeEnabled, address)
        }
        if nodeState(node) != before { table.noteCondition(node, tick: host.ticks) }
    }

    /// Makes a node what was said of it last, until nothing else is said meanwhile.
    @_optimize(size)
    private func follow(_ node: Int, _ fleet: FleetState) -> NodeSwitch {
        var said = fleet.nodeSwitch(node)
        // A human hardly says so much at once.
        for _ in 0..<16 {
            if (table.condition(node) == .disabled) != said.isDisabled { table.setEnabled(node, !said.isDisabled) }
            if table.isDraining(node) != said.isDraining { table.setDraining(node, said.isDraining) }
            let present = fleet.nodeSwitch(node)
            if present == said { break }
            said = present
        }
        return said
    }

    /// Switches or drains a node as the operator of this host says; nil: that stays as it is. It is said before it is
    /// done, so that the process that tells the others sees it when it sees the change.
    @_optimize(size)
    func switchNode(_ node: Int, isDisabled: Bool? = nil, isDraining: Bool? = nil) {
        if let fleet {
            let said = NodeSwitch(
                stamp: fleet.stamp(), isDisabled: isDisabled ?? (table.condition(node) == .disabled),
                isDraining: isDraining ?? table.isDraining(node))
            _ = fleet.take(node, said)
        }
        if let isDisabled { table.setEnabled(node, !isDisabled) }
        if let isDraining { table.setDraining(node, isDraining) }
        guard let fleet else { return }
        _ = follow(node, fleet)
        fleet.wantGreeting()
    }

    @_optimize(size)
    private mutating func tellOfAdoption(_ node: Int, _ kind: ReportKind, _ address: Span<UInt8>) {
        line.removeAll(keepingCapacity: true)
        appendName(of: node)
        switch kind {
        case .nodeDisabled: line.append("is disabled, as on ")
        case .nodeDraining: line.append("gets no new calls, as on ")
        default: line.append("is enabled, as on ")
        }
        line.append(printable: address, address.all)
        reportNode(kind, .notice, node)
    }

    @_optimize(size)
    private mutating func tellOfUnknownNode<Host: ServerHost>(
        _ host: Host, _ record: FleetNodeRecord, _ bytes: Span<UInt8>, _ address: Span<UInt8>
    ) {
        line.removeAll(keepingCapacity: true)
        line.append(printable: address, address.all)
        line.append(" has calls at ")
        line.append(printable: bytes, record.url, limit: 255)
        line.append(" of set ")
        line.append(decimal: UInt64(widening: record.setID))
        line.append(", which is not configured here: their messages find it by asking the others, or not at all")
        host.log(.warning, line.span)
    }
}

/// The names of the nodes of a message that is being written, and how many calls it has.
struct FleetNames {
    private var names: [UInt64] = []
    var count: Int { names.count }
    private(set) var calls = 0

    /// Adds a call, with the name of its node where that is new. False: there is no room for it. One whose node has no
    /// name is left out.
    @_optimize(size)
    mutating func add(_ call: SharedCall, to message: inout Scratch<UInt8>, name: (Int) -> UInt64) -> Bool {
        let room = FleetMessage.mostBytes &- message.count &- names.count &* FleetMessage.nameSize &- 1
        guard room >= FleetMessage.callSize &+ FleetMessage.nameSize else { return false }
        guard let node = call.node else {
            FleetMessage.append(&message, call, name: nil)
            calls &+= 1
            return true
        }
        let name = name(node)
        guard name != 0 else { return true }
        var place = names.count
        if let present = names.firstIndex(of: name) {
            place = present
        } else {
            guard names.count < FleetMessage.mostNames else { return false }
            names.append(name)
        }
        FleetMessage.append(&message, call, name: place)
        calls &+= 1
        return true
    }

    /// Adds the names, behind the calls.
    func append(to message: inout Scratch<UInt8>) { for name in names { message.append(name, count: 8) } }

    mutating func clear() {
        names.removeAll(keepingCapacity: true)
        calls = 0
    }
}
