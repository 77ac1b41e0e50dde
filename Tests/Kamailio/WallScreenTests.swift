// SPDX-License-Identifier: GPL-2.0-or-later
// The page of examples/status-page.cfg as a wall screen shows it: in a browser, with figures that a test makes up.

import Foundation
import TestSupport
import Testing

/// The page in Chromium, with a script in the place of Kamailio.
private struct Screen {
    var width = 1920
    var height = 1080
    var isDark = false
    /// Milliseconds of the page's own time until it is looked at.
    var milliseconds = 5000
    /// What of a node differs from one that is up: JavaScript with `node`, its number `i`, and `t`, the seconds so far.
    var nodes = ""
    /// What of the answer differs, with `counters`, `t` and the text of a `refusal`; where it throws, Kamailio does not
    /// answer.
    var answer = ""

    static let browser = "/usr/bin/chromium"

    private var kamailio: String {
        """
        <script>
        let asked = 0, refusal = null;
        function answered() {
            const t = asked++;
            const counters = { commands_sent: 1000000 + t, commands_timed_out: 3, sessions_created: 4000000 + 9 * t,
                no_rtpproxy: 40, failovers: 12, hedges: 5, node_restarts: 1, refused_malformed: 3, async_refused: 0,
                calls_forgotten: 0, nodes: 12, nodes_up: 12, calls_remembered: 1934 };
            const nodes = [];
            for (let i = 0; i < 12; i++) {
                const node = { url: "udp:relay-" + (i + 1) + ".fra.example.net:22222", setid: Math.floor(i / 4),
                    index: i % 4, state: "up", since: 259200, weight: i % 4 === 3 ? 0 : 1, commands: 1000000 + 40 * t,
                    answered: 1000000, errors: 5000, timeouts: 7000, retransmissions: 9000, calls: 137 + 41 * i,
                    restarts: 0, round_trips: new Array(22).fill(100000) };
                node.round_trips[5] += 30 * t;
                \(nodes)
                nodes.push(node);
            }
            \(answer)
            return { result: { uptime: 260000 + t, nodes: nodes, counters: counters } };
        }
        window.fetch = async function () {
            const made = answered();
            return { ok: refusal === null, text: async () => refusal, json: async () => made };
        };
        </script>
        """
    }

    /// What the browser makes of it, and what `measure`, JavaScript, gives.
    func show(_ measure: String = "0") throws -> (page: String, measured: String) {
        let text = try Example.text("status-page.cfg")
        let start = try #require(text.range(of: "'<!DOCTYPE")).lowerBound
        let end = try #require(text.range(of: "</html>\n'"))
        var page = String(text[text.index(after: start)..<end.lowerBound])
        page = page.replacingOccurrences(of: "<script>\n\"use strict\"", with: kamailio + "<script>\n\"use strict\"")
        page += "<script>setTimeout(function () { const body = parent.document.body, measured = \(measure);"
        page += "body.innerHTML = document.body.innerHTML; body.dataset.measured = measured; }, "
        page += "\(milliseconds - 100));</script></html>\n"
        // In a frame, which is as large as it is told to be: windows have borders, and none is as narrow as a phone.
        let quoted = page.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "\"", with: "&quot;")
        page = "<!DOCTYPE html><body><iframe style=\"border: 0\" width=\(width) height=\(height) "
        page += "srcdoc=\"\(quoted)\"></iframe>"
        let folder = try TemporaryFolder()
        try page.write(toFile: "\(folder.path)/page.html", atomically: true, encoding: .utf8)
        let (result, shown) = try ChildProcess.run(
            Self.browser,
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                "--blink-settings=preferredColorScheme=\(isDark ? 0 : 1)", "--window-size=2000,1300",
                "--virtual-time-budget=\(milliseconds)", "--dump-dom", "file://\(folder.path)/page.html",
            ], within: 60)
        #expect(result == .exited(0))
        return (shown, try Readme.matches(#"data-measured="([^"]*)""#, in: shown).first ?? "")
    }
}

@Suite(
    .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/chromium"), "there is no chromium: make setup"))
struct WallScreenTests {
    /// The size of a text in pixels.
    private static func size(_ selector: String) -> String {
        "Math.floor(parseFloat(getComputedStyle(document.querySelector(\"\(selector)\")).fontSize))"
    }

    @Test func twelveRelaysFitAScreenAndAreReadFromThreeMetres() throws {
        let measures = [
            "document.documentElement.scrollHeight", "document.querySelectorAll(\".node\").length",
            "Array.from(document.querySelectorAll(\".inside\")).filter(e => e.scrollHeight > e.clientHeight + 1).length",
            "Array.from(document.querySelectorAll(\".name, .state\")).filter(e => e.scrollWidth > e.clientWidth).length",
            "Math.floor(parseFloat(getComputedStyle(document.querySelector(\".calls b\")).fontSize))",
            Self.size(".name"), Self.size(".state"), Self.size("#sentence"), Self.size(".facts"), Self.size("#minutes"),
        ]
        // One that is down has a line more.
        let down =
            "if (i === 1) { node.state = \"down\"; node.last_error = \"does not answer in time\"; node.last_error_ago = 3; }"
        let shown = try Screen(nodes: down).show("[\(measures.joined(separator: ","))]")
        let numbers = shown.measured.split(separator: ",").compactMap { Int($0) }
        #expect(numbers.count == measures.count && numbers.prefix(4) == [1080, 12, 0, 0], "\(numbers)")
        // Pixels of 0.6 mm, as 1920 on 55 inches are: letters of a centimetre and more.
        for (size, least) in zip(numbers.dropFirst(4), [55, 28, 24, 44, 20, 22]) {
            #expect(size >= least, "\(numbers)")
        }
    }

    /// However many calls and commands there are, and beside the longest sentence of the top.
    @Test(arguments: [1920, 1366, 400], [0, 588, 1934, 12_345, 234_567])
    func nothingIsCut(width: Int, calls: Int) throws {
        let measures = [
            "Array.from(document.querySelectorAll(\".name, .state, .plot, .row\"))"
                + ".filter(e => e.scrollWidth > e.clientWidth).length",
            "Array.from(document.querySelectorAll(\".inside\")).filter(e => e.scrollHeight > e.clientHeight + 1).length",
            "document.querySelector(\"#sentence\").getBoundingClientRect().right"
                + " <= document.querySelector(\"summary\").getBoundingClientRect().left || innerWidth < 1100 ? 0 : 1",
        ]
        let many = """
            node.calls = \(calls); node.commands += \(calls) * t;
            if (i >= 8) { node.state = "down"; node.last_error = "does not answer in time"; node.last_error_ago = 3; }
            node.timeouts += 75 * t;
            if (i === 7) node.state = "disabled";
            """
        let shown = try Screen(width: width, height: width == 1366 ? 768 : 1080, nodes: many)
            .show("[\(measures.joined(separator: ","))]")
        #expect(shown.page.contains("<b>\(calls)</b>") && shown.measured == "0,0,0", "\(shown.measured.prefix(20))")
    }

    @Test func aSetWithoutALivingRelayTurnsTheTopRed() throws {
        let color = "getComputedStyle(document.querySelector(\"header\")).backgroundColor"
        let dead = "if (i >= 8) node.state = \"down\"; if (i === 1) node.state = \"down\";"
        for isDark in [false, true] {
            let shown = try Screen(isDark: isDark, nodes: dead).show(color)
            #expect(shown.measured == "rgb(179, 19, 31)")
            #expect(shown.page.contains(">Set 2 has no living RTPProxy: new calls fail or go without a relay.</h1>"))
            #expect(shown.page.contains(">relay-2.fra.example.net of set 0 is down, the set goes on.</p>"))
        }
        let well = try Screen().show(color)
        #expect(well.measured == "rgb(20, 81, 42)" && well.page.contains(">All sets have their RTPProxies.</h1>"))
        let one = try Screen(nodes: "if (i === 1) node.state = \"down\";").show(color)
        #expect(one.measured == "rgb(122, 77, 0)")
        let drained = try Screen(nodes: "if (i >= 8) node.state = i === 8 ? \"draining\" : \"disabled\";").show(color)
        #expect(drained.measured == "rgb(179, 19, 31)")
        #expect(drained.page.contains(">Set 2 has no RTPProxy for new calls: relay-9.fra.example.net draining, "))
    }

    @Test func whatIsOldIsGreyWithinThreeSeconds() throws {
        let look = "document.body.className + \" \" + getComputedStyle(document.querySelector(\"main\")).filter"
        // Kamailio answers at 0, 1, 2 and 3 seconds, and then no more.
        let silent = "if (t > 3) throw new TypeError();"
        #expect(try Screen(milliseconds: 4500, answer: silent).show(look).measured == " none")
        // How old that is varies by a second: the browser's own clock runs by leaps here.
        let old = try Screen(milliseconds: 6800, answer: silent).show(look)
        #expect(old.measured == "stale grayscale(1)")
        let age = #"role="status">(Old by) [2-4] s: Kamailio does not answer.</span>"#
        #expect(try Readme.matches(age, in: old.page).count == 1)
        let refused = try Screen(
            milliseconds: 6800, answer: "if (t > 3) refusal = \"pv_buffer_size is too small.\\n\";"
        ).show()
        let reason = #">(Old by) [2-4] s: pv_buffer_size is too small.</span>"#
        #expect(try Readme.matches(reason, in: refused.page).count == 1)
        #expect(try Screen(milliseconds: 15000, answer: "if (t > 3 && t < 8) throw 0;").show(look).measured == " none")
    }

    @Test func figuresAreOfTheLastFiveMinutes() throws {
        // A fault of the first minute is none of the last five.
        let early = "node.timeouts += Math.min(t, 60); node.errors += t;"
        let shown = try Screen(milliseconds: 500_000, nodes: early).show()
        let timeouts = try Readme.matches(#">timeouts (\d+)<"#, in: shown.page).compactMap { Int($0) }
        let errors = try Readme.matches(#">errors (\d+)<"#, in: shown.page).compactMap { Int($0) }
        // Those of each, and those of the server.
        #expect(timeouts == Array(repeating: 0, count: 13))
        #expect(errors.count == 12 && errors.allSatisfy { (280...301).contains($0) }, "\(errors)")
        let sessions = try Readme.matches(#">new sessions (\d+)<"#, in: shown.page).compactMap { Int($0) }
        #expect(shown.page.contains(">The last five minutes:<") && (2500...2709).contains(sessions.first ?? 0))
        let fresh = try Screen(milliseconds: 20_000, nodes: early).show()
        #expect(try !Readme.matches(#">The last ([5-9]|1[0-9]|20) s:<"#, in: fresh.page).isEmpty, "\(fresh.page)")
    }

    @Test func eachRelayHasItsHostItsSetItsStateAndItsCalls() throws {
        let shown = try Screen(nodes: "if (i === 6) node.state = \"draining\"; if (i === 0) node.calls = 1;").show()
        for number in 1...12 { #expect(shown.page.contains(">relay-\(number).fra.example.net</div>")) }
        #expect(shown.page.contains(">set 1: drained, 3 days</div>"))
        #expect(shown.page.contains(">set 0, reserve: up, 3 days</div>"))
        #expect(
            shown.page.contains("<b>1</b><span> call</span>") && shown.page.contains("<b>588</b><span> calls</span>"))
        // Two of one host are told by their ports.
        let same = try Screen(nodes: "if (i < 2) node.url = \"udp:127.0.0.1:2222\" + i;").show()
        #expect(same.page.contains(">127.0.0.1:22220</div>") && same.page.contains(">127.0.0.1:22221</div>"))
    }

    @Test(arguments: [false, true]) func aPhoneShowsItWithoutScrollingSideways(isDark: Bool) throws {
        let measure = "document.documentElement.scrollWidth + \" \" + getComputedStyle(document.body).backgroundColor"
        let shown = try Screen(width: 400, height: 900, isDark: isDark).show(measure)
        #expect(shown.measured == "400 " + (isDark ? "rgb(12, 15, 19)" : "rgb(238, 240, 243)"))
    }

    @Test func picturesAreSmall() throws {
        let page = try String(contentsOfFile: "\(PackageFolder.root)/docs/operator/observability.md", encoding: .utf8)
        let pictures = try Readme.matches(#"\]\(([^)]*\.png)\)"#, in: page)
        #expect(pictures.count >= 3)
        for picture in pictures {
            let data = try Data(contentsOf: URL(fileURLWithPath: "\(PackageFolder.root)/docs/operator/\(picture)"))
            #expect(data.count < 100_000, "\(picture): \(data.count)")
        }
    }
}
