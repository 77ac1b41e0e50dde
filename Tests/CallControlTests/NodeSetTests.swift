// SPDX-License-Identifier: GPL-2.0-or-later
// Choosing a set for a message, and what RPC shows of the nodes and does to them.

import SharedState
import Testing

@testable import CallControl

@Suite struct NodeSetTests {
    @Test func aSetHoldsForTheRestOfItsMessage() throws {
        let responders = try [Responder(), Responder()]
        let worker = try SIPWorker([responders[0].url, "4 == \(responders[1].url)"])
        let call = FakeCall(.bye)
        #expect(worker.selectSet(call, 4) == .done)
        #expect(worker.delete(call) == .done)
        #expect(worker.delete(call) == .done)
        #expect(responders.map(\.commands.count) == [0, 2])
        // The next message starts with set 0, also one of the same number in another process.
        let next = FakeCall(.bye)
        next.facts.id = 2
        #expect(worker.delete(next) == .done)
        let other = FakeCall(.bye)
        other.facts.process = 8
        #expect(worker.delete(other) == .done)
        #expect(responders.map(\.commands.count) == [2, 2])
    }

    @Test(arguments: [5, -1, 4_294_967_300, Int64.max, Int64.min])
    func anUnknownSetLeavesSetZero(_ id: Int64) throws {
        let responders = try [Responder(), Responder()]
        let worker = try SIPWorker([responders[0].url, "4 == \(responders[1].url)"])
        let call = FakeCall(.bye)
        #expect(worker.selectSet(call, 4) == .done)
        #expect(worker.selectSet(call, id) == .error)
        #expect(call.errors == ["call call-1@example.org: there is no set \(id)"])
        #expect(worker.delete(call) == .done)
        #expect(responders.map(\.commands.count) == [1, 0])
    }

    @Test(arguments: [
        ("4", ReturnCode.done), (" 4 ", .done), ("004", .done), ("", .error), ("x", .error), ("4x", .error),
        ("-4", .error), ("+4", .error), ("5", .error), ("4294967300", .error), ("4\u{0}", .error), ("4 4", .error),
    ])
    func aSetMayBeATextOfDigits(_ text: String, _ code: ReturnCode) throws {
        let responders = try [Responder(), Responder()]
        let worker = try SIPWorker([responders[0].url, "4 == \(responders[1].url)"])
        let call = FakeCall(.bye)
        #expect(worker.selectSet(call, text: text) == code)
        #expect(call.errors.count == (code == .done ? 0 : 1))
        #expect(worker.delete(call) == .done)
        #expect(responders.map(\.commands.count) == (code == .done ? [0, 1] : [1, 0]))
    }

    @Test func aTextThatIsNoSetUndoesTheOneBefore() throws {
        let responders = try [Responder(), Responder()]
        let worker = try SIPWorker([responders[0].url, "4 == \(responders[1].url)"])
        let call = FakeCall(.bye)
        #expect(worker.selectSet(call, 4) == .done)
        #expect(worker.selectSet(call, text: "x") == .error)
        #expect(worker.delete(call) == .done)
        #expect(responders.map(\.commands.count) == [1, 0])
    }

    // MARK: - RPC

    @Test func aListingSaysWhatIsConfiguredAndHowItIs() throws {
        let worker = try SIPWorker(
            ["udp:127.0.0.1:1=3 unix:/run/x=0", "9 == udp6:[::1]:2", "udp:127.0.0.1:3"], isProven: false)
        let table = try worker.table()
        _ = table.fail(1, recheck: 4000)
        table.setEnabled(2, false)
        _ = table.fail(3, recheck: 5000)
        _ = table.revive(3)
        let rows = (0..<4).map { position -> String in
            guard let row = worker.listing(position) else { return "none" }
            let numbers = [Int(row.setID), Int(row.index), row.isDisabled ? 1 : 0, Int(row.weight), Int(row.recheck)]
            return worker.url(position) + " " + numbers.map(String.init).joined(separator: " ")
        }
        #expect(
            rows == [
                "udp:127.0.0.1:1 0 0 0 3 0", "unix:/run/x 0 1 1 0 4000", "udp:127.0.0.1:3 0 3 1 1 -1",
                "udp6:[::1]:2 9 2 0 1 5000",
            ])
        #expect(worker.listing(-1) == nil && worker.listing(4) == nil)
        #expect(worker.url(4) == "")
    }

    @Test func everyEntryOfAURLIsSwitchedTogether() throws {
        let worker = try SIPWorker(["udp:127.0.0.1:1 udp:127.0.0.1:2", "1 == udp:127.0.0.1:1"])
        #expect(worker.setEnabled("udp:127.0.0.1:1", false))
        #expect(worker.listings.map(\.isDisabled) == [true, false, true])
        #expect(worker.listings.map(\.recheck) == [-1, 0, -1])
        #expect(worker.setEnabled("udp:127.0.0.1:1", true))
        #expect(worker.listings.map(\.isDisabled) == [false, false, false])
        #expect(worker.listings.map(\.recheck) == [0, 0, 0])
    }

    @Test(arguments: ["", "udp:127.0.0.1", "udp:127.0.0.1:11", "UDP:127.0.0.1:1", " udp:127.0.0.1:1", "127.0.0.1:1"])
    func anotherURLIsNotFound(_ url: String) throws {
        let worker = try SIPWorker(["udp:127.0.0.1:1"])
        #expect(!worker.setEnabled(url, false))
        #expect(worker.listings.map(\.isDisabled) == [false])
    }
}
