// SPDX-License-Identifier: GPL-2.0-or-later
// A call on its way from a SIP worker to an asynchronous process: what it needs of its message, flat, in shared memory.
//
// NO TRAP (4 in this file): a text's raw value is 0...14, and there are 15.

import Bytes

/// What a job is about.
enum JobKind: UInt8 {
    case offer
    case answer
    case delete
    /// Deletes what an offer created for a transaction that is gone.
    case undoOffer
}

/// The texts of a record, by their places.
enum JobText: Int, CaseIterable {
    case callID, fromTag, toTag, via1Branch, via2Branch, contentType, body, source, received
    case flags, address
    case extraID, timeoutTag, icePriority
    case ownBranch
}

/// The beginning of a record. Its first word is the queue's.
struct JobHeader {
    var next: UInt64 = 0
    /// Bytes of the record.
    var size: UInt32 = 0
    /// Where the host's own part stands, and how long it is.
    var continuation: UInt32 = 0
    var continuationSize: UInt32 = 0
    /// `JobKind`
    var kind: UInt8 = 0
    private var facts: UInt8 = 1
    var method: UInt8 = 0
    /// Bit `JobText.rawValue`: of a variable, that one is configured.
    var configured: UInt16 = 0
    /// Likewise that it is unset.
    var unset: UInt16 = 0
    var messageID: UInt32 = 0
    var process: Int32 = 0
    var status: Int32 = 0
    var setID: UInt32 = 0
    /// The node that has what an offer created; -1: none.
    var node: Int32 = -1
    /// -1: no such header.
    var contentLength: Int64 = -1
    /// Where each text stands, in bytes from the beginning of the record.
    var texts: InlineArray<15, JobSpan> = .init(repeating: JobSpan())

    private func has(_ bit: UInt8) -> Bool { facts & bit != 0 }
    private mutating func set(_ bit: UInt8, _ isSet: Bool) { facts = isSet ? facts | bit : facts & ~bit }

    // Bits of a byte: whatever stands in the memory, each is one of two values.
    var isRequest: Bool {
        get { has(1) }
        set { set(1, newValue) }
    }
    var hasBody: Bool {
        get { has(2) }
        set { set(2, newValue) }
    }
    var hasContentType: Bool {
        get { has(4) }
        set { set(4, newValue) }
    }
    /// Whether the ip_address parameter was given.
    var hasAddress: Bool {
        get { has(8) }
        set { set(8, newValue) }
    }
    /// Of an offer, whether a success creates a session; of an answer, whether it is the first one.
    var isFirst: Bool {
        get { has(16) }
        set { set(16, newValue) }
    }
    /// Of a deletion that was postponed: whether an asynchronous process is to carry it out.
    var isHandedOver: Bool {
        get { has(64) }
        set { set(64, newValue) }
    }
    /// Whether its edits have been made, or are with the host.
    var isRewritten: Bool {
        get { has(32) }
        set { set(32, newValue) }
    }
    /// Whether its transaction is to be tried again, because another process held it.
    var isHeldUp: Bool {
        get { has(128) }
        set { set(128, newValue) }
    }
}

/// Where a text stands.
struct JobSpan {
    var start: UInt32 = 0
    var count: UInt32 = 0
}

/// A record. One process at a time owns it, and reads and writes it. What is read is bounded by its size.
@safe package struct JobRecord {
    /// Where it begins: what was allocated for it.
    package let base: UnsafeMutableRawPointer

    /// A record that was handed over.
    // SAFETY: whoever made the record has written its header first.
    package init(_ base: UnsafeMutableRawPointer) { unsafe self.base = base }

    var header: JobHeader {
        // SAFETY: whoever made the record has written its header first.
        get { unsafe base.load(as: JobHeader.self) }
        nonmutating set { unsafe base.storeBytes(of: newValue, as: JobHeader.self) }
    }

    /// Where the host's own part stands: as long as the host has asked for, aligned to 8.
    // NO TRAP: draft and record are one process's work, and the continuation is behind the texts.
    package var continuation: UnsafeMutableRawPointer { unsafe base + Int(widening: header.continuation) }

    /// Whether its transaction was given a changed body to go on with.
    package var isRewritten: Bool { header.isRewritten }

    /// Whether a transaction waits for it.
    package var hasContinuation: Bool { header.continuationSize > 0 }

    /// Lends a text; empty where it does not lie within the record.
    func with<Result, Failure: Error>(
        _ text: JobText, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let header = header
        let span = header.texts[text.rawValue]
        let isInside = UInt64(widening: span.start) &+ UInt64(widening: span.count) <= UInt64(widening: header.size)
        // SAFETY: the bytes lie within the record, which is `size` bytes long, and nobody writes them.
        // NO TRAP: what is not inside the record is not looked at.
        let bytes = unsafe UnsafeRawBufferPointer(
            start: base + (isInside ? Int(widening: span.start) : 0), count: isInside ? Int(widening: span.count) : 0)
        return try unsafe body(Span(_unsafeElements: bytes.assumingMemoryBound(to: UInt8.self)))
    }
}

/// What a record is made of, gathered before there is memory for it.
struct JobDraft {
    var header = JobHeader()
    private(set) var texts: [UInt8] = []

    /// Where the texts begin.
    private static var textStart: Int { (MemoryLayout<JobHeader>.size &+ 15) & ~15 }
    /// Longest text, in bytes: a SIP message is not longer.
    private static var longestText: Int { 0x3FFF_FFFF }

    /// Begins anew.
    mutating func begin(_ kind: JobKind, _ facts: MessageFacts, setID: UInt32) {
        texts.removeAll(keepingCapacity: true)
        header = JobHeader()
        header.kind = kind.rawValue
        header.isRequest = facts.isRequest
        header.hasBody = facts.hasBody
        header.hasContentType = facts.hasContentType
        header.method = facts.method.rawValue
        header.messageID = facts.id
        header.process = facts.process
        header.status = Int32(clamping: facts.status)
        header.contentLength = facts.contentLength.map { Int64(widening: $0) } ?? -1
        header.setID = setID
    }

    /// Adds a text.
    mutating func add(_ text: JobText, _ bytes: Span<UInt8>) {
        guard texts.count &+ bytes.count <= Self.longestText else { return }
        header.texts[text.rawValue] = JobSpan(
            start: UInt32(truncatingIfNeeded: Self.textStart &+ texts.count),
            count: UInt32(truncatingIfNeeded: bytes.count))
        texts.append(bytes)
    }

    /// Adds a variable that is configured.
    mutating func add(_ variable: JobText, _ bytes: Span<UInt8>, isNull: Bool) {
        header.configured |= 1 << UInt16(variable.rawValue)
        if isNull { header.unset |= 1 << UInt16(variable.rawValue) }
        add(variable, bytes)
    }

    /// Bytes of the record, with a part of the host's of so many bytes.
    func size(continuation: Int) -> Int { continuationStart &+ max(continuation, 0) }

    private var continuationStart: Int { (Self.textStart &+ texts.count &+ 15) & ~15 }

    /// Writes the record into memory of `size(continuation:)` bytes, aligned to 8.
    func write(to memory: UnsafeMutableRawPointer, continuation: Int) -> JobRecord {
        var header = header
        header.size = UInt32(truncatingIfNeeded: size(continuation: continuation))
        header.continuation = UInt32(truncatingIfNeeded: continuationStart)
        header.continuationSize = UInt32(truncatingIfNeeded: max(continuation, 0))
        // SAFETY: the caller's memory has size(continuation:) bytes: texts begin behind the header.
        let record = unsafe JobRecord(memory)
        record.header = header
        unsafe texts.withUnsafeBytes {
            // SAFETY: the caller's memory is long enough for header and texts.
            // NO TRAP (2): the caller's memory has size(continuation:) bytes: texts begin behind the header.
            unsafe (memory + Self.textStart).copyMemory(
                from: $0.baseAddress ?? UnsafeRawPointer(memory), byteCount: $0.count)
        }
        return record
    }
}
