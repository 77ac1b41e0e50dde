// SPDX-License-Identifier: GPL-2.0-or-later
// A message, what a script does with it, and what RTPProxy answers: read from an input.
//
// A letter begins each line. Small letters are functions, in their order: `o`, `a`, `m`, `d` offer, answer, manage and
// delete, with their flags; `u`, `v`, `n`, `w` the same, asynchronously; `s`, `f` $rtpstat and $rtpp_stat; `p`, `q`, `r`
// play, stop and record; `e` selects a set. Capitals are the message: see `take`. `>` is what RTPProxy answers to the
// next command: behind `!` the whole datagram, else what follows the cookie; `-` alone is no answer, `+` one that comes
// twice. Without such lines RTPProxy answers as it should.

import Bytes
import RTPProxyABI
import SDP

/// What a script does.
struct ScriptCall {
    let function: UInt8
    let argument: [UInt8]

    static let functions = Array("oamdunvwsfpqre".utf8)
    static let most = 4

    /// The blocking functions that may change the body.
    var changesBody: Bool { "oam".utf8.contains(function) }
    var isAsynchronous: Bool { "uvnw".utf8.contains(function) }
}

struct CallScript {
    private(set) var calls: [ScriptCall] = []
    private(set) var replies: [[UInt8]] = []
    private(set) var texts: [UInt8: [UInt8]] = [:]
    private(set) var variables: [rtpp_variable: [UInt8]?] = [:]
    private(set) var method = rtpp_method.RTPP_METHOD_INVITE
    private(set) var status: Int32 = 0
    private(set) var route = rtpp_route.RTPP_ROUTE_OTHER
    private(set) var transaction = rtpp_transaction.RTPP_TRANSACTION_NONE
    private(set) var suspension = rtpp_suspension.RTPP_SUSPENDED
    private(set) var resumption = rtpp_resumption.RTPP_TAKEN
    private(set) var isEdited = false
    private(set) var acceptsEdits = true
    private(set) var contentLength: Int64 = -1
    /// Which of the configurations.
    private(set) var configuration = 0
    var body: [UInt8]

    init(_ input: [UInt8]) {
        let sections = Sections(input)
        body = sections.body
        for (letter, text) in [
            ("I", "call@example.org"), ("F", "ft"), ("1", "z9hG4bK1"), ("2", "z9hG4bK2"), ("S", "198.51.100.5"),
            ("R", "203.0.113.9"), ("C", "application/sdp"),
        ] as [(Unicode.Scalar, String)] {
            texts[UInt8(ascii: letter)] = Array(text.utf8)
        }
        sections.forEachLine { take($0, $1) }
        if calls.isEmpty { calls = [ScriptCall(function: UInt8(ascii: "o"), argument: [])] }
    }

    subscript(_ letter: Unicode.Scalar) -> [UInt8]? { texts[UInt8(ascii: letter)] }

    /// One of so many values of the contract: a value that it does not have would end Swift, and the glue gives none.
    private static func choice(_ number: Int, of count: UInt32) -> UInt32 {
        UInt32(truncatingIfNeeded: number) % count
    }

    private mutating func take(_ letter: UInt8, _ text: [UInt8]) {
        let number = number(text) ?? 0
        switch letter {
        case _ where ScriptCall.functions.contains(letter):
            if calls.count < ScriptCall.most { calls.append(ScriptCall(function: letter, argument: text)) }
        case UInt8(ascii: ">"): if replies.count < 64 { replies.append(text) }
        // Call-ID, tags, branches, addresses, Content-Type, the ip_address parameter; `-`: absent.
        case _ where "IFT12SRCA".utf8.contains(letter): texts[letter] = text == [UInt8(ascii: "-")] ? nil : text
        case UInt8(ascii: "L"): contentLength = Int64(number)
        case UInt8(ascii: "M"):
            method = rtpp_method(rawValue: Self.choice(number, of: 7)) ?? .RTPP_METHOD_OTHER
        case UInt8(ascii: "N"): status = Int32(truncatingIfNeeded: number)
        case UInt8(ascii: "E"):
            route = rtpp_route(rawValue: Self.choice(number, of: 3)) ?? .RTPP_ROUTE_OTHER
        case UInt8(ascii: "Q"):
            transaction = rtpp_transaction(rawValue: Self.choice(number, of: 3)) ?? .RTPP_TRANSACTION_NONE
        case UInt8(ascii: "U"):
            suspension = rtpp_suspension(rawValue: Self.choice(number, of: 3)) ?? .RTPP_SUSPENDED
        case UInt8(ascii: "H"):
            resumption = rtpp_resumption(rawValue: Self.choice(number, of: 3)) ?? .RTPP_TAKEN
        // Variables of the configuration; `-`: unset.
        case UInt8(ascii: "X"): set(.RTPP_VARIABLE_EXTRA_ID, text)
        case UInt8(ascii: "G"): set(.RTPP_VARIABLE_TIMEOUT_TAG, text)
        case UInt8(ascii: "P"): set(.RTPP_VARIABLE_ICE_PRIORITY, text)
        case UInt8(ascii: "K"): isEdited = true
        case UInt8(ascii: "Z"): acceptsEdits = false
        case UInt8(ascii: "B"): configuration = number & 1
        default: break
        }
    }

    private mutating func set(_ variable: rtpp_variable, _ text: [UInt8]) {
        variables.updateValue(text == [UInt8(ascii: "-")] ? nil : text, forKey: variable)
    }

    /// Where its session description stands.
    var sessionDescription: ByteRange? {
        let length = contentLength < 0 ? nil : Int(contentLength)
        guard let type = self["C"] else {
            return try? BodyPart.find(in: body.span, contentType: nil, contentLength: length)
        }
        return try? BodyPart.find(in: body.span, contentType: type.span, contentLength: length)
    }

    /// The same message with another body, and a Content-Length that fits where it has one.
    func with(body: [UInt8]) -> CallScript {
        var copy = self
        if contentLength >= 0 { copy.contentLength += Int64(body.count - self.body.count) }
        copy.body = body
        return copy
    }
}

/// The message as the host lends it: each text in memory of just its length.
final class LentMessage {
    var message = rtpp_message()
    let script: CallScript
    private var owned: [UnsafeMutablePointer<UInt8>] = []

    init(_ script: CallScript, id: UInt32) {
        self.script = script
        message.id = id
        message.process = 7
        message.is_request = script.status == 0
        message.method = script.method
        message.status = script.status
        message.route = script.route
        message.content_length = script.contentLength
        message.has_body = !script.body.isEmpty
        message.body = lend(script.body)
        message.call_id = lend(script["I"])
        message.from_tag = lend(script["F"])
        message.to_tag = lend(script["T"])
        message.via1_branch = lend(script["1"])
        message.via2_branch = lend(script["2"])
        message.source = lend(script["S"])
        message.received = lend(script["R"])
        message.content_type = lend(script["C"])
        message.context = Unmanaged.passUnretained(self).toOpaque()
    }

    deinit { for memory in owned { memory.deallocate() } }

    /// Bytes that live as long as the message.
    func lend(_ bytes: [UInt8]?) -> rtpp_bytes {
        guard let bytes else { return rtpp_bytes(data: nil, length: 0) }
        let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: max(bytes.count, 1))
        memory.initialize(from: bytes, count: bytes.count)
        owned.append(memory)
        return rtpp_bytes(data: UnsafePointer(memory), length: bytes.count)
    }

    static func of(_ context: UnsafeMutableRawPointer?) -> LentMessage? {
        context.map { Unmanaged<LentMessage>.fromOpaque($0).takeUnretainedValue() }
    }
}
