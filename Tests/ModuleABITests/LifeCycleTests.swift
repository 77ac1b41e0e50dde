// SPDX-License-Identifier: GPL-2.0-or-later
// From create to attach: versions, NULLs, the order of the calls, and what a configuration that is wrong gets.

import RTPProxyABI
import Synchronization
import Testing

@Suite struct LifeCycleTests {
    @Test func theVersionIsThatOfTheHeader() {
        #expect(rtpp_abi_version() == UInt32(RTPP_ABI_VERSION))
    }

    @Test(arguments: [0, UInt32(RTPP_ABI_VERSION) + 1, UInt32.max])
    func aHostOfAnotherVersionIsRefused(_ version: UInt32) {
        var host = services()
        host.abi_version = version
        var handle: OpaquePointer?
        #expect(rtpp_create(&host, &handle) == .RTPP_BAD_VERSION)
        #expect(handle == nil)
    }

    @Test func aHostWithoutAllServicesIsRefused() {
        let removals: [(inout rtpp_host) -> Void] = [
            { $0.log = nil }, { $0.ticks = nil }, { $0.count = nil }, { $0.variable = nil }, { $0.set_instance = nil },
            { $0.body_state = nil }, { $0.apply_edits = nil }, { $0.transaction = nil }, { $0.mark_transaction = nil },
            { $0.is_within_dialog = nil }, { $0.is_first_answer = nil }, { $0.postpone = nil },
            { $0.take_postponed = nil },
            { $0.take_deletion = nil }, { $0.goes_to_websocket = nil },
            { $0.is_wanted = nil }, { $0.wants_debug = nil }, { $0.tuning = nil },
            { $0.raise = nil },
            { $0.report = nil },
        ]
        for remove in removals {
            var host = services()
            remove(&host)
            var handle: OpaquePointer?
            #expect(rtpp_create(&host, &handle) == .RTPP_BAD_ARGUMENT)
            #expect(handle == nil)
        }
    }

    @Test func createWithoutAHostOrAHandleIsRefused() {
        var host = services()
        var handle: OpaquePointer?
        #expect(rtpp_create(nil, &handle) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_create(&host, nil) == .RTPP_BAD_ARGUMENT)
        #expect(handle == nil)
    }

    /// No handle: every entry point says so and does nothing.
    @Test func withoutAHandleNothingHappens() {
        let message = Message("no-handle", toTag: "tt")
        var info = rtpp_node_info()
        var output = [UInt8](repeating: 7, count: 4)
        var length = 7
        #expect(lending("x") { rtpp_set_text(nil, "rtpproxy_sock", $0) } == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_set_number(nil, "rtpproxy_tout", 1) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_check_set(nil, 0) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_add_row(nil, 0, .absent, .absent, nil, nil) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_configure(nil) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_shared_size(nil) == 0)
        #expect(rtpp_share(nil, nil, 0) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_attach(nil) == .RTPP_BAD_ARGUMENT)
        rtpp_run_monitor(nil)
        rtpp_destroy(nil)
        #expect(rtpp_offer(nil, &message.message, .absent, .absent) == -1)
        #expect(rtpp_answer(nil, &message.message, .absent, .absent) == -1)
        #expect(rtpp_manage(nil, &message.message, .absent, .absent) == -1)
        #expect(rtpp_delete(nil, &message.message, .absent) == -1)
        #expect(rtpp_select_set(nil, &message.message, 0) == -1)
        #expect(rtpp_select_set_text(nil, &message.message, .absent) == -1)
        #expect(rtpp_play(nil, &message.message, .absent, 1, true) == -1)
        #expect(rtpp_stop_play(nil, &message.message, true) == -1)
        #expect(rtpp_record(nil, &message.message) == -1)
        #expect(rtpp_statistics(nil, &message.message, &output, 4, &length) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_node_count(nil) == 0)
        #expect(rtpp_node(nil, 0, &info) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_enable(nil, .absent, true) == .RTPP_BAD_ARGUMENT)
        #expect(output == [7, 7, 7, 7] && length == 7)
    }

    @Test func withoutAMessageThereIsNothingToDo() {
        let module = ModuleInstance(["unix:/nonexistent/x"])
        var output = [UInt8](repeating: 7, count: 4)
        var length = 7
        #expect(rtpp_offer(module.handle, nil, .absent, .absent) == -1)
        #expect(rtpp_answer(module.handle, nil, .absent, .absent) == -1)
        #expect(rtpp_manage(module.handle, nil, .absent, .absent) == -1)
        #expect(rtpp_delete(module.handle, nil, .absent) == -1)
        #expect(rtpp_select_set(module.handle, nil, 0) == -1)
        #expect(rtpp_select_set_text(module.handle, nil, .absent) == -1)
        #expect(rtpp_play(module.handle, nil, .absent, 1, false) == -1)
        #expect(rtpp_stop_play(module.handle, nil, false) == -1)
        #expect(rtpp_record(module.handle, nil) == -1)
        #expect(rtpp_statistics(module.handle, nil, &output, 4, &length) == .RTPP_BAD_ARGUMENT)
    }

    /// Between create and attach: no call does anything, and none of them traps.
    @Test func beforeAttachingNoCallIsServed() {
        let module = ModuleInstance()
        let message = Message("unattached", toTag: "tt")
        var info = rtpp_node_info()
        var output = [UInt8](repeating: 7, count: 4)
        var length = 0
        #expect(module.set("rtpproxy_sock", "unix:/nonexistent/x") == .RTPP_OK)
        for _ in 0..<2 {
            #expect(module.offer(message) == -1)
            #expect(module.answer(message) == -1)
            #expect(module.manage(message) == -1)
            #expect(module.delete(message) == -1)
            #expect(rtpp_select_set(module.handle, &message.message, 0) == -1)
            #expect(rtpp_record(module.handle, &message.message) == -1)
            #expect(rtpp_stop_play(module.handle, &message.message, true) == -1)
            #expect(lending("p") { rtpp_play(module.handle, &message.message, $0, 1, true) } == -1)
            #expect(lending("0") { rtpp_select_set_text(module.handle, &message.message, $0) } == -1)
            #expect(rtpp_statistics(module.handle, &message.message, &output, 4, &length) == .RTPP_NO_VALUE)
            #expect(rtpp_node_count(module.handle) == 0)
            #expect(rtpp_node(module.handle, 0, &info) == .RTPP_NOT_FOUND)
            #expect(lending("unix:/nonexistent/x") { rtpp_enable(module.handle, $0, true) } == .RTPP_NOT_FOUND)
            rtpp_run_monitor(module.handle)
            // The same once it is configured and shared.
            #expect(rtpp_configure(module.handle) == .RTPP_OK)
            if module.block == nil { #expect(module.share() == .RTPP_OK) }
        }
        #expect(message.edits.isEmpty && message.instances.isEmpty)
    }

    /// The routes of its events call functions: what those use must not change under their feet.
    @Test func theMonitorHasAViewOfThePoolOfItsOwn() {
        var host = services()
        host.is_wanted = { Self.looks.wrappingAdd(1, ordering: .relaxed).oldValue < 1 }
        let (module, other) = (ModuleInstance(host: host), ModuleInstance())
        var one: Int64 = 1
        func add(_ module: ModuleInstance, _ url: String) -> rtpp_status {
            lending("0") { id in lending(url) { rtpp_add_row(module.handle, 1, id, $0, &one, &one) } }
        }
        for each in [module, other] {
            #expect(each.set("db_url", "sqlite:///x") == .RTPP_OK && add(each, "unix:/nonexistent/a") == .RTPP_OK)
            #expect(rtpp_configure(each.handle) == .RTPP_OK)
        }
        #expect(module.share() == .RTPP_OK)
        #expect(rtpp_share(other.handle, module.block, module.size) == .RTPP_OK)
        #expect(rtpp_attach(module.handle) == .RTPP_OK && rtpp_attach(other.handle) == .RTPP_OK)

        var (change, info) = (rtpp_pool_change(), rtpp_node_info())
        #expect(rtpp_begin_reload(other.handle) == .RTPP_OK)
        #expect(add(other, "unix:/nonexistent/a") == .RTPP_OK && add(other, "unix:/nonexistent/b") == .RTPP_OK)
        #expect(rtpp_commit_reload(other.handle, &change) == .RTPP_OK && change.added == 1)
        #expect(rtpp_node(module.handle, 1, &info) == .RTPP_NOT_FOUND)
        rtpp_run_monitor(module.handle)
        #expect(Self.looks.load(ordering: .relaxed) == 2)
        #expect(rtpp_node(module.handle, 1, &info) == .RTPP_NOT_FOUND)
        #expect(rtpp_node_count(module.handle) == 2)
        #expect(rtpp_node(module.handle, 1, &info) == .RTPP_OK)
    }
    private static let looks = Atomic(0)

    // MARK: - Parameters

    @Test func aParameterOfNoNameIsNotFound() {
        let module = ModuleInstance()
        #expect(module.set("rtpproxy_sockets", "x") == .RTPP_NOT_FOUND)
        #expect(module.set("rtpproxy_tout", "1") == .RTPP_NOT_FOUND)
        #expect(module.set("rtpproxy_sock", 1) == .RTPP_NOT_FOUND)
        #expect(module.set("", 1) == .RTPP_NOT_FOUND)
        #expect(lending("x") { rtpp_set_text(module.handle, nil, $0) } == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_set_number(module.handle, nil, 1) == .RTPP_BAD_ARGUMENT)
    }

    @Test func aValueMayBeEmptyOrAbsent() {
        let module = ModuleInstance()
        #expect(module.set("rtpproxy_sock", "") == .RTPP_OK)
        #expect(module.set("rtpproxy_sock", nil) == .RTPP_OK)
        #expect(rtpp_configure(module.handle) == .RTPP_OK)
    }

    /// A length beyond all memory is none: nothing is read, and nothing is taken.
    @Test(arguments: [-1, Int.min, Int.max])
    func aLengthThatCannotBeIsRefused(_ length: Int) {
        let module = ModuleInstance(["unix:/nonexistent/x"])
        let message = Message("length")
        let impossible = rtpp_bytes(data: message.own("unix:/nonexistent/x").data, length: length)
        var one: Int64 = 1
        #expect(rtpp_set_text(module.handle, "rtpproxy_sock", impossible) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_add_row(module.handle, 0, impossible, impossible, &one, &one) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_enable(module.handle, impossible, false) != .RTPP_OK)
        #expect(rtpp_offer(module.handle, &message.message, impossible, .absent) == -1)
        #expect(rtpp_offer(module.handle, &message.message, .absent, impossible) == -1)
        #expect(rtpp_delete(module.handle, &message.message, impossible) == -1)
        #expect(rtpp_play(module.handle, &message.message, impossible, 1, false) == -1)
        #expect(rtpp_select_set_text(module.handle, &message.message, impossible) == -1)
        message.message.body = impossible
        #expect(module.offer(message) == -1)
        message.message.call_id = impossible
        #expect(module.delete(message) == -1)
        #expect(message.instances.isEmpty)
    }

    @Test func everyFaultIsLoggedAndNothingIsShared() {
        let module = ModuleInstance()
        #expect(module.set("rtpproxy_sock", "udp:fault-one:x") == .RTPP_OK)
        #expect(module.set("rtpproxy_sock", "fault-two == udp:a") == .RTPP_OK)
        #expect(module.set("rtpproxy_tout", 0) == .RTPP_OK)
        #expect(rtpp_configure(module.handle) == .RTPP_BAD_CONFIGURATION)
        for text in ["fault-one", "fault-two"] {
            let lines = HostLog.lines(with: text)
            #expect(lines.count == 1)
            #expect(lines.allSatisfy { $0.level == .RTPP_LOG_ERROR && $0.text.hasPrefix("parameter rtpproxy_sock: ") })
        }
        #expect(module.share() == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_attach(module.handle) == .RTPP_BAD_ARGUMENT)
    }

    @Test func aSetThatIsNotThereIsLogged() {
        let module = ModuleInstance()
        #expect(module.set("rtpproxy_sock", "3 == unix:/nonexistent/x") == .RTPP_OK)
        #expect(rtpp_check_set(module.handle, 3) == .RTPP_OK)
        for id: Int64 in [0, 76_543, -76_543, .max, .min] {
            #expect(rtpp_check_set(module.handle, id) != .RTPP_OK)
        }
        #expect(HostLog.lines(with: "no set 76543").count == 1)
    }

    @Test func rowsAreTakenOrLoggedAndLeftOut() {
        let module = ModuleInstance()
        #expect(module.set("db_url", "sqlite:///x") == .RTPP_OK)
        var (one, zero, minus): (Int64, Int64, Int64) = (1, 0, -1)
        func add(
            _ setID: String?, _ url: String?, _ weight: UnsafePointer<Int64>?, _ flags: UnsafePointer<Int64>?
        ) -> rtpp_status {
            lending(setID) { setID in lending(url) { rtpp_add_row(module.handle, 4, setID, $0, weight, flags) } }
        }
        #expect(add("0", "unix:/nonexistent/a", &one, &zero) == .RTPP_OK)
        #expect(add("7", "unix:/nonexistent/b", &zero, &one) == .RTPP_OK)
        #expect(add("0", "row-url:x", &one, &zero) == .RTPP_BAD_ARGUMENT)
        #expect(add("0", "unix:/row-weight", nil, &zero) == .RTPP_BAD_ARGUMENT)
        #expect(add("0", "unix:/row-minus", &minus, &zero) == .RTPP_BAD_ARGUMENT)
        #expect(add("0", "unix:/row-flags", &one, nil) == .RTPP_BAD_ARGUMENT)
        #expect(add(nil, "unix:/row-set", &one, &zero) == .RTPP_BAD_ARGUMENT)
        #expect(add("0", nil, &one, &zero) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_configure(module.handle) == .RTPP_OK)
        for text in ["row-url:x", "/row-weight", "/row-minus", "/row-flags", "/row-set"] {
            let lines = HostLog.lines(with: text)
            #expect(lines.count == 1 && lines.allSatisfy { $0.level == .RTPP_LOG_WARNING }, "\(text)")
        }
        #expect(module.share() == .RTPP_OK && rtpp_attach(module.handle) == .RTPP_OK)
        #expect(rtpp_node_count(module.handle) == 2)
    }

    // MARK: - Shared memory

    @Test func theCallsHaveAnOrder() {
        let module = ModuleInstance()
        #expect(module.set("rtpproxy_sock", "unix:/nonexistent/x") == .RTPP_OK)
        #expect(rtpp_attach(module.handle) == .RTPP_BAD_ARGUMENT)
        #expect(module.share() == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_configure(module.handle) == .RTPP_OK)
        #expect(rtpp_attach(module.handle) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_share(module.handle, nil, 4096) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_share(module.handle, module.block, module.size) == .RTPP_OK)
        #expect(rtpp_attach(module.handle) == .RTPP_OK)
        #expect(rtpp_node_count(module.handle) == 1)
    }

    @Test func aBlockThatDoesNotDoIsRefused() {
        let module = ModuleInstance()
        #expect(module.set("rtpproxy_sock", "unix:/nonexistent/x") == .RTPP_OK)
        #expect(rtpp_configure(module.handle) == .RTPP_OK)
        let size = rtpp_shared_size(module.handle)
        let block = UnsafeMutableRawPointer.allocate(byteCount: size + 64, alignment: 64)
        defer { block.deallocate() }
        block.initializeMemory(as: UInt8.self, repeating: 0, count: size + 64)
        for wrong in [size - 1, 0, -1, Int.min] {
            #expect(rtpp_share(module.handle, block, wrong) == .RTPP_BAD_SHARED_MEMORY)
        }
        #expect(rtpp_share(module.handle, block + 8, size) == .RTPP_BAD_SHARED_MEMORY)
        #expect(rtpp_attach(module.handle) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_share(module.handle, block, size) == .RTPP_OK)
        // Somebody has written over it.
        block.storeBytes(of: 0, as: UInt64.self)
        #expect(rtpp_attach(module.handle) == .RTPP_BAD_SHARED_MEMORY)
        #expect(rtpp_node_count(module.handle) == 0)
    }

    @Test func theSizeGrowsWithTheNodes() {
        let module = ModuleInstance()
        var sizes = [rtpp_shared_size(module.handle)]
        for number in 1...5 {
            #expect(module.set("rtpproxy_sock", "unix:/nonexistent/\(number)") == .RTPP_OK)
            sizes.append(rtpp_shared_size(module.handle))
        }
        #expect(Set(zip(sizes, sizes.dropFirst()).map { $1 - $0 }).count == 1)
        #expect(sizes[1] > sizes[0])
    }
}
