// SPDX-License-Identifier: GPL-2.0-or-later
// A whole call through a real Kamailio and a real RTPProxy: what the demo shows, and what a test checks.

import Foundation

/// Everything seen during the call.
public struct DemoReport: Sendable {
    public let ladder: Ladder
    /// The four session descriptions: as sent by the caller, as the callee got it, and the answer likewise.
    public var offerSent = ""
    public var offerReceived = ""
    public var answerSent = ""
    public var answerReceived = ""
    /// Packets sent by and counted at the two ends.
    public var sentByCaller = 0
    public var sentByCallee = 0
    public var countedAtCaller = 0
    public var countedAtCallee = 0
    /// `$rtpstat` before the deletion.
    public var statistics = ""
    /// What `kamcmd rtpproxy.list` printed during the call.
    public var list = ""
    /// What RTPProxy answered to `Q` during the call, and after it.
    public var queryBefore = ""
    public var queryAfter = ""
    /// What was wrong, each in a sentence. Empty after a good call.
    public var problems: [String] = []

    mutating func check(_ holds: Bool, _ problem: String) {
        if !holds { problems.append(problem) }
    }
}

/// The demo's call.
public enum DemoCall {
    static let packets = 50
    // Everyone has a loopback address of its own, so that one sees who is who.
    static let callerAddress = "127.0.0.2"
    static let calleeAddress = "127.0.0.3"
    static let relayAddress = "127.0.0.4"

    /// Starts RTPProxy and Kamailio, places the call, sends RTP both ways, hangs up, and stops everything. The script
    /// is demo.cfg, or, with the asynchronous functions, demo-async.cfg.
    public static func run(
        module: RTPProxyModule = .underTest, asynchronously isAsynchronous: Bool = false
    ) throws -> DemoReport {
        let ladder = Ladder(["caller", "Kamailio", "RTPProxy", "callee"])
        let relay = try RealRelay(relayAddress)
        defer { relay.stop() }
        let forwarder = try ControlForwarder(to: relay.control) { text, isAnswer in
            isAnswer ? ladder.add("RTPProxy", "Kamailio", text) : ladder.add("Kamailio", "RTPProxy", text)
        }
        defer { forwarder.stop() }
        var configuration = KamailioConfiguration(
            routes: try PackageFolder.fixture("kamailio/\(isAsynchronous ? "demo-async" : "demo").cfg"))
        configuration.module = module
        configuration.set("rtpproxy_sock", forwarder.url)
        return try Kamailio.with(configuration) { kamailio in
            try waitForProbe(kamailio, ladder)
            return try place(kamailio, relay, ladder)
        }
    }

    private static func waitForProbe(_ kamailio: Kamailio, _ ladder: Ladder) throws {
        let probed = try waitUntil(10) {
            try ladder.labels.contains("1") && kamailio.relays().first?["disabled"] == "0"
        }
        guard probed else { throw HarnessError("RTPProxy was not found by the module:\n\(kamailio.log)") }
    }

    private static func agent(_ name: String, _ address: String, _ ladder: Ladder) throws -> UserAgent {
        try UserAgent(name, address: address) { message, sent in
            let what = message.isRequest ? message.method : "\(message.status) \(message.method)"
            let label = message.body.isEmpty ? what : "\(what) + SDP"
            sent ? ladder.add(name, "Kamailio", label) : ladder.add("Kamailio", name, label)
        }
    }

    private static func place(_ kamailio: Kamailio, _ relay: RealRelay, _ ladder: Ladder) throws -> DemoReport {
        var report = DemoReport(ladder: ladder)
        let call = try Call(
            through: { kamailio.endpoint($0) }, caller: agent("caller", callerAddress, ladder),
            callee: agent("callee", calleeAddress, ladder))
        call.id = "demo-" + String(UInt32.random(in: 0x1000_0000 ... .max), radix: 16)
        (call.fromTag, call.toTag) = ("from1", "to1")
        let atCaller = try RTPEndpoint(callerAddress)
        let atCallee = try RTPEndpoint(calleeAddress)

        report.offerSent = SDPText.audio(callerAddress, port: Int(atCaller.port))
        let invite = call.request("INVITE", sdp: report.offerSent)
        call.send(invite)
        guard call.caller.receive(where: { $0.status == 100 }) != nil else {
            throw HarnessError("Kamailio did not take the INVITE:\n\(kamailio.log.suffix(2000))")
        }
        guard let received = call.callee.receive(where: { $0.method == "INVITE" && $0.callID == call.id }) else {
            throw HarnessError("the INVITE did not reach the callee:\n\(kamailio.log.suffix(2000))")
        }
        report.offerReceived = received.text
        try call.reply(180, to: received)
        report.answerSent = SDPText.audio(calleeAddress, port: Int(atCallee.port))
        report.answerReceived = try call.reply(200, to: received, sdp: report.answerSent).text
        try call.ack()

        let towardsCallee = try SDPText.mediaAddress(of: report.answerReceived)
        let towardsCaller = try SDPText.mediaAddress(of: report.offerReceived)
        for (name, address) in [("offer", towardsCaller), ("answer", towardsCallee)] {
            report.check(address.host == relayAddress, "The \(name) sends media to \(address), not to RTPProxy.")
        }
        for (name, sdp) in [("offer", report.offerReceived), ("answer", report.answerReceived)] {
            report.check(sdp.contains("a=nortpproxy:yes"), "The \(name) does not have the marker.")
        }
        exchangeMedia(atCaller, atCallee, towardsCallee, towardsCaller, &report, ladder)

        report.list = try kamailio.kamcmd("rtpproxy.list")
        report.check(report.list.contains("disabled: 0"), "rtpproxy.list does not show the relay as enabled.")
        let query = "Q \(call.id) \(call.fromTag);1 \(call.toTag);1"
        report.queryBefore = try relay.command(query)
        let bye = try call.bye()
        report.statistics = bye["X-RTP-Statistics"] ?? ""
        // A deletion that the script does not wait for may come behind the answer to BYE.
        _ = try waitUntil(2) {
            report.queryAfter = try relay.command(query)
            return report.queryAfter.hasPrefix("E")
        }
        checkEnd(&report)
        return report
    }

    private static func exchangeMedia(
        _ atCaller: RTPEndpoint, _ atCallee: RTPEndpoint, _ towardsCallee: Endpoint, _ towardsCaller: Endpoint,
        _ report: inout DemoReport, _ ladder: Ladder
    ) {
        report.sentByCaller = packets
        ladder.add("caller", "RTPProxy", "RTP: \(packets) packets")
        atCaller.send(packets, to: towardsCallee)
        report.countedAtCallee = atCallee.count(expecting: packets)
        ladder.add("RTPProxy", "callee", "RTP: \(report.countedAtCallee)")
        report.sentByCallee = packets
        ladder.add("callee", "RTPProxy", "RTP: \(packets)")
        atCallee.send(packets, to: towardsCaller)
        report.countedAtCaller = atCaller.count(expecting: packets)
        ladder.add("RTPProxy", "caller", "RTP: \(report.countedAtCaller) packets")
        for (end, count) in [("caller", report.countedAtCaller), ("callee", report.countedAtCallee)] {
            report.check(count == packets, "Of \(packets) RTP packets \(count) reached the \(end).")
        }
    }

    private static func checkEnd(_ report: inout DemoReport) {
        let numbers = report.statistics.split(separator: " ").compactMap { Int($0) }
        report.check(
            numbers.count >= 5 && numbers[1...4] == [packets, packets, 2 * packets, 0],
            "$rtpstat is '\(report.statistics)' and not \(packets) packets each way, all of them relayed.")
        report.check(!report.queryBefore.hasPrefix("E"), "RTPProxy did not know the call while it lasted.")
        report.check(
            report.queryAfter.hasPrefix("E50"),
            "After BYE RTPProxy still knows the session: it answers '\(report.queryAfter)' to Q.")
    }
}
