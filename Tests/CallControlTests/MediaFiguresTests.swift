// SPDX-License-Identifier: GPL-2.0-or-later
// $rtpp_stat: what is asked, how often, and what the answers for several streams come to.

import ControlProtocol
import SharedState
import Synchronization
import Testing

@testable import CallControl

@Suite struct MediaFiguresTests {
    private static let cid = "call-1@example.org"
    private static let recent: [SIPWorker.Feature] = [.statistics, .namedFigures, .lostPackets, .jitter]

    /// A command for figures taken apart.
    private struct Question {
        let isNamed: Bool
        let stream: Int
        let names: [String]

        init?(_ command: String) {
            let words = command.split(separator: " ").map(String.init)
            guard words.count >= 3, words[0].hasPrefix("Q"),
                let stream = words[2].split(separator: ";").last.flatMap({ Int($0) })
            else { return nil }
            isNamed = words[0] == "Qv"
            self.stream = stream
            names = Array(words.dropFirst(4))
        }
    }

    /// A responder whose call has these streams, each with its figures; what is not among them is 0.
    private func responder(_ streams: [String: String]...) throws -> Responder {
        try Responder { command in
            guard let question = Question(command) else { return Responder.usual(command) }
            guard question.stream <= streams.count else { return "E50" }
            let figures = streams[question.stream - 1]
            guard question.isNamed else { return "60 11 22 33 0" }
            return question.names.map { "\($0)=\(figures[$0] ?? "0")" }.joined(separator: " ")
        }
    }

    private static let good = [
        "ttl": "60", "npkts_ina": "92", "npkts_ino": "100", "nrelayed": "192", "ndropped": "2", "rtpa_nsent": "100",
        "rtpa_nrcvd": "90", "rtpa_ndups": "1", "rtpa_nlost": "10", "rtpa_perrs": "3", "longest_ipi": "0.060915",
        "rtpa_jlast": "49.133520", "rtpa_jmax": "51.598154", "rtpa_javg": "31.078620",
    ]

    private func worker(_ responder: Responder, _ features: [SIPWorker.Feature] = recent) throws -> SIPWorker {
        let worker = try SIPWorker([responder.url], features: features)
        worker.kept = responder
        return worker
    }

    // MARK: - Values

    @Test func oneStreamsFiguresAreWhatRTPProxySays() throws {
        let responder = try responder(Self.good)
        let worker = try worker(responder)
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        for (name, value) in Self.good { #expect(worker.figure(call, name) == value, "\(name)") }
        // 10 % lost, d = 10 + 2 * 31.08 / 8 ms: R = 93.2 - 0.43 - 27.07.
        #expect(worker.figure(call, "mos") == "3.39")
        #expect(call.lines.isEmpty && call.instances == [responder.url])
    }

    @Test func wholeNumbersAreNumbersTooAndFractionsAreTextAlone() throws {
        let worker = try worker(responder(Self.good))
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        for (name, value) in Self.good { #expect(worker.figureNumber(call, name) == Int64(value), "\(name)") }
        #expect(worker.figureNumber(call, "mos") == nil)
    }

    @Test func countsAreSumsTimesTheLargestAndTheAverageIsWeighted() throws {
        let other = [
            "ttl": "58", "npkts_ina": "8", "npkts_ino": "1", "nrelayed": "9", "ndropped": "1", "rtpa_nsent": "10",
            "rtpa_nrcvd": "10", "rtpa_ndups": "4", "rtpa_nlost": "0", "rtpa_perrs": "1", "longest_ipi": "1.5",
            "rtpa_jlast": "10.0", "rtpa_jmax": "400", "rtpa_javg": "131.078620",
        ]
        let worker = try worker(responder(Self.good, other))
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        let expected = [
            "ttl": "60", "npkts_ina": "100", "npkts_ino": "101", "nrelayed": "201", "ndropped": "3",
            "rtpa_nsent": "110", "rtpa_nrcvd": "100", "rtpa_ndups": "5", "rtpa_nlost": "10", "rtpa_perrs": "4",
            "longest_ipi": "1.500000", "rtpa_jlast": "49.133520", "rtpa_jmax": "400.000000",
            // (90 * 31.07862 + 10 * 131.07862) / 100
            "rtpa_javg": "41.078620",
        ]
        for (name, value) in expected { #expect(worker.figure(call, name) == value, "\(name)") }
    }

    @Test func sumsEndAtTheLargestNumber() throws {
        let huge = Self.good.mapValues { _ in String(Int64.max) }
        let worker = try worker(responder(huge, huge, huge))
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(call, "nrelayed") == String(Int64.max))
        #expect(worker.figureNumber(call, "nrelayed") == .max)
        // A fraction of so many seconds is no number.
        #expect(worker.figure(call, "longest_ipi") == nil && worker.figure(call, "rtpa_javg") == nil)
        // Half of it lost.
        #expect(worker.figure(call, "mos") == "1.60")
    }

    @Test func theLargestFractionsTrapNothing() throws {
        let huge = Self.good.mapValues { $0.contains(".") ? "9223372036854.775807" : String(Int64.max) }
        let worker = try worker(responder(huge, huge))
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(call, "rtpa_jmax") == "9223372036854.775807")
        #expect(worker.figure(call, "rtpa_javg") == "9223372036854.775808")
        #expect(worker.figure(call, "mos") == "1.00")
    }

    @Test func withoutAPacketThereIsNoScoreAndNoJitter() throws {
        let worker = try worker(responder([:]))
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(call, "mos") == nil)
        #expect(worker.figure(call, "rtpa_javg") == "0.000000")
        #expect(worker.figure(call, "rtpa_nrcvd") == "0")
    }

    @Test(arguments: ["-1", "x", "", "1.5", "99999999999999999999"])
    func aFigureThatOneStreamLacksIsNone(_ junk: String) throws {
        var broken = Self.good
        broken["rtpa_nlost"] = junk
        let worker = try worker(responder(Self.good, broken))
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(call, "rtpa_nlost") == nil && worker.figure(call, "mos") == nil)
        #expect(worker.figure(call, "rtpa_nsent") == "200")
        #expect(worker.condition(0) == .up(recheck: 0) && call.lines.isEmpty)
    }

    // MARK: - Commands

    @Test func fourStreamsAreAskedForAtOnceByTwoCommandsEach() throws {
        let responder = try responder(Self.good)
        let worker = try worker(responder)
        #expect(worker.figure(FakeCall(.bye, toTag: "tt", body: nil), "ttl") == "60")
        let names = [
            "ttl npkts_ina npkts_ino nrelayed ndropped rtpa_nsent rtpa_nrcvd rtpa_ndups rtpa_nlost rtpa_perrs longest_ipi",
            "rtpa_jlast rtpa_jmax rtpa_javg",
        ]
        #expect(
            responder.commands
                == (1...4).flatMap { stream in names.map { "Qv \(Self.cid) ft;\(stream) tt;\(stream) \($0)" } })
    }

    @Test("In a reply the to-tag comes first, and without one the from-tag is there twice")
    func theTagsStandInTheOrderOfTheMessage() throws {
        let responder = try responder(Self.good)
        let worker = try worker(responder)
        #expect(worker.figure(.ok(), "ttl") == "60")
        #expect(responder.commands.first?.hasPrefix("Qv \(Self.cid) tt;1 ft;1 ttl ") == true)
        #expect(worker.figure(FakeCall(id: 2), "ttl") == "60")
        #expect(responder.commands.count == 16)
        #expect(responder.commands[8].hasPrefix("Qv \(Self.cid) ft;1 ft;1 ttl "))
        let early = FakeCall(status: 180)
        early.facts.id = 3
        #expect(worker.figure(early, "ttl") == nil)
        #expect(responder.commands.count == 16)
        #expect(early.errors == ["call \(Self.cid): no to-tag"])
    }

    @Test(arguments: [1, 3, 4, 5, 8, 9])
    func moreStreamsAreAskedForWhereTheFourthIsThere(_ count: Int) throws {
        let responder = try Responder { command in
            guard let question = Question(command) else { return Responder.usual(command) }
            return question.stream <= count ? question.names.map { "\($0)=1" }.joined(separator: " ") : "E50"
        }
        let worker = try worker(responder)
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(call, "nrelayed") == "\(count)")
        #expect(responder.commands.count == (count / 4 + 1) * 8)
        #expect(Set(responder.commands.compactMap { Question($0)?.stream }) == Set(1...(count / 4 + 1) * 4))
    }

    @Test func streamsWithoutEndAreAnErrorAndNotAskedForWithoutEnd() throws {
        let responder = try Responder { command in
            Question(command).map { $0.names.map { "\($0)=1" }.joined(separator: " ") } ?? Responder.usual(command)
        }
        let worker = try worker(responder)
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(call, "nrelayed") == nil)
        #expect(responder.commands.count <= 128)
        #expect(call.errors == ["call \(Self.cid): not all of its streams could be asked for statistics"])
    }

    // MARK: - Once per message

    @Test func oneMessageAsksOnceAndTheNextAgain() throws {
        let responder = try responder(Self.good)
        let worker = try worker(responder)
        for id: UInt32 in [1, 1, 2, 1] {
            let call = FakeCall(.bye, toTag: "tt", body: nil)
            call.facts.id = id
            #expect(worker.figure(call, "rtpa_nlost") == "10" && worker.figure(call, "mos") == "3.39")
        }
        #expect(responder.commands.count == 3 * 8)
        let elsewhere = FakeCall(.bye, toTag: "tt", body: nil)
        elsewhere.facts.process = 8
        #expect(worker.figure(elsewhere, "ttl") == "60")
        #expect(responder.commands.count == 4 * 8)
    }

    @Test func whatWasReadBeforeADeletionStaysThere() throws {
        let isDeleted = Atomic<Bool>(false)
        let responder = try Responder { command in
            if command.hasPrefix("D") { isDeleted.store(true, ordering: .releasing) }
            guard let question = Question(command) else { return Responder.usual(command) }
            guard question.stream == 1, !isDeleted.load(ordering: .acquiring) else { return "E50" }
            return question.names.map { "\($0)=7" }.joined(separator: " ")
        }
        let worker = try worker(responder)
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(bye, "nrelayed") == "7")
        #expect(worker.delete(bye) == .done)
        #expect(worker.figure(bye, "npkts_ina") == "7")
        let next = FakeCall(.bye, toTag: "tt", body: nil, id: 2)
        #expect(worker.figure(next, "nrelayed") == nil)
    }

    @Test func nothingIsFetchedOnceToo() throws {
        let responder = try Responder { $0.hasPrefix("Q") ? "E50" : Responder.usual($0) }
        let worker = try worker(responder)
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        for name in ["ttl", "mos", "ttl"] { #expect(worker.figure(call, name) == nil) }
        #expect(responder.commands.count == 8)
        #expect(call.lines.isEmpty)
        // A stream that there is not is no error of RTPProxy's.
        #expect(call.counts == [.commandsSent: 8, .commandsAnswered: 8])
        #expect(try worker.nodeStatistics().figures.errors == 0)
    }

    @Test func anotherSetOnTheSameMessageIsAskedAnew() throws {
        let (first, second) = (try responder(Self.good), try responder(["ttl": "5"]))
        let worker = try SIPWorker([first.url, "2 == \(second.url)"], features: Self.recent)
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(call, "ttl") == "60")
        #expect(worker.selectSet(call, 2) == .done)
        #expect(worker.figure(call, "ttl") == "5")
    }

    // MARK: - Old ones

    @Test func anOldRTPProxyIsAskedForWhatItHas() throws {
        let responder = try responder(Self.good)
        let worker = try worker(responder, [.statistics])
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        let found = ["ttl", "npkts_ina", "npkts_ino", "nrelayed", "ndropped"].map { worker.figure(call, $0) }
        #expect(found == ["60", "11", "22", "33", "0"])
        for name in ["rtpa_nsent", "rtpa_nlost", "longest_ipi", "rtpa_javg", "mos"] {
            #expect(worker.figure(call, name) == nil)
        }
        #expect(responder.commands == (1...4).map { "Q \(Self.cid) ft;\($0) tt;\($0)" })
    }

    @Test func withoutJitterTheScoreIsThatOfTheLosses() throws {
        let responder = try responder(Self.good)
        let worker = try worker(responder, [.statistics, .namedFigures, .lostPackets])
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(call, "rtpa_javg") == nil && worker.figure(call, "rtpa_nlost") == "10")
        #expect(worker.figure(call, "mos") == "3.40")
        #expect(responder.commands.count == 4)
    }

    @Test func withoutLossesThereIsNoScore() throws {
        let responder = try responder(Self.good)
        let worker = try worker(responder, [.statistics, .namedFigures, .jitter])
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(call, "mos") == nil && worker.figure(call, "rtpa_nlost") == nil)
        #expect(worker.figure(call, "rtpa_javg") == "31.078620")
        #expect(!responder.commands.contains { $0.contains("nlost") })
    }

    @Test func whoCountsNothingIsNotAsked() throws {
        let responder = try responder(Self.good)
        let worker = try worker(responder, [])
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(call, "ttl") == nil && worker.figure(call, "mos") == nil)
        #expect(responder.commands.isEmpty && call.lines.isEmpty)
        #expect(worker.condition(0) == .up(recheck: 0))
    }

    // MARK: - Failures

    @Test func oneCommandThatIsRefusedLeavesTheOtherFigures() throws {
        let responder = try Responder { command in
            guard let question = Question(command) else { return Responder.usual(command) }
            guard question.stream == 1 else { return "E50" }
            return question.names.contains("rtpa_javg")
                ? "E62" : question.names.map { "\($0)=4" }.joined(separator: " ")
        }
        let worker = try worker(responder)
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(call, "nrelayed") == "4" && worker.figure(call, "rtpa_javg") == nil)
        #expect(call.counts[.errorsOfFunction] == 1 && call.lines.isEmpty)
    }

    @Test func aStreamThatIsRefusedAltogetherLeavesNothing() throws {
        let responder = try Responder { command in
            guard let question = Question(command) else { return Responder.usual(command) }
            return question.stream == 1 ? question.names.map { "\($0)=4" }.joined(separator: " ") : "E98"
        }
        let worker = try worker(responder)
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(call, "nrelayed") == nil && worker.figure(call, "nrelayed") == nil)
        #expect(call.errors == ["call \(Self.cid): RTPProxy \(responder.url) \(refusal(98))"])
        #expect(responder.commands.count == 8)
    }

    @Test func nonsenseTakesTheNodeOut() throws {
        let responder = try Responder { $0.hasPrefix("Q") ? "hello" : Responder.usual($0) }
        let worker = try worker(responder)
        #expect(worker.figure(FakeCall(.bye, toTag: "tt", body: nil), "ttl") == nil)
        #expect(worker.condition(0) == .down(recheck: 1060))
    }

    @Test func aSilentNodeIsAskedOncePerMessage() throws {
        let silent = try Responder { _ in nil }
        let worker = try worker(silent)
        let call = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.figure(call, "ttl") == nil && worker.figure(call, "mos") == nil)
        #expect(silent.commands.count == 8)
        #expect(call.errors.count == 2)
    }

    @Test func namesAreKnownOrNot() {
        for (place, name) in (Array(Self.good.keys) + ["mos"]).enumerated() {
            #expect(SIPWorker.figureIndex(name) != nil, "\(place)")
        }
        for name in ["", "MOS", "ttl ", "$var(x)", "rtpa_", "15"] { #expect(SIPWorker.figureIndex(name) == nil) }
    }
}
