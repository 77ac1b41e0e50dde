// SPDX-License-Identifier: GPL-2.0-or-later
// What is counted, through the C entry points and the host's counter.

import RTPProxyABI
import CallControl
import TestSupport
import Testing

@Suite struct StatisticsTests {
    private func figures(_ module: ModuleInstance, _ position: Int, url: String? = nil) -> rtpp_node_figures? {
        var figures = rtpp_node_figures()
        let status = lending(url) { rtpp_node_statistics(module.handle, position, $0, &figures) }
        return status == .RTPP_OK ? figures : nil
    }

    private func gauge(_ which: ServerGauge) -> Int { ServerCounter.allCases.count + which.rawValue }

    @Test func theTableOfCountersIsReadRowByRow() {
        var (row, names) = (rtpp_counter_row(), [String]())
        while rtpp_counter_at(names.count, &row) {
            #expect(row.is_gauge == (names.count >= ServerCounter.allCases.count) && !String(cString: row.help).isEmpty)
            names.append(String(cString: row.name))
        }
        #expect(names.count == ServerCounter.allCases.count + ServerGauge.allCases.count)
        #expect(names.count <= Int(RTPP_MOST_COUNTERS) && Set(names).count == names.count)
        #expect(names[ServerCounter.failovers.rawValue] == "failovers" && names[gauge(.nodesUp)] == "nodes_up")
        for position in [-1, names.count, Int.max, Int.min] { #expect(!rtpp_counter_at(position, &row)) }
        #expect(!rtpp_counter_at(0, nil))
    }

    private func error(_ figures: rtpp_node_figures) -> String {
        withUnsafeBytes(of: figures.last_error) {
            String(decoding: $0.prefix(figures.last_error_length), as: UTF8.self)
        }
    }

    @Test func aNodeHasTheFiguresOfItsCalls() throws {
        let relay = try ScriptedRelay(.unix)
        let module = ModuleInstance([relay.url])
        let before = HostCounts.value(.commandsSent)
        #expect(module.offer(Message("figures")) == 1)
        relay.on { $0.verb == "U" ? .reply("E72") : nil }
        #expect(module.offer(Message("figures-2")) == -1)
        let found = try #require(figures(module, 0, url: relay.url))
        #expect(found.url.text == relay.url && found.set_id == 0 && found.state.text == "up")
        #expect(
            [found.commands, found.answered, found.errors, found.timeouts, found.retransmissions] == [2, 2, 1, 0, 0])
        #expect(found.round_trip_us > 0 && found.round_trip_p50_us > 0)
        #expect(found.round_trip_p50_us <= found.round_trip_p90_us)
        #expect(found.round_trip_p90_us <= found.round_trip_p99_us)
        #expect(error(found) == "E72" && found.last_error_seconds == 0)
        #expect(HostCounts.value(.commandsSent) >= before + 2)
        #expect(HostCounts.value(.errorsOfPorts) >= 1)
        rtpp_reset_statistics(module.handle)
        let after = try #require(figures(module, 0))
        #expect(after.commands == 0 && after.errors == 0 && after.last_error_length == 0)
    }

    @Test func aNodeThatIsGoneIsDownAndSaysWhy() throws {
        let module = ModuleInstance(["unix:/nonexistent/figures udp:127.0.0.1:5"])
        let before = HostCounts.value(.nodeFailures)
        _ = module.offer(Message("d"))
        _ = module.offer(Message("e"))
        #expect(HostCounts.value(.nodeFailures) > before)
        let found = try #require(figures(module, 0))
        #expect(found.state.text == "down")
        #expect(error(found) == "no such socket (errno 2)" || error(found) == "connection refused or no address")
        #expect(rtpp_gauge_value(module.handle, gauge(.nodes)) == 2)
        #expect(rtpp_gauge_value(module.handle, gauge(.nodesUp)) <= 1)
    }

    @Test func whatIsNotThereIsNotFound() {
        let module = ModuleInstance(["unix:/a unix:/b"])
        for position in [2, -1, Int.max] { #expect(figures(module, position) == nil) }
        for url in ["unix:/b", "", "unix:/", "unix:/aa"] { #expect(figures(module, 0, url: url) == nil) }
        #expect(figures(module, 1, url: "unix:/b")?.state.text == "up")
        var none = rtpp_node_figures()
        #expect(rtpp_node_statistics(nil, 0, .absent, &none) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_node_statistics(module.handle, 0, .absent, nil) == .RTPP_BAD_ARGUMENT)
        #expect(lending("unix:/b") { rtpp_node_statistics(module.handle, 0, $0, &none) } == .RTPP_NO_VALUE)
        rtpp_reset_statistics(nil)
    }
}
