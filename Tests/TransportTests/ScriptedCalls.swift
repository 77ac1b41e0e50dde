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
        /// Foreign datagrams without end.
        case flood
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
    /// A reply is there once what it answers has been sent.
    private var hasArrivals: Bool {
        guard taken < arrivals.count else { return false }
        if case .reply(let index, _) = arrivals[taken] { return index < sent.count }
        return true
    }

    /// What receives bring from now on.
    func bring(_ arrivals: [Arrival]) {
        self.arrivals = arrivals
        taken = 0
    }

    /// Forgets what was called and sent so far.
    func forgetTrace() {
        trace.removeAll(keepingCapacity: true)
        sent.removeAll(keepingCapacity: true)
    }

    /// Lets time pass.
    func pass(_ nanoseconds: UInt64) { clock += nanoseconds }

    private func name(_ result: Int64) -> String {
        result < 0 ? (Script.names[Int32(-result)] ?? "errno \(-result)") : "\(result)"
    }

    static let names: [Int32: String] = [
        EINTR: "EINTR", EAGAIN: "EAGAIN", ECONNREFUSED: "ECONNREFUSED", ENOBUFS: "ENOBUFS", EMFILE: "EMFILE",
        EMSGSIZE: "EMSGSIZE", ENETUNREACH: "ENETUNREACH", EPIPE: "EPIPE", ECONNRESET: "ECONNRESET", ENOENT: "ENOENT",
        ENOMEM: "ENOMEM", EACCES: "EACCES", EINPROGRESS: "EINPROGRESS", ETIMEDOUT: "ETIMEDOUT",
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

    func sendMany(_ datagrams: [[UInt8]]) -> Int64 {
        let result = sends.isEmpty ? Int64(datagrams.count) : sends.removeFirst()
        if result > 0 { sent += datagrams.prefix(Int(result)) }
        if replyToNextSend {
            arrivals.append(.reply(sent.count - 1, "0\n"))
            replyToNextSend = false
        }
        return note("sendmmsg", result)
    }

    func receive(_ buffer: inout [UInt8], _ space: ByteRange) -> Int64 { note("recv", take(&buffer, space)) }

    func receiveMany(_ buffer: inout [UInt8], _ slot: Int, _ lengths: inout [UInt32], _ atMost: Int) -> Int64 {
        var count = 0
        while count < min(lengths.count, atMost) {
            // An error that comes after datagrams is told at the next call.
            if count > 0, hasArrivals, case .error = arrivals[taken] { break }
            let result = take(&buffer, ByteRange(start: count * slot, count: slot))
            guard result >= 0 else { return note("recvmmsg", count > 0 ? Int64(count) : result) }
            lengths[count] = UInt32(result)
            count += 1
        }
        return note("recvmmsg", Int64(count))
    }

    private func take(_ buffer: inout [UInt8], _ space: ByteRange) -> Int64 {
        guard hasArrivals else { return Int64(-EAGAIN) }
        var bytes: [UInt8] = []
        var length: Int?
        taken += 1
        switch arrivals[taken - 1] {
        case .error(let code): return Int64(-code)
        case .end: return 0
        case .flood:
            taken -= 1
            bytes = [0x41]
        case .reply(let index, let text):
            bytes = Array(sent[index].prefix(CookieSource.length)) + [0x20] + Array(text.utf8)
        case .bytes(let given, let asked):
            bytes = given
            length = asked
        }
        let fits = min(bytes.count, space.count)
        for index in 0..<fits { buffer[space.start + index] = bytes[index] }
        return Int64(length ?? fits)
    }

    func setNoDelay() -> Int64 { note("nodelay", 0) }

    func wait(_ entries: inout [PollEntry], _ nanoseconds: UInt64) -> Int64 {
        longestWait = max(longestWait, nanoseconds)
        var isForced = false
        if !waits.isEmpty {
            let result = waits.removeFirst()
            guard result > 0 else { return note("wait", result) }
            isForced = true
        }
        var ready: Int64 = 0
        for index in entries.indices where entries[index].descriptor >= 0 {
            let readable = hasArrivals || isForced ? PollEntry.readable : 0
            entries[index].arrived = entries[index].events & (PollEntry.writable | readable)
            if entries[index].arrived != 0 { ready += 1 }
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

    static func open(_ kind: SocketKind) -> Int64 { current.open("\(kind)") }
    static func setNoDelay(_ descriptor: Int32) -> Int64 { current.setNoDelay() }
    static func connect(_ descriptor: Int32, _ address: SocketAddress) -> Int64 { current.connect(descriptor) }
    static func connect(_ descriptor: Int32, _ bytes: Span<UInt8>, path: ByteRange) -> Int64 {
        current.connect(descriptor)
    }
    static func send(_ descriptor: Int32, _ bytes: Span<UInt8>, _ range: ByteRange) -> Int64 {
        var copy: [UInt8] = []
        copy.append(bytes, range)
        return current.send(copy)
    }
    static func sendMany(_ descriptor: Int32, _ bytes: Span<UInt8>, _ ranges: Span<ByteRange>) -> Int64 {
        var copies: [[UInt8]] = []
        for index in 0..<ranges.count {
            var copy: [UInt8] = []
            copy.append(bytes, ranges[index])
            copies.append(copy)
        }
        return current.sendMany(copies)
    }
    static func receive(_ descriptor: Int32, into buffer: inout [UInt8], _ space: ByteRange) -> Int64 {
        current.receive(&buffer, space)
    }
    static func receiveMany(
        _ descriptor: Int32, into buffer: inout [UInt8], slot: Int, lengths: inout [UInt32], atMost: Int
    ) -> Int64 { current.receiveMany(&buffer, slot, &lengths, atMost) }
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
