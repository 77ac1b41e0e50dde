// SPDX-License-Identifier: GPL-2.0-or-later
// A worker process of a proxy as the tests want it: settings, shared memory, and its view of both.

import ControlProtocol
import Bytes
import SharedState
import Testing
import Transport

@testable import CallControl

/// Settings, table and relay of one worker.
final class SIPWorker {
    let block: UnsafeMutableRawPointer
    let size: Int
    /// The table of calls, of `callsSize` bytes; 0: there is none.
    private let calls: UnsafeMutableRawPointer
    private let callsSize: Int
    /// The table of legs, as large.
    private let legs: UnsafeMutableRawPointer
    /// The list of streams that are to be looked at.
    private let watched: UnsafeMutableRawPointer
    let settings: Settings
    private var relay: Worker
    /// Whose memory it is.
    private let owner: SIPWorker?
    /// What hosts that share calls share, as long as the test process lives; nil: none does.
    let fleet: FleetState?
    /// A responder that has to live as long.
    var kept: Responder?

    /// A configuration of these values of rtpproxy_sock. Unless `isProven` is false all nodes have shown `features`
    /// besides the usual ones; a command may take a second. `remembers`: with a table of calls; `shares`: one that hosts
    /// share. `figures`: those that the script names.
    init(
        _ sockets: [String], texts: [String: String] = [:], numbers: [String: Int] = [:],
        features: [Feature] = [], isProven: Bool = true, remembers: Bool = false, shares: Bool = false,
        figures: FigureSet = .all
    ) throws {
        var settings = Settings()
        settings.figures = figures
        settings.number("rtpproxy_tout", 1)
        settings.number("rtpproxy_retr", 1)
        for (name, value) in texts { settings.text(name, value) }
        for (name, value) in numbers { settings.number(name, value) }
        for line in sockets { settings.text("rtpproxy_sock", line) }
        settings.finish()
        try #require(settings.faultTexts == [])
        self.settings = settings
        owner = nil
        size = NodeTableLayout(capacity: settings.nodes.count).size
        block = .allocate(byteCount: size, alignment: 64)
        block.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        try NodeTable.create(in: block, size: size, settings.nodes)
        callsSize = remembers ? CallTable.size(entries: 4096) : 0
        calls = .allocate(byteCount: max(callsSize, 64), alignment: 64)
        calls.initializeMemory(as: UInt8.self, repeating: 0, count: max(callsSize, 64))
        legs = .allocate(byteCount: max(callsSize, 64), alignment: 64)
        legs.initializeMemory(as: UInt8.self, repeating: 0, count: max(callsSize, 64))
        watched = .allocate(byteCount: WatchedStreams.size, alignment: 64)
        watched.initializeMemory(as: UInt8.self, repeating: 0, count: WatchedStreams.size)
        if remembers {
            try CallTable.create(in: calls, size: callsSize, entries: 4096)
            try CallTable.create(in: legs, size: callsSize, entries: 4096)
        }
        if shares {
            let size = FleetState.size(nodes: settings.nodes.count, entries: 4096 + 16)
            let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
            memory.initializeMemory(as: UInt8.self, repeating: 0, count: size)
            let state = FleetState(attaching: memory, nodes: settings.nodes.count, entries: 4096 + 16)
            state.start(at: 1_700_000_000_000_000)
            fleet = state
        } else {
            fleet = nil
        }
        relay = Worker(
            settings: settings, table: try NodeTable(attaching: block, size: size),
            calls: remembers ? try CallTable(attaching: calls, size: callsSize, fleet: fleet) : nil,
            legs: remembers ? try CallTable(attaching: legs, size: callsSize) : nil,
            watched: remembers ? WatchedStreams(attaching: watched) : nil)
        let table = try table()
        for node in 0..<table.count {
            let url = settings.nodes[node].url
            if let parsed = try? NodeURL(url.span, url.span.all),
                let address = Resolver.numeric(url.span, parsed)
            {
                table.publishAddress(node, NodeAddress(words: address.words))
            }
            if isProven { prove(node, features) }
        }
    }

    convenience init(_ responders: Responder..., features: [Feature] = [], remembers: Bool = false) throws {
        try self.init(responders.map(\.url), features: features, remembers: remembers)
    }

    /// Another process of the same server: its memory is shared, its sockets are its own.
    init(beside other: SIPWorker) throws {
        owner = other.owner ?? other
        fleet = other.fleet
        settings = other.settings
        block = other.block
        size = other.size
        calls = other.calls
        callsSize = other.callsSize
        (legs, watched) = (other.legs, other.watched)
        relay = Worker(
            settings: settings, table: try NodeTable(attaching: block, size: size),
            calls: callsSize > 0 ? try CallTable(attaching: calls, size: callsSize) : nil,
            legs: callsSize > 0 ? try CallTable(attaching: legs, size: callsSize) : nil,
            watched: callsSize > 0 ? WatchedStreams(attaching: watched) : nil)
    }

    deinit {
        guard owner == nil else { return }
        block.deallocate()
        calls.deallocate()
        legs.deallocate()
        watched.deallocate()
    }

    /// Another process's view of the same shared memory.
    func table() throws -> NodeTable { try NodeTable(attaching: block, size: size) }

    /// What is required, and what all nodes of these tests can do: 20071218 and 20081224.
    private static let everywhere: UInt32 = 0x603

    /// What else they may be able to do.
    enum Feature: UInt32 {
        case repacketization = 4
        case codecLists = 8
        case statistics = 16
        case namedFigures = 32
        case lostPackets = 64
        case jitter = 128
        case versionArgument = 256
        case subCommands = 0x1000
        case figuresAndDelete = 0x10000
        /// Sub-commands, and the modules for DTLS and ICE.
        case webRTC = 0xF000
    }

    /// What other hosts are told of a call.
    func shared(_ key: UInt64) throws -> SharedCall? {
        try CallTable(attaching: calls, size: callsSize, fleet: fleet).shared(key)
    }

    func condition(_ node: Int) -> NodeCondition? { try? table().condition(node) }

    /// The node has answered its probe.
    func prove(_ node: Int, _ features: [Feature] = []) {
        guard let table = try? table() else { return }
        table.setCapabilities(node, features.reduce(Self.everywhere) { $0 | $1.rawValue })
        _ = table.revive(node)
    }

    // MARK: - Functions

    func offer(_ call: FakeCall, _ flags: String = "", address: String? = nil) -> ReturnCode {
        let (flags, text) = (Array(flags.utf8), Array((address ?? "").utf8))
        return relay.offer(call, flags: flags.span, address: text.span, hasAddress: address != nil)
    }

    func answer(_ call: FakeCall, _ flags: String = "", address: String? = nil) -> ReturnCode {
        let (flags, text) = (Array(flags.utf8), Array((address ?? "").utf8))
        return relay.answer(call, flags: flags.span, address: text.span, hasAddress: address != nil)
    }

    func manage(_ call: FakeCall, _ flags: String = "", address: String? = nil) -> ReturnCode {
        let (flags, text) = (Array(flags.utf8), Array((address ?? "").utf8))
        return relay.manage(call, flags: flags.span, address: text.span, hasAddress: address != nil)
    }

    func delete(_ call: FakeCall, _ flags: String = "") -> ReturnCode {
        let flags = Array(flags.utf8)
        return relay.delete(call, flags: flags.span)
    }

    func play(_ call: FakeCall, _ prompt: String, _ count: Int, toCallee: Bool) -> ReturnCode {
        let prompt = Array(prompt.utf8)
        return relay.play(call, prompt: prompt.span, count: count, toCallee: toCallee)
    }

    func stopPlay(_ call: FakeCall, toCallee: Bool) -> ReturnCode { relay.stopPlay(call, toCallee: toCallee) }

    /// What the module's own process does about browsers that send nothing.
    func lookAtBrowsers(_ host: FakeCall) { relay.lookAtBrowsers(host) }

    func record(_ call: FakeCall) -> ReturnCode { relay.record(call) }

    func statistics(_ call: FakeCall) -> String? {
        relay.statistics(call) { span in
            var bytes: [UInt8] = []
            bytes.append(span)
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    /// The number of a figure.
    /// What rtpproxy_engage keeps of a message; nil: nothing.
    func beginEngagement(
        _ call: FakeCall, flags: String, address: String?, ofBranch: Bool = false
    ) -> (code: ReturnCode, text: String?) {
        let (flags, given) = (Array(flags.utf8), Array((address ?? "").utf8))
        return relay.beginEngagement(
            call, flags: flags.span, address: given.span, hasAddress: address != nil, ofBranch: ofBranch
        ) { text in
            var bytes: [UInt8] = []
            bytes.append(text)
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    static func figureIndex(_ name: String) -> Int? {
        let name = Array(name.utf8)
        return Worker.figureIndex(of: name.span)
    }

    /// `$rtpp_stat(name)` as text.
    func figure(_ call: FakeCall, _ name: String) -> String? {
        relay.figure(call, Self.figureIndex(name) ?? -1) { text, _ in
            var bytes: [UInt8] = []
            bytes.append(text)
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    /// `$rtpp_stat(name)` as a number.
    func figureNumber(_ call: FakeCall, _ name: String) -> Int64? {
        relay.figure(call, Self.figureIndex(name) ?? -1) { _, number in number }.flatMap { $0 }
    }

    func selectSet(_ call: FakeCall, _ id: Int64) -> ReturnCode { relay.selectSet(call, id: id) }

    func selectSet(_ call: FakeCall, text: String) -> ReturnCode {
        let text = Array(text.utf8)
        return relay.selectSet(call, text: text.span)
    }

    var listings: [NodeListing] { (0..<relay.nodeCount()).compactMap { relay.listing($0) } }
    func listing(_ position: Int) -> NodeListing? { relay.listing(position) }

    func setEnabled(_ url: String, _ isEnabled: Bool) -> Bool {
        let url = Array(url.utf8)
        return relay.setEnabled(FakeCall(), url.span, isEnabled)
    }

    func setDraining(_ url: String, _ isDraining: Bool, at tick: UInt32 = 1000) -> Bool {
        let (url, host) = (Array(url.utf8), FakeCall())
        host.ticks = tick
        return relay.setDraining(host, url.span, isDraining)
    }

    /// What rtpproxy.stats shows of a node at `tick`.
    func nodeStatistics(_ position: Int = 0, at tick: UInt32 = 1000) throws -> NodeStatistics {
        let host = FakeCall()
        host.ticks = tick
        _ = relay.nodeCount()
        let found = relay.nodeStatistics(host, position)
        return try #require(found)
    }

    func resetStatistics() { relay.resetStatistics() }
    var nodesUp: Int { relay.nodesUp() }

    /// What a probe of the nodes with this URL, nil: of all, found out.
    func probe(_ url: String?, _ call: FakeCall = FakeCall()) -> [ProbeResult] {
        guard let url else { return relay.probeAll(call) }
        let bytes = Array(url.utf8)
        return relay.probe(call, bytes.span)
    }

    /// Whether the process has made what it probes with.
    var canProbe: Bool {
        switch relay.probes {
        case .some: true
        case nil: false
        }
    }

    func url(_ position: Int) -> String { String(decoding: relay.urlMemory(position), as: UTF8.self) }
}

extension Settings {
    /// Takes a parameter; false where there is none of this name.
    @discardableResult
    mutating func text(_ name: String, _ value: String) -> Bool {
        let (name, value) = (Array(name.utf8), Array(value.utf8))
        return set(name.span, text: value.span)
    }

    /// Takes a parameter; false where there is none of this name.
    @discardableResult
    mutating func number(_ name: String, _ value: Int) -> Bool {
        let name = Array(name.utf8)
        return set(name.span, number: value)
    }

    var faultTexts: [String] { faults.map { String(decoding: $0, as: UTF8.self) } }
    var warningTexts: [String] { warnings.map { String(decoding: $0, as: UTF8.self) } }
}
