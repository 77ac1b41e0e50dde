// SPDX-License-Identifier: GPL-2.0-or-later
// What RPC sees of the nodes and does to them, through the C entry points.

import RTPProxyABI
import TestSupport
import Testing

@Suite struct RPCTests {
    /// All nodes as `url set index disabled weight recheck`.
    private func rows(_ module: ModuleInstance) -> [String] {
        (0..<rtpp_node_count(module.handle)).map { position in
            var info = rtpp_node_info()
            guard rtpp_node(module.handle, position, &info) == .RTPP_OK else { return "none" }
            return "\(info.url.text) \(info.set_id) \(info.index) \(info.disabled) \(info.weight) \(info.recheck)"
        }
    }

    private func enable(_ module: ModuleInstance, _ url: String?, _ isEnabled: Bool) -> rtpp_status {
        lending(url) { rtpp_enable(module.handle, $0, isEnabled) }
    }

    @Test func nodesAreListedAsConfigured() {
        let module = ModuleInstance(["unix:/a=3 udp:127.0.0.1:5=0", "9 == unix:/b"])
        #expect(
            rows(module) == ["unix:/a 0 0 false 3 0", "udp:127.0.0.1:5 0 1 false 0 0", "unix:/b 9 2 false 1 0"])
    }

    @Test func aNodeThatFailedShowsWhenItIsTriedAgain() {
        let module = ModuleInstance(["unix:/nonexistent/a"])
        #expect(module.offer(Message("listed")) == -3)
        #expect(rows(module) == ["unix:/nonexistent/a 0 0 true 1 1060"])
        #expect(enable(module, "unix:/nonexistent/a", true) == .RTPP_OK)
        #expect(rows(module) == ["unix:/nonexistent/a 0 0 false 1 0"])
    }

    @Test func everyEntryOfAURLIsSwitched() {
        let module = ModuleInstance(["unix:/a unix:/b", "1 == unix:/a"])
        #expect(enable(module, "unix:/a", false) == .RTPP_OK)
        #expect(rows(module) == ["unix:/a 0 0 true 1 -1", "unix:/b 0 1 false 1 0", "unix:/a 1 2 true 1 -1"])
        #expect(enable(module, "unix:/a", true) == .RTPP_OK)
        #expect(rows(module).allSatisfy { $0.hasSuffix("false 1 0") })
    }

    @Test(arguments: ["unix:/", "unix:/ab", "UNIX:/a", "", nil])
    func anotherURLIsNotFound(_ url: String?) {
        let module = ModuleInstance(["unix:/a"])
        #expect(enable(module, url, false) == .RTPP_NOT_FOUND)
        #expect(rows(module) == ["unix:/a 0 0 false 1 0"])
    }

    @Test(arguments: [2, Int.max, -1, Int.min])
    func aPositionOutsideIsNotFound(_ position: Int) {
        let module = ModuleInstance(["unix:/a unix:/b"])
        var info = rtpp_node_info()
        info.weight = 77
        #expect(rtpp_node(module.handle, position, &info) == .RTPP_NOT_FOUND)
        #expect(info.weight == 77)
        #expect(rtpp_node(module.handle, 0, nil) == .RTPP_BAD_ARGUMENT)
    }

    // MARK: - Probe

    /// What a probe found, as `url set index answered time reason`, or its status.
    private func probe(_ module: ModuleInstance, _ url: String?) -> [String] {
        var count = 77
        let status = lending(url) { rtpp_probe(module.handle, $0, &count) }
        guard status == .RTPP_OK else { return ["\(status == .RTPP_NOT_FOUND ? "not found" : "error") \(count)"] }
        return (0..<count).map { index in
            var info = rtpp_probe_info()
            guard rtpp_probed(module.handle, index, &info) == .RTPP_OK else { return "none" }
            let time = info.round_trip_us > 0 ? "some time" : "0"
            return "\(info.url.text) \(info.set_id) \(info.index) \(info.answered) \(time) \(info.reason.text)"
        }
    }

    @Test func aProbeSaysWhoAnswers() throws {
        let relay = try ScriptedRelay(.unix)
        let module = ModuleInstance(["\(relay.url) unix:/nonexistent/probed", "9 == \(relay.url)"])
        let lines = ["\(relay.url) 0 0 true some time ", "unix:/nonexistent/probed 0 1 false 0 no such socket"]
        let last = "\(relay.url) 9 2 true some time "
        #expect(probe(module, nil) == lines + [last])
        #expect(probe(module, relay.url) == [lines[0], last])
        #expect(probe(module, "unix:/nonexistent/probed") == [lines[1]])
        #expect(rows(module)[1] == "unix:/nonexistent/probed 0 1 true 1 1060")
        #expect(HostLog.lines(with: "unix:/nonexistent/probed (set 0) no such socket, disabled").count == 1)
    }

    @Test(arguments: ["unix:/", "unix:/ab", "UNIX:/a", ""])
    func anotherURLIsNotProbed(_ url: String) {
        let module = ModuleInstance(["unix:/a"])
        #expect(probe(module, url) == ["not found 0"])
        #expect(probe(ModuleInstance([]), url) == ["not found 0"])
    }

    @Test func aProbeOfNoNodesFindsNone() {
        #expect(probe(ModuleInstance([]), nil) == [])
    }

    @Test(arguments: [1, Int.max, -1, Int.min])
    func aResultOutsideIsNotFound(_ index: Int) {
        let module = ModuleInstance(["unix:/nonexistent/b"])
        var info = rtpp_probe_info()
        info.round_trip_us = 77
        #expect(rtpp_probed(module.handle, 0, &info) == .RTPP_NOT_FOUND)
        #expect(probe(module, nil).count == 1)
        #expect(rtpp_probed(module.handle, index, &info) == .RTPP_NOT_FOUND)
        #expect(info.round_trip_us == 77)
        #expect(rtpp_probed(module.handle, 0, nil) == .RTPP_BAD_ARGUMENT)
        #expect(lending(nil) { rtpp_probe(module.handle, $0, nil) } == .RTPP_BAD_ARGUMENT)
    }

    @Test func withoutNodesTheListIsEmpty() {
        let module = ModuleInstance([])
        #expect(rtpp_node_count(module.handle) == 0)
        #expect(rows(module) == [])
        #expect(enable(module, "unix:/a", true) == .RTPP_NOT_FOUND)
    }

    /// The text is lent as long as the module lives: two looks see the same memory.
    @Test func theURLOfANodeStaysWhereItIs() {
        let module = ModuleInstance(["unix:/a"])
        var (first, second) = (rtpp_node_info(), rtpp_node_info())
        #expect(rtpp_node(module.handle, 0, &first) == .RTPP_OK)
        #expect(enable(module, "unix:/a", false) == .RTPP_OK)
        #expect(rtpp_node(module.handle, 0, &second) == .RTPP_OK)
        #expect(first.url.data == second.url.data && first.url.text == "unix:/a")
    }
}
