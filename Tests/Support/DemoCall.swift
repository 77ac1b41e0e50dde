// SPDX-License-Identifier: GPL-2.0-or-later
// A whole call through a real Kamailio and a real relay: what the demo shows, and what a test checks.

import Foundation

/// Everything seen during the call.
public struct DemoReport: Sendable {
    public let kind: RelayKind
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
    /// The command that asks the relay for the call, and what it answered to that during the call, and after it.
    public var question = ""
    public var answerBefore = ""
    public var answerAfter = ""
    /// What was wrong, each in a sentence. Empty after a good call.
    public var problems: [String] = []

    mutating func check(_ holds: Bool, _ problem: String) {
        if !holds { problems.append(problem) }
    }
}

/// The demo's call.
public enum DemoCall {
    static let packets = 50
    // Each party has a loopback address of its own, so that the ladder shows who sends what.
    static let callerAddress = "127.0.0.2"
    static let calleeAddress = "127.0.0.3"
    static let relayAddress = "127.0.0.4"

    /// Starts the relay and Kamailio, places the call, sends RTP both ways, hangs up, and stops everything. The script
    /// is demo.cfg, or, with the asynchronous functions, demo-async.cfg.
    public static func run(
        _ kind: RelayKind = .rtpproxy, module: RTPProxyModule = .underTest,
        asynchronously isAsynchronous: Bool = false
    ) throws -> DemoReport {
        let ladder = Ladder(["caller", "Kamailio", kind.name, "callee"])
        let relay = try kind.start(relayAddress)
        defer { relay.stop() }
        let forwarder = try ControlForwarder(to: relay.control) { text, isAnswer in
            isAnswer ? ladder.add(kind.name, "Kamailio", text) : ladder.add("Kamailio", kind.name, text)
        }
        defer { forwarder.stop() }
        var configuration = KamailioConfiguration(
            routes: try PackageFolder.fixture("kamailio/\(isAsynchronous ? "demo-async" : "demo").cfg"))
        configuration.module = module
        configuration.set("rtpproxy_sock", forwarder.url)
        return try Kamailio.with(configuration) { kamailio in
            guard kamailio.waitUntilUp() else {
                throw HarnessError("the relay was not found by the module:\n\(kamailio.log)")
            }
            return try place(kamailio, kind, relay, ladder)
        }
    }

    private static func agent(_ name: String, _ address: String, _ ladder: Ladder) throws -> UserAgent {
        try UserAgent(name, address: address) { message, sent in
            let what = message.isRequest ? message.method : "\(message.status) \(message.method)"
            let label = message.body.isEmpty ? what : "\(what) + SDP"
            sent ? ladder.add(name, "Kamailio", label) : ladder.add("Kamailio", name, label)
        }
    }

    private static func place(
        _ kamailio: Kamailio, _ kind: RelayKind, _ relay: any MediaRelay, _ ladder: Ladder
    ) throws -> DemoReport {
        var report = DemoReport(kind: kind, ladder: ladder)
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
            report.check(address.host == relayAddress, "The \(name) sends media to \(address), not to \(kind.name).")
        }
        for (name, sdp) in [("offer", report.offerReceived), ("answer", report.answerReceived)] {
            report.check(sdp.contains("a=nortpproxy:yes"), "The \(name) does not have the marker.")
        }
        exchangeMedia(atCaller, atCallee, towardsCallee, towardsCaller, &report, ladder)

        report.list = try kamailio.kamcmd("rtpproxy.list")
        report.check(report.list.contains("disabled: 0"), "rtpproxy.list does not show the relay as enabled.")
        let tags = "\(call.fromTag);1 \(call.toTag);1"
        // rtpengine counts nothing that it would tell: the callee's answer once more, which needs the call.
        report.question =
            kind == .rtpproxy ? "Q \(call.id) \(tags)" : "L \(call.id) \(calleeAddress) \(atCallee.port) \(tags)"
        report.answerBefore = try relay.command(report.question)
        let bye = try call.bye()
        report.statistics = bye["X-RTP-Statistics"] ?? ""
        // A deletion that the script does not wait for may come behind the answer to BYE.
        _ = try waitUntil(2) {
            report.answerAfter = try relay.command(report.question)
            return isUnknown(report.answerAfter)
        }
        checkEnd(&report)
        return report
    }

    private static func exchangeMedia(
        _ atCaller: RTPEndpoint, _ atCallee: RTPEndpoint, _ towardsCallee: Endpoint, _ towardsCaller: Endpoint,
        _ report: inout DemoReport, _ ladder: Ladder
    ) {
        report.sentByCaller = packets
        let name = report.kind.name
        ladder.add("caller", name, "RTP: \(packets) packets")
        atCaller.send(packets, to: towardsCallee)
        report.countedAtCallee = atCallee.count(expecting: packets)
        ladder.add(name, "callee", "RTP: \(report.countedAtCallee)")
        report.sentByCallee = packets
        ladder.add("callee", name, "RTP: \(packets)")
        atCallee.send(packets, to: towardsCaller)
        report.countedAtCaller = atCaller.count(expecting: packets)
        ladder.add(name, "caller", "RTP: \(report.countedAtCaller) packets")
        for (end, count) in [("caller", report.countedAtCaller), ("callee", report.countedAtCallee)] {
            report.check(count == packets, "Of \(packets) RTP packets \(count) reached the \(end).")
        }
    }

    /// Whether a relay answers that it does not know the call.
    private static func isUnknown(_ answer: String) -> Bool { answer.hasPrefix("E50") || answer.hasPrefix("0 ") }

    private static func checkEnd(_ report: inout DemoReport) {
        let numbers = report.statistics.split(separator: " ").compactMap { Int($0) }
        switch report.kind {
        case .rtpproxy:
            report.check(
                numbers.count >= 5 && numbers[1...4] == [packets, packets, 2 * packets, 0],
                "$rtpstat is '\(report.statistics)' and not \(packets) packets each way, all of them relayed.")
        case .rtpengine:
            report.check(report.statistics == "<null>", "$rtpstat is '\(report.statistics)', and rtpengine has none.")
        }
        let name = report.kind.name
        report.check(!isUnknown(report.answerBefore), "\(name) did not know the call while it lasted.")
        report.check(
            isUnknown(report.answerAfter),
            "After BYE \(name) still knows the session: it answers '\(report.answerAfter)' to '\(report.question)'.")
    }
}
