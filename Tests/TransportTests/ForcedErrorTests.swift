// SPDX-License-Identifier: GPL-2.0-or-later
// What each error of each system call comes to, as tables: script -> outcome and trace.

import Bytes
import CPosix
import Glibc
import Testing

@testable import Transport

/// A script, and what is expected of it.
struct Forced: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var commands = 1
    var opens: [Int64] = []
    var connects: [Int64] = []
    var sends: [Int64] = []
    var arrivals: @Sendable () -> [Script.Arrival] = { [] }
    var waits: [Int64] = []
    var outcome: ExchangeOutcome
    /// The calls up to the exchange's end, and from there the closing of what is open; nil: not compared.
    var trace: [String]?

    init(
        _ name: String, commands: Int = 1, opens: [Int64] = [], connects: [Int64] = [], sends: [Int64] = [],
        arrivals: @escaping @Sendable () -> [Script.Arrival] = { [] }, waits: [Int64] = [],
        _ outcome: ExchangeOutcome, _ trace: [String]? = nil
    ) {
        testDescription = name
        (self.commands, self.opens, self.connects, self.sends) = (commands, opens, connects, sends)
        (self.arrivals, self.waits, self.outcome, self.trace) = (arrivals, waits, outcome, trace)
    }

    func makeScript() -> Script {
        let script = Script()
        (script.opens, script.connects, script.sends) = (opens, connects, sends)
        script.bring(arrivals())
        script.waits = waits
        return script
    }
}

private func error(_ code: Int32) -> Int64 { Int64(-code) }
private func failed(_ code: Int32) -> ExchangeOutcome { .failed(SystemError(code: code)) }
private let budget: UInt64 = 100_000_000

/// Runs the exchange of `forced` and checks what holds for every one: outcome, trace, no descriptor left open or
/// closed twice, no wait beyond the budget.
private func check(_ forced: Forced, framing: Framing) throws {
    let script = forced.makeScript()
    try ScriptedCalls.$script.withValue(ScriptBox(script)) {
        var cookies = CookieSource()
        var exchange = Exchange()
        exchange.begin(
            now: script.clock, budget: budget, firstRetransmission: 40_000_000, framing: framing)
        for _ in 0..<forced.commands { try exchange.add(Array("V".utf8).span, cookies: &cookies) }
        var core = ExchangeCore<ScriptedCalls>(members: 1, nodes: 2)
        let outcome: ExchangeOutcome
        switch framing {
        case .datagram, .pipeline:
            let address = try #require(SocketAddress(words: (4 | 9 << 16, 0x7F00_0001, 0)))
            outcome = core.drive(&exchange, node: 1, address: address)
        case .stream:
            let path = Array("/run/x".utf8)
            outcome = core.drive(&exchange, node: 1, path.span, path: path.span.all)
        }
        #expect(outcome == forced.outcome)
    }
    if let trace = forced.trace { #expect(script.trace == trace) }
    #expect(script.isOpen.isEmpty)
    #expect(script.doubleCloses == 0)
    #expect(script.longestWait <= budget)
    #expect(script.clock <= 1_000_000_000 + budget + 10_000_000)
}

@Test(arguments: [
    Forced(
        "a reply at once", arrivals: { [.reply(0, "0\n")] }, .complete,
        ["udp 100", "connect 0", "sendmmsg 1", "wait 1", "recvmmsg 1", "close 0"]),
    Forced(
        "EINTR everywhere", opens: [error(EINTR), 100], connects: [error(EINTR), 0], sends: [error(EINTR), 1],
        arrivals: { [.error(EINTR), .reply(0, "0\n")] }, waits: [error(EINTR)], .complete,
        [
            "udp EINTR", "udp 100", "connect EINTR", "connect 0", "sendmmsg EINTR", "sendmmsg 1", "wait EINTR",
            "wait 1",
            "recvmmsg EINTR", "recvmmsg 1", "close 0",
        ]),
    Forced("EMFILE from socket", opens: [error(EMFILE)], failed(EMFILE), ["udp EMFILE"]),
    Forced(
        "ENETUNREACH from connect", connects: [error(ENETUNREACH)], failed(ENETUNREACH),
        ["udp 100", "connect ENETUNREACH", "close 0"]),
    Forced(
        "ENETUNREACH from send", sends: [error(ENETUNREACH)], failed(ENETUNREACH),
        ["udp 100", "connect 0", "sendmmsg ENETUNREACH", "close 0"]),
    Forced(
        "ENETUNREACH from a socket that went before, and a new one goes", sends: [1, error(ENETUNREACH)],
        arrivals: { [.reply(1, "0")] }, .complete,
        [
            "udp 100", "connect 0", "sendmmsg 1", "wait 0", "sendmmsg ENETUNREACH", "udp 101", "connect 0", "close 0",
            "sendmmsg 1", "wait 1", "recvmmsg 1", "close 0",
        ]),
    Forced(
        "ENETUNREACH from a socket that went before, and from a new one", connects: [0, error(ENETUNREACH)],
        sends: [1, error(ENETUNREACH)], failed(ENETUNREACH)),
    Forced(
        "ENETUNREACH from every socket", sends: [1, error(ENETUNREACH), error(ENETUNREACH)], failed(ENETUNREACH)),
    Forced(
        "EMSGSIZE twice from send", sends: [error(EMSGSIZE), error(EMSGSIZE)], failed(EMSGSIZE),
        ["udp 100", "connect 0", "sendmmsg EMSGSIZE", "sendmmsg EMSGSIZE", "close 0"]),
    Forced(
        "EMSGSIZE once, which is news of the path", sends: [error(EMSGSIZE)], arrivals: { [.reply(0, "0")] }, .complete,
        ["udp 100", "connect 0", "sendmmsg EMSGSIZE", "sendmmsg 1", "wait 1", "recvmmsg 1", "close 0"]),
    Forced(
        "EMSGSIZE from receive is a loss", arrivals: { [.error(EMSGSIZE), .reply(0, "0")] }, .complete,
        ["udp 100", "connect 0", "sendmmsg 1", "wait 1", "recvmmsg EMSGSIZE", "recvmmsg 1", "close 0"]),
    Forced(
        "ECONNREFUSED from the second send", commands: 2, sends: [1, error(ECONNREFUSED)], .refused,
        ["udp 100", "connect 0", "sendmmsg 1", "sendmmsg ECONNREFUSED", "close 0"]),
    Forced(
        "ECONNREFUSED from receive", arrivals: { [.error(ECONNREFUSED)] }, .refused,
        ["udp 100", "connect 0", "sendmmsg 1", "wait 1", "recvmmsg ECONNREFUSED", "close 0"]),
    Forced(
        "ECONNREFUSED after an answer is waited out", commands: 2,
        arrivals: { [.reply(0, "0"), .error(ECONNREFUSED)] }, .timedOut),
    Forced(
        "ECONNREFUSED after an answer, and the other answer", commands: 2,
        arrivals: { [.reply(0, "0"), .error(ECONNREFUSED), .reply(1, "0")] }, .complete),
    Forced(
        "after ENOBUFS it is tried again", sends: [error(ENOBUFS)], .timedOut,
        [
            "udp 100", "connect 0", "sendmmsg ENOBUFS", "wait 0", "sendmmsg 1", "wait 0", "sendmmsg 1", "wait 0",
            "close 0",
        ]),
    Forced(
        "after EAGAIN from send it is tried again", sends: [error(EAGAIN), error(EAGAIN)],
        arrivals: { [.reply(0, "0")] }, .complete,
        [
            "udp 100", "connect 0", "sendmmsg EAGAIN", "wait 0", "sendmmsg EAGAIN", "wait 0", "sendmmsg 1", "wait 1",
            "recvmmsg 1", "close 0",
        ]),
    Forced("ENOBUFS for ever", sends: Array(repeating: error(ENOBUFS), count: 1000), .timedOut),
    Forced(
        "silence", .timedOut, ["udp 100", "connect 0", "sendmmsg 1", "wait 0", "sendmmsg 1", "wait 0", "close 0"]),
    Forced(
        "ready, yet nothing to receive", waits: [1], .timedOut),
    Forced("ENOMEM from ppoll", waits: [error(ENOMEM)], failed(ENOMEM)),
    Forced("EINTR for ever from socket", opens: Array(repeating: error(EINTR), count: 1000), failed(EINTR)),
    Forced("an empty datagram is foreign", arrivals: { [.bytes([]), .reply(0, "0")] }, .complete),
    Forced(
        "a datagram longer than the buffer is foreign",
        arrivals: { [.bytes([UInt8](repeating: 0x20, count: 60000), length: 60000), .reply(0, "0")] }, .complete),
    Forced(
        "a reply longer than 1024 bytes",
        arrivals: { [.reply(0, String(repeating: "7", count: 1025))] }, .malformed),
    Forced("an empty reply", arrivals: { [.reply(0, "\n")] }, .malformed),
    Forced(
        "a flood of foreign datagrams does not hide the deadline",
        arrivals: { [.flood] }, .timedOut),
    Forced(
        "eight commands one round trip", commands: 8, arrivals: { (0..<8).reversed().map { .reply($0, "\($0)") } },
        .complete,
        ["udp 100", "connect 0", "sendmmsg 8", "wait 1", "recvmmsg 8", "close 0"]),
    Forced(
        "what the system has no room for is sent a little later", commands: 8, sends: [3, error(EAGAIN)],
        arrivals: { (0..<8).map { .reply($0, "\($0)") } }, .complete,
        [
            "udp 100", "connect 0", "sendmmsg 3", "sendmmsg EAGAIN", "wait 1", "recvmmsg 3", "wait 0", "sendmmsg 5",
            "wait 1", "recvmmsg 5", "close 0",
        ]),
    Forced(
        "an earlier exchange's refusal is no news", commands: 2, sends: [error(ECONNREFUSED)],
        arrivals: { [.reply(1, "0"), .reply(0, "0")] }, .complete,
        ["udp 100", "connect 0", "sendmmsg ECONNREFUSED", "sendmmsg 2", "wait 1", "recvmmsg 2", "close 0"]),
    Forced(
        "ECONNREFUSED twice from the first send", sends: [error(ECONNREFUSED), error(ECONNREFUSED)], .refused,
        ["udp 100", "connect 0", "sendmmsg ECONNREFUSED", "sendmmsg ECONNREFUSED", "close 0"]),
])
func datagramErrors(_ forced: Forced) throws {
    try check(forced, framing: .datagram)
}

private func text(_ text: String) -> Script.Arrival { .bytes(Array(text.utf8)) }

@Test(arguments: [
    Forced(
        "a reply at once", arrivals: { [text("0\n")] }, .complete,
        ["unix 100", "connect 0", "send 2", "wait 1", "recv 2", "close 0"]),
    Forced(
        "EINTR everywhere", opens: [error(EINTR), 100], connects: [error(EINTR), 0], sends: [error(EINTR), 2],
        arrivals: { [.error(EINTR), text("0\n")] }, waits: [error(EINTR)], .complete,
        [
            "unix EINTR", "unix 100", "connect EINTR", "connect 0", "send EINTR", "send 2", "wait EINTR", "wait 1",
            "recv EINTR", "recv 2", "close 0",
        ]),
    Forced("EMFILE from socket", opens: [error(EMFILE)], failed(EMFILE), ["unix EMFILE"]),
    Forced(
        "ECONNREFUSED from connect", connects: [error(ECONNREFUSED)], .refused,
        ["unix 100", "connect ECONNREFUSED", "close 0"]),
    Forced(
        "no socket file", connects: [error(ENOENT)], failed(ENOENT), ["unix 100", "connect ENOENT", "close 0"]),
    Forced(
        "a full queue of the listener is tried again", connects: [error(EAGAIN), error(EAGAIN), 0],
        arrivals: { [text("0\n")] }, .complete,
        [
            "unix 100", "connect EAGAIN", "close 0", "wait 0", "unix 101", "connect EAGAIN", "close 0", "wait 0",
            "unix 102", "connect 0", "send 2", "wait 1", "recv 2", "close 0",
        ]),
    Forced(
        "a queue that stays full", connects: Array(repeating: error(EAGAIN), count: 1000), .timedOut),
    Forced(
        "short writes", sends: [1, error(EAGAIN), 1], arrivals: { [text("0\n")] }, .complete,
        [
            "unix 100", "connect 0", "send 1", "wait 1", "send EAGAIN", "wait 1", "send 1", "wait 1", "recv 2",
            "close 0",
        ]),
    Forced(
        "EPIPE from send is tried again", sends: [error(EPIPE)], arrivals: { [text("0\n")] }, .complete,
        [
            "unix 100", "connect 0", "send EPIPE", "close 0", "wait 0", "unix 101", "connect 0", "send 2", "wait 1",
            "recv 2", "close 0",
        ]),
    Forced(
        "a reply in drips", arrivals: { "20000 ::1 6\n".utf8.map { .bytes([$0]) } }, .complete),
    Forced("a reply that the end of the stream ends", arrivals: { [text("0"), .end] }, .complete),
    Forced(
        "closed without an answer is tried again", arrivals: { [.end, text("0\n")] }, .complete,
        [
            "unix 100", "connect 0", "send 2", "wait 1", "recv 0", "close 0", "wait 0", "unix 101", "connect 0",
            "send 2", "wait 1", "recv 2", "close 0",
        ]),
    Forced("closed without an answer each time", arrivals: { Array(repeating: .end, count: 1000) }, .timedOut),
    Forced(
        "closed without an answer, and then nobody is there", connects: [0, error(ECONNREFUSED)],
        arrivals: { [.end] }, .refused),
    Forced(
        "reset in the middle of a reply is tried again",
        arrivals: { [text("200"), .error(ECONNRESET), text("0\n")] }, .complete),
    Forced("silence after half a reply", arrivals: { [text("200")] }, .timedOut),
    Forced("silence on every connection", commands: 8, .timedOut),
    Forced("silence, and commands that wait for a connection", commands: 20, .timedOut),
    Forced("silence", .timedOut, ["unix 100", "connect 0", "send 2", "wait 0", "close 0"]),
    Forced("an empty reply", arrivals: { [text("\n")] }, .malformed),
    Forced(
        "a reply without end",
        arrivals: { Array(repeating: .bytes([UInt8](repeating: 0x37, count: 300)), count: 1000) }, .malformed),
    Forced("ENOMEM from ppoll", waits: [error(ENOMEM)], failed(ENOMEM)),
    Forced(
        "ECONNREFUSED after an answer is tried again", commands: 9,
        connects: Array(repeating: 0, count: 8) + [error(ECONNREFUSED)],
        arrivals: { (0..<9).map { _ in text("0\n") } }, .complete),
    Forced("EMFILE in the middle", commands: 3, opens: [100, error(EMFILE)], failed(EMFILE)),
])
func streamErrors(_ forced: Forced) throws {
    try check(forced, framing: .stream)
}

@Test(arguments: [
    Forced(
        "a reply at once", arrivals: { [text("0\n")] }, .complete,
        ["tcp 100", "nodelay 0", "connect 0", "send 2", "wait 1", "recv 2", "close 0"]),
    Forced(
        "eight commands one round trip", commands: 8, arrivals: { [text("0\n1\n2\n3\n4\n5\n6\n7\n")] }, .complete,
        ["tcp 100", "nodelay 0", "connect 0", "send 16", "wait 1", "recv 16", "close 0"]),
    Forced(
        "a connection in the making", connects: [error(EINPROGRESS)], sends: [error(EAGAIN)],
        arrivals: { [text("0\n")] }, .complete,
        [
            "tcp 100", "nodelay 0", "connect EINPROGRESS", "send EAGAIN", "wait 1", "send 2", "recv 2", "close 0",
        ]),
    Forced(
        "a connection that is refused", connects: [error(ECONNREFUSED)], .refused,
        ["tcp 100", "nodelay 0", "connect ECONNREFUSED", "close 0"]),
    Forced(
        "a connection in the making that is refused", connects: [error(EINPROGRESS)],
        sends: [error(EAGAIN), error(ECONNREFUSED)], .refused,
        ["tcp 100", "nodelay 0", "connect EINPROGRESS", "send EAGAIN", "wait 1", "send ECONNREFUSED", "close 0"]),
    Forced(
        "a connection in the making that nobody answers", connects: [error(EINPROGRESS)],
        sends: [error(EAGAIN), error(ETIMEDOUT)], failed(ETIMEDOUT)),
    Forced("EMFILE from socket", opens: [error(EMFILE)], failed(EMFILE), ["tcp EMFILE"]),
    Forced("ENETUNREACH from connect", connects: [error(ENETUNREACH)], failed(ENETUNREACH)),
    Forced(
        "EINTR everywhere", opens: [error(EINTR), 100], connects: [error(EINTR)], sends: [error(EINTR), 2],
        arrivals: { [.error(EINTR), text("0\n")] }, waits: [error(EINTR)], .complete,
        [
            "tcp EINTR", "tcp 100", "nodelay 0", "connect EINTR", "send EINTR", "send 2", "wait EINTR", "wait 1",
            "recv EINTR", "recv 2", "close 0",
        ]),
    Forced(
        "short writes", commands: 2, sends: [1, 2, error(EAGAIN), 1], arrivals: { [text("0\n0\n")] }, .complete),
    Forced("a reply in drips", arrivals: { "20000 ::1 6\r\n".utf8.map { .bytes([$0]) } }, .complete),
    Forced(
        "closed without an answer, and answered on a new connection", arrivals: { [.end, text("0\n")] }, .complete,
        [
            "tcp 100", "nodelay 0", "connect 0", "send 2", "wait 1", "recv 0", "close 0", "tcp 101", "nodelay 0",
            "connect 0", "send 2", "wait 1", "recv 2", "close 0",
        ]),
    Forced(
        "EPIPE from send, and answered on a new connection", sends: [error(EPIPE)], arrivals: { [text("0\n")] },
        .complete),
    Forced(
        "only what has no answer is sent again", commands: 3, arrivals: { [text("0\n1"), .end, text("1\n2\n")] },
        .complete,
        [
            "tcp 100", "nodelay 0", "connect 0", "send 6", "wait 1", "recv 3", "wait 1", "recv 0", "close 0", "tcp 101",
            "nodelay 0", "connect 0", "send 4", "wait 1", "recv 4", "close 0",
        ]),
    Forced("closed twice without an answer", arrivals: { [.end, .end] }, failed(ECONNRESET)),
    Forced("reset twice", arrivals: { [.error(ECONNRESET), .error(ECONNRESET)] }, failed(ECONNRESET)),
    Forced(
        "closed, and nobody there any more", connects: [0, error(ECONNREFUSED)], arrivals: { [.end] }, .refused),
    Forced(
        "closed after an answer, refused for a while, and back", commands: 2,
        connects: [0, error(ECONNREFUSED), error(ECONNREFUSED), 0],
        arrivals: { [text("0\n"), .end, text("1\n")] }, .complete),
    Forced("silence", .timedOut, ["tcp 100", "nodelay 0", "connect 0", "send 2", "wait 0", "close 0"]),
    Forced("silence after half a reply", arrivals: { [text("200")] }, .timedOut),
    Forced("silence, and commands that wait for the window", commands: 20, .timedOut),
    Forced("an empty reply", arrivals: { [text("\n")] }, .malformed),
    Forced(
        "a reply of more than 1024 bytes", arrivals: { [text(String(repeating: "7", count: 1025) + "\n")] }, .malformed),
    Forced(
        "a reply without end",
        arrivals: { Array(repeating: .bytes([UInt8](repeating: 0x37, count: 300)), count: 1000) }, .malformed),
    Forced("more replies than commands", commands: 2, arrivals: { [text("0\n1\n2\n3\n")] }, .complete),
    Forced("ENOMEM from ppoll", waits: [error(ENOMEM)], failed(ENOMEM)),
])
func pipelineErrors(_ forced: Forced) throws {
    try check(forced, framing: .pipeline)
}

@Test func aPollEntryIsLaidOutAsThePollfdOfTheSystem() {
    #expect(MemoryLayout<PollEntry>.size == MemoryLayout<pollfd>.size)
    #expect(MemoryLayout<PollEntry>.stride == MemoryLayout<pollfd>.stride)
    #expect(MemoryLayout<PollEntry>.offset(of: \.descriptor) == MemoryLayout<pollfd>.offset(of: \.fd))
    #expect(MemoryLayout<PollEntry>.offset(of: \.events) == MemoryLayout<pollfd>.offset(of: \.events))
    #expect(MemoryLayout<PollEntry>.offset(of: \.arrived) == MemoryLayout<pollfd>.offset(of: \.revents))
    #expect(PollEntry.readable == Int16(POLLIN))
    #expect(PollEntry.writable == Int16(POLLOUT))
}

@Test func aByteRangeIsLaidOutAsTheRangeOfCPosix() {
    #expect(MemoryLayout<ByteRange>.stride == MemoryLayout<cposix_range>.stride)
    #expect(MemoryLayout<ByteRange>.offset(of: \.start) == MemoryLayout<cposix_range>.offset(of: \.start))
    #expect(MemoryLayout<ByteRange>.offset(of: \.count) == MemoryLayout<cposix_range>.offset(of: \.count))
}

@Test func onlyFaultsOfThisHostAreLocal() {
    for code in [EMFILE, ENFILE, ENOMEM, ENOBUFS, EMSGSIZE, EINVAL] { #expect(SystemError(code: code).isLocal) }
    for code in [ECONNREFUSED, ENETUNREACH, EHOSTUNREACH, ECONNRESET, ENOENT, EACCES, EPIPE] {
        #expect(!SystemError(code: code).isLocal)
    }
}
