// SPDX-License-Identifier: GPL-2.0-or-later
// A host of the module in Swift: the services of rtpp_host, and messages in memory that C would lend.

import Glibc
import RTPProxyABI
import CallControl
import Synchronization

/// Lines of all tests, as the service has no context to tell them apart.
enum HostLog {
    private static let storage = Mutex<[(level: rtpp_level, text: String)]>([])

    static func append(_ level: rtpp_level, _ line: rtpp_bytes) {
        storage.withLock { $0.append((level, line.text)) }
    }

    /// The lines that contain `text`.
    static func lines(with text: String) -> [(level: rtpp_level, text: String)] {
        storage.withLock { $0.filter { $0.text.contains(text) } }
    }
}

/// What all tests together have counted.
enum HostCounts {
    private static let storage = Mutex<[Int: UInt64]>([:])

    static func add(_ which: Int, _ amount: UInt32) {
        storage.withLock { $0[which, default: 0] += UInt64(amount) }
    }

    static func value(_ which: ServerCounter) -> UInt64 { storage.withLock { $0[which.rawValue] ?? 0 } }
}

extension rtpp_bytes {
    static var absent: rtpp_bytes { rtpp_bytes(data: nil, length: 0) }
    var text: String { String(decoding: UnsafeBufferPointer(start: data, count: length), as: UTF8.self) }
}

/// Lends the bytes of `text`, nil: absent, for the time of `body`.
func lending<Result>(_ text: String?, _ body: (rtpp_bytes) -> Result) -> Result {
    guard let text else { return body(.absent) }
    let bytes = Array(text.utf8) + [0]
    return bytes.withUnsafeBufferPointer { body(rtpp_bytes(data: $0.baseAddress, length: $0.count - 1)) }
}

/// A message of the host, and what the module has done with it.
final class Message {
    var message = rtpp_message()
    var variables: [rtpp_variable: String?] = [:]
    var bodyState = rtpp_body_state.RTPP_BODY_AS_IT_CAME
    var acceptsEdits = true
    var suspension = rtpp_suspension.RTPP_SUSPENDED
    var transaction = rtpp_transaction.RTPP_TRANSACTION_NONE
    var isWithinDialog = false
    /// Runs while a variable is looked at or set.
    var whileAsked: () -> Void = {}
    private(set) var edits: [(offset: Int, removed: Int, text: String)] = []
    private(set) var instances: [String] = []
    private(set) var marks = 0
    private var owned: [UnsafeMutableBufferPointer<UInt8>] = []

    static let audio = [
        "v=0", "o=alice 1 2 IN IP4 10.0.0.1", "s=-", "c=IN IP4 10.0.0.1", "t=0 0", "m=audio 5004 RTP/AVP 0",
    ].map { $0 + "\r\n" }.joined()

    init(
        _ callID: String, _ method: rtpp_method = .RTPP_METHOD_INVITE, status: Int32 = 0, toTag: String? = nil,
        body: String? = Message.audio
    ) {
        message.id = 1
        message.process = 7
        message.is_request = status == 0
        message.method = method
        message.status = status
        message.route = .RTPP_ROUTE_OTHER
        message.call_id = own(callID)
        message.from_tag = own("ft")
        message.to_tag = toTag.map { own($0) } ?? .absent
        message.via1_branch = own("via1")
        message.via2_branch = own("via2")
        message.source = own("198.51.100.5")
        message.received = own("203.0.113.9")
        message.content_length = -1
        if let body {
            message.has_body = true
            message.body = own(body)
            message.content_length = Int64(body.utf8.count)
            message.content_type = own("application/sdp")
        }
        message.context = Unmanaged.passUnretained(self).toOpaque()
    }

    deinit { for memory in owned { memory.deallocate() } }

    /// Bytes that live as long as the message.
    func own(_ text: String) -> rtpp_bytes {
        let memory = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: text.utf8.count + 1)
        _ = memory.initialize(from: Array(text.utf8) + [0])
        owned.append(memory)
        return rtpp_bytes(data: UnsafePointer(memory.baseAddress), length: text.utf8.count)
    }

    static func of(_ context: UnsafeMutableRawPointer?) -> Message? {
        context.map { Unmanaged<Message>.fromOpaque($0).takeUnretainedValue() }
    }

    fileprivate func take(_ list: UnsafePointer<rtpp_edit>?, _ count: Int) -> Bool {
        guard acceptsEdits else { return false }
        edits = UnsafeBufferPointer(start: list, count: count).map { ($0.offset, $0.removed, $0.text.text) }
        return true
    }

    fileprivate func chose(_ url: String) {
        instances.append(url)
        whileAsked()
    }
    fileprivate func mark() { marks += 1 }

    /// The body with all edits made; nil where they are not sorted, disjoint and inside.
    var editedBody: String? {
        let body = Array(UnsafeBufferPointer(start: message.body.data, count: message.body.length))
        var result: [UInt8] = []
        var offset = 0
        for edit in edits {
            guard edit.offset >= offset, edit.offset + edit.removed <= body.count else { return nil }
            result += body[offset..<edit.offset] + Array(edit.text.utf8)
            offset = edit.offset + edit.removed
        }
        return String(decoding: result + body[offset...], as: UTF8.self)
    }
}

/// All services, with the version of the header.
func services() -> rtpp_host {
    rtpp_host(
        abi_version: UInt32(RTPP_ABI_VERSION),
        log: { HostLog.append($0, $1) },
        report: { if let report = $0?.pointee { HostLog.append(report.level, report.line) } },
        wants_debug: { false },
        tuning: { _ in false },
        ticks: { 1000 },
        count: { HostCounts.add($0, $1) },
        variable: { context, which, value, isNull in
            guard let message = Message.of(context), let text = message.variables[which] else { return false }
            message.whileAsked()
            value?.pointee = message.own(text ?? "<null>")
            isNull?.pointee = text == nil
            return true
        },
        set_instance: { Message.of($0)?.chose($1.text) },
        body_state: { Message.of($0)?.bodyState ?? .RTPP_BODY_AS_IT_CAME },
        apply_edits: { Message.of($0)?.take($1, $2) ?? false },
        transaction: { Message.of($0)?.transaction ?? .RTPP_TRANSACTION_NONE },
        is_within_dialog: { Message.of($0)?.isWithinDialog ?? false }, is_first_answer: { _ in false },
        goes_to_websocket: { _ in false },
        mark_transaction: { Message.of($0)?.mark() }, postpone: { _, _ in false }, take_postponed: { _ in nil },
        is_wanted: { true },
        raise: { _ in },
        allocate: { malloc($0) }, release: { free($0) }, continuation_size: 64,
        suspend: { context, _, _ in Message.of(context)?.suspension ?? .RTPP_NOT_SUSPENDED },
        resume: { _, _, _, _, _, _, _ in .RTPP_GONE }, resume_again: { _, _ in .RTPP_GONE },
        take_deletion: { nil }, fleet_broadcast: nil, fleet_send: nil)
}

/// A module from create to destroy.
final class ModuleInstance {
    let handle: OpaquePointer?
    private(set) var block: UnsafeMutableRawPointer?
    private(set) var size = 0

    init(host: rtpp_host = services()) {
        var host = host
        var made: OpaquePointer?
        _ = rtpp_create(&host, &made)
        handle = made
    }

    /// Configured with these values of rtpproxy_sock, shared, attached, and every node of it switched on.
    convenience init(_ sockets: [String], texts: [String: String] = [:], host: rtpp_host = services()) {
        self.init(host: host)
        _ = set("rtpproxy_tout", 1)
        _ = set("rtpproxy_retr", 1)
        for (name, value) in texts { _ = set(name, value) }
        for value in sockets { _ = set("rtpproxy_sock", value) }
        // Its script has $rtpp_stat.
        _ = rtpp_figure_index(handle, .absent)
        guard rtpp_configure(handle) == .RTPP_OK, share() == .RTPP_OK else { return }
        _ = rtpp_attach(handle)
        for position in 0..<rtpp_node_count(handle) {
            var info = rtpp_node_info()
            if rtpp_node(handle, position, &info) == .RTPP_OK { _ = rtpp_enable(handle, info.url, true) }
        }
    }

    deinit {
        rtpp_destroy(handle)
        block?.deallocate()
    }

    func set(_ name: String, _ value: String?) -> rtpp_status { lending(value) { rtpp_set_text(handle, name, $0) } }
    func set(_ name: String, _ value: Int64) -> rtpp_status { rtpp_set_number(handle, name, value) }

    /// Lays out shared memory of just the size that is needed.
    func share() -> rtpp_status {
        size = rtpp_shared_size(handle)
        let memory = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 64)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        block = memory
        return rtpp_share(handle, memory, size)
    }

    func offer(_ message: Message, _ flags: String? = nil, _ address: String? = nil) -> rtpp_code {
        lending(flags) { flags in lending(address) { rtpp_offer(handle, &message.message, flags, $0) } }
    }

    func answer(_ message: Message, _ flags: String? = nil, _ address: String? = nil) -> rtpp_code {
        lending(flags) { flags in lending(address) { rtpp_answer(handle, &message.message, flags, $0) } }
    }

    func manage(_ message: Message, _ flags: String? = nil, _ address: String? = nil) -> rtpp_code {
        lending(flags) { flags in lending(address) { rtpp_manage(handle, &message.message, flags, $0) } }
    }

    func delete(_ message: Message, _ flags: String? = nil) -> rtpp_code {
        lending(flags) { rtpp_delete(handle, &message.message, $0) }
    }
}
