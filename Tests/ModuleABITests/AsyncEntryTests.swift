// SPDX-License-Identifier: GPL-2.0-or-later
// The entry points of the asynchronous functions: what they refuse, and a call from its submission to its end.

import Glibc
import RTPProxyABI
import Synchronization
import TestSupport
import Testing

/// What the one host of these tests was asked, as its services have no context.
private enum AsyncHost {
    struct Resumed {
        var code: rtpp_code
        var edits: [String]
        var instance: String
        /// What `suspend` had noted.
        var note: UInt64
        var record: UInt
    }

    struct State {
        var live: Set<UInt> = []
        var allocations = 0
        var strangers = 0
        var resumed: [Resumed] = []
        var outcome = rtpp_resumption.RTPP_TAKEN
        /// Times that a record was tried again.
        var tries = 0
        /// Looks that the process may still take.
        var looks = 0
    }

    static let state = Mutex(State())

    static func begin(_ outcome: rtpp_resumption) {
        state.withLock {
            $0 = State()
            $0.outcome = outcome
        }
    }

    static var live: Int { state.withLock { $0.live.count } }

    /// All services; the process is wanted for some seconds and no longer than there are records to drive.
    static var services: rtpp_host {
        var host = ModuleABITests.services()
        host.allocate = { size in
            let memory = malloc(size)
            AsyncHost.state.withLock {
                $0.live.insert(UInt(bitPattern: memory))
                $0.allocations += 1
            }
            return memory
        }
        host.release = { memory in
            let isLive = AsyncHost.state.withLock { state in
                if state.live.remove(UInt(bitPattern: memory)) != nil { return true }
                state.strangers += 1
                return false
            }
            if isLive { free(memory) }
        }
        host.suspend = { context, _, continuation in
            continuation?.storeBytes(of: 0xC0FF_EE00_1234_5678, as: UInt64.self)
            return Message.of(context)?.suspension ?? .RTPP_NOT_SUSPENDED
        }
        host.is_wanted = {
            AsyncHost.state.withLock {
                $0.looks -= 1
                return $0.looks > 0 && $0.live.count > ($0.outcome == .RTPP_HANDED_OVER ? $0.resumed.count : 0)
            }
        }
        host.resume = { record, continuation, code, edits, count, _, instance in
            let resumed = Resumed(
                code: code, edits: UnsafeBufferPointer(start: edits, count: count).map(\.text.text),
                instance: instance.text, note: continuation?.load(as: UInt64.self) ?? 0,
                record: UInt(bitPattern: record))
            return AsyncHost.state.withLock {
                $0.resumed.append(resumed)
                return $0.outcome
            }
        }
        host.resume_again = { _, _ in
            AsyncHost.state.withLock {
                $0.tries += 1
                return $0.tries < 3 ? .RTPP_HELD_UP : .RTPP_TAKEN
            }
        }
        return host
    }

    /// Drives what was handed over to its end.
    static func run(_ module: ModuleInstance) {
        state.withLock { $0.looks = 200 }
        rtpp_run_async(module.handle, 0)
    }
}

@Suite(.serialized) struct AsyncEntryTests {
    @Test func aHostThatCannotLetTransactionsWaitIsRefused() {
        let removals: [(inout rtpp_host) -> Void] = [
            { $0.allocate = nil }, { $0.release = nil }, { $0.suspend = nil }, { $0.resume = nil },
            { $0.resume_again = nil }, { $0.continuation_size = 0 }, { $0.continuation_size = -1 },
        ]
        for remove in removals {
            var host = services()
            remove(&host)
            var handle: OpaquePointer?
            #expect(rtpp_create(&host, &handle) == .RTPP_BAD_ARGUMENT)
            #expect(handle == nil)
        }
    }

    @Test func withoutAHandleNothingHappens() {
        let message = Message("no-handle", toTag: "tt")
        #expect(rtpp_offer_async(nil, &message.message, .absent, .absent) == -1)
        #expect(rtpp_answer_async(nil, &message.message, .absent, .absent) == -1)
        #expect(rtpp_manage_async(nil, &message.message, .absent, .absent) == -1)
        #expect(rtpp_delete_async(nil, &message.message, .absent) == -1)
        #expect(rtpp_async_processes(nil) == 0 && !rtpp_async_in_workers(nil))
        rtpp_run_async(nil, 0)
        var record: UInt64 = 7
        rtpp_resumed(nil, &record, .RTPP_GONE)
        #expect(!rtpp_held_up(nil, &record))
        #expect(record == 7)
    }

    private func expectRefusal(_ module: ModuleInstance, _ message: UnsafePointer<rtpp_message>?, _ flags: rtpp_bytes) {
        #expect(rtpp_offer_async(module.handle, message, flags, .absent) == -1)
        #expect(rtpp_answer_async(module.handle, message, flags, .absent) == -1)
        #expect(rtpp_manage_async(module.handle, message, flags, .absent) == -1)
        #expect(rtpp_delete_async(module.handle, message, flags) == -1)
    }

    @Test func withoutAMessageOrARecordThereIsNothingToDo() {
        let module = ModuleInstance(["unix:/nonexistent/x"])
        expectRefusal(module, nil, .absent)
        for resumption in [rtpp_resumption.RTPP_GONE, .RTPP_TAKEN, .RTPP_HANDED_OVER] {
            rtpp_resumed(module.handle, nil, resumption)
        }
        #expect(!rtpp_held_up(module.handle, nil))
    }

    @Test(arguments: [-1, Int.min, Int.max])
    func aLengthThatCannotBeIsRefused(_ length: Int) {
        let module = ModuleInstance(["unix:/nonexistent/x"])
        let message = Message("length")
        let impossible = rtpp_bytes(data: message.own("x").data, length: length)
        expectRefusal(module, &message.message, impossible)
        #expect(rtpp_offer_async(module.handle, &message.message, .absent, impossible) == -1)
        #expect(rtpp_answer_async(module.handle, &message.message, .absent, impossible) == -1)
        #expect(rtpp_manage_async(module.handle, &message.message, .absent, impossible) == -1)
        message.message.body = impossible
        #expect(rtpp_offer_async(module.handle, &message.message, .absent, .absent) == -1)
        message.message.call_id = impossible
        expectRefusal(module, &message.message, .absent)
    }

    @Test func beforeAttachingNoCallIsServed() {
        let module = ModuleInstance()
        let message = Message("unattached", toTag: "tt")
        #expect(module.set("rtpproxy_sock", "unix:/nonexistent/x") == .RTPP_OK)
        for _ in 0..<2 {
            expectRefusal(module, &message.message, .absent)
            rtpp_run_async(module.handle, 0)
            #expect(rtpp_configure(module.handle) == .RTPP_OK)
            if module.block == nil { #expect(module.share() == .RTPP_OK) }
        }
    }

    @Test func theParametersSayHowManyProcessesAndWhereRoutesGoOn() {
        let module = ModuleInstance()
        #expect(rtpp_async_processes(module.handle) == 1 && !rtpp_async_in_workers(module.handle))
        #expect(module.set("rtpproxy_async_processes", 3) == .RTPP_OK)
        #expect(module.set("rtpproxy_async_continue", "workers") == .RTPP_OK)
        #expect(rtpp_async_processes(module.handle) == 3 && rtpp_async_in_workers(module.handle))
    }

    @Test func withoutProcessesNothingIsHandedOver() throws {
        let module = ModuleInstance()
        #expect(module.set("rtpproxy_sock", "udp:127.0.0.1:9") == .RTPP_OK)
        #expect(module.set("rtpproxy_async_processes", 0) == .RTPP_OK)
        #expect(rtpp_configure(module.handle) == .RTPP_OK && module.share() == .RTPP_OK)
        #expect(rtpp_attach(module.handle) == .RTPP_OK)
        let message = Message("no-process")
        expectRefusal(module, &message.message, .absent)
    }

    // MARK: - From one end to the other

    private func module(_ relay: ScriptedRelay, _ outcome: rtpp_resumption) -> ModuleInstance {
        AsyncHost.begin(outcome)
        return ModuleInstance([relay.url], host: AsyncHost.services)
    }

    @Test func aCallIsSuspendedDrivenAndResumed() throws {
        let relay = try ScriptedRelay(.unix)
        relay.on { $0.verb == "U" ? .reply("35000 192.0.2.77") : nil }
        let module = module(relay, .RTPP_TAKEN)
        let message = Message("whole")
        #expect(rtpp_offer_async(module.handle, &message.message, .absent, .absent) == 0)
        #expect(AsyncHost.live == 1 && message.edits.isEmpty)
        AsyncHost.run(module)
        let resumed = AsyncHost.state.withLock { $0.resumed }
        #expect(resumed.map(\.code) == [1] && resumed.map(\.note) == [0xC0FF_EE00_1234_5678])
        #expect(resumed.first?.edits == ["192.0.2.77", "35000", "a=nortpproxy:yes\r\n"])
        #expect(resumed.first?.instance == relay.url)
        #expect(AsyncHost.live == 0 && AsyncHost.state.withLock { $0.strangers } == 0)
    }

    @Test(arguments: [rtpp_resumption.RTPP_TAKEN, .RTPP_GONE])
    func aRecordThatWasHandedOverComesBackOnce(_ resumption: rtpp_resumption) throws {
        let relay = try ScriptedRelay(.unix)
        let module = module(relay, .RTPP_HANDED_OVER)
        let message = Message("handed")
        #expect(rtpp_offer_async(module.handle, &message.message, .absent, .absent) == 0)
        AsyncHost.run(module)
        let record = try #require(AsyncHost.state.withLock { $0.resumed.first?.record })
        #expect(AsyncHost.live == 1)
        AsyncHost.state.withLock { $0.outcome = .RTPP_TAKEN }
        rtpp_resumed(module.handle, UnsafeMutableRawPointer(bitPattern: record), resumption)
        #expect(AsyncHost.live == (resumption == .RTPP_GONE ? 1 : 0))
        AsyncHost.run(module)
        #expect(relay.texts(of: "handed", "D") == (resumption == .RTPP_GONE ? ["D handed ft"] : []))
        #expect(AsyncHost.live == 0 && AsyncHost.state.withLock { $0.strangers } == 0)
    }

    /// By the process itself, or by another one that it had been handed over to.
    @Test(arguments: [rtpp_resumption.RTPP_HELD_UP, .RTPP_HANDED_OVER])
    func aRecordThatIsHeldUpIsTriedUntilItGoesOn(_ outcome: rtpp_resumption) throws {
        let relay = try ScriptedRelay(.unix)
        let module = module(relay, outcome)
        let message = Message("held")
        #expect(rtpp_offer_async(module.handle, &message.message, .absent, .absent) == 0)
        AsyncHost.run(module)
        if outcome == .RTPP_HANDED_OVER {
            let record = try #require(AsyncHost.state.withLock { $0.resumed.first?.record })
            AsyncHost.state.withLock { $0.outcome = .RTPP_TAKEN }
            #expect(rtpp_held_up(module.handle, UnsafeMutableRawPointer(bitPattern: record)))
            AsyncHost.run(module)
        }
        #expect(AsyncHost.state.withLock { $0.tries } == 3)
        #expect(AsyncHost.state.withLock { $0.resumed }.count == 1)
        #expect(AsyncHost.live == 0 && AsyncHost.state.withLock { $0.strangers } == 0)
    }

    @Test func aDeletionIsHandedOverAndAProcessThatIsNotThereDoesNothing() throws {
        let relay = try ScriptedRelay(.unix)
        let module = module(relay, .RTPP_TAKEN)
        let message = Message("bye", .RTPP_METHOD_BYE, toTag: "tt")
        #expect(rtpp_delete_async(module.handle, &message.message, .absent) == 1)
        for process in [1, -1, Int.max] {
            AsyncHost.state.withLock { $0.looks = 3 }
            rtpp_run_async(module.handle, process)
        }
        #expect(AsyncHost.live == 1 && relay.log.isEmpty)
        AsyncHost.run(module)
        #expect(relay.texts(of: "bye") == ["D bye ft tt"] && AsyncHost.live == 0)
    }

    @Test func aMessageThatCannotWaitIsRefused() throws {
        let relay = try ScriptedRelay(.unix)
        let module = module(relay, .RTPP_TAKEN)
        let message = Message("cannot-wait")
        message.suspension = .RTPP_NOT_SUSPENDED
        #expect(rtpp_offer_async(module.handle, &message.message, .absent, .absent) == -1)
        message.suspension = .RTPP_RETRANSMISSION
        #expect(rtpp_offer_async(module.handle, &message.message, .absent, .absent) == 0)
        #expect(AsyncHost.live == 0 && AsyncHost.state.withLock { $0.allocations } == 2)
        #expect(relay.log.isEmpty)
    }
}
