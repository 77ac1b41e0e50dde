// SPDX-License-Identifier: GPL-2.0-or-later
// The dashboard as a console page of a real Prometheus, examples/prometheus/rtpproxy.html, in a browser.

import Foundation
import TestSupport
import Testing

/// The page, once its script has run.
private struct Console {
    let page: String
    /// What stands in each panel, by its title, in the order of the page.
    let panels: [(title: String, content: String)]

    static let browser = "/usr/bin/chromium"

    /// `choice`: what stands behind the `#` of the address. The script must not fail.
    init(_ address: String, choice: String = "seconds=900") throws {
        let (end, output) = try ChildProcess.run(
            Self.browser,
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1600,1200",
                "--virtual-time-budget=6000", "--dump-dom", "\(address)#\(choice)",
            ], within: 60)
        #expect(end == .exited(0))
        #expect(output.components(separatedBy: "\n").filter { $0.contains("Uncaught") } == [])
        page = output
        let main = output.components(separatedBy: "</main>")[0]
        let parts = main.components(separatedBy: "<section ").dropFirst()
        panels = try parts.map { (try Readme.matches("<h2>(.*?)</h2>", in: $0).first ?? "", $0) }
    }

    init(_ prometheus: Prometheus, choice: String = "seconds=900") throws {
        try self.init("http://\(prometheus.address)/consoles/rtpproxy.html", choice: choice)
    }
}

@Suite(
    .enabled(if: FileManager.default.isExecutableFile(atPath: Console.browser), "there is no chromium: make setup"),
    .enabled(if: Prometheus.isInstalled, "there is no prometheus: make setup"))
struct ConsoleTests {
    private static let file = "\(PackageFolder.root)/examples/prometheus/rtpproxy.html"

    /// Waits until what takes two readings and a probe has been there for as long as a browser's clock may be behind.
    private func waitForFigures(_ prometheus: Prometheus, nodes: Int) {
        let trips = "sum by (url) (rate(rtpproxy_node_round_trip_seconds_bucket[5m] offset 3s)) > 0"
        #expect(waitUntil(30) { (try? prometheus.series(trips)) == .some(nodes) })
        let sessions = "rate(rtpproxy_sessions_created_total[5m] offset 3s)"
        #expect(waitUntil(30) { (try? prometheus.series(sessions)) == .some(1) })
    }

    @Test func eachPanelOfTheDashboardHasItsFigures() throws {
        let relays = [try RealRelay(), try RealRelay()]
        try Example.run("status-page.cfg", real: relays) { kamailio in
            let prometheus = try Prometheus(kamailio)
            // One call is over, one goes on.
            for isOver in [true, false] {
                let made = try kamailio.call()
                try Example.register(made.callee, kamailio)
                let call = try RoutedCall(made)
                if isOver { try call.hangUp() }
            }
            waitForFigures(prometheus, nodes: 2)
            let console = try Console(prometheus)
            #expect(console.panels.map(\.title) == (try DashboardTests.panels().compactMap { $0["title"] as? String }))
            #expect(console.panels.count == 13)
            for (title, content) in console.panels {
                #expect(content.contains("<svg") && !content.contains(">no data<"), "\(title)")
                #expect(!content.contains("\"fault\"") && !content.contains(">-</b>"), "\(title)")
                #expect(content.contains("<rect") || content.contains("<path d=\"M"), "\(title)")
            }
            // The figures are those of the server, and the legends those of the dashboard.
            #expect(console.panels[0].content.contains("<b>2</b><span>take calls</span>"))
            #expect(console.panels[1].content.contains("<b>1</b><span>\(kamailio.endpoint())</span>"))
            for relay in relays {
                #expect(console.panels[4].content.contains(">set 0 \(relay.url)</span>"))
                #expect(console.panels[6].content.contains(">99 % \(relay.url)</span>"))
            }
            #expect(console.panels[4].content.components(separatedBy: "<b>up</b>").count == 3)
            #expect(console.panels[11].content.contains(">\(relays[0].url)</span><b>1</b>"))
            #expect(console.page.contains(">as of ") && !console.page.contains("class=\"old\""))

            // One Kamailio of several, by a name that is a pattern; and one that there is not.
            let own = try Console(prometheus, choice: "instance=\(kamailio.endpoint())")
            #expect(own.panels.allSatisfy { !$0.content.contains(">no data<") })
            let other = try Console(prometheus, choice: "instance=127.0.0.1:.*")
            #expect(other.panels.count == 13 && other.panels.allSatisfy { $0.content.contains("<p>no data</p>") })
        }
    }

    @Test func whatIsNotThereIsNoData() throws {
        let prometheus = try Prometheus(reading: "127.0.0.1:\(try FreePort.next())")
        #expect(waitUntil(10) { (try? prometheus.series("up")) == .some(1) })
        let console = try Console(prometheus)
        #expect(console.panels.count == 13 && console.panels.allSatisfy { $0.content.contains("<p>no data</p>") })
        #expect(console.page.contains(">as of "))
    }

    @Test func pageSaysSoWherePrometheusDoesNotAnswer() throws {
        let console = try Console("file://\(Self.file)")
        #expect(console.page.contains(">Prometheus does not answer; reading ...</span>"))
        #expect(console.page.contains("<body class=\"old\">") && console.panels.count == 13)
    }

    /// A path may hold nearly everything.
    @Test func urlsAreNoMarkup() throws {
        let url = "unix:/x\"><script>document.title='FORGED'</script><img/src=x>{{url}}"
        let quoted = url.replacingOccurrences(of: "\"", with: "\\\"")
        let changes = [(old: "udp:127.0.0.1:22222 udp:127.0.0.1:22223=0", new: "\(quoted)=1")]
        try Kamailio.with(Example.configuration("status-page.cfg", [], changes)) { kamailio in
            let prometheus = try Prometheus(kamailio)
            #expect(waitUntil(30) { (try? prometheus.series("rate(rtpproxy_hedges_total[5m] offset 3s)")) == .some(1) })
            let console = try Console(prometheus)
            let shown = url.replacingOccurrences(of: "<", with: "&lt;").replacingOccurrences(of: ">", with: "&gt;")
            #expect(console.panels[4].content.contains(">set 0 \(shown)</span>"))
            #expect(console.panels[4].content.contains("<b>down</b>"))
            #expect(!console.page.contains("<img") && !console.page.contains("<title>FORGED"))
            #expect(console.page.components(separatedBy: "<script").count == 2, "the page's own, and no other")
        }
    }

    /// The page in a frame of that width, with a script in the place of Prometheus: `data` of an answer by the `query`
    /// that it is asked; where that throws, the reason why it refuses. What `measure`, JavaScript, gives.
    private func measured(_ measure: String, width: Int, isDark: Bool = false, data: String) throws -> String {
        let mock = """
            <script>window.fetch = async function (address) {
                const asked = new URLSearchParams(address.split("?")[1]);
                const query = asked.get("query"), time = asked.get("end");
                const metric = { url: "udp:relay-1.fra.example.net:22222", set: "0", instance: "sip-1:8080" };
                let said = { status: "success", data: ["sip-1.example.net:8080"] };
                try {
                    if (query) said.data = { result: \(data) };
                } catch (refusal) {
                    said = { status: "error", error: refusal };
                }
                return { json: async () => said };
            };</script><script>\n"use strict"
            """
        var page = try String(contentsOfFile: Self.file, encoding: .utf8)
        page = page.replacingOccurrences(of: "<script>\n\"use strict\"", with: mock)
        page +=
            "<script>setTimeout(function () { parent.document.body.dataset.measured = \(measure); }, 4000);</script>"
        let quoted = page.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "\"", with: "&quot;")
        let folder = try TemporaryFolder()
        try folder.write(
            "<!DOCTYPE html><body><iframe style=\"border: 0\" width=\(width) height=900 srcdoc=\"\(quoted)\"></iframe>",
            to: "page.html")
        let (end, shown) = try ChildProcess.run(
            Console.browser,
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=2000,1300",
                "--blink-settings=preferredColorScheme=\(isDark ? 0 : 1)", "--virtual-time-budget=5000", "--dump-dom",
                "file://\(folder.file("page.html"))",
            ], within: 60)
        #expect(end == .exited(0))
        return try Readme.matches(#"data-measured="([^"]*)""#, in: shown).first ?? "nothing"
    }

    @Test(arguments: [(400, false), (400, true), (1600, false)])
    func pageFitsAPhoneAndADesk(width: Int, isDark: Bool) throws {
        let measure =
            "[document.documentElement.scrollWidth, document.querySelectorAll('section svg').length, "
            + "getComputedStyle(document.body).backgroundColor].join(' ')"
        let shown = try measured(
            measure, width: width, isDark: isDark, data: "[{ metric: metric, values: [[time, \"1234567\"]] }]")
        // Two figures in the first panel, one in each of three, a state, and eight charts.
        #expect(shown == "\(width) 14 " + (isDark ? "rgb(12, 15, 19)" : "rgb(238, 240, 243)"))
    }

    @Test func whatPrometheusRefusesStandsInThePanel() throws {
        let refused = "(function () { if (query.includes('hedges')) throw 'no such <b>function</b>'; return []; })()"
        let measure =
            "document.querySelectorAll('p.fault').length + ' ' + document.querySelector('p.fault').textContent"
            + " + ' ' + document.querySelectorAll('section p').length + document.body.className"
        let shown = try measured(measure, width: 1600, data: refused)
        #expect(shown == "1 no such &lt;b&gt;function&lt;/b&gt; 13")
    }

    @Test func pageIsSelfContained() throws {
        let page = try String(contentsOfFile: Self.file, encoding: .utf8)
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
        // Nothing from elsewhere, no markup made of texts, and nothing that Prometheus takes for a template.
        for foreign in ["src=", "href=", "@import", "url(", "innerHTML", "insertAdjacentHTML", "{{"] {
            #expect(!page.contains(foreign), "\(foreign)")
        }
    }
}
