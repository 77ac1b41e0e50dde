// SPDX-License-Identifier: GPL-2.0-or-later
// Several media streams, rejected and held ones, several sessions, and all or nothing.

import TestSupport
import Testing

@Suite struct StreamTests {
    /// Answers each stream n of a call with port 40000 + 2n.
    private func numberPorts(_ stage: Stage, _ call: Call) {
        stage.relay.on(call: call.id) { command in
            "UL".contains(command.verb) ? .reply("\(40_000 + 2 * command.stream) 192.0.2.77") : nil
        }
    }

    @Test func eachStreamHasACommandAndItsOwnPort() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        numberPorts(stage, call)
        let streams = (0..<8).map { SDPText.media($0.isMultiple(of: 2) ? "audio" : "video", 5000 + 2 * $0) }
        let invite = try call.invite(sdp: SDPText.session(streams: streams), run: .offer())
        #expect(invite.returnCodes == [1])
        let expected = (1...8).map {
            "Uc0,8,101 \(call.id) 127.0.0.1 \(4998 + 2 * $0) \(call.fromTag);\($0)"
        }
        #expect(stage.relay.texts(of: call.id).sorted() == expected.sorted())
        let ports = invite.lines.filter { $0.hasPrefix("m=") }.map { $0.split(separator: " ").dropFirst().first }
        #expect(ports == (1...8).map { "\(40_000 + 2 * $0)" })
    }

    @Test func answersInAnyOrderReachTheirStreams() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { command in
            guard command.verb == "U" else { return nil }
            return .delay(90 - 30 * command.stream, .reply("\(40_000 + 2 * command.stream) 192.0.2.77"))
        }
        let streams = (1...3).map { SDPText.media("audio", 5000 + $0) }
        let invite = try call.invite(sdp: SDPText.session(streams: streams), run: .offer())
        #expect(invite.returnCodes == [1])
        let ports = invite.lines.filter { $0.hasPrefix("m=") }.map { $0.split(separator: " ").dropFirst().first }
        #expect(ports == ["40002", "40004", "40006"])
    }

    @Test func theSessionsConnectionLineIsChangedOnce() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let streams = [SDPText.media("audio", 4000), SDPText.media("video", 4002)]
        let invite = try call.invite(sdp: SDPText.session(streams: streams), run: .offer())
        #expect(invite.lines.filter { $0.hasPrefix("c=") } == ["c=IN IP4 192.0.2.77"])
    }

    @Test func rejectedStreamKeepsPort0AndCostsNoCommand() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let streams = [SDPText.media("audio", 4000), SDPText.media("video", 0)]
        let invite = try call.invite(sdp: SDPText.session(streams: streams), run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.contains("m=video 0 RTP/AVP 0 8 101"))
        #expect(stage.relay.texts(of: call.id) == ["Uc0,8,101 \(call.id) 127.0.0.1 4000 \(call.fromTag);1"])
    }

    @Test func numberOfPortsIsDropped() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "U" ? .reply("40000 192.0.2.77") : nil }
        let invite = try call.invite(sdp: SDPText.session(streams: [["m=audio 4000/2 RTP/AVP 0"]]), run: .offer())
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.contains("m=audio 40000 RTP/AVP 0"))
        #expect(stage.relay.texts(of: call.id) == ["Uc0 \(call.id) 127.0.0.1 4000 \(call.fromTag);1"])
    }

    @Test func attributeOfRTCPGetsTheNewPort() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "U" ? .reply("40000 192.0.2.77") : nil }
        let sdp = SDPText.audio(port: 4000, extra: ["a=rtcp:4001 IN IP4 192.0.2.10"])
        let invite = try call.invite(sdp: sdp, run: .offer())
        #expect(invite.lines.contains("a=rtcp:40001"))
    }

    @Test func heldStreamKeepsTheNullAddress() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: SDPText.audio("0.0.0.0", port: 4000), run: .offer("r"), inDialog: true)
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.contains("c=IN IP4 0.0.0.0"))
        #expect(!invite.lines.contains("m=audio 4000 RTP/AVP 0 8 101"))
        #expect(
            stage.relay.texts(of: call.id) == [
                "Uc0,8,101 \(call.id) 0.0.0.0 4000 \(call.fromTag);1 \(call.toTag);1"
            ])
    }

    @Test func heldStreamOfAnotherFamilyKeepsThatFamilysNullAddress() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "U" ? .reply("40000 2001:db8::77 6") : nil }
        let invite = try call.invite(sdp: SDPText.audio("0.0.0.0", port: 4000), run: .offer(), inDialog: true)
        #expect(invite.returnCodes == [1])
        #expect(invite.lines.contains("c=IN IP6 ::"))
    }

    @Test func originIsChangedOnHoldToo() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        let invite = try call.invite(sdp: SDPText.audio("0.0.0.0"), run: .offer("o"), inDialog: true)
        #expect(invite.lines.contains("o=- 1 1 IN IP4 192.0.2.77"))
    }

    @Test func streamsAreNumberedOverSeveralSessions() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        numberPorts(stage, call)
        let sdp = SDPText.audio("192.0.2.10", port: 4000) + SDPText.audio("192.0.2.11", port: 4002)
        let invite = try call.invite(sdp: sdp, run: .offer("r"))
        #expect(invite.returnCodes == [1])
        #expect(
            stage.relay.texts(of: call.id).sorted() == [
                "Uc0,8,101 \(call.id) 192.0.2.10 4000 \(call.fromTag);1",
                "Uc0,8,101 \(call.id) 192.0.2.11 4002 \(call.fromTag);2",
            ])
        #expect(invite.lines.filter { $0 == "c=IN IP4 192.0.2.77" }.count == 2)
    }

    @Test func failureOfTheSecondStreamLeavesTheWholeBodyAndDeletesTheFirst() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "U" && $0.text.contains(";2") ? .reply("E14") : nil }
        let sdp = SDPText.session(streams: [SDPText.media("audio", 4000), SDPText.media("video", 4002)])
        let invite = try call.invite(sdp: sdp, run: .offer())
        #expect(invite.returnCodes == [-1])
        #expect(invite.text == sdp)
        #expect(stage.relay.texts(of: call.id, "D") == ["D \(call.id) \(call.fromTag)"])
    }

    @Test func failureOfAReInviteKeepsTheLiveSession() throws {
        let stage = try Stage.shared()
        let call = try stage.call()
        stage.relay.on(call: call.id) { $0.verb == "U" && $0.text.contains(";2") ? .reply("E14") : nil }
        let sdp = SDPText.session(streams: [SDPText.media("audio", 4000), SDPText.media("video", 4002)])
        let invite = try call.invite(sdp: sdp, run: .offer(), inDialog: true)
        #expect(invite.returnCodes == [-1])
        #expect(invite.text == sdp)
        #expect(stage.relay.texts(of: call.id, "D").isEmpty)
    }
}
