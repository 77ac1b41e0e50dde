// SPDX-License-Identifier: GPL-2.0-or-later
// Whole calls through the C entry points: a documented code, all edits or none, one command a line with as many words as
// it has to have, and every transaction that waits goes on once.

import Bytes
import Glibc
import RTPProxyABI
import Transport

/// A module with its RTPProxies, and its asynchronous process in a thread.
private final class CallModule {
    let handle: OpaquePointer?
    let hasMarker: Bool
    let timeoutSocket: Bool
    let urls: [String]

    init?(_ sockets: [String], numbers: [(String, Int64)], texts: [(String, String)]) {
        var host = CallRecorder.services()
        var made: OpaquePointer?
        guard rtpp_create(&host, &made) == .RTPP_OK else { return nil }
        handle = made
        urls = sockets.flatMap { $0.split(separator: " ").map(String.init) }
        timeoutSocket = texts.contains { $0.0 == "timeout_socket" }
        hasMarker = !texts.contains { $0.0 == "nortpproxy_str" }
        for value in sockets { CallModule.set(made, "rtpproxy_sock", value) }
        for (name, value) in texts { CallModule.set(made, name, value) }
        for (name, value) in numbers { _ = rtpp_set_number(made, name, value) }
        // The script asks for figures.
        _ = rtpp_figure_index(made, rtpp_bytes(data: nil, length: 0))
        guard rtpp_configure(made) == .RTPP_OK else { return nil }
        let size = rtpp_shared_size(made)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        guard rtpp_share(made, memory, size) == .RTPP_OK, rtpp_attach(made) == .RTPP_OK else { return nil }
        // The module's own process finds out what the RTPProxies can do.
        CallRecorder.looks.store(4, ordering: .relaxed)
        rtpp_run_monitor(made)
    }

    /// Starts the asynchronous process, which goes on as long as this one.
    func startProcess() {
        CallRecorder.looks.store(.max, ordering: .relaxed)
        let address = UInt(bitPattern: handle)
        startThread { rtpp_run_async(OpaquePointer(bitPattern: address), 0) }
    }

    private static func set(_ handle: OpaquePointer?, _ name: String, _ value: String) {
        lending(Array(value.utf8)) { _ = rtpp_set_text(handle, name, $0) }
    }

    /// Whatever an earlier input has done to the RTPProxies, they are there again.
    func revive() {
        for url in urls { lending(Array(url.utf8)) { _ = rtpp_enable(handle, $0, true) } }
    }
}

/// Lends bytes, nil: absent.
private func lending<Result>(_ bytes: [UInt8]?, _ body: (rtpp_bytes) -> Result) -> Result {
    guard let bytes else { return body(rtpp_bytes(data: nil, length: 0)) }
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
    defer { memory.deallocate() }
    memory.initialize(from: bytes, count: bytes.count)
    return body(rtpp_bytes(data: UnsafePointer(memory), length: bytes.count))
}

final class CallsProperties: Properties {
    private let relay: InputRelay?
    private let modules: [CallModule]
    private var lastID: UInt32 = 0
    /// How often to look whether a transaction still waits, with 50 microseconds and more between: for far longer than
    /// every budget.
    private static let looks = 60_000

    /// The only one, used by one thread at a time: the services of its host have no context.
    nonisolated(unsafe) static let shared = CallsProperties()

    private init() {
        relay = InputRelay()
        guard let relay else {
            modules = []
            return
        }
        let numbers: [(String, Int64)] = [
            ("rtpproxy_tout_ms", 3), ("rtpproxy_retr", 2), ("rtpproxy_call_table_size", 64), ("rtpproxy_async_max", 8),
            ("rtpproxy_disable_tout", 1),
        ]
        modules = [
            CallModule(
                [relay.datagramURLs.joined(separator: " "), "1 == \(relay.tcpURL)"], numbers: numbers, texts: []),
            CallModule(
                ["\(relay.tcpURL) \(relay.unixURL)", "1 == \(relay.datagramURLs[0])"],
                numbers: numbers + [("rewrite_origin", 1)],
                texts: [
                    ("timeout_socket", "unix:/run/t"), ("nortpproxy_str", ""), ("rtpproxy_balancing", "rendezvous"),
                ]),
        ].compactMap { $0 }
        for module in modules { module.startProcess() }
    }

    func check(_ input: [UInt8]) throws(Broken) {
        guard let relay, modules.count == 2 else { throw Broken("there is no module") }
        let script = CallScript(input)
        let module = modules[script.configuration]
        module.revive()
        _ = relay.commands()
        relay.begin(script.replies)
        lastID &+= 1
        for call in script.calls {
            let message = LentMessage(script, id: lastID)
            CallRecorder.begin(script.resumption)
            let code = try run(call, message, module)
            try checkRecord(module)
            if call.isAsynchronous {
                try checkAsync(code, call, script, module)
            } else if call.changesBody {
                try checkEdits(code, call, script, module)
            } else {
                let applications = CallRecorder.state.withLock { $0.applications }
                try require(applications == 0, "edits of a function that makes none")
            }
        }
        for command in relay.commands() { try checkCommand(command, script, module) }
    }

    // MARK: - Running

    private func run(_ call: ScriptCall, _ lent: LentMessage, _ module: CallModule) throws(Broken) -> rtpp_code {
        let handle = module.handle
        let (argument, address) = (call.argument, lent.script["A"])
        if call.function == UInt8(ascii: "s") {
            try checkStatistics(lent, handle, capacity: number(argument) ?? 256)
            return 1
        }
        if call.function == UInt8(ascii: "f") {
            try checkFigure(lent, handle, name: argument)
            return 1
        }
        let code: rtpp_code = lending(argument) { argument in
            lending(address) { address in
                switch call.function {
                case UInt8(ascii: "o"): rtpp_offer(handle, &lent.message, argument, address)
                case UInt8(ascii: "a"): rtpp_answer(handle, &lent.message, argument, address)
                case UInt8(ascii: "m"): rtpp_manage(handle, &lent.message, argument, address)
                case UInt8(ascii: "d"): rtpp_delete(handle, &lent.message, argument)
                case UInt8(ascii: "u"): rtpp_offer_async(handle, &lent.message, argument, address)
                case UInt8(ascii: "v"): rtpp_answer_async(handle, &lent.message, argument, address)
                case UInt8(ascii: "n"): rtpp_manage_async(handle, &lent.message, argument, address)
                case UInt8(ascii: "w"): rtpp_delete_async(handle, &lent.message, argument)
                case UInt8(ascii: "p"): rtpp_play(handle, &lent.message, argument, Int64(argument.length % 9) - 1, true)
                case UInt8(ascii: "q"): rtpp_stop_play(handle, &lent.message, argument.length > 0)
                case UInt8(ascii: "r"): rtpp_record(handle, &lent.message)
                default: rtpp_select_set_text(handle, &lent.message, argument)
                }
            }
        }
        let isDocumented = code == 1 || (code <= -1 && code >= -3) || (code == 0 && call.isAsynchronous)
        try require(isDocumented, "code \(code)")
        return code
    }

    private func checkStatistics(_ lent: LentMessage, _ handle: OpaquePointer?, capacity: Int) throws(Broken) {
        let capacity = min(max(capacity, 0), 2048)
        let output = UnsafeMutablePointer<UInt8>.allocate(capacity: max(capacity, 1))
        defer { output.deallocate() }
        var length = 0
        let status = rtpp_statistics(handle, &lent.message, output, capacity, &length)
        switch status {
        case .RTPP_OK:
            try require(length > 0 && length <= capacity, "\(length) bytes in \(capacity)")
            let text = Array(UnsafeBufferPointer(start: output, count: length))
            try require(isPrintable(text), "\(text.shown) are statistics")
        case .RTPP_TOO_SMALL: try require(length > capacity, "\(length) bytes are too many for \(capacity)")
        default: try require(status == .RTPP_NO_VALUE, "status \(status)")
        }
    }

    private func checkFigure(_ lent: LentMessage, _ handle: OpaquePointer?, name: [UInt8]) throws(Broken) {
        let index = lending(name) { rtpp_figure_index(handle, $0) }
        var value = rtpp_figure_value()
        let status = rtpp_figure(handle, &lent.message, index, &value)
        guard status == .RTPP_OK else {
            return try require(status == .RTPP_NO_VALUE, "status \(status)")
        }
        try require(index >= 0, "a figure without a name")
        let text = withUnsafeBytes(of: value.text) { Array($0.prefix(value.length)) }
        try require(!text.isEmpty && text.allSatisfy { "0123456789.-".utf8.contains($0) }, text.shown)
        if value.is_whole { try require(number(text) == Int(value.number), text.shown) }
    }

    // MARK: - What came of it

    private func checkRecord(_ module: CallModule) throws(Broken) {
        let (broken, instances) = CallRecorder.state.withLock { ($0.broken, $0.instances) }
        if let broken { throw Broken(broken) }
        for instance in instances {
            try require(module.urls.contains { $0.utf8.elementsEqual(instance) }, "\(instance.shown) was chosen")
        }
    }

    private func checkEdits(
        _ code: rtpp_code, _ call: ScriptCall, _ script: CallScript, _ module: CallModule
    ) throws(Broken) {
        let (applications, edits) = CallRecorder.state.withLock { ($0.applications, $0.edits) }
        guard code == 1, applications > 0 else {
            try require(applications == 0, "edits of a function that failed with \(code)")
            return try require(code != 1 || call.function == UInt8(ascii: "m"), "a success without edits")
        }
        try require(applications == 1, "edits \(applications) times")
        let output = try applied(edits, to: script)
        guard module.hasMarker, !call.argument.contains(where: { $0 | 0x20 == UInt8(ascii: "f") }) else { return }
        // A body that the module has changed is recognised as such.
        let again = LentMessage(script.with(body: output), id: lastID)
        let secondCode = try run(call, again, module)
        try require(secondCode == -2, "our own output gives \(secondCode)")
    }

    /// The body with all edits made.
    private func applied(_ edits: [HostEdit], to script: CallScript) throws(Broken) -> [UInt8] {
        let body = script.body
        guard let range = script.sessionDescription else { throw Broken("edits of a body without SDP") }
        var output: [UInt8] = []
        var end = -1
        var offset = 0
        for edit in edits {
            try require(edit.offset > end, "edit at \(edit.offset) touches the one before it")
            end = edit.offset + edit.removed
            try require(edit.removed >= 0 && end <= body.count, "edit at \(edit.offset) goes beyond the body")
            if let broken = strayEdit(edit.offset, edit.removed, body, range) { throw Broken(broken) }
            output += body[offset..<edit.offset] + edit.text
            offset = end
        }
        return output + body[offset...]
    }

    private func checkAsync(
        _ code: rtpp_code, _ call: ScriptCall, _ script: CallScript, _ module: CallModule
    ) throws(Broken) {
        if script.resumption == .RTPP_HANDED_OVER {
            try waitUntil { $0.records.count <= $0.resumed.count }
            let records = CallRecorder.state.withLock { $0.resumed.map(\.record) }
            for (place, record) in records.enumerated() {
                let outcome = (place + script.body.count) % 2 == 0 ? rtpp_resumption.RTPP_TAKEN : .RTPP_GONE
                rtpp_resumed(module.handle, UnsafeMutableRawPointer(bitPattern: record), outcome)
            }
        }
        try waitUntil { $0.records.isEmpty }
        let (resumed, broken) = CallRecorder.state.withLock { ($0.resumed, $0.broken) }
        if let broken { throw Broken(broken) }
        let waits = code == 0 && script.suspension == .RTPP_SUSPENDED
        try require(resumed.count == (waits ? 1 : 0), "\(resumed.count) transactions go on after \(code)")
        for one in resumed {
            try require(one.code == 1 || (one.code <= -1 && one.code >= -3), "it goes on with \(one.code)")
            try require(one.body == script.body, "it goes on with another body")
            try require(one.code == 1 || one.edits.isEmpty, "edits of a function that failed with \(one.code)")
            _ = try applied(one.edits, to: script)
        }
    }

    /// Waits until `isOver`.
    private func waitUntil(_ isOver: (CallRecorder.State) -> Bool) throws(Broken) {
        for _ in 0..<Self.looks {
            if CallRecorder.state.withLock({ isOver($0) }) { return }
            usleep(50)
        }
        throw Broken("a transaction still waits")
    }

    // MARK: - On the wire

    private func checkCommand(_ command: [UInt8], _ script: CallScript, _ module: CallModule) throws(Broken) {
        try require(command.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "a control character in \(command.shown)")
        let words = command.split(separator: 0x20, omittingEmptySubsequences: false)
        try require(words.allSatisfy { !$0.isEmpty }, "two blanks in \(command.shown)")
        try require(!words.contains { $0.elementsEqual("&&".utf8) }, "two commands in \(command.shown)")
        let tags = (script["T"] ?? []).isEmpty ? 1 : 2
        // Only to a node that has said that it takes them.
        let notice = module.timeoutSocket ? 2 : 0
        let expected: ClosedRange<Int>
        switch command.first {
        case UInt8(ascii: "U"): expected = (4 + tags)...(4 + tags + notice)
        case UInt8(ascii: "L"), UInt8(ascii: "P"): expected = (4 + tags)...(4 + tags)
        case UInt8(ascii: "D"): expected = 3...(2 + tags)
        case UInt8(ascii: "Q") where words[0].count > 1: expected = 5...15
        // Where a name may follow, both tags stand there, the second one if need be the first again.
        case UInt8(ascii: "Q"): expected = (2 + tags)...4
        case UInt8(ascii: "S"), UInt8(ascii: "R"): expected = (2 + tags)...(2 + tags)
        default: throw Broken("\(command.shown) is no command of a call")
        }
        try require(expected.contains(words.count), "\(words.count) words in \(command.shown)")
        try require(words[1].starts(with: script["I"] ?? []), "\(command.shown) is about another call")
    }
}
