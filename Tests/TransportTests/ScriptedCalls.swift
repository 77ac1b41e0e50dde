// SPDX-License-Identifier: GPL-2.0-or-later
// System calls that answer from a script and write down who asked: forced errors without a kernel.

import Bytes
import Glibc

@testable import Transport

/// What the calls of one test say. Each kind has its own queue; an empty one gives the usual result: the next
/// descriptor, connected, all sent, nothing to receive, and a wait that sleeps to its end.
final class Script {
    /// What a receive brings.
    enum Arrival {
        case error(Int32)
        /// The reply to the n-th datagram that was sent.
        case reply(Int, String)
        /// These bytes; of a datagram with this length, if it was longer.
        case bytes([UInt8], length: Int? = nil)
        case end
    }

    var opens: [Int64] = []
    var connects: [Int64] = []
    var sends: [Int64] = []
    private var arrivals: [Arrival] = []
    var waits: [Int64] = []
    var process: Int64 = 1
    /// Whether what is sent next is answered.
    var replyToNextSend = false

    private(set) var trace: [String] = []
    private(set) var sent: [[UInt8]] = []
    private(set) var isOpen: Set<Int32> = []
    private(set) var doubleCloses = 0
    private(set) var clock: UInt64 = 1_000_000_000
    private(set) var longestWait: UInt64 = 0
    private var next: Int64 = 100
    private var taken = 0
    private var hasArrivals: Bool { taken < arrivals.count }

    /// What receives bring from now on.
    func bring(_ arrivals: [Arrival]) {
        self.arrivals = arrivals
        taken = 0
    }

    private func name(_ result: Int64) -> String {
        result < 0 ? (Script.names[Int32(-result)] ?? "errno \(-result)") : "\(result)"
    }

    static let names: [Int32: String] = [
        EINTR: "EINTR", EAGAIN: "EAGAIN", ECONNREFUSED: "ECONNREFUSED", ENOBUFS: "ENOBUFS", EMFILE: "EMFILE",
        EMSGSIZE: "EMSGSIZE", ENETUNREACH: "ENETUNREACH", EPIPE: "EPIPE", ECONNRESET: "ECONNRESET", ENOENT: "ENOENT",
        ENOMEM: "ENOMEM", EACCES: "EACCES",
    ]

    private func note(_ call: String, _ result: Int64) -> Int64 {
        trace.append("\(call) \(name(result))")
        clock += 1000
        return result
    }

    func open(_ kind: String) -> Int64 {
        var result = next
        if !opens.isEmpty { result = opens.removeFirst() }
        if result >= 0 {
            next += 1
            isOpen.insert(Int32(result))
        }
        return note(kind, result)
    }

    func connect(_ descriptor: Int32) -> Int64 { note("connect", connects.isEmpty ? 0 : connects.removeFirst()) }

    func send(_ bytes: [UInt8]) -> Int64 {
        let result = sends.isEmpty ? Int64(bytes.count) : sends.removeFirst()
        if result > 0 { sent.append(Array(bytes.prefix(Int(result)))) }
        if replyToNextSend {
            arrivals.append(.reply(sent.count - 1, "0\n"))
            replyToNextSend = false
        }
        return note("send", result)
    }

    func receive(_ buffer: inout [UInt8], _ space: ByteRange) -> Int64 {
        guard hasArrivals else { return note("recv", Int64(-EAGAIN)) }
        var bytes: [UInt8] = []
        var length: Int?
        taken += 1
        switch arrivals[taken - 1] {
        case .error(let code): return note("recv", Int64(-code))
        case .end: return note("recv", 0)
        case .reply(let index, let text):
            bytes = Array(sent[index].prefix(CookieSource.length)) + [0x20] + Array(text.utf8)
        case .bytes(let given, let asked):
            bytes = given
            length = asked
        }
        let fits = min(bytes.count, space.count)
        for index in 0..<fits { buffer[space.start + index] = bytes[index] }
        return note("recv", Int64(length ?? fits))
    }

    func wait(_ entries: inout [PollEntry], _ nanoseconds: UInt64) -> Int64 {
        longestWait = max(longestWait, nanoseconds)
        if !waits.isEmpty {
            let result = waits.removeFirst()
            guard result > 0 else { return note("wait", result) }
        }
        var ready: Int64 = 0
        for index in entries.indices where entries[index].descriptor >= 0 {
            entries[index].arrived = 0
            if entries[index].events == PollEntry.writable || hasArrivals {
                entries[index].arrived = entries[index].events
                ready += 1
            }
        }
        if ready == 0 { clock += nanoseconds }
        return note("wait", ready)
    }

    func close(_ descriptor: Int32) -> Int64 {
        if isOpen.remove(descriptor) == nil { doubleCloses += 1 }
        return note("close", 0)
    }
}

enum ScriptedCalls: SystemCalls {
    @TaskLocal static var script = ScriptBox(Script())

    private static var current: Script { script.script }

    static func openDatagram(isIPv6: Bool) -> Int64 { current.open(isIPv6 ? "udp6" : "udp") }
    static func openStream() -> Int64 { current.open("unix") }
    static func connect(_ descriptor: Int32, _ address: SocketAddress) -> Int64 { current.connect(descriptor) }
    static func connect(_ descriptor: Int32, _ bytes: Span<UInt8>, path: ByteRange) -> Int64 {
        current.connect(descriptor)
    }
    static func send(_ descriptor: Int32, _ bytes: Span<UInt8>, _ range: ByteRange) -> Int64 {
        var copy: [UInt8] = []
        copy.append(bytes, range)
        return current.send(copy)
    }
    static func receive(
        _ descriptor: Int32, into buffer: inout [UInt8], _ space: ByteRange, isDatagram: Bool
    ) -> Int64 { current.receive(&buffer, space) }
    static func close(_ descriptor: Int32) -> Int64 { current.close(descriptor) }
    static func wait(_ entries: inout [PollEntry], nanoseconds: UInt64) -> Int64 {
        current.wait(&entries, nanoseconds)
    }
    static func now() -> UInt64 { current.clock }
    static func processID() -> Int64 { current.process }
}

/// One test's script, used by that test's task alone.
struct ScriptBox: @unchecked Sendable {
    let script: Script
    init(_ script: Script) { self.script = script }
}
