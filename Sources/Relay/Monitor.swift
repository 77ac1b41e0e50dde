// SPDX-License-Identifier: GPL-2.0-or-later
// The module's own process: it alone asks RTPProxies whether they are there, and resolves their names.

import Bytes
import ControlProtocol
import SharedState
import Transport

extension Relay {
    /// Looks after all nodes until `isWanted` says no. Runs in a process of its own.
    public mutating func monitor<Host: RelayHost>(_ host: Host, while isWanted: () -> Bool) {
        while isWanted() {
            for node in 0..<table.count where isProbeDue(node, host.ticks) { probe(host, node) }
            MonotonicClock.sleep(nanoseconds: 100_000_000)
        }
    }

    private func isProbeDue(_ node: Int, _ ticks: UInt32) -> Bool {
        switch table.condition(node) {
        case .unproven: true
        case .down(let recheck): recheck != NodeTable.never && ticks >= recheck
        // Enabled by the operator before it has ever answered: what it can do is not known yet.
        case .up: table.capabilities(node) == 0
        case .disabled: false
        }
    }

    private mutating func probe<Host: RelayHost>(_ host: Host, _ node: Int) {
        guard resolve(host, node) else { return }
        beginExchange(node, budget: settings.budgetNanoseconds)
        for question in 0..<Probe.count {
            command.removeAll(keepingCapacity: true)
            Probe.write(question, into: &command)
            guard (try? addCommand()) != nil else { return }
        }
        judge(host, node, drive(node))
    }

    /// Publishes the address of a node that has none. False where its name does not resolve.
    private mutating func resolve<Host: RelayHost>(_ host: Host, _ node: Int) -> Bool {
        guard let url = directory.url(node), url.scheme != .unix, table.address(node) == nil else { return true }
        var failure: ResolveError?
        let address: SocketAddress? = table.withURL(node) { text in
            do throws(ResolveError) {
                return try Resolver.resolve(text, url)
            } catch {
                failure = error
                return nil
            }
        }
        if let address {
            table.publishAddress(node, NodeAddress(words: address.words))
            return true
        }
        failed(host, node, failure?.text ?? "has no address")
        return false
    }

    /// What the answers to a probe make of a node.
    private mutating func judge<Host: RelayHost>(_ host: Host, _ node: Int, _ outcome: ExchangeOutcome) {
        if case .failed(let error) = outcome, error.isLocal { return }
        guard outcome == .complete else { return failed(host, node, outcome.reason) }
        var found: Capabilities = []
        let incoming = exchange.incoming
        for question in 0..<Probe.count {
            guard let reply = exchange.reply(question),
                let capability = Probe.capability(question, incoming.span, reply)
            else { return failed(host, node, ExchangeOutcome.malformed.reason) }
            found.formUnion(capability)
        }
        guard found.isSuperset(of: .required) else {
            return failed(host, node, "is too old: it lacks protocol 20040107 or 20050322")
        }
        table.setCapabilities(node, found.rawValue)
        guard let before = table.revive(node) else { return }
        line.removeAll(keepingCapacity: true)
        appendName(of: node)
        if case .unproven = before { line.append("is up") } else { line.append("is back") }
        host.log(.info, line.span)
    }

    private mutating func failed<Host: RelayHost>(_ host: Host, _ node: Int, _ reason: StaticString) {
        let recheck = recheckTick(host)
        if takeOut(host, node, recheck, reason) { return }
        table.postpone(node, recheck: recheck)
    }
}
