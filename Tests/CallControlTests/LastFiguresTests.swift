// SPDX-License-Identifier: GPL-2.0-or-later
// rtpproxy_destroy("s"): the figures and the deletion in one command for each stream, where the RTPProxy can.

import ControlProtocol
import Synchronization
import Testing

@testable import CallControl

@Suite struct LastFiguresTests {
    private static let cid = "call-1@example.org"
    private static let recent: [SIPWorker.Feature] = [
        .statistics, .namedFigures, .lostPackets, .jitter, .figuresAndDelete,
    ]
    private static let plain = "ttl npkts_ina npkts_ino nrelayed ndropped"
    private static let score = "\(plain) rtpa_nrcvd rtpa_nlost rtpa_javg"

    /// What a script names.
    private static func figures(_ names: String...) throws -> FigureSet {
        var settings = Settings()
        for name in names { settings.noteFigure(try #require(SIPWorker.figureIndex(name))) }
        return settings.figures
    }

    private func worker(
        _ responder: Responder, _ figures: FigureSet, _ features: [SIPWorker.Feature] = recent
    ) throws -> SIPWorker {
        let worker = try SIPWorker([responder.url], features: features, figures: figures)
        worker.kept = responder
        return worker
    }

    /// A call of these streams, as RTPProxy has it: each is a session, and `&& D` deletes it.
    private final class Streams: Sendable {
        private let left: Mutex<Set<Int>>
        /// What stands behind the figures of a stream that was to be deleted as well.
        private let tail: String

        init(_ numbers: Set<Int>, tail: String = "") {
            left = Mutex(numbers)
            self.tail = tail
        }

        var isEmpty: Bool { left.withLock { $0.isEmpty } }

        @Sendable func answer(_ command: String) -> String? {
            let words = command.split(separator: " ").map(String.init)
            guard words.count > 2, let number = words[2].split(separator: ";").last.flatMap({ Int($0) }) else {
                if words.first == "D" {
                    return left.withLock { left in
                        defer { left = [] }
                        return left.isEmpty ? "E50" : "0"
                    }
                }
                return Responder.usual(command)
            }
            return left.withLock { left in
                guard left.contains(number) else { return "E50" }
                var names = Array(words.dropFirst(4))
                let deletes = names.suffix(2) == ["&&", "D"]
                if deletes { names.removeLast(2) }
                guard names.count <= 11 else { return "E1" }
                if deletes, tail.isEmpty { left.remove(number) }
                let values = ["rtpa_nlost": "10", "rtpa_nrcvd": "90", "rtpa_javg": "31.078620", "ttl": "60"]
                let text =
                    words[0] == "Q"
                    ? "60 11 22 33 0" : names.map { "\($0)=\(values[$0] ?? String(number))" }.joined(separator: " ")
                return text + (deletes ? tail : "")
            }
        }
    }

    private static func asked(_ names: String, tags: (String, String) = ("ft", "tt"), call: String = cid) -> [String] {
        (1...4).map { "Qv \(call) \(tags.0);\($0) \(tags.1);\($0) \(names) && D" }
    }

    // MARK: - One round trip

    @Test func theDeletionBringsTheFigures() throws {
        let streams = Streams([1, 2])
        let responder = try Responder(streams.answer)
        let worker = try worker(responder, Self.figures("mos"))
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.delete(bye, "s") == .done)
        #expect(responder.commands == Self.asked(Self.score) && streams.isEmpty)
        #expect(worker.figure(bye, "mos") == "3.39" && worker.figure(bye, "rtpa_nlost") == "20")
        #expect(worker.figure(bye, "nrelayed") == "3" && worker.figure(bye, "rtpa_jmax") == nil)
        // Of the first stream, as RTPProxy answers a plain Q.
        #expect(worker.statistics(bye) == "60 1 1 1 1")
        #expect(responder.commands.count == 4 && bye.lines.isEmpty)
        #expect(bye.counts == [.commandsSent: 4, .commandsAnswered: 4, .sessionsDeleted: 1])
        #expect(bye.instances.allSatisfy { $0 == responder.url })
    }

    @Test("In a reply the to-tag comes first, and flag t leaves it out")
    func tagsStandInTheOrderOfTheMessage() throws {
        for (call, flags, tags) in [
            (FakeCall.ok(nil, method: .bye), "s", ("tt", "ft")), (FakeCall(.bye, toTag: "tt"), "tS", ("ft", "ft")),
            (FakeCall(.cancel), "s", ("ft", "ft")), (FakeCall.ok(nil, method: .bye), "st", ("ft", "ft")),
        ] {
            let streams = Streams([1])
            let responder = try Responder(streams.answer)
            let worker = try worker(responder, Self.figures("nrelayed"))
            #expect(worker.delete(call, flags) == .done)
            #expect(responder.commands == Self.asked(Self.plain, tags: tags) && streams.isEmpty)
        }
    }

    @Test func whatJoinsTheCallIDJoinsIt() throws {
        let responder = try Responder(Streams([1]).answer)
        let worker = try worker(responder, Self.figures("ttl"))
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        bye.variables[.extraID] = Array("leg".utf8)
        #expect(worker.delete(bye, "bs") == .done)
        #expect(responder.commands == Self.asked(Self.plain, call: "\(Self.cid);leg"))
        #expect(worker.figure(bye, "ttl") == "60")
    }

    @Test func theNextMessageHasNothingOfIt() throws {
        let responder = try Responder(Streams([1]).answer)
        let worker = try worker(responder, Self.figures("ttl"))
        #expect(worker.delete(FakeCall(.bye, toTag: "tt", body: nil), "s") == .done)
        let next = FakeCall(.bye, toTag: "tt", body: nil, id: 2)
        #expect(worker.statistics(next) == nil && worker.figure(next, "ttl") == nil)
        #expect(responder.commands.count == 4 + 1 + 8)
    }

    @Test func managePassesTheFlagOn() throws {
        let responder = try Responder(Streams([1]).answer)
        let worker = try worker(responder, Self.figures("ttl"))
        #expect(worker.manage(FakeCall(.bye, toTag: "tt", body: nil), "s") == .done)
        #expect(responder.commands == Self.asked(Self.plain))
        #expect(worker.offer(FakeCall(), "s") == .done)
    }

    // MARK: - Two

    /// The same in two round trips, whoever is not able to do it in one, and whatever the script names.
    @Test(
        arguments: [
            (["mos"], [.statistics, .namedFigures, .lostPackets, .jitter], 9),
            (
                ["ttl", "rtpa_nsent", "rtpa_ndups", "rtpa_perrs", "longest_ipi", "rtpa_jlast", "rtpa_jmax", "mos"],
                recent, 9
            ),
            (["ttl"], [.statistics, .figuresAndDelete], 5), (["ttl"], [.figuresAndDelete], 1),
        ] as [([String], [SIPWorker.Feature], Int)])
    func whoCannotIsAskedAndThenDeletes(
        _ names: [String], _ features: [SIPWorker.Feature], _ commands: Int
    ) throws {
        let streams = Streams([1])
        let responder = try Responder(streams.answer)
        var settings = Settings()
        for name in names { settings.noteFigure(SIPWorker.figureIndex(name)) }
        let worker = try worker(responder, settings.figures, features)
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.delete(bye, "s") == .done)
        #expect(responder.commands.count == commands && !responder.commands.contains { $0.contains("&&") })
        #expect(responder.commands.last == "D \(Self.cid) ft tt" && streams.isEmpty)
        let isCounted = features.contains(.statistics)
        #expect(worker.figure(bye, "ttl") == (isCounted ? "60" : nil))
        #expect((worker.statistics(bye) != nil) == isCounted)
        #expect(responder.commands.count == commands && bye.lines.isEmpty && bye.counts[.sessionsDeleted] == 1)
    }

    /// As many as fit into one command, and one more.
    @Test func elevenFiguresFitIntoOneCommand() throws {
        var names = ["mos", "rtpa_nsent", "rtpa_ndups", "rtpa_jmax"]
        for expected in [4, 9] {
            let responder = try Responder(Streams([1]).answer)
            var settings = Settings()
            for name in names { settings.noteFigure(SIPWorker.figureIndex(name)) }
            #expect(try worker(responder, settings.figures).delete(FakeCall(.bye, toTag: "tt"), "s") == .done)
            #expect(responder.commands.count == expected)
            names.append("longest_ipi")
        }
    }

    /// A script of KEMI may ask for any.
    @Test func whereAnyMayBeAskedForAllAre() {
        var settings = Settings()
        settings.noteFigure(nil)
        #expect(settings.figures == .all)
    }

    /// Where it is not certain that no stream is left, the call is deleted as ever.
    @Test(arguments: [[1, 2, 3], [2], [1, 3], [3, 4], [1, 2, 3, 4], [1, 2, 3, 4, 5]] as [Set<Int>])
    func streamsThatMayBeLeftAreDeletedWithTheCall(_ numbers: Set<Int>) throws {
        let streams = Streams(numbers)
        let responder = try Responder(streams.answer)
        let worker = try worker(responder, Self.figures("ttl", "nrelayed"))
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.delete(bye, "s") == .done)
        #expect(responder.commands.last == "D \(Self.cid) ft tt" && streams.isEmpty)
        #expect(responder.commands.count == (numbers.contains(4) ? 9 : 5))
        #expect(worker.figure(bye, "nrelayed") == String(numbers.reduce(0, +)))
        #expect(bye.counts[.sessionsDeleted] == 1)
    }

    private final class Later: @unchecked Sendable {
        var worker: SIPWorker?
    }

    /// What a node can do becomes known while it is asked: it was not told to delete anything.
    @Test func whatIsLearntMeanwhileHasDeletedNothing() throws {
        let (streams, later) = (Streams([1]), Later())
        let responder = try Responder { command in
            if let table = try? later.worker?.table() {
                table.setCapabilities(0, table.capabilities(0) | SIPWorker.Feature.figuresAndDelete.rawValue)
            }
            return streams.answer(command)
        }
        let worker = try worker(responder, Self.figures("ttl"), [.statistics, .namedFigures])
        later.worker = worker
        defer { later.worker = nil }
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.delete(bye, "s") == .done && worker.figure(bye, "ttl") == "60")
        #expect(responder.commands.last == "D \(Self.cid) ft tt" && streams.isEmpty)
        #expect(bye.counts[.sessionsDeleted] == 1)
    }

    // MARK: - Errors

    /// The first half is right, the second is not, or is nothing that is known.
    @Test(arguments: [" && -1", " && E50", " && 7", " && x"])
    func aDeletionThatFailedIsDoneAgain(_ tail: String) throws {
        let streams = Streams([1], tail: tail)
        let responder = try Responder(streams.answer)
        let worker = try worker(responder, Self.figures("ttl"))
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.delete(bye, "s") == .done && worker.figure(bye, "ttl") == "60")
        #expect(responder.commands.count == 5 && responder.commands.last == "D \(Self.cid) ft tt")
        #expect(streams.isEmpty && bye.lines.isEmpty && bye.counts[.sessionsDeleted] == 1)
    }

    @Test func aZeroBehindTheFiguresIsADeletion() throws {
        let responder = try Responder { $0.contains(";1 ") ? "ttl=60 && 0" : "E50" }
        let worker = try worker(responder, Self.figures("ttl"))
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.delete(bye, "s") == .done && worker.figure(bye, "ttl") == "60")
        #expect(responder.commands.count == 4)
    }

    /// A question that fails deletes nothing at RTPProxy.
    @Test(arguments: ["E62", "E98"])
    func aRefusedQuestionLeavesTheDeletion(_ code: String) throws {
        let responder = try Responder { $0.hasPrefix("Q") ? ($0.contains(";2 ") ? code : "ttl=60") : "0" }
        let worker = try worker(responder, Self.figures("ttl"))
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.delete(bye, "s") == .done)
        #expect(responder.commands.count == 5 && responder.commands.last == "D \(Self.cid) ft tt")
        #expect(worker.figure(bye, "ttl") == nil && worker.statistics(bye) == nil)
        #expect(responder.commands.count == 5 && bye.lines.isEmpty)
    }

    @Test func aCallThatIsGoneIsAsGoodAsDeleted() throws {
        let responder = try Responder(Streams([]).answer)
        let worker = try worker(responder, Self.figures("ttl"))
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.delete(bye, "s") == .done)
        #expect(worker.figure(bye, "ttl") == nil && worker.statistics(bye) == nil)
        #expect(responder.commands.count == 4 && bye.lines.isEmpty && bye.counts[.sessionsDeleted] == nil)
    }

    @Test func nonsenseTakesTheNodeOutAndTheDeletionSaysSo() throws {
        let responder = try Responder { $0.hasPrefix("Q") ? "hello && 0" : Responder.usual($0) }
        let worker = try worker(responder, Self.figures("ttl"))
        let bye = FakeCall(.bye, toTag: "tt", body: nil)
        #expect(worker.delete(bye, "s") == .error)
        #expect(worker.condition(0) == .down(recheck: 1060) && worker.figure(bye, "ttl") == nil)
        #expect(responder.commands.count == 4)
    }
}
