// SPDX-License-Identifier: GPL-2.0-or-later
// A stand-in for RTPProxy that logs each command and does with it what the test says.

import Foundation
import Synchronization

/// Speaks the control protocol on one socket, on a thread of its own. Without rules it answers as RTPProxy does.
///
///     let relay = try ScriptedRelay(.udp)
///     relay.on { command in command.verb == "U" && command.attempt == 1 ? .drop : nil }
public final class ScriptedRelay: Sendable {
    public enum Transport: CaseIterable, Sendable { case udp, udp6, unix, cunix, tcp, tcp6 }
    public typealias Rule = @Sendable (RelayCommand) -> RelayAnswer?

    public let transport: Transport
    /// The URL under which Kamailio is told of it.
    public let url: String
    /// The capabilities of a recent RTPProxy.
    public static let allCapabilities: Set<String> = [
        "20040107", "20050322", "20060704", "20071116", "20071218", "20080403", "20081102", "20081224", "20090810",
        "20140323", "20141004", "20150420", "20191015", "20200226", "20230205", "20230314", "20230424", "20251015",
    ]

    struct Scheduled {
        var due: Int
        var channel: Int32
        var cookie: String
        var to: Endpoint?
        var answer: RelayAnswer
    }

    struct State {
        var listener: Int32 = -1
        var connections: [Int32: [UInt8]] = [:]
        var log: [RelayCommand] = []
        /// Connections that were accepted so far.
        var accepted = 0
        /// How often each cookie was seen, and each verb with its Call-ID: the log grows long.
        var attempts: [String: Int] = [:]
        var commands: [String: Int] = [:]
        var rules: [Rule] = []
        var cache: [String: RelayAnswer] = [:]
        var sessions: RelaySessions
        var scheduled: [Scheduled] = []
        var stopped = false
    }

    let state: Mutex<State>
    /// The file of its unix socket; empty without one.
    public let path: String
    /// Where it listens; without meaning on a unix socket.
    public let endpoint: Endpoint
    private let folder: TemporaryFolder?

    /// `address` stands behind the port in answers to U and L; empty: the port alone. `place` says where it listens,
    /// if that matters.
    public init(
        _ transport: Transport = .udp, at place: Endpoint? = nil, address: String = "192.0.2.77",
        capabilities: Set<String> = allCapabilities
    ) throws {
        self.transport = transport
        state = Mutex(State(sessions: RelaySessions(address: address, capabilities: capabilities)))
        let family = transport == .udp6 || transport == .tcp6 ? Family.ipv6 : .ipv4
        switch transport {
        case .udp, .udp6, .tcp, .tcp6:
            endpoint = try place ?? Endpoint(family, FreePort.next())
            path = ""
            folder = nil
            // The distribution's module takes IPv6 addresses only without brackets.
            let isStock = ProcessInfo.processInfo.environment["RTPPROXY_MODULE"] == "stock"
            url = "\(transport):\(isStock ? endpoint.host : endpoint.uriHost):\(endpoint.port)"
        case .unix, .cunix:
            let made = try TemporaryFolder()
            folder = made
            path = made.file("relay")
            endpoint = Endpoint(.ipv4, 0)
            url = "\(transport):\(path)"
        }
        try reopen()
        let thread = Thread { [weak self] in
            while let relay = self, !relay.state.withLock({ $0.stopped }) { relay.serve() }
        }
        thread.start()
    }

    deinit { stop() }

    /// Adds a rule. The latest rule that gives an answer decides; where none does, the relay answers as RTPProxy does.
    public func on(_ rule: @escaping Rule) {
        state.withLock { $0.rules.insert(rule, at: 0) }
    }

    /// Adds a rule for the commands of one call only, so that tests may share a relay.
    public func on(call id: String, _ rule: @escaping Rule) {
        on { command in
            command.callID == id || command.callID.hasPrefix("\(id);") ? rule(command) : nil
        }
    }

    public func removeRules() {
        state.withLock { $0.rules = [] }
    }

    /// All commands so far, retransmissions included.
    public var log: [RelayCommand] { state.withLock { $0.log } }

    /// Connections that it has accepted so far.
    public var connectionCount: Int { state.withLock { $0.accepted } }

    /// Gives the answers that wait for it: those of `RelayAnswer.hold`.
    public func release() {
        state.withLock { state in
            for index in state.scheduled.indices where state.scheduled[index].due == .max {
                state.scheduled[index].due = 0
            }
        }
    }

    /// Whether something was asked again because its answer took too long.
    var hasBeenAskedTwice: Bool { log.contains { $0.attempt > 1 } }

    /// The commands of one call, retransmissions not included, in the order of their arrival.
    public func commands(of callID: String, _ verb: String? = nil) -> [RelayCommand] {
        log.filter {
            $0.attempt == 1 && ($0.callID == callID || $0.callID.hasPrefix("\(callID);"))
                && (verb == nil || $0.verb == verb)
        }
    }

    /// The commands of one call as text.
    public func texts(of callID: String, _ verb: String? = nil) -> [String] {
        commands(of: callID, verb).map(\.text)
    }

    /// The ports that it has given a call's offers, in the order of the streams.
    public func ports(of callID: String) -> [Int] { state.withLock { $0.sessions.ports(of: callID) } }

    /// Changes what the default answers contain.
    public func set(address: String? = nil, capabilities: Set<String>? = nil) {
        state.withLock {
            if let address { $0.sessions.address = address }
            if let capabilities { $0.sessions.capabilities = capabilities }
        }
    }

    /// Closes the socket and all connections: refused from now on.
    public func shut() {
        state.withLock { state in
            if state.listener >= 0 { close(state.listener) }
            state.listener = -1
            for connection in state.connections.keys { close(connection) }
            state.connections = [:]
            state.scheduled = []
        }
        if !path.isEmpty { unlink(path) }
    }

    /// Opens the socket at the address that it had.
    public func reopen() throws {
        // The relay's thread may hold the old socket for some milliseconds more.
        var opened: Int32?
        waitUntil(1) {
            opened = try? open()
            return opened != nil
        }
        let listener = try opened ?? open()
        state.withLock { $0.listener = listener }
    }

    public func stop() {
        state.withLock { $0.stopped = true }
        shut()
    }

    // MARK: - The thread

    private func serve() {
        var waiting = state.withLock { state in
            ([state.listener] + state.connections.keys).map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        }
        let now = monotonicMilliseconds()
        let due = state.withLock { $0.scheduled.map(\.due).min() } ?? now + 20
        poll(&waiting, nfds_t(waiting.count), Int32(min(max(due - now, 0), 20)))
        for entry in waiting where entry.revents != 0 && entry.fd >= 0 {
            arrived(on: entry.fd)
        }
        let later = monotonicMilliseconds()
        let ready = state.withLock { state in
            let ready = state.scheduled.filter { $0.due <= later }
            state.scheduled.removeAll { $0.due <= later }
            return ready
        }
        for item in ready { perform(item.answer, item.channel, item.cookie, item.to) }
    }

    /// Decides on a command and carries the decision out.
    func handle(_ cookie: String, _ line: Line, channel: Int32, from: Endpoint?) {
        let (command, rules): (RelayCommand, [Rule]) = state.withLock { state in
            let verb = RelayCommand(
                time: 0, cookie: "", text: line.text, isTerminated: true, sender: 0, attempt: 1, number: 1)
            let seen = cookie.isEmpty ? 0 : state.attempts[cookie, default: 0]
            let kind = "\(verb.verb) \(verb.callID)"
            // A retransmission is not another command.
            let same = state.commands[kind, default: 0] - (seen > 0 ? 1 : 0)
            if !cookie.isEmpty { state.attempts[cookie] = seen + 1 }
            if seen == 0 { state.commands[kind] = same + 1 }
            let sender = from.map { Int($0.port) } ?? Int(channel)
            let command = RelayCommand(
                time: monotonicMilliseconds(), cookie: cookie, text: line.text, isTerminated: line.isTerminated,
                sender: sender, attempt: seen + 1, number: same + 1)
            state.log.append(command)
            return (command, state.rules)
        }
        if let cached = state.withLock({ $0.cache[cookie] }), !cookie.isEmpty {
            return perform(cached, channel, cookie, from)
        }
        var decision = RelayAnswer.normal
        for rule in rules {
            if let answer = rule(command) {
                decision = answer
                break
            }
        }
        let resolved = state.withLock { state in Self.resolve(decision, command, &state.sessions) }
        // Like RTPProxy: what was answered is kept under the cookie, and a retransmission does not run again.
        if !cookie.isEmpty, case .reply = resolved { state.withLock { $0.cache[cookie] = resolved } }
        perform(resolved, channel, cookie, from)
    }

    /// Replaces `.normal` by the reply that RTPProxy would give.
    private static func resolve(
        _ answer: RelayAnswer, _ command: RelayCommand, _ sessions: inout RelaySessions
    ) -> RelayAnswer {
        switch answer {
        case .normal: .reply(sessions.answer(command))
        case .reply, .raw, .drop, .hangUp: answer
        case .delay(let milliseconds, let inner): .delay(milliseconds, resolve(inner, command, &sessions))
        case .hold(let inner): .hold(resolve(inner, command, &sessions))
        case .twice(let inner): .twice(resolve(inner, command, &sessions))
        case .fromOtherPort(let inner): .fromOtherPort(resolve(inner, command, &sessions))
        case .drip(let milliseconds, let inner): .drip(milliseconds, resolve(inner, command, &sessions))
        case .several(let all): .several(all.map { resolve($0, command, &sessions) })
        }
    }

    private func perform(_ answer: RelayAnswer, _ channel: Int32, _ cookie: String, _ to: Endpoint?) {
        switch answer {
        case .normal, .drop: break
        case .reply(let text):
            transmit(Array("\(cookie.isEmpty ? "" : cookie + " ")\(text)\n".utf8), channel, to)
        case .raw(let bytes): transmit(bytes, channel, to)
        case .hangUp: hangUp(channel)
        case .delay(let milliseconds, let inner):
            schedule(inner, monotonicMilliseconds() + milliseconds, channel, cookie, to)
        case .hold(let inner): schedule(inner, .max, channel, cookie, to)
        case .twice(let inner):
            // On the one-shot unix socket the first copy ends the connection.
            perform(inner, channel, cookie, to)
            perform(inner, channel, cookie, to)
        case .fromOtherPort(let inner):
            guard case .reply(let text) = inner, let to, let otherPort = try? UDPSocket(endpoint.family) else { break }
            otherPort.send(Array("\(cookie) \(text)\n".utf8), to: to)
        case .drip(let milliseconds, let inner):
            let (bytes, isAll): ([UInt8], Bool)
            switch inner {
            case .reply(let text): (bytes, isAll) = (Array("\(text)\n".utf8), true)
            case .raw(let given): (bytes, isAll) = (given, false)
            default: return
            }
            for byte in bytes {
                transmit([byte], channel, to, more: true)
                usleep(UInt32(milliseconds) * 1000)
            }
            if transport == .unix && isAll { hangUp(channel) }
        case .several(let all):
            for one in all { perform(one, channel, cookie, to) }
        }
    }

    private func schedule(_ answer: RelayAnswer, _ due: Int, _ channel: Int32, _ cookie: String, _ to: Endpoint?) {
        state.withLock {
            $0.scheduled.append(Scheduled(due: due, channel: channel, cookie: cookie, to: to, answer: answer))
        }
    }
}
