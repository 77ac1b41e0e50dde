// SPDX-License-Identifier: GPL-2.0-or-later
// The status page and the metrics of examples/status-page.cfg, as a browser and Prometheus see them.

import Foundation
import TestSupport
import Testing

/// What one HTTP request brought.
private struct Answer {
    let status: Int
    let type: String
    let body: String

    /// Asks with curl, which knows chunks and lengths.
    init(_ kamailio: Kamailio, _ path: String, _ arguments: [String] = []) throws {
        let url = "http://\(kamailio.endpoint())\(path)"
        let (end, output) = try ChildProcess.run(
            "/usr/bin/curl", ["-s", "-m", "5", "-w", "\n%{http_code} %{content_type}"] + arguments + [url])
        guard end == .exited(0), let last = output.lastIndex(of: "\n") else {
            throw HarnessError("no answer to \(path): \(output)")
        }
        let words = output[output.index(after: last)...].split(separator: " ", maxSplits: 1)
        body = String(output[..<last])
        status = words.first.flatMap { Int($0) } ?? 0
        type = words.count > 1 ? String(words[1]) : ""
    }

    /// `result` of an answer of JSON-RPC.
    func result() throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any]
        return try #require(object?["result"] as? [String: Any])
    }
}

@Suite struct StatusPageTests {
    private static let browser = "/usr/bin/chromium"
    private static let promtool = "\(PackageFolder.root)/.cache/prometheus/usr/bin/promtool"
    private static var folder: String { "\(Example.folder)/prometheus" }

    /// Runs the example with two relays and one call through it.
    private func run(_ body: (Kamailio, [ScriptedRelay]) throws -> Void) throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Example.run("status-page.cfg", relays: relays) { kamailio in
            let made = try kamailio.call()
            try Example.register(made.callee, kamailio)
            try RoutedCall(made).hangUp()
            try body(kamailio, relays)
        }
    }

    @Test func statusHasEveryNodeWithItsHistogramAndEveryCounter() throws {
        try run { kamailio, relays in
            let status = try Answer(kamailio, "/status.json").result()
            #expect((status["uptime"] as? Int ?? -1) >= 0 && (status["uptime"] as? Int ?? .max) < 600)
            let counters = try #require(status["counters"] as? [String: Int])
            #expect(counters["sessions_created"] == 1 && counters["nodes"] == 2 && counters["bodies_rewritten"] == 2)
            let nodes = try #require(status["nodes"] as? [[String: Any]])
            #expect(nodes.map { $0["url"] as? String } == relays.map(\.url))
            #expect(nodes.map { $0["state"] as? String } == ["up", "up"])
            #expect(nodes.map { $0["commands"] as? Int } == [3, 0])
            #expect(nodes.map { $0["weight"] as? Int } == [1, 0])
            for node in nodes {
                let trips = try #require(node["round_trips"] as? [Int])
                #expect(trips.count == 22 && trips.reduce(0, +) >= 1)
                #expect((node["since"] as? Int ?? .max) < 600, "since the start, not since Kamailio's first tick")
            }
            #expect(nodes[0]["last_error"] == nil)
        }
    }

    @Test func pageShowsInABrowserWhatStatusSays() throws {
        guard FileManager.default.isExecutableFile(atPath: Self.browser) else {
            return skipped("there is no \(Self.browser)")
        }
        try run { kamailio, relays in
            let page = try Self.show(kamailio)
            for relay in relays { #expect(page.contains(">\(relay.url)</div>")) }
            #expect(page.contains("2 of 2 up") && page.contains("class=\"node up\""))
            #expect(page.contains("<span>sessions_created</span><span>1</span>"))
            #expect(page.contains("<rect") && page.contains("<path d=\"M"))
            #expect(page.contains("role=\"status\"></span>"), "the page says that Kamailio does not answer")
        }
    }

    /// A path may hold nearly everything.
    @Test func urlsAreNeitherMarkupNorLabels() throws {
        let path = "/x\"><script>document.title='FORGED'</script><img/src=x>\\n&lt;{}%n$(id)"
        let url = "unix:\(path)"
        var text = try Example.text("status-page.cfg")
        let written = url.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
        text = text.replacingOccurrences(of: "udp:127.0.0.1:22222", with: "\(written)=1")
        try Kamailio.with(KamailioConfiguration(complete: text)) { kamailio in
            #expect(try kamailio.relays().first?["url"] == url)
            let nodes = try Answer(kamailio, "/status.json").result()["nodes"] as? [[String: Any]]
            #expect(nodes?.first?["url"] as? String == url)
            let metrics = try Answer(kamailio, "/metrics").body
            let label = url.replacingOccurrences(of: "\\", with: "\\\\").replacingOccurrences(of: "\"", with: "\\\"")
            #expect(metrics.contains("rtpproxy_node_up{url=\"\(label)\",set=\"0\""))
            if FileManager.default.isExecutableFile(atPath: Self.promtool) { #expect(try Self.check(metrics) == "") }
            guard FileManager.default.isExecutableFile(atPath: Self.browser) else {
                return skipped("there is no \(Self.browser)")
            }
            let page = try Self.show(kamailio)
            #expect(page.contains("/x\"&gt;&lt;script&gt;document.title='FORGED'&lt;/script&gt;"))
            #expect(!page.contains("<img") && !page.contains("<title>FORGED"))
            #expect(page.components(separatedBy: "<script").count == 2, "the page's own, and no other")
        }
    }

    /// The page as it is in a browser, once its script has run.
    private static func show(_ kamailio: Kamailio) throws -> String {
        let (end, page) = try ChildProcess.run(
            browser,
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000", "--dump-dom",
                "http://\(kamailio.endpoint())/",
            ], within: 60)
        #expect(end == .exited(0))
        return page
    }

    @Test func pageIsSelfContainedAndOnlyReads() throws {
        try run { kamailio, _ in
            let page = try Answer(kamailio, "/")
            #expect(page.status == 200 && page.type == "text/html; charset=utf-8")
            #expect(page.body.hasPrefix("<!DOCTYPE html>") && page.body.hasSuffix("</html>\n"))
            for outside in ["src=", "href=", "@import", "url("] { #expect(!page.body.contains(outside)) }
            #expect(try Answer(kamailio, "/", ["-d", "x"]).status == 405)
            #expect(try Answer(kamailio, "/RPC").status == 404)
            #expect(try Answer(kamailio, "/status.json?method=rtpproxy.enable").status == 404)
        }
    }

    @Test func metricsAreWhatPrometheusReads() throws {
        try run { kamailio, relays in
            let metrics = try Answer(kamailio, "/metrics")
            #expect(metrics.status == 200 && metrics.type == "text/plain; version=0.0.4")
            let label = "{url=\"\(relays[0].url)\",set=\"0\",index=\"0\""
            let lines = metrics.body.components(separatedBy: "\n")
            #expect(lines.contains("rtpproxy_node_up\(label)} 1"))
            #expect(lines.contains("rtpproxy_node_commands_total\(label)} 3"))
            #expect(lines.contains("rtpproxy_node_state\(label),state=\"up\"} 1"))
            #expect(lines.contains { $0.hasPrefix("rtpproxy_node_round_trip_seconds_bucket\(label),le=\"+Inf\"} ") })
            // All that the counters have, each as what it is.
            let counters = try #require(try Answer(kamailio, "/status.json").result()["counters"] as? [String: Int])
            let moment: Set = ["nodes", "nodes_up", "calls_remembered", "async_under_way", "dmq_hosts", "dmq_lag"]
            // Restarts are told of each RTPProxy.
            #expect(lines.contains("rtpproxy_node_restarts_total\(label)} 0"))
            for (name, value) in counters where name != "node_restarts" {
                let isOfTheMoment = moment.contains(name)
                let metric = "rtpproxy_\(name)\(isOfTheMoment ? "" : "_total")"
                #expect(lines.contains("\(metric) \(value)"), "\(metric) is not \(value)")
                #expect(lines.contains("# TYPE \(metric) \(isOfTheMoment ? "gauge" : "counter")"))
            }
            #expect(counters.count > 30 && lines.contains("rtpproxy_metrics_pages 1"))
            // Times go on between two looks.
            let names = #"(?m)^(#.*|\S+) "#
            let again = try Readme.matches(names, in: Answer(kamailio, "/metrics/1").body)
            #expect(try again == Readme.matches(names, in: metrics.body) && again.count > 100)
            #expect(try Answer(kamailio, "/metrics/2").body == "Pages: 1\n")
            for path in ["/metrics/2", "/metrics/0", "/metrics/x", "/metrics/1/1", "/metrics/nodes"] {
                #expect(try Answer(kamailio, path).status == 404)
            }
            guard FileManager.default.isExecutableFile(atPath: Self.promtool) else {
                return skipped("there is no promtool: make setup")
            }
            #expect(try Self.check(metrics.body) == "")
        }
    }

    @Test func headIsAnsweredWithoutABody() throws {
        try run { kamailio, _ in
            for path in ["/", "/status.json", "/metrics"] {
                let head = try Answer(kamailio, path, ["-I"])
                #expect(head.status == 200 && head.body.contains("200 OK\r\n") && head.body.hasSuffix("\r\n\r\n"))
            }
            for path in ["/metrics/2", "/x"] { #expect(try Answer(kamailio, path, ["-I"]).status == 404) }
            #expect(try Answer(kamailio, "/", ["-d", "x", "-i"]).body.contains("Allow: GET, HEAD\r\n"))
        }
    }

    /// The example with `count` RTPProxies that nobody has started, and buffers of `size` bytes.
    private func run(nodes count: Int, bufferSize size: Int, _ body: (Kamailio, [String]) throws -> Void) throws {
        let urls = (0..<count).map { "udp:127.\($0 / 200 + 1).0.\($0 % 200 + 1):9" }
        let changes = [
            (old: "udp:127.0.0.1:22222 udp:127.0.0.1:22223=0", new: urls.joined(separator: " ")),
            (old: "pv_buffer_size=131072", new: "pv_buffer_size=\(size)"),
        ]
        try Kamailio.with(Example.configuration("status-page.cfg", [], changes)) { try body($0, urls) }
    }

    /// A server of that many, and one that says nothing of its buffers.
    @Test(arguments: [(40, 131_072), (400, 131_072), (60, 8192), (3, 8192), (1, 8192)])
    func everyNodeIsOnOneOfThePages(count: Int, size: Int) throws {
        try run(nodes: count, bufferSize: size) { kamailio, urls in
            let first = try Answer(kamailio, "/metrics").body
            let pages = try #require(try Readme.matches(#"(?m)^rtpproxy_metrics_pages (\d+)$"#, in: first).first)
            let number = try #require(Int(pages))
            // Five kilobytes for each.
            #expect(size > 8192 ? (count / 30 + 1...count / 20 + 1).contains(number) : number == count + 1)
            var seen: [String] = []
            for page in 1...number {
                let text = page == 1 ? first : try Answer(kamailio, "/metrics/\(page)").body
                #expect(text.utf8.count < size && text.hasSuffix("\n"), "page \(page)")
                #expect(text.contains("\nrtpproxy_metrics_pages \(number)\n"))
                #expect(text.contains("\nrtpproxy_sessions_created_total 0\n") == (page == 1))
                if page <= 3, FileManager.default.isExecutableFile(atPath: Self.promtool) {
                    #expect(try Self.check(text) == "")
                }
                seen += try Readme.matches(#"rtpproxy_node_up\{url="([^"]*)""#, in: text)
                let last = try Readme.matches(#"rtpproxy_node_round_trip_seconds_count\{url="([^"]*)""#, in: text)
                #expect(seen.suffix(last.count) == last[...], "each of the page is there to the last line")
            }
            #expect(seen == urls)
            #expect(try Answer(kamailio, "/metrics/\(number + 1)").status == 404)
            #expect(kamailio.logLines("ERROR").filter { $0.contains("buffer") }.isEmpty)
        }
    }

    @Test func whatFitsNoBufferIsAnErrorThatSaysSo() throws {
        try run(nodes: 40, bufferSize: 4096) { kamailio, _ in
            for path in ["/metrics", "/metrics/2", "/status.json"] {
                let answer = try Answer(kamailio, path)
                #expect(answer.status == 500 && answer.body == "pv_buffer_size is too small for this.\n", "\(path)")
            }
            #expect(kamailio.waitForLog("pv_buffer_size 4096 has no room for the metrics") != nil)
            #expect(try Answer(kamailio, "/").status == 200)
        }
    }

    @Test(arguments: ["0", "-1", "1x", "page", "4294967296", "$nothing(x)"])
    func aPageThatIsNoneKeepsKamailioFromStarting(_ page: String) throws {
        let text = try Example.text("status-page.cfg").replacingOccurrences(
            of: "$rtpp_metrics_page($var(page))", with: "$rtpp_metrics_page(\(page))")
        #expect(throws: (any Error).self) { try Kamailio.with(KamailioConfiguration(complete: text)) { _ in } }
    }

    /// What promtool has to say of metrics.
    private static func check(_ metrics: String) throws -> String {
        let folder = try TemporaryFolder()
        try metrics.write(toFile: "\(folder.path)/metrics", atomically: true, encoding: .utf8)
        let command = "\(promtool) check metrics <\(folder.path)/metrics 2>&1; true"
        return try ChildProcess.run("/bin/sh", ["-c", command]).output
    }

    @Test func rulesAndScrapeConfigurationAreInOrderAndTheAlertsAreRaised() throws {
        guard FileManager.default.isExecutableFile(atPath: Self.promtool) else {
            return skipped("there is no promtool: make setup")
        }
        for arguments in [
            ["check", "rules", "\(Self.folder)/alerts.yml"], ["check", "config", "\(Self.folder)/prometheus.yml"],
            ["test", "rules", "\(Self.folder)/alerts-test.yml"],
        ] {
            let (end, output) = try ChildProcess.run(Self.promtool, arguments)
            #expect(end == .exited(0), "\(arguments): \(output)")
        }
        let rules = try String(contentsOfFile: "\(Self.folder)/alerts.yml", encoding: .utf8)
        let tests = try String(contentsOfFile: "\(Self.folder)/alerts-test.yml", encoding: .utf8)
        for alert in try Readme.matches(#"- alert: (\w+)"#, in: rules) {
            let raised = "alertname: \(alert)\n        exp_alerts:"
            #expect(tests.contains(raised), "no test raises \(alert)")
        }
    }

    @Test func alertsAndDashboardUseOnlyMetricsThatExist() throws {
        try run { kamailio, _ in
            let names = Set(try Readme.matches(#"(?m)^(\w+)[{ ]"#, in: Answer(kamailio, "/metrics").body))
            // What to do is told by parameters.
            let page = try String(contentsOfFile: "\(PackageFolder.root)/docs/operator/parameters.md", encoding: .utf8)
            let parameters = Set(try Readme.matches(#"(?m)^## (\w+)"#, in: page))
            for file in ["alerts.yml", "alerts-test.yml", "dashboard.json"] {
                let text = try String(contentsOfFile: "\(Self.folder)/\(file)", encoding: .utf8)
                let used = Set(try Readme.matches(#"\b((?:kamailio_)?rtpproxy_\w+)"#, in: text))
                let unknown = used.subtracting(names).subtracting(parameters)
                #expect(!used.isEmpty && unknown.isEmpty, "\(file): \(unknown)")
            }
        }
    }
}

private func skipped(_ reason: String) {
    print("SKIPPED: \(reason)")
}
