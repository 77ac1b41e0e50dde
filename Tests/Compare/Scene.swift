// SPDX-License-Identifier: GPL-2.0-or-later
// A configuration under which a group of cases runs, and the relays that it needs.

import Foundation
import TestSupport

/// One kamailio.cfg for both modules, and what runs under it.
struct Scene: Sendable {
    struct Node: Sendable {
        var name: String
        var transport = ScriptedRelay.Transport.udp
        var capabilities = ScriptedRelay.allCapabilities
        /// Nothing listens there.
        var dead = false
    }

    var name: String
    var nodes: [Node]
    /// Values of `rtpproxy_sock`, with `@a` for the URL of node a.
    var sockets: [String]
    var texts: [(name: String, value: String)] = []
    var numbers: [(name: String, value: Int)] = []
    var cases: [Case]
    /// How many sets a thousand Call-IDs are spread over, from set 0 on.
    var balancedSets = 0
    /// Flags with which they are.
    var balancingFlags: [String?] = [nil]
}

/// One module in one scene: a Kamailio, its relays, and the agents around it.
final class Bench {
    let isStock: Bool
    let kamailio: Kamailio
    let relays: [(name: String, relay: ScriptedRelay)]
    let urls: [(name: String, url: String)]
    let advertised: Endpoint
    let observer: UDPSocket
    let agents: [Family: (caller: UserAgent, callee: UserAgent)]
    let scripts = Scripts()

    init(_ scene: Scene, stock: Bool) throws {
        isStock = stock
        var relays: [(String, ScriptedRelay)] = []
        var urls: [(String, String)] = []
        for node in scene.nodes {
            if node.dead {
                urls.append((node.name, "udp:127.0.0.1:\(try FreePort.next())"))
            } else {
                let relay = try ScriptedRelay(node.transport, capabilities: node.capabilities)
                let name = node.name
                relay.on { [scripts] command in scripts.answer(command, from: name) }
                relays.append((name, relay))
                // The stock module takes no brackets.
                urls.append((name, stock ? relay.url.replacing("[::1]", with: "::1") : relay.url))
            }
        }
        self.relays = relays
        self.urls = urls
        observer = try UDPSocket()
        agents = try [
            .ipv4: (UserAgent("alice"), UserAgent("bob")), .ipv6: (UserAgent("alice", .ipv6), UserAgent("bob", .ipv6)),
        ]
        advertised = Endpoint(.ipv4, try FreePort.next())

        let script = try String(contentsOfFile: "\(PackageFolder.root)/Tests/Compare/compare.cfg", encoding: .utf8)
        var configuration = KamailioConfiguration(routes: script)
        if !configuration.modules.contains("corex") { configuration.modules.append("corex") }
        configuration.preamble = "listen=udp:127.0.0.1:\(advertised.port) advertise 203.0.113.9:5060"
        // A literal set that is not configured is a start-up error.
        if scene.sockets.contains(where: { $0.hasPrefix("1 ==") }) { configuration.preamble += "\n#!define SETS" }
        configuration.module = stock ? .stock : .underTest
        configuration.children = 1
        for line in scene.sockets {
            let value = urls.reduce(line) { text, node in
                text.split(separator: " ", omittingEmptySubsequences: false).map { word in
                    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                    guard parts.first == "@\(node.0)" else { return String(word) }
                    return ([node.1] + parts.dropFirst().map(String.init)).joined(separator: "=")
                }.joined(separator: " ")
            }
            configuration.set("rtpproxy_sock", value)
        }
        configuration.set("rtp_inst_pvar", "$avp(instance)")
        for (name, value) in scene.texts { configuration.set(name, value) }
        for (name, value) in scene.numbers { configuration.set(name, value) }
        kamailio = try Kamailio(configuration)
        try settle(scene)
    }

    /// Waits until every relay was probed, from each process where the module does that, and all is quiet.
    private func settle(_ scene: Scene) throws {
        let dead = scene.nodes.filter(\.dead).map(\.name)
        var last = -1
        let settled = try waitUntil(30) {
            let count = relays.reduce(0) { $0 + $1.relay.log.count }
            defer { last = count }
            usleep(300_000)
            guard count == last, relays.allSatisfy({ $0.relay.log.contains { $0.verb == "VF" } }) else { return false }
            let down = try kamailio.relays().filter { $0["disabled"] == "1" }.compactMap { $0["url"] }
            let names = Set(urls.filter { down.contains($0.url) }.map(\.name))
            return names == Set(dead.filter { name in scene.sockets.contains { $0.contains("@\(name)") } })
        }
        guard settled else {
            throw HarnessError(
                "\(scene.name), \(isStock ? "stock" : "ours"): the relays were not probed:\n"
                    + "\((try? kamailio.kamcmd("rtpproxy.list")) ?? "")\n\(kamailio.log.suffix(3000))")
        }
        _ = scripts.takeArrived()
    }

    /// Commands that arrived since the last call, without probes and retransmissions.
    func newCommands() -> [(relay: String, command: RelayCommand)] {
        scripts.takeArrived().filter { $0.command.attempt == 1 && !$0.command.asksForTheRelay }
    }

    /// URLs replaced by `@name`.
    func named(_ text: String) -> String {
        urls.reduce(text) { $0.replacing($1.url, with: "@\($1.name)") }
    }

    func address(_ name: String) -> String {
        urls.first { "@\($0.name)" == name }?.url ?? name
    }
}

/// Which script answers which Call-ID.
final class Scripts: Sendable {
    private let lock = NSLock()
    private nonisolated(unsafe) var byCall: [String: RelayScript] = [:]
    private nonisolated(unsafe) var silent: Set<String> = []
    private nonisolated(unsafe) var arrived: [(relay: String, command: RelayCommand)] = []

    subscript(call: String) -> RelayScript? {
        get { lock.withLock { byCall[call] } }
        set { lock.withLock { byCall[call] = newValue } }
    }

    /// The answer to a command: by the leading letters and digits of its Call-ID.
    func answer(_ command: RelayCommand, from relay: String) -> RelayAnswer {
        let isSilent = lock.withLock {
            arrived.append((relay, command))
            return silent.contains(relay)
        }
        if isSilent { return .drop }
        let key = String(command.callID.prefix { $0.isLetter || $0.isNumber })
        let answer = (self[key] ?? RelayScript()).answer(command, from: relay)
        // A relay that does not answer is dead, and does not answer a probe either.
        if case .drop = answer { lock.withLock { _ = silent.insert(relay) } }
        return answer
    }

    /// All that arrived since the last call, in order over all relays.
    func takeArrived() -> [(relay: String, command: RelayCommand)] {
        lock.withLock {
            defer { arrived = [] }
            return arrived
        }
    }

    /// Relays that have fallen silent speak again.
    func revive() {
        lock.withLock { silent = [] }
    }
}
