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

    /// A page of the metrics in `room` bytes, and how many there are.
    private func metrics(
        _ module: ModuleInstance, page: Int, room: Int = 131_072, values: [UInt64]
    ) -> (status: rtpp_status, text: String, pages: Int) {
        var output = [UInt8](repeating: 0xAA, count: room + 1)
        var (length, pages) = (0, 0)
        let status = rtpp_metrics(module.handle, values, values.count, page, &output, room, &length, &pages)
        #expect(output[room] == 0xAA, "nothing is written behind the room")
        return (status, status == .RTPP_OK ? String(decoding: output.prefix(length), as: UTF8.self) : "", pages)
    }

    @Test func metricsComeInPagesOfTheRoomThatThereIs() {
        let urls = (1...50).map { "udp:127.0.0.1:\($0)" }
        let module = ModuleInstance([urls.joined(separator: " ")])
        // The longest numbers that there are.
        let count = ServerCounter.allCases.count + ServerGauge.allCases.count
        let values = [UInt64](repeating: .max, count: count)
        for room in [8191, 10_000, 20_000, 65_535, 400_000] {
            let pages = metrics(module, page: 0, room: room, values: values)
            #expect(pages.status == .RTPP_NOT_FOUND && pages.pages >= 1)
            var seen: [String] = []
            for page in 1...max(pages.pages, 1) {
                let found = metrics(module, page: page, room: room, values: values)
                #expect(found.status == .RTPP_OK && found.pages == pages.pages && found.text.hasSuffix("\n"))
                let lines = found.text.split(separator: "\n")
                seen += lines.filter { $0.hasPrefix("rtpproxy_node_up{") }.map { String($0.split(separator: "\"")[1]) }
                #expect(lines.contains("rtpproxy_failovers_total \(UInt64.max)") == (page == 1))
            }
            #expect(seen == urls)
            for page in [pages.pages + 1, .max, -1, .min] {
                #expect(metrics(module, page: page, room: room, values: values).status == .RTPP_NOT_FOUND)
            }
        }
        for room in [0, 1, 1000, 4000] {
            let found = metrics(module, page: 1, room: room, values: values)
            #expect(found.status == .RTPP_TOO_SMALL && found.pages == 0)
        }
        // More values than there are names are left out.
        #expect(
            metrics(module, page: 1, values: values + [7, 8]).text == metrics(module, page: 1, values: values).text)
    }

    @Test func metricsWithoutAnyNodeAreOnePage() {
        let module = ModuleInstance([])
        let found = metrics(module, page: 1, values: [5])
        #expect(found.status == .RTPP_OK && found.pages == 1 && found.text.contains("rtpproxy_commands_sent_total 5\n"))
        #expect(!found.text.contains("node_up"))
    }

    @Test func metricsRefuseWhatIsNothing() {
        let module = ModuleInstance(["udp:127.0.0.1:5"])
        var (output, length, pages, value) = ([UInt8](repeating: 0, count: 100), 0, 0, UInt64(0))
        #expect(rtpp_metrics(nil, &value, 1, 1, &output, 100, &length, &pages) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_metrics(module.handle, nil, 1, 1, &output, 100, &length, &pages) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_metrics(module.handle, &value, -1, 1, &output, 100, &length, &pages) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_metrics(module.handle, &value, 1, 1, nil, 100, &length, &pages) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_metrics(module.handle, &value, 1, 1, &output, 100, nil, &pages) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_metrics(module.handle, &value, 1, 1, &output, 100, &length, nil) == .RTPP_BAD_ARGUMENT)
        #expect(rtpp_metrics(module.handle, &value, 1, 1, &output, -5, &length, &pages) == .RTPP_TOO_SMALL)
    }
}
