// SPDX-License-Identifier: GPL-2.0-or-later
// What a group keeps between exchanges, and how many system calls an exchange costs, over a scripted system.

import Bytes
import Glibc
import Testing

@testable import Transport

private let budget: UInt64 = 100_000_000

/// A group over a script, and exchanges of `V` with it.
private struct Bench: ~Copyable {
    var core: ExchangeCore<ScriptedCalls>
    let script: Script
    var cookies = CookieSource()

    init(_ script: Script, members: Int = 1, nodes: Int = 1) {
        core = ExchangeCore(members: members, nodes: nodes)
        self.script = script
    }

    mutating func begin(_ member: Int, _ commands: Int = 1, framing: Framing = .datagram) {
        core.members[at: member].exchange.begin(
            now: script.clock, budget: budget, firstRetransmission: 40_000_000, framing: framing)
        for _ in 0..<commands {
            try? core.members[at: member].exchange.add(Array("V".utf8).span, cookies: &cookies)
        }
    }

    mutating func start(
        _ member: Int, node: Int = 0, _ address: SocketAddress, _ commands: Int = 1, framing: Framing = .datagram
    ) {
        begin(member, commands, framing: framing)
        core.start(member, node: node, address: address)
    }

    func isRunning(_ member: Int) -> Bool { core.members[at: member].isRunning }
    func sent(_ member: Int) -> Int { core.members[at: member].exchange.sent }
    func retransmitted(_ member: Int) -> Int { core.members[at: member].exchange.retransmitted }
    func roundTrip(_ member: Int) -> UInt64? { core.members[at: member].exchange.roundTrip }
    func reply(_ member: Int, _ command: Int) -> String? {
        guard let reply = core.members[at: member].exchange.reply(command) else { return nil }
        let incoming = core.members[at: member].exchange.incoming
        return String(decoding: incoming[reply.start..<reply.end], as: UTF8.self)
    }

    mutating func end(_ member: Int) -> ExchangeOutcome? {
        var steps = 0
        while core.members[at: member].isRunning, steps < 10_000 {
            core.step(until: .max)
            steps += 1
        }
        return core.takeOutcome(member)
    }
}

private func address(_ port: UInt64 = 9) -> SocketAddress {
    guard let address = SocketAddress(words: (4 | port << 16, 0x7F00_0001, 0)) else { fatalError("no address") }
    return address
}

private func withScript(_ body: (Script) throws -> Void) rethrows {
    let script = Script()
    try ScriptedCalls.$script.withValue(ScriptBox(script)) { try body(script) }
    #expect(script.isOpen.isEmpty)
    #expect(script.doubleCloses == 0)
}

@Test(arguments: 1...8)
func anExchangeWithinTheWindowCostsThreeSystemCalls(_ commands: Int) throws {
    try withScript { script in
        var bench = Bench(script)
        for _ in 0..<3 {
            let before = script.trace.count
            let first = script.sent.count
            script.bring((0..<commands).map { .reply(first + $0, "0\n") })
            bench.start(0, address(), commands)
            #expect(bench.end(0) == .complete)
            let calls = script.trace[before...].filter { !$0.hasPrefix("udp") && !$0.hasPrefix("connect") }
            #expect(calls == ["sendmmsg \(commands)", "wait 1", "recvmmsg \(commands)"])
        }
    }
}

@Test func datagramsThatWereHeldBackAreNoRetransmissions() throws {
    try withScript { script in
        var bench = Bench(script)
        script.sends = [2, Int64(-ENOBUFS)]
        script.bring((0..<3).map { .reply($0, "0\n") })
        bench.start(0, address(), 3)
        #expect(bench.end(0) == .complete)
        #expect(bench.retransmitted(0) == 0)
        #expect(bench.sent(0) == 3)
        #expect(bench.roundTrip(0) != nil)
        #expect(Set(script.sent).count == 3)
    }
}

@Test("A socket is kept until its address changes, its exchange fails, or the process is another")
func aSocketIsKeptUntilItCannotBeUsed() throws {
    try withScript { script in
        var bench = Bench(script)
        let (first, second) = (address(9), address(10))

        /// One exchange; which sockets were opened and closed for it.
        func run(_ bench: inout Bench, _ address: SocketAddress, answered: Bool = true) -> [String] {
            let before = script.trace.count
            script.bring([])
            script.replyToNextSend = answered
            bench.start(0, address)
            #expect(bench.end(0) == (answered ? .complete : .timedOut))
            return script.trace[before...].filter { $0.hasPrefix("udp") || $0.hasPrefix("close") }
        }

        #expect(run(&bench, first) == ["udp 100"])
        #expect(run(&bench, first) == [])
        #expect(run(&bench, second) == ["close 0", "udp 101"])
        #expect(run(&bench, second, answered: false) == [])
        #expect(run(&bench, second) == ["close 0", "udp 102"])
        script.process = 2
        #expect(run(&bench, second) == ["close 0", "udp 103"])
        #expect(run(&bench, second) == [])
    }
}

@Test func anAbandonedExchangeLeavesASocketThatIsOpenedAnew() throws {
    try withScript { script in
        var bench = Bench(script)
        bench.start(0, address())
        bench.core.abandon(0)
        #expect(bench.isRunning(0) == false)
        #expect(bench.core.takeOutcome(0) == nil)
        script.replyToNextSend = true
        bench.start(0, address())
        #expect(bench.end(0) == .complete)
        #expect(script.trace.filter { $0.hasPrefix("udp") } == ["udp 100", "udp 101"])
    }
}

@Test func repliesFindTheirMemberOverOneSocketInAnyOrder() throws {
    try withScript { script in
        var bench = Bench(script, members: 300)
        for member in 0..<300 { bench.start(member, address(), 3) }
        // The last datagram first; late, foreign and garbled ones in between.
        var arrivals: [Script.Arrival] = []
        for index in (0..<900).reversed() {
            arrivals.append(.reply(index, "\(index)\n"))
            arrivals.append(.reply(index, "late\n"))
            var garbled = Array(script.sent[index].prefix(CookieSource.length)) + Array(" 5\n".utf8)
            garbled[index % CookieSource.length] ^= 0x08
            arrivals.append(.bytes(garbled))
        }
        script.bring(arrivals)
        for member in 0..<300 {
            #expect(bench.end(member) == .complete)
            for command in 0..<3 {
                #expect(bench.reply(member, command) == "\(member * 3 + command)")
            }
        }
        #expect(script.trace.filter { $0.hasPrefix("udp") } == ["udp 100"])
    }
}

@Test func aRefusalEndsAllExchangesWithThatNodeAndNoOthers() throws {
    try withScript { script in
        var bench = Bench(script, members: 3, nodes: 2)
        bench.start(0, node: 0, address())
        bench.start(1, node: 0, address())
        script.bring([.error(ECONNREFUSED)])
        script.waits = [1]
        bench.core.step(until: .max)
        #expect(bench.core.takeOutcome(0) == .refused)
        #expect(bench.core.takeOutcome(1) == .refused)
        bench.start(2, node: 1, address())
        script.bring([])
        #expect(bench.isRunning(2) == true)
        bench.core.abandon(2)
    }
}

@Test func whatHasArrivedCountsAlthoughTheDeadlineIsOver() throws {
    try withScript { script in
        var bench = Bench(script)
        bench.start(0, address())
        script.bring([.reply(0, "0\n")])
        script.pass(10 * budget)
        bench.core.step(until: .max)
        #expect(bench.core.takeOutcome(0) == .complete)
    }
}

@Test func aStepWithoutAnythingUnderWayWaitsUntilItsDeadline() throws {
    try withScript { script in
        var bench = Bench(script)
        let deadline = script.clock + 5_000_000
        bench.core.step(until: deadline)
        #expect(script.clock >= deadline)
        #expect(script.trace == ["wait 0"])
    }
}

@Test func nodesThatAreNotThereAndFramingsThatDoNotFitAreRefused() throws {
    try withScript { script in
        var bench = Bench(script)
        let path = Array("/run/x".utf8)
        for node in [-1, 1, Int.max, Int.min] {
            bench.start(0, node: node, address())
            #expect(bench.core.takeOutcome(0) == .failed(.invalid))
        }
        for member in [-1, 1, Int.max, Int.min] {
            bench.core.start(member, node: 0, address: address())
            #expect(bench.core.takeOutcome(member) == nil)
            bench.core.abandon(member)
        }
        bench.begin(0, framing: .datagram)
        bench.core.start(0, node: 0, path.span, path: path.span.all)
        #expect(bench.core.takeOutcome(0) == .failed(.invalid))
        bench.start(0, address(), framing: .stream)
        #expect(bench.core.takeOutcome(0) == .failed(.invalid))
        #expect(script.trace.isEmpty)
    }
}

@Test func aCommandThatNobodyWaitsForIsOneDatagram() throws {
    try withScript { script in
        var bench = Bench(script)
        let command = Array("D call from".utf8)
        func send(_ bench: inout Bench) -> Bool {
            bench.core.sendOnce(
                0, address: address(), framing: .datagram, command.span, command.span.all, &bench.cookies)
        }
        #expect(send(&bench) == true)
        script.sends = [Int64(-ECONNREFUSED)]
        #expect(send(&bench) == true, "the refusal is an earlier one's")
        script.sends = [Int64(-ENOBUFS)]
        #expect(send(&bench) == false)
        #expect(script.sent.map { Array($0.dropFirst(CookieSource.length)) } == [[0x20] + command, [0x20] + command])
        // Its answer is nobody's.
        script.bring([.reply(0, "0\n"), .reply(2, "1\n")])
        bench.start(0, address())
        #expect(bench.end(0) == .complete)
        #expect(script.trace.filter { $0.hasPrefix("udp") } == ["udp 100"])
    }
}

@Test("A unix connection with a command that nobody waits for stays open for a while")
func aUnixConnectionThatNobodyWaitsForStaysOpenForAWhile() throws {
    withScript { script in
        var bench = Bench(script)
        let (command, path) = (Array("D call from".utf8), Array("/run/x".utf8))
        func send(_ bench: inout Bench) -> Bool {
            bench.core.sendOnce(
                0, path.span, path: path.span.all, framing: .stream, command.span, command.span.all)
        }
        for _ in 0..<UnawaitedStreams<ScriptedCalls>.count { #expect(send(&bench) == true) }
        #expect(script.isOpen.count == UnawaitedStreams<ScriptedCalls>.count)
        #expect(script.sent.allSatisfy { $0 == command + [0x0A] })
        #expect(send(&bench) == true)
        #expect(script.isOpen.count == UnawaitedStreams<ScriptedCalls>.count)
        script.connects = [Int64(-ECONNREFUSED)]
        #expect(send(&bench) == false)
    }
}

@Test func aConnectionIsKeptUntilATimeoutAnAddressOrAnotherProcess() throws {
    try withScript { script in
        var bench = Bench(script)
        func run(_ bench: inout Bench, _ port: UInt64, _ arrivals: [Script.Arrival]) -> [String] {
            let before = script.trace.count
            script.bring(arrivals)
            bench.start(0, address(port), framing: .pipeline)
            #expect(bench.end(0) == (arrivals.isEmpty ? .timedOut : .complete))
            return script.trace[before...].filter { $0.hasPrefix("tcp") || $0.hasPrefix("close") }
        }
        let answer = [Script.Arrival.bytes(Array("0\n".utf8))]
        // On a connection that was idle nothing is to be found before the command goes.
        let nothing = [Script.Arrival.error(EAGAIN)]
        #expect(run(&bench, 9, answer) == ["tcp 100"])
        #expect(run(&bench, 9, nothing + answer) == [])
        #expect(run(&bench, 10, answer) == ["close 0", "tcp 101"])
        #expect(run(&bench, 10, []) == ["close 0"])
        #expect(run(&bench, 10, answer) == ["tcp 102"])
        script.process = 2
        #expect(run(&bench, 10, answer) == ["close 0", "tcp 103"])
        // The peer has closed it while it was idle.
        #expect(run(&bench, 10, [.end] + answer) == ["close 0", "tcp 104"])
        #expect(bench.retransmitted(0) == 0)
        // The peer closes it just then.
        #expect(run(&bench, 10, nothing + [.end] + answer) == ["close 0", "tcp 105"])
        #expect(bench.retransmitted(0) == 1)
        #expect(bench.roundTrip(0) == nil)
        // A reply too many: nobody knows any more which is whose.
        #expect(run(&bench, 10, [.bytes(Array("1\n".utf8))] + answer) == ["close 0", "tcp 106"])
        #expect(bench.reply(0, 0) == "0")
        // The beginning of one stays behind a whole reply.
        #expect(run(&bench, 10, nothing + [.bytes(Array("0\n1".utf8))]) == [])
        #expect(run(&bench, 10, answer) == ["close 0", "tcp 107"])
        #expect(bench.reply(0, 0) == "0")
    }
}

@Test func theReplyToAnAbandonedCommandOnAStreamIsNobodys() throws {
    try withScript { script in
        var bench = Bench(script, members: 2)
        let wire = { (text: String) in [Script.Arrival.bytes(Array(text.utf8))] }
        bench.start(0, address(), 2, framing: .pipeline)
        bench.core.abandon(0)
        bench.start(0, address(), framing: .pipeline)
        bench.start(1, address(), framing: .pipeline)
        script.bring(wire("late\nlate\nmine\nyours\n"))
        #expect(bench.end(0) == .complete)
        #expect(bench.end(1) == .complete)
        #expect(bench.reply(0, 0) == "mine")
        #expect(bench.reply(1, 0) == "yours")
        #expect(script.trace.filter { $0.hasPrefix("tcp") } == ["tcp 100"])
    }
}

@Test func aConnectionWithTooManyForsakenRepliesIsGivenUp() throws {
    try withScript { script in
        var bench = Bench(script)
        for _ in 0..<20 {
            bench.start(0, address(), 8, framing: .pipeline)
            bench.core.abandon(0)
        }
        let waiting = bench.core.nodes[at: 0].link.waiting
        #expect(waiting <= StreamLink<ScriptedCalls>.mostForsaken + 8)
        #expect(script.trace.filter { $0.hasPrefix("tcp") }.count > 1)
    }
}

@Test("A timeout of one exchange over a connection sends the others' commands again")
func aTimeoutOverAConnectionSendsTheOthersCommandsAgain() throws {
    try withScript { script in
        var bench = Bench(script, members: 2)
        bench.start(0, address(), framing: .pipeline)
        script.pass(budget / 2)
        bench.start(1, address(), framing: .pipeline)
        #expect(bench.end(0) == .timedOut)
        script.bring([.bytes(Array("0\n".utf8))])
        #expect(bench.end(1) == .complete)
        #expect(script.trace.filter { $0.hasPrefix("tcp") } == ["tcp 100", "tcp 101"])
        #expect(script.sent.map { String(decoding: $0, as: UTF8.self) } == ["V\n", "V\n", "V\n"])
    }
}

@Test func aConnectionThatIsNeverIdleKeepsNoMoreThanAFewCommands() {
    withScript { script in
        var bench = Bench(script, members: 2)
        // Always one command ahead, so that a reply is awaited at every moment; of each the line end stays behind.
        script.sends = [1]
        bench.start(0, address(), framing: .pipeline)
        var (mostTickets, mostOutput) = (0, 0)
        for number in 0..<100_000 {
            script.sends = [2]
            bench.start((number + 1) % 2, address(), framing: .pipeline)
            script.sends = [Int64](repeating: Int64(-EAGAIN), count: 4)
            script.bring([.bytes(Array("0\n".utf8))])
            guard bench.end(number % 2) == .complete else {
                Issue.record("command \(number) has no reply")
                break
            }
            mostTickets = max(mostTickets, bench.core.nodes[at: 0].link.tickets.count)
            mostOutput = max(mostOutput, bench.core.nodes[at: 0].link.output.count)
            script.forgetTrace()
        }
        #expect(mostTickets <= 130)
        #expect(mostOutput <= 40_000)
        bench.core.abandon(0)
    }
}
