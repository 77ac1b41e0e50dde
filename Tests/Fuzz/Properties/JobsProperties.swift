// SPDX-License-Identifier: GPL-2.0-or-later
// Records from process to process: what is written is read back, in the order of the queue, and a record of any bytes
// lends nothing that is not its own.
//
// Input: the bytes of a record, its size apart; and the same as a message whose texts are cut by their first bytes.

import Bytes

@testable import CallControl
@testable import SharedState

/// A host that has nothing but a clock.
private struct Bystander: ServerHost {
    func log(_ level: LogLevel, _ line: Span<UInt8>) {}
    func report(
        _ kind: ReportKind, _ level: LogLevel, _ line: Span<UInt8>, url: Span<UInt8>, setID: UInt32?,
        state: StaticString, callID: Span<UInt8>, file: StaticString
    ) {}
    var ticks: UInt32 { 77 }
    func count(_ which: ServerCounter, _ amount: UInt32) {}
}

final class JobsProperties: Properties {
    private var relay: Worker?
    private let kept = KeptCall(streamLimit: Settings().maximumStreams)
    private let block: UnsafeMutableRawPointer
    private let queues: JobQueues
    private static let variables: [CallVariable] = [.extraID, .timeoutTag, .icePriority]

    init() {
        let nodes = [NodeDefinition(setID: 0, url: Array("udp:127.0.0.1:9".utf8))]
        let size = (NodeTableLayout(capacity: 1).size + 63) & ~63
        block = UnsafeMutableRawPointer.allocate(byteCount: size + JobQueues.size(count: 1), alignment: 64)
        block.initializeMemory(as: UInt8.self, repeating: 0, count: size + JobQueues.size(count: 1))
        JobQueues.create(in: block + size, count: 1)
        queues = JobQueues(attaching: block + size, count: 1)
        if (try? NodeTable.create(in: block, size: size, nodes)) != nil,
            let table = try? NodeTable(attaching: block, size: size)
        {
            relay = Worker(settings: Settings(), table: table)
        }
    }

    deinit { block.deallocate() }

    func check(_ input: [UInt8]) throws(Broken) {
        try require(relay != nil, "there is no table")
        try checkAnyBytes(input)
        try checkRoundTrip(input)
    }

    // MARK: - Any bytes

    private func checkAnyBytes(_ input: [UInt8]) throws(Broken) {
        let size = max(input.count, MemoryLayout<JobHeader>.size)
        // Memory of just this size: whatever reads beyond it is seen by the address sanitizer.
        let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8)
        defer { memory.deallocate() }
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        input.withUnsafeBytes { if let start = $0.baseAddress { memory.copyMemory(from: start, byteCount: $0.count) } }
        let record = JobRecord(memory)
        record.header.size = UInt32(size)
        let call = JobMessage(Bystander(), record)
        for text in JobText.allCases {
            let span = record.header.texts[text.rawValue]
            let isInside = Int(span.start) + Int(span.count) <= size
            try require(bytes(record, text).count == (isInside ? Int(span.count) : 0), "\(text) of another length")
        }
        for variable in Self.variables { _ = call.withVariable(variable) { text, _ in text.count } }
        try require(!record.createsSession || record.kind == .offer, "a session of \(record.header.kind)")
        let length = call.facts.contentLength
        try require(length.map { $0 >= 0 } ?? true, "Content-Length below 0")
        prepare(call)
    }

    /// Reads the message as the process does that the record was handed to.
    private func prepare(_ call: JobMessage<Bystander>) {
        call.record.with(.flags) { flags in
            call.record.with(.address) { address in
                let hasAddress = call.record.header.hasAddress
                switch call.record.kind ?? .delete {
                case .offer, .undoOffer:
                    _ = try? relay?.prepareMedia(&kept.call, .offer, call, flags, address, hasAddress)
                case .answer: _ = try? relay?.prepareMedia(&kept.call, .answer, call, flags, address, hasAddress)
                case .delete: _ = try? relay?.prepareDelete(&kept.call, call, flags)
                }
            }
        }
    }

    private func bytes(_ record: JobRecord, _ text: JobText) -> [UInt8] {
        record.with(text) { span in
            var bytes: [UInt8] = []
            bytes.append(span)
            return bytes
        }
    }

    // MARK: - There and back

    private func checkRoundTrip(_ input: [UInt8]) throws(Broken) {
        let (draft, texts) = self.draft(input)
        let continuation = Int(input.first ?? 0)
        let size = draft.size(continuation: continuation)
        let memories = [0, 1, 2].map { _ in UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 8) }
        defer { for memory in memories { memory.deallocate() } }
        for memory in memories {
            let record = draft.write(to: memory, continuation: continuation)
            let place = record.continuation - memory
            try require(place >= 0 && place + continuation <= size, "the host's part lies outside")
            record.continuation.initializeMemory(as: UInt8.self, repeating: 0xA5, count: continuation)
            guard case .queued(let wasEmpty) = queues.push(memory, to: 0) else { throw Broken("a job is refused") }
            try require(wasEmpty == (memory == memories[0]), "the bell rings at the wrong time")
        }
        var next = queues.takeAll(0)
        for memory in memories.reversed() {
            try require(next == memory, "the queue has another order")
            next = JobQueues.next(after: memory)
            let record = JobRecord(memory)
            for text in JobText.allCases {
                try require(bytes(record, text) == texts[text.rawValue], "\(text) has changed")
            }
        }
        try require(next == nil, "the queue goes on")
    }

    /// Texts whose lengths the first bytes say.
    private func draft(_ input: [UInt8]) -> (JobDraft, [[UInt8]]) {
        var draft = JobDraft()
        draft.begin(JobKind(rawValue: (input.first ?? 0) & 3) ?? .offer, MessageFacts(), setID: 7)
        var texts: [[UInt8]] = []
        var rest = input.dropFirst(JobText.allCases.count)
        for (place, text) in JobText.allCases.enumerated() {
            let bytes = Array(rest.prefix(place < input.count ? Int(input[place]) : 0))
            rest = rest.dropFirst(bytes.count)
            draft.add(text, bytes.span)
            texts.append(bytes)
        }
        return (draft, texts)
    }
}
