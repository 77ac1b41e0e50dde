// SPDX-License-Identifier: GPL-2.0-or-later
// Hundreds of calls at once between WebRTC clients and phones through a real RTPProxy: none may be lost, nor a packet of
// their audio, and Kamailio may not work much longer for one than for a call between phones.

import BenchPrograms
import Foundation
import TestSupport

/// A real RTPProxy, a Kamailio, one program that places all calls, and one that takes them.
struct BrowserSoak {
    /// Calls that are up at the same time.
    let calls: Int
    /// How often each kind of caller has its turn.
    let turns: Int
    /// The most calls for which there are ports at the relay.
    static let mostCalls = 240
    /// Packets of audio that each side of a call sends, and the milliseconds between two: aiortc encrypts some thousand a
    /// second at most.
    private static let packets = 20
    private static let pause = 500
    /// What Kamailio may work for a call of a browser, by what it works for one of a phone. 1.5 is what is aimed at; a busy
    /// machine says 1.2 to 1.7 of the same build. One turn alone is not judged.
    private static let limit = 2.0

    /// Who calls the phones.
    private struct Caller {
        let title: String
        let isPlain: Bool
        let overWebSocket: Bool
        /// Microseconds of Kamailio for each call.
        var costs: [Double] = []
        /// Milliseconds until one is up, with all that the client and the relay do.
        var times: [Double] = []
    }

    /// Runs it and prints what came of it. False where something is not as it must be.
    func run() throws -> Bool {
        guard WebRTCAgent.isInstalled else { throw HarnessError(WebRTCAgent.need) }
        print("\(calls) calls at once, \(turns) times of each kind, through a real RTPProxy")
        fflush(nil)
        // It gives up what nobody sends to after a minute.
        let relay = try RealRelay("127.0.0.9", options: ["-T", "600"])
        defer { relay.stop() }
        let routes = try PackageFolder.fixture("kamailio/webrtc.cfg")
        // Both say who has WebRTC: that a client comes by WebSocket shall decide nothing here.
        let kamailios = try ["p", "$var(way)"].map { flags in
            try Kamailio(
                .webRTC(
                    routes.replacingOccurrences(of: "FLAGS", with: flags), definitions: ["MANAGED"],
                    settings: [
                        "modparam(\"rtpproxy\", \"rtpproxy_sock\", \"\(relay.url)\")",
                        // Nobody says anything until all calls are up, on a slow machine for longer than the usual 8 s.
                        "modparam(\"rtpproxy\", \"rtpproxy_webrtc_silence\", 120)",
                    ], debug: 0))
        }
        var report = Findings()
        var callers = [
            Caller(title: "phone, UDP", isPlain: true, overWebSocket: false),
            Caller(title: "phone, WebSocket", isPlain: true, overWebSocket: true),
            Caller(title: "WebRTC, UDP", isPlain: false, overWebSocket: false),
            Caller(title: "WebRTC, WebSocket", isPlain: false, overWebSocket: true),
        ]
        for kamailio in kamailios { _ = kamailio.waitUntilUp() }
        let idle = idle(kamailios[0])
        for _ in 0..<turns {
            for index in callers.indices {
                let (cost, time) = try carry(
                    callers[index], kamailios[callers[index].isPlain ? 0 : 1], relay, idle: idle, &report)
                callers[index].costs.append(cost)
                callers[index].times.append(time)
            }
        }
        for caller in callers {
            report.check(
                caller.title,
                "Kamailio's processor time \(Self.text(caller.costs)) us a call, up after \(Self.text(caller.times)) ms",
                true)
        }
        // What WebSocket itself costs, it costs a phone, too.
        for (caller, phone, isLimited) in [(2, 0, true), (3, 1, true), (1, 0, false), (3, 0, false)] {
            let (one, other) = (callers[caller].costs.median ?? 0, callers[phone].costs.median ?? 1)
            report.check(
                "\(callers[caller].title) : \(callers[phone].title)", String(format: "%.2f", one / other),
                !isLimited || turns == 1 || one / other <= Self.limit)
        }
        for kamailio in kamailios {
            let complaints = kamailio.log.split(separator: "\n").filter {
                $0.contains("ERROR") || $0.contains("WARNING")
            }
            report.check("Kamailio's log", complaints.first.map(String.init) ?? "empty", complaints.isEmpty)
            try kamailio.stop()
        }
        return report.conclude()
    }

    private static func text(_ values: [Double]) -> String {
        values.map { String(Int($0.rounded())) }.joined(separator: ", ")
    }

    /// Nanoseconds that Kamailio works in a millisecond without calls.
    private func idle(_ kamailio: Kamailio) -> Double {
        let before = bench_processor_time(kamailio.process.pid)
        Thread.sleep(forTimeInterval: 3)
        return Double(bench_processor_time(kamailio.process.pid) - before) / 3000
    }

    /// Microseconds of Kamailio for each call of one turn, and milliseconds until it is up.
    private func carry(
        _ caller: Caller, _ kamailio: Kamailio, _ relay: RealRelay, idle: Double, _ report: inout Findings
    ) throws -> (cost: Double, time: Double) {
        let proxy = "127.0.0.1:\(kamailio.port)"
        let callee = try WebRTCAgent(
            "dave", proxy: "udp:\(proxy)", address: "127.0.0.3", options: ["--plain", "--quiet", "--auto"])
        let agent = try WebRTCAgent(
            "carol", proxy: caller.overWebSocket ? "ws://\(proxy)/" : "udp:\(proxy)", address: "127.0.0.2",
            options: ["--quiet"] + (caller.isPlain ? ["--plain"] : []))
        for one in [callee, agent] { try one.command("register") }
        let (start, before) = (monotonicMilliseconds(), bench_processor_time(kamailio.process.pid))
        try agent.command("crowd \(calls) sip:dave@\(proxy)")
        waitUntil(Double(calls) + 60, every: 200) { (try? agent.count()).map { !$0.works } ?? false }
        let (setUp, up) = (monotonicMilliseconds() - start, bench_processor_time(kamailio.process.pid))
        let (theirs, ours) = (try callee.count(), try agent.count())
        report.check("up at once, \(caller.title)", "\(ours.up)", ours.up == calls && theirs.up == calls)
        guard ours.up == calls else {
            throw HarnessError("\(agent.events().compactMap(\.text)) \(kamailio.log.suffix(500))")
        }
        let sessions = try relay.sessions()
        report.check("sessions of RTPProxy", sessions, sessions.hasSuffix(" \(calls)"))

        for one in [callee, agent] { try one.command("talk \(Self.packets) \(Self.pause)") }
        let wanted = calls * Self.packets
        waitUntil(Double(Self.packets * Self.pause) / 1000 + 20, every: 250) {
            guard let theirs = try? callee.count(), let ours = try? agent.count() else { return false }
            return theirs.heard >= ours.sent && ours.heard >= theirs.sent && theirs.sent == wanted
                && ours.sent >= wanted
        }
        let (callees, callers) = (try callee.count(), try agent.count())
        for (title, from, to) in [("from the caller", callers, callees), ("to the caller", callees, callers)] {
            report.check(
                "audio \(title)", "\(from.sent) packets sent, \(to.heard) heard, \(to.least) to \(to.most) a call",
                from.sent >= wanted && to.heard == from.sent && to.least == to.most)
        }

        let (leaving, talked) = (monotonicMilliseconds(), bench_processor_time(kamailio.process.pid))
        try agent.command("disperse")
        waitUntil(60, every: 200) {
            (try? agent.count()).map { !$0.works && $0.ended == calls } ?? false
                && (try? callee.count()).map { $0.ended == calls } ?? false
        }
        let isEmpty = waitUntil(10, every: 100) { (try? relay.sessions())?.hasSuffix(" 0") ?? false }
        report.check("sessions left", try relay.sessions(), isEmpty)
        let (ending, end) = (monotonicMilliseconds() - leaving, bench_processor_time(kamailio.process.pid))
        for one in [callee, agent] {
            let problems = one.events().filter { $0.event == "problem" && $0.text != "the WebSocket was closed" }
            report.check("problems of \(one.uri)", problems.first?.text ?? "none", problems.isEmpty)
        }
        let work = Double(up - before + end - talked) - idle * Double(setUp + ending)
        return (work / Double(calls) / 1000, Double(setUp) / Double(calls))
    }
}
