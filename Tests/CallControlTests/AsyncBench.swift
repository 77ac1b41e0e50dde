// SPDX-License-Identifier: GPL-2.0-or-later
// A worker that hands calls over and the asynchronous processes that drive them, each on a thread of its own.

import Bytes
import Foundation
import SDP
import SharedState
import Synchronization

@testable import CallControl

/// What the host was told, and the memory it has given out.
final class AsyncWorld: Sendable {
    /// A transaction that went on.
    struct Resumed: Sendable {
        var callID: String
        var code: ReturnCode
        /// The body after the edits; nil where they cannot be made.
        var body: String?
        var instance: String
    }

    private let state = Mutex(State())

    private struct State {
        var live: Set<UInt> = []
        var allocations = 0
        var strangers = 0
        var handedOver: [UInt] = []
        var resumed: [Resumed] = []
        var lines: [(level: LogLevel, text: String)] = []
        var outcomes: [Resumption] = []
        var hasMemory = true
        var tries: [(callID: String, time: Double)] = []
    }

    /// Records that nobody has released yet.
    var live: Int { state.withLock { $0.live.count } }
    var allocations: Int { state.withLock { $0.allocations } }
    /// Releases of what was not there, or not any more.
    var strangers: Int { state.withLock { $0.strangers } }
    var resumed: [Resumed] { state.withLock { $0.resumed } }
    var errors: [String] { state.withLock { $0.lines.filter { $0.level != .info && $0.level != .notice } }.map(\.text) }
    /// Records that the host goes on with.
    var handedOver: [JobRecord] {
        state.withLock { $0.handedOver }.compactMap { UnsafeMutableRawPointer(bitPattern: $0).map { JobRecord($0) } }
    }

    /// What becomes of the next transactions that go on; later ones are taken.
    func answer(_ outcomes: Resumption...) { state.withLock { $0.outcomes = outcomes } }
    func runOutOfMemory() { state.withLock { $0.hasMemory = false } }

    func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
        guard state.withLock({ $0.hasMemory }) else { return nil }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        memory.initializeMemory(as: UInt8.self, repeating: 0xA5, count: size)
        let address = UInt(bitPattern: memory)
        state.withLock {
            $0.live.insert(address)
            $0.allocations += 1
        }
        return memory
    }

    func release(_ record: JobRecord) {
        let address = UInt(bitPattern: record.base)
        let isLive = state.withLock { state in
            if state.live.remove(address) != nil { return true }
            state.strangers += 1
            return false
        }
        if isLive { record.base.deallocate() }
    }

    func log(_ level: LogLevel, _ line: Span<UInt8>) {
        let text = Self.text(line)
        state.withLock { $0.lines.append((level, text)) }
    }

    func resume(
        _ record: JobRecord, _ code: ReturnCode, _ edits: borrowing EditList, instance: Span<UInt8>
    ) -> Resumption {
        let call = FakeCall(body: record.with(.body) { Self.text($0) })
        let isApplied = call.apply(edits)
        let resumed = Resumed(
            callID: record.with(.callID) { Self.text($0) }, code: code, body: isApplied ? call.body : nil,
            instance: Self.text(instance))
        let address = UInt(bitPattern: record.base)
        return state.withLock { state in
            state.resumed.append(resumed)
            let outcome = state.outcomes.isEmpty ? .taken : state.outcomes.removeFirst()
            if case .handedOver = outcome { state.handedOver.append(address) }
            return outcome
        }
    }

    /// What was tried again, and when.
    var tries: [(callID: String, time: Double)] { state.withLock { $0.tries } }

    func resumeAgain(_ record: JobRecord) -> Resumption {
        let callID = record.with(.callID) { Self.text($0) }
        let address = UInt(bitPattern: record.base)
        return state.withLock { state in
            state.tries.append((callID, Date().timeIntervalSince1970))
            let outcome = state.outcomes.isEmpty ? .taken : state.outcomes.removeFirst()
            if case .handedOver = outcome { state.handedOver.append(address) }
            return outcome
        }
    }

    private static func text(_ span: Span<UInt8>) -> String {
        var bytes: [UInt8] = []
        bytes.append(span)
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The host as an asynchronous process sees it.
private struct FakeJobHost: JobHost {
    let world: AsyncWorld

    func log(_ level: LogLevel, _ line: Span<UInt8>) { world.log(level, line) }
    var ticks: UInt32 { 1000 }
    func count(_ which: ServerCounter, _ amount: UInt32) {}
    func release(_ record: JobRecord) { world.release(record) }
    func resume(
        _ record: JobRecord, _ code: ReturnCode, _ edits: borrowing EditList, instance: Span<UInt8>
    ) -> Resumption {
        world.resume(record, code, edits, instance: instance)
    }
    func resumeAgain(_ record: JobRecord) -> Resumption { world.resumeAgain(record) }
}

/// A message whose transaction can wait.
final class AsyncCall: SuspendableCall {
    let message: FakeCall
    let world: AsyncWorld
    var continuationSize = 40
    var suspension = Suspension.suspended
    private(set) var suspensions = 0

    init(_ message: FakeCall, _ world: AsyncWorld) {
        self.message = message
        self.world = world
    }

    func count(_ which: ServerCounter, _ amount: UInt32) { message.count(which, amount) }
    func allocate(_ size: Int) -> UnsafeMutableRawPointer? { world.allocate(size) }
    func release(_ record: JobRecord) { world.release(record) }
    func suspend(_ record: JobRecord) -> Suspension {
        suspensions += 1
        record.continuation.initializeMemory(as: UInt8.self, repeating: 0x5A, count: continuationSize)
        return suspension
    }

    func log(_ level: LogLevel, _ line: Span<UInt8>) { world.log(level, line) }
    var ticks: UInt32 { message.ticks }
    var facts: MessageFacts { message.facts }
    func with<Result, Failure: Error>(
        _ field: MessageField, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try message.with(field, body)
    }
    func withVariable<Result>(_ variable: CallVariable, _ body: (Span<UInt8>, _ isNull: Bool) -> Result) -> Result? {
        message.withVariable(variable, body)
    }
    func setInstance(_ url: Span<UInt8>) { message.setInstance(url) }
    var bodyState: BodyState { message.bodyState }
    func apply(_ edits: borrowing EditList) -> Bool { message.apply(edits) }
    var transaction: TransactionState { message.transaction }
    var isFirstAnswer: Bool { message.isFirstAnswer }
    var goesToWebSocket: Bool { message.goesToWebSocket }
    func markTransaction() { message.markTransaction() }
}

/// Bells are never closed, and tests come and go: those of one test are used again by the next.
private enum Bells {
    private static let free = Mutex<[Int32]>([])

    static func take(_ made: [Int32]) -> [Int32] {
        free.withLock { free in
            let used = made.map { free.popLast() ?? $0 }
            for bell in made where !used.contains(bell) { free.append(bell) }
            return used
        }
    }

    static func giveBack(_ signals: [Int32]) { free.withLock { $0 += signals } }
}

/// A SIP worker, and asynchronous processes that `run` starts.
final class AsyncBench {
    let worker: SIPWorker
    let world = AsyncWorld()
    let lines: JobDelivery
    private var relay: Worker
    private let queues: UnsafeMutableRawPointer
    private let calls: UnsafeMutableRawPointer
    private let callsSize: Int
    private let signals: [Int32]
    private let isWanted = Wanted()
    private var ends: [DispatchSemaphore] = []

    private final class Wanted: Sendable {
        let value = Atomic<Bool>(true)
    }

    /// As `SIPWorker`, with so many asynchronous processes; `remembers`: with a table of calls.
    init(
        _ sockets: [String], numbers: [String: Int] = [:], texts: [String: String] = [:], isProven: Bool = true,
        processes: Int = 1, remembers: Bool = true
    ) throws {
        worker = try SIPWorker(
            sockets, texts: texts, numbers: ["rtpproxy_async_max": 1000].merging(numbers) { $1 }, isProven: isProven)
        queues = .allocate(byteCount: JobDelivery.size(processes), alignment: 64)
        queues.initializeMemory(as: UInt8.self, repeating: 0, count: JobDelivery.size(processes))
        signals = Bells.take(JobDelivery.create(in: queues, count: processes) ?? [])
        lines = JobDelivery(attaching: queues, signals: signals)
        callsSize = remembers ? CallTable.size(entries: 4096) : 0
        calls = .allocate(byteCount: max(callsSize, 64), alignment: 64)
        calls.initializeMemory(as: UInt8.self, repeating: 0, count: max(callsSize, 64))
        if remembers { try CallTable.create(in: calls, size: callsSize, entries: 4096) }
        relay = Worker(
            settings: worker.settings, table: try worker.table(),
            calls: remembers ? try CallTable(attaching: calls, size: callsSize) : nil)
    }

    deinit {
        stop()
        queues.deallocate()
        calls.deallocate()
        Bells.giveBack(signals)
    }

    /// Starts the asynchronous processes.
    func run() {
        for process in 0..<lines.count {
            nonisolated(unsafe) let (worker, lines, memory) = (worker, lines, calls)
            let (world, wanted, end, size) = (world, isWanted, DispatchSemaphore(value: 0), callsSize)
            ends.append(end)
            Thread.detachNewThread {
                defer { end.signal() }
                guard let table = try? worker.table() else { return }
                let calls = size > 0 ? try? CallTable(attaching: memory, size: size) : nil
                var driver = AsyncProcess(process: process, settings: worker.settings, table: table, calls: calls)
                driver.run(
                    FakeJobHost(world: world), lines, while: { wanted.value.load(ordering: .acquiring) })
            }
        }
    }

    /// Ends the asynchronous processes; false where one does not.
    @discardableResult
    func stop() -> Bool {
        isWanted.value.store(false, ordering: .releasing)
        defer { ends.removeAll() }
        return ends.allSatisfy { $0.wait(timeout: .now() + 20) == .success }
    }

    func call(_ message: FakeCall = FakeCall(), _ callID: String? = nil) -> AsyncCall {
        if let callID { message[.callID] = callID }
        return AsyncCall(message, world)
    }

    func offer(_ call: AsyncCall, _ flags: String = "", address: String? = nil) -> SubmissionResult {
        let (flags, text) = (Array(flags.utf8), Array((address ?? "").utf8))
        return relay.submitOffer(call, lines, flags: flags.span, address: text.span, hasAddress: address != nil)
    }

    func answer(_ call: AsyncCall, _ flags: String = "", address: String? = nil) -> SubmissionResult {
        let (flags, text) = (Array(flags.utf8), Array((address ?? "").utf8))
        return relay.submitAnswer(call, lines, flags: flags.span, address: text.span, hasAddress: address != nil)
    }

    func manage(_ call: AsyncCall, _ flags: String = "") -> SubmissionResult {
        let flags = Array(flags.utf8)
        return relay.submitManage(call, lines, flags: flags.span, address: Span(), hasAddress: false)
    }

    func delete(_ call: AsyncCall, _ flags: String = "") -> ReturnCode {
        let flags = Array(flags.utf8)
        return relay.submitDelete(call, lines, flags: flags.span)
    }

    func selectSet(_ call: AsyncCall, _ id: Int64) -> ReturnCode { relay.selectSet(call, id: id) }
}

extension SubmissionResult {
    var isSuspended: Bool {
        if case .suspended = self { return true }
        return false
    }

    var code: ReturnCode? {
        if case .code(let code) = self { return code }
        return nil
    }
}

/// Waits until something holds, no longer than `seconds`; whether it does.
func eventually(_ seconds: Double = 20, _ holds: () -> Bool) -> Bool {
    let end = Date().addingTimeInterval(seconds)
    while !holds() {
        if Date() > end { return false }
        usleep(2_000)
    }
    return true
}
