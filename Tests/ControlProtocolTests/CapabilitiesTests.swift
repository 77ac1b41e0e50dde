// SPDX-License-Identifier: GPL-2.0-or-later
// What a probe asks, and what the answers tell.

import Bytes
import ControlProtocol
import Testing

@Suite struct CapabilitiesTests {
    private func question(_ position: Int) -> String {
        var text: [UInt8] = []
        Probe.write(position, into: &text)
        return String(decoding: text, as: UTF8.self)
    }

    private func capability(_ position: Int, _ reply: String) -> Capabilities? {
        let bytes = Array(reply.utf8)
        return Probe.capability(position, bytes.span, bytes.span.all)
    }

    @Test func aProbeAsksForWhatTheModuleUses() {
        #expect(
            (0..<Probe.count).map(question) == [
                "V", "VF 20050322", "VF 20060704", "VF 20071116", "VF 20071218", "VF 20080403", "VF 20081224",
                "VF 20081102", "VF 20150420", "VF 20141004", "VF 20191015", "VF 20230314",
                "VF 20230205", "VF 20230424",
            ])
    }

    @Test func eachYesIsOneCapability() {
        let answers: [Capabilities?] = [
            .base, .multipleStreams, .versionArgument, .repacketization, .copying, .statistics, .notices, .codecLists,
            .namedFigures, .serverCounters, .subCommands, .figuresAndDelete, .lostPackets, .jitter,
        ]
        #expect(capability(0, "20040107") == answers[0])
        #expect(answers.count == Probe.count)
        for (position, answer) in answers.enumerated().dropFirst() {
            #expect(capability(position, "1") == answer)
            #expect(capability(position, " 1 x") == answer)
        }
    }

    @Test func oneStreamACallIsServedByWhatKnowsVersionsAndNoPacketTimes() {
        #expect(!Capabilities([.base, .multipleStreams, .versionArgument]).servesSeveralStreams)
        #expect(Capabilities([.base, .multipleStreams, .versionArgument, .repacketization]).servesSeveralStreams)
        #expect(Capabilities([.base, .multipleStreams]).servesSeveralStreams)
    }

    @Test(arguments: ["0", "E0", "E1", "E2 x"])
    func aNoIsAnAnswerToo(_ reply: String) {
        for position in 1..<Probe.count { #expect(capability(position, reply) == []) }
    }

    /// `V` is answered by one version alone: who says anything else is no RTPProxy.
    @Test(arguments: ["20040108", "0", "1", "E0", "", "2004010", "200401077", "x"])
    func anotherVersionIsNoProtocol(_ reply: String) {
        #expect(capability(0, reply) == nil)
    }

    @Test(arguments: ["", " ", "2", "11", "10", "yes", "-1", "20040107", "\u{0}"])
    func garbageIsNoProtocol(_ reply: String) {
        for position in 1..<Probe.count { #expect(capability(position, reply) == nil, "\(position)") }
    }

    private func counters(_ reply: String) -> RelayCounters? {
        let bytes = Array(reply.utf8)
        return RelayCounters(bytes.span, bytes.span.all)
    }

    @Test func countersAreTwoNumbersAndNothingElse() {
        var text: [UInt8] = []
        RelayCounters.write(into: &text)
        #expect(String(decoding: text, as: UTF8.self) == "G nsess_created ncmds_rcvd")
        #expect(counters("0 4") == RelayCounters(sessions: 0, commands: 4))
        #expect(counters("4294967295 7") == RelayCounters(sessions: .max, commands: 7))
        for reply in ["", "1", "E68", "E1 2", "1 2 3", "-1 2", "1 x", "4294967296 7", "nsess_created=1 2"] {
            #expect(counters(reply) == nil, "\(reply)")
        }
    }

    @Test func aCounterThatFallsIsARestart() {
        let before = RelayCounters(sessions: 10, commands: 50)
        for (sessions, commands, isRestart) in [
            (10, 50, false), (10, 51, false), (11, 51, false), (0, 60, true), (10, 49, true), (0, 3, true),
        ] as [(UInt32, UInt32, Bool)] {
            let now = RelayCounters(sessions: sessions, commands: commands)
            #expect(now.showsRestart(since: before) == isRestart, "\(sessions) \(commands)")
        }
    }

    @Test func severalStreamsAndTheBaseAreRequired() {
        #expect(Capabilities.required == [.base, .multipleStreams])
        #expect(!Capabilities([.base, .repacketization, .codecLists]).isSuperset(of: .required))
        #expect(Capabilities([.base, .multipleStreams]).isSuperset(of: .required))
    }

    /// The raw value lies in shared memory: two that share a bit would be one.
    @Test func eachCapabilityHasABitOfItsOwn() {
        let all: [Capabilities] = [
            .base, .multipleStreams, .repacketization, .codecLists, .statistics, .namedFigures, .lostPackets, .jitter,
            .copying, .notices, .versionArgument, .serverCounters, .subCommands, .dtls, .ice, .modulesKnown,
            .figuresAndDelete,
        ]
        #expect(all.allSatisfy { $0.rawValue.nonzeroBitCount == 1 })
        #expect(all.reduce(0) { $0 | $1.rawValue }.nonzeroBitCount == all.count)
    }
}
