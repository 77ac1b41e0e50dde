// SPDX-License-Identifier: GPL-2.0-or-later
// What examples/prometheus asks for, asked of a real Prometheus that reads a real Kamailio.

import Foundation
import TestSupport
import Testing

/// A Prometheus that reads the metrics of a Kamailio each second, with the pages of examples/prometheus as consoles.
final class Prometheus {
    static let program = "\(PackageFolder.root)/.cache/prometheus/usr/bin/prometheus"
    static var isInstalled: Bool { FileManager.default.isExecutableFile(atPath: program) }

    private let folder: TemporaryFolder
    private let process: ChildProcess
    let address: String

    convenience init(_ kamailio: Kamailio) throws { try self.init(reading: kamailio.endpoint().description) }

    /// Reads what answers at `place`, an address and a port.
    init(reading place: String) throws {
        folder = try TemporaryFolder()
        let rules = "\(PackageFolder.root)/examples/prometheus/alerts.yml"
        try folder.write(
            """
            global: {scrape_interval: 1s, evaluation_interval: 1s}
            rule_files: ["\(rules)"]
            scrape_configs:
              - {job_name: rtpproxy, static_configs: [{targets: ["\(place)"]}]}
            """, to: "prometheus.yml")
        address = "127.0.0.1:\(try FreePort.next())"
        process = try ChildProcess(
            Self.program,
            [
                "--config.file=\(folder.file("prometheus.yml"))", "--storage.tsdb.path=\(folder.file("data"))",
                "--web.listen-address=\(address)",
                "--web.console.templates=\(PackageFolder.root)/examples/prometheus",
                // Debian's package and ours have none.
                "--web.console.libraries=\(folder.file("none"))",
            ], output: folder.file("log"))
    }

    deinit { process.terminate(within: 5) }

    /// How many series an expression gives; nil where it is refused or Prometheus is not there yet.
    func series(_ expression: String) throws -> Int? {
        let (end, output) = try ChildProcess.run(
            "curl",
            ["-s", "-m", "5", "-G", "http://\(address)/api/v1/query", "--data-urlencode", "query=\(expression)"])
        guard end == .exited(0),
            let answer = try? JSONSerialization.jsonObject(with: Data(output.utf8)) as? [String: Any],
            let data = answer["data"] as? [String: Any], let result = data["result"] as? [Any]
        else { return nil }
        return result.count
    }
}

@Suite struct DashboardTests {
    static func panels() throws -> [[String: Any]] {
        let path = "\(PackageFolder.root)/examples/prometheus/dashboard.json"
        let dashboard = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: path)))
        return try #require((dashboard as? [String: Any])?["panels"] as? [[String: Any]])
    }

    /// The expressions of all panels, for all instances.
    private static func expressions() throws -> [String] {
        let found = try panels().flatMap {
            ($0["targets"] as? [[String: Any]] ?? []).compactMap { $0["expr"] as? String }
        }
        return found.map { $0.replacingOccurrences(of: "$instance", with: ".*") }
    }

    @Test(.enabled(if: Prometheus.isInstalled, "there is no prometheus: make setup"))
    func eachExpressionHasAnAnswer() throws {
        let relays = [try ScriptedRelay(), try ScriptedRelay()]
        try Example.run("status-page.cfg", relays: relays) { kamailio in
            let prometheus = try Prometheus(kamailio)
            let made = try kamailio.call()
            try Example.register(made.callee, kamailio)
            try RoutedCall(made).hangUp()
            let expressions = try Self.expressions()
            #expect(expressions.count > 30)
            // A rate takes two readings.
            #expect(waitUntil(30) { (try? prometheus.series(expressions[3])) == .some(1) })
            for expression in expressions where !expression.hasSuffix("> 0") {
                let isOfEachNode = expression.contains("rtpproxy_node") && !expression.hasPrefix("sum(")
                let least = isOfEachNode && !expression.hasPrefix("count(") ? 2 : 1
                #expect(waitUntil(10) { (try? prometheus.series(expression)) ?? 0 >= least }, "\(expression)")
            }
            // What shows only where there is one.
            for expression in expressions where expression.hasSuffix("> 0") {
                #expect(try prometheus.series(expression) == 0, "\(expression)")
            }
            // The rules are loaded, and none of their alerts is raised.
            #expect(waitUntil(10) { (try? prometheus.series("ALERTS")) == .some(0) })
        }
    }
}
