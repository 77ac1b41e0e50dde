// SPDX-License-Identifier: GPL-2.0-or-later
// Figures by name: which command asks for which, and what an answer comes to.

import Bytes
import ControlProtocol
import Testing

@Suite struct FiguresTests {
    private static let names = [
        "ttl", "npkts_ina", "npkts_ino", "nrelayed", "ndropped", "rtpa_nsent", "rtpa_nrcvd", "rtpa_ndups", "rtpa_nlost",
        "rtpa_perrs", "longest_ipi", "rtpa_jlast", "rtpa_jmax", "rtpa_javg",
    ]
    private static let recent: Capabilities = [.statistics, .namedFigures, .lostPackets, .jitter]

    private func names(_ figures: FigureSet) -> [String] {
        (0..<Figure.count).compactMap { Figure(rawValue: $0) }.filter { figures.contains($0) }.map { "\($0.name)" }
    }

    /// The values that an answer brings, by name; nil where it is an error or no protocol.
    private func values(_ reply: String, asked: FigureSet = .all) -> [String: UInt64]? {
        let bytes = Array(reply.utf8)
        var values = FigureValues()
        guard case .taken = FigureReply.parse(bytes.span, bytes.span.all, asked: asked, into: &values) else {
            return nil
        }
        var found: [String: UInt64] = [:]
        for name in names(values.present) {
            let text = Array(name.utf8)
            found[name] = Figure(text.span, text.span.all).flatMap { values[$0] }
        }
        return found
    }

    // MARK: - Questions

    @Test func eachFigureHasItsName() {
        #expect(names(.all) == Self.names)
        #expect(names(.plain) == Array(Self.names[..<5]))
        for name in ["", "TTL", "ttl ", "rtpa_", "mos", "rtpa_javg2"] {
            let text = Array(name.utf8)
            #expect(Figure(text.span, text.span.all) == nil)
        }
    }

    @Test func noCommandAsksForMoreThanElevenAndBothTogetherForAll() {
        let parts = [0, 1].map { FigureSet.asked($0, of: Self.recent) }
        #expect(parts.map { names($0).count } == [11, 3])
        #expect(parts[0].union(parts[1]) == .all)
        #expect(parts[0].intersection(parts[1]).isEmpty)
    }

    @Test func whatAnRTPProxyLacksIsNotAskedFor() {
        #expect(!FigureSet.asked(0, of: [.statistics, .namedFigures, .jitter]).contains(.lost))
        #expect(FigureSet.asked(1, of: [.statistics, .namedFigures, .lostPackets]).isEmpty)
        #expect(FigureSet.asked(0, of: [.statistics, .lostPackets, .jitter]).isEmpty)
        #expect(FigureSet.asked(2, of: Self.recent).isEmpty)
    }

    // MARK: - Answers

    @Test func anAnswerOfTheRealOneIsRead() {
        let reply =
            "ttl=60 npkts_ina=92 npkts_ino=100 nrelayed=192 ndropped=0 rtpa_nsent=100 rtpa_nrcvd=90 rtpa_ndups=1 "
            + "rtpa_nlost=10 rtpa_perrs=1 longest_ipi=0.060915"
        #expect(
            values(reply) == [
                "ttl": 60, "npkts_ina": 92, "npkts_ino": 100, "nrelayed": 192, "ndropped": 0, "rtpa_nsent": 100,
                "rtpa_nrcvd": 90, "rtpa_ndups": 1, "rtpa_nlost": 10, "rtpa_perrs": 1, "longest_ipi": 60_915,
            ])
        #expect(
            values("rtpa_jlast=49.133520 rtpa_jmax=51.598154 rtpa_javg=31.078620")
                == ["rtpa_jlast": 49_133_520, "rtpa_jmax": 51_598_154, "rtpa_javg": 31_078_620])
    }

    @Test func aPlainAnswerIsReadByItsPlaces() {
        #expect(
            values("60 11 22 33 4", asked: .none)
                == ["ttl": 60, "npkts_ina": 11, "npkts_ino": 22, "nrelayed": 33, "ndropped": 4])
        #expect(values("60 11", asked: .none) == ["ttl": 60, "npkts_ina": 11])
        #expect(values("60 x -1 33 4 5 6", asked: .none) == ["ttl": 60, "nrelayed": 33, "ndropped": 4])
    }

    @Test(arguments: [
        "ttl=", "ttl=-1", "ttl=+1", "ttl=1.0", "ttl=0x10", "ttl=1e3", "ttl=9223372036854775808",
        "ttl=99999999999999999999999999999999999999", "ttl=nan", "ttl==1", "longest_ipi=.5", "longest_ipi=1.",
        "longest_ipi=1.2.3", "longest_ipi=-0.1", "longest_ipi=inf", "longest_ipi=9223372036854.775808",
        "longest_ipi=1,5", "=", "=5", "TTL=5", "other=5", "ttl=\u{0}", "longest_ipi=",
    ])
    func whatIsNoNumberOrNoFigureIsLeftOut(_ field: String) {
        #expect(values(field) == [:])
        #expect(values("ndropped=1 \(field) nrelayed=2") == ["ndropped": 1, "nrelayed": 2])
    }

    @Test(arguments: [
        ("ttl=9223372036854775807", "ttl", UInt64(Int64.max)), ("ttl=00060", "ttl", 60),
        ("longest_ipi=2", "longest_ipi", 2_000_000),
        ("longest_ipi=0.5", "longest_ipi", 500_000),
        ("longest_ipi=0.1234567890123456789012345", "longest_ipi", 123_456),
        ("longest_ipi=9223372036854.775807", "longest_ipi", UInt64(Int64.max)),
    ])
    func theLongestNumbersFit(_ field: String, _ name: String, _ value: UInt64) {
        #expect(values(field) == [name: value])
    }

    @Test func onlyWhatWasAskedForCountsAndTheFirstOfTwo() {
        #expect(values("ttl=1 npkts_ina=2 rtpa_nlost=3", asked: .plain) == ["ttl": 1, "npkts_ina": 2])
        #expect(values("ttl=1 ttl=2") == ["ttl": 1])
    }

    @Test(arguments: ["", " ", "hello", "-1 2 3", "\u{0}", "60x"])
    func nonsenseIsNoProtocol(_ reply: String) {
        let bytes = Array(reply.utf8)
        for asked in [FigureSet.all, .none] {
            var values = FigureValues()
            let isMalformed =
                if case .malformed = FigureReply.parse(bytes.span, bytes.span.all, asked: asked, into: &values) {
                    true
                } else { false }
            #expect(isMalformed && values.present.isEmpty)
        }
    }

    @Test func anErrorIsOne() {
        let bytes = Array("E62".utf8)
        var values = FigureValues()
        guard case .error(ErrorCode(62)) = FigureReply.parse(bytes.span, bytes.span.all, asked: .all, into: &values)
        else {
            Issue.record("no error")
            return
        }
    }
}
