// SPDX-License-Identifier: GPL-2.0-or-later
// Some seconds after an answer it is looked whether the side that is a browser has sent anything.

import Foundation
import TestSupport
import Testing

@testable import CallControl

@Suite struct SilentBrowsersTests {
    private static let cid = "call-1@example.org"
    private static let question = "Q \(cid) ft;1 tt;1"

    /// A relay whose sessions have these figures, and a worker that looks after so many seconds.
    private func stage(
        _ figures: String, seconds: Int? = nil
    ) throws -> (Responder, SIPWorker) {
        let responder = try Responder { $0.hasPrefix("Q") ? figures : ModuleRelay.answer($0) }
        let worker = try SIPWorker(
            [responder.url], numbers: seconds.map { ["rtpproxy_webrtc_silence": $0] } ?? [:],
            features: [.statistics, .webRTC], remembers: true)
        worker.kept = responder
        return (responder, worker)
    }

    /// An answer at tick 1000: of a browser to a phone, or of a phone to a browser.
    private func answer(
        _ worker: SIPWorker, ofBrowser: Bool = true, direction: String = "sendrecv", status: Int = 200
    ) -> FakeCall {
        let lines = ["a=\(direction)"]
        let body = ofBrowser ? Browser.audio(setup: "active", lines: lines) : Body.audio + "a=\(direction)\r\n"
        let call = FakeCall(.invite, status: status, toTag: "tt", body: body)
        call.goesToWebSocket = !ofBrowser
        #expect(worker.answer(call, "g") == .done, "\(call.errors)")
        return call
    }

    /// What the module's own process does at a tick.
    private func look(_ worker: SIPWorker, at tick: UInt32) -> FakeCall {
        let host = FakeCall()
        host.ticks = tick
        worker.lookAtBrowsers(host)
        return host
    }

    @Test(
        "The first tag's packets are the caller's",
        arguments: [
            ("60 0 9 9 0", true, false), ("60 9 0 9 0", true, true), ("60 0 9 9 0", false, true),
            ("60 9 0 9 0", false, false),
            ("60 0 0 0 0", true, true), ("60 1 1 2 0", false, false), ("60 1 1 2 0", true, false),
        ])
    func whoHasSentNothingIsCountedAndLogged(_ figures: String, _ ofBrowser: Bool, _ isSilent: Bool) throws {
        let (responder, worker) = try stage(figures)
        _ = answer(worker, ofBrowser: ofBrowser)
        let before = responder.commands.count
        #expect(look(worker, at: 1007).counts.isEmpty && responder.commands.count == before)
        let host = look(worker, at: 1008)
        #expect(responder.commands[before...] == [Self.question])
        #expect(host.counts[.silentBrowsers] == (isSilent ? 1 : nil))
        #expect(
            host.errors
                == (isSilent
                    ? [
                        "call \(Self.cid): RTPProxy \(responder.url) has had nothing of the browser in media stream 1, 8 s after"
                            + " the answer: does RTPProxy know where it is? Give its page a STUN server, or RTPProxy"
                            + " peer-reflexive candidates (not logged again for a minute)"
                    ] : []))
        // Once.
        #expect(look(worker, at: 1009).counts.isEmpty && responder.commands.count == before + 1)
    }

    @Test(arguments: [
        (true, "recvonly", 200), (true, "inactive", 200), (false, "sendonly", 200), (false, "inactive", 200),
        (true, "sendrecv", 183),
    ])
    func whoIsNotToSendIsNotLookedAt(_ ofBrowser: Bool, _ direction: String, _ status: Int) throws {
        let (responder, worker) = try stage("60 0 0 0 0")
        _ = answer(worker, ofBrowser: ofBrowser, direction: direction, status: status)
        #expect(look(worker, at: 5000).counts.isEmpty)
        #expect(!responder.commands.contains { $0.hasPrefix("Q") })
    }

    @Test(arguments: [(true, "sendonly"), (false, "recvonly")])
    func whoAloneIsToSendIsLookedAt(_ ofBrowser: Bool, _ direction: String) throws {
        let (_, worker) = try stage("60 0 0 0 0")
        _ = answer(worker, ofBrowser: ofBrowser, direction: direction)
        #expect(look(worker, at: 1008).counts[.silentBrowsers] == 1)
    }

    @Test func phonesAreNotLookedAtNorAnybodyWhereItIsOff() throws {
        let (responder, worker) = try stage("60 0 0 0 0", seconds: 0)
        _ = answer(worker)
        let (other, plain) = try stage("60 0 0 0 0")
        #expect(plain.answer(.ok(), "g") == .done)
        for (responder, worker) in [(responder, worker), (other, plain)] {
            #expect(look(worker, at: 9000).counts.isEmpty)
            #expect(!responder.commands.contains { $0.hasPrefix("Q") })
        }
    }

    /// A call that is over, and answers that say nothing.
    @Test(arguments: ["E50", "E8", "0", "60", "60 x x"])
    func whatSaysNothingIsNothing(_ figures: String) throws {
        let (_, worker) = try stage(figures)
        _ = answer(worker)
        let host = look(worker, at: 1020)
        #expect(host.counts[.silentBrowsers] == nil && host.lines.isEmpty)
        #expect(worker.condition(0) == .up(recheck: 0))
    }

    @Test func oneLineAMinute() throws {
        let (_, worker) = try stage("60 0 0 0 0", seconds: 2)
        for _ in 0..<3 { _ = answer(worker) }
        let host = look(worker, at: 1002)
        #expect(host.counts[.silentBrowsers] == 3 && host.errors.count == 1)
        #expect(host.errors.first?.contains(", 2 s after") == true)
        _ = answer(worker)
        #expect(look(worker, at: 1061).errors.isEmpty)
        _ = answer(worker)
        #expect(look(worker, at: 1062).errors.count == 1)
    }

    /// The module's own process waits for one question a minute at most, and asks no other RTPProxy.
    @Test(arguments: [true, false])
    func whoDoesNotAnswerIsAskedOnce(_ answersOthers: Bool) throws {
        let silent: Responder.Script = { $0.hasPrefix("Q") ? nil : ModuleRelay.answer($0) }
        let responders = try [Responder(silent), Responder(silent)]
        let worker = try SIPWorker(responders.map(\.url), features: [.statistics, .webRTC], remembers: true)
        let table = try worker.table()
        func asked(after tick: UInt32) -> Int {
            for node in 0..<2 where answersOthers { table.noteAnswer(node, at: .max) }
            #expect(look(worker, at: tick).counts[.silentBrowsers] == nil)
            return responders.reduce(0) { $0 + $1.commands.count { $0.hasPrefix("Q") } }
        }
        for _ in 0..<3 { _ = answer(worker) }
        #expect(asked(after: 1008) == 1)
        #expect(asked(after: 1009) == 1)
        guard answersOthers else { return }
        _ = answer(worker)
        #expect(asked(after: 1067) == 1)
        _ = answer(worker)
        #expect(asked(after: 1068) == 2)
    }

    /// Where answers take long, there are other things to do in between.
    @Test func whatTakesLongIsAskedOneByOne() throws {
        let responder = try Responder {
            guard $0.hasPrefix("Q") else { return ModuleRelay.answer($0) }
            usleep(150_000)
            return "60 0 0 0 0"
        }
        let worker = try SIPWorker([responder.url], features: [.statistics, .webRTC], remembers: true)
        for _ in 0..<3 { _ = answer(worker) }
        for _ in 0..<3 { #expect(look(worker, at: 1008).counts[.silentBrowsers] == 1) }
    }
}
