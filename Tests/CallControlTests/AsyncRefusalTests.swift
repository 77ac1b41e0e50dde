// SPDX-License-Identifier: GPL-2.0-or-later
// What is refused before anybody waits: calls beyond the bound, without a node, or with what no RTPProxy could serve.

import Foundation
import TestSupport
import Testing

@testable import CallControl

@Suite struct AsyncRefusalTests {
    @Test func beyondTheBoundACallIsRefusedAndCounted() throws {
        let silent = try Responder { _ in nil }
        let bench = try AsyncBench(
            [silent.url], numbers: ["rtpproxy_async_max": 2, "rtpproxy_tout": 3])
        // Before anybody takes them: what is queued counts.
        #expect(bench.offer(bench.call(FakeCall(), "one")).isSuspended)
        #expect(bench.offer(bench.call(FakeCall(), "two")).isSuspended)
        let third = bench.call(FakeCall(), "three")
        #expect(bench.offer(third).code == .error && third.suspensions == 0)
        #expect(bench.lines.refusals == 1)
        #expect(
            bench.world.errors == [
                "call three: too many asynchronous calls are under way, the limit is rtpproxy_async_max"
            ])
        bench.run()
        // And what is under way.
        #expect(eventually { bench.lines.queues.underWay(0) == 2 })
        #expect(bench.answer(bench.call(.ok(), "four")).code == .error)
        #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "five")) == .error)
        #expect(bench.lines.refusals == 3 && bench.world.allocations == 2)
        #expect(bench.resumed(2).count == 2 && bench.isClean())
    }

    @Test func withoutANodeNobodyIsSuspended() throws {
        let bench = try AsyncBench([try Responder().url])
        #expect(bench.worker.setEnabled(bench.worker.url(0), false))
        bench.run()
        for call in [bench.call(FakeCall(), "b"), bench.call(.ok(), "b")] {
            let result = call.message.facts.isRequest ? bench.offer(call) : bench.answer(call)
            #expect(result.code == .noNode && call.suspensions == 0)
        }
        #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "b")) == .error)
        let nowhere = try AsyncBench(["7 == udp:127.0.0.1:1"])
        #expect(nowhere.offer(nowhere.call()).code == .noNode)
        #expect(bench.world.allocations == 0 && nowhere.world.allocations == 0)
    }

    @Test func whatCanBeRefusedAtOnceIs() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.run()
        #expect(bench.offer(bench.call(FakeCall(body: Body.marked), "marked")).code == .marked)
        #expect(bench.offer(bench.call(FakeCall(body: nil), "no-body")).code == .error)
        #expect(bench.offer(bench.call(FakeCall(), "flag"), "?").code == .error)
        #expect(bench.offer(bench.call(FakeCall(), "address"), address: "").code == .error)
        #expect(bench.answer(bench.call(FakeCall(), "request")).code == .error)
        #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "flag"), "?") == .error)
        #expect(bench.world.allocations == 0 && responder.commands.isEmpty)
    }

    @Test func aRetransmissionWaitsWithoutAJob() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.run()
        let call = bench.call(FakeCall(), "again")
        call.suspension = .retransmission
        #expect(bench.offer(call).isSuspended && call.suspensions == 1)
        #expect(bench.isClean())
        usleep(100_000)
        #expect(responder.commands.isEmpty && bench.world.resumed.isEmpty && bench.world.allocations == 1)
    }

    @Test func aTransactionThatCannotWaitIsAnError() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.run()
        let call = bench.call(FakeCall(), "refused")
        call.suspension = .refused
        #expect(bench.offer(call).code == .error)
        #expect(bench.isClean())
        #expect(bench.world.errors == ["call refused: its transaction cannot be suspended"])
        #expect(responder.commands.isEmpty && bench.world.allocations == 1)
    }

    @Test func withoutSharedMemoryNobodyIsSuspended() throws {
        let responder = try Responder()
        let bench = try AsyncBench([responder.url])
        bench.run()
        bench.world.runOutOfMemory()
        let call = bench.call(FakeCall(), "memory")
        #expect(bench.offer(call).code == .error && call.suspensions == 0)
        #expect(bench.delete(bench.call(FakeCall(.bye, toTag: "tt", body: nil), "memory")) == .error)
        let line = "call memory: no shared memory to hand the call over"
        #expect(bench.world.errors == [line, line] && responder.commands.isEmpty)
    }
}
