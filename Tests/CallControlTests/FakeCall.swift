// SPDX-License-Identifier: GPL-2.0-or-later
// A SIP message in the hands of a host that a test has made up, and what the host was asked to do.

import Bytes
import ControlProtocol
import CallControl
import SDP

/// A message, and the record of what was done to it.
final class FakeCall: CallHost {
    var facts = MessageFacts()
    var fields: [MessageField: [UInt8]] = [:]
    /// Configured variables; an inner nil is one that is not set.
    var variables: [CallVariable: [UInt8]?] = [:]
    var bodyState = BodyState.asItCame
    var acceptsEdits = true
    var transaction = TransactionState.none
    var isFirstAnswer = false
    var goesToWebSocket = false
    var ticks: UInt32 = 1000

    private(set) var lines: [(level: LogLevel, text: String)] = []
    private(set) var instances: [String] = []
    private(set) var marks = 0
    /// What was counted while this message was at work.
    private(set) var counts: [ServerCounter: Int] = [:]
    /// Times that edits came in.
    private(set) var applications = 0

    init(
        _ method: SIPMethod = .invite, status: Int = 0, toTag: String = "", body: String? = Body.audio, id: UInt32 = 1
    ) {
        facts.id = id
        facts.process = 7
        facts.isRequest = status == 0
        facts.method = method
        facts.status = status
        self[.callID] = "call-1@example.org"
        self[.fromTag] = "ft"
        self[.toTag] = toTag
        self[.via1Branch] = "z9hG4bK1"
        self[.via2Branch] = "z9hG4bK2"
        self[.source] = "198.51.100.5"
        self[.received] = "203.0.113.9"
        if let body {
            self[.body] = body
            self[.contentType] = "application/sdp"
            facts.hasBody = true
            facts.hasContentType = true
            facts.contentLength = body.utf8.count
        }
    }

    /// An offer's answer: 200 to INVITE with a to-tag.
    static func ok(_ body: String? = Body.audio, method: SIPMethod = .invite, status: Int = 200) -> FakeCall {
        FakeCall(method, status: status, toTag: "tt", body: body)
    }

    subscript(_ field: MessageField) -> String {
        get { String(decoding: fields[field] ?? [], as: UTF8.self) }
        set { fields[field] = Array(newValue.utf8) }
    }

    /// The body as it stands now, after all edits.
    var body: String { self[.body] }
    var errors: [String] { lines.filter { $0.level == .error || $0.level == .warning }.map(\.text) }

    // MARK: - CallHost

    func log(_ level: LogLevel, _ line: Span<UInt8>) {
        var bytes: [UInt8] = []
        bytes.append(line)
        lines.append((level, String(decoding: bytes, as: UTF8.self)))
    }

    func count(_ which: ServerCounter, _ amount: UInt32) { counts[which, default: 0] += Int(amount) }

    func with<Result, Failure: Error>(
        _ field: MessageField, _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        let bytes = fields[field] ?? []
        return try body(bytes.span)
    }

    func withVariable<Result>(_ variable: CallVariable, _ body: (Span<UInt8>, _ isNull: Bool) -> Result) -> Result? {
        guard let value = variables[variable] else { return nil }
        let bytes = value ?? Array("<null>".utf8)
        return body(bytes.span, value == nil)
    }

    func setInstance(_ url: Span<UInt8>) {
        var bytes: [UInt8] = []
        bytes.append(url)
        instances.append(String(decoding: bytes, as: UTF8.self))
    }

    func apply(_ edits: borrowing EditList) -> Bool {
        applications += 1
        guard acceptsEdits else { return false }
        let body = fields[.body] ?? []
        var result: [UInt8] = []
        var offset = 0
        for edit in edits.edits {
            // Sorted, disjoint, inside: what the host relies on.
            guard edit.offset >= offset, edit.offset + edit.removed <= body.count else { return false }
            result += body[offset..<edit.offset]
            result.append(edits.text.memory.span, edit.text)
            offset = edit.offset + edit.removed
        }
        fields[.body] = result + body[offset...]
        bodyState = .rewritten
        return true
    }

    func markTransaction() { marks += 1 }
}

/// What the log says of an error reply.
func refusal(_ code: UInt32) -> String { "answered with error E\(code): \(ErrorCode(code).explanation)" }

/// Bodies, named for what they are.
enum Body {
    static let audio = sdp()
    static let audioVideo = sdp(
        media: ["m=audio 5004 RTP/AVP 0 8 101", "m=video 5006/2 RTP/AVP 31"])
    static let ipv6 = sdp(address: "IP6 2001:db8::5")
    static let hold = sdp(address: "IP4 0.0.0.0")
    static let marked = audio + "a=nortpproxy:yes\r\n"

    /// A session description with its address at session level.
    static func sdp(address: String = "IP4 10.0.0.1", media: [String] = ["m=audio 5004 RTP/AVP 0 8 101"]) -> String {
        (["v=0", "o=alice 1 2 IN \(address)", "s=-", "c=IN \(address)", "t=0 0"] + media)
            .map { $0 + "\r\n" }.joined()
    }
}
