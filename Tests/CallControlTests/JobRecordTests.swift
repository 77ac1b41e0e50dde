// SPDX-License-Identifier: GPL-2.0-or-later
// What a record keeps of a message, and that one full of nonsense lends nothing that is not its own.

import Bytes
import SDP
import Testing

@testable import CallControl

/// A host whose messages are records.
private struct Bystander: ServerHost {
    func log(_ level: LogLevel, _ line: Span<UInt8>) {}
    var ticks: UInt32 { 77 }
    func count(_ which: ServerCounter, _ amount: UInt32) {}
}

/// Memory of a record, between two fences, with the record that `draft` writes into it.
private final class RecordMemory {
    let base: UnsafeMutableRawPointer
    let record: JobRecord
    let size: Int
    private static let fence = 64

    init(_ draft: JobDraft, continuation: Int) {
        size = draft.size(continuation: continuation)
        let allocation = UnsafeMutableRawPointer.allocate(byteCount: size + 2 * Self.fence, alignment: 16)
        allocation.initializeMemory(as: UInt8.self, repeating: 0xA5, count: size + 2 * Self.fence)
        base = allocation + Self.fence
        record = draft.write(to: base, continuation: continuation)
    }

    deinit { (base - Self.fence).deallocate() }

    var isFenceWhole: Bool {
        (0..<Self.fence).allSatisfy {
            base.load(fromByteOffset: $0 - Self.fence, as: UInt8.self) == 0xA5
                && base.load(fromByteOffset: size + $0, as: UInt8.self) == 0xA5
        }
    }

    var call: JobMessage<Bystander> { JobMessage(Bystander(), record) }
}

extension CallHost {
    fileprivate func text(_ field: MessageField) -> String {
        with(field) { span in
            var bytes: [UInt8] = []
            bytes.append(span)
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    fileprivate func variable(_ which: CallVariable) -> (text: String, isNull: Bool)? {
        withVariable(which) { span, isNull in
            var bytes: [UInt8] = []
            bytes.append(span)
            return (String(decoding: bytes, as: UTF8.self), isNull)
        }
    }
}

private func text(_ record: JobRecord, _ which: JobText) -> [UInt8] {
    record.with(which) { span in
        var bytes: [UInt8] = []
        bytes.append(span)
        return bytes
    }
}

private let fields: [MessageField] = [
    .callID, .fromTag, .toTag, .via1Branch, .via2Branch, .contentType, .body, .source, .received,
]
private let variables: [CallVariable] = [.extraID, .timeoutTag, .icePriority]

/// A draft of all that is in `call`.
private func draft(_ call: FakeCall, _ kind: JobKind = .offer, setID: UInt32 = 0) -> JobDraft {
    var draft = JobDraft()
    draft.begin(kind, call.facts, setID: setID)
    for field in fields { call.with(field) { draft.add(JobText(field), $0) } }
    for variable in variables { call.withVariable(variable) { draft.add(JobText(variable), $0, isNull: $1) } }
    return draft
}

@Suite struct JobRecordTests {
    @Test(arguments: [0, 1, 15, 16, 17, 200])
    func whatIsWrittenIsReadBack(_ continuation: Int) {
        let message = FakeCall(.update, toTag: "tt", body: Body.audioVideo)
        let memory = RecordMemory(draft(message, setID: .max), continuation: continuation)
        for field in fields { #expect(memory.call.text(field) == message.text(field)) }
        #expect(memory.record.kind == .offer)
        #expect(memory.record.header.setID == .max)
        #expect(memory.record.hasContinuation == (continuation > 0))
        // Where the host may write, nothing of the record stands.
        let start = memory.record.continuation - memory.base
        #expect(start % 16 == 0 && start + continuation <= memory.size)
        memory.record.continuation.initializeMemory(as: UInt8.self, repeating: 0x5A, count: continuation)
        for field in fields { #expect(memory.call.text(field) == message.text(field)) }
        #expect(memory.isFenceWhole)
    }

    @Test func eachTextHasItsPlace() {
        var draft = JobDraft()
        draft.begin(.answer, MessageFacts(), setID: 0)
        for which in JobText.allCases { draft.add(which, Array("text \(which)".utf8).span) }
        let memory = RecordMemory(draft, continuation: 8)
        for which in JobText.allCases { #expect(text(memory.record, which) == Array("text \(which)".utf8)) }
    }

    @Test func whatIsNotWrittenIsEmpty() {
        var draft = JobDraft()
        draft.begin(.delete, MessageFacts(), setID: 0)
        let memory = RecordMemory(draft, continuation: 0)
        for which in JobText.allCases { #expect(text(memory.record, which) == []) }
        #expect(variables.allSatisfy { memory.call.variable($0) == nil })
    }

    @Test(arguments: [nil, 0, 1, Int.max])
    func theFactsAreReadBack(_ length: Int?) {
        for method in [SIPMethod.invite, .ack, .bye, .cancel, .update, .prack, .other] {
            for (isRequest, hasBody, hasType) in [(true, false, true), (false, true, false)] {
                var facts = MessageFacts()
                facts.id = .max
                facts.process = .min
                facts.isRequest = isRequest
                facts.method = method
                facts.status = isRequest ? 0 : 699
                facts.hasBody = hasBody
                facts.hasContentType = hasType
                facts.contentLength = length
                var draft = JobDraft()
                draft.begin(.offer, facts, setID: 3)
                let read = RecordMemory(draft, continuation: 0).call.facts
                #expect(read.id == .max && read.process == .min && read.method == method)
                #expect(read.isRequest == isRequest && read.status == facts.status)
                #expect(read.hasBody == hasBody && read.hasContentType == hasType)
                #expect(read.contentLength == length)
            }
        }
    }

    @Test func aVariableIsUnsetOrConfiguredOrNotThere() {
        let message = FakeCall()
        message.variables = [.extraID: Array("leg".utf8)]
        message.variables.updateValue(nil, forKey: .icePriority)
        let call = RecordMemory(draft(message), continuation: 0).call
        #expect(call.variable(.extraID)?.text == "leg" && call.variable(.extraID)?.isNull == false)
        #expect(call.variable(.icePriority)?.text == "<null>" && call.variable(.icePriority)?.isNull == true)
        #expect(call.variable(.timeoutTag) == nil)
        message.variables = [.timeoutTag: []]
        let other = RecordMemory(draft(message), continuation: 0).call
        #expect(other.variable(.timeoutTag)?.text == "" && other.variable(.timeoutTag)?.isNull == false)
        #expect(other.variable(.extraID) == nil && other.variable(.icePriority) == nil)
    }

    @Test func aDraftThatIsBegunAnewHasForgottenTheOneBefore() {
        let message = FakeCall(toTag: "tt")
        message.variables = [.extraID: Array("leg".utf8)]
        var draft = draft(message, .answer, setID: 9)
        draft.header.hasAddress = true
        draft.header.isFirst = true
        draft.begin(.delete, MessageFacts(), setID: 1)
        let record = RecordMemory(draft, continuation: 0).record
        for which in JobText.allCases { #expect(text(record, which) == []) }
        #expect(record.kind == .delete && record.header.setID == 1)
        #expect(!record.header.hasAddress && !record.header.isFirst)
        #expect(JobMessage(Bystander(), record).variable(.extraID) == nil)
    }

    @Test func onlyAnOfferCreatesASession() {
        for (kind, expected) in [(JobKind.offer, true), (.answer, false), (.delete, false), (.undoOffer, false)] {
            var draft = draft(FakeCall(), kind)
            draft.header.isFirst = true
            #expect(RecordMemory(draft, continuation: 8).record.createsSession == expected)
        }
        #expect(!RecordMemory(draft(FakeCall()), continuation: 8).record.createsSession)
    }

    /// The worker has looked at the message: a record is edited by nobody and has no transaction of its own.
    @Test func aRecordTakesNoEdits() {
        let call = RecordMemory(draft(FakeCall()), continuation: 8).call
        #expect(call.bodyState == .asItCame && call.apply(EditList()) && call.ticks == 77)
        if case .none = call.transaction {} else { Issue.record("a record has no transaction") }
    }

    // MARK: - Nonsense

    @Test(
        arguments: [
            (0, 1 << 31), (1 << 31, 0), (UInt32.max, 1), (1, UInt32.max), (UInt32.max, UInt32.max), (0, UInt32.max),
        ] as [(UInt32, UInt32)])
    func aTextThatDoesNotLieInsideIsEmpty(_ start: UInt32, _ count: UInt32) {
        let memory = RecordMemory(draft(FakeCall()), continuation: 16)
        var header = memory.record.header
        for which in JobText.allCases { header.texts[which.rawValue] = JobSpan(start: start, count: count) }
        header.configured = .max
        memory.record.header = header
        for which in JobText.allCases { #expect(text(memory.record, which) == []) }
        for field in fields { #expect(memory.call.text(field) == "") }
        for variable in variables { #expect(memory.call.variable(variable)?.text == "") }
    }

    @Test func aTextMayEndWithItsRecordAndNotLater() {
        let memory = RecordMemory(draft(FakeCall()), continuation: 16)
        var header = memory.record.header
        let size = header.size
        header.texts[JobText.callID.rawValue] = JobSpan(start: size - 4, count: 4)
        header.texts[JobText.fromTag.rawValue] = JobSpan(start: size - 4, count: 5)
        header.texts[JobText.toTag.rawValue] = JobSpan(start: size, count: 0)
        header.texts[JobText.body.rawValue] = JobSpan(start: size &+ 1, count: 0)
        memory.record.header = header
        #expect(text(memory.record, .callID).count == 4)
        for which in [JobText.fromTag, .toTag, .body] { #expect(text(memory.record, which) == []) }
    }

    @Test(arguments: [0, 1, 8] as [UInt32])
    func aRecordThatIsTooShortHasNoTexts(_ size: UInt32) {
        let memory = RecordMemory(draft(FakeCall()), continuation: 0)
        var header = memory.record.header
        header.size = size
        memory.record.header = header
        for which in JobText.allCases { #expect(text(memory.record, which) == []) }
    }

    @Test func numbersThatMeanNothingTrapNothing() {
        let memory = RecordMemory(draft(FakeCall()), continuation: 0)
        var header = memory.record.header
        header.kind = 200
        header.method = 255
        header.status = .min
        header.contentLength = .min
        memory.record.header = header
        #expect(memory.record.kind == nil && !memory.record.createsSession)
        let facts = memory.call.facts
        #expect(facts.method == .other && facts.status == Int(Int32.min) && facts.contentLength == nil)
        header.contentLength = .max
        memory.record.header = header
        #expect(memory.call.facts.contentLength == .max)
    }

    /// What a fuzzer would do: any bytes as a header, its size apart.
    @Test func anyBytesAreReadWithoutHarm() {
        var generator = SystemRandomNumberGenerator()
        let memory = RecordMemory(draft(FakeCall()), continuation: 32)
        let size = memory.record.header.size
        let layout = MemoryLayout<JobHeader>.self
        for round in 0..<2_000 {
            for offset in 0..<layout.size where round % 3 > 0 || offset % 5 == 0 {
                let byte = UInt8.random(in: 0...255, using: &generator)
                memory.base.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
            }
            memory.base.storeBytes(of: size, toByteOffset: 8, as: UInt32.self)
            for which in JobText.allCases { #expect(text(memory.record, which).count <= Int(size)) }
            _ = memory.call.facts
            for variable in variables { _ = memory.call.variable(variable) }
            _ = memory.record.createsSession
        }
        #expect(memory.isFenceWhole)
    }
}
