// SPDX-License-Identifier: GPL-2.0-or-later
// Error replies: which of them try another node, and that all streams of a message come from one.

import SharedState
import TestSupport
import Testing

@testable import CallControl

@Suite struct FailoverTests {
    /// Of two nodes of equal weight the first is the one that a Call-ID of an even sum goes to.
    private static let even = "b"

    private func call(_ toTag: String = "", body: String = Body.audio) -> FakeCall {
        let call = FakeCall(toTag: toTag, body: body)
        call[.callID] = Self.even
        return call
    }

    // MARK: - Errors

    @Test(arguments: ["E71", "E72", "E81", "E85", "E89", "E98", "E99", "E7", "E8", "E9", "E10"])
    func aShortageTriesAnotherNode(_ error: String) throws {
        let short = try Responder { _ in error }
        let other = try Responder()
        let worker = try SIPWorker(short, other)
        let call = call()
        #expect(worker.offer(call) == .done)
        #expect(call.body.contains("m=audio 35002 "))
        #expect(short.commands.count == 1 && other.commands.count == 1)
        #expect(call.instances == [short.url, other.url])
        // It is not dead: the next call asks it again.
        #expect(worker.condition(0) == .up(recheck: 0))
    }

    @Test func aShortageEverywhereIsAnError() throws {
        let short = try [Responder { _ in "E71" }, Responder { _ in "E72" }]
        let worker = try SIPWorker(short.map(\.url))
        let call = call()
        #expect(worker.offer(call) == .error)
        #expect(short.map(\.commands.count) == [1, 1])
        #expect(call.errors == ["call b: RTPProxy \(short[1].url) \(refusal(72))"])
        #expect(call.body == Body.audio)
    }

    @Test(arguments: ["E0", "E13", "E35", "E50", "E60", "E75", "E100", "0", "70000"])
    func anotherErrorFailsAtOnce(_ reply: String) throws {
        let first = try Responder { _ in reply }
        let other = try Responder()
        let worker = try SIPWorker(first, other)
        let call = call()
        #expect(worker.offer(call) == .error)
        #expect(first.commands.count == 1 && other.commands.isEmpty)
        #expect(worker.condition(0) == .up(recheck: 0))
        #expect(call.errors.count == 1)
        #expect(call.errors.allSatisfy { $0.hasPrefix("call b: RTPProxy \(first.url) answered ") })
    }

    /// Another node does not know the session that is there already.
    @Test func aShortageOfASessionThatExistsIsAnError() throws {
        let first = try Responder { _ in "E71" }
        let other = try Responder()
        let worker = try SIPWorker(first, other)
        #expect(worker.offer(call("tt")) == .error)
        let answer = FakeCall.ok()
        answer[.callID] = Self.even
        #expect(worker.answer(answer) == .error)
        #expect(first.commands.count == 2 && other.commands.isEmpty)
    }

    @Test func aLookupWithoutASessionFailsQuietly() throws {
        let responder = try Responder { _ in "0" }
        let worker = try SIPWorker(responder)
        let call = call("tt")
        #expect(worker.offer(call, "l") == .error)
        #expect(call.lines.isEmpty)
        // An answer without a session is another matter.
        let answer = FakeCall.ok()
        #expect(worker.answer(answer) == .error)
        #expect(answer.errors.count == 1)
    }

    // MARK: - All or nothing

    @Test(arguments: ["E35", "0", "99999"])
    func aSecondStreamThatFailsTakesTheFirstAlong(_ reply: String) throws {
        let responder = try Responder { Responder.stream($0) == 2 ? reply : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        let call = call(body: Body.audioVideo)
        #expect(worker.offer(call, "1") == .error)
        #expect(call.body == Body.audioVideo && call.applications == 0)
        #expect(responder.commands.dropFirst(2) == ["D b;z9hG4bK1 ft"])
        #expect(call.errors.count == 1)
    }

    @Test func aSessionThatExistedIsNotDeleted() throws {
        let responder = try Responder { Responder.stream($0) == 2 ? "E35" : Responder.usual($0) }
        let worker = try SIPWorker(responder)
        let call = call("tt", body: Body.audioVideo)
        #expect(worker.offer(call) == .error)
        #expect(call.body == Body.audioVideo)
        #expect(responder.commands.map(\.first) == ["U", "U"])
    }

    @Test func whatWasNotCreatedIsNotDeleted() throws {
        let responder = try Responder { _ in "E35" }
        let worker = try SIPWorker(responder)
        #expect(worker.offer(call(body: Body.audioVideo)) == .error)
        #expect(responder.commands.map(\.first) == ["U", "U"])
    }

    /// A shortage at the second stream: what the first has got is given back, then another node gets both.
    @Test func allStreamsComeFromOneNode() throws {
        let first = try Responder { Responder.stream($0) == 2 ? "E71" : Responder.usual($0) }
        let other = try Responder { $0.hasPrefix("U") ? "41000 192.0.2.99" : "0" }
        let worker = try SIPWorker(first, other)
        let call = call(body: Body.audioVideo)
        #expect(worker.offer(call) == .done)
        // The deletion is not waited for.
        #expect(waitUntil { first.commands.map(\.first) == ["U", "U", "D"] })
        #expect(other.commands.map(\.first) == ["U", "U"])
        #expect(!call.body.contains("192.0.2.77") && call.body.components(of: " 41000 ") == 2)
    }
}
