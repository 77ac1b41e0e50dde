// SPDX-License-Identifier: GPL-2.0-or-later
// What becomes of a call at RTPProxies that are slow, silent, short, full or strangers to it: every rule a row.

import ControlProtocol
import Testing

@testable import CallControl

@Suite struct CommandRunTests {
    private static let short = CallFailure.relayError(ErrorCode(71))
    private static let bad = CallFailure.relayError(ErrorCode(1))

    // MARK: - Slow and silent

    private static let slow: [RunRow] = [
        RunRow(
            "a first node that is slow: the next is asked, too, and the loser's session deleted", .offer, [0, 1, 2],
            [
                (.at(0), "ask 0 until 1000, wait 250"),
                (.at(250), "look 0, ask 1 until 1000, wait 500"),
                (.success(1), "leave 0 slow delete, done"),
            ]),
        RunRow(
            "slow is four round trips", .offer, [0, 1], roundTrip: 30,
            [(.at(0), "ask 0 until 1000, wait 120"), (.at(120), "look 0, ask 1 until 1000, wait 240")]),
        RunRow(
            "slow is 50 ms at least", .offer, [0, 1], roundTrip: 1, [(.at(0), "ask 0 until 1000, wait 50")]),
        RunRow(
            "slow is 250 ms at most", .offer, [0, 1], roundTrip: 900,
            [(.at(0), "ask 0 until 1000, wait 250"), (.at(250), "look 0, ask 1 until 1000, wait 500")]),
        RunRow(
            "no more than four are asked at once", .offer, [0, 1, 2, 3, 4], roundTrip: 1,
            [
                (.at(0), "ask 0 until 1000, wait 50"), (.at(50), "look 0, ask 1 until 1000, wait 100"),
                (.at(100), "look 1, ask 2 until 1000, wait 150"), (.at(150), "look 2, ask 3 until 1000, wait 200"),
                (.at(200), "look 3, wait"),
                (.refused(2, answeredAt: 0, isDatagram: true), "down 2, ask 4 until 1000, wait 250"),
            ]),
        RunRow(
            "where all are slow, all of it ends with the one budget", .offer, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"), (.at(250), "look 0, ask 1 until 1000, wait 500"),
                (.at(500), "look 1, wait"), (.silent(0, answeredAt: 0), "down 0, wait"),
                (.at(1000), "wait"), (.silent(1, answeredAt: 0), "down 1, fail no node"),
            ]),
        RunRow(
            "who is asked last may still answer where nobody else is left", .offer, [0],
            [(.at(0), "ask 0 until 1000, wait 250"), (.at(250), "look 0, wait"), (.success(0), "done")]),
        RunRow(
            "without hedging, or a table of calls, one is asked after the other", .offerOneByOne, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"), (.at(250), "look 0, wait"), (.at(999), "wait"),
                (.success(0), "done"),
            ]),
        RunRow(
            "without hedging a dead node leaves the next the time of a command", .offerOneByOne, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"), (.at(1000), "look 0, wait"),
                (.silent(0, answeredAt: 0), "down 0, ask 1 until 2000, wait 1250"),
            ]),
        RunRow(
            "without hedging living nodes cost no more than the time of one command", .offerOneByOne, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"), (.at(1000), "look 0, wait"),
                (.silent(0, answeredAt: 500), "look 0, fail unanswered"),
            ]),
        RunRow(
            "an answer or a deletion waits for its node alone", .answer, [0, 1],
            [(.at(0), "ask 0 until 1000, wait 250"), (.at(250), "look 0, wait"), (.at(999), "wait")]),
        RunRow(
            "silence is looked at after a quarter of the budget at the latest", .answer, [0], budget: 400,
            [(.at(0), "ask 0 until 400, wait 100"), (.at(100), "look 0, wait")]),
    ]

    // MARK: - Failed

    private static let failed: [RunRow] = [
        RunRow(
            "a dead node is taken out and the next asked, each with a budget of its own", .answer, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"), (.at(1000), "look 0, wait"),
                (.silent(0, answeredAt: 0), "down 0, ask 1 until 2000, wait 1250"), (.success(1), "done"),
            ]),
        RunRow(
            "each node is asked at most once, then there is none", .answer, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"),
                (.refused(0, answeredAt: 0, isDatagram: true), "down 0, ask 1 until 1000, wait 250"),
                (.refused(1, answeredAt: 0, isDatagram: true), "down 1, fail no node"),
            ]),
        RunRow(
            "no control protocol is as good as no answer", .answer, [0, 1],
            [(.at(0), "ask 0 until 1000, wait 250"), (.malformed(0), "down 0, ask 1 until 1000, wait 250")]),
        RunRow(
            "a node that has answered anything since it was asked is not dead; the command fails", .answer, [0, 1],
            [
                (.at(5), "ask 0 until 1005, wait 255"), (.at(1005), "look 0, wait"),
                (.silent(0, answeredAt: 5), "look 0, fail unanswered"),
            ]),
        RunRow(
            "an answer from before the command proves nothing", .answer, [0, 1],
            [
                (.at(5), "ask 0 until 1005, wait 255"), (.at(1005), "look 0, wait"),
                (.silent(0, answeredAt: 4), "down 0, ask 1 until 2005, wait 1255"),
            ]),
        RunRow(
            "a datagram refused by one that has ever answered proves nothing; the next is asked", .answer, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"),
                (.refused(0, answeredAt: 1, isDatagram: true), "look 0, ask 1 until 1000, wait 250"),
            ]),
        RunRow(
            "a refused connection proves that the node is gone", .answer, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"),
                (.refused(0, answeredAt: 1, isDatagram: false), "down 0, ask 1 until 1000, wait 250"),
            ]),
        RunRow(
            "living nodes that refuse are what the log tells of where nobody is left", .offer, [0],
            [
                (.at(0), "ask 0 until 1000, wait 250"),
                (.refused(0, answeredAt: 1, isDatagram: true), "look 0, fail unanswered"),
            ]),
        RunRow(
            "what this machine lacks is no node's fault", .offer, [0, 1],
            [(.at(0), "ask 0 until 1000, wait 250"), (.local(0), "fail system")]),
        RunRow(
            "no node at all", .offer, [], [(.at(0), "fail no node")]),
        RunRow(
            "a node that has not answered since start is waited for as long as one command takes", .answer, [],
            mayCome: true,
            [
                (.at(0), "wait 2"), (.at(2), "wait 4"), (.at(998), "wait 1000"), (.at(1000), "fail no node"),
            ]),
        RunRow(
            "one that answers at last is asked", .offer, [], mayCome: true,
            [(.at(0), "wait 2"), (.nodesLeft([3]), "wait 2"), (.at(2), "ask 3 until 1002, wait 252")]),
    ]

    // MARK: - Errors

    private static let errors: [RunRow] = [
        RunRow(
            "a shortage tries the next node", .offer, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"), (.error(0, short), "ask 1 until 1000, wait 250"),
                (.success(1), "done"),
            ]),
        RunRow(
            "a shortage everywhere is an error", .offer, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"), (.error(0, short), "ask 1 until 1000, wait 250"),
                (.error(1, short), "fail relayError"),
            ]),
        RunRow(
            "a shortage of a session that exists is an error", .answer, [0, 1],
            [(.at(0), "ask 0 until 1000, wait 250"), (.error(0, short), "fail relayError")]),
        RunRow(
            "any other error fails at once; what a slow one may create is deleted", .offer, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"), (.at(250), "look 0, ask 1 until 1000, wait 500"),
                (.error(1, bad), "leave 0 slow delete, fail relayError"),
            ]),
        RunRow(
            "what an offer that fails has created is deleted, and its answer waited for", .offer, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"), (.created(0, bad), "undo 0 until 1000, wait"),
                (.undone(0), "fail relayError"),
            ]),
        RunRow(
            "what was created where streams are short is deleted while the next is asked", .offer, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"),
                (.created(0, short), "undo 0 until 1000, ask 1 until 1000, wait 250"),
                (.success(1), "leave 0, done"),
            ]),
        RunRow(
            "a deletion for which no time is left is not waited for", .offer, [0],
            [
                (.at(0), "ask 0 until 1000, wait 250"), (.at(1000), "look 0, wait"),
                (.created(0, bad), "delete 0, fail relayError"),
            ]),
        RunRow(
            "what an answer was refused is not deleted: it was there", .answer, [0],
            [(.at(0), "ask 0 until 1000, wait 250"), (.created(0, bad), "fail relayError")]),
    ]

    // MARK: - Searching

    private static let searches: [RunRow] = [
        RunRow(
            "a session that its node does not know is asked for at the others, eight at once", .answer,
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            [
                (.at(0), "ask 0 until 1000, wait 250"),
                (
                    .unknown(0),
                    """
                    ask 1 until 1000, ask 2 until 1000, ask 3 until 1000, ask 4 until 1000, ask 5 until 1000, \
                    ask 6 until 1000, ask 7 until 1000, ask 8 until 1000, wait 250
                    """
                ),
                (.unknown(3), "ask 9 until 1000, wait 250"),
                (
                    .success(5),
                    """
                    leave 1, leave 2, leave 9, leave 4, leave 6, leave 7, leave 8, done
                    """
                ),
            ]),
        RunRow(
            "what nobody knows fails", .answer, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"), (.unknown(0), "ask 1 until 1000, wait 250"),
                (.unknown(1), "fail unknownCall"),
            ]),
        RunRow(
            "what nobody knows is as good as deleted", .delete, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"), (.unknown(0), "ask 1 until 1000, wait 250"),
                (.unknown(1), "done"),
            ]),
        RunRow(
            "a node that fails in a search is taken out, and the others decide", .answer, [0, 1, 2],
            [
                (.at(0), "ask 0 until 1000, wait 250"),
                (.unknown(0), "ask 1 until 1000, ask 2 until 1000, wait 250"),
                (.refused(1, answeredAt: 0, isDatagram: true), "down 1, wait 250"), (.success(2), "done"),
            ]),
        RunRow(
            "a living node that is silent in a search fails nothing, the others decide", .answer, [0, 1, 2],
            [
                (.at(0), "ask 0 until 1000, wait 250"),
                (.unknown(0), "ask 1 until 1000, ask 2 until 1000, wait 250"),
                (.silent(1, answeredAt: 500), "look 1, wait 250"), (.success(2), "done"),
            ]),
        RunRow(
            "what this machine lacks does not end a search", .answer, [0, 1, 2],
            [
                (.at(0), "ask 0 until 1000, wait 250"),
                (.unknown(0), "ask 1 until 1000, ask 2 until 1000, wait 250"),
                (.local(1), "wait 250"), (.success(2), "done"),
            ]),
        RunRow(
            "an error in a search is an error", .answer, [0, 1, 2],
            [
                (.at(0), "ask 0 until 1000, wait 250"),
                (.unknown(0), "ask 1 until 1000, ask 2 until 1000, wait 250"),
                (.error(1, bad), "leave 2, fail relayError"),
            ]),
    ]

    // MARK: - Room

    private static let room: [RunRow] = [
        RunRow(
            "a call without room looks again, and takes its chance after a quarter of the budget", .offer, [0, 1],
            [
                (.room(.none(isFirm: false, isCalled: false)), ""), (.at(0), "wait 0.2"), (.at(1), "wait 1.2"),
                (.at(250), "ask 0 until 1250, wait 500"),
            ]),
        RunRow(
            "room that comes free is taken", .answer, [0],
            [
                (.room(.none(isFirm: false, isCalled: false)), ""), (.at(0), "wait 0.2"), (.room(.free), ""),
                (.at(1), "ask 0 until 1001, wait 251"),
            ]),
        RunRow(
            "a first offer without a connection goes to another node", .offer, [0, 1],
            [
                (.room(.none(isFirm: true, isCalled: false)), ""), (.at(0), "wait 0.2"), (.at(250), "wait 250.2"),
                (.room(.free), ""), (.at(251), "ask 1 until 1251, wait 501"),
            ]),
        RunRow(
            "the last node's connections are waited for as long as one command takes", .offer, [0],
            [
                (.room(.none(isFirm: true, isCalled: false)), ""), (.at(0), "wait 0.2"), (.at(250), "wait 250.2"),
                (.at(999), "wait 999.2"), (.at(1000), "fail crowded"),
            ]),
        RunRow(
            "whatever belongs to a call waits for its own node", .delete, [0, 1],
            [
                (.room(.none(isFirm: true, isCalled: false)), ""), (.at(0), "wait 0.2"), (.at(250), "wait 250.2"),
                (.room(.free), ""), (.at(251), "ask 0 until 1251, wait 501"),
            ]),
        RunRow(
            "who stands in line is called", .answer, [0],
            [
                (.room(.none(isFirm: false, isCalled: true)), ""), (.at(0), "wait 250"), (.at(1), "wait 250"),
                (.room(.free), ""), (.served, "ask 0 until 1001, wait 251"),
            ]),
        RunRow(
            "a node that is taken out while the call waits for room is left", .offer, [0, 1],
            [
                (.room(.none(isFirm: false, isCalled: false)), ""), (.at(0), "wait 0.2"), (.room(.gone), ""),
                (.nodesLeft([]), "wait 0.2"), (.at(1), "fail no node"),
            ]),
        RunRow(
            "a process that is short of exchanges waits", .answer, [0],
            [
                (.room(.noExchange), ""), (.at(0), "wait 0.2"), (.room(.free), ""),
                (.at(1), "ask 0 until 1001, wait 251"),
            ]),
        RunRow(
            "room at a node that is not asked any more is given back", .offer, [0, 1],
            [
                (.at(0), "ask 0 until 1000, wait 250"), (.room(.none(isFirm: false, isCalled: false)), ""),
                (.at(250), "look 0, wait 250.2"), (.success(0), "give back 1, done"),
            ]),
    ]

    @Test(arguments: slow + failed + errors + searches + room)
    func eachRule(_ row: RunRow) {
        var bench = RunBench(row)
        for (event, expected) in row.lines {
            let done = bench.take(event)
            #expect(done == expected, "\(row.testDescription): at \(event)")
        }
    }

    /// What is named by a record asks nobody else, and a deletion that its node does not know has nothing to do.
    @Test(arguments: [true, false])
    func aRunAimedAtANodeAsksNobodyElse(_ isDelete: Bool) {
        var terms = RunTerms(setID: 0, budget: 1_000_000_000)
        terms.isDelete = isDelete
        var run = CommandRun(terms)
        run.aim(at: 4, now: 0)
        #expect(run.next(0) == .takeRoom(node: 4))
        run.room(.free, now: 0)
        #expect(run.next(0) == .ask(node: 4, place: 0, until: 1_000_000_000))
        _ = run.asked(4, place: 0, roundTrip: nil, now: 0)
        guard let askedNode = run.ended(0) else { return #expect(Bool(false)) }
        let unknown = CallFailure.relayError(.noSession)
        _ = run.take(.unknownSession(nil, ifAlone: unknown), of: askedNode)
        #expect(run.next(0) == (isDelete ? .done : .fail(unknown)))
    }

    /// Nor does it where that node is lost; a deletion may do no harm elsewhere.
    @Test(arguments: [true, false])
    func aRunAimedAtANodeThatIsLostAsksNobodyElse(_ isDelete: Bool) {
        var terms = RunTerms(setID: 0, budget: 1_000_000_000)
        terms.isDelete = isDelete
        var run = CommandRun(terms)
        run.aim(at: 4, now: 5)
        _ = run.next(5)
        run.room(.free, now: 5)
        _ = run.next(5)
        _ = run.asked(4, place: 0, roundTrip: nil, now: 5)
        guard let askedNode = run.ended(0) else { return #expect(Bool(false)) }
        _ = run.take(.lost(.timedOut, answeredAt: 0, isDatagram: true), of: askedNode)
        #expect(run.next(10) == (isDelete ? .choose : .fail(.noNode(0))))
    }

    /// Commands that cannot be made end it, whoever else is asked.
    @Test func whatCannotBeAskedFails() {
        var bench = RunBench(RunRow("", .offer, [0, 1], []))
        #expect(bench.take(.at(0)) == "ask 0 until 1000, wait 250")
        bench.refuses = true
        #expect(bench.take(.at(250)) == "look 0, ask 1 until 1000, leave 0 slow delete, fail commandTooLong")
    }

    /// The counters tell why a node was asked.
    @Test func theOccasionIsToldOfEachNode() {
        var bench = RunBench(RunRow("", .offer, [0, 1, 2], []))
        _ = bench.take(.at(0))
        _ = bench.take(.at(250))
        _ = bench.take(.refused(1, answeredAt: 0, isDatagram: true))
        #expect(bench.occasions == [.first, .hedge, .hedge])
        bench = RunBench(RunRow("", .answer, [0, 1], []))
        _ = bench.take(.at(0))
        _ = bench.take(.refused(0, answeredAt: 0, isDatagram: true))
        #expect(bench.occasions == [.first, .failover])
    }
}
