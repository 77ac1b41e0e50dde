// SPDX-License-Identifier: GPL-2.0-or-later
// Delete, prompts, recording and statistics: one command each, and no message changes.

import SharedState
import Testing

@testable import CallControl

@Suite struct SimpleCommandTests {
    private static let cid = "call-1@example.org"

    @Test(arguments: [
        ("", "", "D \(cid) ft"), ("", "tt", "D \(cid) ft tt"), ("t", "tt", "D \(cid) ft"), ("T", "", "D \(cid) ft"),
        ("1", "tt", "D \(cid);z9hG4bK1 ft tt"), ("2", "tt", "D \(cid);z9hG4bK2 ft tt"),
        ("b", "tt", "D \(cid);leg ft tt"), ("b1", "", "D \(cid);z9hG4bK1 ft"),
        ("aerilfwocxz20", "tt", "D \(cid) ft tt"), ("zt", "tt", "D \(cid) ft"),
    ])
    func aDeleteNamesTheCallAndNeverSwapsItsTags(_ flags: String, _ toTag: String, _ expected: String) throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        for status in [0, 200] {
            let call = FakeCall(.bye, status: status, toTag: toTag, body: nil)
            call.variables[.extraID] = Array("leg".utf8)
            #expect(worker.delete(call, flags) == .done)
            #expect(call.instances == [responder.url])
        }
        #expect(responder.commands == [expected, expected])
    }

    @Test func theBranchOfADeleteFollowsTheDirection() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        #expect(worker.delete(FakeCall(.bye), "3") == .done)
        #expect(worker.delete(.ok(nil, method: .bye), "3") == .done)
        #expect(
            responder.commands == ["D \(Self.cid);z9hG4bK1 ft", "D \(Self.cid);z9hG4bK2 ft tt"])
    }

    /// Nothing to delete is success; any other error is none.
    @Test(arguments: [("0", ReturnCode.done), ("1", .done), ("E50", .done), ("E1", .error), ("E71", .error)])
    func aDeleteSucceedsWhereNothingIsLeft(_ reply: String, _ code: ReturnCode) throws {
        let responder = try Responder { _ in reply }
        let worker = try SIPWorker(responder)
        let call = FakeCall(.bye)
        #expect(worker.delete(call) == code)
        #expect(call.errors.count == (code == .done ? 0 : 1))
        #expect(worker.condition(0) == .up(recheck: 0))
        #expect(call.body == Body.audio && call.applications == 0)
    }

    @Test(arguments: ["q", "B", "1 ", "\u{0}"])
    func aDeleteRefusesUnknownFlags(_ flags: String) throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        #expect(worker.delete(FakeCall(.bye), flags) == .error)
        #expect(responder.commands.isEmpty)
    }

    @Test func aDeleteThatIsNotAnsweredIsAnErrorAndTakesTheNodeOut() throws {
        let silent = try Responder { _ in nil }
        let worker = try SIPWorker(silent)
        let call = FakeCall(.bye)
        #expect(worker.delete(call) == .error)
        #expect(worker.condition(0) == .down(recheck: 1060))
        #expect(call.errors.count == 2)
    }

    @Test func aDeleteGoesToTheNextNodeWhereTheFirstIsGone() throws {
        let other = try Responder()
        let worker = try SIPWorker(["udp:127.0.0.1:\(Responder.closedPort())", other.url])
        let call = FakeCall(.bye)
        call[.callID] = "b"
        #expect(worker.delete(call) == .done)
        #expect(other.commands == ["D b ft"])
    }

    // MARK: - Prompts

    @Test func aPromptGoesToOneSide() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder, features: [.codecLists])
        #expect(worker.play(FakeCall(), "/p/hello", 3, toCallee: false) == .done)
        #expect(worker.play(FakeCall(toTag: "tt"), "/p/hello", -1, toCallee: false) == .done)
        #expect(worker.play(FakeCall(toTag: "tt"), "/p/hello", 1, toCallee: true) == .done)
        #expect(worker.play(.ok(), "/p/hello", 1, toCallee: true) == .done)
        #expect(worker.stopPlay(FakeCall(), toCallee: false) == .done)
        #expect(worker.stopPlay(FakeCall(toTag: "tt"), toCallee: false) == .done)
        #expect(worker.stopPlay(FakeCall(toTag: "tt"), toCallee: true) == .done)
        #expect(
            responder.commands == [
                "P3 \(Self.cid) /p/hello session ft;1",
                "P-1 \(Self.cid) /p/hello session ft;1 tt;1",
                "P1 \(Self.cid) /p/hello session tt;1 ft;1",
                "P1 \(Self.cid) /p/hello session tt;1 ft;1",
                "S \(Self.cid) ft;1",
                "S \(Self.cid) ft;1 tt;1",
                "S \(Self.cid) tt;1 ft;1",
            ])
    }

    @Test func theCalleesSideNeedsAToTag() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder, features: [.codecLists])
        let call = FakeCall()
        #expect(worker.play(call, "p", 1, toCallee: true) == .error)
        #expect(worker.stopPlay(call, toCallee: true) == .error)
        #expect(responder.commands.isEmpty)
        #expect(call.errors == Array(repeating: "call \(Self.cid): no to-tag", count: 2))
    }

    @Test func aNodeThatIsTooOldPlaysNothing() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder, features: [.repacketization])
        let call = FakeCall(toTag: "tt")
        for toCallee in [true, false] {
            #expect(worker.play(call, "p", 1, toCallee: toCallee) == .error)
            #expect(worker.stopPlay(call, toCallee: toCallee) == .error)
        }
        #expect(responder.commands.isEmpty)
        #expect(call.errors.count == 4)
        #expect(call.errors.allSatisfy { $0.contains(responder.url) })
        #expect(worker.condition(0) == .up(recheck: 0))
    }

    @Test(arguments: ["E50", "E60", "E35"])
    func anErrorReplyIsAnError(_ reply: String) throws {
        let reason = reply == "E50" ? "does not know the call's session" : "answered with error \(reply)"
        let responder = try Responder { _ in reply }
        let worker = try SIPWorker(responder, features: [.codecLists])
        let call = FakeCall(toTag: "tt")
        #expect(worker.play(call, "p", 1, toCallee: true) == .error)
        #expect(worker.stopPlay(call, toCallee: true) == .error)
        #expect(worker.record(call) == .error)
        #expect(call.errors.count == 3)
        #expect(call.errors.allSatisfy { $0.contains(reason) })
    }

    // MARK: - Recording

    @Test func aRecordingIsOfBothPartiesAndNamesTheSenderFirst() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        #expect(worker.record(FakeCall()) == .done)
        #expect(worker.record(FakeCall(toTag: "tt")) == .done)
        #expect(worker.record(.ok()) == .done)
        let both = ["R \(Self.cid) ft tt", "R \(Self.cid) tt ft"]
        #expect(responder.commands == ["R \(Self.cid) ft"] + both + both.reversed())
        #expect(worker.record(FakeCall(status: 200)) == .error)
        #expect(responder.commands.count == 5)
    }

    @Test func aRecordingFailsWhereOneOfItsCommandsDoes() throws {
        let responder = try Responder { $0.hasSuffix(" ft") ? "E98" : "0" }
        let worker = try SIPWorker(responder)
        let call = FakeCall(toTag: "tt")
        #expect(worker.record(call) == .error)
        #expect(call.errors.map { $0.contains("answered with error E98") } == [true])
    }

    @Test func aCallIDThatIsNoFileNameIsNamed() throws {
        let responder = try Responder { _ in "E50" }
        let worker = try SIPWorker(responder)
        let call = FakeCall(toTag: "tt")
        call[.callID] = "a/b@example.org"
        #expect(worker.record(call) == .error)
        #expect(call.errors.count == 1)
        #expect(call.errors.first?.contains("E50") == true && call.errors.first?.contains("'/' in its Call-ID") == true)
    }

    @Test func nobodyIsAskedForWhatItDoesNotHave() throws {
        let responder = try Responder()
        let worker = try SIPWorker(responder)
        try worker.table().setCapabilities(0, 3)
        let call = FakeCall(toTag: "tt")
        #expect(worker.record(call) == .error)
        #expect(worker.statistics(call) == nil)
        #expect(responder.commands.isEmpty)
        #expect(call.errors.count == 1 && call.errors.first?.contains("does not record") == true)
    }

    // MARK: - Statistics

    @Test func statisticsAreTheReplyWithoutItsLineEnd() throws {
        let responder = try Responder { _ in "60 11 22 33 0\r" }
        let worker = try SIPWorker(responder, features: [.statistics])
        let call = FakeCall()
        #expect(worker.statistics(call) == "60 11 22 33 0")
        #expect(worker.statistics(FakeCall(toTag: "tt")) == "60 11 22 33 0")
        #expect(worker.statistics(.ok()) == "60 11 22 33 0")
        #expect(
            responder.commands == ["Q \(Self.cid) ft;1", "Q \(Self.cid) ft;1 tt;1", "Q \(Self.cid) tt;1 ft;1"])
        #expect(call.instances == [responder.url] && call.lines.isEmpty)
        #expect(worker.statistics(FakeCall(status: 180)) == nil)
        #expect(responder.commands.count == 3)
    }

    @Test(arguments: [("E50", 0), ("E1", 1)])
    func anErrorIsNoStatistics(_ reply: String, _ lines: Int) throws {
        let responder = try Responder { _ in reply }
        let worker = try SIPWorker(responder, features: [.statistics])
        let call = FakeCall()
        #expect(worker.statistics(call) == nil)
        #expect(call.lines.count == lines)
        #expect(worker.condition(0) == .up(recheck: 0))
    }

    @Test func nonsenseIsNoStatistics() throws {
        let responder = try Responder { _ in "hello" }
        let worker = try SIPWorker(responder, features: [.statistics])
        #expect(worker.statistics(FakeCall()) == nil)
        #expect(worker.condition(0) == .down(recheck: 1060))
    }
}
