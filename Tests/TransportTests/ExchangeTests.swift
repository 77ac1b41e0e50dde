// SPDX-License-Identifier: GPL-2.0-or-later
// The exchange under a clock of our own: no socket, no waiting.

import Bytes
import Testing

@testable import Transport

private let millisecond: UInt64 = 1_000_000

/// An exchange with `count` commands `V0`, `V1`, ... begun at time 0.
private func begin(
    _ count: Int, budget: UInt64 = 1000, first: UInt64 = 20, window: Int = 8, framing: Framing = .datagram
) throws -> Exchange {
    var cookies = CookieSource()
    var exchange = Exchange()
    exchange.begin(
        now: 0, budget: budget * millisecond, firstRetransmission: first * millisecond, window: window,
        framing: framing)
    for index in 0..<count { try exchange.add(Array("V\(index)".utf8).span, cookies: &cookies) }
    return exchange
}

private func sendAll(_ exchange: inout Exchange, at time: UInt64) -> [Int] {
    var sent: [Int] = []
    while let index = exchange.due(now: time * millisecond) { sent.append(index) }
    return sent
}

private func wire(_ exchange: borrowing Exchange, _ index: Int) -> String {
    let range = exchange.wire(index)
    return String(decoding: exchange.outgoing[range.start..<range.end], as: UTF8.self)
}

private func cookie(_ exchange: borrowing Exchange, _ index: Int) -> String {
    String(wire(exchange, index).prefix(CookieSource.length))
}

private func reply(_ exchange: borrowing Exchange, _ index: Int) -> String? {
    exchange.reply(index).map { String(decoding: exchange.incoming[$0.start..<$0.end], as: UTF8.self) }
}

private func receive(_ exchange: inout Exchange, _ datagram: String, at time: UInt64) -> Arrival {
    exchange.receive(datagram: Array(datagram.utf8).span, now: time * millisecond)
}

private func answer(_ exchange: inout Exchange, _ index: Int, _ text: String, at time: UInt64) -> Arrival {
    let datagram = cookie(exchange, index) + " " + text
    return receive(&exchange, datagram, at: time)
}

@Test func aDatagramIsCookieBlankCommand() throws {
    let exchange = try begin(2)
    #expect(wire(exchange, 0).hasSuffix(" V0"))
    #expect(wire(exchange, 0).utf8.count == CookieSource.length + 3)
    #expect(cookie(exchange, 0) != cookie(exchange, 1))
}

@Test func aStreamCommandIsTheCommandAndLF() throws {
    let exchange = try begin(2, framing: .stream)
    #expect(wire(exchange, 0) == "V0\n")
    #expect(wire(exchange, 1) == "V1\n")
}

@Test func commandsThatAreWithinTheWindowGoOutAtOnce() throws {
    var exchange = try begin(11)
    #expect(sendAll(&exchange, at: 0) == [0, 1, 2, 3, 4, 5, 6, 7])
    #expect(answer(&exchange, 3, "0\n", at: 1) == .matched(3))
    #expect(answer(&exchange, 0, "0\n", at: 1) == .matched(0))
    #expect(sendAll(&exchange, at: 1) == [8, 9])
    #expect(exchange.sent == 10)
}

@Test func theWindowIsWithinOneAndEight() throws {
    for (asked, got) in [(0, 1), (-5, 1), (3, 3), (100, 8)] {
        var exchange = try begin(20, window: asked)
        #expect(sendAll(&exchange, at: 0).count == got)
    }
}

@Test func anExchangeIsCompleteWhenEveryCommandHasItsReply() throws {
    var exchange = try begin(3)
    #expect(exchange.phase == .running)
    _ = sendAll(&exchange, at: 0)
    #expect(answer(&exchange, 2, "20002 10.0.0.1\r\n", at: 1) == .matched(2))
    #expect(answer(&exchange, 0, "20000\n", at: 2) == .matched(0))
    #expect(exchange.phase == .running)
    #expect(answer(&exchange, 1, "E50", at: 3) == .matched(1))
    #expect(exchange.phase == .complete)
    #expect((0..<3).map { reply(exchange, $0) } == ["20000", "E50", "20002 10.0.0.1"])
    #expect(sendAll(&exchange, at: 500).isEmpty)
}

@Test func anExchangeWithoutCommandsIsComplete() throws {
    var exchange = try begin(0)
    #expect(exchange.phase == .complete)
    #expect(sendAll(&exchange, at: 0).isEmpty)
    #expect(exchange.reply(0) == nil)
    #expect(exchange.wire(0) == .empty)
    #expect(exchange.reply(-1) == nil)
}

@Test func retransmissionsAreTheSameBytesAtDoublingIntervals() throws {
    var exchange = try begin(1, budget: 1000, first: 20)
    let text = wire(exchange, 0)
    var times: [UInt64] = []
    for time in 0..<1100 {
        for index in sendAll(&exchange, at: UInt64(time)) {
            times.append(UInt64(time))
            #expect(wire(exchange, index) == text)
        }
    }
    #expect(times == [0, 20, 60, 140, 300, 620])
    #expect(exchange.retransmitted == 5)
    #expect(exchange.phase == .expired)
}

@Test func theNextDeadlineIsTheNextRetransmissionOrTheEndOfTheBudget() throws {
    var exchange = try begin(2, budget: 100, first: 30)
    _ = sendAll(&exchange, at: 5)
    #expect(exchange.nextDeadline == 35 * millisecond)
    #expect(answer(&exchange, 0, "0", at: 6) == .matched(0))
    #expect(sendAll(&exchange, at: 36) == [1])
    #expect(exchange.nextDeadline == 96 * millisecond)
    #expect(sendAll(&exchange, at: 96) == [1])
    #expect(exchange.nextDeadline == 100 * millisecond)
}

@Test func nothingIsSentFromTheDeadlineOn() throws {
    for budget in [UInt64(0), 1, 7, 20, 21, 60, 999] {
        var exchange = try begin(9, budget: budget)
        var time: UInt64 = 0
        var steps = 0
        while exchange.phase == .running, steps < 1000 {
            for _ in sendAll(&exchange, at: time) { #expect(time < budget) }
            #expect(exchange.nextDeadline <= budget * millisecond)
            time = max(time + 1, exchange.nextDeadline / millisecond)
            steps += 1
        }
        #expect(exchange.phase == .expired)
        #expect(time <= budget + 2)
    }
}

@Test func aSleeperDoesNotSendWhatItMissedInABurst() throws {
    var exchange = try begin(1, budget: 10_000, first: 20)
    _ = sendAll(&exchange, at: 0)
    #expect(sendAll(&exchange, at: 5000) == [0])
    #expect(sendAll(&exchange, at: 5039).isEmpty)
    #expect(sendAll(&exchange, at: 5040) == [0])
}

@Test func timesNearTheEndOfTheClockDoNotTrap() throws {
    var cookies = CookieSource()
    var exchange = Exchange()
    exchange.begin(now: .max - 5, budget: .max, firstRetransmission: .max)
    try exchange.add(Array("V".utf8).span, cookies: &cookies)
    #expect(exchange.due(now: .max - 5) == 0)
    #expect(exchange.nextDeadline == .max)
    #expect(exchange.due(now: .max - 1) == nil)
    #expect(exchange.due(now: .max) == nil)
    #expect(exchange.phase == .expired)
}

@Test func aFirstRetransmissionOfZeroDoesNotSpin() throws {
    var exchange = try begin(1, budget: 100, first: 0)
    #expect(sendAll(&exchange, at: 0) == [0])
    #expect(exchange.nextDeadline == Exchange.minimumRetransmission)
}

@Test func aSecondReplyIsADuplicateAndTheFirstOneStays() throws {
    var exchange = try begin(2)
    _ = sendAll(&exchange, at: 0)
    #expect(answer(&exchange, 1, "20000", at: 1) == .matched(1))
    #expect(answer(&exchange, 1, "30000", at: 2) == .duplicate(1))
    #expect(reply(exchange, 1) == "20000")
    #expect(exchange.answered == 1)
}

@Test func repliesOfAnEarlierExchangeAreForeign() throws {
    var cookies = CookieSource()
    var exchange = try begin(1)
    _ = sendAll(&exchange, at: 0)
    let old = cookie(exchange, 0)
    exchange.begin(now: 0, budget: 1000 * millisecond, firstRetransmission: 20 * millisecond)
    try exchange.add(Array("V".utf8).span, cookies: &cookies)
    _ = sendAll(&exchange, at: 0)
    #expect(receive(&exchange, old + " 20000", at: 1) == .foreign)
    #expect(exchange.foreign == 1)
    #expect(exchange.answered == 0)
    #expect(exchange.phase == .running)
}

@Test func aCookieMatchesCompletelyOrNotAtAll() throws {
    var exchange = try begin(1)
    _ = sendAll(&exchange, at: 0)
    let mine = cookie(exchange, 0)
    let strangers = [
        "", " ", mine, String(mine.dropLast()) + " 0", mine + "x 0", String(mine.dropFirst()) + " 0", " " + mine + " 0",
        mine.uppercased() + "! 0", mine + "\t0", mine + "\n0", "20000", String(repeating: " ", count: 3000),
    ]
    for datagram in strangers { #expect(receive(&exchange, datagram, at: 1) == .foreign) }
    #expect(exchange.foreign == strangers.count)
    #expect(receive(&exchange, mine + " 0", at: 1) == .matched(0))
}

@Test func theCookieOfACommandThatWasNotSentIsForeign() throws {
    var exchange = try begin(2, window: 1)
    _ = sendAll(&exchange, at: 0)
    #expect(answer(&exchange, 1, "0", at: 1) == .foreign)
}

@Test func noPrefixAndNoGarbledByteOfADatagramTraps() throws {
    var exchange = try begin(2)
    _ = sendAll(&exchange, at: 0)
    let whole = Array((cookie(exchange, 0) + " 20000 10.0.0.1\n").utf8)
    for count in 0...CookieSource.length {
        let part = Array(whole[..<count])
        #expect(exchange.receive(datagram: part.span, now: 1) == .foreign)
    }
    for position in 0...CookieSource.length {
        for poison in [UInt8(0), 0x0A, 0x20, 0x7F, 0xFF] where poison != whole[position] {
            var garbled = whole
            garbled[position] = poison
            #expect(exchange.receive(datagram: garbled.span, now: 1) == .foreign)
        }
    }
    #expect(exchange.receive(datagram: whole.span, now: 1) == .matched(0))
}

@Test func aReplyKeepsItsBytesWhateverTheyAre() throws {
    var exchange = try begin(1)
    _ = sendAll(&exchange, at: 0)
    let body: [UInt8] = [0, 0xFF, 0x0A, 0x0D, 0x20, 0x41]
    let datagram = Array(exchange.outgoing[..<CookieSource.length]) + [0x20] + body + [0x0D, 0x0A, 0x0A]
    #expect(exchange.receive(datagram: datagram.span, now: 1) == .matched(0))
    let position = exchange.reply(0)
    let range = try #require(position)
    #expect(Array(exchange.incoming[range.start..<range.end]) == body)
}

@Test(arguments: [(1, true), (1024, true), (1025, false), (60_000, false), (0, false)])
func repliesOfOneTo1024BytesAreReplies(_ length: Int, _ isReply: Bool) throws {
    var exchange = try begin(1)
    _ = sendAll(&exchange, at: 0)
    let arrival = answer(&exchange, 0, String(repeating: "7", count: length) + "\n", at: 1)
    #expect(arrival == (isReply ? .matched(0) : .malformed(0)))
    #expect(exchange.phase == (isReply ? .complete : .malformed))
    #expect((exchange.reply(0) != nil) == isReply)
}

@Test func whatComesAfterTheEndIsForeignAndSendsNothing() throws {
    var exchange = try begin(1, budget: 10)
    _ = sendAll(&exchange, at: 0)
    #expect(sendAll(&exchange, at: 10).isEmpty)
    #expect(exchange.phase == .expired)
    #expect(answer(&exchange, 0, "0", at: 11) == .foreign)
    #expect(exchange.phase == .expired)
    #expect(exchange.reply(0) == nil)
}

@Test func aReplyThatLayReadyAtTheDeadlineCounts() throws {
    var exchange = try begin(1, budget: 10)
    _ = sendAll(&exchange, at: 0)
    #expect(answer(&exchange, 0, "0", at: 11) == .matched(0))
    #expect(exchange.phase == .complete)
}

@Test func roundTripsAreSampledOnlyFromCommandsThatWereSentOnce() throws {
    var exchange = try begin(3, first: 20)
    _ = sendAll(&exchange, at: 0)
    #expect(exchange.roundTrip == nil)
    _ = answer(&exchange, 0, "0", at: 3)
    #expect(exchange.roundTrip == 3 * millisecond)
    _ = answer(&exchange, 1, "0", at: 7)
    #expect(exchange.roundTrip == 7 * millisecond)
    #expect(sendAll(&exchange, at: 20) == [2])
    _ = answer(&exchange, 2, "0", at: 21)
    #expect(exchange.phase == .complete)
    #expect(exchange.roundTrip == 7 * millisecond)
}

@Test func streamCommandsAreSentOnceAndAnsweredByIndex() throws {
    var exchange = try begin(3, budget: 1000, first: 20, window: 2, framing: .stream)
    #expect(sendAll(&exchange, at: 0) == [0, 1])
    #expect(exchange.nextDeadline == 1000 * millisecond)
    #expect(sendAll(&exchange, at: 900).isEmpty)
    let text = Array("xx20000\r\nyy".utf8)
    #expect(exchange.receive(text.span, ByteRange(start: 2, count: 7), for: 1, now: 0) == .matched(1))
    #expect(reply(exchange, 1) == "20000")
    #expect(exchange.receive(text.span, text.span.all, for: 2, now: 0) == .foreign, "not sent yet")
    #expect(exchange.receive(text.span, text.span.all, for: 7, now: 0) == .foreign)
    #expect(receive(&exchange, "whatever it is", at: 1) == .foreign)
}

@Test func commandsThatCannotBeSentAreRefusedAndLeaveNothingBehind() throws {
    var cookies = CookieSource()
    var exchange = try begin(1)
    let before = exchange.outgoing
    for (bytes, reason) in [
        ([UInt8](), ExchangeError.unfit), ([0x56, 0x0A], .unfit), ([0x0D, 0x56], .unfit), ([0x56, 0, 0x56], .unfit),
        ([UInt8](repeating: 0x56, count: 8192), .tooLong),
    ] {
        var thrown: ExchangeError?
        do throws(ExchangeError) { try exchange.add(bytes.span, cookies: &cookies) } catch { thrown = error }
        #expect(thrown == reason)
    }
    #expect(exchange.outgoing == before)
    #expect(exchange.count == 1)
    try exchange.add([UInt8](repeating: 0x56, count: 8191).span, cookies: &cookies)
    #expect(exchange.wire(1).count == CookieSource.length + 1 + 8191)
}

@Test func the257thCommandIsRefusedAndTheOthersAreAllAnswered() throws {
    var cookies = CookieSource()
    var exchange = try begin(256)
    var thrown: ExchangeError?
    do throws(ExchangeError) { try exchange.add(Array("V".utf8).span, cookies: &cookies) } catch { thrown = error }
    #expect(thrown == .tooMany)
    var rounds = 0
    while exchange.phase == .running, rounds < 1000 {
        for index in sendAll(&exchange, at: 0).reversed() { _ = answer(&exchange, index, "\(index)\n", at: 1) }
        rounds += 1
    }
    #expect(exchange.phase == .complete)
    #expect(rounds == 32)
    #expect((0..<256).allSatisfy { reply(exchange, $0) == "\($0)" })
}

@Test func aBegunExchangeKeepsNothingButCapacity() throws {
    var exchange = try begin(3)
    _ = sendAll(&exchange, at: 0)
    _ = answer(&exchange, 0, "0", at: 1)
    let capacity = exchange.outgoing.memory.capacity
    exchange.begin(now: 0, budget: 1, firstRetransmission: 1, framing: .stream)
    #expect(exchange.count == 0 && exchange.sent == 0 && exchange.answered == 0 && exchange.roundTrip == nil)
    #expect(exchange.outgoing.isEmpty && exchange.incoming.isEmpty)
    #expect(exchange.outgoing.memory.capacity == capacity)
    #expect(exchange.reply(0) == nil)
}
