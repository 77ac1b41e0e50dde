// SPDX-License-Identifier: GPL-2.0-or-later
// Nodes given by name, in the module's own process: when a name is looked up, and which of its addresses is asked.
//
// No process waits for the name service. While it does not answer, a node keeps the address that it had. Of a name with
// several addresses the next is tried where one does not answer; the node is given up when all of them have been.
//
// NO TRAP (24 in this file): node is one of the directory's, below the table's count, and the arrays are of its
// capacity.

import Bytes
import SharedState
import Transport

/// What the module's own process knows of a node's name.
struct NodeName {
    /// What the name led to last.
    var addresses: [SocketAddress] = []
    /// How many of them are still to be tried before the node is given up.
    var untried = 0
    /// When it was looked up last: when that began, and when an answer came. Nanoseconds of the monotonic clock.
    var lookedUpAt: UInt64 = 0
    var answeredAt: UInt64 = 0
    /// Whether it is to be asked at once, down or not: its address is another one.
    var isPressing = false
    /// Whether it took commands when it was looked at last.
    var wasUp = false
    /// Whether it has been said that its address is kept.
    var isKept = false
}

extension Worker {
    /// How long a node that has an address waits for its name before it is asked there, in nanoseconds.
    private static var namePatience: UInt64 { 1_000_000_000 }
    /// How long an answer of the name service is new, in nanoseconds.
    private static var nameFreshness: UInt64 { 500_000_000 }
    /// The shortest time in which one of several addresses may answer, in nanoseconds.
    private static var shortestTry: UInt64 { 500_000_000 }

    /// Whether the address of a node comes from a name, and may be another one by now.
    func isNamed(_ node: Int) -> Bool {
        guard let url = directory.url(node), !url.scheme.isUnix else { return false }
        return table.withURL(node) { Resolver.numeric($0, url) } == nil
    }

    /// Takes what the name service has answered about a named node, and looks whether it has just gone down.
    @_optimize(size)
    mutating func followName<Host: ServerHost>(_ host: Host, _ node: Int, _ state: inout MonitorState, now: UInt64) {
        if let result = state.lookUps.takeResult(node) { take(host, node, result, &state, now: now) }
        switch table.condition(node) {
        case .up: state.names[node].wasUp = true
        case .down(let recheck):
            guard state.names[node].wasUp else { return }
            state.names[node].wasUp = false
            guard recheck != NodeTable.never else { return }
            // A node that failed may have moved, or may answer at another of its addresses.
            lookUp(node, &state, now: now)
            state.names[node].untried = state.names[node].addresses.count &- 1
            _ = tryNextAddress(node, &state)
        case .unproven, .disabled: state.names[node].wasUp = false
        }
    }

    @_optimize(size)
    private mutating func take<Host: ServerHost>(
        _ host: Host, _ node: Int, _ result: LookUpResult, _ state: inout MonitorState, now: UInt64
    ) {
        state.names[node].answeredAt = now
        switch result {
        case .addresses(let addresses):
            state.names[node].addresses = addresses
            state.names[node].isKept = false
            if let present = table.address(node)?.words, addresses.contains(where: { $0.words == present }) { return }
            // NO TRAP: a look-up that has found addresses has at least one.
            publish(node, addresses[0])
            if case .down(let recheck) = table.condition(node), recheck != NodeTable.never {
                state.names[node].untried = addresses.count &- 1
                state.names[node].isPressing = true
            }
        case .failed(let error):
            guard table.address(node) != nil else {
                return conclude(host, node, .failed(error.text, .unresolved))
            }
            if state.names[node].isKept { return }
            state.names[node].isKept = true
            line.removeAll(keepingCapacity: true)
            appendName(of: node)
            line.append(error.text)
            line.append(", its last address is kept")
            host.log(.warning, line.span)
        }
    }

    /// Whether a named node that is to be asked has the address to ask it at; otherwise its name is being looked up.
    @_optimize(size)
    mutating func hasAddress<Host: ServerHost>(
        _ host: Host, _ node: Int, _ state: inout MonitorState, now: UInt64
    ) -> Bool {
        let hasAddress = table.address(node) != nil
        if state.names[node].isPressing { return hasAddress }
        let name = state.names[node]
        if hasAddress, name.answeredAt > 0, now &- name.answeredAt < Self.nameFreshness { return true }
        guard state.lookUps.isUnderWay(node) else {
            // One that is up is asked often, and goes on meanwhile.
            let isOld = now &- name.lookedUpAt >= Self.namePatience
            if isOld || !isUp(node) { lookUp(node, &state, now: now) }
            return hasAddress && isUp(node)
        }
        if hasAddress { return isUp(node) || now &- name.lookedUpAt >= Self.namePatience }
        if now &- name.lookedUpAt >= settings.budgetNanoseconds {
            conclude(host, node, .failed(ResolveError.tryAgain.text, .unresolved))
        }
        return false
    }

    /// Whether a node takes commands.
    func isUp(_ node: Int) -> Bool {
        if case .up = table.condition(node) { return true }
        return false
    }

    private mutating func lookUp(_ node: Int, _ state: inout MonitorState, now: UInt64) {
        guard let url = directory.url(node), !state.lookUps.isUnderWay(node) else { return }
        table.withURL(node) { text in
            if state.lookUps.start(node, text, url) { state.names[node].lookedUpAt = now }
        }
    }

    /// Notes that a named node is asked now. How long it has for the answer, in nanoseconds: where its name has other
    /// addresses, they need time, too.
    @_optimize(size)
    mutating func noteAsked(_ node: Int, _ state: inout MonitorState) -> UInt64 {
        let count = state.names[node].addresses.count
        if !state.names[node].isPressing { state.names[node].untried = count &- 1 }
        state.names[node].isPressing = false
        state.names[node].answeredAt = 0
        let budget = settings.budgetNanoseconds
        if case .up = table.condition(node) { return budget }
        // NO TRAP: the count is above 1.
        return count > 1 ? min(budget, max(budget / UInt64(count), Self.shortestTry)) : budget
    }

    /// Goes on to the next address of a named node, which is then asked at once. False where all have been tried.
    @_optimize(size)
    mutating func tryNextAddress(_ node: Int, _ state: inout MonitorState) -> Bool {
        let addresses = state.names[node].addresses
        guard state.names[node].untried > 0, addresses.count > 1 else { return false }
        state.names[node].untried &-= 1
        let present = table.address(node)?.words ?? (0, 0, 0)
        let position = addresses.firstIndex { $0.words == present } ?? addresses.count &- 1
        // NO TRAP: the remainder is below the count, which the guard has above 1.
        publish(node, addresses[(position &+ 1) % addresses.count])
        state.names[node].isPressing = true
        state.notBefore[node] = 0
        return true
    }

    private func publish(_ node: Int, _ address: SocketAddress) {
        table.publishAddress(node, NodeAddress(words: address.words))
    }
}
